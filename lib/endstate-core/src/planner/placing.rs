//! Where members are: a node that somebody empties, and nodes that came back.

use jiff::{SignedDuration, Timestamp};

use super::proof::Proof;
use super::resize::grow;
use super::verdict::{Note, Verdict};
use crate::app::App;
use crate::assess::rules::{counted, units};
use crate::assess::spread::{fingerprint, has_room, is_crowded, is_wanted_off, unevenness};
use crate::limits::{SPREAD_AGAIN_SECONDS, SPREAD_OFTEN, SPREAD_SECONDS, is_recent};
use crate::member::Member;
use crate::record::Spread;
use crate::topology::{Edge, Unit};
use crate::waiting::Waiting;

/// A member stays where it is not to be, since no node takes another.
pub(super) fn report_stuck<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let snapshot = proof.assessed.snapshot;
    if has_room(snapshot) {
        return Verdict::Pass;
    }
    let members = proof.cluster.members.iter().filter(|it| it.recorded);
    let stuck = members.filter(|it| is_wanted_off(snapshot, &it.name, it.node.as_deref()));
    Verdict::say(stuck.map(|it| Waiting::ForRoom { member: it.name.clone() }))
}

/// Adds a member where a unit is uneven and every member works: one of those that stand where most stand leaves then.
/// Who places pods may have reasons to put it elsewhere, so what did not make members more even is not tried often.
pub(super) fn spread<A: App>(proof: &Proof<'_, '_, A>) -> Verdict {
    let (cluster, snapshot) = (proof.cluster, proof.assessed.snapshot);
    let nodes = fingerprint(&snapshot.places);
    let last = proof.assessed.record.spread.as_ref();
    if last.is_some_and(|it| rests(it, nodes, snapshot.now)) {
        return Verdict::Pass;
    }
    let tries = last.map_or(1, |it| it.tries.saturating_add(1));
    let uneven = unevenness(cluster, &snapshot.places);
    let now = Spread { tries, ..Spread::new(nodes, uneven, snapshot.now) };
    let mut units = units(proof.target, Edge::Starts).into_iter();
    let Some(unit) = units.find(|it| proof.is_uneven(*it)) else { return Verdict::Pass };
    let works = |it: &Member| it.recorded && it.health.is_healthy() && it.ready;
    if !cluster.members.iter().all(works) {
        return Verdict::Pass;
    }
    if let Err(wait) = proof.settled("", cluster.voters().count()) {
        return Verdict::say([wait]);
    }
    match grow(proof, unit) {
        Verdict::Only(wanted) => Verdict::Only(wanted.notes(Note::Spread(now))),
        other => other,
    }
}

/// Whether a try that was in vain is not repeated yet. The first may have met a scheduler that did not know of the node
/// yet, so it is soon repeated; with the same nodes not for ever, since each copies the data. Other nodes are another
/// matter, and are tried as soon, but not for each that comes and goes.
fn rests(last: &Spread, nodes: u64, now: Timestamp) -> bool {
    let soon = last.tries == 1 || last.nodes != nodes && last.tries < SPREAD_OFTEN;
    let seconds = if soon { SPREAD_AGAIN_SECONDS } else { SPREAD_SECONDS };
    let in_vain = last.nodes == nodes && last.tries >= SPREAD_OFTEN;
    in_vain || is_recent(last.at, now, SignedDuration::from_secs(seconds))
}

impl<A: App> Proof<'_, '_, A> {
    /// Whether a unit that is complete would be spread better by a member on another node.
    fn is_uneven(&self, (role, group): Unit<'_>) -> bool {
        let places = &self.assessed.snapshot.places;
        let crowded =
            |it: &Member| is_crowded(self.cluster, places, it) && self.assessed.spreads(it);
        let own = || counted(self.cluster, (role, group), None);
        !role.is_led() && own().count() == role.size && own().any(crowded)
    }
}

impl<A: App> crate::assess::Assessed<'_, A> {
    /// Whether a member is where the default puts it: what a person says about the place of pods is theirs to judge.
    fn spreads(&self, member: &Member) -> bool {
        self.launch(&self.recorded(&member.name), None).policy.affinity.is_none()
    }
}
