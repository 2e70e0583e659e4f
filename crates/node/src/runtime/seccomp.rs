//! Which system calls a container may make: the profile that `RuntimeDefault` stands for.
//!
//! What is not listed fails with EPERM. Namespaces cannot be made without the capability for it: a container that is
//! root of a new user namespace would reach parts of the kernel that it is kept from.

use std::sync::LazyLock;

use serde_json::{Value, json};

const TABLE: &str = include_str!("seccomp.txt");

/// The flags of `clone` that make namespaces.
const NAMESPACE_FLAGS: u64 = 0x7e02_0000;
/// What a program takes for "this kernel has no such call, use another": it then uses `clone`, whose flags can be seen.
const ENOSYS: u32 = 38;
const EPERM: u32 = 1;
/// The first address family beyond those every container may use, and those of the rest that it may: not `AF_ALG`,
/// whose code had many holes, and not `AF_VSOCK`, which leads out of a virtual machine.
const FAMILIES_BELOW: u32 = 12;
const FAMILIES: [u32; 25] = [
    13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44,
    45,
];
/// Plain Linux, its 32-bit and no-randomization variants, and the question which it is.
const PERSONALITIES: [u32; 5] = [0, 8, 0x2_0000, 0x2_0008, u32::MAX];

/// One line of the table: when, and which calls.
static LINES: LazyLock<Vec<(&str, Vec<&str>)>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let split = lines.filter_map(|line| line.split_once(": "));
    split.map(|(when, names)| (when, names.split(' ').collect())).collect()
});

/// The profile for a container with these capabilities, as the runtime's specification has it.
pub(super) fn profile(capabilities: &[String]) -> Value {
    let applies = |when: &str| {
        when == "always"
            || when == std::env::consts::ARCH
            || capabilities.iter().any(|capability| capability == when)
    };
    let named = LINES.iter().filter(|(when, _)| applies(when)).flat_map(|(_, names)| names);
    let names: Vec<&&str> = named.collect();
    let mut calls = vec![json!({"names": names, "action": "SCMP_ACT_ALLOW"})];
    calls.push(allow_if(
        "socket",
        json!({"index": 0, "value": FAMILIES_BELOW, "op": "SCMP_CMP_LT"}),
    ));
    let equal = |value: &u32| json!({"index": 0, "value": value, "op": "SCMP_CMP_EQ"});
    calls.extend(FAMILIES.iter().map(|family| allow_if("socket", equal(family))));
    calls.extend(PERSONALITIES.iter().map(|it| allow_if("personality", equal(it))));
    if !capabilities.iter().any(|capability| capability == "CAP_SYS_ADMIN") {
        // The value under the mask must be zero.
        let none = json!({"index": 0, "value": NAMESPACE_FLAGS, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"});
        calls.push(allow_if("clone", none));
        calls.push(json!({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS}));
    }
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": architectures(),
        "syscalls": calls,
    })
}

fn allow_if(name: &str, condition: Value) -> Value {
    json!({"names": [name], "action": "SCMP_ACT_ALLOW", "args": [condition]})
}

/// The machine's own and those it runs besides: a call of another would not be looked at under its own number.
fn architectures() -> &'static [&'static str] {
    match std::env::consts::ARCH {
        "aarch64" => &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        _ => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(capabilities: &[&str]) -> Vec<String> {
        let capabilities: Vec<String> = capabilities.iter().map(|it| (*it).to_owned()).collect();
        let profile = profile(&capabilities);
        let names = profile["syscalls"][0]["names"].as_array().unwrap();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn dangerous_calls_come_with_their_capability() {
        let plain = allowed(&["CAP_CHOWN"]);
        for name in ["read", "openat2", "futex", "execve", "epoll_pwait2"] {
            assert!(plain.iter().any(|it| it == name), "{name}");
        }
        let kept = [
            "mount",
            "umount2",
            "unshare",
            "setns",
            "keyctl",
            "add_key",
            "request_key",
            "bpf",
            "reboot",
            "kexec_load",
            "init_module",
            "open_by_handle_at",
            "pivot_root",
            "userfaultfd",
            "io_uring_setup",
            "swapon",
            "clone",
            "clone3",
            "socket",
            "personality",
        ];
        for name in kept {
            assert!(!plain.iter().any(|it| it == name), "{name}");
        }
        assert!(allowed(&["CAP_SYS_ADMIN"]).iter().any(|it| it == "mount"));
        assert!(allowed(&["CAP_SYS_CHROOT"]).iter().any(|it| it == "chroot"));
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
        assert_eq!(LINES.len(), lines);
        assert!(allowed(&[]).len() > 300);
    }
}
