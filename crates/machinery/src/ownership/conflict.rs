//! Conflicts: fields an apply would change that other managers own.

use serde_json::{Map, Value};

use super::entries::{Entry, Operation};
use super::fields::{self, Fields, SELF};
use super::{Apply, Scope, compare};
use crate::error::{ApiError, Cause, Reason, quote};

/// The most conflicts reported.
const CONFLICTS_MAX: usize = 1_000;
/// The manager that may take over what it applied on the client side before.
const KUBECTL: &str = "kubectl";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(super) struct Conflict {
    manager: String,
    path: String,
}

/// The fields in `touched` that each entry owns.
pub(super) fn find(entries: &[Entry], touched: &Fields) -> Vec<(String, Fields)> {
    let mut out = Vec::new();
    for entry in entries {
        let both = intersection(&entry.fields, touched);
        if !both.is_empty() {
            out.push((describe(entry), both));
        }
    }
    out.sort_by(|one, other| one.0.cmp(&other.0));
    out
}

/// Fails when there are conflicts, unless kubectl takes over its own client-side applied fields.
pub(super) fn check(
    mut found: Vec<(String, Fields)>,
    request: &Apply<'_>,
    live: &Value,
) -> Result<(), ApiError> {
    if found.is_empty() {
        return Ok(());
    }
    if request.manager == KUBECTL
        && let Some(allowed) = applied_by_client(request, live)
    {
        for (_, fields) in &mut found {
            fields::subtract(fields, &allowed);
        }
        found.retain(|(_, fields)| !fields.is_empty());
    }
    let mut conflicts = Vec::new();
    for (manager, fields) in found {
        list(&manager, &fields, &mut String::new(), &mut conflicts);
    }
    if conflicts.is_empty() { Ok(()) } else { Err(to_error(conflicts)) }
}

/// The fields of the last client-side apply that still have the values it gave them.
fn applied_by_client(request: &Apply<'_>, live: &Value) -> Option<Fields> {
    let text = live.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str()?;
    let applied: Value = serde_json::from_str(text).ok()?;
    let mut allowed = fields::claimed(request.schema, &applied, Scope::All);
    let mut merged = live.clone();
    super::merge::merge(request.schema, &mut merged, &applied, Scope::All);
    let changed = compare::compare(request.schema, live, &merged, Scope::All);
    fields::subtract(&mut allowed, &changed.touched);
    Some(allowed)
}

fn intersection(one: &Fields, other: &Fields) -> Fields {
    let mut out = Map::new();
    for (element, node) in one {
        let Some(theirs) = other.get(element) else { continue };
        let (Some(mine_below), Some(theirs_below)) = (fields::below(node), fields::below(theirs))
        else {
            continue;
        };
        let mut below = intersection(mine_below, theirs_below);
        let both = element != SELF && fields::is_member(node) && fields::is_member(theirs);
        if both && !below.is_empty() {
            below.insert(SELF.into(), fields::leaf());
        }
        if both || element == SELF || !below.is_empty() {
            out.insert(element.clone(), Value::Object(below));
        }
    }
    out
}

/// Collects the members of a set as paths.
fn list(manager: &str, fields: &Fields, path: &mut String, out: &mut Vec<Conflict>) {
    for (element, node) in fields.iter().filter(|(element, _)| *element != SELF) {
        if out.len() >= CONFLICTS_MAX {
            return;
        }
        let length = path.len();
        push_element(path, element);
        if fields::is_member(node) {
            out.push(Conflict { manager: manager.to_owned(), path: path.clone() });
        }
        if let Some(below) = fields::below(node) {
            list(manager, below, path, out);
        }
        path.truncate(length);
    }
}

fn push_element(path: &mut String, element: &str) {
    let Some((kind, text)) = element.split_once(':') else { return };
    match kind {
        "f" => {
            path.push('.');
            path.push_str(text);
        }
        "k" => {
            let keys: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
            let keys: Vec<String> =
                keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            path.push_str(&format!("[{}]", keys.join(",")));
        }
        "v" => path.push_str(&format!("[={text}]")),
        _ => path.push_str(&format!("[{text}]")),
    }
}

/// The manager as conflicts name it.
fn describe(entry: &Entry) -> String {
    let mut out = quote(&entry.manager);
    if !entry.subresource.is_empty() {
        out.push_str(&format!(" with subresource {}", quote(&entry.subresource)));
    }
    if entry.operation == Operation::Update {
        out.push_str(&format!(" using {}", entry.version));
    }
    out
}

fn to_error(conflicts: Vec<Conflict>) -> ApiError {
    let message = match conflicts.as_slice() {
        [one] => {
            format!("Apply failed with 1 conflict: conflict with {}: {}", one.manager, one.path)
        }
        many => {
            let mut lines = Vec::new();
            let mut last = "";
            for conflict in many {
                if conflict.manager != last {
                    lines.push(format!("conflicts with {}:", conflict.manager));
                    last = &conflict.manager;
                }
                lines.push(format!("- {}", conflict.path));
            }
            format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
        }
    };
    let causes = conflicts.into_iter().map(|conflict| {
        let text = format!("conflict with {}", conflict.manager);
        Cause::new("FieldManagerConflict", text, conflict.path)
    });
    ApiError::new(409, Reason::Conflict, message).with_causes(causes)
}
