//! The etcd driver: asks members what they say, and asks the leader for one change.
//!
//! Invariants: every member is asked at its own address only; the list of members comes from voters, each after a read that
//! needs a quorum, so that a stale member cannot give an old one; before a change the list is read again from the member that
//! is asked for it; nothing is retried here.

use endstate::driver::{Address, Driver, Outcome};
use endstate_core::{
    Action, ClusterId, Entry, MemberId, MemberStatus, Membership, Reach, Refusal, Role, Roster,
    Target, View,
};
use etcd_plan::CLIENT_PORT;
use futures::future::join_all;

use crate::client::{Connection, Failure, Members, Status};

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
            Err(why) => Box::pin(why.outcome(action)).await,
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
        match self.look(&endpoint).await {
            Ok((status, corrupt, members)) => {
                let status = Some((status, corrupt));
                Answer { name, reach: Reach::Reachable, status, members }
            }
            Err(error) => {
                tracing::debug!(member = name, %error, "no answer");
                Answer { name, reach: reach(&endpoint, &error).await, status: None, members: None }
            }
        }
    }

    /// What the member says of itself, whom alarms accuse, and the list of members if it gives one.
    async fn look(&self, endpoint: &str) -> Result<(Status, Vec<u64>, Option<Members>), Failure> {
        let connection = Connection::to(endpoint).await?;
        let status = connection.status().await?;
        if status.learner || status.leader == 0 {
            return Ok((status, vec![], None));
        }
        let corrupt = match status.complains {
            true => connection.corrupt().await?,
            false => vec![],
        };
        let members = connection.members().await;
        let members = members.inspect_err(|error| tracing::debug!(endpoint, %error, "no list"));
        Ok((status, corrupt, members.ok()))
    }
}

/// What a failure tells of a member. One that asks for a user may serve all the same.
async fn reach(endpoint: &str, failure: &Failure) -> Reach {
    match failure {
        Failure::Unreachable { .. } => Reach::Unreachable,
        Failure::Unknown { .. } => Reach::Unknown,
        Failure::Refused { .. } if !failure.wants_user() => Reach::Refused(Refusal::Other),
        Failure::Refused { .. } => match Connection::to(endpoint).await {
            Ok(connection) if connection.serves().await => Reach::Refused(Refusal::Guarded),
            _ => Reach::Refused(Refusal::NeedsUser),
        },
    }
}

/// What one member answered.
struct Answer {
    name: String,
    reach: Reach,
    /// What it says of itself, and whom alarms accuse.
    status: Option<(Status, Vec<u64>)>,
    members: Option<Members>,
}

impl Answer {
    fn target(&self) -> Target {
        let status = self.status.as_ref().map(|(it, corrupt)| MemberStatus {
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
            accused: corrupt.iter().copied().map(MemberId).collect(),
        });
        Target { name: self.name.as_str().into(), reach: self.reach, status }
    }

    fn leads(&self) -> bool {
        self.status.as_ref().is_some_and(|(it, _)| it.leader == it.member)
    }

    fn id(&self) -> u64 {
        self.status.as_ref().map_or(0, |(it, _)| it.member)
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
    /// It could not be asked for.
    #[error(transparent)]
    Etcd(#[from] Failure),
    /// It was asked for, and refused.
    #[error("{failure}")]
    Refused { connection: Box<Connection>, failure: Failure },
    #[error("the list of members has changed since")]
    Moved,
    #[error("this is no call to etcd")]
    NoCall,
}

impl Blocked {
    /// What became of the action. A refusal has one code for several causes, so the list is read again: what is so already was
    /// carried out by an earlier call.
    async fn outcome(self, action: &Action) -> Outcome {
        let why = self.to_string();
        let Self::Refused { connection, failure } = self else { return Outcome::Blocked(why) };
        if connection.members().await.is_ok_and(|list| is_done(action, &list)) {
            return Outcome::Done;
        }
        // A change may have a wrong argument, a read has none.
        let guarded =
            failure.wants_user() && connection.read().await.is_err_and(|it| it.wants_user());
        if guarded { Outcome::NeedsUser(why) } else { Outcome::Blocked(why) }
    }
}

async fn change(action: &Action, endpoint: &str) -> Result<(), Blocked> {
    let call = match action {
        Action::AddLearner { call, .. }
        | Action::Promote { call, .. }
        | Action::MoveLead { call, .. }
        | Action::RemoveMember { call, .. } => call,
        Action::CreatePod { .. }
        | Action::UpdatePod { .. }
        | Action::RestartPod { .. }
        | Action::DeletePod { .. } => return Err(Blocked::NoCall),
    };
    let connection = Connection::to(endpoint).await?;
    // The list that the decision was made on must still be the list. etcd's own calls have no such condition.
    if roster(&connection.members().await?) != call.members {
        return Err(Blocked::Moved);
    }
    let made = match action {
        Action::AddLearner { address, .. } => connection.add_learner(address).await.map(drop),
        Action::Promote { id, .. } => connection.promote(id.0).await,
        Action::MoveLead { id, .. } => connection.move_leader(id.0).await,
        Action::RemoveMember { id, .. } => connection.remove(id.0).await,
        _ => Ok(()),
    };
    match made {
        Err(failure @ Failure::Refused { .. }) => {
            Err(Blocked::Refused { connection: Box::new(connection), failure })
        }
        made => Ok(made?),
    }
}

/// What decides of a list. Names differ for a moment after a member's first start.
fn roster(list: &Members) -> Roster {
    let ids = |learner| {
        let some = list.members.iter().filter(move |it| it.learner == learner);
        some.map(|it| MemberId(it.id)).collect()
    };
    Roster { cluster: ClusterId(list.cluster), voters: ids(false), learners: ids(true) }
}

/// Whether the list is as an action wants it.
fn is_done(action: &Action, list: &Members) -> bool {
    let find = |id: MemberId| list.members.iter().find(|it| it.id == id.0);
    match action {
        Action::AddLearner { address, .. } => {
            list.members.iter().any(|it| it.peer_urls.contains(address))
        }
        Action::Promote { id, .. } => find(*id).is_some_and(|it| !it.learner),
        Action::RemoveMember { id, .. } => find(*id).is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
