//! The ordinary objects of a cluster, as the SDK keeps them. The owner is a config map that says what it wants, as
//! JSON.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{Cluster, eventually};
use endstate::operator::{Claim, Declared, Generated, Objects, Owner, Ownership, Wanted};
use endstate::{
    Cache, CancellationToken, Context, Engine, Error, Next, ObjectKey, Options, Reconciler, Scope,
};
use endstate_core::LeftClaim;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use kube::api::{ApiResource, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tower::ServiceExt;

const APP: &str = "tester";

struct Keeper {
    owners: Cache<ConfigMap>,
    objects: Objects,
    seen: Arc<Seen>,
}

/// What reconciles saw.
#[derive(Default)]
struct Seen {
    looks: AtomicUsize,
    conflicts: Mutex<Vec<String>>,
    password: Mutex<Option<String>>,
    claims: Mutex<Vec<Claim>>,
}

impl Reconciler for Keeper {
    type Kind = ConfigMap;

    async fn reconcile(&self, key: ObjectKey, ctx: &Context) -> Result<Next, Error> {
        let Some(owner) = self.owners.get(&key) else { return Ok(Next::Settled) };
        let wanted = wanted(owner.data.as_ref().map_or("[]", |data| &data["wanted"]));
        let owner = json!({"metadata": owner.metadata});
        let owner: Declared<ConfigMap> = serde_json::from_value(owner).unwrap();
        let owner = Owner::of(&owner, APP);
        let conflicts = self.objects.conflicts(&owner, &wanted, ctx).await?;
        *self.seen.conflicts.lock().unwrap() = conflicts.iter().map(ToString::to_string).collect();
        if conflicts.is_empty() {
            self.objects.apply(&owner, &wanted, ctx).await?;
            self.objects.prune(&owner, &wanted, ctx).await?;
        }
        *self.seen.claims.lock().unwrap() = self.objects.claims(&owner);
        let secrets = self.objects.secrets(&owner, &["admin"], ctx).await?;
        let password = secrets.get("admin", "password");
        let password = password.map(|it| String::from_utf8(it.to_vec()).unwrap());
        *self.seen.password.lock().unwrap() = password;
        self.seen.looks.fetch_add(1, Ordering::SeqCst);
        Ok(Next::Settled)
    }
}

/// Secrets are generated, claims are kept, everything else is owned.
fn wanted(text: &str) -> Vec<Wanted> {
    let bodies: Vec<Value> = serde_json::from_str(text).unwrap();
    let wanted = bodies.into_iter().map(|body| match body["kind"].as_str().unwrap() {
        "Secret" => {
            let keys = vec![Generated::new("password", 16)];
            Wanted::generated(body["metadata"]["name"].as_str().unwrap(), keys, Ownership::Owned)
        }
        "PersistentVolumeClaim" => {
            let is_owned = body["metadata"]["labels"]["policy"] == "Delete";
            let ownership = if is_owned { Ownership::Owned } else { Ownership::Kept };
            Wanted::new(body, ownership).unwrap().of_member("demo-0")
        }
        _ => Wanted::new(body, Ownership::Owned).unwrap(),
    });
    wanted.collect()
}

struct World {
    cluster: Cluster,
    maps: Api<ConfigMap>,
    seen: Arc<Seen>,
    objects: Objects,
    ctx: Context,
    writes: Arc<AtomicUsize>,
    shutdown: CancellationToken,
    engine: tokio::task::JoinHandle<Result<(), Error>>,
}

impl World {
    async fn start() -> Self {
        let cluster = Cluster::start(&[]).await;
        let writes = Arc::<AtomicUsize>::default();
        let counted = writes.clone();
        let service = cluster.service().map_request(move |request: http::Request<_>| {
            let is_event = request.uri().path().contains("/events");
            let is_write = request.method() != http::Method::GET && !is_event;
            counted.fetch_add(usize::from(is_write), Ordering::SeqCst);
            request
        });
        let mut engine = Engine::new(Client::new(service, "default"), Options::new(APP));
        let owners = engine.cache_of::<ConfigMap>((), Scope::all().label("test", "owner"));
        let kinds = [
            ApiResource::erase::<Service>(&()),
            ApiResource::erase::<ConfigMap>(&()),
            ApiResource::erase::<Secret>(&()),
            ApiResource::erase::<PersistentVolumeClaim>(&()),
        ];
        let objects = Objects::open(&mut engine, APP, &kinds);
        let seen = Arc::<Seen>::default();
        let keeper =
            Keeper { owners: owners.clone(), objects: objects.clone(), seen: seen.clone() };
        let registration = engine.add("keeper", keeper).watches(&owners);
        drop(objects.caches().iter().fold(registration, |it, cache| it.owned(cache)));
        let (shutdown, ctx) = (CancellationToken::new(), engine.context());
        let engine = tokio::spawn(engine.run(shutdown.clone()));
        let maps = Api::default_namespaced(cluster.client());
        Self { cluster, maps, seen, objects, ctx, writes, shutdown, engine }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::default_namespaced(self.cluster.client())
    }

    /// Makes an owner that wants these.
    async fn want(&self, owner: &str, wanted: Value) {
        let map = json!({"metadata": {"name": owner, "labels": {"test": "owner"}}, "data": {"wanted": wanted.to_string()}});
        let looks = self.seen.looks.load(Ordering::SeqCst);
        let params = PatchParams::apply("user").force();
        let mut patch = map.clone();
        patch["apiVersion"] = "v1".into();
        patch["kind"] = "ConfigMap".into();
        self.maps.patch(owner, &params, &Patch::Apply(patch)).await.unwrap();
        eventually("a look", async || self.seen.looks.load(Ordering::SeqCst) > looks).await;
    }

    async fn data(&self, name: &str) -> Option<Value> {
        self.maps.get_opt(name).await.unwrap().map(|it| json!(it.data))
    }

    async fn change(&self, name: &str, patch: Value) {
        self.maps.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.engine.await.unwrap().unwrap();
        self.cluster.stop().await;
    }
}

fn config(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

fn service(ports: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc"},
        "spec": {"selector": {"app": "x"}, "ports": ports}})
}

fn claim() -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data-0"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}})
}

#[tokio::test]
async fn what_somebody_changes_is_put_back_and_what_they_add_stays() {
    let world = World::start().await;
    world.want("demo", json!([config("a", json!({"x": "1", "y": "2"}))])).await;
    assert_eq!(world.data("a").await, Some(json!({"x": "1", "y": "2"})));

    world.change("a", json!({"data": {"x": "theirs", "more": "theirs"}})).await;
    let mended = json!({"x": "1", "y": "2", "more": "theirs"});
    eventually("the value", async || world.data("a").await == Some(mended.clone())).await;
    world.change("a", json!({"data": {"y": null}})).await;
    eventually("the field", async || world.data("a").await == Some(mended.clone())).await;
    world.change("a", json!({"metadata": {"ownerReferences": null}})).await;
    eventually("the owner", async || {
        world
            .maps
            .get("a")
            .await
            .unwrap()
            .owner_references()
            .first()
            .is_some_and(|it| it.name == "demo")
    })
    .await;
    world.maps.delete("a", &DeleteParams::default()).await.unwrap();
    let anew = json!({"x": "1", "y": "2"});
    eventually("the object", async || world.data("a").await == Some(anew.clone())).await;
    world.stop().await;
}

#[tokio::test]
async fn a_field_that_is_no_longer_wanted_leaves() {
    let world = World::start().await;
    let all = json!([{"name": "a", "port": 1}, {"name": "b", "port": 2}]);
    let mut labelled = service(all);
    labelled["metadata"]["labels"] = json!({"extra": "yes"});
    world.want("demo", json!([labelled, config("a", json!({"x": "1", "y": "2"}))])).await;
    world
        .want(
            "demo",
            json!([service(json!([{"name": "a", "port": 1}])), config("a", json!({"x": "1"}))]),
        )
        .await;
    assert_eq!(world.data("a").await, Some(json!({"x": "1"})));
    let service = world.api::<Service>().get("svc").await.unwrap();
    assert!(!service.labels().contains_key("extra"));
    let ports = service.spec.unwrap().ports.unwrap();
    assert_eq!(ports.iter().map(|it| it.port).collect::<Vec<_>>(), [1]);
    world.stop().await;
}

#[tokio::test]
async fn nothing_is_sent_at_rest() {
    let world = World::start().await;
    let wanted = json!([
        service(json!([{"port": 1}])),
        config("a", json!({"x": "1"})),
        claim(),
        {"kind": "Secret", "metadata": {"name": "admin"}},
    ]);
    world.want("demo", wanted).await;
    eventually("its objects", async || {
        world.api::<Service>().get_opt("svc").await.unwrap().is_some()
    })
    .await;
    assert_eq!(world.writes.load(Ordering::SeqCst), 4, "one an object");
    for note in ["a", "b", "c"] {
        // A look without a reason to write.
        let looks = world.seen.looks.load(Ordering::SeqCst);
        world.change("demo", json!({"metadata": {"annotations": {"note": note}}})).await;
        eventually("a look", async || world.seen.looks.load(Ordering::SeqCst) > looks).await;
    }
    assert_eq!(world.writes.load(Ordering::SeqCst), 4);
    world.stop().await;
}

#[tokio::test]
async fn what_is_no_longer_wanted_goes_if_the_cluster_owns_it() {
    let world = World::start().await;
    world.want("other", json!([config("theirs", json!({"x": "1"}))])).await;
    world.want("demo", json!([config("a", json!({})), config("b", json!({})), claim()])).await;
    world.want("demo", json!([config("b", json!({}))])).await;
    assert_eq!(world.data("a").await, None);
    assert!(world.data("b").await.is_some());
    assert!(world.data("theirs").await.is_some(), "it is another cluster's");
    let claims = world.api::<PersistentVolumeClaim>();
    assert!(claims.get("data-0").await.unwrap().metadata.deletion_timestamp.is_none());

    world.maps.delete("demo", &DeleteParams::default()).await.unwrap();
    eventually("no object", async || world.data("b").await.is_none()).await;
    let kept = claims.get("data-0").await.unwrap().metadata;
    assert!(kept.deletion_timestamp.is_none() && kept.owner_references.is_none());
    world.stop().await;
}

#[tokio::test]
async fn an_object_of_somebody_else_is_left_alone_and_reported() {
    let world = World::start().await;
    let theirs = serde_json::from_value(config("a", json!({"x": "1"}))).unwrap();
    world.maps.create(&PostParams::default(), &theirs).await.unwrap();
    let before = world.maps.get("a").await.unwrap();
    // The claim of a cluster that had this name before.
    let mut old = claim();
    old["metadata"]["labels"] = json!({"endstate.dev/app": APP, "endstate.dev/cluster": "demo", "endstate.dev/cluster-uid": "before"});
    let claims = world.api::<PersistentVolumeClaim>();
    claims.create(&PostParams::default(), &serde_json::from_value(old).unwrap()).await.unwrap();
    world.want("demo", json!([config("a", json!({"x": "1"})), claim()])).await;
    assert_eq!(
        *world.seen.conflicts.lock().unwrap(),
        [
            "ConfigMap default/a exists and has another owner",
            "PersistentVolumeClaim default/data-0 exists and has another owner",
        ]
    );
    assert_eq!(world.maps.get("a").await.unwrap(), before);
    assert_eq!(claims.get("data-0").await.unwrap().labels()["endstate.dev/cluster-uid"], "before");
    assert_eq!(world.writes.load(Ordering::SeqCst), 0);
    world.stop().await;
}

#[tokio::test]
async fn a_generated_secret_is_made_once() {
    let world = World::start().await;
    let secret = json!({"kind": "Secret", "metadata": {"name": "admin"}});
    world.want("demo", json!([secret])).await;
    let password = world.seen.password.lock().unwrap().clone().unwrap();
    assert_eq!(password.len(), 32);
    world.want("demo", json!([secret, config("a", json!({}))])).await;
    assert_eq!(world.seen.password.lock().unwrap().as_ref(), Some(&password));
    // Its user may have reasons.
    let theirs = Patch::Merge(json!({"stringData": {"password": "theirs"}}));
    let secrets = world.api::<Secret>();
    secrets.patch("admin", &PatchParams::default(), &theirs).await.unwrap();
    let read = async || world.seen.password.lock().unwrap().as_deref() == Some("theirs");
    eventually("their password", read).await;
    world.stop().await;
}

#[tokio::test]
async fn claims_are_of_one_cluster_object_and_end_by_an_act() {
    let world = World::start().await;
    let claims = world.api::<PersistentVolumeClaim>();
    let mut other = claim();
    other["metadata"]["name"] = "data-1".into();
    world.want("demo", json!([claim(), other])).await;
    let is_bound = async |name: &str| {
        claims
            .get(name)
            .await
            .unwrap()
            .status
            .is_some_and(|it| it.phase.as_deref() == Some("Bound"))
    };
    eventually("bound claims", async || is_bound("data-0").await && is_bound("data-1").await).await;
    world.want("demo", json!([])).await;
    let seen = world.seen.claims.lock().unwrap().clone();
    let names: Vec<_> = seen.iter().map(|it| (it.name(), it.member())).collect();
    assert_eq!(names, [("data-0", Some("demo-0")), ("data-1", Some("demo-0"))]);

    let note = Patch::Merge(json!({"metadata": {"annotations": {"changed": "since"}}}));
    claims.patch("data-0", &PatchParams::default(), &note).await.unwrap();
    let stale = world.objects.delete_claim(&seen[0], &world.ctx).await;
    assert!(stale.unwrap_err().is_conflict());
    world.objects.delete_claim(&seen[1], &world.ctx).await.unwrap();
    eventually("no claim", async || claims.get_opt("data-1").await.unwrap().is_none()).await;

    // The next cluster of this name has no data: what is there is not its own.
    world.maps.delete("demo", &DeleteParams::default()).await.unwrap();
    world.want("demo", json!([])).await;
    assert!(world.seen.claims.lock().unwrap().is_empty());
    assert_eq!(claims.get("data-0").await.unwrap().metadata.deletion_timestamp, None);
    world.stop().await;
}

/// To the plan it is a claim that nobody is known to need.
#[tokio::test]
async fn a_claim_that_the_operand_wants_keeps_its_owner() {
    let world = World::start().await;
    let mut shared = claim();
    shared["metadata"]["labels"] = json!({"policy": "Delete"});
    world.want("demo", json!([shared])).await;
    eventually("the claim", async || !world.seen.claims.lock().unwrap().is_empty()).await;
    let owner = json!({"metadata": world.maps.get("demo").await.unwrap().metadata});
    let owner = Owner::of(&serde_json::from_value::<Declared<ConfigMap>>(owner).unwrap(), APP);
    let seen = world.objects.claims(&owner).remove(0);
    let seen = endstate_core::Claim::new(seen.name(), seen.uid(), seen.resource_version(), "");
    let left = [LeftClaim::new(seen, Ownership::Kept)];
    // The keeper gives it its owner back, so the writes tell.
    for (wanted, is_left) in [(wanted(&json!([shared]).to_string()), false), (vec![], true)] {
        let before = world.writes.load(Ordering::SeqCst);
        world.objects.own_claims_left(&owner, (&left, &wanted), &world.ctx).await.unwrap();
        assert_eq!(world.writes.load(Ordering::SeqCst) > before, is_left);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_claim_goes_with_its_cluster_if_its_policy_says_so_and_is_never_pruned() {
    let world = World::start().await;
    let claims = world.api::<PersistentVolumeClaim>();
    let owners = async || claims.get("data-0").await.unwrap().owner_references().len();
    let mut delete = claim();
    delete["metadata"]["labels"] = json!({"policy": "Delete"});
    for (wanted, expected) in [(claim(), 0), (delete.clone(), 1), (claim(), 0), (delete, 1)] {
        world.want("demo", json!([wanted])).await;
        assert_eq!(owners().await, expected);
    }
    world.want("demo", json!([])).await;
    assert_eq!(claims.get("data-0").await.unwrap().metadata.deletion_timestamp, None);
    world.maps.delete("demo", &DeleteParams::default()).await.unwrap();
    eventually("no claim", async || claims.get_opt("data-0").await.unwrap().is_none()).await;
    world.stop().await;
}
