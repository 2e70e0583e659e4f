//! The one renderer of reasons, waits and actions.
//!
//! It decides nothing, and no decision reads its text.

mod actions;
mod causes;
mod waits;

pub(crate) use causes::list;
