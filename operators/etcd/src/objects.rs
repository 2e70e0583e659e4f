//! The pod of a member, as data. Pure: the same input gives the same pod.

mod probes;

use endstate::Error;
use endstate::launcher::Guard;
use endstate::operator::{ObjectsOf, PodRequest, Wanted};
use endstate::template::{PodTemplate, empty_dir};
use endstate_core::Version;
use etcd_plan::{CLIENT_PORT, DATA_DIR, EtcdClusterSpec, PEER_PORT};
use k8s_openapi::api::core::v1::Pod;

/// The application's name, and that of the container that runs etcd.
pub const APPLICATION: &str = "etcd";

/// etcd itself takes a directory without a write-ahead log for a new member's.
const WRITE_AHEAD_LOG: &str = "member/wal/*.wal";

/// The pod of a new member, without namespace and owner. `launcher_image` holds the `endstate` executable.
#[must_use]
pub fn pod(request: &PodRequest<'_>, launcher_image: &str) -> Pod {
    let spec: EtcdClusterSpec = request.launch.made_from();
    let guard = Guard::new(DATA_DIR, &[WRITE_AHEAD_LOG]);
    let mut template = PodTemplate::new(APPLICATION, guard, launcher_image);
    // A version that does not parse is never accepted; the probes of the oldest one work everywhere.
    template.probes = probes::probes(spec.version.parse().unwrap_or(Version::new(3, 4, 0)));
    template.volume(empty_dir("data", &spec.data), DATA_DIR);
    template.pod(request, &spec.pod)
}

/// What a cluster needs besides its pods.
pub fn objects(of: &ObjectsOf<'_, EtcdClusterSpec>) -> Result<Vec<Wanted>, Error> {
    of.quorum(APPLICATION, &[("client", CLIENT_PORT), ("peer", PEER_PORT)])
}

#[cfg(test)]
mod tests;
