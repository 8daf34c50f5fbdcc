//! What a task of a lane takes of a worker's room.

/// The whole room of a worker's ask: divisible by every number up to 16, so that most costs come out exact.
pub const ROOM: u32 = 720_720;

/// The cost of one task of a lane of which this many would fit, alone, in what is free now: [`ROOM`] divided
/// by that number, rounded up; `None` where none would fit, for such a lane is not asked for.
///
/// It is never 0: of more tasks than [`ROOM`] each costs 1. As it is rounded up, tasks whose costs add up to
/// at most [`ROOM`] fit together whenever what they need is divisible.
///
/// # Examples
///
/// ```
/// use function_runner_core::schedule::{ROOM, lane_cost};
///
/// assert_eq!(lane_cost(1), Some(ROOM));
/// assert_eq!(lane_cost(16), Some(45_045));
/// assert_eq!(lane_cost(17), Some(42_396), "rounded up: 17 of them are over the room by 12, 16 go");
/// assert_eq!(lane_cost(0), None);
/// ```
#[must_use]
pub const fn lane_cost(fits: u64) -> Option<u32> {
    match fits {
        0 => None,
        // a quotient of ROOM is at most ROOM, so it fits
        fits => Some((ROOM as u64).div_ceil(fits) as u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_that_fill_the_room_never_hold_more_than_fits() {
        for fits in (1..=2_000).chain([720_719, 720_720, 720_721, u64::from(u32::MAX), u64::MAX]) {
            let cost = lane_cost(fits).unwrap();
            assert!(cost >= 1);
            assert!(u64::from(ROOM / cost) <= fits, "{fits} fit, {} would be given", ROOM / cost);
            assert!(u64::from(cost - 1) * fits < u64::from(ROOM), "{fits}: rounded up by more than one");
        }
        for exact in 1..=16 {
            assert_eq!(u64::from(ROOM / lane_cost(exact).unwrap()), exact);
        }
        assert_eq!(
            (lane_cost(0), lane_cost(u64::from(ROOM) + 1), lane_cost(u64::MAX)),
            (None, Some(1), Some(1))
        );
    }
}
