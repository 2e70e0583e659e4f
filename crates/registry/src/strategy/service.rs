//! Services, endpoints, slices, ingresses, network policies.

use std::collections::BTreeSet;

use machinery::error::FieldError;
use machinery::names;
use serde_json::{Value, json};

use super::pod_rules::port_number;
use super::{Errors, immutable, one_of, require};
use crate::kind::{NameRule, Strategy};
use crate::metadata;
use crate::value::{
    at, at_mut, child, default, default_text, int, items_mut, keep, list, map, remove, text,
};

pub(crate) const STRATEGY: Strategy = Strategy {
    name: NameRule::Label1035,
    generation: false,
    create_on_update: true,
    fields: &[("spec.clusterIP", ""), ("spec.type", "")],
    defaults: service_defaults,
    prepare_create: |object| object["status"] = json!({"loadBalancer": {}}),
    prepare_update: keep_allocations,
    validate: service,
    validate_update: service_update,
    ..Strategy::SPEC_AND_STATUS
};

pub(crate) const ENDPOINTS: Strategy = Strategy {
    create_on_update: true,
    defaults: |object| {
        for subset in items_mut(object, "subsets") {
            for port in items_mut(subset, "ports") {
                default_text(port, "protocol", "TCP");
            }
        }
    },
    validate: endpoints,
    ..Strategy::PLAIN
};

pub(crate) const ENDPOINT_SLICE: Strategy = Strategy {
    create_on_update: true,
    generation: true,
    defaults: |object| {
        for port in items_mut(object, "ports") {
            default(port, "name", "");
            default_text(port, "protocol", "TCP");
        }
    },
    validate: |object, errors| {
        require(object, "addressType", errors);
        one_of(object, "", "addressType", &["FQDN", "IPv4", "IPv6"], errors);
        let count = list(object, "endpoints").len();
        if count > SLICE_ENDPOINTS_MAX {
            errors.push(FieldError::too_many("endpoints", count, SLICE_ENDPOINTS_MAX as u64));
        }
    },
    validate_update: |object, old, errors| immutable(object, old, "addressType", errors),
    ..Strategy::PLAIN
};

/// A kind with a spec that counts and no status.
pub(crate) const SPEC_ONLY: Strategy = Strategy { generation: true, ..Strategy::PLAIN };

pub(crate) const NETWORK_POLICY: Strategy =
    Strategy { defaults: network_policy_defaults, ..SPEC_ONLY };

pub(crate) const INGRESS: Strategy = Strategy { validate: ingress, ..Strategy::SPEC_AND_STATUS };

const SLICE_ENDPOINTS_MAX: usize = 1000;
const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const AFFINITY_SECONDS: i64 = 10_800;

fn service_defaults(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    default_text(spec, "sessionAffinity", "None");
    if text(spec, "sessionAffinity") == Some("ClientIP")
        && let Some(config) = child(spec, "sessionAffinityConfig")
        && let Some(client) = child(config, "clientIP")
    {
        default(client, "timeoutSeconds", AFFINITY_SECONDS);
    }
    default_text(spec, "type", "ClusterIP");
    for port in items_mut(spec, "ports") {
        default_text(port, "protocol", "TCP");
        let unset = match port.get("targetPort") {
            None | Some(Value::Null) => true,
            Some(target) => target == &json!(0) || target == "",
        };
        if unset && let Some(number) = port.get("port").cloned() {
            port["targetPort"] = number;
        }
    }
    let kind = text(spec, "type").unwrap_or_default().to_owned();
    if kind == "ExternalName" {
        return;
    }
    default_text(spec, "internalTrafficPolicy", "Cluster");
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        default_text(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        default(spec, "allocateLoadBalancerNodePorts", true);
    }
    addresses(spec);
}

/// `clusterIP` is the first of `clusterIPs`; one family is the default here.
fn addresses(spec: &mut Value) {
    let first = text(spec, "clusterIP").unwrap_or_default().to_owned();
    let from_list = list(spec, "clusterIPs").first().and_then(Value::as_str).map(str::to_owned);
    if first.is_empty() {
        if let Some(first) = from_list {
            spec["clusterIP"] = first.into();
        }
    } else if from_list.is_none() {
        spec["clusterIPs"] = json!([first]);
    }
    default(spec, "ipFamilyPolicy", "SingleStack");
    let family = if first.contains(':') { "IPv6" } else { "IPv4" };
    default(spec, "ipFamilies", json!([family]));
}

/// Addresses and node ports that were given once stay where an update says nothing.
fn keep_allocations(object: &mut Value, old: &Value) {
    let (Some(spec), Some(old)) = (at_mut(object, "spec"), old.get("spec")) else { return };
    if text(spec, "type") == Some("ExternalName") {
        for key in
            ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]
        {
            remove(spec, key);
        }
        return;
    }
    if text(spec, "clusterIP").unwrap_or_default().is_empty() {
        for key in ["clusterIP", "clusterIPs"] {
            keep(spec, key, old);
        }
    }
    if text(spec, "type") == Some("ClusterIP") {
        items_mut(spec, "ports").iter_mut().for_each(|port| drop(remove(port, "nodePort")));
        return;
    }
    let old_ports = list(old, "ports");
    for port in items_mut(spec, "ports") {
        let same = |one: &&Value| {
            one.get("port") == port.get("port") && one.get("protocol") == port.get("protocol")
        };
        let number = old_ports.iter().find(same).and_then(|one| one.get("nodePort")).cloned();
        if let Some(number) = number {
            default(port, "nodePort", number);
        }
    }
}

fn service(object: &Value, errors: &mut Errors) {
    let Some(spec) = object.get("spec") else { return };
    let kind = text(spec, "type").unwrap_or_default();
    let headless = text(spec, "clusterIP") == Some("None");
    one_of(spec, "spec", "type", TYPES, errors);
    one_of(spec, "spec", "sessionAffinity", &["ClientIP", "None"], errors);
    metadata::labels(object, "spec.selector", errors);
    if kind == "ExternalName" {
        let name = text(spec, "externalName").unwrap_or_default();
        if name.is_empty() {
            errors.push(FieldError::required("spec.externalName", ""));
        } else {
            for why in names::dns_subdomain(name.trim_end_matches('.')) {
                errors.push(FieldError::invalid("spec.externalName", name, why));
            }
        }
        return;
    }
    if matches!(kind, "NodePort" | "LoadBalancer") && headless {
        let why = format!("may not be set to 'None' for {kind} services");
        errors.push(FieldError::invalid("spec.clusterIPs[0]", "None", why));
    }
    if list(spec, "ports").is_empty() && !headless {
        errors.push(FieldError::required("spec.ports", ""));
    }
    ports(spec, errors);
}

fn ports(spec: &Value, errors: &mut Errors) {
    let ports = list(spec, "ports");
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (index, port) in ports.iter().enumerate() {
        let base = format!("spec.ports[{index}]");
        let name = text(port, "name").unwrap_or_default();
        if name.is_empty() {
            if ports.len() > 1 {
                errors.push(FieldError::required(format!("{base}.name"), ""));
            }
        } else {
            for why in names::dns_label(name) {
                errors.push(FieldError::invalid(format!("{base}.name"), name, why));
            }
            if !names.insert(name) {
                errors.push(FieldError::duplicate(format!("{base}.name"), name));
            }
        }
        port_number(port, &base, "port", errors);
        if at(port, "targetPort").is_some_and(Value::is_number) {
            port_number(port, &base, "targetPort", errors);
        } else if let Some(target) = text(port, "targetPort") {
            for why in names::port_name(target) {
                errors.push(FieldError::invalid(format!("{base}.targetPort"), target, why));
            }
        }
        one_of(port, &base, "protocol", &["SCTP", "TCP", "UDP"], errors);
        let protocol = text(port, "protocol").unwrap_or_default();
        if !numbers.insert((int(port, "port"), protocol)) {
            let value = json!({"port": port.get("port"), "protocol": protocol});
            errors.push(FieldError::duplicate(base, value));
        }
    }
}

fn service_update(object: &Value, old: &Value, errors: &mut Errors) {
    let address = |value| text(value, "spec.clusterIP").unwrap_or_default().to_owned();
    let (new_ip, old_ip) = (address(object), address(old));
    let kind = text(object, "spec.type").unwrap_or_default();
    let was = text(old, "spec.type").unwrap_or_default();
    let kept = kind != "ExternalName" && was != "ExternalName" && !old_ip.is_empty();
    if kept && new_ip != old_ip {
        let value = at(object, "spec.clusterIPs").cloned().unwrap_or_else(|| json!([new_ip]));
        errors.push(FieldError::invalid("spec.clusterIPs[0]", value, "may not change once set"));
    }
}

fn endpoints(object: &Value, errors: &mut Errors) {
    for (index, subset) in list(object, "subsets").iter().enumerate() {
        let base = format!("subsets[{index}]");
        let empty =
            ["addresses", "notReadyAddresses"].iter().all(|key| list(subset, key).is_empty());
        if empty {
            let why = "must specify `addresses` or `notReadyAddresses`";
            errors.push(FieldError::required(base.clone(), why));
        }
        for key in ["addresses", "notReadyAddresses"] {
            for (at, address) in list(subset, key).iter().enumerate() {
                let ip = text(address, "ip").unwrap_or_default();
                if ip.parse::<std::net::IpAddr>().is_err() {
                    let field = format!("{base}.{key}[{at}].ip");
                    let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
                    errors.push(FieldError::invalid(field, ip, why));
                }
            }
        }
        for (at, port) in list(subset, "ports").iter().enumerate() {
            port_number(port, &format!("{base}.ports[{at}]"), "port", errors);
        }
    }
}

fn network_policy_defaults(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    if list(spec, "policyTypes").is_empty() {
        let egress = !list(spec, "egress").is_empty();
        spec["policyTypes"] =
            if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    }
    for side in ["ingress", "egress"] {
        for rule in items_mut(spec, side) {
            for port in items_mut(rule, "ports") {
                default_text(port, "protocol", "TCP");
            }
        }
    }
}

fn ingress(object: &Value, errors: &mut Errors) {
    let Some(spec) = object.get("spec") else { return };
    if list(spec, "rules").is_empty() && map(spec, "defaultBackend").is_none() {
        let why = "either `defaultBackend` or `rules` must be specified";
        errors.push(FieldError::invalid("spec", spec.clone(), why));
    }
    for (index, rule) in list(spec, "rules").iter().enumerate() {
        for (at, path) in list(rule, "http.paths").iter().enumerate() {
            let base = format!("spec.rules[{index}].http.paths[{at}]");
            let kinds = ["Exact", "ImplementationSpecific", "Prefix"];
            match text(path, "pathType") {
                None | Some("") => {
                    let why = "pathType must be specified";
                    errors.push(FieldError::required(format!("{base}.pathType"), why));
                }
                Some(_) => one_of(path, &base, "pathType", &kinds, errors),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::texts;
    use super::*;

    #[test]
    fn service_defaults_are_those_of_the_api_server() {
        let mut object = json!({"spec": {"ports": [{"port": 80}]}});
        service_defaults(&mut object);
        assert_eq!(
            object["spec"],
            json!({"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
                "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}]})
        );
        let mut headless = json!({"spec": {"clusterIP": "None"}});
        service_defaults(&mut headless);
        assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    }

    #[test]
    fn ports_are_required_named_and_distinct() {
        let mut errors = Errors::new();
        service(&json!({"spec": {"type": "ClusterIP"}}), &mut errors);
        service(&json!({"spec": {"clusterIP": "None"}}), &mut errors);
        service(&json!({"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 0}]}}), &mut errors);
        assert_eq!(
            texts(&errors),
            [
                "spec.ports: Required value",
                "spec.ports[1].name: Required value",
                "spec.ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            ]
        );
    }

    #[test]
    fn addresses_stay() {
        let old = json!({"spec": {"type": "NodePort", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"],
            "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}]}});
        let mut new =
            json!({"spec": {"type": "NodePort", "ports": [{"port": 80, "protocol": "TCP"}]}});
        keep_allocations(&mut new, &old);
        assert_eq!(new["spec"]["clusterIP"], "10.96.0.7");
        assert_eq!(new["spec"]["ports"][0]["nodePort"], 30080);
        new["spec"]["clusterIP"] = json!("10.96.0.8");
        let mut errors = Errors::new();
        service_update(&new, &old, &mut errors);
        assert_eq!(errors[0].field, "spec.clusterIPs[0]");
    }
}
