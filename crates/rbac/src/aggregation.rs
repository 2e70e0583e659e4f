//! Roles that gather the rules of others: `aggregationRule` of a ClusterRole.

use machinery::selector::LabelSelector;
use serde_json::Value;

use crate::{Rule, rules_of};

/// Whether a role's rules are those of others.
pub fn gathers(role: &Value) -> bool {
    !role["aggregationRule"].is_null()
}

/// The rules that a role gathers from all ClusterRoles, each rule once: by the order of its selectors, then of the
/// roles' names. `None` if it gathers none, or says in a wrong way from which.
pub fn gathered<'a>(
    role: &Value,
    all: impl Iterator<Item = &'a Value> + Clone,
) -> Option<Vec<Rule>> {
    if !gathers(role) {
        return None;
    }
    let selectors = role["aggregationRule"]["clusterRoleSelectors"].as_array()?;
    let mut rules: Vec<Rule> = Vec::new();
    for selector in selectors {
        let selector = LabelSelector::from_value(selector).ok()?;
        let selected = all.clone().filter(|it| selector.matches_labels(&it["metadata"]["labels"]));
        let mut selected: Vec<&Value> = selected.filter(|it| name(it) != name(role)).collect();
        selected.sort_by_key(|it| name(it));
        for rule in selected.into_iter().flat_map(rules_of) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    Some(rules)
}

fn name(role: &Value) -> &str {
    role["metadata"]["name"].as_str().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn role(name: &str, labels: Value, verb: &str) -> Value {
        json!({"metadata": {"name": name, "labels": labels},
            "rules": [{"verbs": [verb], "apiGroups": ["x"], "resources": ["y"]}]})
    }

    #[test]
    fn rules_are_gathered_by_label_and_name_once_and_not_from_itself() {
        let gathering = json!({"metadata": {"name": "g", "labels": {"a": "b"}},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
            "rules": [{"verbs": ["old"], "apiGroups": ["x"], "resources": ["y"]}]});
        let all = [
            role("z", json!({"a": "b"}), "get"),
            role("c", json!({"a": "b"}), "list"),
            role("d", json!({"a": "b"}), "get"),
            role("other", json!({"a": "c"}), "delete"),
            gathering.clone(),
        ];
        let verbs = |all: &[Value]| {
            let rules = gathered(&gathering, all.iter()).unwrap();
            rules.into_iter().map(|it| it.verbs[0].clone()).collect::<Vec<_>>()
        };
        assert_eq!(verbs(&all), ["list", "get"]);
        assert!(gathered(&all[0], all.iter()).is_none());
        assert!(verbs(&[]).is_empty());
    }
}
