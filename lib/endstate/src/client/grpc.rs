//! How an application says no that speaks gRPC.

use endstate_core::Words;

/// An application's no.
///
/// ```
/// use endstate::client::{Code, Refused};
/// let no = Refused::new(5, "no such member");
/// assert_eq!((no.code, no.to_string()), (Code::NotFound, "no such member".to_owned()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
#[non_exhaustive]
pub struct Refused {
    /// What kind of no.
    pub code: Code,
    /// The application's own words, for people only.
    pub said: Words,
}

impl Refused {
    /// A no with gRPC's number of its code.
    pub fn new(code: i32, said: &str) -> Self {
        Self { code: Code::of(code), said: Words::of(said) }
    }
}

/// gRPC's code of a refusal: those that mean a no, and not an outage. An application may have one code for several of
/// its texts, so who must know more looks again.
///
/// ```
/// assert_ne!(endstate::client::Code::Unavailable, endstate::client::Code::Other(2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// An argument makes no sense.
    InvalidArgument,
    /// There is no such thing.
    NotFound,
    /// The user lacks the right.
    PermissionDenied,
    /// Not in this state.
    FailedPrecondition,
    /// Before or after what there is.
    OutOfRange,
    /// Not now.
    Unavailable,
    /// Nobody knows who asks.
    Unauthenticated,
    /// Any other, by its number.
    Other(i32),
}

impl Code {
    fn of(number: i32) -> Self {
        match number {
            3 => Self::InvalidArgument,
            5 => Self::NotFound,
            7 => Self::PermissionDenied,
            9 => Self::FailedPrecondition,
            11 => Self::OutOfRange,
            14 => Self::Unavailable,
            16 => Self::Unauthenticated,
            other => Self::Other(other),
        }
    }
}
