use super::*;

const fn ms(value: u64) -> Moment {
    Duration::from_millis(value)
}

fn queue(concurrency: usize) -> Queue<&'static str> {
    Queue::new(concurrency, Backoff { base: ms(10), max: ms(100) })
}

#[test]
fn events_during_work_are_remembered_once() {
    let mut queue = queue(2);
    queue.push("a", Priority::Change, ms(0));
    assert_eq!(queue.pop(ms(0)), Some("a"));
    queue.push("a", Priority::Change, ms(0));
    queue.push("a", Priority::Change, ms(0));
    assert_eq!(queue.pop(ms(0)), None, "never twice at once");
    queue.finish(&"a", Outcome::Settled, ms(1));
    assert_eq!(queue.pop(ms(1)), Some("a"));
    queue.finish(&"a", Outcome::Settled, ms(1));
    assert_eq!(queue.pop(ms(1)), None);
    assert!(queue.entries.is_empty(), "a settled key leaves nothing behind");
}

#[test]
fn user_changes_overtake_resyncs() {
    let mut queue = queue(9);
    queue.push("old", Priority::Resync, ms(0));
    queue.push("new", Priority::Change, ms(0));
    queue.push("user", Priority::User, ms(0));
    queue.push("old", Priority::User, ms(0));
    let order: Vec<_> = std::iter::from_fn(|| queue.pop(ms(0))).collect();
    assert_eq!(order, ["old", "user", "new"], "raised keys keep their place among equals");
}

#[test]
fn events_do_not_shorten_a_rest_but_a_generation_does() {
    let mut queue = queue(1);
    queue.push("a", Priority::Change, ms(0));
    queue.pop(ms(0));
    queue.push("a", Priority::Change, ms(0));
    queue.finish(&"a", Outcome::Failed, ms(0));
    queue.push("a", Priority::Change, ms(1));
    assert_eq!(queue.pop(ms(9)), None);
    assert_eq!(queue.next_moment(), Some(ms(10)));
    assert_eq!(queue.pop(ms(10)), Some("a"));
    queue.finish(&"a", Outcome::Failed, ms(10));
    assert_eq!(queue.next_moment(), Some(ms(30)), "doubled");
    queue.push("a", Priority::User, ms(11));
    assert_eq!(queue.pop(ms(11)), Some("a"));
    assert_eq!(queue.failures(&"a"), 0);
}

#[test]
fn a_generation_that_arrives_during_failing_work_is_tried_at_once() {
    let mut queue = queue(1);
    queue.push("a", Priority::Change, ms(0));
    queue.pop(ms(0));
    queue.push("a", Priority::User, ms(0));
    queue.finish(&"a", Outcome::Failed, ms(1));
    assert_eq!(queue.pop(ms(1)), Some("a"));
}

#[test]
fn success_resets_and_the_rest_is_bounded() {
    let mut queue = queue(1);
    let mut now = ms(0);
    queue.push("a", Priority::Change, now);
    for _ in 0..40 {
        now = queue.next_moment().unwrap_or(now);
        assert_eq!(queue.pop(now), Some("a"));
        queue.finish(&"a", Outcome::Failed, now);
        assert!(queue.next_moment().unwrap() - now <= ms(100));
    }
    now = queue.next_moment().unwrap();
    queue.pop(now);
    queue.finish(&"a", Outcome::After(ms(500)), now);
    assert_eq!(queue.failures(&"a"), 0);
    assert_eq!(queue.next_moment(), Some(now + ms(500)));
    queue.push("a", Priority::Change, now);
    assert_eq!(queue.pop(now), Some("a"), "a planned look yields to an event");
    assert_eq!(queue.next_moment(), None, "and is forgotten");
}

#[test]
fn again_cannot_spin() {
    let mut queue = queue(1);
    queue.push("a", Priority::Change, ms(0));
    let mut turns = 0;
    while queue.pop(ms(0)).is_some() {
        queue.finish(&"a", Outcome::Again, ms(0));
        turns += 1;
    }
    assert_eq!(turns, AGAIN_MAX + 1);
    assert_eq!(queue.next_moment(), Some(ms(10)));
}

#[test]
fn concurrency_is_bounded() {
    let mut queue = queue(2);
    for key in ["a", "b", "c"] {
        queue.push(key, Priority::Change, ms(0));
    }
    assert_eq!(
        (queue.pop(ms(0)), queue.pop(ms(0)), queue.pop(ms(0))),
        (Some("a"), Some("b"), None)
    );
    queue.finish(&"a", Outcome::Settled, ms(0));
    assert_eq!(queue.pop(ms(0)), Some("c"));
    assert_eq!(queue.depth(), (0, 2));
}
