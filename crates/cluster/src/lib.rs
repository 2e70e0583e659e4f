//! The embedded cluster: API server, controllers, scheduler and node, wired.
//!
//! The control plane lives in this process and shares no socket between its parts: controllers talk to the API server
//! through its own tower service. The node is a child process in namespaces of its own and comes in through Unix
//! sockets in `STATE/run`. Everybody else comes in over TLS.
//!
//! ```text
//! STATE/lock         held while a cluster runs
//! STATE/pki          certificate authority, certificates, keys
//! STATE/store        every object
//! STATE/run          Unix sockets
//! STATE/node         pods, their volumes and logs
//! STATE/kubeconfig   for the administrator
//! STATE/nodes        how many there are
//! ```

mod backup;
mod files;
mod kubeconfig;
mod lock;
mod nodes;
mod permissions;
mod sockets;
mod storage;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use apiserver::{ApiServer, Config, Identity, Pki, UnixNodeStreams};
use kube::Client;
use node::Supervisor;
pub use node::{Permissions, Privileged};
use store::EmbeddedStore;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use backup::{backup, restore};
pub use store::Restored;

use lock::Lock;

/// Kinds that are served, so that manifests of any Kubernetes are accepted, and that no part of this cluster acts on.
const UNATTENDED: &[&str] = &[
    "certificatesigningrequests.certificates.k8s.io",
    "cronjobs.batch",
    "csidrivers.storage.k8s.io",
    "csinodes.storage.k8s.io",
    "csistoragecapacities.storage.k8s.io",
    "daemonsets.apps",
    "flowschemas.flowcontrol.apiserver.k8s.io",
    "horizontalpodautoscalers.autoscaling",
    "ingressclasses.networking.k8s.io",
    "ingresses.networking.k8s.io",
    "limitranges",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "networkpolicies.networking.k8s.io",
    "podtemplates",
    "priorityclasses.scheduling.k8s.io",
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
    "replicationcontrollers",
    "resourcequotas",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "volumeattachments.storage.k8s.io",
];

const GIVE_BACK_EVERY: Duration = Duration::from_secs(10);

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where everything is kept. Made if it is not there.
    pub state_dir: PathBuf,
    /// Where images are.
    pub image_store: PathBuf,
    /// Where the API is served over TLS; port 0 picks a free one.
    pub listen: SocketAddr,
    /// How many virtual nodes there are; as many as last time, or one, if unsaid.
    pub nodes: Option<u16>,
    /// Where the administrator's kubeconfig is written besides the state directory. A file there that holds anything
    /// else is refused, never changed.
    pub kubeconfig: Option<PathBuf>,
    /// The version in the name of the built-in image, `endstate:VERSION`.
    pub version: String,
    /// What pods may have of the host. Folders are made absolute and free of links here.
    pub permissions: Permissions,
}

/// A running cluster.
pub struct Cluster {
    server: ApiServer,
    node: Supervisor,
    /// Everything that runs until the shutdown; whatever ends before has failed.
    tasks: JoinSet<Result<()>>,
    shutdown: CancellationToken,
    address: SocketAddr,
    kubeconfig: PathBuf,
    _lock: Lock,
}

impl Cluster {
    /// Starts every part and returns once everything serves.
    pub async fn start(options: Options) -> Result<Self> {
        options.kubeconfig.as_deref().map_or(Ok(()), kubeconfig::check)?;
        let state = prepare(&options.state_dir)?;
        let permissions = permissions::resolve(options.permissions.clone(), &state)?;
        let lock = Lock::take(&state)?;
        let nodes = nodes::decide(&state, options.nodes)?;
        let listener = listen(options.listen).await?;
        let address = listener.local_addr()?;
        let store = EmbeddedStore::open(state.join("store"), store::Options::default())
            .context("cannot open the store")?;
        let store = Arc::new(store);
        let server = start_server(&state, address, store.clone()).await?;
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let door = sockets::open_backup(&state).context("cannot open the socket for backups")?;
        backup::serve(store, door, shutdown.clone(), &mut tasks);
        let names = node::node_names(nodes);
        serve(&server, listener, Doors { state: &state, nodes: names }, &shutdown, &mut tasks)?;
        storage::ensure_default_class(&client(&server)).await?;
        manage(&server, &shutdown, &mut tasks);
        tasks.spawn(give_memory_back(shutdown.clone()));
        let kubeconfig = write_kubeconfig(&server, &options, &state, address)?;
        let mut node = Supervisor::start(node::Options {
            state_dir: state,
            image_store: options.image_store,
            nodes,
            version: options.version,
            permissions,
        })
        .await
        .context("cannot start the node")?;
        node.registered().await.context("the node could not register")?;
        Ok(Self { server, node, tasks, shutdown, address, kubeconfig, _lock: lock })
    }

    /// A client in this process, as an administrator.
    pub fn client(&self) -> Client {
        client(&self.server)
    }

    /// Where the API is served over TLS.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Waits until a part fails, and says which. A cluster is to be stopped then.
    pub async fn failed(&mut self) -> anyhow::Error {
        tokio::select! {
            ended = self.tasks.join_next() => match ended {
                Some(Ok(Err(error))) => error,
                Some(Err(panic)) => anyhow::Error::new(panic).context("a part of the control plane panicked"),
                Some(Ok(Ok(()))) | None => anyhow::anyhow!("a part of the control plane ended by itself"),
            },
            error = self.node.failed() => anyhow::Error::new(error).context("the node failed"),
        }
    }

    /// Stops the pods' processes, then everything else. Objects and volumes stay.
    pub async fn stop(mut self) -> Result<()> {
        self.node.stop().await;
        self.shutdown.cancel();
        self.server.shut_down();
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a part of the control plane panicked")??;
        }
        Ok(())
    }
}

/// Gives freed memory back to the system, now and then: what one large request took is not kept for the next one.
async fn give_memory_back(shutdown: CancellationToken) -> Result<()> {
    loop {
        tokio::select! {
            () = tokio::time::sleep(GIVE_BACK_EVERY) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        tokio::task::spawn_blocking(node::give_memory_back).await?;
    }
}

/// Makes the state directory, for its owner only, and gives its absolute path.
fn prepare(state_dir: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    let cannot = || format!("cannot use the state directory {}", state_dir.display());
    builder.create(state_dir).with_context(cannot)?;
    // One that was there may be open to others, and pods' volumes in it are for anyone who gets that far.
    std::fs::set_permissions(state_dir, std::fs::Permissions::from_mode(0o700))
        .with_context(cannot)?;
    state_dir.canonicalize().with_context(cannot)
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; another cluster may serve there (--listen 127.0.0.1:0 picks a free port)")
    })
}

async fn start_server(
    state: &Path,
    address: SocketAddr,
    store: Arc<EmbeddedStore>,
) -> Result<ApiServer> {
    let pki = Pki::load_or_create(&state.join("pki"), &names(address))
        .context("cannot make the certificates")?;
    let node_streams = Arc::new(UnixNodeStreams::new(sockets::node(state)));
    let config = Config::new(store, pki, node_streams);
    ApiServer::start(Config { unattended: UNATTENDED, limits: files::limits(), ..config })
        .await
        .context("cannot start the API server")
}

/// What clients may call the server: as the kubeconfig does, and as pods do.
fn names(address: SocketAddr) -> Vec<String> {
    let pods = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let own = [
        address.ip().to_string(),
        "127.0.0.1".to_owned(),
        "localhost".to_owned(),
        "10.96.0.1".to_owned(),
    ];
    own.into_iter().chain(pods.map(str::to_owned)).collect()
}

/// Where the sockets are, and which nodes come in through theirs.
struct Doors<'a> {
    state: &'a Path,
    nodes: Vec<String>,
}

/// Opens every door: TLS for the world and for pods, a plain Unix socket for the node.
fn serve(
    server: &ApiServer,
    listener: TcpListener,
    Doors { state, nodes }: Doors<'_>,
    shutdown: &CancellationToken,
    tasks: &mut JoinSet<Result<()>>,
) -> Result<()> {
    let doors = sockets::open(state).context("cannot open the Unix sockets")?;
    let (api, token) = (server.clone(), shutdown.clone());
    tasks.spawn(async move {
        api.serve(listener, token).await;
        Ok(())
    });
    let (api, token) = (server.clone(), shutdown.clone());
    tasks.spawn(async move {
        api.serve_unix_tls(doors.pods, token).await;
        Ok(())
    });
    let (api, token) = (server.clone(), shutdown.clone());
    let identity = Identity::nodes_of("embedded", nodes);
    tasks.spawn(async move {
        api.serve_unix(doors.node, identity, token).await;
        Ok(())
    });
    Ok(())
}

/// Runs the controllers and the scheduler.
fn manage(server: &ApiServer, shutdown: &CancellationToken, tasks: &mut JoinSet<Result<()>>) {
    let token = shutdown.clone();
    let client = |identity| Client::new(server.service_as(identity), "default");
    let clients = manager::Clients {
        controllers: client(Identity::controllers()),
        scheduler: client(Identity::scheduler()),
    };
    let options = manager::Options { root_ca: server.pki().ca_pem().to_owned() };
    tasks.spawn(async move {
        manager::run(clients, options, token).await.context("the controllers failed")
    });
}

fn client(server: &ApiServer) -> Client {
    Client::new(server.service(), "default")
}

fn write_kubeconfig(
    server: &ApiServer,
    options: &Options,
    state: &Path,
    address: SocketAddr,
) -> Result<PathBuf> {
    let text = server.pki().kubeconfig(&format!("https://{address}"));
    let own = state.join("kubeconfig");
    kubeconfig::write_all(&own, options.kubeconfig.as_deref(), &text)?;
    Ok(options.kubeconfig.clone().unwrap_or(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unattended_is_served() {
        let registry = registry::Registry::new([]);
        for name in UNATTENDED {
            let (plural, group) = name.split_once('.').unwrap_or((name, ""));
            assert!(registry.by_plural(group, plural).is_some(), "{name}");
        }
    }
}
