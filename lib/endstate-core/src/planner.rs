//! The one planner: from a snapshot to the next safe move.
//!
//! A snapshot is assessed once ([`assess`](crate::assess())). Then the steps of the situation are asked one after the
//! other, in the order in which they are listed here; each is a pure function that returns a [`Verdict`]: nothing to
//! do, something that the next may be done beside, or this and nothing more. One fold makes the plan of them.
//! Invariants, which [`lint()`](crate::lint()) checks again from outside:
//!
//! - one dangerous action per plan, and only with the record's `epoch` counted up;
//! - a new cluster is started only while no identity is recorded;
//! - membership changes only with proof: a list that a quorum of its own voters gave, and a leader;
//! - unknown is not down, and down is not lost: data counts as lost only with its pod and without a claim, or by the
//!   typed evidence of a launcher. No text is searched for anything.

mod appointing;
mod at_once;
mod decision;
mod doubt;
mod evicting;
mod former;
mod forming;
mod hibernating;
mod joining;
mod launching;
mod leaving;
mod losses;
mod lost_record;
mod marks;
mod mending;
mod names;
mod operations;
mod pace;
mod placing;
mod proof;
mod recover;
mod repair;
mod report;
mod resize;
mod restarting;
mod restoring;
mod standing;
mod stranger;
mod stray;
mod tasks;
mod tending;
mod unasked;
mod under_way;
mod verdict;
mod without_quorum;

pub use names::member_name;
pub(crate) use names::{is_member_name, serial_of};
pub use report::AT_REST_MS;

use crate::app::App;
use crate::assess::{Assessed, Situation, assess, assess_unpaused};
use crate::certificates::Due;
use crate::consent::Choice;
use crate::plan::Plan;
use crate::problem::{Problem, Severity};
use crate::request::ActionKey;
use crate::snapshot::Snapshot;
use crate::waiting::Waiting;
use decision::Decision;
use proof::{Proof, ProvenStep, Step};

/// Says what to do next.
///
/// ```
/// # use endstate_core::*;
/// # struct Toy;
/// # impl App for Toy {
/// #     type Spec = usize;
/// #     fn name(&self) -> &'static str { "toy" }
/// #     fn validate(&self, _: &Identity, _: &usize) -> Vec<Problem> { vec![] }
/// #     fn topology(&self, size: &usize) -> Topology { Topology::new("1", [Role::voting("member", *size)]) }
/// #     fn launch(&self, member: &LaunchOf<'_, usize>) -> Launch {
/// #         Launch::new("toy:1", Guard::new("/data", &["log/*"]), member)
/// #     }
/// #     fn address(&self, _: &Identity, _: &usize, member: &MemberName) -> String { member.to_string() }
/// # }
/// let object = Identity::new("default", "example", "0c5f");
/// let snapshot = Snapshot::new("2026-01-01T00:00:00Z".parse().unwrap(), object, 3);
/// let plan = plan(&Toy, &snapshot);
/// assert_eq!(plan.actions.len(), 3, "the first three members, all at once");
/// assert!(plan.status.record.bootstrap.is_some(), "and their names recorded before");
/// ```
pub fn plan<A: App>(app: &A, snapshot: &Snapshot<A::Spec>) -> Plan<A::Spec> {
    let assessed = assess(app, snapshot);
    let decision = decide(&assessed);
    let mut tended = tending::tend(&assessed);
    tended.extend(operations::tend_all(&assessed, &decision));
    let heartbeats = evicting::heartbeats(&assessed);
    let plan = report::report(&assessed, decision);
    let soonest = tended.iter().filter_map(|it| it.look_again_ms).min();
    let look_again_ms = plan.look_again_ms.into_iter().chain(soonest).min();
    Plan { tended, heartbeats, look_again_ms, ..plan }
}

fn decide<A: App>(assessed: &Assessed<'_, A>) -> Decision<A::Spec> {
    let mut decision = Decision::new(assessed);
    let refused = |it: &&Problem| it.severity == Severity::Refused;
    let problems: Vec<_> = assessed.problems.iter().filter(refused).cloned().collect();
    if !problems.is_empty() && assessed.situation != Situation::Paused {
        decision.wait(Waiting::ForSpec { problems });
    }
    let apart = [Situation::Deleting, Situation::NotAccepted, Situation::Paused];
    if !apart.contains(&assessed.situation) {
        for conflict in &assessed.snapshot.conflicts {
            decision.wait(Waiting::ForName { conflict: conflict.clone() });
        }
        if let Some(Choice::Unknown(text)) = &assessed.snapshot.consent {
            decision.wait(Waiting::ForChoice { text: text.clone() });
        }
        for (certificate, due) in assessed.certificates() {
            let certificate = certificate.secret;
            match due {
                Due::Held => decision.wait(Waiting::ForAuthority { certificate }),
                Due::Unusable(fault) => {
                    decision.wait(Waiting::ForCertificate { certificate, fault });
                }
                _ => {}
            }
        }
    }
    match &assessed.situation {
        Situation::Deleting => decision.wait(Waiting::ForDeletion),
        Situation::NotAccepted => {}
        Situation::Paused => {
            decision.wait(Waiting::ForUnpause { withheld: withheld(assessed) });
            decision.ask(assessed, &[marks::mark]);
        }
        Situation::NameTaken => decision.ask(assessed, &[marks::mark]),
        Situation::PodsUnknown => decision.wait(Waiting::ForPodList),
        Situation::Hibernating => decision.ask(assessed, &[marks::mark, hibernating::hibernate]),
        Situation::PodsRefused => decision.ask(assessed, &[marks::mark, pace::next_try]),
        Situation::Formed => decision.ask(assessed, &[marks::mark]),
        Situation::Forming => decision.ask(assessed, &forming_steps()),
        Situation::Quorum => with_quorum(assessed, &mut decision),
        Situation::NoQuorum(lack) => {
            if losses::lost(assessed).is_none() {
                decision.wait(lack.clone());
            }
            decision.ask(assessed, &steps_without_quorum());
        }
    }
    decision
}

/// What would be done now to a cluster that is paused.
fn withheld<A: App>(assessed: &Assessed<'_, A>) -> Vec<ActionKey> {
    let awake = assess_unpaused(assessed.app, assessed.snapshot);
    let actions = decide(&awake).actions.into_iter().filter(|it| !it.is_mark());
    actions.map(|it| it.key()).collect()
}

/// How a cluster comes into being.
fn forming_steps<A: App>() -> [Step<A>; 10] {
    [
        marks::mark,
        former::adopt,
        lost_record::keep_unknown_data,
        forming::wait_for_certificates,
        forming::begin,
        forming::wait_for_marks,
        forming::begin_again,
        forming::delete_leftover,
        forming::create_pods,
        forming::wait_for_formation,
    ]
}

/// Nothing may be decided about members. A process that does not run may still be given what it needs to run: a
/// correction is never made to wait for the health of what it corrects. Before them, the cluster may begin anew; a
/// leader is appointed where the voters agree and lack nothing else; last comes what the application calls harmless.
fn steps_without_quorum<A: App>() -> [Step<A>; 12] {
    [
        marks::mark,
        restoring::go_on,
        without_quorum::report,
        appointing::appoint,
        recover::go_on,
        recover::begin,
        unasked::begin,
        without_quorum::resume,
        without_quorum::clear_ended,
        without_quorum::restart_broken,
        without_quorum::renew_crashed,
        mending::mend,
    ]
}

/// Whether the cluster begins anew; pods that are missing on claims; then a second leader, and doubt about data before
/// everything else; then processes that do not run, which no step under way may hold up, however long it takes; then
/// that step; then repair before change, removal of the dead before growth, growth before restarts, what an operation
/// asks for after that, and at last what works is spread better.
fn proven_steps<A: App>() -> [ProvenStep<A>; 25] {
    [
        restoring::with_quorum,
        repair::resume,
        appointing::stop_rival,
        doubt::report,
        doubt::clear,
        doubt::stop,
        doubt::remove_corrupt,
        tasks::cancel,
        repair::clear_ended,
        repair::restart_broken,
        repair::renew_crashed,
        under_way::go_on,
        stranger::remove,
        repair::report_unknown_members,
        repair::report_groups,
        repair::update_labels,
        repair::remove_half_joined,
        repair::remove_given_up,
        repair::delete_stray,
        tasks::begin,
        placing::report_stuck,
        resize::resize,
        restarting::roll,
        operations::carry_out,
        placing::spread,
    ]
}

fn with_quorum<A: App>(assessed: &Assessed<'_, A>, decision: &mut Decision<A::Spec>) {
    let (Some(cluster), Some(target)) = (&assessed.cluster, &assessed.target) else { return };
    decision.ask(assessed, &[marks::mark]);
    let proof = Proof { assessed, cluster, target };
    for step in proven_steps() {
        if decision.take(assessed, step(&proof)) {
            break;
        }
    }
    decision.wait_for_members(cluster);
    if let Some(wait) = operations::under_way(&proof) {
        decision.wait(wait);
    }
    if let Some(lacks) = assessed.record.in_force().and_then(|it| assessed.app.lacks(it, cluster)) {
        decision.wait(Waiting::ForStage { lacks });
    }
    if let Some(lacks) = &assessed.lacks {
        decision.wait(Waiting::ForStage { lacks: lacks.clone() });
    }
}
