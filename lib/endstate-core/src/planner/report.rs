//! The plan's status: conditions, member rows and waits, rendered from what was seen and decided.
//!
//! Nothing here decides anything about members, and nothing here changes while nothing happens: a
//! cluster that is as declared has the same status every time, so it costs no write.

mod conditions;
mod rows;
mod surroundings;

use jiff::SignedDuration;

use super::decision::Decision;
use super::pace;
use crate::app::App;
use crate::assess::rebuild::is_lost;
use crate::assess::{Assessed, Situation};
use crate::certificates::Due;
use crate::consent::{CONSENT_ANNOTATION, Choice};
use crate::limits::{STABLE_SECONDS, is_recent};
use crate::member::{Cluster, Health};
use crate::plan::{Event, EventKind, Plan};
use crate::record::{Record, Step};
use crate::status::{Condition, ConditionType, MemberRow, Phase, Status, Truth, WaitRow};
use crate::topology::Role;
use crate::view::Standing;
use crate::waiting::{SourceLack, Waiting};

/// How soon to look again at an application that is on its way: it reports nothing by itself.
const SOON_MS: u32 = 250;
/// How soon at first members that run, which takes seconds and which somebody waits for.
const FORMING_MS: u32 = 100;
/// How soon when only a person or the API can lead on, or while the application complains of something.
const LATER_MS: u32 = 5_000;
/// How soon, in milliseconds, a plan wants to look again when everything is as declared: members fail without telling
/// the API. Who runs plans for many clusters may let them rest longer.
pub const AT_REST_MS: u32 = 30_000;
/// While a member's state may change without a sign: within the five seconds in which a fault is told.
const DOUBT_MS: u32 = 1_000;

/// Makes the plan of what was decided.
pub(super) fn report<A: App>(
    assessed: &Assessed<'_, A>,
    mut decision: Decision<A::Spec>,
) -> Plan<A::Spec> {
    if decision.actions.iter().any(|it| !it.is_mark()) {
        decision.record.epoch += 1;
    }
    pace::refusals(assessed).into_iter().for_each(|it| decision.wait(it));
    note_health(&mut decision.record, assessed);
    let report = Report { assessed, decision: &decision };
    let status = report.status();
    let events = report.events(&status);
    let look_again_ms = Some(report.look_again_ms().min(report.renewal_ms()));
    let (roles, retention) = (report.roles(), report.retention());
    let surroundings = report.surroundings(&retention);
    let Decision { actions, waits, .. } = decision;
    Plan {
        surroundings,
        roles,
        retention,
        actions,
        waits,
        events,
        look_again_ms,
        ..Plan::idle(status)
    }
}

/// Remembers since when each member does not work.
fn note_health<A: App>(record: &mut Record<A::Spec>, assessed: &Assessed<'_, A>) {
    let snapshot = assessed.snapshot;
    if snapshot.pods.is_none() || snapshot.object.deleting {
        return;
    }
    for member in record.everyone_mut() {
        if assessed.situation == Situation::Hibernating {
            (member.failing_since, member.renewals) = (None, 0);
            continue;
        }
        match assessed.health(member) {
            Health::Healthy | Health::Guarded => {
                if member.failing_since.take().is_some() {
                    member.recovered_at = Some(snapshot.now);
                }
                let stable = SignedDuration::from_secs(STABLE_SECONDS);
                if !member.recovered_at.is_some_and(|it| is_recent(it, snapshot.now, stable)) {
                    member.renewals = 0;
                }
                member.last_termination_message = None;
            }
            _ => {
                let since = member.failing_since.map_or(snapshot.now, |it| it.min(snapshot.now));
                member.failing_since = Some(since);
            }
        }
    }
}

/// What is told, of whom.
struct Report<'r, 'a, A: App> {
    assessed: &'r Assessed<'a, A>,
    decision: &'r Decision<A::Spec>,
}

impl<A: App> Report<'_, '_, A> {
    fn status(&self) -> Status<A::Spec> {
        let object = &self.assessed.snapshot.object;
        let members = self.rows();
        let voters = |it: &&MemberRow| it.standing.is_some_and(Standing::votes);
        let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        let mut status = Status {
            observed_generation: Some(object.generation),
            phase: self.phase(),
            conditions: self.conditions(),
            size: count(members.iter().filter(voters).count()),
            ready: count(members.iter().filter(voters).filter(|it| self.is_ready(it)).count()),
            updated_members: count(members.iter().filter(|it| it.updated).count()),
            selector: format!(
                "{}={},app.kubernetes.io/name={}",
                crate::LABEL_CLUSTER,
                object.name,
                self.assessed.app.name()
            ),
            current_version: self.lowest_version(),
            target_version: self.assessed.target.as_ref().map(|it| it.version.clone()),
            leader: self.cluster().and_then(Cluster::leader).map(|it| it.name.clone()),
            members,
            waiting: self.decision.waits.iter().map(WaitRow::from).collect(),
            record: self.decision.record.clone(),
        };
        self.settle(&mut status);
        status
    }

    /// Whether a member works, and clients are sent to it.
    fn is_ready(&self, row: &MemberRow) -> bool {
        row.healthy && self.assessed.snapshot.pod(&row.name).is_some_and(|it| it.ready)
    }

    fn cluster(&self) -> Option<&Cluster> {
        self.assessed.cluster.as_ref()
    }

    fn lowest_version(&self) -> Option<String> {
        let number = |it: &str| -> Vec<u64> {
            it.split('.').map(|part| part.parse().unwrap_or(0)).collect()
        };
        let snapshot = self.assessed.snapshot;
        let answers = snapshot.view.targets.iter().filter_map(|it| it.status.as_ref());
        let versions = answers.map(|it| &it.version).filter(|it| !it.is_empty());
        let lowest = versions.min_by_key(|it| number(it)).cloned();
        lowest.or_else(|| snapshot.status.current_version.clone())
    }

    fn phase(&self) -> Phase {
        let (snapshot, record) = (self.assessed.snapshot, &self.decision.record);
        if self.assessed.situation == Situation::Deleting {
            Phase::Deleting
        } else if self.assessed.situation == Situation::Paused {
            Phase::Paused
        } else if self.assessed.situation == Situation::Hibernating {
            Phase::Hibernating
        } else if record.cluster_id.is_none() {
            if record.bootstrap.is_some() { Phase::Creating } else { Phase::Pending }
        } else if self.quorum_lost().0 == Truth::True {
            Phase::Failed
        } else if self.cluster().is_none() && snapshot.pods.is_some() {
            // Right after the identity was recorded, or unknown: as before.
            match snapshot.status.phase {
                Phase::Pending | Phase::Paused => Phase::Updating,
                before => before,
            }
        } else if self.progress().is_none() {
            Phase::Running
        } else {
            Phase::Updating
        }
    }

    /// What the application says of its roles.
    fn roles(&self) -> Vec<Role> {
        self.assessed.target.iter().flat_map(|it| &it.roles).cloned().collect()
    }

    /// What changed in the conditions.
    fn events(&self, status: &Status<A::Spec>) -> Vec<Event> {
        let mut events: Vec<Event> = vec![];
        if self.assessed.situation == Situation::Deleting {
            return events;
        }
        events.extend(self.needless_consent());
        events.extend(self.unasked());
        events.extend(self.rebuilt());
        events.extend(self.left_alone());
        for condition in status.conditions.iter().filter(|it| self.is_news(it)) {
            let event = Event {
                kind: match is_bad(condition) && !self.sleeps() {
                    true => EventKind::Warning,
                    false => EventKind::Normal,
                },
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

    /// Told once: what only lost members had is given up, and nobody was asked.
    fn unasked(&self) -> Option<Event> {
        let unasked = |it: &Step| matches!(it, Step::Recover { unasked: true, .. });
        let before = self.assessed.snapshot.status.record.step.as_ref().is_some_and(unasked);
        let step = self.decision.record.step.as_ref().filter(|it| unasked(it) && !before)?;
        let what = "what only the lost members had is given up, as the spec says";
        let source = step.member();
        Some(Event::warning(
            "QuorumRecovery",
            format!("going on with the data of {source}; {what}"),
        ))
    }

    /// Told once: a cluster of this name left volumes, and this one starts without them.
    fn left_alone(&self) -> Option<Event> {
        let former = &self.assessed.snapshot.former;
        let begins = self.decision.record.bootstrap.as_ref().is_some_and(|it| it.attempt == 1)
            && self.assessed.snapshot.status.record.bootstrap.is_none();
        let mut names: Vec<_> = former.iter().map(|it| it.name.as_str()).collect();
        names.sort_unstable();
        let way_out = Choice::Adopt(None).asked_for("to go on with such volumes");
        (begins && !names.is_empty()).then(|| {
            let names = names.join(", ");
            Event::warning(
                "VolumesLeft",
                format!("a cluster of this name left {names}, which are kept and not used; {way_out} of a new object"),
            )
        })
    }

    /// Told once: the record that was lost is there again.
    fn rebuilt(&self) -> Option<Event> {
        let record = &self.decision.record;
        let rebuilt = is_lost(self.assessed.snapshot) && record.cluster_id.is_some();
        let kept: Vec<_> = record.kept.iter().map(|it| it.as_str()).collect();
        let volumes = match kept.is_empty() {
            true => String::new(),
            false => {
                format!("; the volumes of {} belong to no member and are kept", kept.join(", "))
            }
        };
        rebuilt.then(|| {
            let text = "the status was lost, and was made again of what the members say";
            Event::warning("RecordRebuilt", format!("{text}{volumes}"))
        })
    }

    /// Told once: the record remembers a consent that a quorum made needless.
    fn needless_consent(&self) -> Option<Event> {
        let snapshot = self.assessed.snapshot;
        let choice = snapshot.consent.as_ref()?;
        let noted = self.decision.record.consent == snapshot.consent;
        let before = snapshot.status.record.consent == snapshot.consent;
        let news = noted && !before && self.assessed.situation == Situation::Quorum;
        let text = match choice {
            _ if !news || self.was_used(choice) => return None,
            Choice::RecoverFrom(member) => {
                let wait =
                    Waiting::ForSource { member: member.clone(), lack: SourceLack::NotNeeded };
                return Some(Event::warning(wait.reason(), wait.why()));
            }
            Choice::Unknown(_) => return None,
            Choice::Remove(member) => format!("{member} is not listed, or the operator added it"),
            Choice::Replace(_) => "no data is known to differ".into(),
            Choice::Resume | Choice::Adopt(_) => "the members are known".into(),
        };
        let what = format!("the annotation {CONSENT_ANNOTATION} says \"{choice}\"");
        Some(Event::warning("NothingToDecide", format!("{what}, but {text}")))
    }

    /// Whether something was done by this choice that is over now.
    fn was_used(&self, choice: &Choice) -> bool {
        let snapshot = self.assessed.snapshot;
        let record = &snapshot.status.record;
        match choice {
            // Who leads now, where nobody did, was appointed by that consent.
            Choice::RecoverFrom(member) => {
                let leader = self.cluster().and_then(Cluster::leader);
                let leads = leader.is_some_and(|it| it.name == *member);
                leads && snapshot.status.leader.is_none() && self.assessed.acks().is_some()
            }
            Choice::Remove(member) => record.is_asked_to_leave(member),
            Choice::Replace(_) => {
                let degraded = snapshot.status.condition(ConditionType::Degraded);
                degraded.is_some_and(|it| it.status == Truth::True)
            }
            Choice::Resume | Choice::Adopt(_) | Choice::Unknown(_) => false,
        }
    }

    fn is_news(&self, condition: &Condition) -> bool {
        let status = &self.assessed.snapshot.status;
        let before = status.condition(condition.kind).map(|it| it.status);
        match condition.kind {
            ConditionType::Progressing => false,
            // A cluster that begins without its last member is no news.
            ConditionType::Degraded if status.phase == Phase::Creating => false,
            // The first status only tells what is wrong.
            ConditionType::SpecAccepted if before.is_none() => condition.status == Truth::False,
            _ => before.is_some_and(|it| it != condition.status),
        }
    }

    fn look_again_ms(&self) -> u32 {
        let (waits, now) = (&self.decision.waits, self.assessed.snapshot.now);
        if let (Some(pause), true) = (pace::pause(waits, now), self.decision.actions.is_empty()) {
            u32::try_from(pause.as_millis()).unwrap_or(0).clamp(1, LATER_MS)
        } else if waits.iter().any(Waiting::needs_user) && !self.is_under_way() {
            LATER_MS
        } else if self.assessed.situation == Situation::Forming && self.runs_any() {
            FORMING_MS
        } else if self.sleeps() && self.progress().is_none() {
            AT_REST_MS
        } else if self.progress().is_some() || self.cluster().is_none() {
            SOON_MS
        } else if self.probes_say_nothing() || self.assessed.snapshot.view.is_unconfirmed() {
            DOUBT_MS
        } else if self.complaint().is_some() {
            LATER_MS
        } else {
            AT_REST_MS
        }
    }

    /// Whether a member works whose pod is not ready: that it stops would change nothing that wakes us.
    fn probes_say_nothing(&self) -> bool {
        let mut members = self.cluster().into_iter().flat_map(|it| &it.members);
        members.any(|it| it.health.is_healthy() && !it.ready)
    }

    fn sleeps(&self) -> bool {
        self.assessed.situation == Situation::Hibernating
    }

    /// When the first certificate is made anew.
    fn renewal_ms(&self) -> u32 {
        let now = self.assessed.snapshot.now;
        let certificates = self.assessed.certificates();
        let next = certificates.iter().filter_map(|(_, due)| match due {
            Due::At(at) => Some(at.duration_since(now).as_millis()),
            _ => None,
        });
        next.min().map_or(u32::MAX, |it| u32::try_from(it.max(1)).unwrap_or(u32::MAX))
    }

    /// Whether a member's process runs, so that it may answer.
    fn runs_any(&self) -> bool {
        self.assessed.snapshot.pods.iter().flatten().any(|it| it.started)
    }

    /// Whether something goes on, and not only waits for a member or a person.
    fn is_under_way(&self) -> bool {
        let goes_on = !self.decision.actions.is_empty() || self.decision.record.step.is_some();
        goes_on && !self.decision.waits.iter().any(Waiting::stops_all)
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

impl<A: App> Report<'_, '_, A> {
    /// Keeps the old figures of members while nothing else changed and they did not change much: a busy cluster's log
    /// grows all the time, and that alone is not worth a write. While a voter, or another member that may lead its
    /// group, is down the figures are exact: a recovery measures its source by them.
    fn settle(&self, status: &mut Status<A::Spec>) {
        let before = &self.assessed.snapshot.status;
        let same_members = status.members.len() == before.members.len()
            && status.members.iter().zip(&before.members).all(|(a, b)| a.name == b.name);
        let votes = |it: &&MemberRow| {
            it.standing.is_none_or(Standing::votes) || self.assessed.has_group_leaders(&it.role)
        };
        let all_work = status.members.iter().filter(votes).all(|it| it.healthy);
        if !same_members || !all_work {
            return;
        }
        let mut settled = status.clone();
        for (row, old) in settled.members.iter_mut().zip(&before.members) {
            (row.position, row.lag, row.data_size) = (old.position.clone(), old.lag, old.data_size);
        }
        let grew = |new: Option<u64>, old: Option<u64>| match (new, old) {
            (Some(new), Some(old)) => new > old.saturating_add(old / 10).saturating_add(1_000),
            (new, old) => new.is_some() != old.is_some(),
        };
        let entries = |row: &MemberRow| row.position.as_ref().map(crate::Position::count);
        let mut pairs = status.members.iter().zip(&before.members);
        let much = pairs.any(|(new, old)| {
            grew(entries(new), entries(old)) || grew(new.data_size, old.data_size)
        });
        if settled == *before && !much {
            *status = settled;
        }
    }
}
