//! Roles that gather the rules of others.

use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::support::{Cluster, eventually};

#[tokio::test]
async fn a_role_follows_those_that_it_gathers_from() {
    let cluster = Cluster::start(&[]).await;
    let roles: Api<ClusterRole> = Api::all(cluster.client());
    let create = async |value: Value| {
        let role = serde_json::from_value(value).unwrap();
        roles.create(&PostParams::default(), &role).await.unwrap();
    };
    let part = |name: &str, resource: &str| {
        json!({"metadata": {"name": name, "labels": {"to": "all"}},
            "rules": [{"verbs": ["get"], "apiGroups": ["x"], "resources": [resource]}]})
    };
    create(json!({"metadata": {"name": "all"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "all"}}]}}))
    .await;
    let gathered = async || {
        let rules = roles.get("all").await.unwrap().rules.unwrap_or_default();
        rules.into_iter().filter_map(|it| it.resources).flatten().collect::<Vec<_>>()
    };
    create(part("b", "second")).await;
    create(part("a", "first")).await;
    eventually("both rules", async || gathered().await == ["first", "second"]).await;
    roles.delete("a", &DeleteParams::default()).await.unwrap();
    eventually("one rule", async || gathered().await == ["second"]).await;
    cluster.stop().await;
}
