//! Crates depend on lower layers only.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Package, Workspace};
use crate::run;

/// `xtask/layers.toml`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Layers {
    pub(super) layers: BTreeMap<String, u8>,
    /// Crate → crate of the same layer → reason.
    same_layer: BTreeMap<String, BTreeMap<String, String>>,
}

impl Layers {
    pub(super) fn read() -> Result<Self> {
        let path = run::root().join("xtask/layers.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{}", path.display()))
    }

    fn allows(&self, from: &str, to: &str) -> bool {
        let layer = |name: &str| self.layers.get(name).copied();
        layer(to) < layer(from)
            || layer(to) == layer(from)
                && self.same_layer.get(from).is_some_and(|edges| edges.contains_key(to))
    }
}

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let layers = Layers::read()?;
    let mut problems = Vec::new();
    for package in &workspace.packages {
        if !layers.layers.contains_key(&package.name) {
            problems.push(format!("{}: not in xtask/layers.toml", package.name));
        }
        problems.extend(imports(package, &layers));
        let manifest = fs::read_to_string(&package.manifest_path)?;
        if !manifest.contains("[lints]\nworkspace = true") {
            problems.push(format!("{}: does not inherit the workspace's lints", package.name));
        }
    }
    Ok(problems)
}

fn imports(package: &Package, layers: &Layers) -> Vec<String> {
    let published = |path: &std::path::Path| path.starts_with(run::root().join("lib"));
    let own = package.dependencies.iter().filter(|it| it.kind.is_none());
    own.filter_map(|it| Some((&it.name, it.path.as_ref()?)))
        .filter_map(|(name, path)| {
            if !layers.allows(&package.name, name) {
                Some(format!("{} may not depend on {name} (xtask/layers.toml)", package.name))
            } else if published(&package.manifest_path) && !published(path) {
                Some(format!("{} is published and may not depend on {name}", package.name))
            } else {
                None
            }
        })
        .collect()
}
