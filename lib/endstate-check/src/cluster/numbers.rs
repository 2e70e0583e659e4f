//! What the model keeps as a number.

use endstate_core::{LeaveReason, Position};

const BEHIND_AT: u64 = 10;
/// Far more than an application keeps for those who are behind.
const CAUGHT_UP_AT: u64 = 10_000;

/// The reasons to leave, by number.
pub(super) const REASONS: [LeaveReason; 8] = [
    LeaveReason::ScaleDown,
    LeaveReason::Dead,
    LeaveReason::Outdated,
    LeaveReason::FailedJoin,
    LeaveReason::Stray,
    LeaveReason::Corrupt,
    LeaveReason::VolumeDeleted,
    LeaveReason::Recovered,
];

/// A position by its number: far behind, or with so many of the scenario's writes.
pub(super) fn position(number: u8) -> Position {
    Position::at(if number < 2 { BEHIND_AT } else { CAUGHT_UP_AT + u64::from(number - 2) })
}

/// The number of a position.
pub(super) fn number(position: &Position) -> u8 {
    // The first entry is number 0.
    let writes = position.count().checked_sub(CAUGHT_UP_AT + 1);
    writes.map_or(1, |it| 2 + u8::try_from(it).expect("few writes"))
}
