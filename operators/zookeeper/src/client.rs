//! What is asked of one ZooKeeper server, and what of the ensemble through it.
//!
//! A server tells its own state by a four-letter word ([`status`]), without a session. That says nothing of the
//! membership: who was removed goes on as a follower, and answers as one. The membership is [`Session::members`]
//! alone. A refusal is known by ZooKeeper's error code.

use endstate::client::{CHANGE_TIMEOUT, CONNECT_TIMEOUT, READ_TIMEOUT, ask, within};
use endstate_core::Membership;
use zookeeper_client::{Client, EnsembleUpdate, Error};
use zookeeper_plan::{members, zxid};

/// Why a call brought no result. A change may have been applied, too, if the server stepped down while it made it.
pub type Failure = endstate::client::Failure<Code>;

/// How long the server keeps a session whose client is gone without a word.
const SESSION_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(6);

/// The node whose content is the membership.
const CONFIGURATION: &str = "/zookeeper/config";

/// ZooKeeper's no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Code {
    /// It looks for a leader, or takes over the leader's data.
    #[error("not serving")]
    NotServing,
    #[error(
        "not authorized: servers were started with another password than the newest Secret has: raise spec.credential by one"
    )]
    NoAuth,
    #[error("the configuration has another version")]
    BadVersion,
    /// Of connected followers that have the leader's data. Observers do not count.
    #[error("the new configuration has no quorum of synchronized servers")]
    NoQuorum,
    #[error("a reconfiguration is in progress")]
    InProgress,
    /// A malformed server, or no voter left.
    #[error("bad arguments")]
    BadArguments,
    #[error("error {0}")]
    Other(i32),
}

/// What one server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub version: String,
    /// Whether it leads; or did, and has not noticed yet that it does no more.
    pub leads: bool,
    /// The last transaction in its memory.
    pub zxid: u64,
}

/// What the server at `endpoint` says about itself. One that serves nobody is [`Code::NotServing`].
pub async fn status(endpoint: &str) -> Result<Status, Failure> {
    // The text in place of an answer has none of an answer's fields.
    parse(&ask(endpoint, "srvr").await?).ok_or(Failure::Refused(Code::NotServing))
}

/// The answer to `srvr`, which is read whole, or not at all.
fn parse(text: &str) -> Option<Status> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let version = field("Zookeeper version: ")?.split(['-', ',']).next()?;
    let leads = match field("Mode: ")? {
        "leader" => true,
        "follower" | "observer" => false,
        _ => return None,
    };
    Some(Status { version: version.to_owned(), leads, zxid: zxid(field("Zxid: ")?)? })
}

/// A session with the ensemble, through one server. Dropping it closes it.
pub struct Session(Client);

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
        within(READ_TIMEOUT, connector.connect(endpoint), failure).await.map(Self)
    }

    /// The [`members`], no older than this call: the server first catches up with the leader.
    pub async fn members(&self) -> Result<Membership, Failure> {
        within(READ_TIMEOUT, self.0.sync(CONFIGURATION), failure).await?;
        let (text, _) = within(READ_TIMEOUT, self.0.get_config(), failure).await?;
        let text = String::from_utf8_lossy(&text);
        let unknown = || Failure::unknown(format_args!("not understood as a list: {text:?}"));
        members(&text).ok_or_else(unknown)
    }

    /// Changes the membership if it is still that of `version`: adds or changes the server of the line `join`, or
    /// removes the one of the id `leave`, which goes on as a follower until it is stopped; the other is empty.
    /// Whether a server that gets a vote has the leader's data is the caller's to know: ZooKeeper is content with a
    /// quorum of the others.
    pub async fn reconfigure(&self, join: &str, leave: &str, version: u64) -> Result<(), Failure> {
        let (joinings, leavings) = (std::iter::once(join), std::iter::once(leave));
        let update = EnsembleUpdate::Incremental { joinings, leavings };
        let call = self.0.update_ensemble(update, Some(version.cast_signed()));
        within(CHANGE_TIMEOUT, call, failure).await.map(drop)
    }
}

/// Sorts a client error into "did not answer", "said no" and "we do not know".
fn failure(error: Error) -> Failure {
    Failure::Refused(match error {
        Error::NoAuth | Error::AuthFailed => Code::NoAuth,
        Error::BadVersion | Error::UnexpectedErrorCode(-103) => Code::BadVersion,
        Error::BadArguments(_) | Error::UnexpectedErrorCode(-8) => Code::BadArguments,
        Error::UnexpectedErrorCode(-13) => Code::NoQuorum,
        Error::UnexpectedErrorCode(-14) => Code::InProgress,
        Error::UnexpectedErrorCode(number) => Code::Other(number),
        Error::NoHosts
        | Error::Timeout
        | Error::ConnectionLoss
        | Error::SessionExpired
        | Error::SessionMoved => return Failure::unreachable(error),
        other => return Failure::unknown(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRVR: &str = "Zookeeper version: 3.9.5-293c895a, built on 2026-02-11 20:18 UTC\n\
                        Latency min/avg/max: 0/0.0/0\nZxid: 0x20000002a\nMode: follower\nNode count: 5\n";

    #[test]
    fn a_status_is_read_whole_or_not_at_all() {
        let zxid = 0x2_0000_002a;
        let status = Status { version: "3.9.5".into(), leads: false, zxid };
        assert_eq!(parse(SRVR), Some(status));
        for text in [
            "This ZooKeeper instance is not currently serving requests\n".to_owned(),
            "srvr is not executed because it is not in the whitelist.\n".to_owned(),
            SRVR.replace("Mode: follower\n", ""),
            SRVR.replace("follower", "standalone"),
            SRVR.replace("0x2", "y"),
            SRVR.replace("Zookeeper", "Other"),
        ] {
            assert_eq!(parse(&text), None, "{text}");
        }
    }
}
