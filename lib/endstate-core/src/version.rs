//! Versions of applications.

use std::{fmt, str::FromStr};

/// A released version: three numbers.
///
/// ```
/// use endstate_core::Version;
/// assert_eq!("3.5.16".parse(), Ok(Version::new(3, 5, 16)));
/// assert!(Version::new(3, 10, 0) > Version::new(3, 9, 5));
/// for text in ["", "3.5", "v3.5.16", "3.5.016", "3.5.16.1", "3.6.0-rc.1", "3.5.+1"] {
///     assert!(text.parse::<Version>().is_err(), "{text}");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second: with the first it names a series, in which versions only mend each other.
    pub minor: u32,
    /// The third.
    pub patch: u32,
}

impl Version {
    /// A version by its numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A text is no version. It has one form only: it is part of an image's tag.
///
/// ```
/// let why = "v3.5.16".parse::<endstate_core::Version>().unwrap_err();
/// assert_eq!(why.to_string(), "must be three numbers such as \"3.5.16\", without a \"v\"");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionError;

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be three numbers such as \"3.5.16\", without a \"v\"")
    }
}

impl std::error::Error for VersionError {}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let number = |part: &str| part.parse::<u32>().ok().filter(|it| it.to_string() == part);
        match text.split('.').map(number).collect::<Option<Vec<_>>>().as_deref() {
            Some(&[major, minor, patch]) => Ok(Self { major, minor, patch }),
            _ => Err(VersionError),
        }
    }
}
