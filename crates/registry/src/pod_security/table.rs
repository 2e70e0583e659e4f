//! Which checks a standard is made of.

use super::policy::{Level, Standard, Version};
use super::{Subject, Violation, checks, host, profiles};

pub(super) type Check = fn(&Subject) -> Option<Violation>;

/// A check, and the minor version of Kubernetes since which it is made like this.
struct Row {
    id: &'static str,
    level: Level,
    since: u32,
    check: Check,
    /// The baseline check that need not be made where this one is.
    instead_of: Option<&'static str>,
}

const fn baseline(id: &'static str, since: u32, check: Check) -> Row {
    Row { id, level: Level::Baseline, since, check, instead_of: None }
}

const fn restricted(id: &'static str, since: u32, check: Check) -> Row {
    Row { id, level: Level::Restricted, since, check, instead_of: None }
}

const fn stricter(id: &'static str, since: u32, check: Check, than: &'static str) -> Row {
    Row { id, level: Level::Restricted, since, check, instead_of: Some(than) }
}

/// Violations are told in this order. The later of two rows with one name stands for the earlier from its version on.
const ROWS: &[Row] = &[
    baseline("appArmorProfile", 0, profiles::app_armor),
    baseline("capabilities_baseline", 0, checks::capabilities_added),
    baseline("hostNamespaces", 0, host::namespaces),
    baseline("hostPathVolumes", 0, host::path_volumes),
    baseline("hostPorts", 0, host::ports),
    baseline("hostProbesAndHostLifecycle", 34, host::probes_and_hooks),
    baseline("privileged", 0, checks::privileged),
    baseline("procMount", 0, checks::proc_mount),
    baseline("procMount", 35, checks::proc_mount_of_host_users),
    baseline("seLinuxOptions", 0, |pod| profiles::se_linux(pod, profiles::SE_LINUX_TYPES)),
    baseline("seLinuxOptions", 31, |pod| profiles::se_linux(pod, profiles::SE_LINUX_TYPES_1_31)),
    baseline("seccompProfile_baseline", 0, profiles::seccomp_annotations),
    baseline("seccompProfile_baseline", 19, profiles::seccomp),
    baseline("sysctls", 0, |pod| host::sysctls(pod, 0)),
    baseline("sysctls", 27, |pod| host::sysctls(pod, 27)),
    baseline("sysctls", 29, |pod| host::sysctls(pod, 29)),
    baseline("sysctls", 32, |pod| host::sysctls(pod, 32)),
    baseline("windowsHostProcess", 0, host::windows_process),
    restricted("allowPrivilegeEscalation", 8, checks::privilege_escalation),
    restricted("allowPrivilegeEscalation", 25, |pod| {
        not_windows(pod, checks::privilege_escalation)
    }),
    stricter("capabilities_restricted", 22, checks::capabilities_kept, "capabilities_baseline"),
    stricter(
        "capabilities_restricted",
        25,
        |pod| not_windows(pod, checks::capabilities_kept),
        "capabilities_baseline",
    ),
    stricter("procMount_restricted", 35, checks::proc_mount, "procMount"),
    stricter("restrictedVolumes", 0, checks::volumes, "hostPathVolumes"),
    restricted("runAsNonRoot", 0, checks::run_as_non_root),
    restricted("runAsNonRoot", 35, |pod| of_host_users(pod, checks::run_as_non_root)),
    restricted("runAsUser", 23, checks::run_as_user),
    restricted("runAsUser", 35, |pod| of_host_users(pod, checks::run_as_user)),
    stricter("seccompProfile_restricted", 19, profiles::seccomp_set, "seccompProfile_baseline"),
    stricter(
        "seccompProfile_restricted",
        25,
        |pod| not_windows(pod, profiles::seccomp_set),
        "seccompProfile_baseline",
    ),
];

/// A check of what no pod for Windows can set.
fn not_windows(pod: &Subject, check: Check) -> Option<Violation> {
    if pod.is_windows() { None } else { check(pod) }
}

/// A check of ids, which mean nothing outside a pod that has its own.
fn of_host_users(pod: &Subject, check: Check) -> Option<Violation> {
    if pod.has_own_users() { None } else { check(pod) }
}

/// The checks of a standard.
pub(super) fn checks(standard: Standard) -> impl Iterator<Item = Check> {
    let minor = match standard.version {
        Version::Latest => u32::MAX,
        Version::Minor(minor) => minor,
    };
    let applies = move |row: &&Row| row.level <= standard.level && row.since <= minor;
    let chosen: Vec<&Row> = ROWS.iter().filter(applies).collect();
    let kept: Vec<Check> = chosen
        .iter()
        .enumerate()
        .filter(|(index, row)| {
            let renewed = chosen.get(index + 1).is_some_and(|next| next.id == row.id);
            let replaced = chosen.iter().any(|other| other.instead_of == Some(row.id));
            !renewed && !replaced
        })
        .map(|(_, row)| row.check)
        .collect();
    kept.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_name_what_they_replace() {
        let key = |row: &Row| (row.level, row.id, row.since);
        assert!(ROWS.is_sorted_by_key(key));
        assert!(ROWS.iter().all(|row| row.level != Level::Privileged));
        for row in ROWS {
            let replaced = row
                .instead_of
                .is_none_or(|id| ROWS.iter().any(|it| it.id == id && it.level == Level::Baseline));
            assert!(replaced, "{}", row.id);
        }
    }

    #[test]
    fn standards_have_as_many_checks_as_they_had() {
        let count =
            |level, minor| checks(Standard { level, version: Version::Minor(minor) }).count();
        assert_eq!(count(Level::Privileged, 35), 0);
        assert_eq!((count(Level::Baseline, 0), count(Level::Restricted, 0)), (11, 12));
        assert_eq!((count(Level::Baseline, 34), count(Level::Restricted, 34)), (12, 15));
        let latest = Standard { level: Level::Restricted, version: Version::Latest };
        assert_eq!(checks(latest).count(), 15);
    }
}
