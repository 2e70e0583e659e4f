//! What the SDK's engine promises, against the real API server: it is here because the SDK itself must not know ours.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Cluster, eventually};
use endstate::lease::{Candidate, Leader, Timing};
use endstate::{
    Backoff, Cache, CancellationToken, Context, Engine, Error, Next, Notice, ObjectKey, Options,
    Propagation, Reconciler,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

/// Does what a test says, and counts.
struct Scripted<F> {
    maps: Cache<ConfigMap>,
    script: F,
    runs: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl<F> Reconciler for Scripted<F>
where
    F: AsyncScript,
{
    type Kind = ConfigMap;

    async fn reconcile(&self, key: ObjectKey, ctx: &Context) -> Result<Next, Error> {
        *self.runs.lock().unwrap().entry(key.name().to_owned()).or_default() += 1;
        let Some(map) = self.maps.get(&key) else { return Ok(Next::Settled) };
        self.script.run(&self.maps, &map, ctx).await
    }
}

/// One step of a script.
trait AsyncScript: Send + Sync + 'static {
    fn run(
        &self,
        maps: &Cache<ConfigMap>,
        map: &Arc<ConfigMap>,
        ctx: &Context,
    ) -> impl Future<Output = Result<Next, Error>> + Send;
}

struct Running {
    cluster: Arc<Cluster>,
    maps: Api<ConfigMap>,
    runs: Arc<Mutex<BTreeMap<String, usize>>>,
    shutdown: CancellationToken,
    engine: tokio::task::JoinHandle<Result<(), Error>>,
    metrics: endstate::Metrics,
}

/// Looks often, but waits for a silent holder longer than any of these tests does.
const WATCHFUL: Timing = Timing {
    duration: Duration::from_secs(120),
    renew_within: Duration::from_secs(90),
    retry: Duration::from_millis(5),
};

fn leading(client: kube::Client, candidate: &Candidate, timing: Timing) -> Engine {
    let leader = Leader::new(client.clone(), &key("operator"), candidate).timing(timing);
    Engine::leading(client, Options::new("tester"), leader)
}

impl Running {
    async fn start(script: impl AsyncScript) -> Self {
        let cluster = Arc::new(Cluster::start(&[]).await);
        let engine = Engine::new(cluster.client(), Options::new("tester"));
        Self::engine(cluster, engine, script).await
    }

    /// Of several replicas, the first.
    async fn leading(script: impl AsyncScript, candidate: Candidate) -> Self {
        Self::leading_by(WATCHFUL, script, candidate).await
    }

    async fn leading_by(timing: Timing, script: impl AsyncScript, candidate: Candidate) -> Self {
        let cluster = Arc::new(Cluster::start(&[]).await);
        let engine = leading(cluster.client(), &candidate, timing);
        Self::engine(cluster, engine, script).await
    }

    /// Of several replicas, another.
    async fn beside(other: &Self, script: impl AsyncScript, candidate: Candidate) -> Self {
        let engine = leading(other.cluster.client(), &candidate, WATCHFUL);
        Self::engine(other.cluster.clone(), engine, script).await
    }

    /// As if the lease had been taken over while this replica was paused.
    async fn hand_lease_to(&self, holder: &str) {
        let leases: Api<Lease> = Api::default_namespaced(self.cluster.client());
        let patch = Patch::Merge(json!({"spec": {"holderIdentity": holder}}));
        leases.patch("operator", &PatchParams::default(), &patch).await.unwrap();
    }

    async fn engine(cluster: Arc<Cluster>, mut engine: Engine, script: impl AsyncScript) -> Self {
        let cache = engine.cache_of::<ConfigMap>((), endstate::Scope::all().label("test", "yes"));
        let runs = Arc::default();
        let scripted = Scripted { maps: cache.clone(), script, runs: Arc::clone(&runs) };
        let backoff = Backoff { base: Duration::from_millis(20), max: Duration::from_millis(40) };
        engine.add("scripted", scripted).watches(&cache).backoff(backoff);
        let shutdown = CancellationToken::new();
        let metrics = engine.metrics();
        let engine = tokio::spawn(engine.run(shutdown.clone()));
        cache.synced().await;
        let maps = Api::default_namespaced(cluster.client());
        Self { cluster, maps, runs, shutdown, engine, metrics }
    }

    async fn create(&self, name: &str) {
        let map = json!({"metadata": {"name": name, "labels": {"test": "yes"}}});
        let map = serde_json::from_value(map).unwrap();
        self.maps.create(&PostParams::default(), &map).await.unwrap();
    }

    fn runs(&self, name: &str) -> usize {
        self.runs.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    async fn events(&self, reason: &str) -> Vec<Event> {
        let events: Api<Event> = Api::default_namespaced(self.cluster.client());
        let list = events.list(&ListParams::default()).await.unwrap().items;
        list.into_iter().filter(|it| it.reason.as_deref() == Some(reason)).collect()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.engine.await.unwrap().unwrap();
        if let Some(cluster) = Arc::into_inner(self.cluster) {
            cluster.stop().await;
        }
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::namespaced("default", name)
}

/// Panics at objects called `poison`; marks the others.
struct PanicsAtPoison;

impl AsyncScript for PanicsAtPoison {
    async fn run(
        &self,
        _: &Cache<ConfigMap>,
        map: &Arc<ConfigMap>,
        ctx: &Context,
    ) -> Result<Next, Error> {
        assert_ne!(map.metadata.name.as_deref(), Some("poison"), "this one is poison");
        let mut wanted = ConfigMap::clone(map);
        wanted.data = Some([("seen".to_owned(), "yes".to_owned())].into());
        ctx.update(&**map, &wanted).await?;
        Ok(Next::Settled)
    }
}

#[tokio::test]
async fn a_panic_stops_its_key_only_and_is_told() {
    let running = Running::start(PanicsAtPoison).await;
    running.create("poison").await;
    running.create("good").await;
    eventually("the good one", async || {
        running.maps.get("good").await.unwrap().data.is_some_and(|it| it.contains_key("seen"))
    })
    .await;
    eventually("retries", async || running.runs("poison") >= 3).await;
    eventually("an event", async || {
        let events = running.events("ReconcilePanicked").await;
        events.len() == 1 && events[0].note.as_ref().unwrap().contains("this one is poison")
    })
    .await;
    eventually("one event that counts", async || {
        let events = running.events("ReconcilePanicked").await;
        events.len() == 1 && events[0].series.as_ref().is_some_and(|it| it.count >= 2)
    })
    .await;
    let counted = running.metrics.text();
    for line in [
        r#"endstate_reconciles_total{controller="scripted",result="panic"} "#,
        r#"endstate_reconcile_duration_seconds_count{controller="scripted"} "#,
        r#"endstate_queue_depth{controller="scripted"} "#,
        r#"endstate_requests_total{verb="update",kind="ConfigMap",result="ok"} 1"#,
    ] {
        assert!(counted.contains(line), "{line} is not in\n{counted}");
    }
    running.stop().await;
}

/// Writes, and looks at once.
struct ReadsItsWrites {
    failures: Arc<AtomicUsize>,
}

impl AsyncScript for ReadsItsWrites {
    async fn run(
        &self,
        maps: &Cache<ConfigMap>,
        map: &Arc<ConfigMap>,
        ctx: &Context,
    ) -> Result<Next, Error> {
        if map.metadata.name.as_deref() != Some("first") {
            return Ok(Next::Settled);
        }
        let check = |holds: bool| {
            self.failures.fetch_add(usize::from(!holds), Ordering::SeqCst);
        };
        let mut child = ConfigMap::default();
        child.metadata.namespace = Some("default".into());
        child.metadata.name = Some("child".into());
        child.metadata.labels = map.metadata.labels.clone();
        let made = ctx.create(&child).await?;
        check(maps.get(&key("child")).is_some());
        let mut wanted = ConfigMap::clone(&made);
        wanted.data = Some([("a".to_owned(), "1".to_owned())].into());
        let changed = ctx.update(&*made, &wanted).await?;
        check(maps.get(&key("child")).is_some_and(|it| it.data == wanted.data));
        // What was observed before is refused: it has changed since.
        let stale =
            ctx.update(&*made, &ConfigMap { immutable: Some(true), ..wanted.clone() }).await;
        check(stale.is_err_and(|it| it.is_conflict()));
        let stale = ctx.delete(&*made, Propagation::Background).await;
        check(stale.is_err_and(|it| it.is_conflict()));
        ctx.delete(&*changed, Propagation::Background).await?;
        check(maps.get(&key("child")).is_none());
        let again = ctx.create(&child).await?;
        check(maps.get(&key("child")).is_some_and(|it| it.metadata.uid == again.metadata.uid));
        check(again.metadata.uid != made.metadata.uid);
        for _ in 0..3 {
            ctx.notice(&**map, Notice::normal("Told", "Tell", "the same"));
        }
        Ok(Next::Settled)
    }
}

#[tokio::test]
async fn writes_are_seen_at_once_and_guarded() {
    let failures = Arc::new(AtomicUsize::new(0));
    let running = Running::start(ReadsItsWrites { failures: failures.clone() }).await;
    running.create("first").await;
    eventually("one event", async || {
        let events = running.events("Told").await;
        events.len() == 1 && events[0].series.as_ref().is_some_and(|it| it.count == 3)
    })
    .await;
    assert_eq!(failures.load(Ordering::SeqCst), 0);
    assert_eq!(running.runs("first"), 1, "its own writes wake nobody");
    running.stop().await;
}

/// Fails until the data says otherwise.
struct FailsUntilMended {
    mended: Arc<AtomicUsize>,
}

impl AsyncScript for FailsUntilMended {
    async fn run(
        &self,
        _: &Cache<ConfigMap>,
        map: &Arc<ConfigMap>,
        _: &Context,
    ) -> Result<Next, Error> {
        match &map.data {
            Some(_) => {
                self.mended.fetch_add(1, Ordering::SeqCst);
                Ok(Next::Settled)
            }
            None => Err(Error::other("there is no data")),
        }
    }
}

#[tokio::test]
async fn failures_are_retried_told_and_end() {
    let mended = Arc::new(AtomicUsize::new(0));
    let running = Running::start(FailsUntilMended { mended: mended.clone() }).await;
    running.create("a").await;
    eventually("retries", async || running.runs("a") >= 3).await;
    eventually("an event", async || !running.events("ReconcileFailed").await.is_empty()).await;
    let data = Patch::Merge(json!({"data": {"a": "1"}}));
    running.maps.patch("a", &PatchParams::default(), &data).await.unwrap();
    eventually("the look that succeeds", async || mended.load(Ordering::SeqCst) == 1).await;
    running.stop().await;
}

/// Says who came, waits until it does not lead any more, and writes all the same.
struct WritesTooLate {
    entered: Arc<AtomicUsize>,
    answer: Arc<Mutex<Option<String>>>,
}

impl AsyncScript for WritesTooLate {
    async fn run(
        &self,
        _: &Cache<ConfigMap>,
        map: &Arc<ConfigMap>,
        ctx: &Context,
    ) -> Result<Next, Error> {
        self.entered.fetch_add(1, Ordering::SeqCst);
        while ctx.fence().is_open() {
            tokio::task::yield_now().await;
        }
        let mut wanted = ConfigMap::clone(map);
        wanted.data = Some([("by".to_owned(), "who leads no more".to_owned())].into());
        let written = ctx.update(&**map, &wanted).await.map(drop);
        let deleted = ctx.delete(&**map, Propagation::Background).await;
        let answers: Vec<_> =
            [written, deleted].into_iter().map(|it| it.unwrap_err().to_string()).collect();
        *self.answer.lock().unwrap() = Some(answers.join("; "));
        Ok(Next::Settled)
    }
}

#[tokio::test]
async fn who_has_lost_the_lease_sends_nothing() {
    let (entered, answer) =
        (Arc::<AtomicUsize>::default(), Arc::<Mutex<Option<String>>>::default());
    let script = WritesTooLate { entered: entered.clone(), answer: answer.clone() };
    let running = Running::leading(script, Candidate::Other("a".into())).await;
    running.create("a").await;
    eventually("a reconcile", async || entered.load(Ordering::SeqCst) == 1).await;
    running.hand_lease_to("somebody else").await;
    eventually("an answer", async || answer.lock().unwrap().is_some()).await;
    let said = answer.lock().unwrap().clone().unwrap();
    assert_eq!(
        said,
        "update ConfigMap default/a was not sent, because this replica is not the leader; \
         delete ConfigMap default/a was not sent, because this replica is not the leader"
    );
    assert!(running.maps.get("a").await.unwrap().data.is_none());
    // It stands by: what changes now is somebody else's.
    running.create("b").await;
    running.stop().await;
    assert_eq!(entered.load(Ordering::SeqCst), 1);
}

/// Counts, and does nothing.
struct Looks;

impl AsyncScript for Looks {
    async fn run(
        &self,
        _: &Cache<ConfigMap>,
        _: &Arc<ConfigMap>,
        _: &Context,
    ) -> Result<Next, Error> {
        Ok(Next::Settled)
    }
}

#[tokio::test]
async fn a_pod_that_is_gone_is_succeeded_when_it_has_given_up_and_one_that_is_there_is_not() {
    let timing = Timing { renew_within: Duration::from_secs(1), ..WATCHFUL };
    let pod = json!({"metadata": {"name": "operator"}, "spec": {"containers": [{"name": "a", "image": "a"}]}});
    let candidate = |uid: &str| Candidate::Pod { name: "operator".into(), uid: uid.into() };
    let before = candidate("of a pod before");
    let running = Running::leading_by(timing, Looks, candidate("of another pod")).await;
    running.create("a").await;
    eventually("the first leads", async || running.runs("a") == 1).await;

    let pods: Api<Pod> = Api::default_namespaced(running.cluster.client());
    let pod = pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await;
    let alive = candidate(&pod.unwrap().metadata.uid.unwrap()).to_string();
    let handed = Instant::now();
    running.hand_lease_to(&alive).await;
    running.create("b").await;
    let leases: Api<Lease> = Api::default_namespaced(running.cluster.client());
    let holder = async || leases.get("operator").await.unwrap().spec.unwrap().holder_identity;
    // Its holder is silent for longer than it would believe in the lease. But its pod is there.
    while handed.elapsed() < 2 * timing.renew_within {
        assert_eq!(holder().await.as_ref(), Some(&alive));
    }
    pods.delete("operator", &DeleteParams::default().grace_period(0)).await.unwrap();
    eventually("the first leads again", async || running.runs("b") == 1).await;

    // The process of a pod that is gone may still run, and act: until it gives up.
    let handed = Instant::now();
    running.hand_lease_to(&before.to_string()).await;
    let before = Some(before.to_string());
    eventually("the first holds it once more", async || holder().await != before).await;
    assert!(handed.elapsed() >= timing.renew_within);
    running.stop().await;
}

#[tokio::test]
async fn a_lease_passes_on_when_its_holder_ends() {
    let first = Running::leading(Looks, Candidate::Other("a".into())).await;
    first.create("a").await;
    eventually("the first leads", async || first.runs("a") == 1).await;
    let second = Running::beside(&first, Looks, Candidate::Other("b".into())).await;
    first.create("b").await;
    eventually("the first acts", async || first.runs("b") == 1).await;
    assert_eq!(second.runs("b"), 0, "the second stands by");
    first.shutdown.cancel();
    first.engine.await.unwrap().unwrap();
    // Given up, not run out.
    eventually("the second acts", async || second.runs("b") == 1).await;
    second.stop().await;
}
