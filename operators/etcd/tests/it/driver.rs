//! The driver against real members: what it sees of a cluster, of a dead member and of a learner, and that a decision
//! made on an old list is not carried out.

use std::process::Command;

use crate::support::{Place, Process, etcd_of, eventually};
use endstate::driver::{Address, Driver, Outcome, Target};
use endstate_core::{
    AppStep, Call, Corruption, Identity, LeaveReason, MemberId, Membership, Reach, Request,
    Standing, Version, View,
};
use endstate_etcd::EtcdDriver;
use endstate_etcd::client::{Connection, wants_user};
use etcd_client::{AlarmAction, AlarmOptions, AlarmType, ConnectOptions};
use etcd_plan::{
    CANCEL_DOWNGRADE, ClusterFacts, ENABLE_DOWNGRADE, EtcdClusterSpec, MemberFacts, TO,
};

/// Looks at these members.
async fn observe(places: &[&Place]) -> View {
    let (object, spec) = cluster();
    EtcdDriver::default().observe(&target(&object, &spec, places)).await
}

/// Asks one member for a change, on the list that was seen.
async fn act(request: &Request, view: &View, via: &Place) -> Outcome {
    let (object, spec) = cluster();
    let mut call = call(view, via);
    call.request = request.clone();
    EtcdDriver::default().act(&target(&object, &spec, &[via]), &call).await
}

fn cluster() -> (Identity, EtcdClusterSpec) {
    (Identity::new("default", "demo", "0c5f"), EtcdClusterSpec::new(3, "3.5.16"))
}

fn target<'a>(
    object: &'a Identity,
    spec: &'a EtcdClusterSpec,
    places: &[&Place],
) -> Target<'a, EtcdClusterSpec> {
    let address = |it: &&Place| Address::of(it.name.as_str(), Some(it.client.clone()));
    places.iter().map(address).fold(Target::new(object, spec), Target::member)
}

fn start(places: &[&Place]) -> Vec<Process> {
    places.iter().map(|it| it.start(places, "new")).collect()
}

/// Looks until so many voters give the same list and all of those asked answer.
async fn settled(places: &[&Place], agreed: usize) -> View {
    eventually("the members agree", async || {
        let view = observe(places).await;
        let enough = view.membership.as_ref().is_some_and(|it| it.agreed == agreed);
        if enough { Ok(view) } else { Err(view) }
    })
    .await
}

fn leader<'a>(view: &View, places: &[&'a Place]) -> &'a Place {
    let leads = view
        .targets
        .iter()
        .find(|it| it.status.as_ref().is_some_and(|status| status.standing == Standing::Leader));
    let name = &leads.expect("one leads").name;
    places.iter().find(|it| it.name == name.as_str()).unwrap()
}

fn call(view: &View, via: &Place) -> Call {
    let list: &Membership = view.membership.as_ref().unwrap();
    let request = Request::Transfer { to: "nobody".into(), id: "1".into() };
    Call::new(request, via.name.as_str(), list.roster())
}

#[tokio::test]
async fn a_dead_member_is_unreachable_and_is_removed_once() {
    let (a, b, c) = (Place::new("a"), Place::new("b"), Place::new("c"));
    let places = [&a, &b, &c];
    let mut processes = start(&places);
    let whole = settled(&places, 3).await;
    assert!(whole.targets.iter().all(|it| it.reach == Reach::Reachable));
    let lead = leader(&whole, &places);

    let dead = places.iter().position(|it| it.name != lead.name).unwrap();
    processes[dead].kill();
    let view = settled(&places, 2).await;
    assert_eq!(view.reach(&places[dead].name), Reach::Unreachable);

    let lead = leader(&view, &places);
    let id = view.membership.as_ref().unwrap().id_of(&places[dead].name).unwrap().clone();
    let member = places[dead].name.as_str().into();
    let remove = Request::Leave { member, id, reason: LeaveReason::Dead };
    let mut old = view.clone();
    old.membership.as_mut().unwrap().members.pop();
    let stale = act(&remove, &old, lead).await;
    let changed = format!("{}: the list of members has changed since", lead.name);
    assert_eq!(stale, Outcome::blocked(changed));
    eventually("it is removed", async || match act(&remove, &view, lead).await {
        Outcome::Done => Ok(()),
        // The others must have been connected for five seconds.
        other => Err(other),
    })
    .await;
    let again = act(&remove, &view, lead).await;
    assert!(matches!(again, Outcome::Blocked(_)), "the decision was made on the list before");
    let left = settled(&places, 2).await;
    assert_eq!(left.membership.unwrap().members.len(), 2);
}

#[tokio::test]
async fn a_learner_works_and_gives_no_list() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let _a = start(&[&a]);
    let alone = settled(&[&a], 1).await;
    let add = Request::Join { member: "b".into(), id: None, address: b.peer.clone(), votes: false };
    assert_eq!(act(&add, &alone, &a).await, Outcome::Done);
    let _b = b.start(&[&a, &b], "existing");
    // Here peer addresses are numbers, so the list names a member only once it has told its name.
    let view = eventually("the learner answers and has told its name", async || {
        let view = observe(&[&a, &b]).await;
        let named = view.membership.as_ref().is_some_and(|it| it.id_of("b").is_some());
        if named && view.reach("b") == Reach::Reachable { Ok(view) } else { Err(view) }
    })
    .await;
    let learner = view.answer("b").unwrap();
    assert_eq!(learner.standing, Standing::NonVoter);
    let list = view.membership.clone().unwrap();
    assert_eq!((list.agreed, list.non_voters().count()), (1, 1));
    assert_eq!(list.id_of("b"), Some(&learner.id));

    let (member, id, address) = ("b".into(), learner.id.clone(), b.peer.clone());
    let promote = Request::Promote { member, id, address };
    eventually("it is promoted", async || match act(&promote, &view, &a).await {
        Outcome::Done => Ok(()),
        other => Err(other),
    })
    .await;
    let both = settled(&[&a, &b], 2).await;
    let lead = Request::Transfer { to: "b".into(), id: learner.id.clone() };
    eventually("the lead moves", async || match act(&lead, &both, &a).await {
        Outcome::Done => Ok(()),
        other => Err(other),
    })
    .await;
}

/// What a member with corrupt data means for the others: they name it, and still give and change the list.
#[tokio::test]
async fn an_alarm_names_the_member_with_corrupt_data_and_its_successor_can_join() {
    let (a, b, c, d) = (Place::new("a"), Place::new("b"), Place::new("c"), Place::new("d"));
    let places = [&a, &b, &c];
    let _processes = start(&places);
    let view = settled(&places, 3).await;
    let guilty: MemberId = view.answer("b").unwrap().id.clone();
    let accused = |view: &View| -> Vec<Vec<Corruption>> {
        let answers = view.targets.iter().map(|it| it.status.as_ref().unwrap());
        answers.map(|it| it.corruption.clone()).collect()
    };
    assert_eq!(accused(&view), vec![vec![]; 3]);

    let mut client = etcd_client::Client::connect([&a.client], None).await.unwrap();
    let mut alarm = async |action| {
        let mut of = AlarmOptions::new();
        of.with_member(u64::from_str_radix(&guilty, 16).unwrap());
        client.alarm(action, AlarmType::Corrupt, Some(of)).await.unwrap();
    };
    alarm(AlarmAction::Activate).await;
    let view = eventually("all tell of it", async || {
        let view = settled(&places, 3).await;
        if accused(&view) == vec![vec![Corruption::Of(guilty.clone())]; 3] {
            Ok(view)
        } else {
            Err(view)
        }
    })
    .await;
    let lead = leader(&view, &places);
    let (member, address) = ("d".into(), d.peer.clone());
    let add = Request::Join { member, id: None, address, votes: false };
    eventually("the successor is expected", async || match act(&add, &view, lead).await {
        Outcome::Done => Ok(()),
        blocked => Err(blocked),
    })
    .await;
    alarm(AlarmAction::Deactivate).await;
    eventually("the alarm is cleared", async || {
        let view = settled(&places, 3).await;
        if accused(&view) == vec![vec![]; 3] { Ok(()) } else { Err(view) }
    })
    .await;
}

/// Authentication is enabled and the driver has no user: what this version tells is used, and what it refuses is told
/// as what it is. A read of a key is refused, so the list is proven fresh by the read that `/health` makes.
#[tokio::test]
async fn without_a_user_members_are_seen_and_changes_are_refused_as_what_they_are() {
    let (a, b, c) = (Place::new("a"), Place::new("b"), Place::new("c"));
    let places = [&a, &b, &c];
    let mut processes = start(&places);
    let before = settled(&places, 3).await;
    enable_auth(&a).await;
    let view = settled(&places, 3).await;
    assert_eq!(view.membership, before.membership);
    assert!(view.targets.iter().all(|it| it.reach == Reach::Reachable));
    let connection = Connection::to(&a.endpoint()).await.unwrap();
    let refused = connection.read().await.unwrap_err();
    assert!(wants_user(&refused), "{refused}");
    assert!(connection.serves().await, "/health makes a read without a user");

    let lead = leader(&view, &places);
    let dead = places.iter().position(|it| it.name != lead.name).unwrap();
    processes[dead].kill();
    let view = settled(&places, 2).await;
    let lead = leader(&view, &places);
    let id = view.membership.as_ref().unwrap().id_of(&places[dead].name).unwrap().clone();
    let member = places[dead].name.as_str().into();
    let remove = Request::Leave { member, id, reason: LeaveReason::Dead };
    let (member, address) = ("d".into(), "http://127.0.0.1:1".into());
    let add = Request::Join { member, id: None, address, votes: false };
    for request in [&remove, &add] {
        let outcome = act(request, &view, lead).await;
        assert!(matches!(outcome, Outcome::NeedsUser(_)), "{request}: {outcome:?}");
    }
    // What the hint says: the operator goes on.
    let root = ConnectOptions::new().with_user("root", "secret");
    let mut client = etcd_client::Client::connect([&lead.client], Some(root)).await.unwrap();
    client.auth_disable().await.unwrap();
    eventually("it is removed", async || match act(&remove, &view, lead).await {
        Outcome::Done => Ok(()),
        other => Err(other),
    })
    .await;
    // Two are left; without one of them there is no quorum, and no read.
    let other = (0..3).find(|it| *it != dead && places[*it].name != lead.name).unwrap();
    processes[other].kill();
    let connection = Connection::to(&lead.endpoint()).await.unwrap();
    eventually("it serves no more", async || match connection.serves().await {
        false => Ok(()),
        true => Err("it serves"),
    })
    .await;
}

async fn enable_auth(place: &Place) {
    let mut client = etcd_client::Client::connect([&place.client], None).await.unwrap();
    client.user_add("root", "secret", None).await.unwrap();
    client.role_add("root").await.unwrap();
    client.user_grant_role("root", "root").await.unwrap();
    client.auth_enable().await.unwrap();
}

/// Three members of 3.7 that were asked for 3.6: what they say, what they do when they are asked for a downgrade, and
/// how it ends. Whoever asks twice changes nothing.
#[tokio::test]
async fn what_a_change_of_the_minor_needs_is_seen_and_asked_for() {
    let (a, b, c) = (Place::new("a"), Place::new("b"), Place::new("c"));
    let places = [&a, &b, &c];
    let _processes: Vec<Process> = places
        .iter()
        .map(|it| {
            let mut command = Command::new(etcd_of("3.7.3"));
            command.args(it.arguments(&places, "new"));
            it.spawn(command)
        })
        .collect();
    settled(&places, 3).await;
    let object = Identity::new("default", "demo", "0c5f");
    let mut spec = EtcdClusterSpec::new(3, "3.7.3");
    let look = async |spec: &EtcdClusterSpec| {
        EtcdDriver::default().observe(&target(&object, spec, &places)).await
    };
    // Without a reason nobody says so.
    let quiet = look(&spec).await;
    assert_eq!(quiet.facts.read(), Some(ClusterFacts::default()));
    assert!(said(&quiet).iter().all(|it| it.cluster_version.is_none()));

    spec.next = Some(Version::new(3, 6, 16));
    let minor = |minor| Some(Version::new(3, minor, 0));
    let before = eventually("all of one version and one mind", async || {
        let view = look(&spec).await;
        let same = view.facts.read()
            == Some(ClusterFacts { same_data: Some(true), ..ClusterFacts::default() });
        // A member takes a moment to say that its data is of the version that it runs.
        let stored = said(&view).iter().all(|it| it.storage_version == minor(7));
        if same && stored { Ok(view) } else { Err(view) }
    })
    .await;
    for it in said(&before) {
        assert_eq!((it.cluster_version, it.storage_version), (minor(7), minor(7)));
        assert_eq!((it.version, it.downgrade), (Some(Version::new(3, 7, 3)), None));
    }

    let lead = leader(&before, &places);
    let enable = || Request::App(AppStep::new(ENABLE_DOWNGRADE, &*lead.name).with(TO, "3.6"));
    let cancel = || Request::App(AppStep::new(CANCEL_DOWNGRADE, &*lead.name));
    assert_eq!(act(&enable(), &before, lead).await, Outcome::Done);
    assert!(matches!(act(&enable(), &before, lead).await, Outcome::Blocked(_)));
    let lowered = eventually("the older minor can open the data", async || {
        let view = look(&spec).await;
        let lowered =
            |it: &MemberFacts| it.cluster_version == minor(6) && it.storage_version == minor(6);
        if said(&view).iter().all(lowered) { Ok(view) } else { Err(view) }
    })
    .await;
    assert!(said(&lowered).iter().all(|it| it.downgrade == minor(6)));
    assert_eq!(lowered.facts.read(), Some(ClusterFacts::default()), "not compared now");

    assert_eq!(act(&cancel(), &before, lead).await, Outcome::Done);
    assert_eq!(act(&cancel(), &before, lead).await, Outcome::Done);
    eventually("the newer minor again", async || {
        let view = look(&spec).await;
        let raised = |it: &MemberFacts| it.cluster_version == minor(7) && it.downgrade.is_none();
        if said(&view).iter().all(raised) { Ok(()) } else { Err(view) }
    })
    .await;
}

/// What members say that only etcd's do.
fn said(view: &View) -> Vec<MemberFacts> {
    let statuses = view.targets.iter().filter_map(|it| it.status.as_ref());
    statuses.filter_map(|it| it.facts.read()).collect()
}

/// Beside the port for clients, whose address no other test has.
fn metrics(place: &Place) -> String {
    let host = place.client.rsplit_once(':').unwrap().0;
    format!("--listen-metrics-urls={host}:2381")
}

/// It opens no port for clients, and all the same says who it is and how far: what it knew last to be committed may not
/// be on its disk yet, and the cluster was still at work when it was asked first. With a quorum it is as far at least.
async fn starts_alone_of_three(version: &str) {
    let (a, b, c) = (Place::new("a"), Place::new("b"), Place::new("c"));
    let places = [&a, &b, &c];
    let start = |it: &Place| {
        let mut command = Command::new(etcd_of(version));
        command.args(it.arguments(&places, "new")).arg(metrics(it));
        it.spawn(command)
    };
    let mut processes: Vec<_> = places.iter().map(|it| start(it)).collect();
    let before = settled(&places, 3).await;
    let said = before.answer("a").unwrap();
    assert_eq!(before.starting("a"), None, "it answers for itself");
    processes.iter_mut().for_each(Process::kill);
    processes[0] = start(&a);
    let view = eventually("it says how far it is", async || {
        let view = observe(&places).await;
        if view.starting("a").is_some() { Ok(view) } else { Err(view) }
    })
    .await;
    assert_eq!(view.reach("a"), Reach::Unreachable);
    let starting = view.starting("a").unwrap();
    assert_eq!(starting.id, said.id);
    assert!(!starting.non_voter);
    assert_eq!((view.starting("b"), view.answer("b")), (None, None), "nobody is there");
    processes[1] = start(&b);
    processes[2] = start(&c);
    let whole = settled(&places, 3).await;
    let said = whole.answer("a").unwrap().position.as_ref().unwrap();
    assert!(said.dominates(&starting.position), "{version}: {starting:?} of {said:?}");
}

#[tokio::test]
async fn who_waits_for_a_quorum_says_how_far_it_is_3_4() {
    starts_alone_of_three("3.4.23").await;
}

#[tokio::test]
async fn who_waits_for_a_quorum_says_how_far_it_is_3_5() {
    starts_alone_of_three("3.5.16").await;
}

#[tokio::test]
async fn who_waits_for_a_quorum_says_how_far_it_is_3_6() {
    starts_alone_of_three("3.6.16").await;
}

#[tokio::test]
async fn who_waits_for_a_quorum_says_how_far_it_is_3_7() {
    starts_alone_of_three("3.7.3").await;
}
