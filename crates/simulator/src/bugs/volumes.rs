//! Bugs about claims.

use endstate_core::{VolumeSpec, plan};
use etcd_plan::Etcd;

use super::{Do, See};
use crate::Planner;

/// A claim is asked for until the pod that it is for is there, whether it was made or not.
pub fn asks_once_for_claims() -> Planner {
    Planner::with_bug(ask_once_for_claims)
}

fn ask_once_for_claims(app: &Etcd, snapshot: &See) -> Do {
    let mut plan = plan(app, snapshot);
    let there = |name: &str| snapshot.claims.iter().any(|it| it.name == name);
    let pods = snapshot.pods.clone().unwrap_or_default();
    let has_pod = |name: &str| pods.iter().any(|it| *it.name == *name);
    if let Some(around) = &mut plan.surroundings {
        around.volumes.retain(|it| there(&it.claim()) || !has_pod(&it.member));
    }
    plan
}

/// A member whose other claim is gone is taken for one that has its data.
pub fn sees_one_claim() -> Planner {
    Planner::with_bug(see_one_claim)
}

fn see_one_claim(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    seen.claims.iter_mut().for_each(|it| it.beside.clear());
    plan(app, &seen)
}

/// What the policy of the first volume says is taken for what that of the second says, too.
pub fn gives_up_both_claims() -> Planner {
    Planner::with_bug(give_up_both_claims)
}

fn give_up_both_claims(app: &Etcd, snapshot: &See) -> Do {
    let mut seen = snapshot.clone();
    let accepted = seen.status.record.accepted.iter_mut().map(|it| &mut it.spec);
    for spec in accepted.chain([&mut seen.spec]) {
        spec.wal = spec.wal.as_ref().map(|_| VolumeSpec::default().into());
    }
    let (mut bad, good) = (plan(app, &seen), plan(app, snapshot));
    bad.retention = good.retention;
    bad.status.record.accepted = good.status.record.accepted;
    bad.surroundings = good.surroundings;
    bad
}
