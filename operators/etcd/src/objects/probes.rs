//! The liveness and readiness probes of a member.
//!
//! Invariant: liveness is local. A member without a quorum is alive; restarting it for that would turn a lost majority
//! into a lost cluster.

use endstate::template::{Probes, http, opens};
use endstate_core::Version;

/// The port that answers without a client's certificate.
const PORT: &str = "metrics";

/// `/livez` and `/readyz` came with 3.4.29 and 3.5.11. Before, 3.5 can leave the quorum out of `/health`; 3.4 cannot,
/// so there only the open metrics port tells that the process lives.
pub(super) fn probes(version: Version) -> Probes {
    match (version.minor, version.patch) {
        (4, ..29) => Probes::of(opens(PORT), http(PORT, "/health")),
        (5, ..11) => Probes::of(http(PORT, "/health?serializable=true"), http(PORT, "/health")),
        _ => Probes::of(http(PORT, "/livez"), http(PORT, "/readyz")),
    }
}
