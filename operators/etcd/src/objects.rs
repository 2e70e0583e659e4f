//! The objects of a cluster, as data: pods, services, the disruption budget. Pure: the same input gives the same object.

mod probes;

use endstate::launcher::Guard;
use endstate::operator::PodRequest;
use endstate::template::{PodTemplate, empty_dir};
use endstate_core::{ClusterObjects, Identity, Support};
use etcd_plan::{CLIENT_PORT, DATA_DIR, EtcdClusterSpec, PEER_PORT, Version};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::de::DeserializeOwned;
use serde_json::Value;

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

/// The services that a plan asks for: members are found by the first, clients use the second.
#[must_use]
pub fn services(object: &Identity, support: &Support) -> Vec<Service> {
    let objects = ClusterObjects { application: APPLICATION, object };
    let client = ("client", CLIENT_PORT);
    let peer = support.peer_service.then(|| {
        let name = etcd_plan::peer_service(&object.name);
        objects.peer_service(&name, &[client, ("peer", PEER_PORT)])
    });
    let client = support
        .client_service
        .then(|| objects.client_service(&etcd_plan::client_service(&object.name), &[client]));
    peer.into_iter().chain(client).map(typed).collect()
}

/// The disruption budget.
#[must_use]
pub fn budget(object: &Identity, min_available: u32) -> PodDisruptionBudget {
    let objects = ClusterObjects { application: APPLICATION, object };
    typed(objects.disruption_budget(&etcd_plan::disruption_budget(&object.name), min_available))
}

fn typed<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).expect("the library makes objects of their kinds")
}

#[cfg(test)]
mod tests;
