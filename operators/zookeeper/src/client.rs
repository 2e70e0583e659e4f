//! What is asked of one ZooKeeper server, and what of the ensemble through it.
//!
//! Invariants: a call never goes to another server than the one named; every call has a deadline; a call is made once;
//! what went wrong is one of [`Failure`]'s three kinds, because "did not answer", "said no" and "we do not know" lead
//! to different decisions; a refusal is known by ZooKeeper's error code.
//!
//! A server tells its own state by four-letter words ([`status`], [`followers`]), without a session. That says nothing
//! of the membership: who was removed goes on as a follower, and answers as one. The membership is
//! [`Session::ensemble`] alone.

use std::future::Future;
use std::time::Duration;

use zookeeper_client::{Client, EnsembleUpdate, Error};
use zookeeper_plan::{Ensemble, Server, ServerId, Zxid};

mod words;

pub use words::{Followers, Mode, Status, followers, status};

/// How long a connection to one server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one question may take. It needs a round of the quorum: a new session is a transaction.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a change of the membership may take: the new configuration's quorum must have it too.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(8);

/// How long the server keeps a session whose client is gone without a word.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);

/// The node whose content is the configuration.
const CONFIGURATION: &str = "/zookeeper/config";

/// Why a call brought no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection, or no answer in time. A call that changes something may still have been applied; so it may when
    /// the server stepped down while it made the change.
    #[error("no answer from {endpoint}: {why}")]
    Unreachable {
        /// Who was asked.
        endpoint: String,
        /// What the transport said.
        why: String,
    },
    /// ZooKeeper answered, and the answer is no. Nothing was changed.
    #[error("{endpoint} refuses: {code}")]
    Refused {
        /// Who was asked.
        endpoint: String,
        /// What kind of no.
        code: Code,
    },
    /// Our side failed, or does not understand the answer: nothing is known of theirs.
    #[error("cannot ask {endpoint}: {why}")]
    Unknown {
        /// Who was to be asked.
        endpoint: String,
        /// What went wrong here.
        why: String,
    },
}

/// What kind of no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Code {
    /// It serves nobody: it looks for a leader, or takes over the leader's data.
    #[error("not serving")]
    NotServing,
    /// The credentials do not allow that.
    #[error("not authorized")]
    NoAuth,
    /// The configuration is another one by now.
    #[error("the configuration has another version")]
    BadVersion,
    /// The new configuration would have no quorum of connected followers that have the leader's data. Observers do not
    /// count.
    #[error("the new configuration has no quorum of synchronized servers")]
    NoQuorum,
    /// Another change is under way.
    #[error("a reconfiguration is in progress")]
    InProgress,
    /// The change makes no sense: a malformed server, or no voter left.
    #[error("bad arguments")]
    BadArguments,
    /// Any other, by its number.
    #[error("error {0}")]
    Other(i32),
}

impl Code {
    fn of(number: i32) -> Self {
        match number {
            -8 => Self::BadArguments,
            -13 => Self::NoQuorum,
            -14 => Self::InProgress,
            -102 => Self::NoAuth,
            -103 => Self::BadVersion,
            other => Self::Other(other),
        }
    }
}

/// A change of the membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a server, or gives one that is there another role or address.
    Put(ServerId, Server),
    /// Removes a server. It goes on as a follower without a vote until it is stopped.
    Remove(ServerId),
}

/// A session with the ensemble, through one server. Dropping it closes it.
pub struct Session {
    endpoint: String,
    client: Client,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a session at `endpoint`, such as `10.244.0.7:2181`, as the digest users `NAME:PASSWORD`. Users whom the
    /// server does not know, or whose password has changed, do no harm: while passwords change, old and new may be
    /// given together.
    pub async fn open(endpoint: &str, users: &[String]) -> Result<Self, Failure> {
        let connector = Client::connector()
            .with_connection_timeout(CONNECT_TIMEOUT)
            .with_session_timeout(SESSION_TIMEOUT)
            .with_fail_eagerly();
        let connector =
            users.iter().fold(connector, |it, user| it.with_auth("digest", user.as_bytes()));
        let client = within(endpoint, READ_TIMEOUT, connector.connect(endpoint)).await?;
        Ok(Self { endpoint: endpoint.to_owned(), client })
    }

    /// The members, no older than this call: the server first catches up with the leader.
    pub async fn ensemble(&self) -> Result<Ensemble, Failure> {
        within(&self.endpoint, READ_TIMEOUT, self.client.sync(CONFIGURATION)).await?;
        let (text, _) = within(&self.endpoint, READ_TIMEOUT, self.client.get_config()).await?;
        self.parse(&text)
    }

    /// Changes the membership if it is still that of `version`, and gives what it is then. That the server runs and has
    /// the leader's data is the caller's to know before it votes: ZooKeeper is content with a quorum of the others.
    pub async fn reconfigure(&self, change: &Change, version: Zxid) -> Result<Ensemble, Failure> {
        let (joining, leaving) = match change {
            Change::Put(id, server) => (server.line(*id), String::new()),
            Change::Remove(id) => (String::new(), id.to_string()),
        };
        let update = EnsembleUpdate::Incremental {
            joinings: std::iter::once(joining.as_str()),
            leavings: std::iter::once(leaving.as_str()),
        };
        let call = self.client.update_ensemble(update, Some(version.to_wire()));
        let (text, _) = within(&self.endpoint, CHANGE_TIMEOUT, call).await?;
        self.parse(&text)
    }

    fn parse(&self, text: &[u8]) -> Result<Ensemble, Failure> {
        let unknown = |why: String| Failure::Unknown { endpoint: self.endpoint.clone(), why };
        let text = std::str::from_utf8(text).map_err(|error| unknown(error.to_string()))?;
        text.parse().map_err(|error: zookeeper_plan::Malformed| unknown(error.to_string()))
    }
}

async fn within<T>(
    endpoint: &str,
    deadline: Duration,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(deadline, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(failure(endpoint, &error)),
        Err(_) => Err(late(endpoint, deadline)),
    }
}

fn late(endpoint: &str, deadline: Duration) -> Failure {
    let why = format!("no answer within {} s", deadline.as_secs());
    Failure::Unreachable { endpoint: endpoint.to_owned(), why }
}

/// Sorts a client error into "did not answer", "said no" and "we do not know".
fn failure(endpoint: &str, error: &Error) -> Failure {
    let endpoint = endpoint.to_owned();
    let code = match error {
        Error::NoAuth | Error::AuthFailed => Code::NoAuth,
        Error::BadVersion => Code::BadVersion,
        Error::BadArguments(_) => Code::BadArguments,
        Error::ReconfigDisabled => Code::Other(-123),
        Error::UnexpectedErrorCode(number) => Code::of(*number),
        Error::NoHosts
        | Error::Timeout
        | Error::ConnectionLoss
        | Error::SessionExpired
        | Error::SessionMoved => {
            return Failure::Unreachable { endpoint, why: error.to_string() };
        }
        other => return Failure::Unknown { endpoint, why: other.to_string() },
    };
    Failure::Refused { endpoint, code }
}
