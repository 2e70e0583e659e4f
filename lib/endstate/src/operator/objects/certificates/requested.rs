//! Certificates that cert-manager makes: what it is asked for.

use std::net::IpAddr;

use endstate_core::{Certificate, Conflict, IssuerRef, Usage, Words};
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
    let kind = GroupVersionKind::gvk(IssuerRef::GROUP, "v1", Conflict::REQUEST);
    ApiResource::from_gvk_with_plural(&kind, "certificates")
}

/// What the condition `Ready` of such an object says, as its status, reason and message. For people: nothing is decided
/// on it.
pub(in crate::operator::objects) fn ready(object: &DynamicObject) -> Option<Words> {
    let conditions = object.data["status"]["conditions"].as_array()?;
    let ready = conditions.iter().find(|it| it["type"] == "Ready")?;
    let words = |it: &str| Words::of(ready[it].as_str().unwrap_or_default());
    let [status, reason, message] = ["status", "reason", "message"].map(words);
    let status = if status.is_empty() { Words::of("Unknown") } else { status };
    let told: Vec<_> = [reason, message].into_iter().filter(|it| !it.is_empty()).collect();
    let told: Vec<_> = told.iter().map(ToString::to_string).collect();
    let why = if told.is_empty() { String::new() } else { format!(" ({})", told.join(": ")) };
    Some(Words::of(&format!("{status}{why}")))
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

    /// For an operator, who has no names, of another kind of issuer.
    #[test]
    fn what_is_not_wanted_is_not_asked_for() {
        let wanted = Certificate::given("op", GivenFiles::default()).of("root");
        let wanted = wanted.for_use([Usage::Client]);
        let issuer = IssuerRef::new("ca").of("ClusterIssuer", "example.com");
        let request = Wanted::request(("store", "demo"), &wanted, &issuer).unwrap();
        let object = json!({"metadata": {"namespace": "default", "name": "demo", "uid": "9b1d"}});
        let object: Declared<ConfigMap> = serde_json::from_value(object).unwrap();
        let intent = request.intent(&Owner::of(&object, "store"));
        let spec = &intent.data["spec"];
        assert_eq!([&spec["dnsNames"], &spec["ipAddresses"]], [&json!(null), &json!(null)]);
        assert_eq!(spec["usages"], json!(["digital signature", "key encipherment", "client auth"]));
        let issuer = json!({"name": "ca", "kind": "ClusterIssuer", "group": "example.com"});
        assert_eq!(spec["issuerRef"], issuer);
        assert!(request.is(Conflict::REQUEST, "op") && request.is_of(&requests()));
    }

    #[test]
    fn what_it_says_is_told_as_it_says_it() {
        let told = |conditions| {
            let mut object = DynamicObject::new("mine", &requests());
            object.data = json!({"status": {"conditions": conditions}});
            ready(&object)
        };
        assert_eq!(told(json!([{"type": "Issuing", "status": "True"}])), None);
        assert_eq!(told(json!("Ready")), None);
        let ready = |rest| told(json!([{"type": "Issuing"}, rest])).map(|it| it.to_string());
        let full = json!({"type": "Ready", "status": "False", "reason": "A", "message": "b c"});
        assert_eq!(ready(full).as_deref(), Some("False (A: b c)"));
        let reason = json!({"type": "Ready", "status": "False", "reason": "A", "message": ""});
        assert_eq!(ready(reason).as_deref(), Some("False (A)"));
        let bare = json!({"type": "Ready", "status": "Unknown"});
        assert_eq!(ready(bare).as_deref(), Some("Unknown"));
        assert_eq!(ready(json!({"type": "Ready", "status": 1})).as_deref(), Some("Unknown"));
        // Of a text of several lines the last, and never so much that it fills the status.
        let long = format!("first\nlast \u{1b}{}", "x".repeat(1000));
        let long = json!({"type": "Ready", "status": "False", "reason": "A", "message": long});
        let long = ready(long).unwrap();
        assert!(long.starts_with("False (A: last x") && long.len() <= 200, "{long}");
    }
}
