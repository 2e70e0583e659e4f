//! Runs the built-in controllers and the scheduler on the SDK's engine, as any operator runs on it.
//!
//! A controller here is a few lines: which caches it looks at, and the call of its pure plan. Everything else (waking,
//! executing, events, back-off) is the same for all of them. Nothing here decides.

mod evictions;
mod execute;
mod nodes;
mod roles;
mod scheduling;
mod services;
mod shell;
mod storage;
mod universe;
mod workloads;

pub use controllers::volume::{default_class, the_default};
use endstate::{CancellationToken, Engine};
use kube::Client;

/// What the controllers need to know of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The certificate authority of the API server, in PEM: every namespace gets it as `kube-root-ca.crt`.
    pub root_ca: String,
}

/// The name under which everything here writes.
const FIELD_MANAGER: &str = "endstate-controller-manager";

/// As whom the parts talk to the API: each may do what it uses.
pub struct Clients {
    pub controllers: Client,
    /// Binds pods to nodes; nothing else does.
    pub scheduler: Client,
}

/// Runs until shutdown.
pub async fn run(
    clients: Clients,
    options: Options,
    shutdown: CancellationToken,
) -> Result<(), endstate::Error> {
    let Clients { controllers, scheduler } = clients;
    let mut engine = Engine::new(controllers, endstate::Options::new(FIELD_MANAGER));
    workloads::add(&mut engine);
    services::add(&mut engine, &options.root_ca);
    storage::add(&mut engine);
    nodes::add(&mut engine);
    evictions::add(&mut engine);
    roles::add(&mut engine);
    scheduling::add(&mut engine, scheduler);
    universe::add(&mut engine);
    engine.run(shutdown).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whoever stops a cluster that has just begun to start must not wait for lists that nobody will give any more.
    #[tokio::test(start_paused = true)]
    async fn the_shutdown_does_not_wait_for_a_server_that_refuses() {
        let refuse = tower::service_fn(|_: http::Request<kube::client::Body>| async {
            Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("refused"))
        });
        let (client, shutdown) = (Client::new(refuse, "default"), CancellationToken::new());
        let clients = Clients { controllers: client.clone(), scheduler: client };
        let running = tokio::spawn(run(clients, Options::default(), shutdown.clone()));
        // Until every task waits.
        tokio::time::sleep(Duration::from_millis(100)).await;
        shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(60), running).await;
        assert!(ended.is_ok(), "it waits for ever");
    }
}
