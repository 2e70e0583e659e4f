//! Changes of the requests and limits of running containers.

use serde_json::{Value, json};

use super::*;

fn amounts(cpu: &str, memory: &str) -> Value {
    json!({"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}})
}

fn running(policy: &Value) -> World {
    let container = json!({"name": "a", "image": "i", "resizePolicy": policy,
        "resources": amounts("1", "64Mi")});
    let mut world = World::new(json!({"restartPolicy": "Always", "containers": [container]}));
    world.settle();
    world
}

impl World {
    fn resize(&mut self, cpu: &str, memory: &str) {
        let spec = self.pod.spec.as_mut().unwrap();
        let resources = serde_json::from_value(amounts(cpu, memory)).unwrap();
        spec.containers[0].resources = Some(resources);
    }

    /// The processors that the status says the container has and is given, and what it says of the change.
    fn told(&self) -> (Value, Value, String) {
        let status = json!(self.published);
        let container = &status["containerStatuses"][0];
        let all = status["conditions"].as_array().unwrap().iter();
        let texts = all.filter(|it| it["type"].as_str().unwrap().starts_with("PodResize"));
        let texts = texts.map(|it| {
            let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
            format!("{} {}: {}", text("type"), text("reason"), text("message"))
        });
        (
            container["resources"]["limits"]["cpu"].clone(),
            container["allocatedResources"]["cpu"].clone(),
            texts.collect::<Vec<_>>().join("; "),
        )
    }
}

fn told(has: &str, given: &str, text: &str) -> (Value, Value, String) {
    (json!(has), json!(given), text.to_owned())
}

#[test]
fn a_container_is_resized_where_it_runs() {
    let mut world = running(&json!([]));
    assert_eq!(world.told(), told("1", "1", ""));
    world.resize("2", "64Mi");
    assert_eq!(world.settle(), ["resize a"]);
    assert_eq!(world.told(), told("2", "2", ""));
    assert_eq!(world.settle(), [""; 0]);
}

#[test]
fn a_container_is_restarted_at_once_where_its_policy_says_so() {
    let mut world =
        running(&json!([{"resourceName": "memory", "restartPolicy": "RestartContainer"}]));
    world.resize("2", "64Mi");
    assert_eq!(world.settle(), ["resize a"], "only memory needs it");
    world.resize("2", "128Mi");
    assert_eq!(world.settle(), ["stop a Resized 30s"]);
    world.exit("a", 143);
    assert_eq!(world.settle(), ["start a #1"]);
    // A change is no crash: no back-off holds it.
    world.resize("2", "256Mi");
    assert_eq!(world.settle(), ["stop a Resized 30s"]);
    world.exit("a", 143);
    assert_eq!(world.settle(), ["start a #2"]);
    assert_eq!(world.told(), told("2", "2", ""));
}

#[test]
fn what_cannot_be_given_is_told_and_not_done() {
    let mut world = running(&json!([]));
    world.resize("5", "64Mi");
    assert_eq!(world.settle(), [""; 0]);
    let why = "PodResizePending Infeasible: Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000";
    assert_eq!(world.told(), told("1", "1", why));
    // Who crashes meanwhile comes back as it was.
    world.exit("a", 1);
    world.pass(600);
    assert_eq!(world.settle(), ["start a #1"]);
    assert_eq!(world.told(), told("1", "1", why));
    world.resize("1", "64Mi");
    assert_eq!(world.settle(), [""; 0]);
    assert_eq!(world.told(), told("1", "1", ""));
}

#[test]
fn what_lacks_room_waits_for_it() {
    let mut world = running(&json!([]));
    world.room.others = (3000, 0);
    world.resize("2", "64Mi");
    assert_eq!(world.settle(), [""; 0]);
    assert!(world.told().2.starts_with("PodResizePending Deferred: "), "{:?}", world.told());
    assert!(world.plan().wake_at.is_some());
    world.room.others = (i64::MAX, i64::MAX);
    assert_eq!(world.settle(), [""; 0]);
    world.room.others = (2000, 0);
    assert_eq!(world.settle(), ["resize a"]);
    assert_eq!(world.told(), told("2", "2", ""));
}

#[test]
fn where_nothing_enforces_limits_none_is_had_or_changed() {
    let mut world = running(&json!([]));
    world.room.not_enforced = Some("not enforced: so".to_owned());
    world.settle();
    assert_eq!(world.told(), (Value::Null, json!("1"), String::new()));
    world.resize("2", "64Mi");
    assert_eq!(world.settle(), [""; 0]);
    let why = "PodResizePending Infeasible: limits are not enforced: so".to_owned();
    assert_eq!(world.told(), (Value::Null, json!("1"), why));
}

#[test]
fn a_failed_change_is_told_and_tried_again() {
    let mut world = running(&json!([]));
    world.refused = Some("busy".to_owned());
    world.resize("2", "64Mi");
    assert_eq!(world.settle(), ["resize a"]);
    assert_eq!(world.told(), told("1", "2", "PodResizeInProgress Error: busy"));
    world.refused = None;
    world.pass(6);
    assert_eq!(world.settle(), ["resize a"]);
    assert_eq!(world.told(), told("2", "2", ""));
}
