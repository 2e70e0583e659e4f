//! The etcd driver: asks members what they say, and asks the leader for one change.
//!
//! Invariants: every member is asked at its own address only; the list of members comes from voters, each after a read that
//! needs a quorum, so that a stale member cannot give an old one; before a change the list is read again from the member that
//! is asked for it; nothing is retried here.

use endstate::driver::{Address, Driver, Outcome};
use endstate_core::{
    Action, Call, ClusterId, Entry, MemberId, MemberStatus, Membership, Reach, Role, Roster,
    Target, View,
};
use etcd_plan::CLIENT_PORT;
use futures::future::join_all;

use crate::client::{Connection, Failure, Members, Refusal, Status};

/// The driver. It holds no connections: clusters are many and looks are rare.
#[derive(Debug, Clone, Copy)]
pub struct EtcdDriver {
    client_port: u16,
}

impl Default for EtcdDriver {
    fn default() -> Self {
        Self { client_port: CLIENT_PORT }
    }
}

impl Driver for EtcdDriver {
    async fn observe(&self, targets: &[Address]) -> View {
        let answers = join_all(targets.iter().map(|it| self.ask(it))).await;
        let membership = agreed(&answers);
        View { targets: answers.iter().map(Answer::target).collect(), membership }
    }

    async fn act(&self, action: &Action, via: &Address) -> Outcome {
        let Some(endpoint) = self.endpoint(via) else {
            return Outcome::Blocked(format!("{} has no address", via.member));
        };
        match change(action, &endpoint).await {
            Ok(()) => Outcome::Done,
            Err(Blocked::Etcd(Failure::Refused { why, .. })) if is_done(action, &why) => {
                Outcome::Done
            }
            Err(why) => Outcome::Blocked(why.to_string()),
        }
    }
}

impl EtcdDriver {
    fn endpoint(&self, address: &Address) -> Option<String> {
        let host = address.host.as_deref()?;
        let port = self.client_port;
        // An address with colons and no port of its own is IPv6.
        Some(match host {
            it if it.starts_with("http://") => it.to_owned(),
            it if it.contains(':') => format!("http://[{it}]:{port}"),
            it => format!("http://{it}:{port}"),
        })
    }

    async fn ask(&self, address: &Address) -> Answer {
        let name = address.member.to_string();
        let Some(endpoint) = self.endpoint(address) else {
            return Answer { name, reach: Reach::Unreachable, status: None, members: None };
        };
        let connection = match Connection::to(&endpoint).await {
            Ok(connection) => connection,
            Err(error) => return Answer::failed(name, &error),
        };
        let status = match connection.status().await {
            Ok(status) => status,
            Err(error) => return Answer::failed(name, &error),
        };
        let members = match status.learner || status.leader == 0 {
            true => None,
            false => match connection.members().await {
                Ok(members) => Some(members),
                Err(error) => {
                    tracing::debug!(member = name, %error, "no list");
                    None
                }
            },
        };
        Answer { name, reach: Reach::Reachable, status: Some(status), members }
    }
}

/// What one member answered.
struct Answer {
    name: String,
    reach: Reach,
    status: Option<Status>,
    members: Option<Members>,
}

impl Answer {
    fn failed(name: String, error: &Failure) -> Self {
        tracing::debug!(member = name, %error, "no answer");
        let reach = match error {
            Failure::Unreachable { .. } => Reach::Unreachable,
            Failure::Refused { .. } => Reach::Refused,
            Failure::Unknown { .. } => Reach::Unknown,
        };
        Self { name, reach, status: None, members: None }
    }

    fn target(&self) -> Target {
        let status = self.status.as_ref().map(|it| MemberStatus {
            id: MemberId(it.member),
            cluster: ClusterId(it.cluster),
            role: match it {
                it if it.learner => Role::Learner,
                it if it.leader == it.member => Role::Leader,
                _ => Role::Voter,
            },
            leader: (it.leader != 0).then_some(MemberId(it.leader)),
            position: it.raft_index,
            version: it.version.clone(),
            db_size: it.db_size_bytes,
            errors: it.errors.clone(),
        });
        Target { name: self.name.as_str().into(), reach: self.reach, status }
    }

    fn leads(&self) -> bool {
        self.status.as_ref().is_some_and(|it| it.leader == it.member)
    }

    fn id(&self) -> u64 {
        self.status.as_ref().map_or(0, |it| it.member)
    }
}

/// The list of members to go by: the leader's, or without it the one that most gave; with the number of voters on that list who
/// gave the same one.
fn agreed(answers: &[Answer]) -> Option<Membership> {
    let support = |list: &Members| {
        let voters = list.members.iter().filter(|it| !it.learner);
        let same = |id: u64| {
            answers.iter().any(|it| {
                it.id() == id && it.members.as_ref().is_some_and(|it| roster(it) == roster(list))
            })
        };
        voters.filter(|it| same(it.id)).count()
    };
    let lists = || answers.iter().filter_map(|it| Some((it.leads(), it.members.as_ref()?)));
    let (_, list) = lists().max_by_key(|(leads, list)| (*leads, support(list)))?;
    let entry = |it: &crate::client::Member| Entry {
        id: MemberId(it.id),
        name: pod_name(it).into(),
        learner: it.learner,
    };
    Some(Membership {
        cluster: ClusterId(list.cluster),
        members: list.members.iter().map(entry).collect(),
        agreed: support(list),
    })
}

/// A member that has never started has no name in etcd, but its peer address begins with its pod's.
fn pod_name(member: &crate::client::Member) -> String {
    let host = member.peer_urls.first().and_then(|it| it.split_once("://")).map(|(_, it)| it);
    let host = host.and_then(|it| it.split([':', '/']).next()).unwrap_or_default();
    // An address of numbers names nobody.
    match host.split_once('.') {
        Some((name, _)) if host.parse::<std::net::IpAddr>().is_err() => name.to_owned(),
        _ if !member.name.is_empty() => member.name.clone(),
        _ => host.to_owned(),
    }
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
enum Blocked {
    #[error(transparent)]
    Etcd(#[from] Failure),
    #[error("the list of members has changed since")]
    Moved,
    #[error("this is no call to etcd")]
    NoCall,
}

async fn change(action: &Action, endpoint: &str) -> Result<(), Blocked> {
    let connection = Connection::to(endpoint).await?;
    match action {
        Action::AddLearner { address, call, .. } => {
            unmoved(&connection, call).await?;
            connection.add_learner(address).await?;
        }
        Action::Promote { id, call, .. } => {
            unmoved(&connection, call).await?;
            connection.promote(id.0).await?;
        }
        Action::MoveLead { id, call, .. } => {
            unmoved(&connection, call).await?;
            connection.move_leader(id.0).await?;
        }
        Action::RemoveMember { id, call, .. } => {
            unmoved(&connection, call).await?;
            connection.remove(id.0).await?;
        }
        Action::CreatePod { .. }
        | Action::UpdatePod { .. }
        | Action::RestartPod { .. }
        | Action::DeletePod { .. } => return Err(Blocked::NoCall),
    }
    Ok(())
}

/// The list that the decision was made on must still be the list. etcd's own calls have no such condition.
async fn unmoved(connection: &Connection, call: &Call) -> Result<(), Blocked> {
    let now = roster(&connection.members().await?);
    (now == call.members).then_some(()).ok_or(Blocked::Moved)
}

/// What decides of a list. Names differ for a moment after a member's first start.
fn roster(list: &Members) -> Roster {
    let ids = |learner| {
        let some = list.members.iter().filter(move |it| it.learner == learner);
        some.map(|it| MemberId(it.id)).collect()
    };
    Roster { cluster: ClusterId(list.cluster), voters: ids(false), learners: ids(true) }
}

/// Whether a refusal says that an earlier call of ours was carried out after all.
fn is_done(action: &Action, why: &Refusal) -> bool {
    match action {
        Action::AddLearner { .. } => *why == Refusal::MemberExists,
        Action::Promote { .. } => *why == Refusal::NotLearner,
        Action::RemoveMember { .. } => *why == Refusal::MemberNotFound,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
