//! The node's own end and return.

use serde_json::json;

use super::World;
use crate::world::phase;

fn spec() -> serde_json::Value {
    json!({"containers": [{"name": "c", "args": ["program", "count", "/data/runs"],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        "volumes": [{"name": "data", "emptyDir": {}}]})
}

async fn came_back(world: &World, uid: Option<&String>, restarts: i32) {
    let pod = world
        .pod_until("p", "was restarted", |pod| {
            let status = &pod.status.as_ref().unwrap().container_statuses.as_ref().unwrap()[0];
            status.restart_count == restarts && status.ready
        })
        .await;
    assert_eq!(pod.metadata.uid.as_ref(), uid);
    has_counted(world, restarts).await;
}

/// Waits until the program has written: a container runs a moment before its program does anything.
async fn has_counted(world: &World, restarts: i32) {
    let expected = "x".repeat(usize::try_from(restarts).unwrap() + 1);
    crate::world::until("the log is there", async || world.logs("p").await.trim() == expected)
        .await;
}

pub(crate) async fn volumes_survive_a_restart() {
    let mut world = World::new().await;
    let pod = world.create_pod("p", spec()).await;
    world.running("p").await;
    has_counted(&world, 0).await;
    let once = json!({"restartPolicy": "Never", "containers": [{"name": "c", "args": ["program", "wait"]}]});
    world.create_pod("once", once).await;
    world.running("once").await;
    world.stop_node().await;
    world.check_nothing_runs().await;
    world.start_node().await;
    came_back(&world, pod.metadata.uid.as_ref(), 1).await;
    world.pod_until("once", "failed", |pod| phase(pod) == "Failed").await;
    world.end().await;
}

pub(crate) async fn a_killed_node_leaves_nothing() {
    let mut world = World::new().await;
    let pod = world.create_pod("p", spec()).await;
    world.running("p").await;
    has_counted(&world, 0).await;
    world.create_pod("deleted", spec()).await;
    world.running("deleted").await;
    world.kill_node();
    world.check_nothing_runs().await;
    world.delete("deleted", 0).await;
    let pods = world.dir.path().join("node/pods");
    assert_eq!(std::fs::read_dir(&pods).unwrap().count(), 2);
    world.start_node().await;
    came_back(&world, pod.metadata.uid.as_ref(), 1).await;
    assert_eq!(
        std::fs::read_dir(&pods).unwrap().count(),
        1,
        "what was deleted meanwhile is removed"
    );
    world.end().await;
}

pub(crate) async fn a_killed_agent_is_replaced() {
    let world = World::new().await;
    let pod = world.create_pod("p", spec()).await;
    world.running("p").await;
    has_counted(&world, 0).await;
    world.kill_agent();
    came_back(&world, pod.metadata.uid.as_ref(), 1).await;
    world.kill_agent();
    came_back(&world, pod.metadata.uid.as_ref(), 2).await;
    world.end().await;
}
