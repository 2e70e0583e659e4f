//! The I/O half of an application's knowledge: how to ask its members, and how to make them do something.
//!
//! The pure half is [`endstate_core::App`]. A driver makes no choices: what it observes goes into a snapshot, and what
//! it does was decided from one. Everything it does is idempotent, and that it worked is proven by the next
//! observation, never by the answer.

mod comparisons;
mod long;
mod remembered;

use std::fmt::Display;
use std::future::Future;

use endstate_core::tls::{Holder, Link};
use endstate_core::{AppStep, Beside, Call, Identity, MemberId, MemberName, RoleName, View, Words};

use crate::client::{Endpoint, Failure};
use crate::operator::Secrets;
pub use comparisons::{Asked, Comparisons};
pub use long::LongCalls;
pub use remembered::Remembered;

/// A member, and where its pod can be reached.
///
/// ```
/// let address = endstate::driver::Address::of("example-x7k2p", None);
/// assert!(address.host.is_none(), "its pod has no address yet");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// The member.
    pub member: MemberName,
    /// Its role; empty for one that is not recorded.
    pub role: RoleName,
    /// Its group within the role.
    pub group: u32,
    /// Its id, as far as it is recorded.
    pub id: Option<MemberId>,
    /// The address of its pod; `None` while there is none.
    pub host: Option<String>,
}

impl Address {
    /// A member of which only the address is known.
    pub fn of(member: impl Into<MemberName>, host: Option<String>) -> Self {
        Self { member: member.into(), role: RoleName::default(), group: 0, id: None, host }
    }

    /// The same, in a group of a role.
    #[must_use]
    pub fn in_group(self, role: impl Into<RoleName>, group: u32) -> Self {
        Self { role: role.into(), group, ..self }
    }

    /// The same, of this id.
    #[must_use]
    pub fn id(self, id: Option<MemberId>) -> Self {
        Self { id, ..self }
    }

    /// Where this port of its pod is, as `HOST:PORT`. A pod that has no address yet cannot be reached.
    ///
    /// ```
    /// use endstate::{client::Failure, driver::Address};
    /// let at = |host: &str| Address::of("example-x7k2p", Some(host.into())).endpoint::<String>(80);
    /// assert_eq!(at("10.244.0.7").unwrap(), "10.244.0.7:80");
    /// assert_eq!(at("fd00::7").unwrap(), "[fd00::7]:80");
    /// let none = Address::of("example-x7k2p", None).endpoint::<String>(80);
    /// assert!(matches!(none, Err(Failure::Unreachable(_))));
    /// ```
    pub fn endpoint<R: Display>(&self, port: u16) -> Result<String, Failure<R>> {
        match self.host.as_deref() {
            Some(host) if host.contains(':') => Ok(format!("[{host}]:{port}")),
            Some(host) => Ok(format!("{host}:{port}")),
            None => Err(Failure::unreachable("its pod has no address yet")),
        }
    }

    /// Where this port is beside the one that is known of a host that is a whole URL, and else the same as
    /// [`endpoint`](Self::endpoint).
    ///
    /// ```
    /// use endstate::driver::Address;
    /// let at = |host: &str| Address::of("a", Some(host.into())).beside(2381);
    /// assert_eq!(at("10.244.0.7").as_deref(), Some("10.244.0.7:2381"));
    /// assert_eq!(at("http://127.0.0.1:33333").as_deref(), Some("127.0.0.1:2381"));
    /// assert_eq!(Address::of("a", None).beside(2381), None);
    /// ```
    pub fn beside(&self, port: u16) -> Option<String> {
        match self.host.as_deref()?.strip_prefix("http://") {
            Some(at) => Some(format!("{}:{port}", at.rsplit_once(':')?.0)),
            None => self.endpoint::<String>(port).ok(),
        }
    }
}

/// The target of a driver: who the cluster is, what is asked of it, where its members are, and what they ask of who
/// talks to them.
///
/// Members of all roles are in it, so a driver asks those of one about those of another ([`Target::of_role`]): a
/// controller about its brokers. Passwords and certificates are [`Target::secrets`], those that
/// [`Operand::secrets`](crate::operator::Operand::secrets) names. Which of the members a request is sent to is not the
/// driver's choice but the application's: [`App::via`](endstate_core::App::via), told in [`Call::via`].
///
/// ```
/// use endstate::driver::{Address, Target};
/// use endstate_core::Identity;
/// let object = Identity::new("default", "example", "0c5f");
/// let member = Address::of("example-x7k2p", Some("10.0.0.7".into())).in_group("server", 0);
/// let target = Target::new(&object, &3).member(member);
/// assert!(target.address("example-x7k2p").is_some());
/// assert_eq!(target.of_role("server").count(), 1);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Target<'a, S> {
    /// The name, namespace and uid of the cluster object.
    pub object: &'a Identity,
    /// The spec that is worked towards: the last one that was accepted, or the object's own before.
    pub spec: &'a S,
    /// Every member that is recorded or has a pod, of every role, by name.
    pub members: Vec<Address>,
    /// The contents of the secrets that the operand names.
    pub secrets: Secrets,
    /// The objects that are declared beside the cluster.
    pub beside: Vec<Beside>,
}

impl<'a, S> Target<'a, S> {
    /// A cluster without members.
    pub fn new(object: &'a Identity, spec: &'a S) -> Self {
        Self { object, spec, members: vec![], secrets: Secrets::default(), beside: vec![] }
    }

    /// The same, with one more member.
    #[must_use]
    pub fn member(mut self, member: Address) -> Self {
        self.members.push(member);
        self
    }

    /// The same, with the contents of secrets.
    #[must_use]
    pub fn secrets(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// Where the members of a role are.
    pub fn of_role(&self, role: &str) -> impl Iterator<Item = &Address> {
        self.members.iter().filter(move |it| *it.role == *role)
    }

    /// Where the member of this name is.
    pub fn address(&self, member: &str) -> Option<&Address> {
        self.members.iter().find(|it| *it.member == *member)
    }

    /// How to talk to the member at this address and port, whose application has this link to clients: as the spec in
    /// force says, and while the cluster goes from one way to the other in plain first. None while the operator lacks
    /// its certificate. A host that is a whole URL (`http://HOST:PORT`) is taken as it stands, whatever the port.
    pub fn endpoints<R: Display>(
        &self,
        (address, port): (&Address, u16),
        (application, link): (&str, &Link),
    ) -> Result<Vec<Endpoint>, Failure<R>> {
        let at = match address.host.as_deref().and_then(|it| it.strip_prefix("http://")) {
            Some(at) => at.to_owned(),
            None => address.endpoint(port)?,
        };
        let plain = (!link.is_on()).then(|| Endpoint::plain(&at));
        let files = link.files(application, self.object, Holder::Operator);
        let files = files.and_then(|it| self.secrets.tls(&it));
        let name = self.object.host(&address.member);
        let secured = files.map(|files| Endpoint::secured(&at, name, files));
        Ok(plain.into_iter().chain(secured).collect())
    }
}

/// How a request ended, as far as the application said.
///
/// ```
/// use endstate::driver::Outcome;
/// assert_ne!(Outcome::Done, Outcome::Running);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was accepted, or had been done before.
    Done,
    /// The application is working on it. How far it is comes with each observation, in [`View::tasks`]: the status then
    /// says that `"drain broker-1"` is waited for because 3 of 40 are done, and a repaired spec cancels it.
    Running,
    /// It was not done, and why. The next observation decides whether it is tried again.
    Blocked(Words),
    /// It was refused because the driver has no credentials; with the message of the refusal.
    NeedsUser(Words),
}

impl Outcome {
    /// It was not done, for this reason.
    pub fn blocked(why: impl std::fmt::Display) -> Self {
        Self::Blocked(Words::of(&why.to_string()))
    }
}

/// Asks and changes one application. Calls have deadlines of their own, far below a reconcile's.
///
/// ```
/// use endstate::driver::{Driver, Outcome, Target};
/// use endstate_core::{Call, View};
///
/// /// An application that nobody can ask anything.
/// struct Silent;
///
/// impl Driver for Silent {
///     type Spec = u32;
///
///     async fn observe(&self, _: &Target<'_, u32>) -> View {
///         View::default()
///     }
///     async fn act(&self, _: &Target<'_, u32>, _: &Call) -> Outcome {
///         Outcome::blocked("there is nobody to ask")
///     }
/// }
/// ```
pub trait Driver: Send + Sync + 'static {
    /// The spec of the cluster object.
    type Spec: Sync;

    /// Asks every member what it says about itself, all at once, each at its own address and nowhere else.
    fn observe(&self, target: &Target<'_, Self::Spec>) -> impl Future<Output = View> + Send;

    /// Carries out one request, asked of the member at [`Call::via`]. It lists the members again first and is blocked
    /// if the list is another than the one decided on, and by a request that it does not know. What
    /// [`App::mends`](endstate_core::App::mends) asks for comes with the list that was given, whoever agreed on it, or
    /// with an empty one, and needs none.
    ///
    /// One of several parts may be cut short anywhere and is asked for again, so each part leaves what is so already as
    /// it is. [`Request::Appoint`](endstate_core::Request::Appoint) says which come in which order, and what is looked
    /// at again before a member may take writes.
    fn act(
        &self,
        target: &Target<'_, Self::Spec>,
        call: &Call,
    ) -> impl Future<Output = Outcome> + Send;

    /// Carries out one request of [`App::tend`](endstate_core::App::tend), asked of the step's member: it touches no
    /// member, and leaves what is so already as it is. By default there are none.
    fn tend(
        &self,
        _: &Target<'_, Self::Spec>,
        step: &AppStep,
    ) -> impl Future<Output = Outcome> + Send {
        let outcome = Outcome::blocked(format_args!("{} is not known", step.name));
        async move { outcome }
    }
}
