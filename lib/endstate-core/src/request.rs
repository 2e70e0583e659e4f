//! What is asked of the application: the generic changes of membership and leadership, and its own steps.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::comparison::Corruption;
use crate::id::{ClusterId, MemberId, MemberName, RoleName, Uid};
use crate::reason::LeaveReason;

/// A change that the application makes. There may be more kinds in a later version: a driver answers that it is
/// blocked by one that it does not know.
///
/// ```
/// use endstate_core::{Request, RequestKind};
/// let request = Request::Transfer { to: "example-x7k2p".into(), id: "a1".into() };
/// assert_eq!(request.kind(), RequestKind::Transfer);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Request {
    /// Expect a new member.
    Join {
        /// Its name.
        member: MemberName,
        /// Its id, where it is allocated before the start.
        id: Option<MemberId>,
        /// Where the others will find it.
        address: String,
        /// Whether it votes from now on.
        votes: bool,
    },
    /// Let a member vote.
    Promote {
        /// Its name.
        member: MemberName,
        /// Its id.
        id: MemberId,
        /// Where the others find it.
        address: String,
    },
    /// Hand the lead to another voter: both work. Where leaders are [`Appointed`](crate::Lead::Appointed), the old one
    /// stops taking writes first, then the new one gets all that it has, and only then takes writes; if that is cut
    /// short anywhere, an [`Appoint`](Self::Appoint) follows.
    Transfer {
        /// To whom.
        to: MemberName,
        /// The id of that voter.
        id: MemberId,
    },
    /// Make a voter lead while no other does, where leaders are [`Appointed`](crate::Lead::Appointed). It is sent to
    /// the heir itself, and `act` tells the others. In this order, each part being left as it is where it is so
    /// already:
    ///
    /// 1. Every voter is asked again. It is blocked if one of `heard` does not answer, if the list is another, and if
    ///    another member leads: with [`Acks::Leader`](crate::Acks::Leader) any, otherwise one that a majority follows.
    /// 2. Every voter that answers, but the heir, stops taking writes, ends the connections of its clients and follows
    ///    nobody any more, unless it follows the heir. It is blocked unless all of `heard` have said that they did.
    /// 3. Positions are read again, since nobody receives anything now. It is blocked if one of `heard`, whose data is
    ///    not corrupt, has what the heir lacks: the next look finds another heir.
    /// 4. The heir takes writes, and acknowledges them as promised ([`Acks`](crate::Acks)) from the first; then the
    ///    rest follow it.
    ///
    /// Whoever repeats it, or finds it half done, comes to the same end: until the fourth part nobody leads, and
    /// afterwards the heir does. A member that was not reached and says later that it leads, too, is stopped by the
    /// same request to the one that leads.
    Appoint {
        /// Who is to lead.
        member: MemberName,
        /// Its id.
        id: MemberId,
        /// The voters that answered when it was decided.
        heard: BTreeSet<MemberId>,
    },
    /// Move what a member holds to others.
    Drain {
        /// Its name.
        member: MemberName,
        /// Its id.
        id: MemberId,
    },
    /// Take a member off the list.
    Leave {
        /// Its name.
        member: MemberName,
        /// Its id.
        id: MemberId,
        /// Why.
        reason: LeaveReason,
    },
    /// The application's own.
    App(AppStep),
    /// Withdraw an alarm about corrupt data: that of all members was compared, and is the same.
    AllClear {
        /// Who leads.
        member: MemberName,
        /// What the alarm says.
        alarm: Corruption,
    },
    /// Stop what an earlier request began.
    Cancel {
        /// What was asked for.
        request: RequestKind,
        /// Whom it was about.
        member: MemberName,
    },
}

impl Request {
    /// What kind of change.
    pub fn kind(&self) -> RequestKind {
        match self {
            Self::Join { .. } => RequestKind::Join,
            Self::Promote { .. } => RequestKind::Promote,
            Self::Transfer { .. } => RequestKind::Transfer,
            Self::Appoint { .. } => RequestKind::Appoint,
            Self::Drain { .. } => RequestKind::Drain,
            Self::Leave { .. } => RequestKind::Leave,
            Self::App(step) => RequestKind::App(step.name.clone()),
            Self::AllClear { .. } => RequestKind::AllClear,
            Self::Cancel { .. } => RequestKind::Cancel,
        }
    }

    /// Whom it is about.
    pub fn member(&self) -> &MemberName {
        match self {
            Self::Join { member, .. }
            | Self::Promote { member, .. }
            | Self::Appoint { member, .. }
            | Self::Drain { member, .. }
            | Self::Leave { member, .. }
            | Self::AllClear { member, .. }
            | Self::Cancel { member, .. }
            | Self::Transfer { to: member, .. } => member,
            Self::App(step) => &step.member,
        }
    }

    /// Whether it touches membership, leadership or data.
    pub fn is_dangerous(&self) -> bool {
        match self {
            Self::App(step) => step.dangerous,
            Self::AllClear { .. } | Self::Cancel { .. } => false,
            _ => true,
        }
    }
}

/// The argument of a step that says for which operation it is due.
const OPERATION: &str = "operation";

/// A step of the application's own. What it means only the application knows.
///
/// ```
/// use endstate_core::AppStep;
/// let step = AppStep::new("RaiseFeatureLevel", "example-x7k2p").with("level", "27");
/// assert!(!step.dangerous);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AppStep {
    /// What it is called, as one word.
    pub name: String,
    /// The member it is about, or is sent to.
    pub member: MemberName,
    /// Whatever else it needs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, String>,
    /// Whether it touches membership, leadership or data, or may stop its member for a while. Such a step is asked for
    /// only while [`App::may_stop`](crate::App::may_stop) lets its member stop, and while nothing else is under way.
    #[serde(default)]
    pub dangerous: bool,
    /// What must be so whenever it is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Precondition>,
}

impl AppStep {
    /// A harmless step without arguments.
    pub fn new(name: impl Into<String>, member: impl Into<MemberName>) -> Self {
        Self {
            name: name.into(),
            member: member.into(),
            arguments: BTreeMap::new(),
            dangerous: false,
            needs: vec![],
        }
    }

    /// The same, with one more argument.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.arguments.insert(name.into(), value.into());
        self
    }

    /// The same, due for an operation.
    #[must_use]
    pub(crate) fn for_operation(self, operation: &Uid) -> Self {
        self.with(OPERATION, operation.as_str())
    }

    /// The operation that it is due for, by the uid of its object.
    pub fn operation(&self) -> Option<Uid> {
        self.arguments.get(OPERATION).map(|it| it.as_str().into())
    }

    /// The same, dangerous.
    #[must_use]
    pub fn dangerous(self) -> Self {
        Self { dangerous: true, ..self }
    }

    /// The same, with one more precondition.
    #[must_use]
    pub fn needs(mut self, what: Precondition) -> Self {
        self.needs.push(what);
        self
    }
}

/// What must be so whenever a step of the application's own is asked for, beside what every step needs: the proof of a
/// quorum, and that nothing else is under way. While it is not so the step is put off, and everything else goes on.
///
/// ```
/// use endstate_core::{AppStep, Precondition};
/// let all = Precondition::UpToDate { role: "broker".into() };
/// let step = AppStep::new("RaiseFeatureLevel", "example-x7k2p").needs(all);
/// assert_eq!(step.needs.len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum Precondition {
    /// Every member of this role works.
    Healthy {
        /// Which.
        role: RoleName,
    },
    /// Every member of this role runs what is asked for, or, on the way there in stages, what all are brought to first.
    UpToDate {
        /// Which.
        role: RoleName,
    },
    /// The member that the step is about, of this role, lacks no more than so many entries of what its leader has. One
    /// of which that is not known lacks more.
    CaughtUp {
        /// Which.
        role: RoleName,
        /// How many.
        entries: u64,
    },
}

impl Precondition {
    /// Whose members it is about.
    pub fn role(&self) -> &RoleName {
        match self {
            Self::Healthy { role } | Self::UpToDate { role } | Self::CaughtUp { role, .. } => role,
        }
    }
}

/// What kind of change.
///
/// ```
/// assert_eq!(endstate_core::RequestKind::Transfer.to_string(), "transfer leadership to");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RequestKind {
    /// [`Request::Join`]
    Join,
    /// [`Request::Promote`]
    Promote,
    /// [`Request::Transfer`]
    Transfer,
    /// [`Request::Appoint`]
    Appoint,
    /// [`Request::Drain`]
    Drain,
    /// [`Request::Leave`]
    Leave,
    /// [`Request::App`], by its name.
    App(String),
    /// [`Request::AllClear`]
    AllClear,
    /// [`Request::Cancel`]
    Cancel,
}

/// A request, whom to send it to, and on which condition.
///
/// ```
/// use endstate_core::{Call, Entry, Membership, Request};
/// let roster = Membership::new("c9", [Entry::voter("1", "example-x7k2p")]).roster();
/// let request = Request::Transfer { to: "example-b9qrt".into(), id: "2".into() };
/// let call = Call::new(request, "example-x7k2p", roster);
/// assert_eq!(call.roster.voters.len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Call {
    /// What is asked for.
    pub request: Request,
    /// The one member to ask.
    pub via: MemberName,
    /// The list that the decision was made on. The driver lists again right before the call and fails
    /// if it differs.
    pub roster: Roster,
}

impl Call {
    /// This request, to that member, as long as these are the members.
    pub fn new(request: Request, via: impl Into<MemberName>, roster: Roster) -> Self {
        Self { request, via: via.into(), roster }
    }
}

/// Who belongs to a cluster, whatever they are called and in whatever order they are listed.
///
/// ```
/// use endstate_core::{Entry, Membership};
/// let of = |members: [Entry; 2]| Membership::new("c9", members).roster();
/// let (a, b) = (Entry::voter("1", "a"), Entry::non_voter("2", "b"));
/// assert_eq!(of([a.clone(), b.clone()]), of([b, a.clone()]));
/// assert_ne!(of([a.clone(), Entry::voter("2", "b")]), of([a, Entry::non_voter("2", "b")]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Roster {
    /// The cluster whose list it is.
    pub cluster: ClusterId,
    /// Those who vote.
    pub voters: BTreeSet<MemberId>,
    /// Those who do not.
    pub non_voters: BTreeSet<MemberId>,
    /// The version of the list, where the application counts one.
    pub revision: Option<u64>,
}

/// Which action, of whatever plan.
///
/// ```
/// use endstate_core::{ActionKey, ActionKind};
/// let key = ActionKey { kind: ActionKind::DeletePod, member: "example-x7k2p".into() };
/// assert_eq!(key.to_string(), "delete pod example-x7k2p");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionKey {
    /// What is done.
    pub kind: ActionKind,
    /// To whom.
    pub member: MemberName,
}

/// What an action does.
///
/// ```
/// assert_eq!(endstate_core::ActionKind::CreatePod.to_string(), "create pod");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActionKind {
    /// Makes a pod.
    CreatePod,
    /// Changes labels and annotations.
    UpdatePod,
    /// Writes marks on a pod.
    MarkPod,
    /// Restarts a pod's container.
    RestartPod,
    /// Deletes a pod.
    DeletePod,
    /// Takes a claim over.
    AdoptClaim,
    /// Deletes a claim.
    DeleteClaim,
    /// Applies the objects around the members; of the cluster, not of a member.
    ApplyObjects,
    /// Asks cert-manager for certificates; of the cluster, not of a member.
    RequestCertificates,
    /// Asks the application.
    Request(RequestKind),
}
