//! The entries of `metadata.managedFields`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Apply;
use super::fields::{self, Fields};

/// The most Update managers kept; the oldest are merged into one.
pub const UPDATE_MANAGERS_MAX: usize = 10;
/// The most entries accepted from a client.
const ENTRIES_MAX: usize = 1_000;
/// The manager that the oldest Update managers are merged into.
const ANCIENT_CHANGES: &str = "ancient-changes";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// One manager and what it owns.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub manager: String,
    pub operation: Operation,
    pub version: String,
    pub time: Option<String>,
    pub subresource: String,
    pub fields: Fields,
}

impl Entry {
    pub(super) fn applier(
        request: &Apply<'_>,
        patch: &Value,
        fields: Fields,
        time: Option<String>,
    ) -> Self {
        let version = patch.get("apiVersion").and_then(Value::as_str).unwrap_or("");
        Self {
            manager: request.manager.to_owned(),
            operation: Operation::Apply,
            version: version.to_owned(),
            time,
            subresource: request.subresource.to_owned(),
            fields,
        }
    }

    pub(super) fn is_applier(&self, request: &Apply<'_>) -> bool {
        self.operation == Operation::Apply
            && self.manager == request.manager
            && self.subresource == request.subresource
    }

    fn is_same_manager(&self, other: &Self) -> bool {
        self.operation == other.operation
            && self.manager == other.manager
            && self.subresource == other.subresource
            && self.version == other.version
    }

    fn from_value(value: Value) -> Option<Self> {
        let Value::Object(mut object) = value else { return None };
        let mut text = |key: &str| match object.remove(key) {
            None | Some(Value::Null) => Some(String::new()),
            Some(Value::String(text)) => Some(text),
            Some(_) => None,
        };
        let operation = match text("operation")?.as_str() {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        let kind = text("fieldsType")?;
        let (manager, version) = (text("manager")?, text("apiVersion")?);
        let (time, subresource) = (text("time")?, text("subresource")?);
        let fields = match object.remove("fieldsV1") {
            Some(Value::Object(fields)) => fields,
            None | Some(Value::Null) => Map::new(),
            Some(_) => return None,
        };
        if !matches!(kind.as_str(), "" | "FieldsV1") {
            return None;
        }
        let time = (!time.is_empty()).then_some(time);
        Some(Self { manager, operation, version, time, subresource, fields })
    }

    fn into_value(self) -> Value {
        let mut out = Map::new();
        let operation = match self.operation {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        };
        out.insert("manager".into(), self.manager.into());
        out.insert("operation".into(), operation.into());
        out.insert("apiVersion".into(), self.version.into());
        out.insert("fieldsType".into(), "FieldsV1".into());
        out.insert("fieldsV1".into(), Value::Object(self.fields));
        if let Some(time) = self.time {
            out.insert("time".into(), time.into());
        }
        if !self.subresource.is_empty() {
            out.insert("subresource".into(), self.subresource.into());
        }
        Value::Object(out)
    }
}

/// What a client sent as `managedFields`.
pub(super) enum Sent {
    /// Nothing usable: the live object's entries count.
    Nothing,
    /// One empty entry: forget all tracking.
    Reset,
    Entries(Vec<Entry>),
}

fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.as_object_mut()?.get_mut("metadata")?.as_object_mut()
}

/// The entries of an object that the server stored.
pub(super) fn read(object: &Value) -> Vec<Entry> {
    let list = object.get("metadata").and_then(|metadata| metadata.get("managedFields"));
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|entry| Entry::from_value(entry.clone())).collect()
}

/// Moves the entries out of an object that the server stored.
pub(super) fn take(object: &mut Value) -> Vec<Entry> {
    let list = metadata_mut(object).and_then(|metadata| metadata.remove("managedFields"));
    let Some(Value::Array(list)) = list else { return Vec::new() };
    list.into_iter().filter_map(Entry::from_value).collect()
}

/// Moves the entries out of an object that a client sent. Through a subresource they cannot be changed.
pub(super) fn take_valid(object: &mut Value, subresource: &str) -> Sent {
    let list = metadata_mut(object).and_then(|metadata| metadata.remove("managedFields"));
    let Some(Value::Array(list)) = list else { return Sent::Nothing };
    if !subresource.is_empty() || list.is_empty() || list.len() > ENTRIES_MAX {
        return Sent::Nothing;
    }
    if let [Value::Object(only)] = list.as_slice()
        && only.is_empty()
    {
        return Sent::Reset;
    }
    let entries: Option<Vec<Entry>> = list.into_iter().map(Entry::from_value).collect();
    match entries {
        Some(entries) if entries.iter().all(|entry| fields::is_valid(&entry.fields, 0)) => {
            Sent::Entries(entries)
        }
        _ => Sent::Nothing,
    }
}

/// Writes the entries into the object, in their order on the wire.
pub(super) fn put(object: &mut Value, mut entries: Vec<Entry>) {
    if entries.is_empty() {
        return;
    }
    entries.sort_by(|one, other| order(one).cmp(&order(other)));
    let list = entries.into_iter().map(Entry::into_value).collect();
    let Some(object) = object.as_object_mut() else { return };
    let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("managedFields".into(), Value::Array(list));
    }
}

/// Appliers first, then by time; times of one format sort as texts.
fn order(entry: &Entry) -> (Operation, &str, &str, &str, &str) {
    let time = entry.time.as_deref().unwrap_or("");
    (entry.operation, time, &entry.manager, &entry.version, &entry.subresource)
}

/// Adds what a writer took to what it had.
pub(super) fn give(entries: &mut Vec<Entry>, writer: Entry) {
    match entries.iter_mut().find(|entry| entry.is_same_manager(&writer)) {
        Some(own) => {
            fields::union(&mut own.fields, &writer.fields);
            own.time = writer.time;
        }
        None => entries.push(writer),
    }
}

/// Merges the oldest Update managers of one version until few enough are left.
pub(super) fn cap(entries: &mut Vec<Entry>) {
    let updaters = |entries: &[Entry]| {
        entries.iter().filter(|entry| entry.operation == Operation::Update).count()
    };
    if updaters(entries) <= UPDATE_MANAGERS_MAX {
        return;
    }
    entries.sort_by(|one, other| order(one).cmp(&order(other)));
    // The first entry of a version becomes the bucket when a second one has to be merged into it.
    let mut first_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut merged = vec![false; entries.len()];
    let mut left = updaters(entries);
    for at in 0..entries.len() {
        if left <= UPDATE_MANAGERS_MAX {
            break;
        }
        if entries[at].operation != Operation::Update {
            continue;
        }
        match first_of.get(&entries[at].version) {
            None => {
                first_of.insert(entries[at].version.clone(), at);
            }
            Some(&bucket) => {
                let moved = std::mem::take(&mut entries[at].fields);
                let time = entries[at].time.take();
                let bucket = &mut entries[bucket];
                fields::union(&mut bucket.fields, &moved);
                bucket.manager = ANCIENT_CHANGES.to_owned();
                bucket.subresource.clear();
                bucket.time = time;
                merged[at] = true;
                left -= 1;
            }
        }
    }
    let mut merged = merged.into_iter();
    entries.retain(|_| !merged.next().unwrap_or(false));
}

/// RFC 3339 with whole seconds.
pub(super) fn format_time(now: Timestamp) -> String {
    let seconds = Timestamp::from_second(now.as_second()).unwrap_or(now);
    seconds.to_string()
}
