//! What each kind of answer of a real server looks like.

use crate::support::{NEWEST, Place, VERSIONS, eventually};
use endstate_core::Membership;
use endstate_zookeeper::client::{Code, Failure, Session, Status, status};

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

/// The members, and whether each votes.
fn listed(list: &Membership) -> Vec<(&str, bool)> {
    list.members.iter().map(|it| (&*it.id, it.votes)).collect()
}

fn version(list: &Membership) -> u64 {
    list.revision.unwrap()
}

/// The list after a change.
async fn changed(
    session: &Session,
    (join, leave): (&str, &str),
    before: &Membership,
) -> Membership {
    session.reconfigure(join, leave, version(before)).await.unwrap();
    session.members().await.unwrap()
}

#[tokio::test]
async fn a_server_follows_gets_a_vote_and_loses_it() {
    for release in VERSIONS {
        let (a, b) = (Place::new(1).initialize(), Place::new(2));
        let _a = a.start(release, &[&a]);
        let founder = serves(&a, true).await;
        assert_eq!((founder.version.as_str(), founder.zxid >> 32), (release, 1));
        let session = Session::open(&a.endpoint(), &users()).await.unwrap();
        let alone = session.members().await.unwrap();
        assert_eq!(listed(&alone), [("1", true)]);
        let put_b = b.line();
        let absent = session.reconfigure(&put_b, "", version(&alone)).await;
        assert_eq!(refusal(absent), Code::NoQuorum, "it does not run");

        let _b = b.start(release, &[&a, &b]);
        serves(&b, false).await;
        let nobody = Session::open(&a.endpoint(), &[]).await.unwrap();
        let unknown = nobody.reconfigure(&put_b, "", version(&alone)).await;
        assert_eq!(refusal(unknown), Code::NoAuth);

        let two = changed(&session, (&put_b, ""), &alone).await;
        assert_eq!(listed(&two), [("1", true), ("2", true)]);
        assert!(version(&two) > version(&alone));
        let late = session.reconfigure(&put_b, "", version(&alone)).await;
        assert_eq!(refusal(late), Code::BadVersion);

        let one = changed(&session, ("", "2"), &two).await;
        assert_eq!(listed(&one), [("1", true)]);
        assert!(!status(&b.endpoint()).await.unwrap().leads, "it follows");
        let through = Session::open(&b.endpoint(), &[]).await.unwrap();
        assert_eq!(through.members().await.unwrap(), one, "who was removed knows it");
        let none = session.reconfigure("", "1", version(&one)).await;
        assert_eq!(refusal(none), Code::BadArguments, "somebody must vote");
    }
}

#[tokio::test]
async fn an_observer_is_no_step_on_the_way_to_a_second_vote() {
    let (a, b) = (Place::new(1).initialize(), Place::new(2).observer());
    let _a = a.start(NEWEST, &[&a]);
    serves(&a, true).await;
    let session = Session::open(&a.endpoint(), &users()).await.unwrap();
    let alone = session.members().await.unwrap();
    let with_observer = changed(&session, (&b.line(), ""), &alone).await;
    assert_eq!(listed(&with_observer), [("1", true), ("2", false)]);
    let _b = b.start(NEWEST, &[&a, &b]);
    serves(&b, false).await;
    let through = Session::open(&b.endpoint(), &users()).await.unwrap();
    assert_eq!(through.members().await.unwrap(), with_observer, "it has the data");
    let voter = b.line_as("participant");
    let promoted = session.reconfigure(&voter, "", version(&with_observer)).await;
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
