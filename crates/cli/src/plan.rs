//! `endstate plan` and `endstate explain`: what an operator would do next, and why. It is asked; nothing is done.

use anyhow::{Context, Result, ensure};
use endstate::operator::Explanation;
use endstate::package::{Package, explain as ask};
use serde_json::Value;

use crate::args::{Document, Explain, Global, Plan};
use crate::connect::{Connection, connect};
use crate::{apply, output};

pub(crate) async fn plan(global: &Global, args: Plan) -> Result<()> {
    let spec = args.file.map(|it| spec(&it, &args.name)).transpose()?;
    let told = asked(global, (args.application, &args.name), spec.as_ref()).await?;
    show(&told, args.output, &next(&told))
}

pub(crate) async fn explain(global: &Global, args: Explain) -> Result<()> {
    let told = asked(global, (args.application, &args.name), None).await?;
    let mut text = format!("{}\n", told.situation);
    for line in &told.evidence {
        text.push_str(&format!("  {line}\n"));
    }
    show(&told, args.output, &format!("{text}{}", next(&told)))
}

async fn asked(
    global: &Global,
    (package, name): (&'static dyn Package, &str),
    spec: Option<&Value>,
) -> Result<Explanation> {
    let Connection { client, namespace } = connect(global).await?;
    Ok(ask(package, &client, (&namespace, name), spec).await?)
}

fn show(told: &Explanation, format: Option<Document>, text: &str) -> Result<()> {
    match format {
        Some(format) => output::structured(told, format),
        None => output::text(text),
    }
}

/// What would be done, a line each.
fn next(told: &Explanation) -> String {
    let mut text = String::new();
    let mut lines = |title: &str, lines: &[String]| {
        if !lines.is_empty() {
            text.push_str(&format!("{title}:\n"));
            lines.iter().for_each(|it| text.push_str(&format!("  {it}\n")));
        }
    };
    lines("spec", &told.problems);
    lines("members", &told.changes);
    lines("next", &told.next);
    let waiting: Vec<_> = told.waiting.iter().map(ToString::to_string).collect();
    lines("then", &waiting);
    lines("not carried out, please report this", &told.violations);
    if told.changes.is_empty() && told.next.is_empty() && told.waiting.is_empty() {
        text.push_str("nothing to do\n");
    }
    text
}

/// The spec in a manifest of a cluster.
fn spec(file: &std::path::Path, name: &str) -> Result<Value> {
    let documents = apply::read(&[file.to_owned()])?;
    let named = |it: &&Value| it["metadata"]["name"] == name;
    let found = documents.iter().find(named);
    let found = found.with_context(|| format!("{} holds no object {name}", file.display()))?;
    ensure!(found["spec"].is_object(), "{name} in {} has no spec", file.display());
    Ok(found["spec"].clone())
}
