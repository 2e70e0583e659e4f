//! One run of a workload.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{EtcdCluster, Up};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::Resource;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::Value;

use super::ends::{End, counted, doubtful, end};
use super::etcd::{List, Lists};
use super::events::{BESIDE, CLUSTER, Over, is_done_beside};
use super::operators::{Operator, Operators};
use super::watch::Watch;
use super::workloads::Workload;

/// How long the world may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(180);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// What an operator logs where it is cut short.
const CUT: &str = "ENDSTATE_CRASH_AT says";
/// What it logs of each call.
const CALL: &str = "endstate::crash: calls ";
/// What a cluster is made of.
const PARTS: &str = "pods,pvc,services,configmaps,secrets,poddisruptionbudgets";

/// Where runs are made, one after the other.
pub(super) struct Stage {
    up: Up,
    operators: Operators,
    /// The one that acts, between runs.
    operator: Option<Operator>,
}

/// What came of a run.
pub(super) struct Ran {
    pub(super) end: End,
    /// Who may be given up.
    pub(super) doubtful: BTreeSet<String>,
    /// The calls of the first operator, for people.
    pub(super) calls: Vec<String>,
    /// Whether it was cut short at one.
    pub(super) cut: bool,
    /// Why the world did not come to rest.
    pub(super) failed: Option<String>,
    /// All that there is to show of it.
    pub(super) evidence: String,
    pub(super) took: Duration,
}

/// What one operator, or two, did.
struct Acted {
    doubtful: BTreeSet<String>,
    /// What each logged.
    logs: [String; 2],
    rested: Result<()>,
}

impl Stage {
    pub(super) async fn set() -> Result<Self> {
        let up = Up::with_operator(3, "etcd").await?;
        let operators = Box::pin(Operators::instead_of_installed(&up)).await?;
        Ok(Self { up, operators, operator: None })
    }

    pub(super) async fn strike(mut self) -> Result<()> {
        if let Some(operator) = self.operator.take() {
            operator.end().await?;
        }
        self.up.stop().await
    }

    /// Carries out a workload, with an operator that is cut short at this call if there is one.
    pub(super) async fn run(&mut self, workload: &Workload, at: Option<&str>) -> Result<Ran> {
        let start = Instant::now();
        if let Some(spec) = &workload.before {
            self.prepare(spec).await.context("the cluster before does not come to rest")?;
        }
        if let Some(operator) = self.operator.take() {
            operator.end().await?;
        }
        let watch = Watch::start(&self.up, CLUSTER, workload.before.is_some()).await?;
        workload.event.happens(&self.up).await?;
        watch.note("the workload has begun");
        let over = workload.event.over();
        let Acted { doubtful, logs, rested } = Box::pin(self.act(&watch, over, at)).await?;
        watch.note("the world is at rest, or had enough time");
        let object = self.object().await?;
        let list = self.list(over).await?;
        let counted = counted(&watch.lock());
        let end = end(&self.up, object.as_ref(), (counted, &list)).await?;
        let title = format!("{}, {}", workload.name, at.unwrap_or("undisturbed"));
        let parts = [
            ("events", watch.lock().events.join("\n")),
            ("first operator", logs[0].clone()),
            ("second operator", logs[1].clone()),
            ("object", object.map_or("none".to_owned(), |it| format!("{:#}", it.data))),
        ];
        let parts = parts.map(|(name, text)| format!("== {title}: {name}\n{text}\n"));
        let calls = logs[0].lines().filter_map(|it| Some(it.split_once(CALL)?.1.to_owned()));
        drop(watch);
        let ran = Ran {
            end,
            doubtful,
            cut: logs[0].contains(CUT),
            calls: calls.collect(),
            failed: rested.err().map(|it| format!("{it:#}")),
            evidence: parts.concat(),
            took: start.elapsed(),
        };
        self.clear().await?;
        Ok(ran)
    }

    async fn prepare(&mut self, spec: &Value) -> Result<()> {
        if self.operator.is_none() {
            self.operator = Some(self.operators.start(None).await?);
        }
        EtcdCluster::etcd(&self.up, CLUSTER, spec.clone()).await?;
        self.rest(Over::Settled).await
    }

    /// An operator acts until the world is at rest, and another one after it if it ends.
    async fn act(&mut self, watch: &Watch, over: Over, at: Option<&str>) -> Result<Acted> {
        let first = self.operators.start(at).await?;
        let doubts = RefCell::new(BTreeSet::new());
        let loses = async {
            first.said(CUT).await?;
            watch.note("the operator was cut short");
            *doubts.borrow_mut() = self.doubtful().await?;
            std::future::pending::<Result<()>>().await
        };
        let ended = tokio::select! {
            crashed = first.crashed() => crashed,
            rested = self.rest(over) => return {
                let logs = [first.log().await?, String::new()];
                self.operator = Some(first);
                Ok(Acted { doubtful: doubts.into_inner(), logs, rested })
            },
            failed = loses => failed,
        };
        ended?;
        watch.note("the operator has ended");
        let doubtful = self.doubtful().await?;
        let log = first.end().await?;
        let second = self.operators.start(None).await?;
        let rested = self.rest(over).await;
        let logs = [log, second.log().await?];
        self.operator = Some(second);
        Ok(Acted { doubtful, logs, rested })
    }

    async fn object(&self) -> Result<Option<DynamicObject>> {
        let cluster = EtcdCluster::existing(&self.up, CLUSTER).await?;
        Ok(cluster.object().await.ok())
    }

    async fn doubtful(&self) -> Result<BTreeSet<String>> {
        match self.object().await? {
            Some(object) => doubtful(&self.up, &object).await,
            None => Ok(BTreeSet::new()),
        }
    }

    /// Who is listed in the end.
    async fn list(&self, over: Over) -> Result<List> {
        match over {
            Over::Settled => Lists::of(&self.up, CLUSTER).await?.now().await,
            Over::Hibernates => Ok(List::new()),
        }
    }

    /// Waits until there is nothing to be done, by the operator that acts.
    async fn rest(&self, over: Over) -> Result<()> {
        let (end, mut last) = (Instant::now() + REST_MAX, None);
        loop {
            // Whoever is asked may be on its way. A look that finds nothing to do may still change the status.
            let rests = self.rests(over).await;
            match &rests {
                Ok(Ok(version)) if last.as_ref() == Some(version) => return Ok(()),
                Ok(Ok(version)) => last = Some(version.clone()),
                _ => last = None,
            }
            ensure!(Instant::now() < end, "no rest: {rests:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The version of the object if all is done, and else what is not.
    async fn rests(&self, over: Over) -> Result<Result<Option<String>, String>> {
        if !self.is_quiet().await? {
            return Ok(Err("something is on its way out".to_owned()));
        }
        let Some(object) = self.object().await? else {
            return Ok(Err("there is no cluster".to_owned()));
        };
        let status = &object.data["status"];
        let is_current = status["observedGeneration"].as_i64() == object.metadata.generation;
        let hibernates = status["phase"] == "Hibernating";
        let is_so = match over {
            Over::Hibernates => hibernates,
            Over::Settled => {
                EtcdCluster::existing(&self.up, CLUSTER).await?.is_settled().await? && !hibernates
            }
        };
        if !is_current || !is_so {
            return Ok(Err(format!("{status:#}")));
        }
        let told = self.up.endstate(&["plan", "etcd", CLUSTER, "--output", "json"]).await?;
        let is_over = is_empty(&serde_json::from_str(&told)?) && is_done_beside(&self.up).await?;
        Ok(if is_over { Ok(object.metadata.resource_version) } else { Err(told) })
    }

    /// Whether nothing is on its way out.
    async fn is_quiet(&self) -> Result<bool> {
        let (client, all) = (self.up.client().await?, ListParams::default());
        let pods = Api::<Pod>::default_namespaced(client.clone()).list(&all).await?;
        let claims = Api::<PersistentVolumeClaim>::default_namespaced(client).list(&all).await?;
        Ok(pods.iter().all(is_staying) && claims.iter().all(is_staying))
    }

    async fn left(&self) -> Result<String> {
        self.up.kubectl(&["get", PARTS, "-l", "endstate.dev/cluster", "-o", "name"]).await
    }

    /// Removes the cluster and what is beside it.
    async fn clear(&self) -> Result<()> {
        ensure!(self.operator.is_some(), "nobody acts");
        self.up.kubectl(&["uncordon", "-l", "kubernetes.io/os=linux"]).await?;
        self.up.kubectl(&["delete", BESIDE, "--all"]).await?;
        if self.object().await?.is_some() {
            let object = format!("etcdclusters.etcd.endstate.dev/{CLUSTER}");
            self.up.endstate(&["delete", &object, "--wait"]).await?;
        }
        let end = Instant::now() + REST_MAX;
        loop {
            let left = self.left().await?;
            if left.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < end, "this stays when its cluster is deleted: {left}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn is_empty(plan: &Value) -> bool {
    let is_empty = |it: &&str| plan[*it].as_array().is_some_and(Vec::is_empty);
    ["changes", "next", "waiting", "violations"].iter().all(is_empty)
}

fn is_staying(object: &impl Resource) -> bool {
    object.meta().deletion_timestamp.is_none()
}
