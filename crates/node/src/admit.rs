//! Whether the node can give a pod what it asks for. What it cannot honour it refuses; nothing is ignored.
//!
//! | field | here |
//! |---|---|
//! | `hostNetwork`, `hostIPC` (the node's namespaces, not the host's), `privileged`, capabilities beyond the pod | with `--allow-privileged` |
//! | `hostPath` | below a folder of `--allow-host-path` (see [`crate::volumes`]) |
//! | `hostPID`, `shareProcessNamespace`, `hostUsers: false`, `setHostnameAsFQDN`, `hostPort`, `resourceClaims` | refused |
//! | `os`, AppArmor, SELinux, Windows options, `procMount: Unmasked`, `volumeDevices`, mount propagation, `recursiveReadOnly: Enabled` | refused |
//! | sysctls | the safe ones, in the pod's own namespaces |
//! | `seccompProfile` | `RuntimeDefault` (also if nothing is said), `Unconfined`; `Localhost` is refused |
//! | `runAsUser`, `runAsGroup`, `supplementalGroups`, `runAsNonRoot` | if the ids are mapped, or the container has no powers (see [`crate::identity`]) |
//! | `fsGroup`, `fsGroupChangePolicy` | of claims, `emptyDir` and files of API objects (see [`crate::volumes`]); never of `hostPath` |
//! | `allowPrivilegeEscalation`, `readOnlyRootFilesystem`, capabilities of the pod's own | honoured |
//! | `runtimeClassName` | if its class's handler is `runc` |
//!
//! A [`Refusal`] is the kubelet's where it has one (the pod has failed); else the pod waits and says why: a controller
//! would replace a failed pod at once, for ever.

use k8s_openapi::api::core::v1::{
    Container, Pod, PodSecurityContext, PodSpec, SELinuxOptions, SecurityContext, VolumeMount,
};

use crate::permissions::{Permissions, Privileged};

/// Why a pod does not run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The pod has failed, with this reason.
    Failed { reason: &'static str, message: String },
    /// Its containers wait for a configuration that can be honoured.
    Waiting { message: String },
}

type Verdict = Result<(), Refusal>;

fn waiting(message: impl Into<String>) -> Verdict {
    Err(Refusal::Waiting { message: message.into() })
}

fn failed(reason: &'static str, message: &str) -> Verdict {
    Err(Refusal::Failed { reason, message: format!("Pod was rejected: {message}") })
}

/// Kernel parameters of a pod's own namespaces that harm nobody else: the kubelet's list.
const SAFE_SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

/// Capabilities that act on nothing but the pod's own namespaces, files and processes, besides the default ones.
const OWN_CAPABILITIES: [&str; 9] = [
    "IPC_LOCK",
    "IPC_OWNER",
    "LEASE",
    "LINUX_IMMUTABLE",
    "NET_ADMIN",
    "NET_BROADCAST",
    "SYS_NICE",
    "SYS_PTRACE",
    "SYS_RESOURCE",
];

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Looks at everything in a pod that has to do with the node.
pub(crate) fn admit(pod: &Pod, permissions: &Permissions) -> Verdict {
    let Some(spec) = &pod.spec else { return Ok(()) };
    operating_system(spec)?;
    sysctls(spec)?;
    app_armor(pod, spec)?;
    namespaces(spec, permissions)?;
    pod_context(spec)?;
    for volume in spec.volumes.iter().flatten() {
        if let Some(host) = &volume.host_path {
            let below = permissions.below(std::path::Path::new(&host.path));
            below.map(|_| ()).or_else(|why| waiting(format!("volume {:?}: {why}", volume.name)))?;
        }
    }
    for one in spec.init_containers.iter().flatten().chain(&spec.containers) {
        let checked = container(one, spec, permissions);
        checked.or_else(|why| waiting(format!("container {:?}: {why}", one.name)))?;
    }
    Ok(())
}

fn operating_system(spec: &PodSpec) -> Verdict {
    match spec.os.as_ref().map(|os| os.name.as_str()) {
        None | Some("linux") => Ok(()),
        Some(_) => {
            failed("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
        }
    }
}

fn sysctls(spec: &PodSpec) -> Verdict {
    let context = spec.security_context.as_ref();
    for sysctl in context.and_then(|it| it.sysctls.as_ref()).into_iter().flatten() {
        // The kernel reads both spellings.
        let name = sysctl.name.replace('/', ".");
        let refuse =
            |why: &str| failed("SysctlForbidden", &format!("forbidden sysctl: {name:?} {why}"));
        if !SAFE_SYSCTLS.contains(&name.as_str()) {
            return refuse("not allowlisted");
        }
        if name.starts_with("net.") && spec.host_network == Some(true) {
            return refuse("not allowed with host net enabled");
        }
        if name.starts_with("kernel.") && spec.host_ipc == Some(true) {
            return refuse("not allowed with host ipc enabled");
        }
    }
    Ok(())
}

/// There is no AppArmor for pods here: who relies on it must not run without.
fn app_armor(pod: &Pod, spec: &PodSpec) -> Verdict {
    let of_pod = spec.security_context.as_ref().and_then(|it| it.app_armor_profile.as_ref());
    let own = contexts(spec).filter_map(|it| it.app_armor_profile.as_ref());
    let asked = of_pod.into_iter().chain(own).any(|profile| profile.type_ != "Unconfined");
    let noted = pod.metadata.annotations.iter().flatten().any(|(key, value)| {
        key.starts_with(APP_ARMOR) && !matches!(value.as_str(), "" | "unconfined")
    });
    if asked || noted {
        let why = "Cannot enforce AppArmor: this node confines pods by namespaces, capabilities and seccomp only";
        return failed("AppArmor", why);
    }
    Ok(())
}

fn contexts(spec: &PodSpec) -> impl Iterator<Item = &SecurityContext> {
    let all = spec.init_containers.iter().flatten().chain(&spec.containers);
    all.filter_map(|container| container.security_context.as_ref())
}

/// What is shared with the node, which is itself in namespaces apart from the host's.
fn namespaces(spec: &PodSpec, permissions: &Permissions) -> Verdict {
    let privileged = permissions.privileged == Privileged::Allowed;
    for (set, name) in [(spec.host_network, "hostNetwork"), (spec.host_ipc, "hostIPC")] {
        if set == Some(true) && !privileged {
            return waiting(format!("{name} is allowed only by `endstate up --allow-privileged`"));
        }
    }
    let refused = [
        (spec.host_pid == Some(true), "hostPID", "no pod sees processes that are not its own"),
        (
            spec.share_process_namespace == Some(true),
            "shareProcessNamespace",
            "every container has processes of its own only",
        ),
        (
            spec.host_users == Some(false),
            "hostUsers: false",
            "all pods share one user namespace, which is not the host's",
        ),
        (
            spec.set_hostname_as_fqdn == Some(true),
            "setHostnameAsFQDN",
            "the hostname is the pod's name",
        ),
        (
            spec.resource_claims.as_ref().is_some_and(|it| !it.is_empty()),
            "resourceClaims",
            "the node has no devices to give",
        ),
    ];
    match refused.into_iter().find(|(asked, ..)| *asked) {
        Some((_, name, why)) => waiting(format!("{name} is not supported: {why}")),
        None => Ok(()),
    }
}

fn pod_context(spec: &PodSpec) -> Verdict {
    let Some(context) = &spec.security_context else { return Ok(()) };
    let PodSecurityContext { se_linux_options, windows_options, .. } = context;
    profiles(se_linux_options.as_ref(), windows_options.is_some()).or_else(waiting)
}

fn profiles(se_linux: Option<&SELinuxOptions>, windows: bool) -> Result<(), &'static str> {
    if se_linux.is_some_and(|options| *options != SELinuxOptions::default()) {
        return Err("seLinuxOptions are not supported: the node labels nothing");
    }
    if windows {
        return Err("windowsOptions are not supported: this is Linux");
    }
    Ok(())
}

/// What only one container asks for.
fn container(one: &Container, spec: &PodSpec, permissions: &Permissions) -> Result<(), String> {
    let default = SecurityContext::default();
    let context = one.security_context.as_ref().unwrap_or(&default);
    let privileged = permissions.privileged == Privileged::Allowed;
    if context.privileged == Some(true) && !privileged {
        return Err("privileged is allowed only by `endstate up --allow-privileged`".to_owned());
    }
    profiles(context.se_linux_options.as_ref(), context.windows_options.is_some())?;
    if context.proc_mount.as_deref().is_some_and(|it| it != "Default") {
        return Err("procMount is not supported but for Default".to_owned());
    }
    capabilities(context, privileged)?;
    seccomp(context, spec)?;
    if one.volume_devices.as_ref().is_some_and(|it| !it.is_empty()) {
        return Err("volumeDevices are not supported: the node has file systems only".to_owned());
    }
    let ports = one.ports.iter().flatten().filter_map(|port| port.host_port);
    if spec.host_network != Some(true)
        && let Some(port) = ports.into_iter().find(|port| *port != 0)
    {
        return Err(format!(
            "hostPort {port} is not supported: the node opens no port of the host; use a service or `endstate forward`"
        ));
    }
    one.volume_mounts.iter().flatten().try_for_each(mount)
}

fn capabilities(context: &SecurityContext, privileged: bool) -> Result<(), String> {
    let add = context.capabilities.as_ref().and_then(|lists| lists.add.as_ref());
    for name in add.into_iter().flatten() {
        let upper = name.to_ascii_uppercase();
        let plain = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if plain != "ALL" && !crate::runtime::is_capability(plain) {
            return Err(format!("unknown capability {name:?}"));
        }
        let own = OWN_CAPABILITIES.contains(&plain) || crate::runtime::is_default(plain);
        if !own && !privileged {
            return Err(format!(
                "capability {name} is allowed only by `endstate up --allow-privileged`"
            ));
        }
    }
    Ok(())
}

fn seccomp(context: &SecurityContext, spec: &PodSpec) -> Result<(), String> {
    let of_pod = spec.security_context.as_ref().and_then(|it| it.seccomp_profile.as_ref());
    let profile = context.seccomp_profile.as_ref().or(of_pod);
    match profile.map(|it| it.type_.as_str()) {
        None | Some("RuntimeDefault" | "Unconfined") => Ok(()),
        Some(other) => Err(format!(
            "seccompProfile {other} is not supported: the node has no profiles but RuntimeDefault and Unconfined"
        )),
    }
}

fn mount(mount: &VolumeMount) -> Result<(), String> {
    let path = &mount.mount_path;
    if mount.mount_propagation.as_deref().is_some_and(|it| it != "None") {
        return Err(format!("the mount at {path}: mountPropagation is not supported but for None"));
    }
    if mount.recursive_read_only.as_deref() == Some("Enabled") {
        return Err(format!("the mount at {path}: recursiveReadOnly is not supported"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn verdict(spec: Value, permissions: &Permissions) -> String {
        let mut spec = spec;
        if spec["containers"].is_null() {
            spec["containers"] = json!([]);
        }
        let pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap();
        match admit(&pod, permissions) {
            Ok(()) => "ok".to_owned(),
            Err(Refusal::Failed { reason, message }) => format!("{reason}: {message}"),
            Err(Refusal::Waiting { message }) => message,
        }
    }

    fn allowed() -> Permissions {
        Permissions { host_paths: vec!["/srv".into()], privileged: Privileged::Allowed }
    }

    #[test]
    fn what_the_host_has_needs_a_word() {
        let context =
            |context: Value| json!({"containers": [{"name": "c", "securityContext": context}]});
        let path = |path: &str| json!({"volumes": [{"name": "v", "hostPath": {"path": path}}]});
        let cases = [
            (json!({"hostNetwork": true}), "hostNetwork is allowed only"),
            (json!({"hostIPC": true}), "hostIPC is allowed only"),
            (context(json!({"privileged": true})), "container \"c\": privileged is allowed only"),
            (
                context(json!({"capabilities": {"add": ["SYS_ADMIN"]}})),
                "container \"c\": capability SYS_ADMIN is allowed only",
            ),
            (
                context(json!({"capabilities": {"add": ["all"]}})),
                "container \"c\": capability all is allowed only",
            ),
            (path("/srv/x"), "volume \"v\": hostPath /srv/x is not below"),
        ];
        for (spec, expected) in cases {
            let text = verdict(spec.clone(), &Permissions::default());
            assert!(text.starts_with(expected), "{spec}: {text}");
            assert_eq!(verdict(spec.clone(), &allowed()), "ok", "{spec}");
        }
        assert!(verdict(path("/etc"), &allowed()).contains("not below"));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_even_then() {
        let of_pod = |context: Value| json!({"securityContext": context});
        let of_container = |container: Value| {
            let mut container = container;
            container["name"] = json!("c");
            json!({"initContainers": [container]})
        };
        let mount = |mount: Value| of_container(json!({"volumeMounts": [mount]}));
        let sysctl = |name: &str| of_pod(json!({"sysctls": [{"name": name, "value": "1"}]}));
        let cases = [
            (
                json!({"os": {"name": "windows"}}),
                "PodOSNotSupported: Pod was rejected: Failed to admit pod",
            ),
            (
                sysctl("kernel.msgmax"),
                "SysctlForbidden: Pod was rejected: forbidden sysctl: \"kernel.msgmax\" not allowlisted",
            ),
            (sysctl("net/ipv4/ip_forward"), "SysctlForbidden"),
            (
                of_pod(json!({"appArmorProfile": {"type": "RuntimeDefault"}})),
                "AppArmor: Pod was rejected: Cannot enforce",
            ),
            (json!({"hostPID": true}), "hostPID is not supported"),
            (json!({"shareProcessNamespace": true}), "shareProcessNamespace is not supported"),
            (json!({"hostUsers": false}), "hostUsers: false is not supported"),
            (json!({"setHostnameAsFQDN": true}), "setHostnameAsFQDN is not"),
            (json!({"resourceClaims": [{"name": "x"}]}), "resourceClaims is not"),
            (of_pod(json!({"seLinuxOptions": {"level": "s0"}})), "seLinuxOptions are not"),
            (
                of_container(json!({"securityContext": {"windowsOptions": {}}})),
                "container \"c\": windowsOptions are not",
            ),
            (
                of_container(json!({"securityContext": {"procMount": "Unmasked"}})),
                "container \"c\": procMount is not",
            ),
            (
                of_container(json!({"securityContext": {"capabilities": {"add": ["NONSENSE"]}}})),
                "container \"c\": unknown capability",
            ),
            (
                of_container(
                    json!({"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}}),
                ),
                "container \"c\": seccompProfile Localhost",
            ),
            (
                of_container(json!({"volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]})),
                "container \"c\": volumeDevices are not",
            ),
            (
                of_container(json!({"ports": [{"containerPort": 1, "hostPort": 80}]})),
                "container \"c\": hostPort 80 is not",
            ),
            (
                mount(
                    json!({"name": "v", "mountPath": "/v", "mountPropagation": "HostToContainer"}),
                ),
                "container \"c\": the mount at /v: mountPropagation",
            ),
            (
                mount(json!({"name": "v", "mountPath": "/v", "recursiveReadOnly": "Enabled"})),
                "container \"c\": the mount at /v: recursiveReadOnly",
            ),
        ];
        for (spec, expected) in cases {
            let text = verdict(spec.clone(), &allowed());
            assert!(text.starts_with(expected), "{spec}: {text}");
        }
    }

    #[test]
    fn what_is_a_pods_own_is_free() {
        let spec = json!({
            "hostNetwork": false, "hostUsers": true,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, "appArmorProfile": {"type": "Unconfined"},
                "sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "0"}], "seLinuxOptions": {}},
            "containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 0}],
                "securityContext": {"capabilities": {"add": ["NET_ADMIN", "CAP_CHOWN"], "drop": ["ALL"]},
                    "procMount": "Default", "seccompProfile": {"type": "Unconfined"}},
                "volumeMounts": [{"name": "v", "mountPath": "/v", "mountPropagation": "None"}]}]});
        assert_eq!(verdict(spec, &Permissions::default()), "ok");
    }
}
