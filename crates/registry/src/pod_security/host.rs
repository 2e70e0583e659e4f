//! Checks of what a pod shares with its host.

use k8s_openapi::api::core::v1::{
    HTTPGetAction, LifecycleHandler, TCPSocketAction, WindowsSecurityContextOptions,
};

use super::checks::violation;
use super::pod::{Member, Values, containers, plural, quoted, setters};
use super::{Subject, Violation};

/// Kernel parameters that no other pod notices, and since which minor version they are known as such.
const SAFE_SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

pub(super) fn namespaces(pod: &Subject) -> Option<Violation> {
    let shared = [
        (pod.spec.host_network, "hostNetwork=true"),
        (pod.spec.host_pid, "hostPID=true"),
        (pod.spec.host_ipc, "hostIPC=true"),
    ];
    let bad: Vec<&str> =
        shared.into_iter().filter(|(set, _)| *set == Some(true)).map(|(_, text)| text).collect();
    if bad.is_empty() {
        return None;
    }
    violation("host namespaces", bad.join(", "))
}

pub(super) fn path_volumes(pod: &Subject) -> Option<Violation> {
    let volumes = pod.spec.volumes.iter().flatten().filter(|it| it.host_path.is_some());
    let bad: Vec<&str> = volumes.map(|it| it.name.as_str()).collect();
    if bad.is_empty() {
        return None;
    }
    let detail = format!("{} {}", plural(bad.len(), "volume", "volumes"), quoted(bad));
    violation("hostPath volumes", detail)
}

pub(super) fn ports(pod: &Subject) -> Option<Violation> {
    // Ordered as texts, as upstream has them.
    let mut values = Values::new();
    let bad = pod.named(|it| {
        let ports = it.ports.iter().filter_map(|port| port.host_port.filter(|port| *port != 0));
        let before = ports.clone().count();
        values.extend(ports.map(|port| port.to_string()));
        before > 0
    });
    if bad.is_empty() {
        return None;
    }
    let values: Vec<String> = values.into_iter().collect();
    let detail = format!(
        "{} {} {} {}",
        containers(&bad),
        plural(bad.len(), "uses", "use"),
        plural(values.len(), "hostPort", "hostPorts"),
        values.join(", ")
    );
    violation("hostPort", detail)
}

pub(super) fn probes_and_hooks(pod: &Subject) -> Option<Violation> {
    let mut values = Values::new();
    let mut bad = pod.named(|it| {
        let hosts = hosts(it);
        let any = !hosts.is_empty();
        values.extend(hosts);
        any
    });
    if bad.is_empty() {
        return None;
    }
    bad.sort_unstable();
    bad.dedup();
    let detail = format!(
        "{} {} {} {}",
        containers(&bad),
        plural(bad.len(), "uses", "use"),
        plural(values.len(), "probe or lifecycle host", "probe or lifecycle hosts"),
        quoted(&values)
    );
    violation("probe or lifecycle host", detail)
}

/// The hosts other than the pod itself that probes and hooks name.
fn hosts(member: &Member<'_>) -> Vec<String> {
    let of = |http: &Option<HTTPGetAction>, tcp: &Option<TCPSocketAction>| {
        let http = http.as_ref().and_then(|it| it.host.clone());
        let tcp = tcp.as_ref().and_then(|it| it.host.clone());
        [http, tcp]
    };
    let hook = |hook: &LifecycleHandler| of(&hook.http_get, &hook.tcp_socket);
    let probes = member.probes.iter().flatten().flat_map(|it| of(&it.http_get, &it.tcp_socket));
    let hooks = member.lifecycle.into_iter().flat_map(|it| [&it.post_start, &it.pre_stop]);
    let hooks = hooks.flatten().flat_map(hook);
    probes.chain(hooks).flatten().filter(|host| !host.is_empty()).collect()
}

pub(super) fn sysctls(pod: &Subject, minor: u32) -> Option<Violation> {
    let safe =
        |name: &str| SAFE_SYSCTLS.iter().any(|(known, since)| *known == name && *since <= minor);
    let set = pod.context().and_then(|context| context.sysctls.as_deref()).unwrap_or_default();
    let bad: Vec<&str> = set.iter().map(|it| it.name.as_str()).filter(|it| !safe(it)).collect();
    if bad.is_empty() {
        return None;
    }
    violation("forbidden sysctls", bad.join(", "))
}

pub(super) fn windows_process(pod: &Subject) -> Option<Violation> {
    let set = |options: &Option<WindowsSecurityContextOptions>| {
        options.as_ref().is_some_and(|it| it.host_process == Some(true))
    };
    let bad = pod.named(|it| it.context.is_some_and(|context| set(&context.windows_options)));
    let of_pod = pod.context().is_some_and(|context| set(&context.windows_options));
    let who = setters(of_pod.then_some("pod"), &bad)?;
    let detail = format!("{who} must not set securityContext.windowsOptions.hostProcess=true");
    violation("hostProcess", detail)
}
