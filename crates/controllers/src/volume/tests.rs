use serde_json::{Value, json};

use super::*;
use crate::plan::Action;

struct World {
    claim: Option<Arc<PersistentVolumeClaim>>,
    volumes: Vec<Arc<PersistentVolume>>,
}

impl World {
    fn new(spec: Value, volumes: Vec<Arc<PersistentVolume>>) -> World {
        let mut value = json!({"metadata": {"name": "data", "namespace": "ns", "uid": "c1"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}});
        for (field, to) in spec.as_object().unwrap() {
            value["spec"][field] = to.clone();
        }
        World { claim: Some(Arc::new(serde_json::from_value(value).unwrap())), volumes }
    }

    fn plans(&self) -> Vec<Plan> {
        let volumes = &self.volumes;
        let claim = self
            .claim
            .iter()
            .map(|claim| plan_claim(&ClaimSnapshot { claim, volumes, provisioner: None }));
        let of = |volume: &PersistentVolume| {
            let wanted = claim_reference(volume).and_then(|it| it.name.clone());
            self.claim.as_ref().filter(|it| it.metadata.name == wanted)
        };
        let volumes =
            volumes.iter().map(|volume| plan_volume(&VolumeSnapshot { volume, claim: of(volume) }));
        claim.chain(volumes).collect()
    }

    fn settle(&mut self) {
        for _ in 0..20 {
            let Some(plan) = self.plans().into_iter().find(|it| !it.is_empty()) else { return };
            plan.steps.into_iter().for_each(|step| self.apply(step.action));
        }
        panic!("it never settles");
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::PersistentVolumeClaim(
                Write::Update { wanted, .. } | Write::UpdateStatus { wanted, .. },
            ) => {
                self.claim = Some(Arc::from(wanted));
            }
            Action::PersistentVolume(Write::Create(made)) => self.volumes.push(Arc::from(made)),
            Action::PersistentVolume(
                Write::Update { observed, wanted } | Write::UpdateStatus { observed, wanted },
            ) => {
                let at = self.volumes.iter().position(|it| *it == observed).unwrap();
                self.volumes[at] = Arc::from(wanted);
            }
            Action::PersistentVolume(Write::Delete { observed, .. }) => {
                self.volumes.retain(|it| *it != observed)
            }
            other => panic!("{other:?}"),
        }
    }

    fn claim_phase(&self) -> Option<&str> {
        self.claim.as_ref()?.status.as_ref()?.phase.as_deref()
    }

    fn phases(&self) -> Vec<&str> {
        self.volumes
            .iter()
            .map(|it| it.status.as_ref().unwrap().phase.as_deref().unwrap())
            .collect()
    }

    fn bound_to(&self) -> Option<&str> {
        self.claim.as_ref()?.spec.as_ref()?.volume_name.as_deref()
    }
}

fn volume(name: &str, size: &str, more: Value) -> Arc<PersistentVolume> {
    let mut value = json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": size}, "hostPath": {"path": "/x"}, "persistentVolumeReclaimPolicy": "Retain"}});
    for (field, to) in more.as_object().unwrap() {
        value["spec"][field] = to.clone();
    }
    Arc::new(serde_json::from_value(value).unwrap())
}

#[test]
fn without_a_volume_one_is_made_and_goes_with_its_claim() {
    let mut world = World::new(json!({}), vec![]);
    world.settle();
    assert_eq!(
        (world.claim_phase(), world.bound_to(), world.phases()),
        (Some("Bound"), Some("pvc-c1"), vec!["Bound"])
    );
    let capacity = world.claim.as_ref().unwrap().status.as_ref().unwrap().capacity.clone().unwrap();
    assert_eq!(capacity["storage"].0, "2Gi");
    world.claim = None;
    world.settle();
    assert!(world.volumes.is_empty());
}

#[test]
fn the_smallest_that_fits_is_taken() {
    let small = volume("small", "1Gi", json!({}));
    let big = volume("big", "9Gi", json!({}));
    let right = volume("right", "3Gi", json!({}));
    let other = volume("other", "2Gi", json!({"storageClassName": "fast"}));
    let mut world = World::new(json!({}), vec![small, big, right, other]);
    world.settle();
    assert_eq!(
        (world.bound_to(), world.phases()),
        (Some("right"), vec!["Available", "Available", "Bound", "Available"])
    );
}

#[test]
fn a_retained_volume_is_released_and_never_given_away() {
    let mut world = World::new(json!({}), vec![volume("kept", "2Gi", json!({}))]);
    world.settle();
    world.claim = None;
    world.settle();
    assert_eq!(world.phases(), ["Released"]);
    let mut successor = World::new(json!({"storageClassName": ""}), world.volumes);
    let mut claim = PersistentVolumeClaim::clone(successor.claim.as_ref().unwrap());
    claim.metadata.uid = Some("c2".into());
    successor.claim = Some(Arc::new(claim));
    successor.settle();
    assert_eq!((successor.claim_phase(), successor.bound_to()), (Some("Pending"), None));
}

#[test]
fn a_volume_can_be_kept_for_a_claim_by_name() {
    let kept = volume("kept", "9Gi", json!({"claimRef": {"namespace": "ns", "name": "data"}}));
    let mut world = World::new(json!({}), vec![volume("right", "2Gi", json!({})), kept]);
    world.settle();
    assert_eq!(world.bound_to(), Some("kept"));
}

#[test]
fn a_claim_whose_volume_is_gone_is_lost_and_stays_so() {
    let mut world = World::new(json!({}), vec![]);
    world.settle();
    world.volumes.clear();
    world.settle();
    assert_eq!((world.claim_phase(), world.volumes.len()), (Some("Lost"), 0));
}

#[test]
fn classes_of_others_wait() {
    let mut world = World::new(json!({"storageClassName": "theirs"}), vec![]);
    world.settle();
    assert_eq!((world.claim_phase(), world.volumes.len()), (Some("Pending"), 0));
}
