//! The I/O half of an application's knowledge: how to ask its members, and how to make them do something.
//!
//! The pure half is [`endstate_core::App`]. A driver makes no choices: what it observes goes into a snapshot, and what it
//! does was decided from one. Everything it does is idempotent, and that it worked is proven by the next observation, never
//! by the answer.

use std::future::Future;

use endstate_core::{Action, MemberName, View};

/// A member to be asked, and where its pod can be reached.
///
/// ```
/// let target = endstate::driver::Address { member: "example-x7k2p".into(), host: None };
/// assert!(target.host.is_none(), "its pod has no address yet");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The member.
    pub member: MemberName,
    /// The address of its pod; `None` while there is none.
    pub host: Option<String>,
}

/// How an action ended, as far as the application said.
///
/// ```
/// use endstate::driver::Outcome;
/// assert_ne!(Outcome::Done, Outcome::Blocked("unhealthy cluster".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was accepted, or had been done before.
    Done,
    /// It was not done, and why. The next observation decides whether it is tried again.
    Blocked(String),
    /// It was refused because the driver has no user there, and the words of the refusal.
    NeedsUser(String),
}

/// Asks and changes one application. Calls have deadlines of their own, far below a reconcile's.
///
/// ```
/// use endstate::driver::{Address, Driver, Outcome};
/// use endstate_core::{Action, View};
///
/// /// An application that nobody can ask anything.
/// struct Silent;
///
/// impl Driver for Silent {
///     async fn observe(&self, _: &[Address]) -> View {
///         View::default()
///     }
///     async fn act(&self, _: &Action, _: &Address) -> Outcome {
///         Outcome::Blocked("there is nobody to ask".into())
///     }
/// }
/// ```
pub trait Driver: Send + Sync + 'static {
    /// Asks every member what it says about itself, all at once, each at its own address and nowhere else.
    fn observe(&self, targets: &[Address]) -> impl Future<Output = View> + Send;

    /// Carries out one application call, asked of the member at `via`: `AddLearner`, `Promote`, `MoveLead` or
    /// `RemoveMember`. It lists the members again first and is blocked if the list is another than the one decided on.
    fn act(&self, action: &Action, via: &Address) -> impl Future<Output = Outcome> + Send;
}
