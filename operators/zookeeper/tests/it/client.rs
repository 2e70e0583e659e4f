//! What each kind of answer of a real server looks like.

use crate::support::{NEWEST, Place, VERSIONS, eventually};
use endstate_zookeeper::client::{Change, Code, Failure, Session, Status, status};
use zookeeper_plan::Ensemble;

fn users() -> Vec<String> {
    // The second is what the first was before: not known to the server.
    vec!["super:one".to_owned(), "super:zero".to_owned()]
}

async fn serves(place: &Place, leads: bool) -> Status {
    eventually("the server serves", async || match status(&place.endpoint()).await {
        Ok(status) if status.leads == leads => Ok(status),
        other => Err(other),
    })
    .await
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Failure>) -> Code {
    match result {
        Err(Failure::Refused(code)) => code,
        other => panic!("not a refusal: {other:?}"),
    }
}

fn ids(ensemble: &Ensemble) -> Vec<&str> {
    ensemble.servers.keys().map(|id| id.as_str()).collect()
}

fn put(place: &Place) -> Change {
    Change { id: place.id.clone(), to: Some(place.server.clone()) }
}

fn remove(place: &Place) -> Change {
    Change { id: place.id.clone(), to: None }
}

/// The list after a change.
async fn changed(session: &Session, change: &Change, before: &Ensemble) -> Ensemble {
    session.reconfigure(change, before.version).await.unwrap();
    session.ensemble().await.unwrap()
}

#[tokio::test]
async fn a_server_follows_gets_a_vote_and_loses_it() {
    for version in VERSIONS {
        let (a, b) = (Place::new(1).initialize(), Place::new(2));
        let _a = a.start(version, &[&a]);
        let founder = serves(&a, true).await;
        assert_eq!((founder.version.as_str(), founder.zxid.0 >> 32), (version, 1));
        let session = Session::open(&a.endpoint(), &users()).await.unwrap();
        let alone = session.ensemble().await.unwrap();
        assert_eq!(alone.servers.get(&a.id), Some(&a.server));
        let put_b = put(&b);
        let absent = session.reconfigure(&put_b, alone.version).await;
        assert_eq!(refusal(absent), Code::NoQuorum, "it does not run");

        let _b = b.start(version, &[&a, &b]);
        serves(&b, false).await;
        let nobody = Session::open(&a.endpoint(), &[]).await.unwrap();
        assert_eq!(refusal(nobody.reconfigure(&put_b, alone.version).await), Code::NoAuth);

        let two = changed(&session, &put_b, &alone).await;
        assert_eq!(ids(&two), ["1", "2"]);
        assert!(two.version > alone.version);
        assert_eq!(refusal(session.reconfigure(&put_b, alone.version).await), Code::BadVersion);

        let one = changed(&session, &remove(&b), &two).await;
        assert_eq!(ids(&one), ["1"]);
        assert!(!status(&b.endpoint()).await.unwrap().leads, "it follows");
        let through = Session::open(&b.endpoint(), &[]).await.unwrap();
        assert_eq!(through.ensemble().await.unwrap(), one, "who was removed knows it");
        let none = session.reconfigure(&remove(&a), one.version).await;
        assert_eq!(refusal(none), Code::BadArguments, "somebody must vote");
    }
}

#[tokio::test]
async fn an_observer_is_no_step_on_the_way_to_a_second_vote() {
    let (a, b) = (Place::new(1).initialize(), Place::new(2).observer());
    let _a = a.start(NEWEST, &[&a]);
    serves(&a, true).await;
    let session = Session::open(&a.endpoint(), &users()).await.unwrap();
    let alone = session.ensemble().await.unwrap();
    let put_b = put(&b);
    let with_observer = changed(&session, &put_b, &alone).await;
    assert!(!with_observer.servers[&b.id].votes);
    let _b = b.start(NEWEST, &[&a, &b]);
    serves(&b, false).await;
    let through = Session::open(&b.endpoint(), &users()).await.unwrap();
    assert_eq!(through.ensemble().await.unwrap(), with_observer, "it has the data");
    let mut voter = put_b;
    voter.to.as_mut().unwrap().votes = true;
    let promoted = session.reconfigure(&voter, with_observer.version).await;
    assert_eq!(refusal(promoted), Code::NoQuorum);
}

#[tokio::test]
async fn a_server_that_looks_for_a_leader_serves_nobody() {
    let (a, b) = (Place::new(1).initialize(), Place::new(2));
    let _a = a.start(NEWEST, &[&a, &b]);
    eventually("the server answers", async || match status(&a.endpoint()).await {
        Err(Failure::Refused(Code::NotServing)) => Ok(()),
        other => Err(other),
    })
    .await;
    let error = Session::open(&a.endpoint(), &users()).await.err();
    assert!(matches!(error, Some(Failure::Unreachable(_))), "{error:?}");
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable_and_known_at_once() {
    let endpoint = Place::new(1).endpoint();
    let start = std::time::Instant::now();
    let error = status(&endpoint).await.unwrap_err();
    let Failure::Unreachable(why) = &error else { panic!("{error:?}") };
    assert!(why.contains("refused"), "{why}");
    let error = Session::open(&endpoint, &[]).await.err();
    assert!(matches!(error, Some(Failure::Unreachable(_))), "{error:?}");
    assert!(start.elapsed().as_millis() < 500, "a refused connection is known at once");
}
