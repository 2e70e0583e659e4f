//! What cert-manager is asked for, against the embedded API server: what is somebody else's, and what the API refuses.

use std::time::Duration;

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::operator::{World, wait_for};

struct Asking {
    world: World,
    requests: Api<DynamicObject>,
    budgets: Api<PodDisruptionBudget>,
}

impl Asking {
    /// A cluster as the operator made it before it was asked for anything else, and cert-manager's kind, with fields of
    /// this schema.
    async fn new(spec: Value) -> Self {
        let world = World::new().await;
        let schema = json!({"type": "object", "properties": {"spec": spec}});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "certificates.cert-manager.io"},
            "spec": {
                "group": "cert-manager.io", "scope": "Namespaced",
                "names": {"kind": "Certificate", "plural": "certificates"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
            },
        });
        let definition: CustomResourceDefinition = serde_json::from_value(definition).unwrap();
        let definitions = Api::<CustomResourceDefinition>::all(world.client());
        definitions.create(&PostParams::default(), &definition).await.unwrap();
        let requests =
            Api::default_namespaced_with(world.client(), &endstate::operator::requests());
        let budgets = Api::default_namespaced(world.client());
        wait_for(async || requests.list(&Default::default()).await.ok()).await;
        world.operate();
        world.create("demo", json!({"size": 3, "version": "3.5.35"})).await.unwrap();
        wait_for(async || (world.pods().await.len() == 3).then_some(())).await;
        Self { world, requests, budgets }
    }

    /// As if its members had formed it: there are none here.
    async fn formed(self) -> Self {
        let object = self.world.clusters().get("demo").await.unwrap();
        let members = object.data["status"]["record"]["bootstrap"]["members"].clone();
        let record = json!({"clusterId": "c1", "bootstrap": null, "members": members});
        let patch = Patch::Merge(json!({"status": {"record": record}}));
        let params = PatchParams::default();
        self.world.clusters().patch_status("demo", &params, &patch).await.unwrap();
        self
    }

    async fn ask(&self) {
        let issuer = json!({"issuerRef": {"name": "ca"}});
        let client = json!({"mode": "Secrets", "serverSecret": "mine", "operatorSecret": "op",
            "certManager": issuer});
        let peer = json!({"mode": "Secrets", "secret": "mine-peer", "certManager": issuer});
        let patch = Patch::Merge(json!({"spec": {"tls": {"client": client, "peer": peer}}}));
        let params = PatchParams::default();
        self.world.clusters().patch("demo", &params, &patch).await.unwrap();
    }

    /// Waits until the status says this.
    async fn says(&self, told: &str) {
        let says = |it: &Value| it.to_string().contains(told);
        self.world.until(&self.world.clusters(), "demo", says).await;
    }

    async fn names(&self) -> Vec<String> {
        let list = self.requests.list(&Default::default()).await.unwrap();
        list.iter().map(ResourceExt::name_any).collect()
    }

    /// What is around the members is mended all the same.
    async fn mends(&self) {
        let name = self.budgets.list(&Default::default()).await.unwrap().items[0].name_any();
        let uid = async || self.budgets.get_opt(&name).await.unwrap()?.uid();
        let before = uid().await;
        self.budgets.delete(&name, &Default::default()).await.unwrap();
        wait_for(async || uid().await.filter(|it| Some(it) != before.as_ref())).await;
    }
}

const ANYTHING: &str = "x-kubernetes-preserve-unknown-fields";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_somebody_elses_is_told_and_left_alone() {
    let asking = Asking::new(json!({"type": "object", ANYTHING: true})).await.formed().await;
    let mut theirs = DynamicObject::new("mine", &endstate::operator::requests());
    theirs.data = json!({"spec": {"secretName": "theirs"}});
    asking.requests.create(&PostParams::default(), &theirs).await.unwrap();
    asking.ask().await;
    asking.says("the name of Certificate mine to be free").await;
    wait_for(async || (asking.names().await == ["mine", "mine-peer", "op"]).then_some(())).await;
    asking.mends().await;
    let kept = asking.requests.get("mine").await.unwrap();
    assert_eq!(kept.data["spec"], theirs.data["spec"]);
    asking.requests.delete("mine", &Default::default()).await.unwrap();
    // Nothing tells that it is gone, so it is looked for every few seconds.
    let ours = async || {
        let it = asking.requests.get_opt("mine").await.unwrap()?;
        (it.data["spec"]["secretName"] == "mine").then_some(())
    };
    for _ in 0..2 {
        if tokio::time::timeout(Duration::from_secs(9), wait_for(ours)).await.is_ok() {
            return;
        }
    }
    panic!("it is not asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_the_api_refuses_is_told_and_holds_up_nothing_else() {
    let short = json!({"type": "object", ANYTHING: true, "properties": {
        "commonName": {"type": "string", "maxLength": 5}}});
    let asking = Asking::new(short).await.formed().await;
    asking.ask().await;
    asking.says("ask cert-manager for the certificates of demo").await;
    asking.mends().await;
    let object = asking.world.clusters().get("demo").await.unwrap();
    let told = object.data["status"].to_string();
    assert!(!told.contains("apply the objects of"), "{told}");
}
