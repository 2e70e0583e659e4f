//! How a cluster comes into being: its first members at once, with their names recorded first.
//!
//! Until the cluster's identity is recorded no client can reach it, because the client service does
//! not exist yet. So an attempt that lost a member, or that no longer is what is asked for, holds
//! nothing of value: it is thrown away as a whole, and the next attempt has other names. No name is
//! ever started empty a second time.

use super::pace;
use super::stray::Stray;
use super::verdict::{Move, Note, Verdict};
use crate::app::App;
use crate::assess::Assessed;
use crate::launch::{Peer, Start};
use crate::limits::quorum;
use crate::plan::Action;
use crate::pod::{Pod, PodRef};
use crate::problem::Change;
use crate::reason::{Cause, LeaveReason};
use crate::record::{Bootstrap, MemberRecord};
use crate::topology::{Formation, Role, Topology};
use crate::view::Reach;
use crate::waiting::Waiting;

/// Before the first attempt: members trust the authorities that they are started with, so nobody is started with what
/// cert-manager is about to replace. What is wrong with it is told already.
pub(super) fn wait_for_certificates<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let snapshot = assessed.snapshot;
    let Some(spec) = assessed.record.in_force().filter(|_| assessed.record.bootstrap.is_none())
    else {
        return Verdict::Pass;
    };
    let wanted = assessed.app.certificates(&snapshot.object, spec).into_iter();
    let mut requested = wanted.filter(|it| it.requested.is_some());
    let lacks = requested.any(|it| !it.due(&snapshot.certificates, snapshot.now).is_usable());
    if lacks { Verdict::Only(Move::default()) } else { Verdict::Pass }
}

/// The first attempt.
pub(super) fn begin<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let Some(role) = voting(assessed).filter(|_| assessed.record.bootstrap.is_none()) else {
        return Verdict::Pass;
    };
    match attempt(assessed, role, 1) {
        Err(wait) => Verdict::wait(wait),
        Ok((note, first)) => {
            let asked = ask_for_pods(assessed, &first).unwrap_or_default();
            let notes = std::iter::once(note).chain(asked.notes).collect();
            let waits = wait_for(assessed, &first).waits;
            Verdict::Only(Move { notes, actions: asked.actions, waits })
        }
    }
}

/// A cluster that is formed is recorded once its pods say that they were started.
pub(super) fn wait_for_marks<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let first = assessed.record.bootstrap.as_ref();
    let Some(list) = first.and_then(|it| assessed.formed(it)) else { return Verdict::Pass };
    let (marked, needed) = (assessed.marked(list), quorum(list.voters().count()));
    Verdict::wait(Waiting::ForMarks { marked, needed })
}

/// Another attempt, if the one under way cannot succeed or is not what is asked for any more. Not while a
/// member that may run was not asked.
pub(super) fn begin_again<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let (Some(first), Some(role)) = (&assessed.record.bootstrap, voting(assessed)) else {
        return Verdict::Pass;
    };
    let pods = first.members.iter().filter_map(|it| assessed.snapshot.pod(&it.name));
    let reach = |it: &Pod<A::Spec>| assessed.snapshot.view.reach(&it.name);
    let unasked = pods.clone().any(|it| it.started && reach(it) == Reach::Unknown);
    let as_asked = is_as_asked(assessed, first, role);
    if unasked || as_asked && !cannot_form(assessed, first) {
        return Verdict::Pass;
    }
    let failed = as_asked.then(|| Note::Failed(why_hopeless(assessed, first)));
    match attempt(assessed, role, first.attempt + 1) {
        Err(wait) => Verdict::wait(wait),
        Ok((note, _)) => {
            let notes = failed.into_iter().chain([note]).collect();
            Verdict::Only(Move { notes, ..Move::default() })
        }
    }
}

/// A pod, then a claim, of an earlier attempt that nobody has deleted yet.
pub(super) fn delete_leftover<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let Some(first) = &assessed.record.bootstrap else { return Verdict::Pass };
    let belongs = |name: &str| first.members.iter().any(|it| *it.name == *name);
    match assessed.stray(belongs) {
        None => Verdict::Pass,
        Some(Stray::Claim(claim)) => Verdict::act(Action::DeleteClaim { claim: claim.clone() }),
        Some(Stray::Pod(pod)) => {
            let (pod, reason) = (PodRef::from(pod), LeaveReason::Stray);
            Verdict::act(Action::DeletePod { pod, reason })
        }
    }
}

/// Asks for the pods that were not asked for yet, which is all of them or none; without any, gives a pod that does not
/// run the image it needs.
pub(super) fn create_pods<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let Some(first) = &assessed.record.bootstrap else { return Verdict::Pass };
    match ask_for_pods(assessed, first) {
        Err(wait) => return Verdict::say([wait]),
        Ok(wanted) if !wanted.actions.is_empty() => return Verdict::Also(wanted),
        Ok(_) => {}
    }
    let pods = first.members.iter().filter_map(|it| assessed.snapshot.pod(&it.name));
    assessed.restart_first_outdated(pods).map_or(Verdict::Pass, Verdict::Also)
}

/// Says how far the first members are.
pub(super) fn wait_for_formation<A: App>(assessed: &Assessed<'_, A>) -> Verdict {
    let Some(first) = &assessed.record.bootstrap else { return Verdict::Pass };
    Verdict::Only(wait_for(assessed, first))
}

fn voting<'t, A: App>(assessed: &'t Assessed<'_, A>) -> Option<&'t Role> {
    assessed.target.as_ref().and_then(Topology::voting)
}

/// How many members form the cluster. Whose data is made forms it alone.
fn first_size<A: App>(assessed: &Assessed<'_, A>, role: &Role) -> usize {
    match role.formation {
        Formation::AllAtOnce if assessed.record.restoring.is_none() => role.size,
        _ => role.size.min(1),
    }
}

/// Nothing that an earlier attempt was given counts, so its ids may be used again: names are not.
fn attempt<A: App>(
    assessed: &Assessed<'_, A>,
    role: &Role,
    attempt: u32,
) -> Result<(Note, Bootstrap), Waiting> {
    let new = assessed.new_members(role, first_size(assessed, role), 0)?;
    let first = Bootstrap { attempt, members: new.members };
    Ok((Note::Attempt { first: first.clone(), names: new.names, ids: new.ids }, first))
}

/// Whether the attempt still is what is asked for.
fn is_as_asked<A: App>(assessed: &Assessed<'_, A>, first: &Bootstrap, role: &Role) -> bool {
    let wanted = assessed.record.in_force();
    let other = |it: &Pod<A::Spec>| match (&it.spec, wanted) {
        (Some(old), Some(new)) => assessed.app.change(&role.name, old, new) >= Change::Recreate,
        _ => false,
    };
    let mut pods = first.members.iter().filter_map(|it| assessed.snapshot.pod(&it.name));
    first_size(assessed, role) == first.members.len() && !pods.any(other)
}

/// Whether members are lost and those that run are too few to form the cluster without them.
fn cannot_form<A: App>(assessed: &Assessed<'_, A>, first: &Bootstrap) -> bool {
    let healths = || first.members.iter().map(|it| assessed.health(it));
    let gone =
        |it: &crate::Health| it.is_given_up() || it.cause() == Some(Cause::PodGoneVolumeKept);
    healths().any(|it| gone(&it))
        && healths().filter(|it| !it.is_stopped()).count() < quorum(first.members.len())
}

fn why_hopeless<A: App>(assessed: &Assessed<'_, A>, first: &Bootstrap) -> Cause {
    let mut healths = first.members.iter().map(|it| assessed.health(it));
    healths.find(|it| it.is_given_up()).and_then(|it| it.cause()).unwrap_or(Cause::CannotForm)
}

fn ask_for_pods<A: App>(assessed: &Assessed<'_, A>, first: &Bootstrap) -> Result<Move, Waiting> {
    let new: Vec<_> =
        first.members.iter().filter(|it| it.asked.is_none() && it.pod.is_none()).collect();
    if new.is_empty() {
        return Ok(Move::default());
    }
    pace::may_try(&assessed.record, assessed.snapshot.now)?;
    let start = Start::New {
        token: format!("{}-{}", assessed.snapshot.object.uid, first.attempt),
        members: first_peers(assessed, first),
    };
    let names = new.iter().map(|it| it.name.clone()).collect();
    let mut wanted = Move::default().notes(Note::Asked(names));
    for member in new {
        let (start, launch) = (start.clone(), assessed.launch(member, Some(&start)));
        wanted = wanted.acts(Action::CreatePod { member: member.name.clone(), start, launch });
    }
    Ok(wanted)
}

fn first_peers<A: App>(assessed: &Assessed<'_, A>, first: &Bootstrap) -> Vec<Peer> {
    let peer = |it: &MemberRecord| assessed.peer(it).voting(true);
    let mut peers: Vec<_> = first.members.iter().map(peer).collect();
    peers.sort_by(|a, b| a.name.cmp(&b.name));
    peers
}

fn wait_for<A: App>(assessed: &Assessed<'_, A>, first: &Bootstrap) -> Move {
    let pods = first.members.iter().filter_map(|it| assessed.snapshot.pod(&it.name));
    let started = pods.filter(|it| it.started).count();
    let of = first.members.len();
    let mut wanted = Move::default().waits(Waiting::ForFormation { started, of });
    for member in &first.members {
        let health = assessed.health(member);
        if let (true, Some(cause)) = (health.is_stopped(), health.cause()) {
            wanted = wanted.waits(Waiting::ForPod { member: member.name.clone(), cause });
        }
    }
    wanted
}
