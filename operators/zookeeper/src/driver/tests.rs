use endstate_core::{LeaveReason, Roster};
use zookeeper_plan::Server;

use super::*;

fn identity() -> Identity {
    Identity::new("default", "zoo", "0c5f")
}

fn named(id: u64) -> Address {
    let mut address = Address::of(format!("zoo-{id}"), None);
    address.id = Some(id.to_string().into());
    address
}

fn entry_of(id: u64, role: &str) -> (MemberId, Server) {
    (id.to_string().into(), server(identity().host(&format!("zoo-{id}")), role))
}

/// Servers 1 to 3 vote, 4 does not.
fn list(version: u64) -> Ensemble {
    let voters = (1..=3).map(|it| entry_of(it, SERVER));
    let servers = voters.chain([entry_of(4, OBSERVER)]).collect();
    Ensemble { version: Zxid(version), servers }
}

fn says(mode: &str, zxid: u64) -> Result<Status, Failure> {
    Ok(Status { version: "3.9.5".into(), leads: mode == "leader", zxid: Zxid(zxid) })
}

fn silent<T>() -> Result<T, Failure> {
    Err(Failure::unreachable("nobody"))
}

fn targets(look: &Look<'_>) -> Vec<endstate_core::Target> {
    look.answers.iter().map(|it| look.target(it)).collect()
}

type Said = (u64, Result<Status, Failure>, Result<Ensemble, Failure>);

struct Seen(Vec<Said>);

impl Seen {
    fn look(self, test: impl FnOnce(Look<'_>)) {
        let (object, seen) = (identity(), self.0);
        let addresses: Vec<_> = seen.iter().map(|(id, ..)| named(*id)).collect();
        let answers = seen.into_iter().zip(&addresses);
        let said = |status: Result<_, _>, list| status.and_then(|it| Ok((it, list?)));
        let answers = answers.map(|((_, status, list), address)| (address, said(status, list)));
        test(Look { object: &object, answers: answers.collect() });
    }
}

#[test]
fn who_synced_has_what_the_leader_had_before() {
    let seen = Seen(vec![
        (1, says("follower", 0), Ok(list(7))),
        (2, says("leader", 90), Ok(list(7))),
        (3, says("follower", 95), silent()),
    ]);
    seen.look(|look| {
        let targets = targets(&look);
        let status = |index: usize| targets[index].status.as_ref();
        for index in [0, 1] {
            let status = status(index).unwrap();
            assert_eq!(status.position, Some(Position::at(90)), "a blank 0 is not what it has");
            assert_eq!(status.leader, Some("2".into()));
            assert_eq!(status.cluster, "0c5f".into());
        }
        assert!(status(2).is_none() && targets[2].reach == Reach::Unreachable);
    });
}

#[test]
fn a_deposed_leader_that_serves_nobody_leads_nobody() {
    let seen = Seen(vec![
        (1, says("leader", 95), silent()),
        (2, says("leader", 90), Ok(list(7))),
        (3, says("follower", 90), Ok(list(7))),
    ]);
    seen.look(|look| {
        assert_eq!(look.leader(), Some((Zxid(90), &"2".into())));
        assert_eq!(look.membership().unwrap().agreed, 2);
    });
}

/// It still says that it follows.
#[test]
fn a_server_that_was_removed_is_no_member() {
    let seen = Seen(vec![
        (1, says("leader", 90), Ok(list(7))),
        (2, says("follower", 90), Ok(list(6))),
        (4, says("observer", 90), Ok(list(7))),
        (5, says("follower", 90), Ok(list(7))),
    ]);
    seen.look(|look| {
        let list = look.membership().unwrap();
        assert_eq!(list.roster().voters, ["1", "2", "3"].map(Into::into).into());
        assert_eq!(list.roster().non_voters, ["4"].map(Into::into).into());
        assert_eq!((list.agreed, list.revision), (1, Some(7)), "an old list agrees on nothing");
        assert_eq!(list.id_of("zoo-3"), Some(&"3".into()));
        let standing = |index: usize| targets(&look)[index].status.as_ref().unwrap().standing;
        assert_eq!(standing(3), Standing::NonVoter);
        assert_eq!(standing(1), Standing::Voter);
    });
}

#[test]
fn an_ensemble_of_other_names_is_another() {
    let other = Identity::new("elsewhere", "zoo", "0c5f");
    let server = server(other.host("zoo-1"), SERVER);
    let list = Ensemble { version: Zxid(7), servers: [("1".into(), server)].into() };
    let foreign = || (1, says("leader", 90), Ok(list.clone()));
    Seen(vec![foreign()]).look(|look| {
        assert_ne!(look.membership().unwrap().cluster, "0c5f".into());
        assert_eq!(look.leader(), None);
    });
    // An address may be another's by now; what it says hides nothing of what ours say.
    let seen = Seen(vec![foreign(), (2, says("leader", 80), Ok(super::tests::list(6)))]);
    seen.look(|look| {
        assert_eq!(look.membership().unwrap().revision, Some(6));
        assert_eq!(look.leader(), Some((Zxid(80), &"2".into())));
    });
}

#[test]
fn a_request_is_a_change_on_a_condition() {
    let member = || "zoo-9".into();
    let call = |request, revision| {
        let mut roster = Roster::default();
        roster.revision = revision;
        change(&identity(), &Call::new(request, "zoo-1", roster))
    };
    let id: MemberId = "9".into();
    let join = |votes| Request::Join {
        member: member(),
        id: Some(id.clone()),
        address: String::new(),
        votes,
    };
    let leave = Request::Leave { member: member(), id: id.clone(), reason: LeaveReason::Dead };
    let put = |role| Change { id: "9".into(), to: Some(entry_of(9, role).1) };
    let remove = || Change { id: "9".into(), to: None };
    assert_eq!(call(join(true), Some(7)), Some((put(SERVER), Zxid(7))));
    assert_eq!(call(join(false), Some(7)), Some((put(OBSERVER), Zxid(7))));
    assert_eq!(call(leave.clone(), Some(7)), Some((remove(), Zxid(7))));
    assert_eq!(call(leave, None), None, "without a condition there is no change");
    assert_eq!(call(Request::Transfer { to: member(), id }, Some(7)), None);
    assert!(remove().is_made(&list(7)));
    assert!(!put(OBSERVER).is_made(&list(7)));
}
