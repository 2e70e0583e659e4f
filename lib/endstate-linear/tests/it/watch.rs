//! Watchers that are told too little, too much, or in another order.

use endstate_linear::kv::{
    Action, Entry, Event, Input, Outcome, Output, Revision, Untrue, watched,
};
use endstate_linear::{Client, History, Operation};

use super::store::KvHistory;

fn put(value: &str) -> Input {
    Input::new("a", Action::put(value))
}

/// A write that was acknowledged at 7; one of unknown outcome that was read at 9; one that nobody heard of again.
fn history() -> KvHistory {
    let written = Output::new(Outcome::Written).at(Revision(7));
    let entry = Entry::new("2").modified_at(Revision(9));
    let read = Output::new(Outcome::Read(Some(entry))).at(Revision(9));
    let operations = vec![
        Operation::new(Client(1), 0, put("1")).answered(10, written),
        Operation::new(Client(1), 20, put("2")),
        Operation::new(Client(2), 30, Input::new("a", Action::Get)).answered(40, read),
        Operation::new(Client(1), 50, put("3")),
    ];
    History::new(operations).expect("each client does one thing after another")
}

fn event(revision: u64, value: &str) -> Event {
    Event { revision: Revision(revision), key: "a".to_owned(), value: Some(value.to_owned()) }
}

#[test]
fn what_was_written_is_told_once_and_in_order() {
    let (first, second, third) = (event(7, "1"), event(9, "2"), event(10, "3"));
    let judge = |events: &[&Event]| {
        let events: Vec<Event> = events.iter().map(|it| (*it).clone()).collect();
        watched(&history(), &events)
    };
    assert_eq!(judge(&[&first, &second]), Ok(()));
    assert_eq!(judge(&[&first, &second, &third]), Ok(()));
    let disordered = Err(Untrue::Disordered(second.clone(), first.clone()));
    assert_eq!(judge(&[&second, &first]), disordered);
    assert_eq!(judge(&[&first, &first]), Err(Untrue::Disordered(first.clone(), first.clone())));
    assert!(matches!(judge(&[&second]), Err(Untrue::Missing(Revision(7), it)) if it.index == 0));
    // Nobody knows that it was written but who read it.
    assert!(matches!(judge(&[&first]), Err(Untrue::Missing(Revision(9), it)) if it.index == 2));
    assert!(matches!(judge(&[&event(7, "2"), &second]), Err(Untrue::Missing(Revision(7), _))));
    let strange = event(11, "4");
    assert_eq!(judge(&[&first, &second, &strange]), Err(Untrue::Invented(strange.clone())));
    let twice = event(12, "3");
    assert_eq!(judge(&[&first, &second, &third, &twice]), Err(Untrue::Invented(twice.clone())));
}
