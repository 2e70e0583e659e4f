//! Who may do what, tried as an attacker would: each try leads to nothing that is not theirs.

use apiserver::Identity;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::harness::{Answer, Server, answer};

const RULES: &str = "/apis/rbac.authorization.k8s.io/v1";
const AUTHORIZATION: &str = "/apis/authorization.k8s.io/v1";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// Somebody, and the server that they talk to.
pub(crate) struct Person<'a> {
    pub(crate) server: &'a Server,
    pub(crate) identity: Identity,
    /// Headers of every request.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Server {
    fn person(&self, user: &str, groups: &[&str]) -> Person<'_> {
        let identity = Identity::new(user, groups);
        Person { server: self, identity, headers: Vec::new() }
    }

    fn user(&self, user: &str) -> Person<'_> {
        self.person(user, &["system:authenticated"])
    }

    /// The account that pods of the namespace have when nobody says anything else.
    fn default_account(&self, namespace: &str) -> Person<'_> {
        let user = format!("system:serviceaccount:{namespace}:default");
        let groups =
            ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"];
        self.person(&user, &groups)
    }

    async fn role(&self, namespace: &str, name: &str, rules: Value) {
        let place = if namespace.is_empty() {
            "clusterroles".to_owned()
        } else {
            format!("namespaces/{namespace}/roles")
        };
        let body = json!({"metadata": {"name": name}, "rules": rules});
        self.post(&format!("{RULES}/{place}"), body).await.expect(201);
    }

    /// Gives a user these rules in a namespace.
    async fn grant(&self, user: &str, namespace: &str, rules: Value) {
        self.role(namespace, user, rules).await;
        let body = json!({"metadata": {"name": user}, "subjects": [{"kind": "User", "name": user}],
            "roleRef": {"kind": "Role", "name": user}});
        let path = format!("{RULES}/namespaces/{namespace}/rolebindings");
        self.post(&path, body).await.expect(201);
    }

    /// Gives a user these rules everywhere.
    async fn grant_all(&self, user: &str, rules: Value) {
        self.role("", user, rules).await;
        let body = json!({"metadata": {"name": user}, "subjects": [{"kind": "User", "name": user}],
            "roleRef": {"kind": "ClusterRole", "name": user}});
        self.post(&format!("{RULES}/clusterrolebindings"), body).await.expect(201);
    }
}

impl Person<'_> {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    async fn send(&self, method: &str, path: &str, body: Option<(&str, Value)>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let bytes = match body {
            None => Bytes::new(),
            Some((kind, value)) => {
                request = request.header("content-type", kind);
                Bytes::from(value.to_string())
            }
        };
        let service = self.server.api.service_as(self.identity.clone());
        let Ok(response) = service.oneshot(request.body(Full::new(bytes)).unwrap()).await;
        answer(response).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    async fn code(&self, path: &str) -> u16 {
        self.get(path).await.code.as_u16()
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(("application/json", body))).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, Some(("application/json", body))).await
    }

    async fn patch(&self, path: &str, kind: &str, body: Value) -> Answer {
        self.send("PATCH", path, Some((kind, body))).await
    }

    pub(crate) async fn can(&self, attributes: Value) -> bool {
        let path = format!("{AUTHORIZATION}/selfsubjectaccessreviews");
        let body = json!({"spec": {"resourceAttributes": attributes}});
        self.post(&path, body).await.expect(201)["status"]["allowed"] == true
    }
}

async fn server() -> Server {
    let server = Server::start().await;
    server.namespace("ns").await;
    server.namespace("other").await;
    for (namespace, name) in [("ns", "mine"), ("ns", "theirs"), ("other", "mine")] {
        let secret = json!({"metadata": {"name": name}, "stringData": {"k": "hidden"}});
        server.post(&format!("/api/v1/namespaces/{namespace}/secrets"), secret).await.expect(201);
    }
    server
}

#[tokio::test]
async fn the_token_of_any_pod_leads_nowhere() {
    let server = server().await;
    let pod = server.default_account("ns");
    for path in [
        "/api/v1/namespaces/ns/secrets",
        "/api/v1/namespaces/ns/secrets/mine",
        "/api/v1/namespaces/ns/pods",
        "/api/v1/namespaces/kube-system/secrets",
        "/api/v1/secrets",
        "/api/v1/nodes",
        "/api/v1/namespaces/ns",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/metrics",
        "/api/v1/watch/secrets",
        "/api/v1/namespaces/ns/widgets",
    ] {
        assert_eq!(pod.code(path).await, 403, "{path}");
    }
    let intruder = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}],
        "volumes": [{"name": "home", "hostPath": {"path": "/root"}}]}});
    let made = pod.post("/api/v1/namespaces/kube-system/pods", intruder).await;
    assert_eq!(
        made.message(403),
        r#"pods is forbidden: User "system:serviceaccount:ns:default" cannot create resource "pods" in API group "" in the namespace "kube-system""#
    );
    let token = pod.post("/api/v1/namespaces/ns/serviceaccounts/default/token", json!({})).await;
    assert_eq!(token.code, 403);
    for path in ["/version", "/api", "/apis", "/apis/apps/v1", "/openapi/v3", "/healthz"] {
        assert_eq!(pod.code(path).await, 200, "{path}: what everyone may know");
    }
}

#[tokio::test]
async fn strangers_see_health_and_version_and_nothing_else() {
    let server = server().await;
    let nobody = server.person("system:anonymous", &["system:unauthenticated"]);
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        assert_eq!(nobody.code(path).await, 200, "{path}");
    }
    for path in
        ["/", "/api", "/apis", "/openapi/v2", "/metrics", "/api/v1/namespaces", "/openid/v1/jwks"]
    {
        assert_eq!(nobody.code(path).await, 403, "{path}");
    }
    assert_eq!(
        nobody.get("/api/v1/namespaces").await.message(403),
        r#"namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces" in API group "" at the cluster scope"#
    );
    let metrics = nobody.get("/metrics").await.expect(403);
    assert_eq!(
        metrics["message"],
        r#"forbidden: User "system:anonymous" cannot get path "/metrics""#
    );
    assert_eq!(metrics["details"], json!({}));
}

#[tokio::test]
async fn an_editor_of_one_namespace_is_nobody_in_another() {
    let server = server().await;
    server.bind("ns", "edit", json!([{"kind": "User", "name": "eve"}])).await;
    let eve = server.user("eve");
    let map = json!({"metadata": {"name": "a"}});
    eve.post("/api/v1/namespaces/ns/configmaps", map.clone()).await.expect(201);
    eve.get("/api/v1/namespaces/ns/secrets/mine").await.expect(200);
    for path in [
        "/api/v1/namespaces/other/secrets/mine",
        "/api/v1/secrets",
        "/api/v1/secrets?fieldSelector=metadata.namespace%3Dns",
        "/api/v1/namespaces/ns/..%2Fother/secrets",
        "/api/v1/namespaces/ns%2F..%2Fother/secrets/mine",
        "/api/v1/namespaces/ns/secrets/..%2F..%2Fother%2Fmine",
        "/api/v1/namespaces/ns/../other/secrets/mine",
        "/api/v1//namespaces/other/secrets/mine",
        "/api/v1/namespaces/other/configmaps",
        "/api/v1/nodes",
        "/api/v1/namespaces/ns/services/x/proxy",
    ] {
        let code = eve.code(path).await;
        assert!(matches!(code, 403..=405), "{path}: {code}");
    }
    assert_eq!(eve.post("/api/v1/namespaces/other/configmaps", map.clone()).await.code, 403);
    let elsewhere = json!({"metadata": {"name": "b", "namespace": "other"}});
    assert_eq!(eve.post("/api/v1/namespaces/ns/configmaps", elsewhere).await.code, 400);
    let role = json!({"metadata": {"name": "r"}, "rules": []});
    assert_eq!(eve.post(&format!("{RULES}/namespaces/ns/roles"), role).await.code, 403);
    assert_eq!(eve.send("DELETE", "/api/v1/namespaces/ns", None).await.code, 403);
    assert_eq!(eve.post("/api/v1/namespaces/ns/pods/p/binding", json!({})).await.code, 403);
}

#[tokio::test]
async fn a_right_to_one_name_shows_that_object_in_every_form_and_no_other() {
    let server = server().await;
    let rule = json!([{"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["secrets"],
        "resourceNames": ["mine"]}]);
    server.grant("eve", "ns", rule).await;
    let eve = server.user("eve");
    let secrets = "/api/v1/namespaces/ns/secrets";
    eve.get(&format!("{secrets}/mine")).await.expect(200);
    let list = eve.get(&format!("{secrets}?fieldSelector=metadata.name=mine")).await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    for query in [
        "",
        "?fieldSelector=metadata.name!=mine",
        "?fieldSelector=metadata.name=theirs",
        "?fieldSelector=metadata.name=theirs,metadata.name=mine",
        "?fieldSelector=metadata.name=theirs&fieldSelector=metadata.name=mine",
        "?watch=true",
        "?watch=1&fieldSelector=metadata.namespace=ns",
        "?labelSelector=metadata.name=mine",
        "?name=mine",
    ] {
        assert_eq!(eve.code(&format!("{secrets}{query}")).await, 403, "{query}");
    }
    // A second name in the selector only takes away, whichever is looked at first.
    let both = "?fieldSelector=metadata.name=mine,metadata.name=theirs";
    let list = eve.get(&format!("{secrets}{both}")).await.expect(200);
    assert_eq!(list["items"], json!([]));
    // The deprecated path names an object too; a selector cannot make it another.
    let watch = "/api/v1/watch/namespaces/ns/secrets";
    assert_eq!(eve.code(&format!("{watch}/theirs?timeoutSeconds=1")).await, 403);
    assert_eq!(eve.code(watch).await, 403);
    let path = format!("{watch}/mine?timeoutSeconds=1&fieldSelector=metadata.name=theirs");
    assert_eq!(eve.get(&path).await.text, "");
    assert_eq!(
        eve.send("DELETE", &format!("{secrets}?fieldSelector=metadata.name=mine"), None).await.code,
        403
    );
    assert_eq!(eve.code("/api/v1/secrets?fieldSelector=metadata.name=mine").await, 403);
}

#[tokio::test]
async fn commands_in_pods_need_the_right_to_make_them_also_by_get() {
    let server = server().await;
    let rules = json!([{"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["pods", "pods/exec",
        "pods/attach", "pods/portforward", "pods/log"]}]);
    server.grant("eve", "ns", rules).await;
    let eve = server.user("eve");
    for kind in ["exec", "attach", "portforward"] {
        let path = format!("/api/v1/namespaces/ns/pods/p/{kind}?command=id");
        assert_eq!(eve.code(&path).await, 403, "GET {path}");
        assert_eq!(eve.post(&path, json!({})).await.code, 403, "POST {path}");
        let path = format!("/api/v1/watch/namespaces/ns/pods/p/{kind}?command=id");
        assert_eq!(eve.code(&path).await, 404, "there is no such path");
    }
    assert_eq!(eve.code("/api/v1/namespaces/ns/pods/p/log").await, 404, "allowed, and not there");
    let only_pods = json!([{"verbs": ["*"], "apiGroups": [""], "resources": ["pods"]}]);
    server.grant("mallory", "ns", only_pods).await;
    let mallory = server.user("mallory");
    for sub in ["log", "exec", "status", "eviction", "proxy", "binding", "ephemeralcontainers"] {
        let path = format!("/api/v1/namespaces/ns/pods/p/{sub}");
        assert_eq!(mallory.code(&path).await, 403, "{path}");
        assert_eq!(mallory.post(&path, json!({})).await.code, 403, "{path}");
    }
}

#[tokio::test]
async fn making_an_object_needs_the_right_whatever_the_request_is_called() {
    let server = server().await;
    let rules = json!([{"verbs": ["get", "update", "patch"], "apiGroups": [""],
        "resources": ["configmaps", "endpoints"]}]);
    server.grant("eve", "ns", rules).await;
    let eve = server.user("eve");
    let place = "/api/v1/namespaces/ns/endpoints/a";
    let body = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "a"},
        "subsets": []});
    assert_eq!(
        eve.put(place, body.clone()).await.message(403),
        r#"endpoints "a" is forbidden: User "eve" cannot create resource "endpoints" in API group "" in the namespace "ns""#
    );
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let path = "/api/v1/namespaces/ns/configmaps/a?fieldManager=eve";
    assert_eq!(eve.patch(path, APPLY, map.clone()).await.code, 403);
    let made = server.put(place, body).await.expect(201);
    server.post("/api/v1/namespaces/ns/configmaps", map.clone()).await.expect(201);
    eve.put(place, made).await.expect(200);
    eve.patch(path, APPLY, map).await.expect(200);
}

#[tokio::test]
async fn nobody_grants_what_they_do_not_have_in_any_form() {
    let server = server().await;
    let rules = json!([
        {"verbs": ["*"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
    // The verbs are named: `*` would have `escalate` and `bind` in it.
    let verbs = json!(["get", "list", "create", "update", "patch", "delete"]);
    let mut rules = rules;
    rules[0]["verbs"] = verbs;
    server.grant("eve", "ns", rules).await;
    let eve = server.user("eve");
    let roles = format!("{RULES}/namespaces/ns/roles");
    let role = |name: &str, rules: Value| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": name}, "rules": rules})
    };
    let pods = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
    let secrets = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]);
    let refused = "user \"eve\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n\
                   {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}";
    eve.post(&roles, role("a", pods.clone())).await.expect(201);
    let made = eve.post(&roles, role("b", secrets.clone())).await;
    assert_eq!(
        made.message(403),
        format!("roles.rbac.authorization.k8s.io \"b\" is forbidden: {refused}")
    );
    assert_eq!(
        eve.post(&format!("{roles}?dryRun=All"), role("b", secrets.clone())).await.code,
        403
    );
    for rules in [
        json!([{"verbs": ["*"], "apiGroups": [""], "resources": ["pods"]}]),
        json!([{"verbs": ["get"], "apiGroups": ["*"], "resources": ["pods"]}]),
        json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["*"]}]),
        json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods/exec"]}]),
        json!([{"verbs": ["escalate"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"]}]),
    ] {
        assert_eq!(eve.post(&roles, role("b", rules.clone())).await.code, 403, "{rules}");
    }
    let (a, b) = (format!("{roles}/a"), format!("{roles}/b?fieldManager=eve"));
    let tries = [
        eve.put(&a, role("a", secrets.clone())).await,
        eve.put(&format!("{roles}/b"), role("b", secrets.clone())).await,
        eve.patch(&a, MERGE, json!({"rules": secrets})).await,
        eve.patch(&a, "application/strategic-merge-patch+json", json!({"rules": secrets})).await,
        eve.patch(
            &a,
            JSON_PATCH,
            json!([{"op": "replace", "path": "/rules/0/resources/0", "value": "secrets"}]),
        )
        .await,
        eve.patch(&b, APPLY, role("b", secrets.clone())).await,
        eve.patch(
            &format!("{roles}/a?fieldManager=eve&force=true"),
            APPLY,
            role("a", secrets.clone()),
        )
        .await,
    ];
    for (at, answer) in tries.into_iter().enumerate() {
        assert!(answer.message(403).contains(refused), "{at}");
    }
    eve.patch(&a, MERGE, json!({"rules": []})).await.expect(200);
    server.merge(&a, json!({"rules": secrets})).await.expect(200);
    eve.patch(&a, MERGE, json!({"metadata": {"finalizers": ["example.com/x"]}})).await.expect(200);
    assert_eq!(eve.patch(&a, MERGE, json!({"metadata": {"labels": {"x": "y"}}})).await.code, 403);
}

#[tokio::test]
async fn nobody_binds_a_role_that_gives_more_than_they_have() {
    let server = server().await;
    let verbs = json!(["get", "create", "update", "patch", "delete"]);
    let rules = json!([
        {"verbs": verbs, "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"]},
        {"verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"],
            "resourceNames": ["view"]}]);
    server.grant("eve", "ns", rules.clone()).await;
    server.role("ns", "small", rules).await;
    let eve = server.user("eve");
    let bindings = format!("{RULES}/namespaces/ns/rolebindings");
    let binding = |name: &str, kind: &str, role: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding", "metadata": {"name": name}, "subjects": [{"kind": "User", "name": "eve"}],
        "roleRef": {"kind": kind, "name": role, "apiGroup": "rbac.authorization.k8s.io"}})
    };
    let message =
        eve.post(&bindings, binding("b", "ClusterRole", "cluster-admin")).await.message(403);
    assert!(
        message.contains("is attempting to grant RBAC permissions not currently held"),
        "{message}"
    );
    assert!(message.contains(r#"{NonResourceURLs:["*"], Verbs:["*"]}"#), "{message}");
    let put = eve.put(&format!("{bindings}/b"), binding("b", "ClusterRole", "edit")).await;
    assert_eq!(put.code, 403);
    let path = format!("{bindings}/b?fieldManager=eve");
    assert_eq!(eve.patch(&path, APPLY, binding("b", "ClusterRole", "admin")).await.code, 403);
    let missing = eve.post(&bindings, binding("b", "Role", "none")).await.message(404);
    assert_eq!(missing, r#"roles.rbac.authorization.k8s.io "none" not found"#);
    eve.post(&bindings, binding("own", "Role", "small")).await.expect(201);
    // Which role would have said more is told.
    server.post(&bindings, binding("lost", "ClusterRole", "view")).await.expect(201);
    server.delete(&format!("{RULES}/clusterroles/view")).await.expect(200);
    let message = eve.post(&bindings, binding("c", "ClusterRole", "edit")).await.message(403);
    let unknown =
        r#"; resolution errors: [clusterrole.rbac.authorization.k8s.io "view" not found]"#;
    assert!(message.ends_with(unknown), "{message}");
    server.role("", "view", json!([])).await;
    eve.post(&bindings, binding("view", "ClusterRole", "view")).await.expect(201);
    // A binding of the administrator's cannot be taken over.
    server.post(&bindings, binding("admins", "ClusterRole", "admin")).await.expect(201);
    let server_only = server.user("mallory");
    assert_eq!(server_only.get(&format!("{bindings}/admins")).await.code, 403);
    let subjects = json!({"subjects": [{"kind": "User", "name": "mallory"}]});
    server.merge(format!("{bindings}/admins"), json!({"subjects": []})).await.expect(200);
    assert_eq!(eve.patch(&format!("{bindings}/admins"), MERGE, subjects).await.code, 403);
    let cluster = json!({"metadata": {"name": "b"}, "subjects": [{"kind": "User", "name": "eve"}],
        "roleRef": {"kind": "ClusterRole", "name": "view"}});
    assert_eq!(eve.post(&format!("{RULES}/clusterrolebindings"), cluster).await.code, 403);
}

#[tokio::test]
async fn the_verbs_escalate_and_bind_exempt_and_gathering_needs_everything() {
    let server = server().await;
    let group = "rbac.authorization.k8s.io";
    let all = ["create", "update", "patch", "get"];
    server
        .grant_all(
            "eve",
            json!([{"verbs": all, "apiGroups": [group], "resources": ["clusterroles"]}]),
        )
        .await;
    server
        .grant_all("root", json!([
            {"verbs": all, "apiGroups": [group], "resources": ["clusterroles", "clusterrolebindings"]},
            {"verbs": ["escalate", "bind"], "apiGroups": [group], "resources": ["clusterroles"]}]))
        .await;
    let (eve, root) = (server.user("eve"), server.user("root"));
    let roles = format!("{RULES}/clusterroles");
    let gathering = json!({"metadata": {"name": "g"}, "rules": [],
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
    assert_eq!(
        eve.post(&roles, gathering.clone()).await.message(403),
        r#"clusterroles.rbac.authorization.k8s.io "g" is forbidden: must have cluster-admin privileges to use the aggregationRule"#
    );
    root.post(&roles, gathering).await.expect(201);
    assert_eq!(
        eve.patch(&format!("{roles}/g"), MERGE, json!({"aggregationRule": null})).await.code,
        403
    );
    let everything = json!({"metadata": {"name": "all"}, "rules":
        [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]});
    assert_eq!(eve.post(&roles, everything.clone()).await.code, 403);
    root.post(&roles, everything).await.expect(201);
    let binding = json!({"metadata": {"name": "b"}, "subjects": [{"kind": "User", "name": "root"}],
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"}});
    root.post(&format!("{RULES}/clusterrolebindings"), binding).await.expect(201);
    root.get("/api/v1/secrets").await.expect(200);
}

#[tokio::test]
async fn a_right_is_there_with_the_answer_that_gave_it_and_gone_with_the_one_that_took_it() {
    let server = server().await;
    let eve = server.user("eve");
    let bindings = format!("{RULES}/namespaces/ns/rolebindings");
    for round in 0..20 {
        let name = format!("b{round}");
        let body = json!({"metadata": {"name": name}, "subjects": [{"kind": "User", "name": "eve"}],
            "roleRef": {"kind": "ClusterRole", "name": "view"}});
        server.post(&bindings, body).await.expect(201);
        assert_eq!(eve.code("/api/v1/namespaces/ns/configmaps").await, 200, "{round}");
        server.delete(&format!("{bindings}/{name}")).await.expect(200);
        assert_eq!(eve.code("/api/v1/namespaces/ns/configmaps").await, 403, "{round}");
    }
}

#[tokio::test]
async fn nobody_speaks_for_others_unless_they_may() {
    let server = server().await;
    let whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let refused = server.user("eve").with("impersonate-user", "kubernetes-admin");
    assert_eq!(
        refused.post(whoami, json!({})).await.message(403),
        r#"users "kubernetes-admin" is forbidden: User "eve" cannot impersonate resource "users" in API group "" at the cluster scope"#
    );
    server
        .grant_all("eve", json!([
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["jane"]},
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups"], "resourceNames": ["dev"]},
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["serviceaccounts"]},
            {"verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["userextras/scopes"]}]))
        .await;
    let jane = || server.user("eve").with("impersonate-user", "jane");
    let info = jane().with("impersonate-group", "dev").with("impersonate-extra-scopes", "a");
    let info = info.post(whoami, json!({})).await.expect(201);
    assert_eq!(
        info["status"]["userInfo"],
        json!({"username": "jane", "groups": ["dev", "system:authenticated"], "extra": {"scopes": ["a"]}})
    );
    for (header, value) in [
        ("impersonate-group", "system:masters"),
        ("impersonate-uid", "1"),
        ("impersonate-extra-other", "a"),
    ] {
        let answer = jane().with(header, value).get("/api/v1/secrets").await;
        assert!(answer.message(403).contains("cannot impersonate resource"), "{header}");
    }
    let twice = jane().with("impersonate-group", "dev").with("impersonate-group", "system:masters");
    assert_eq!(twice.code("/api/v1/secrets").await, 403);
    assert_eq!(server.user("eve").with("impersonate-group", "dev").code(whoami).await, 400);
    let account = server.user("eve").with("impersonate-user", "system:serviceaccount:ns:default");
    let info = account.post(whoami, json!({})).await.expect(201);
    assert_eq!(
        info["status"]["userInfo"]["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"])
    );
    let bare = server.user("eve").with("impersonate-uid", "1");
    assert_eq!(
        bare.code("/api/v1/namespaces/ns/secrets").await,
        400,
        "a part alone is not ignored"
    );
}

#[tokio::test]
async fn reviews_tell_the_truth() {
    let server = server().await;
    server.bind("ns", "view", json!([{"kind": "User", "name": "eve"}])).await;
    let eve = server.user("eve");
    assert!(eve.can(json!({"verb": "list", "resource": "pods", "namespace": "ns"})).await);
    assert!(!eve.can(json!({"verb": "list", "resource": "pods", "namespace": "other"})).await);
    assert!(!eve.can(json!({"verb": "list", "resource": "pods"})).await);
    assert!(!eve.can(json!({"verb": "list", "resource": "secrets", "namespace": "ns"})).await);
    let review = |spec: Value| async move { spec };
    let spec = review(json!({"spec": {"user": "eve", "resourceAttributes":
        {"verb": "get", "resource": "pods", "namespace": "ns", "fieldSelector": {"rawSelector": "a=b"}}}})).await;
    let path = format!("{AUTHORIZATION}/subjectaccessreviews");
    assert_eq!(
        eve.post(&path, spec.clone()).await.code,
        403,
        "questions about others are not for all"
    );
    let status = server.post(&path, spec).await.expect(201)["status"].clone();
    assert_eq!(status["allowed"], true);
    let reason = status["reason"].as_str().unwrap();
    assert!(reason.starts_with("RBAC: allowed by RoleBinding \"b-"), "{reason}");
    assert!(reason.ends_with("of ClusterRole \"view\" to User \"eve\""), "{reason}");
    let spec = json!({"spec": {"user": "x", "groups": ["system:masters"], "nonResourceAttributes":
        {"verb": "get", "path": "/metrics"}}});
    assert_eq!(server.post(&path, spec).await.expect(201)["status"]["allowed"], true);
    let local = format!("{AUTHORIZATION}/namespaces/ns/localsubjectaccessreviews");
    let spec = |namespace: &str| {
        json!({"metadata": {"namespace": "ns"}, "spec": {"user": "eve",
        "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": namespace}}})
    };
    assert_eq!(server.post(&local, spec("ns")).await.expect(201)["status"]["allowed"], true);
    assert_eq!(server.post(&local, spec("other")).await.code, 422);
    let rules = format!("{AUTHORIZATION}/selfsubjectrulesreviews");
    let status =
        eve.post(&rules, json!({"spec": {"namespace": "ns"}})).await.expect(201)["status"].clone();
    let named = |word: &str| {
        status["resourceRules"]
            .as_array()
            .unwrap()
            .iter()
            .any(|rule| rule["resources"].as_array().unwrap().iter().any(|it| it == word))
    };
    assert!(named("configmaps") && named("selfsubjectaccessreviews") && !named("secrets"));
    assert!(!status["nonResourceRules"].as_array().unwrap().is_empty());
    let status =
        eve.post(&rules, json!({"spec": {"namespace": "other"}})).await.expect(201)["status"]
            .clone();
    assert!(!status.to_string().contains("configmaps"));
    assert!(status["evaluationError"].is_null());
    assert_eq!(eve.post(&rules, json!({"spec": {}})).await.code, 400);

    // A role that is gone is told, beside what others give.
    server.grant("eve", "ns", json!([])).await;
    server.delete(&format!("{RULES}/namespaces/ns/roles/eve")).await.expect(200);
    let status =
        eve.post(&rules, json!({"spec": {"namespace": "ns"}})).await.expect(201)["status"].clone();
    let gone = r#"role.rbac.authorization.k8s.io "eve" not found"#;
    assert_eq!(status["evaluationError"], gone);
    assert!(status.to_string().contains("configmaps"));
}

#[tokio::test]
async fn a_namespace_is_seen_by_who_has_a_role_in_it() {
    let server = server().await;
    server.bind("ns", "view", json!([{"kind": "User", "name": "eve"}])).await;
    let eve = server.user("eve");
    assert_eq!(eve.code("/api/v1/namespaces/ns").await, 200);
    assert_eq!(eve.code("/api/v1/namespaces/other").await, 403);
    assert_eq!(eve.code("/api/v1/namespaces").await, 403);
}

#[tokio::test]
async fn defaults_come_back_at_a_start_and_what_users_added_stays() {
    use std::sync::Arc;

    use crate::harness::NoNodes;
    let server = server().await;
    let view = format!("{RULES}/clusterroles/system:discovery");
    let more = json!({"verbs": ["get"], "nonResourceURLs": ["/metrics"]});
    server.merge(&view, json!({"rules": [more]})).await.expect(200);
    server.delete(&format!("{RULES}/clusterrolebindings/system:basic-user")).await.expect(200);
    let again = Server::with(server.store.clone(), Arc::new(NoNodes)).await;
    let rules = again.get(&view).await.expect(200)["rules"].to_string();
    assert!(rules.contains("/metrics") && rules.contains("/openapi"), "{rules}");
    again.get(&format!("{RULES}/clusterrolebindings/system:basic-user")).await.expect(200);
    let revision = again.store.revision();
    Server::with(server.store.clone(), Arc::new(NoNodes)).await;
    assert_eq!(again.store.revision(), revision, "a start with nothing to do writes nothing");
}
