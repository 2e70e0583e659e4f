//! The objects of a cluster, as data: pods, services, the disruption budget. Pure: the same input gives the same
//! object.

mod probes;

use endstate::Error;
use endstate::launcher::Guard;
use endstate::operator::{ObjectsOf, Ownership, PodRequest, Wanted};
use endstate::template::{PodTemplate, empty_dir};
use endstate_core::ClusterObjects;
use etcd_plan::{CLIENT_PORT, DATA_DIR, EtcdClusterSpec, PEER_PORT, Version};
use k8s_openapi::api::core::v1::Pod;

/// The application's name, and that of the container that runs etcd.
pub const APPLICATION: &str = "etcd";

/// etcd itself takes a directory without a write-ahead log for a new member's.
const WRITE_AHEAD_LOG: &str = "member/wal/*.wal";

/// The pod of a new member, without namespace and owner. `launcher_image` holds the `endstate` executable.
#[must_use]
pub fn pod(request: &PodRequest<'_>, launcher_image: &str) -> Pod {
    let spec: EtcdClusterSpec = serde_json::from_str(&request.launch.spec)
        .expect("a launch carries the spec it was made from");
    let guard = Guard::new(DATA_DIR, &[WRITE_AHEAD_LOG]);
    let mut template = PodTemplate::new(APPLICATION, guard, launcher_image);
    template.subdomain = Some(etcd_plan::peer_service(&request.object.name));
    // A version that does not parse is never accepted; the probes of the oldest one work everywhere.
    template.probes = probes::probes(spec.version.parse().unwrap_or(Version::new(4, 0)));
    template.volume(empty_dir("data", &spec.data), DATA_DIR);
    template.pod(request, &spec.pod)
}

/// What a cluster needs besides its pods: members find each other by the first service, clients use the second, and the
/// budget keeps a quorum from being evicted.
pub fn objects(of: &ObjectsOf<'_, EtcdClusterSpec>) -> Result<Vec<Wanted>, Error> {
    let (name, objects) = (&of.object.name, ClusterObjects::new(APPLICATION, of.object));
    let client = ("client", CLIENT_PORT);
    let peers =
        objects.peer_service(&etcd_plan::peer_service(name), &[client, ("peer", PEER_PORT)]);
    let clients = objects.client_service(&etcd_plan::client_service(name), &[client]);
    let budget = objects
        .disruption_budget(&etcd_plan::disruption_budget(name), of.surroundings.min_available);
    let wanted = [Some(peers), of.surroundings.clients.then_some(clients), Some(budget)];
    wanted.into_iter().flatten().map(|it| Wanted::new(it, Ownership::Owned)).collect()
}

#[cfg(test)]
mod tests;
