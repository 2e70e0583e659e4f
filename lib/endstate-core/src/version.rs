//! Versions of applications.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

    /// A version of one of these series, each a major and a minor number.
    ///
    /// ```
    /// use endstate_core::Version;
    /// let known = |text| Version::of_series(text, &[(3, 8), (3, 9)]);
    /// assert_eq!(known("3.9.5"), Ok(Version::new(3, 9, 5)));
    /// assert_eq!(known("3.7.2").unwrap_err(), "must be a version of 3.8, 3.9: others are not supported");
    /// ```
    ///
    /// # Errors
    ///
    /// What to write instead.
    pub fn of_series(text: &str, series: &[(u32, u32)]) -> Result<Self, String> {
        let version: Self = text.parse().map_err(|it: VersionError| it.to_string())?;
        if series.contains(&(version.major, version.minor)) {
            return Ok(version);
        }
        let series = series.iter().map(|(major, minor)| format!("{major}.{minor}"));
        let series = series.collect::<Vec<_>>().join(", ");
        Err(format!("must be a version of {series}: others are not supported"))
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

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

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
