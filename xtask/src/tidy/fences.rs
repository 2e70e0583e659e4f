//! Pure crates stay pure: each has clippy's bans of its own, and no way to tokio.

use std::fs;

use anyhow::Result;

use super::Workspace;
use super::layers::Layers;
use crate::run;

/// What a pure crate's `clippy.toml` must ban. A crate's own file replaces the root one, so nothing is inherited.
const BANS: [&str; 6] = [
    "std::time::SystemTime::now",
    "std::time::Instant::now",
    "std::fs::read",
    "std::fs::write",
    "std::env::var",
    "std::process::Command::new",
];

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let layers = Layers::read()?;
    let mut problems = Vec::new();
    for package in &workspace.packages {
        if layers.layers.get(&package.name) != Some(&1) {
            continue;
        }
        let fence = fs::read_to_string(package.folder()?.join("clippy.toml")).unwrap_or_default();
        for ban in BANS.iter().filter(|ban| !fence.contains(*ban)) {
            problems
                .push(format!("{}: pure, but its clippy.toml does not ban {ban}", package.name));
        }
        let tree = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--package"];
        let tree = run::output(run::cargo().args(tree).arg(&package.name))?;
        if tree.lines().any(|line| line.starts_with("tokio v")) {
            problems.push(format!("{}: pure, but depends on tokio", package.name));
        }
    }
    Ok(problems)
}
