//! The driver: asks servers what they say, and one of them for a change of the membership.
//!
//! Invariants: a server is asked at its own address only. It works if it gives the list of members after a transaction
//! and a sync through it: both need a quorum that it is connected with, so no server that was left behind passes. The
//! list is that of `/zookeeper/config` alone, because a server that was removed goes on as a follower. A change is
//! conditioned on the version of the list; nothing is retried here.

use endstate::driver::{Address, Driver, Outcome, Target};
use endstate_core::{
    Call, Credentials, Identity, MemberId, MemberStatus, Membership, Position, Reach, Request,
    Standing, Target as Seen, Uid, View,
};
use futures::future::join_all;
use zookeeper_plan::{CLIENT_PORT, ZookeeperClusterSpec, line};

use crate::client::{self, Failure, Session, Status};

/// The user whom servers know by the digest that they are started with.
pub(crate) const SUPER: &str = "super";

/// The driver. It holds no connections: ensembles are many and looks are rare.
#[derive(Clone, Copy, Debug)]
pub struct ZooKeeperDriver;

type Of<'a> = Target<'a, ZookeeperClusterSpec>;

/// What one server said: of itself first, then of the ensemble.
type Answer<'t> = (&'t Address, Result<(Status, Membership), Failure>);

impl Driver for ZooKeeperDriver {
    type Spec = ZookeeperClusterSpec;

    async fn observe(&self, target: &Of<'_>) -> View {
        let (members, users) = (&target.members, &users(target));
        let states = join_all(members.iter().map(state)).await;
        let said = members.iter().zip(states).map(async |(address, status)| {
            let said = async {
                let (status, list) = (status?, list(address, users).await?);
                Ok((status, identified(target.object, members, list)))
            };
            (address, said.await)
        });
        view(&target.object.uid, &join_all(said).await)
    }

    async fn act(&self, target: &Of<'_>, call: &Call) -> Outcome {
        let change = change(target.object, &call.request).zip(call.roster.revision);
        let (Some(((join, leave), version)), Some(address)) = (change, target.address(&call.via))
        else {
            return Outcome::blocked("ZooKeeper has no such call");
        };
        let users = &users(target);
        let made = async { open(address, users).await?.reconfigure(&join, &leave, version).await };
        let Err(why) = made.await else { return Outcome::Done };
        // The leader may have applied it and lost its lead before it could say so.
        match list(address, users).await {
            Ok(list) if list.is_after(&call.request) => Outcome::Done,
            _ => Outcome::blocked(format_args!("{}: {why}", call.via)),
        }
    }
}

async fn state(address: &Address) -> Result<Status, Failure> {
    client::status(&address.endpoint(CLIENT_PORT)?).await
}

async fn open(address: &Address, users: &[String]) -> Result<Session, Failure> {
    Session::open(&address.endpoint(CLIENT_PORT)?, users).await
}

async fn list(address: &Address, users: &[String]) -> Result<Membership, Failure> {
    open(address, users).await?.members().await
}

/// The user with every password that a server may know: while they roll, some know the one before.
fn users(target: &Of<'_>) -> Vec<String> {
    let credentials = Credentials::of(&target.object.name, target.spec.credential);
    let passwords = target.secrets.passwords(&credentials);
    passwords.iter().map(|it| format!("{SUPER}:{it}")).collect()
}

/// A list with its members by name. ZooKeeper's ensembles have no id: one of ours lists servers by hosts that are used
/// once, in a service of ours.
fn identified(object: &Identity, members: &[Address], mut list: Membership) -> Membership {
    let ours: Vec<_> = members.iter().map(|it| object.host(&it.member)).collect();
    let is_ours = list.members.iter().any(|it| ours.iter().any(|host| *it.name == **host));
    list.cluster = if is_ours { object.uid.as_str().into() } else { "another".into() };
    for server in &mut list.members {
        server.name = server.name.split('.').next().unwrap_or_default().into();
    }
    list
}

/// What all answers of one look say.
fn view(ours: &Uid, answers: &[Answer<'_>]) -> View {
    let leader = leader(ours, answers);
    let targets = answers.iter().map(|(address, said)| match (said, &address.id) {
        (Ok((status, list)), Some(id)) => {
            let mut seen = seen(id, status, list);
            // What the leader had before this server synced with it, the server has now.
            seen.position = leader.map(|(zxid, _)| Position::hexadecimal(zxid));
            seen.leader = leader.map(|(_, id)| id.clone());
            Seen::answered(address.member.clone(), seen)
        }
        (Ok(_), None) => Seen::silent(address.member.clone(), Reach::Unknown),
        (Err(why), _) => Seen::silent(address.member.clone(), why.reach()),
    });
    // The newest list of ours that a server gave; one of another ensemble only if there is no other.
    let given = answers.iter().filter_map(|(address, said)| {
        let (_, list) = said.as_ref().ok()?;
        let rank = (*list.cluster == **ours, list.revision);
        Some((rank, address.id.clone().unwrap_or_default(), list.clone()))
    });
    View::new(targets.collect(), Membership::agreed_of(&given.collect::<Vec<_>>()))
}

/// Who leads, and what it had before any server synced with it: of those who say so and work, who has the most.
fn leader<'t>(ours: &Uid, answers: &'t [Answer<'_>]) -> Option<(u64, &'t MemberId)> {
    let leads = answers.iter().filter_map(|(address, said)| {
        let (status, list) = said.as_ref().ok()?;
        let leads = status.leads && *list.cluster == **ours;
        leads.then_some((status.zxid, address.id.as_ref()?))
    });
    leads.max()
}

fn seen(id: &MemberId, status: &Status, list: &Membership) -> MemberStatus {
    let standing = match list.voters().any(|it| it.id == *id) {
        true if status.leads => Standing::Leader,
        true => Standing::Voter,
        false => Standing::NonVoter,
    };
    MemberStatus::new(id.clone(), list.cluster.clone(), standing).runs(status.version.clone())
}

/// A request as ZooKeeper has it: the line of a server that is to be listed so, or the id of one that is not to be.
fn change(object: &Identity, request: &Request) -> Option<(String, String)> {
    let put = |id, member, votes| (line(id, &object.host(member), votes), String::new());
    match request {
        Request::Join { member, id: Some(id), votes, .. } => Some(put(id, member, *votes)),
        Request::Promote { member, id, .. } => Some(put(id, member, true)),
        Request::Leave { id, .. } => Some((String::new(), id.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
