//! Versions of etcd: which are run, which are refused, and which may follow which.

use endstate_core::Version;

/// A version that is run.
pub(crate) fn known(text: &str) -> Result<Version, String> {
    let version = Version::of_series(text, &[(3, 4), (3, 5), (3, 6), (3, 7)])?;
    match (version.minor, version.patch) {
        (5, ..3) => Err("3.5.0 to 3.5.2 can lose data in a crash; use 3.5.3 or newer".to_owned()),
        _ => Ok(version),
    }
}

/// A warning about running a version, if there is one.
pub(crate) fn warning(version: Version) -> Option<String> {
    let Some(floor) = security_floor(version.minor) else {
        return Some(format!("etcd 3.{} no longer gets security fixes", version.minor));
    };
    let known = format!("{version} has known vulnerabilities, fixed in {floor}");
    (version < floor).then_some(known)
}

/// The first patch of a minor without known vulnerabilities; `None` if there is none.
fn security_floor(minor: u32) -> Option<Version> {
    match minor {
        5 => Some(Version::new(3, 5, 33)),
        6 => Some(Version::new(3, 6, 14)),
        7 => Some(Version::new(3, 7, 1)),
        _ => None,
    }
}

/// How a cluster gets from one version to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// They are the same.
    Same,
    /// Member by member: another patch of the minor.
    Roll,
    /// Member by member to the next minor, after checks. The cluster's own version follows when all run it.
    Up,
    /// To the minor before: etcd lowers the cluster's own version first, then members follow one by one.
    Down,
    /// Not at all, or not directly.
    Refused(String),
}

/// The minors, each with the first patch from which the next minor may follow, and to which that may go back.
///
/// 3.6 reads the list of members where 3.5 before 3.5.26 did not keep it, so members that were removed came back (etcd
/// #20967); 3.7's upgrade guide asks for 3.6.11.
pub const GATES: [(u32, u32); 4] = [(4, 0), (5, 26), (6, 11), (7, 0)];

/// The first minor that etcd can be downgraded from.
pub const DOWNGRADES_FROM: u32 = 6;

/// The table of legal changes.
pub fn path(from: Version, to: Version) -> Path {
    let (lower, upper) = (from.min(to), from.max(to));
    if from == to {
        return Path::Same;
    }
    if from.minor == to.minor {
        return Path::Roll;
    }
    if from > to && to.minor + 1 < DOWNGRADES_FROM {
        let why = "etcd cannot be downgraded to a minor before 3.5; create a new cluster and copy the keys";
        return Path::Refused(format!("cannot go from {from} to {to}: {why}"));
    }
    if upper.minor > lower.minor + 1 {
        let why = "etcd changes one minor at a time";
        return Path::Refused(format!("cannot go from {from} to {to}: {why}: {}", way(from, to)));
    }
    match gate(lower.minor) {
        first if lower.patch < first => {
            let why =
                format!("3.{} is safe beside 3.{} from patch {first} on", lower.minor, upper.minor);
            Path::Refused(format!("cannot go from {from} to {to}: {why}: {}", way(from, to)))
        }
        _ if to > from => Path::Up,
        _ => Path::Down,
    }
}

fn gate(minor: u32) -> u32 {
    GATES.iter().find(|it| it.0 == minor).map_or(0, |it| it.1)
}

/// The legal way, version by version.
fn way(from: Version, to: Version) -> String {
    let stop = |minor| format!("3.{minor}.{} or newer", gate(minor));
    let mut stops = vec![];
    if from < to && from.patch < gate(from.minor) {
        stops.push(stop(from.minor));
    }
    match from < to {
        true => stops.extend((from.minor + 1..to.minor).map(stop)),
        false => stops.extend((to.minor + 1..from.minor).rev().map(stop)),
    }
    if from > to && to.patch < gate(to.minor) {
        stops.push(stop(to.minor));
    }
    format!("first {}, then {to}", stops.join(", then "))
}

/// The lowest minor whose requests in a log a minor reads when it starts: 3.4 logs reads of its health, which 3.6 calls
/// disallowed, and 3.5 logs its members' addresses in a form that 3.7 cannot read (both end in a panic).
pub(crate) fn reads_from(minor: u32) -> u32 {
    match minor {
        ..=5 => 4,
        6 => 5,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_and_safe_versions_are_run() {
        for text in ["3.5.16", "3.4.23", "3.5.3", "3.7.0"] {
            assert_eq!(known(text), Ok(text.parse().unwrap()), "{text}");
        }
        for (text, why) in [
            ("", "must be three numbers"),
            ("v3.5.16", "must be three numbers"),
            ("3.6.0-rc.1", "must be three numbers"),
            ("3.3.27", "must be a version of"),
            ("3.8.0", "must be a version of"),
            ("4.5.0", "must be a version of"),
            ("3.5.0", "3.5.0 to 3.5.2 can lose data"),
            ("3.5.2", "3.5.0 to 3.5.2 can lose data"),
        ] {
            assert!(known(text).is_err_and(|it| it.starts_with(why)), "{text}");
        }
    }

    #[test]
    fn every_pair_of_versions_has_its_path() {
        let v = |text: &str| text.parse::<Version>().unwrap();
        for (from, to, expected) in [
            ("3.5.16", "3.5.16", Path::Same),
            ("3.5.16", "3.5.33", Path::Roll),
            ("3.5.33", "3.5.16", Path::Roll),
            ("3.4.23", "3.5.16", Path::Up),
            ("3.5.26", "3.6.0", Path::Up),
            ("3.6.11", "3.7.0", Path::Up),
            ("3.7.3", "3.6.16", Path::Down),
            ("3.6.16", "3.5.35", Path::Down),
        ] {
            assert_eq!(path(v(from), v(to)), expected, "{from} to {to}");
        }
        for (from, to, legal) in [
            ("3.5.16", "3.6.16", "first 3.5.26 or newer, then 3.6.16"),
            ("3.6.10", "3.7.3", "first 3.6.11 or newer, then 3.7.3"),
            ("3.4.23", "3.6.16", "first 3.5.26 or newer, then 3.6.16"),
            ("3.4.23", "3.7.3", "first 3.5.26 or newer, then 3.6.11 or newer, then 3.7.3"),
            ("3.5.16", "3.7.3", "first 3.5.26 or newer, then 3.6.11 or newer, then 3.7.3"),
            ("3.7.3", "3.6.3", "first 3.6.11 or newer, then 3.6.3"),
            ("3.7.3", "3.5.16", "first 3.6.11 or newer, then 3.5.26 or newer, then 3.5.16"),
            ("3.5.35", "3.4.23", "create a new cluster and copy the keys"),
            ("3.7.3", "3.4.23", "create a new cluster and copy the keys"),
        ] {
            let Path::Refused(why) = path(v(from), v(to)) else { panic!("{from} to {to}") };
            assert!(why.ends_with(legal), "{why}");
        }
    }
}
