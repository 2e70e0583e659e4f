//! `endstate get`: the server's own table, or the objects.

use anyhow::{Context, Result};
use kube::Client;
use kube::api::{ListParams, Request};
use serde_json::{Value, json};

use crate::args::{Document, Format, Get, Global};
use crate::connect::{Connection, connect};
use crate::output;
use crate::resources::{Resources, Target};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

pub(crate) async fn run(global: &Global, args: Get) -> Result<()> {
    let Connection { client, namespace } = connect(global).await?;
    let resources = Resources::discover(&client).await?;
    let targets = resources.targets(&args.targets.targets)?;
    let query = Query {
        client: &client,
        namespace: (!args.targets.all_namespaces).then_some(&namespace),
        selector: args.targets.selector.as_deref(),
    };
    match args.output {
        None | Some(Format::Wide) => {
            query.tables(&targets, args.output == Some(Format::Wide), &namespace).await
        }
        Some(Format::Name) => query.names(&targets).await,
        Some(Format::Json) => query.objects(&targets, Document::Json).await,
        Some(Format::Yaml) => query.objects(&targets, Document::Yaml).await,
    }
}

struct Query<'a> {
    client: &'a Client,
    /// `None` for all of them.
    namespace: Option<&'a String>,
    selector: Option<&'a str>,
}

impl Query<'_> {
    async fn tables(&self, targets: &[Target], wide: bool, namespace: &str) -> Result<()> {
        let mut found = false;
        for (index, target) in targets.iter().enumerate() {
            let table: Value = serde_json::from_slice(&self.fetch(target, TABLE).await?)?;
            let rows = rows(&table, wide, self.namespace.is_none() && target.resource.namespaced);
            if rows.len() < 2 {
                continue;
            }
            if found && index > 0 {
                output::line("")?;
            }
            found = true;
            output::columns(&rows)?;
        }
        if !found {
            match self.namespace {
                Some(_) if targets.iter().any(|it| it.resource.namespaced) => {
                    output::note(format_args!("nothing found in namespace {namespace}"));
                }
                _ => output::note("nothing found"),
            }
        }
        Ok(())
    }

    async fn names(&self, targets: &[Target]) -> Result<()> {
        for (target, object) in self.all(targets).await? {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            output::line(format_args!("{}/{name}", target.resource.display()))?;
        }
        Ok(())
    }

    async fn objects(&self, targets: &[Target], format: Document) -> Result<()> {
        let objects = self.all(targets).await?;
        let mut objects: Vec<Value> = objects.into_iter().map(|(_, object)| object).collect();
        if let ([_], [Target { name: Some(_), .. }]) = (&objects[..], targets) {
            return output::structured(&objects.swap_remove(0), format);
        }
        output::structured(&json!({"apiVersion": "v1", "kind": "List", "items": objects}), format)
    }

    /// Every object, with what asked for it.
    async fn all<'t>(&self, targets: &'t [Target]) -> Result<Vec<(&'t Target, Value)>> {
        let mut objects = Vec::new();
        for target in targets {
            let bytes = self.fetch(target, "application/json").await?;
            let mut value: Value = serde_json::from_slice(&bytes)?;
            let (api_version, kind) = (&target.resource.api.api_version, &target.resource.api.kind);
            match value["items"].take() {
                Value::Array(items) => objects.extend(items.into_iter().map(|mut item| {
                    item["apiVersion"] = json!(api_version);
                    item["kind"] = json!(kind);
                    (target, item)
                })),
                _ => objects.push((target, value)),
            }
        }
        Ok(objects)
    }

    async fn fetch(&self, target: &Target, accept: &'static str) -> Result<Vec<u8>> {
        let api = target.resource.scope(self.client, self.namespace.map(String::as_str));
        let request = Request::new(api.resource_url());
        let mut request = match &target.name {
            Some(name) => request.get(name, &kube::api::GetParams::default())?,
            None => {
                let label_selector = self.selector.map(str::to_owned);
                request.list(&ListParams { label_selector, ..ListParams::default() })?
            }
        };
        request.headers_mut().insert("accept", http::HeaderValue::from_static(accept));
        let what = || match &target.name {
            Some(name) => format!("cannot get {}/{name}", target.resource.display()),
            None => format!("cannot list {}", target.resource.api.plural),
        };
        Ok(self.client.request_text(request).await.with_context(what)?.into_bytes())
    }
}

/// The rows of a server-side table, headings first.
fn rows(table: &Value, wide: bool, with_namespace: bool) -> Vec<Vec<String>> {
    let columns = table["columnDefinitions"].as_array().cloned().unwrap_or_default();
    let shown = |index: &usize| wide || columns[*index]["priority"].as_i64().unwrap_or(0) == 0;
    let shown: Vec<usize> = (0..columns.len()).filter(shown).collect();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let heading = |index: &usize| text(&columns[*index]["name"]).to_uppercase();
    let mut rows = vec![shown.iter().map(heading).collect::<Vec<_>>()];
    for row in table["rows"].as_array().into_iter().flatten() {
        rows.push(shown.iter().map(|index| text(&row["cells"][*index])).collect());
    }
    if with_namespace {
        rows[0].insert(0, "NAMESPACE".to_owned());
        let objects = table["rows"].as_array().into_iter().flatten();
        for (row, object) in rows[1..].iter_mut().zip(objects) {
            row.insert(0, text(&object["object"]["metadata"]["namespace"]));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_hides_wide_columns_and_shows_namespaces_where_asked() {
        let table = json!({
            "columnDefinitions": [{"name": "Name"}, {"name": "Ready"}, {"name": "IP", "priority": 1}],
            "rows": [{"cells": ["a", 1, null], "object": {"metadata": {"namespace": "n"}}}],
        });
        assert_eq!(rows(&table, false, false), [["NAME", "READY"], ["a", "1"]]);
        assert_eq!(
            rows(&table, true, true),
            [["NAMESPACE", "NAME", "READY", "IP"], ["n", "a", "1", ""]]
        );
    }
}
