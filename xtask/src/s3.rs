//! A real S3 server for the tests of what is kept in one: versitygw, on a folder, built from its Go modules.

use std::path::PathBuf;

use anyhow::Result;

use crate::go::{self, Module};
use crate::run;

const SERVER: Module = Module {
    requirements: include_str!("s3/v1.8.0/go.mod"),
    checksums: include_str!("s3/v1.8.0/go.sum"),
    variables: &[],
};

/// Its executable, built if it is not there.
pub(crate) fn server() -> Result<PathBuf> {
    let folder = run::target().join("tools/versitygw");
    go::made_by_recipe(&folder, &format!("{SERVER:?}"), |partial| {
        go::build("versitygw v1.8.0", &SERVER, partial)
    })?;
    Ok(folder.join("versitygw"))
}
