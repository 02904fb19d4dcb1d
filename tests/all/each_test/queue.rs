//! The order of tests that run alone and of those that run beside others.
//!
//! Must not: start a thread, or wait.

use sandhog_harness::each_test::order::{Kind, Order};

/// Tests of these kinds that came in this order: which are in after each of the steps, where those at the given places leave.
fn run(kinds: &[Kind], leaves: &[usize]) -> Vec<Vec<usize>> {
    let mut order = Order::new();
    let tickets: Vec<u64> = kinds.iter().map(|_| order.arrive()).collect();
    let (mut waiting, mut inside): (Vec<usize>, Vec<usize>) = ((0..kinds.len()).collect(), Vec::new());
    let mut seen = Vec::new();
    let mut leaves = leaves.iter();
    loop {
        // The last one tries first: the threads wake in any order.
        while let Some(place) = waiting.iter().rposition(|test| order.enter(tickets[*test], kinds[*test])) {
            inside.push(waiting.remove(place));
        }
        seen.push(inside.clone());
        let Some(leaves) = leaves.next() else { return seen };
        let place = inside.iter().position(|test| test == leaves).expect("it is in");
        order.leave(kinds[inside.remove(place)]);
    }
}

#[test]
fn a_test_that_runs_alone_waits_for_those_before_it_and_holds_back_those_behind_it() {
    use Kind::{Alone, Beside};
    let steps = run(&[Beside, Beside, Alone, Beside, Alone, Beside], &[1, 0, 2, 3, 4, 5]);
    assert_eq!(steps, [vec![0, 1], vec![0], vec![2], vec![3], vec![4], vec![5], vec![]]);
    let steps = run(&[Alone, Alone, Beside, Beside], &[0, 1, 3, 2]);
    assert_eq!(steps, [vec![0], vec![1], vec![2, 3], vec![2], vec![]]);
}
