use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::everything;
use crate::rule::Asked;

fn rule(verbs: &[&str], resources: &[&str], names: &[&str]) -> Rule {
    let owned = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
    Rule {
        verbs: owned(verbs),
        api_groups: vec![String::new()],
        resources: owned(resources),
        resource_names: owned(names),
        non_resource_urls: vec![],
    }
}

#[test]
fn each_right_needs_a_rule_that_has_it() {
    let own = [rule(&["get"], &["pods"], &[]), rule(&["list"], &["pods", "*/scale"], &["a", "b"])];
    let cases: [(Rule, &str); 7] = [
        (rule(&["get"], &["pods"], &[]), ""),
        (rule(&["get"], &["pods"], &["a"]), ""),
        (rule(&["list"], &["x/scale"], &["a"]), ""),
        (rule(&["list"], &["pods"], &["a", "b"]), ""),
        (
            rule(&["get", "list"], &["pods"], &[]),
            r#"{APIGroups:[""], Resources:["pods"], Verbs:["list"]}"#,
        ),
        (
            rule(&["list"], &["pods"], &["c"]),
            r#"{APIGroups:[""], Resources:["pods"], ResourceNames:["c"], Verbs:["list"]}"#,
        ),
        (
            rule(&["delete", "patch"], &["pods"], &[]),
            r#"{APIGroups:[""], Resources:["pods"], Verbs:["delete" "patch"]}"#,
        ),
    ];
    for (wanted, missing) in cases {
        let found: Vec<String> = uncovered(&own, &[wanted]).iter().map(Rule::to_string).collect();
        assert_eq!(found.concat(), missing);
    }
    assert!(uncovered(&everything(), &own).is_empty());
    assert!(!uncovered(&own, &everything()).is_empty());
}

#[test]
fn a_star_is_covered_by_a_star_only() {
    let all = rule(&["*"], &["pods"], &[]);
    let listed =
        rule(&["get", "list", "watch", "create", "update", "patch", "delete"], &["pods"], &[]);
    assert!(uncovered(std::slice::from_ref(&all), std::slice::from_ref(&listed)).is_empty());
    assert!(!uncovered(&[listed], &[all]).is_empty());
}

const VERBS: [&str; 3] = ["get", "list", "*"];
const RESOURCES: [&str; 5] = ["pods", "pods/log", "*/log", "nodes", "*"];
const NAMES: [&str; 2] = ["a", "b"];
/// Everything that the rules may tell apart: of whatever has a star, also something that no other names.
const ASKED: [(&str, &str); 6] =
    [("pods", ""), ("pods", "log"), ("nodes", ""), ("nodes", "log"), ("x", ""), ("x", "y")];
const ASKED_PATHS: [&str; 6] = ["/a", "/a/", "/a/b", "/a/c", "/c", "c"];
const PATHS: [&str; 5] = ["/a", "/a/b", "/a/*", "/*", "*"];

fn any_rule() -> impl Strategy<Value = Rule> {
    let of_resources = (
        subsequence(VERBS.to_vec(), 1..=2),
        subsequence(RESOURCES.to_vec(), 1..=2),
        subsequence(NAMES.to_vec(), 0..=2),
    );
    let of_resources =
        of_resources.prop_map(|(verbs, resources, names)| rule(&verbs, &resources, &names));
    let of_paths = (select(VERBS.to_vec()), subsequence(PATHS.to_vec(), 1..=2));
    let of_paths = of_paths.prop_map(|(verb, paths)| Rule {
        verbs: vec![verb.to_owned()],
        non_resource_urls: paths.into_iter().map(str::to_owned).collect(),
        ..Rule::default()
    });
    prop_oneof![of_resources, of_paths]
}

/// All that some rules allow.
fn allowed(rules: &[Rule]) -> BTreeSet<[&'static str; 4]> {
    let mut all = BTreeSet::new();
    for verb in ["get", "list", "watch"] {
        for (resource, subresource) in ASKED {
            for name in ["", "a", "b", "c"] {
                let asked = Asked { verb, group: "", resource, subresource, name };
                if rules.iter().any(|it| it.allows(&asked)) {
                    all.insert([verb, resource, subresource, name]);
                }
            }
        }
        let paths =
            ASKED_PATHS.iter().filter(|path| rules.iter().any(|it| it.allows_path(verb, path)));
        all.extend(paths.map(|path| [verb, "path", "", path]));
    }
    all
}

proptest! {
    /// Whoever lacks nothing of some rules may do all that they allow, and whoever may do all lacks nothing.
    #[test]
    fn nothing_gets_past_the_check(
        owned in prop::collection::vec(any_rule(), 0..4),
        wanted in prop::collection::vec(any_rule(), 1..3),
    ) {
        prop_assert!(uncovered(&wanted, &wanted).is_empty());
        let missing = uncovered(&owned, &wanted);
        let gained: Vec<_> = allowed(&wanted).difference(&allowed(&owned)).copied().collect();
        prop_assert_eq!(gained.is_empty(), missing.is_empty(), "{:?}, {:?}", gained, missing);
        // With what is missing nothing is.
        let all: Vec<Rule> = owned.iter().chain(&missing).cloned().collect();
        prop_assert!(uncovered(&all, &wanted).is_empty());
    }
}
