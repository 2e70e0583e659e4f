//! Which form an answer takes: JSON or YAML, the object itself, a Table or only its metadata.

use http::HeaderMap;
use http::header::{ACCEPT, USER_AGENT};
use machinery::error::ApiError;

use crate::query::Query;

/// The encodings that every endpoint has.
pub(crate) const ACCEPTED: [&str; 2] = ["application/json", "application/yaml"];

/// The encoding of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    PrettyJson,
    Yaml,
}

impl Format {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::PrettyJson => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// What of an object is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    Table(Include),
    Metadata,
}

/// What a row of a table carries of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    None,
    Metadata,
    Object,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) format: Format,
    pub(crate) shape: Shape,
}

/// Chooses the form that the client likes best. Protobuf is never offered: every client that asks for it also takes
/// JSON, and one that takes nothing else is refused.
pub(crate) fn negotiate(headers: &HeaderMap, query: &Query) -> Result<Form, ApiError> {
    let pretty = wants_pretty(headers, query);
    let json = if pretty { Format::PrettyJson } else { Format::Json };
    let Some(accept) = headers.get(ACCEPT).and_then(|value| value.to_str().ok()) else {
        return Ok(Form { format: json, shape: Shape::Object });
    };
    let mut clauses: Vec<Clause<'_>> = accept.split(',').filter_map(clause).collect();
    clauses.sort_by_key(|clause| std::cmp::Reverse(clause.quality));
    let chosen = clauses.into_iter().find_map(|clause| {
        let format = if clause.yaml { Format::Yaml } else { json };
        Some(Form { format, shape: shape(&clause, query)? })
    });
    chosen.ok_or_else(|| ApiError::not_acceptable(&ACCEPTED))
}

struct Clause<'a> {
    yaml: bool,
    /// In thousandths.
    quality: u32,
    transform: Option<&'a str>,
    group: &'a str,
    version: &'a str,
}

fn clause(text: &str) -> Option<Clause<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let yaml = match parts.next()? {
        "application/json" | "*/*" | "application/*" => false,
        "application/yaml" => true,
        _ => return None,
    };
    let mut clause = Clause { yaml, quality: 1000, transform: None, group: "", version: "" };
    for part in parts {
        match part.split_once('=') {
            Some(("q", value)) => clause.quality = quality(value),
            Some(("as", value)) => clause.transform = Some(value),
            Some(("g", value)) => clause.group = value,
            Some(("v", value)) => clause.version = value,
            _ => {}
        }
    }
    (clause.quality > 0).then_some(clause)
}

/// `0.8` as 800; what is no number counts as 1.
fn quality(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole != "0" {
        return 1000;
    }
    format!("{fraction:0<3}").get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(1000)
}

fn shape(clause: &Clause<'_>, query: &Query) -> Option<Shape> {
    let Some(transform) = clause.transform else { return Some(Shape::Object) };
    if clause.group != "meta.k8s.io" || !matches!(clause.version, "v1" | "v1beta1") {
        return None;
    }
    match transform {
        "Table" => Some(Shape::Table(match query.get("includeObject") {
            Some("None") => Include::None,
            Some("Object") => Include::Object,
            _ => Include::Metadata,
        })),
        "PartialObjectMetadata" | "PartialObjectMetadataList" => Some(Shape::Metadata),
        _ => None,
    }
}

fn wants_pretty(headers: &HeaderMap, query: &Query) -> bool {
    if let Some(value) = query.get("pretty") {
        return crate::query::parse_bool(value).unwrap_or(false);
    }
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
    query.switch("pretty") || ["curl", "Wget", "Mozilla"].iter().any(|it| agent.starts_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(accept: &str, query: &str) -> Option<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        negotiate(&headers, &Query::parse(query).unwrap()).ok()
    }

    #[test]
    fn the_best_offer_wins() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let json = |shape| Some(Form { format: Format::Json, shape });
        assert_eq!(form(table, ""), json(Shape::Table(Include::Metadata)));
        assert_eq!(form(table, "includeObject=Object"), json(Shape::Table(Include::Object)));
        assert_eq!(
            form("application/vnd.kubernetes.protobuf,application/json", ""),
            json(Shape::Object)
        );
        assert_eq!(
            form("application/json;q=0.2, application/yaml;q=0.9", "").unwrap().format,
            Format::Yaml
        );
        assert_eq!(form("*/*", "pretty=true").unwrap().format, Format::PrettyJson);
        assert_eq!(
            form("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", ""),
            json(Shape::Metadata)
        );
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        for accept in [
            "application/xml",
            "application/vnd.kubernetes.protobuf",
            "application/cbor",
            "application/json;as=Table;g=meta.k8s.io;v=v9",
            "application/json;q=0",
        ] {
            assert_eq!(form(accept, ""), None, "{accept}");
        }
    }
}
