//! Checks of what a container may do: as whom it runs, with which powers, on which volumes.

use k8s_openapi::api::core::v1::{Capabilities, Volume};

use super::pod::{Member, Values, containers, plural, quoted, setters};
use super::{Subject, Violation};

/// Capabilities that may be added where only the defaults are allowed.
const DEFAULT_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

pub(super) fn violation(reason: impl Into<String>, detail: String) -> Option<Violation> {
    Some(Violation { reason: reason.into(), detail })
}

pub(super) fn privileged(pod: &Subject) -> Option<Violation> {
    let bad = pod.named(|it| it.context.is_some_and(|context| context.privileged == Some(true)));
    if bad.is_empty() {
        return None;
    }
    let detail = format!("{} must not set securityContext.privileged=true", containers(&bad));
    violation("privileged", detail)
}

pub(super) fn privilege_escalation(pod: &Subject) -> Option<Violation> {
    let forbids = |it: &Member<'_>| {
        it.context.is_some_and(|context| context.allow_privilege_escalation == Some(false))
    };
    let bad = pod.named(|it| !forbids(it));
    if bad.is_empty() {
        return None;
    }
    let who = containers(&bad);
    let detail = format!("{who} must set securityContext.allowPrivilegeEscalation=false");
    violation("allowPrivilegeEscalation != false", detail)
}

fn capabilities<'a>(member: &Member<'a>) -> Option<&'a Capabilities> {
    member.context.and_then(|context| context.capabilities.as_ref())
}

/// The containers that add capabilities other than the allowed, and which.
fn added<'a>(pod: &'a Subject, allowed: &[&str]) -> (Vec<&'a str>, Values) {
    let mut values = Values::new();
    let names = pod.named(|it| {
        let add = capabilities(it).and_then(|lists| lists.add.as_deref()).unwrap_or_default();
        let bad = add.iter().filter(|name| !allowed.contains(&name.as_str()));
        let before = bad.clone().count();
        values.extend(bad.cloned());
        before > 0
    });
    (names, values)
}

fn must_not_add(names: &[&str], values: &Values) -> String {
    let who = containers(names);
    format!("{who} must not include {} in securityContext.capabilities.add", quoted(values))
}

pub(super) fn capabilities_added(pod: &Subject) -> Option<Violation> {
    let (bad, values) = added(pod, &DEFAULT_CAPABILITIES);
    if bad.is_empty() {
        return None;
    }
    violation("non-default capabilities", must_not_add(&bad, &values))
}

/// All capabilities are dropped; one may be added.
pub(super) fn capabilities_kept(pod: &Subject) -> Option<Violation> {
    let drops_all = |it: &Member<'_>| {
        let drop = capabilities(it).and_then(|lists| lists.drop.as_deref()).unwrap_or_default();
        drop.iter().any(|name| name == "ALL")
    };
    let keeping = pod.named(|it| !drops_all(it));
    let (adding, values) = added(pod, &["NET_BIND_SERVICE"]);
    let mut details = Vec::new();
    if !keeping.is_empty() {
        let who = containers(&keeping);
        details.push(format!("{who} must set securityContext.capabilities.drop=[\"ALL\"]"));
    }
    if !adding.is_empty() {
        details.push(must_not_add(&adding, &values));
    }
    if details.is_empty() {
        return None;
    }
    violation("unrestricted capabilities", details.join("; "))
}

pub(super) fn proc_mount(pod: &Subject) -> Option<Violation> {
    let mut values = Values::new();
    let bad = pod.named(|it| {
        let set = it.context.and_then(|context| context.proc_mount.as_ref());
        let bad = set.filter(|kind| *kind != "Default");
        values.extend(bad.cloned());
        bad.is_some()
    });
    if bad.is_empty() {
        return None;
    }
    let who = containers(&bad);
    let values = quoted(&values);
    violation("procMount", format!("{who} must not set securityContext.procMount to {values}"))
}

pub(super) fn proc_mount_of_host_users(pod: &Subject) -> Option<Violation> {
    if pod.has_own_users() { None } else { proc_mount(pod) }
}

pub(super) fn run_as_non_root(pod: &Subject) -> Option<Violation> {
    let of_pod = pod.context().and_then(|context| context.run_as_non_root);
    let own = |it: &Member<'_>| it.context.and_then(|context| context.run_as_non_root);
    let denying = pod.named(|it| own(it) == Some(false));
    let silent = pod.named(|it| own(it).is_none());
    let reason = "runAsNonRoot != true";
    if let Some(who) = setters((of_pod == Some(false)).then_some("pod"), &denying) {
        let detail = format!("{who} must not set securityContext.runAsNonRoot=false");
        return violation(reason, detail);
    }
    if of_pod == Some(true) || silent.is_empty() {
        return None;
    }
    let who = containers(&silent);
    violation(reason, format!("pod or {who} must set securityContext.runAsNonRoot=true"))
}

pub(super) fn run_as_user(pod: &Subject) -> Option<Violation> {
    let of_pod = pod.context().and_then(|context| context.run_as_user) == Some(0);
    let bad = pod.named(|it| it.context.and_then(|context| context.run_as_user) == Some(0));
    let who = setters(of_pod.then_some("pod"), &bad)?;
    violation("runAsUser=0", format!("{who} must not set runAsUser=0"))
}

pub(super) fn volumes(pod: &Subject) -> Option<Violation> {
    let volumes = pod.spec.volumes.iter().flatten();
    let bad: Vec<(&str, &str)> =
        volumes.filter_map(|it| Some((it.name.as_str(), restricted_type(it)?))).collect();
    if bad.is_empty() {
        return None;
    }
    let kinds: Values = bad.iter().map(|(_, kind)| (*kind).to_owned()).collect();
    let detail = format!(
        "{} {} {} {} {}",
        plural(bad.len(), "volume", "volumes"),
        quoted(bad.iter().map(|(name, _)| *name)),
        plural(bad.len(), "uses", "use"),
        plural(kinds.len(), "restricted volume type", "restricted volume types"),
        quoted(&kinds)
    );
    violation("restricted volume types", detail)
}

/// What a volume is, unless it is of a kind that every pod may have.
fn restricted_type(volume: &Volume) -> Option<&'static str> {
    let allowed = volume.config_map.is_some()
        || volume.csi.is_some()
        || volume.downward_api.is_some()
        || volume.empty_dir.is_some()
        || volume.ephemeral.is_some()
        || volume.image.is_some()
        || volume.persistent_volume_claim.is_some()
        || volume.projected.is_some()
        || volume.secret.is_some();
    if allowed {
        return None;
    }
    let kinds = [
        (volume.host_path.is_some(), "hostPath"),
        (volume.gce_persistent_disk.is_some(), "gcePersistentDisk"),
        (volume.aws_elastic_block_store.is_some(), "awsElasticBlockStore"),
        (volume.git_repo.is_some(), "gitRepo"),
        (volume.nfs.is_some(), "nfs"),
        (volume.iscsi.is_some(), "iscsi"),
        (volume.glusterfs.is_some(), "glusterfs"),
        (volume.rbd.is_some(), "rbd"),
        (volume.flex_volume.is_some(), "flexVolume"),
        (volume.cinder.is_some(), "cinder"),
        (volume.cephfs.is_some(), "cephfs"),
        (volume.flocker.is_some(), "flocker"),
        (volume.fc.is_some(), "fc"),
        (volume.azure_file.is_some(), "azureFile"),
        (volume.vsphere_volume.is_some(), "vsphereVolume"),
        (volume.quobyte.is_some(), "quobyte"),
        (volume.azure_disk.is_some(), "azureDisk"),
        (volume.photon_persistent_disk.is_some(), "photonPersistentDisk"),
        (volume.portworx_volume.is_some(), "portworxVolume"),
        (volume.scale_io.is_some(), "scaleIO"),
        (volume.storageos.is_some(), "storageos"),
    ];
    Some(kinds.iter().find(|(is, _)| *is).map_or("unknown", |(_, name)| name))
}
