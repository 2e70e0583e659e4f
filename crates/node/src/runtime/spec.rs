//! The OCI runtime specification of a container: plain data in, JSON out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::seccomp;
use crate::groups::Version;
use crate::limits::Settings;

/// What runs in a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Process {
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: String,
    pub(crate) user: User,
    pub(crate) capabilities: Vec<String>,
    pub(crate) no_new_privileges: bool,
    /// Who is killed first when memory runs out.
    pub(crate) oom_score_adj: i64,
    /// How many processes its user may have, where no control group counts them.
    pub(crate) processes_max: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) additional: Vec<u32>,
}

/// A bind mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) source: PathBuf,
    pub(crate) target: String,
    pub(crate) read_only: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Spec {
    pub(crate) process: Process,
    pub(crate) rootfs: PathBuf,
    pub(crate) read_only: bool,
    pub(crate) mounts: Vec<Mount>,
    /// Namespaces to join: kind and path.
    pub(crate) namespaces: Vec<(&'static str, PathBuf)>,
    pub(crate) terminal: bool,
    pub(crate) privileged: bool,
    pub(crate) group: Option<Group>,
    pub(crate) seccomp: Seccomp,
    /// Kernel parameters of the namespaces.
    pub(crate) sysctls: BTreeMap<String, String>,
}

/// Which system calls a container may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Seccomp {
    #[default]
    RuntimeDefault,
    Unconfined,
}

/// The control group that the runtime makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) path: String,
    pub(crate) version: Version,
    pub(crate) settings: Settings,
}

impl Group {
    /// As `linux.resources`. No swap beyond the memory limit, and where one process runs out of memory all of the
    /// container end, as with the kubelet; the older hierarchies know neither.
    pub(crate) fn resources(&self) -> Value {
        let mut resources = self.changes();
        if self.version == Version::Unified {
            resources["unified"] = json!({"memory.oom.group": "1"});
        }
        resources
    }

    /// What of it may change later.
    pub(crate) fn changes(&self) -> Value {
        let settings = &self.settings;
        let memory = settings.memory.unwrap_or(-1);
        let mut resources = json!({
            "cpu": {
                "shares": settings.shares,
                "quota": settings.quota.unwrap_or(-1),
                "period": Settings::PERIOD_MICROS,
            },
            "memory": {"limit": memory},
        });
        if self.version == Version::Unified {
            resources["memory"]["swap"] = json!(memory);
        }
        resources
    }
}

/// What containers may do by default: the list of Docker and containerd.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// What only a privileged container may do; all of it only within the node's own namespaces.
const MORE_CAPABILITIES: [&str; 27] = [
    "CAP_AUDIT_CONTROL",
    "CAP_AUDIT_READ",
    "CAP_BLOCK_SUSPEND",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
    "CAP_DAC_READ_SEARCH",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE",
    "CAP_MAC_ADMIN",
    "CAP_MAC_OVERRIDE",
    "CAP_NET_ADMIN",
    "CAP_NET_BROADCAST",
    "CAP_PERFMON",
    "CAP_SYSLOG",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_MODULE",
    "CAP_SYS_NICE",
    "CAP_SYS_PACCT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_WAKE_ALARM",
];

/// Whether a name, without its `CAP_`, is a capability.
pub(crate) fn is_capability(name: &str) -> bool {
    let mut all = DEFAULT_CAPABILITIES.iter().chain(&MORE_CAPABILITIES);
    all.any(|known| known.strip_prefix("CAP_") == Some(name))
}

/// Whether every container has a capability that does not drop it.
pub(crate) fn is_default(name: &str) -> bool {
    DEFAULT_CAPABILITIES.iter().any(|known| known.strip_prefix("CAP_") == Some(name))
}

/// The capabilities for `add` and `drop` lists as in a security context.
pub(crate) fn capabilities(privileged: bool, add: &[String], drop: &[String]) -> Vec<String> {
    let named = |name: &str| {
        let upper = name.to_ascii_uppercase();
        if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") }
    };
    let all = |list: &[String]| list.iter().any(|name| name.eq_ignore_ascii_case("all"));
    let every = DEFAULT_CAPABILITIES.iter().chain(&MORE_CAPABILITIES);
    if privileged || all(add) {
        return every.map(|name| (*name).to_owned()).collect();
    }
    let dropped: Vec<String> = drop.iter().map(|name| named(name)).collect();
    let mut kept: Vec<String> = DEFAULT_CAPABILITIES
        .iter()
        .map(|name| (*name).to_owned())
        .filter(|name| !all(drop) && !dropped.contains(name))
        .collect();
    for name in add.iter().map(|name| named(name)) {
        if every.clone().any(|known| *known == name) && !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept
}

impl Process {
    pub(crate) fn to_json(&self, terminal: bool) -> Value {
        let env: Vec<String> =
            self.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let capabilities = &self.capabilities;
        let mut process = json!({
            "terminal": terminal,
            "user": {
                "uid": self.user.uid, "gid": self.user.gid, "additionalGids": self.user.additional,
            },
            "args": self.args,
            "env": env,
            "cwd": self.cwd,
            "noNewPrivileges": self.no_new_privileges,
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
            "oomScoreAdj": self.oom_score_adj,
        });
        if let Some(most) = self.processes_max {
            process["rlimits"] = json!([{"type": "RLIMIT_NPROC", "soft": most, "hard": most}]);
        }
        process
    }
}

impl Spec {
    pub(crate) fn to_json(&self) -> Value {
        let mut namespaces = vec![json!({"type": "pid"}), json!({"type": "mount"})];
        for (kind, path) in &self.namespaces {
            namespaces.push(json!({"type": kind, "path": path}));
        }
        let mut mounts = system_mounts(self.privileged);
        if self.group.is_some() {
            namespaces.push(json!({"type": "cgroup"}));
            mounts.push(own_group());
        }
        mounts.extend(self.mounts.iter().map(Mount::to_json));
        let (masked, read_only): (&[&str], &[&str]) =
            if self.privileged { (&[], &[]) } else { (&MASKED, &READ_ONLY) };
        let mut spec = json!({
            "ociVersion": "1.0.2",
            "process": self.process.to_json(self.terminal),
            "root": {"path": self.rootfs, "readonly": self.read_only},
            "mounts": mounts,
            "linux": {
                "namespaces": namespaces,
                "maskedPaths": masked,
                "readonlyPaths": read_only,
                "sysctl": self.sysctls,
            },
        });
        if let Some(group) = &self.group {
            spec["linux"]["cgroupsPath"] = json!(group.path);
            spec["linux"]["resources"] = group.resources();
        }
        if self.seccomp == Seccomp::RuntimeDefault {
            spec["linux"]["seccomp"] = seccomp::profile(&self.process.capabilities);
        }
        spec
    }
}

impl Mount {
    fn to_json(&self) -> Value {
        let mode = if self.read_only { "ro" } else { "rw" };
        json!({
            "destination": self.target, "type": "bind", "source": self.source,
            "options": ["rbind", "rprivate", mode],
        })
    }
}

const MASKED: [&str; 8] = [
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

fn system_mounts(privileged: bool) -> Vec<Value> {
    let sys = if privileged { "rw" } else { "ro" };
    vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc",
            "options": ["nosuid", "noexec", "nodev"]}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]}),
        json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]}),
        json!({"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
            "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]}),
        json!({"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
            "options": ["nosuid", "noexec", "nodev"]}),
        json!({"destination": "/sys", "type": "sysfs", "source": "sysfs",
            "options": ["nosuid", "noexec", "nodev", sys]}),
    ]
}

/// A container sees its own limits there, as many language runtimes look for, and cannot change them.
fn own_group() -> Value {
    json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
        "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_follow_the_security_context() {
        let list = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let default = capabilities(false, &[], &[]);
        assert_eq!(default.len(), DEFAULT_CAPABILITIES.len());
        assert!(capabilities(false, &[], &list(&["ALL"])).is_empty());
        let few = capabilities(false, &list(&["NET_ADMIN", "nonsense"]), &list(&["all"]));
        assert_eq!(few, ["CAP_NET_ADMIN"]);
        assert!(!capabilities(false, &[], &list(&["CAP_CHOWN"])).contains(&"CAP_CHOWN".to_owned()));
        assert_eq!(capabilities(true, &[], &[]).len(), 41);
    }

    #[test]
    fn namespaces_are_joined_by_path() {
        let spec =
            Spec { namespaces: vec![("network", PathBuf::from("/x/net"))], ..Spec::default() };
        let json = spec.to_json();
        assert_eq!(json["linux"]["namespaces"][2], json!({"type": "network", "path": "/x/net"}));
    }

    #[test]
    fn limits_are_told_to_the_runtime() {
        let settings = Settings { shares: 512, memory: Some(1 << 20), ..Settings::default() };
        let with = |version| {
            let group = Group { path: "/g".to_owned(), version, settings };
            Spec { group: Some(group), ..Spec::default() }.to_json()
        };
        let unified = with(Version::Unified);
        assert_eq!(unified["linux"]["cgroupsPath"], "/g");
        let expected = json!({
            "cpu": {"shares": 512, "quota": -1, "period": 100_000},
            "memory": {"limit": 1_048_576, "swap": 1_048_576},
            "unified": {"memory.oom.group": "1"},
        });
        assert_eq!(unified["linux"]["resources"], expected);
        // Of the unified hierarchy alone, and refused elsewhere.
        assert_eq!(with(Version::Legacy)["linux"]["resources"]["unified"], Value::Null);
        assert_eq!(Spec::default().to_json()["linux"]["resources"], Value::Null);
        let process = Process { processes_max: Some(7), oom_score_adj: 999, ..Process::default() };
        let process = process.to_json(false);
        let expected = json!([{"type": "RLIMIT_NPROC", "soft": 7, "hard": 7}]);
        assert_eq!((&process["rlimits"], &process["oomScoreAdj"]), (&expected, &json!(999)));
    }
}
