//! What the parts of the cluster may do, and what whoever stole their identity could not.

use apiserver::Identity;
use serde_json::json;

use crate::access::Person;
use crate::harness::Server;

impl Server {
    /// Holds what an identity may do against lists of `VERB GROUP RESOURCE`, in `kube-system`.
    async fn expect_rights(&self, identity: Identity, yes: &[&str], no: &[&str]) {
        let person = Person { server: self, identity, headers: Vec::new() };
        let all = yes.iter().map(|it| (it, true)).chain(no.iter().map(|it| (it, false)));
        for (what, expected) in all {
            let words: Vec<&str> = what.split(' ').collect();
            let (resource, subresource) = words[2].split_once('/').unwrap_or((words[2], ""));
            let group = if words[1] == "core" { "" } else { words[1] };
            let attributes = json!({"verb": words[0], "group": group, "resource": resource,
                "subresource": subresource, "namespace": "kube-system"});
            assert_eq!(person.can(attributes).await, expected, "{what}");
        }
    }
}

/// What leads to everything else.
const POWERS: [&str; 7] = [
    "create core serviceaccounts/token",
    "create core pods/exec",
    "impersonate core users",
    "create authentication.k8s.io tokenreviews",
    "create authorization.k8s.io subjectaccessreviews",
    "create rbac.authorization.k8s.io clusterrolebindings",
    "create core secrets",
];

#[tokio::test]
async fn the_controllers_make_their_own_kinds_and_no_tokens() {
    let server = Server::start().await;
    let yes = [
        "list core secrets",
        "create core pods",
        "create apps replicasets",
        "delete x.example widgets",
        "update rbac.authorization.k8s.io clusterroles",
    ];
    server.expect_rights(Identity::controllers(), &yes, &POWERS).await;
    server.expect_rights(Identity::controllers(), &[], &["create core pods/binding"]).await;
}

#[tokio::test]
async fn the_scheduler_binds_and_does_nothing_else() {
    let server = Server::start().await;
    server.expect_rights(Identity::scheduler(), &["create core pods/binding"], &POWERS).await;
    let no = ["list core pods", "delete core pods", "patch core pods/status", "list core secrets"];
    server.expect_rights(Identity::scheduler(), &[], &no).await;
}
