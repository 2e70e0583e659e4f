//! `cargo xtask tidy`: rules of the house that no compiler checks.
//!
//! Each rule gives a list of what breaks it; nothing is fixed here.

mod circles;
mod comments;
mod fences;
mod files;
mod imports;
mod layers;
mod neutral;
mod sizes;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::run;

/// Arguments of `tidy`.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Write today's sizes into the ratchet file: entries may vanish or shrink, so look at the diff
    #[arg(long)]
    ratchet: bool,
}

/// Checks every rule.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::read()?;
    if args.ratchet {
        return sizes::write_ratchet(&workspace);
    }
    let mut problems = layers::check(&workspace)?;
    problems.extend(fences::check(&workspace)?);
    problems.extend(sizes::check(&workspace)?);
    let sources = files::all(&workspace)?;
    problems.extend(circles::check(&workspace, &sources)?);
    problems.extend(comments::check(&sources));
    problems.extend(imports::check(&sources));
    problems.extend(neutral::check(&workspace, &sources)?);
    if problems.is_empty() {
        return Ok(());
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    bail!("tidy: {} problems", problems.len());
}

/// What `cargo metadata` says of the workspace.
#[derive(Deserialize)]
struct Workspace {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` for an ordinary dependency, else `dev` or `build`.
    kind: Option<String>,
    /// Set for crates of this workspace.
    path: Option<PathBuf>,
}

impl Workspace {
    fn read() -> Result<Self> {
        let metadata = ["metadata", "--format-version=1", "--no-deps", "--locked"];
        let metadata = run::output(run::cargo().args(metadata))?;
        serde_json::from_str(&metadata).context("cargo metadata in an unknown form")
    }
}

impl Package {
    fn folder(&self) -> Result<&std::path::Path> {
        self.manifest_path.parent().context("a manifest lies in a folder")
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        super::run(&super::Args::default()).expect("see the problems above");
    }
}
