//! A key-value store with revisions, as etcd is one: every write of any key raises the revision of the whole store.
//!
//! [`check`] holds a history against three rules.
//!
//! - **The order.** The operations of each key are linearizable ([`KeyValue`]). Each key is absent before the history.
//! - **The revisions**, of the whole history at once: no linearizable answer has a lower revision than an answer had
//!   that was there before its call, no write has the revision of such an answer or of another write, and an entry is
//!   what the write at its revision wrote.
//! - **Serializable reads** may be stale, but tell what was there at their revision, and never what is written later.
//!
//! Answers may tell revisions or leave them out: those that tell them say more, and make the check faster.
//!
//! # What is not checked
//!
//! Transactions over several keys, ranges, leases (a key that expires looks like a delete by nobody), compactions and
//! the count of an entry's versions. That revisions have no gaps: somebody else may write. Watches have a check of
//! their own ([`watched`]). Each key and the revisions are checked apart, so an order of the writes of *different* keys
//! that only both together refute is accepted where a write's revision is not told. Nor is it taken into account that
//! an entry of which no revision is known so far cannot have one that a comparison denied, unless it is no later than
//! the write before.

mod action;
mod key;
mod problem;
mod revisions;
mod serializable;
mod watch;
mod writes;

pub use action::{Action, Condition, Entry, Input, Outcome, Output, Revision};
pub use key::{KeyState, KeyValue};
pub use problem::{Contradiction, Problem, Rule};
pub use watch::{Event, Untrue, watched};

use crate::history::History;
use crate::verdict::{Budget, Verdict};

/// Whether a history is one of a key-value store: the rules of this [module](self), the cheap ones first.
///
/// ```
/// use endstate_linear::kv::{self, Action, Input, Outcome, Output, Revision};
/// use endstate_linear::{Budget, Client, History, Operation};
///
/// let put = |key: &str| Input::new(key, Action::put("1"));
/// let written = |revision| Output::new(Outcome::Written).at(Revision(revision));
/// let history = History::new(vec![
///     Operation::new(Client(1), 0, put("a")).answered(10, written(7)),
///     Operation::new(Client(2), 20, put("b")).answered(30, written(6)),
/// ])?;
/// assert_eq!(
///     kv::check(&history, Budget::USUAL).to_string(),
///     r#"the revision is lower than that of an answer from before the call:
///   [0, 10] client 1: put a = "1" -> written, revision 7
///   [20, 30] client 2: put b = "1" -> written, revision 6
/// "#
/// );
/// # Ok::<(), endstate_linear::Malformed>(())
/// ```
pub fn check(history: &History<Input, Output>, budget: Budget) -> Verdict<Problem> {
    let contradiction = revisions::contradiction(history);
    match contradiction.or_else(|| serializable::contradiction(history)) {
        Some(it) => Verdict::Violation(Problem::Revisions(it)),
        None => crate::check::check(&KeyValue, history, budget).map(Problem::Order),
    }
}
