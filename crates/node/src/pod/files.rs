//! The files that the node puts into every container: hosts, resolver configuration, hostname.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{Pod, PodSpec};

use crate::config::{CLUSTER_DOMAIN, DNS_ADDRESS, Paths};
use crate::dns::resolv_conf;
use crate::launch::hostname;
use crate::runtime::Mount;
use crate::volumes::{namespace, uid};

const FILES: [(&str, &str); 3] =
    [("hosts", "/etc/hosts"), ("resolv.conf", "/etc/resolv.conf"), ("hostname", "/etc/hostname")];

/// Makes the pod's folder and says in it whose it is, for people and tools that look from the host.
pub(super) fn name_folder(paths: &Paths, pod: &Pod) -> io::Result<()> {
    let folder = paths.pod(uid(pod));
    fs::create_dir_all(&folder)?;
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    fs::write(folder.join("name"), format!("{}/{name}\n", namespace(pod)))
}

pub(super) fn write(paths: &Paths, pod: &Pod, address: Ipv4Addr) -> io::Result<()> {
    let folder = folder(paths, pod);
    fs::create_dir_all(&folder)?;
    let spec = pod.spec.clone().unwrap_or_default();
    fs::write(folder.join("hosts"), hosts(pod, &spec, address))?;
    fs::write(folder.join("resolv.conf"), resolver(pod, &spec))?;
    fs::write(folder.join("hostname"), format!("{}\n", hostname(pod, &spec)))
}

pub(super) fn mounts(paths: &Paths, pod: &Pod) -> Vec<Mount> {
    let folder = folder(paths, pod);
    let mount = |(file, target): &(&str, &str)| Mount {
        source: folder.join(file),
        target: (*target).to_owned(),
        read_only: false,
    };
    FILES.iter().map(mount).collect()
}

fn folder(paths: &Paths, pod: &Pod) -> PathBuf {
    paths.pod(uid(pod)).join("etc")
}

fn hosts(pod: &Pod, spec: &PodSpec, address: Ipv4Addr) -> String {
    let name = hostname(pod, spec);
    let mut text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
    match spec.subdomain.as_deref().filter(|it| !it.is_empty()) {
        Some(subdomain) => {
            let space = namespace(pod);
            let full = format!("{name}.{subdomain}.{space}.svc.{CLUSTER_DOMAIN}");
            text.push_str(&format!("{address}\t{full}\t{name}\n"));
        }
        None => text.push_str(&format!("{address}\t{name}\n")),
    }
    for alias in spec.host_aliases.iter().flatten() {
        let names = alias.hostnames.clone().unwrap_or_default().join("\t");
        text.push_str(&format!("{}\t{names}\n", alias.ip));
    }
    text
}

fn resolver(pod: &Pod, spec: &PodSpec) -> String {
    let custom = spec.dns_config.clone().unwrap_or_default();
    let mut text = match spec.dns_policy.as_deref() {
        Some("None") => String::new(),
        Some("Default") => fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
        _ => resolv_conf(namespace(pod), DNS_ADDRESS),
    };
    for server in custom.nameservers.iter().flatten() {
        text.push_str(&format!("nameserver {server}\n"));
    }
    if let Some(searches) = custom.searches.filter(|it| !it.is_empty()) {
        let present = text.lines().find_map(|line| line.strip_prefix("search ")).map(str::to_owned);
        let rest: Vec<&str> = text.lines().filter(|line| !line.starts_with("search ")).collect();
        let all: Vec<String> = present.into_iter().chain(searches).collect();
        text = format!("search {}\n{}\n", all.join(" "), rest.join("\n"));
    }
    for option in custom.options.iter().flatten() {
        let name = option.name.clone().unwrap_or_default();
        let value = option.value.as_ref().map(|value| format!(":{value}")).unwrap_or_default();
        text.push_str(&format!("options {name}{value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_name_the_pod() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "m-0", "namespace": "ns"},
            "spec": {"subdomain": "peers", "containers": [],
                "hostAliases": [{"ip": "1.1.1.1", "hostnames": ["one", "uno"]}],
                "dnsConfig": {"searches": ["x.y"], "options": [{"name": "ndots", "value": "2"}]}},
        }))
        .unwrap();
        let spec = pod.spec.clone().unwrap();
        let hosts = hosts(&pod, &spec, Ipv4Addr::new(10, 244, 1, 2));
        assert!(hosts.contains("10.244.1.2\tm-0.peers.ns.svc.cluster.local\tm-0\n"), "{hosts}");
        assert!(hosts.contains("1.1.1.1\tone\tuno\n"));
        let resolver = resolver(&pod, &spec);
        let search = "search ns.svc.cluster.local svc.cluster.local cluster.local x.y\n";
        assert!(resolver.starts_with(search), "{resolver}");
        assert!(resolver.contains("nameserver 10.96.0.10\n"));
        assert!(resolver.ends_with("options ndots:2\n"));
    }
}
