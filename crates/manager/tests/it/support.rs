//! An API server on the memory store with the controllers beside it.

use std::time::Duration;

use apiserver::{ApiServer, Identity, Scratch};
use endstate::CancellationToken;
use k8s_openapi::api::core::v1::{Node, PersistentVolume};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::task::JoinHandle;

/// How long a test waits for a state of the world.
const WAIT_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(crate) struct Cluster {
    scratch: Scratch,
    manager: JoinHandle<Result<(), endstate::Error>>,
    shutdown: CancellationToken,
}

impl Cluster {
    pub(crate) async fn start(nodes: &[&str]) -> Self {
        let scratch = Scratch::start().await;
        let shutdown = CancellationToken::new();
        let manager = manage(&scratch.server, &shutdown);
        let cluster = Self { scratch, manager, shutdown };
        for node in nodes {
            cluster.add_node(node).await;
        }
        cluster
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.scratch.server.service(), "default")
    }

    /// For a client that sees its requests go by.
    pub(crate) fn service(&self) -> apiserver::InProcess {
        self.scratch.server.service()
    }

    /// A node that is ready and has room.
    pub(crate) async fn add_node(&self, name: &str) {
        let nodes: Api<Node> = Api::all(self.client());
        let node = serde_json::from_value(
            json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}),
        )
        .unwrap();
        nodes.create(&PostParams::default(), &node).await.unwrap();
        let status = json!({"status": {
            "allocatable": {"cpu": "8", "memory": "8Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        }});
        nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    }

    /// What a node does once nobody else holds a volume.
    pub(crate) async fn remove_folder(&self, volume: &str) {
        let volumes: Api<PersistentVolume> = Api::all(self.client());
        let held = ["external-provisioner.volume.kubernetes.io/finalizer"];
        eventually("a volume that only its node holds", async || {
            let meta = volumes.get(volume).await.unwrap().metadata;
            meta.deletion_timestamp.is_some() && meta.finalizers.unwrap_or_default() == held
        })
        .await;
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        volumes.patch(volume, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Ends the controllers, and starts others on the same API server.
    pub(crate) async fn restart_manager(&mut self) {
        self.shutdown.cancel();
        self.shutdown = CancellationToken::new();
        let next = manage(&self.scratch.server, &self.shutdown);
        std::mem::replace(&mut self.manager, next).await.unwrap().unwrap();
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.manager.await.unwrap().unwrap();
        self.scratch.server.shut_down();
    }
}

fn manage(
    server: &ApiServer,
    shutdown: &CancellationToken,
) -> JoinHandle<Result<(), endstate::Error>> {
    // With just what they may in a cluster.
    let client = |identity| Client::new(server.service_as(identity), "default");
    let clients = manager::Clients {
        controllers: client(Identity::controllers()),
        scheduler: client(Identity::scheduler()),
    };
    let options = manager::Options { root_ca: "the CA".to_owned() };
    tokio::spawn(manager::run(clients, options, shutdown.clone()))
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    assert!(tokio::time::timeout(WAIT_MAX, wait).await.is_ok(), "there is never {what}");
}
