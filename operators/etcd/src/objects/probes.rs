//! The liveness and readiness probes of a member.
//!
//! Invariant: liveness is local. A member without a quorum is alive; restarting it for that would turn a lost majority
//! into a lost cluster.

use endstate::template::Probes;
use etcd_plan::Version;
use k8s_openapi::api::core::v1::{HTTPGetAction, Probe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// A start may replay a long log or receive a whole database: ten minutes, looked at every second.
const STARTUP_TRIES: i32 = 600;

/// `/livez` and `/readyz` came with 3.4.29 and 3.5.11. Before, 3.5 can leave the quorum out of `/health`; 3.4 cannot,
/// so there only the open metrics port tells that the process lives.
pub(super) fn probes(version: Version) -> Probes {
    let split = match version.minor {
        ..=4 => version >= Version::new(4, 29),
        5 => version >= Version::new(5, 11),
        _ => true,
    };
    let (alive, ready) = match (split, version.minor) {
        (true, _) => (http("/livez"), http("/readyz")),
        (false, 5) => (http("/health?serializable=true"), http("/health")),
        (false, _) => (tcp(), http("/health")),
    };
    let every = |period, failures, timeout, probe: Probe| Probe {
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(timeout),
        ..probe
    };
    Probes::default()
        .startup(every(1, STARTUP_TRIES, 2, alive.clone()))
        .liveness(every(10, 6, 5, alive))
        .readiness(every(2, 3, 5, ready))
}

fn http(path: &str) -> Probe {
    let port = IntOrString::String("metrics".to_owned());
    Probe {
        http_get: Some(HTTPGetAction { path: Some(path.to_owned()), port, ..Default::default() }),
        ..Default::default()
    }
}

fn tcp() -> Probe {
    let port = IntOrString::String("metrics".to_owned());
    Probe { tcp_socket: Some(TCPSocketAction { host: None, port }), ..Default::default() }
}
