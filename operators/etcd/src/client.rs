//! etcd's gRPC interface, one explicit endpoint per call.
//!
//! Invariants: a call never goes to another member than the one named (no balancing: a learner refuses most calls, and
//! a call that changes the membership must reach the member it was decided for); every call has a deadline; a call
//! is made once; what went wrong is one of [`Failure`]'s three kinds, because "did not answer", "said no" and "we do not know"
//! lead to different decisions.

use std::future::Future;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error, GetOptions, MemberAddOptions};

/// How long a connection to one member may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one question may take. etcd itself gives up on a read without a quorum after 7 s; waiting for that would
/// slow down the repair.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a change of the membership may take: it needs a round of the quorum, with a disk sync in each.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(8);

/// Why a call brought no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection, or no answer in time. A call that changes something may still have been applied.
    #[error("no answer from {endpoint}: {why}")]
    Unreachable {
        /// Who was asked.
        endpoint: String,
        /// What the transport said.
        why: String,
    },
    /// etcd answered, and the answer is no.
    #[error("{endpoint} refuses: {why}")]
    Refused {
        /// Who was asked.
        endpoint: String,
        /// etcd's own words.
        why: Refusal,
    },
    /// Our side failed, so nothing is known of theirs.
    #[error("cannot ask {endpoint}: {why}")]
    Unknown {
        /// Who was to be asked.
        endpoint: String,
        /// What went wrong here.
        why: String,
    },
}

/// The refusals that decisions differ on, by etcd's own texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A learner was asked something that only voters answer. It says nothing about the learner's health.
    #[error("rpc not supported for learner")]
    Learner,
    /// The server-side guard: not all that it needs were connected for the last five seconds. A wait, not an error.
    #[error("unhealthy cluster")]
    UnhealthyCluster,
    /// The learner has not caught up with the leader. A wait, not an error.
    #[error("can only promote a learner member which is in sync with leader")]
    LearnerNotReady,
    /// The member is not in the list (any more).
    #[error("member not found")]
    MemberNotFound,
    /// The peer address or id is in the list already: an earlier call of ours was applied.
    #[error("member or its peer URL already exists")]
    MemberExists,
    /// The member votes already: an earlier promotion was applied.
    #[error("can only promote a learner member")]
    NotLearner,
    /// The learner that may exist at a time exists.
    #[error("too many learner members in cluster")]
    TooManyLearners,
    /// Only the leader does this.
    #[error("not leader")]
    NotLeader,
    /// No leader, or no quorum within etcd's own time.
    #[error("no quorum: {0}")]
    NoQuorum(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What one member says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The cluster it is in.
    pub cluster: u64,
    /// Its id.
    pub member: u64,
    /// The leader it follows; 0 when it knows none.
    pub leader: u64,
    /// Whether it is a learner.
    pub learner: bool,
    /// The raft index of its log.
    pub raft_index: u64,
    /// The etcd version.
    pub version: String,
    /// The size of the database file, in bytes.
    pub db_size_bytes: u64,
    /// What it complains about, alarms included.
    pub errors: Vec<String>,
}

/// One row of the list of members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Its name; empty until it has started for the first time.
    pub name: String,
    /// Its peer addresses.
    pub peer_urls: Vec<String>,
    /// Whether it is a learner.
    pub learner: bool,
}

/// The list of members, as one member gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// The cluster whose list it is.
    pub cluster: u64,
    /// Sorted by id.
    pub members: Vec<Member>,
}

/// A connection to one member.
pub struct Connection {
    endpoint: String,
    client: Client,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Connection {
    /// Prepares a connection to the member at `endpoint`, such as `http://10.244.0.7:2379`; the first call opens it.
    pub async fn to(endpoint: &str) -> Result<Self, Failure> {
        let options = ConnectOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(CHANGE_TIMEOUT + READ_TIMEOUT);
        let client = Client::connect([endpoint], Some(options))
            .await
            .map_err(|error| failure(endpoint, error))?;
        Ok(Self { endpoint: endpoint.to_owned(), client })
    }

    /// What the member says about itself. Learners answer this too.
    pub async fn status(&self) -> Result<Status, Failure> {
        let mut client = self.client.maintenance_client();
        let answer = self.within(READ_TIMEOUT, client.status()).await?;
        let header = answer.header();
        Ok(Status {
            cluster: header.map_or(0, etcd_client::ResponseHeader::cluster_id),
            member: header.map_or(0, etcd_client::ResponseHeader::member_id),
            leader: answer.leader(),
            learner: answer.is_learner(),
            raft_index: answer.raft_index(),
            version: answer.version().to_owned(),
            db_size_bytes: u64::try_from(answer.db_size()).unwrap_or(0),
            errors: answer.errors().to_vec(),
        })
    }

    /// The list of members, no older than this call.
    ///
    /// The member answers from its own memory, so it is asked for a linearizable read first: after that its memory
    /// holds everything committed before the call. (etcd has a flag for this from 3.5 on, but 3.4 has not.)
    pub async fn members(&self) -> Result<Members, Failure> {
        let mut kv = self.client.kv_client();
        let options = GetOptions::new().with_keys_only().with_limit(1);
        self.within(READ_TIMEOUT, kv.get("\0", Some(options))).await?;
        let mut client = self.client.cluster_client();
        let answer = self.within(READ_TIMEOUT, client.member_list()).await?;
        let mut members: Vec<_> = answer.members().iter().map(member).collect();
        members.sort();
        Ok(Members {
            cluster: answer.header().map_or(0, etcd_client::ResponseHeader::cluster_id),
            members,
        })
    }

    /// Adds a learner with this peer address, and returns its id.
    pub async fn add_learner(&self, peer_url: &str) -> Result<u64, Failure> {
        let mut client = self.client.cluster_client();
        let options = MemberAddOptions::new().with_is_learner();
        let call = client.member_add(vec![peer_url.to_owned()], Some(options));
        let answer = self.within(CHANGE_TIMEOUT, call).await?;
        answer.member().map(etcd_client::Member::id).ok_or_else(|| Failure::Unknown {
            endpoint: self.endpoint.clone(),
            why: "the answer to a member add names no member".to_owned(),
        })
    }

    /// Makes a learner a voter. To be asked of the leader: a follower's forwarding fails on some versions.
    pub async fn promote(&self, id: u64) -> Result<(), Failure> {
        let mut client = self.client.cluster_client();
        self.within(CHANGE_TIMEOUT, client.member_promote(id)).await.map(drop)
    }

    /// Removes a member, by id: a name can be given to two members.
    pub async fn remove(&self, id: u64) -> Result<(), Failure> {
        let mut client = self.client.cluster_client();
        self.within(CHANGE_TIMEOUT, client.member_remove(id)).await.map(drop)
    }

    /// Hands the leadership to another voter. Only the leader does this.
    pub async fn move_leader(&self, to: u64) -> Result<(), Failure> {
        let mut client = self.client.maintenance_client();
        self.within(CHANGE_TIMEOUT, client.move_leader(to)).await.map(drop)
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(deadline, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(&self.endpoint, error)),
            Err(_) => Err(Failure::Unreachable {
                endpoint: self.endpoint.clone(),
                why: format!("no answer within {} s", deadline.as_secs()),
            }),
        }
    }
}

fn member(it: &etcd_client::Member) -> Member {
    Member {
        id: it.id(),
        name: it.name().to_owned(),
        peer_urls: it.peer_urls().to_vec(),
        learner: it.is_learner(),
    }
}

/// Sorts a client error into "did not answer", "said no" and "we do not know".
fn failure(endpoint: &str, error: Error) -> Failure {
    let endpoint = endpoint.to_owned();
    match error {
        Error::GRpcStatus(status) => match refusal(status.message()) {
            Some(why) => Failure::Refused { endpoint, why },
            None => Failure::Unreachable { endpoint, why: innermost(&status) },
        },
        Error::TransportError(error) => Failure::Unreachable { endpoint, why: innermost(&error) },
        Error::IoError(error) => Failure::Unreachable { endpoint, why: error.to_string() },
        other => Failure::Unknown { endpoint, why: other.to_string() },
    }
}

/// The cause that says most: transports wrap "connection refused" several times.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut it = error;
    while let Some(source) = it.source() {
        it = source;
    }
    it.to_string()
}

/// What etcd refuses with, from its text; `None` when the text is not etcd's (the transport made it up).
fn refusal(message: &str) -> Option<Refusal> {
    let words = message
        .strip_prefix("etcdserver: ")
        .or_else(|| message.strip_prefix("auth: "))
        .or_else(|| message.strip_prefix("membership: "))
        .or_else(|| message.strip_prefix("raft: "))
        .or_else(|| message.strip_prefix("rpc not supported").map(|_| message))?;
    Some(match words {
        it if it.contains("not supported for learner") => Refusal::Learner,
        "unhealthy cluster" | "re-configuration failed due to not enough started members" => {
            Refusal::UnhealthyCluster
        }
        it if it.contains("in sync with leader") => Refusal::LearnerNotReady,
        "member not found" => Refusal::MemberNotFound,
        "member ID already exist" | "Peer URLs already exists" => Refusal::MemberExists,
        "can only promote a learner member" => Refusal::NotLearner,
        it if it.contains("too many learner members") => Refusal::TooManyLearners,
        "not leader" => Refusal::NotLeader,
        it if it.starts_with("request timed out")
            || it == "no leader"
            || it == "leader changed" =>
        {
            Refusal::NoQuorum(it.to_owned())
        }
        it => Refusal::Other(it.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_etcd_are_refusals_and_others_are_not() {
        let cases = [
            ("etcdserver: rpc not supported for learner", Some(Refusal::Learner)),
            ("rpc not supported for learner", Some(Refusal::Learner)),
            ("etcdserver: unhealthy cluster", Some(Refusal::UnhealthyCluster)),
            (
                "etcdserver: can only promote a learner member which is in sync with leader",
                Some(Refusal::LearnerNotReady),
            ),
            ("etcdserver: can only promote a learner member", Some(Refusal::NotLearner)),
            ("etcdserver: Peer URLs already exists", Some(Refusal::MemberExists)),
            ("etcdserver: request timed out", Some(Refusal::NoQuorum("request timed out".into()))),
            ("etcdserver: mvcc: database space exceeded", {
                Some(Refusal::Other("mvcc: database space exceeded".into()))
            }),
            ("tcp connect error: Connection refused (os error 111)", None),
            ("transport error", None),
        ];
        for (text, expected) in cases {
            assert_eq!(refusal(text), expected, "{text}");
        }
    }
}
