//! The world of a cluster, with two toy applications: one like etcd, one like ZooKeeper.

use crate::toy_cluster::app::{Toy, ToySpec};
use crate::toy_cluster::found::found_by;
use crate::toy_cluster::raft::Raft;
use crate::toy_cluster::suite;
use crate::toy_cluster::zab::Zab;
use endstate_check::cluster::{AppModel, Budgets, Planner, Property, Scenario, Start, Volumes};
use endstate_core::{Growth, Lead, Plan, Recovery, Snapshot, plan};

/// The toy whose members join without a vote and hand the lead over.
fn raft(scenario: &Scenario) -> Raft {
    let volumes = scenario.volumes;
    Raft::of(
        scenario,
        Toy {
            lead: Lead::Transfers,
            growth: Growth::NonVoting,
            volumes,
            recovery: Recovery::FromOne,
        },
    )
}

/// The toy whose members join with their vote and lead until they stop.
fn zab(scenario: &Scenario) -> Zab {
    let volumes = scenario.volumes;
    Zab::of(
        scenario,
        Toy { lead: Lead::Stays, growth: Growth::Direct, volumes, recovery: Recovery::FromOne },
    )
}

fn found<M: AppModel>(scenario: &Scenario, model: M) -> Option<Property> {
    found_by(scenario, model, Planner::shipped())
}

fn all_are_fine<M: AppModel>(volumes: Volumes, model: fn(&Scenario) -> M) {
    let bad = suite::suite().into_iter().map(|it| it.on(volumes)).filter_map(|it| {
        let property = found(&it, model(&it));
        property.map(|property| (it.name, property))
    });
    let bad: Vec<_> = bad.collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn raft_on_pods() {
    all_are_fine(Volumes::WithPod, raft);
}

#[test]
fn raft_on_claims() {
    all_are_fine(Volumes::Claims, raft);
}

#[test]
fn zab_on_pods() {
    all_are_fine(Volumes::WithPod, zab);
}

#[test]
fn zab_on_claims() {
    all_are_fine(Volumes::Claims, zab);
}

#[test]
fn zab_on_claims_that_are_kept() {
    all_are_fine(Volumes::KeptClaims, zab);
}

/// Of a member one of two claims is lost, and what is on the other is of no use: it is replaced, and leaves nothing.
#[test]
fn who_lost_one_of_two_claims_is_replaced() {
    let part = Budgets { evict: 1, part: 1, ..Budgets::NONE };
    let part = Scenario::new("part lost", Start::Running([3, 0]), &[[3, 0]], part);
    let part = part.on(Volumes::Pairs);
    assert_eq!(found(&part, raft(&part)), None);
    assert_eq!(found(&part, zab(&part)), None);
    let shrinks = Budgets { abort: 1, stale: 1, ..Budgets::NONE };
    let shrinks = Scenario::new("3 to 1", Start::Running([3, 0]), &[[1, 0]], shrinks);
    let shrinks = shrinks.on(Volumes::Pairs);
    assert_eq!(found(&shrinks, raft(&shrinks)), None);
}

/// A planner that takes a member whose other claim is gone for one that has its data.
fn see_one_claim(app: &Toy, snapshot: &Snapshot<ToySpec>) -> Plan<ToySpec> {
    let mut seen = snapshot.clone();
    seen.claims.iter_mut().for_each(|it| it.beside.clear());
    plan(app, &seen)
}

#[test]
fn a_claim_that_is_not_missed_is_found() {
    let part = Budgets { evict: 1, part: 1, ..Budgets::NONE };
    let part = Scenario::new("part lost", Start::Running([3, 0]), &[[3, 0]], part);
    let part = part.on(Volumes::Pairs);
    let bug = Planner::with_bug(see_one_claim);
    assert_eq!(found_by(&part, raft(&part), bug.linted()), Some(Property::Lint));
}

/// What labels say of claims, and no policy.
fn believe_labels(app: &Toy, snapshot: &Snapshot<ToySpec>) -> Plan<ToySpec> {
    let mut made = plan(&Toy { volumes: Volumes::Claims, ..*app }, snapshot);
    made.retention = plan(app, snapshot).retention;
    made
}

/// A claim that its policy keeps goes with its member, because its label does not say so.
#[test]
fn a_policy_that_is_not_heard_is_found() {
    let shrinks = Scenario::new("2 to 1", Start::Running([2, 0]), &[[1, 0]], Budgets::NONE);
    let shrinks = shrinks.on(Volumes::KeptClaims);
    let bug = Planner::with_bug(believe_labels);
    assert_eq!(found_by(&shrinks, zab(&shrinks), bug), Some(Property::KeepsData));
    assert_eq!(found_by(&shrinks, zab(&shrinks), bug.linted()), Some(Property::Lint));
}

/// What `autocreate` does: two members whose data is lost elect one of them, and the third throws its data away.
#[test]
fn an_empty_majority_is_found() {
    let wiped = Budgets { wipe: 2, ..Budgets::NONE };
    let scenario = Scenario::new("wiped twice", Start::Running([3, 0]), &[[3, 0]], wiped);
    let scenario = scenario.on(Volumes::Claims);
    assert_eq!(found(&scenario, zab(&scenario)), None);
    let scenario = Scenario { launcher: false, ..scenario };
    let looking = Zab { initializes: false, ..zab(&scenario) };
    assert_ne!(found(&scenario, looking), Some(Property::NoSecondStart), "it waits for a leader");
    let autocreate = Zab { autocreate: true, ..looking };
    assert_eq!(found(&scenario, autocreate), Some(Property::NoSecondStart));
}

/// A member that joins copies what the leader has: a corrupt one hands over, or leaves, before.
#[test]
fn corrupt_data_is_replaced() {
    let corrupt = Budgets { corrupt: 1, abort: 1, ..Budgets::NONE };
    let scenario = Scenario::new("corrupt", Start::Running([3, 0]), &[[3, 0]], corrupt);
    assert_eq!(found(&scenario, raft(&scenario)), None);
    for volumes in [Volumes::WithPod, Volumes::Claims] {
        let scenario = scenario.clone().on(volumes);
        assert_eq!(found(&scenario, zab(&scenario)), None, "{volumes:?}");
    }
}
