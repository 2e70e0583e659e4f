//! `cargo xtask images`: OCI images from Debian packages, for machines that reach no registry.
//!
//! An image is one layer: the unpacked packages, with the programs also where etcd's own images have them. The archive
//! is reproducible (sorted, no owners, no times), so an unchanged image keeps its digest.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::debian::{self, Suite};
use crate::{build, run};

/// Arguments of `images`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only make the archives, without importing them into the image store
    #[arg(long)]
    no_import: bool,
}

struct Image {
    reference: &'static str,
    suite: Suite,
    packages: &'static [&'static str],
    programs: &'static [&'static str],
}

const IMAGES: [Image; 2] = [
    Image {
        reference: "quay.io/coreos/etcd:v3.4.23",
        suite: Suite::Bookworm,
        packages: &["libc6", "etcd-server", "etcd-client"],
        programs: &["etcd", "etcdctl"],
    },
    Image {
        reference: "quay.io/coreos/etcd:v3.5.16",
        suite: Suite::Trixie,
        packages: &["libc6", "etcd-server", "etcd-client"],
        programs: &["etcd", "etcdctl", "etcdutl"],
    },
];

/// Makes every image and imports it.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.no_import {
        for image in &IMAGES {
            println!("{}", archive(image)?.display());
        }
        return Ok(());
    }
    ensure(&build::endstate()?, &store())
}

/// The image store that demo and tests use: inside `target`, so that nothing is left outside of it.
pub(crate) fn store() -> PathBuf {
    run::target().join("images/store")
}

/// Makes sure that every image is in the store.
pub(crate) fn ensure(endstate: &Path, store: &Path) -> Result<()> {
    let image_command = || {
        let mut command = run::command(endstate);
        command.env("ENDSTATE_IMAGE_STORE", store).arg("image");
        command
    };
    let listed = run::output(image_command().args(["list", "-o", "json"]))?;
    for image in IMAGES.iter().filter(|image| !listed.contains(image.reference)) {
        let archive = archive(image)?;
        run::check_quiet(image_command().arg("import").arg(archive))?;
    }
    Ok(())
}

/// The newest etcd executable itself, for tests and benchmarks that start etcd by hand.
pub(crate) fn etcd_binary() -> Result<PathBuf> {
    let folder = run::target().join("images/etcd");
    let program = folder.join("usr/bin/etcd");
    if !program.exists() {
        debian::unpack(Suite::Trixie, &["etcd-server", "etcd-client"], &folder)?;
    }
    Ok(program)
}

/// Makes the OCI archive of an image if it is not there.
fn archive(image: &Image) -> Result<PathBuf> {
    let name = image.reference.replace(['/', ':'], "_");
    let folder = run::target().join("images");
    let archive = folder.join(format!("{name}.tar"));
    if archive.exists() {
        return Ok(archive);
    }
    eprintln!("making {} from Debian {:?}", image.reference, image.suite);
    let work = folder.join(&name);
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    let root = work.join("root");
    debian::unpack(image.suite, image.packages, &root)?;
    slim(image, &root)?;
    let layout = work.join("layout");
    write_layout(image, &tar(&root, &work.join("layer.tar"))?, &layout)?;
    let whole = tar(&layout, &folder.join(format!("{name}.partial")))?;
    fs::rename(whole, &archive)?;
    fs::remove_dir_all(&work)?;
    Ok(archive)
}

/// Leaves out what no container needs, and puts the programs and libraries where they are looked for.
fn slim(image: &Image, root: &Path) -> Result<()> {
    for unused in ["usr/share", "etc/init.d", "etc/default", "usr/lib/systemd", "lib/systemd"] {
        let path = root.join(unused);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
    }
    let local = root.join("usr/local/bin");
    fs::create_dir_all(&local)?;
    for program in image.programs {
        symlink(format!("../../bin/{program}"), local.join(program))?;
    }
    // From trixie on, packages rely on these links of the base system.
    for folder in ["lib", "lib64"] {
        if root.join("usr").join(folder).exists() && !root.join(folder).exists() {
            symlink(format!("usr/{folder}"), root.join(folder))?;
        }
    }
    for folder in ["tmp", "var/lib", "proc", "sys", "dev"] {
        fs::create_dir_all(root.join(folder))?;
    }
    Ok(())
}

fn write_layout(image: &Image, layer: &Path, layout: &Path) -> Result<()> {
    fs::create_dir_all(layout.join("blobs/sha256"))?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let layer = put(layout, "application/vnd.oci.image.layer.v1.tar", fs::read(layer)?)?;
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Entrypoint": ["/usr/local/bin/etcd"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let config =
        put(layout, "application/vnd.oci.image.config.v1+json", config.to_string().into())?;
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    let mut manifest = put(layout, kind, manifest.to_string().into())?;
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": image.reference});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(layout.join("index.json"), index.to_string())?;
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(())
}

/// Stores a blob by its digest and gives its descriptor.
fn put(layout: &Path, media_type: &str, blob: Vec<u8>) -> Result<Value> {
    let digest = Sha256::digest(&blob);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(layout.join("blobs/sha256").join(&digest), &blob)?;
    Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": blob.len()}))
}

fn tar(folder: &Path, archive: &Path) -> Result<PathBuf> {
    let mut tar = run::command("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "-cf"]);
    run::check_quiet(tar.arg(archive).arg("-C").arg(folder).arg("."))
        .context("cannot pack an image layer")?;
    Ok(archive.to_owned())
}
