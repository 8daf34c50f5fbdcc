//! `--capacity`: what a worker may use of its machine, and what people are told of it.

use function_runner_backends::models::COUNT_PREFIX;
use function_runner_core::{Amounts, Capacity, Error, ErrorKind, Result};

/// This machine, with what `--capacity` says in place of what was measured: `cpu=2,memory=4GiB,gpu=8GiB,slots=8`, and
/// any other name for things that the operator counts.
///
/// # Errors
///
/// [`ErrorKind::InvalidCall`] for what cannot be read.
pub(crate) fn share(mut machine: Capacity, said: &str) -> Result<Capacity> {
    let mut gpus = Vec::new();
    for part in said.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, amount) = part.split_once('=').ok_or_else(|| unreadable(part))?;
        match name {
            "cpu" => machine.cpu_millis = cores(amount).ok_or_else(|| unreadable(part))?,
            "memory" => machine.memory_mib = mib(amount).ok_or_else(|| unreadable(part))?,
            "disk" => machine.disk_mib = mib(amount).ok_or_else(|| unreadable(part))?,
            "gpu" => gpus.push(mib(amount).ok_or_else(|| unreadable(part))?),
            "slots" => machine.slots = amount.parse().map_err(|_| unreadable(part))?,
            name => machine = machine.custom(name, amount.parse().map_err(|_| unreadable(part))?),
        }
    }
    if !gpus.is_empty() {
        // 0 says that it has none
        machine.gpus = gpus.into_iter().filter(|memory| *memory > 0).collect();
    }
    let faults = machine.faults();
    if faults.is_empty() {
        return Ok(machine);
    }
    Err(Error::new(ErrorKind::InvalidCall, format!("--capacity: {}", faults.join("; "))))
}

/// What a worker has, in words; of models `fnr models` tells.
pub(crate) fn has(capacity: &Capacity) -> String {
    let mut shown = capacity.clone();
    shown.custom.retain(|name, _| !name.starts_with(COUNT_PREFIX));
    shown.to_string()
}

/// What is free of it, likewise.
pub(crate) fn free(capacity: &Capacity, load: &Amounts) -> String {
    let mut free = capacity.left(load);
    free.custom.retain(|name, _| !name.starts_with(COUNT_PREFIX));
    free.to_string()
}

fn unreadable(part: &str) -> Error {
    let message = format!("--capacity: `{}` cannot be read", part.escape_debug());
    Error::new(ErrorKind::InvalidCall, message)
        .with_help("write cpu=2,memory=4GiB,disk=10GiB,gpu=8GiB,slots=8, or NAME=COUNT for things you count")
}

/// Cores, with up to three places: `2`, `0.5`.
fn cores(text: &str) -> Option<u64> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let thousandths = format!("{places:0<3}");
    if thousandths.len() > 3 || !thousandths.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(thousandths.parse().ok()?)
}

/// MiB: `800`, `800MiB`, `4GiB`.
fn mib(text: &str) -> Option<u64> {
    match text.strip_suffix("GiB") {
        Some(gib) => gib.parse::<u64>().ok()?.checked_mul(1024),
        None => text.strip_suffix("MiB").unwrap_or(text).parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stands_over_what_was_measured() {
        let machine = Capacity::new().cpu_millis(8000).memory_mib(9000).gpu(24_000);
        let share = |said| share(machine.clone(), said).unwrap();
        assert_eq!(share(""), machine);
        assert_eq!(
            share("cpu=0.5, memory=4GiB").to_string(),
            "0.5 cores, 4 GiB memory, 1 GPU of 23.4 GiB, 64 slots"
        );
        assert_eq!(
            share("gpu=0,slots=2,licence=1").to_string(),
            "8 cores, 8.7 GiB memory, 2 slots, 1 of `licence`"
        );
        assert_eq!(share("gpu=800MiB,gpu=900").gpus, [800, 900]);
    }

    #[test]
    fn models_are_not_told_among_what_a_worker_has() {
        let worker = Capacity::new().slots(2).custom("model.thick", 1_000_000).custom("licence", 3);
        assert_eq!(has(&worker), "2 slots, 3 of `licence`");
        assert_eq!(free(&worker, &Amounts::new().slots(1)), "1 slot, 3 of `licence`");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for said in [
            "cpu",
            "cpu=two",
            "cpu=1.2345",
            "cpu=1.x",
            "memory=4TB",
            "slots=-1",
            "Licence=1",
            "cpu=9999999999999999",
        ] {
            let error = share(Capacity::new(), said).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCall, "{said}");
        }
    }
}
