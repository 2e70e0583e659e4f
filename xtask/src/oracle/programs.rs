//! The programs of a real Kubernetes: built or fetched once, below `target/tools/oracle`.

use std::path::PathBuf;

use anyhow::Result;

use crate::debian::{self, Suite};
use crate::go::{self, Module};
use crate::{build, images, run};

pub(super) const VERSION: &str = "v1.37.2";

/// The image of every pod's sandbox: what is in it sleeps.
pub(super) const PAUSE: &str = "endstate.dev/pause:1";

const KUBERNETES: Module = Module {
    requirements: include_str!("kubernetes/go.mod"),
    checksums: include_str!("kubernetes/go.sum"),
    // Without them it takes itself for a version 0.0.0, and refuses to know of others.
    variables: &[
        ("k8s.io/component-base/version.gitVersion", VERSION),
        ("k8s.io/component-base/version.gitMajor", "1"),
        ("k8s.io/component-base/version.gitMinor", "37"),
    ],
};

const COREDNS: Module = Module {
    requirements: include_str!("coredns/go.mod"),
    checksums: include_str!("coredns/go.sum"),
    variables: &[],
};

/// What runs containers, what rules kube-proxy writes with, and the libraries of both.
const PACKAGES: [&str; 16] = [
    "containerd",
    "runc",
    "containernetworking-plugins",
    "busybox-static",
    "nftables",
    "libnftables1",
    "libnftnl11",
    "libmnl0",
    "libxtables12",
    "libedit2",
    "libjansson4",
    "libgmp10",
    "libbsd0",
    "libmd0",
    "libtinfo6",
    "libseccomp2",
];

/// An image and its archive.
pub(super) type Archive = (String, PathBuf);

/// Makes what is missing, and gives the images that nodes shall have.
pub(super) fn ensure() -> Result<Vec<Archive>> {
    let tools = run::target().join("tools/oracle");
    let kubernetes = format!("{KUBERNETES:?}");
    go::made_by_recipe(&tools.join("kubernetes"), &kubernetes, |folder| {
        eprintln!("the programs of Kubernetes take ten minutes on two cores, once");
        go::build(&format!("Kubernetes {VERSION}"), &KUBERNETES, folder)
    })?;
    go::made_by_recipe(&tools.join("coredns"), &format!("{COREDNS:?}"), |folder| {
        go::build("CoreDNS", &COREDNS, folder)
    })?;
    images::etcd::of_kubernetes()?;
    let debian = tools.join("debian");
    go::made_by_recipe(&debian, &format!("{PACKAGES:?}"), |folder| {
        eprintln!("fetching containerd, runc and CNI plugins of Debian");
        debian::unpack(Suite::Bookworm, &PACKAGES, folder)
    })?;
    let pause = ["/busybox", "sleep", "2000000000"];
    let pause =
        images::of_program(PAUSE, &debian.join("bin/busybox"), &pause, &tools.join("pause"))?;
    let endstate = build::endstate()?;
    let reference = format!("docker.io/library/endstate:{}", version(&endstate)?);
    let ours = images::of_program(&reference, &endstate, &["/endstate"], &tools.join("endstate"))?;
    let others = images::archives()?.into_iter().map(|(name, path)| (name.to_owned(), path));
    Ok(others.chain([(PAUSE.to_owned(), pause), (reference, ours)]).collect())
}

fn version(endstate: &std::path::Path) -> Result<String> {
    let said = run::output(run::command(endstate).arg("--version"))?;
    Ok(said.split_whitespace().last().unwrap_or_default().to_owned())
}
