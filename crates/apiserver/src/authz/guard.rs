//! Nobody grants what they do not have: checked on every write that leaves a role or a binding, whatever its form.
//!
//! The verb `escalate` on roles, and `bind` on the role that is bound, exempt from it, as upstream.

use machinery::error::ApiError;
use rbac::Rule;
use rbac::aggregation::gathers;
use serde_json::Value;

use super::{Action, GROUP, On};
use crate::call::Call;

/// What a write makes of an object of the rules' group.
pub(crate) struct Grant<'a> {
    pub(crate) old: Option<&'a Value>,
    pub(crate) new: &'a Value,
}

/// Refuses a role or binding that gives more than its writer has.
pub(crate) fn check(call: &Call, grant: &Grant<'_>) -> Result<(), ApiError> {
    if call.resource.group != GROUP || call.identity.is_master() {
        return Ok(());
    }
    if grant.old.is_some_and(|old| is_housekeeping(old, grant.new)) {
        return Ok(());
    }
    match call.resource.plural.as_str() {
        "roles" | "clusterroles" => role(call, grant),
        "rolebindings" | "clusterrolebindings" => binding(call, grant),
        _ => Ok(()),
    }
}

/// Whether nothing changes but what the garbage collector changes: owners and finalizers.
fn is_housekeeping(old: &Value, new: &Value) -> bool {
    let bare = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for key in ["ownerReferences", "finalizers", "managedFields", "resourceVersion"] {
                metadata.remove(key);
            }
        }
        object
    };
    bare(old) == bare(new)
}

fn namespace(call: &Call) -> &str {
    call.target.namespace.as_deref().unwrap_or("")
}

fn may(call: &Call, on: On<'_>) -> bool {
    let on = On { group: GROUP, namespace: namespace(call), ..on };
    call.server.authorizer().decide(&call.identity, &Action::Resource(on)).allowed
}

fn role(call: &Call, grant: &Grant<'_>) -> Result<(), ApiError> {
    let plural = call.resource.plural.as_str();
    if may(call, On { verb: "escalate", resource: plural, name: call.name(), ..On::default() }) {
        return Ok(());
    }
    let name = grant.new["metadata"]["name"].as_str().unwrap_or("");
    let forbidden = |why: &str| ApiError::forbidden(GROUP, plural, name, why);
    covered(call, &rbac::rules_of(grant.new)).map_err(|why| forbidden(&why))?;
    // Whoever may gather rules by labels gets those of others with them.
    let aggregates = gathers(grant.new) || grant.old.is_some_and(gathers);
    if aggregates && covered(call, &rbac::everything()).is_err() {
        return Err(forbidden("must have cluster-admin privileges to use the aggregationRule"));
    }
    Ok(())
}

fn binding(call: &Call, grant: &Grant<'_>) -> Result<(), ApiError> {
    let role = &grant.new["roleRef"];
    let word = |key: &str| role[key].as_str().unwrap_or("");
    let resource = match word("kind") {
        "ClusterRole" => "clusterroles",
        "Role" => "roles",
        // Validation refuses it.
        _ => return Ok(()),
    };
    if may(call, On { verb: "bind", resource, name: word("name"), ..On::default() }) {
        return Ok(());
    }
    let authorizer = call.server.authorizer();
    let rules = authorizer.role_rules(word("kind"), namespace(call), word("name"));
    let rules = rules.ok_or_else(|| ApiError::not_found(GROUP, resource, word("name")))?;
    let name = grant.new["metadata"]["name"].as_str().unwrap_or("");
    covered(call, &rules)
        .map_err(|why| ApiError::forbidden(GROUP, &call.resource.plural, name, &why))
}

/// Whether whoever asks has all these rights here; if not, what is missing, in upstream's words.
fn covered(call: &Call, wanted: &[Rule]) -> Result<(), String> {
    let (identity, namespace) = (&call.identity, namespace(call));
    let namespace = Some(namespace).filter(|it| !it.is_empty());
    let owned = call.server.authorizer().rights(identity, namespace);
    let missing = rbac::uncovered(&owned.rules, wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = identity.groups.iter().map(|it| format!("{it:?}")).collect();
    let mut lines: Vec<String> = missing.iter().map(Rule::to_string).collect();
    lines.sort_unstable();
    lines.dedup();
    let unknown = owned.missing.map(|it| format!("; resolution errors: [{it}]"));
    Err(format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}{}",
        identity.user,
        groups.join(" "),
        lines.join("\n"),
        unknown.unwrap_or_default()
    ))
}
