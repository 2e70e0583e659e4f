//! Mapping ids into the agent's user namespace.
//!
//! Root maps every id to itself. An ordinary user becomes id 0 and, where `newuidmap` and a range in `/etc/subuid`
//! exist, gets that range as ids 1 and up; else id 0 is the only one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::Ids;

/// The largest useful range: what images name lies below.
const RANGE_MAX: u32 = 65_535;

/// The tools that map ranges of users and groups, and where the ranges stand.
const HELPERS: [(&str, &str); 2] = [("newuidmap", "/etc/subuid"), ("newgidmap", "/etc/subgid")];

pub(super) fn available() -> Ids {
    let can = |(tool, file)| helper(tool).is_some() && sub_range(file).is_some();
    if is_root() || HELPERS.into_iter().all(can) { Ids::Many } else { Ids::One }
}

pub(super) fn map(pid: u32, ids: Ids) -> Result<(), String> {
    if is_root() {
        let everything = "0 0 4294967295";
        write(pid, "uid_map", everything)?;
        return write(pid, "gid_map", everything);
    }
    match ids {
        Ids::Many => map_with_helpers(pid),
        Ids::One => map_one(pid),
    }
}

fn map_one(pid: u32) -> Result<(), String> {
    write(pid, "uid_map", &format!("0 {} 1", nix::unistd::geteuid()))?;
    // Without this the kernel refuses an ordinary user's group map.
    write(pid, "setgroups", "deny")?;
    write(pid, "gid_map", &format!("0 {} 1", nix::unistd::getegid()))
}

fn map_with_helpers(pid: u32) -> Result<(), String> {
    let user = nix::unistd::geteuid().as_raw();
    let group = nix::unistd::getegid().as_raw();
    for ((tool, file), own) in HELPERS.into_iter().zip([user, group]) {
        let (start, count) = sub_range(file).ok_or(format!("{file} has no range for you"))?;
        let path = helper(tool).ok_or(format!("{tool} is not installed"))?;
        let count = count.min(RANGE_MAX).to_string();
        let output = Command::new(path)
            .args([&pid.to_string(), "0", &own.to_string(), "1", "1", &start.to_string(), &count])
            .output()
            .map_err(|error| format!("{tool}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{tool}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
    }
    Ok(())
}

fn write(pid: u32, file: &str, text: &str) -> Result<(), String> {
    let path = format!("/proc/{pid}/{file}");
    fs::write(&path, text).map_err(|error| format!("write {path}: {error}"))
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn helper(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/bin")])
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
}

/// The calling user's first range in a file of `name:start:count` lines.
fn sub_range(file: &str) -> Option<(u32, u32)> {
    let user = nix::unistd::geteuid();
    let name = nix::unistd::User::from_uid(user).ok().flatten().map(|user| user.name);
    let text = fs::read_to_string(Path::new(file)).ok()?;
    parse_range(&text, &[name.unwrap_or_default(), user.to_string()])
}

fn parse_range(text: &str, names: &[String]) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut parts = line.trim().split(':');
        let owner = parts.next().filter(|owner| !owner.is_empty())?;
        let start = parts.next()?.parse().ok()?;
        let count = parts.next()?.parse().ok()?;
        names.iter().any(|name| name == owner).then_some((start, count))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_or_number() {
        let text = "root:1:2\n\nbroken\nada:100000:65536\n1001:300000:10\n";
        let find = |name: &str| parse_range(text, &[name.to_owned()]);
        assert_eq!(find("ada"), Some((100_000, 65_536)));
        assert_eq!(find("1001"), Some((300_000, 10)));
        assert_eq!(find("eve"), None);
        assert_eq!(find(""), None);
    }
}
