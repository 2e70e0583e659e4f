//! The etcd client against real members: what each kind of refusal looks like, and that each call reaches whom it
//! names.

use crate::support::{Place, eventually, free_address};
use endstate::client::Code;
use endstate::client::Endpoint;
use endstate_etcd::client::{Connection, Failure};

async fn ready(place: &Place) -> Connection {
    eventually("the member answers", async || {
        let connection = Connection::to(&place.endpoint()).await?;
        let status = connection.status().await?;
        if status.leader == 0 {
            return Err(Failure::unknown("no leader"));
        }
        Ok(connection)
    })
    .await
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Failure>) -> Code {
    match result {
        Err(Failure::Refused(no)) => no.code,
        other => panic!("not a refusal: {other:?}"),
    }
}

#[tokio::test]
async fn a_member_joins_as_a_learner_is_promoted_leads_and_leaves() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let _a = a.start(&[&a], "new");
    let first = ready(&a).await;
    let status = first.status().await.unwrap();
    assert_eq!((status.leader, status.learner), (status.member, false));

    let id = first.add_learner(&b.peer).await.unwrap();
    assert_eq!(refusal(first.add_learner(&b.peer).await), Code::FailedPrecondition);
    let other = format!("http://{}", free_address());
    assert_eq!(refusal(first.add_learner(&other).await), Code::FailedPrecondition);
    let early = refusal(first.promote(id).await);
    assert!(matches!(early, Code::FailedPrecondition | Code::Unavailable), "{early:?}");

    let _b = b.start(&[&a, &b], "existing");
    let second = ready(&b).await;
    let status = second.status().await.unwrap();
    assert_eq!((status.member, status.learner), (id, true));
    let no = refusal(second.members().await);
    assert!(matches!(no, Code::FailedPrecondition | Code::Unavailable), "no outage: {no:?}");

    eventually("the learner is promoted", async || first.promote(id).await).await;
    // One code for "votes already" and "not caught up": the next look at the list tells which.
    assert_eq!(refusal(first.promote(id).await), Code::FailedPrecondition);
    let list = eventually("the voter gives the list", async || second.members().await).await;
    assert_eq!(list, first.members().await.unwrap());
    assert!(list.members.iter().all(|it| !it.learner));

    eventually("the leadership moves", async || first.move_leader(id).await).await;
    let no = refusal(first.move_leader(id).await);
    assert!(matches!(no, Code::FailedPrecondition | Code::Unavailable), "{no:?}");
    let leader = first.status().await.unwrap().member;
    eventually("the first leader is removed", async || second.remove(leader).await).await;
    assert_eq!(refusal(second.remove(leader).await), Code::NotFound);
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable_and_says_why() {
    let endpoint = Endpoint::plain(&free_address().to_string());
    let start = std::time::Instant::now();
    let error = match Connection::to(&endpoint).await {
        Ok(connection) => connection.status().await.unwrap_err(),
        Err(error) => error,
    };
    let Failure::Unreachable(why) = &error else { panic!("{error:?}") };
    assert!(why.contains("refused"), "{why}");
    assert!(start.elapsed().as_millis() < 500, "a refused connection is known at once");
}

#[tokio::test]
async fn a_voter_without_a_quorum_gives_its_status_but_no_list() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let _a = a.start(&[&a, &b], "new");
    let mut second = b.start(&[&a, &b], "new");
    let first = ready(&a).await;
    assert_eq!(first.members().await.unwrap().members.len(), 2);
    second.kill();
    eventually("the leader steps down", async || match first.status().await {
        Ok(status) if status.leader == 0 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let error = first.members().await.unwrap_err();
    let late = matches!(error, Failure::Unreachable(_));
    assert!(late || refusal(Err::<(), _>(error)) == Code::Unavailable);
}
