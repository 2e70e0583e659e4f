//! Versions of ZooKeeper: which are run, and which may follow which.

use std::str::FromStr;

/// A released version, 3.8 or 3.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    minor: u32,
    patch: u32,
}

impl FromStr for Version {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let number = |part: &str| part.parse::<u32>().ok().filter(|it| it.to_string() == part);
        match text.split('.').map(number).collect::<Option<Vec<_>>>().as_deref() {
            Some(&[3, minor @ 8..=9, patch]) => Ok(Self { minor, patch }),
            Some([_, _, _]) => Err("must be 3.8.x or 3.9.x: other versions are not known here"),
            _ => Err("must be three numbers such as \"3.9.5\""),
        }
    }
}

impl Version {
    /// Why servers cannot go from this version to another, one by one: patches may follow each other in either
    /// direction, and
    /// 3.9 may follow 3.8. Back to 3.8 it is refused, since nothing says that 3.8 reads what 3.9 wrote.
    pub fn refuses(self, to: Self) -> Option<&'static str> {
        (to.minor < self.minor).then_some("ZooKeeper cannot go back to an earlier minor version")
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn patches_follow_each_other_and_a_minor_the_one_before() {
        let refuses = |from: &str, to: &str| {
            from.parse::<Version>().unwrap().refuses(to.parse().unwrap()).is_some()
        };
        assert!(!refuses("3.8.6", "3.8.4") && !refuses("3.9.4", "3.9.5"));
        assert!(!refuses("3.8.6", "3.9.5") && refuses("3.9.5", "3.8.6"));
        for text in ["", "3.9", "v3.9.5", "3.9.05", "3.7.2", "3.10.0", "4.8.0", "3.9.5.1"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
