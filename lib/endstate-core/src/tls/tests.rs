use super::*;

fn source(signs: u32, trusted: &[u32]) -> Source {
    Source::Managed(Authorities { signs, trusted: trusted.iter().copied().collect() })
}

fn at(level: u8) -> Link {
    match level {
        0 => Link::Off,
        1 => Link::Ready(source(1, &[1])),
        _ => Link::On(source(1, &[1])),
    }
}

#[test]
fn nobody_is_brought_two_levels_away_from_anybody_who_runs() {
    for (low, high, to) in [0, 1, 2]
        .iter()
        .flat_map(|it| [(*it, *it), (*it, 2.min(it + 1))])
        .flat_map(|(low, high)| [0, 2].map(|to| (low, high, to)))
    {
        let (running, declared) = ([at(high), at(low)], at(to));
        let next = Link::toward(&running.iter().collect::<Vec<_>>(), &declared);
        let told = format!("{low} and {high} to {to}: {next:?}");
        assert!(running.iter().all(|it| it.level().abs_diff(next.level()) <= 1), "{told}");
        // It comes to an end.
        let closer = next.level().abs_diff(to) < low.abs_diff(to).max(high.abs_diff(to));
        assert!(closer || next == declared, "{told}");
    }
}

#[test]
fn what_a_cluster_has_that_says_nothing_is_decided_when_it_is_new() {
    let open = Tls::default();
    let new = open.settle(None);
    assert!(new.client().is_on() && new.peer().is_on());
    let before = open.settle(Some(&Tls::default()));
    assert_eq!((before.client(), before.peer()), (&Link::Off, &Link::Off), "as it was");
    assert_eq!(open.settle(Some(&new)), new);
}
