//! etcd's programs: of Debian where it has the version, otherwise built from the modules that etcd publishes.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::sha256;
use crate::debian::{self, Suite};
use crate::run;

/// The three programs of a version.
pub(super) const PROGRAMS: [&str; 3] = ["etcd", "etcdctl", "etcdutl"];

/// The packages that Debian has them in.
pub(super) const PACKAGES: [&str; 2] = ["etcd-server", "etcd-client"];

/// A version, and where its programs are from.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) version: &'static str,
    pub(super) source: Source,
}

/// Where programs are from.
#[derive(Debug)]
pub(super) enum Source {
    /// Packages of a Debian release.
    Debian(Suite),
    /// A Go module whose tools they are.
    Go(Module),
}

/// A Go module that pins its tools, and by checksum everything that they are built of.
pub(super) struct Module {
    requirements: &'static str,
    checksums: &'static str,
}

/// A recipe tells modules apart by their sums.
impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", sha256(self.requirements.as_bytes()), sha256(self.checksums.as_bytes()))
    }
}

macro_rules! built {
    ($version:literal) => {
        Release {
            version: $version,
            source: Source::Go(Module {
                requirements: include_str!(concat!("etcd/", $version, "/go.mod")),
                checksums: include_str!(concat!("etcd/", $version, "/go.sum")),
            }),
        }
    };
}

pub(super) const V3_4_23: Release =
    Release { version: "v3.4.23", source: Source::Debian(Suite::Bookworm) };
pub(super) const V3_5_10: Release = built!("v3.5.10");
pub(super) const V3_5_16: Release =
    Release { version: "v3.5.16", source: Source::Debian(Suite::Trixie) };
pub(super) const V3_5_35: Release = built!("v3.5.35");
pub(super) const V3_6_16: Release = built!("v3.6.16");
pub(super) const V3_7_3: Release = built!("v3.7.3");

const RELEASES: [&Release; 6] = [&V3_4_23, &V3_5_10, &V3_5_16, &V3_5_35, &V3_6_16, &V3_7_3];

/// Every version's programs, for tests that start them by hand: a folder with `VERSION/etcd` and so on.
pub(crate) fn programs_of_all() -> Result<PathBuf> {
    let folder = run::target().join("images/etcd");
    for release in RELEASES {
        programs(release)?;
    }
    Ok(folder)
}

/// The executable of the version that tests and benchmarks start by hand.
pub(crate) fn executable() -> Result<PathBuf> {
    Ok(programs(&V3_5_16)?.join("etcd"))
}

/// The programs of a version, made if they are not there: a folder with `etcd` and whatever it has of the others.
pub(super) fn programs(release: &Release) -> Result<PathBuf> {
    let folder = run::target().join("images/etcd").join(release.version);
    let (made_by, recipe) = (folder.join("recipe"), format!("{:?}\n", release.source));
    if fs::read_to_string(&made_by).is_ok_and(|it| it == recipe) {
        return Ok(folder);
    }
    let partial = folder.with_extension("partial");
    for old in [&folder, &partial] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    fs::create_dir_all(&partial)?;
    match &release.source {
        Source::Debian(suite) => unpack(*suite, &partial)?,
        Source::Go(module) => build(release.version, module, &partial)?,
    }
    fs::write(partial.join("recipe"), recipe)?;
    fs::rename(partial, &folder)?;
    Ok(folder)
}

fn unpack(suite: Suite, into: &Path) -> Result<()> {
    let root = into.join("root");
    debian::unpack(suite, &PACKAGES, &root)?;
    for name in PROGRAMS {
        let program = root.join("usr/bin").join(name);
        if program.exists() {
            fs::rename(program, into.join(name))?;
        }
    }
    Ok(fs::remove_dir_all(root)?)
}

/// Builds the tools of a module with the host's Go, in its own caches: one build, because they share most packages.
/// They are static, and the same wherever they are built with the same Go.
fn build(version: &str, module: &Module, into: &Path) -> Result<()> {
    eprintln!("building etcd {version} from its Go modules");
    let source = into.join("source");
    fs::create_dir_all(&source)?;
    fs::write(source.join("go.mod"), module.requirements)?;
    fs::write(source.join("go.sum"), module.checksums)?;
    let mut go = go()?;
    go.current_dir(&source).args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"]);
    go.arg("-ldflags=-s -w").arg("-o").arg(into).arg("tool");
    run::check_quiet(&mut go).with_context(|| format!("cannot build etcd {version}"))?;
    fs::rename(into.join("server"), into.join("etcd"))?;
    Ok(fs::remove_dir_all(source)?)
}

fn go() -> Result<std::process::Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|it| it.join("go").is_file()) {
        bail!(
            "etcd's newer versions are built with Go, and there is no `go` on the PATH: install Go 1.26 or newer \
             (Debian's package golang-go, or go.dev), and run this again"
        );
    }
    let mut go = run::command("go");
    for (name, value) in [("CGO_ENABLED", "0"), ("GOFLAGS", ""), ("GOWORK", "off")] {
        go.env(name, OsStr::new(value));
    }
    Ok(go)
}
