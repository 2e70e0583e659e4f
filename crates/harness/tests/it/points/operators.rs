//! Operators that end where they are told to: bare pods in the place of the installed one, one after the other.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::Up;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{EnvVar, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, LogParams, PostParams};
use kube::runtime::wait::await_condition;

const NAMESPACE: &str = "endstate-system";
/// The Deployment, and the lease.
const INSTALLED: &str = "endstate-etcd";
/// How long one may take to come, or to go.
const MAX: Duration = Duration::from_secs(60);
/// How often its log is read.
const LOOK: Duration = Duration::from_millis(50);
/// What it logs: each of its calls.
const LOG: &str = "info,endstate::crash=debug";

/// Where they come from.
pub(super) struct Operators {
    pods: Api<Pod>,
    leases: Api<Lease>,
    meta: ObjectMeta,
    spec: PodSpec,
    started: Cell<u32>,
}

/// One that was started.
pub(super) struct Operator {
    pods: Api<Pod>,
    leases: Api<Lease>,
    name: String,
}

impl Operators {
    /// Takes the installed one away.
    pub(super) async fn instead_of_installed(up: &Up) -> Result<Self> {
        let client = up.client().await?;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
        let installed = deployments.get(INSTALLED).await?;
        let template = installed.spec.context("it has a spec")?.template;
        deployments.delete(INSTALLED, &DeleteParams::foreground()).await?;
        let operators = Self {
            pods: Api::namespaced(client.clone(), NAMESPACE),
            leases: Api::namespaced(client, NAMESPACE),
            meta: template.metadata.context("it has labels")?,
            spec: template.spec.context("it has a container")?,
            started: Cell::default(),
        };
        for pod in operators.pods.list(&ListParams::default()).await? {
            is_gone(&operators.pods, &pod.name_any()).await?;
        }
        release(&operators.leases).await?;
        Ok(operators)
    }

    /// Starts one, which is to end at this call if it is told one.
    pub(super) async fn start(&self, at: Option<&str>) -> Result<Operator> {
        self.started.set(self.started.get() + 1);
        let name = format!("operator-{}", self.started.get());
        let mut spec = self.spec.clone();
        spec.restart_policy = Some("Never".to_owned());
        let container = spec.containers.first_mut().context("it has a container")?;
        let variables = [Some(("RUST_LOG", LOG)), at.map(|it| ("ENDSTATE_CRASH_AT", it))];
        let variables = variables.into_iter().flatten().map(|(name, value)| EnvVar {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            value_from: None,
        });
        container.env.get_or_insert_default().extend(variables);
        let metadata = ObjectMeta { name: Some(name.clone()), ..self.meta.clone() };
        let pod = Pod { metadata, spec: Some(spec), status: None };
        self.pods.create(&PostParams::default(), &pod).await?;
        let (pods, leases) = (self.pods.clone(), self.leases.clone());
        Ok(Operator { pods, leases, name })
    }
}

impl Operator {
    /// Waits until its process has ended by itself.
    pub(super) async fn crashed(&self) -> Result<()> {
        let ended = |it: Option<&Pod>| it.is_some_and(|it| exit_code(it).is_some());
        await_condition(self.pods.clone(), &self.name, ended).await?;
        let pod = self.pods.get(&self.name).await?;
        let code = exit_code(&pod);
        ensure!(code == Some(137), "{} ended with {code:?}: {}", self.name, self.log().await?);
        Ok(())
    }

    /// Waits until it has logged this, and goes on.
    pub(super) async fn said(&self, what: &str) -> Result<()> {
        while !self.log().await.is_ok_and(|it| it.contains(what)) {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// All that it logged so far.
    pub(super) async fn log(&self) -> Result<String> {
        Ok(self.pods.logs(&self.name, &LogParams::default()).await?)
    }

    /// Takes it away, whether it runs or not. Gives what it logged.
    pub(super) async fn end(self) -> Result<String> {
        // The log goes with the pod; what it says while it ends is nothing that it was told to end at.
        let log = self.log().await.unwrap_or_default();
        self.pods.delete(&self.name, &DeleteParams::default()).await?;
        is_gone(&self.pods, &self.name).await?;
        release(&self.leases).await?;
        Ok(log)
    }
}

fn exit_code(pod: &Pod) -> Option<i32> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    Some(statuses.first()?.state.as_ref()?.terminated.as_ref()?.exit_code)
}

async fn is_gone(pods: &Api<Pod>, name: &str) -> Result<()> {
    let gone = await_condition(pods.clone(), name, |it: Option<&Pod>| it.is_none());
    tokio::time::timeout(MAX, gone).await.with_context(|| format!("{name} stays"))??;
    Ok(())
}

/// Nobody holds the lease any more, so the next operator does not wait for its end. Its holder has ended by now, so
/// nothing runs that it could keep apart.
async fn release(leases: &Api<Lease>) -> Result<()> {
    match leases.delete(INSTALLED, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        deleted => Ok(deleted.map(drop)?),
    }
}
