//! Building the product.

use std::path::PathBuf;

use anyhow::Result;

use crate::{run, tools};

/// Builds the release executable and gives its path. `ENDSTATE_BIN` names another one to use as it is.
pub(crate) fn endstate() -> Result<PathBuf> {
    tools::setup()?;
    if let Some(executable) = std::env::var_os("ENDSTATE_BIN") {
        return Ok(executable.into());
    }
    run::check(run::cargo().args(["build", "--release", "--package", "cli", "--bin", "endstate"]))?;
    Ok(executable("endstate"))
}

/// Where cargo puts a release executable.
pub(crate) fn executable(name: &str) -> PathBuf {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    run::target().join(triple).join("release").join(name)
}
