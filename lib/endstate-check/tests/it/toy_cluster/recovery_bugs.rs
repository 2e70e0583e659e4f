//! Recoveries as a careless operator would do them.

use endstate_core::{
    Action, App, Choice, Evidence, Exit, Plan, Reach, RecoverStage, Snapshot, Step, plan,
};

type See<A> = Snapshot<<A as App>::Spec>;
type Do<A> = Plan<<A as App>::Spec>;

/// The others get their pods again while the source starts alone.
pub(crate) fn resume_the_others<A: App>(app: &A, snapshot: &See<A>) -> Do<A> {
    let mut seen = snapshot.clone();
    let record = &mut seen.status.record;
    let alone = matches!(record.step, Some(Step::Recover { stage: RecoverStage::Alone {}, .. }));
    let Some(step) = record.step.take_if(|_| alone) else { return plan(app, snapshot) };
    let mut resumed = plan(app, &seen);
    let resumes = |it: &Action| matches!(it, Action::CreatePod { .. });
    if !resumed.actions.iter().all(resumes) {
        return plan(app, snapshot);
    }
    resumed.status.record.step = Some(step);
    resumed
}

/// The record does not keep that a consent was used.
pub(crate) fn use_consent_again<A: App>(app: &A, snapshot: &See<A>) -> Do<A> {
    let mut seen = snapshot.clone();
    seen.status.record.consent = None;
    let mut plan = plan(app, &seen);
    plan.status.record.consent = None;
    plan
}

/// Whoever is named: all others have lost their data.
pub(crate) fn recover_anyway<A: App>(app: &A, snapshot: &See<A>) -> Do<A> {
    let mut seen = snapshot.clone();
    let Some(source) = snapshot.recover_from() else { return plan(app, snapshot) };
    if snapshot.status.record.consent == snapshot.consent {
        return plan(app, snapshot);
    }
    seen.view.membership = None;
    for target in seen.view.targets.iter_mut().filter(|it| it.name != *source) {
        (target.reach, target.status) = (Reach::Unreachable, None);
    }
    let lost = Evidence::DataLost;
    for pod in seen.pods.iter_mut().flatten().filter(|it| it.name != *source) {
        pod.exit = Some(Exit::of(lost.exit_code().into(), None, &lost.message("it is empty")));
    }
    let mut plan = plan(app, &seen);
    plan.waits.clear();
    plan
}

/// The first member that may be left is gone on with by itself.
pub(crate) fn ask_nobody<A: App>(app: &A, snapshot: &See<A>) -> Do<A> {
    let mut seen = snapshot.clone();
    let whole = |name: &str| !snapshot.pod(name).is_some_and(endstate_core::Pod::data_lost);
    let mut members = snapshot.status.record.members.iter().filter(|it| whole(&it.name));
    seen.consent = members.next().map(|it| Choice::RecoverFrom(it.name.clone()));
    plan(app, &seen)
}

/// How far others are, or were, is not looked at.
pub(crate) fn compare_nothing<A: App>(app: &A, snapshot: &See<A>) -> Do<A> {
    let mut seen = snapshot.clone();
    if let Some(source) = snapshot.recover_from() {
        for row in seen.status.members.iter_mut().filter(|it| it.name != *source) {
            row.position = None;
        }
        for target in seen.view.targets.iter_mut().filter(|it| it.name != *source) {
            target.status.iter_mut().for_each(|it| it.position = None);
        }
    }
    let mut plan = plan(app, &seen);
    for (row, old) in plan.status.members.iter_mut().zip(&snapshot.status.members) {
        row.position = row.position.take().or_else(|| old.position.clone());
    }
    plan
}

/// Nobody reads the annotation, unless a recovery is on its way.
pub(crate) fn hear_no_consent<A: App>(app: &A, snapshot: &See<A>) -> Do<A> {
    let mut seen = snapshot.clone();
    let fencing = matches!(
        snapshot.status.record.step,
        Some(Step::Recover { stage: RecoverStage::Fencing {}, .. })
    );
    if !fencing {
        seen.consent = None;
    }
    plan(app, &seen)
}

/// Nobody reads that data is corrupt.
pub(crate) fn hear_no_alarm<A: App>(app: &A, snapshot: &See<A>) -> Do<A> {
    let mut seen = snapshot.clone();
    for target in &mut seen.view.targets {
        target.status.iter_mut().for_each(|it| it.corruption.clear());
    }
    for row in &mut seen.status.members {
        row.corrupt = false;
    }
    plan(app, &seen)
}
