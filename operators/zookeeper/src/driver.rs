//! The driver: asks servers what they say, and one of them for a change of the membership.
//!
//! Invariants: a server is asked at its own address only. It works if it gives the list of members after a transaction
//! and a sync through it: both need a quorum that it is connected with, so no server that was left behind passes. The
//! list is that of `/zookeeper/config` alone, because a server that was removed goes on as a follower. A change is
//! conditioned on the version of the list; nothing is retried here.

use endstate::driver::{Address, Driver, Outcome, Target};
use endstate_core::{
    Call, Entry, Identity, MemberId, MemberStatus, Membership, Position, Reach, Refusal, Request,
    Standing, View,
};
use futures::future::join_all;
use zookeeper_plan::{
    CLIENT_PORT, Ensemble, Role, ServerId, ZookeeperClusterSpec, Zxid, admin_secret, host, server,
};

use crate::client::{self, Change, Code, Failure, Mode, Session, Status};

/// The key of the password in the secret.
pub(crate) const PASSWORD: &str = "password";

/// The user whom servers know by the digest that they are started with.
pub(crate) const SUPER: &str = "super";

/// The driver. It holds no connections: ensembles are many and looks are rare.
#[derive(Clone, Copy, Debug)]
pub struct ZooKeeperDriver;

type Of<'a> = Target<'a, ZookeeperClusterSpec>;

/// What one server said: of itself first, then of the ensemble.
struct Answer<'t> {
    address: &'t Address,
    status: Result<Status, Failure>,
    ensemble: Result<Ensemble, Failure>,
}

impl Driver for ZooKeeperDriver {
    type Spec = ZookeeperClusterSpec;

    async fn observe(&self, target: &Of<'_>) -> View {
        let states = join_all(target.members.iter().map(state)).await;
        let answers = join_all(target.members.iter().zip(states).map(|(address, status)| async {
            let ensemble = match &status {
                Ok(_) => look(target, address).await,
                Err(why) => Err(why.clone()),
            };
            Answer { address, status, ensemble }
        }));
        let look = Look { object: target.object, answers: answers.await };
        View::new(look.targets(), look.membership())
    }

    async fn act(&self, target: &Of<'_>, call: &Call) -> Outcome {
        let Some((change, version)) = change(target.object, call) else {
            return Outcome::blocked("ZooKeeper has no such call");
        };
        let Some(endpoint) = target.address(&call.via).and_then(endpoint) else {
            return Outcome::blocked(format_args!("{} has no address", call.via));
        };
        let made = match Session::open(&endpoint, &users(target)).await {
            Ok(session) => session.reconfigure(&change, version).await.map(drop),
            Err(why) => Err(why),
        };
        let Err(why) = made else { return Outcome::Done };
        // The leader may have applied it and lost its lead before it could say so.
        match look_at(&endpoint, &[]).await {
            Ok(ensemble) if is_done(&change, &ensemble) => Outcome::Done,
            _ if matches!(why, Failure::Refused { code: Code::NoAuth, .. }) => {
                let secret = admin_secret(&target.object.name, target.spec.credential);
                Outcome::blocked(format_args!(
                    "{why}: the Secret {secret} is not the one that servers were started with; raise spec.credential by one"
                ))
            }
            _ => Outcome::blocked(why),
        }
    }
}

fn endpoint(address: &Address) -> Option<String> {
    let host = address.host.as_deref()?;
    Some(match host {
        it if it.contains(':') => format!("[{it}]:{CLIENT_PORT}"),
        it => format!("{it}:{CLIENT_PORT}"),
    })
}

async fn state(address: &Address) -> Result<Status, Failure> {
    let unreachable = || Failure::Unreachable {
        endpoint: address.member.to_string(),
        why: "it has no address".to_owned(),
    };
    client::status(&endpoint(address).ok_or_else(unreachable)?).await
}

async fn look(target: &Of<'_>, address: &Address) -> Result<Ensemble, Failure> {
    look_at(&endpoint(address).unwrap_or_default(), &users(target)).await
}

async fn look_at(endpoint: &str, users: &[String]) -> Result<Ensemble, Failure> {
    Session::open(endpoint, users).await?.ensemble().await
}

/// The user with every password that a server may know: while they roll, some know the one before.
fn users(target: &Of<'_>) -> Vec<String> {
    let password = |credential: u32| {
        let name = admin_secret(&target.object.name, credential);
        let password = std::str::from_utf8(target.secrets.get(&name, PASSWORD)?).ok()?;
        Some(format!("{SUPER}:{password}"))
    };
    credentials(target.spec).filter_map(password).collect()
}

/// The passwords in use: the one that is asked for, and the one before.
pub(crate) fn credentials(spec: &ZookeeperClusterSpec) -> impl Iterator<Item = u32> + use<> {
    let newest = spec.credential;
    (newest.saturating_sub(1).max(1)..=newest).rev()
}

/// All answers of one look.
struct Look<'t> {
    object: &'t Identity,
    answers: Vec<Answer<'t>>,
}

impl Look<'_> {
    /// The newest list of ours that a server gave; one of another ensemble only if there is no other.
    fn list(&self) -> Option<&Ensemble> {
        let lists = self.answers.iter().filter_map(|it| it.ensemble.as_ref().ok());
        lists.max_by_key(|it| (self.is_ours(it), it.version))
    }

    /// Who leads, and what it had before any server synced with it: of those who say so and work, who has the most.
    fn leader(&self) -> Option<(Zxid, &MemberId)> {
        let works = |it: &&Answer<'_>| it.ensemble.as_ref().is_ok_and(|it| self.is_ours(it));
        let leads = self.answers.iter().filter(works).filter_map(|it| {
            let status = it.status.as_ref().ok().filter(|it| it.mode == Mode::Leader)?;
            Some((status.zxid, it.address.id.as_ref()?))
        });
        leads.max()
    }

    fn targets(&self) -> Vec<endstate_core::Target> {
        self.answers.iter().map(|it| self.target(it)).collect()
    }

    fn target(&self, answer: &Answer<'_>) -> endstate_core::Target {
        let name = answer.address.member.clone();
        match (&answer.status, &answer.ensemble, &answer.address.id) {
            (Ok(status), Ok(ensemble), Some(id)) => {
                let status = self.status(id, status, ensemble);
                endstate_core::Target::answered(name, status)
            }
            (_, Err(why), _) => endstate_core::Target::silent(name, reach(why)),
            _ => endstate_core::Target::silent(name, Reach::Unknown),
        }
    }

    fn status(&self, id: &MemberId, status: &Status, ensemble: &Ensemble) -> MemberStatus {
        let votes = entry(id, ensemble) == Some(Role::Participant);
        let standing = match status.mode {
            _ if !votes => Standing::NonVoter,
            Mode::Leader => Standing::Leader,
            _ => Standing::Voter,
        };
        let answer = MemberStatus::new(id.clone(), self.cluster(ensemble), standing);
        let mut answer = answer.runs(status.version.clone());
        // What the leader had before this server synced with it, the server has now.
        answer.position = self.leader().map(|(zxid, _)| Position::at(zxid.into()));
        answer.leader = self.leader().map(|(_, id)| id.clone());
        answer
    }

    /// ZooKeeper's ensembles have no id. One of ours lists servers by names that are used once, in a service of ours.
    fn is_ours(&self, ensemble: &Ensemble) -> bool {
        let ours = |it: &zookeeper_plan::Server| {
            self.answers
                .iter()
                .any(|answer| it.quorum.host == host(self.object, &answer.address.member))
        };
        ensemble.servers.values().any(ours)
    }

    fn cluster(&self, ensemble: &Ensemble) -> String {
        let ours = || self.object.uid.to_string();
        if self.is_ours(ensemble) { ours() } else { "another".to_owned() }
    }

    fn membership(&self) -> Option<Membership> {
        let list = self.list()?;
        let votes = |it: &Role| *it == Role::Participant;
        let same = |it: &&Answer<'_>| it.ensemble.as_ref().is_ok_and(|it| it == list);
        let voters = self.answers.iter().filter(same).filter_map(|it| it.address.id.as_ref());
        let agreed = voters.filter(|id| entry(id, list).is_some_and(|it| votes(&it))).count();
        let members = list.servers.iter().map(|(id, it)| {
            let name = it.quorum.host.split('.').next().unwrap_or_default();
            Entry::voter(id.to_string(), name).voting(votes(&it.role))
        });
        let list = Membership::new(self.cluster(list), members).revision(list.version.into());
        Some(list.agreed(agreed))
    }
}

fn entry(id: &MemberId, ensemble: &Ensemble) -> Option<Role> {
    ensemble.servers.get(&number(id)?).map(|it| it.role)
}

fn number(id: &MemberId) -> Option<ServerId> {
    id.parse().ok().map(ServerId)
}

fn reach(failure: &Failure) -> Reach {
    match failure {
        Failure::Unreachable { .. } => Reach::Unreachable,
        Failure::Unknown { .. } => Reach::Unknown,
        Failure::Refused { code: Code::NoAuth, .. } => Reach::Refused(Refusal::NeedsUser),
        Failure::Refused { .. } => Reach::Refused(Refusal::Other),
    }
}

/// A request as ZooKeeper has it, and the version of the list that it was decided on.
fn change(object: &Identity, call: &Call) -> Option<(Change, Zxid)> {
    let put = |member, id: &MemberId, role| {
        Some(Change::Put(number(id)?, server(host(object, member), role)))
    };
    let change = match &call.request {
        Request::Join { member, id: Some(id), votes: true, .. }
        | Request::Promote { member, id, .. } => put(member, id, Role::Participant),
        Request::Join { member, id: Some(id), .. } => put(member, id, Role::Observer),
        Request::Leave { id, .. } => number(id).map(Change::Remove),
        _ => None,
    };
    change.zip(call.roster.revision.map(Zxid::from))
}

fn is_done(change: &Change, ensemble: &Ensemble) -> bool {
    match change {
        Change::Put(id, server) => ensemble.servers.get(id) == Some(server),
        Change::Remove(id) => !ensemble.servers.contains_key(id),
    }
}

#[cfg(test)]
mod tests;
