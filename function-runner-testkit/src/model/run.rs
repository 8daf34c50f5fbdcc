//! Finding sequences that show a difference, and the shortest of each.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
};

use function_runner_core::Connection;
use proptest::{
    strategy::{BoxedStrategy, Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use tokio::runtime::Runtime;

use super::{
    Case,
    difference::{Difference, Differs},
    drive::{self, End},
    op::{Op, sequences},
    subject::Subject,
};

/// How often a sequence that differs is tried shorter.
const MOST_TRIES: usize = 3_000;

/// What opens subjects and plays sequences on them.
pub(super) struct Player<O> {
    open: O,
    runtime: Runtime,
    sequences: BoxedStrategy<Vec<Op>>,
    /// How many sequences were kept to their end, and how many ended where nothing says what comes first.
    pub(super) kept: u64,
    pub(super) unclear: u64,
}

impl<O, F> Player<O>
where
    O: Fn(Case) -> F,
    F: Future<Output = Connection>,
{
    pub(super) fn new(open: O) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime needs one thread of this machine");
        Self { open, runtime, sequences: sequences(), kept: 0, unclear: 0 }
    }

    /// Plays the sequence of this seed; what differs, in the shortest sequence that shows it.
    pub(super) fn seed(&mut self, seed: u64) -> Option<Difference> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let config = Config { failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, random);
        let mut tree = self.sequences.new_tree(&mut runner).expect("the strategies refuse nothing");
        match self.play(&tree.current()).1 {
            Ok(End::Kept) => self.kept += 1,
            Ok(End::Unclear) => self.unclear += 1,
            Err(first) => {
                let (mut shortest, mut latest) = (tree.current(), first);
                let mut tries = 0;
                let mut more = tree.simplify();
                while more && tries < MOST_TRIES {
                    tries += 1;
                    let played = self.play(&tree.current()).1;
                    let differs = played.is_err();
                    if let Err(other) = played {
                        (shortest, latest) = (tree.current(), other);
                    }
                    more = if differs { tree.simplify() } else { tree.complicate() };
                }
                let shortest = self.shorten(shortest, &mut latest);
                return Some(self.tell(seed, &shortest, &latest));
            }
        }
        None
    }

    /// Leaves out whatever can be left out, until nothing can.
    fn shorten(&self, mut ops: Vec<Op>, latest: &mut Differs) -> Vec<Op> {
        loop {
            let before = ops.len();
            let mut at = ops.len();
            while at > 0 {
                at -= 1;
                let mut without = ops.clone();
                without.remove(at);
                if let Err(differs) = self.play(&without).1 {
                    (ops, *latest) = (without, differs);
                }
            }
            if ops.len() == before {
                return ops;
            }
        }
    }

    fn tell(&self, seed: u64, ops: &[Op], latest: &Differs) -> Difference {
        let (script, end) = self.play(ops);
        let Differs { what, expected, actual } = end.err().unwrap_or_else(|| Differs {
            what: format!("not each time it is played, as the subject answers by more: {}", latest.what),
            expected: latest.expected.clone(),
            actual: latest.actual.clone(),
        });
        Difference { seed, script, what, expected, actual }
    }

    /// Plays a sequence on a new subject; a subject that panics differs.
    fn play(&self, ops: &[Op]) -> (Vec<String>, Result<End, Differs>) {
        let case = Case::new();
        let connection = self.runtime.block_on((self.open)(case.clone()));
        let subject = Subject::new(&case, connection);
        let _entered = self.runtime.enter();
        let played = panic::catch_unwind(AssertUnwindSafe(|| drive::play(&subject, ops)));
        played.unwrap_or_else(|panic| {
            let differs = Differs {
                what: "the subject".to_owned(),
                expected: "answers".to_owned(),
                actual: format!("a panic: {}", text_of(&*panic)),
            };
            (vec![format!("{ops:?}")], Err(differs))
        })
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
