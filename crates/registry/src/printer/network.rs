//! Columns of services, endpoints, slices, ingresses.

use serde_json::Value;

use super::{AGE, NAME, age, first_three, joined, labels, name, or_blank, or_none, selector};
use crate::kind::{Printer, column, wide};
use crate::value::{int, list, map, text};

pub(crate) const SERVICE: Printer = Printer {
    columns: &[
        NAME,
        column("Type", "string"),
        column("Cluster-IP", "string"),
        column("External-IP", "string"),
        column("Port(s)", "string"),
        AGE,
        wide("Selector", "string"),
    ],
    cells: |object, now| {
        vec![
            name(object),
            or_blank(object, "spec.type"),
            or_none(object, "spec.clusterIP"),
            external_ip(object).into(),
            ports(object).into(),
            age(object, now),
            labels(object, "spec.selector").into(),
        ]
    },
};

pub(crate) const ENDPOINTS: Printer = Printer {
    columns: &[NAME, column("Endpoints", "string"), AGE],
    cells: |object, now| {
        let shown: Vec<String> = list(object, "subsets").iter().flat_map(addresses).collect();
        vec![name(object), first_three(&shown).into(), age(object, now)]
    },
};

pub(crate) const ENDPOINT_SLICE: Printer = Printer {
    columns: &[
        NAME,
        column("AddressType", "string"),
        column("Ports", "string"),
        column("Endpoints", "string"),
        AGE,
    ],
    cells: |object, now| {
        let ports = list(object, "ports").iter();
        let ports: Vec<String> = ports
            .map(|port| int(port, "port").map_or_else(|| "*".to_owned(), |port| port.to_string()))
            .collect();
        let addresses: Vec<String> = list(object, "endpoints")
            .iter()
            .flat_map(|endpoint| list(endpoint, "addresses"))
            .filter_map(|address| address.as_str().map(str::to_owned))
            .collect();
        let unset = |shown: String| if shown == "<none>" { "<unset>".to_owned() } else { shown };
        vec![
            name(object),
            or_blank(object, "addressType"),
            unset(first_three(&ports)).into(),
            unset(first_three(&addresses)).into(),
            age(object, now),
        ]
    },
};

pub(crate) const INGRESS: Printer = Printer {
    columns: &[
        NAME,
        column("Class", "string"),
        column("Hosts", "string"),
        column("Address", "string"),
        column("Ports", "string"),
        AGE,
    ],
    cells: |object, now| {
        let hosts: Vec<String> = list(object, "spec.rules")
            .iter()
            .filter_map(|rule| text(rule, "host").filter(|host| !host.is_empty()))
            .map(str::to_owned)
            .collect();
        let hosts = if hosts.is_empty() { "*".to_owned() } else { first_three(&hosts) };
        let ports = if list(object, "spec.tls").is_empty() { "80" } else { "80, 443" };
        let address = balancer(object).join(",");
        vec![
            name(object),
            or_none(object, "spec.ingressClassName"),
            hosts.into(),
            address.into(),
            ports.into(),
            age(object, now),
        ]
    },
};

pub(crate) const INGRESS_CLASS: Printer = Printer {
    columns: &[NAME, column("Controller", "string"), column("Parameters", "string"), AGE],
    cells: |object, now| {
        let part = |key: &str| text(object, &format!("spec.parameters.{key}")).unwrap_or_default();
        let parameters = match (map(object, "spec.parameters"), part("apiGroup")) {
            (None, _) => "<none>".to_owned(),
            (Some(_), "") => format!("{}/{}", part("kind"), part("name")),
            (Some(_), group) => format!("{}.{group}/{}", part("kind"), part("name")),
        };
        vec![name(object), or_blank(object, "spec.controller"), parameters.into(), age(object, now)]
    },
};

pub(crate) const NETWORK_POLICY: Printer = Printer {
    columns: &[NAME, column("Pod-Selector", "string"), AGE],
    cells: |object, now| {
        vec![name(object), selector(object, "spec.podSelector").into(), age(object, now)]
    },
};

fn balancer(object: &Value) -> Vec<String> {
    list(object, "status.loadBalancer.ingress")
        .iter()
        .filter_map(|one| text(one, "ip").or_else(|| text(one, "hostname")))
        .map(str::to_owned)
        .collect()
}

fn external_ip(service: &Value) -> String {
    let fixed = list(service, "spec.externalIPs").iter().filter_map(Value::as_str);
    match text(service, "spec.type").unwrap_or_default() {
        "ExternalName" => text(service, "spec.externalName").unwrap_or_default().to_owned(),
        "LoadBalancer" => {
            let mut all = balancer(service);
            all.extend(fixed.map(str::to_owned));
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        _ => joined(fixed),
    }
}

fn ports(service: &Value) -> String {
    let shown = list(service, "spec.ports").iter().map(|port| {
        let number = int(port, "port").unwrap_or(0);
        let protocol = text(port, "protocol").unwrap_or_default();
        match int(port, "nodePort").filter(|node| *node > 0) {
            Some(node) => format!("{number}:{node}/{protocol}"),
            None => format!("{number}/{protocol}"),
        }
    });
    joined(shown)
}

/// `ip:port` for every ready address and port of a subset; the address alone where there are no ports.
fn addresses(subset: &Value) -> Vec<String> {
    let ports = list(subset, "ports");
    let ready = list(subset, "addresses").iter().filter_map(|address| text(address, "ip"));
    ready
        .flat_map(|ip| {
            let with_ports = ports.iter().map(move |port| join(ip, int(port, "port").unwrap_or(0)));
            let alone = ports.is_empty().then(|| ip.to_owned());
            with_ports.chain(alone)
        })
        .collect()
}

fn join(ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn services_and_endpoints() {
        let service = json!({"metadata": {"name": "s"}, "spec": {"type": "NodePort", "clusterIP": "10.96.0.7",
            "selector": {"app": "a"},
            "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}});
        let cells = (SERVICE.cells)(&service, Timestamp::UNIX_EPOCH);
        assert_eq!(cells[1..5], ["NodePort", "10.96.0.7", "<none>", "80:30080/TCP,53/UDP"]);
        assert_eq!(cells[6], "app=a");
        let endpoints = json!({"metadata": {"name": "s"}, "subsets": [
            {"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "ports": [{"port": 1}, {"port": 2}]}]});
        let cells = (ENDPOINTS.cells)(&endpoints, Timestamp::UNIX_EPOCH);
        assert_eq!(cells[1], "10.0.0.1:1,10.0.0.1:2,10.0.0.2:1 + 1 more...");
    }
}
