//! The custom resource against the embedded API server: a bad spec is refused, with a message that says what to do.

use apiserver::Scratch;
use endstate::package::Package;
use endstate_zookeeper::ZooKeeperPackage;
use endstate_zookeeper::crd::ZookeeperCluster;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

fn object(name: &str, spec: &Value) -> DynamicObject {
    let body = json!({"apiVersion": "zookeeper.endstate.dev/v1", "kind": "ZookeeperCluster",
        "metadata": {"name": name}, "spec": spec});
    serde_json::from_value(body).unwrap()
}

/// A good spec, with one field set.
fn with(field: &str, value: Value) -> Value {
    let mut spec = json!({"size": 3, "version": "3.9.5"});
    spec[field] = value;
    spec
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_spec_is_refused_with_what_to_do() {
    let scratch = Scratch::start().await;
    let client = Client::new(scratch.server.service(), "default");
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let create = PostParams::default();
    definitions.create(&create, &ZooKeeperPackage.crds()[0]).await.unwrap();
    let kind = ApiResource::erase::<ZookeeperCluster>(&());
    let clusters: Api<DynamicObject> = Api::namespaced_with(client, "default", &kind);
    let refused = async |name: &str, spec: &Value, expected: &str| {
        let error = clusters.create(&create, &object(name, spec)).await.unwrap_err();
        let kube::Error::Api(status) = error else { panic!("{spec}: {error}") };
        assert!(status.code == 422 && status.message.contains(expected), "{spec}: {status:?}");
    };

    for (spec, expected) in [
        (json!({"version": "3.9.5"}), "spec.size: Required value"),
        (json!({"size": 3}), "spec.version: Required value"),
        (with("config", json!({"tickTime": 0})), "must be at least 1"),
        (with("config", json!({"snapCount": 2_147_483_648_u64})), "more than 2147483647"),
        (with("size", (-1).into()), "should be greater than or equal to 0"),
        (with("size", 8.into()), "should be less than or equal to 7"),
        (with("size", "3".into()), "must be of type integer"),
        (with("observers", 21.into()), "should be less than or equal to 20"),
        (with("version", "v3.9.5".into()), "spec.version"),
        (with("version", "3.7.2".into()), "spec.version"),
        (with("repository", "".into()), "spec.repository"),
        (with("heapMib", 63.into()), "should be greater than or equal to 64"),
        (with("credential", 0.into()), "should be greater than or equal to 1"),
        (
            with("config", json!({"dataDir": 1})),
            "not one of these: remove it: autopurge.purgeInterval",
        ),
        (with("config", json!({"tickTime": "fast"})), "must be of type integer"),
        (with("storage", json!({"size": "ten"})), "spec.storage.size"),
        (with("storage", json!({"class": ""})), "spec.storage.class"),
        (with("pod", json!({"labels": {"endstate.dev/app": "x"}})), "choose another name"),
        (with("pod", json!({"annotations": {"endstate.dev/x": "x"}})), "choose another name"),
    ] {
        refused("zoo", &spec, expected).await;
    }
    let good = json!({"size": 3, "version": "3.9.5"});
    refused(&"a".repeat(51), &good, "at most 50 characters").await;
    refused("3zoo", &good, "beginning with a letter").await;

    let made = clusters.create(&create, &object("zoo", &good)).await.unwrap();
    let spec = &made.data["spec"];
    assert_eq!((&spec["heapMib"], &spec["credential"]), (&json!(512), &json!(1)));
    assert_eq!(spec["storage"]["size"], "10Gi");
    let back = Patch::Merge(json!({"spec": {"version": "3.8.6"}}));
    let error = clusters.patch("zoo", &PatchParams::default(), &back).await.unwrap_err();
    assert!(error.to_string().contains("cannot go back to an earlier minor version"), "{error}");
}
