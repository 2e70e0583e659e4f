//! What this machine offers the node, and how to get what lacks.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nix::unistd::Uid;

use crate::config::Ids;
use crate::supervisor::delegation::Why;
use crate::supervisor::{self, delegation};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Pods run, but without something: worth knowing.
    Note,
    /// Keeps pods from running.
    Missing,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub level: Level,
    pub detail: String,
    /// What to do about it; always there for what is missing.
    pub hint: Option<String>,
}

/// What is said where limits are enforced.
pub(crate) const ENFORCED: &str = "enforced by control groups: CPU, memory, processes";

/// What is said wherever somebody asks for a limit that nothing enforces.
pub(crate) fn not_enforced(why: &str) -> String {
    format!("not enforced: {why}. Containers run without their CPU and memory limits")
}

/// What is said to who would start the cluster: root lacks one more bound than everybody else.
fn not_enforced_for(user: Uid, why: &str) -> String {
    let text = not_enforced(why);
    if !user.is_root() {
        return text;
    }
    format!(
        "{text}, and nothing bounds the number of processes of pods that run as root: the kernel exempts uid 0 of the \
         machine from RLIMIT_NPROC"
    )
}

/// Looks at the machine; changes nothing.
pub fn checks() -> Vec<Check> {
    vec![user_namespaces(), runtime(), ids(), overlay(), bridge(), limits(), way_out()]
}

fn check(name: &str, level: Level, detail: impl Into<String>, hint: Option<&str>) -> Check {
    Check { name: name.to_owned(), level, detail: detail.into(), hint: hint.map(str::to_owned) }
}

fn user_namespaces() -> Check {
    let name = "user namespaces";
    let setting = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    if setting("/proc/sys/user/max_user_namespaces").as_deref() == Some("0") {
        let hint = "sudo sysctl -w user.max_user_namespaces=10000";
        return check(name, Level::Missing, "the kernel allows none", Some(hint));
    }
    if setting("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        let hint = "sudo sysctl -w kernel.unprivileged_userns_clone=1";
        return check(name, Level::Missing, "not allowed for ordinary users", Some(hint));
    }
    let restricted = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
    if setting(restricted).as_deref() == Some("1") && !nix::unistd::geteuid().is_root() {
        let hint = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
        return check(name, Level::Missing, "restricted by AppArmor", Some(hint));
    }
    check(name, Level::Ok, "allowed", None)
}

fn runtime() -> Check {
    let name = "OCI runtime";
    let hint = "install it: sudo apt install runc";
    let Some(path) = supervisor::find::runtime() else {
        let detail = format!("no runc: looked {}", supervisor::find::places());
        return check(name, Level::Missing, detail, Some(hint));
    };
    match Command::new(&path).arg("--version").output() {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            let version = text.lines().next().unwrap_or_default();
            check(name, Level::Ok, format!("{version} at {}", path.display()), None)
        }
        _ => check(name, Level::Missing, format!("{} does not run", path.display()), Some(hint)),
    }
}

fn ids() -> Check {
    let name = "user ids in pods";
    match supervisor::available_ids() {
        Ids::Many => check(name, Level::Ok, "many: images keep their owners", None),
        Ids::One => {
            let hint = "for containers that run as other users: sudo apt install uidmap, and ranges in \
                        /etc/subuid and /etc/subgid";
            check(name, Level::Note, "one: every container runs as you", Some(hint))
        }
    }
}

fn overlay() -> Check {
    let name = "overlay file system";
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if known.lines().any(|line| line.trim_start_matches("nodev").trim() == "overlay") {
        return check(name, Level::Ok, "available", None);
    }
    // A module that is not loaded cannot be loaded from a user namespace.
    check(name, Level::Missing, "not available", Some("sudo modprobe overlay"))
}

fn bridge() -> Check {
    let name = "network bridges";
    let built_in = ["/sys/module/bridge", "/sys/module/veth"].map(PathBuf::from);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let modules = PathBuf::from("/lib/modules").join(release.trim());
    // Without loadable modules what is there is built in, and the node's start tells soonest.
    if built_in.iter().all(|path| path.exists()) || !modules.exists() {
        return check(name, Level::Ok, "available", None);
    }
    check(
        name,
        Level::Note,
        "loaded on demand by most kernels",
        Some("if `endstate up` cannot create the bridge: sudo modprobe -a bridge veth"),
    )
}

fn limits() -> Check {
    let name = "limits of containers";
    let Err(why) = delegation::look() else { return check(name, Level::Ok, ENFORCED, None) };
    let hint = match why {
        Why::NotDelegated => {
            "systemd delegates one: systemd-run --user --scope -p Delegate=yes endstate up"
        }
        Why::LegacyNeedsRoot | Why::LegacyIncomplete(_) => {
            "start the machine with the unified hierarchy: systemd.unified_cgroup_hierarchy=1"
        }
        Why::NotMounted | Why::Failed(_) => {
            "where limits matter, install the same operators on Kubernetes"
        }
    };
    let detail = not_enforced_for(nix::unistd::geteuid(), &why.to_string());
    check(name, Level::Note, detail, Some(hint))
}

fn way_out() -> Check {
    let hint = "pods reach each other, services and DNS; images come from the host's side";
    check("pods' way out", Level::Note, "none: pods cannot reach the world", Some(hint))
}

#[cfg(test)]
mod tests {
    #[test]
    fn root_is_told_that_nothing_bounds_its_processes() {
        for (user, expected) in [(0, true), (1000, false)] {
            let text = super::not_enforced_for(super::Uid::from_raw(user), "so");
            assert!(text.starts_with("not enforced: so. "), "{text}");
            assert_eq!(text.contains("nothing bounds the number of processes"), expected, "{text}");
        }
    }

    #[test]
    fn every_failure_has_a_next_step() {
        let checks = super::checks();
        assert!(checks.len() >= 5);
        assert!(
            checks.iter().all(|it| it.level == super::Level::Ok || it.hint.is_some()),
            "{checks:?}"
        );
    }
}
