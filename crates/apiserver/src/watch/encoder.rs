//! The bytes of a watch's events.

use std::sync::Arc;

use machinery::error::ApiError;
use serde_json::{Value, json};
use store::{Event, Object, Revision};

use crate::call::Call;
use crate::negotiate::{Format, Shape};
use crate::options::Selector;
use crate::outgoing::Pending;
use crate::show::{self, Shower, to_json, to_yaml};

/// Turns changes into the bytes of events.
pub(super) struct Encoder {
    pub(super) call: Arc<Call>,
    shower: Shower,
    selector: Selector,
    /// Column definitions are sent with the first table only.
    columns_sent: bool,
}

/// What happened to an object, as a watcher sees it.
#[derive(Clone, Copy)]
enum Change {
    Added,
    Modified,
    Deleted,
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }

    /// What stands before the stored bytes of an object.
    fn start(self) -> &'static [u8] {
        match self {
            Self::Added => b"{\"type\":\"ADDED\",\"object\":",
            Self::Modified => b"{\"type\":\"MODIFIED\",\"object\":",
            Self::Deleted => b"{\"type\":\"DELETED\",\"object\":",
        }
    }
}

impl Encoder {
    pub(super) fn new(call: Arc<Call>, selector: Selector) -> Self {
        Self { shower: call.shower(call.form), call, selector, columns_sent: false }
    }

    /// An object of the state at the start.
    pub(super) fn added(&mut self, object: &Object, out: &mut Pending) -> Result<(), ApiError> {
        self.event(Change::Added, (object, object.revision()), out)
    }

    /// A failure, after which nothing comes.
    pub(super) fn failure(&self, error: &ApiError, out: &mut Pending) {
        let event = json!({"type": "ERROR", "object": error.to_status()});
        match self.line(&event, usize::MAX) {
            Ok(line) => out.own(line),
            Err(error) => tracing::error!(%error, "a failure cannot be told"),
        }
    }

    /// What a change looks like through a selector: nothing, if it does not show.
    pub(super) fn change(&mut self, event: &Event, out: &mut Pending) -> Result<(), ApiError> {
        let shows = |object: &Arc<Object>| self.selector.matches(object.index());
        let now = event.object.as_ref().filter(|object| shows(object));
        let before = event.previous.as_ref().filter(|object| shows(object));
        match (before, now) {
            (None, Some(object)) => self.added(object, out),
            (Some(_), Some(object)) => {
                self.event(Change::Modified, (object, object.revision()), out)
            }
            (Some(gone), None) => self.event(Change::Deleted, (gone, event.revision), out),
            (None, None) => Ok(()),
        }
    }

    fn event(
        &mut self,
        change: Change,
        (object, at): (&Object, Revision),
        out: &mut Pending,
    ) -> Result<(), ApiError> {
        self.shower.now = jiff::Timestamp::now();
        match (self.call.form.format, self.call.form.shape) {
            (Format::Yaml, _) => {
                let shown = self.shower.value(object, at)?;
                let shown = match self.call.form.shape {
                    Shape::Table(_) => {
                        self.table(json!({"resourceVersion": at.to_string()}), shown)
                    }
                    _ => shown,
                };
                let event = json!({"type": change.name(), "object": shown});
                out.own(self.line(&event, out.outgoing().room()?)?);
            }
            (_, Shape::Object) => {
                out.share(change.start());
                self.shower.item(object, at, out)?;
                out.share(&b"}\n"[..]);
            }
            (_, Shape::Metadata) => {
                out.share(&b"{\"object\":"[..]);
                self.shower.item(object, at, out)?;
                out.own(format!(",\"type\":\"{}\"}}\n", change.name()).into_bytes());
            }
            (_, Shape::Table(_)) => {
                let empty = self.table(json!({"resourceVersion": at.to_string()}), Value::Null);
                let mut start = [b"{\"object\":", &*to_json(&empty)].concat();
                // The rows are the last member.
                start.truncate(start.len() - "]}".len());
                out.own(start);
                self.shower.item(object, at, out)?;
                out.own(format!("]}},\"type\":\"{}\"}}\n", change.name()).into_bytes());
            }
        }
        Ok(())
    }

    /// A table of one row, or of none.
    fn table(&mut self, metadata: Value, row: Value) -> Value {
        let rows = if row.is_null() { Vec::new() } else { vec![row] };
        let mut table = show::table(&self.call.resource, metadata, rows);
        if std::mem::replace(&mut self.columns_sent, true) {
            table["columnDefinitions"] = Value::Null;
        }
        table
    }

    /// An event that carries nothing but a revision.
    pub(super) fn bookmark(
        &mut self,
        revision: Revision,
        annotations: Option<Value>,
        out: &mut Pending,
    ) -> Result<(), ApiError> {
        let mut metadata =
            json!({"creationTimestamp": null, "resourceVersion": revision.to_string()});
        if let Some(annotations) = annotations {
            metadata["annotations"] = annotations;
        }
        let object = match self.call.form.shape {
            Shape::Table(_) => self.table(metadata, Value::Null),
            Shape::Metadata => {
                json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata})
            }
            Shape::Object => {
                let resource = &self.call.resource;
                json!({"apiVersion": resource.api_version(), "kind": resource.kind, "metadata": metadata})
            }
        };
        out.own(self.line(&json!({"type": "BOOKMARK", "object": object}), usize::MAX)?);
        Ok(())
    }

    fn line(&self, event: &Value, bytes_max: usize) -> Result<Vec<u8>, ApiError> {
        let mut bytes = match self.call.form.format {
            Format::Yaml => format!("---\n{}", to_yaml(event, bytes_max)?).into_bytes(),
            Format::Json | Format::PrettyJson => to_json(event),
        };
        bytes.push(b'\n');
        Ok(bytes)
    }
}
