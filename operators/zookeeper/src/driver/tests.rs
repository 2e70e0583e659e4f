use endstate_core::{Entry, LeaveReason};

use super::*;

fn identity() -> Identity {
    Identity::new("default", "zoo", "0c5f")
}

fn named(id: u64) -> Address {
    let mut address = Address::of(format!("zoo-{id}"), None);
    address.id = Some(id.to_string().into());
    address
}

/// As the servers of the cluster of this object list themselves.
fn listed(object: &Identity, voters: &[u64], revision: u64) -> Membership {
    let entry = |id: &u64| Entry::voter(id.to_string(), object.host(&format!("zoo-{id}")));
    Membership::new("", voters.iter().map(entry)).revision(revision)
}

/// Servers 1 to 3 vote, 4 does not.
fn list(revision: u64) -> Membership {
    let mut list = listed(&identity(), &[1, 2, 3, 4], revision);
    list.members[3].votes = false;
    list
}

fn says(mode: &str, zxid: u64) -> Result<Status, Failure> {
    Ok(Status { version: "3.9.5".into(), leads: mode == "leader", zxid })
}

fn silent<T>() -> Result<T, Failure> {
    Err(Failure::unreachable("nobody"))
}

type Said = (u64, Result<Status, Failure>, Result<Membership, Failure>);

struct Told(Vec<Said>);

impl Told {
    fn view(self) -> View {
        let object = identity();
        let addresses: Vec<_> = self.0.iter().map(|(id, ..)| named(*id)).collect();
        let known = |list| identified(&object, &addresses, list);
        let said = |status: Result<_, _>, list: Result<_, _>| Ok((status?, known(list?)));
        let answers = self.0.into_iter().zip(&addresses);
        let answers = answers.map(|((_, status, list), address)| (address, said(status, list)));
        view(&object.uid, &answers.collect::<Vec<_>>())
    }
}

/// Whom a member follows, and what it has, as ZooKeeper writes it.
fn follows(view: &View, index: usize) -> (Option<&str>, Option<String>) {
    let status = view.targets[index].status.as_ref().unwrap();
    (status.leader.as_deref(), status.position.as_ref().map(ToString::to_string))
}

#[test]
fn who_synced_has_what_the_leader_had_before() {
    let seen = Told(vec![
        (1, says("follower", 0), Ok(list(7))),
        (2, says("leader", 90), Ok(list(7))),
        (3, says("follower", 95), silent()),
    ]);
    let view = seen.view();
    for index in [0, 1] {
        let has = (Some("2"), Some("0x5a".to_owned()));
        assert_eq!(follows(&view, index), has, "a blank 0 is not what it has");
        assert_eq!(view.targets[index].status.as_ref().unwrap().cluster, "0c5f".into());
    }
    assert!(view.targets[2].status.is_none() && view.targets[2].reach == Reach::Unreachable);
}

#[test]
fn a_deposed_leader_that_serves_nobody_leads_nobody() {
    let seen = Told(vec![
        (1, says("leader", 95), silent()),
        (2, says("leader", 90), Ok(list(7))),
        (3, says("follower", 90), Ok(list(7))),
    ]);
    let view = seen.view();
    assert_eq!(follows(&view, 2), (Some("2"), Some("0x5a".to_owned())));
    assert_eq!(view.membership.unwrap().agreed, 2);
}

/// It still says that it follows.
#[test]
fn a_server_that_was_removed_is_no_member() {
    let seen = Told(vec![
        (1, says("leader", 90), Ok(list(7))),
        (2, says("follower", 90), Ok(list(6))),
        (4, says("observer", 90), Ok(list(7))),
        (5, says("follower", 90), Ok(list(7))),
    ]);
    let view = seen.view();
    let list = view.membership.as_ref().unwrap();
    assert_eq!(list.roster().voters, ["1", "2", "3"].map(Into::into).into());
    assert_eq!(list.roster().non_voters, ["4"].map(Into::into).into());
    assert_eq!((list.agreed, list.revision), (1, Some(7)), "an old list agrees on nothing");
    assert_eq!(list.id_of("zoo-3"), Some(&"3".into()));
    let standing = |index: usize| view.targets[index].status.as_ref().unwrap().standing;
    assert_eq!(standing(3), Standing::NonVoter);
    assert_eq!(standing(1), Standing::Voter);
}

#[test]
fn an_ensemble_of_other_names_is_another() {
    let other = Identity::new("elsewhere", "zoo", "0c5f");
    let foreign = || (1, says("leader", 90), Ok(listed(&other, &[1], 7)));
    let view = Told(vec![foreign()]).view();
    assert_eq!(follows(&view, 0), (None, None));
    assert_ne!(view.membership.unwrap().cluster, "0c5f".into());
    // An address may be another's by now; what it says hides nothing of what ours say.
    let view = Told(vec![foreign(), (2, says("leader", 80), Ok(list(6)))]).view();
    assert_eq!(follows(&view, 1), (Some("2"), Some("0x50".to_owned())));
    assert_eq!(view.membership.unwrap().revision, Some(6));
}

#[test]
fn a_request_is_a_line_or_an_id() {
    let (member, id) = (|| "zoo-9".into(), || MemberId::from("9"));
    let join =
        |votes| Request::Join { member: member(), id: Some(id()), address: String::new(), votes };
    let promote = Request::Promote { member: member(), id: id(), address: String::new() };
    let leave = Request::Leave { member: member(), id: id(), reason: LeaveReason::Dead };
    let host = identity().host("zoo-9");
    let put = |votes| Some((line(&id(), &host, votes), String::new()));
    let remove = Some((String::new(), "9".to_owned()));
    let transfer = Request::Transfer { to: member(), id: id() };
    let with = |votes| {
        let mut list = list(8);
        list.members.push(Entry::voter("9", "zoo-9").voting(votes));
        list
    };
    // What is asked of ZooKeeper, and whether it is so without the server, with it, and with its vote.
    for (request, expected, done) in [
        (join(true), put(true), [false, false, true]),
        (join(false), put(false), [false, true, false]),
        (promote, put(true), [false, false, true]),
        (leave, remove, [true, false, false]),
        (transfer, None, [false; 3]),
    ] {
        assert_eq!(change(&identity(), &request), expected, "{request:?}");
        let lists = [list(7), with(false), with(true)];
        assert_eq!(lists.map(|it| it.is_after(&request)), done, "{request:?}");
    }
}
