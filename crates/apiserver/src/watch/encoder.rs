//! The bytes of a watch's events.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use machinery::error::ApiError;
use serde_json::{Value, json};
use store::{Event, Object, Revision};

use crate::call::Call;
use crate::encode::{self, View};
use crate::negotiate::{Format, Include, Shape};
use crate::options::ReadOptions;
use crate::{respond, show};

/// Turns changes into the bytes of events.
pub(super) struct Encoder {
    pub(super) call: Arc<Call>,
    view: View,
    /// Column definitions are sent with the first table only.
    columns_sent: bool,
}

impl Encoder {
    pub(super) fn new(call: Arc<Call>) -> Encoder {
        Encoder { view: call.view(), call, columns_sent: false }
    }

    /// An object of the state at the start.
    pub(super) fn added(&mut self, object: &Object) -> Bytes {
        self.event("ADDED", object, object.bytes().clone())
    }

    /// A failure, after which nothing comes.
    pub(super) fn failure(&self, error: &ApiError) -> Bytes {
        line(self.call.form.format, &json!({"type": "ERROR", "object": error.to_status()}))
    }

    /// What a change looks like through a selector; `None` if it does not show.
    pub(super) fn change(&mut self, options: &ReadOptions, event: &Event) -> Option<Bytes> {
        let shows = |object: &Arc<Object>| options.selector.matches(object.index());
        let now = event.object.as_ref().filter(|object| shows(object));
        let before = event.previous.as_ref().filter(|object| shows(object));
        match (before, now) {
            (None, Some(object)) => Some(self.added(object)),
            (Some(_), Some(object)) => Some(self.event("MODIFIED", object, object.bytes().clone())),
            (Some(gone), None) => Some(self.event("DELETED", gone, gone.bytes_at(event.revision))),
            (None, None) => None,
        }
    }

    fn event(&mut self, kind: &'static str, object: &Object, bytes: Bytes) -> Bytes {
        let bytes = self.view.bytes(object, bytes);
        if self.call.form.is_stored() {
            return wrapped(kind, &bytes);
        }
        let shown = match encode::parse_bytes(&bytes) {
            Ok(value) => self.shape(value),
            Err(error) => {
                tracing::error!(key = %object.key(), "a watch event cannot be shown");
                error.to_status()
            }
        };
        line(self.call.form.format, &json!({"type": kind, "object": shown}))
    }

    fn shape(&mut self, object: Value) -> Value {
        match self.call.form.shape {
            Shape::Object => object,
            Shape::Metadata => show::metadata(&object),
            Shape::Table(include) => self.table(object, include),
        }
    }

    fn table(&mut self, object: Value, include: Include) -> Value {
        let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
        let row = show::row(&self.call.resource, object, include, jiff::Timestamp::now());
        let mut table = show::table(&self.call.resource, metadata, vec![row]);
        if std::mem::replace(&mut self.columns_sent, true) {
            table["columnDefinitions"] = Value::Null;
        }
        table
    }

    /// An event that carries nothing but a revision.
    pub(super) fn bookmark(&mut self, revision: Revision, annotations: Option<Value>) -> Bytes {
        let resource = &self.call.resource;
        let mut metadata =
            json!({"creationTimestamp": null, "resourceVersion": revision.to_string()});
        if let Some(annotations) = annotations {
            metadata["annotations"] = annotations;
        }
        let object = match self.call.form.shape {
            Shape::Table(_) => {
                let mut table = show::table(resource, metadata, Vec::new());
                if std::mem::replace(&mut self.columns_sent, true) {
                    table["columnDefinitions"] = Value::Null;
                }
                table
            }
            Shape::Metadata => {
                json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata})
            }
            Shape::Object => {
                json!({"apiVersion": resource.api_version(), "kind": resource.kind, "metadata": metadata})
            }
        };
        line(self.call.form.format, &json!({"type": "BOOKMARK", "object": object}))
    }
}

/// An event around stored bytes.
fn wrapped(kind: &str, object: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(object.len() + 40);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    out.extend_from_slice(object);
    out.extend_from_slice(b"}\n");
    out.freeze()
}

fn line(format: Format, event: &Value) -> Bytes {
    let mut bytes = match format {
        Format::Yaml => {
            let mut document = b"---\n".to_vec();
            document.extend(respond::encode(Format::Yaml, event));
            document
        }
        Format::Json | Format::PrettyJson => respond::encode(Format::Json, event),
    };
    bytes.push(b'\n');
    bytes.into()
}
