//! What the clients of all applications have alike: how long a call to a member may take, and how it fails.
//!
//! A call never goes to another member than the one named; every call has a deadline; a call is made once. "Did not
//! answer", "said no" and "we do not know" lead to different decisions, so they are told apart here, by types.

mod grpc;
mod http;
mod page;
mod proven;
mod tls;

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::time::Duration;

use endstate_core::{Reach, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub use grpc::{Code, Refused};
pub use http::get;
pub use page::Page;
pub use proven::Proven;
pub use tls::{Endpoint, TlsFiles};

/// How long a connection to one member may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one question may take. It may need a round of the quorum; waiting longer would slow down the repair.
pub const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a member may take to say what it has in memory, as its own state: nobody else is asked. With the two probes
/// that fail before, one that hangs shows within five seconds.
pub const STATUS_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How long a change of the membership may take: the quorum of before and the one of after must have it on disk.
pub const CHANGE_TIMEOUT: Duration = Duration::from_secs(8);

/// The most that is read of an answer in plain text.
const ANSWER_MAX: u64 = 1 << 20;

/// Why a call brought no result. `R` is the application's no.
///
/// ```
/// use endstate::client::Failure;
/// let no: Failure<&str> = Failure::Refused("not the leader");
/// assert_eq!(no.to_string(), "refused: not the leader");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure<R: Display> {
    /// No connection, or no answer in time, and what the transport said. A call that changes something may still have
    /// been applied.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// It answered, and the answer is no.
    #[error("refused: {0}")]
    Refused(R),
    /// Our side failed, or does not understand the answer: nothing is known of theirs.
    #[error("cannot ask: {0}")]
    Unknown(String),
}

impl<R: Display> Failure<R> {
    /// Our side failed, and how.
    pub fn unknown(why: impl Display) -> Self {
        Self::Unknown(why.to_string())
    }

    /// There was no answer, and why.
    pub fn unreachable(why: impl Display) -> Self {
        Self::Unreachable(why.to_string())
    }

    /// What it tells of the member that was asked.
    ///
    /// ```
    /// use endstate::client::Failure;
    /// use endstate_core::Reach;
    /// let no_answer = Failure::<String>::unreachable("connection refused");
    /// assert_eq!(no_answer.reach(), Reach::Unreachable);
    /// ```
    pub fn reach(&self) -> Reach {
        match self {
            Self::Unreachable(_) => Reach::Unreachable,
            Self::Refused(_) => Reach::Refused(Refusal::Other),
            Self::Unknown(_) => Reach::Unknown,
        }
    }
}

/// The cause that says most: transports wrap "connection refused" several times.
///
/// ```
/// let error = endstate::Error::other("connection refused");
/// assert_eq!(endstate::client::innermost(&error), "connection refused");
/// ```
pub fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut it = error;
    while let Some(source) = it.source() {
        it = source;
    }
    it.to_string()
}

/// Waits for a call, but no longer than this. `sort` says what an error of the application's client is.
///
/// ```
/// # use endstate::client::{Failure, READ_TIMEOUT, within};
/// # use tokio::net::TcpStream;
/// async fn open(endpoint: &str) -> Result<TcpStream, Failure<String>> {
///     within(READ_TIMEOUT, TcpStream::connect(endpoint), Failure::unreachable).await
/// }
/// ```
pub async fn within<T, E, R: Display>(
    deadline: Duration,
    call: impl Future<Output = Result<T, E>>,
    sort: impl FnOnce(E) -> Failure<R>,
) -> Result<T, Failure<R>> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer.map_err(sort),
        Err(_) => {
            Err(Failure::Unreachable(format!("nothing came within {} s", deadline.as_secs_f64())))
        }
    }
}

/// Sends a word to a server that answers in plain text and then closes the connection, and gives the answer.
///
/// ```
/// # use endstate::client::{Failure, ask};
/// async fn is_ok(endpoint: &str) -> Result<bool, Failure<String>> {
///     Ok(ask(endpoint, "ruok").await? == "imok")
/// }
/// ```
pub async fn ask<R: Display>(endpoint: &str, word: &str) -> Result<String, Failure<R>> {
    let connect = TcpStream::connect(endpoint);
    let mut stream = within(CONNECT_TIMEOUT, connect, Failure::unreachable).await?;
    let answer = async {
        stream.write_all(word.as_bytes()).await?;
        let mut answer = Vec::new();
        match stream.take(ANSWER_MAX).read_to_end(&mut answer).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended")),
            _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
        }
    };
    within(READ_TIMEOUT, answer, Failure::unreachable).await
}
