//! What came out, as figures beside their bounds.

use std::task::{Context, Poll, Waker};

use function_runner_core::{Result, TaskFilter, TaskId};

use super::{
    catalog::KEPT_DEAD,
    ledger::{Place, Span},
    node::Pending,
    plan::Weather,
    report::{Figure, Part, Report},
    world::World,
};

/// One call of a live worker, its retries included: how long after its turn it may come.
const CALL: u64 = 2000;

impl World {
    pub(super) fn report(mut self) -> Report {
        self.over_at = self.now();
        let leftovers = self.leftovers();
        let mut figures = self.ends();
        figures.extend(self.safety());
        figures.extend(self.waits());
        figures.push(Figure::exactly("left in the store after retention", leftovers as u64, 0, "0"));
        Report {
            seed: self.plan.seed,
            history: self.ledger.history.hash(),
            figures,
            violations: self.ledger.violations,
        }
    }

    fn ends(&self) -> Vec<Figure> {
        let ledger = &self.ledger;
        let [succeeded, failed, cancelled] = ledger.ends;
        let ended = succeeded + failed + cancelled;
        let accepted = ledger.entries.iter().filter(|entry| entry.place != Place::Nowhere).count() as u64;
        let [vanished, hung, drained, left, poisoned] = self.accidents;
        let accidents = format!("{vanished}, {poisoned}, {hung}, {drained}, {left}");
        let (tasks, watched, events) =
            (self.plan.tasks as u64, self.callers.watches.all, self.callers.watches.events);
        vec![
            Figure::told("simulated until the last worker left", format!("{} s", self.over_at / 1000)),
            Figure::told("workers that ever were", self.nodes.len()),
            Figure::told("of them vanished, poisoned, hung, drained, came and left", accidents),
            Figure::told("leases", ledger.leases),
            Figure::exactly("tasks accepted", accepted, tasks, format!("{tasks}, all")),
            Figure::exactly("tasks that ended", ended, accepted, format!("{accepted}, each once")),
            Figure::told("succeeded + failed + cancelled", format!("{succeeded} + {failed} + {cancelled}")),
            Figure::told("tasks watched, events heard", format!("{watched}, {events}")),
        ]
    }

    fn safety(&self) -> Vec<Figure> {
        let (violated, late) = (self.ledger.violated, self.ledger.late);
        let innocents = || self.ledger.entries.iter().filter(|entry| !entry.traits.poison);
        let by_one = u64::from(innocents().map(|entry| entry.crashes.by_one).max().unwrap_or(0));
        let by_all = innocents().map(|entry| entry.crashes.all()).max().unwrap_or(0);
        vec![
            Figure::exactly("answers and starts that broke a rule", violated, 0, "0"),
            Figure::told("ends and claims that came too late and were refused", late),
            Figure::told("poison tasks, all dead letters", self.callers.poisons),
            Figure::at_most("crashes of an innocent by one poison", by_one, "2", Part(by_one, 2)),
            Figure::told("crashes of an innocent by all accidents together", by_all),
            Figure::told("innocents that met three accidents", self.callers.crashed),
        ]
    }

    fn waits(&mut self) -> Vec<Figure> {
        let mut figures = self.order();
        figures.extend(self.recoveries());
        let [cores, cards] = self.meters.busy();
        let best = self.meters.of_best();
        let percent = |parts: u64| format!("{:.1} %", parts as f64 / 10.0);
        // in a small fleet a dead machine, or one that drains, is a larger part
        let least = if self.plan.workers < 1000 { [700, 500, 750] } else { [850, 850, 900] };
        let names =
            ["cores busy in overload", "GPUs busy in overload", "core work done, of the best possible"];
        for ((name, found), least) in names.into_iter().zip([cores, cards, best]).zip(least) {
            figures.push(Figure::at_least(name, percent(found), percent(least), Part(found, least)));
        }
        figures
    }

    /// Who waits for whom.
    fn order(&self) -> Vec<Figure> {
        let (ledger, lanes) = (&self.ledger, &self.ledger.lanes);
        let tenants = self.tenants.len() as u64;
        let [all, low] = lanes.waits;
        let of_bound = |span: Span| format!("{:.3} of {}", span.most as f64 / 1000.0, span.count);
        let (distance, compared) = lanes.distance();
        let share = format!("{:.1} % of {compared}", distance as f64 / 10.0);
        let overtaken = format!("{} of {}", ledger.overtaken.most, ledger.overtaken.count);
        vec![
            Figure::at_most(
                "leases waited, of the bound of its flow",
                of_bound(all),
                "1",
                Part(all.most, 1000),
            ),
            Figure::at_most("the same at priority 1", of_bound(low), "1", Part(low.most, 1000)),
            Figure::at_most("share off the weight in overload", share, "5 %", Part(distance, 50)),
            Figure::at_most(
                "fresh tasks given before one whose worker died",
                overtaken,
                format_args!("{tenants}, one a tenant"),
                Part(ledger.overtaken.most, tenants),
            ),
        ]
    }

    /// How long after a death, and how long for a large task.
    fn recoveries(&self) -> Vec<Figure> {
        let (ledger, lanes) = (&self.ledger, &self.ledger.lanes);
        let longest = self.kinds.iter().map(|kind| kind.timeout).max().unwrap_or(0);
        let reserve = self.times.reserve.as_millis() as u64 + CALL + longest;
        let recovered = ledger.lease + reserve;
        let [small, large, suspects] = ledger.recovered;
        let orphans = format!("{}; {}", ledger.orphans[0], ledger.orphans[1]);
        let seconds = |span: Span| {
            let (mean, most) = (span.mean() as f64 / 1000.0, span.most as f64 / 1000.0);
            format!("{mean:.1} / {most:.1} s of {}", span.count)
        };
        let within = |name, span: Span, most: u64| {
            Figure::at_most(
                name,
                seconds(span),
                format!("{:.1} s", most as f64 / 1000.0),
                Part(span.most, most),
            )
        };
        vec![
            Figure::told("claims of the dead a second after they ran out; still free", orphans),
            Figure::exactly("of these, while a worker with room asked", self.unserved, 0, "0"),
            within("leased again after a death, mean / most", small, recovered),
            within("the same, large tasks", large, recovered),
            within("the same, suspects", suspects, recovered),
            Figure::told("the same, store out of reach meanwhile", seconds(ledger.recovered_in_weather)),
            within("head of a large lane, since passed over", lanes.passed, reserve),
            Figure::exactly("drains longer than the attempts left", lanes.drained_late, 0, "0"),
            Figure::told("drains for a large task", seconds(lanes.drained)),
        ]
    }

    /// What the store still lists when the retention of everything is over.
    fn leftovers(&mut self) -> usize {
        self.weather = Weather::Clear;
        self.pass(KEPT_DEAD.as_millis() as u64 + 60_000);
        let sweeps = self.plan.tasks / 32 + 1000;
        for _ in 0..sweeps {
            let executor = self.executor.clone();
            // each look at a store serves what is due
            let look: Pending<Result<bool>> =
                Box::pin(async move { executor.record(&TaskId::new("nobody")?).await.map(|_| true) });
            _ = now(look);
        }
        let inspect = self.inspect.clone();
        let left: Pending<Result<usize>> = Box::pin(async move {
            let tasks = inspect.tasks(TaskFilter::default()).await?.items.len();
            Ok(tasks + inspect.lanes().await?.len() + inspect.workers().await?.len())
        });
        now(left).and_then(Result::ok).unwrap_or(usize::MAX)
    }
}

/// The answer of a call of which nothing is awaited.
fn now<T>(mut call: Pending<T>) -> Option<T> {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}
