//! `fnr worker`: works on a queue until it is stopped.
//!
//! With `--json` its lines are documents of the kinds `worker` (`worker`, `queue`, `capacity`, `lanes`), `started` and
//! `finished` (`task`, `attempt`, …), `draining` (`limit_ms`) and `stopped` (`released`).

use std::time::Duration;

use function_runner_client::capacity;
use function_runner_core::{
    Capacity, Error, ErrorKind, Lane, Pool, Registry, Result, Worker, WorkerId, schema::nearest,
};
use serde_json::json;

use crate::{
    exit::Exit,
    noted::noted,
    out,
    queue::{self, Place},
    share::{self, share},
    stop::{Second, Stop},
};

/// Work on the queue until stopped.
///
/// It serves the built-in functions with what this machine has, and says of each task when it begins and ends. Ctrl-C,
/// or the system's own request to end, lets what runs finish; what still runs at the drain limit goes back to the queue
/// and costs no attempt. A second request gives everything back at once.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::exit::HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// What it may use, over what the machine has: cpu=2,memory=4GiB,disk=10GiB,gpu=8GiB,slots=8,NAME=COUNT.
    #[arg(long, value_name = "NAME=AMOUNT,…")]
    capacity: Option<String>,
    /// The functions it serves; all that are built in unless given.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    functions: Vec<String>,
    /// How long what runs may go on once it was asked to stop.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "30s")]
    drain_limit: Duration,
}

/// Works until it is stopped.
///
/// # Errors
///
/// What is wrong with the arguments; what the queue says.
pub(crate) fn work(registry: Registry, args: &Args, json: bool) -> Result<Exit> {
    let registry = noted(chosen(registry, &args.functions)?, json);
    let machine = share(capacity::measure(), args.capacity.as_deref().unwrap_or_default())?;
    let stop = Stop::listen(None, Second::Tells)?;
    let runtime = queue::runtime()?;
    let exit = runtime.block_on(async {
        let opened = args.place.open().await?;
        let id = WorkerId::unique();
        introduce(&id, &registry, registry.equip(machine.clone()), &args.place, json)?;
        let worker = opened.runner.worker(registry)?.id(id).capacity(machine);
        serve(worker, args.drain_limit, &stop, json).await
    });
    // a body that nothing stops is left to its lease
    runtime.shutdown_timeout(Duration::ZERO);
    exit
}

/// Until it is drained, or everything was given back.
async fn serve(worker: Worker, limit: Duration, stop: &Stop, json: bool) -> Result<Exit> {
    let told = async {
        stop.told().await;
        if json {
            // who cannot be told is stopped all the same
            let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            let _ = out::document(&json!({ "kind": "draining", "limit_ms": limit_ms }));
        } else {
            let limit = humantime::format_duration(limit);
            out::aside(&format!(
                "stopping: what runs may go on for {limit}; once more gives it back at once"
            ));
        }
    };
    worker.drain_limit(limit).release_when(stop.told_again()).run_until(told).await?;
    let released = stop.is_told_again();
    if json {
        out::document(&json!({ "kind": "stopped", "released": released }))?;
    } else {
        out::aside(if released { "stopped: what ran went back" } else { "stopped" });
    }
    Ok(Exit::Succeeded)
}

/// These of the functions.
fn chosen(registry: Registry, names: &[String]) -> Result<Registry> {
    if names.is_empty() {
        return Ok(registry);
    }
    let known: Vec<_> = registry.templates().map(|template| template.function.to_string()).collect();
    for name in names {
        if !known.contains(name) {
            let near = nearest(name, known.iter().map(String::as_str));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let message = format!("there is no function `{}`{near}", name.escape_debug());
            return Err(Error::new(ErrorKind::UnknownFunction, message)
                .with_help(format!("there are: {}", known.join(", "))));
        }
    }
    let wanted = registry.implementations().filter(|implementation| {
        names.iter().any(|name| implementation.template().function.as_str() == name)
    });
    Ok(wanted.cloned().fold(Registry::new(), Registry::add))
}

/// Says who works here, with what, for which lanes.
fn introduce(id: &WorkerId, registry: &Registry, machine: Capacity, place: &Place, json: bool) -> Result<()> {
    let pool = Pool::new(machine.clone());
    let lanes = registry.templates().flat_map(|template| template.lanes());
    let (fit, large): (Vec<_>, Vec<_>) = lanes.partition(|(_, needs)| pool.fits_ever(needs));
    let names = |lanes: &[(Lane, _)]| lanes.iter().map(|(lane, _)| lane.to_string()).collect::<Vec<_>>();
    let (fit, large) = (names(&fit), names(&large));
    if json {
        return out::document(&json!({
            "kind": "worker",
            "worker": id,
            "queue": place.shown(),
            "capacity": machine,
            "lanes": fit,
            "too_large": large,
        }));
    }
    out::aside(&format!("worker {id} · {} · {}", share::has(&machine), place.shown()));
    out::aside(&format!("serves    {}", fit.join(", ")));
    if !large.is_empty() {
        out::aside(&format!("too large {}: see `fnr doctor`", large.join(", ")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use function_runner_core::Function;

    use super::*;

    #[test]
    fn only_the_functions_that_are_named_are_served() {
        let of = |name| Function::<u32, u32>::new(name).implement(|_, n| async move { Ok(n) });
        let registry = || Registry::new().add(of("image.blur")).add(of("image.upscale"));
        let count = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            chosen(registry(), &names).map(|registry| registry.templates().count())
        };
        assert_eq!((count(&[]).unwrap(), count(&["image.blur"]).unwrap()), (2, 1));
        let error = count(&["image.blurr"]).unwrap_err();
        assert_eq!(error.message(), "there is no function `image.blurr`; did you mean `image.blur`?");
    }
}
