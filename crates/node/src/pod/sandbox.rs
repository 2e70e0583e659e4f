//! Making what the containers of a pod share, and telling why it is not made.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::api::node::v1::RuntimeClass;
use kube::{Api, Client};
use tokio::task::block_in_place;

use super::{RETRY, Worker, files};
use crate::admit::Refusal;
use crate::events::Kind;
use crate::network::PodNetwork;
use crate::plan::Sandbox;
use crate::volumes::uid;

/// The one handler of runtime classes that there is.
const HANDLER: &str = "runc";

impl Worker {
    /// An event for who looks at a pod that is refused.
    pub(super) fn tell_refusal(&self) {
        let ended = matches!(self.published.phase.as_deref(), Some("Succeeded" | "Failed"));
        match &self.refusal {
            Some(Refusal::Failed { reason, message }) if !ended => {
                self.emit("", Kind::Warning, reason, message.clone());
            }
            Some(Refusal::Waiting { message }) => {
                self.emit("", Kind::Warning, "Failed", format!("Error: {message}"));
            }
            _ => {}
        }
    }

    pub(super) async fn create_sandbox(&mut self) {
        let spec = self.pod.spec.clone().unwrap_or_default();
        self.sandbox = match self.make_sandbox(&spec).await {
            Ok(address) => Sandbox::Ready { address },
            Err(message) => {
                let text = format!("Failed to create pod sandbox: {message}");
                self.emit("", Kind::Warning, "FailedCreatePodSandBox", text);
                Sandbox::Failed { message, retry_at: Timestamp::now() + RETRY }
            }
        };
        if let Sandbox::Ready { address } = self.sandbox {
            self.shared.live.add_pod(&self.pod);
            let written = block_in_place(|| files::write(&self.shared.paths, &self.pod, address));
            if let Err(error) = written {
                tracing::warn!(%error, pod = uid(&self.pod), "cannot write the pod's files");
            }
        }
        // What the volumes say of the pod's address is only known now.
        self.refresh().await;
    }

    async fn make_sandbox(&self, spec: &PodSpec) -> Result<Ipv4Addr, String> {
        check_handler(&self.shared.client, spec).await?;
        let pod = PodNetwork {
            pins: self.shared.paths.namespaces(uid(&self.pod)),
            hostname: crate::launch::hostname(&self.pod, spec),
            node: self.node,
        };
        self.make_group().map_err(|error| format!("make its control group: {error}"))?;
        let network = &self.shared.network;
        let made = if spec.host_network == Some(true) {
            network.add_host_network_pod(pod).await
        } else {
            network.add_pod(pod).await
        };
        made.map_err(|error| crate::chain(&error))
    }
}

/// A class that means another runtime must not be served by this one: it was chosen for how it confines.
async fn check_handler(client: &Client, spec: &PodSpec) -> Result<(), String> {
    let Some(name) = spec.runtime_class_name.as_deref().filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    let classes: Api<RuntimeClass> = Api::all(client.clone());
    let class = classes.get_opt(name).await.map_err(|error| error.to_string())?;
    let class = class.ok_or_else(|| format!("RuntimeClass {name:?} not found"))?;
    match class.handler.as_str() {
        HANDLER => Ok(()),
        other => Err(format!("no runtime for {other:?} is configured")),
    }
}
