use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;

fn role(name: &str, verb: &str, resource: &str) -> Value {
    json!({"metadata": {"name": name}, "rules": [
        {"verbs": [verb], "apiGroups": [""], "resources": [resource]},
        {"verbs": [verb], "nonResourceURLs": ["/x"]},
    ]})
}

fn binding(name: &str, role: (&str, &str), subjects: &[Value]) -> Value {
    json!({"metadata": {"name": name}, "roleRef": {"kind": role.0, "name": role.1}, "subjects": subjects})
}

fn asked<'a>(verb: &'a str, resource: &'a str, namespace: Option<&'a str>) -> Request<'a> {
    Request::Resource { verb, group: "", resource, subresource: "", namespace, name: "" }
}

fn reason(decision: &Decision<'_>) -> String {
    match decision {
        Decision::Allow(reason) => format!("yes {reason}"),
        Decision::Deny(reason) => format!("no {reason}"),
    }
}

#[test]
fn decisions_tell_why() {
    let mut policy = Policy::default();
    let user = |name: &str| json!({"kind": "User", "name": name});
    policy.apply("clusterroles", "", &role("reader", "get", "pods"));
    policy.apply("roles", "ns", &role("own", "list", "pods"));
    let group = json!({"kind": "Group", "name": "devs"});
    policy.apply("clusterrolebindings", "", &binding("all", ("ClusterRole", "reader"), &[group]));
    policy.apply("rolebindings", "ns", &binding("here", ("ClusterRole", "reader"), &[user("u")]));
    let account = json!({"kind": "ServiceAccount", "name": "a"});
    policy.apply("rolebindings", "ns", &binding("sa", ("Role", "own"), &[account]));
    let lost = [user("lost"), json!({"kind": "Group", "name": "lost"})];
    policy.apply("rolebindings", "ns", &binding("lost", ("Role", "gone"), &lost));
    policy.apply(
        "clusterrolebindings",
        "",
        &binding("lost", ("ClusterRole", "too"), &[user("two")]),
    );
    policy.apply("rolebindings", "ns", &binding("two", ("Role", "gone"), &[user("two")]));

    let (devs, lost) = (["devs".to_owned()], ["lost".to_owned()]);
    let cases = [
        (
            "d",
            &devs[..],
            asked("get", "pods", None),
            r#"yes RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "reader" to Group "devs""#,
        ),
        (
            "d",
            &devs,
            Request::Path { verb: "get", path: "/x" },
            r#"yes RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "reader" to Group "devs""#,
        ),
        (
            "u",
            &[],
            asked("get", "pods", Some("ns")),
            r#"yes RBAC: allowed by RoleBinding "here/ns" of ClusterRole "reader" to User "u""#,
        ),
        ("u", &[], asked("get", "pods", Some("other")), "no "),
        ("u", &[], asked("get", "pods", None), "no "),
        ("u", &[], Request::Path { verb: "get", path: "/x" }, "no "),
        (
            "system:serviceaccount:ns:a",
            &[],
            asked("list", "pods", Some("ns")),
            r#"yes RBAC: allowed by RoleBinding "sa/ns" of Role "own" to ServiceAccount "a/ns""#,
        ),
        (
            "lost",
            &lost,
            asked("list", "pods", Some("ns")),
            r#"no RBAC: role.rbac.authorization.k8s.io "gone" not found"#,
        ),
        (
            "two",
            &[],
            asked("list", "pods", Some("ns")),
            r#"no RBAC: [clusterrole.rbac.authorization.k8s.io "too" not found, role.rbac.authorization.k8s.io "gone" not found]"#,
        ),
    ];
    for (name, groups, request, expected) in cases {
        assert_eq!(reason(&policy.decide(&User { name, groups }, &request)), expected);
    }
    let listed = policy.rules_for(&User { name: "lost", groups: &devs }, Some("ns"));
    assert_eq!(listed.0, rules_of(&role("reader", "get", "pods")));
    assert_eq!(listed.1.to_string(), r#"role.rbac.authorization.k8s.io "gone" not found"#);
}

/// A random object: what it is, where, and what it holds.
#[derive(Clone, Debug)]
enum Change {
    Apply(&'static str, &'static str, Value),
    Remove(&'static str, &'static str, &'static str),
}

const ROLES: [&str; 3] = ["r1", "r2", "r3"];
const NAMES: [&str; 3] = ["b1", "b2", "b3"];
const NAMESPACES: [&str; 2] = ["n1", "n2"];

fn any_change() -> impl Strategy<Value = Change> {
    let any_subject = prop_oneof![
        select(vec!["u1", "system:serviceaccount:n1:a"])
            .prop_map(|name| json!({"kind": "User", "name": name})),
        select(vec!["g1", "g2"]).prop_map(|name| json!({"kind": "Group", "name": name})),
        Just(json!({"kind": "ServiceAccount", "namespace": "n1", "name": "a"})),
        Just(json!({"kind": "ServiceAccount", "name": "a"})),
    ];
    let any_role =
        (select(ROLES.to_vec()), select(vec!["get", "list", "*"]), select(vec!["pods", "nodes"]))
            .prop_map(|(name, verb, resource)| role(name, verb, resource));
    let any_binding = (
        select(NAMES.to_vec()),
        select(vec!["Role", "ClusterRole"]),
        select(ROLES.to_vec()),
        prop::collection::vec(any_subject, 0..3),
    )
        .prop_map(|(name, kind, role, subjects)| binding(name, (kind, role), &subjects));
    // A ClusterRoleBinding to a Role is none that may be stored; it gives nothing.
    let place = prop_oneof![Just(""), select(NAMESPACES.to_vec())];
    prop_oneof![
        (place.clone(), any_role).prop_map(|(namespace, it)| {
            Change::Apply(
                if namespace.is_empty() { "clusterroles" } else { "roles" },
                namespace,
                it,
            )
        }),
        (place.clone(), any_binding).prop_map(|(namespace, it)| {
            let plural = if namespace.is_empty() { "clusterrolebindings" } else { "rolebindings" };
            Change::Apply(plural, namespace, it)
        }),
        (place, select(NAMES.to_vec()), select(ROLES.to_vec()), any::<bool>()).prop_map(
            |(namespace, binding, role, of_role)| {
                let (plural, name) = match (namespace.is_empty(), of_role) {
                    (true, true) => ("clusterroles", role),
                    (false, true) => ("roles", role),
                    (true, false) => ("clusterrolebindings", binding),
                    (false, false) => ("rolebindings", binding),
                };
                Change::Remove(plural, namespace, name)
            }
        ),
    ]
}

/// The objects that are left, in plain maps.
type Objects = std::collections::BTreeMap<(String, String, String), Value>;

/// The decision by looking at everything.
fn naive(objects: &Objects, user: &User<'_>, request: &Request<'_>) -> bool {
    objects.iter().any(|((plural, namespace, _), binding)| {
        let applies = match (plural.as_str(), request) {
            ("clusterrolebindings", _) => true,
            ("rolebindings", Request::Resource { namespace: Some(it), .. }) => it == namespace,
            _ => false,
        };
        let is_for = binding["subjects"].as_array().into_iter().flatten().any(|subject| {
            let name = subject["name"].as_str().unwrap();
            match subject["kind"].as_str().unwrap() {
                "User" => user.name == name,
                "Group" => user.groups.iter().any(|it| it == name),
                _ => {
                    let namespace = subject["namespace"].as_str().unwrap_or(namespace);
                    !namespace.is_empty()
                        && user.name == format!("system:serviceaccount:{namespace}:{name}")
                }
            }
        });
        let of_cluster = binding["roleRef"]["kind"] == "ClusterRole";
        let place = if of_cluster { ("clusterroles", "") } else { ("roles", namespace.as_str()) };
        let name = binding["roleRef"]["name"].as_str().unwrap_or("");
        let role = objects.get(&(place.0.to_owned(), place.1.to_owned(), name.to_owned()));
        applies
            && is_for
            && role.is_some_and(|it| rules_of(it).iter().any(|it| allows(it, request)))
    })
}

proptest! {
    /// After any changes every decision is that of a look at all objects, and so are the rules that are listed.
    #[test]
    fn the_index_decides_as_a_look_at_everything(changes in prop::collection::vec(any_change(), 0..24)) {
        let (mut policy, mut objects) = (Policy::default(), Objects::new());
        for change in changes {
            match change {
                Change::Apply(plural, namespace, object) => {
                    policy.apply(plural, namespace, &object);
                    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
                    objects.insert((plural.to_owned(), namespace.to_owned(), name), object);
                }
                Change::Remove(plural, namespace, name) => {
                    policy.remove(plural, namespace, name);
                    objects.remove(&(plural.to_owned(), namespace.to_owned(), name.to_owned()));
                }
            }
        }
        let groups = ["g1".to_owned()];
        for name in ["u1", "u2", "system:serviceaccount:n1:a", "system:serviceaccount:n2:a"] {
            let user = User { name, groups: if name == "u2" { &groups } else { &[] } };
            for verb in ["get", "list", "delete"] {
                for namespace in [None, Some("n1"), Some("n2")] {
                    let request = asked(verb, "pods", namespace);
                    let expected = naive(&objects, &user, &request);
                    prop_assert_eq!(policy.decide(&user, &request).is_allowed(), expected);
                    let (listed, _) = policy.rules_for(&user, namespace);
                    prop_assert_eq!(listed.iter().any(|it| allows(it, &request)), expected);
                }
                let path = Request::Path { verb, path: "/x" };
                prop_assert_eq!(policy.decide(&user, &path).is_allowed(), naive(&objects, &user, &path));
            }
        }
        if objects.is_empty() {
            prop_assert!(policy.roles.is_empty() && policy.bindings.is_empty(), "nothing is left behind");
        }
    }
}
