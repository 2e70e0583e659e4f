use super::*;
use crate::client::Member;

fn member(id: u64, learner: bool) -> Member {
    let peer_urls = vec![format!("http://c-{id}.c-peer.default.svc:2380")];
    Member { id, name: String::new(), peer_urls, client_urls: vec![], learner }
}

fn answer(id: u64, leader: u64, members: Option<Members>) -> Answer {
    let status = Status {
        cluster: 9,
        member: id,
        leader,
        learner: false,
        raft_index: 1,
        version: "3.5.16".into(),
        database: Fullness::default(),
        complains: false,
        revision: 1,
        storage_version: None,
        downgrade: None,
    };
    Answer {
        name: format!("c-{id}"),
        reach: Reach::Reachable,
        status: Some((status, Alarms::default())),
        members,
        agreed_version: None,
        starting: None,
    }
}

fn list(members: &[(u64, bool)]) -> Option<Members> {
    let members = members.iter().map(|(id, learner)| member(*id, *learner)).collect();
    Some(Members { cluster: 9, members })
}

#[test]
fn a_member_is_named_by_its_peer_address() {
    assert_eq!(pod_name(&member(7, true)), "c-7");
    let by_number = Member {
        name: "x".into(),
        peer_urls: vec!["http://127.0.0.1:2380".into()],
        client_urls: vec![],
        ..member(1, false)
    };
    assert_eq!(pod_name(&by_number), "x");
}

#[test]
fn voters_that_give_the_same_list_are_counted() {
    let three = [(1, false), (2, false), (3, false)];
    let answers = [answer(1, 1, list(&three)), answer(2, 1, list(&three)), answer(3, 1, None)];
    let found = agreed(&answers).unwrap();
    assert_eq!((found.agreed, found.members.len()), (2, 3));
}

#[test]
fn the_leaders_list_goes_before_the_one_of_most() {
    let old = [(1, false), (2, false), (3, false)];
    let new = [(1, false), (2, false), (3, false), (4, true)];
    let answers = [answer(1, 1, list(&new)), answer(2, 1, list(&old)), answer(3, 1, list(&old))];
    let found = agreed(&answers).unwrap();
    assert_eq!((found.agreed, found.members.len()), (1, 4));
}

#[test]
fn a_list_given_by_somebody_who_is_not_on_it_counts_for_nothing() {
    let answers = [answer(7, 1, list(&[(1, false), (2, false)]))];
    assert_eq!(agreed(&answers).unwrap().agreed, 0);
}

#[test]
fn nobody_who_gives_a_list_is_no_list() {
    assert_eq!(agreed(&[answer(1, 0, None)]), None);
    assert_eq!(agreed(&[]), None);
}
