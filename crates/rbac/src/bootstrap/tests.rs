use serde_json::json;

use super::*;
use crate::{Policy, Request, User, rules_of};

fn default(name: &str) -> Default {
    defaults().into_iter().find(|it| it.name == name).unwrap()
}

#[test]
fn the_table_is_read_whole() {
    let all = defaults();
    let count = |plural: &str| all.iter().filter(|it| it.plural == plural).count();
    let heads = |text: &str| {
        let starts = |line: &&str| !line.starts_with([' ', '#']) && !line.is_empty();
        text.lines().filter(starts).count()
    };
    let cluster = heads(include_str!("cluster-roles.txt"));
    assert_eq!(count("clusterroles"), cluster + heads(include_str!("controller-roles.txt")));
    assert_eq!(count("roles"), heads(include_str!("roles.txt")));
    let bindings = count("clusterrolebindings") + count("rolebindings");
    assert_eq!(bindings, heads(include_str!("bindings.txt")));
    for role in all.iter().filter(|it| it.plural.ends_with("roles")) {
        for rule in rules_of(&role.object) {
            let of_resources = !rule.api_groups.is_empty() && !rule.resources.is_empty();
            assert_ne!(of_resources, !rule.non_resource_urls.is_empty(), "{}: {rule}", role.name);
        }
    }
}

#[test]
fn every_binding_leads_to_a_role_that_is_there() {
    let all = defaults();
    for binding in all.iter().filter(|it| it.plural.ends_with("bindings")) {
        let role = &binding.object["roleRef"];
        let plural = if role["kind"] == "Role" { "roles" } else { "clusterroles" };
        let is_it = |it: &&Default| it.plural == plural && role["name"] == it.name.as_str();
        assert!(all.iter().any(|it| is_it(&it)), "{}", binding.name);
    }
}

/// Who may do what in a new cluster.
#[test]
fn a_new_cluster_lets_nobody_do_much() {
    let mut policy = Policy::default();
    for it in defaults() {
        policy.apply(it.plural, &it.namespace, &it.object);
    }
    let pod = ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"];
    let groups = pod.map(str::to_owned);
    let account = User { name: "system:serviceaccount:ns:default", groups: &groups };
    let on = |verb, resource, subresource, group| Request::Resource {
        verb,
        group,
        resource,
        subresource,
        namespace: Some("ns"),
        name: "",
    };
    for denied in [
        on("list", "pods", "", ""),
        on("create", "pods", "", ""),
        on("get", "secrets", "", ""),
        on("create", "serviceaccounts", "token", ""),
        on("create", "subjectaccessreviews", "", "authorization.k8s.io"),
        Request::Path { verb: "get", path: "/metrics" },
    ] {
        assert!(!policy.decide(&account, &denied).is_allowed(), "{denied:?}");
    }
    for allowed in [
        on("create", "selfsubjectaccessreviews", "", "authorization.k8s.io"),
        Request::Path { verb: "get", path: "/apis/apps" },
        Request::Path { verb: "get", path: "/openapi/v2" },
    ] {
        assert!(policy.decide(&account, &allowed).is_allowed(), "{allowed:?}");
    }
}

#[test]
fn roles_for_users_have_what_they_gather() {
    for name in ["admin", "edit", "view"] {
        assert!(rules_of(&default(name).object).len() > 5, "{name}");
    }
    let verbs = |role: &str| {
        let rules = rules_of(&default(role).object);
        let secrets = rules.into_iter().filter(|it| it.resources.contains(&"secrets".to_owned()));
        secrets.flat_map(|it| it.verbs).collect::<Vec<_>>()
    };
    assert!(verbs("view").is_empty(), "a viewer reads no secrets");
    assert!(verbs("edit").contains(&"get".to_owned()));
}

#[test]
fn what_is_missing_comes_back_and_what_was_added_stays() {
    let wanted = default("system:basic-user");
    assert_eq!(reconciled(&wanted, None), Verdict::Create);
    let binding = defaults().into_iter().find(|it| it.plural == "clusterrolebindings").unwrap();
    for it in [&wanted, &binding, &default("admin")] {
        assert_eq!(reconciled(it, Some(&it.object)), Verdict::Leave, "{}", it.name);
    }

    let mut less = default("system:basic-user").object;
    less["rules"] = json!([{"verbs": ["get"], "apiGroups": ["x"], "resources": ["y"]}]);
    less["metadata"]["labels"] = json!({"mine": "a"});
    let Verdict::Update(now) = reconciled(&default("system:basic-user"), Some(&less)) else {
        panic!("nothing to update")
    };
    assert!(crate::uncovered(&rules_of(&now), &rules_of(&wanted_rules())).is_empty());
    assert_eq!(now["rules"][0], less["rules"][0]);
    assert_eq!(now["metadata"]["labels"]["mine"], "a");

    let mut gathers = wanted.object.clone();
    gathers["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]});
    assert_eq!(reconciled(&wanted, Some(&gathers)), Verdict::Update(wanted.object.clone()));

    less["metadata"]["annotations"] = json!({reconcile::AUTOUPDATE: "false"});
    assert_eq!(reconciled(&default("system:basic-user"), Some(&less)), Verdict::Leave);
}

fn wanted_rules() -> Value {
    defaults().into_iter().find(|it| it.name == "system:basic-user").unwrap().object
}

#[test]
fn a_binding_that_leads_elsewhere_is_replaced_and_subjects_come_back() {
    let all = defaults();
    let wanted =
        all.iter().find(|it| it.name == "system:discovery" && it.plural.ends_with("bindings"));
    let wanted = wanted.unwrap();
    let mut stored = wanted.object.clone();
    stored["roleRef"]["name"] = "other".into();
    assert_eq!(reconciled(wanted, Some(&stored)), Verdict::Replace);
    let mut stored = wanted.object.clone();
    stored["subjects"] = json!([{"kind": "User", "name": "mine"}]);
    let Verdict::Update(now) = reconciled(wanted, Some(&stored)) else {
        panic!("nothing to update")
    };
    assert_eq!(now["subjects"].as_array().unwrap().len(), 2);
}
