//! Checks of the kernel's security modules: AppArmor, SELinux, seccomp.

use k8s_openapi::api::core::v1::{SELinuxOptions, SeccompProfile};

use super::checks::violation;
use super::pod::{Member, Values, containers, plural, quoted, setters};
use super::{Subject, Violation};

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

pub(super) const SE_LINUX_TYPES: &[&str] =
    &["", "container_t", "container_init_t", "container_kvm_t"];
pub(super) const SE_LINUX_TYPES_1_31: &[&str] =
    &["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/// The types of profiles that confine, in AppArmor and seccomp alike.
fn confines(kind: &str) -> bool {
    matches!(kind, "RuntimeDefault" | "Localhost")
}

pub(super) fn app_armor(pod: &Subject) -> Option<Violation> {
    let mut values = Values::new();
    let mut bad = |profile: Option<&k8s_openapi::api::core::v1::AppArmorProfile>| {
        let bad = profile.filter(|it| !confines(&it.type_));
        values.extend(bad.map(|it| it.type_.clone()));
        bad.is_some()
    };
    let of_pod = bad(pod.context().and_then(|it| it.app_armor_profile.as_ref()));
    let names = pod.named(|it| bad(it.context.and_then(|it| it.app_armor_profile.as_ref())));
    // A map of the API is ordered by key, and so are the annotations here.
    let annotations: Vec<String> = pod
        .annotations
        .iter()
        .filter(|(key, value)| {
            let allowed =
                matches!(value.as_str(), "" | "runtime/default") || value.starts_with("localhost/");
            key.starts_with(APP_ARMOR) && !allowed
        })
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    let noted = plural(annotations.len(), "annotation", "annotations");
    let mut who: Vec<String> = setters(of_pod.then_some("pod"), &names).into_iter().collect();
    if !annotations.is_empty() {
        who.push(noted.to_owned());
    }
    if who.is_empty() {
        return None;
    }
    let values: Vec<String> = values.into_iter().chain(annotations).collect();
    let reason = plural(values.len(), "forbidden AppArmor profile", "forbidden AppArmor profiles");
    let who = who.join(" and ");
    violation(reason, format!("{who} must not set AppArmor profile type to {}", quoted(values)))
}

pub(super) fn se_linux(pod: &Subject, types: &[&str]) -> Option<Violation> {
    let mut kinds = Values::new();
    let (mut user, mut role) = (false, false);
    let set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let mut bad = |options: Option<&SELinuxOptions>| {
        let Some(options) = options else { return false };
        let kind = options.type_.as_deref().unwrap_or_default();
        let unknown = !types.contains(&kind);
        if unknown {
            kinds.insert(kind.to_owned());
        }
        user |= set(&options.user);
        role |= set(&options.role);
        unknown || set(&options.user) || set(&options.role)
    };
    let of_pod = bad(pod.context().and_then(|it| it.se_linux_options.as_ref()));
    let names = pod.named(|it| bad(it.context.and_then(|it| it.se_linux_options.as_ref())));
    let who = setters(of_pod.then_some("pod"), &names)?;
    let mut what = Vec::new();
    if !kinds.is_empty() {
        what.push(format!("{} {}", plural(kinds.len(), "type", "types"), quoted(&kinds)));
    }
    what.extend(user.then(|| "user may not be set".to_owned()));
    what.extend(role.then(|| "role may not be set".to_owned()));
    let what = what.join("; ");
    violation(
        "seLinuxOptions",
        format!("{who} set forbidden securityContext.seLinuxOptions: {what}"),
    )
}

/// Before there was a field, annotations said it.
pub(super) fn seccomp_annotations(pod: &Subject) -> Option<Violation> {
    let keys = pod.containers().map(|it| format!("{SECCOMP_CONTAINER}{}", it.name));
    let bad: Values = std::iter::once(SECCOMP_POD.to_owned())
        .chain(keys)
        .filter_map(|key| {
            let value = pod.annotations.get(&key)?;
            let allowed = matches!(value.as_str(), "runtime/default" | "docker/default")
                || value.starts_with("localhost/");
            (!allowed).then(|| format!("{key}={value:?}"))
        })
        .collect();
    if bad.is_empty() {
        return None;
    }
    let bad: Vec<String> = bad.into_iter().collect();
    let word = plural(bad.len(), "annotation", "annotations");
    violation("seccompProfile", format!("forbidden {word} {}", bad.join(", ")))
}

fn profile_of<'a>(member: &Member<'a>) -> Option<&'a SeccompProfile> {
    member.context.and_then(|it| it.seccomp_profile.as_ref())
}

pub(super) fn seccomp(pod: &Subject) -> Option<Violation> {
    let mut values = Values::new();
    let mut bad = |profile: Option<&SeccompProfile>| {
        let bad = profile.filter(|it| !confines(&it.type_));
        values.extend(bad.map(|it| it.type_.clone()));
        bad.is_some()
    };
    let of_pod = bad(pod.context().and_then(|it| it.seccomp_profile.as_ref()));
    let names = pod.named(|it| bad(profile_of(it)));
    let who = setters(of_pod.then_some("pod"), &names)?;
    let values = quoted(&values);
    let detail = format!("{who} must not set securityContext.seccompProfile.type to {values}");
    violation("seccompProfile", detail)
}

/// As [`seccomp`], and there must be a profile.
pub(super) fn seccomp_set(pod: &Subject) -> Option<Violation> {
    if let Some(found) = seccomp(pod) {
        return Some(found);
    }
    let silent = pod.named(|it| profile_of(it).is_none());
    let of_pod = pod.context().is_some_and(|it| it.seccomp_profile.is_some());
    if of_pod || silent.is_empty() {
        return None;
    }
    let who = containers(&silent);
    let kinds = "\"RuntimeDefault\" or \"Localhost\"";
    let detail = format!("pod or {who} must set securityContext.seccompProfile.type to {kinds}");
    violation("seccompProfile", detail)
}
