//! The conditions: what of a cluster is so, why, and since when.

use jiff::{SignedDuration, Timestamp};

use super::super::losses::is_no_quorum;
use super::Report;
use crate::app::{App, Complaint};
use crate::assess::rules::units;
use crate::comparison::{Comparison, Corruption};
use crate::id::{MemberId, MemberName};
use crate::limits::{STABLE_SECONDS, quorum};
use crate::member::{Cluster, Health};
use crate::problem::Severity;
use crate::reason::Cause;
use crate::record::MemberRecord;
use crate::status::{Condition, ConditionType, Truth};
use crate::topology::Edge;
use crate::waiting::Waiting;
use crate::words;

impl<A: App> Report<'_, '_, A> {
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let sleeps = || self.sleeps().then(asleep);
        let kinds = [
            (ConditionType::Available, sleeps().unwrap_or_else(|| self.available())),
            (ConditionType::Degraded, sleeps().unwrap_or_else(|| self.degraded())),
            (ConditionType::Progressing, self.progressing()),
            (ConditionType::QuorumLost, sleeps().unwrap_or_else(|| self.quorum_lost())),
            (ConditionType::SpecAccepted, self.spec_accepted()),
        ];
        kinds.into_iter().map(|(kind, judged)| self.condition(kind, judged)).collect()
    }

    fn condition(&self, kind: ConditionType, (status, reason, message): Judged) -> Condition {
        let before = self.assessed.snapshot.status.condition(kind);
        let since = before.filter(|it| it.status == status).map(|it| it.last_transition_time);
        Condition {
            kind,
            status,
            reason: reason.into(),
            message,
            observed_generation: Some(self.assessed.snapshot.object.generation),
            last_transition_time: since.unwrap_or_else(|| seconds(self.assessed.snapshot.now)),
        }
    }

    /// Claimed only on the proof of this very observation: there is a quorum, and clients reach one of it.
    fn available(&self) -> Judged {
        if self.decision.record.cluster_id.is_none() {
            return self.not_created();
        }
        if self.assessed.snapshot.status.record.cluster_id.is_none() {
            // What lets clients in is made after the record; whoever waits for this must find it.
            return (
                Truth::False,
                "NotServed",
                "the cluster has formed and is not open to clients yet".into(),
            );
        }
        if let Some(message) = self.served() {
            return (Truth::True, "ReadServed", message);
        }
        if self.assessed.leaderless().is_some() {
            let message = "no member leads, and one has to be appointed".into();
            return (Truth::False, "NoLeader", message);
        }
        let Some(cluster) = self.cluster() else {
            let (lost, reason, message) = self.quorum_lost();
            let status = if lost == Truth::True { Truth::False } else { Truth::Unknown };
            return (status, if lost == Truth::True { reason } else { "Unknown" }, message);
        };
        if self.is_alarmed() {
            return (Truth::False, "DataCorrupt", self.corruption(cluster));
        }
        if let Some(wait) = self.headless(cluster).into_iter().next() {
            let status = if wait.needs_user() { Truth::False } else { Truth::Unknown };
            return (status, wait.reason(), wait.to_string());
        }
        let (working, of) = (cluster.healthy_voters(), cluster.voters().count());
        let healthy = format!("{working} of {of} voters are healthy");
        match cluster.voters().filter(|it| it.health.is_healthy() && it.ready).count() {
            _ if working < quorum(of) => (Truth::Unknown, "QuorumAtRisk", healthy),
            0 => (Truth::False, "NotReady", format!("{healthy}, and clients are sent to none")),
            ready if ready < working => {
                (Truth::True, "QuorumHealthy", format!("{healthy}, clients are sent to {ready}"))
            }
            _ => (Truth::True, "QuorumHealthy", healthy),
        }
    }

    fn not_created(&self) -> Judged {
        let (reason, message) = match self.decision.record.restoring {
            None => ("NotCreated", "the cluster does not exist yet"),
            Some(_) => ("Restoring", "the cluster begins anew with the data of a backup"),
        };
        (Truth::False, reason, message.into())
    }

    /// The groups that nobody leads, where each has a leader of its own.
    fn headless(&self, cluster: &Cluster) -> Vec<Waiting> {
        let units = self.assessed.target.as_ref().map(|it| units(it, Edge::Starts));
        self.assessed.headless(cluster, &units.unwrap_or_default())
    }

    fn degraded(&self) -> Judged {
        if self.decision.record.cluster_id.is_none() {
            return self.not_created();
        }
        let recorded = || self.decision.record.members.iter();
        let ill: Vec<_> = recorded()
            .map(|it| (it, self.health_of(it)))
            .filter(|(_, health)| self.cluster().is_some() || !health.is_alive())
            .filter(|(it, health)| !self.is_catching_on(it, health))
            .filter_map(|(it, health)| Some(format!("{}: {}", it.name, health.cause()?)))
            .collect();
        let wanted = self.assessed.target.iter().flat_map(|it| &it.roles);
        let wanted: usize = wanted.map(|it| it.size * it.groups as usize).sum();
        let has = recorded().count();
        if let Some(cluster) = self.cluster().filter(|it| !it.corruption.is_empty()) {
            let told = [vec![self.corruption(cluster)], ill].concat();
            (Truth::True, "DataCorrupt", told.join("; "))
        } else if let Some(complaint) = self.complaint().filter(|it| it.degrades) {
            let told = [vec![complaint.message], ill].concat();
            (Truth::True, complaint.reason, told.join("; "))
        } else if !ill.is_empty() {
            (Truth::True, "MembersUnhealthy", ill.join("; "))
        } else if let Some(message) = self.volumes_deleting() {
            (Truth::True, "VolumesDeleting", message)
        } else if has >= wanted {
            self.all_work()
        } else if self.was_degraded() {
            (Truth::True, "MembersMissing", format!("{has} of {wanted} members exist"))
        } else {
            (Truth::False, "Growing", format!("{has} of {wanted} members have joined"))
        }
    }

    /// What is wrong with the cluster as a whole, by the application's word.
    pub(super) fn complaint(&self) -> Option<Complaint> {
        self.assessed.app.complaint(self.assessed.record.in_force()?, self.cluster()?)
    }

    /// Whether the application itself found corrupt data: it serves little or nothing until that is cleared.
    fn is_alarmed(&self) -> bool {
        let view = &self.assessed.snapshot.view;
        self.assessed.list().is_some_and(|it| !view.alarms(it).is_empty())
    }

    /// Whose data is corrupt, and who says so.
    fn corruption(&self, cluster: &Cluster) -> String {
        let compared = self.assessed.snapshot.view.comparisons.last();
        let compared = compared.filter(|it| !it.corruption().is_empty());
        let wrong = compared.map(Comparison::corruption).unwrap_or_default();
        let told = |id: &MemberId| {
            let member = cluster.members.iter().find(|it| it.id == *id);
            member.map_or_else(|| format!("former member {id}"), |it| it.name.to_string())
        };
        let who = cluster.corruption.iter().filter_map(|it| match it {
            Corruption::Undetermined => None,
            Corruption::Of(id) if wrong.contains(it) => {
                Some(format!("the data of {} is not that of a majority", told(id)))
            }
            Corruption::Of(id) if cluster.blamed.as_ref() == Some(id) => {
                Some(format!("the data of {} is wrong by a person's word", told(id)))
            }
            Corruption::Of(id) => {
                Some(format!("the application reports corrupt data of {}", told(id)))
            }
        });
        let mut who: Vec<_> = who.collect();
        if cluster.corruption.contains(&Corruption::Undetermined) {
            who.push("the data of the members differs".to_owned());
        }
        let at = compared.map(|it| {
            let digests = it.digests.iter().map(|(id, digest)| format!("{} {digest}", told(id)));
            format!(" (at revision {}: {})", it.revision, digests.collect::<Vec<_>>().join(", "))
        });
        format!("{}{}", who.join(", "), at.unwrap_or_default())
    }

    /// Who works on a volume that goes with its pod.
    fn volumes_deleting(&self) -> Option<String> {
        let members = self.cluster().into_iter().flat_map(|it| &it.members);
        let going = members.filter(|it| it.recorded && it.volume_deleting);
        let going: Vec<_> =
            going.map(|it| format!("{}: {}", it.name, Cause::VolumeDeleting)).collect();
        (!going.is_empty()).then(|| going.join("; "))
    }

    /// Every member works; what some of them run may be worth a word all the same.
    fn all_work(&self) -> Judged {
        let members = self.cluster().into_iter().flat_map(|it| &it.members);
        let differs = members
            .filter_map(|it| Some(format!("{}: {}", it.name, it.version_mismatch.as_ref()?)));
        let differs: Vec<_> = differs.collect();
        match (differs.is_empty(), self.complaint()) {
            (_, Some(it)) => {
                let told = [vec![it.message], differs].concat();
                let message = format!("every member is healthy; {}", told.join("; "));
                (Truth::False, it.reason, message)
            }
            (true, None) => (Truth::False, "MembersHealthy", "every member is healthy".into()),
            (false, None) => {
                let message = format!("every member is healthy; {}", differs.join("; "));
                (Truth::False, "VersionMismatch", message)
            }
        }
    }

    /// Whether a member still follows the leader that was before, and may not have been asked since. That
    /// is no news.
    fn is_catching_on(&self, member: &MemberRecord, health: &Health) -> bool {
        let patience = SignedDuration::from_secs(STABLE_SECONDS);
        let now = self.assessed.snapshot.now;
        let lately = member.failing_since.is_some_and(|it| now.duration_since(it) < patience);
        lately && *health == Health::Leaderless && self.leader_of(member).is_some()
    }

    /// Whom a member says it follows.
    fn leader_of(&self, member: &MemberRecord) -> Option<&MemberId> {
        self.assessed.snapshot.view.answer(&member.name)?.leader.as_ref()
    }

    /// A cluster that lost a member is degraded until it has another; one that grows is not.
    fn was_degraded(&self) -> bool {
        let before = self.assessed.snapshot.status.condition(ConditionType::Degraded);
        before.is_some_and(|it| it.status == Truth::True)
    }

    fn progressing(&self) -> Judged {
        if let Some((reason, message)) = self.progress() {
            return (Truth::True, reason, message);
        }
        match self.decision.waits.iter().find(|it| it.needs_user()) {
            Some(wait) => (Truth::False, wait.reason(), wait.to_string()),
            None => (Truth::False, "UpToDate", "the cluster matches its spec".into()),
        }
    }

    /// What is under way; nothing when only the user can lead on, or all is done.
    pub(super) fn progress(&self) -> Option<(&'static str, String)> {
        if self.decision.waits.iter().any(Waiting::stops_all) {
            return None;
        }
        let wait = self.decision.waits.iter().find(|it| !it.needs_user());
        match (self.decision.actions.iter().find(|it| !it.is_mark()), wait) {
            (Some(action), _) => Some((action.reason(), action.to_string())),
            (None, Some(wait)) => Some((wait.reason(), wait.to_string())),
            (None, None) if self.decision.record.step.is_some() => {
                Some(("StepRunning", "a step is running".into()))
            }
            // Where it waits for a person before the next, nothing goes on.
            (None, None) if self.decision.record.stage.is_some() && !self.needs_user() => {
                Some(("StageRunning", "members come to the spec in stages".into()))
            }
            (None, None) => None,
        }
    }

    fn needs_user(&self) -> bool {
        self.decision.waits.iter().any(Waiting::needs_user)
    }

    /// Lost only if a member says so or too many are known not to run: not being able to ask is not
    /// a loss.
    pub(super) fn quorum_lost(&self) -> Judged {
        let fine = |message: &str| (Truth::False, "QuorumHealthy", message.to_owned());
        if self.decision.record.cluster_id.is_none() {
            return self.not_created();
        }
        if self.assessed.leaderless().is_some() {
            return fine("a quorum of the voters answers, and none of them leads");
        }
        if self.cluster().is_some() {
            return fine("a quorum of the voters is healthy");
        }
        if let Some(message) = self.served() {
            return (Truth::False, "ReadServed", message);
        }
        let members = self.assessed.voting_members();
        let healths: Vec<_> = members.map(|it| self.assessed.health(it)).collect();
        let of = healths.len();
        let needed = quorum(of);
        let left = healths.iter().filter(|it| !it.is_lost()).count();
        let perhaps = healths.iter().filter(|it| !it.is_stopped()).count();
        if is_no_quorum(self.assessed, left, of) {
            let message =
                format!("the data of {left} of {of} voters is left, and {needed} are needed");
            (Truth::True, "DataLost", message)
        } else if perhaps < needed {
            let whole = if left == of { "; no data is known to be lost" } else { "" };
            let message = format!("{perhaps} of {of} voters run, and {needed} are needed{whole}");
            (Truth::True, "MembersStopped", message)
        } else if let Some(witness) = self.witness()
            && healths.iter().filter(|it| it.is_alive()).count() < needed
        {
            let message =
                format!("{witness} reports that there is no leader, and too few others answer");
            (Truth::True, "NoLeader", message)
        } else {
            let message = "no quorum of the voters answers, for an unknown reason".to_owned();
            (Truth::Unknown, "NoAnswer", message)
        }
    }

    /// Who made a read that needs a quorum, where nothing else is known.
    fn served(&self) -> Option<String> {
        let guarded = |it: &&MemberRecord| self.assessed.health(it) == Health::Guarded;
        let served = self.assessed.voting_members().filter(guarded).count();
        let of = self.assessed.voting_members().count();
        (self.cluster().is_none() && served > 0)
            .then(|| format!("{served} of {of} voters served a read that needs a quorum"))
    }

    /// A voter that is alive and knows no leader.
    fn witness(&self) -> Option<&MemberName> {
        let leaderless = |it: &&MemberRecord| {
            self.assessed.health(it) == Health::Leaderless && self.leader_of(it).is_none()
        };
        self.assessed.voting_members().find(leaderless).map(|it| &it.name)
    }

    fn spec_accepted(&self) -> Judged {
        let told = |severity| {
            let found = self.assessed.problems.iter().filter(|it| it.severity == severity);
            words::list(&found.cloned().collect::<Vec<_>>())
        };
        let (refused, warned) = (told(Severity::Refused), told(Severity::Warning));
        if !refused.is_empty() {
            let before = match &self.decision.record.accepted {
                Some(it) => format!("; generation {} remains in effect", it.generation),
                None => String::new(),
            };
            (Truth::False, "Refused", format!("{refused}{before}"))
        } else if !warned.is_empty() {
            (Truth::True, "AcceptedWithWarnings", warned)
        } else {
            (Truth::True, "Accepted", "the spec is valid and reachable".into())
        }
    }
}

fn asleep() -> Judged {
    (Truth::False, "Hibernating", words::ASLEEP.into())
}

/// A condition's status, reason and message.
type Judged = (Truth, &'static str, String);

/// Kubernetes writes these times in whole seconds.
fn seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).expect("whole seconds of a valid time are valid")
}
