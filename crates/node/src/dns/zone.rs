//! What the names below `cluster.local` mean, by the Kubernetes DNS specification (schema 1.1).
//!
//! | name | answer |
//! |---|---|
//! | `SVC.NS.svc` | the cluster IP, or every endpoint of a headless service |
//! | `HOST.SVC.NS.svc` | the endpoint with that hostname, or with that address in dashes |
//! | `_PORT._PROTOCOL.SVC.NS.svc` | SRV: the service, or every endpoint of a headless one |
//! | `A-B-C-D.NS.pod` | the address itself, if a pod of the namespace has it |
//! | `D.C.B.A.in-addr.arpa` | PTR: the service or endpoint with that address |
//!
//! Endpoints count when they are ready, or always where the service publishes not-ready addresses; members of stateful
//! applications find each other that way before any is ready.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use hickory_proto::op::Query;
use hickory_proto::rr::rdata::{A, CNAME, PTR, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::config::CLUSTER_DOMAIN;
use crate::view::View;

/// Short, since pods come and go; also for negative answers.
const TTL_SECONDS: u32 = 5;

pub(super) enum Answer {
    /// Not our domain.
    Elsewhere,
    Found(Records),
    /// The name exists, but not with this type.
    NoData,
    NoName,
}

#[derive(Default)]
pub(super) struct Records {
    pub(super) answers: Vec<Record>,
    pub(super) additionals: Vec<Record>,
}

/// The objects that answers are made of.
pub(super) struct Facts {
    pub(super) services: Vec<Arc<Service>>,
    pub(super) slices: Vec<Arc<EndpointSlice>>,
    pub(super) pods: Vec<Arc<Pod>>,
}

impl Facts {
    pub(super) fn of(view: &View) -> Self {
        Self { services: view.services.all(), slices: view.slices.all(), pods: view.pods.all() }
    }

    fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.iter().map(Arc::as_ref).find(|service| {
            service.metadata.namespace.as_deref() == Some(namespace)
                && service.metadata.name.as_deref() == Some(name)
        })
    }

    fn namespace_exists(&self, namespace: &str) -> bool {
        let services = self.services.iter().map(|it| &it.metadata);
        let pods = self.pods.iter().map(|it| &it.metadata);
        services.chain(pods).any(|meta| meta.namespace.as_deref() == Some(namespace))
    }

    /// The published endpoints of a service, each once.
    fn endpoints(&self, service: &Service) -> Vec<Endpoint> {
        let meta = &service.metadata;
        let not_ready = service
            .spec
            .as_ref()
            .is_some_and(|spec| spec.publish_not_ready_addresses == Some(true));
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for slice in self.slices_of(meta.namespace.as_deref(), meta.name.as_deref()) {
            for endpoint in &slice.endpoints {
                let ready = endpoint.conditions.as_ref().and_then(|it| it.ready) != Some(false);
                if !ready && !not_ready {
                    continue;
                }
                let Some(address) = endpoint.addresses.first().and_then(|it| it.parse().ok())
                else {
                    continue;
                };
                if seen.insert(address) {
                    found.push(Endpoint { address, hostname: endpoint.hostname.clone() });
                }
            }
        }
        found
    }

    fn slices_of<'a>(
        &'a self,
        namespace: Option<&'a str>,
        service: Option<&'a str>,
    ) -> impl Iterator<Item = &'a EndpointSlice> {
        self.slices.iter().map(Arc::as_ref).filter(move |slice| {
            let labels = slice.metadata.labels.as_ref();
            let owner = labels.and_then(|labels| labels.get("kubernetes.io/service-name"));
            slice.address_type == "IPv4"
                && slice.metadata.namespace.as_deref() == namespace
                && owner.map(String::as_str) == service
        })
    }

    /// The number of a named port of a headless service, from its slices, since it may be named on the pod.
    fn slice_port(&self, service: &Service, name: &str, protocol: &str) -> Option<u16> {
        let meta = &service.metadata;
        self.slices_of(meta.namespace.as_deref(), meta.name.as_deref())
            .flat_map(|slice| slice.ports.iter().flatten())
            .find(|port| {
                port.name.as_deref().unwrap_or_default() == name
                    && port.protocol.as_deref().unwrap_or("TCP").eq_ignore_ascii_case(protocol)
            })
            .and_then(|port| u16::try_from(port.port?).ok())
    }
}

struct Endpoint {
    address: Ipv4Addr,
    hostname: Option<String>,
}

impl Endpoint {
    fn label(&self) -> String {
        self.hostname.clone().unwrap_or_else(|| dashed(self.address))
    }
}

fn dashed(address: Ipv4Addr) -> String {
    address.to_string().replace('.', "-")
}

pub(super) fn answer(question: &Query, facts: &Facts) -> Answer {
    let text = question.name().to_ascii().to_ascii_lowercase();
    let text = text.trim_end_matches('.');
    if let Some(reversed) = text.strip_suffix(".in-addr.arpa") {
        return reverse(question, reversed, facts);
    }
    if text == CLUSTER_DOMAIN {
        return Answer::NoData;
    }
    let Some(inside) = text.strip_suffix(CLUSTER_DOMAIN).and_then(|it| it.strip_suffix('.')) else {
        return Answer::Elsewhere;
    };
    let mut labels: Vec<&str> = inside.split('.').collect();
    labels.reverse();
    match labels.as_slice() {
        ["svc" | "pod"] => Answer::NoData,
        ["svc", namespace] if facts.namespace_exists(namespace) => Answer::NoData,
        ["pod", namespace] if facts.namespace_exists(namespace) => Answer::NoData,
        ["svc", namespace, service, rest @ ..] => match facts.service(namespace, service) {
            Some(service) => service_answer(question, service, rest, facts),
            None => Answer::NoName,
        },
        ["pod", namespace, address] => pod_answer(question, namespace, address, facts),
        _ => Answer::NoName,
    }
}

/// `rest` are the labels before the service's name, the nearest first.
fn service_answer(question: &Query, service: &Service, rest: &[&str], facts: &Facts) -> Answer {
    let spec = service.spec.clone().unwrap_or_default();
    if let Some(target) =
        spec.external_name.filter(|_| spec.type_.as_deref() == Some("ExternalName"))
    {
        return match (rest, Name::from_ascii(format!("{}.", target.trim_end_matches('.')))) {
            ([], Ok(target)) => found([record(question.name(), RData::CNAME(CNAME(target)))]),
            _ => Answer::NoName,
        };
    }
    let cluster_ip: Option<Ipv4Addr> = spec.cluster_ip.as_deref().and_then(|it| it.parse().ok());
    match (rest, cluster_ip) {
        ([], Some(address)) => addresses(question, &[address]),
        ([], None) => {
            let all: Vec<_> = facts.endpoints(service).iter().map(|it| it.address).collect();
            // As with other servers, a headless service without endpoints does not exist yet.
            if all.is_empty() { Answer::NoName } else { addresses(question, &all) }
        }
        ([protocol, port], _) if protocol.starts_with('_') && port.starts_with('_') => {
            srv(question, service, (&port[1..], &protocol[1..]), facts)
        }
        ([host], None) => {
            let endpoints = facts.endpoints(service);
            let named: Vec<_> = endpoints
                .iter()
                .filter(|endpoint| endpoint.label().eq_ignore_ascii_case(host))
                .map(|endpoint| endpoint.address)
                .collect();
            if named.is_empty() { Answer::NoName } else { addresses(question, &named) }
        }
        _ => Answer::NoName,
    }
}

fn addresses(question: &Query, addresses: &[Ipv4Addr]) -> Answer {
    if !matches!(question.query_type(), RecordType::A | RecordType::ANY) {
        return Answer::NoData;
    }
    let records = addresses.iter().map(|it| record(question.name(), RData::A(A(*it))));
    found(records)
}

fn srv(question: &Query, service: &Service, wanted: (&str, &str), facts: &Facts) -> Answer {
    let (name, protocol) = wanted;
    let spec = service.spec.clone().unwrap_or_default();
    let port = spec.ports.iter().flatten().find(|port| {
        port.name.as_deref().unwrap_or_default().eq_ignore_ascii_case(name)
            && port.protocol.as_deref().unwrap_or("TCP").eq_ignore_ascii_case(protocol)
    });
    let Some(port) = port else { return Answer::NoName };
    if !matches!(question.query_type(), RecordType::SRV | RecordType::ANY) {
        return Answer::NoData;
    }
    let full = service_name(service);
    let cluster_ip: Option<Ipv4Addr> = spec.cluster_ip.as_deref().and_then(|it| it.parse().ok());
    let mut records = Records::default();
    let mut add = |target: String, port: u16, address: Ipv4Addr| {
        let Ok(target) = Name::from_ascii(target) else { return };
        let data = RData::SRV(SRV::new(0, 100, port, target.clone()));
        records.answers.push(record(question.name(), data));
        records.additionals.push(record(&target, RData::A(A(address))));
    };
    if let Some(address) = cluster_ip {
        add(full, u16::try_from(port.port).unwrap_or_default(), address);
    } else {
        let declared = u16::try_from(port.port).unwrap_or_default();
        let number = facts.slice_port(service, name, protocol).unwrap_or(declared);
        for endpoint in facts.endpoints(service) {
            add(format!("{}.{full}", endpoint.label()), number, endpoint.address);
        }
    }
    if records.answers.is_empty() { Answer::NoName } else { Answer::Found(records) }
}

fn pod_answer(question: &Query, namespace: &str, address: &str, facts: &Facts) -> Answer {
    let Ok(address) = address.replace('-', ".").parse::<Ipv4Addr>() else { return Answer::NoName };
    let text = address.to_string();
    let known = facts.pods.iter().any(|pod| {
        pod.metadata.namespace.as_deref() == Some(namespace)
            && pod.status.as_ref().and_then(|it| it.pod_ip.as_ref()) == Some(&text)
    });
    if known { addresses(question, &[address]) } else { Answer::NoName }
}

fn reverse(question: &Query, reversed: &str, facts: &Facts) -> Answer {
    let parts: Vec<&str> = reversed.split('.').rev().collect();
    let Ok(address) = parts.join(".").parse::<Ipv4Addr>() else { return Answer::Elsewhere };
    // The pod and service networks are ours, everything else is the world's.
    if !matches!(address.octets(), [10, 244 | 96, ..]) {
        return Answer::Elsewhere;
    }
    let text = address.to_string();
    let mut names = Vec::new();
    for service in &facts.services {
        let cluster_ip = service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_ref());
        if cluster_ip == Some(&text) {
            names.push(service_name(service));
        } else if cluster_ip.is_some_and(|it| it == "None") {
            let endpoints = facts.endpoints(service);
            let named = endpoints.iter().filter(|it| it.address == address);
            names.extend(named.map(|it| format!("{}.{}", it.label(), service_name(service))));
        }
    }
    let records = names
        .into_iter()
        .filter_map(|name| Name::from_ascii(name).ok())
        .map(|name| record(question.name(), RData::PTR(PTR(name))));
    let records: Vec<Record> = records.collect();
    if records.is_empty() { Answer::NoName } else { found(records) }
}

fn service_name(service: &Service) -> String {
    let meta = &service.metadata;
    format!(
        "{}.{}.svc.{CLUSTER_DOMAIN}.",
        meta.name.as_deref().unwrap_or_default(),
        meta.namespace.as_deref().unwrap_or_default()
    )
}

fn found(records: impl IntoIterator<Item = Record>) -> Answer {
    Answer::Found(Records { answers: records.into_iter().collect(), additionals: Vec::new() })
}

fn record(name: &Name, data: RData) -> Record {
    Record::from_rdata(name.clone(), TTL_SECONDS, data)
}

/// The start of authority that goes with negative answers and says how long they hold.
pub(super) fn authority() -> Record {
    let name =
        |text: &str| Name::from_ascii(format!("{text}{CLUSTER_DOMAIN}.")).expect("a constant");
    let (server, mailbox) = (name("ns.dns."), name("hostmaster."));
    let ttl = 5;
    let soa = SOA::new(server, mailbox, 1, 7200, 1800, 86_400, TTL_SECONDS);
    Record::from_rdata(name(""), ttl, RData::SOA(soa))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn facts() -> Facts {
        let service = |name: &str, ip: &str, not_ready: bool| {
            let value = json!({"metadata": {"name": name, "namespace": "ns"},
                "spec": {"clusterIP": ip, "publishNotReadyAddresses": not_ready,
                    "ports": [{"name": "peer", "port": 2380}]}});
            Arc::new(serde_json::from_value(value).unwrap())
        };
        let slice = |service: &str, endpoints: Value| {
            let value = json!({"metadata": {"name": format!("{service}-1"), "namespace": "ns",
                    "labels": {"kubernetes.io/service-name": service}},
                "addressType": "IPv4", "ports": [{"name": "peer", "port": 2381, "protocol": "TCP"}],
                "endpoints": endpoints});
            Arc::new(serde_json::from_value(value).unwrap())
        };
        let endpoints = json!([
            {"addresses": ["10.244.1.2"], "hostname": "m-0", "conditions": {"ready": true}},
            {"addresses": ["10.244.1.3"], "hostname": "m-1", "conditions": {"ready": false}},
            {"addresses": ["10.244.1.4"], "conditions": {"ready": true}},
        ]);
        let external = json!({"metadata": {"name": "ext", "namespace": "ns"},
            "spec": {"type": "ExternalName", "externalName": "example.com"}});
        let pod = json!({"metadata": {"name": "p", "namespace": "ns"}, "status": {"podIP": "10.244.1.9"}});
        Facts {
            services: vec![
                service("web", "10.96.0.20", false),
                service("peers", "None", true),
                service("ready", "None", false),
                service("empty", "None", false),
                Arc::new(serde_json::from_value(external).unwrap()),
            ],
            slices: vec![slice("peers", endpoints.clone()), slice("ready", endpoints)],
            pods: vec![Arc::new(serde_json::from_value(pod).unwrap())],
        }
    }

    fn check(name: &str, kind: RecordType, expected: &str) {
        let question = Query::query(Name::from_ascii(name).unwrap(), kind);
        let text = match answer(&question, &facts()) {
            Answer::Elsewhere => "elsewhere".to_owned(),
            Answer::NoData => "no data".to_owned(),
            Answer::NoName => "no name".to_owned(),
            Answer::Found(records) => {
                let all: Vec<_> = records.answers.iter().map(|it| it.data.to_string()).collect();
                all.join(", ")
            }
        };
        assert_eq!(text, expected, "{name} {kind}");
    }

    #[test]
    fn names_mean_what_the_specification_says() {
        use RecordType::{A, AAAA, CNAME, SRV};
        check("web.ns.svc.cluster.local.", A, "10.96.0.20");
        check("WEB.ns.svc.cluster.local.", A, "10.96.0.20");
        check("web.ns.svc.cluster.local.", AAAA, "no data");
        check("web.other.svc.cluster.local.", A, "no name");
        check("peers.ns.svc.cluster.local.", A, "10.244.1.2, 10.244.1.3, 10.244.1.4");
        check("ready.ns.svc.cluster.local.", A, "10.244.1.2, 10.244.1.4");
        check("empty.ns.svc.cluster.local.", A, "no name");
        check("m-1.peers.ns.svc.cluster.local.", A, "10.244.1.3");
        check("m-1.ready.ns.svc.cluster.local.", A, "no name");
        check("10-244-1-4.peers.ns.svc.cluster.local.", A, "10.244.1.4");
        check("m-0.web.ns.svc.cluster.local.", A, "no name");
        check("ext.ns.svc.cluster.local.", CNAME, "example.com.");
        let target = "0 100 2380 web.ns.svc.cluster.local.";
        check("_peer._tcp.web.ns.svc.cluster.local.", SRV, target);
        let targets = "0 100 2381 m-0.ready.ns.svc.cluster.local., \
                       0 100 2381 10-244-1-4.ready.ns.svc.cluster.local.";
        check("_peer._tcp.ready.ns.svc.cluster.local.", SRV, targets);
        check("_other._tcp.ready.ns.svc.cluster.local.", SRV, "no name");
        check("10-244-1-9.ns.pod.cluster.local.", A, "10.244.1.9");
        check("10-244-1-8.ns.pod.cluster.local.", A, "no name");
        check("ns.svc.cluster.local.", A, "no data");
        check("cluster.local.", A, "no data");
        check("example.com.", A, "elsewhere");
        check("notcluster.local.", A, "elsewhere");
    }

    #[test]
    fn addresses_have_names() {
        use RecordType::PTR;
        check("20.0.96.10.in-addr.arpa.", PTR, "web.ns.svc.cluster.local.");
        let names = "m-0.peers.ns.svc.cluster.local., m-0.ready.ns.svc.cluster.local.";
        check("2.1.244.10.in-addr.arpa.", PTR, names);
        check("8.8.8.8.in-addr.arpa.", PTR, "elsewhere");
        check("9.9.244.10.in-addr.arpa.", PTR, "no name");
    }
}
