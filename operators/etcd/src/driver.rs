//! The etcd driver: asks members what they say, and asks the leader for one change.
//!
//! Invariants: every member is asked at its own address only; the list of members comes from voters, each after a read
//! that needs a quorum, so that a stale member cannot give an old one; before a change the list is read again from the
//! member that is asked for it; nothing is retried here.

mod auth;
mod compare;
mod space;
mod starting;

use endstate::client::{Endpoint, Proven};
use endstate::driver::{Address, Comparisons, Driver, LongCalls, Outcome, Target};
use endstate_core::tls::{Shown, Source};
use endstate_core::{
    AppStep, Call, Corruption, Entry, Facts, Fullness, MemberStatus, Membership, Position, Reach,
    Refusal, Request, Roster, Standing, Starting, Task, Version, View, Words,
};
use etcd_client::AlarmType;
use etcd_plan::auth::{AuthFacts, DISABLE_AUTH, ENABLE_AUTH, SET_ROOT_PASSWORD};
use etcd_plan::{
    ADDRESS, APPLICATION, CANCEL_DOWNGRADE, CLIENT_PORT, COMPACT, ClusterFacts, DEFRAGMENT,
    ENABLE_DOWNGRADE, EtcdClusterSpec, MOVE_ADDRESS, MemberFacts, NoSpace, OPERATIONS, TO,
    WITHDRAW_NOSPACE,
};
use futures::future::join_all;

use crate::client::{Alarms, Connection, Failure, Login, Members, Status, wants_user};
use space::Rooms;

/// The driver. It holds no connections: clusters are many and looks are rare.
#[derive(Debug, Default)]
pub struct EtcdDriver {
    proven: Proven,
    long: LongCalls<Result<(), Failure>>,
    comparisons: Comparisons,
    rooms: Rooms,
}

impl Driver for EtcdDriver {
    type Spec = EtcdClusterSpec;

    async fn observe(&self, target: &Target<'_, EtcdClusterSpec>) -> View {
        let answers = join_all(target.members.iter().map(|it| self.ask(target, it))).await;
        let membership = agreed(&answers);
        let targets =
            answers.iter().map(|it| it.target(self.rooms.after(&target.object.uid, &it.name)));
        let targets = targets.collect();
        let auth = self.auth(target, &answers).await;
        let no_space = no_space(&answers, self.rooms.is_compacted(&target.object.uid));
        let reason = reason(target.spec, auth.as_ref());
        let same_for = membership.as_ref().filter(|_| reason.is_some());
        let comparisons = match &membership {
            Some(list) => self.compare(target, (&answers, list), reason).await,
            None => self.comparisons.known(&target.object.uid),
        };
        let same_data = same_for.and_then(|it| it.same_data(comparisons.last()?));
        let tasks = self.long.tasks(&target.object.uid);
        let at_work = tasks.first().and_then(Task::step);
        let facts = Facts::of(&ClusterFacts { same_data, auth, no_space, at_work });
        View::new(targets, membership).tasks(tasks).facts(facts).compared(comparisons)
    }

    async fn act(&self, target: &Target<'_, EtcdClusterSpec>, call: &Call) -> Outcome {
        let address = target.address(&call.via);
        let endpoints = address.map(|it| self.endpoints(target, it)).transpose();
        let endpoints = endpoints.ok().flatten().unwrap_or_default();
        let Some(endpoint) = first_open(endpoints).await else {
            return Outcome::blocked(format_args!("{} has no address", call.via));
        };
        let login = self.login(target, &endpoint);
        match Box::pin(self.change(target, call, (&endpoint, &login))).await {
            Ok(Some(())) => {
                if matches!(call.request, Request::AllClear { .. }) {
                    // The next alarm is about something else.
                    self.comparisons.forget(&target.object.uid);
                }
                Outcome::Done
            }
            Ok(None) => Outcome::Running,
            Err(why) => Box::pin(why.outcome(call)).await,
        }
    }

    async fn tend(&self, target: &Target<'_, EtcdClusterSpec>, step: &AppStep) -> Outcome {
        let told = async {
            let address = target.address(&step.member).ok_or_else(no_address)?;
            auth::tend(target, &self.open(target, address).await?, step).await
        };
        Box::pin(told).await.map_or_else(Outcome::blocked, |()| Outcome::Done)
    }
}

impl EtcdDriver {
    fn endpoints(
        &self,
        target: &Target<'_, EtcdClusterSpec>,
        address: &Address,
    ) -> Result<Vec<Endpoint>, Failure> {
        let link = target.spec.tls.client();
        target.endpoints((address, CLIENT_PORT), (APPLICATION, link))
    }

    /// As root where that takes a password: a certificate of the operator's making says it, too.
    fn login(&self, target: &Target<'_, EtcdClusterSpec>, endpoint: &Endpoint) -> Login {
        let managed = |it: &Source| it.shown() == Shown::Managed;
        if endpoint.secured_by().is_some() && target.spec.tls.client().source().is_some_and(managed)
        {
            return Login::default();
        }
        let passwords = auth::root_passwords(target);
        let others = target.members.iter().filter(|_| !passwords.is_empty());
        let others = others.filter_map(|it| self.endpoints(target, it).ok()?.into_iter().next());
        Login { others: others.collect(), passwords }
    }

    async fn open(
        &self,
        target: &Target<'_, EtcdClusterSpec>,
        address: &Address,
    ) -> Result<Connection, Failure> {
        let endpoint = first_open(self.endpoints(target, address)?).await;
        let endpoint = endpoint.ok_or_else(no_address)?;
        Connection::login(&endpoint, &self.login(target, &endpoint)).await
    }

    /// What etcd says of users, if anybody declares anything of them: the leader, or who else answers.
    async fn auth(
        &self,
        target: &Target<'_, EtcdClusterSpec>,
        answers: &[Answer],
    ) -> Option<AuthFacts> {
        let declared =
            target.spec.auth.is_some() || target.beside.iter().any(|it| !OPERATIONS.has(&it.kind));
        let refused = |it: &&Answer| matches!(it.reach, Reach::Refused(_));
        let leader = answers.iter().find(|it| it.leads());
        let asked = leader.or_else(|| answers.iter().find(refused)).filter(|_| declared)?;
        let connection = self.open(target, target.address(&asked.name)?).await.ok()?;
        let facts = auth::facts(target, &connection, &self.proven).await;
        facts.inspect_err(|error| tracing::debug!(member = asked.name, %error, "no users")).ok()
    }

    async fn ask(&self, target: &Target<'_, EtcdClusterSpec>, address: &Address) -> Answer {
        let name = address.member.to_string();
        let Ok(endpoints) = self.endpoints(target, address) else {
            return Answer::none(name, Reach::Unreachable);
        };
        let mut reached = Reach::Unknown;
        for endpoint in endpoints {
            match Box::pin(self.look(&endpoint, &self.login(target, &endpoint))).await {
                Ok((status, alarms, members)) => {
                    let agreed_version = match changes_minor(target.spec, &status) {
                        true => self.agreed_version(&endpoint).await,
                        false => None,
                    };
                    let (reach, status) = (Reach::Reachable, Some((status, alarms)));
                    let starting = None;
                    return Answer { name, reach, status, members, agreed_version, starting };
                }
                Err(error) => {
                    tracing::debug!(member = name, endpoint = endpoint.url(), %error, "no answer");
                    reached = reach(&endpoint, &error).await;
                }
            }
            if reached != Reach::Unreachable {
                break;
            }
        }
        let starting = match reached {
            Reach::Unreachable => starting::starting(address).await,
            _ => None,
        };
        Answer { starting, ..Answer::none(name, reached) }
    }

    async fn agreed_version(&self, endpoint: &Endpoint) -> Option<Version> {
        Connection::to(endpoint).await.ok()?.cluster_version().await
    }

    /// What the member says of itself, the alarms that stand, and the list of members if it gives one.
    async fn look(
        &self,
        endpoint: &Endpoint,
        login: &Login,
    ) -> Result<(Status, Alarms, Option<Members>), Failure> {
        let connection = Connection::login(endpoint, login).await?;
        let status = connection.status().await?;
        if status.learner || status.leader == 0 {
            return Ok((status, Alarms::default(), None));
        }
        let mut alarms = match status.complains {
            true => connection.alarms().await?,
            false => Alarms::default(),
        };
        if !alarms.no_space.is_empty() && status.leader == status.member {
            alarms.compacted = connection.is_compacted(status.revision).await.ok();
        }
        let members = connection.members().await;
        let members = members
            .inspect_err(|error| tracing::debug!(endpoint = endpoint.url(), %error, "no list"));
        Ok((status, alarms, members.ok()))
    }

    /// Makes one change. Nothing if it is still at work.
    async fn change(
        &self,
        target: &Target<'_, EtcdClusterSpec>,
        call: &Call,
        (endpoint, login): (&Endpoint, &Login),
    ) -> Result<Option<()>, Blocked> {
        let connection = Connection::login(endpoint, login).await?;
        // The list that the decision was made on must still be the list. etcd's own calls have no such condition.
        let list = connection.members().await?;
        if roster(&list) != call.roster {
            return Err(Blocked::Moved);
        }
        let made = match &call.request {
            Request::Join { address, .. } => connection.add_learner(address).await.map(drop),
            Request::Promote { id, .. } => connection.promote(number(id)?).await,
            Request::Transfer { id, .. } => connection.move_leader(number(id)?).await,
            Request::Leave { id, .. } => connection.remove(number(id)?).await,
            Request::AllClear { alarm, .. } => {
                connection.withdraw(accused(alarm)?, AlarmType::Corrupt).await
            }
            Request::App(step) => match (step.name.as_str(), step.arguments.get(TO)) {
                (ENABLE_DOWNGRADE, Some(to)) => connection.enable_downgrade(to).await,
                (CANCEL_DOWNGRADE, None) => connection.cancel_downgrade().await,
                (ENABLE_AUTH | DISABLE_AUTH | SET_ROOT_PASSWORD, None) => {
                    auth::step(target, &connection, &step.name).await
                }
                (DEFRAGMENT | COMPACT, None) => {
                    let uid = &target.object.uid;
                    let call =
                        self.rooms.clone().make(connection.clone(), (uid.clone(), step.clone()));
                    match self.long.run(uid, step, call).await {
                        Some(made) => made,
                        None => return Ok(None),
                    }
                }
                (WITHDRAW_NOSPACE, None) => connection.withdraw_no_space().await,
                _ => {
                    let (id, address) = new_address(step, &list).ok_or(Blocked::NoCall)?;
                    connection.update(id, address).await
                }
            },
            _ => return Err(Blocked::NoCall),
        };
        match made {
            Err(failure @ Failure::Refused(_)) => {
                Err(Blocked::Refused { connection: Box::new(connection), failure })
            }
            made => Ok(Some(made?)),
        }
    }
}

/// Whether a member has to say which version the members have agreed on: before its minor changes, and while it does.
fn changes_minor(spec: &EtcdClusterSpec, status: &Status) -> bool {
    let minor = |it: &str| it.parse::<Version>().ok().map(|it| it.minor);
    spec.next.is_some() || minor(&status.version) != minor(&spec.version)
}

/// For what it is asked whether the data of all is the same: another minor, or users that are to be asked for.
fn reason(spec: &EtcdClusterSpec, auth: Option<&AuthFacts>) -> Option<String> {
    let begins = spec.auth.as_ref().is_some_and(|it| it.enabled)
        && auth.is_some_and(|it| !it.enabled && !it.denied);
    let next = spec.next.map(|it| format!("to {it}"));
    next.or_else(|| begins.then(|| "users".to_owned()))
}

/// Of several ways to talk to a member the first that it answers by.
async fn first_open(endpoints: Vec<Endpoint>) -> Option<Endpoint> {
    let mut endpoints = endpoints.into_iter().peekable();
    while let Some(endpoint) = endpoints.next() {
        let is_last = endpoints.peek().is_none();
        if is_last || !matches!(status(&endpoint).await, Err(Failure::Unreachable(_))) {
            return Some(endpoint);
        }
    }
    None
}

async fn status(endpoint: &Endpoint) -> Result<Status, Failure> {
    Connection::to(endpoint).await?.status().await
}

/// What a failure tells of a member. One that asks for a user may serve all the same.
async fn reach(endpoint: &Endpoint, failure: &Failure) -> Reach {
    match failure {
        it if !wants_user(it) => it.reach(),
        _ => match Connection::to(endpoint).await {
            Ok(connection) if connection.serves().await => Reach::Refused(Refusal::Guarded),
            _ => Reach::Refused(Refusal::NeedsUser),
        },
    }
}

fn no_address() -> Failure {
    Failure::unreachable("the member has no address")
}

/// What one member answered.
struct Answer {
    name: String,
    reach: Reach,
    /// What it says of itself, and the alarms that stand.
    status: Option<(Status, Alarms)>,
    members: Option<Members>,
    /// The version that the members have agreed on; asked for only while the minor changes.
    agreed_version: Option<Version>,
    /// What one says that waits for a quorum.
    starting: Option<Starting>,
}

impl Answer {
    fn none(name: String, reach: Reach) -> Self {
        Self { name, reach, status: None, members: None, agreed_version: None, starting: None }
    }

    /// With what its database was right after it was defragmented.
    fn target(&self, defragmented: Option<(u64, u64)>) -> endstate_core::Target {
        let status = self.status.as_ref().map(|(it, alarms)| {
            let standing = match it {
                it if it.learner => Standing::NonVoter,
                it if it.leader == it.member => Standing::Leader,
                _ => Standing::Voter,
            };
            let mut status = MemberStatus::new(hex(it.member), hex(it.cluster), standing)
                .at(Position::at(it.raft_index))
                .runs(it.version.clone())
                .holds(it.database.size)
                .facts(Facts::of(&MemberFacts {
                    version: it.version.parse().ok(),
                    cluster_version: self.agreed_version,
                    storage_version: it.storage_version,
                    downgrade: it.downgrade,
                    database: Some(Fullness { rewritten: defragmented, ..it.database }),
                }))
                .reports(alarms.corrupt.iter().copied().map(corruption).collect());
            status.leader = (it.leader != 0).then(|| hex(it.leader).into());
            status
        });
        let mut target = endstate_core::Target::new(self.name.as_str(), self.reach, status);
        target.starting.clone_from(&self.starting);
        target
    }

    fn leads(&self) -> bool {
        self.status.as_ref().is_some_and(|(it, _)| it.leader == it.member)
    }

    fn id(&self) -> u64 {
        self.status.as_ref().map_or(0, |(it, _)| it.member)
    }
}

/// What is known where an alarm says that a member has no space left.
fn no_space(answers: &[Answer], is_compacted: bool) -> Option<NoSpace> {
    let told = answers.iter().filter_map(|it| it.status.as_ref());
    let full = told.map(|it| &it.1.no_space).max_by_key(|it| it.len())?;
    let leader = answers.iter().find(|it| it.leads()).and_then(|it| it.status.as_ref());
    let known = NoSpace {
        full: full.iter().map(|it| hex(*it)).collect(),
        revision: leader.and_then(|it| it.0.revision.try_into().ok()).unwrap_or_default(),
        compacted: if is_compacted { Some(true) } else { leader.and_then(|it| it.1.compacted) },
    };
    (!known.full.is_empty()).then_some(known)
}

/// The list of members to go by: the leader's, or without it the one that most gave.
fn agreed(answers: &[Answer]) -> Option<Membership> {
    let given = answers.iter().filter_map(|it| {
        let list = membership(it.members.as_ref()?);
        Some((it.leads(), hex(it.id()).into(), list))
    });
    Membership::agreed_of(&given.collect::<Vec<_>>())
}

/// The list, as the planner has it.
fn membership(list: &Members) -> Membership {
    let entry = |it: &crate::client::Member| {
        let address = it.peer_urls.first().cloned();
        Entry::voter(hex(it.id), pod_name(it)).voting(!it.learner).at(address)
    };
    Membership::new(hex(list.cluster), list.members.iter().map(entry))
}

/// What decides of a list. Names differ for a moment after a member's first start, and decide nothing.
fn roster(list: &Members) -> Roster {
    membership(list).roster()
}

/// etcd writes its ids in hexadecimal.
fn hex(id: u64) -> String {
    format!("{id:x}")
}

/// Id 0 stands for data that differs without a proof whose is wrong.
fn corruption(id: u64) -> Corruption {
    if id == 0 { Corruption::Undetermined } else { Corruption::Of(hex(id).into()) }
}

/// Whom an alarm accuses, as etcd counts.
fn accused(alarm: &Corruption) -> Result<u64, Blocked> {
    match alarm {
        Corruption::Of(id) => number(id),
        _ => Ok(0),
    }
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
    #[error("{0:?} is no id of etcd's")]
    NoId(String),
    #[error("etcd has no such call")]
    NoCall,
}

impl Blocked {
    /// What became of the action. A refusal has one code for several causes, so the list is read again: what is so
    /// already was carried out by an earlier call.
    async fn outcome(self, call: &Call) -> Outcome {
        let why = Words::of(&format!("{}: {self}", call.via));
        let Self::Refused { connection, failure } = self else { return Outcome::Blocked(why) };
        if connection.members().await.is_ok_and(|list| is_done(&call.request, &list)) {
            return Outcome::Done;
        }
        // A change may have a wrong argument, a read has none.
        let guarded =
            wants_user(&failure) && connection.read().await.is_err_and(|it| wants_user(&it));
        if guarded { Outcome::NeedsUser(why) } else { Outcome::Blocked(why) }
    }
}

/// The voter that is to be listed under another address, and that address.
fn new_address<'a>(step: &'a AppStep, list: &Members) -> Option<(u64, &'a str)> {
    let address = step.arguments.get(ADDRESS).filter(|_| step.name == MOVE_ADDRESS)?;
    let named = |it: &&crate::client::Member| !it.learner && pod_name(it) == *step.member;
    Some((list.members.iter().find(named)?.id, address))
}

fn number(id: &str) -> Result<u64, Blocked> {
    u64::from_str_radix(id, 16).map_err(|_| Blocked::NoId(id.to_owned()))
}

/// Whether the list is as a request wants it. Who joins is known by its address, because etcd gives the id.
fn is_done(request: &Request, list: &Members) -> bool {
    let listed = |address| list.members.iter().any(|it| it.peer_urls.contains(address));
    match request {
        Request::Join { address, .. } => listed(address),
        Request::App(step) => step.arguments.get(ADDRESS).is_some_and(listed),
        _ => membership(list).is_after(request),
    }
}

#[cfg(test)]
mod tests;
