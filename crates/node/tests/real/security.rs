//! What pods may not: each try of a pod's root, and what the node refuses instead of ignoring it.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::Api;
use kube::api::{Patch, PatchParams};
use node::{Permissions, Privileged};
use serde_json::{Value, json};

use crate::attacks::TRIES;
use crate::world::{World, phase};

fn program(args: &[&str]) -> Value {
    let args: Vec<_> = std::iter::once(&"program").chain(args).collect();
    json!({"name": "c", "args": args})
}

fn once(container: Value) -> Value {
    json!({"restartPolicy": "Never", "containers": [container]})
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

/// Why the first container waits: its reason and message.
fn waits(pod: &Pod) -> Option<(String, String)> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let waiting = statuses.first()?.state.as_ref()?.waiting.as_ref()?;
    Some((waiting.reason.clone()?, waiting.message.clone().unwrap_or_default()))
}

impl World {
    /// The message of a pod that is not run because of what it asks for.
    async fn refused(&self, name: &str, spec: Value) -> String {
        self.create_pod(name, spec).await;
        let refused = |pod: &Pod| waits(pod).is_some_and(|it| it.0 == "CreateContainerConfigError");
        let pod = self.pod_until(name, "is refused", refused).await;
        waits(&pod).unwrap().1
    }

    /// What the program of a pod wrote until it ended.
    async fn output(&self, name: &str, spec: Value) -> String {
        self.create_pod(name, spec).await;
        let ended = |pod: &Pod| matches!(phase(pod), "Succeeded" | "Failed");
        let pod = self.pod_until(name, "has ended", ended).await;
        assert_eq!(phase(&pod), "Succeeded", "{}", self.logs(name).await);
        self.logs(name).await
    }

    /// Creates a claim that names a volume. Returns its uid.
    async fn claim(&self, name: &str, volume: &str) -> String {
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"volumeName": volume, "storageClassName": "", "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}}}});
        self.create(claim).await;
        self.claims().get(name).await.unwrap().metadata.uid.unwrap()
    }

    fn claims(&self) -> Api<PersistentVolumeClaim> {
        Api::default_namespaced(self.client.clone())
    }

    async fn say_bound(&self, name: &str) {
        let patch = Patch::Merge(json!({"status": {"phase": "Bound"}}));
        self.claims().patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Makes a claim and a volume for it at a path of the host, as the controllers leave them.
    async fn bind(&self, claim: &str, path: &Path) {
        let volume = format!("pv-{claim}");
        let uid = self.claim(claim, &volume).await;
        let reference = json!({"kind": "PersistentVolumeClaim", "namespace": "default", "name": claim, "uid": uid});
        self.create_for_all(
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": path}, "claimRef": reference}}),
        )
        .await;
        self.say_bound(claim).await;
    }

    /// Waits for an event with these words.
    async fn event(&self, words: &str) {
        crate::world::until(words, async || {
            self.events().await.iter().any(|event| event.contains(words))
        })
        .await;
    }
}

pub(crate) async fn a_pods_root_reaches_nothing_else() {
    let world = World::new().await;
    let state = world.dir.path().to_string_lossy().into_owned();
    world.create_pod("neighbour", once(program(&["wait"]))).await;
    world.running("neighbour").await;
    let attack = || program(&["attack", &state]);
    let more =
        json!({"capabilities": {"add": ["NET_ADMIN", "SYS_PTRACE", "SYS_RESOURCE", "IPC_OWNER"]}});
    for (name, container) in
        [("plain", attack()), ("more", with(attack(), "securityContext", more))]
    {
        let log = world.output(name, once(container)).await;
        assert!(!log.contains("DONE"), "{name}: {log}");
        assert_eq!(
            log.lines().filter(|line| line.starts_with("refused")).count(),
            TRIES.len(),
            "{log}"
        );
    }
    // What listens on the host's loopback is none of theirs.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(crate::attacks::answers(&format!("127.0.0.1:{port}")));
    for host in ["127.0.0.1", "10.244.0.1", "10.96.0.1"] {
        let answer = world.exec("neighbour", &["connect", &format!("{host}:{port}")]).await;
        assert!(answer.contains("refused"), "{host}: {answer}");
    }
    world.end().await;
}

/// Whatever is not a pod's own is refused, and the pod says why; with the word it runs.
pub(crate) async fn what_the_host_has_needs_a_word() {
    let world = World::new().await;
    let context = |context: Value| once(with(program(&["mount"]), "securityContext", context));
    let asked = [
        ("privileged", context(json!({"privileged": true}))),
        ("sys-admin", context(json!({"capabilities": {"add": ["SYS_ADMIN"]}}))),
        ("network", with(once(program(&["wait"])), "hostNetwork", json!(true))),
        ("ipc", with(once(program(&["wait"])), "hostIPC", json!(true))),
    ];
    for (name, spec) in asked {
        let message = world.refused(name, spec).await;
        assert!(message.contains("--allow-privileged"), "{name}: {message}");
    }
    let message =
        world.refused("pid", with(once(program(&["wait"])), "hostPID", json!(true))).await;
    assert!(message.starts_with("hostPID is not supported"), "{message}");
    let volumes = json!([{"name": "v", "hostPath": {"path": "/etc"}}]);
    let message = world.refused("path", with(once(program(&["wait"])), "volumes", volumes)).await;
    assert!(message.contains("--allow-host-path"), "{message}");
    world.event("Failed: Error: hostPID is not supported").await;
    world.end().await;

    let permissions = Permissions { privileged: Privileged::Allowed, ..Permissions::default() };
    let world = World::allowing(1, permissions).await;
    let privileged =
        once(with(program(&["mount"]), "securityContext", json!({"privileged": true})));
    assert_eq!(world.output("privileged", privileged).await, "true\n");
    let shared = with(once(program(&["print", "shares"])), "hostIPC", json!(true));
    assert!(world.output("ipc", shared).await.contains("shares"));
    world.end().await;
}

pub(crate) async fn host_paths_stay_below_their_folder() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let (allowed, secret): (PathBuf, PathBuf) = (root.join("allowed"), root.join("secret"));
    std::fs::create_dir_all(allowed.join("in")).unwrap();
    std::fs::create_dir(&secret).unwrap();
    std::fs::write(allowed.join("in/file"), "shared").unwrap();
    std::fs::write(secret.join("file"), "secret").unwrap();
    std::os::unix::fs::symlink(&secret, allowed.join("link")).unwrap();
    std::os::unix::fs::symlink("in", allowed.join("near")).unwrap();
    let permissions = Permissions { host_paths: vec![allowed.clone()], ..Permissions::default() };
    let world = World::allowing(1, permissions).await;
    let mounts = json!([{"name": "v", "mountPath": "/v"}]);
    let spec = |path: &Path, args: &[&str]| {
        let volumes = json!([{"name": "v", "hostPath": {"path": path}}]);
        with(once(with(program(args), "volumeMounts", mounts.clone())), "volumes", volumes)
    };
    for (name, path) in [("in", allowed.join("in")), ("near", allowed.join("near"))] {
        assert_eq!(world.output(name, spec(&path, &["read", "/v/file"])).await, "shared\n");
    }
    world.output("new", spec(&allowed.join("a/b"), &["write", "/v/file", "made"])).await;
    assert_eq!(std::fs::read_to_string(allowed.join("a/b/file")).unwrap(), "made");
    world.create_pod("out", spec(&allowed.join("link"), &["read", "/v/file"])).await;
    world.event("it leads out of its folder").await;
    for name in ["in", "new"] {
        world.delete(name, 0).await;
        world.gone(name).await;
    }
    world.end().await;
    assert_eq!(
        std::fs::read_to_string(allowed.join("in/file")).unwrap(),
        "shared",
        "nothing of the host is removed"
    );
    assert_eq!(std::fs::read_to_string(allowed.join("a/b/file")).unwrap(), "made");
}

/// A volume's path is as far as a pod's own, and only for the claim that the volume names, whatever another says.
pub(crate) async fn volumes_are_their_claims() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let (allowed, secret) = (root.join("allowed"), root.join("secret"));
    for folder in [&allowed, &secret] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("file"), "data").unwrap();
    }
    let permissions = Permissions { host_paths: vec![allowed.clone()], ..Permissions::default() };
    let world = World::allowing(1, permissions).await;
    let spec = |claim: &str| {
        let mounts = json!([{"name": "v", "mountPath": "/v"}]);
        let volumes = json!([{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]);
        let container = with(program(&["read", "/v/file"]), "volumeMounts", mounts);
        with(once(container), "volumes", volumes)
    };
    world.bind("out", &secret).await;
    world.create_pod("out", spec("out")).await;
    world.event(&format!("hostPath {} is not below", secret.display())).await;
    world.bind("owner", &allowed).await;
    assert_eq!(world.output("owner", spec("owner")).await, "data\n");
    world.claim("thief", "pv-owner").await;
    world.create_pod("thief", spec("thief")).await;
    world.event("persistentvolumeclaim \"thief\" is not bound to a volume: it is Pending").await;
    world.say_bound("thief").await;
    world.event("\"pv-owner\" is not bound to persistentvolumeclaim \"thief\"").await;
    world.end().await;
}

pub(crate) async fn parts_of_volumes_stay_inside() {
    let world = World::new().await;
    let mounts = json!([{"name": "v", "mountPath": "/part", "subPath": "a/b"}]);
    let whole = json!([{"name": "v", "mountPath": "/whole"}]);
    let spec = json!({"restartPolicy": "Never", "volumes": [{"name": "v", "emptyDir": {}}],
        "initContainers": [with(with(program(&["write", "/part/file", "x"]), "volumeMounts", mounts), "name", json!("i"))],
        "containers": [with(program(&["read", "/whole/a/b/file"]), "volumeMounts", whole)]});
    assert_eq!(world.output("part", spec).await, "x\n");
    world.end().await;
}

/// A container runs as the id that its pod names, or not at all: never as another.
pub(crate) async fn ids_are_honoured_or_refused() {
    let world = World::new().await;
    let root = nix::unistd::geteuid().is_root();
    for (name, context, expected) in [
        ("user", json!({"runAsUser": 1000, "runAsGroup": 1000}), "1000 1000\n"),
        ("group", json!({"fsGroup": 1000}), "0 0\n"),
    ] {
        let spec = with(once(program(&["ids"])), "securityContext", context);
        if root {
            assert_eq!(world.output(name, spec).await, expected);
            continue;
        }
        world.create_pod(name, spec).await;
        let settled = |pod: &Pod| {
            phase(pod) == "Succeeded"
                || waits(pod).is_some_and(|it| it.0 == "CreateContainerConfigError")
        };
        let pod = world.pod_until(name, "is settled", settled).await;
        match waits(&pod) {
            Some((_, message)) => {
                assert!(message.contains("1000 does not exist on this node"), "{message}")
            }
            None => assert_eq!(world.logs(name).await, expected),
        }
    }
    let spec = with(once(program(&["ids"])), "securityContext", json!({"runAsNonRoot": true}));
    let message = world.refused("not-root", spec).await;
    let words = "container has runAsNonRoot and image will run as root (pod: \"not-root_default(";
    assert!(message.starts_with(words), "{message}");
    world.end().await;
}

pub(crate) async fn kernel_parameters_are_the_pods_own() {
    let world = World::new().await;
    let spec = |name: &str, value: &str, files: &[&str]| {
        let context = json!({"sysctls": [{"name": name, "value": value}]});
        let args: Vec<&str> = std::iter::once("read").chain(files.iter().copied()).collect();
        with(once(program(&args)), "securityContext", context)
    };
    let file = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    let own = spec("net.ipv4.ip_unprivileged_port_start", "7", &[file]);
    assert_eq!(world.output("own", own).await, "7\n");
    let (_, other) = world.run("other", &["read", file]).await;
    assert_ne!(other, "7\n");
    let file = "/proc/sys/kernel/shm_rmid_forced";
    assert_eq!(world.output("ipc", spec("kernel.shm_rmid_forced", "1", &[file])).await, "1\n");
    world.create_pod("forbidden", spec("kernel.msgmax", "1", &[])).await;
    let pod = world.pod_until("forbidden", "has failed", |pod| phase(pod) == "Failed").await;
    let status = pod.status.unwrap();
    assert_eq!(status.reason.as_deref(), Some("SysctlForbidden"));
    let message = "Pod was rejected: forbidden sysctl: \"kernel.msgmax\" not allowlisted";
    assert_eq!(status.message.as_deref(), Some(message));
    world.end().await;
}

pub(crate) async fn system_calls_are_filtered() {
    let world = World::new().await;
    let mode = async |name: &str, context: Value| {
        let container = program(&["read", "/proc/self/status"]);
        let log = world.output(name, once(with(container, "securityContext", context))).await;
        log.lines().find_map(|line| line.strip_prefix("Seccomp:")).unwrap().trim().to_owned()
    };
    let kind = |kind: &str| json!({"seccompProfile": {"type": kind}});
    assert_eq!(mode("default", json!({})).await, "2");
    assert_eq!(mode("runtime", kind("RuntimeDefault")).await, "2");
    assert_eq!(mode("unconfined", kind("Unconfined")).await, "0");
    // Commands that are run in a container later are confined as it is.
    world.create_pod("wait", once(program(&["wait"]))).await;
    world.running("wait").await;
    let status = world.exec("wait", &["read", "/proc/self/status"]).await;
    assert!(status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"])), "{status}");
    world.end().await;
}

pub(crate) async fn other_runtimes_are_not_replaced_by_ours() {
    let world = World::new().await;
    for (name, handler) in [("ours", "runc"), ("theirs", "kata")] {
        let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
            "metadata": {"name": name}, "handler": handler});
        world.create_for_all(class).await;
    }
    let of = |class: &str| with(once(program(&["print", "ran"])), "runtimeClassName", json!(class));
    assert!(world.output("ours", of("ours")).await.contains("ran"));
    world.create_pod("theirs", of("theirs")).await;
    world.event("Failed to create pod sandbox: no runtime for \"kata\" is configured").await;
    world.end().await;
}
