//! `endstate forward`: local ports to a pod, or to one ready pod of a service.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{Api, Client};
use tokio::net::{TcpListener, TcpStream};

use crate::args::{Forward, Global, Ports};
use crate::connect::{Connection, connect};
use crate::{output, service};

pub(crate) async fn run(global: &Global, args: Forward) -> Result<()> {
    let Connection { client, namespace } = connect(global).await?;
    let mut accepting = Vec::new();
    for Ports { local, remote } in args.ports {
        let forwarding = Forwarding {
            client: client.clone(),
            namespace: namespace.clone(),
            target: args.target.clone(),
            remote,
        };
        forwarding.check().await?;
        let listener = TcpListener::bind(("127.0.0.1", local)).await;
        let listener = listener.with_context(|| {
            format!("cannot listen on port {local}; port 0 picks a free one, as in 0:{remote}")
        })?;
        let address = listener.local_addr()?;
        output::line(format_args!("forwarding {address} to {} port {remote}", args.target))?;
        accepting.push(Box::pin(forwarding.accept(listener)));
    }
    let (ended, ..) = futures::future::select_all(accepting).await;
    ended
}

/// How long nothing is accepted after an error: there may be no descriptors left.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What was said last of a connection that failed: clients try again and again, and the same is said once until one
/// works.
#[derive(Default)]
struct Told(Mutex<Option<String>>);

impl Told {
    fn tell(&self, outcome: Result<()>) {
        let text = outcome.as_ref().err().map(|it| format!("{it:#}"));
        let before = std::mem::replace(
            &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner),
            text.clone(),
        );
        if let Err(error) = &outcome
            && before != text
        {
            output::error(error);
        }
    }
}

#[derive(Clone)]
struct Forwarding {
    client: Client,
    namespace: String,
    target: String,
    remote: u16,
}

impl Forwarding {
    /// Finds mistakes before somebody connects, and waits for a service that has just been made.
    async fn check(&self) -> Result<()> {
        if let Some(name) = service::named(&self.target) {
            self.service_port(name).await?;
            // Which pod it is, and whether one is ready then, is for each connection to find out.
            return service::wait(&self.client, &self.namespace, name).await;
        }
        let (pod, _) = self.resolve().await?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        pods.get(&pod).await.with_context(|| format!("cannot forward to pod {pod}"))?;
        Ok(())
    }

    async fn accept(self, listener: TcpListener) -> Result<()> {
        let told = Arc::<Told>::default();
        loop {
            let connection = match listener.accept().await {
                Ok((connection, _)) => connection,
                Err(error) => {
                    output::error(&anyhow::Error::new(error).context("cannot accept a connection"));
                    tokio::time::sleep(ACCEPT_REST).await;
                    continue;
                }
            };
            let (forwarding, told) = (self.clone(), Arc::clone(&told));
            tokio::spawn(async move { told.tell(forwarding.forward(connection).await) });
        }
    }

    async fn forward(&self, mut connection: TcpStream) -> Result<()> {
        let (pod, port) = self.resolve().await?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let forwarder = pods.portforward(&pod, &[port]).await;
        let mut forwarder = forwarder.with_context(|| format!("cannot forward to pod {pod}"))?;
        let mut stream = forwarder.take_stream(port).context("the server opened no stream")?;
        tokio::io::copy_bidirectional(&mut connection, &mut stream).await?;
        Ok(())
    }

    /// The pod and its port; of a service one that is ready now, so that a new connection finds a new pod.
    async fn resolve(&self) -> Result<(String, u16)> {
        if let Some(name) = service::named(&self.target) {
            return self.of_service(name).await;
        }
        match self.target.split_once('/') {
            Some(("pod" | "pods" | "po", name)) => Ok((name.to_owned(), self.remote)),
            None => Ok((self.target.clone(), self.remote)),
            Some((kind, _)) => bail!("cannot forward to a {kind}; name pod/NAME or service/NAME"),
        }
    }

    async fn service_port(&self, name: &str) -> Result<ServicePort> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.namespace);
        let service = services.get(name).await;
        let service = service.with_context(|| format!("cannot forward to service {name}"))?;
        let ports = service.spec.and_then(|it| it.ports).unwrap_or_default();
        let port = ports.into_iter().find(|it| it.port == i32::from(self.remote));
        port.with_context(|| format!("service {name} has no port {}", self.remote))
    }

    async fn of_service(&self, name: &str) -> Result<(String, u16)> {
        let port = self.service_port(name).await?;
        let slice = service::ready(&self.client, &self.namespace, name).await?;
        let pod = service::pod(&slice, name)?;
        let number = match &port.target_port {
            Some(IntOrString::Int(number)) => *number,
            _ => {
                // A slice names a port that has no name with nothing.
                let name = port.name.as_deref().unwrap_or_default();
                let mut ports = slice.ports.iter().flatten();
                let found = ports.find(|it| it.name.as_deref().unwrap_or_default() == name);
                found.and_then(|it| it.port).unwrap_or(port.port)
            }
        };
        Ok((pod, u16::try_from(number)?))
    }
}
