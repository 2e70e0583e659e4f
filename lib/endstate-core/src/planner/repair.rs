//! What is broken: reported, taken away, or started again. Before any change that is asked for.

use super::proof::Proof;
use super::stray::Stray;
use super::verdict::{Move, Note, Verdict};
use crate::app::App;
use crate::assess::rules::{counted, is_half_joined, units};
use crate::limits::CRASH_LOOP_RENEWALS;
use crate::member::{Health, Member};
use crate::plan::Action;
use crate::pod::{Pod, PodPhase, PodRef, Trouble};
use crate::problem::Change;
use crate::reason::{Cause, LeaveReason};
use crate::record::{MemberRecord, Step};
use crate::topology::{Edge, Unit};
use crate::waiting::Waiting;

/// Members that nothing here added are counted, reported, and left alone, if they are complete. So is who was taken off
/// the list and kept.
pub(super) fn report_unknown_members<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let unknown = proof.cluster.members.iter().filter(|it| !it.recorded);
    let unknown = unknown.filter(|it| !is_half_joined(proof.target, it));
    let unknown = unknown.map(|it| Waiting::ForUnknownMember { member: it.name.clone() });
    let recorded = proof.assessed.record.members.iter();
    let unlisted = recorded.filter(|it| proof.cluster.member(&it.name).is_none());
    let unlisted =
        unlisted.map(|it| Waiting::ForMember { member: it.name.clone(), cause: Cause::Unlisted });
    let voteless = |it: &&Member| proof.target.role(&it.role).is_some_and(|role| !role.votes);
    let voting = proof.cluster.voters().filter(|it| it.recorded).filter(voteless);
    let voting = voting.map(|it| Waiting::ForVote { member: it.name.clone() });
    Verdict::say(unknown.chain(unlisted).chain(voting))
}

/// Groups that nobody leads: they are told, and left as they are.
pub(super) fn report_groups<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    Verdict::say(proof.assessed.headless(proof.cluster, &units(proof.target, Edge::Starts)))
}

/// Labels and annotations do no harm, so all of them are brought up to date at once.
pub(super) fn update_labels<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let live = proof.cluster.members.iter().filter(|it| it.change == Change::Live);
    let actions: Vec<_> = live
        .filter_map(|member| {
            let launch = proof.assessed.launch(&proof.assessed.recorded(&member.name), None);
            Some(Action::UpdatePod { pod: member.pod.clone()?, launch })
        })
        .collect();
    if actions.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Also(Move { actions, ..Move::default() })
    }
}

/// A member without a vote, in a role that votes, that nobody waits for.
pub(super) fn remove_half_joined<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let stray = proof.cluster.members.iter().find(|it| is_half_joined(proof.target, it));
    stray.map_or(Verdict::Pass, |it| proof.leave(it, LeaveReason::Stray))
}

/// The most dispensable member that does not come back: those first that need not be drained, which takes long.
pub(super) fn remove_given_up<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let order = proof.assessed.app.order(proof.cluster);
    let gone = |it: &&Member| it.recorded && it.health.is_given_up();
    let mut gone: Vec<_> = order.into_iter().filter(gone).collect();
    gone.sort_by_key(|it| proof.must_drain(it));
    let mut waits = vec![];
    for member in gone {
        if proof.is_repairing() && proof.must_drain(member) {
            break;
        }
        match proof.leave(member, LeaveReason::Dead) {
            Verdict::Also(wanted) => waits.extend(wanted.waits),
            verdict => return verdict.after(waits),
        }
    }
    Verdict::say(waits)
}

/// A pod that is no member's any more, then a claim, which waits until every unit has all its members again and all of
/// them work: until then it may hold a whole copy beside a single one.
pub(super) fn delete_stray<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let record = &proof.assessed.record;
    let belongs = |name: &str| {
        let recorded = record.members.iter().any(|it| *it.name == *name);
        let made = record.is_made(&name.into());
        recorded || made || proof.assessed.is_listed(proof.cluster, name)
    };
    match proof.assessed.stray(belongs) {
        None => Verdict::Pass,
        Some(Stray::Pod(pod)) => delete(pod),
        Some(Stray::Claim(_)) if !proof.is_complete() => Verdict::Pass,
        Some(Stray::Claim(claim)) => Verdict::act(Action::DeleteClaim { claim: claim.clone() }),
    }
}

impl<A: App> Proof<'_, '_, A> {
    /// Whether no unit lacks a member, and every member works.
    fn is_complete(&self) -> bool {
        let full = |unit: &Unit<'_>| counted(self.cluster, *unit, None).count() >= unit.0.size;
        units(self.target, Edge::Upgrades).iter().all(full)
            && self.cluster.members.iter().all(|it| it.health.is_healthy())
    }
}

fn delete<S>(pod: &Pod<S>) -> Verdict {
    let reason = LeaveReason::Stray;
    let (name, uid) = (pod.name.clone(), Some(pod.uid.clone()));
    let role = crate::RoleName::default();
    let step = Step::Leave { name, role, group: 0, id: None, pod: uid, reason };
    let action = Action::DeletePod { pod: PodRef::from(pod), reason };
    Verdict::Only(Move::default().notes(Note::Step(Some(step))).acts(action))
}

/// Members whose pod is gone and whose claim is not get another pod on it, whatever step is under way: it may wait for
/// them.
pub(super) fn resume<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    proof.assessed.resume_all()
}

/// A pod that has ended makes room for another on the same claim.
pub(super) fn clear_ended<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    proof.assessed.clear_ended().map_or(Verdict::Pass, Verdict::Only)
}

/// A member that crashed does not wait for the kubelet.
pub(super) fn renew_crashed<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    proof.assessed.renew_crashed().map_or(Verdict::Pass, Verdict::Only)
}

/// A process that does not run is brought up to date first.
pub(super) fn restart_broken<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    proof.restart_broken().map_or(Verdict::Pass, Verdict::Only)
}

impl<A: App> crate::assess::Assessed<'_, A> {
    /// Another pod for every recorded member that has a claim and no pod.
    pub(super) fn resume_all(&self) -> Verdict {
        let stays = |it: &MemberRecord| !self.leaving(&it.name) && !self.is_recovered_from(it);
        let gone = |it: &&MemberRecord| stays(it) && self.is_gone(it);
        let (members, waits) = self.able(self.record.members.iter().filter(gone));
        let wanted = (!members.is_empty()).then(|| self.resume(&members));
        wanted.map_or(Verdict::Pass, Verdict::Also).beside(waits)
    }

    /// The same while nobody can be asked who is a member: who was to leave may still vote, and who joins already.
    pub(super) fn resume_whoever(&self) -> Verdict {
        let gone = |it: &&MemberRecord| self.is_gone(it) && !self.record.is_made(&it.name);
        let (members, waits) = self.able(self.record.everyone().filter(gone));
        let wanted = (!members.is_empty()).then(|| self.resume(&members));
        wanted.map_or(Verdict::Pass, Verdict::Only).beside(waits)
    }

    /// Those whose role lacks none that it needs, and the waits of the others.
    fn able<'r>(
        &self,
        members: impl Iterator<Item = &'r MemberRecord>,
    ) -> (Vec<&'r MemberRecord>, Vec<Waiting>) {
        let (mut able, mut waits) = (vec![], vec![]);
        for member in members {
            match self.lacks_role(&member.role) {
                None => able.push(member),
                Some(wait) if waits.contains(&wait) => {}
                Some(wait) => waits.push(wait),
            }
        }
        (able, waits)
    }

    fn is_gone(&self, member: &MemberRecord) -> bool {
        self.health(member) == Health::Stopped(Cause::PodGoneVolumeKept)
            && !self.snapshot.is_name_taken(&member.name)
    }

    /// Whether the cluster went on without a member, which nothing has settled yet: it may form another one.
    fn is_recovered_from(&self, member: &MemberRecord) -> bool {
        let cluster = self.cluster.as_ref();
        matches!(&self.record.step, Some(Step::Recover { source, .. }) if *source != member.name)
            && cluster.is_some_and(|it| it.member(&member.name).is_none())
    }

    /// Whether a member is on its way out and needs no pod any more. Only with one it gives what no other has.
    fn leaving(&self, member: &str) -> bool {
        let listed = self.cluster.as_ref().and_then(|it| Some((it, it.member(member)?)));
        matches!(&self.record.step, Some(Step::Leave { name, .. }) if **name == *member)
            && !listed.is_some_and(|(cluster, it)| self.must_drain(cluster, it))
    }

    /// The pod of a recorded member that crashed makes room for another on the same claim: that one starts at once,
    /// and tells what became of the data.
    pub(super) fn renew_crashed(&self) -> Option<Move> {
        let crashed = |it: &&Pod<A::Spec>| {
            let member = self.record.members.iter().find(|member| member.name == it.name);
            let waits = matches!(it.trouble, Some(Trouble::CrashLoop { .. }));
            waits
                && !it.deleting
                && self.snapshot.is_durable(&it.name)
                && !self.leaving(&it.name)
                && member.is_some_and(|it| {
                    let health = self.health(it);
                    it.renewals < CRASH_LOOP_RENEWALS
                        && matches!(health, Health::Stopped(Cause::Crashed { .. }))
                })
        };
        let pod = self.snapshot.pods.iter().flatten().filter(crashed).min_by_key(|it| &it.name)?;
        let reason = LeaveReason::Recreated;
        let delete = Action::DeletePod { pod: PodRef::from(pod), reason };
        Some(Move::default().notes(Note::Renewed(pod.name.clone())).acts(delete))
    }

    /// The first pod of a recorded member that has ended, or that somebody else made, and that has a claim.
    pub(super) fn clear_ended(&self) -> Option<Move> {
        let ended = |it: &&Pod<A::Spec>| {
            let member = self.record.members.iter().find(|member| member.name == it.name);
            let replaced = Health::Stopped(Cause::PodReplaced);
            let ended = matches!(it.phase, PodPhase::Failed | PodPhase::Succeeded);
            member.is_some_and(|member| ended || self.health(member) == replaced)
                && !self.leaving(&it.name)
                && !it.deleting
                && self.snapshot.is_durable(&it.name)
        };
        let pod = self.snapshot.pods.iter().flatten().filter(ended).min_by_key(|it| &it.name)?;
        let reason = LeaveReason::Recreated;
        Some(Move::default().acts(Action::DeletePod { pod: PodRef::from(pod), reason }))
    }
}
