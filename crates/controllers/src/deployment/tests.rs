use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::world::World;

fn rolling(surge: impl Into<Value>, unavailable: impl Into<Value>) -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge.into(), "maxUnavailable": unavailable.into()}})
}

fn condition(world: &World, kind: &str) -> (String, String) {
    let status = world.deployments[0].status.clone().unwrap();
    let found = status.conditions.unwrap().into_iter().find(|it| it.type_ == kind).unwrap();
    (found.status, found.reason.unwrap())
}

fn plan_now(world: &World) -> Plan {
    plan(&Snapshot {
        deployment: &world.deployments[0],
        sets: &world.sets,
        pods: &world.pods,
        now: world.now,
    })
}

#[test]
fn a_new_deployment_gets_a_set_with_its_hash() {
    let mut world = World::new(1);
    world.deploy(3, "i:1", rolling(1, 0));
    world.settle(|_| {});
    let [set] = world.sets.as_slice() else { panic!("{:?}", world.sets) };
    let hash = crate::labels::label(&set.metadata, HASH_LABEL).unwrap();
    assert_eq!(set.metadata.name.as_deref(), Some(&*format!("web-{hash}")));
    assert_eq!(
        set.spec.as_ref().unwrap().selector.match_labels.as_ref().unwrap()[HASH_LABEL],
        hash
    );
    assert!(
        world.pods.iter().all(|pod| crate::labels::label(&pod.metadata, HASH_LABEL) == Some(hash))
    );
    let revision = |meta| crate::labels::annotation(meta, REVISION);
    assert_eq!(
        (revision(&set.metadata), revision(&world.deployments[0].metadata)),
        (Some("1"), Some("1"))
    );
    assert_eq!(condition(&world, "Progressing"), ("True".into(), "NewReplicaSetAvailable".into()));
    assert_eq!(condition(&world, "Available"), ("True".into(), "MinimumReplicasAvailable".into()));
    assert!(plan_now(&world).is_empty());
}

#[test]
fn going_back_finds_the_old_set_and_counts_on() {
    let mut world = World::new(2);
    for image in ["i:1", "i:2", "i:1"] {
        world.deploy(2, image, rolling(1, 1));
        world.settle(|_| {});
        assert_eq!((world.pods_of(image), world.pods.len()), (2, 2));
    }
    assert_eq!(world.sets.len(), 2);
    let mut revisions: Vec<_> =
        world.sets.iter().map(|it| sets::number(it, REVISION).unwrap()).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, [2, 3]);
}

#[test]
fn recreate_waits_until_every_old_pod_is_gone() {
    let mut world = World::new(3);
    world.deploy(3, "i:1", json!({"type": "Recreate"}));
    world.settle(|_| {});
    world.deploy(3, "i:2", json!({"type": "Recreate"}));
    world.settle(|world| assert!(world.pods_of("i:1") == 0 || world.pods_of("i:2") == 0));
    assert_eq!(world.pods_of("i:2"), 3);
}

#[test]
fn a_change_of_mind_rolls_over() {
    let mut world = World::new(4);
    world.deploy(4, "i:1", rolling(1, 1));
    world.settle(|_| {});
    world.deploy(4, "i:2", rolling(1, 1));
    for _ in 0..4 {
        world.reconcile();
    }
    assert!(world.pods_of("i:1") > 0, "it is on its way");
    world.deploy(4, "i:3", rolling(1, 1));
    world.settle(|_| {});
    assert_eq!((world.pods_of("i:3"), world.pods.len()), (4, 4));
}

#[test]
fn a_bad_template_leaves_enough_old_pods_and_its_fix_goes_through() {
    let mut world = World::new(5);
    world.deploy(4, "i:1", rolling(1, 1));
    world.settle(|_| {});
    world.deploy(4, "bad", rolling(1, 1));
    // No node ever starts a pod of it.
    while world.reconcile() {}
    assert_eq!(world.pods_of("i:1"), 3, "as many as may be unavailable are gone, no more");
    assert_eq!(condition(&world, "Available").0, "True");
    world.now += std::time::Duration::from_secs(601);
    while world.reconcile() {}
    assert_eq!(
        condition(&world, "Progressing"),
        ("False".into(), "ProgressDeadlineExceeded".into())
    );
    world.deploy(4, "i:1", rolling(1, 1));
    world.settle(|_| {});
    assert_eq!((world.pods_of("i:1"), world.pods.len()), (4, 4));
    assert_eq!(condition(&world, "Progressing"), ("True".into(), "NewReplicaSetAvailable".into()));
}

#[test]
fn scaling_during_a_rollout_keeps_the_mix() {
    let mut world = World::new(6);
    world.deploy(10, "i:1", rolling(3, 2));
    world.settle(|_| {});
    world.deploy(10, "bad", rolling(3, 2));
    while world.reconcile() {}
    let before: Vec<_> = world.sets.iter().map(|it| sets::replicas(it)).collect();
    assert_eq!(before, [8, 5]);
    world.deploy(30, "bad", rolling(3, 2));
    world.reconcile();
    let after: Vec<_> = world.sets.iter().map(|it| sets::replicas(it)).collect();
    assert_eq!(after.iter().sum::<i32>(), 33, "30 and the surge");
    assert!(after[0] > 8 && after[1] > 5, "{after:?}");
}

#[test]
fn history_is_limited() {
    let mut world = World::new(7);
    for image in 0..6 {
        world.deploy(1, &format!("i:{image}"), rolling(1, 0));
        let mut deployment = Deployment::clone(&world.deployments[0]);
        deployment.spec.as_mut().unwrap().revision_history_limit = Some(2);
        world.deployments[0] = Arc::new(deployment);
        world.settle(|_| {});
    }
    assert_eq!(world.sets.len(), 3, "the current one and two old ones");
}

#[test]
fn paused_deployments_scale_but_do_not_roll() {
    let mut world = World::new(8);
    world.deploy(2, "i:1", rolling(1, 0));
    world.settle(|_| {});
    world.deploy(3, "i:2", rolling(1, 0));
    let mut deployment = Deployment::clone(&world.deployments[0]);
    deployment.spec.as_mut().unwrap().paused = Some(true);
    world.deployments[0] = Arc::new(deployment);
    world.settle(|_| {});
    assert_eq!((world.pods_of("i:1"), world.pods_of("i:2")), (3, 0));
    assert_eq!(condition(&world, "Progressing"), ("Unknown".into(), "DeploymentPaused".into()));
}

#[test]
fn a_taken_name_makes_another_hash() {
    let mut world = World::new(9);
    world.deploy(1, "i:1", rolling(1, 0));
    let stranger = sets::make(&world.deployments[0], 1);
    let stranger = ReplicaSet {
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            uid: Some("stranger".into()),
            labels: None,
            owner_references: None,
            ..stranger.metadata
        },
        spec: Some(k8s_openapi::api::apps::v1::ReplicaSetSpec {
            replicas: Some(0),
            ..Default::default()
        }),
        status: None,
    };
    world.sets.push(Arc::new(stranger));
    world.settle(|_| {});
    assert_eq!((world.sets.len(), world.pods.len()), (2, 1));
    assert_eq!(world.deployments[0].status.as_ref().unwrap().collision_count, Some(1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// From any size and template to any other, with the controllers and nodes taking turns in any order: it converges,
    /// is then left alone, and never has too few available or too many pods on the way.
    #[test]
    fn rollouts_converge_within_their_limits(
        seed: u64, replicas in 0..9_i32, surge in 0..4_i32, unavailable in 0..4_i32, then in 0..9_i32, changes: bool,
    ) {
        let mut world = World::new(seed);
        world.deploy(replicas, "i:1", rolling(surge, unavailable));
        world.settle(|_| {});
        prop_assert_eq!(world.ready(), usize::try_from(replicas).unwrap());
        let image = if changes { "i:2" } else { "i:1" };
        world.deploy(then, image, rolling(surge, unavailable));
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        let least = usize::try_from((replicas.min(then) - unavailable).max(0)).unwrap();
        let most = usize::try_from(replicas.max(then + if then == 0 { 0 } else { surge })).unwrap();
        world.settle(|world| {
            assert!(world.ready() >= least, "{} of {least} are available", world.ready());
            assert!(world.pods.len() <= most, "{} pods, {most} are allowed", world.pods.len());
        });
        prop_assert_eq!((world.pods_of(image), world.pods.len()), (then.try_into().unwrap(), then.try_into().unwrap()));
        prop_assert!(plan_now(&world).is_empty());
        for set in &world.sets {
            prop_assert_eq!(world.pods_of_set(set).count(), usize::try_from(sets::replicas(set)).unwrap());
        }
    }

    /// The order of lists does not matter, in any state of a rollout.
    #[test]
    fn order_does_not_matter(seed: u64, replicas in 1..6_i32, steps in 0..20) {
        let mut world = World::new(seed);
        world.deploy(replicas, "i:1", rolling("25%", "25%"));
        world.settle(|_| {});
        world.deploy(replicas + 1, "i:2", rolling("25%", "25%"));
        for _ in 0..steps {
            world.reconcile();
            world.start_a_pod();
        }
        let forward = plan_now(&world);
        world.shuffle();
        prop_assert_eq!(forward, plan_now(&world));
    }
}
