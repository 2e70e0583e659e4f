//! The driver: asks servers what they say, and one of them for a change of the membership.
//!
//! Invariants: a server is asked at its own address only. It works if it gives the list of members after a transaction
//! and a sync through it: both need a quorum that it is connected with, so no server that was left behind passes. The
//! list is that of `/zookeeper/config` alone, because a server that was removed goes on as a follower. A change is
//! conditioned on the version of the list; nothing is retried here.

use endstate::driver::{Address, Driver, Outcome, Target};
use endstate::operator::Credentials;
use endstate_core::{
    Call, Entry, Identity, MemberId, MemberStatus, Membership, Position, Reach, Refusal, Request,
    Standing, View,
};
use futures::future::join_all;
use zookeeper_plan::{CLIENT_PORT, Ensemble, OBSERVER, SERVER, ZookeeperClusterSpec, Zxid, server};

use crate::client::{self, Change, Code, Failure, Session, Status};

/// The user whom servers know by the digest that they are started with.
pub(crate) const SUPER: &str = "super";

/// The driver. It holds no connections: ensembles are many and looks are rare.
#[derive(Clone, Copy, Debug)]
pub struct ZooKeeperDriver;

type Of<'a> = Target<'a, ZookeeperClusterSpec>;

/// What one server said: of itself first, then of the ensemble.
type Answer<'t> = (&'t Address, Result<(Status, Ensemble), Failure>);

impl Driver for ZooKeeperDriver {
    type Spec = ZookeeperClusterSpec;

    async fn observe(&self, target: &Of<'_>) -> View {
        let (members, users) = (&target.members, &users(target));
        let states = join_all(members.iter().map(state)).await;
        let said = join_all(
            members
                .iter()
                .zip(states)
                .map(async |(address, status)| Ok((status?, list(address, users).await?))),
        );
        let answers = members.iter().zip(said.await).collect();
        let look = Look { object: target.object, answers };
        View::new(look.answers.iter().map(|it| look.target(it)).collect(), look.membership())
    }

    async fn act(&self, target: &Of<'_>, call: &Call) -> Outcome {
        let Some((change, version)) = change(target.object, call) else {
            return Outcome::blocked("ZooKeeper has no such call");
        };
        let (via, unknown) = (&call.via, Address::of(call.via.clone(), None));
        let address = target.address(via).unwrap_or(&unknown);
        let made =
            async { open(address, &users(target)).await?.reconfigure(&change, version).await };
        let made = made.await;
        let Err(why) = made else { return Outcome::Done };
        // The leader may have applied it and lost its lead before it could say so.
        match list(address, &[]).await {
            Ok(ensemble) if change.is_made(&ensemble) => Outcome::Done,
            _ if why == Failure::Refused(Code::NoAuth) => {
                let secret = credentials(target.object, target.spec).newest();
                Outcome::blocked(format_args!(
                    "{via}: {why}: the Secret {secret} is not the one that servers were started with; raise spec.credential by one"
                ))
            }
            _ => Outcome::blocked(format_args!("{via}: {why}")),
        }
    }
}

fn endpoint(address: &Address) -> Result<String, Failure> {
    address.endpoint(CLIENT_PORT).ok_or_else(|| Failure::unreachable("it has no address"))
}

async fn state(address: &Address) -> Result<Status, Failure> {
    client::status(&endpoint(address)?).await
}

async fn open(address: &Address, users: &[String]) -> Result<Session, Failure> {
    Session::open(&endpoint(address)?, users).await
}

async fn list(address: &Address, users: &[String]) -> Result<Ensemble, Failure> {
    open(address, users).await?.ensemble().await
}

/// The passwords by which the operator changes the membership.
pub(crate) fn credentials<'a>(
    object: &'a Identity,
    spec: &ZookeeperClusterSpec,
) -> Credentials<'a> {
    Credentials::of(&object.name, spec.credential)
}

/// The user with every password that a server may know: while they roll, some know the one before.
fn users(target: &Of<'_>) -> Vec<String> {
    let passwords = credentials(target.object, target.spec).passwords(&target.secrets);
    passwords.iter().map(|it| format!("{SUPER}:{it}")).collect()
}

/// All answers of one look.
struct Look<'t> {
    object: &'t Identity,
    answers: Vec<Answer<'t>>,
}

impl Look<'_> {
    fn target(&self, (address, said): &Answer<'_>) -> endstate_core::Target {
        let name = address.member.clone();
        match (said, &address.id) {
            (Ok(said), Some(id)) => endstate_core::Target::answered(name, self.status(id, said)),
            (Ok(_), None) => endstate_core::Target::silent(name, Reach::Unknown),
            (Err(why), _) => endstate_core::Target::silent(name, reach(why)),
        }
    }

    fn status(&self, id: &MemberId, (status, list): &(Status, Ensemble)) -> MemberStatus {
        let standing = match list.servers.get(id) {
            Some(it) if it.votes && status.leads => Standing::Leader,
            Some(it) if it.votes => Standing::Voter,
            _ => Standing::NonVoter,
        };
        let answer = MemberStatus::new(id.clone(), self.cluster(list), standing);
        let mut answer = answer.runs(status.version.clone());
        if let Some((zxid, leader)) = self.leader() {
            // What the leader had before this server synced with it, the server has now.
            answer = answer.at(Position::at(zxid.0)).follows(leader.clone());
        }
        answer
    }

    /// Who leads, and what it had before any server synced with it: of those who say so and work, who has the most.
    fn leader(&self) -> Option<(Zxid, &MemberId)> {
        let leads = self.answers.iter().filter_map(|(address, said)| {
            let (status, list) = said.as_ref().ok()?;
            let leads = status.leads && self.is_ours(list);
            leads.then_some((status.zxid, address.id.as_ref()?))
        });
        leads.max()
    }

    /// The newest list of ours that a server gave; one of another ensemble only if there is no other.
    fn membership(&self) -> Option<Membership> {
        let given = self.answers.iter().filter_map(|(address, said)| {
            let (_, list) = said.as_ref().ok()?;
            let by = address.id.clone().unwrap_or_default();
            Some(((self.is_ours(list), list.version), by, self.list(list)))
        });
        Membership::agreed_of(&given.collect::<Vec<_>>())
    }

    fn list(&self, list: &Ensemble) -> Membership {
        let members = list.servers.iter().map(|(id, it)| {
            let name = it.host.split('.').next().unwrap_or_default();
            Entry::voter(id.clone(), name).voting(it.votes)
        });
        Membership::new(self.cluster(list), members).revision(list.version.0)
    }

    /// ZooKeeper's ensembles have no id. One of ours lists servers by names that are used once, in a service of ours.
    fn is_ours(&self, list: &Ensemble) -> bool {
        let mut hosts = self.answers.iter().map(|(address, _)| self.object.host(&address.member));
        hosts.any(|host| list.servers.values().any(|it| it.host == host))
    }

    fn cluster(&self, list: &Ensemble) -> String {
        if self.is_ours(list) { self.object.uid.to_string() } else { "another".to_owned() }
    }
}

fn reach(failure: &Failure) -> Reach {
    match failure {
        Failure::Refused(Code::NoAuth) => Reach::Refused(Refusal::NeedsUser),
        _ => failure.reach(),
    }
}

/// A request as ZooKeeper has it, and the version of the list that it was decided on.
fn change(object: &Identity, call: &Call) -> Option<(Change, Zxid)> {
    let listed = |member, role| Some(server(object.host(member), role));
    let (id, to) = match &call.request {
        Request::Join { member, id: Some(id), votes: true, .. }
        | Request::Promote { member, id, .. } => (id, listed(member, SERVER)),
        Request::Join { member, id: Some(id), .. } => (id, listed(member, OBSERVER)),
        Request::Leave { id, .. } => (id, None),
        _ => return None,
    };
    Some((Change { id: id.clone(), to }, Zxid(call.roster.revision?)))
}

#[cfg(test)]
mod tests;
