//! Versions of etcd: which are run, which are refused, and which may follow which.

use std::{fmt, str::FromStr};

use endstate_core::Problem;

/// A released version of etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 3
    pub major: u32,
    /// 4 to 7
    pub minor: u32,
    /// Any.
    pub patch: u32,
}

/// Why a version cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionError {
    /// It is not three numbers.
    Format,
    /// The flags and rules of this minor are not known.
    Unknown,
    /// 3.5.0 to 3.5.2 lose data.
    Unsafe,
}

/// The oldest minor that is run.
const MINOR_MIN: u32 = 4;
/// The newest minor whose flags are known.
const MINOR_MAX: u32 = 7;

impl Version {
    /// A version by its numbers, unchecked.
    pub const fn new(minor: u32, patch: u32) -> Self {
        Self { major: 3, minor, patch }
    }

    /// The first patch of this minor without known vulnerabilities; `None` if there is none.
    pub fn security_floor(self) -> Option<Self> {
        match self.minor {
            5 => Some(Self::new(5, 33)),
            6 => Some(Self::new(6, 14)),
            7 => Some(Self::new(7, 1)),
            _ => None,
        }
    }

    /// A warning about running it, if there is one.
    pub fn warning(self) -> Option<String> {
        match self.security_floor() {
            None => Some(format!("etcd 3.{} no longer gets security fixes", self.minor)),
            Some(floor) if self < floor => {
                Some(format!("{self} has known vulnerabilities, fixed in {floor}"))
            }
            Some(_) => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "must be three numbers such as \"3.5.16\", without a \"v\"",
            Self::Unknown => "must be a version of 3.4, 3.5, 3.6 or 3.7: others are not supported",
            Self::Unsafe => "3.5.0 to 3.5.2 can lose data in a crash; use 3.5.3 or newer",
        })
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let number = |part: &str| {
            let canonical = part == "0" || !part.starts_with('0');
            let digits = part.bytes().all(|it| it.is_ascii_digit());
            if canonical && digits { part.parse().ok() } else { None }
        };
        let parts: Option<Vec<u32>> = text.split('.').map(number).collect();
        let Some(&[major, minor, patch]) = parts.as_deref() else {
            return Err(VersionError::Format);
        };
        if major != 3 || !(MINOR_MIN..=MINOR_MAX).contains(&minor) {
            return Err(VersionError::Unknown);
        }
        if minor == 5 && patch < 3 {
            return Err(VersionError::Unsafe);
        }
        Ok(Self { major, minor, patch })
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
    fn only_known_and_safe_versions_parse() {
        let parse = |text: &str| text.parse::<Version>();
        assert_eq!(parse("3.5.16"), Ok(Version::new(5, 16)));
        assert_eq!(parse("3.4.23"), Ok(Version::new(4, 23)));
        for text in
            ["", "3", "3.5", "v3.5.16", "3.5.16.1", "3.5.x", "3.5.016", "3.5.-1", "3.6.0-rc.1"]
        {
            assert_eq!(parse(text), Err(VersionError::Format), "{text}");
        }
        for text in ["3.3.27", "3.8.0", "4.0.0", "2.3.8"] {
            assert_eq!(parse(text), Err(VersionError::Unknown), "{text}");
        }
        for text in ["3.5.0", "3.5.1", "3.5.2"] {
            assert_eq!(parse(text), Err(VersionError::Unsafe), "{text}");
        }
    }

    #[test]
    fn only_patches_of_one_minor_follow_each_other() {
        let v = Version::new;
        assert_eq!(path(v(5, 16), v(5, 16)), Path::Same);
        assert_eq!(path(v(5, 16), v(5, 33)), Path::Roll);
        assert_eq!(path(v(5, 33), v(5, 16)), Path::Roll);
        for (from, to) in [(v(4, 23), v(5, 16)), (v(4, 23), v(6, 14)), (v(6, 14), v(5, 33))] {
            assert!(matches!(path(from, to), Path::Refused(_)), "{from} to {to}");
        }
    }
}
