//! TLS of etcd: what members are started with, and what is asked of them on the way.

use endstate_core::tls::{Authorities, Given, Link, Source, Tls};
use endstate_core::{
    Accepted, App, Bundle, CertificateFacts, CertificateFault, ConditionType, Health, Identity,
    LaunchOf, Member, MemberRecord, Request, SeenCertificate, Snapshot, Truth, Usage, View,
    Waiting, plan,
};
use etcd_plan::{Etcd, EtcdClusterSpec, MOVE_ADDRESS};
use jiff::Timestamp;

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

fn given(members: &str) -> Link {
    let (members, operator) = (members.into(), "op".into());
    Link::On(Source::Secrets(Given { members, operator, ..Given::default() }))
}

fn spec(link: &Link) -> EtcdClusterSpec {
    let tls = Tls { client: Some(link.clone()), peer: Some(link.clone()) };
    EtcdClusterSpec { tls, ..EtcdClusterSpec::new(3, "3.5.16") }
}

/// Who has no pod, because all were deleted or the cluster sleeps, comes back as it was.
#[test]
fn nobody_is_brought_on_while_somebody_may_run_another_than_is_seen() {
    let (ready, on) = (spec(&at(1)), EtcdClusterSpec { size: 5, ..spec(&at(2)) });
    let held = Etcd.stage(&[&ready], &on, (&View::default(), false)).spec;
    assert_eq!((held.tls, held.size), (ready.tls.clone(), 5));
    assert_eq!(Etcd.stage(&[&ready], &on, (&View::default(), true)).spec, on);
}

#[test]
fn another_authority_is_trusted_before_it_signs_and_alone_only_then() {
    let declared = Link::On(source(2, &[2]));
    let mut now = Link::On(source(1, &[1]));
    let mut stages = vec![];
    while now != declared {
        now = Link::toward(&[&now], &declared);
        stages.push(now.clone());
    }
    let both = [1, 2];
    let expected = [source(1, &both), source(2, &both), source(2, &[2])].map(Link::On);
    assert_eq!(stages, expected);
    // One that still trusts the old one alone holds the others up.
    let behind = Link::On(source(1, &[1]));
    assert_eq!(Link::toward(&[&expected[0], &behind], &declared), expected[0]);
    // A pod is made anew for each: a process reads whom it trusts when it starts.
    let specs: Vec<_> = expected.iter().map(spec).collect();
    for (old, new) in specs.iter().zip(&specs[1..]) {
        let change = Etcd.change(&"member".into(), old, new);
        assert_eq!(change, endstate_core::Change::Recreate);
    }
}

#[test]
fn a_users_certificates_follow_the_operators_and_not_another_users() {
    let refused =
        |old: &Link, new: &Link| Etcd.refuses(&spec(old), &spec(new), &View::default()).is_some();
    assert!(!refused(&at(2), &given("mine")) && !refused(&given("mine"), &at(2)));
    assert!(refused(&given("mine"), &given("other")));
    assert!(!refused(&at(2), &Link::Off) && !refused(&Link::Off, &given("mine")));
    let counted = |it| Link::On(source(it, &[it]));
    assert!(!refused(&at(2), &counted(2)));
    assert!(refused(&at(2), &counted(3)) && refused(&counted(2), &counted(1)));
}

#[test]
fn a_port_serves_both_ways_while_clients_change_over() {
    let (object, member) =
        (Identity::new("default", "demo", "0c5f"), MemberRecord::new("demo-a", "member"));
    for (level, clients, peers) in [
        (0, "http://0.0.0.0:2379", "http://0.0.0.0:2380"),
        (1, "http://0.0.0.0:2379,https://0.0.0.0:2379", "http://0.0.0.0:2380"),
        (2, "https://0.0.0.0:2379", "https://0.0.0.0:2380"),
    ] {
        let spec = spec(&at(level));
        let launch = Etcd.launch(&LaunchOf::new(&object, &spec, &member));
        let has = |flag: String| launch.command.contains(&flag);
        assert!(has(format!("--listen-client-urls={clients}")), "{:?}", launch.command);
        assert!(has(format!("--listen-peer-urls={peers}")), "{:?}", launch.command);
        assert_eq!(has("--peer-client-cert-auth=true".into()), level > 0);
        assert_eq!(launch.secrets.len(), if level > 0 { 2 } else { 0 });
        assert_eq!(launch.env.iter().any(|it| it.0 == "ETCDCTL_CERT"), level == 2);
    }
}

#[test]
fn who_listens_otherwise_than_listed_is_listed_anew_and_a_learner_never() {
    let member = |address: &str| {
        let mut member = Member::new("demo-a", "a", "member").voting(true);
        member.address = Some(format!("{address}://demo-a.demo-peer.default.svc:2380"));
        member
    };
    let steps = |member: Member| {
        let mut cluster = endstate_core::Cluster::default();
        cluster.members = vec![member];
        Etcd.steps(&spec(&at(2)), &cluster)
    };
    let due = steps(member("http"));
    assert_eq!(due[0].name, MOVE_ADDRESS);
    let address = "https://demo-a.demo-peer.default.svc:2380";
    assert_eq!(due[0].arguments["address"], address);
    assert!(!Request::App(due[0].clone()).is_dangerous());
    assert_eq!(steps(member("https")), []);
    assert_eq!(steps(member("http").voting(false)), [], "it would get a vote");
    let mut outdated = member("http");
    outdated.outdated = true;
    assert_eq!(steps(outdated), [], "it listens as before");
    let mut down = member("http");
    down.health = Health::Leaderless;
    assert_eq!(steps(down), []);
}

#[test]
fn clients_and_members_have_authorities_of_their_own() {
    let object = Identity::new("default", "demo", "0c5f");
    let certificates = Etcd.certificates(&object, &spec(&at(2)));
    let told: Vec<_> = certificates
        .iter()
        .map(|it| format!("{} {}", it.secret, it.issuer.as_deref().unwrap_or("-")))
        .collect();
    let expected = [
        "demo-client-ca-1 -",
        "demo-server-tls demo-client-ca-1",
        "demo-operator-tls demo-client-ca-1",
        "demo-client-tls demo-client-ca-1",
        "demo-peer-ca-1 -",
        "demo-peer-tls demo-peer-ca-1",
    ];
    assert_eq!(told, expected);
    let server = &certificates[1];
    for name in ["*.demo-peer.default.svc", "demo-client.default.svc", "localhost", "::1"] {
        assert!(server.names.contains(name), "{name}");
    }
    assert_eq!(certificates[2].usages, [Usage::Client].into());
    assert!(Etcd.certificates(&object, &spec(&Link::Off)).is_empty());
}

/// Until the user's secret can be used, whoever runs stays as it is and the status says what is wrong.
#[test]
fn nobody_is_changed_to_a_secret_that_cannot_be_used() {
    let object = Identity::new("default", "demo", "0c5f");
    let (before, after) = (spec(&at(2)), spec(&given("mine")));
    let mut snapshot =
        Snapshot::new("2026-01-01T00:00:00Z".parse().unwrap(), object, after.clone());
    let record = &mut snapshot.status.record;
    record.accepted = Some(Accepted { generation: 0, spec: before.clone() });
    record.cluster_id = Some("c".into());
    snapshot.pods = Some(vec![]);
    let life = ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-04-01T00:00:00Z".parse().unwrap());
    let mut facts = CertificateFacts::new("k", "u", life);
    facts.trusts = ["u".to_owned()].into();
    let seen = |facts: Option<&CertificateFacts>| {
        let secrets = Etcd.certificates(&snapshot.object, &before).into_iter();
        let made = secrets.map(|it| SeenCertificate::new(it.secret, None));
        let mine = ["mine", "op"].map(|it| SeenCertificate::new(it, facts.cloned()).given());
        made.chain(mine).collect::<Vec<_>>()
    };
    let both = Link::toward(&[&at(2)], &given("mine"));
    let name = || "*.demo-peer.default.svc".to_owned();
    let mut vouched = facts.clone();
    vouched.usages = [Usage::Server, Usage::Client].into();
    let mut believed = vouched.clone();
    believed.believed_by = ["mine", "op"].map(|it| Bundle::new(it, "ca.crt")).into();
    let mut named = believed.clone();
    named.names.insert(name());
    let by = Bundle::new("op", "ca.crt");
    let cases = [
        (seen(None), Some(CertificateFault::Missing)),
        (seen(Some(&facts)), Some(CertificateFault::Untrusted)),
        // The operator would be shut out.
        (seen(Some(&vouched)), Some(CertificateFault::Disbelieved { by })),
        (seen(Some(&believed)), Some(CertificateFault::Name(name()))),
        (seen(Some(&named)), None),
    ];
    for (seen, fault) in cases {
        snapshot.certificates = seen;
        let plan = plan(&Etcd, &snapshot);
        let next = if fault.is_some() { &before } else { &spec(&both) };
        assert_eq!(plan.status.record.in_force().map(|it| &it.tls), Some(&next.tls), "{fault:?}");
        let certificate = "mine".to_owned();
        let waits = fault.map(|fault| Waiting::ForCertificate { certificate, fault });
        let told = |it: &&Waiting| matches!(it, Waiting::ForCertificate { certificate, .. } if certificate == "mine");
        assert_eq!(plan.waits.iter().find(told), waits.as_ref());
        let issued = plan.surroundings.map(|it| it.issued).unwrap_or_default();
        assert!(issued.iter().all(|it| it.certificate.given.is_none()), "a user's is never made");
    }
}

/// Only its user can renew it, so it is told in time, with its name and the date; and nothing is changed for it.
#[test]
fn a_users_certificate_that_ends_soon_is_told() {
    let object = Identity::new("default", "demo", "0c5f");
    let at_day = |day: &str| -> Timestamp { format!("{day}T00:00:00Z").parse().unwrap() };
    let tls = spec(&given("mine")).tls;
    let spec = EtcdClusterSpec { tls, ..EtcdClusterSpec::new(3, "3.5.35") };
    let mut facts = CertificateFacts::new("k", "u", (at_day("2026-01-01"), at_day("2026-04-01")));
    facts.trusts = ["u".to_owned()].into();
    facts.usages = [Usage::Server, Usage::Client].into();
    facts.names = ["*.demo-peer.default.svc".to_owned()].into();
    facts.believed_by = ["mine", "op"].map(|it| Bundle::new(it, "ca.crt")).into();
    let told = |day: &str| {
        let mut snapshot = Snapshot::new(at_day(day), object.clone(), spec.clone());
        let accepted = Accepted { generation: 0, spec: spec.clone() };
        snapshot.status.record.accepted = Some(accepted);
        snapshot.certificates =
            ["mine", "op"].map(|it| SeenCertificate::new(it, Some(facts.clone())).given()).into();
        let plan = plan(&Etcd, &snapshot);
        let accepted = plan.status.condition(ConditionType::SpecAccepted).unwrap();
        assert_eq!(accepted.status, Truth::True);
        let waits = plan.waits.iter().any(|it| matches!(it, Waiting::ForCertificate { .. }));
        (accepted.message.clone(), waits)
    };
    let ends = |how: &str| {
        let of = |it: &str| {
            format!(
                "spec.tls: the certificate in secret {it} {how} at 2026-04-01T00:00:00Z: put a new one there"
            )
        };
        format!("{}; {}", of("mine"), of("op"))
    };
    assert_eq!(told("2026-03-24"), ("the spec is valid and reachable".into(), false));
    assert_eq!(told("2026-03-25"), (ends("ends"), false));
    assert_eq!(told("2026-04-01"), (ends("ended"), true));
}
