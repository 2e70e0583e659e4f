//! A small model of the API and of nodes, for tests: applies plans as the API server would, guards included.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::Metadata;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::json;

use crate::owners::{is_controlled_by, uid};
use crate::plan::{Action, Plan, Write};
use crate::{deployment, pods, replicaset};

pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) deployments: Vec<Arc<Deployment>>,
    pub(crate) sets: Vec<Arc<ReplicaSet>>,
    pub(crate) pods: Vec<Arc<Pod>>,
    revision: u64,
    random: u64,
    /// How many writes were applied.
    pub(crate) writes: usize,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Timestamp::UNIX_EPOCH + Duration::from_secs(1_000_000),
            deployments: vec![],
            sets: vec![],
            pods: vec![],
            revision: 1,
            random: seed.wrapping_mul(2).wrapping_add(1),
            writes: 0,
        }
    }

    /// A number below `limit`, from the seed.
    pub(crate) fn random(&mut self, limit: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap() % limit.max(1)
    }

    pub(crate) fn deploy(&mut self, replicas: i32, image: &str, strategy: serde_json::Value) {
        let mut wanted: Deployment = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "ns", "uid": "web", "generation": 1},
            "spec": {"replicas": replicas, "strategy": strategy, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "c", "image": image}]}}}
        }))
        .unwrap();
        match self.deployments.first().cloned() {
            None => self.create_deployment(wanted),
            Some(current) => {
                wanted.metadata = current.metadata.clone();
                self.apply(Write::update(&current, wanted).into());
            }
        }
    }

    fn create_deployment(&mut self, mut wanted: Deployment) {
        self.stamp(&mut wanted.metadata);
        self.deployments.push(Arc::new(wanted));
    }

    fn stamp(&mut self, meta: &mut ObjectMeta) {
        self.revision += 1;
        meta.resource_version = Some(self.revision.to_string());
        if meta.uid.is_none() {
            meta.uid = Some(format!("uid-{}", self.revision));
            meta.creation_timestamp = Some(Time(self.now));
            meta.generation = Some(1);
        }
        if let Some(prefix) = meta.generate_name.take() {
            meta.name = Some(format!("{prefix}{:05}", self.revision));
        }
    }

    /// Applies a plan; a step whose guard fails ends it, as the executor does.
    pub(crate) fn execute(&mut self, plan: Plan) {
        for step in plan.steps {
            if !self.apply(step.action) {
                return;
            }
        }
    }

    fn apply(&mut self, action: Action) -> bool {
        self.writes += 1;
        match action {
            Action::Pod(write) => {
                let mut pods = std::mem::take(&mut self.pods);
                let is_done = self.write(
                    &mut pods,
                    write,
                    |_, _| false,
                    |old, new| new.status.clone_from(&old.status),
                );
                self.pods = pods;
                is_done
            }
            Action::ReplicaSet(write) => {
                let mut sets = std::mem::take(&mut self.sets);
                let changes = |old: &ReplicaSet, new: &ReplicaSet| old.spec != new.spec;
                let is_done = self.write(&mut sets, write, changes, |old, new| {
                    new.status.clone_from(&old.status)
                });
                self.sets = sets;
                let owners: Vec<String> =
                    self.sets.iter().map(|it| uid(&it.metadata).to_owned()).collect();
                self.pods.retain(|pod| {
                    crate::owners::controller(&pod.metadata)
                        .is_none_or(|owner| owners.contains(&owner.uid))
                });
                is_done
            }
            Action::Deployment(write) => {
                let mut deployments = std::mem::take(&mut self.deployments);
                let changes = |old: &Deployment, new: &Deployment| old.spec != new.spec;
                let is_done = self.write(&mut deployments, write, changes, |old, new| {
                    new.status.clone_from(&old.status)
                });
                self.deployments = deployments;
                is_done
            }
            other => panic!("{other:?} is not modelled"),
        }
    }

    fn write<K: Clone + Metadata<Ty = ObjectMeta>>(
        &mut self,
        objects: &mut Vec<Arc<K>>,
        write: Write<K>,
        changes_generation: impl Fn(&K, &K) -> bool,
        keep_status: impl Fn(&K, &mut K),
    ) -> bool {
        let place = |objects: &[Arc<K>], observed: &K| {
            let guard =
                |it: &K| (it.metadata().uid.clone(), it.metadata().resource_version.clone());
            objects.iter().position(|it| guard(it) == guard(observed))
        };
        match write {
            Write::Create(mut object) => {
                let is_taken = |it: &Arc<K>| {
                    it.metadata().name.is_some() && it.metadata().name == object.metadata().name
                };
                if objects.iter().any(is_taken) {
                    return false;
                }
                self.stamp(object.metadata_mut());
                objects.push(Arc::from(object));
            }
            Write::Update { observed, mut wanted } => {
                let Some(at) = place(objects, &observed) else { return false };
                keep_status(&observed, &mut wanted);
                if changes_generation(&observed, &wanted) {
                    *wanted.metadata_mut().generation.get_or_insert_default() += 1;
                }
                self.stamp(wanted.metadata_mut());
                objects[at] = Arc::from(wanted);
            }
            Write::UpdateStatus { observed, mut wanted } => {
                let Some(at) = place(objects, &observed) else { return false };
                self.stamp(wanted.metadata_mut());
                objects[at] = Arc::from(wanted);
            }
            Write::Delete { observed, .. } | Write::DeleteNow { observed } => {
                let Some(at) = place(objects, &observed) else { return false };
                objects.remove(at);
            }
        }
        true
    }

    /// One pass of every controller, in an order that the seed chooses. Whether anything was written.
    pub(crate) fn reconcile(&mut self) -> bool {
        let before = self.writes;
        let mut turns: Vec<(bool, usize)> = (0..self.sets.len()).map(|at| (false, at)).collect();
        turns.extend((0..self.deployments.len()).map(|at| (true, at)));
        for left in (1..=turns.len()).rev() {
            let (is_deployment, at) = turns.swap_remove(self.random(left));
            let plan = if is_deployment { self.plan_deployment(at) } else { self.plan_set(at) };
            self.execute(plan);
        }
        self.writes > before
    }

    fn plan_deployment(&self, at: usize) -> Plan {
        let Some(deployment) = self.deployments.get(at) else { return Plan::default() };
        let (sets, pods) = (&self.sets, &self.pods);
        deployment::plan(&deployment::Snapshot { deployment, sets, pods, now: self.now })
    }

    fn plan_set(&self, at: usize) -> Plan {
        let Some(set) = self.sets.get(at) else { return Plan::default() };
        replicaset::plan(&replicaset::Snapshot {
            set,
            pods: &self.pods,
            last_failure: None,
            now: self.now,
        })
    }

    /// A node starts one pod that is not ready yet. Whether there was one.
    pub(crate) fn start_a_pod(&mut self) -> bool {
        let waiting: Vec<usize> =
            (0..self.pods.len()).filter(|at| !pods::is_ready(&self.pods[*at])).collect();
        if waiting.is_empty() {
            return false;
        }
        let at = waiting[self.random(waiting.len())];
        let mut pod = Pod::clone(&self.pods[at]);
        self.stamp(&mut pod.metadata);
        let status = pod.status.get_or_insert_default();
        status.phase = Some("Running".into());
        status.conditions = Some(vec![PodCondition {
            type_: "Ready".into(),
            status: "True".into(),
            last_transition_time: Some(Time(self.now)),
            ..Default::default()
        }]);
        self.pods[at] = Arc::new(pod);
        true
    }

    /// Controllers and nodes work until nothing changes; `check` looks at every state on the way.
    pub(crate) fn settle(&mut self, mut check: impl FnMut(&Self)) {
        for _ in 0..2_000 {
            self.now += Duration::from_secs(1);
            let mut is_moving = self.reconcile();
            check(self);
            if self.random(2) == 0 || !is_moving {
                is_moving |= self.start_a_pod();
            }
            check(self);
            if !is_moving {
                return;
            }
        }
        panic!("it never settles: {:#?}", self.deployments);
    }

    pub(crate) fn ready(&self) -> usize {
        self.pods.iter().filter(|it| pods::is_ready(it)).count()
    }

    pub(crate) fn shuffle(&mut self) {
        self.sets.reverse();
        self.pods.reverse();
    }

    /// The pods whose first container runs an image.
    pub(crate) fn pods_of(&self, image: &str) -> usize {
        let runs = |pod: &&Arc<Pod>| {
            pod.spec.as_ref().is_some_and(|it| it.containers[0].image.as_deref() == Some(image))
        };
        self.pods.iter().filter(runs).count()
    }

    pub(crate) fn pods_of_set<'a>(
        &'a self,
        set: &'a ReplicaSet,
    ) -> impl Iterator<Item = &'a Arc<Pod>> {
        self.pods.iter().filter(|it| is_controlled_by(&it.metadata, uid(&set.metadata)))
    }
}
