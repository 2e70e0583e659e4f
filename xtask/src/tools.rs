//! The tools that the build and the tests need, in `target/tools/bin`.
//!
//! Nothing is installed on the host. A tool that is there is not fetched again; `rm -r target/tools` starts afresh.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::debian::{self, Suite};
use crate::run;

const DENY_VERSION: &str = "0.20.2";

/// The folder that goes first on the PATH of everything that automation runs.
pub(crate) fn bin() -> PathBuf {
    run::target().join("tools/bin")
}

/// Fetches what is missing.
pub(crate) fn setup() -> Result<()> {
    fs::create_dir_all(bin())?;
    protoc()?;
    from_debian("runc", Suite::Bookworm, "runc", "usr/sbin/runc")?;
    from_debian("kubectl", Suite::Trixie, "kubectl", "usr/bin/kubectl")?;
    Ok(())
}

/// `cargo deny`, built once: it comes as source only.
pub(crate) fn cargo_deny() -> Result<()> {
    if bin().join("cargo-deny").exists() || is_installed("cargo-deny", DENY_VERSION) {
        return Ok(());
    }
    eprintln!("building cargo-deny (once, some minutes)");
    let root = run::target().join("tools");
    let mut install = run::cargo();
    install.args(["install", "--quiet", "--locked", "--version", DENY_VERSION, "--root"]).arg(root);
    // Its own target folder keeps a rebuild of the workspace from throwing this work away.
    install.arg("cargo-deny").env("CARGO_TARGET_DIR", run::target().join("tools/build"));
    run::check(&mut install)?;
    fs::remove_dir_all(run::target().join("tools/build"))?;
    Ok(())
}

/// Whether the machine has a tool of this version, as `TOOL VERSION` is what it says.
fn is_installed(tool: &str, version: &str) -> bool {
    let said = Command::new(tool).arg("--version").output();
    said.is_ok_and(|it| it.stdout.trim_ascii() == format!("{tool} {version}").as_bytes())
}

/// The protocol buffer compiler, which the etcd client's build needs; it ships inside a crate.
fn protoc() -> Result<()> {
    let source = protoc_bin_vendored::protoc_bin_path()
        .context("no protoc for this platform; install protobuf-compiler and set PROTOC")?;
    link(&source, "protoc")
}

fn from_debian(tool: &str, suite: Suite, package: &str, path: &str) -> Result<()> {
    if bin().join(tool).exists() {
        return Ok(());
    }
    eprintln!("fetching {tool} ({package} of Debian {suite:?})");
    let folder = run::target().join("tools").join(package);
    debian::unpack(suite, &[package], &folder)?;
    link(&folder.join(path), tool)
}

fn link(source: &Path, tool: &str) -> Result<()> {
    let link = bin().join(tool);
    if link.symlink_metadata().is_ok() {
        fs::remove_file(&link)?;
    }
    symlink(source, &link).with_context(|| format!("cannot link {}", link.display()))
}
