//! Certificates that cert-manager makes: what it is asked for.

use std::net::IpAddr;

use endstate_core::{Certificate, IssuerRef, Usage};
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::json;

use super::super::{CLUSTER_LABEL, Ownership, Wanted};
use crate::Error;
use crate::operator::labels::APP_LABEL;

/// The kind by whose objects cert-manager is asked. Among the kinds of an application it is optional: nothing is asked
/// for where it is not installed.
///
/// ```
/// assert_eq!(endstate::operator::requests().plural, "certificates");
/// ```
pub fn requests() -> ApiResource {
    let kind = GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate");
    ApiResource::from_gvk_with_plural(&kind, "certificates")
}

/// What the condition `Ready` of such an object says, as its status, reason and message. For people: nothing is decided
/// on it.
pub(in crate::operator::objects) fn ready(object: &DynamicObject) -> Option<String> {
    let conditions = object.data["status"]["conditions"].as_array()?;
    let ready = conditions.iter().find(|it| it["type"] == "Ready")?;
    let [status, reason, message] = ["status", "reason", "message"].map(|it| ready[it].as_str());
    let status = status.unwrap_or("Unknown");
    let told: Vec<_> =
        [reason, message].into_iter().flatten().filter(|it| !it.is_empty()).collect();
    Some(if told.is_empty() { status.into() } else { format!("{status} ({})", told.join(": ")) })
}

impl Wanted {
    /// The object by which cert-manager is asked for a certificate. The secret gets labels by which it is watched.
    pub(in crate::operator) fn request(
        (app, cluster): (&str, &str),
        wanted: &Certificate,
        issuer: &IssuerRef,
    ) -> Result<Self, Error> {
        let labels = json!({APP_LABEL: app, CLUSTER_LABEL: cluster});
        let (addresses, names): (Vec<_>, Vec<_>) =
            wanted.names.iter().partition(|it| it.parse::<IpAddr>().is_ok());
        let usage = |it: &Usage| match it {
            Usage::Server => "server auth",
            Usage::Client => "client auth",
        };
        let usages = ["digital signature", "key encipherment"].into_iter();
        let usages: Vec<_> = usages.chain(wanted.usages.iter().map(usage)).collect();
        let mut spec = json!({
            "secretName": wanted.secret,
            "secretTemplate": {"labels": labels},
            "commonName": wanted.common_name,
            "usages": usages,
            "issuerRef": {"name": issuer.name, "kind": issuer.kind, "group": issuer.group},
        });
        for (field, values) in [("dnsNames", names), ("ipAddresses", addresses)] {
            if !values.is_empty() {
                spec[field] = json!(values);
            }
        }
        let kind = requests();
        let body = json!({
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": wanted.secret},
            "spec": spec,
        });
        Self::new(body, Ownership::Owned)
    }
}

#[cfg(test)]
mod tests {
    use endstate_core::GivenFiles;
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::super::super::Owner;
    use super::*;
    use crate::operator::declared::Declared;

    #[test]
    fn cert_manager_is_asked_for_just_what_is_wanted() {
        let files = GivenFiles::default();
        let wanted = Certificate::given("mine", files).of("server").named(["localhost", "::1"]);
        let wanted = wanted.for_use([Usage::Server, Usage::Client]);
        let request = Wanted::request(("store", "demo"), &wanted, &IssuerRef::new("ca")).unwrap();
        assert_eq!(request.to_string(), "Certificate mine");
        let labels = json!({APP_LABEL: "store", CLUSTER_LABEL: "demo"});
        let expected = json!({
            "secretName": "mine",
            "secretTemplate": {"labels": labels},
            "commonName": "server",
            "dnsNames": ["localhost"],
            "ipAddresses": ["::1"],
            "usages": ["digital signature", "key encipherment", "server auth", "client auth"],
            "issuerRef": {"name": "ca", "kind": "Issuer", "group": "cert-manager.io"},
        });
        let object = json!({"metadata": {"namespace": "default", "name": "demo", "uid": "9b1d"}});
        let object: Declared<ConfigMap> = serde_json::from_value(object).unwrap();
        let intent = request.intent(&Owner::of(&object, "store"));
        assert_eq!(intent.data["spec"], expected);
        assert_eq!(intent.metadata.owner_references.unwrap()[0].uid, "9b1d");
    }

    #[test]
    fn what_it_says_is_told_as_it_says_it() {
        let told = |conditions| {
            let mut object = DynamicObject::new("mine", &requests());
            object.data = json!({"status": {"conditions": conditions}});
            ready(&object)
        };
        assert_eq!(told(json!([{"type": "Issuing", "status": "True"}])), None);
        let full = json!([{"type": "Ready", "status": "False", "reason": "A", "message": "b c"}]);
        assert_eq!(told(full).as_deref(), Some("False (A: b c)"));
        let bare = json!([{"type": "Ready", "status": "Unknown"}]);
        assert_eq!(told(bare).as_deref(), Some("Unknown"));
    }
}
