//! What cert-manager is asked for, and what is believed of what it made: by whom it was signed, and whether all believe
//! it who have to.

use endstate_core::tls::{Authorities, Given, Link, Shown, Source, Tls};
use endstate_core::{
    Accepted, ActionKey, ActionKind, App, Blocked, CertificateFacts, CertificateFault,
    ConditionType, Conflict, Denial, Due, Identity, IssuerRef, Origin, Plan, SeenCertificate,
    Snapshot, Truth, Waiting, Words, lint,
};
use etcd_plan::{Etcd, EtcdClusterSpec};
use jiff::Timestamp;

fn day(text: &str) -> Timestamp {
    format!("{text}T00:00:00Z").parse().expect("a date")
}

/// TLS by these secrets, which an issuer fills.
fn filled((members, operator): (&str, &str), issuer: &str) -> Option<Link> {
    let (members, operator) = (members.into(), operator.into());
    let issuer = Some(IssuerRef::new(issuer));
    Some(Link::On(Source::Secrets(Given { members, operator, issuer, ..Given::default() })))
}

fn asking(issuer: &str) -> EtcdClusterSpec {
    let tls =
        Tls { client: filled(("mine", "op"), issuer), peer: filled(("mine-peer", ""), issuer) };
    EtcdClusterSpec { tls, ..EtcdClusterSpec::new(3, "3.5.35") }
}

fn managed() -> EtcdClusterSpec {
    let link = Some(Link::On(Source::Managed(Authorities::only(1))));
    let tls = Tls { client: link.clone(), peer: link };
    EtcdClusterSpec { tls, ..EtcdClusterSpec::new(3, "3.5.35") }
}

/// What cert-manager notes on a secret that it filled for the object of that name.
fn by(secret: &str, issuer: &str) -> Origin {
    Origin::CertManager { request: secret.into(), issuer: Some(IssuerRef::new(issuer)) }
}

/// A certificate that is just as it is asked for, of an issuer.
fn good(snapshot: &Snapshot<EtcdClusterSpec>, secret: &str, issuer: &str) -> SeenCertificate {
    let wanted = Etcd.certificates(&snapshot.object, &snapshot.spec);
    let wanted = wanted.into_iter().find(|it| it.secret == *secret).expect("it is wanted");
    let mut facts = CertificateFacts::new("k", "u", (day("2026-01-01"), day("2026-04-01")));
    facts.trusts = ["u".to_owned()].into();
    (facts.names, facts.usages) = (wanted.names, wanted.usages);
    facts.believed_by = wanted.believers;
    SeenCertificate::new(secret, Some(facts)).given().from(by(secret, issuer))
}

const ASKED: [&str; 3] = ["mine", "op", "mine-peer"];

/// A cluster that works by what the operator makes, and is to work by what an issuer signs, who has signed nothing.
fn changing() -> Snapshot<EtcdClusterSpec> {
    let object = Identity::new("default", "demo", "0c5f");
    let mut snapshot = Snapshot::new(day("2026-01-01"), object, asking("ca"));
    let record = &mut snapshot.status.record;
    record.accepted = Some(Accepted { generation: 0, spec: managed() });
    record.cluster_id = Some("c".into());
    snapshot.pods = Some(vec![]);
    snapshot.platform.cert_manager = true;
    let made = Etcd.certificates(&snapshot.object, &managed()).into_iter();
    let made = made.map(|it| SeenCertificate::new(it.secret, None));
    let asked = ASKED.map(|it| SeenCertificate::new(it, None).given());
    let ready = Some(Words::of("False (DoesNotExist: no secret)"));
    snapshot.certificates = made.chain(asked.map(|it| it.said(ready.clone()))).collect();
    snapshot
}

/// The same, of whom all is signed, which was accepted.
fn signed() -> Snapshot<EtcdClusterSpec> {
    let mut snapshot = changing();
    let spec = snapshot.spec.clone();
    snapshot.status.record.accepted = Some(Accepted { generation: 0, spec });
    for it in ASKED {
        see(&mut snapshot, good(&changing(), it, "ca"));
    }
    snapshot
}

fn see(snapshot: &mut Snapshot<EtcdClusterSpec>, seen: SeenCertificate) {
    snapshot.certificates.retain(|it| it.secret != seen.secret);
    snapshot.certificates.push(seen);
}

/// The plan, which the linter lets pass.
fn plan(snapshot: &Snapshot<EtcdClusterSpec>) -> Plan<EtcdClusterSpec> {
    let plan = endstate_core::plan(&Etcd, snapshot);
    assert_eq!(lint(snapshot, &plan), []);
    plan
}

/// What is wrong with the certificate in a secret, by what the plan waits for.
fn fault(plan: &Plan<EtcdClusterSpec>, secret: &str) -> Option<CertificateFault> {
    plan.waits.iter().find_map(|it| match it {
        Waiting::ForCertificate { certificate, fault } if certificate == secret => {
            Some(fault.clone())
        }
        _ => None,
    })
}

/// What cert-manager is asked for, and what it is to fill.
fn asked(plan: &Plan<EtcdClusterSpec>) -> (Vec<String>, Vec<String>) {
    let around = plan.surroundings.clone().expect("its surroundings are planned");
    let requested = around.requested.into_iter().map(|it| it.secret);
    (around.asked.into_iter().collect(), requested.collect())
}

fn accepted(plan: &Plan<EtcdClusterSpec>) -> (Truth, String) {
    let it = plan.status.condition(ConditionType::SpecAccepted).expect("it is always told");
    (it.status, it.message.clone())
}

#[test]
fn nobody_is_changed_to_a_certificate_that_cert_manager_has_not_made() {
    let mut snapshot = changing();
    let plan = self::plan(&snapshot);
    assert_eq!(plan.status.record.in_force().map(|it| &it.tls), Some(&managed().tls));
    assert!(plan.actions.is_empty(), "{:?}", plan.actions);
    let why = "no certificate with its key and its authority (ca.crt) is in it; Certificate mine says \
               Ready=False (DoesNotExist: no secret)";
    assert_eq!(fault(&plan, "mine").unwrap().to_string(), why);
    let (asked, requested) = asked(&plan);
    assert_eq!(requested, ASKED);
    assert_eq!(asked, ["mine", "mine-peer", "op"]);
    for (number, secret) in ASKED.into_iter().enumerate() {
        let good = good(&snapshot, secret, "ca");
        see(&mut snapshot, good);
        let plan = self::plan(&snapshot);
        let stays = plan.status.record.in_force().map(|it| &it.tls) == Some(&managed().tls);
        assert_eq!(stays, number < 2, "after {secret}");
    }
}

/// What the secret held before is replaced at any moment, and then nobody would believe who was started with it.
#[test]
fn a_certificate_of_another_issuer_passes_for_none_that_was_asked_for() {
    let other_kind = IssuerRef::new("ca").of("ClusterIssuer", "");
    let other_group = IssuerRef::new("ca").of("", "example.com");
    let others = [Some(IssuerRef::new("old")), Some(other_kind), Some(other_group), None];
    for by in others {
        let mut snapshot = changing();
        for it in ASKED {
            let good = good(&snapshot, it, "ca");
            see(&mut snapshot, good);
        }
        let origin = Origin::CertManager { request: "mine".into(), issuer: by.clone() };
        let old = good(&snapshot, "mine", "ca").from(origin);
        see(&mut snapshot, old.said(Some(Words::of("False (IncorrectIssuer)"))));
        let plan = plan(&snapshot);
        assert_eq!(plan.status.record.in_force().map(|it| &it.tls), Some(&managed().tls), "{by:?}");
        let told = fault(&plan, "mine").unwrap().to_string();
        let of = by.map_or_else(|| "an unknown issuer".to_owned(), |it| it.to_string());
        let says = "Certificate mine says Ready=False (IncorrectIssuer)";
        assert_eq!(told, format!("what is in it is of {of}, not of Issuer ca; {says}"));
        assert!(asked(&plan).0.contains(&"mine".to_owned()), "it is to be replaced");
    }
}

/// Its members would trust what is about to be replaced.
#[test]
fn a_new_cluster_is_not_begun_with_what_another_issuer_signed() {
    let mut snapshot = signed();
    snapshot.status.record.cluster_id = None;
    let begun = plan(&snapshot);
    assert!(begun.status.record.bootstrap.is_some());
    for origin in [by("mine", "old"), Origin::Other] {
        let old = good(&snapshot, "mine", "ca").from(origin);
        see(&mut snapshot, old);
        let plan = plan(&snapshot);
        assert_eq!(plan.status.record.bootstrap, None);
        assert!(fault(&plan, "mine").is_some());
        assert_eq!(asked(&plan).1, ASKED, "and who is asked is not forgotten");
    }
}

#[test]
fn a_secret_that_is_not_cert_managers_to_fill_is_told_and_not_asked_for() {
    let another = Origin::CertManager { request: "theirs".into(), issuer: None };
    let why = |it| {
        format!(
            "{it}, so cert-manager is not asked to overwrite it: name a secret that is not there yet"
        )
    };
    let cases = [
        (Origin::Other, why("cert-manager did not put there what is in it")),
        (another, why("cert-manager put there what Certificate theirs asks for")),
    ];
    for (origin, why) in cases {
        // Also one that holds nothing that can be read.
        for facts in [None, good(&changing(), "mine", "ca").facts] {
            let mut snapshot = changing();
            see(&mut snapshot, SeenCertificate::new("mine", facts).given().from(origin.clone()));
            let plan = plan(&snapshot);
            assert_eq!(fault(&plan, "mine").unwrap().to_string(), why);
            let (asked, requested) = asked(&plan);
            assert_eq!(asked, ["mine-peer", "op"]);
            assert_eq!(requested, ASKED, "what was asked for before is not pruned");
        }
    }
}

/// Who fills the secrets is somebody else's, or the API does not like what is asked: members and the other objects are
/// not held up.
#[test]
fn what_cannot_be_asked_for_holds_up_nothing_else() {
    let mut snapshot = signed();
    snapshot.conflicts = vec![Conflict::of_request("mine")];
    let told = plan(&snapshot);
    assert_eq!(asked(&told).0, ["mine-peer", "op"]);
    let waits: Vec<_> = told.waits.iter().map(ToString::to_string).collect();
    let why = "waiting for the name of Certificate mine to be free because it exists and has another owner: name \
               another secret in spec.tls";
    assert!(waits.contains(&why.to_owned()), "{waits:?}");

    snapshot.conflicts.clear();
    let action = ActionKey { kind: ActionKind::RequestCertificates, member: "demo".into() };
    let denial = Denial::Api { message: Words::of("denied by a webhook") };
    snapshot.blocked = vec![Blocked::new(action, denial, snapshot.now)];
    let rests = plan(&snapshot);
    let (asked, requested) = asked(&rests);
    assert_eq!((asked.len(), requested.len()), (0, 3), "it rests, and is not pruned");
    let waits: Vec<_> = rests.waits.iter().map(ToString::to_string).collect();
    let why = "\"ask cert-manager for the certificates of demo\" to be accepted because denied by a webhook";
    assert!(waits.iter().any(|it| it.contains(why)), "{waits:?}");
    snapshot.now += jiff::SignedDuration::from_secs(60);
    assert_eq!(self::asked(&plan(&snapshot)).0.len(), 3);
}

/// An issuer of the type SelfSigned makes an authority of each certificate.
#[test]
fn certificates_that_do_not_believe_each_other_are_refused() {
    let change = |of: &str, change: fn(&mut CertificateFacts)| {
        let mut snapshot = signed();
        let seen = snapshot.certificates.iter_mut().find(|it| it.secret == *of).unwrap();
        seen.facts.iter_mut().for_each(change);
        fault(&plan(&snapshot), of).map(|it| it.to_string())
    };
    for secret in ASKED {
        assert_eq!(change(secret, |_| {}), None);
        let told = change(secret, |it| it.trusts = [it.key.clone()].into()).unwrap();
        assert!(told.starts_with("it is its own authority"), "{told}");
        assert!(told.contains("SelfSigned") && told.contains("of the type CA"), "{told}");
    }
    let why = |by| {
        Some(format!(
            "ca.crt of secret {by} does not vouch for it: both have to be of one authority"
        ))
    };
    assert_eq!(change("mine", |it| it.believed_by.clear()), why("op"));
    assert_eq!(change("op", |it| it.believed_by.clear()), why("mine"));
    assert_eq!(change("mine-peer", |it| it.believed_by.clear()), None, "it meets its own kind");
}

/// Members trust the authority that they were started with, and nobody notices when there is another: one that ends
/// within a year is told.
#[test]
fn an_authority_that_ends_soon_is_told() {
    let life = (day("2026-01-01"), day("2036-01-01"));
    let told = |now: &str| {
        let mut snapshot = signed();
        snapshot.now = day(now);
        for it in ASKED {
            let mut seen = good(&snapshot, it, "ca");
            let facts = seen.facts.as_mut().unwrap();
            (facts.not_before, facts.not_after) = (day(now), day("2040-01-01"));
            facts.authority = (it == "mine-peer").then_some(life);
            see(&mut snapshot, seen);
        }
        let due = Etcd.certificates(&snapshot.object, &snapshot.spec);
        let due = due.iter().find(|it| it.secret == "mine-peer").unwrap();
        let due = due.due(&snapshot.certificates, snapshot.now);
        (accepted(&plan(&snapshot)).1, due)
    };
    let valid = "the spec is valid and reachable".to_owned();
    assert_eq!(
        told("2034-12-31"),
        (valid, Due::At(day("2035-01-01"))),
        "it is looked at again then"
    );
    let (message, due) = told("2035-01-01");
    let why = "spec.tls: the authority of the certificate in secret mine-peer ends at 2036-01-01T00:00:00Z: members \
               read it only at their start, so count spec.tls.*.authority up after it was renewed; let it be good for ten \
               years, by the same key for ever (privateKey.rotationPolicy: Never)";
    assert_eq!((&*message, due), (why, Due::At(day("2036-01-01"))));
    let (message, due) = told("2036-01-01");
    assert!(message.contains("mine-peer ended at 2036-01-01"), "{message}");
    assert_eq!(due, Due::Unusable(CertificateFault::AuthorityEnded(day("2036-01-01"))));
}

#[test]
fn an_authority_of_the_operators_own_that_ends_soon_is_told() {
    let told = |now: &str| {
        let mut snapshot = changing();
        (snapshot.now, snapshot.spec) = (day(now), managed());
        let life = (day("2026-01-01"), day("2036-01-01"));
        let facts = CertificateFacts::new("a", "a", life);
        see(&mut snapshot, SeenCertificate::new("demo-peer-ca-1", Some(facts)));
        accepted(&plan(&snapshot)).1
    };
    assert_eq!(told("2035-12-01"), "the spec is valid and reachable");
    let why = "spec.tls: the authority in secret demo-peer-ca-1 ends at 2036-01-01T00:00:00Z: count its number up";
    assert_eq!(told("2035-12-02"), why);
}

#[test]
fn without_cert_manager_nothing_new_is_asked_of_it_and_the_rest_goes_on() {
    let mut snapshot = changing();
    snapshot.platform.cert_manager = false;
    let told = plan(&snapshot);
    let (truth, message) = accepted(&told);
    assert_eq!(truth, Truth::False);
    for told in ["secret mine:", "is not installed", "Install cert-manager, or remove certManager"]
    {
        assert!(message.contains(told), "{message}");
    }
    assert_eq!(told.status.record.accepted.map(|it| it.spec), Some(managed()));
    // What was accepted while it was there may still be changed in all else, and its end is told.
    let mut snapshot = signed();
    snapshot.platform.cert_manager = false;
    snapshot.spec.size = 5;
    let told = plan(&snapshot);
    let (truth, message) = accepted(&told);
    assert_eq!(truth, Truth::True);
    for told in ["nobody renews the certificate in secret mine:", "Install cert-manager again"] {
        assert!(message.contains(told), "{message}");
    }
    assert_eq!(fault(&told, "mine"), None, "what is there goes on");
    assert_eq!(told.status.record.accepted.map(|it| it.spec.size), Some(5));
    snapshot.platform.cert_manager = true;
    assert_eq!(accepted(&plan(&snapshot)).1, "the spec is valid and reachable");
}

/// A user's certificate was good when members began to trust it, and may not be when they are to show it.
#[test]
fn each_stage_asks_again_whether_certificates_can_be_used() {
    let mut snapshot = changing();
    for it in ASKED {
        see(&mut snapshot, good(&changing(), it, "ca"));
    }
    let mut in_force = vec![];
    for _ in 0..3 {
        let record = plan(&snapshot).status.record;
        in_force.push(record.in_force().unwrap().tls.clone());
        snapshot.status.record = record;
        // All members were brought to it.
        snapshot.status.record.proven = None;
        if in_force.len() == 3 {
            break;
        }
        let held = |secret: &str, origin: Origin| {
            let mut snapshot = snapshot.clone();
            see(&mut snapshot, good(&changing(), secret, "ca").from(origin));
            let plan = plan(&snapshot);
            let stays = plan.status.record.in_force().map(|it| &it.tls) == in_force.last();
            (stays, fault(&plan, secret).is_some())
        };
        for secret in ASKED {
            assert_eq!(held(secret, by(secret, "old")), (true, true), "{secret} {in_force:?}");
            assert_eq!(held(secret, by(secret, "ca")), (false, false), "{secret} {in_force:?}");
        }
    }
    let shown = in_force.iter().map(|it| it.client().source().map(Source::shown));
    let [both, given] = [Shown::Managed, Shown::Given].map(Some);
    assert_eq!(shown.collect::<Vec<_>>(), [both, given, given]);
    assert_eq!(in_force[2], asking("ca").tls);
    // The way back is open, whatever became of them.
    snapshot.spec = managed();
    for it in ASKED {
        see(&mut snapshot, good(&changing(), it, "ca").from(by(it, "old")));
    }
    let back = plan(&snapshot).status.record;
    assert_ne!(back.in_force().map(|it| &it.tls), Some(&asking("ca").tls));
}

#[test]
fn a_request_of_somebody_elses_keeps_no_new_cluster_from_what_it_can_do() {
    let mut snapshot = signed();
    snapshot.status.record.cluster_id = None;
    snapshot.conflicts = vec![Conflict::of_request("mine")];
    let begun = plan(&snapshot);
    assert!(begun.status.record.bootstrap.is_some() && begun.surroundings.is_some());
    // One of another group's kind of that name is like any.
    snapshot.conflicts = vec![Conflict::new("Certificate", "mine")];
    let held = plan(&snapshot);
    assert!(held.status.record.bootstrap.is_none() && held.surroundings.is_none());
}

/// cert-manager's webhook that converts its objects is down, say.
#[test]
fn what_cannot_be_looked_for_is_not_asked_for_and_told() {
    let mut snapshot = signed();
    snapshot.unasked = Some(Words::of("conversion webhook failed"));
    let told = plan(&snapshot);
    let (asked, requested) = asked(&told);
    assert_eq!((asked.len(), requested.len()), (0, 3), "nothing is pruned");
    let why = "spec.tls: cert-manager is not asked now, because its objects cannot be read: conversion webhook failed";
    assert_eq!(accepted(&told), (Truth::True, why.into()));
}

#[test]
fn a_certificate_that_cert_manager_did_not_renew_is_told_as_such() {
    let mut snapshot = signed();
    snapshot.now = day("2026-03-25");
    let message = accepted(&plan(&snapshot)).1;
    let why = "cert-manager should have renewed it, and Certificate mine says why it did not";
    assert!(message.contains(why), "{message}");
    assert!(!message.contains("put a new one there"), "{message}");
}

/// A name was accepted before it was refused: members run by it, so it is told, and all else may be changed.
#[test]
fn a_rule_that_came_later_refuses_only_what_is_new() {
    let name = "demo-peer-ca-1";
    let with = |client: &str, peer: &str| {
        let tls = Tls { client: filled((client, "op"), "ca"), peer: filled((peer, ""), "ca") };
        EtcdClusterSpec { tls, ..EtcdClusterSpec::new(3, "3.5.35") }
    };
    let mut snapshot = signed();
    let spec = with("mine", name);
    snapshot.status.record.accepted = Some(Accepted { generation: 0, spec: spec.clone() });
    snapshot.spec = EtcdClusterSpec { size: 5, ..spec };
    let told = plan(&snapshot);
    let (truth, message) = accepted(&told);
    assert_eq!(truth, Truth::True);
    assert!(message.contains("is the name of a secret of the operator's own"), "{message}");
    assert_eq!(told.status.record.accepted.map(|it| it.spec.size), Some(5));
    snapshot.spec = with("demo-client-ca-1", name);
    let (truth, message) = accepted(&plan(&snapshot));
    assert_eq!(truth, Truth::False);
    assert!(message.contains("demo-client-ca-1 is the name"), "{message}");
}
