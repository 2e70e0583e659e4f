//! The pod network: one bridge in the agent's network namespace, one namespace and veth pair per pod.
//!
//! Cluster IPs are not addresses of any interface: the whole service network is routed to the loopback device as local
//! (`ip route add local`), so the proxy and the DNS server can listen on any of them, and a cluster IP that nobody
//! serves refuses connections at once instead of letting them hang.

mod ipam;

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures::TryStreamExt;
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::packet_route::route::{RouteScope, RouteType};
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth, RouteMessageBuilder};

pub(crate) use self::ipam::Ipam;
use crate::config::{GATEWAY, POD_PREFIX, SERVICE_NETWORK, node_address};
use crate::sys::{self, PodNamespaces};

const BRIDGE: &str = "endstate0";
/// What a pod's own end is called in its namespace.
const POD_LINK: &str = "eth0";
/// The routing table the kernel consults first, where local addresses are.
const TABLE_LOCAL: u32 = 255;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {what}")]
    Netlink {
        what: &'static str,
        #[source]
        source: rtnetlink::Error,
    },
    #[error("cannot {what}")]
    System {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the bridge {BRIDGE} is gone")]
    NoBridge,
    #[error("the node has no free pod address")]
    NoAddress,
}

trait Context<T> {
    fn doing(self, what: &'static str) -> Result<T, Error>;
}

impl<T> Context<T> for Result<T, rtnetlink::Error> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Netlink { what, source })
    }
}

impl<T> Context<T> for Result<T, io::Error> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::System { what, source })
    }
}

/// The network of the agent's namespace.
#[derive(Clone)]
pub(crate) struct Network {
    handle: Handle,
    bridge: u32,
    ipam: Arc<Mutex<Ipam>>,
}

/// What makes a pod's network.
#[derive(Debug, Clone)]
pub(crate) struct PodNetwork {
    /// Where the pod's namespaces are pinned.
    pub(crate) pins: PathBuf,
    pub(crate) hostname: String,
    pub(crate) node: u16,
}

impl Network {
    /// Brings up loopback, bridge, node addresses and the service route.
    pub(crate) async fn create(nodes: u16) -> Result<Self, Error> {
        let (connection, handle, _) = rtnetlink::new_connection().doing("open netlink")?;
        tokio::spawn(connection);
        let loopback = index_of(&handle, "lo").await?;
        set_up(&handle, loopback).await?;
        let bridge = LinkBridge::new(BRIDGE).address(hardware_address(GATEWAY)).up().build();
        handle.link().add(bridge).execute().await.doing("create the bridge")?;
        let bridge = index_of(&handle, BRIDGE).await?;
        add_address(&handle, bridge, (GATEWAY, POD_PREFIX)).await?;
        for node in 0..nodes {
            add_address(&handle, bridge, (node_address(node), 32)).await?;
        }
        let services = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(SERVICE_NETWORK.0, SERVICE_NETWORK.1)
            .output_interface(loopback)
            .table_id(TABLE_LOCAL)
            .kind(RouteType::Local)
            .scope(RouteScope::Host)
            .build();
        handle.route().add(services).execute().await.doing("route the service network")?;
        allow_low_ports().doing("allow low ports")?;
        Ok(Self { handle, bridge, ipam: Arc::new(Mutex::new(Ipam::new())) })
    }

    /// Makes a pod's namespaces and connects them; returns the pod's address.
    pub(crate) async fn add_pod(&self, pod: PodNetwork) -> Result<Ipv4Addr, Error> {
        let address = self.lock().allocate(pod.node).ok_or(Error::NoAddress)?;
        let pins = pod.pins.clone();
        let Err(error) = self.connect(pod, address).await else { return Ok(address) };
        // What is left would be in the way of the next try.
        if let Err(left) = self.remove_pod(pins, address).await {
            tracing::warn!(error = %left, "cannot take back what was made for a pod");
        }
        Err(error)
    }

    /// Makes namespaces without a network of their own kind: the pod uses the node's network.
    pub(crate) async fn add_host_network_pod(&self, pod: PodNetwork) -> Result<Ipv4Addr, Error> {
        let made = blocking(move || PodNamespaces::create(pod.pins, pod.hostname, || Ok(()))).await;
        made.doing("create the pod's namespaces")?;
        Ok(node_address(pod.node))
    }

    /// Takes the pod's namespaces away; with them goes the veth pair.
    pub(crate) async fn remove_pod(&self, pins: PathBuf, address: Ipv4Addr) -> Result<(), Error> {
        // Deleting our end first makes the address reusable at once; the namespace lives until its last process ends.
        let link = LinkUnspec::new_with_name(&veth_name(address)).build();
        let _ = self.handle.link().del_with_message(link).execute().await;
        let removed = blocking(move || PodNamespaces::remove(&pins)).await;
        self.lock().release(address);
        removed.doing("remove the pod's namespaces")
    }

    async fn connect(&self, pod: PodNetwork, address: Ipv4Addr) -> Result<(), Error> {
        let pin = pod.pins.join("net");
        let runtime = tokio::runtime::Handle::current();
        let inside = blocking(move || {
            PodNamespaces::create(pod.pins, pod.hostname, move || {
                allow_low_ports()?;
                // The socket belongs to this thread's namespace for good; the runtime only polls it.
                let _guard = runtime.enter();
                rtnetlink::new_connection()
            })
        })
        .await
        .doing("create the pod's namespaces")?;
        let (connection, pod_handle, _) = inside;
        let driver = tokio::spawn(connection);
        let result = self.connect_inside(&pod_handle, &pin, address).await;
        // The open socket would keep the namespace alive.
        driver.abort();
        result
    }

    async fn connect_inside(
        &self,
        pod: &Handle,
        pin: &std::path::Path,
        address: Ipv4Addr,
    ) -> Result<(), Error> {
        use std::os::fd::AsRawFd;
        let namespace = fs::File::open(pin).doing("open the pod's namespace")?;
        // Made where it belongs: moving a device into a namespace waits for all processors.
        let inside = LinkUnspec::new_with_name(POD_LINK)
            .address(hardware_address(address))
            .setns_by_fd(namespace.as_raw_fd())
            .build();
        let link = LinkVeth::new(&veth_name(address), POD_LINK)
            .up()
            .controller(self.bridge)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(inside)))
            .build();
        self.handle.link().add(link).execute().await.doing("connect the pod to the bridge")?;
        let peer = index_of(pod, POD_LINK).await?;
        set_up(pod, peer).await?;
        set_up(pod, index_of(pod, "lo").await?).await?;
        add_address(pod, peer, (address, POD_PREFIX)).await?;
        let default = RouteMessageBuilder::<Ipv4Addr>::new().gateway(GATEWAY).build();
        pod.route().add(default).execute().await.doing("add the pod's default route")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ipam> {
        self.ipam.lock().expect("no panic while held")
    }
}

/// Opens something in the network namespace pinned at `pins/net`.
pub(crate) async fn inside<T: Send + 'static>(
    pins: PathBuf,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    blocking(move || sys::in_network(pins.join("net"), work)).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// A fixed hardware address for an address. Left to itself a bridge takes the lowest one of its ports, so it would
/// change with pods that come and go, and every other pod would talk to the old one until its neighbour entry expires:
/// seconds of silence. For the same reason a reused pod address keeps its hardware address.
fn hardware_address(address: Ipv4Addr) -> Vec<u8> {
    [[0x0a, 0x58].as_slice(), &address.octets()].concat()
}

fn veth_name(address: Ipv4Addr) -> String {
    let [_, _, high, low] = address.octets();
    format!("veth{high}.{low}")
}

async fn index_of(handle: &Handle, name: &str) -> Result<u32, Error> {
    let mut found = handle.link().get().match_name(name.to_owned()).execute();
    let link = found.try_next().await.doing("find a network device")?;
    link.map(|link| link.header.index).ok_or(Error::NoBridge)
}

async fn set_up(handle: &Handle, index: u32) -> Result<(), Error> {
    let link = LinkUnspec::new_with_index(index).up().build();
    handle.link().set(link).execute().await.doing("bring a network device up")
}

async fn add_address(handle: &Handle, index: u32, to: (Ipv4Addr, u8)) -> Result<(), Error> {
    let request = handle.address().add(index, IpAddr::V4(to.0), to.1);
    request.execute().await.doing("add an address")
}

/// Containers do not need a capability for port 80, as with other runtimes.
fn allow_low_ports() -> io::Result<()> {
    fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
}
