//! The list of members joined with everything else that is known of each.

use jiff::{SignedDuration, Timestamp};

use super::awaited::lost_with_claim;
use super::health::{health, leader_of};
use super::spread;
use crate::app::{App, CatchUp};
use crate::comparison::Corruption;
use crate::id::{MemberId, MemberName, RoleName};
use crate::launch::{Directory, LaunchOf};
use crate::leads::Leads;
use crate::limits::{RESTART_SECONDS, STABLE_SECONDS, is_recent};
use crate::member::{Cluster, Health, Member};
use crate::operation::Operation;
use crate::planner::is_member_name;
use crate::pod::{Pod, PodRef, Trouble};
use crate::problem::Change;
use crate::reason::{Cause, VersionMismatch};
use crate::record::{MemberRecord, Record, Step};
use crate::snapshot::Snapshot;
use crate::topology::Topology;
use crate::view::{Entry, MemberStatus, Membership};

/// What a list is joined with.
pub(super) struct Joined<'a, A: App> {
    pub(super) app: &'a A,
    pub(super) snapshot: &'a Snapshot<A::Spec>,
    /// The spec that is worked towards, and what it asks for.
    pub(super) wanted: Option<(&'a A::Spec, &'a Topology)>,
}

impl<A: App> Joined<'_, A> {
    pub(super) fn with(&self, list: &Membership) -> Cluster {
        let leads = Leads::new(&self.snapshot.view, list);
        let leader = leads.leader();
        let corruption = self.snapshot.view.corruption(list);
        let mut members: Vec<_> = list.members.iter().map(|it| self.member(it)).collect();
        for member in &mut members {
            member.leads = match self.is_led(member) {
                true if member.recorded => self.leader_of(list, member) == Some(&member.id),
                // Of a group that nobody knows.
                true => leads.claimants().any(|it| it.id == member.id),
                false => leader == Some(&member.id),
            };
            if member.health.is_alive() && corruption.contains(&Corruption::Of(member.id.clone())) {
                (member.health, member.recovered_at) = (Health::Corrupt, None);
            }
        }
        members.sort_by(|a, b| a.name.cmp(&b.name));
        self.compare_groups(&mut members);
        let beside = self.snapshot.beside.clone();
        let corruption = corruption.into_iter().collect();
        let blamed = self.snapshot.view.blamed.clone();
        Cluster { members, corruption, blamed, facts: self.snapshot.view.facts.clone(), beside }
    }

    fn is_led(&self, member: &Member) -> bool {
        self.wanted.is_some_and(|(_, it)| it.is_led(&member.role))
    }

    fn leader_of<'l>(&'l self, list: &'l Membership, member: &Member) -> Option<&'l MemberId> {
        leader_of(self.snapshot, list, (&member.role, member.group))
    }

    /// Says who has what the leader of its group has, where each group has one.
    fn compare_groups(&self, members: &mut [Member]) {
        let has = |it: &Member| {
            let own = |other: &&Member| other.role == it.role && other.group == it.group;
            let leader = members.iter().filter(own).find(|it| it.leads);
            leader.is_some_and(|leader| {
                it.leads || it.health.is_healthy() && self.app.caught_up(leader, it) == CatchUp::Yes
            })
        };
        let caught_up: Vec<_> = members.iter().map(|it| !self.is_led(it) || has(it)).collect();
        for (member, caught_up) in members.iter_mut().zip(caught_up) {
            member.caught_up = caught_up;
        }
    }

    fn member(&self, entry: &Entry) -> Member {
        let snapshot = self.snapshot;
        let known = recorded(&snapshot.status.record, &entry.name);
        let pod = snapshot.pod(&entry.name);
        let answer = snapshot.view.answer(&entry.name).filter(|it| it.id == entry.id);
        let record = known.clone().unwrap_or_else(|| self.unknown(entry));
        let change = self.change(&record, pod);
        let durable = snapshot.is_durable(&entry.name);
        let mismatch = self.mismatch(&record.role, pod, answer);
        let target = self.wanted.map(|it| it.1);
        let listed = MemberRecord { id: Some(entry.id.clone()), ..record.clone() };
        let health = health(snapshot, target, &listed);
        let mut health = lost_with_claim(self.app, snapshot, &listed, health);
        let node = pod.and_then(|it| it.node.clone());
        let emptied = spread::is_on_emptied(snapshot, node.as_deref());
        let vacates = spread::is_wanted_off(snapshot, &entry.name, node.as_deref())
            && spread::has_room(snapshot);
        if known.is_none() && pod.is_none() && !health.is_healthy() {
            health = Health::NotReady(Cause::NothingKnown);
        } else if change.takes_another(durable) && needs_another_pod(&change, pod, &health) {
            // With a claim that fits it gets another pod, and goes on with its data.
            health = Health::Failed(Cause::OutdatedAndDown);
        } else if emptied && vacates && durable && pod.is_some_and(is_unschedulable) {
            // It comes back when somebody wants its node to be used again, which nobody may ever do.
            health = Health::Failed(Cause::VolumeOnEmptied);
        }
        if let (Health::Healthy, true, Some(versions)) =
            (&health, is_restarting(snapshot, &record), &mismatch)
        {
            // Its pod was changed and its process was not restarted yet: it works, but not for long.
            health = Health::NotReady(Cause::VersionMismatch { versions: versions.clone() });
        }
        let recovered_at =
            recovered_at(pod, known.as_ref(), snapshot.now).filter(|_| health.is_healthy());
        Member {
            votes: entry.votes,
            group: record.group,
            health,
            ready: pod.is_some_and(|it| it.ready),
            recovered_at,
            position: answer.and_then(|it| it.position.clone()),
            outdated: change != Change::Nothing,
            change,
            version_mismatch: mismatch,
            recorded: self.is_recorded(&record, known.is_some()),
            pod: pod.map(PodRef::from),
            durable,
            volume_deleting: snapshot.is_claim_deleting(&entry.name),
            node,
            vacates,
            dismissed: self.is_dismissed(&entry.name),
            address: entry.address.clone(),
            facts: answer.map(|it| it.facts.clone()).unwrap_or_default(),
            ..Member::new(entry.name.clone(), entry.id.clone(), record.role)
        }
    }

    /// Whether an operation that was started wants another in its place.
    fn is_dismissed(&self, name: &MemberName) -> bool {
        let current = self.app.operations().and_then(|it| it.current(&self.snapshot.beside));
        current.filter(|it| it.0.progress.is_started()).is_some_and(
            |(_, it)| matches!(it, Operation::ReplaceMember { member } if member == *name),
        )
    }

    /// Whether the record knows a member. One of which it only says that it goes is part of no group that has a leader
    /// of its own.
    fn is_recorded(&self, member: &MemberRecord, known: bool) -> bool {
        let led = self.wanted.is_some_and(|(_, it)| it.is_led(&member.role));
        known && (!led || self.snapshot.status.record.unit_of(&member.name).is_some())
    }

    /// One that is listed, and that nothing here added: as far as is known it has the role of those who vote or not.
    /// Without a vote it is one that never got it if it has a name that was given out here, or if there is no role for
    /// it.
    fn unknown(&self, entry: &Entry) -> MemberRecord {
        let snapshot = self.snapshot;
        let ours = || {
            let names = snapshot.status.record.names;
            is_member_name(&snapshot.object.name, snapshot.seed, names, &entry.name)
        };
        let votes = entry.votes || ours();
        let roles = || self.wanted.iter().flat_map(|(_, topology)| &topology.roles);
        let role = roles().find(|it| it.votes == votes).or_else(|| roles().find(|it| it.votes));
        let role = role.map(|it| it.name.clone()).unwrap_or_default();
        MemberRecord::new(entry.name.clone(), role)
    }

    pub(super) fn change(&self, member: &MemberRecord, pod: Option<&Pod<A::Spec>>) -> Change {
        let Some((new, _)) = self.wanted else { return Change::Nothing };
        let old = pod.and_then(|it| it.spec.as_ref());
        let of_pod = old.map_or(Change::Nothing, |it| self.app.change(&member.role, it, new));
        Change::of([of_pod, self.change_of_volumes(member, new)])
    }

    /// What it takes to bring a member's data to the volumes that are asked for. One that has no data has none to
    /// bring.
    fn change_of_volumes(&self, member: &MemberRecord, new: &A::Spec) -> Change {
        let snapshot = self.snapshot;
        let volumes = snapshot.volumes_of(&member.name);
        if !snapshot.is_durable(&member.name) {
            return Change::Nothing;
        }
        let launch = |volumes| {
            self.app.launch(&LaunchOf::new(&snapshot.object, new, member).has(volumes)).guard
        };
        let (asked, own) = (launch(None), launch(volumes));
        let fits = |it: &Directory| {
            let claim = snapshot.claim(&it.volume, &member.name);
            let has = claim.and_then(|it| it.volume.as_ref());
            has.is_none_or(|has| it.claimed().is_some_and(|it| it.fits(has)))
        };
        let same = asked.volumes().eq(own.volumes()) && asked.data.iter().all(fits);
        if same { Change::Nothing } else { Change::Move }
    }

    fn mismatch(
        &self,
        role: &RoleName,
        pod: Option<&Pod<A::Spec>>,
        answer: Option<&MemberStatus>,
    ) -> Option<VersionMismatch> {
        let (spec, answer) = (pod?.spec.as_ref()?, answer?);
        let asked =
            (!self.app.runs(role, spec, answer)).then(|| self.app.topology(spec).version)?;
        Some(VersionMismatch { runs: answer.version.clone(), asked })
    }
}

fn is_unschedulable<S>(pod: &Pod<S>) -> bool {
    !pod.started && matches!(pod.trouble, Some(Trouble::Unschedulable { .. }))
}

/// Since when a member is back, if that is a moment ago. A node whose clock is ahead tells nothing.
fn recovered_at<S>(
    pod: Option<&Pod<S>>,
    member: Option<&MemberRecord>,
    now: Timestamp,
) -> Option<Timestamp> {
    let started = pod.and_then(|it| it.running_since);
    // Who is recorded as failing and works is back this very moment.
    let failed = member.and_then(|it| it.failing_since).map(|_| now);
    let since = started.max(member.and_then(|it| it.recovered_at)).max(failed)?;
    let age = now.duration_since(since);
    (!age.is_negative() && age < SignedDuration::from_secs(STABLE_SECONDS)).then_some(since)
}

/// Whether a member was told to restart in place and may not have done so yet: its pod does not show it,
/// or it was told so lately that what shows may be another restart. A node that is stuck may take any time.
pub(super) fn is_restarting<S>(snapshot: &Snapshot<S>, member: &MemberRecord) -> bool {
    let Some(told) = &member.restarted else { return false };
    let patience = SignedDuration::from_secs(RESTART_SECONDS);
    let seen = snapshot.pod(&member.name).is_some_and(|it| told.is_seen(it));
    !seen || is_recent(told.at, snapshot.now, patience)
}

/// What the record says of a member, whether it belongs to the cluster, is coming, or going.
fn recorded<S>(record: &Record<S>, name: &MemberName) -> Option<MemberRecord> {
    let known = record.members.iter().chain(record.joining()).find(|it| it.name == *name).cloned();
    known.or_else(|| match record.step.as_ref()? {
        Step::Leave { name: leaves, pod, role, group, .. } if leaves == name => {
            let known = MemberRecord::new(name.clone(), role.clone());
            Some(MemberRecord { pod: pod.clone(), group: *group, ..known })
        }
        _ => None,
    })
}

/// Whether something but time holds a pod up, and only another pod is what is asked for.
pub(crate) fn needs_another_pod<S>(change: &Change, pod: Option<&Pod<S>>, health: &Health) -> bool {
    let held_up = pod.is_some_and(|it| it.trouble.is_some() || !it.started);
    *change >= Change::Recreate && !health.is_alive() && held_up
}
