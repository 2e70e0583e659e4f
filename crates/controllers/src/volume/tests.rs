use serde_json::{Value, json};

use super::*;
use crate::plan::Action;

struct World {
    class: Option<StorageClass>,
    claim: Option<Arc<PersistentVolumeClaim>>,
    volumes: Vec<Arc<PersistentVolume>>,
}

impl World {
    fn new(spec: Value, volumes: Vec<Arc<PersistentVolume>>) -> Self {
        let mut value = json!({"metadata": {"name": "data", "namespace": "ns", "uid": "c1"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}});
        for (field, to) in spec.as_object().unwrap() {
            value["spec"][field] = to.clone();
        }
        let claim = Some(Arc::new(serde_json::from_value(value).unwrap()));
        Self { class: None, claim, volumes }
    }

    /// A claim of the class that the embedded cluster starts with, changed.
    fn of_class(change: impl FnOnce(&mut StorageClass)) -> Self {
        let mut class = default_class();
        change(&mut class);
        Self { class: Some(class), ..Self::new(json!({}), vec![]) }
    }

    fn annotate(&mut self, key: &str, value: &str) {
        let claim = Arc::make_mut(self.claim.as_mut().unwrap());
        crate::labels::annotate(&mut claim.metadata, key, value);
    }

    fn request(&mut self, size: &str) {
        let claim = Arc::make_mut(self.claim.as_mut().unwrap());
        let resources = claim.spec.as_mut().unwrap().resources.as_mut().unwrap();
        let size = k8s_openapi::apimachinery::pkg::api::resource::Quantity(size.to_owned());
        resources.requests.as_mut().unwrap().insert("storage".to_owned(), size);
    }

    fn snapshot<'a>(&'a self, claim: &'a Arc<PersistentVolumeClaim>) -> ClaimSnapshot<'a> {
        let named = claim.spec.as_ref().and_then(|it| it.storage_class_name.as_deref());
        let name = self.class.as_ref().and_then(|it| it.metadata.name.as_deref());
        let class = self.class.as_ref().filter(|_| named == name);
        ClaimSnapshot { claim, volumes: &self.volumes, class, default_class: name }
    }

    /// What the next plan for the claim tells of.
    fn told(&self) -> Vec<(String, String)> {
        let plan = plan_claim(&self.snapshot(self.claim.as_ref().unwrap()));
        plan.notices.into_iter().map(|it| (it.reason, it.message)).collect()
    }

    fn sizes(&self) -> [String; 2] {
        let status = self.claim.as_ref().unwrap().status.clone().unwrap_or_default();
        let volume = self.volumes[0].spec.clone().unwrap();
        [status.capacity, volume.capacity].map(|it| it.unwrap()["storage"].0.clone())
    }

    fn plans(&self) -> Vec<Plan> {
        let volumes = &self.volumes;
        let claim = self.claim.iter().map(|claim| plan_claim(&self.snapshot(claim)));
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

#[test]
fn a_volume_is_made_where_its_first_consumer_will_be() {
    let mut world = World::of_class(|_| {});
    world.settle();
    assert_eq!((world.claim_phase(), world.volumes.len()), (Some("Pending"), 0));
    let note = "waiting for first consumer to be created before binding";
    assert_eq!(world.told(), [("WaitForFirstConsumer".to_owned(), note.to_owned())]);
    world.annotate(SELECTED_NODE, "node-2");
    world.settle();
    assert_eq!((world.claim_phase(), world.bound_to()), (Some("Bound"), Some("pvc-c1")));
    let spec = json!(world.volumes[0].spec);
    let term = &spec["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0];
    assert_eq!(
        *term,
        json!({"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-2"]})
    );
    assert_eq!(spec["persistentVolumeReclaimPolicy"], "Delete");
    assert_eq!(spec["storageClassName"], "standard", "a claim without a class has the default");
}

#[test]
fn a_class_retains_volumes() {
    let mut world = World::of_class(|class| {
        class.reclaim_policy = Some("Retain".into());
        class.volume_binding_mode = Some("Immediate".into());
    });
    world.settle();
    assert_eq!(world.phases(), ["Bound"]);
    world.claim = None;
    world.settle();
    assert_eq!(world.phases(), ["Released"]);
}

#[test]
fn a_volume_grows_if_its_class_says_so() {
    for (may_grow, grown) in [(Some(true), "5Gi"), (Some(false), "2Gi"), (None, "2Gi")] {
        let mut world = World::of_class(|class| class.allow_volume_expansion = may_grow);
        world.annotate(SELECTED_NODE, "node-1");
        world.settle();
        assert_eq!(world.sizes(), ["2Gi", "2Gi"]);
        world.request("5Gi");
        world.settle();
        assert_eq!(world.sizes(), [grown, grown], "{may_grow:?}");
    }
}

#[test]
fn what_is_not_provisioned_is_told() {
    let cases = [
        (json!({"storageClassName": "theirs"}), "ProvisioningFailed", "\"theirs\" not found"),
        (json!({"storageClassName": ""}), "FailedBinding", "no storage class is set"),
        (json!({"selector": {}}), "ProvisioningFailed", "Selector is not supported"),
        (json!({"volumeMode": "Block"}), "ProvisioningFailed", "mode Block"),
    ];
    for (spec, reason, note) in cases {
        let mut world = World::new(spec, vec![]);
        world.settle();
        assert_eq!((world.claim_phase(), world.volumes.len()), (Some("Pending"), 0), "{note}");
        let told = world.told();
        assert!(told[0].0 == reason && told[0].1.contains(note), "{told:?}");
    }
    let mut theirs = World::of_class(|class| class.provisioner = "theirs".into());
    theirs.annotate(SELECTED_NODE, "node-1");
    theirs.settle();
    assert_eq!(theirs.told()[0].0, "ExternalProvisioning");
}
