//! Users and roles: what etcd is asked for, and what each object is told, by what it has.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;

use endstate_core::tls::{Given, Link, Source, Tls};
use endstate_core::{
    Access, App, Beside, Cluster, Facts, Identity, Member, Permission, Refused, Tended, Truth,
    Usage, Version, View, Words,
};
use etcd_plan::auth::{
    Auth, AuthFacts, Change, DISABLE_AUTH, ENABLE_AUTH, ROLE_KIND, SET_ROOT_PASSWORD, USER_KIND,
    UserFacts,
};
use etcd_plan::{ClusterFacts, Etcd, EtcdClusterSpec, ROOT};
use serde_json::{Value, json};

fn object(kind: &str, name: &str, spec: Value) -> Beside {
    let mut object = Beside::new(kind, name, Facts::of(&spec)).of_cluster("demo");
    object.uid = format!("{kind}-{name}").as_str().into();
    object
}

fn role(name: &str, key: &str) -> Beside {
    object(ROLE_KIND, name, json!({"permissions": [{"access": "read", "key": key}]}))
}

fn user(name: &str, roles: &[&str]) -> Beside {
    object(USER_KIND, name, json!({"roles": roles, "password": {"secret": name}}))
}

fn permission(key: &str) -> Permission {
    Permission { key: key.into(), end: vec![], access: Access::Read }
}

fn spec(enabled: bool) -> EtcdClusterSpec {
    let auth = Some(Auth { enabled, root_secret: None });
    EtcdClusterSpec { auth, ..EtcdClusterSpec::new(3, "3.5.35") }
}

/// What etcd has by now: every change that was asked for is made.
fn made(facts: &mut AuthFacts, changes: &[Change]) {
    for change in changes.iter().cloned() {
        match change {
            Change::AddRole(it) => {
                facts.roles.insert(it.clone(), BTreeSet::new());
                facts.all_roles.insert(it);
            }
            Change::DeleteRole(it) => {
                facts.roles.remove(&it);
                facts.all_roles.remove(&it);
            }
            Change::Permit(role, it) => {
                facts.roles.get_mut(&role).unwrap().insert(it);
            }
            Change::Forbid(role, it) => {
                facts.roles.get_mut(&role).unwrap().remove(&it);
            }
            Change::AddUser(it, _) => {
                facts.users.insert(it, UserFacts::default());
            }
            Change::DeleteUser(it) => {
                facts.users.remove(&it);
            }
            Change::SetPassword(user, _) => {
                facts.users.get_mut(&user).unwrap().password = Some(true);
            }
            Change::Give(user, role) => {
                facts.users.get_mut(&user).unwrap().roles.insert(role);
            }
            Change::Take(user, role) => {
                facts.users.get_mut(&user).unwrap().roles.remove(&role);
            }
        }
    }
}

fn cluster(objects: &[Beside], facts: &AuthFacts, same_data: Option<bool>) -> Cluster {
    let mut cluster = Cluster::default();
    let mut leader = Member::new("demo-a", "a", "member").voting(true);
    leader.leads = true;
    cluster.members = vec![leader];
    cluster.beside = objects.to_vec();
    let mut facts = facts.clone();
    facts.passwords.extend(objects.iter().map(|it| it.uid.to_string()));
    cluster.facts =
        Facts::of(&ClusterFacts { same_data, auth: Some(facts), ..ClusterFacts::default() });
    cluster
}

fn tend(objects: &[Beside], facts: &AuthFacts) -> Vec<Tended> {
    Etcd.tend(&spec(true), &cluster(objects, facts, None))
}

fn changes(tended: &[Tended]) -> Vec<Change> {
    tended.iter().flat_map(|it| &it.steps).map(|it| Change::of(it).unwrap()).collect()
}

fn reason<'a>(tended: &'a [Tended], name: &str) -> &'a str {
    &tended.iter().find(|it| it.name == name).unwrap().verdict.reason
}

#[test]
fn what_is_declared_is_made_in_one_go_and_then_nothing_is_asked() {
    let objects = [user("anna", &["reader"]), role("reader", "k")];
    let mut facts = AuthFacts { enabled: true, ..AuthFacts::default() };
    let place = ("anna".to_owned(), "password".to_owned());
    let due = changes(&tend(&objects, &facts));
    let expected = [
        Change::AddRole("reader".into()),
        Change::Permit("reader".into(), permission("k")),
        Change::AddUser("anna".into(), Some(place)),
        Change::Give("anna".into(), "reader".into()),
    ];
    assert_eq!(due, expected);
    made(&mut facts, &due);
    let after = tend(&objects, &facts);
    assert_eq!(changes(&after), []);
    assert!(after.iter().all(|it| it.verdict.status == Truth::True && it.held));
    facts.enabled = false;
    assert_eq!(reason(&tend(&objects, &facts), "anna"), "AuthenticationIsOff");
}

#[test]
fn what_no_object_declares_goes_from_those_that_are_declared_and_stays_elsewhere() {
    let mut facts = AuthFacts { enabled: true, ..AuthFacts::default() };
    let objects = [user("anna", &["reader"]), role("reader", "k")];
    let due = changes(&tend(&objects, &facts));
    made(&mut facts, &due);
    // By hand: more for her and her role, and a role and a user that nobody declares.
    let by_hand = [
        Change::AddRole("theirs".into()),
        Change::Permit("reader".into(), permission("secret")),
        Change::Give("anna".into(), "theirs".into()),
        Change::AddUser("carl".into(), None),
    ];
    made(&mut facts, &by_hand);
    let due = changes(&tend(&objects, &facts));
    let expected = [
        Change::Forbid("reader".into(), permission("secret")),
        Change::Take("anna".into(), "theirs".into()),
    ];
    assert_eq!(due, expected);
}

#[test]
fn a_password_that_etcd_does_not_take_is_set() {
    let mut facts = AuthFacts { enabled: true, ..AuthFacts::default() };
    let objects = [user("anna", &[])];
    let has = |password| UserFacts { password, ..UserFacts::default() };
    facts.users.insert("anna".into(), has(Some(false)));
    let place = ("anna".to_owned(), "password".to_owned());
    assert_eq!(changes(&tend(&objects, &facts)), [Change::SetPassword("anna".into(), place)]);
    for known in [None, Some(true)] {
        facts.users.insert("anna".into(), has(known));
        assert_eq!(changes(&tend(&objects, &facts)), []);
    }
}

#[test]
fn each_lack_is_told_and_holds_up_nobody_else() {
    let facts = AuthFacts { enabled: true, ..AuthFacts::default() };
    let certificate = object(USER_KIND, "cert", json!({}));
    let invalid = object(
        ROLE_KIND,
        "invalid",
        json!({"permissions": [{"access": "read", "key": "k", "prefix": "p"}]}),
    );
    let objects = [
        user("anna", &["nowhere"]),
        user("root", &[]),
        object(USER_KIND, "again", json!({"name": "anna"})),
        certificate.clone(),
        invalid,
        role("fine", "k"),
    ];
    let tended = tend(&objects, &facts);
    let told = [
        ("anna", "RoleNotFound"),
        ("root", "NameIsReserved"),
        ("again", "NameIsTaken"),
        ("cert", "NoClientTls"),
        ("invalid", "PermissionInvalid"),
        ("fine", "Applying"),
    ];
    for (name, expected) in told {
        assert_eq!(reason(&tended, name), expected, "{name}");
    }
    let mut cluster = cluster(&objects, &facts, None);
    let nothing = ClusterFacts { auth: Some(facts.clone()), ..ClusterFacts::default() };
    cluster.facts = Facts::of(&nothing);
    assert_eq!(reason(&Etcd.tend(&spec(true), &cluster), "anna"), "SecretNotFound");
    let secured = EtcdClusterSpec { tls: Tls::default().settle(None), ..spec(true) };
    let due = changes(&Etcd.tend(&secured, &cluster));
    assert!(due.contains(&Change::AddUser("cert".into(), None)), "{due:?}");
}

#[test]
fn what_goes_is_removed_and_waits_only_while_it_is_there() {
    let mut facts = AuthFacts { enabled: true, ..AuthFacts::default() };
    let objects = [user("anna", &[]).going(), role("reader", "k").going()];
    assert!(tend(&objects, &facts).iter().all(|it| !it.held && it.steps.is_empty()));
    let there = [user("anna", &[]), role("reader", "k")];
    let due = changes(&tend(&there, &facts));
    made(&mut facts, &due);
    let tended = tend(&objects, &facts);
    assert!(tended.iter().all(|it| it.held));
    let expected = [Change::DeleteUser("anna".into()), Change::DeleteRole("reader".into())];
    assert_eq!(changes(&tended), expected);
}

#[test]
fn authentication_is_turned_on_when_all_are_there_and_the_data_is_the_same() {
    let mut facts = AuthFacts::default();
    let mut objects = [user("anna", &[])];
    let step = |spec: &EtcdClusterSpec, objects: &[Beside], facts: &AuthFacts, same| {
        let due = Etcd.steps(spec, &cluster(objects, facts, same));
        due.first().map(|it| it.name.clone())
    };
    assert_eq!(step(&spec(true), &objects, &facts, Some(true)), None, "anna is not there yet");
    let refused = Refused::new(Words::of("no"), 1, "2026-01-01T00:00:00Z".parse().unwrap());
    objects[0].refused = Some(refused);
    let enable = Some(ENABLE_AUTH.to_owned());
    assert_eq!(step(&spec(true), &objects, &facts, Some(true)), enable, "it waits for nobody long");
    let due = changes(&tend(&objects, &facts));
    made(&mut facts, &due);
    for (same, expected) in [(None, None), (Some(false), None), (Some(true), enable)] {
        assert_eq!(step(&spec(true), &objects, &facts, same), expected);
    }
    assert_eq!(step(&spec(false), &objects, &facts, Some(true)), None);
    let unsaid = EtcdClusterSpec { auth: None, ..spec(true) };
    facts.enabled = true;
    assert_eq!(step(&unsaid, &objects, &facts, None), None, "left as it is");
    assert_eq!(step(&spec(false), &objects, &facts, None), Some(DISABLE_AUTH.to_owned()));
    let differs = UserFacts { password: Some(false), ..UserFacts::default() };
    facts.users.insert(ROOT.into(), differs);
    let set = Some(SET_ROOT_PASSWORD.to_owned());
    assert_eq!(step(&spec(true), &objects, &facts, None), set);
    facts.denied = true;
    assert_eq!(step(&spec(true), &objects, &facts, None), None, "nothing is known");
    let told = Etcd.lacks(&spec(true), &cluster(&objects, &facts, None)).unwrap();
    assert!(told.contains("spec.auth.rootSecret"), "{told}");
    assert_eq!(reason(&tend(&objects, &facts), "anna"), "OperatorIsNotRoot");
}

#[test]
fn nobody_goes_back_to_3_4_with_users() {
    let at = |version: &str, enabled| EtcdClusterSpec { version: version.into(), ..spec(enabled) };
    let refused = |old: &EtcdClusterSpec, new: &EtcdClusterSpec| {
        let problem = Etcd.refuses(old, new, &View::default());
        problem.is_some_and(|it| it.message.contains("spec.auth.enabled"))
    };
    assert!(refused(&at("3.5.35", true), &at("3.4.23", true)));
    assert!(refused(&at("3.5.35", true), &at("3.4.23", false)), "one after the other");
    assert!(!refused(&at("3.5.35", false), &at("3.4.23", false)));
    assert!(!refused(&at("3.4.23", true), &at("3.5.35", true)));
    assert!("3.5.35".parse::<Version>().is_ok());
}

/// Whoever has it is that user, so nobody gets one of a name that is another's.
#[test]
fn a_user_without_a_password_gets_a_certificate_of_the_operators_authority() {
    let by_certificate = |name: &str, user: &str| object(USER_KIND, name, json!({"name": user}));
    let objects = [
        by_certificate("anna", "Anna"),
        by_certificate("again", "Anna"),
        by_certificate("boss", ROOT),
        by_certificate("gone", "gone").going(),
        user("ben", &[]),
        role("reader", "k"),
    ];
    let of = |client: Link| {
        let tls = Tls { client: Some(client), peer: Some(Link::Off) };
        let spec = EtcdClusterSpec { tls, ..spec(true) };
        Etcd.certificates_beside(&Identity::new("default", "demo", "0c5f"), &spec, &objects)
    };
    let [anna] = &of(Link::managed())[..] else { panic!("one of them") };
    let told = (&*anna.secret, &*anna.common_name, anna.issuer.as_deref());
    assert_eq!(told, ("demo-client-tls-anna", "Anna", Some("demo-client-ca-1")));
    assert_eq!(anna.usages, [Usage::Client].into());
    let given = Link::On(Source::Secrets(Given { members: "mine".into(), ..Given::default() }));
    assert!(of(given).is_empty() && of(Link::Off).is_empty());
}
