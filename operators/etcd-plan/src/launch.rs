//! The program, flags and environment of a member, by version.

use endstate_core::{Guard, Identity, Launch, LaunchOf, Probe, Probes, Start, Version};

use crate::spec::EtcdClusterSpec;

/// Clients connect here.
pub const CLIENT_PORT: u16 = 2379;
/// Members connect here.
pub const PEER_PORT: u16 = 2380;
/// Health and metrics, without client TLS: it answers without a client's certificate.
pub const METRICS_PORT: u16 = 2381;
/// Where a member keeps its data.
pub const DATA_DIR: &str = "/var/lib/etcd";
/// etcd itself takes a directory without a write-ahead log for a new member's.
const WRITE_AHEAD_LOG: &str = "member/wal/*.wal";
/// How long a member may take to end. Who leads hands over first: within milliseconds while the others run, and never
/// when all end together, after seven seconds of trying. Whatever was acknowledged is synced, so a kill loses nothing.
const GRACE_SECONDS: u32 = 1;
/// The name of the port for health and metrics.
const METRICS: &str = "metrics";
/// etcd itself, in its image.
const ETCD: &str = "/usr/local/bin/etcd";

/// Where other members find a member.
pub(crate) fn peer_url(object: &Identity, member: &str) -> String {
    format!("http://{}:{PEER_PORT}", object.host(member))
}

/// Where clients find a member.
fn client_url(object: &Identity, member: &str) -> String {
    format!("http://{}:{CLIENT_PORT}", object.host(member))
}

/// How a member is run.
pub(crate) fn launch(of: &LaunchOf<'_, EtcdClusterSpec>, version: Version) -> Launch {
    let mut command = vec![ETCD.to_owned()];
    command.extend(address_flags(of));
    command.extend(of.start.map(start_flags).unwrap_or_default());
    command.extend(version_flags(version).into_iter().map(String::from));
    // A variable beside a flag keeps etcd from starting.
    let mut env = of.spec.env.clone();
    if of.spec.snapshots {
        command.push("--snapshot-count=1".to_owned());
        env.retain(|(name, _)| name != "ETCD_SNAPSHOT_COUNT");
    }
    let ports = [("client", CLIENT_PORT), ("peer", PEER_PORT), (METRICS, METRICS_PORT)];
    Launch::new(of.spec.image(), Guard::new(DATA_DIR, &[WRITE_AHEAD_LOG]), of)
        .command(command)
        .env(env)
        .ports(ports)
        .probes(probes(version))
        .ends_within(GRACE_SECONDS)
        .storage(of.spec.storage.clone().unwrap_or_default())
        .policy(of.spec.pod.clone())
}

/// Liveness is local: a member without a quorum is alive, and restarting it for that would turn a lost majority into a
/// lost cluster.
///
/// `/livez` and `/readyz` came with 3.4.29 and 3.5.11. Before, 3.5 can leave the quorum out of `/health`; 3.4 cannot,
/// so there only the open metrics port tells that the process lives.
fn probes(version: Version) -> Probes {
    let http = |path| Probe::http(METRICS, path);
    match (version.minor, version.patch) {
        (4, ..29) => Probes::of(Probe::opens(METRICS), http("/health")),
        (5, ..11) => Probes::of(http("/health?serializable=true"), http("/health")),
        _ => Probes::of(http("/livez"), http("/readyz")),
    }
}

fn address_flags(of: &LaunchOf<'_, EtcdClusterSpec>) -> [String; 7] {
    let (object, member) = (of.object, &of.member.name);
    [
        format!("--name={member}"),
        format!("--data-dir={DATA_DIR}"),
        format!("--listen-peer-urls=http://0.0.0.0:{PEER_PORT}"),
        format!("--initial-advertise-peer-urls={}", peer_url(object, member)),
        format!("--listen-client-urls=http://0.0.0.0:{CLIENT_PORT}"),
        format!("--advertise-client-urls={}", client_url(object, member)),
        format!("--listen-metrics-urls=http://0.0.0.0:{METRICS_PORT}"),
    ]
}

/// etcd looks at these only while its data directory is empty.
fn start_flags(start: &Start) -> Vec<String> {
    let members: Vec<_> =
        start.members().iter().map(|it| format!("{}={}", it.name, it.address)).collect();
    let members = format!("--initial-cluster={}", members.join(","));
    match start {
        Start::New { token, .. } => vec![
            members,
            "--initial-cluster-state=new".into(),
            format!("--initial-cluster-token={token}"),
        ],
        // Who resumes has data, and etcd looks no further.
        Start::Existing { .. } | Start::Resume { .. } => {
            vec![members, "--initial-cluster-state=existing".into()]
        }
        // However often its container starts, it is alone: before anybody joins, its pod makes room for one that
        // resumes.
        Start::Recover { .. } => {
            vec![members, "--initial-cluster-state=existing".into(), "--force-new-cluster".into()]
        }
    }
}

/// The flags that depend on the version. Corruption checks are off by default in every version, and
/// each minor calls them differently; a flag that a version does not know keeps it from starting.
pub(crate) fn version_flags(version: Version) -> Vec<&'static str> {
    let common = "--strict-reconfig-check=true";
    match (version.minor, version.patch) {
        (..=4, _) => vec![
            common,
            "--pre-vote=true",
            "--experimental-initial-corrupt-check=true",
            "--experimental-corrupt-check-time=12h",
        ],
        (5, ..=4) => vec![
            common,
            "--experimental-initial-corrupt-check=true",
            "--experimental-corrupt-check-time=12h",
        ],
        (5, _) => vec![
            common,
            "--experimental-initial-corrupt-check=true",
            "--experimental-compact-hash-check-enabled=true",
            "--experimental-compact-hash-check-time=1m",
        ],
        (6.., _) => vec![
            common,
            "--feature-gates=InitialCorruptCheck=true,CompactHashCheck=true",
            "--compact-hash-check-time=1m",
        ],
    }
}
