//! Cluster IPs: a userspace TCP proxy from each service port to its ready endpoints.
//!
//! Level-triggered: whenever services or slices change, the wanted listeners are computed ([`wanted`], pure) and held
//! against the present ones. A port without a ready endpoint has no listener, so connections are refused at once. The
//! `kubernetes` service leads to the API server's TLS socket, end to end.
//!
//! Why not the kernel's NAT: it needs modules and tools that an ordinary user's machine may lack, and copying bytes is
//! cheap for what one machine holds.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;

use crate::view::View;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a service port leads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Endpoints(Vec<SocketAddrV4>),
    ApiServer,
}

type Wanted = BTreeMap<SocketAddrV4, Target>;

/// A listening port; its target changes without listening anew.
struct Port {
    target: Arc<Mutex<Target>>,
    task: JoinHandle<()>,
}

/// Follows the view until the runtime ends.
pub(crate) async fn run(view: View, api_socket: PathBuf) {
    let mut services = view.services.changes();
    let mut slices = view.slices.changes();
    let mut ports: BTreeMap<SocketAddrV4, Port> = BTreeMap::new();
    loop {
        services.borrow_and_update();
        slices.borrow_and_update();
        let wanted = wanted(&view.services.all(), &view.slices.all());
        ports.retain(|address, port| {
            let keep = wanted.contains_key(address);
            if !keep {
                port.task.abort();
            }
            keep
        });
        let mut failed = false;
        for (address, target) in wanted {
            if let Some(port) = ports.get(&address) {
                *port.target.lock().expect("no panic while held") = target;
                continue;
            }
            match TcpListener::bind(SocketAddr::V4(address)).await {
                Ok(listener) => {
                    let target = Arc::new(Mutex::new(target));
                    let task = tokio::spawn(accept(listener, target.clone(), api_socket.clone()));
                    ports.insert(address, Port { target, task });
                }
                Err(error) => {
                    failed = true;
                    tracing::warn!(%address, %error, "cannot listen on a cluster IP");
                }
            }
        }
        let again = async {
            if failed {
                tokio::time::sleep(Duration::from_secs(1)).await;
            } else {
                std::future::pending().await
            }
        };
        tokio::select! {
            Ok(()) = services.changed() => {}
            Ok(()) = slices.changed() => {}
            () = again => {}
            else => return,
        }
    }
}

/// Which ports listen, and where they lead.
fn wanted(services: &[Arc<Service>], slices: &[Arc<EndpointSlice>]) -> Wanted {
    let mut wanted = Wanted::new();
    for service in services {
        let Some(spec) = &service.spec else { continue };
        let Some(ip) = spec.cluster_ip.as_deref().and_then(|ip| ip.parse::<Ipv4Addr>().ok()) else {
            continue;
        };
        for port in spec.ports.iter().flatten() {
            let Ok(number) = u16::try_from(port.port) else { continue };
            if port.protocol.as_deref().unwrap_or("TCP") != "TCP" {
                continue;
            }
            let target = if is_api(service) {
                Target::ApiServer
            } else {
                let name = port.name.as_deref().unwrap_or_default();
                Target::Endpoints(endpoints(service, name, slices))
            };
            if target != Target::Endpoints(Vec::new()) {
                wanted.insert(SocketAddrV4::new(ip, number), target);
            }
        }
    }
    wanted
}

fn is_api(service: &Service) -> bool {
    service.metadata.namespace.as_deref() == Some("default")
        && service.metadata.name.as_deref() == Some("kubernetes")
}

fn endpoints(service: &Service, port: &str, slices: &[Arc<EndpointSlice>]) -> Vec<SocketAddrV4> {
    let not_ready =
        service.spec.as_ref().is_some_and(|it| it.publish_not_ready_addresses == Some(true));
    let mut found = Vec::new();
    for slice in slices {
        let labels = slice.metadata.labels.as_ref();
        let owner = labels.and_then(|labels| labels.get("kubernetes.io/service-name"));
        if slice.metadata.namespace != service.metadata.namespace
            || owner != service.metadata.name.as_ref()
        {
            continue;
        }
        let number = slice
            .ports
            .iter()
            .flatten()
            .find(|it| it.name.as_deref().unwrap_or_default() == port)
            .and_then(|it| u16::try_from(it.port?).ok());
        let Some(number) = number else { continue };
        for endpoint in &slice.endpoints {
            let ready = endpoint.conditions.as_ref().and_then(|it| it.ready) != Some(false);
            let address = endpoint.addresses.first().and_then(|it| it.parse().ok());
            if let (true, Some(address)) = (ready || not_ready, address) {
                found.push(SocketAddrV4::new(address, number));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

async fn accept(listener: TcpListener, target: Arc<Mutex<Target>>, api_socket: PathBuf) {
    let next = AtomicUsize::new(0);
    loop {
        let (client, _) = crate::accept::next("a service's port", || listener.accept()).await;
        let turn = next.fetch_add(1, Ordering::Relaxed);
        let target = target.lock().expect("no panic while held").clone();
        tokio::spawn(connection(client, target, turn, api_socket.clone()));
    }
}

async fn connection(mut client: TcpStream, target: Target, turn: usize, api_socket: PathBuf) {
    let _ = client.set_nodelay(true);
    match target {
        Target::ApiServer => {
            if let Ok(mut server) = UnixStream::connect(api_socket).await {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        }
        Target::Endpoints(endpoints) => {
            let Some(mut server) = connect(&endpoints, turn).await else { return };
            let _ = server.set_nodelay(true);
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
    }
}

/// Connects to the endpoint whose turn it is, or else to the next that answers.
async fn connect(endpoints: &[SocketAddrV4], turn: usize) -> Option<TcpStream> {
    for offset in 0..endpoints.len() {
        let address = endpoints[(turn + offset) % endpoints.len()];
        let attempt = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
        if let Ok(Ok(stream)) = attempt.await {
            return Some(stream);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ports_lead_to_ready_endpoints() {
        let service = |name: &str, namespace: &str, ip: &str| {
            let value = json!({"metadata": {"name": name, "namespace": namespace},
                "spec": {"clusterIP": ip, "ports": [
                    {"name": "a", "port": 80}, {"name": "u", "port": 53, "protocol": "UDP"}]}});
            Arc::new(serde_json::from_value::<Service>(value).unwrap())
        };
        let slice = json!({"metadata": {"name": "x", "namespace": "ns",
                "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "ports": [{"name": "a", "port": 8080}],
            "endpoints": [
                {"addresses": ["10.244.1.2"], "conditions": {"ready": true}},
                {"addresses": ["10.244.1.3"], "conditions": {"ready": false}}]});
        let slices = [Arc::new(serde_json::from_value(slice).unwrap())];
        let services = [
            service("web", "ns", "10.96.0.7"),
            service("none", "ns", "10.96.0.8"),
            service("headless", "ns", "None"),
            service("kubernetes", "default", "10.96.0.1"),
        ];
        let expected = Wanted::from([
            (
                "10.96.0.7:80".parse().unwrap(),
                Target::Endpoints(vec!["10.244.1.2:8080".parse().unwrap()]),
            ),
            ("10.96.0.1:80".parse().unwrap(), Target::ApiServer),
        ]);
        assert_eq!(wanted(&services, &slices), expected);
    }
}
