//! Recoveries of which nobody is asked, as a careless operator would begin them.

use endstate_core::{Evidence, Exit, Position, plan};
use etcd_plan::Etcd;

use super::{Do, See};
use crate::Planner;

/// Members that say nothing have lost their data.
pub fn takes_silence_for_loss() -> Planner {
    Planner::with_bug(take_silence_for_loss)
}

fn take_silence_for_loss(app: &Etcd, snapshot: &See) -> Do {
    let answers = |name: &str| snapshot.view.answer(name).is_some();
    let members = &snapshot.status.record.members;
    let silent = members.iter().filter(|it| !answers(&it.name)).count();
    if silent * 2 <= members.len() {
        return plan(app, snapshot);
    }
    let mut seen = snapshot.clone();
    let lost = Evidence::DataLost;
    for pod in seen.pods.iter_mut().flatten().filter(|it| !answers(&it.name)) {
        pod.exit = Some(Exit::of(lost.exit_code().into(), None, &lost.message("it is silent")));
    }
    let mut plan = plan(app, &seen);
    plan.waits.clear();
    plan
}

/// Whoever is left is as good as any other, whatever others have or had.
pub fn compares_nothing() -> Planner {
    Planner::with_bug(compare_nothing)
}

pub(super) fn compare_nothing(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    let same = Some(Position::at(0));
    for row in &mut seen.status.members {
        row.position = same.clone();
    }
    for status in seen.view.targets.iter_mut().filter_map(|it| it.status.as_mut()) {
        status.position = same.clone();
    }
    known(snapshot, plan(app, &seen))
}

/// The bug is not about what is recorded.
fn known(snapshot: &See, mut plan: Do) -> Do {
    for row in &mut plan.status.members {
        let old = snapshot.status.members.iter().find(|it| it.name == row.name);
        let answered = snapshot.view.answer(&row.name).and_then(|it| it.position.clone());
        row.position = answered.or_else(|| old?.position.clone());
    }
    plan
}
