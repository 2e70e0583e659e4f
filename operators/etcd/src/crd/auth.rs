//! Users and roles, as they are declared.

#![expect(
    unreachable_pub,
    reason = "the schema derive copies each struct, visibility included, into a function"
)]

use endstate::crd::BesideStatus;
use endstate_core::{Keys, Password};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A role of an etcd cluster: what users may do who have it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "etcd.endstate.dev",
    version = "v1",
    kind = "EtcdRole",
    plural = "etcdroles",
    category = "endstate",
    namespaced,
    doc = "A role of an etcd cluster: what users may do who have it.",
    status = "BesideStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!has(self.name) || self.name != 'root'", "root is the operator's own"))]
pub struct EtcdRoleSpec {
    /// The `EtcdCluster` of this namespace that it belongs to.
    #[schemars(length(min = 1, max = 63))]
    pub cluster: String,
    /// Its name in etcd. Default: that of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// What it permits, and nothing else: a permission that somebody gave it by hand is taken away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub permissions: Vec<Keys>,
}

/// A user of an etcd cluster.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "etcd.endstate.dev",
    version = "v1",
    kind = "EtcdUser",
    plural = "etcdusers",
    category = "endstate",
    namespaced,
    doc = "A user of an etcd cluster.",
    status = "BesideStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.password) == has(oldSelf.password)", "etcd gives a user without a password none, and takes none away: declare another object"),
    validation = ("!has(self.name) || self.name != 'root'", "root is the operator's own")
)]
pub struct EtcdUserSpec {
    /// The `EtcdCluster` of this namespace that it belongs to.
    #[schemars(length(min = 1, max = 63))]
    pub cluster: String,
    /// Its name in etcd; of a user without a password the common name of its certificate. Default: that of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// The roles it has, by their names in etcd, and no others: one that somebody gave it by hand is taken away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 256)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub roles: Vec<String>,
    /// Its password. Without one the user is known by the common name of its client certificate, which needs
    /// `spec.tls.client` of the cluster. In the mode `Managed` the operator makes and renews it, in the secret
    /// `CLUSTER-client-tls-OBJECT`; that of the secret `CLUSTER-client-tls` is of the user `client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}
