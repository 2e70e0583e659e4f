//! The one renderer of reasons, waits and actions.
//!
//! It decides nothing, and no decision reads its text.

mod actions;
mod causes;
mod waits;

pub(crate) use causes::list;

/// Of a cluster of size 0, and of its members.
pub(crate) const ASLEEP: &str = "spec.size is 0: no member runs, and the data is kept on volumes";
