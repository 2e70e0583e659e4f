//! A checker of linearizability: whether one order of operations explains what concurrent clients were answered.
//!
//! Clients use a store at the same time, while members of it die and networks break, and write down what they asked
//! for, when, and what came back: a [`History`]. A [`Model`] says what the store is when one client uses it alone.
//! [`check`] looks for an order in which each operation takes effect at one moment between its call and its return.
//! If there is none the store has answered what it must not, and a [`Violation`] shows where.
//!
//! [`kv`] has a model ready: a key-value store with revisions, and what its watchers are to be told. A [`Lease`] goes
//! neither too early nor too late.
//!
//! ```
//! use endstate_linear::kv::{self, Action, Entry, Input, Outcome, Output};
//! use endstate_linear::{Budget, Client, History, Operation};
//!
//! let read = |value: &str| Output::new(Outcome::Read(Some(Entry::new(value))));
//! let history = History::new(vec![
//!     Operation::new(Client(1), 0, Input::new("color", Action::put("red")))
//!         .answered(10, Output::new(Outcome::Written)),
//!     // This write has timed out: it may take effect from 20 on, or never.
//!     Operation::new(Client(2), 20, Input::new("color", Action::put("blue"))),
//!     Operation::new(Client(1), 30, Input::new("color", Action::Get)).answered(40, read("blue")),
//!     Operation::new(Client(3), 50, Input::new("color", Action::Get)).answered(60, read("red")),
//! ])?;
//! let verdict = kv::check(&history, Budget::USUAL);
//! assert_eq!(
//!     verdict.to_string(),
//!     r#"color: no order of its 4 operations explains their answers
//! the longest that gets to the answer at 60:
//!   [0, 10] client 1: put color = "red" -> written
//!   [20, ?] client 2: put color = "blue" -> unknown
//!   [30, 40] client 1: get color -> "blue"
//!   => "blue"
//! none of these can be next:
//!   [50, 60] client 3: get color -> "red"
//! "#
//! );
//! # Ok::<(), endstate_linear::Malformed>(())
//! ```
//!
//! # What a verdict is worth
//!
//! - [`Verdict::Violation`] is proof, if the clock is monotonic and shared, times were taken outside of the requests,
//!   no operation that may have taken effect is missing, and the model is right.
//! - [`Verdict::Linearizable`] is said of this history alone. Few clients, few operations at a time and values that are
//!   read before they are overwritten show little.
//! - [`Verdict::Undecided`] means neither. A history of more and smaller parts, with fewer operations at a time and
//!   fewer unknown outcomes, is cheaper to check.
//!
//! # How it works
//!
//! The search is Wing and Gong's, with Lowe's memory of what was reached. Its cost is about linear in the length of a
//! history; in the worst case it is exponential in how many operations overlap, so that it has a [`Budget`]. Answers
//! that tell in which order they were given ([`Model::rank`]) spare it most of that. The library is pure and
//! deterministic, and depends on the standard library alone: who calls it runs the clients and reads the clock.

#![warn(missing_docs)]

pub mod kv;

mod check;
mod history;
mod lease;
mod model;
mod part;
mod placed;
mod reached;
mod search;
mod verdict;
mod waiting;

pub use check::check;
pub use history::{Answer, Client, History, Malformed, Operation};
pub use lease::{Found, Lease, Untimely};
pub use model::Model;
pub use verdict::{Budget, Limit, Shown, Undecided, Verdict, Violation};
