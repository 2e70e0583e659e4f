//! Rules for what pods say of their own confinement, and of the host's paths and ports.

use std::collections::BTreeSet;

use machinery::error::FieldError;
use serde_json::Value;

use super::{Errors, one_of};
use crate::value::{at, flag, int, list, text};

const SYSCTL_LENGTH_MAX: usize = 253;
const SYSCTL_FORMAT: &str =
    r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
const HOST_PATH_TYPES: [&str; 8] = [
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];

/// Checks the security context of a pod.
pub(super) fn pod(spec: &Value, base: &str, errors: &mut Errors) {
    let base = format!("{base}.securityContext");
    let Some(context) = spec.get("securityContext").filter(|it| it.is_object()) else { return };
    for key in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(context, &base, key, errors);
    }
    for group in list(context, "supplementalGroups") {
        if let Some(group) = group.as_i64() {
            id_number(group, format!("{base}.supplementalGroups"), errors);
        }
    }
    if flag(spec, "shareProcessNamespace") && flag(spec, "hostPID") {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(FieldError::invalid(format!("{base}.shareProcessNamespace"), true, why));
    }
    sysctls(context, &base, errors);
    one_of(context, &base, "fsGroupChangePolicy", &["Always", "OnRootMismatch"], errors);
    one_of(context, &base, "supplementalGroupsPolicy", &["Merge", "Strict"], errors);
    profile(context, &base, ("seccompProfile", "seccomp"), errors);
    profile(context, &base, ("appArmorProfile", "AppArmor"), errors);
}

/// Checks the security context of a container.
pub(super) fn container(container: &Value, base: &str, errors: &mut Errors) {
    let base = format!("{base}.securityContext");
    let Some(context) = container.get("securityContext").filter(|it| it.is_object()) else {
        return;
    };
    for key in ["runAsUser", "runAsGroup"] {
        id(context, &base, key, errors);
    }
    one_of(context, &base, "procMount", &["Default", "Unmasked"], errors);
    if at(context, "allowPrivilegeEscalation") == Some(&Value::Bool(false)) {
        if flag(context, "privileged") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.push(FieldError::invalid(base.clone(), context.clone(), why));
        }
        if list(context, "capabilities.add").iter().any(|name| name == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(FieldError::invalid(base.clone(), context.clone(), why));
        }
    }
    profile(context, &base, ("seccompProfile", "seccomp"), errors);
    profile(context, &base, ("appArmorProfile", "AppArmor"), errors);
}

fn id(context: &Value, base: &str, key: &str, errors: &mut Errors) {
    if let Some(number) = int(context, key) {
        id_number(number, format!("{base}.{key}"), errors);
    }
}

fn id_number(number: i64, field: String, errors: &mut Errors) {
    if !(0..=i64::from(i32::MAX)).contains(&number) {
        let why = "must be between 0 and 2147483647, inclusive";
        errors.push(FieldError::invalid(field, number, why));
    }
}

fn sysctls(context: &Value, base: &str, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (index, sysctl) in list(context, "sysctls").iter().enumerate() {
        let field = format!("{base}.sysctls[{index}].name");
        let name = text(sysctl, "name").unwrap_or_default();
        if name.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else if !is_sysctl(name) {
            let why = format!(
                "must have at most {SYSCTL_LENGTH_MAX} characters and match regex {SYSCTL_FORMAT}"
            );
            errors.push(FieldError::invalid(field, name, why));
        } else if !seen.insert(name.replace('/', ".")) {
            errors.push(FieldError::duplicate(field, name));
        }
    }
}

fn is_sysctl(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| {
        let ends = part.bytes().next().is_some_and(plain) && part.bytes().last().is_some_and(plain);
        ends && part.bytes().all(|byte| plain(byte) || matches!(byte, b'-' | b'_'))
    };
    name.len() <= SYSCTL_LENGTH_MAX && name.split(['.', '/']).all(part)
}

/// A seccomp or AppArmor profile: its type, and a name that only `Localhost` has.
fn profile(context: &Value, base: &str, (key, word): (&str, &str), errors: &mut Errors) {
    let Some(profile) = context.get(key).filter(|it| it.is_object()) else { return };
    let base = format!("{base}.{key}");
    let kind = text(profile, "type").unwrap_or_default();
    if kind.is_empty() {
        let why = format!("type is required when {key} is set");
        errors.push(FieldError::required(format!("{base}.type"), why));
    } else {
        one_of(profile, &base, "type", &["Localhost", "RuntimeDefault", "Unconfined"], errors);
    }
    let field = format!("{base}.localhostProfile");
    match (kind == "Localhost", profile.get("localhostProfile")) {
        (true, None) => {
            let why = format!("must be set when {word} type is Localhost");
            errors.push(FieldError::required(field, why));
        }
        (true, Some(name)) if word == "seccomp" => descending(name, &field, errors),
        (false, Some(_)) => {
            let why = format!("can only be set when {word} type is Localhost");
            errors.push(FieldError::invalid(field, profile.clone(), why));
        }
        _ => {}
    }
}

/// Requires a path that starts in a folder and stays there.
fn descending(path: &Value, field: &str, errors: &mut Errors) {
    let name = path.as_str().unwrap_or_default();
    if name.starts_with('/') {
        errors.push(FieldError::invalid(field, name, "must be a relative path"));
    }
    no_way_back(name, field, errors);
}

fn no_way_back(path: &str, field: &str, errors: &mut Errors) {
    if path.split('/').any(|part| part == "..") {
        errors.push(FieldError::invalid(field, path, "must not contain '..'"));
    }
}

/// Checks a volume that is a path of the host.
pub(super) fn host_path(volume: &Value, base: &str, errors: &mut Errors) {
    let Some(host) = volume.get("hostPath").filter(|it| it.is_object()) else { return };
    let base = format!("{base}.hostPath");
    no_way_back(text(host, "path").unwrap_or_default(), &format!("{base}.path"), errors);
    one_of(host, &base, "type", &HOST_PATH_TYPES, errors);
}

/// Requires that no port of the host is asked for twice.
pub(super) fn host_ports(spec: &Value, base: &str, errors: &mut Errors) {
    let mut taken = BTreeSet::new();
    for (index, one) in list(spec, "containers").iter().enumerate() {
        for (number, port) in list(one, "ports").iter().enumerate() {
            let Some(host_port) = int(port, "hostPort").filter(|port| *port != 0) else { continue };
            let word = |key: &str| text(port, key).unwrap_or_default();
            let place = format!("{}/{}/{host_port}", word("protocol"), word("hostIP"));
            if !taken.insert(place.clone()) {
                let field = format!("{base}.containers[{index}].ports[{number}].hostPort");
                errors.push(FieldError::duplicate(field, place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::texts;
    use super::*;

    #[test]
    fn contexts_of_pods() {
        let check = |context: Value, expected: &[&str]| {
            let mut errors = Errors::new();
            pod(&json!({"securityContext": context}), "spec", &mut errors);
            assert_eq!(texts(&errors), expected, "{context}");
        };
        let range = "must be between 0 and 2147483647, inclusive";
        check(
            json!({"runAsUser": -1, "supplementalGroups": [1, 1_i64 << 31],
                "sysctls": [{"name": "BAD NAME", "value": "1"}, {"name": "net.a/b_c", "value": "1"}, {"name": "net/a/b_c", "value": "1"}]}),
            &[
                &format!("spec.securityContext.runAsUser: Invalid value: -1: {range}"),
                &format!(
                    "spec.securityContext.supplementalGroups: Invalid value: 2147483648: {range}"
                ),
                &format!(
                    "spec.securityContext.sysctls[0].name: Invalid value: \"BAD NAME\": must have at most 253 characters and match regex {SYSCTL_FORMAT}"
                ),
                "spec.securityContext.sysctls[2].name: Duplicate value: \"net/a/b_c\"",
            ],
        );
        check(
            json!({"seccompProfile": {"type": "X"}}),
            &[
                "spec.securityContext.seccompProfile.type: Unsupported value: \"X\": supported values: \"Localhost\", \"RuntimeDefault\", \"Unconfined\"",
            ],
        );
        check(
            json!({"seccompProfile": {"type": "Localhost"}}),
            &[
                "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
            ],
        );
        check(
            json!({"seccompProfile": {"type": "Localhost", "localhostProfile": "../x"}}),
            &[
                "spec.securityContext.seccompProfile.localhostProfile: Invalid value: \"../x\": must not contain '..'",
            ],
        );
        check(
            json!({"runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroupChangePolicy": "Always"}),
            &[],
        );
    }

    #[test]
    fn contexts_of_containers() {
        let check = |context: Value, expected: &[&str]| {
            let mut errors = Errors::new();
            container(&json!({"securityContext": context}), "c", &mut errors);
            assert_eq!(texts(&errors), expected, "{context}");
        };
        check(
            json!({"runAsUser": -1}),
            &[
                "c.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            ],
        );
        let mut errors = Errors::new();
        let both =
            json!({"securityContext": {"allowPrivilegeEscalation": false, "privileged": true}});
        container(&both, "c", &mut errors);
        assert!(
            texts(&errors)[0].ends_with(
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            )
        );
        check(
            json!({"allowPrivilegeEscalation": false, "capabilities": {"add": ["NET_ADMIN"]}}),
            &[],
        );
    }

    #[test]
    fn host_paths_and_ports() {
        let mut errors = Errors::new();
        host_path(&json!({"hostPath": {"path": "/a/../b", "type": "X"}}), "v", &mut errors);
        assert_eq!(
            texts(&errors)[0],
            "v.hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"
        );
        assert!(texts(&errors)[1].starts_with("v.hostPath.type: Unsupported value: \"X\""));
        let mut errors = Errors::new();
        let port =
            |number: u16| json!({"containerPort": 80, "hostPort": number, "protocol": "TCP"});
        let spec = json!({"containers": [{"ports": [port(8080), port(0), port(0)]}, {"ports": [port(8081), port(8080)]}]});
        host_ports(&spec, "spec", &mut errors);
        assert_eq!(
            texts(&errors),
            ["spec.containers[1].ports[1].hostPort: Duplicate value: \"TCP//8080\""]
        );
    }
}
