//! The machine's resources, and each virtual node's share: memory and disk are divided among the nodes, processors are
//! not, as on any overcommitted host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Memory that pods are not given: the control plane's.
const RESERVED_KIB: u64 = 256 * 1024;
const PODS_MAX: u32 = 110;

/// All of the machine, as the supervisor saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpus: u64,
    pub(crate) memory_kib: u64,
    pub(crate) disk_kib: u64,
}

impl Machine {
    /// What is there; `state_dir` lies on the disk that is meant.
    pub(crate) fn look(state_dir: &std::path::Path) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let disk = rustix::fs::statvfs(state_dir).map_or(0, |it| it.f_blocks * it.f_frsize);
        Self {
            cpus: u64::try_from(cpus).unwrap_or(1),
            memory_kib: total_memory_kib(&memory),
            disk_kib: disk / 1024,
        }
    }

    /// What all pods may use together, in bytes.
    pub(crate) fn pods_memory(&self) -> i64 {
        bytes(self.pods_memory_kib())
    }

    fn pods_memory_kib(&self) -> u64 {
        // A machine that small is divided as best it can.
        self.memory_kib.saturating_sub(RESERVED_KIB).max(self.memory_kib / 2)
    }

    /// One node's share when there are so many.
    pub(crate) fn share(&self, nodes: u16) -> Share {
        let nodes = u64::from(nodes.max(1));
        let part = |memory_kib: u64| Amounts {
            cpus: self.cpus,
            memory_kib: memory_kib / nodes,
            disk_kib: self.disk_kib / nodes,
        };
        Share { capacity: part(self.memory_kib), allocatable: part(self.pods_memory_kib()) }
    }
}

/// What one node has, and what of it pods may request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Share {
    pub(crate) capacity: Amounts,
    pub(crate) allocatable: Amounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amounts {
    pub(crate) cpus: u64,
    pub(crate) memory_kib: u64,
    pub(crate) disk_kib: u64,
}

impl Amounts {
    pub(crate) fn memory_bytes(&self) -> i64 {
        bytes(self.memory_kib)
    }

    /// As a node's status has them.
    pub(crate) fn quantities(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("cpu", self.cpus.to_string()),
            ("memory", format!("{}Ki", self.memory_kib)),
            ("ephemeral-storage", format!("{}Ki", self.disk_kib)),
            ("pods", PODS_MAX.to_string()),
        ])
    }
}

fn bytes(kib: u64) -> i64 {
    i64::try_from(kib.saturating_mul(1024)).unwrap_or(i64::MAX)
}

fn total_memory_kib(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|rest| rest.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_divided_and_processors_are_not() {
        let gib = 1024 * 1024;
        let machine = Machine { cpus: 4, memory_kib: 8 * gib, disk_kib: 90 };
        let share = machine.share(2);
        assert_eq!(share.capacity, Amounts { cpus: 4, memory_kib: 4 * gib, disk_kib: 45 });
        let allocatable = 4 * gib - RESERVED_KIB / 2;
        assert_eq!(share.allocatable, Amounts { memory_kib: allocatable, ..share.capacity });
        assert_eq!(machine.pods_memory(), bytes(8 * gib - RESERVED_KIB));
        assert_eq!(machine.share(0), machine.share(1));
        let tiny = Machine { memory_kib: 100, ..machine };
        assert_eq!(tiny.share(1).allocatable.memory_kib, 50);
    }

    #[test]
    fn memory_of_a_table() {
        assert_eq!(total_memory_kib("MemFree: 1 kB\nMemTotal:       16 kB\n"), 16);
        assert_eq!(total_memory_kib(""), 0);
    }
}
