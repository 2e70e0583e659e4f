//! What every namespace has: the `default` service account, and the CA of the API server.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::owners::{is_deleting, name};
use crate::plan::{Plan, Write};

/// The config map's name, and the key in it.
pub const ROOT_CA: &str = "kube-root-ca.crt";
const ROOT_CA_KEY: &str = "ca.crt";

/// What the plan may look at.
pub struct Snapshot<'a> {
    pub namespace: &'a Namespace,
    /// The account called `default`.
    pub account: Option<&'a Arc<ServiceAccount>>,
    /// The config map called [`ROOT_CA`].
    pub certificate: Option<&'a Arc<ConfigMap>>,
    /// The certificate, where it is known.
    pub root_ca: Option<&'a str>,
}

/// Makes what is missing, and mends what differs.
pub fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let mut plan = Plan::default();
    let meta = &snapshot.namespace.metadata;
    let phase = snapshot.namespace.status.as_ref().and_then(|it| it.phase.as_deref());
    if is_deleting(meta) || phase == Some("Terminating") {
        return plan;
    }
    if snapshot.account.is_none() {
        let metadata = named("default", name(meta));
        plan.push(Write::create(ServiceAccount { metadata, ..Default::default() }));
    }
    let Some(root_ca) = snapshot.root_ca else { return plan };
    let data = Some([(ROOT_CA_KEY.to_owned(), root_ca.to_owned())].into());
    match snapshot.certificate {
        None => {
            let mut metadata = named(ROOT_CA, name(meta));
            let note =
                "Contains a CA bundle that can be used to verify the API server of this cluster.";
            metadata.annotations =
                Some([("kubernetes.io/description".to_owned(), note.to_owned())].into());
            plan.push(Write::create(ConfigMap { metadata, data, ..Default::default() }));
        }
        Some(current) if current.data != data && !is_deleting(&current.metadata) => {
            plan.push(Write::update(current, ConfigMap { data, ..ConfigMap::clone(current) }));
        }
        Some(_) => {}
    }
    plan
}

fn named(name: &str, namespace: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..Default::default()
    }
}
