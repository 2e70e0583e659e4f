//! Who owns which field: server-side apply and the tracking of every other write in `metadata.managedFields`.
//!
//! A *manager* is a name with an operation (Apply or Update), for Update also an API version, and a subresource. Each
//! owns a set of fields, kept in the wire form of `FieldsV1`. [`apply`] merges a manager's full intent into an object,
//! refuses to overwrite what others own (or takes it by force) and removes what the manager no longer asks for.
//! [`update`] finds out what a plain write changed and gives that to its manager.
//!
//! Invariants: what did not change keeps its owners and timestamps; applying the same intent twice changes nothing; a
//! set is only built for what differs; at most [`UPDATE_MANAGERS_MAX`] Update managers are kept.

mod compare;
mod conflict;
mod entries;
mod fields;
mod merge;
mod remove;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::schema::Schema;
use entries::{Entry, Operation};

pub use entries::UPDATE_MANAGERS_MAX;

/// Owns what an object already had when it was first applied to without any tracking.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// The longest manager name.
pub const MANAGER_LENGTH_MAX: usize = 128;

/// Which top-level members an endpoint writes. `apiVersion`, `kind` and `metadata` are not concerned by `Without`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everything: resources without a status subresource.
    #[default]
    All,
    /// The main endpoint of a resource with a status subresource.
    WithoutStatus,
    /// The status subresource.
    OnlyStatus,
}

impl Scope {
    fn covers(self, member: &str) -> bool {
        match self {
            Self::All => true,
            Self::WithoutStatus => member != "status",
            Self::OnlyStatus => member == "status",
        }
    }
}

/// A server-side apply: what `manager` wants the object to have.
#[derive(Debug, Clone)]
pub struct Apply<'a> {
    pub live: Option<&'a Value>,
    pub patch: Value,
    pub manager: &'a str,
    pub force: bool,
    /// Empty for the main endpoint.
    pub subresource: &'a str,
    pub scope: Scope,
    pub now: Timestamp,
    pub schema: &'a Schema,
}

/// Any other write: `new` is what will be stored, with whatever `managedFields` the client sent.
#[derive(Debug)]
pub struct Update<'a> {
    /// `None` for a create.
    pub live: Option<&'a Value>,
    pub new: &'a mut Value,
    pub manager: &'a str,
    pub subresource: &'a str,
    pub scope: Scope,
    pub now: Timestamp,
    pub schema: &'a Schema,
}

/// The name of the manager of a request: its `fieldManager`, or the user agent up to the first `/`.
pub fn manager_name(field_manager: &str, user_agent: &str) -> String {
    let name = match field_manager {
        "" => user_agent.split('/').next().unwrap_or(""),
        given => given,
    };
    let printable = name.chars().filter(|c| !c.is_control()).take(MANAGER_LENGTH_MAX);
    let name: String = printable.collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

/// The object after the apply, with its managed fields.
pub fn apply(mut request: Apply<'_>) -> Result<Value, ApiError> {
    check_patch(&request.patch)?;
    let mut patch = std::mem::take(&mut request.patch);
    // The live object has its quantities in this form; otherwise each apply would change them.
    request.schema.canonicalize(&mut patch);
    let nothing = Value::Object(Map::new());
    let live = request.live.unwrap_or(&nothing);
    let mut merged = live.clone();
    let mut entries = entries::take(&mut merged);
    if request.live.is_some() && entries.is_empty() {
        entries.extend(before_first_apply(&request, live));
    }
    let wanted = fields::claimed(request.schema, &patch, request.scope);
    let own = entries.iter().position(|entry| entry.is_applier(&request));
    let previous = own.map(|at| entries.swap_remove(at));

    merge::merge(request.schema, &mut merged, &patch, request.scope);
    if let Some(previous) = &previous {
        let owners = remove::Owners { previous, wanted: &wanted, others: &entries };
        remove::no_longer_applied(&mut merged, &owners, request.schema);
    }
    let changes = compare::compare(request.schema, live, &merged, request.scope);
    if !request.force {
        let conflicts = conflict::find(&entries, &changes.touched);
        conflict::check(conflicts, &request, live)?;
    }
    release(&mut entries, &changes);
    let is_new = previous.as_ref().is_none_or(|previous| previous.fields != wanted);
    let time = match previous {
        Some(previous) if !is_new && changes.is_empty() => previous.time,
        _ => Some(entries::format_time(request.now)),
    };
    if !wanted.is_empty() {
        entries.push(Entry::applier(&request, &patch, wanted, time));
    }
    entries::put(&mut merged, entries);
    Ok(merged)
}

/// Records in `new` what this write changed.
pub fn update(request: Update<'_>) {
    let Update { live, new, .. } = request;
    let mut entries = match entries::take_valid(new, request.subresource) {
        entries::Sent::Reset => Vec::new(),
        entries::Sent::Nothing => live.map(entries::read).unwrap_or_default(),
        entries::Sent::Entries(entries) => entries,
    };
    if live.is_some() && entries.is_empty() {
        // An object that nobody tracks stays untracked until it is applied to.
        return;
    }
    let nothing = Value::Object(Map::new());
    let changes = compare::compare(request.schema, live.unwrap_or(&nothing), new, request.scope);
    if !changes.is_empty() {
        release(&mut entries, &changes);
    }
    if !changes.touched.is_empty() {
        let version = new.get("apiVersion").and_then(Value::as_str).unwrap_or("");
        let writer = Entry {
            manager: request.manager.to_owned(),
            operation: Operation::Update,
            version: version.to_owned(),
            time: Some(entries::format_time(request.now)),
            subresource: request.subresource.to_owned(),
            fields: changes.touched,
        };
        entries::give(&mut entries, writer);
        entries::cap(&mut entries);
    }
    entries::put(new, entries);
}

fn check_patch(patch: &Value) -> Result<(), ApiError> {
    if !patch.is_object() {
        return Err(ApiError::bad_request("an apply patch must be an object"));
    }
    let sent = patch.get("metadata").and_then(|metadata| metadata.get("managedFields"));
    match sent {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(list)) if list.is_empty() => Ok(()),
        Some(_) => Err(ApiError::bad_request("metadata.managedFields must be nil")),
    }
}

/// Everything of an untracked object, as one Update manager.
fn before_first_apply(request: &Apply<'_>, live: &Value) -> Option<Entry> {
    let nothing = Value::Object(Map::new());
    let all = compare::compare(request.schema, &nothing, live, Scope::All);
    let version = live.get("apiVersion").and_then(Value::as_str).unwrap_or("");
    (!all.touched.is_empty()).then(|| Entry {
        manager: BEFORE_FIRST_APPLY.to_owned(),
        operation: Operation::Update,
        version: version.to_owned(),
        time: Some(entries::format_time(request.now)),
        subresource: String::new(),
        fields: all.touched,
    })
}

/// Takes changed and removed fields from everyone; managers of nothing disappear.
fn release(entries: &mut Vec<Entry>, changes: &compare::Changes) {
    for entry in entries.iter_mut() {
        fields::subtract(&mut entry.fields, &changes.touched);
        fields::subtract(&mut entry.fields, &changes.removed);
    }
    entries.retain(|entry| !entry.fields.is_empty());
}

#[cfg(test)]
mod tests;
