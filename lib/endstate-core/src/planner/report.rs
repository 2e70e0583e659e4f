//! The plan's status: conditions, member rows and waits, rendered from what was seen and decided.
//!
//! Nothing here decides anything about members, and nothing here changes while nothing happens: a
//! cluster that is as declared has the same status every time, so it costs no write.

use jiff::{SignedDuration, Timestamp};

use super::Draft;
use crate::{
    app::{App, Change, Severity},
    cluster::{Cluster, Health, Member, STABLE_SECONDS, find_pod, health, quorum},
    id::{MemberId, MemberName},
    plan::{Event, EventKind, Plan},
    record::MemberRecord,
    status::{Condition, ConditionType, MemberRow, Phase, Status, Truth, WaitRow},
    view::Role,
    waiting::Waiting,
};

/// How soon to look again at an application that is on its way: it reports nothing by itself.
const SOON_MS: u32 = 250;
/// How soon when only a person or the API can lead on.
const LATER_MS: u32 = 5_000;
/// How soon when everything is as declared: members fail without telling the API.
const IDLE_MS: u32 = 30_000;

impl<A: App> Draft<'_, A> {
    pub(super) fn report(mut self) -> Plan<A::Spec> {
        if !self.actions.is_empty() {
            self.record.epoch += 1;
        }
        if let Some(blocked) = &self.snapshot.blocked {
            let (action, why) = (blocked.action.clone(), blocked.why.clone());
            self.wait(match blocked.needs_user {
                true => Waiting::ForUser {
                    why: format!("\"{action}\" is refused without one"),
                    hint: self.app.without_user().into(),
                },
                false => Waiting::ForAnswer { action, why },
            });
        }
        self.note_failures();
        let status = self.status();
        let events = self.events(&status);
        let look_again_ms = Some(self.look_again_ms());
        let Self { support, actions, waits, .. } = self;
        Plan { status, support, actions, waits, events, look_again_ms }
    }

    /// Remembers since when each member does not work.
    fn note_failures(&mut self) {
        let (snapshot, now) = (self.snapshot, self.snapshot.now);
        if snapshot.pods.is_none() || snapshot.object.deleting {
            return;
        }
        for member in self.record.everyone_mut() {
            match health(snapshot, member) {
                Health::Healthy | Health::Guarded => {
                    if member.failing_since.take().is_some() {
                        member.recovered = Some(now);
                    }
                    member.said = None;
                }
                _ => member.failing_since = member.failing_since.or(Some(now)),
            }
        }
    }

    fn status(&self) -> Status<A::Spec> {
        let object = &self.snapshot.object;
        let members = self.rows();
        let voters = |it: &&MemberRow| it.role.is_some_and(Role::votes);
        let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        let mut status = Status {
            observed_generation: Some(object.generation),
            phase: self.phase(),
            conditions: self.conditions(),
            size: count(members.iter().filter(voters).count()),
            ready: count(members.iter().filter(voters).filter(|it| it.healthy).count()),
            updated_members: count(members.iter().filter(|it| it.updated).count()),
            selector: format!(
                "{}={},app.kubernetes.io/name={}",
                crate::LABEL_CLUSTER,
                object.name,
                self.app.name()
            ),
            current_version: self.lowest_version(),
            target_version: self.target.as_ref().map(|it| it.version.clone()),
            leader: self.cluster.as_ref().and_then(Cluster::leader).map(|it| it.name.clone()),
            members,
            waiting: self.waits.iter().map(WaitRow::from).collect(),
            record: self.record.clone(),
        };
        settle(&mut status, &self.snapshot.status);
        status
    }

    /// One row per member that is listed, recorded or coming.
    fn rows(&self) -> Vec<MemberRow> {
        let ahead =
            self.cluster.as_ref().and_then(|it| it.members.iter().map(|it| it.position).max());
        let mut rows: Vec<MemberRow> = match &self.cluster {
            Some(cluster) => {
                cluster.members.iter().map(|it| self.row(it, ahead.flatten())).collect()
            }
            None => vec![],
        };
        let first = self.record.bootstrap.iter().flat_map(|it| &it.members);
        for member in first.chain(&self.record.members) {
            if !rows.iter().any(|it| it.name == member.name) {
                rows.push(self.row_of_record(member));
            }
        }
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows
    }

    fn row(&self, member: &Member, ahead: Option<u64>) -> MemberRow {
        let answer = self.snapshot.view.target(&member.name).and_then(|it| it.status.as_ref());
        let role = match member {
            it if it.learner => Role::Learner,
            it if it.leads => Role::Leader,
            _ => Role::Voter,
        };
        let lag = ahead.zip(member.position).map(|(ahead, has)| ahead.saturating_sub(has));
        MemberRow {
            id: Some(member.id),
            role: Some(role),
            healthy: member.health.is_healthy(),
            trouble: member.health.why().or(member.differs.as_deref()).map(str::to_owned),
            updated: !member.outdated && member.pod.is_some(),
            version: answer.map(|it| it.version.clone()),
            node: find_pod(self.snapshot, &member.name).and_then(|it| it.node.clone()),
            position: member.position,
            lag,
            db_size: answer.map(|it| it.db_size),
            ..MemberRow::new(member.name.clone())
        }
    }

    /// A member without proof of its part: only what its own pod and answer say.
    fn row_of_record(&self, member: &MemberRecord) -> MemberRow {
        let health = health(self.snapshot, member);
        let pod = find_pod(self.snapshot, &member.name);
        let updated = match (pod.and_then(|it| it.spec.as_ref()), &self.record.accepted) {
            (Some(old), Some(new)) => self.app.change(old, &new.spec) == Change::Nothing,
            _ => false,
        };
        // A member that is recorded votes, as far as is known: the size does not shrink because
        // nobody can be asked.
        let role = member.id.map(|_| Role::Voter);
        // Without a quorum nobody has a leader to follow, which is no fault of a member.
        let alive = health.is_alive();
        MemberRow {
            id: member.id,
            role,
            healthy: alive,
            trouble: health.why().filter(|_| !alive).map(str::to_owned),
            updated,
            node: pod.and_then(|it| it.node.clone()),
            ..MemberRow::new(member.name.clone())
        }
    }

    fn lowest_version(&self) -> Option<String> {
        let number = |it: &str| -> Vec<u64> {
            it.split('.').map(|part| part.parse().unwrap_or(0)).collect()
        };
        let answers = self.snapshot.view.targets.iter().filter_map(|it| it.status.as_ref());
        let versions = answers.map(|it| &it.version).filter(|it| !it.is_empty());
        let lowest = versions.min_by_key(|it| number(it)).cloned();
        lowest.or_else(|| self.snapshot.status.current_version.clone())
    }

    fn phase(&self) -> Phase {
        let record = &self.record;
        if self.snapshot.object.deleting {
            Phase::Deleting
        } else if self.waits.contains(&Waiting::ForUnpause) {
            Phase::Paused
        } else if record.cluster_id.is_none() {
            if record.bootstrap.is_some() { Phase::Creating } else { Phase::Pending }
        } else if self.quorum_lost().0 == Truth::True {
            Phase::Failed
        } else if self.cluster.is_none() && self.snapshot.pods.is_some() {
            // Right after the identity was recorded, or unknown: as before.
            match self.snapshot.status.phase {
                Phase::Pending | Phase::Paused => Phase::Updating,
                before => before,
            }
        } else if self.progress().is_none() {
            Phase::Running
        } else {
            Phase::Updating
        }
    }

    fn conditions(&self) -> Vec<Condition> {
        let kinds = [
            (ConditionType::Available, self.available()),
            (ConditionType::Degraded, self.degraded()),
            (ConditionType::Progressing, self.progressing()),
            (ConditionType::QuorumLost, self.quorum_lost()),
            (ConditionType::SpecAccepted, self.spec_accepted()),
        ];
        kinds.into_iter().map(|(kind, judged)| self.condition(kind, judged)).collect()
    }

    fn condition(&self, kind: ConditionType, (status, reason, message): Judged) -> Condition {
        let before = self.snapshot.status.condition(kind);
        let since = before.filter(|it| it.status == status).map(|it| it.last_transition_time);
        Condition {
            kind,
            status,
            reason: reason.into(),
            message,
            observed_generation: Some(self.snapshot.object.generation),
            last_transition_time: since.unwrap_or_else(|| seconds(self.snapshot.now)),
        }
    }

    /// Claimed only on the proof of this very observation.
    fn available(&self) -> Judged {
        if self.record.cluster_id.is_none() {
            return (Truth::False, "NotCreated", "the cluster does not exist yet".into());
        }
        if self.snapshot.status.record.cluster_id.is_none() {
            // What lets clients in is made after the record; whoever waits for this must find it.
            return (
                Truth::False,
                "NotServed",
                "it was formed, and clients are let in next".into(),
            );
        }
        if let Some(message) = self.served() {
            return (Truth::True, "ReadServed", message);
        }
        let Some(cluster) = &self.cluster else {
            let (lost, reason, message) = self.quorum_lost();
            let status = if lost == Truth::True { Truth::False } else { Truth::Unknown };
            return (status, if lost == Truth::True { reason } else { "Unknown" }, message);
        };
        if !cluster.accused.is_empty() {
            // An application that found corrupt data serves little or nothing until somebody clears it.
            return (Truth::False, "DataCorrupt", corruption(cluster));
        }
        let (working, of) = (cluster.healthy_voters(), cluster.voters().count());
        let message = format!("{working} of {of} voters work");
        if working >= quorum(of) {
            (Truth::True, "QuorumHealthy", message)
        } else {
            (Truth::Unknown, "QuorumAtRisk", message)
        }
    }

    fn degraded(&self) -> Judged {
        if self.record.cluster_id.is_none() {
            return (Truth::False, "NotCreated", "the cluster does not exist yet".into());
        }
        let recorded = || self.record.members.iter();
        let ill: Vec<_> = recorded()
            .map(|it| (it, self.health_of(it)))
            .filter(|(_, health)| self.cluster.is_some() || !health.is_alive())
            .filter(|(it, health)| !self.is_catching_on(it, health))
            .filter_map(|(it, health)| Some(format!("{}: {}", it.name, health.why()?)))
            .collect();
        let wanted = self.target.as_ref().map_or(0, |it| it.voters);
        let has = recorded().count();
        if let Some(cluster) = self.cluster.as_ref().filter(|it| !it.accused.is_empty()) {
            let told = [vec![corruption(cluster)], ill].concat();
            (Truth::True, "DataCorrupt", told.join("; "))
        } else if !ill.is_empty() {
            (Truth::True, "MembersDoNotWork", ill.join("; "))
        } else if has >= wanted {
            self.all_work()
        } else if self.was_degraded() {
            (Truth::True, "MembersMissing", format!("there are {has} of {wanted} members"))
        } else {
            (Truth::False, "Growing", format!("{has} of {wanted} members have joined"))
        }
    }

    /// Every member works; what some of them run may be worth a word all the same.
    fn all_work(&self) -> Judged {
        let members = self.cluster.iter().flat_map(|it| &it.members);
        let differs =
            members.filter_map(|it| Some(format!("{}: {}", it.name, it.differs.as_ref()?)));
        let differs: Vec<_> = differs.collect();
        match differs.is_empty() {
            true => (Truth::False, "AllMembersWork", "every member works".into()),
            false => {
                let message = format!("every member works; {}", differs.join("; "));
                (Truth::False, "OtherVersion", message)
            }
        }
    }

    /// Whether a member still follows the leader that was before, and may not have been asked since. That
    /// is no news.
    fn is_catching_on(&self, member: &MemberRecord, health: &Health) -> bool {
        let patience = SignedDuration::from_secs(STABLE_SECONDS);
        let now = self.snapshot.now;
        let lately = member.failing_since.is_some_and(|it| now.duration_since(it) < patience);
        lately && *health == Health::Leaderless && self.leader_of(member).is_some()
    }

    /// Whom a member says it follows.
    fn leader_of(&self, member: &MemberRecord) -> Option<MemberId> {
        self.snapshot.view.target(&member.name)?.status.as_ref()?.leader
    }

    /// With proof of a quorum, as its members see each other; without, as each says itself.
    fn health_of(&self, member: &MemberRecord) -> Health {
        let listed = self.cluster.as_ref().and_then(|it| it.member(&member.name));
        listed.map_or_else(|| health(self.snapshot, member), |it| it.health.clone())
    }

    /// A cluster that lost a member is degraded until it has another; one that grows is not.
    fn was_degraded(&self) -> bool {
        let before = self.snapshot.status.condition(ConditionType::Degraded);
        before.is_some_and(|it| it.status == Truth::True)
    }

    fn progressing(&self) -> Judged {
        if let Some((reason, message)) = self.progress() {
            return (Truth::True, reason, message);
        }
        match self.waits.iter().find(|it| it.needs_user()) {
            Some(wait) => (Truth::False, wait.reason(), wait.to_string()),
            None => (Truth::False, "AsDeclared", "the cluster is as declared".into()),
        }
    }

    /// What is under way; nothing when only the user can lead on, or all is done.
    fn progress(&self) -> Option<(&'static str, String)> {
        if self.waits.iter().any(Waiting::stops_all) {
            return None;
        }
        let wait = self.waits.iter().find(|it| !it.needs_user());
        match (self.actions.first(), wait) {
            (Some(action), _) => Some((action.reason(), action.to_string())),
            (None, Some(wait)) => Some((wait.reason(), wait.to_string())),
            (None, None) if self.record.step.is_some() => {
                Some(("StepUnderWay", "a step is under way".into()))
            }
            (None, None) => None,
        }
    }

    /// Whether something goes on, and not only waits for a member or a person.
    fn is_under_way(&self) -> bool {
        let goes_on = !self.actions.is_empty() || self.record.step.is_some();
        goes_on && !self.waits.iter().any(Waiting::stops_all)
    }

    /// Lost only if a member says so or too many are known not to run: not being able to ask is not
    /// a loss.
    fn quorum_lost(&self) -> Judged {
        let fine = |message: &str| (Truth::False, "QuorumHealthy", message.to_owned());
        if self.record.cluster_id.is_none() {
            return (Truth::False, "NotCreated", "the cluster does not exist yet".into());
        }
        if self.cluster.is_some() {
            return fine("a quorum of the voters works");
        }
        if let Some(message) = self.served() {
            return (Truth::False, "ReadServed", message);
        }
        let members = &self.record.members;
        let healths: Vec<_> = members.iter().map(|it| health(self.snapshot, it)).collect();
        let needed = quorum(members.len());
        let left = healths.iter().filter(|it| !it.is_lost()).count();
        let perhaps = healths.iter().filter(|it| !it.is_stopped()).count();
        let of = members.len();
        if left < needed {
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
            let message = format!("{witness} says that nobody leads, and too few others answer");
            (Truth::True, "NoLeader", message)
        } else {
            let message = "no quorum of the voters answers, and it is not known why".to_owned();
            (Truth::Unknown, "NoAnswer", message)
        }
    }

    /// Who made a read that needs a quorum, where nothing else is known.
    fn served(&self) -> Option<String> {
        let members = &self.record.members;
        let guarded = |it: &&MemberRecord| health(self.snapshot, it) == Health::Guarded;
        let served = members.iter().filter(guarded).count();
        let of = members.len();
        (self.cluster.is_none() && served > 0)
            .then(|| format!("{served} of {of} voters made a read that needs a quorum"))
    }

    /// A voter that is alive and knows no leader.
    fn witness(&self) -> Option<&MemberName> {
        let leaderless = |it: &&MemberRecord| {
            health(self.snapshot, it) == Health::Leaderless && self.leader_of(it).is_none()
        };
        self.record.members.iter().find(leaderless).map(|it| &it.name)
    }

    fn spec_accepted(&self) -> Judged {
        let told = |severity| {
            let found = self.problems.iter().filter(|it| it.severity == severity);
            found.map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let (refused, warned) = (told(Severity::Refused), told(Severity::Warning));
        if !refused.is_empty() {
            let before = match &self.record.accepted {
                Some(it) => format!("; generation {} stays in force", it.generation),
                None => String::new(),
            };
            (Truth::False, "Refused", format!("{refused}{before}"))
        } else if !warned.is_empty() {
            (Truth::True, "AcceptedWithWarnings", warned)
        } else {
            (Truth::True, "Accepted", "the spec is valid and can be reached".into())
        }
    }

    /// What changed in the conditions.
    fn events(&self, status: &Status<A::Spec>) -> Vec<Event> {
        let mut events: Vec<Event> = vec![];
        if self.snapshot.object.deleting {
            return events;
        }
        for condition in status.conditions.iter().filter(|it| self.is_news(it)) {
            let event = Event {
                kind: if is_bad(condition) { EventKind::Warning } else { EventKind::Normal },
                reason: condition.reason.clone(),
                message: condition.message.clone(),
            };
            // Two conditions may have one cause.
            if !events.contains(&event) {
                events.push(event);
            }
        }
        events
    }

    fn is_news(&self, condition: &Condition) -> bool {
        let before = self.snapshot.status.condition(condition.kind).map(|it| it.status);
        let creating = self.snapshot.status.phase == Phase::Creating;
        match condition.kind {
            ConditionType::Progressing => false,
            // A cluster that begins without its last member is no news.
            ConditionType::Degraded if creating => false,
            // The first status only tells what is wrong.
            ConditionType::SpecAccepted if before.is_none() => condition.status == Truth::False,
            _ => before.is_some_and(|it| it != condition.status),
        }
    }

    fn look_again_ms(&self) -> u32 {
        if let (Some(pause), true) = (self.pause(), self.actions.is_empty()) {
            u32::try_from(pause.as_millis()).unwrap_or(0).clamp(1, LATER_MS)
        } else if self.waits.iter().any(Waiting::needs_user) && !self.is_under_way() {
            LATER_MS
        } else if self.progress().is_some() || self.cluster.is_none() {
            SOON_MS
        } else {
            IDLE_MS
        }
    }
}

/// Whether a condition says that something is wrong.
fn is_bad(condition: &Condition) -> bool {
    match condition.kind {
        ConditionType::Available | ConditionType::SpecAccepted => condition.status != Truth::True,
        ConditionType::Degraded | ConditionType::QuorumLost => condition.status != Truth::False,
        ConditionType::Progressing => false,
    }
}

/// Whose data is corrupt.
fn corruption(cluster: &Cluster) -> String {
    let name = |id: &MemberId| {
        let member = cluster.members.iter().find(|it| it.id == *id);
        member.map_or_else(
            || format!("member {id}, which is none any more"),
            |it| it.name.to_string(),
        )
    };
    let names: Vec<_> = cluster.accused.iter().filter(|it| it.0 != 0).map(name).collect();
    match names.is_empty() {
        true => "the data of members differs".into(),
        false => format!("there is an alarm about corrupt data of {}", names.join(", ")),
    }
}

/// A condition's status, reason and message.
type Judged = (Truth, &'static str, String);

/// Kubernetes writes these times in whole seconds.
fn seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).expect("whole seconds of a valid time are valid")
}

/// Keeps the old figures of members while nothing else changed and they did not change much: a busy
/// cluster's log grows all the time, and that alone is not worth a write.
fn settle<S: Clone + PartialEq>(status: &mut Status<S>, before: &Status<S>) {
    let same_members = status.members.len() == before.members.len()
        && status.members.iter().zip(&before.members).all(|(a, b)| a.name == b.name);
    if !same_members {
        return;
    }
    let mut settled = status.clone();
    for (row, old) in settled.members.iter_mut().zip(&before.members) {
        (row.position, row.lag, row.db_size) = (old.position, old.lag, old.db_size);
    }
    let grew = |new: Option<u64>, old: Option<u64>| match (new, old) {
        (Some(new), Some(old)) => new > old.saturating_add(old / 10).saturating_add(1_000),
        (new, old) => new.is_some() != old.is_some(),
    };
    let much = status
        .members
        .iter()
        .zip(&before.members)
        .any(|(new, old)| grew(new.position, old.position) || grew(new.db_size, old.db_size));
    if settled == *before && !much {
        *status = settled;
    }
}
