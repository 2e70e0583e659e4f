use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::*;
use crate::plan::Action;

/// One job and its pods, with an API that keeps what plans write.
struct World {
    job: Arc<Job>,
    pods: Vec<Arc<Pod>>,
    now: Timestamp,
    made: usize,
}

impl World {
    fn new(spec: Value) -> Self {
        let mut value = json!({"metadata": {"name": "sum", "namespace": "ns", "uid": "sum", "generation": 1},
            "spec": {"selector": {"matchLabels": {"job": "sum"}}, "parallelism": 1, "completions": 1, "backoffLimit": 2,
                "template": {"metadata": {"labels": {"job": "sum"}},
                    "spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]}}}});
        for (field, to) in spec.as_object().unwrap() {
            value["spec"][field] = to.clone();
        }
        let job = Arc::new(serde_json::from_value(value).unwrap());
        Self { job, pods: vec![], now: Timestamp::UNIX_EPOCH + Duration::from_secs(1_000), made: 0 }
    }

    fn plan(&self) -> Plan {
        plan(&Snapshot { job: &self.job, pods: &self.pods, now: self.now })
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::Pod(Write::Create(mut pod)) => {
                self.made += 1;
                let name = format!("{}{}", pod.metadata.generate_name.clone().unwrap(), self.made);
                pod.metadata.uid = Some(name.clone());
                pod.metadata.name = Some(name);
                self.pods.push(Arc::from(pod));
            }
            Action::Pod(Write::Update { observed, wanted }) => {
                let at = self.at(&observed);
                self.pods[at] = Arc::from(wanted);
                if self.pods[at].metadata.deletion_timestamp.is_some()
                    && self.pods[at].metadata.finalizers.is_none()
                {
                    self.pods.remove(at);
                }
            }
            Action::Pod(Write::Delete { observed, .. }) => {
                let at = self.at(&observed);
                let mut pod = Pod::clone(&observed);
                pod.metadata.deletion_timestamp = Some(Time(self.now));
                match pod.metadata.finalizers {
                    None => drop(self.pods.remove(at)),
                    Some(_) => self.pods[at] = Arc::new(pod),
                }
            }
            Action::Job(Write::UpdateStatus { wanted, .. }) => self.job = Arc::from(wanted),
            other => panic!("{other:?}"),
        }
    }

    fn at(&self, pod: &Arc<Pod>) -> usize {
        self.pods.iter().position(|it| it == pod).expect("the guard holds")
    }

    /// Plans until there is nothing left to do. Every plan may be cut off after any of its steps: `crash_after` says
    /// how many are done of the first one.
    fn settle_from(&mut self, crash_after: usize) {
        for step in self.plan().steps.into_iter().take(crash_after) {
            self.apply(step.action);
        }
        for _ in 0..50 {
            let steps = self.plan().steps;
            if steps.is_empty() {
                return;
            }
            steps.into_iter().for_each(|step| self.apply(step.action));
        }
        panic!("it never settles: {:?}", self.plan());
    }

    fn settle(&mut self) {
        self.settle_from(0);
    }

    fn end_a_pod(&mut self, phase: &str) {
        let at = self.pods.iter().position(|it| crate::pods::is_active(it)).expect("an active pod");
        let mut pod = Pod::clone(&self.pods[at]);
        let status = pod.status.get_or_insert_default();
        status.phase = Some(phase.into());
        let ended = json!([{"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 1, "finishedAt": self.now.to_string()}}}]);
        status.container_statuses = serde_json::from_value(ended).unwrap();
        self.pods[at] = Arc::new(pod);
    }

    fn active(&self) -> usize {
        self.pods.iter().filter(|it| crate::pods::is_active(it)).count()
    }

    fn status(&self) -> k8s_openapi::api::batch::v1::JobStatus {
        self.job.status.clone().unwrap_or_default()
    }

    fn has(&self, condition: &str) -> bool {
        self.status()
            .conditions
            .unwrap_or_default()
            .iter()
            .any(|it| it.type_ == condition && it.status == "True")
    }
}

#[test]
fn one_pod_one_success() {
    let mut world = World::new(json!({}));
    world.settle();
    assert_eq!((world.active(), world.status().active), (1, Some(1)));
    world.end_a_pod("Succeeded");
    world.settle();
    let status = world.status();
    assert_eq!((status.succeeded, status.active, status.failed), (Some(1), None, None));
    assert!(
        world.has("Complete")
            && world.has("SuccessCriteriaMet")
            && status.completion_time.is_some()
    );
    assert!(world.pods.iter().all(|it| it.metadata.finalizers.is_none()), "pods may be deleted");
}

#[test]
fn as_many_at_once_as_asked_until_enough_succeeded() {
    let mut world = World::new(json!({"parallelism": 3, "completions": 5}));
    for left in (1..=5).rev() {
        world.settle();
        assert_eq!(world.active(), left.min(3));
        world.end_a_pod("Succeeded");
    }
    world.settle();
    assert_eq!((world.status().succeeded, world.made), (Some(5), 5));
    assert!(world.has("Complete"));
}

#[test]
fn failures_rest_longer_and_longer_and_then_it_is_given_up() {
    let mut world = World::new(json!({}));
    for rest in [10, 20] {
        world.settle();
        world.end_a_pod("Failed");
        world.settle();
        assert_eq!((world.active(), world.plan().look_again), (0, Some(Duration::from_secs(rest))));
        world.now += Duration::from_secs(rest);
    }
    world.settle();
    world.end_a_pod("Failed");
    world.settle();
    assert!(world.has("Failed") && world.has("FailureTarget"));
    assert_eq!((world.status().failed, world.made), (Some(3), 3));
}

#[test]
fn every_index_is_done_once() {
    let mut world =
        World::new(json!({"completionMode": "Indexed", "parallelism": 2, "completions": 3}));
    world.settle();
    let hosts: Vec<_> =
        world.pods.iter().map(|it| it.spec.clone().unwrap().hostname.unwrap()).collect();
    assert_eq!(hosts, ["sum-0", "sum-1"]);
    let env = world.pods[0].spec.as_ref().unwrap().containers[0].env.clone().unwrap();
    assert_eq!(env[0].name, "JOB_COMPLETION_INDEX");
    world.end_a_pod("Succeeded");
    world.settle();
    assert_eq!(world.status().completed_indexes.as_deref(), Some("0"));
    // The pod of a finished part goes away: it stays finished.
    world.pods.retain(|it| crate::pods::is_active(it));
    world.settle();
    world.end_a_pod("Succeeded");
    world.end_a_pod("Succeeded");
    world.settle();
    assert_eq!(
        (world.status().completed_indexes.as_deref(), world.status().succeeded),
        (Some("0-2"), Some(3))
    );
    assert!(world.has("Complete"));
}

#[test]
fn suspended_jobs_rest_without_blame_and_go_on() {
    let mut world = World::new(json!({}));
    world.settle();
    let suspend = |world: &mut World, to: bool| {
        let mut job = Job::clone(&world.job);
        job.spec.as_mut().unwrap().suspend = Some(to);
        world.job = Arc::new(job);
    };
    suspend(&mut world, true);
    world.settle();
    assert_eq!((world.active(), world.status().failed, world.status().start_time), (0, None, None));
    assert!(world.has("Suspended"));
    suspend(&mut world, false);
    world.settle();
    assert_eq!(world.active(), 1);
    assert!(!world.has("Suspended") && world.status().start_time.is_some());
}

#[test]
fn the_deadline_ends_what_runs() {
    let mut world = World::new(json!({"activeDeadlineSeconds": 60}));
    world.settle();
    assert_eq!(world.plan().look_again, Some(Duration::from_secs(60)));
    world.now += Duration::from_secs(60);
    world.settle();
    assert!(world.has("Failed"));
    assert_eq!((world.active(), world.status().failed), (0, Some(1)));
}

#[test]
fn a_job_that_ended_goes_when_its_time_has_come() {
    let mut world = World::new(json!({"ttlSecondsAfterFinished": 30}));
    world.settle();
    world.end_a_pod("Succeeded");
    world.settle();
    assert_eq!(world.plan().look_again, Some(Duration::from_secs(30)));
    world.now += Duration::from_secs(30);
    assert!(matches!(world.plan().steps[0].action, Action::Job(Write::Delete { .. })));
}

#[test]
fn nothing_is_counted_twice_or_lost_wherever_it_stops() {
    for crash_after in 0..4 {
        for gone in [false, true] {
            let mut world =
                World::new(json!({"parallelism": 2, "completions": 2, "backoffLimit": 5}));
            world.settle();
            world.end_a_pod("Succeeded");
            world.end_a_pod("Failed");
            world.settle_from(crash_after);
            if gone {
                world.pods.retain(|it| it.metadata.finalizers.is_some());
            }
            world.now += Duration::from_secs(60);
            world.settle_from(crash_after);
            world.end_a_pod("Succeeded");
            world.settle_from(crash_after);
            let status = world.status();
            assert_eq!(
                (status.succeeded, status.failed, world.made),
                (Some(2), Some(1), 3),
                "{crash_after} {gone}"
            );
        }
    }
}

#[test]
fn pods_of_a_job_that_is_gone_are_let_go() {
    let mut world = World::new(json!({}));
    world.settle();
    assert!(release_orphans("sum", Some(&world.job), &world.pods).is_empty());
    assert_eq!(release_orphans("sum", None, &world.pods).steps.len(), 1);
    let mut successor = Job::clone(&world.job);
    successor.metadata.uid = Some("another".into());
    let plan = plan(&Snapshot { job: &Arc::new(successor), pods: &world.pods, now: world.now });
    assert_eq!((plan.steps.len(), plan.check_owner), (1, true));
}
