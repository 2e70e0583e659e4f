//! What must be remembered: the intent log, kept in the object's status.
//!
//! The world can be looked at again, with three exceptions that are recorded *before* they happen:
//! which names a cluster was started with, which step is under way, and that a cluster exists at
//! all. Every plan that acts adds one to `epoch` in the same guarded write, so a plan made from an
//! old record, or by a second operator, loses that write and does nothing.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::claim::Claim;
use crate::consent::Choice;
use crate::id::{ClusterId, MemberId, MemberName, RoleName, Uid};
use crate::reason::{Cause, LeaveReason};
use crate::request::{AppStep, RequestKind};

mod member;
mod restoring;
mod step;

pub use member::{MemberRecord, Restarted};
pub use restoring::{RestoreStage, Restoring};
pub use step::{RecoverStage, Step};

use member::is_no;
use restoring::any_object;

/// A try to spread members better, by one that joins where there is more room.
///
/// ```
/// use endstate_core::{Spread, Unevenness};
/// let uneven = Unevenness { on_nodes: 5, in_zones: 0 };
/// let spread = Spread::new(7, uneven, "2026-01-01T00:00:00Z".parse().unwrap());
/// assert!(spread.by.is_none(), "nobody has been asked to join yet");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Spread {
    /// A number made of the names of the nodes that took members.
    pub nodes: u64,
    /// How unevenly the members were on nodes, then in zones: the sum, over all members, of how many of its unit were
    /// where it was.
    pub uneven: Unevenness,
    /// When it began.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// How many tries there were, this one counted, since members were last spread better,
    #[serde(default = "once")]
    pub tries: u32,
    /// Who joined for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<MemberName>,
}

/// How unevenly members are placed; less is better.
///
/// ```
/// use endstate_core::Unevenness;
/// assert!(Unevenness { on_nodes: 3, in_zones: 9 } < Unevenness { on_nodes: 5, in_zones: 5 });
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct Unevenness {
    /// Over nodes. It comes first.
    pub on_nodes: u32,
    /// Over zones.
    pub in_zones: u32,
}

impl Spread {
    /// One that nobody joined for yet.
    pub fn new(nodes: u64, uneven: Unevenness, at: Timestamp) -> Self {
        Self { nodes, uneven, at, tries: once(), by: None }
    }
}

fn once() -> u32 {
    1
}

/// The recorded state of one cluster.
///
/// ```
/// use endstate_core::Record;
/// let record = Record::<u32>::default();
/// assert!(record.bootstrap.is_none() && record.step.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", bound(deserialize = "S: Deserialize<'de>"))]
pub struct Record<S> {
    /// Counts the plans that acted.
    #[serde(default)]
    pub epoch: u64,
    /// How many names were given out.
    #[serde(default)]
    pub names: u64,
    /// The highest id that was allocated to a member. None that may have been listed is used twice.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ids: u64,
    /// Ids that came to nothing: the application was never asked for them, so the next member may have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spare: Vec<SpareId>,
    /// The last spec that was found valid and reachable from the one before: what is worked
    /// towards, also while a later edit is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted<S>>,
    /// The spec that members are brought to on the way to the accepted one ([`App::stage`](crate::App::stage)); nothing
    /// if that is the accepted one itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<S>,
    /// The spec that members worked by before the one that is in force, until one works by that: repair uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<S>,
    /// The start of the cluster, until it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
    /// The cluster's identity, once it was seen. From then on nothing starts a new cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<ClusterId>,
    /// Whether a leader may have acknowledged what no other has ([`Acks::Leader`](crate::Acks::Leader)), by a spec that
    /// was accepted or that a pod was made from. It is so until each voter works by another.
    #[serde(default, skip_serializing_if = "is_no")]
    pub acks_alone: bool,
    /// The consent that was used, or that there was no need of. It counts only once: until the person takes it back, or
    /// says something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Choice>,
    /// Members of a cluster whose record was lost, found by their volumes: by a person's consent their pods are made
    /// again, and what they say makes the record again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<MemberRecord>,
    /// Whose volumes are kept: they were there when a lost record was made again, and nobody's, or they were seen to
    /// hold the data of another member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<MemberName>,
    /// The data of a backup takes the place of what the cluster has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restoring: Option<Restoring>,
    /// The operations by which it began anew, as long as they are there: once is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<Uid>,
    /// The step under way: to be finished or abandoned by whoever comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// Who joins beside the one of the step, in the order of their turns: listed without a vote and started while that
    /// one has none either ([`Role::at_once`](crate::Role::at_once)). When the step is over the first of them is next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coming: Vec<MemberRecord>,
    /// The failed attempts in a row to add a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// The last try to spread members better over nodes, until they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// What the application was asked for that takes long, as long as it may be at work on it. Whatever else it works
    /// at is somebody else's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<AskedTask>,
    /// The members that belong to the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberRecord>,
}

impl<S> Default for Record<S> {
    fn default() -> Self {
        Self {
            epoch: 0,
            names: 0,
            ids: 0,
            spare: vec![],
            accepted: None,
            stage: None,
            proven: None,
            bootstrap: None,
            cluster_id: None,
            acks_alone: false,
            consent: None,
            found: vec![],
            kept: vec![],
            restoring: None,
            restored: vec![],
            step: None,
            coming: vec![],
            backoff: None,
            spread: None,
            tasks: vec![],
            members: vec![],
        }
    }
}

impl<S> Record<S> {
    /// First members, those that were found, members, who is coming, and whose data is made.
    pub(crate) fn everyone_mut(&mut self) -> impl Iterator<Item = &mut MemberRecord> {
        let first = self.bootstrap.iter_mut().flat_map(|it| &mut it.members);
        let coming = self.step.iter_mut().filter_map(|it| match it {
            Step::Join { member } => Some(member),
            _ => None,
        });
        let made = self.restoring.iter_mut().filter_map(|it| it.stage.member_mut());
        let known = first.chain(&mut self.found).chain(&mut self.members).chain(coming);
        known.chain(&mut self.coming).chain(made)
    }

    /// Who joins: the one of the step, and those beside it.
    pub(crate) fn joining(&self) -> impl Iterator<Item = &MemberRecord> {
        let first = self.step.iter().filter_map(|it| match it {
            Step::Join { member } => Some(member),
            _ => None,
        });
        first.chain(&self.coming)
    }

    /// Goes on with another step, or with none. A recovery leaves those who were coming behind. The id of one that was
    /// coming is spare if the application was never asked for it, and its pod, if one was asked for, was seen: a pod
    /// that comes late has it.
    pub(crate) fn go_on(&mut self, step: Option<Step>) {
        if matches!(step, Some(Step::Recover { .. })) {
            self.coming.clear();
        }
        let Some(Step::Join { member }) = std::mem::replace(&mut self.step, step) else { return };
        let unseen = member.asked.is_some() && member.pod.is_none();
        let spare = member.unrequested && !unseen && self.find(&member.name).is_none();
        if let Some(id) = member.id.filter(|_| spare) {
            self.spare.push(SpareId { id, member: member.name });
        }
    }

    /// The spec that members are brought to: a stage on the way to the accepted one, or that itself; nothing if none
    /// was ever accepted.
    ///
    /// ```
    /// use endstate_core::{Accepted, Record};
    /// let accepted = Some(Accepted { generation: 4, spec: 3 });
    /// let mut record = Record { accepted, ..Record::default() };
    /// assert_eq!(record.in_force(), Some(&3));
    /// record.stage = Some(2);
    /// assert_eq!(record.in_force(), Some(&2));
    /// ```
    pub fn in_force(&self) -> Option<&S> {
        self.stage.as_ref().or(self.accepted.as_ref().map(|it| &it.spec))
    }

    /// What is recorded of the member of this name.
    ///
    /// ```
    /// assert!(endstate_core::Record::<u32>::default().find("example-x7k2p").is_none());
    /// ```
    pub fn find(&self, name: &str) -> Option<&MemberRecord> {
        self.everyone().find(|it| it.name.as_str() == name)
    }

    /// Whether this one only has its data made.
    pub(crate) fn is_made(&self, name: &MemberName) -> bool {
        self.restoring.as_ref().and_then(Restoring::member).is_some_and(|it| it.name == *name)
    }

    /// Forgets the cluster: whose data was made forms another. What is on volumes by now is kept, whatever becomes of
    /// it. The number of the attempt is new: each before it used up a name at least.
    pub(crate) fn begin_anew(&mut self, claims: &[Claim]) {
        let Some(restoring) = self.restoring.take() else { return };
        let Some(member) = restoring.member().cloned() else { return };
        let (name, role, id) = (member.name.clone(), member.role.clone(), member.id.clone());
        let first = MemberRecord { id, ..MemberRecord::new(name, role) };
        let others = claims.iter().map(|it| &it.member).filter(|it| **it != first.name);
        let mut kept: Vec<_> = others.chain(&self.kept).cloned().collect();
        kept.sort();
        kept.dedup();
        let attempt = u32::try_from(self.names).unwrap_or(u32::MAX);
        *self = Self {
            epoch: self.epoch,
            names: self.names,
            ids: self.ids,
            accepted: self.accepted.take(),
            consent: self.consent.take(),
            restored: std::mem::take(&mut self.restored),
            restoring: Some(Restoring { stage: RestoreStage::Forming {}, ..restoring }),
            bootstrap: Some(Bootstrap { attempt, members: vec![first] }),
            kept,
            ..Self::default()
        };
    }

    /// Whether nothing was ever recorded of a cluster.
    ///
    /// ```
    /// assert!(endstate_core::Record::<u32>::default().is_blank());
    /// ```
    pub fn is_blank(&self) -> bool {
        let found = !self.found.is_empty();
        self.bootstrap.is_none() && self.cluster_id.is_none() && self.names == 0 && !found
    }

    /// The pods that it speaks of, by name, with the uid of those that were seen: of all members, of one
    /// that was asked for, and of one that leaves.
    ///
    /// ```
    /// use endstate_core::{MemberRecord, Record};
    /// let seen = MemberRecord { pod: Some("9b1d".into()), ..MemberRecord::new("example-x7k2p", "member") };
    /// let record = Record::<u32> { members: vec![seen], ..Record::default() };
    /// assert_eq!(record.pods().next(), Some((&"example-x7k2p".into(), Some(&"9b1d".into()))));
    /// ```
    pub fn pods(&self) -> impl Iterator<Item = (&MemberName, Option<&Uid>)> {
        let there = self.everyone().filter(|it| it.pod.is_some() || it.asked.is_some());
        let leaving = self.step.iter().filter_map(|it| match it {
            Step::Leave { name, pod: Some(pod), .. } => Some((name, Some(pod))),
            _ => None,
        });
        // Who leaves may still be a member.
        let members = self.members.iter().map(|it| &it.name);
        let alone = leaving.filter(move |(name, _)| !members.clone().any(|it| it == *name));
        there.map(|it| (&it.name, it.pod.as_ref())).chain(alone)
    }

    /// Whether a member is on its way out because a person said so.
    pub(crate) fn is_asked_to_leave(&self, member: &MemberName) -> bool {
        matches!(&self.step, Some(Step::Leave { name, reason: LeaveReason::Stranger, .. }) if name == member)
    }

    /// First members, those that were found, members, who is coming, and whose data is made.
    pub(crate) fn everyone(&self) -> impl Iterator<Item = &MemberRecord> {
        let first = self.bootstrap.iter().flat_map(|it| &it.members);
        let made = self.restoring.iter().filter_map(Restoring::member);
        first.chain(&self.found).chain(&self.members).chain(self.joining()).chain(made)
    }

    /// The role and the group that are recorded of a member that belongs to the cluster, or is coming.
    pub(crate) fn unit_of(&self, name: &str) -> Option<(&RoleName, u32)> {
        let known = self.members.iter().chain(self.joining()).find(|it| *it.name == *name);
        known.map(|it| (&it.role, it.group))
    }
}

/// An id that the application was never asked for. It is given to another when the pod of the member that had it is
/// gone.
///
/// ```
/// use endstate_core::SpareId;
/// let spare = SpareId { id: "4".into(), member: "example-x7k2p".into() };
/// assert_eq!(spare.id.as_str(), "4");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpareId {
    /// The id.
    pub id: MemberId,
    /// Who had it.
    pub member: MemberName,
}

/// A spec that was accepted.
///
/// ```
/// let accepted = endstate_core::Accepted { generation: 4, spec: 3 };
/// assert_eq!(accepted.generation, 4);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted<S> {
    /// The generation of the object it was read from.
    pub generation: i64,
    /// The spec.
    pub spec: S,
}

/// Something that takes long, and that the application was asked for.
///
/// ```
/// use endstate_core::{AskedTask, RequestKind};
/// assert!(AskedTask::of(&RequestKind::Drain, &"example-x7k2p".into()).is_some());
/// assert!(AskedTask::of(&RequestKind::Leave, &"example-x7k2p".into()).is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedTask {
    /// Whom it is about.
    pub member: MemberName,
    /// The name of the application's own step; nothing if what the member holds is moved to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

impl AskedTask {
    /// What a request begins, if it is a drain or a step of the application's own.
    pub fn of(request: &RequestKind, member: &MemberName) -> Option<Self> {
        let step = match request {
            RequestKind::Drain => None,
            RequestKind::App(name) => Some(name.clone()),
            _ => return None,
        };
        Some(Self { member: member.clone(), step })
    }

    pub(crate) fn of_step(step: &AppStep) -> Self {
        Self { member: step.member.clone(), step: Some(step.name.clone()) }
    }
}

/// The intent to start a cluster from nothing: exactly these members, all at once.
///
/// Until the identity is recorded no client can reach the members (the client service is made
/// afterwards), so an attempt that cannot succeed is thrown away as a whole, and the next one has
/// other names. A pod is asked for once, together with the write of its name: one that is not seen
/// may have come and gone, so its name is not started empty again.
///
/// ```
/// use endstate_core::{Bootstrap, MemberRecord};
/// let bootstrap = Bootstrap { attempt: 1, members: vec![MemberRecord::new("example-x7k2p", "member")] };
/// assert_eq!(bootstrap.members.len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bootstrap {
    /// Counts the attempts from 1.
    pub attempt: u32,
    /// The first members, all of them.
    pub members: Vec<MemberRecord>,
}

/// Tries to start a cluster, or a member, that came to nothing. The next one waits, longer each time: a permanent
/// failure must not consume names, pods and API calls indefinitely. Forgotten when a try succeeds, and
/// when the spec changes; it holds up nothing once members were lost, because repair is another matter than
/// the growth that failed.
///
/// ```
/// use endstate_core::{Backoff, Cause};
/// let at = "2026-01-01T00:00:00Z".parse().unwrap();
/// let backoff = Backoff { times: 2, at, cause: Cause::PodGone, members: 3 };
/// assert!(serde_json::to_string(&backoff).unwrap().contains("PodGone"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Backoff {
    /// How many in a row.
    pub times: u32,
    /// When the last was given up.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What became of it.
    #[schemars(schema_with = "any_object")]
    pub cause: Cause,
    /// How many members belonged to the cluster.
    #[serde(default)]
    pub members: usize,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
