//! The Rust files of the workspace, tests among them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::Workspace;
use crate::run;

/// A file, by its path from the root.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Every Rust file of every package.
pub(super) fn all(workspace: &Workspace) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for package in &workspace.packages {
        for path in rust(package.folder()?)? {
            let text = fs::read_to_string(&path)?;
            let path = path.strip_prefix(run::root()).unwrap_or(&path).to_owned();
            sources.push(Source { path, text });
        }
    }
    Ok(sources)
}

/// The Rust files below a folder, in order.
pub(super) fn rust(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust(&path)?);
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
