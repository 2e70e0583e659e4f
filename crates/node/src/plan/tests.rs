//! Scripts over the planner: a tiny world applies each plan's actions until nothing changes.

mod properties;
mod resizing;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use serde_json::{Value, json};

use super::*;

/// The world as the runtime would see it.
struct World {
    now: Timestamp,
    pod: Pod,
    refusal: Option<Refusal>,
    gone: bool,
    published: PodStatus,
    volumes: Volumes,
    sandbox: Sandbox,
    containers: BTreeMap<String, Container>,
    images: BTreeMap<String, Image>,
    room: Room,
    /// Why the runtime refuses changes, if it does.
    refused: Option<String>,
    finished: bool,
    log: Vec<String>,
}

impl World {
    fn new(spec: Value) -> Self {
        let pod = json!({
            "metadata": {"name": "p", "namespace": "ns", "uid": "u", "generation": 1}, "spec": spec,
        });
        Self {
            now: Timestamp::from_second(1_000_000).unwrap(),
            pod: serde_json::from_value(pod).unwrap(),
            refusal: None,
            gone: false,
            published: PodStatus::default(),
            volumes: Volumes::Pending,
            sandbox: Sandbox::Absent,
            containers: BTreeMap::new(),
            images: BTreeMap::new(),
            room: Room { allocatable: (4000, 1 << 30), ..Room::default() },
            refused: None,
            finished: false,
            log: Vec::new(),
        }
    }

    fn plan(&self) -> Plan {
        plan(&Snapshot {
            now: self.now,
            pod: &self.pod,
            refusal: self.refusal.as_ref(),
            gone: self.gone,
            published: &self.published,
            host_address: Ipv4Addr::new(10, 244, 0, 10),
            volumes: &self.volumes,
            sandbox: &self.sandbox,
            containers: &self.containers,
            images: &self.images,
            room: &self.room,
            finished: self.finished,
        })
    }

    /// Applies plans until they ask for nothing; returns what was done since the last call.
    fn settle(&mut self) -> Vec<String> {
        for _ in 0..50 {
            let plan = self.plan();
            self.published = plan.status;
            if plan.actions.is_empty() {
                return std::mem::take(&mut self.log);
            }
            for action in plan.actions {
                self.apply(action);
            }
        }
        panic!("does not settle: {:?}", self.log);
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::MountVolumes => self.volumes = Volumes::Ready,
            Action::CreateSandbox => {
                self.sandbox = Sandbox::Ready { address: Ipv4Addr::new(10, 244, 1, 2) };
            }
            Action::PullImage { reference, .. } => {
                self.images.insert(reference, Image::Ready { id: "sha256:1".into() });
            }
            Action::Start { container, restart_count, backoff } => {
                let spec = spec_of(&self.pod.spec.clone().unwrap(), &container);
                let given = spec_of(&self.plan().allocated, &container).resources;
                let image = spec.image.unwrap();
                let record = self.containers.entry(container.clone()).or_default();
                assert!(!record.state.is_alive(), "{container} started twice");
                if let State::Exited(ended) = &record.state {
                    record.previous = Some(ended.clone());
                }
                record.state = State::Running { since: self.now, id: "runc://1".into() };
                (record.restart_count, record.backoff, record.ran) = (restart_count, backoff, true);
                (record.image, record.stopped_for) = (image, None);
                record.resources = Some(given.unwrap_or_default());
                record.health = Health { hook_done: true, ..Health::default() };
                self.log.push(format!("start {container} #{restart_count}"));
            }
            Action::Stop { container, deadline, why } => {
                let record = self.containers.get_mut(&container).unwrap();
                let since = self.now;
                record.state = State::Stopping { since, id: "runc://1".into(), deadline };
                record.stopped_for = Some(why);
                let grace = deadline.duration_since(self.now).as_secs();
                self.log.push(format!("stop {container} {why:?} {grace}s"));
            }
            Action::Resize { container } => {
                self.log.push(format!("resize {container}"));
                let spec = spec_of(&self.pod.spec.clone().unwrap(), &container);
                let record = self.containers.get_mut(&container).unwrap();
                assert!(record.state.is_alive(), "resized {container}, which is not alive");
                match &self.refused {
                    Some(why) => {
                        let retry_at = self.now + SignedDuration::from_secs(5);
                        record.resize_failed = Some((why.clone(), retry_at));
                    }
                    None => {
                        record.resources = spec.resources;
                        record.resize_failed = None;
                    }
                }
            }
            Action::TearDown => {
                assert!(!self.is_alive(), "torn down alive");
                self.sandbox = Sandbox::Absent;
                self.log.push("tear down".to_owned());
            }
            Action::Finish => {
                assert!(!self.is_alive(), "finished alive");
                self.finished = true;
                self.log.push("finish".to_owned());
            }
            Action::Forget => {
                self.log.push("forget".to_owned());
                self.pod.metadata.deletion_timestamp = Some(Time(self.now));
                (self.gone, self.finished) = (false, true);
            }
        }
    }

    fn is_alive(&self) -> bool {
        self.containers.values().any(|it| it.state.is_alive())
    }

    fn exit(&mut self, container: &str, exit_code: i32) {
        let record = self.containers.get_mut(container).unwrap();
        assert!(record.state.is_alive(), "{container} is not alive");
        record.state = State::Exited(Terminated {
            exit_code,
            finished_at: Some(self.now),
            ..Terminated::default()
        });
    }

    fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    fn phase(&self) -> &str {
        self.published.phase.as_deref().unwrap()
    }

    fn condition(&self, name: &str) -> &str {
        let conditions = self.published.conditions.as_deref().unwrap();
        &conditions.iter().find(|it| it.type_ == name).unwrap().status
    }

    fn waiting(&self, container: &str) -> Option<String> {
        let p = &self.published;
        let mut all =
            p.init_container_statuses.iter().flatten().chain(p.container_statuses.iter().flatten());
        let status = all.find(|it| it.name == container).unwrap();
        status.state.clone()?.waiting?.reason
    }

    fn delete(&mut self, grace: i64) {
        let at = self.now + SignedDuration::from_secs(grace);
        self.pod.metadata.deletion_timestamp = Some(Time(at));
    }
}

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

fn spec_of(
    spec: &k8s_openapi::api::core::v1::PodSpec,
    name: &str,
) -> k8s_openapi::api::core::v1::Container {
    let mut all = spec.init_containers.iter().flatten().chain(&spec.containers);
    all.find(|it| it.name == name).unwrap().clone()
}

fn one(policy: &str) -> World {
    World::new(json!({"restartPolicy": policy, "containers": [{"name": "a", "image": "i"}]}))
}

#[test]
fn a_pod_comes_up_and_is_deleted() {
    let mut world = one("Always");
    assert_eq!(world.settle(), ["start a #0"]);
    assert_eq!((world.phase(), world.condition("Ready")), ("Running", "True"));
    assert_eq!(world.published.pod_ip.as_deref(), Some("10.244.1.2"));
    world.delete(30);
    assert_eq!(world.settle(), ["stop a PodEnds 31s"]);
    // A second request with less grace brings the deadline forward.
    world.delete(5);
    assert_eq!(world.settle(), ["stop a PodEnds 6s"]);
    world.exit("a", 0);
    assert_eq!(world.settle(), ["tear down", "finish"]);
    assert_eq!(world.phase(), "Succeeded");
}

#[test]
fn restarts_back_off_and_forget() {
    let mut world = one("Always");
    world.settle();
    world.exit("a", 1);
    assert_eq!(world.settle(), ["start a #1"], "the first restart is immediate");
    let mut expected = 10;
    for restart in 2..9 {
        world.exit("a", 1);
        assert_eq!(world.settle(), [""; 0]);
        assert_eq!(world.waiting("a").as_deref(), Some("CrashLoopBackOff"));
        assert_eq!(world.phase(), "Running");
        assert_eq!(world.plan().wake_at, Some(world.now + SignedDuration::from_secs(expected)));
        world.pass(expected - 1);
        assert_eq!(world.settle(), [""; 0]);
        world.pass(1);
        assert_eq!(world.settle(), [format!("start a #{restart}")]);
        expected = (expected * 2).min(300);
    }
    world.pass(601);
    world.exit("a", 1);
    assert_eq!(world.settle(), ["start a #9"], "a long run forgets the back-off");
}

#[test]
fn policies_decide_about_the_end() {
    for (policy, code, phase, restarts) in [
        ("Never", 0, "Succeeded", false),
        ("Never", 3, "Failed", false),
        ("OnFailure", 0, "Succeeded", false),
        ("OnFailure", 3, "Running", true),
        ("Always", 0, "Running", true),
    ] {
        let mut world = one(policy);
        world.settle();
        world.exit("a", code);
        let log = world.settle();
        assert_eq!(log.contains(&"start a #1".to_owned()), restarts, "{policy} {code}");
        assert_eq!(world.phase(), phase, "{policy} {code}");
        if !restarts {
            assert_eq!(log, ["tear down"]);
            world.pass(1000);
            assert_eq!(world.settle(), [""; 0], "a terminal pod is left alone");
        }
    }
}

#[test]
fn init_containers_go_one_by_one_and_sidecars_stay() {
    let mut world = World::new(json!({
        "initContainers": [
            {"name": "one", "image": "i"},
            {"name": "side", "image": "i", "restartPolicy": "Always", "startupProbe": {}},
            {"name": "two", "image": "i"},
        ],
        "containers": [{"name": "a", "image": "i"}],
    }));
    assert_eq!(world.settle(), ["start one #0"]);
    assert_eq!((world.phase(), world.condition("Initialized")), ("Pending", "False"));
    assert_eq!(world.waiting("a").as_deref(), Some("PodInitializing"));
    world.exit("one", 1);
    assert_eq!(world.settle(), ["start one #1"]);
    world.exit("one", 0);
    assert_eq!(world.settle(), ["start side #0"]);
    world.containers.get_mut("side").unwrap().health.startup = true;
    assert_eq!(world.settle(), ["start two #0"]);
    world.exit("two", 0);
    assert_eq!(world.settle(), ["start a #0"]);
    assert_eq!((world.phase(), world.condition("Ready")), ("Running", "True"));
    world.exit("side", 0);
    assert_eq!(world.settle(), ["start side #1"], "a sidecar is restarted whatever its end");
    assert_eq!(world.condition("Initialized"), "True");
    world.delete(30);
    assert_eq!(world.settle(), ["stop a PodEnds 31s"]);
    world.exit("a", 0);
    assert_eq!(world.settle(), ["stop side PodEnds 31s"]);
    world.exit("side", 143);
    assert_eq!(world.settle(), ["tear down", "finish"]);
}

#[test]
fn a_failed_init_container_fails_the_pod_that_never_restarts() {
    let mut world = World::new(json!({
        "restartPolicy": "Never",
        "initContainers": [{"name": "one", "image": "i"}],
        "containers": [{"name": "a", "image": "i"}],
    }));
    world.settle();
    world.exit("one", 7);
    assert_eq!(world.settle(), ["tear down"]);
    assert_eq!(world.phase(), "Failed");
}

#[test]
fn sidecars_do_not_keep_a_pod_from_completing() {
    let mut world = World::new(json!({
        "restartPolicy": "Never",
        "initContainers": [{"name": "side", "image": "i", "restartPolicy": "Always"}],
        "containers": [{"name": "a", "image": "i"}],
    }));
    assert_eq!(world.settle(), ["start side #0", "start a #0"]);
    world.exit("a", 0);
    assert_eq!(world.settle(), ["stop side PodEnds 30s"]);
    assert_eq!(world.phase(), "Running");
    world.exit("side", 0);
    assert_eq!(world.settle(), ["tear down"]);
    assert_eq!(world.phase(), "Succeeded");
}

#[test]
fn the_image_changes_in_place_once_the_new_one_is_there() {
    let mut world = one("Never");
    world.settle();
    world.pod.spec.as_mut().unwrap().containers[0].image = Some("j".to_owned());
    world.images.insert("j".to_owned(), Image::Pulling);
    assert_eq!(world.settle(), [""; 0]);
    world.images.insert("j".to_owned(), Image::Ready { id: "sha256:2".into() });
    assert_eq!(world.settle(), ["stop a ImageChanged 30s"]);
    world.exit("a", 143);
    assert_eq!(world.settle(), ["start a #1"], "also where the policy is Never");
}

#[test]
fn probes_gate_readiness_and_restart() {
    let mut world = World::new(json!({
        "containers": [{"name": "a", "image": "i", "startupProbe": {}, "readinessProbe": {},
            "livenessProbe": {"terminationGracePeriodSeconds": 3}}],
    }));
    world.settle();
    assert_eq!((world.phase(), world.condition("Ready")), ("Running", "False"));
    world.containers.get_mut("a").unwrap().health.startup = true;
    world.containers.get_mut("a").unwrap().health.readiness = true;
    world.settle();
    assert_eq!(world.condition("Ready"), "True");
    world.containers.get_mut("a").unwrap().health.unhealthy = Some(StopReason::LivenessFailed);
    assert_eq!(world.settle(), ["stop a LivenessFailed 3s"]);
    world.exit("a", 137);
    assert_eq!(world.settle(), ["start a #1"]);
    assert_eq!(world.condition("Ready"), "False");
}

#[test]
fn a_failed_pull_is_shown_and_tried_again() {
    let mut world = one("Always");
    let (failed_at, retry_at) = (world.now, world.now + SignedDuration::from_secs(10));
    let failed =
        Image::Failed { reason: "ErrImagePull", message: "no".into(), failed_at, retry_at };
    world.images.insert("i".to_owned(), failed);
    world.settle();
    assert_eq!(world.waiting("a").as_deref(), Some("ErrImagePull"));
    world.pass(3);
    world.settle();
    assert_eq!(world.waiting("a").as_deref(), Some("ImagePullBackOff"));
    assert_eq!(world.phase(), "Pending");
    world.pass(7);
    assert_eq!(world.settle(), ["start a #0"]);
}

#[test]
fn a_deadline_fails_the_pod() {
    let mut world = World::new(json!({
        "activeDeadlineSeconds": 60, "containers": [{"name": "a", "image": "i"}],
    }));
    world.settle();
    assert_eq!(world.plan().wake_at, Some(world.now + SignedDuration::from_secs(60)));
    world.pass(60);
    assert_eq!(world.settle(), ["stop a PodEnds 30s"]);
    world.exit("a", 0);
    assert_eq!(world.settle(), ["tear down"]);
    assert_eq!(world.phase(), "Failed");
    assert_eq!(world.published.reason.as_deref(), Some("DeadlineExceeded"));
    world.settle();
    assert_eq!(world.published.reason.as_deref(), Some("DeadlineExceeded"));
}

#[test]
fn a_pod_gone_from_the_api_is_killed_and_forgotten() {
    let mut world = one("Always");
    world.settle();
    world.gone = true;
    assert_eq!(world.settle(), ["stop a PodEnds 1s"]);
    world.exit("a", 137);
    assert_eq!(world.settle(), ["tear down", "forget"]);
}

#[test]
fn a_restarted_agent_restarts_by_policy() {
    for (policy, expected) in [("Always", vec!["start a #4"]), ("Never", vec![])] {
        let mut world = World::new(json!({
            "restartPolicy": policy,
            "initContainers": [{"name": "one", "image": "i"}],
            "containers": [{"name": "a", "image": "i"}],
        }));
        let time = "2026-01-01T00:00:00Z";
        let status = json!({
            "phase": "Running",
            "initContainerStatuses": [{"name": "one", "image": "i", "imageID": "", "ready": true,
                "restartCount": 0, "state": {"terminated": {"exitCode": 0, "finishedAt": time}}}],
            "containerStatuses": [{"name": "a", "image": "i", "imageID": "", "ready": true,
                "restartCount": 3, "state": {"running": {"startedAt": time}}}],
        });
        world.pod.status = serde_json::from_value(status).unwrap();
        world.published = world.pod.status.clone().unwrap();
        world.containers = restore(&world.pod, world.now);
        let first = world.settle();
        if policy == "Never" {
            assert_eq!(world.phase(), "Failed");
            continue;
        }
        assert_eq!(first, ["start one #1"], "the new sandbox is initialized again");
        world.exit("one", 0);
        assert_eq!(world.settle(), expected);
        let status = &world.published.container_statuses.as_ref().unwrap()[0];
        let last = status.last_state.clone().unwrap().terminated.unwrap();
        assert_eq!((last.exit_code, last.reason.as_deref()), (255, Some("Unknown")));
    }
}

#[test]
fn plans_are_stable_and_foreign_conditions_stay() {
    let mut world = one("Always");
    let foreign =
        json!([{"type": "PodScheduled", "status": "True"}, {"type": "X", "status": "Unknown"}]);
    world.published.conditions = serde_json::from_value(foreign).unwrap();
    world.settle();
    let before = world.published.clone();
    world.pass(100);
    assert_eq!(world.plan().status, before, "the same world has the same status at any time");
    assert_eq!(world.condition("X"), "Unknown");
    assert_eq!(world.condition("PodScheduled"), "True");
}

#[test]
fn a_refused_pod_gets_nothing_and_says_why() {
    let spec = json!({"initContainers": [{"name": "i", "image": "x"}], "containers": [{"name": "c", "image": "x"}]});
    let mut world = World::new(spec.clone());
    world.refusal = Some(Refusal::Waiting { message: "no".to_owned() });
    assert!(world.settle().is_empty());
    let status = json!(world.published);
    assert_eq!(status["phase"], "Pending");
    for list in ["containerStatuses", "initContainerStatuses"] {
        let waiting = &status[list][0]["state"]["waiting"];
        assert_eq!(*waiting, json!({"reason": "CreateContainerConfigError", "message": "no"}));
    }
    let mut world = World::new(spec);
    let (reason, message) = ("SysctlForbidden", "never".to_owned());
    world.refusal = Some(Refusal::Failed { reason, message });
    assert!(world.settle().is_empty());
    let status = json!(world.published);
    assert_eq!(
        (&status["phase"], &status["reason"], &status["message"]),
        (&json!("Failed"), &json!("SysctlForbidden"), &json!("never"))
    );
}
