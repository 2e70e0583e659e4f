//! What is done to clusters.

use serde_json::{Value, json};

/// The version that clusters have, unless it is about versions.
const VERSION: &str = "3.5.35";

/// One workload.
#[derive(Clone)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    /// The spec of the cluster that is there before; none if the workload creates it.
    pub(super) before: Option<Value>,
    pub(super) event: Event,
}

/// What happens, once the cluster before is at rest.
#[derive(Clone)]
pub(super) enum Event {
    /// This is the spec now.
    Spec(Value),
    /// Followers lose their data, so many at once.
    Wipe(usize),
    /// Somebody deletes the pods of so many members.
    DeletePods(usize),
    /// Somebody deletes the claim of a follower, and its pod.
    DeleteClaim,
    /// The node of a follower is cordoned.
    Cordon,
    /// Objects are declared beside it: kind, and spec without the cluster. Where a member is named, `FOLLOWER` stands
    /// for a follower.
    Beside(Vec<(&'static str, Value)>),
}

/// All of them.
pub(super) fn workloads() -> Vec<Workload> {
    let subjects = [sizes(), specs(), losses(), decisions()];
    subjects.into_iter().flatten().collect()
}

fn create(name: &'static str, spec: Value) -> Workload {
    Workload { name, before: None, event: Event::Spec(spec) }
}

fn change(name: &'static str, before: Value, after: Value) -> Workload {
    on(name, before, Event::Spec(after))
}

fn on(name: &'static str, before: Value, event: Event) -> Workload {
    Workload { name, before: Some(before), event }
}

/// Clusters that come into being, grow, shrink, and sleep.
fn sizes() -> Vec<Workload> {
    vec![
        create("start of 1", size(1)),
        create("start of 3", size(3)),
        create("start of 3 in plain", plain(size(3))),
        create("start of 3 in directories", in_directories(size(3))),
        change("grow 1 to 3", size(1), size(3)),
        change("grow 3 to 5", size(3), size(5)),
        change("shrink 3 to 1", size(3), size(1)),
        change("shrink 5 to 3", size(5), size(3)),
        change("hibernate", size(3), size(0)),
    ]
}

/// Specs that members are brought to.
fn specs() -> Vec<Workload> {
    let version = |version: &str| with(size(3), "version", json!(version));
    let env = json!({"etcdEnv": [{"name": "ETCD_SNAPSHOT_COUNT", "value": "2000"}]});
    vec![
        change("another environment", size(3), with(size(3), "pod", env)),
        change("a patch", version("3.5.16"), version("3.5.35")),
        change("a minor", version("3.5.35"), version("3.6.16")),
        change("a downgrade", version("3.6.16"), version("3.5.35")),
        change("users on", size(3), with(size(3), "auth", json!({"enabled": true}))),
    ]
}

/// Members that are lost, or have to go.
fn losses() -> Vec<Workload> {
    vec![
        on("a volume wiped", size(3), Event::Wipe(1)),
        on("a directory lost", in_directories(size(3)), Event::DeletePods(1)),
        on("a pod deleted", size(3), Event::DeletePods(1)),
        on("all pods deleted", size(3), Event::DeletePods(3)),
        on("a claim deleted", size(3), Event::DeleteClaim),
        on("a node cordoned", size(3), Event::Cordon),
    ]
}

/// What a person, or the spec, decides.
fn decisions() -> Vec<Workload> {
    let unasked = with(size(3), "quorumRecovery", json!("Auto"));
    let task = |operation: Value| Event::Beside(vec![("EtcdTask", operation)]);
    let permissions = json!({"permissions": [{"access": "readWrite", "prefix": "a/"}]});
    let user = vec![("EtcdRole", permissions), ("EtcdUser", json!({"roles": ["beside-0"]}))];
    let with_users = with(size(1), "auth", json!({"enabled": true}));
    vec![
        on("a quorum lost", unasked, Event::Wipe(2)),
        on("move the lead", size(3), task(json!({"moveLeader": {}}))),
        on("defragment", size(3), task(json!({"defragment": {}}))),
        on("replace", size(3), task(json!({"replaceMember": {"member": "FOLLOWER"}}))),
        on("a user and a role", with_users, Event::Beside(user)),
    ]
}

/// So many members, which leave nothing.
fn size(size: u8) -> Value {
    let retention = json!({"whenDeleted": "Delete", "whenScaled": "Delete"});
    let storage = json!({"volume": {"size": "1Gi", "retention": retention}});
    json!({"size": size, "version": VERSION, "storage": storage})
}

fn with(mut spec: Value, field: &str, value: Value) -> Value {
    spec[field] = value;
    spec
}

/// The same without TLS.
fn plain(spec: Value) -> Value {
    let off = json!({"client": {"mode": "Off"}, "peer": {"mode": "Off"}});
    with(spec, "tls", off)
}

/// The same, with data that goes with its pod.
fn in_directories(spec: Value) -> Value {
    with(spec, "storage", json!({"emptyDir": {}}))
}
