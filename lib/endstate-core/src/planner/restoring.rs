//! How a cluster begins anew with the data of a backup, because an operation asks for it.
//!
//! The data is made first, by the launcher of a member that is made for it, while the cluster goes on as if nothing
//! was: a backup that cannot be restored stops nobody. Then all pods go, so that nobody serves what is about to be
//! replaced. Then, in one write, the record forgets the cluster and keeps the volumes of its members, and the new
//! member forms another one on the data that was made. Until that write, all is undone when the operation is deleted.
//! It needs no quorum: a cluster whose data is lost begins anew like any other.

use jiff::SignedDuration;

use super::pace;
use super::proof::Proof;
use super::standing::{Standing, complete, failed};
use super::tending::{LATER_MS, waiting};
use super::verdict::{Move, Note, Verdict as StepVerdict};
use crate::app::App;
use crate::assess::{Assessed, Situation};
use crate::beside::{Beside, Tended, Verdict};
use crate::facts::Facts;
use crate::id::Uid;
use crate::launch::{LaunchOf, Start};
use crate::limits::{UNSEEN_SECONDS, is_recent};
use crate::plan::Action;
use crate::pod::{Pod, PodPhase, PodRef};
use crate::problem::Change;
use crate::progress::{Progress, State, seconds};
use crate::reason::{Cause, LeaveReason};
use crate::record::{MemberRecord, RestoreStage, Restoring};
use crate::topology::Topology;
use crate::waiting::Waiting;

/// A pod that was asked for so long ago, and was never seen, does not come.
const UNSEEN: SignedDuration = SignedDuration::from_secs(UNSEEN_SECONDS);

/// The same where a quorum proves the list of members.
pub(super) fn with_quorum<A: App>(proof: &Proof<'_, '_, A>) -> StepVerdict {
    go_on(proof.assessed)
}

/// Begins, or goes on.
pub(super) fn go_on<A: App>(assessed: &Assessed<'_, A>) -> StepVerdict {
    let Some(restoring) = &assessed.record.restoring else { return begin(assessed) };
    let goes_on = |it: &Beside| it.progress.is_started() && !it.progress.state.is_over();
    let asks = |it: &&Beside| it.uid == restoring.by && !it.deleting && goes_on(it);
    let Some(object) = assessed.snapshot.beside.iter().find(asks) else {
        return withdraw(assessed, restoring);
    };
    let verdict = match &restoring.stage {
        RestoreStage::Preparing { member } => prepare(assessed, (restoring, member)),
        RestoreStage::Fencing { member } => fence(assessed, (restoring, member)),
        RestoreStage::Forming {} => StepVerdict::Pass,
    };
    let (kind, name, doing) =
        (object.kind.clone(), object.name.clone(), doing(assessed, restoring));
    verdict.beside(vec![Waiting::ForOperation { kind, name, doing }])
}

/// Nobody asks for it any more: its pod goes first, whoever else works. What was fenced comes back by itself.
fn withdraw<A: App>(assessed: &Assessed<'_, A>, restoring: &Restoring) -> StepVerdict {
    let made = restoring.member().and_then(|it| assessed.snapshot.pod(&it.name));
    match made.filter(|it| !it.deleting) {
        Some(pod) => delete(pod),
        None => StepVerdict::Also(Move::default().notes(Note::Restoring(None))),
    }
}

fn delete<S>(pod: &Pod<S>) -> StepVerdict {
    let (pod, reason) = (PodRef::from(pod), LeaveReason::Stray);
    StepVerdict::act(Action::DeletePod { pod, reason })
}

/// Once its status says that it was started, and only once.
fn begin<A: App>(assessed: &Assessed<'_, A>) -> StepVerdict {
    let Some((object, source)) = assessed.restore().filter(|it| it.0.progress.is_started()) else {
        return StepVerdict::Pass;
    };
    match assessed.record.restored.contains(&object.uid) || !has_volumes(assessed) {
        true => StepVerdict::Pass,
        false => another(assessed, (&object.uid, &source), Move::default()),
    }
}

/// A member of a new name is to have the data. In the same plan nobody else gets a name.
fn another<A: App>(
    assessed: &Assessed<'_, A>,
    (by, source): (&Uid, &Facts),
    wanted: Move,
) -> StepVerdict {
    let role = assessed.target.as_ref().and_then(Topology::voting);
    let new = role.map(|it| assessed.new_members(it, 1, assessed.record.ids));
    let mut new = match new {
        None => return StepVerdict::Pass,
        Some(Err(wait)) => return StepVerdict::say([wait]),
        Some(Ok(new)) => new,
    };
    let Some(member) = new.members.pop() else { return StepVerdict::Pass };
    let (by, source) = (by.clone(), source.clone());
    let restoring = Some(Restoring { by, source, stage: RestoreStage::Preparing { member } });
    let named = Note::Named { names: new.names, ids: new.ids };
    StepVerdict::Only(wanted.notes(Note::Restoring(restoring)).notes(named))
}

/// Whether what a first member has outlives its pod: what is made, and what former members had, must not go with pods.
fn has_volumes<A: App>(assessed: &Assessed<'_, A>) -> bool {
    let (Some(accepted), Some(role)) =
        (&assessed.record.accepted, assessed.target.as_ref().and_then(Topology::voting))
    else {
        return false;
    };
    let member = MemberRecord::new("", role.name.clone());
    let of = LaunchOf::new(&assessed.snapshot.object, &accepted.spec, &member);
    assessed.app.launch(&of).volumes().next().is_some()
}

/// Whether a pod is made from what is accepted by now: a change of the version would find data of another.
fn is_as_accepted<A: App>(
    assessed: &Assessed<'_, A>,
    member: &MemberRecord,
    pod: &Pod<A::Spec>,
) -> bool {
    let accepted = assessed.record.accepted.as_ref().map(|it| &it.spec);
    accepted.zip(pod.spec.as_ref()).is_none_or(|(new, old)| {
        matches!(assessed.app.change(&member.role, old, new), Change::Nothing | Change::Live)
    })
}

/// Its pod is asked for once. One that is gone, or whose directory is no longer as it was, is never made again.
fn prepare<A: App>(
    assessed: &Assessed<'_, A>,
    (restoring, member): (&Restoring, &MemberRecord),
) -> StepVerdict {
    let again = |cause| {
        let failed = Move::default().notes(Note::Failed(cause));
        another(assessed, (&restoring.by, &restoring.source), failed)
    };
    let ended = |it: &Pod<A::Spec>| matches!(it.phase, PodPhase::Failed | PodPhase::Succeeded);
    match assessed.snapshot.pod(&member.name) {
        None if member.pod.is_some() => again(Cause::PodGone),
        None if member.asked.is_some_and(|it| !is_recent(it, assessed.snapshot.now, UNSEEN)) => {
            again(Cause::PodGone)
        }
        None if member.asked.is_some() => StepVerdict::Pass,
        None => match pace::may_try(&assessed.record, assessed.snapshot.now) {
            Ok(()) => StepVerdict::Also(ask(assessed, member)),
            Err(wait) => StepVerdict::say([wait]),
        },
        Some(pod) if pod.deleting => again(Cause::PodGone),
        Some(pod) if ended(pod) || pod.data_lost() || pod.data_foreign() => delete(pod),
        Some(pod) if !is_as_accepted(assessed, member, pod) => delete(pod),
        // Whoever forms a cluster needs all its names.
        Some(pod) if pod.is_prepared() && !assessed.snapshot.is_any_name_taken() => {
            let stage = RestoreStage::Fencing { member: member.clone() };
            let fenced = Some(Restoring { stage, ..restoring.clone() });
            StepVerdict::Only(Move::default().notes(Note::Restoring(fenced)))
        }
        Some(_) => StepVerdict::Pass,
    }
}

fn ask<A: App>(assessed: &Assessed<'_, A>, member: &MemberRecord) -> Move {
    let token = format!("{}-{}", assessed.snapshot.object.uid, assessed.record.names);
    let start = Start::Prepare { token, members: vec![assessed.peer(member).voting(true)] };
    let launch = assessed.launch_anew(member, &start);
    let (member, asked) = (member.name.clone(), vec![member.name.clone()]);
    Move::default().notes(Note::Asked(asked)).acts(Action::CreatePod { member, start, launch })
}

/// All pods go, who leads after the others, and that of the new member last. When none is left the cluster begins anew.
fn fence<A: App>(
    assessed: &Assessed<'_, A>,
    (restoring, member): (&Restoring, &MemberRecord),
) -> StepVerdict {
    let pods = || assessed.snapshot.pods.iter().flatten();
    let made = assessed.snapshot.pod(&member.name);
    if made.is_some_and(|it| !is_as_accepted(assessed, member, it)) {
        return another(assessed, (&restoring.by, &restoring.source), Move::default());
    }
    let leads = |it: &Pod<A::Spec>| {
        let listed = assessed.cluster.as_ref().and_then(|cluster| cluster.member(&it.name));
        listed.is_some_and(|it| it.leads)
    };
    let next = pods().filter(|it| !it.deleting);
    let next = next.min_by_key(|it| (it.name == member.name, leads(it), &it.name));
    if let Some(pod) = next {
        let (pod, reason) = (PodRef::from(pod), LeaveReason::Restored);
        return StepVerdict::act(Action::DeletePod { pod, reason });
    }
    let going = pods().map(|it| {
        let (member, cause) = (it.name.clone(), Cause::PodDeleting);
        Waiting::ForPod { member, cause }
    });
    let waits: Vec<_> = going.collect();
    let wanted = Move::default();
    let gone = waits.is_empty() && !assessed.snapshot.is_any_name_taken();
    StepVerdict::Only(match gone {
        true => wanted.notes(Note::BeginAnew),
        false => Move { waits, ..wanted },
    })
}

/// Whether the data cannot be made as it is.
fn is_stuck<A: App>(assessed: &Assessed<'_, A>, object: &Beside) -> bool {
    let restoring = assessed.record.restoring.as_ref().filter(|it| it.by == object.uid);
    let Some(RestoreStage::Preparing { member }) = restoring.map(|it| &it.stage) else {
        return false;
    };
    assessed.snapshot.pod(&member.name).is_some_and(|pod| {
        let said = pod.exit.as_ref().is_some_and(|it| !it.words.is_empty());
        let troubled = pod.trouble.is_some() && assessed.health(member).cause().is_some();
        !pod.is_prepared() && (said || troubled)
    })
}

/// What is done, for people.
fn doing<A: App>(assessed: &Assessed<'_, A>, restoring: &Restoring) -> String {
    match &restoring.stage {
        RestoreStage::Preparing { member } => {
            let name = &member.name;
            let pod = assessed.snapshot.pod(name);
            let said = pod.and_then(|it| it.exit.as_ref()).filter(|it| !it.words.is_empty());
            match said {
                Some(_) if pod.is_some_and(Pod::is_prepared) => format!("{name} has made the data"),
                Some(exit) => format!("{name} cannot make the data yet: {}", exit.words),
                None => match pod.and_then(|_| assessed.health(member).cause()) {
                    Some(cause) if pod.is_some_and(|it| it.trouble.is_some()) => {
                        format!("{name} cannot make the data yet: {cause}")
                    }
                    _ => format!("{name} makes the data, and the cluster goes on meanwhile"),
                },
            }
        }
        RestoreStage::Fencing { member } => {
            let pods = assessed.snapshot.pods.iter().flatten();
            let mut left: Vec<_> = pods.map(|it| it.name.as_str()).collect();
            left.sort_unstable();
            let left = if left.is_empty() { "none is left".into() } else { left.join(", ") };
            format!("the data is made, and all pods go before {} starts: {left}", member.name)
        }
        RestoreStage::Forming {} => "the cluster begins anew with the data".to_owned(),
    }
}

/// What becomes of an operation that has a cluster begin anew.
pub(super) fn tend<A: App>(assessed: &Assessed<'_, A>, object: &Beside) -> Tended {
    let kept = |verdict| object.tended(verdict).at(object.progress.clone());
    let later = |it: Tended| Tended { look_again_ms: Some(LATER_MS), ..it };
    match &assessed.situation {
        Situation::Deleting
        | Situation::NotAccepted
        | Situation::Paused
        | Situation::NameTaken
        | Situation::PodsUnknown
        | Situation::Hibernating => later(kept(waiting(assessed, object).verdict)),
        _ => match assessed.restore() {
            Some((turn, _)) if turn.uid != object.uid => {
                let why = format!("{} {} comes first", turn.kind, turn.name);
                later(kept(Verdict::waits("Waiting", why)))
            }
            _ => told(assessed, object),
        },
    }
}

fn told<A: App>(assessed: &Assessed<'_, A>, object: &Beside) -> Tended {
    let now = assessed.snapshot.now;
    let start_time = object.progress.start_time.or(Some(seconds(now)));
    let progress = Progress { state: State::Running, start_time, ..object.progress.clone() };
    let seen = Beside { progress, ..object.clone() };
    match standing(assessed, object) {
        Standing::Running(doing) => {
            let reason = if is_stuck(assessed, object) { "DataNotMade" } else { "Running" };
            object.tended(Verdict::waits(reason, doing)).at(seen.progress).soon()
        }
        Standing::Over(state, reason, message) => seen.over(state, (reason, message), now),
    }
}

fn standing<A: App>(assessed: &Assessed<'_, A>, object: &Beside) -> Standing {
    let record = &assessed.record;
    if let Some(restoring) = record.restoring.as_ref().filter(|it| it.by == object.uid) {
        return Standing::Running(doing(assessed, restoring));
    }
    if !record.restored.contains(&object.uid) && !has_volumes(assessed) {
        let why = "members have no volumes, so nothing could be taken back: declare another cluster that begins with \
                   the backup";
        return failed("NoVolumes", why);
    }
    if !record.restored.contains(&object.uid) {
        let formed = record.cluster_id.is_some();
        let why = if formed { "it is about to begin" } else { "the cluster is not formed yet" };
        return Standing::Running(why.to_owned());
    }
    let wanted = assessed.target.as_ref().and_then(Topology::voting).map_or(0, |it| it.size);
    let cluster = assessed.cluster.as_ref();
    let healthy = cluster.map_or(0, crate::member::Cluster::healthy_voters);
    let told = format!("the cluster serves what was restored, with {healthy} of {wanted} members");
    match healthy >= wanted && cluster.is_some() {
        true => complete(told),
        false => Standing::Running(told),
    }
}
