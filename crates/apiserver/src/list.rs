//! The bytes of a list, made object by object as they are taken.
//!
//! Invariants: a list holds the stored objects and nothing made of them but the piece that goes out next; what it looks
//! like is what encoding the whole list as one value would give.

use std::sync::Arc;

use http::StatusCode;
use machinery::error::ApiError;
use machinery::pretty::Pretty;
use serde_json::{Map, Value, json};
use store::Object;

use crate::call::Call;
use crate::negotiate::{Form, Format, Shape};
use crate::outgoing::{Pending, Pieces};
use crate::respond::{self, Response};
use crate::show::{Shower, to_json, to_yaml};

/// A list of objects in the form.
pub(crate) fn answer(
    call: &Call,
    form: Form,
    objects: Vec<Arc<Object>>,
    metadata: &Value,
) -> Result<Response, ApiError> {
    let frame = Frame::new(call, form, metadata);
    let mut list = List {
        head: Some(frame.head(form.format, objects.is_empty())?),
        tail: Some(frame.tail(form.format)?),
        items: frame.items,
        shower: call.shower(form),
        objects: objects.into_iter(),
        any: false,
    };
    let pretty = (form.format == Format::PrettyJson).then(Pretty::default);
    let pieces =
        Pieces::new(call.outgoing.clone(), pretty, move |pending: &mut Pending| list.fill(pending));
    respond::pieces(StatusCode::OK, form.format.content_type(), pieces)
}

/// What is around the items of a list: its members before and after them, in the order of the alphabet.
struct Frame {
    before: Map<String, Value>,
    items: &'static str,
    after: Map<String, Value>,
    end: &'static str,
}

impl Frame {
    fn new(call: &Call, form: Form, metadata: &Value) -> Self {
        let (api_version, kind, columns) = match form.shape {
            Shape::Object => (call.resource.api_version(), call.resource.list_kind.clone(), None),
            Shape::Metadata => {
                ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList".to_owned(), None)
            }
            Shape::Table(_) => {
                let columns = call.resource.table_columns();
                ("meta.k8s.io/v1".to_owned(), "Table".to_owned(), Some(columns))
            }
        };
        let mut before = Map::from_iter([("apiVersion".to_owned(), api_version.into())]);
        let mut after = Map::new();
        let items = if columns.is_some() { "rows" } else { "items" };
        let others = [
            ("columnDefinitions", columns.map(Value::from)),
            ("kind", Some(kind.into())),
            ("metadata", Some(metadata.clone())),
        ];
        for (key, value) in others {
            let side = if key < items { &mut before } else { &mut after };
            side.extend(value.map(|value| (key.to_owned(), value)));
        }
        let ends_line = form.shape == Shape::Object || form.format == Format::PrettyJson;
        Self { before, items, after, end: if ends_line { "\n" } else { "" } }
    }

    fn head(&self, format: Format, empty: bool) -> Result<Vec<u8>, ApiError> {
        let mut head = match format {
            Format::Yaml => to_yaml(&self.before, usize::MAX)?.into_bytes(),
            Format::Json | Format::PrettyJson => members(&self.before, "{", ","),
        };
        let items = self.items;
        head.extend(match (format, empty) {
            (Format::Yaml, true) => format!("{items}: []\n").into_bytes(),
            (Format::Yaml, false) => format!("{items}:\n").into_bytes(),
            _ => format!("\"{items}\":[").into_bytes(),
        });
        Ok(head)
    }

    fn tail(&self, format: Format) -> Result<Vec<u8>, ApiError> {
        match format {
            Format::Yaml if self.after.is_empty() => Ok(Vec::new()),
            Format::Yaml => Ok(to_yaml(&self.after, usize::MAX)?.into_bytes()),
            Format::Json | Format::PrettyJson if self.after.is_empty() => {
                Ok(format!("]}}{}", self.end).into_bytes())
            }
            Format::Json | Format::PrettyJson => {
                Ok(members(&self.after, "],", &format!("}}{}", self.end)))
            }
        }
    }
}

/// The members of an object between two texts instead of its brackets.
fn members(map: &Map<String, Value>, start: &str, end: &str) -> Vec<u8> {
    let encoded = to_json(map);
    [start.as_bytes(), &encoded[1..encoded.len() - 1], end.as_bytes()].concat()
}

struct List {
    head: Option<Vec<u8>>,
    tail: Option<Vec<u8>>,
    items: &'static str,
    shower: Shower,
    objects: std::vec::IntoIter<Arc<Object>>,
    any: bool,
}

impl List {
    /// Adds the next part; `false` after the last.
    fn fill(&mut self, out: &mut Pending) -> Result<bool, ApiError> {
        if let Some(head) = self.head.take() {
            out.own(head);
        }
        let Some(object) = self.objects.next() else {
            out.own(self.tail.take().unwrap_or_default());
            return Ok(false);
        };
        if self.shower.form.format == Format::Yaml {
            out.own(self.yaml_item(&object, out.outgoing().room()?)?);
            return Ok(true);
        }
        if std::mem::replace(&mut self.any, true) {
            out.share(&b","[..]);
        }
        self.shower.item(&object, object.revision(), out)?;
        Ok(true)
    }

    /// The item as it looks in a list, which is in a list of one.
    fn yaml_item(&self, object: &Object, bytes_max: usize) -> Result<Vec<u8>, ApiError> {
        let list = json!({self.items: [self.shower.value(object, object.revision())?]});
        let mut text = to_yaml(&list, bytes_max)?;
        text.drain(..self.items.len() + ":\n".len());
        Ok(text.into_bytes())
    }
}

#[cfg(test)]
pub(crate) mod tests;
