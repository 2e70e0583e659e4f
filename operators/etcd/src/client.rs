//! etcd's gRPC interface, one explicit endpoint per call.
//!
//! Invariants: a call never goes to another member than the one named (no balancing: a learner refuses most calls, and
//! a call that changes the membership must reach the member it was decided for); a refusal is known by its gRPC code,
//! and its text is for people only.

use std::collections::BTreeSet;
use std::time::Duration;

use endstate::client::{
    CHANGE_TIMEOUT, CONNECT_TIMEOUT, Code, Endpoint, READ_TIMEOUT, Refused, STATUS_TIMEOUT,
    TlsFiles, get, innermost, within,
};
use endstate_core::{Digest, Fullness, Version};
use etcd_client::{
    AlarmAction, AlarmMember, AlarmOptions, AlarmType, Certificate, Client, CompactionOptions,
    ConnectOptions, DowngradeOptions, Error, GetOptions, Identity, MemberAddOptions, TlsOptions,
};

mod auth;

pub use auth::{Login, Taken};

/// Why a call brought no result. A missing user is an invalid argument to etcd.
pub type Failure = endstate::client::Failure<Refused>;

/// Whether a question whose arguments are always right was refused for want of a user. etcd then says that the argument
/// is invalid (the name of the user is empty), or that a user lacks the right.
#[must_use]
pub fn wants_user(failure: &Failure) -> bool {
    let codes = [Code::InvalidArgument, Code::PermissionDenied, Code::Unauthenticated];
    matches!(failure, Failure::Refused(no) if codes.contains(&no.code))
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
    /// How full its database is; 3.6 and newer say its bound. What a write frees counts from the next write on.
    pub database: Fullness,
    /// The revision that it has.
    pub revision: i64,
    /// The version that can open its data; 3.6 and newer say so.
    pub storage_version: Option<Version>,
    /// The version that a downgrade under way goes to; 3.6 and newer say so.
    pub downgrade: Option<Version>,
    /// Whether it complains of anything; see [`Connection::alarms`] for what decides.
    pub complains: bool,
}

/// The alarms that stand, by the members that they are about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alarms {
    /// Whose data is corrupt; 0 stands for data that differs without a proof whose is wrong.
    pub corrupt: BTreeSet<u64>,
    /// Who has no space left.
    pub no_space: BTreeSet<u64>,
    /// Where somebody has none, and of who leads: what [`Connection::is_compacted`] says of its revision.
    pub compacted: Option<bool>,
}

/// What a member answers to the question for versions.
#[derive(serde::Deserialize)]
struct Versions {
    etcdcluster: String,
}

/// How long a member may take to read every key.
const HASH_TIMEOUT: Duration = Duration::from_secs(300);

/// How long a member may take to write its database anew, or to remove history from it. No call takes longer.
const LONG_TIMEOUT: Duration = Duration::from_secs(600);

/// One row of the list of members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Its name; empty until it has started for the first time.
    pub name: String,
    /// Its peer addresses.
    pub peer_urls: Vec<String>,
    /// The addresses at which it says that clients find it.
    pub client_urls: Vec<String>,
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
#[derive(Clone)]
pub struct Connection {
    endpoint: Endpoint,
    client: Client,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Connection {
    /// Prepares a connection to the member at an endpoint; the first call opens it.
    pub async fn to(endpoint: &Endpoint) -> Result<Self, Failure> {
        let options =
            ConnectOptions::new().with_connect_timeout(CONNECT_TIMEOUT).with_timeout(LONG_TIMEOUT);
        let options = match endpoint.secured_by() {
            Some((files, name)) => options.with_tls(tls_options(files, name)),
            None => options,
        };
        let client = Client::connect([endpoint.url()], Some(options)).await.map_err(failure)?;
        Ok(Self { endpoint: endpoint.clone(), client })
    }

    /// For what is asked nowhere else: streams, and keys.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What the member says about itself. Learners answer this too.
    pub async fn status(&self) -> Result<Status, Failure> {
        let mut client = self.client.maintenance_client();
        let answer = within(STATUS_TIMEOUT, client.status(), failure).await?;
        let header = answer.header();
        Ok(Status {
            cluster: header.map_or(0, etcd_client::ResponseHeader::cluster_id),
            member: header.map_or(0, etcd_client::ResponseHeader::member_id),
            leader: answer.leader(),
            learner: answer.is_learner(),
            raft_index: answer.raft_index(),
            version: answer.version().to_owned(),
            database: Fullness {
                size: u64::try_from(answer.db_size()).unwrap_or(0),
                in_use: u64::try_from(answer.raft_used_db_size()).unwrap_or(0),
                bound: u64::try_from(answer.db_size_quota()).unwrap_or(u64::MAX),
                rewritten: None,
            },
            revision: header.map_or(0, etcd_client::ResponseHeader::revision),
            storage_version: answer.storage_version().parse().ok(),
            downgrade: answer
                .downgrade_info()
                .filter(|it| it.enabled())
                .and_then(|it| it.target_version().parse().ok()),
            complains: !answer.errors().is_empty(),
        })
    }

    /// The list of members, no older than this call.
    ///
    /// The member answers from its own memory, so it makes a linearizable read first: after that its memory holds
    /// everything committed before the call. (etcd has a flag for this from 3.5 on, but 3.4 has not.) A read of a key
    /// needs a user where authentication is enabled; then the one that `/health` makes serves as well.
    pub async fn members(&self) -> Result<Members, Failure> {
        match self.read().await {
            Err(refused) if wants_user(&refused) && self.serves().await => {}
            read => read?,
        }
        let mut client = self.client.cluster_client();
        let answer = within(READ_TIMEOUT, client.member_list(), failure).await?;
        let mut members: Vec<_> = answer.members().iter().map(member).collect();
        members.sort();
        Ok(Members {
            cluster: answer.header().map_or(0, etcd_client::ResponseHeader::cluster_id),
            members,
        })
    }

    /// Makes a linearizable read, of no key.
    pub async fn read(&self) -> Result<(), Failure> {
        let mut kv = self.client.kv_client();
        let options = GetOptions::new().with_keys_only().with_limit(1);
        within(READ_TIMEOUT, kv.get("\0", Some(options)), failure).await.map(drop)
    }

    /// Whether the member makes a linearizable read for somebody without a user, by its HTTP `/health`. Alarms, which
    /// that would report too, are asked for in their own way.
    pub async fn serves(&self) -> bool {
        let path = "/health?exclude=NOSPACE&exclude=CORRUPT";
        let asked = tokio::time::timeout(READ_TIMEOUT, get(&self.endpoint, path));
        matches!(asked.await, Ok(Ok((200, _))))
    }

    /// The version that the members have agreed on, as far as this one knows.
    pub async fn cluster_version(&self) -> Option<Version> {
        let asked = tokio::time::timeout(READ_TIMEOUT, get(&self.endpoint, "/version"));
        let Ok(Ok((200, body))) = asked.await else { return None };
        serde_json::from_slice::<Versions>(&body).ok()?.etcdcluster.parse().ok()
    }

    /// The hash of every key at a revision, with the history since the revision that was compacted to. An address may
    /// be another member's by now: it is asked of this one of this cluster.
    pub async fn hash(
        &self,
        (cluster, member): (u64, u64),
        revision: i64,
    ) -> Result<Digest, Failure> {
        let mut client = self.client.maintenance_client();
        let answer = within(HASH_TIMEOUT, client.hash_kv(revision), failure).await?;
        let by = answer.header().map(|it| (it.cluster_id(), it.member_id()));
        if by != Some((cluster, member)) {
            return Err(Failure::unknown("another member answered"));
        }
        let since = u64::try_from(answer.compact_version()).unwrap_or_default();
        Ok(Digest { since, hash: answer.hash().into() })
    }

    /// Begins a downgrade to a minor, such as "3.6". The member checks first that its cluster can go there, and refuses
    /// one that is under way.
    pub async fn enable_downgrade(&self, to: &str) -> Result<(), Failure> {
        let mut client = self.client.maintenance_client();
        let call = client.downgrade(DowngradeOptions::Enable(to.to_owned()));
        within(CHANGE_TIMEOUT, call, failure).await.map(drop)
    }

    /// Ends a downgrade. Without one it succeeds as well.
    pub async fn cancel_downgrade(&self) -> Result<(), Failure> {
        let mut client = self.client.maintenance_client();
        let call = client.downgrade(DowngradeOptions::Cancel);
        within(CHANGE_TIMEOUT, call, failure).await.map(drop)
    }

    /// The alarms that stand.
    pub async fn alarms(&self) -> Result<Alarms, Failure> {
        let mut client = self.client.maintenance_client();
        let call = client.alarm(AlarmAction::Get, AlarmType::None, None);
        let answer = within(READ_TIMEOUT, call, failure).await?;
        let of = |kind: AlarmType| {
            let all = answer.alarms().iter().filter(|it| it.alarm() == kind);
            all.map(AlarmMember::member_id).collect::<BTreeSet<_>>()
        };
        Ok(Alarms {
            corrupt: of(AlarmType::Corrupt),
            no_space: of(AlarmType::Nospace),
            compacted: None,
        })
    }

    /// Withdraws an alarm about this member.
    pub async fn withdraw(&self, id: u64, kind: AlarmType) -> Result<(), Failure> {
        let mut client = self.client.maintenance_client();
        let mut of = AlarmOptions::new();
        of.with_member(id);
        let call = client.alarm(AlarmAction::Deactivate, kind, Some(of));
        within(CHANGE_TIMEOUT, call, failure).await.map(drop)
    }

    /// Withdraws the alarms that members have no space left. What has none left by then raises one again.
    pub async fn withdraw_no_space(&self) -> Result<(), Failure> {
        for id in self.alarms().await?.no_space {
            self.withdraw(id, AlarmType::Nospace).await?;
        }
        Ok(())
    }

    /// Whether there is nothing before a revision, which the member has, to give up.
    pub async fn is_compacted(&self, revision: i64) -> Result<bool, Failure> {
        if revision <= 1 {
            return Ok(true);
        }
        let mut kv = self.client.kv_client();
        let options = GetOptions::new().with_keys_only().with_limit(1).with_revision(revision - 1);
        match within(READ_TIMEOUT, kv.get("\0", Some(options)), failure).await {
            Err(Failure::Refused(no)) if no.code == Code::OutOfRange => Ok(true),
            read => read.map(|_| false),
        }
    }

    /// Gives up all history before a revision, and waits until it is gone here. What that frees counts as free from the
    /// next write on (3.4.23), so the last revision goes by itself.
    pub async fn compact(&self, revision: i64) -> Result<(), Failure> {
        let mut kv = self.client.kv_client();
        for revision in [revision - 1, revision] {
            let options = Some(CompactionOptions::new().with_physical());
            match within(LONG_TIMEOUT, kv.compact(revision, options), failure).await {
                // It is gone already.
                Err(Failure::Refused(no)) if no.code == Code::OutOfRange => {}
                Err(failure) => return Err(failure),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Adds a learner with this peer address, and returns its id.
    pub async fn add_learner(&self, peer_url: &str) -> Result<u64, Failure> {
        let mut client = self.client.cluster_client();
        let options = MemberAddOptions::new().with_is_learner();
        let call = client.member_add(vec![peer_url.to_owned()], Some(options));
        let answer = within(CHANGE_TIMEOUT, call, failure).await?;
        let added = answer.member().map(etcd_client::Member::id);
        added.ok_or_else(|| Failure::unknown("the answer to a member add names no member"))
    }

    /// Makes a learner a voter. To be asked of the leader: a follower's forwarding fails on some versions.
    pub async fn promote(&self, id: u64) -> Result<(), Failure> {
        let mut client = self.client.cluster_client();
        within(CHANGE_TIMEOUT, client.member_promote(id), failure).await.map(drop)
    }

    /// Lists a voter under another peer address. Some versions give a learner a vote by this, so it is not asked of
    /// one.
    pub async fn update(&self, id: u64, peer_url: &str) -> Result<(), Failure> {
        let mut client = self.client.cluster_client();
        let call = client.member_update(id, vec![peer_url.to_owned()]);
        within(CHANGE_TIMEOUT, call, failure).await.map(drop)
    }

    /// Removes a member, by id: a name can be given to two members.
    pub async fn remove(&self, id: u64) -> Result<(), Failure> {
        let mut client = self.client.cluster_client();
        within(CHANGE_TIMEOUT, client.member_remove(id), failure).await.map(drop)
    }

    /// Has the member write its database anew, which blocks it.
    pub async fn defragment(&self) -> Result<(), Failure> {
        let mut client = self.client.maintenance_client();
        within(LONG_TIMEOUT, client.defragment(), failure).await.map(drop)
    }

    /// Hands the leadership to another voter. Only the leader does this.
    pub async fn move_leader(&self, to: u64) -> Result<(), Failure> {
        let mut client = self.client.maintenance_client();
        within(CHANGE_TIMEOUT, client.move_leader(to), failure).await.map(drop)
    }
}

fn tls_options(files: &TlsFiles, name: &str) -> TlsOptions {
    TlsOptions::new()
        .ca_certificate(Certificate::from_pem(&files.authorities))
        .identity(Identity::from_pem(&files.certificate, &files.key))
        .domain_name(name)
}

fn member(it: &etcd_client::Member) -> Member {
    Member {
        id: it.id(),
        name: it.name().to_owned(),
        peer_urls: it.peer_urls().to_vec(),
        client_urls: it.client_urls().to_vec(),
        learner: it.is_learner(),
    }
}

/// Sorts a client error into "did not answer", "said no" and "we do not know". What a member says has no cause on our
/// side; what the transport says in its place has.
pub fn failure(error: Error) -> Failure {
    match error {
        Error::GRpcStatus(status) if std::error::Error::source(&status).is_none() => {
            Failure::Refused(Refused::new(status.code() as i32, status.message()))
        }
        Error::GRpcStatus(status) => Failure::unreachable(innermost(&status)),
        Error::TransportError(error) => Failure::unreachable(innermost(&error)),
        Error::IoError(error) => Failure::unreachable(error),
        other => Failure::unknown(other),
    }
}
