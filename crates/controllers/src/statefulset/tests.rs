use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::*;
use crate::owners::uid;
use crate::plan::{Action, Write};

/// One set and its objects, with an API that keeps what plans write.
struct World {
    set: Arc<StatefulSet>,
    pods: Vec<Arc<Pod>>,
    claims: Vec<Arc<PersistentVolumeClaim>>,
    revisions: Vec<Arc<ControllerRevision>>,
    /// Pods that were made, in order.
    made: Vec<String>,
    /// Pods that were deleted, in order.
    deleted: Vec<String>,
    uids: usize,
}

impl World {
    fn new(spec: Value) -> Self {
        let mut value = json!({"metadata": {"name": "db", "namespace": "ns", "uid": "db", "generation": 1},
            "spec": {"replicas": 3, "serviceName": "peers", "selector": {"matchLabels": {"app": "db"}},
                "updateStrategy": {"type": "RollingUpdate"},
                "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}}});
        for (field, to) in spec.as_object().unwrap() {
            value["spec"][field] = to.clone();
        }
        let set = Arc::new(serde_json::from_value(value).unwrap());
        let (pods, claims, revisions) = (vec![], vec![], vec![]);
        Self { set, pods, claims, revisions, made: vec![], deleted: vec![], uids: 0 }
    }

    fn change(&mut self, change: impl Fn(&mut StatefulSetSpec)) {
        let mut set = StatefulSet::clone(&self.set);
        change(set.spec.as_mut().unwrap());
        self.set = Arc::new(set);
        (self.made, self.deleted) = (vec![], vec![]);
    }

    fn plan(&self) -> Plan {
        let Self { set, pods, claims, revisions, .. } = self;
        plan(&Snapshot { set, pods, claims, revisions, now: Timestamp::UNIX_EPOCH })
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::Pod(write) => {
                match &write {
                    Write::Create(pod) => self.made.push(name(&pod.metadata).to_owned()),
                    Write::Delete { observed, .. } => {
                        self.deleted.push(name(&observed.metadata).to_owned())
                    }
                    _ => {}
                }
                keep(&mut self.pods, write, &mut self.uids);
                // Who owned only what is gone is collected.
                let pods: Vec<_> =
                    self.pods.iter().map(|it| uid(&it.metadata).to_owned()).collect();
                self.claims.retain(|it| {
                    let owners = it.metadata.owner_references.as_deref().unwrap_or_default();
                    owners.is_empty()
                        || owners.iter().any(|it| it.kind != "Pod" || pods.contains(&it.uid))
                });
            }
            Action::PersistentVolumeClaim(write) => keep(&mut self.claims, write, &mut self.uids),
            Action::ControllerRevision(write) => keep(&mut self.revisions, write, &mut self.uids),
            Action::StatefulSet(Write::UpdateStatus { wanted, .. }) => self.set = Arc::from(wanted),
            other => panic!("{other:?}"),
        }
    }

    /// Plans until there is nothing left to do or to wait for a pod.
    fn act(&mut self) {
        for _ in 0..100 {
            let plan = self.plan();
            let mut reversed =
                Self { pods: self.pods.iter().rev().cloned().collect(), ..self.copy() };
            reversed.claims.reverse();
            reversed.revisions.reverse();
            assert_eq!(plan, reversed.plan(), "order matters");
            if plan.is_empty() {
                return;
            }
            plan.steps.into_iter().for_each(|step| self.apply(step.action));
        }
        panic!("it never settles: {:?}", self.plan());
    }

    fn copy(&self) -> Self {
        let (set, pods) = (self.set.clone(), self.pods.clone());
        let (claims, revisions) = (self.claims.clone(), self.revisions.clone());
        Self { set, pods, claims, revisions, made: vec![], deleted: vec![], uids: 0 }
    }

    /// A node starts every pod that is not ready; the controller acts in between.
    fn settle(&mut self) {
        for _ in 0..50 {
            self.act();
            let Some(at) = self.pods.iter().position(|it| !crate::pods::is_ready(it)) else {
                return;
            };
            self.set_ready(at, true);
        }
        panic!("it never settles");
    }

    fn set_ready(&mut self, at: usize, ready: bool) {
        let mut pod = Pod::clone(&self.pods[at]);
        let ready = if ready { "True" } else { "False" };
        pod.status = serde_json::from_value(
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}),
        )
        .unwrap();
        self.pods[at] = Arc::new(pod);
    }

    fn images(&self) -> Vec<String> {
        let mut pods: Vec<_> = self.pods.iter().collect();
        pods.sort_by_key(|it| it.metadata.name.clone());
        pods.iter()
            .map(|it| it.spec.as_ref().unwrap().containers[0].image.clone().unwrap())
            .collect()
    }

    fn status(&self) -> k8s_openapi::api::apps::v1::StatefulSetStatus {
        self.set.status.clone().unwrap()
    }
}

fn keep<K: Clone + PartialEq + Metadata<Ty = ObjectMeta>>(
    objects: &mut Vec<Arc<K>>,
    write: Write<K>,
    uids: &mut usize,
) {
    match write {
        Write::Create(mut object) => {
            *uids += 1;
            object.metadata_mut().uid = Some(format!("uid-{uids}"));
            assert!(
                objects.iter().all(|it| it.metadata().name != object.metadata().name),
                "the name is free"
            );
            objects.push(Arc::from(object));
        }
        Write::Update { observed, wanted } | Write::UpdateStatus { observed, wanted } => {
            let at = objects.iter().position(|it| *it == observed).expect("the guard holds");
            objects[at] = Arc::from(wanted);
        }
        Write::Delete { observed, .. } | Write::DeleteNow { observed } => {
            objects.retain(|it| *it != observed)
        }
    }
}

fn image(name: &str) -> impl Fn(&mut StatefulSetSpec) + use<> {
    let name = name.to_owned();
    move |spec| spec.template.spec.as_mut().unwrap().containers[0].image = Some(name.clone())
}

#[test]
fn pods_come_one_after_the_other() {
    let mut world = World::new(json!({}));
    world.act();
    assert_eq!(world.made, ["db-0"], "the next one waits until it is ready");
    world.settle();
    assert_eq!(world.made, ["db-0", "db-1", "db-2"]);
    let pod = &world.pods[1];
    let spec = pod.spec.as_ref().unwrap();
    assert_eq!(
        (spec.hostname.as_deref(), spec.subdomain.as_deref()),
        (Some("db-1"), Some("peers"))
    );
    assert_eq!(pod.metadata.labels.as_ref().unwrap()["apps.kubernetes.io/pod-index"], "1");
    let status = world.status();
    assert_eq!(
        (status.replicas, status.ready_replicas, status.updated_replicas),
        (3, Some(3), Some(3))
    );
    assert_eq!(status.current_revision, status.update_revision);
}

#[test]
fn in_parallel_they_come_together() {
    let mut world =
        World::new(json!({"podManagementPolicy": "Parallel", "ordinals": {"start": 5}}));
    world.act();
    assert_eq!(world.made, ["db-5", "db-6", "db-7"]);
}

#[test]
fn the_highest_goes_first_and_only_while_the_others_are_well() {
    let mut world = World::new(json!({}));
    world.settle();
    world.set_ready(0, false);
    world.change(|spec| spec.replicas = Some(1));
    world.act();
    assert!(world.deleted.is_empty(), "a lower one is unwell");
    world.set_ready(0, true);
    world.act();
    assert_eq!(world.deleted, ["db-2", "db-1"]);
}

#[test]
fn a_rollout_goes_from_the_highest_and_waits() {
    let mut world = World::new(json!({}));
    world.settle();
    world.change(image("i:2"));
    world.act();
    assert_eq!(world.deleted, ["db-2"], "the next one waits until the new one is ready");
    assert_ne!(world.status().current_revision, world.status().update_revision);
    world.settle();
    assert_eq!(
        (world.deleted.clone(), world.images()),
        (vec!["db-2".into(), "db-1".into(), "db-0".to_owned()], vec!["i:2".into(); 3])
    );
    assert_eq!(world.status().current_revision, world.status().update_revision);
}

#[test]
fn a_partition_holds_back_and_deleted_pods_return_as_they_were() {
    let mut world = World::new(
        json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}),
    );
    world.settle();
    world.change(image("i:2"));
    world.settle();
    assert_eq!(world.images(), ["i:1", "i:1", "i:2"]);
    world.pods.remove(0);
    world.settle();
    assert_eq!(world.images(), ["i:1", "i:1", "i:2"]);
}

#[test]
fn on_delete_nothing_moves_by_itself() {
    let mut world = World::new(json!({"updateStrategy": {"type": "OnDelete"}}));
    world.settle();
    world.change(image("i:2"));
    world.settle();
    assert!(world.deleted.is_empty());
    world.pods.remove(1);
    world.settle();
    assert_eq!(world.images(), ["i:1", "i:2", "i:1"]);
}

#[test]
fn going_back_reuses_the_revision() {
    let mut world = World::new(json!({}));
    for name in ["i:1", "i:2", "i:1"] {
        world.change(image(name));
        world.settle();
    }
    assert_eq!(world.images(), ["i:1", "i:1", "i:1"]);
    let mut revisions: Vec<_> = world.revisions.iter().map(|it| it.revision).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, [2, 3]);
}

#[test]
fn old_revisions_are_forgotten() {
    let mut world = World::new(json!({"revisionHistoryLimit": 1, "replicas": 1}));
    for number in 0..5 {
        world.change(image(&format!("i:{number}")));
        world.settle();
    }
    assert_eq!(world.revisions.len(), 2);
}

#[test]
fn an_ended_pod_comes_back_under_its_name() {
    let mut world = World::new(json!({"replicas": 1}));
    world.settle();
    let mut pod = Pod::clone(&world.pods[0]);
    pod.status.as_mut().unwrap().phase = Some("Failed".into());
    world.pods[0] = Arc::new(pod);
    world.change(|_| {});
    world.settle();
    assert_eq!(
        (world.deleted.clone(), world.made.clone()),
        (vec!["db-0".to_owned()], vec!["db-0".to_owned()])
    );
}

fn with_claims(policy: Value) -> World {
    World::new(json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}],
        "persistentVolumeClaimRetentionPolicy": policy}))
}

fn claim_names(world: &World) -> Vec<&str> {
    let mut names: Vec<_> = world.claims.iter().map(|it| name(&it.metadata)).collect();
    names.sort_unstable();
    names
}

#[test]
fn claims_come_before_their_pod_and_outlive_it() {
    let mut world = with_claims(json!({"whenScaled": "Retain", "whenDeleted": "Retain"}));
    world.settle();
    assert_eq!(claim_names(&world), ["data-db-0", "data-db-1", "data-db-2"]);
    let volumes = world.pods[0].spec.as_ref().unwrap().volumes.as_ref().unwrap();
    assert_eq!(volumes[0].persistent_volume_claim.as_ref().unwrap().claim_name, "data-db-0");
    world.change(|spec| spec.replicas = Some(1));
    world.settle();
    assert_eq!((world.pods.len(), world.claims.len()), (1, 3));
    assert!(world.claims.iter().all(|it| it.metadata.owner_references.is_none()));
    world.change(|spec| spec.replicas = Some(3));
    world.settle();
    assert_eq!(world.claims.len(), 3);
}

#[test]
fn no_pod_is_made_for_a_claim_that_is_being_deleted() {
    let mut world = with_claims(json!({}));
    world.settle();
    let mut claim = PersistentVolumeClaim::clone(&world.claims[0]);
    claim.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    world.claims[0] = Arc::new(claim);
    world.pods.retain(|it| name(&it.metadata) != "db-0");
    world.made.clear();
    world.act();
    let note = "create Pod db-0 in StatefulSet db failed error: pvc data-db-0 is being deleted";
    assert_eq!(world.plan().notices.first().map(|it| it.message.as_str()), Some(note));
    assert!(world.made.is_empty(), "{:?}", world.made);
    world.claims.remove(0);
    world.act();
    assert_eq!((world.made.len(), world.claims.len()), (1, 3));
    let cases =
        [("data-db-0", true), ("data-db-x", false), ("data-db-e-0", false), ("db-0", false)];
    for (claim, expected) in cases {
        assert_eq!(is_claim_of(&world.set, claim), expected, "{claim}");
    }
}

#[test]
fn claims_go_with_their_pod_or_their_set_if_so_wished() {
    let mut world = with_claims(json!({"whenScaled": "Delete", "whenDeleted": "Delete"}));
    world.settle();
    assert!(
        world.claims.iter().all(|it| it.metadata.owner_references.as_ref().unwrap()[0].uid == "db")
    );
    world.change(|spec| spec.replicas = Some(1));
    world.settle();
    assert_eq!(claim_names(&world), ["data-db-0"]);
}
