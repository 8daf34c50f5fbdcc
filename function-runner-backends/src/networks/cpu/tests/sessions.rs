//! Whole networks: how exact they are, threads, stopping, memory, and sessions side by side.

use super::{error, expected, image, run};
use crate::networks::{
    Isa, Network, Stopped,
    cpu::samples::{chain, dense},
};
use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

#[test]
fn a_deep_network_stays_within_a_twentieth_of_a_step() {
    let plan = dense(10, 64, 32, 2, 1);
    assert!(plan.convs.len() > 150);
    let input = image(9, 7, 2);
    let expected = expected(&plan, 9, 7, &input);
    for isa in Isa::all_here() {
        let network = Network::with_isa(plan.clone(), isa);
        let error = error(&run(&network, 9, 7, 2, &input), &expected);
        assert!(error < 1.0 / 20.0 / 255.0, "{isa:?}: off by {error}");
    }
}

#[test]
fn threads_change_no_bit() {
    for isa in Isa::all_here() {
        let network = Network::with_isa(chain(2, 20, 2, 1), isa);
        let input = image(70, 45, 1);
        let one = run(&network, 70, 45, 1, &input);
        for threads in [1, 2, 3] {
            assert!(run(&network, 70, 45, threads, &input) == one, "{isa:?} on {threads} threads differs");
        }
    }
}

#[test]
fn two_sessions_of_a_network_run_at_once() {
    let network = Network::new(chain(3, 16, 2, 1));
    let both = Barrier::new(2);
    let inputs = [image(40, 30, 1), image(40, 30, 2)];
    let alone = inputs.each_ref().map(|input| run(&network, 40, 30, 1, input));
    let together = thread::scope(|scope| {
        let threads = inputs.each_ref().map(|input| {
            scope.spawn(|| {
                both.wait();
                run(&network, 40, 30, 2, input)
            })
        });
        threads.map(|thread| thread.join().expect("it ends"))
    });
    assert!(together == alone);
}

#[test]
fn a_session_is_used_for_other_sizes() {
    let network = Network::new(dense(1, 16, 8, 2, 1));
    let mut session = network.session(2);
    for (width, height) in [(30, 20), (20, 30), (1, 1), (31, 21), (30, 20)] {
        let input = image(width, height, 3);
        let mut output = vec![f32::NAN; input.len() * 4];
        session.run(width, height, &input, &mut output, &|| false, &mut |_| ()).expect("nobody stops it");
        assert!(output == run(&network, width, height, 1, &input), "{width}×{height} after others differs");
    }
}

#[test]
fn a_session_holds_what_was_said() {
    for plan in [chain(3, 20, 4, 1), dense(1, 32, 16, 2, 1)] {
        let network = Network::new(plan);
        let (mut most, mut session) = (0, network.session(3));
        for (width, height) in [(1, 1), (10, 40), (41, 60), (12, 7)] {
            let input = image(width, height, 3);
            let mut output = vec![0.0; input.len() * (network.plan().scale * network.plan().scale) as usize];
            session.run(width, height, &input, &mut output, &|| false, &mut |_| ()).expect("nobody stops it");
            most = most.max(network.session_bytes(width, height, 3));
            assert_eq!(session.held(), most, "after {width}×{height}");
        }
    }
}

#[test]
fn a_larger_tile_never_needs_less() {
    let network = Network::new(chain(1, 20, 4, 1));
    for side in 1..200 {
        let bytes = network.session_bytes(side, 50, 2);
        assert!(bytes <= network.session_bytes(side + 1, 50, 2), "{side}");
        assert!(bytes <= network.session_bytes(side, 51, 2), "{side}");
    }
}

#[test]
fn a_session_stops_within_a_convolution_and_goes_on_with_the_next_tile() {
    let network = Network::new(chain(2, 16, 2, 1));
    let input = image(150, 150, 1);
    let whole = run(&network, 150, 150, 2, &input);
    let mut session = network.session(2);
    let mut output = vec![0.0; input.len() * 4];
    let (asked, mut told) = (AtomicUsize::new(0), 0);
    let stopped = || asked.fetch_add(1, Ordering::Relaxed) >= 2;
    let result = session.run(150, 150, &input, &mut output, &stopped, &mut |_| told += 1);
    assert_eq!((result, told), (Err(Stopped), 0), "it ended in the first convolution");
    session.run(150, 150, &input, &mut output, &|| false, &mut |_| ()).expect("nobody stops it");
    assert!(output == whole);
}

#[test]
fn progress_rises_to_one() {
    let network = Network::new(chain(3, 16, 2, 1));
    let (input, mut told) = (image(8, 8, 1), Vec::new());
    let mut output = vec![0.0; input.len() * 4];
    let mut session = network.session(1);
    session
        .run(8, 8, &input, &mut output, &|| false, &mut |share| told.push(share))
        .expect("nobody stops it");
    assert_eq!(told.len(), network.plan().convs.len());
    assert!(told.is_sorted_by(|a, b| a < b));
    assert!(told.last().is_some_and(|last| (last - 1.0).abs() < 1e-6));
}

#[test]
fn an_empty_tile_is_no_work() {
    let network = Network::new(chain(1, 16, 2, 1));
    network.session(2).run(0, 5, &[], &mut [], &|| false, &mut |_| ()).expect("nobody stops it");
}

#[test]
fn weights_are_counted_as_published_and_as_prepared() {
    let network = Network::with_isa(chain(1, 64, 1, 1), Isa::Portable);
    // 3 → 64, 64 → 64 and 64 + 3 → 3, which is padded to 16 outputs
    let weights = [3 * 64, 64 * 64, 67 * 3];
    let rest = [64 + 64, 64 + 64, 3];
    let published: usize = weights.iter().map(|count| count * 9).chain(rest).sum();
    let biases = 2 * (64 + 64 + 16);
    let squares = 64 * (3 * 64 + 64 * 64 + 67 * 16);
    assert_eq!(network.weight_bytes(), 4 * (published + squares + biases) as u64);
}
