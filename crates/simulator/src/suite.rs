//! The scenarios that the shipped planner must pass, by subject.

mod calls;
mod deep;
mod members;
mod operations;
mod places;
mod recoveries;
mod roll;
mod size;
mod users;
mod volumes;

use endstate_check::cluster::{Budgets, Scenario};

pub use deep::deep_suite;

const NONE: Budgets = Budgets::NONE;

/// All of them.
pub fn suite() -> Vec<Scenario> {
    let subjects = [
        size::create(),
        size::scale(),
        size::delete(),
        size::at_once(),
        size::hibernating(),
        members::replace(),
        members::cut(),
        members::crash(),
        members::corrupt(),
        members::differs(),
        members::blanked(),
        roll::roll(),
        calls::late(),
        calls::refused(),
        calls::forgotten(),
        operations::on_members(),
        places::cordoned(),
        places::evictions(),
        recoveries::unasked(),
        users::guarded(),
        users::users(),
        volumes::pairs(),
        volumes::half_made(),
    ];
    subjects.into_iter().flatten().collect()
}
