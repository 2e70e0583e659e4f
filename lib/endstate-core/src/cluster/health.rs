//! Whether one member works: from its pod, its own answer and what was recorded about it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{CRASH_LOOP_RESTARTS, CRASH_LOOP_SECONDS, UNSEEN_SECONDS, find_pod, leader, list};
use crate::{
    exit::Words,
    id::{ClusterId, MemberId, Uid},
    record::MemberRecord,
    snapshot::{Pod, PodPhase, Snapshot, Trouble},
    view::{Reach, Refusal},
};

/// Whether a member works.
///
/// ```
/// use endstate_core::Health;
/// let unknown = Health::Unwell("it was not asked".into());
/// assert!(!unknown.is_healthy() && !unknown.is_given_up(), "unknown is not down");
/// let crashes = Health::Failed("it crashes again and again".into());
/// assert!(crashes.is_given_up() && !crashes.is_lost(), "down is not lost");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// It says so itself, and follows the leader: it counts for the quorum.
    Healthy,
    /// It answers for itself and follows no leader, or another one: cut off from its peers, or one of
    /// too few. It is alive, so nothing of it is lost, but it counts for no quorum.
    Leaderless,
    /// It made a read that needs a quorum, and says no more without a user: it works, and nothing is decided on
    /// what it did not say.
    Guarded,
    /// It works, and an alarm says that its data is corrupt: it takes part in the quorum, and what it holds
    /// is worth nothing.
    Corrupt,
    /// It does not say so; it may run, and may come back by itself.
    Unwell(String),
    /// Its process is known not to run; it may come back by itself or with another spec.
    Stopped(String),
    /// It has not worked for so long, or in such a way, that it is replaced as soon as the others can do
    /// without it. That says nothing about its data: with its cause gone it comes back whole.
    Failed(String),
    /// It cannot come back: its data is gone with its pod, or by the evidence of its launcher.
    Dead(String),
}

impl Health {
    /// It works, and is part of the quorum.
    pub fn is_healthy(&self) -> bool {
        *self == Self::Healthy
    }

    /// It answers for itself, whether it follows a leader or not, and whatever its data is worth.
    ///
    /// ```
    /// use endstate_core::Health;
    /// assert!(Health::Leaderless.is_alive() && !Health::Leaderless.is_healthy());
    /// ```
    pub fn is_alive(&self) -> bool {
        matches!(self, Self::Healthy | Self::Leaderless | Self::Guarded | Self::Corrupt)
    }

    /// It is replaced, if those who work are enough.
    pub fn is_given_up(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Dead(_))
    }

    /// Its data is gone.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Dead(_))
    }

    /// Its process does not run.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Stopped(_) | Self::Failed(_) | Self::Dead(_))
    }

    /// Why it does not work.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Healthy => None,
            Self::Leaderless => Some("it answers and does not follow the leader"),
            Self::Guarded => Some("it serves, and says no more without a user"),
            Self::Corrupt => Some("its data is corrupt, by the application's own alarm"),
            Self::Unwell(why) | Self::Stopped(why) | Self::Failed(why) | Self::Dead(why) => {
                Some(why)
            }
        }
    }
}

/// Whether a member works, from its pod, its own answer and what was recorded about it.
pub(crate) fn health<S>(snapshot: &Snapshot<S>, member: &MemberRecord) -> Health {
    let answer = answer(snapshot, member);
    if snapshot.pods.is_none() {
        let unknown = Health::Unwell("the pods could not be listed".into());
        return answer.health().unwrap_or(unknown);
    }
    let Some(pod) = find_pod(snapshot, &member.name) else {
        return health_without_pod(snapshot, member, answer);
    };
    if let Some(why) = ended(pod, member.pod.as_ref()) {
        return Health::Dead(why);
    }
    match answer {
        Answer::Follows => Health::Healthy,
        Answer::Alone => Health::Leaderless,
        Answer::Guarded => Health::Guarded,
        Answer::AnotherCluster(id) => Health::Failed(format!("it answers as one of cluster {id}")),
        Answer::None(why) => health_of_silent(pod, member, snapshot.now, why),
    }
}

/// What a member's answer is worth.
#[derive(PartialEq)]
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
    None(&'static str),
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

fn answer<S>(snapshot: &Snapshot<S>, member: &MemberRecord) -> Answer {
    let target = snapshot.view.target(&member.name);
    let (id, cluster) = (member.id, snapshot.status.record.cluster_id);
    let status = match target.map_or(Reach::Unknown, |it| it.reach) {
        Reach::Unknown => return Answer::None("it was not asked"),
        Reach::Refused(Refusal::Guarded) => return Answer::Guarded,
        Reach::Refused(Refusal::NeedsUser) => {
            return Answer::None("it answers nobody without a user, and serves nothing");
        }
        Reach::Refused(Refusal::Other) => return Answer::None("it refuses to answer"),
        Reach::Unreachable => return Answer::None("it does not answer"),
        Reach::Reachable => target.and_then(|it| it.status.as_ref()),
    };
    match status {
        None => Answer::None("its answer is empty"),
        Some(it) if cluster.is_some_and(|id| id != it.cluster) => {
            Answer::AnotherCluster(it.cluster)
        }
        Some(it) if id.is_some_and(|id| id != it.id) => {
            Answer::None("it answers as another member")
        }
        Some(it) if it.leader.is_some_and(|it| leads(snapshot, it)) => Answer::Follows,
        Some(_) => Answer::Alone,
    }
}

/// Whether this one leads, as far as is known: who follows another was left behind, or has not heard of it yet.
fn leads<S>(snapshot: &Snapshot<S>, id: MemberId) -> bool {
    let list = list(snapshot, &snapshot.status.record);
    list.and_then(|it| leader(snapshot, it)).is_none_or(|it| it == id)
}

fn health_without_pod<S>(snapshot: &Snapshot<S>, member: &MemberRecord, answer: Answer) -> Health {
    let patience = SignedDuration::from_secs(UNSEEN_SECONDS);
    let belongs = snapshot.status.record.members.iter().any(|it| it.name == member.name);
    match (&member.pod, member.asked) {
        // The list of pods may be older than the answer.
        _ if answer.health().is_some() => {
            Health::Unwell("it answers although its pod is gone".into())
        }
        (None, None) if !belongs => Health::Stopped("its pod does not exist yet".into()),
        (None, Some(asked)) if snapshot.now.duration_since(asked) < patience => {
            Health::Stopped("its pod was asked for and is not there yet".into())
        }
        _ => Health::Dead("its pod is gone".into()),
    }
}

/// Why the pod cannot run again, whatever it answers now.
fn ended<S>(pod: &Pod<S>, seen: Option<&Uid>) -> Option<String> {
    if seen.is_some_and(|uid| *uid != pod.uid) {
        return Some("its pod was replaced by another".into());
    }
    if pod.deleting {
        return Some("its pod is being deleted".into());
    }
    match pod.phase {
        PodPhase::Failed | PodPhase::Succeeded => Some("its pod has ended".into()),
        PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => None,
    }
}

/// How a process ended, in its own words if it left any: another's words are shown as such.
fn said<S>(pod: &Pod<S>, message: &Words) -> String {
    match &pod.exit {
        Some(exit) if exit.words.is_empty() => format!("exit code {}", exit.code),
        Some(exit) => format!("exit code {}, \"{}\"", exit.code, exit.words),
        None => message.to_string(),
    }
}

fn health_of_silent<S>(pod: &Pod<S>, member: &MemberRecord, now: Timestamp, why: &str) -> Health {
    if pod.data_lost() {
        let before = member.said.as_ref().map(|it| format!("; before that it ended with \"{it}\""));
        return Health::Dead(format!("its data is lost{}", before.unwrap_or_default()));
    }
    if pod.node_lost {
        return Health::Failed("its node is lost".into());
    }
    let patience = SignedDuration::from_secs(CRASH_LOOP_SECONDS);
    match &pod.trouble {
        Some(Trouble::CrashLoop { message }) => {
            let long = member.failing_since.is_some_and(|it| now.duration_since(it) >= patience);
            if long && pod.restarts >= CRASH_LOOP_RESTARTS {
                Health::Failed(format!("it crashes again and again: {}", said(pod, message)))
            } else {
                Health::Stopped(format!("it crashed: {}", said(pod, message)))
            }
        }
        Some(Trouble::Image { message }) => Health::Stopped(format!("no image: {message}")),
        Some(Trouble::Unschedulable { message }) => {
            Health::Stopped(format!("no node can take its pod: {message}"))
        }
        Some(Trouble::Starting { reason, message }) => {
            Health::Stopped(format!("its pod is starting: {reason} {message}").trim_end().into())
        }
        None if pod.phase == PodPhase::Pending => Health::Stopped("its pod is starting".into()),
        None => Health::Unwell(why.into()),
    }
}
