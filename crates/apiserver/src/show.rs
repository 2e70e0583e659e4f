//! Other shapes of objects: tables and metadata.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use machinery::error::ApiError;
use registry::Resource;
use serde_json::{Value, json};
use store::{Object, Revision};

use crate::encode::View;
use crate::negotiate::{Form, Include, Shape};
use crate::outgoing::Pending;

/// Only the metadata of an object.
pub(crate) fn metadata(object: &Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": object["metadata"],
    })
}

/// The row of an object.
pub(crate) fn row(resource: &Resource, object: Value, include: Include, now: Timestamp) -> Value {
    let cells = resource.table_row(&object, now);
    let shown = match include {
        Include::None => Value::Null,
        Include::Metadata => metadata(&object),
        Include::Object => object,
    };
    json!({"cells": cells, "object": shown})
}

/// A table with its column definitions.
pub(crate) fn table(resource: &Resource, list_metadata: Value, rows: Vec<Value>) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "Table",
        "metadata": list_metadata,
        "columnDefinitions": resource.table_columns(),
        "rows": rows,
    })
}

pub(crate) fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("JSON values always encode")
}

/// A value as YAML, unless that takes more than so many bytes.
pub(crate) fn to_yaml(value: &impl serde::Serialize, bytes_max: usize) -> Result<String, ApiError> {
    let mut out = Bounded { text: String::new(), bytes_max, full: false };
    match serde_saphyr::to_fmt_writer(&mut out, value) {
        Ok(()) => Ok(out.text),
        Err(_) if out.full => {
            let text =
                "there is no room for this object as YAML now; try again later, or ask for JSON";
            Err(ApiError::too_many_requests(text, 1))
        }
        Err(error) => {
            tracing::error!(%error, "an object cannot be written as YAML");
            Err(ApiError::internal(format_args!("an object cannot be written as YAML: {error}")))
        }
    }
}

struct Bounded {
    text: String,
    bytes_max: usize,
    full: bool,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.full |= part.len() > self.bytes_max - self.text.len();
        if self.full {
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

/// Shows stored objects in a form, at their own revision or a later one.
pub(crate) struct Shower {
    pub(crate) resource: Arc<Resource>,
    pub(crate) view: View,
    pub(crate) form: Form,
    pub(crate) now: Timestamp,
}

impl Shower {
    /// An object as an item of a list in compact JSON. Stored bytes that are part of it are shared.
    pub(crate) fn item(
        &self,
        object: &Object,
        at: Revision,
        out: &mut Pending,
    ) -> Result<(), ApiError> {
        match self.form.shape {
            Shape::Object => self.view.write(object, at, out)?,
            Shape::Table(Include::Object) => {
                let cells = self.resource.table_row(&self.view.value_at(object, at)?, self.now);
                out.own([b"{\"cells\":", &*to_json(&cells), b",\"object\":"].concat());
                self.view.write(object, at, out)?;
                out.share(&b"}"[..]);
            }
            Shape::Metadata | Shape::Table(_) => out.own(to_json(&self.value(object, at)?)),
        }
        Ok(())
    }

    /// An object as an item of a list.
    pub(crate) fn value(&self, object: &Object, at: Revision) -> Result<Value, ApiError> {
        let value = self.view.value_at(object, at)?;
        Ok(match self.form.shape {
            Shape::Object => value,
            Shape::Metadata => metadata(&value),
            Shape::Table(include) => row(&self.resource, value, include, self.now),
        })
    }
}
