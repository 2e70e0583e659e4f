//! What each kind of answer of a real server looks like.

use crate::support::{NEWEST, Place, VERSIONS, eventually};
use endstate_zookeeper::client::{
    Change, Code, Failure, Followers, Mode, Session, Status, followers, status,
};
use zookeeper_plan::{Ensemble, Role};

fn users() -> Vec<String> {
    // The second is what the first was before: not known to the server.
    vec!["super:one".to_owned(), "super:zero".to_owned()]
}

async fn serves(place: &Place, mode: Mode) -> Status {
    eventually("the server serves", async || match status(&place.endpoint()).await {
        Ok(status) if status.mode == mode => Ok(status),
        other => Err(other),
    })
    .await
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Failure>) -> Code {
    match result {
        Err(Failure::Refused { code, .. }) => code,
        other => panic!("not a refusal: {other:?}"),
    }
}

async fn synced(place: &Place) -> Followers {
    followers(&place.endpoint()).await.unwrap().unwrap()
}

fn ids(ensemble: &Ensemble) -> Vec<u64> {
    ensemble.servers.keys().map(|id| id.0).collect()
}

#[tokio::test]
async fn a_server_follows_gets_a_vote_and_loses_it() {
    for version in VERSIONS {
        let (a, b) = (Place::new(1).initialize(), Place::new(2));
        let _a = a.start(version, &[&a]);
        let founder = serves(&a, Mode::Leader).await;
        assert_eq!((founder.version.as_str(), founder.zxid.epoch()), (version, 1));
        let session = Session::open(&a.endpoint(), &users()).await.unwrap();
        let alone = session.ensemble().await.unwrap();
        assert_eq!(alone.servers.get(&a.id), Some(&a.server));
        let put = Change::Put(b.id, b.server.clone());
        let absent = session.reconfigure(&put, alone.version).await;
        assert_eq!(refusal(absent), Code::NoQuorum, "it does not run");

        let _b = b.start(version, &[&a, &b]);
        serves(&b, Mode::Follower).await;
        let before = synced(&a).await;
        assert_eq!((before.synced_voters, before.synced_others), (0, 1));
        let nobody = Session::open(&a.endpoint(), &[]).await.unwrap();
        assert_eq!(refusal(nobody.reconfigure(&put, alone.version).await), Code::NoAuth);

        let two = session.reconfigure(&put, alone.version).await.unwrap();
        assert_eq!(ids(&two), [1, 2]);
        assert!(two.version > alone.version);
        assert_eq!(refusal(session.reconfigure(&put, alone.version).await), Code::BadVersion);
        let after = synced(&a).await;
        assert_eq!((after.synced_voters, after.synced_others), (1, 0));
        assert_eq!(followers(&b.endpoint()).await, Ok(None), "a follower has none to tell of");

        let one = session.reconfigure(&Change::Remove(b.id), two.version).await.unwrap();
        assert_eq!(ids(&one), [1]);
        assert_eq!(status(&b.endpoint()).await.unwrap().mode, Mode::Follower);
        let through = Session::open(&b.endpoint(), &[]).await.unwrap();
        assert_eq!(through.ensemble().await.unwrap(), one, "who was removed knows it");
        let none = session.reconfigure(&Change::Remove(a.id), one.version).await;
        assert_eq!(refusal(none), Code::BadArguments, "somebody must vote");
    }
}

#[tokio::test]
async fn an_observer_is_no_step_on_the_way_to_a_second_vote() {
    let (a, b) = (Place::new(1).initialize(), Place::new(2).observer());
    let _a = a.start(NEWEST, &[&a]);
    serves(&a, Mode::Leader).await;
    let session = Session::open(&a.endpoint(), &users()).await.unwrap();
    let alone = session.ensemble().await.unwrap();
    let put = Change::Put(b.id, b.server.clone());
    let with_observer = session.reconfigure(&put, alone.version).await.unwrap();
    assert_eq!(with_observer.servers[&b.id].role, Role::Observer);
    let _b = b.start(NEWEST, &[&a, &b]);
    serves(&b, Mode::Observer).await;
    let synced = synced(&a).await;
    assert_eq!((synced.synced_voters, synced.synced_others), (0, 0));
    assert_eq!((synced.synced_observers, synced.pending), (1, 0));
    let mut voter = b.server.clone();
    voter.role = Role::Participant;
    let promoted = session.reconfigure(&Change::Put(b.id, voter), with_observer.version).await;
    assert_eq!(refusal(promoted), Code::NoQuorum);
}

#[tokio::test]
async fn a_server_that_looks_for_a_leader_serves_nobody() {
    let (a, b) = (Place::new(1).initialize(), Place::new(2));
    let _a = a.start(NEWEST, &[&a, &b]);
    eventually("the server answers", async || match status(&a.endpoint()).await {
        Err(Failure::Refused { code: Code::NotServing, .. }) => Ok(()),
        other => Err(other),
    })
    .await;
    assert_eq!(refusal(followers(&a.endpoint()).await), Code::NotServing);
    let session = Session::open(&a.endpoint(), &users()).await;
    assert!(matches!(session, Err(Failure::Unreachable { .. })), "{session:?}");
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable_and_known_at_once() {
    let endpoint = Place::new(1).endpoint();
    let start = std::time::Instant::now();
    let error = status(&endpoint).await.unwrap_err();
    let Failure::Unreachable { why, .. } = &error else { panic!("{error:?}") };
    assert!(why.contains("refused"), "{why}");
    let session = Session::open(&endpoint, &[]).await;
    assert!(matches!(session, Err(Failure::Unreachable { .. })), "{session:?}");
    assert!(start.elapsed().as_millis() < 500, "a refused connection is known at once");
}
