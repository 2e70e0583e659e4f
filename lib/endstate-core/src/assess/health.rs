//! Whether one member works: from its pod, its own answer and what was recorded about it.

use jiff::{SignedDuration, Timestamp};

use crate::exit::Words;
use crate::id::{ClusterId, MemberId, RoleName, Uid};
use crate::leads::Leads;
use crate::limits::{
    CRASH_LOOP_CHANGED_SECONDS, CRASH_LOOP_RENEWALS, CRASH_LOOP_RESTARTS, CRASH_LOOP_SECONDS,
    NODE_LOST_SECONDS, UNSEEN_SECONDS, is_recent,
};
use crate::member::Health;
use crate::pod::{Pod, PodPhase, Trouble};
use crate::reason::{Cause, End};
use crate::record::MemberRecord;
use crate::snapshot::Snapshot;
use crate::topology::Topology;
use crate::view::{MemberStatus, Membership, Reach, Refusal};

/// Whether a member works.
pub(crate) fn health<S: PartialEq>(
    snapshot: &Snapshot<S>,
    target: Option<&Topology>,
    member: &MemberRecord,
) -> Health {
    let answer = answer(snapshot, target, member);
    if snapshot.pods.is_none() {
        return answer.health().unwrap_or(Health::NotReady(Cause::PodsUnknown));
    }
    let durable = snapshot.is_durable(&member.name);
    let Some(pod) = snapshot.pod(&member.name) else {
        return without_pod(snapshot, member, &answer, durable);
    };
    match ended(pod, member.pod.as_ref()) {
        None => {}
        // It never gets away from a node that is lost.
        Some(Cause::PodDeleting) if durable && pod.is_node_lost(snapshot.now) => {
            return node_lost(member, snapshot.now, durable);
        }
        // It runs on the claim, whoever made it.
        Some(Cause::PodReplaced) if durable && answer.health().is_some() && !pod.deleting => {}
        Some(cause) if durable => return Health::Stopped(cause),
        Some(cause) => return Health::Dead(cause),
    }
    match answer {
        Answer::Follows => Health::Healthy,
        Answer::Alone => Health::Leaderless,
        Answer::Guarded => Health::Guarded,
        Answer::AnotherCluster(cluster) => Health::Failed(Cause::AnotherCluster { cluster }),
        Answer::None(cause) => silent(pod, member, snapshot, cause),
    }
}

/// What a member's answer is worth.
enum Answer {
    /// It is the member it should be, and follows the leader.
    Follows,
    /// It is the member it should be, and follows nobody, or somebody else.
    Alone,
    /// It serves together with a quorum, and does not say who it is.
    Guarded,
    /// It works, somewhere else.
    AnotherCluster(ClusterId),
    /// It proves nothing.
    None(Cause),
}

impl Answer {
    /// What it says of a member by itself.
    fn health(&self) -> Option<Health> {
        match self {
            Self::Follows => Some(Health::Healthy),
            Self::Alone => Some(Health::Leaderless),
            Self::Guarded => Some(Health::Guarded),
            Self::AnotherCluster(_) | Self::None(_) => None,
        }
    }
}

fn answer<S>(snapshot: &Snapshot<S>, topology: Option<&Topology>, member: &MemberRecord) -> Answer {
    let target = snapshot.view.target(&member.name);
    let status = match target.map_or(Reach::Unknown, |it| it.reach) {
        Reach::Unknown => return Answer::None(Cause::NotAsked),
        Reach::Refused(Refusal::Guarded) => return Answer::Guarded,
        Reach::Refused(Refusal::NeedsUser) => return Answer::None(Cause::NeedsUser),
        Reach::Refused(Refusal::Other) => return Answer::None(Cause::Refuses),
        Reach::Unreachable => return Answer::None(Cause::Silent),
        Reach::Reachable => target.and_then(|it| it.status.as_ref()),
    };
    let (id, cluster) = (member.id.as_ref(), snapshot.status.record.cluster_id.as_ref());
    match status {
        None => Answer::None(Cause::EmptyAnswer),
        Some(it) if cluster.is_some_and(|id| *id != it.cluster) => {
            Answer::AnotherCluster(it.cluster.clone())
        }
        Some(it) if id.is_some_and(|id| *id != it.id) => Answer::None(Cause::AnotherMember),
        Some(MemberStatus { leader: Some(id), .. }) if leads(snapshot, topology, member, id) => {
            Answer::Follows
        }
        Some(_) => Answer::Alone,
    }
}

/// Whether this one leads a member, as far as is known: who follows another was left behind, or has not heard of it
/// yet. Where each group has a leader of its own, who follows nobody that leads its group has no part in it.
fn leads<S>(
    snapshot: &Snapshot<S>,
    target: Option<&Topology>,
    member: &MemberRecord,
    id: &MemberId,
) -> bool {
    let Some(list) = snapshot.list() else { return true };
    if !target.is_some_and(|it| it.is_led(&member.role)) {
        return Leads::new(&snapshot.view, list).leader().is_none_or(|it| it == id);
    }
    match snapshot.status.record.unit_of(&member.name) {
        Some(unit) => leader_of(snapshot, list, unit) == Some(id),
        // Nobody knows its group.
        None => list.voters().any(|it| it.id == *id),
    }
}

fn without_pod<S>(
    snapshot: &Snapshot<S>,
    member: &MemberRecord,
    answer: &Answer,
    durable: bool,
) -> Health {
    let patience = SignedDuration::from_secs(UNSEEN_SECONDS);
    let belongs = snapshot.status.record.members.iter().any(|it| it.name == member.name);
    match (&member.pod, member.asked) {
        // The list of pods may be older than the answer.
        _ if answer.health().is_some() => Health::NotReady(Cause::AnswersWithoutPod),
        (None, None) if !belongs => Health::Stopped(Cause::NoPodYet),
        (None, Some(asked)) if is_recent(asked, snapshot.now, patience) => {
            Health::Stopped(Cause::PodAwaited)
        }
        _ if durable => Health::Stopped(Cause::PodGoneVolumeKept),
        _ => Health::Dead(Cause::PodGone),
    }
}

/// Why the pod cannot run again, whatever it answers now.
fn ended<S>(pod: &Pod<S>, seen: Option<&Uid>) -> Option<Cause> {
    if seen.is_some_and(|uid| *uid != pod.uid) {
        return Some(Cause::PodReplaced);
    }
    if pod.deleting {
        return Some(Cause::PodDeleting);
    }
    match pod.phase {
        PodPhase::Failed | PodPhase::Succeeded => Some(Cause::PodEnded),
        PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => None,
    }
}

/// How a container ended, in its own words if it left any.
fn end<S>(pod: &Pod<S>, message: &Words) -> End {
    match &pod.exit {
        Some(exit) => {
            End { code: Some(exit.code), message: exit.words.clone(), data: pod.survey() }
        }
        None => End { message: message.clone(), ..End::default() },
    }
}

fn silent<S: PartialEq>(
    pod: &Pod<S>,
    member: &MemberRecord,
    snapshot: &Snapshot<S>,
    cause: Cause,
) -> Health {
    let now = snapshot.now;
    if pod.data_lost() {
        return Health::Dead(Cause::DataLost { before: member.last_termination_message.clone() });
    }
    if let Some(exit) = pod.exit.as_ref().filter(|_| pod.data_foreign()) {
        return Health::Failed(Cause::ForeignData { message: exit.words.clone() });
    }
    if pod.is_node_lost(now) {
        return node_lost(member, now, snapshot.is_durable(&member.name));
    }
    match &pod.trouble {
        Some(Trouble::CrashLoop { message }) => crashed(pod, member, snapshot, message),
        Some(Trouble::Image { message }) => {
            Health::Stopped(Cause::NoImage { message: message.clone() })
        }
        Some(Trouble::Unschedulable { message }) => {
            Health::Stopped(Cause::Unschedulable { message: message.clone() })
        }
        Some(Trouble::Starting { reason, message }) => {
            let (reason, message) = (reason.clone(), message.clone());
            Health::Stopped(Cause::Waiting { reason, message })
        }
        None if pod.phase == PodPhase::Pending => Health::Stopped(Cause::PodStarting),
        None => Health::NotReady(cause),
    }
}

/// A node may only be starting anew. What is on a claim is worth waiting for, and copying all of it takes longer.
fn node_lost(member: &MemberRecord, now: Timestamp, durable: bool) -> Health {
    let patience = SignedDuration::from_secs(NODE_LOST_SECONDS);
    let long = member.failing_since.is_some_and(|it| now.duration_since(it) >= patience);
    if durable && !long {
        Health::Stopped(Cause::NodeLost)
    } else {
        Health::Failed(Cause::NodeLost)
    }
}

/// Its pod is made again at once where its data outlives it; after that, and where it does not, patience ends.
fn crashed<S: PartialEq>(
    pod: &Pod<S>,
    member: &MemberRecord,
    snapshot: &Snapshot<S>,
    message: &Words,
) -> Health {
    let seconds =
        if is_proven(pod, snapshot) { CRASH_LOOP_SECONDS } else { CRASH_LOOP_CHANGED_SECONDS };
    let patience = SignedDuration::from_secs(seconds);
    let long = member.failing_since.is_some_and(|it| snapshot.now.duration_since(it) >= patience);
    let tried = pod.restarts >= CRASH_LOOP_RESTARTS || member.renewals >= CRASH_LOOP_RENEWALS;
    let end = end(pod, message);
    if long && tried {
        Health::Failed(Cause::CrashLoop { end })
    } else {
        Health::Stopped(Cause::Crashed { end })
    }
}

/// Whether another member works that was made from the same spec.
fn is_proven<S: PartialEq>(pod: &Pod<S>, snapshot: &Snapshot<S>) -> bool {
    let mut others = snapshot.pods.iter().flatten().filter(|it| it.name != pod.name);
    others.any(|it| {
        it.spec.is_some() && it.spec == pod.spec && snapshot.view.answer(&it.name).is_some()
    })
}

/// Who leads a group that has a leader of its own.
pub(super) fn leader_of<'a, S>(
    snapshot: &'a Snapshot<S>,
    list: &'a Membership,
    unit: (&RoleName, u32),
) -> Option<&'a MemberId> {
    let record = &snapshot.status.record;
    Leads::new(&snapshot.view, list).leader_of(|it| record.unit_of(&it.name) == Some(unit))
}
