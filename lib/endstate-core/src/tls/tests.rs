use super::*;
use crate::IssuerRef;

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

fn given(secret: &str) -> Link {
    let (members, operator) = (secret.to_owned(), format!("{secret}-operator"));
    Link::On(Source::Secrets(Given { members, operator, ..Given::default() }))
}

/// The same, which cert-manager fills.
fn requested(secret: &str, issuer: &str) -> Link {
    let Link::On(Source::Secrets(given)) = given(secret) else { unreachable!() };
    Link::On(Source::Secrets(Given { issuer: Some(IssuerRef::new(issuer)), ..given }))
}

/// The same, with another authority in it.
fn renewed(secret: &str, authority: u32) -> Link {
    let Link::On(Source::Secrets(given)) = given(secret) else { unreachable!() };
    Link::On(Source::Secrets(Given { authority, ..given }))
}

fn counted(authority: u32) -> Link {
    Link::On(source(authority, &[authority]))
}

/// Members are brought to what is in force in any order, and a user has a change of mind at any time: everybody
/// believes everybody, and the operator is believed by all and believes all.
#[test]
fn whoever_runs_believes_whoever_runs_and_the_operator_on_every_way() {
    let ends = [
        counted(1),
        counted(2),
        given("mine"),
        renewed("mine", 2),
        given("yours"),
        requested("mine", "ca"),
    ];
    let mut seen: Vec<(Link, Vec<Link>)> = vec![];
    let mut next: Vec<_> = ends.iter().map(|it| (it.clone(), vec![it.clone(); 3])).collect();
    while let Some((in_force, members)) = next.pop() {
        let state = (in_force.clone(), members.clone());
        if seen.contains(&state) {
            continue;
        }
        let sources = || members.iter().chain([&in_force]).filter_map(Link::source);
        for (a, b) in sources().flat_map(|a| sources().map(move |b| (a, b))) {
            assert!(a.believes(b), "{a:?} does not believe {b:?}");
        }
        seen.push(state);
        for (number, member) in members.iter().enumerate().filter(|it| *it.1 != in_force) {
            let mut changed = members.clone();
            changed[number] = in_force.clone();
            assert!(*member != in_force);
            next.push((in_force.clone(), changed));
        }
        let running: Vec<_> = [&in_force].into_iter().chain(&members).collect();
        next.extend(ends.iter().map(|to| (Link::toward(&running, to), members.clone())));
    }
    assert!(seen.len() > 100, "{}", seen.len());
}

#[test]
fn from_the_operators_own_to_a_users_and_back_it_takes_three_stages_and_from_one_to_another_six() {
    let stages = |from: &Link, to: &Link| {
        let mut stages = vec![from.clone()];
        while stages.last() != Some(to) && stages.len() < 20 {
            stages.push(Link::toward(&[stages.last().unwrap()], to));
        }
        stages.len() - 1
    };
    let (mine, yours) = (given("mine"), given("yours"));
    assert_eq!([stages(&counted(1), &mine), stages(&mine, &counted(1))], [3, 3]);
    assert_eq!(stages(&mine, &yours), 6);
    // Another issuer may be another authority.
    let one = requested("mine", "one");
    assert_eq!([stages(&counted(1), &one), stages(&one, &counted(1))], [3, 3]);
    assert_eq!([stages(&mine, &one), stages(&one, &requested("mine", "other"))], [6, 6]);
}

/// The secret is the same, so members believe each other as long as the user sees to it; who runs is started anew.
#[test]
fn another_authority_in_a_users_secret_takes_one_roll() {
    let (old, new) = (given("mine"), renewed("mine", 2));
    assert_eq!(Link::toward(&[&old, &old], &new), new);
    assert_eq!(Link::refuses(&old, &new, "spec.tls.peer"), None);
    let generation =
        |it: &Link| Tls { client: Some(Link::Off), peer: Some(it.clone()) }.generation();
    assert_eq!(generation(&old), None);
    assert_eq!(generation(&new).as_deref(), Some("peer: authority 2 of mine"));
    // From and to the operator's own it goes with the other stages.
    let both = Link::toward(&[&counted(1)], &new);
    assert_eq!(generation(&both).as_deref(), Some("peer: 1 of {1} and authority 2 of mine"));
    // What was recorded before there was a number reads as the first, and a first is written as before.
    let written = serde_json::to_value(&old).unwrap();
    assert!(written.pointer("/On/Secrets/authority").is_none(), "{written}");
    assert_eq!(serde_json::from_value::<Link>(written).unwrap(), old);
}

/// cert-manager is asked for what a user's secret needs, and more: by all names that clients may use.
#[test]
fn cert_manager_is_asked_for_all_names_and_never_for_a_secret_of_the_operators() {
    let object = Identity::new("default", "demo", "0c5f");
    let tls = Tls { client: Some(requested("mine", "ca")), peer: Some(Link::Off) };
    let asked = tls.certificates(&object, "root");
    let names: Vec<_> = asked.iter().map(|it| (&*it.secret, &*it.common_name)).collect();
    assert_eq!(names, [("mine", "server"), ("mine-operator", "root")]);
    assert!(asked.iter().all(|it| it.requested == Some(IssuerRef::new("ca"))));
    for name in ["demo-client.default.svc", "*.demo-peer.default.svc", "localhost", "::1"] {
        assert!(asked[0].names.contains(name), "{name}");
    }
    assert_eq!(asked[1].usages, [Usage::Client].into());
    assert_eq!(tls.problems(&object), []);
    let over = |link: Link| Tls { client: None, peer: Some(link) }.problems(&object);
    let why = "demo-peer-tls is the name of a secret of the operator's own: name another";
    let refused = Problem::refused("spec.tls.peer", why);
    assert_eq!(over(requested("demo-peer-tls", "ca")), [refused]);
    assert_eq!(over(given("demo-peer-tls")), [], "it is only read");
}

/// The secrets of authorities, of any number, are the operator's; so are those of its certificates, for who writes
/// them.
#[test]
fn no_secret_of_a_users_is_called_as_one_of_the_operators() {
    let object = Identity::new("default", "demo", "0c5f");
    let problems = |client: Link| Tls { client: Some(client), peer: None }.problems(&object);
    for name in ["demo-client-ca-1", "demo-peer-ca-17"] {
        let why = format!("{name} is the name of a secret of the operator's own: name another");
        let refused = [Problem::refused("spec.tls.client", why)];
        assert_eq!(problems(given(name)), refused);
        assert_eq!(problems(requested(name, "ca")), refused);
    }
    for name in ["demo-server-tls", "demo-operator-tls", "demo-client-tls-anna"] {
        assert_eq!(problems(requested(name, "ca")).len(), 1, "{name}");
        assert_eq!(problems(given(name)), [], "{name}");
    }
    for name in ["demo-ca-1", "other-client-ca-1", "demo-client-ca"] {
        assert_eq!(problems(requested(name, "ca")), [], "{name}");
    }
    let both = Some(given("demo-peer-ca-1"));
    let fields = Tls { client: both.clone(), peer: both }.problems(&object);
    let fields: Vec<_> = fields.iter().map(|it| &*it.field).collect();
    assert_eq!(fields, ["spec.tls.client", "spec.tls.peer"], "each is told");
}

#[test]
fn cert_manager_fills_a_secret_for_one_purpose() {
    let object = Identity::new("default", "demo", "0c5f");
    let link = |members: &str, operator: &str, issuer: Option<&str>| {
        let (members, operator) = (members.into(), operator.into());
        let issuer = issuer.map(IssuerRef::new);
        Some(Link::On(Source::Secrets(Given { members, operator, issuer, ..Given::default() })))
    };
    let (by, none) = (Some("ca"), None);
    let cases = [
        (link("a", "b", by), link("c", "", by), None),
        (link("a", "a", by), link("c", "", by), Some("spec.tls.client")),
        (link("a", "b", by), link("b", "", none), Some("spec.tls.client")),
        (link("a", "b", none), link("a", "", by), Some("spec.tls.peer")),
        (link("a", "a", none), link("c", "", by), None),
        (link("a", "a", none), link("a", "", none), None),
    ];
    for (client, peer, field) in cases {
        let tls = Tls { client, peer };
        let problems = tls.problems(&object);
        assert_eq!(problems.first().map(|it| &*it.field), field, "{tls:?}");
        assert!(
            problems.iter().all(|it| it.message.contains("puts one certificate into a secret"))
        );
    }
}

/// Members show the user's and trust both: the files come from two secrets.
#[test]
fn what_is_trusted_while_a_users_is_shown_is_in_the_operators_secret() {
    let object = Identity::new("default", "demo", "0c5f");
    let both = Link::toward(&[&counted(1)], &given("mine"));
    let shown = Link::toward(&[&both], &given("mine"));
    let files = |it: &Link| it.files("app", &object, Holder::Server).unwrap();
    assert_eq!(files(&both), files(&counted(1)));
    let mounted = files(&shown).mounted("app", Holder::Server);
    assert_eq!((mounted.secret.as_str(), mounted.keys.len()), ("mine", 2));
    let bundle = Bundle::new("demo-server-tls", "ca.crt");
    assert_eq!(mounted.beside, Some((bundle, "ca.crt".to_owned())));
    let tls = Tls { client: Some(shown), peer: Some(Link::Off) };
    let certificates = tls.certificates(&object, "root");
    let leaf = certificates.iter().find(|it| it.secret == "demo-server-tls").unwrap();
    let trusted = Trusted::Given(Bundle::new("mine", "ca.crt"));
    assert_eq!(leaf.trusts, ["demo-client-ca-1".into(), trusted]);
    let given: Vec<_> = certificates.iter().filter(|it| it.given.is_some()).collect();
    assert_eq!([&*given[0].secret, &*given[1].secret], ["mine", "mine-operator"]);
    assert!(given[0].names.contains("*.demo-peer.default.svc"));
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
