//! `endstate delete`.

use anyhow::{Context, Result, bail};
use kube::api::DeleteParams;
use kube::runtime::wait::{await_condition, conditions};

use crate::apply;
use crate::args::{Delete, Global};
use crate::connect::{Connection, connect};
use crate::output;
use crate::resources::{Resources, Target};

pub(crate) async fn run(global: &Global, args: Delete) -> Result<()> {
    let Connection { client, namespace } = connect(global).await?;
    let resources = Resources::discover(&client).await?;
    let targets = match args.file.as_slice() {
        [] => in_namespace(resources.targets(&args.targets)?, &namespace),
        files => from_manifests(&resources, files, &namespace)?,
    };
    for (target, namespace) in targets {
        let Some(name) = target.name else {
            bail!("name the object as KIND/NAME; use kubectl to delete all objects of a kind");
        };
        let api = target.resource.scope(&client, Some(&namespace));
        let what = format!("{}/{name}", target.resource.display());
        let outcome = api.delete(&name, &DeleteParams::background()).await;
        let outcome = outcome.with_context(|| format!("cannot delete {what}"))?;
        if args.wait {
            let object = outcome.left().and_then(|it| it.metadata.uid);
            if let Some(uid) = object {
                await_condition(api, &name, conditions::is_deleted(&uid)).await?;
            }
        }
        output::line(format_args!("{what} deleted"))?;
    }
    Ok(())
}

fn in_namespace(targets: Vec<Target>, namespace: &str) -> Vec<(Target, String)> {
    targets.into_iter().map(|target| (target, namespace.to_owned())).collect()
}

/// What files describe, in reverse: users before what they use.
fn from_manifests(
    resources: &Resources,
    files: &[std::path::PathBuf],
    namespace: &str,
) -> Result<Vec<(Target, String)>> {
    let mut targets = Vec::new();
    for document in apply::read(files)?.into_iter().rev() {
        let field = |pointer: &str| document.pointer(pointer).and_then(|it| it.as_str());
        let api_version = field("/apiVersion").context("a document has no apiVersion")?;
        let kind = field("/kind").context("a document has no kind")?;
        let resource = resources.of_manifest(api_version, kind);
        let resource =
            resource.with_context(|| format!("the cluster serves no {kind} of {api_version}"))?;
        let target =
            Target { resource: resource.clone(), name: field("/metadata/name").map(str::to_owned) };
        targets.push((target, field("/metadata/namespace").unwrap_or(namespace).to_owned()));
    }
    Ok(targets)
}
