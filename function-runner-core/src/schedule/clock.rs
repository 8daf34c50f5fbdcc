//! The arithmetic of a lane's clock: from cost and share to a tag, from a lease to virtual time.
//!
//! Every function here is exact in `u64` and, as no number leaves ±(2^53 − 1), in doubles too: a store that
//! keeps its clocks as rows or in Lua computes the same answers. The letters of the formulas are given with
//! each.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use super::{Priority, Weight};
use crate::Tenant;

/// The largest tag there is, 2^53 − 1: a lane that is never empty for so long is served by key from then on.
pub const TAG_LIMIT: u64 = (1 << 53) - 1;

/// How far behind the others a lane may be and still catch up: what it missed beyond is forgotten.
pub const LAG_LIMIT: u64 = 1 << 20;

/// The most one task can cost.
pub const COST_LIMIT: u32 = 1 << 10;

const REACH_LIMIT: u64 = 1 << 52;
const LOWEST_SHIFT: i64 = -(TAG_LIMIT as i64);

/// What a task adds to its flow's last tag: its cost over its share.
///
/// `inc = ceil(cost · 2^(10−priority) · 2^14 / weight)`; a cost outside 1 to [`COST_LIMIT`] counts as the
/// nearer of the two. So it is 1 to 2^29, and 4096 by default.
///
/// # Examples
///
/// ```
/// use function_runner_core::{Priority, Weight, schedule::increment};
///
/// let weight = Weight::default();
/// assert_eq!(increment(1, Priority::default(), weight), 4_096);
/// assert_eq!(increment(1, Priority::HIGHEST, weight), 128);
/// assert_eq!(increment(1, Priority::LOWEST, weight), 65_536);
/// ```
#[must_use]
pub const fn increment(cost: u32, priority: Priority, weight: Weight) -> u64 {
    let cost = match cost {
        0 => 1,
        1..=COST_LIMIT => cost,
        _ => COST_LIMIT,
    };
    ((cost as u64) << (10 - priority.value() + 14)).div_ceil(weight.value() as u64)
}

/// The tag of a task that becomes ready: its place in its lane, and its flow's last tag from now on.
///
/// `F = min(max(F_prev or 0, V) + inc, 2^53 − 1)`; `previous` is the flow's last tag, if the clock holds the
/// flow. A flow that was idle gains no credit: it starts at the virtual time.
#[must_use]
pub fn ready(previous: Option<u64>, virtual_time: u64, increment: u64) -> u64 {
    previous.unwrap_or(0).max(virtual_time).saturating_add(increment).min(TAG_LIMIT)
}

/// The virtual time of a lane after a task with this tag and increment was leased from it.
///
/// `S = F − inc; V := max(V, min(F, max(S, V + ceil(inc / flows))))`: the work that was served, spread over
/// the flows that the clock holds, at least one. `flows` is read once for each lease call.
#[must_use]
pub fn advance(virtual_time: u64, tag: u64, increment: u64, flows: usize) -> u64 {
    let start = tag.saturating_sub(increment);
    let share = increment.div_ceil(flows.max(1) as u64);
    virtual_time.max(tag.min(start.max(virtual_time.saturating_add(share))))
}

/// A tag made comparable across lanes: `F + shift`. Equal ones are ordered by the lane's name.
#[must_use]
pub fn order(tag: u64, shift: i64) -> i64 {
    within(tag).saturating_add(shift).clamp(LOWEST_SHIFT, TAG_LIMIT as i64)
}

/// The shift of a lane whose task with this tag is leased, `reach` being what it was before the call.
///
/// `if W − (F + shift) > 2^20 then shift := W − F`: a lane that nobody served for long keeps no unbounded
/// credit.
#[must_use]
pub fn caught_up(reach: u64, tag: u64, shift: i64) -> i64 {
    if within(reach) - order(tag, shift) > LAG_LIMIT as i64 { shift_at(reach, tag) } else { shift }
}

/// The shift that puts a tag at the reach: `W − F`. A lane that is resumed gets it with the tag of its head,
/// so that a pause earns no credit; one that wakes gets it with tag 0.
#[must_use]
pub fn shift_at(reach: u64, tag: u64) -> i64 {
    within(reach) - within(tag)
}

/// The reach after a call that left a lane it gave from at this virtual time: `W := max(W, V + shift)`.
#[must_use]
pub fn reached(reach: u64, virtual_time: u64, shift: i64) -> u64 {
    // what is compared with the reach is negative or at most the limit
    reach.max(u64::try_from(order(virtual_time, shift)).unwrap_or(0))
}

/// How much to take off the reach and every shift before the next call: the whole reach once it is past 2^52,
/// else nothing. No order between lanes changes by it, so no answer does.
#[must_use]
pub fn excess(reach: u64) -> u64 {
    if reach > REACH_LIMIT { reach } else { 0 }
}

/// A shift with the [`excess`] taken off. It ends at −(2^53 − 1), where only a lane can be that stood still
/// while the reach went round twice: it is first of all whatever it lacks, and [`caught_up`] sets it right.
#[must_use]
pub fn without_excess(shift: i64, excess: u64) -> i64 {
    shift.saturating_sub(within(excess)).max(LOWEST_SHIFT)
}

/// A tag or reach as a signed number: it is at most 2^53 − 1.
fn within(number: u64) -> i64 {
    number.min(TAG_LIMIT) as i64
}

/// A tenant at a priority: what gets a share of a lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// Whose tasks they are; those of nobody are a flow of their own.
    pub tenant: Option<Tenant>,
    /// At which priority.
    pub priority: Priority,
}

impl Flow {
    /// The flow of this tenant's tasks at this priority.
    #[must_use]
    pub fn new(tenant: impl Into<Option<Tenant>>, priority: Priority) -> Self {
        Self { tenant: tenant.into(), priority }
    }
}

/// The clock of one lane, for a store that keeps it in memory: virtual time, shift, pause mark, and the last
/// tag of each flow.
///
/// It runs while tasks are ready in its lane: [`wake`](Self::wake) when the first comes, [`stop`](Self::stop)
/// when the last has gone. The pause mark outlives that.
///
/// Flows whose last tag the virtual time has passed are dropped when a flow comes that the clock does not
/// hold, and only then: their number counts in [`advance`], so every store must do it at the same moment. A
/// task that returns to the front brings no flow.
#[derive(Clone, Debug, Default)]
pub struct LaneClock {
    virtual_time: u64,
    shift: i64,
    paused: bool,
    /// Apart, since a call reads the numbers above of every lane it names.
    flows: Box<Flows>,
}

/// The last tag of each flow.
#[derive(Clone, Debug, Default)]
struct Flows {
    last: HashMap<Flow, u64>,
    /// One entry for each flow with a tag it had: at most its last one, so whatever is passed is found on
    /// top.
    oldest: BinaryHeap<Reverse<(u64, Flow)>>,
}

impl LaneClock {
    /// Starts the clock of a lane that was empty: virtual time 0, no flows, the shift at the reach.
    pub fn wake(&mut self, reach: u64) {
        self.stop();
        self.shift = shift_at(reach, 0);
    }

    /// Forgets everything but the pause mark, as the lane has run empty.
    pub fn stop(&mut self) {
        (self.virtual_time, self.shift) = (0, 0);
        self.flows.last.clear();
        self.flows.oldest.clear();
    }

    /// The tag of a task of this flow that becomes ready now.
    pub fn ready(&mut self, flow: &Flow, increment: u64) -> u64 {
        if let Some(last) = self.flows.last.get_mut(flow) {
            *last = ready(Some(*last), self.virtual_time, increment);
            return *last;
        }
        self.flows.drop_passed(self.virtual_time);
        let tag = ready(None, self.virtual_time, increment);
        self.flows.last.insert(flow.clone(), tag);
        self.flows.oldest.push(Reverse((tag, flow.clone())));
        tag
    }

    /// Moves the clock on by a lease: the virtual time as [`advance`] says, the shift as the call has found
    /// it.
    pub fn leased(&mut self, tag: u64, increment: u64, shift: i64) {
        self.virtual_time = advance(self.virtual_time, tag, increment, self.flows());
        self.shift = shift;
    }

    /// Marks the lane as paused.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Takes the mark off; if the lane has a head its shift becomes [`shift_at`] it. Without a mark nothing
    /// changes.
    pub fn resume(&mut self, reach: u64, head: Option<u64>) {
        if let (true, Some(head)) = (self.paused, head) {
            self.shift = shift_at(reach, head);
        }
        self.paused = false;
    }

    /// Takes an [`excess`] of the reach off the shift.
    pub fn take_off(&mut self, excess: u64) {
        self.shift = without_excess(self.shift, excess);
    }

    /// The virtual time, `V`: the tag of tasks that return to the front.
    #[must_use]
    pub const fn virtual_time(&self) -> u64 {
        self.virtual_time
    }

    /// What makes tags comparable across lanes.
    #[must_use]
    pub const fn shift(&self) -> i64 {
        self.shift
    }

    /// Whether the lane is paused.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// How many flows the clock holds.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.flows.last.len()
    }
}

impl Flows {
    fn drop_passed(&mut self, virtual_time: u64) {
        while let Some(Reverse((tag, _))) = self.oldest.peek()
            && *tag < virtual_time
            && let Some(Reverse((_, flow))) = self.oldest.pop()
        {
            match self.last.get(&flow) {
                Some(&last) if last >= virtual_time => self.oldest.push(Reverse((last, flow))),
                _ => drop(self.last.remove(&flow)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(tenant: &str, priority: u8) -> Flow {
        Flow::new(Tenant::new(tenant).unwrap(), Priority::new(priority).unwrap())
    }

    #[test]
    fn an_increment_is_cost_over_share_rounded_up() {
        for cost in [0, 1, 3, 10, 1_024, 1_025, u32::MAX] {
            for priority in 1..=10 {
                for weight in [16, 17, 100, 128, 2_047, 2_048] {
                    let units = u128::from(cost.clamp(1, 1_024)) * (1 << (10 - priority)) * 16_384;
                    let expected = (units
                        + (u128::from(weight) - units % u128::from(weight)) % u128::from(weight))
                        / u128::from(weight);
                    let got = increment(cost, Priority::new(priority).unwrap(), Weight::new(weight).unwrap());
                    assert_eq!(u128::from(got), expected, "cost {cost} priority {priority} weight {weight}");
                }
            }
        }
        assert_eq!(increment(u32::MAX, Priority::LOWEST, Weight::LOWEST), 1 << 29);
        assert_eq!(increment(1, Priority::HIGHEST, Weight::HIGHEST), 8);
    }

    #[test]
    fn virtual_time_goes_on_by_the_served_work_over_the_flows() {
        assert_eq!(advance(0, 4_096, 4_096, 1), 4_096, "alone: to the tag");
        assert_eq!(advance(0, 4_096, 4_096, 3), 1_366, "three flows: a third, rounded up");
        assert_eq!(advance(0, 4_096, 4_096, 0), 4_096, "none counts as one");
        assert_eq!(advance(0, 10_000, 4_096, 1_000), 5_904, "never before the start of what was served");
        assert_eq!(advance(9_000, 9_000, 4_096, 1), 9_000, "never past the tag");
        assert_eq!(advance(9_000, 5_000, 4_096, 1), 9_000, "never back");
        assert_eq!(advance(TAG_LIMIT, TAG_LIMIT, 4_096, 1), TAG_LIMIT);
        assert_eq!(ready(Some(TAG_LIMIT - 1), 0, 4_096), TAG_LIMIT);
        assert_eq!((ready(None, 70, 5), ready(Some(90), 70, 5), ready(Some(60), 70, 5)), (75, 95, 75));
    }

    #[test]
    fn a_lane_that_lags_by_more_than_the_limit_is_put_at_the_reach() {
        let reach = 10 * LAG_LIMIT;
        let edge = shift_at(reach - LAG_LIMIT, 4_096);
        assert_eq!(caught_up(reach, 4_096, edge), edge, "exactly the limit behind keeps its credit");
        assert_eq!(order(4_096, caught_up(reach, 4_096, edge - 1)), order(reach, 0));
        assert_eq!(reached(reach, 4_096, edge), reach, "the reach never goes back");
        assert_eq!(reached(reach, 4_096, shift_at(reach, 0)), reach + 4_096);
        assert_eq!((excess(1 << 52), excess((1 << 52) + 1)), (0, (1 << 52) + 1));
    }

    #[test]
    fn no_number_leaves_what_a_double_holds_exactly() {
        let limit = TAG_LIMIT as i64;
        assert_eq!(order(TAG_LIMIT, limit), limit);
        assert_eq!(reached(TAG_LIMIT, TAG_LIMIT, limit), TAG_LIMIT);
        let mut shift = shift_at(0, TAG_LIMIT);
        for _ in 0..5 {
            shift = without_excess(shift, excess(TAG_LIMIT));
        }
        assert_eq!((shift, order(0, shift)), (-limit, -limit));
        assert_eq!(order(4_096, caught_up(TAG_LIMIT, 4_096, shift)), limit);
    }

    #[test]
    fn passed_flows_are_dropped_when_a_flow_comes_that_the_clock_does_not_hold_and_only_then() {
        let mut clock = LaneClock::default();
        clock.wake(0);
        let (a, b, c) = (flow("a", 5), flow("b", 5), flow("a", 6));
        let first = clock.ready(&a, 100);
        assert_eq!((first, clock.ready(&b, 500), clock.flows()), (100, 500, 2));
        clock.leased(200, 100, 0);
        assert_eq!((clock.virtual_time(), clock.flows()), (100, 2));
        clock.ready(&b, 1);
        assert_eq!(clock.flows(), 2, "a flow that it holds drops nothing");
        clock.ready(&c, 1_000);
        assert_eq!(clock.flows(), 3, "a tag equal to the virtual time is not passed");
        clock.leased(251, 50, 0);
        assert_eq!((clock.virtual_time(), clock.flows()), (201, 3), "leasing drops nothing");
        assert_eq!(clock.ready(&a, 10), 211, "a passed flow that it still holds has no memory, and stays");
        assert_eq!(clock.flows(), 3);
        clock.leased(800, 100, 0);
        clock.ready(&flow("d", 5), 1);
        assert_eq!(clock.flows(), 2, "a and b are passed, c is not: c and d are left");
        assert_eq!(clock.ready(&c, 10), 1_110);
    }

    #[test]
    fn a_pause_mark_outlives_the_clock_and_earns_no_credit() {
        let mut clock = LaneClock::default();
        clock.wake(1_000);
        clock.ready(&flow("a", 5), 100);
        clock.resume(5_000, Some(100));
        assert_eq!(clock.shift(), 1_000, "what is not paused is not resumed");
        clock.pause();
        clock.stop();
        assert!(clock.is_paused());
        clock.wake(2_000);
        assert_eq!((clock.virtual_time(), clock.shift(), clock.flows()), (0, 2_000, 0));
        clock.resume(5_000, Some(100));
        assert_eq!((clock.shift(), clock.is_paused()), (4_900, false));
    }
}
