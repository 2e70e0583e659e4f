//! ClusterRoles that gather the rules of others by label.

use std::sync::Arc;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use rbac::aggregation;
use serde_json::Value;

use crate::owners::is_deleting;
use crate::plan::{Plan, Write};

/// What the plan may look at.
pub struct Snapshot<'a> {
    pub role: &'a Arc<ClusterRole>,
    /// Every ClusterRole.
    pub all: &'a [Arc<ClusterRole>],
}

/// Whether a role's rules are those of others.
pub fn gathers(role: &ClusterRole) -> bool {
    role.aggregation_rule.is_some()
}

/// Gives a role that gathers the rules of others just these.
pub fn plan(snapshot: &Snapshot<'_>) -> Plan {
    let mut plan = Plan::default();
    let role = snapshot.role;
    if !gathers(role) || is_deleting(&role.metadata) {
        return plan;
    }
    let all: Vec<Value> = snapshot.all.iter().map(|it| value(it)).collect();
    let Some(rules) = aggregation::gathered(&value(role), all.iter()) else { return plan };
    let rules: Vec<PolicyRule> = rules.iter().map(typed).collect();
    if role.rules.as_deref().unwrap_or_default() != rules {
        let wanted = ClusterRole { rules: Some(rules), ..ClusterRole::clone(role) };
        plan.push(Write::update(role, wanted));
    }
    plan
}

fn value(role: &ClusterRole) -> Value {
    serde_json::to_value(role).expect("an object of the API is JSON")
}

fn typed(rule: &rbac::Rule) -> PolicyRule {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    PolicyRule {
        verbs: rule.verbs.clone(),
        api_groups: some(&rule.api_groups),
        resources: some(&rule.resources),
        resource_names: some(&rule.resource_names),
        non_resource_urls: some(&rule.non_resource_urls),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn role(value: Value) -> Arc<ClusterRole> {
        Arc::new(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn a_role_has_the_rules_that_it_gathers_and_is_then_left_alone() {
        let rules = json!([{"verbs": ["get"], "apiGroups": ["a"], "resources": ["b"]}]);
        let part =
            role(json!({"metadata": {"name": "part", "labels": {"to": "admin"}}, "rules": rules}));
        let gathering = |rules: Value| {
            role(json!({"metadata": {"name": "admin"}, "rules": rules,
                "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "admin"}}]}}))
        };
        let plan_for =
            |role: &Arc<ClusterRole>| plan(&Snapshot { role, all: &[part.clone(), role.clone()] });
        let old = gathering(json!(null));
        let wanted = gathering(rules.clone());
        let expected = Write::update(&old, ClusterRole::clone(&wanted));
        assert_eq!(plan_for(&old).steps[0].action, expected.into());
        assert!(plan_for(&wanted).is_empty());
        assert!(plan_for(&part).is_empty());
    }
}
