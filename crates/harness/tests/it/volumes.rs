//! Persistent volumes, by etcd servers of a StatefulSet, each by itself: what they wrote is what is looked for.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::Up;

const SERVERS: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: etcd
          image: quay.io/coreos/etcd:v3.5.16
          command: [etcd, --data-dir=/data/etcd, --listen-client-urls=http://127.0.0.1:2379, --advertise-client-urls=http://127.0.0.1:2379]
          readinessProbe: {exec: {command: [etcdctl, endpoint, health]}, periodSeconds: 1}
          volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"#;

/// How long anything may take.
const CHANGE_MAX: Duration = Duration::from_secs(60);

async fn get(up: &Up, what: &str, path: &str) -> Result<String> {
    let mut args = vec!["get"];
    args.extend(what.split('/'));
    let path = format!("-o=jsonpath={path}");
    args.push(&path);
    up.kubectl(&args).await
}

/// Waits until a field has a value. Looks are processes, so they are rare enough.
async fn until(up: &Up, what: &str, (path, expected): (&str, &str)) -> Result<()> {
    let start = Instant::now();
    loop {
        let is = get(up, what, path).await.unwrap_or_default();
        if is.contains(expected) {
            return Ok(());
        }
        ensure!(start.elapsed() < CHANGE_MAX, "{what} {path} is {is:?}, not {expected:?}");
    }
}

async fn rolled_out(up: &Up) -> Result<String> {
    up.kubectl(&["rollout", "status", "statefulset/db", "--timeout=60s"]).await
}

/// Not by kubectl: some versions drop the output of a command that is quicker than they are ("Unknown stream id"), and
/// end well.
async fn etcdctl(up: &Up, pod: &str, args: &[&str]) -> Result<String> {
    up.endstate(&[&["exec", pod, "--", "etcdctl"], args].concat()).await
}

/// What `db-0` and `db-1` wrote is there.
async fn check_data(up: &Up) -> Result<()> {
    for pod in ["db-0", "db-1"] {
        let found = etcdctl(up, pod, &["get", "who", "--print-value-only"]).await?;
        ensure!(found.trim() == pod, "{pod} reads {found:?}");
    }
    Ok(())
}

/// The folder of a pod's volume, and the volume.
async fn volume(up: &Up, pod: &str) -> Result<(PathBuf, String)> {
    let volume = get(up, &format!("pvc/data-{pod}"), "{.spec.volumeName}").await?;
    let handle = get(up, &format!("pv/{volume}"), "{.spec.csi.volumeHandle}").await?;
    let folder = up.state().join("node/persistent").join(handle);
    ensure!(folder.join("etcd").exists(), "{} has no data", folder.display());
    Ok((folder, volume))
}

#[tokio::test]
async fn data_outlives_pods_drains_and_power_cuts_and_ends_by_its_policy() -> Result<()> {
    let mut up = Up::start(2).await?;
    let classes = up.endstate(&["get", "storageclasses"]).await?;
    ensure!(classes.contains("standard (default)   folder.endstate.dev"), "{classes}");
    up.apply(SERVERS).await?;
    rolled_out(&up).await?;
    for pod in ["db-0", "db-1"] {
        etcdctl(&up, pod, &["put", "who", pod]).await?;
    }
    let node = get(&up, "pod/db-0", "{.spec.nodeName}").await?;
    ensure!(node != get(&up, "pod/db-1", "{.spec.nodeName}").await?, "they are spread");

    up.kubectl(&["delete", "pod", "db-0", "db-1"]).await?;
    rolled_out(&up).await?;
    check_data(&up).await?;

    // Without its node a pod waits: elsewhere it would have no data.
    up.kubectl(&["drain", &node, "--ignore-daemonsets", "--force"]).await?;
    let waits = "1 node(s) had volume node affinity conflict, 1 node(s) were unschedulable";
    until(&up, "pod/db-0", ("{.status.conditions[*].message}", waits)).await?;
    up.kubectl(&["uncordon", &node]).await?;
    rolled_out(&up).await?;
    ensure!(get(&up, "pod/db-0", "{.spec.nodeName}").await? == node);
    check_data(&up).await?;

    grows_online(&up).await?;
    let (first, _) = volume(&up, "db-0").await?;
    up.kill().await?;
    let (folder, aside) = (first.clone(), first.with_extension("aside"));
    std::fs::rename(&folder, &aside)?;
    up.restart().await?;
    // Its data is not there: an empty folder must not pass for it.
    let events = "events/--field-selector=involvedObject.name=db-0,type=Warning";
    until(&up, events, ("{.items[*].message}", "is missing")).await?;
    ensure!(!folder.exists());
    std::fs::rename(&aside, &folder)?;
    rolled_out(&up).await?;
    check_data(&up).await?;
    ends_by_policy(&up).await?;
    up.stop().await
}

async fn grows_online(up: &Up) -> Result<()> {
    let before = get(up, "pod/db-0", "{.metadata.uid} {.status.containerStatuses[0].restartCount}");
    let before = before.await?;
    let larger = r#"{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}"#;
    up.kubectl(&["patch", "pvc", "data-db-0", "-p", larger]).await?;
    until(up, "pvc/data-db-0", ("{.status.capacity.storage}", "2Gi")).await?;
    let (_, name) = volume(up, "db-0").await?;
    for (kind, row) in [
        ("pvc", format!("data-db-0   Bound    {name}   2Gi        RWO            standard")),
        (
            "pv",
            format!(
                "{name}   2Gi        RWO            Delete           Bound    default/data-db-0   standard"
            ),
        ),
    ] {
        let table = up.endstate(&["get", kind]).await?;
        ensure!(table.contains(&row), "{row:?} is not in\n{table}");
    }
    let after = get(up, "pod/db-0", "{.metadata.uid} {.status.containerStatuses[0].restartCount}");
    ensure!(after.await? == before, "the pod went on");
    let smaller = larger.replace("2Gi", "1Gi");
    let refused = up.kubectl(&["patch", "pvc", "data-db-0", "-p", &smaller]).await;
    let why = format!("{:#}", refused.err().context("it was made smaller")?);
    ensure!(why.contains("field can not be less than status.capacity"), "{why}");
    Ok(())
}

/// One volume is deleted with its claim, the other retained.
async fn ends_by_policy(up: &Up) -> Result<()> {
    let ((deleted, gone), (kept, retained)) =
        (volume(up, "db-0").await?, volume(up, "db-1").await?);
    let retain = r#"{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}"#;
    up.kubectl(&["patch", "pv", &retained, "-p", retain]).await?;
    up.kubectl(&["delete", "statefulset", "db"]).await?;
    ensure!(
        get(up, "pvc/data-db-0", "{.status.phase}").await? == "Bound",
        "claims outlive their set"
    );
    up.kubectl(&["delete", "pvc", "data-db-0", "data-db-1"]).await?;
    up.kubectl(&["wait", &format!("pv/{gone}"), "--for=delete", "--timeout=60s"]).await?;
    ensure!(!deleted.exists(), "{} is still there", deleted.display());
    until(up, &format!("pv/{retained}"), ("{.status.phase}", "Released")).await?;
    ensure!(kept.join("etcd").exists(), "what is retained is there");
    up.kubectl(&["delete", "pv", &retained]).await?;
    up.kubectl(&["wait", &format!("pv/{retained}"), "--for=delete", "--timeout=60s"]).await?;
    ensure!(kept.join("etcd").exists(), "its folder is its user's");
    Ok(())
}
