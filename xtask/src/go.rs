//! Programs built from Go modules, with the host's Go and in its own caches.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::images::sha256;
use crate::run;

/// A Go module that pins its tools, and by checksum everything that they are built of.
pub(crate) struct Module {
    pub(crate) requirements: &'static str,
    pub(crate) checksums: &'static str,
    /// What the linker writes into the programs, such as their version.
    pub(crate) variables: &'static [(&'static str, &'static str)],
}

/// A recipe tells modules apart by their sums.
impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sums = [self.requirements, self.checksums].map(|it| sha256(it.as_bytes()));
        write!(f, "{} {}", sums[0], sums[1])?;
        self.variables.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// Builds the tools of a module into a folder: one build, because they share most packages. They are static, and the
/// same wherever they are built with the same Go.
pub(crate) fn build(name: &str, module: &Module, into: &Path) -> Result<()> {
    eprintln!("building {name} from its Go modules");
    let source = into.join("source");
    fs::create_dir_all(&source)?;
    fs::write(source.join("go.mod"), module.requirements)?;
    fs::write(source.join("go.sum"), module.checksums)?;
    let variables = module.variables.iter().map(|(name, value)| format!(" -X {name}={value}"));
    let mut go = go(name)?;
    go.current_dir(&source).args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"]);
    go.arg(format!("-ldflags=-s -w{}", variables.collect::<String>()));
    run::check_quiet(go.arg("-o").arg(into).arg("tool"))
        .with_context(|| format!("cannot build {name}"))?;
    Ok(fs::remove_dir_all(source)?)
}

fn go(name: &str) -> Result<std::process::Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|it| it.join("go").is_file()) {
        bail!(
            "{name} is built with Go, and there is no `go` on the PATH: install Go 1.26 or newer (Debian's package \
             golang-go, or go.dev), and run this again"
        );
    }
    let mut go = run::command("go");
    for (name, value) in [("CGO_ENABLED", "0"), ("GOFLAGS", ""), ("GOWORK", "off")] {
        go.env(name, OsStr::new(value));
    }
    Ok(go)
}

/// Makes a folder by a function, if it is not there or was made by another recipe: the file in it.
pub(crate) fn made_by_recipe(
    folder: &Path,
    recipe: &str,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let recipe = format!("{recipe}\n");
    if fs::read_to_string(folder.join("recipe")).is_ok_and(|it| it == recipe) {
        return Ok(());
    }
    let partial = folder.with_extension("partial");
    for old in [folder, &partial] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    fs::create_dir_all(&partial)?;
    make(&partial)?;
    fs::write(partial.join("recipe"), recipe)?;
    Ok(fs::rename(partial, folder)?)
}
