//! `endstate apply`: server-side apply of every document, definitions of kinds first.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kube::Client;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::Value;

use crate::args::{Apply, Global};
use crate::connect::{Connection, connect};
use crate::output;
use crate::resources::{Resource, Resources};

const MANAGER: &str = "endstate";
const CRD_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) async fn run(global: &Global, args: Apply) -> Result<()> {
    let documents = read(&args.file)?;
    let Connection { client, namespace } = connect(global).await?;
    let mut params = PatchParams::apply(MANAGER);
    params.force = args.force;
    params.dry_run = args.dry_run;
    params.field_validation = Some(kube::api::ValidationDirective::Strict);
    let (total, mut failed) = (documents.len(), 0);
    for (what, outcome) in apply_all(&client, &namespace, documents, &params).await? {
        match outcome {
            Ok(verb) => {
                let dry = if args.dry_run { " (dry run)" } else { "" };
                output::line(format_args!("{what} {verb}{dry}"))?;
            }
            Err(error) => {
                failed += 1;
                output::error(&error.context(format!("cannot apply {what}")));
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ if failed == total => bail!("nothing was applied"),
        1 => bail!("1 of {total} objects was not applied; the others were"),
        _ => bail!("{failed} of {total} objects were not applied; the others were"),
    }
}

/// What was applied, and `created`, `configured` or `unchanged`.
pub(crate) type Outcome = (String, Result<&'static str>);

/// Applies documents in an order that lets each find what it needs.
pub(crate) async fn apply_all(
    client: &Client,
    namespace: &str,
    mut documents: Vec<Value>,
    params: &PatchParams,
) -> Result<Vec<Outcome>> {
    documents.sort_by_key(|it| match it["kind"].as_str() {
        Some("Namespace") => 0,
        Some("CustomResourceDefinition") => 1,
        _ => 2,
    });
    let mut resources = Resources::discover(client).await?;
    let mut outcomes = Vec::new();
    for document in documents {
        let is_crd = document["kind"] == "CustomResourceDefinition";
        let (api_version, kind) = type_of(&document)?;
        let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let Some(resource) = resources.of_manifest(&api_version, &kind) else {
            let what = format!("{}/{name}", kind.to_lowercase());
            let hint = format!(
                "the cluster serves no {kind} of {api_version}; is its operator installed? (`endstate install`)"
            );
            outcomes.push((what, Err(anyhow::Error::msg(hint))));
            continue;
        };
        let what = format!("{}/{name}", resource.display());
        let outcome = apply_one(client, namespace, resource, document, params).await;
        if is_crd && outcome.is_ok() && !params.dry_run {
            established(client, &name).await?;
            resources = Resources::discover(client).await?;
        }
        outcomes.push((what, outcome));
    }
    Ok(outcomes)
}

async fn apply_one(
    client: &Client,
    namespace: &str,
    resource: &Resource,
    document: Value,
    params: &PatchParams,
) -> Result<&'static str> {
    let name =
        document["metadata"]["name"].as_str().context("metadata.name is missing")?.to_owned();
    let own_namespace = document["metadata"]["namespace"].as_str().map(str::to_owned);
    let api = resource.scope(client, Some(own_namespace.as_deref().unwrap_or(namespace)));
    let before = api.get_opt(&name).await?;
    let after = api.patch(&name, params, &Patch::Apply(&document)).await.map_err(explain)?;
    let version = |object: &DynamicObject| object.metadata.resource_version.clone();
    Ok(match before {
        None => "created",
        Some(before) if version(&before) == version(&after) => "unchanged",
        Some(_) => "configured",
    })
}

/// The server's words, one cause a line, with what to do about conflicts.
fn explain(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) if is_about_fields(&status) => {
            anyhow::anyhow!("{}; add --force to take over the fields", status.message)
        }
        kube::Error::Api(status) if status.message.contains("uid mismatch") => {
            anyhow::anyhow!("{}; remove metadata.uid from the file", status.message)
        }
        other => other.into(),
    }
}

/// Whether others own what was to be applied; not every conflict is about that.
fn is_about_fields(status: &kube::core::Status) -> bool {
    let causes = status.details.iter().flat_map(|it| &it.causes);
    causes.into_iter().any(|it| it.reason == "FieldManagerConflict")
}

async fn established(client: &Client, name: &str) -> Result<()> {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    let api: kube::Api<CustomResourceDefinition> = kube::Api::all(client.clone());
    let established = await_condition(api, name, conditions::is_crd_established());
    tokio::time::timeout(CRD_TIMEOUT, established)
        .await
        .with_context(|| format!("the definition {name} is not served after {CRD_TIMEOUT:?}"))??;
    Ok(())
}

fn type_of(document: &Value) -> Result<(String, String)> {
    let field = |name: &str| {
        let value = document[name].as_str().filter(|it| !it.is_empty());
        value.map(str::to_owned).with_context(|| format!("a document has no {name}"))
    };
    Ok((field("apiVersion")?, field("kind")?))
}

/// Every document of files, folders (their .yaml, .yml and .json files, in order of name) and standard input.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<Value>> {
    let mut documents = Vec::new();
    for file in files {
        for (name, text) in texts(file)? {
            let parsed = parse(&text).with_context(|| format!("cannot use {name}"));
            documents.extend(parsed?);
        }
    }
    if documents.is_empty() {
        bail!("the input contains no object");
    }
    Ok(documents)
}

fn texts(file: &Path) -> Result<Vec<(String, String)>> {
    let name = file.display().to_string();
    if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input is not text")?;
        return Ok(vec![("standard input".to_owned(), text)]);
    }
    if !file.is_dir() {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        return Ok(vec![(name, text)]);
    }
    let entries = std::fs::read_dir(file).with_context(|| format!("cannot read {name}"))?;
    let mut paths = entries.map(|it| Ok(it?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|it| it.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json"));
    paths.sort();
    Ok(paths.iter().map(|it| texts(it)).collect::<Result<Vec<_>>>()?.concat())
}

fn parse(text: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_saphyr::from_multiple::<Value>(text)? {
        match document {
            Value::Null => {}
            Value::Object(mut object) if object.get("kind").is_some_and(|it| it == "List") => {
                match object.remove("items") {
                    Some(Value::Array(items)) => objects.extend(items),
                    _ => bail!("a List has no items"),
                }
            }
            Value::Object(object) => objects.push(Value::Object(object)),
            other => bail!("a document is not an object but {other}"),
        }
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_lists_become_objects() {
        let text = "---\nkind: A\n---\n---\nkind: List\nitems: [{kind: B}, {kind: C}]\n";
        let kinds: Vec<_> = parse(text).unwrap().iter().map(|it| it["kind"].clone()).collect();
        assert_eq!(kinds, ["A", "B", "C"]);
    }

    #[test]
    fn garbage_is_refused() {
        assert!(parse("just words").is_err());
        assert!(parse("a: [").is_err());
    }
}
