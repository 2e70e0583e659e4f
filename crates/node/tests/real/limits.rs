//! What pods may use of the machine: enforced by control groups where this machine lets us have some, by what every
//! user may set otherwise.

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use serde_json::{Value, json};

use crate::world::{World, condition, until};

fn program(args: &[&str], resources: &Value) -> Value {
    let args: Vec<_> = std::iter::once(&"program").chain(args).collect();
    json!({"name": "c", "args": args, "resources": resources})
}

async fn run(world: &World, name: &str, args: &[&str], resources: &Value) {
    let container = program(args, resources);
    let spec = json!({"restartPolicy": "Never", "containers": [container]});
    world.create_pod(name, spec).await;
}

/// What the node says about itself.
async fn enforced(world: &World) -> bool {
    let nodes: Api<Node> = Api::all(world.client.clone());
    let status = nodes.get("endstate-0").await.unwrap().status.unwrap();
    let conditions = status.conditions.unwrap();
    let condition = conditions.iter().find(|it| it.type_ == "LimitsEnforced").unwrap();
    let root = nix::unistd::geteuid().is_root();
    let reason = condition.reason.as_deref().unwrap();
    println!("  limits: {reason}: {}", condition.message.as_deref().unwrap());
    assert!(!root || condition.status == "True", "root always finds a hierarchy in tests");
    condition.status == "True"
}

/// Whoever asks for a limit that does not hold learns it, and nobody else.
pub(crate) async fn missing_limits_are_told() {
    let world = World::new().await;
    let limits = json!({"limits": {"memory": "64Mi"}});
    run(&world, "limited", &["wait"], &limits).await;
    run(&world, "free", &["wait"], &json!({})).await;
    world.running("limited").await;
    world.running("free").await;
    let told = async || {
        let events = world.events().await;
        events.into_iter().filter(|it| it.starts_with("LimitsNotEnforced: ")).count()
    };
    if enforced(&world).await {
        // Events are written in their order: this pod's own are there when a later one's are.
        world.delete("free", 0).await;
        let killed = async || world.events().await.iter().any(|it| it.starts_with("Killing"));
        until("a later event", killed).await;
        assert_eq!(told().await, 0);
    } else {
        until("the warning", async || told().await > 0).await;
        assert_eq!(told().await, 1, "only about the pod that asks for limits");
    }
    world.end().await;
    assert_eq!(groups_of_ours(), Vec::<String>::new());
}

/// A container sees its own limits where programs look for them, and cannot change them.
pub(crate) async fn limits_are_seen_by_containers() {
    let world = World::new().await;
    if enforced(&world).await {
        let amounts = json!({"cpu": "500m", "memory": "64Mi"});
        run(&world, "p", &["wait"], &json!({"limits": amounts})).await;
        world.running("p").await;
        let limits = read_limits(&world, "p").await;
        assert_eq!(limits, ("50000 100000".to_owned(), (64 << 20).to_string()));
        let file = ["memory/memory.limit_in_bytes", "memory.max"];
        for file in file.map(|file| format!("/sys/fs/cgroup/{file}")) {
            world.exec("p", &["write", &file, "1000000000"]).await;
        }
        assert_eq!(read_limits(&world, "p").await, limits);
    }
    world.end().await;
}

/// A running container gets other limits without a restart, or its pod says why not.
pub(crate) async fn running_pods_are_resized() {
    let world = World::new().await;
    let enforced = enforced(&world).await;
    let limits = |cpu: &str, memory: &str| json!({"limits": {"cpu": cpu, "memory": memory}});
    run(&world, "p", &["wait"], &limits("500m", "64Mi")).await;
    let pod = world.running("p").await;
    let status = pod.status.unwrap().container_statuses.unwrap().remove(0);
    let had = json!(status.resources);
    assert_eq!(had["limits"]["memory"], json!(enforced.then_some("64Mi")), "{had}");
    assert_eq!(json!(status.allocated_resources), json!({"cpu": "500m", "memory": "64Mi"}));
    let resize = async |cpu: &str, memory: &str| {
        let containers = json!([{"name": "c", "resources": {
            "requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}}]);
        let patch = kube::api::Patch::Strategic(json!({"spec": {"containers": containers}}));
        world.pods().patch_subresource("resize", "p", &Default::default(), &patch).await.unwrap();
    };
    // No machine has so many processors: both kinds of nodes refuse, each with its reason.
    resize("100000", "64Mi").await;
    let pending = |pod: &Pod| condition(pod, "PodResizePending") == "True";
    let pod = world.pod_until("p", "says why not", pending).await;
    let conditions = pod.status.unwrap().conditions.unwrap();
    let found = conditions.into_iter().find(|it| it.type_ == "PodResizePending").unwrap();
    assert_eq!(found.reason.as_deref(), Some("Infeasible"));
    println!("  {}", found.message.unwrap());
    if enforced {
        // Wider, then narrower than before: a group is never wider than its pod's.
        for (cpu, memory, quota) in [("900m", "128Mi", "90000"), ("200m", "128Mi", "20000")] {
            resize(cpu, memory).await;
            let done = |pod: &Pod| {
                let statuses = pod.status.as_ref().and_then(|it| it.container_statuses.as_ref());
                let limits = json!(statuses.map(|all| &all[0].resources));
                limits["limits"]["cpu"] == cpu && condition(pod, "PodResizePending").is_empty()
            };
            let pod = world.pod_until("p", "is resized", done).await;
            let status = pod.status.unwrap().container_statuses.unwrap().remove(0);
            assert_eq!(status.restart_count, 0);
            let expected = (format!("{quota} 100000"), (128 << 20).to_string());
            assert_eq!(read_limits(&world, "p").await, expected);
        }
    }
    world.end().await;
}

/// Quota with period, and bytes, in either version of the hierarchies.
async fn read_limits(world: &World, pod: &str) -> (String, String) {
    let read = async |file: &str| {
        let text = world.exec(pod, &["read", &format!("/sys/fs/cgroup/{file}")]).await;
        text.trim().to_owned()
    };
    let cpu = read("cpu.max").await;
    if !cpu.contains("No such file") {
        return (cpu, read("memory.max").await);
    }
    let cpu =
        format!("{} {}", read("cpu/cpu.cfs_quota_us").await, read("cpu/cpu.cfs_period_us").await);
    (cpu, read("memory/memory.limit_in_bytes").await)
}

/// One that eats memory is killed alone, and its status says why.
pub(crate) async fn a_memory_eater_is_killed_alone() {
    let world = World::new().await;
    if enforced(&world).await {
        run(&world, "other", &["wait"], &json!({})).await;
        world.running("other").await;
        run(&world, "eater", &["eat", "512"], &json!({"limits": {"memory": "64Mi"}})).await;
        let pod = world.pod_until("eater", "was killed", |pod| phase_is(pod, "Failed")).await;
        let status = pod.status.unwrap().container_statuses.unwrap().remove(0);
        let ended = status.state.unwrap().terminated.unwrap();
        assert_eq!((ended.exit_code, ended.reason.as_deref()), (137, Some("OOMKilled")));
        // The same exit code for another reason is not taken for it.
        run(&world, "killed", &["exit", "137"], &json!({"limits": {"memory": "64Mi"}})).await;
        let pod = world.pod_until("killed", "has ended", |pod| phase_is(pod, "Failed")).await;
        let status = pod.status.unwrap().container_statuses.unwrap().remove(0);
        let reason = status.state.unwrap().terminated.unwrap().reason;
        assert_eq!(reason.as_deref(), Some("Error"));
        assert_eq!(world.exec("other", &["print", "alive"]).await, "alive\n");
    }
    world.end().await;
}

fn phase_is(pod: &Pod, phase: &str) -> bool {
    crate::world::phase(pod) == phase
}

/// A pod that forks without end is bounded, and everybody else goes on.
pub(crate) async fn a_pod_that_forks_is_bounded() {
    let world = World::new().await;
    let enforced = enforced(&world).await;
    run(&world, "other", &["wait"], &json!({})).await;
    world.running("other").await;
    run(&world, "forks", &["fork", "10000"], &json!({})).await;
    world.running("forks").await;
    let log = async || world.logs("forks").await;
    until("the pod forks no more", async || log().await.contains("forked")).await;
    let text = log().await;
    let count: usize = text.trim().rsplit(' ').next().unwrap().parse().unwrap();
    println!("  forked {count} processes");
    assert!((100..=4096).contains(&count), "{text}");
    // The control plane answers while they all live; so does the node, where the pod is bounded alone.
    let nodes: Api<Node> = Api::all(world.client.clone());
    nodes.get("endstate-0").await.unwrap();
    if enforced {
        assert_eq!(world.exec("other", &["print", "alive"]).await, "alive\n");
    }
    let me = std::process::Command::new("/proc/self/exe").arg("--list").status().unwrap();
    assert!(me.success(), "the control plane's user can start processes");
    world.delete("forks", 0).await;
    world.gone("forks").await;
    assert_eq!(world.exec("other", &["print", "alive"]).await, "alive\n");
    world.end().await;
}

/// When memory runs out the kernel takes BestEffort pods first and the control plane last.
pub(crate) async fn the_control_plane_outlives_pods() {
    let world = World::new().await;
    // Enough to start within seconds: the start itself is under the limit.
    let both = json!({"cpu": "500m", "memory": "64Mi"});
    let qualities = [
        ("guaranteed", json!({"limits": both})),
        ("burstable", json!({"requests": both})),
        ("besteffort", json!({})),
    ];
    let mut scores = vec![score("/proc/self/oom_score_adj")];
    let agent = world.agent().unwrap();
    scores.push(score(&format!("/proc/{agent}/oom_score_adj")));
    for (name, resources) in &qualities {
        run(&world, name, &["wait"], resources).await;
        world.running(name).await;
        let text = world.logs_of_exec(name, "/proc/1/oom_score_adj").await;
        scores.push(text);
        // Commands in the container are no better than it.
        let text = world.logs_of_exec(name, "/proc/self/oom_score_adj").await;
        assert_eq!(Some(&text), scores.last());
    }
    println!("  scores {scores:?}");
    assert!(scores.is_sorted_by(|before, after| before < after), "{scores:?}");
    world.end().await;
}

fn score(file: &str) -> i64 {
    std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

impl World {
    async fn logs_of_exec(&self, pod: &str, file: &str) -> i64 {
        self.exec(pod, &["read", file]).await.trim().parse().unwrap()
    }
}

/// Control groups that this process made and that are still there.
pub(crate) fn groups_of_ours() -> Vec<String> {
    let prefix = format!("endstate-{}-", std::process::id());
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                found.push(entry.path().display().to_string());
            }
            if entry.file_type().is_ok_and(|it| it.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    found
}
