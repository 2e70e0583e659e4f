//! What was seen, once, before a decision: the only input of the planner.
//!
//! A snapshot is never mixed from two observations, and says of everything whether it was seen at
//! all: unknown is not absent, and unknown is not down.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::beside::Beside;
use crate::certificates::SeenCertificate;
use crate::claim::Claim;
use crate::consent::Choice;
use crate::exit::Words;
use crate::id::MemberName;
use crate::identity::Identity;
use crate::limits::{REFUSED_MS, REFUSED_MS_MAX, REFUSED_OFTEN, is_recent};
use crate::objects::{DATA, claim_of};
use crate::place::Place;
use crate::platform::Platform;
use crate::pod::Pod;
use crate::position::Position;
use crate::request::ActionKey;
use crate::status::Status;
use crate::view::{Membership, View};

/// Everything the planner may look at. There is no clock, no randomness and no I/O behind it.
///
/// ```
/// use endstate_core::{Identity, Snapshot};
/// let object = Identity::new("default", "example", "0c5f");
/// let snapshot = Snapshot::new("2026-01-01T00:00:00Z".parse().unwrap(), object, 3_u32);
/// assert!(snapshot.status.record.cluster_id.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Snapshot<S> {
    /// When the observation was complete.
    pub now: Timestamp,
    /// The object that declares the cluster.
    pub object: Identity,
    /// Where member names come from. The same for the whole life of the object (see
    /// [`Identity::seed`]), so that no two names of one object are ever the same.
    pub seed: u64,
    /// What the user asks for, as it was written; the planner validates it.
    pub spec: S,
    /// The status of the same version of the object, with the [`Record`](crate::Record) in it.
    pub status: Status<S>,
    /// The member pods that this object owns, by name; `None` when they could not be listed.
    pub pods: Option<Vec<Pod<S>>>,
    /// The volume claims of members of this very object.
    pub claims: Vec<Claim>,
    /// The volume claims that clusters of this name left which were deleted; looked at until something is started.
    #[serde(default)]
    pub former: Vec<Claim>,
    /// What has a name that the cluster needs and belongs to somebody else.
    pub conflicts: Vec<Conflict>,
    /// Why it could not be seen by whose objects cert-manager would be asked; so it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unasked: Option<Words>,
    /// The secrets with certificates that the operator makes: all that the object's spec asks for, or that of a member.
    #[serde(default)]
    pub certificates: Vec<SeenCertificate>,
    /// The objects that are declared beside the cluster.
    #[serde(default)]
    pub beside: Vec<Beside>,
    /// What the application says about itself.
    pub view: View,
    /// The actions of this object that the application or the API refused when they were tried last, each once. It
    /// paces the tries of each, and pods that were not made may be asked for again.
    pub blocked: Vec<Blocked>,
    /// What the platform provides.
    pub platform: Platform,
    /// The nodes, for members of the spec in force; none where the operator may not see nodes.
    #[serde(default)]
    pub places: Vec<Place>,
    /// Why the API refuses a pod that is made from the spec, if it was asked and does.
    pub rejected: Option<Words>,
    /// What a person decided, by [`CONSENT_ANNOTATION`](crate::CONSENT_ANNOTATION).
    pub consent: Option<Choice>,
}

impl<S> Snapshot<S> {
    /// An object that nobody has looked at yet: no pods, no answers.
    pub fn new(now: Timestamp, object: Identity, spec: S) -> Self {
        Self {
            now,
            seed: object.seed(),
            object,
            spec,
            status: Status::default(),
            pods: Some(vec![]),
            claims: vec![],
            former: vec![],
            conflicts: vec![],
            unasked: None,
            certificates: vec![],
            beside: vec![],
            view: View::default(),
            blocked: vec![],
            platform: Platform::default(),
            places: vec![],
            rejected: None,
            consent: None,
        }
    }

    /// The pod of this name; `None` also when the pods are not known.
    pub fn pod(&self, name: &str) -> Option<&Pod<S>> {
        self.pods.as_ref()?.iter().find(|it| it.name.as_str() == name)
    }

    /// How far a member says that it is: by its answer, or, where it waits for a quorum, by what its data says of what
    /// it has applied, and what it said before: its log still has that, though it may not know yet that it is
    /// committed. An address may be another's by now, and then that is of somebody else.
    pub(crate) fn told_position(&self, name: &str) -> Option<Position> {
        if let Some(answer) = self.view.answer(name) {
            return answer.position.clone();
        }
        let known = self.status.record.find(name).and_then(|it| it.id.as_ref());
        let starting = self.view.starting(name).filter(|it| known.is_none_or(|id| *id == it.id))?;
        Some(self.position_before(name).unwrap_or_default().and(&starting.position))
    }

    /// How far a member is by its own word, or was when the status was last written.
    pub(crate) fn known_position(&self, name: &str) -> Option<Position> {
        self.told_position(name).or_else(|| self.position_before(name))
    }

    fn position_before(&self, name: &str) -> Option<Position> {
        let mut rows = self.status.members.iter();
        rows.find(|it| it.name.as_str() == name)?.position.clone()
    }

    /// The claims of a member, those that are going included.
    fn claims_of(&self, member: &str) -> impl Iterator<Item = &Claim> {
        self.claims.iter().filter(move |it| it.member.as_str() == member)
    }

    /// The claim of a volume of this member, unless it is going.
    pub fn claim(&self, volume: &str, member: &str) -> Option<&Claim> {
        let name = claim_of(volume, member);
        self.claims_of(member).find(|it| it.name == name && !it.deleting)
    }

    /// The volumes of a member by its claims, those that are gone or going included; `None` if it has no claim.
    pub fn volumes_of(&self, member: &str) -> Option<Vec<&str>> {
        let own = self.claims_of(member).filter_map(Claim::name_of_volume);
        let others = self.claims_of(member).flat_map(|it| it.beside.iter().map(String::as_str));
        let all: BTreeSet<_> = own.chain(others).collect();
        (!all.is_empty()).then(|| all.into_iter().collect())
    }

    /// Those of them without which it has no data: the first, and what its claims name.
    pub(crate) fn needed_volumes(&self, member: &str) -> BTreeSet<&str> {
        let others = self.claims_of(member).flat_map(|it| it.beside.iter().map(String::as_str));
        others.chain([DATA]).collect()
    }

    /// Whether each directory of this member is on a claim that is there to stay.
    pub fn is_durable(&self, member: &str) -> bool {
        self.needed_volumes(member).into_iter().all(|it| self.claim(it, member).is_some())
    }

    /// Whether a claim that holds data of this member is going.
    pub(crate) fn is_claim_deleting(&self, member: &str) -> bool {
        let needed = self.needed_volumes(member);
        let needed = |it: &Claim| it.name_of_volume().is_some_and(|it| needed.contains(it));
        self.claims_of(member).any(|it| it.deleting && needed(it))
    }

    /// The member that a person named as the source of a recovery.
    pub fn recover_from(&self) -> Option<&MemberName> {
        match &self.consent {
            Some(Choice::RecoverFrom(member)) => Some(member),
            _ => None,
        }
    }

    /// How an action was refused when it was tried last.
    pub fn refusal(&self, action: &ActionKey) -> Option<&Blocked> {
        self.blocked.iter().find(|it| it.action == *action)
    }

    /// Whether an action was refused a moment ago.
    pub(crate) fn rests(&self, action: &ActionKey) -> bool {
        self.refusal(action).is_some_and(|it| it.rests(self.now))
    }

    /// Whether somebody else has an object of a name that this member needs.
    pub(crate) fn is_name_taken(&self, member: &str) -> bool {
        self.conflicts.iter().any(|it| it.member.as_ref().is_some_and(|it| **it == *member))
    }

    /// Whether something has a name without which there is no cluster: cert-manager is asked for certificates apart.
    pub(crate) fn is_any_name_taken(&self) -> bool {
        self.conflicts.iter().any(|it| !it.is_request())
    }

    /// The list of members of the recorded cluster, however many agree on it; any, before one is recorded.
    pub(crate) fn list(&self) -> Option<&Membership> {
        let known = self.status.record.cluster_id.as_ref();
        self.view.membership.as_ref().filter(|it| known.is_none_or(|id| *id == it.cluster))
    }
}

/// An object of somebody else's in the place of one that the cluster needs.
///
/// ```
/// let conflict = endstate_core::Conflict::new("Service", "example-client");
/// assert_eq!(conflict.to_string(), "Service example-client");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Conflict {
    /// Its kind.
    pub kind: String,
    /// Its name, in the cluster's namespace.
    pub name: String,
    /// The member that needs it; nothing if the cluster as a whole does.
    pub member: Option<MemberName>,
    /// Whether it is in the place of one by which cert-manager is asked. Its kind alone does not say so: other groups
    /// have kinds of that name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub request: bool,
}

impl Conflict {
    /// The kind of the objects by which cert-manager is asked.
    pub const REQUEST: &str = "Certificate";

    /// In the place of one that the cluster as a whole needs.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into(), member: None, request: false }
    }

    /// In the place of one by which cert-manager is asked.
    ///
    /// ```
    /// use endstate_core::Conflict;
    /// assert!(Conflict::of_request("mine").is_request() && !Conflict::new("Certificate", "mine").is_request());
    /// ```
    pub fn of_request(name: impl Into<String>) -> Self {
        Self { request: true, ..Self::new(Self::REQUEST, name) }
    }

    /// The same, of one that this member needs.
    #[must_use]
    pub fn of(self, member: Option<MemberName>) -> Self {
        Self { member, ..self }
    }

    /// Whether it is in the place of one by which cert-manager is asked.
    pub fn is_request(&self) -> bool {
        self.request
    }
}

/// An action that was refused when it was tried last, as the executor reported it.
///
/// ```
/// use endstate_core::{ActionKey, ActionKind, Blocked, Denial, Words};
/// let action = ActionKey { kind: ActionKind::CreatePod, member: "example-x7k2p".into() };
/// let denial = Denial::Api { message: Words::of("exceeded quota") };
/// let blocked = Blocked::new(action, denial, "2026-01-01T00:00:00Z".parse().unwrap());
/// assert_eq!(blocked.times, 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Blocked {
    /// The action.
    pub action: ActionKey,
    /// Who refused it, and how.
    pub denial: Denial,
    /// How often in a row.
    pub times: u32,
    /// When it was refused last.
    pub at: Timestamp,
    /// The members whose pods the API refused to make: they are not there, and will not come. One whose
    /// creation was not answered is not among them.
    pub not_created: Vec<MemberName>,
}

impl Blocked {
    /// An action that was refused for the first time.
    pub fn new(action: ActionKey, denial: Denial, at: Timestamp) -> Self {
        Self { action, denial, times: 1, at, not_created: vec![] }
    }

    /// When it may be tried again: first soon, because most refusals end by themselves within seconds, then seldom.
    pub fn again(&self) -> Timestamp {
        let wait = if self.is_old() { REFUSED_MS_MAX } else { REFUSED_MS };
        self.at + SignedDuration::from_millis(wait)
    }

    /// Whether it was refused more often than something passing explains.
    pub(crate) fn is_old(&self) -> bool {
        self.times > REFUSED_OFTEN
    }

    /// Whether it is not asked for again yet.
    pub fn rests(&self, now: Timestamp) -> bool {
        is_recent(self.at, now, self.again().duration_since(self.at))
    }

    /// The same, of pods that were certainly not made.
    #[must_use]
    pub fn not_created(self, not_created: Vec<MemberName>) -> Self {
        Self { not_created, ..self }
    }
}

/// Who refused an action. What was said is for people.
///
/// ```
/// use endstate_core::{Denial, Words};
/// let denial = Denial::Application { message: Words::of("unhealthy cluster") };
/// assert_eq!(denial.to_string(), "unhealthy cluster");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Denial {
    /// The API.
    Api {
        /// What it said.
        message: Words,
    },
    /// The application.
    Application {
        /// What it said.
        message: Words,
    },
    /// The application, because the operator has no user there.
    NeedsUser {
        /// What it said.
        message: Words,
    },
}

impl Denial {
    /// What was said.
    pub(crate) fn message(&self) -> &Words {
        match self {
            Self::Api { message } | Self::Application { message } | Self::NeedsUser { message } => {
                message
            }
        }
    }
}
