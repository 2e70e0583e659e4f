//! Versions of etcd: which are run, which are refused, and which may follow which.

use endstate_core::{Problem, Version};

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
    /// Member by member, in place.
    Roll,
    /// Not at all, or not yet.
    Refused(String),
}

/// The table of legal changes: patches of one minor, in either direction. A change of the minor needs
/// checks before, a snapshot and a way back, and is refused until it has them.
pub fn path(from: Version, to: Version) -> Path {
    if from == to {
        return Path::Same;
    }
    if from.minor == to.minor {
        return Path::Roll;
    }
    let why = if to.minor == from.minor + 1 {
        "an upgrade to the next minor is not supported yet"
    } else if to > from {
        "etcd is upgraded one minor at a time"
    } else {
        "a downgrade to another minor is not supported yet"
    };
    Path::Refused(format!("cannot go from {from} to {to}: {why}; 3.{}.x is possible", from.minor))
}

/// The same, as a problem of `spec.version`.
pub(crate) fn refusal(from: Version, to: Version) -> Option<Problem> {
    match path(from, to) {
        Path::Refused(why) => Some(Problem::refused("spec.version", why)),
        Path::Same | Path::Roll => None,
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
    fn only_patches_of_one_minor_follow_each_other() {
        let v = |minor, patch| Version::new(3, minor, patch);
        assert_eq!(path(v(5, 16), v(5, 16)), Path::Same);
        assert_eq!(path(v(5, 16), v(5, 33)), Path::Roll);
        assert_eq!(path(v(5, 33), v(5, 16)), Path::Roll);
        for (from, to) in [(v(4, 23), v(5, 16)), (v(4, 23), v(6, 14)), (v(6, 14), v(5, 33))] {
            assert!(matches!(path(from, to), Path::Refused(_)), "{from} to {to}");
        }
    }
}
