//! Building the product.

use std::path::PathBuf;

use anyhow::Result;

use crate::{run, tools};

/// Builds the release executable and gives its path.
pub(crate) fn endstate() -> Result<PathBuf> {
    tools::setup()?;
    run::check(run::cargo().args(["build", "--release", "--package", "cli", "--bin", "endstate"]))?;
    Ok(executable("endstate"))
}

/// Where cargo puts a release executable.
pub(crate) fn executable(name: &str) -> PathBuf {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    run::target().join(triple).join("release").join(name)
}
