//! Pods from their creation to their end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::World;
use crate::world::{condition, exists, phase, processes, until};

fn program(args: &[&str]) -> Value {
    let args: Vec<_> = std::iter::once(&"program").chain(args).collect();
    json!({"name": "c", "args": args})
}

pub(crate) async fn pods_run_and_end() {
    let world = World::new().await;
    // The first one unpacks the image.
    world.create_pod("warm", json!({"containers": [program(&["wait"])]})).await;
    world.running("warm").await;
    let mut times = Vec::new();
    for number in 0..5 {
        let start = Instant::now();
        let name = format!("p{number}");
        world.create_pod(&name, json!({"containers": [program(&["wait"])]})).await;
        world.running(&name).await;
        times.push(start.elapsed());
    }
    times.sort();
    println!("  created → ready: median {:?}, worst {:?}", times[2], times[4]);
    let pod = world.pods().get("p0").await.unwrap();
    let status = pod.status.clone().unwrap();
    assert_eq!(phase(&pod), "Running");
    assert!(status.pod_ip.as_ref().unwrap().starts_with("10.244.1."), "{:?}", status.pod_ip);
    assert_eq!(status.host_ip.as_deref(), Some("10.244.0.10"));
    for name in ["PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"] {
        assert_eq!(condition(&pod, name), "True", "{name}");
    }
    let container = &status.container_statuses.unwrap()[0];
    assert_eq!(
        (container.ready, container.started, container.restart_count),
        (true, Some(true), 0)
    );
    let folder = world.dir.path().join("node/pods").join(pod.metadata.uid.as_ref().unwrap());
    assert_eq!(std::fs::read_to_string(folder.join("name")).unwrap(), "default/p0\n");
    let start = Instant::now();
    world.delete("p0", 30).await;
    world.gone("p0").await;
    assert!(start.elapsed() < Duration::from_secs(5), "SIGTERM ends it at once");
    until("the pod's folder is gone", async || !exists(&folder)).await;
    let events = world.events().await.join("\n");
    for reason in ["Pulled: ", "Started: ", "Killing: "] {
        assert!(events.contains(reason), "{events}");
    }
    world.end().await;
}

pub(crate) async fn configuration_reaches_containers() {
    let world = World::new().await;
    world
        .create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"},
        "data": {"A": "one", "file": "content"}}))
        .await;
    world
        .create(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "stringData": {"password": "hush"}}))
        .await;
    let mut container = program(&[
        "read",
        "/m/file",
        "/s/password",
        "/api/token",
        "/api/namespace",
        "/e/../proc/sys/kernel/hostname",
        "/sub/inner",
    ]);
    container["args"].as_array_mut().unwrap().push(json!("$(A)-$(UNKNOWN)"));
    container["env"] = json!([
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "A"}}},
        {"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]);
    container["volumeMounts"] = json!([
        {"name": "m", "mountPath": "/m"}, {"name": "s", "mountPath": "/s", "readOnly": true},
        {"name": "api", "mountPath": "/api"}, {"name": "e", "mountPath": "/e"},
        {"name": "e", "mountPath": "/sub", "subPath": "x"}, {"name": "memory", "mountPath": "/memory"},
    ]);
    let mut writer = program(&["write", "/e/x/inner", "from init"]);
    writer["name"] = json!("init");
    writer["volumeMounts"] = json!([{"name": "e", "mountPath": "/e"},
        {"name": "e", "mountPath": "/e/x", "subPath": "x"}]);
    let volumes = json!([
        {"name": "m", "configMap": {"name": "m"}},
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}},
        {"name": "e", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "api", "projected": {"sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
            {"downwardAPI": {"items": [{"path": "namespace",
                "fieldRef": {"fieldPath": "metadata.namespace"}}]}}]}},
    ]);
    let spec = json!({"restartPolicy": "Never", "hostname": "named", "volumes": volumes,
        "initContainers": [writer], "containers": [container]});
    world.create_pod("p", spec).await;
    world.pod_until("p", "has ended", |pod| phase(pod) == "Succeeded").await;
    let log = world.logs("p").await;
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(&lines[..2], ["content", "hush"]);
    assert_eq!(lines[2].split('.').count(), 3, "a token: {}", lines[2]);
    assert_eq!(&lines[3..6], ["default", "named", "from init"]);
    let (code, text) = world.run("env", &["env"]).await;
    assert_eq!(code, 0);
    assert!(text.contains("KUBERNETES_SERVICE_HOST=10.96.0.1\n"), "{text}");
    world.end().await;
}

pub(crate) async fn crashes_back_off() {
    let world = World::new().await;
    world.create_pod("p", json!({"containers": [program(&["exit", "3", "what happened"])]})).await;
    let pod = world
        .pod_until("p", "backs off", |pod| {
            let status = pod.status.as_ref().and_then(|it| it.container_statuses.as_ref());
            let state = status.and_then(|it| it[0].state.as_ref());
            let waiting = state.and_then(|it| it.waiting.as_ref());
            waiting.is_some_and(|it| it.reason.as_deref() == Some("CrashLoopBackOff"))
        })
        .await;
    let status = pod.status.unwrap().container_statuses.unwrap().remove(0);
    assert_eq!(status.restart_count, 1, "the first restart is immediate, the second waits");
    let last = status.last_state.unwrap().terminated.unwrap();
    assert_eq!((last.exit_code, last.reason.as_deref()), (3, Some("Error")));
    assert_eq!(last.message.as_deref(), Some("what happened"));
    let previous = kube::api::LogParams { previous: true, ..Default::default() };
    assert_eq!(world.pods().logs("p", &previous).await.unwrap(), "what happened\n");
    let spec = json!({"restartPolicy": "Never", "containers": [
        {"name": "c", "args": ["program", "print", "last words"], "command": ["/nonexistent"]}]});
    world.create_pod("q", spec).await;
    let pod = world.pod_until("q", "has failed", |pod| phase(pod) == "Failed").await;
    let status = pod.status.unwrap().container_statuses.unwrap().remove(0);
    let ended = status.state.unwrap().terminated.unwrap();
    assert_eq!((ended.exit_code, ended.reason.as_deref()), (128, Some("StartError")));
    assert!(ended.message.unwrap().contains("no such file"), "the runtime says why");
    world.delete("p", 0).await;
    world.gone("p").await;
    world.end().await;
}

pub(crate) async fn init_containers_share_volumes() {
    let world = World::new().await;
    let mount = json!([{"name": "shared", "mountPath": "/shared"}]);
    let mut first = program(&["write", "/shared/file", "hello"]);
    first["volumeMounts"] = mount.clone();
    first["name"] = json!("first");
    let mut sidecar = program(&["serve", "9000"]);
    sidecar["name"] = json!("side");
    sidecar["restartPolicy"] = json!("Always");
    sidecar["startupProbe"] = json!({"tcpSocket": {"port": 9000}, "periodSeconds": 1});
    // Both containers of a pod share its loopback.
    let mut main = program(&["connect", "127.0.0.1:9000"]);
    main["volumeMounts"] = mount;
    let spec = json!({"restartPolicy": "Never", "initContainers": [first, sidecar], "containers": [main],
        "volumes": [{"name": "shared", "emptyDir": {}}]});
    world.create_pod("p", spec).await;
    world.pod_until("p", "has ended", |pod| phase(pod) == "Succeeded").await;
    assert_eq!(world.logs("p").await, "p\n");
    world.end().await;
}

pub(crate) async fn grace_ends_with_a_kill() {
    let world = World::new().await;
    let mut stubborn = program(&["sleep"]);
    stubborn["lifecycle"] = json!({"preStop": {"exec": {
        "command": ["/endstate", "program", "write", "/tmp/x", "y"]}}});
    world.create_pod("p", json!({"containers": [stubborn]})).await;
    world.running("p").await;
    let start = Instant::now();
    world.delete("p", 1).await;
    world.gone("p").await;
    let taken = start.elapsed();
    assert!(taken > Duration::from_millis(500) && taken < Duration::from_secs(5), "{taken:?}");
    world.create_pod("q", json!({"containers": [program(&["sleep"])]})).await;
    world.running("q").await;
    world.delete("q", 0).await;
    world.gone("q").await;
    let path = world.dir.path().to_string_lossy().into_owned();
    until("its process is killed", async || {
        let lines = processes(&path).into_iter().map(|pid| format!("/proc/{pid}/cmdline"));
        let all: Vec<_> = lines.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
        all.iter().all(|line| !line.contains("program\0sleep"))
    })
    .await;
    world.end().await;
}

pub(crate) async fn names_and_cluster_addresses_work() {
    let world = World::new().await;
    let mut server = json!({"hostname": "m-0", "subdomain": "peers", "containers": [program(&["serve", "8080"])]});
    server["containers"][0]["readinessProbe"] =
        json!({"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1});
    world.create_pod("server", server).await;
    let pod = world.running("server").await;
    let address = pod.status.unwrap().pod_ip.unwrap();
    for (name, ip) in [("web", "10.96.0.77"), ("peers", "None")] {
        world.create(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"clusterIP": ip, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})).await;
        world.create(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": format!("{name}-1"), "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": [address], "hostname": "m-0", "conditions": {"ready": true}}]})).await;
    }
    let (_, found) = world.run("r1", &["resolve", "web.default.svc.cluster.local"]).await;
    assert_eq!(found, "10.96.0.77\n");
    let (_, found) = world.run("r2", &["resolve", "m-0.peers"]).await;
    assert_eq!(found, format!("{address}\n"));
    let (code, _) = world.run("r3", &["resolve", "nothing.default.svc.cluster.local"]).await;
    assert_eq!(code, 1);
    for (number, target) in
        ["web:80", "m-0.peers:8080", &format!("{address}:8080")].iter().enumerate()
    {
        let (code, text) = world.run(&format!("c{number}"), &["connect", target]).await;
        assert_eq!((code, text.as_str()), (0, "m-0\n"), "{target}");
    }
    let (code, text) = world.run("refused", &["connect", "10.96.9.9:80"]).await;
    assert_eq!(code, 1);
    assert!(text.contains("refused"), "nobody serves this address: {text}");
    let (code, text) = world.run("api", &["connect", "kubernetes.default:443"]).await;
    assert!(
        code == 0 || text.contains("reset"),
        "the API server's TLS answers plain HTTP with an alert: {text}"
    );
    // Through the proxy and the API server's own TLS, whose certificate a probe does not judge.
    let mut container = program(&["wait"]);
    container["readinessProbe"] =
        json!({"httpGet": {"scheme": "HTTPS", "host": "10.96.0.1", "port": 443, "path": "/livez"}});
    world.create_pod("tls", json!({"containers": [container]})).await;
    world.running("tls").await;
    world.end().await;
}

pub(crate) async fn unhealthy_containers_are_restarted() {
    let world = World::new().await;
    let mut server = program(&["serve", "8080"]);
    let look = json!({"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1});
    server["livenessProbe"] = look.clone();
    server["livenessProbe"]["initialDelaySeconds"] = json!(2);
    server["readinessProbe"] = look;
    world.create_pod("p", json!({"containers": [server]})).await;
    world.running("p").await;
    // The new layer of the restarted container does not have the file.
    let mut stream = world
        .stream(machinery::stream::StreamRequest::Exec(machinery::stream::Exec {
            target: crate::world::target("p"),
            command: ["/endstate", "program", "write", "/tmp/sick", "x"].map(str::to_owned).into(),
            ..Default::default()
        }))
        .await;
    stream.rest().await;
    world
        .pod_until("p", "was restarted and is ready", |pod| {
            let status = &pod.status.as_ref().unwrap().container_statuses.as_ref().unwrap()[0];
            status.restart_count == 1 && condition(pod, "Ready") == "True"
        })
        .await;
    let events = world.events().await.join("\n");
    assert!(
        events.contains("Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500"),
        "{events}"
    );
    world.end().await;
}

pub(crate) async fn missing_things_are_reported() {
    let world = World::new().await;
    let waiting = |reason: &'static str| {
        move |pod: &k8s_openapi::api::core::v1::Pod| {
            let status = pod.status.as_ref().and_then(|it| it.container_statuses.as_ref());
            let state = status.and_then(|it| it[0].state.as_ref());
            state
                .and_then(|it| it.waiting.as_ref())
                .is_some_and(|it| it.reason.as_deref() == Some(reason))
        }
    };
    let image = json!({"name": "c", "image": "localhost:1/none:1"});
    world.create_pod("image", json!({"containers": [image]})).await;
    world.pod_until("image", "cannot pull", waiting("ErrImagePull")).await;
    world.pod_until("image", "backs off", waiting("ImagePullBackOff")).await;
    let never = json!({"name": "c", "image": "nowhere.example/x:1", "imagePullPolicy": "Never"});
    world.create_pod("never", json!({"containers": [never]})).await;
    world.pod_until("never", "must not pull", waiting("ErrImageNeverPull")).await;
    let mut container = program(&["wait"]);
    container["env"] =
        json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "a"}}}]);
    world.create_pod("config", json!({"containers": [container]})).await;
    world.pod_until("config", "lacks its map", waiting("CreateContainerConfigError")).await;
    let volumes = json!([{"name": "v", "secret": {"secretName": "late"}}]);
    world
        .create_pod("volume", json!({"containers": [program(&["wait"])], "volumes": volumes}))
        .await;
    world.pod_until("volume", "lacks its volume", waiting("ContainerCreating")).await;
    world
        .create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"},
        "data": {"a": "1"}}))
        .await;
    world.create(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late"}})).await;
    world.running("config").await;
    world.running("volume").await;
    world.end().await;
}

pub(crate) async fn nodes_are_registered() {
    let world = World::with_nodes(3).await;
    let nodes: kube::Api<k8s_openapi::api::core::v1::Node> = kube::Api::all(world.client.clone());
    let list = nodes.list(&Default::default()).await.unwrap();
    let names: Vec<_> = list.iter().map(|it| it.metadata.name.clone().unwrap()).collect();
    assert_eq!(names, ["endstate-0", "endstate-1", "endstate-2"]);
    for node in &list {
        let status = node.status.clone().unwrap();
        let ready = status.conditions.unwrap().into_iter().find(|it| it.type_ == "Ready").unwrap();
        assert_eq!(ready.status, "True");
        assert!(status.allocatable.unwrap().contains_key("memory"));
    }
    let leases: kube::Api<k8s_openapi::api::coordination::v1::Lease> =
        kube::Api::namespaced(world.client.clone(), "kube-node-lease");
    assert_eq!(leases.list(&Default::default()).await.unwrap().items.len(), 3);
    world.end().await;
}

pub(crate) async fn files_follow_their_objects() {
    let world = World::new().await;
    world
        .create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"},
        "data": {"a": "old", "gone": "x"}}))
        .await;
    let mut container = program(&["wait"]);
    container["volumeMounts"] = json!([{"name": "m", "mountPath": "/m"}]);
    let volumes = json!([{"name": "m", "configMap": {"name": "m"}}]);
    world.create_pod("p", json!({"containers": [container], "volumes": volumes})).await;
    world.running("p").await;
    assert_eq!(world.exec("p", &["read", "/m/a"]).await, "old\n");
    let maps: kube::Api<k8s_openapi::api::core::v1::ConfigMap> =
        kube::Api::default_namespaced(world.client.clone());
    let patch = kube::api::Patch::Merge(json!({"data": {"a": "new", "gone": null}}));
    maps.patch("m", &Default::default(), &patch).await.unwrap();
    until("the file is new", async || world.exec("p", &["read", "/m/a"]).await == "new\n").await;
    assert!(world.exec("p", &["read", "/m/gone"]).await.contains("No such file"));
    world.end().await;
}

pub(crate) async fn images_change_in_place() {
    let world = World::new().await;
    let mut server = program(&["serve", "80"]);
    server["readinessProbe"] = json!({"tcpSocket": {"port": 80}});
    world.create_pod("p", json!({"containers": [server]})).await;
    let pod = world.running("p").await;
    let patch = |image: &str| {
        kube::api::Patch::Strategic(
            json!({"spec": {"containers": [{"name": "c", "image": image}]}}),
        )
    };
    let other = "ghcr.io/endstate/endstate:test";
    world.pods().patch("p", &Default::default(), &patch(other)).await.unwrap();
    let changed = world
        .pod_until("p", "runs the other image", |pod| {
            let status = &pod.status.as_ref().unwrap().container_statuses.as_ref().unwrap()[0];
            status.image == other && status.ready
        })
        .await;
    let status = changed.status.unwrap();
    assert_eq!(status.container_statuses.unwrap()[0].restart_count, 1);
    assert_eq!(changed.metadata.uid, pod.metadata.uid);
    assert_eq!(status.pod_ip, pod.status.unwrap().pod_ip, "the sandbox stays");
    world.end().await;
}

pub(crate) async fn every_node_has_its_pods() {
    let privileged = node::Privileged::Allowed;
    let permissions = node::Permissions { privileged, ..node::Permissions::default() };
    let world = World::allowing(2, permissions).await;
    world.create_pod("a", json!({"containers": [program(&["serve", "80"])]})).await;
    let spec = json!({"nodeName": "endstate-1", "containers": [program(&["serve", "80"])]});
    world.create_pod("b", spec).await;
    let host = json!({"nodeName": "endstate-1", "hostNetwork": true, "containers": [program(&["serve", "8081"])]});
    world.create_pod("host", host).await;
    let mut addresses = Vec::new();
    for name in ["a", "b", "host"] {
        let status = world.running(name).await.status.unwrap();
        addresses.push(status.pod_ip.unwrap());
    }
    assert!(addresses[0].starts_with("10.244.1.") && addresses[1].starts_with("10.244.2."));
    assert_eq!(addresses[2], "10.244.0.11", "a host-network pod has its node's address");
    assert_eq!(world.exec("a", &["connect", &format!("{}:80", addresses[1])]).await, "b\n");
    let at_node = world.exec("a", &["connect", &format!("{}:8081", addresses[2])]).await;
    assert_eq!(at_node, "host\n");
    // Neighbours' hardware addresses never change, whoever comes and goes.
    let table = world.exec("a", &["read", "/proc/net/arp"]).await;
    assert!(table.contains("0a:58:0a:f4:00:01"), "the gateway's: {table}");
    let own = world.exec("a", &["read", "/sys/class/net/eth0/address"]).await;
    let [_, _, high, low] = addresses[0].parse::<std::net::Ipv4Addr>().unwrap().octets();
    assert_eq!(own, format!("0a:58:0a:f4:{high:02x}:{low:02x}\n"));
    world.end().await;
}

/// The first address of a pod is 10.244.1.2: with a device of the name that goes with it in the way its network is not
/// made. The namespaces of that try are not in the way of the next one, which has the next address.
pub(crate) async fn a_network_that_was_not_made_is_tried_again() {
    let privileged = node::Privileged::Allowed;
    let permissions = node::Permissions { privileged, ..node::Permissions::default() };
    let world = World::allowing(1, permissions).await;
    let mut occupy = program(&["occupy", "veth1.2"]);
    occupy["securityContext"] = json!({"privileged": true});
    let host = json!({"hostNetwork": true, "restartPolicy": "Never", "containers": [occupy]});
    world.create_pod("host", host).await;
    world.pod_until("host", "has ended", |pod| phase(pod) == "Succeeded").await;
    world.create_pod("a", json!({"containers": [program(&["serve", "80"])]})).await;
    let pod = world.running("a").await;
    let failed = "Failed to create pod sandbox: cannot connect the pod to the bridge";
    let told = world.events().await;
    assert!(told.iter().any(|it| it.contains(failed)), "{told:?}");
    let address = pod.status.unwrap().pod_ip.unwrap();
    assert_eq!(world.exec("a", &["connect", &format!("{address}:80")]).await, "a\n");
    world.end().await;
}
