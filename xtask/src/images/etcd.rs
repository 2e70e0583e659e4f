//! etcd's programs: of Debian where it has the version, otherwise built from the modules that etcd publishes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::debian::{self, Suite};
use crate::go::{self, Module};
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

macro_rules! built {
    ($version:literal) => {
        Release {
            version: $version,
            source: Source::Go(Module {
                requirements: include_str!(concat!("etcd/", $version, "/go.mod")),
                checksums: include_str!(concat!("etcd/", $version, "/go.sum")),
                variables: &[],
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

/// The executable in which a real Kubernetes keeps its objects.
pub(crate) fn of_kubernetes() -> Result<PathBuf> {
    Ok(programs(&V3_6_16)?.join("etcd"))
}

/// The executable of the version that tests and benchmarks start by hand.
pub(crate) fn executable() -> Result<PathBuf> {
    Ok(programs(&V3_5_16)?.join("etcd"))
}

/// The programs of a version, made if they are not there: a folder with `etcd` and whatever it has of the others.
pub(super) fn programs(release: &Release) -> Result<PathBuf> {
    let folder = run::target().join("images/etcd").join(release.version);
    go::made_by_recipe(&folder, &format!("{:?}", release.source), |partial| {
        match &release.source {
            Source::Debian(suite) => unpack(*suite, partial),
            Source::Go(module) => {
                go::build(&format!("etcd {}", release.version), module, partial)?;
                Ok(fs::rename(partial.join("server"), partial.join("etcd"))?)
            }
        }
    })?;
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
