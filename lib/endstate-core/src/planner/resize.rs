//! The number of members: the unit that comes first is completed before the next is begun.

use jiff::SignedDuration;

use super::pace;
use super::proof::Proof;
use super::verdict::{Move, Note, Verdict};
use crate::app::App;
use crate::assess::rules::{
    counted, has_surplus, is_replaced, is_short, must_move, unit_of, units, wants_another,
};
use crate::assess::spread::most_crowded;
use crate::id::RoleName;
use crate::limits::{OVERDUE_SECONDS, is_recent};
use crate::member::Member;
use crate::reason::{LeaveReason, Shortage};
use crate::record::MemberRecord;
use crate::topology::{Edge, Unit};
use crate::waiting::Waiting;

/// Takes away what is too much, then adds what is missing, a unit after the other. Voters of a role that is not asked
/// for any more stay until those of its successor vote: a quorum must be left at each step.
pub(super) fn resize<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    if proof.is_repairing() {
        let mut units = units(proof.target, Edge::Starts).into_iter().filter(|it| it.0.votes);
        let able = |it: &Unit<'_>| lacks_leader(proof, *it).is_none();
        let short = units.find(|it| is_short(proof.cluster, *it, None) && able(it));
        return short.map_or(Verdict::Pass, |it| grow(proof, it));
    }
    if let Some(member) = unwanted(proof).find(|it| !it.votes) {
        return proof.leave(member, LeaveReason::ScaleDown);
    }
    let mut waits = vec![];
    for unit in units(proof.target, Edge::Starts) {
        if has_surplus(proof.cluster, unit) {
            return shrink(proof, unit).beside(waits);
        }
        if is_short(proof.cluster, unit, None) {
            match proof.assessed.lacks_role(&unit.0.name).or_else(|| lacks_leader(proof, unit)) {
                None => return grow(proof, unit).beside(waits),
                wait => waits.extend(wait),
            }
        }
    }
    match unwanted(proof).next() {
        Some(voter) => proof.leave(voter, LeaveReason::ScaleDown).beside(waits),
        None => move_outdated(proof).beside(waits),
    }
}

/// Adds the successor of a member that cannot be brought up to date in place. A role whose turn comes after another's
/// waits for it.
fn move_outdated<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let mut units = units(proof.target, Edge::Upgrades).into_iter();
    let wants = |it: &Unit<'_>| wants_another(proof.cluster, proof.target, *it, None);
    let able = |it: &Unit<'_>| lacks_leader(proof, *it).is_none();
    let Some(unit) = units.find(|it| wants(it) && able(it)) else {
        return Verdict::Pass;
    };
    let outdated = |role: &RoleName| {
        proof.cluster.members.iter().any(|it| it.outdated && it.recorded && it.role == *role)
    };
    let before = unit.0.after.iter().find(|it| it.0 == Edge::Upgrades && outdated(&it.1));
    if let Some(wait) = proof.assessed.lacks_role(&unit.0.name) {
        return Verdict::say([wait]);
    }
    match before {
        None => grow(proof, unit),
        Some((_, role)) => {
            let shortage = Shortage::RoleBefore { role: role.clone() };
            Verdict::say([Waiting::ForRole { role: unit.0.name.clone(), shortage }])
        }
    }
}

/// The members of roles, or groups, that are not asked for any more.
fn unwanted<'p, A: App>(proof: &Proof<'p, '_, A>) -> impl Iterator<Item = &'p Member> {
    let order = proof.assessed.app.order(proof.cluster).into_iter();
    order.filter(|it| it.recorded && unit_of(proof.target, it).is_none())
}

fn shrink<A: App>(proof: &Proof<'_, '_, A>, unit: Unit<'_>) -> Verdict {
    let order = proof.assessed.app.order(proof.cluster);
    let of_unit = |it: &&Member| counted(proof.cluster, unit, None).any(|own| own.name == it.name);
    // One whose drain is under way: another drain beside it would leave too few to take what both hold. Then one
    // whose volume goes, whose node is being emptied or in whose place another is asked for, and, in a group that has
    // a leader, one that is to be moved: its successor does not lead yet, and may look more dispensable.
    let drained = |it: &&Member| of_unit(it) && proof.is_drain_asked(&it.name);
    let moves = |it: &&Member| {
        let led = unit.0.is_led() && must_move(proof.cluster, proof.target, it);
        of_unit(it) && (it.volume_deleting || it.vacates || it.dismissed || led)
    };
    let first = order.iter().copied().find(drained).or_else(|| order.iter().copied().find(moves));
    let (new, old): (Vec<_>, Vec<_>) =
        order.into_iter().filter(of_unit).partition(|it| just_came_to_spread(proof, it));
    let places = &proof.assessed.snapshot.places;
    let first = first.or_else(|| most_crowded((proof.cluster, places), old.into_iter()));
    let Some(first) = first else { return Verdict::Pass };
    let reason = match first {
        it if is_replaced(proof.cluster, proof.target, it) => LeaveReason::Corrupt,
        it if it.volume_deleting => LeaveReason::VolumeDeleted,
        it if it.vacates => LeaveReason::Vacated,
        it if it.dismissed => LeaveReason::Requested,
        it if it.outdated && must_move(proof.cluster, proof.target, it) => LeaveReason::Outdated,
        _ => LeaveReason::ScaleDown,
    };
    // Its successor has to serve clients before.
    let moves =
        [LeaveReason::Outdated, LeaveReason::Vacated, LeaveReason::Requested].contains(&reason);
    let spreads = reason == LeaveReason::ScaleDown && !new.is_empty();
    let lacks = (moves || spreads).then(|| proof.lacks_ready(first)).flatten();
    match lacks {
        Some(shortage) => {
            Verdict::say([Waiting::ForRedundancy { member: first.name.clone(), shortage }])
        }
        None => proof.leave(first, reason),
    }
}

/// Who came to spread its unit would look the most dispensable until clients are sent to it, which takes a moment from
/// the start of its process.
fn just_came_to_spread<A: App>(proof: &Proof<'_, '_, A>, member: &Member) -> bool {
    let snapshot = proof.assessed.snapshot;
    let by = proof.assessed.record.spread.as_ref().and_then(|it| it.by.as_ref());
    let since = snapshot.pod(&member.name).and_then(|it| it.running_since);
    let patience = SignedDuration::from_secs(OVERDUE_SECONDS);
    by == Some(&member.name)
        && member.health.is_healthy()
        && !member.ready
        && since.is_some_and(|it| is_recent(it, snapshot.now, patience))
}

fn lacks_leader<A: App>(proof: &Proof<'_, '_, A>, (role, group): Unit<'_>) -> Option<Waiting> {
    proof.assessed.lacks_leader(proof.cluster, &role.name, group)
}

pub(super) fn grow<A: App>(proof: &Proof<'_, '_, A>, (role, group): Unit<'_>) -> Verdict {
    let assessed = proof.assessed;
    if let Err(wait) = pace::may_try(&assessed.record, assessed.snapshot.now) {
        return Verdict::wait(wait);
    }
    let new = match assessed.new_members(role, 1, assessed.record.ids) {
        // Only a person can lead on; what needs no id goes on.
        Err(wait) => return Verdict::say([wait]),
        Ok(new) => new,
    };
    let (names, ids) = (new.names, new.ids);
    let Some(member) = new.members.into_iter().next() else { return Verdict::Pass };
    let unrequested = member.id.is_some();
    let member = MemberRecord { group, unrequested, ..member };
    let coming = Note::Coming { member: member.clone(), names, ids };
    let wanted = match proof.begin_joining(&member) {
        Verdict::Only(wanted) | Verdict::Also(wanted) => wanted,
        Verdict::Pass => Move::default(),
    };
    // Its name is recorded before anything else is.
    let notes = std::iter::once(coming).chain(wanted.notes).collect();
    Verdict::Only(Move { notes, ..wanted })
}
