//! Every field of both specs: what it does, and what of it is refused.
//!
//! The fields come from the definitions. One without a row here fails, and so does a row that nothing in the pods, the
//! objects around them or the plan shows. An API server takes the values, and refuses those that are to be refused;
//! what a change of one takes on a running cluster is the planner's word.

mod rows;

use std::collections::BTreeSet;

use endstate::agents::{Agency, Seen};
use endstate_core::tls::Holder;
use endstate_core::{
    App, Beside, Cluster, Facts, Identity, Member, Operation, Platform, Severity, Snapshot, plan,
};
use endstate_etcd::Backups;
use endstate_etcd::crd::{EtcdBackup, EtcdCluster, EtcdTask, historical};
use etcd_plan::auth::AuthFacts;
use etcd_plan::{APPLICATION, ClusterFacts, Etcd, EtcdClusterSpec, NoSpace};
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::{Client, CustomResourceExt, Resource, ResourceExt};
use serde_json::{Value, json};

use self::rows::{Row, common, new, old};
use crate::operator::World;

/// A spec with this in it.
fn spec(with: &Value) -> Value {
    let mut spec = json!({"size": 3, "version": "3.5.35"});
    for (field, value) in with.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec
}

/// The fields below a schema that have none themselves.
pub(crate) fn leaves(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if schema["items"]["properties"].is_object() {
        return leaves(&schema["items"], &format!("{path}[]"), found);
    }
    let Some(fields) = schema["properties"].as_object() else {
        found.insert(path.to_owned());
        return;
    };
    for (name, inner) in fields {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        leaves(inner, &path, found);
    }
}

/// What is to be seen of a spec: the first plan, with all that pods are made of and all that is around them.
fn effect(spec: &EtcdClusterSpec) -> Value {
    let object = Identity::new("default", "demo", "0c5f");
    let mut snapshot = Snapshot::new("2026-01-01T00:00:00Z".parse().unwrap(), object, spec.clone());
    snapshot.platform = platform();
    let plan = plan(&Etcd, &snapshot);
    let accepted = plan.status.record.accepted.as_ref().unwrap().spec.clone();
    let operator = accepted.tls.client().files(APPLICATION, &snapshot.object, Holder::Operator);
    let warned = plan.status.conditions.iter().map(|it| &it.message).collect::<Vec<_>>();
    let mut actions = json!(plan.actions);
    for action in actions.as_array_mut().unwrap() {
        // It holds the spec itself.
        action["CreatePod"]["launch"]["spec"].take();
    }
    let operator = operator.map(|it| it.secret);
    let retention = json!(plan.retention);
    let root = accepted.auth.as_ref().map(|it| it.secret(&snapshot.object));
    let users = (Etcd.steps(&accepted, &in_need()), root);
    let space = Etcd.complaint(&accepted, &in_need()).map(|it| it.message);
    let rest = json!([operator, plan.status.phase, warned, retention, users, space]);
    json!([actions, plan.surroundings, plan.roles, rest])
}

/// A cluster where authentication is off and could be turned on, and where no space is left.
fn in_need() -> Cluster {
    let mut leader = Member::new("demo-a", "a", "member").voting(true);
    leader.leads = true;
    let mut cluster = Cluster::default();
    cluster.members = vec![leader];
    let (auth, no_space) = (Some(AuthFacts::default()), Some(NoSpace::default()));
    let facts = ClusterFacts { same_data: Some(true), auth, no_space, at_work: None };
    cluster.facts = Facts::of(&facts);
    cluster
}

fn platform() -> Platform {
    let mut platform = Platform::default();
    platform.default_storage_class = Some("standard".into());
    platform.cert_manager = true;
    platform
}

async fn checked<K>(client: Client, rows: Vec<Row>, read: fn(Value) -> EtcdClusterSpec)
where
    K: Resource<DynamicType = ()> + CustomResourceExt,
{
    let schema = json!(K::crd())["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    let mut fields = BTreeSet::new();
    leaves(&schema["properties"]["spec"], "", &mut fields);
    let covers = |row: &Row, field: &str| {
        field.strip_prefix(row.path).is_some_and(|it| it.is_empty() || it.starts_with(['.', '[']))
    };
    for field in &fields {
        assert!(rows.iter().any(|it| covers(it, field)), "{field} has no row");
    }
    let api = Api::<DynamicObject>::default_namespaced_with(client, &ApiResource::erase::<K>(&()));
    let mut others = vec![];
    for row in &rows {
        assert!(fields.iter().any(|it| covers(row, it)), "{} is no field", row.path);
        assert!(!row.refused.is_empty(), "{} takes anything", row.path);
        for value in &row.refused {
            let error = stored::<K>(&api, value).await.expect_err(&format!("{value}"));
            assert!(matches!(&error, kube::Error::Api(it) if it.code == 422), "{value}: {error}");
        }
        let mut seen: Vec<Value> = vec![];
        for value in &row.values {
            let stored =
                stored::<K>(&api, value).await.unwrap_or_else(|it| panic!("{value}: {it}"));
            let planned = read(stored);
            let accepted = Etcd.settle(&planned, None, &platform());
            let problems = Etcd.validate(&Identity::new("default", "demo", "0c5f"), &accepted);
            let refused = problems.iter().find(|it| it.severity == Severity::Refused);
            assert_eq!(refused, None, "{value}");
            let effect = effect(&planned);
            assert!(!seen.contains(&effect), "{value} has no effect");
            seen.push(effect);
        }
        if let [before, after, ..] = &row.values[..] {
            let before = Etcd.settle(&read(spec(before)), None, &platform());
            let after = Etcd.settle(&read(spec(after)), Some(&before), &platform());
            let change = Etcd.change(&"member".into(), &before, &after);
            // What is chosen once stays when the field is taken away; else it is as if nobody had written it.
            let unset = Etcd.settle(&read(spec(&json!({}))), Some(&before), &platform());
            let blank = Etcd.settle(&read(spec(&json!({}))), None, &platform());
            let once = ["auth.", "storage.", "tls.", "pod.persistentVolumeClaimSpec."];
            let stays = once.iter().any(|it| row.path.starts_with(it));
            // A log that is apart is not: without the field it is where the data is.
            let before = EtcdClusterSpec { wal: None, ..before };
            assert_eq!(unset, if stays { before } else { blank }, "{}", row.path);
            if change != row.change {
                others.push((row.path, change));
            }
        }
    }
    assert_eq!(others, [], "these changes take something else");
}

/// What the API server makes of a spec, without keeping it.
async fn stored<K: Resource<DynamicType = ()>>(
    api: &Api<DynamicObject>,
    with: &Value,
) -> Result<Value, kube::Error> {
    let metadata = json!({"name": "demo"});
    let (version, kind) = (K::api_version(&()), K::kind(&()));
    let object =
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec(with)});
    let mut object: DynamicObject = serde_json::from_value(object).unwrap();
    object.data["spec"] = spec(with);
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let mut stored = api.create(&params, &object).await?;
    assert_eq!(stored.name_any(), "demo");
    Ok(stored.data["spec"].take())
}

#[tokio::test]
async fn every_field_of_the_new_kind_acts_or_is_refused() {
    let world = World::new().await;
    let rows = common().into_iter().chain(new()).collect();
    checked::<EtcdCluster>(world.client(), rows, |spec| {
        serde_json::from_value::<endstate_etcd::crd::EtcdClusterSpec>(spec).unwrap().into()
    })
    .await;
}

#[tokio::test]
async fn every_field_of_the_historical_kind_acts_is_warned_of_or_refused() {
    let world = World::new().await;
    let rows = common().into_iter().chain(old()).collect();
    checked::<historical::EtcdCluster>(world.client(), rows, |spec| {
        serde_json::from_value::<historical::EtcdClusterSpec>(spec).unwrap().into()
    })
    .await;
}

/// Every field of a task asks for something else, or is refused.
#[tokio::test]
async fn every_field_of_a_task_acts_or_is_refused() {
    let world = World::new().await;
    let schema = json!(EtcdTask::crd())["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    let mut fields = BTreeSet::new();
    leaves(&schema["properties"]["spec"], "", &mut fields);
    restores_as_a_cluster_begins(&mut fields);
    let restore = |revision| json!({"restore": {"from": {"volume": {"claim": "kept"}}, "revision": revision}});
    let long = "a".repeat(64);
    let rows = [
        ("cluster", json!({"moveLeader": {}}), json!({"cluster": "", "moveLeader": {}})),
        ("moveLeader.to", json!({"moveLeader": {"to": "a"}}), json!({"moveLeader": {"to": long}})),
        (
            "replaceMember.member",
            json!({"replaceMember": {"member": "a"}}),
            json!({"replaceMember": {}}),
        ),
        (
            "defragment.members",
            json!({"defragment": {"members": ["a"]}}),
            json!({"defragment": {"members": ["a", "a"]}}),
        ),
        ("defragment.members", json!({"defragment": {}}), json!({"defragment": {"members": [""]}})),
        ("restore.revision", restore(7), restore(0)),
    ];
    for field in &fields {
        assert!(rows.iter().any(|it| it.0 == field), "{field} has no row");
    }
    let mut seen = vec![];
    for (field, accepted, refused) in rows {
        assert!(fields.contains(field), "{field} is no field");
        let object = task(&world, accepted).await.unwrap();
        let asked = Beside::new("EtcdTask", "one", Facts::of(&object.data["spec"]));
        let operation = Etcd.operations().unwrap().of(&asked).unwrap();
        assert!(operation != Operation::Unknown && !seen.contains(&operation), "{field}");
        seen.push(operation);
        let refused = task(&world, refused).await.expect_err(field);
        assert!(matches!(&refused, kube::Error::Api(it) if it.code == 422), "{field}: {refused}");
    }
    for none_or_two in [json!({}), json!({"moveLeader": {}, "defragment": {}})] {
        let refused = task(&world, none_or_two).await.unwrap_err().to_string();
        assert!(refused.contains("name one operation: "), "{refused}");
    }
}

/// What data is made of is of the type that a cluster's spec has, whose rows are above: but for one, which shows that
/// it is there, its fields need none of their own.
fn restores_as_a_cluster_begins(fields: &mut BTreeSet<String>) {
    let schema =
        json!(EtcdCluster::crd())["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    let mut of_cluster = BTreeSet::new();
    let bootstrap = &schema["properties"]["spec"]["properties"]["bootstrap"];
    leaves(bootstrap, "", &mut of_cluster);
    let (restores, others): (BTreeSet<_>, _) =
        std::mem::take(fields).into_iter().partition(|it| it.starts_with("restore."));
    assert_eq!(restores, of_cluster);
    *fields = others;
    fields.insert("restore.revision".to_owned());
}

/// What the API server makes of a task, without keeping it.
async fn task(world: &World, spec: Value) -> Result<DynamicObject, kube::Error> {
    let kind = ApiResource::erase::<EtcdTask>(&());
    let api = Api::<DynamicObject>::default_namespaced_with(world.client(), &kind);
    let mut object = DynamicObject::new("one", &kind);
    object.data = json!({"spec": {"cluster": "demo"}});
    object.data["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    api.create(&PostParams { dry_run: true, ..PostParams::default() }, &object).await
}

/// Every field of a backup is told to its agent, or is refused.
#[tokio::test]
async fn every_field_of_a_backup_acts_or_is_refused() {
    let world = World::new().await;
    let schema =
        json!(EtcdBackup::crd())["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    let mut fields = BTreeSet::new();
    leaves(&schema["properties"]["spec"], "", &mut fields);
    let scheduled = |with: Value| {
        let mut schedule = json!({"full": "6h"});
        schedule.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        json!({"schedule": schedule})
    };
    let kept = |keep: Value| json!({"schedule": {"full": "6h"}, "keep": keep});
    let to = |place: Value| json!({"to": place});
    let rows = [
        ("cluster", json!({}), json!({"cluster": ""})),
        ("to.", to(json!({"gcs": {"bucket": "b", "secret": "s"}})), to(json!({}))),
        ("schedule.full", scheduled(json!({})), scheduled(json!({"full": "often"}))),
        ("schedule.delta", scheduled(json!({"delta": "1m"})), scheduled(json!({"delta": "0s"}))),
        ("schedule.trial", scheduled(json!({"trial": "1d"})), scheduled(json!({"trial": "1w"}))),
        ("keep.last", kept(json!({"last": 2})), kept(json!({"last": 0}))),
        ("keep.days", kept(json!({"days": 2})), kept(json!({}))),
        ("compression", json!({"compression": "None"}), json!({"compression": "Rar"})),
        ("encryption.secret", json!({"encryption": {"secret": "a"}}), json!({"encryption": {}})),
        ("keep.last", kept(json!({"last": 3})), json!({"keep": {"last": 2}})),
    ];
    let covers =
        |row: &str, field: &str| row == field || row.ends_with('.') && field.starts_with(row);
    for field in &fields {
        assert!(rows.iter().any(|it| covers(it.0, field)), "{field} has no row");
    }
    let cluster = Identity::new("default", "demo", "u1");
    let mut status = endstate_core::Status::<EtcdClusterSpec>::default();
    status.record.stage = Some(EtcdClusterSpec::new(3, "3.5.16"));
    status.record.cluster_id = Some("c1".into());
    let status = json!(status);
    let of = Seen { object: &cluster, status: &status };
    let mut seen = vec![];
    for (field, accepted, refused) in rows {
        let object = backup(&world, accepted).await.unwrap_or_else(|it| panic!("{field}: {it}"));
        let declared = (&object.data["spec"], &Value::Null);
        let agent = Backups.agent(&Identity::new("default", "one", "u2"), declared, &of).unwrap();
        assert!(!seen.contains(&agent), "{field} has no effect");
        seen.push(agent);
        let refused = backup(&world, refused).await.expect_err(field);
        assert!(matches!(&refused, kube::Error::Api(it) if it.code == 422), "{field}: {refused}");
    }
}

/// What the API server makes of a backup, without keeping it.
async fn backup(world: &World, spec: Value) -> Result<DynamicObject, kube::Error> {
    let kind = ApiResource::erase::<EtcdBackup>(&());
    let api = Api::<DynamicObject>::default_namespaced_with(world.client(), &kind);
    let mut object = DynamicObject::new("one", &kind);
    object.data = json!({"spec": {"cluster": "demo", "to": {"volume": {"claim": "c"}}}});
    object.data["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    api.create(&PostParams { dry_run: true, ..PostParams::default() }, &object).await
}

/// A merge patch of nothing.
fn merged(patch: &Value) -> Value {
    let Some(fields) = patch.as_object() else { return patch.clone() };
    let kept = fields.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(name, value)| (name.clone(), merged(value))).collect()
}

/// What the guide has people patch is accepted.
#[tokio::test]
async fn what_the_guide_says_is_accepted() {
    let guide = include_str!("../../../../docs/etcd.md");
    let world = World::new().await;
    let kind = ApiResource::erase::<EtcdCluster>(&());
    let api = Api::<DynamicObject>::default_namespaced_with(world.client(), &kind);
    let patches: Vec<Value> = guide
        .lines()
        .filter_map(|it| it.trim().strip_prefix("kubectl patch etcd demo --type merge -p '"))
        .map(|it| serde_json::from_str(it.strip_suffix('\'').unwrap()).unwrap())
        .collect();
    assert!(patches.len() > 12, "{}", patches.len());
    for patch in patches {
        let result = stored::<EtcdCluster>(&api, &merged(&patch["spec"])).await;
        result.unwrap_or_else(|it| panic!("{patch}: {it}"));
    }
}
