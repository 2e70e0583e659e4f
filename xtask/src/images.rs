//! `cargo xtask images`: OCI images from Debian packages, from jars of Maven's central repository and from Go modules,
//! for machines that reach no registry of images.
//!
//! An image is a layer of unpacked packages, with the programs also where the application's own images have them, and
//! for a Java program one of its jars and of the classes that it uses; or a layer of static programs. The archive of
//! an image is reproducible (sorted, no owners, no times), so an unchanged layer keeps its digest and is stored once.
//! Only the layer with classes is not: Java never archives them twice in the same bytes. An image whose recipe has
//! changed is made and imported anew.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::debian::{self, Suite};
use crate::maven::{self, Jar};
use crate::{build, run};

use etcd::{Release, Source};
use sharing::Rehearsal;

pub(crate) mod etcd;
mod sharing;
mod zookeeper;

/// Arguments of `images`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only make the archives, without importing them into the image store
    #[arg(long)]
    no_import: bool,
}

/// Another number makes every image anew, after a change that no table shows.
const RECIPE: u32 = 2;

/// An image as data. `{arch}` in a path stands for Debian's name of the architecture.
#[derive(Debug)]
struct Image {
    reference: &'static str,
    base: Base,
    /// The layer above, if there is one.
    jars: Option<Jars>,
    entrypoint: &'static [&'static str],
}

/// The lowest layer.
#[derive(Debug)]
enum Base {
    Debian(Packages),
    /// Programs that need nothing else.
    Static(&'static Release),
}

/// Unpacked packages.
#[derive(Debug)]
struct Packages {
    suite: Suite,
    packages: &'static [&'static str],
    /// What of the packages no container needs, beside what no image needs.
    unused: &'static [&'static str],
    /// Names in `/usr/local/bin`, and what they lead to.
    programs: &'static [(&'static str, &'static str)],
}

/// A Java program's jars, in the folder where its own images have them, and small files beside them.
#[derive(Debug)]
struct Jars {
    folder: &'static str,
    jars: &'static [&'static [Jar]],
    files: &'static [(&'static str, &'static str)],
    rehearsal: Rehearsal,
}

const IMAGES: [Image; 8] = [
    etcd("quay.io/coreos/etcd:v3.4.23", &etcd::V3_4_23),
    etcd("quay.io/coreos/etcd:v3.5.10", &etcd::V3_5_10),
    etcd("quay.io/coreos/etcd:v3.5.16", &etcd::V3_5_16),
    etcd("quay.io/coreos/etcd:v3.5.35", &etcd::V3_5_35),
    etcd("quay.io/coreos/etcd:v3.6.16", &etcd::V3_6_16),
    etcd("quay.io/coreos/etcd:v3.7.3", &etcd::V3_7_3),
    zookeeper(
        "docker.io/library/zookeeper:3.8.6",
        "apache-zookeeper-3.8.6-bin/lib",
        &[&zookeeper::V3_8_6, &zookeeper::COMMON],
    ),
    zookeeper(
        "docker.io/library/zookeeper:3.9.5",
        "apache-zookeeper-3.9.5-bin/lib",
        &[&zookeeper::V3_9_5, &zookeeper::COMMON],
    ),
];

const fn etcd(reference: &'static str, release: &'static Release) -> Image {
    let base = match release.source {
        Source::Debian(suite) => Base::Debian(Packages {
            suite,
            packages: &["libc6", etcd::PACKAGES[0], etcd::PACKAGES[1]],
            unused: &[],
            programs: match suite {
                Suite::Bookworm => &[("etcd", "usr/bin/etcd"), ("etcdctl", "usr/bin/etcdctl")],
                Suite::Trixie => &[
                    ("etcd", "usr/bin/etcd"),
                    ("etcdctl", "usr/bin/etcdctl"),
                    ("etcdutl", "usr/bin/etcdutl"),
                ],
            },
        }),
        Source::Go(_) => Base::Static(release),
    };
    Image { reference, base, jars: None, entrypoint: &["/usr/local/bin/etcd"] }
}

/// As the images of the same name: `java` and `zkCli.sh` on the PATH, the jars below
/// `/apache-zookeeper-VERSION-bin/lib`, logging set up in `/conf`. Their entry point makes a configuration of the
/// environment; ours has none, because the operator writes it.
const fn zookeeper(
    reference: &'static str,
    folder: &'static str,
    jars: &'static [&'static [Jar]],
) -> Image {
    Image {
        reference,
        base: Base::Debian(Packages {
            suite: JAVA_SUITE,
            packages: &JAVA_PACKAGES,
            unused: &JAVA_UNUSED,
            programs: &[("java", JAVA)],
        }),
        jars: Some(Jars {
            folder,
            jars,
            files: &[
                ("conf/logback.xml", LOGGING),
                ("usr/local/bin/zkCli.sh", include_str!("images/zkCli.sh")),
            ],
            rehearsal: zookeeper::REHEARSAL,
        }),
        entrypoint: &["/usr/local/bin/java"],
    }
}

const LOGGING: &str = include_str!("images/logback.xml");

const JAVA_SUITE: Suite = Suite::Bookworm;
const JAVA: &str = "usr/lib/jvm/java-17-openjdk-{arch}/bin/java";

/// What a server needs of Java (no fonts, sound, printers or cards), and the shell of its command line.
const JAVA_PACKAGES: [&str; 6] =
    ["libc6", "libgcc-s1", "libstdc++6", "zlib1g", "openjdk-17-jre-headless", "dash"];

const JAVA_UNUSED: [&str; 3] = [
    "usr/lib/jvm/java-17-openjdk-{arch}/legal",
    "usr/lib/jvm/java-17-openjdk-{arch}/lib/ct.sym",
    "usr/lib/jvm/java-17-openjdk-{arch}/man",
];

/// Makes every image and imports it.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.no_import {
        for image in &IMAGES {
            println!("{}", archive(image)?.display());
        }
        return Ok(());
    }
    ensure(&build::endstate()?, &store(), Wanted::All)
}

/// The image store that demo and tests use: inside `target`, so that nothing is left outside of it.
pub(crate) fn store() -> PathBuf {
    run::target().join("images/store")
}

/// Which images somebody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    /// Those that need no build.
    Packaged,
}

/// Makes sure that these images are in the store, as they are made today.
pub(crate) fn ensure(endstate: &Path, store: &Path, wanted: Wanted) -> Result<()> {
    let image_command = || {
        let mut command = run::command(endstate);
        command.env("ENDSTATE_IMAGE_STORE", store).arg("image");
        command
    };
    let listed = run::output(image_command().args(["list", "-o", "json"]))?;
    let listed: Vec<Value> = serde_json::from_str(&listed).context("a list in an unknown form")?;
    let is_wanted = |it: &&Image| wanted == Wanted::All || matches!(it.base, Base::Debian(_));
    for image in IMAGES.iter().filter(is_wanted) {
        let archive = archive(image)?;
        let digest = digest(&archive)?;
        if !listed.iter().any(|it| it["reference"] == image.reference && it["digest"] == digest) {
            run::check_quiet(image_command().arg("import").arg(archive))?;
        }
    }
    Ok(())
}

/// The Java of our images, for programs that are run by hand: the folder with `bin/java`.
pub(crate) fn java() -> Result<PathBuf> {
    let root = run::target().join("images/java");
    let java = root.join(path_of(JAVA));
    if !java.exists() {
        debian::unpack(JAVA_SUITE, &JAVA_PACKAGES, &root)?;
    }
    Ok(java.ancestors().nth(2).context("java lies in a folder bin")?.to_owned())
}

/// ZooKeeper's servers for tests that start them by hand: a folder with `jre`, with the jars of each version below
/// `lib`, and with the `conf` of our images.
pub(crate) fn zookeeper_servers() -> Result<PathBuf> {
    let folder = run::target().join("images/zookeeper");
    for image in &IMAGES {
        let Some(jars) = &image.jars else { continue };
        let (_, version) = image.reference.rsplit_once(':').context("no version")?;
        let lib = folder.join("lib").join(version);
        if !lib.exists() {
            maven::fetch(&jars.jars.concat(), &lib)?;
        }
    }
    let jre = folder.join("jre");
    if !jre.exists() {
        symlink(java()?, jre)?;
    }
    fs::create_dir_all(folder.join("conf"))?;
    fs::write(folder.join("conf/logback.xml"), LOGGING)?;
    Ok(folder)
}

/// The digest of the image in an OCI archive of ours.
fn digest(archive: &Path) -> Result<Value> {
    let index = run::output(run::command("tar").arg("-xOf").arg(archive).arg("./index.json"))?;
    let index: Value = serde_json::from_str(&index)?;
    Ok(index["manifests"][0]["digest"].clone())
}

/// Makes the OCI archive of an image if it is not there, or was made by another recipe: the file beside it.
fn archive(image: &Image) -> Result<PathBuf> {
    let name = image.reference.replace(['/', ':'], "_");
    let folder = run::target().join("images");
    let archive = folder.join(format!("{name}.tar"));
    let (made_by, recipe) = (archive.with_extension("recipe"), format!("{RECIPE} {image:#?}\n"));
    if archive.exists() && fs::read_to_string(&made_by).is_ok_and(|it| it == recipe) {
        return Ok(archive);
    }
    eprintln!("making {}", image.reference);
    let work = folder.join(&name);
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    let root = work.join("root");
    match &image.base {
        Base::Debian(packages) => {
            debian::unpack(packages.suite, packages.packages, &root)?;
            slim(packages, &root)?;
        }
        Base::Static(release) => copy(release, &root)?,
    }
    for folder in ["tmp", "var/lib", "proc", "sys", "dev"] {
        fs::create_dir_all(root.join(folder))?;
    }
    let mut layers = vec![tar(&root, &work.join("base.tar"))?];
    if let Some(jars) = &image.jars {
        let layer = work.join("jars");
        fill(jars, &layer)?;
        sharing::archive(&jars.rehearsal, jars.folder, &layer, &root)?;
        layers.push(tar(&layer, &work.join("jars.tar"))?);
    }
    let layout = work.join("layout");
    write_layout(image.reference, image.entrypoint, &layers, &layout)?;
    let whole = tar(&layout, &folder.join(format!("{name}.partial")))?;
    fs::rename(whole, &archive)?;
    fs::write(made_by, recipe)?;
    fs::remove_dir_all(&work)?;
    Ok(archive)
}

/// Every image as an OCI archive: its reference and the file.
pub(crate) fn archives() -> Result<Vec<(&'static str, PathBuf)>> {
    IMAGES.iter().map(|it| Ok((it.reference, archive(it)?))).collect()
}

/// An OCI archive in a folder, of one static program at the root of the image.
pub(crate) fn of_program(
    reference: &str,
    program: &Path,
    entrypoint: &[&str],
    folder: &Path,
) -> Result<PathBuf> {
    let (root, layout) = (folder.join("root"), folder.join("layout"));
    fs::create_dir_all(&root)?;
    fs::copy(program, root.join(program.file_name().context("a program has a name")?))?;
    let layer = tar(&root, &folder.join("base.tar"))?;
    write_layout(reference, entrypoint, &[layer], &layout)?;
    let archive = tar(&layout, &folder.join("image.tar"))?;
    fs::remove_dir_all(root)?;
    fs::remove_dir_all(layout)?;
    Ok(archive)
}

/// Leaves out what no container needs, and puts the programs and libraries where they are looked for.
fn slim(packages: &Packages, root: &Path) -> Result<()> {
    let always = ["usr/share", "etc/init.d", "etc/default", "usr/lib/systemd", "lib/systemd"];
    for unused in always.iter().chain(packages.unused) {
        let path = root.join(path_of(unused));
        if path.is_dir() {
            fs::remove_dir_all(&path)?;
        } else if path.exists() {
            fs::remove_file(&path)?;
        }
    }
    let local = root.join("usr/local/bin");
    fs::create_dir_all(&local)?;
    for (name, path) in packages.programs {
        symlink(Path::new("../../..").join(path_of(path)), local.join(name))?;
    }
    // From trixie on, packages rely on these links of the base system.
    for folder in ["lib", "lib64"] {
        if root.join("usr").join(folder).exists() && !root.join(folder).exists() {
            symlink(format!("usr/{folder}"), root.join(folder))?;
        }
    }
    Ok(())
}

fn copy(release: &Release, root: &Path) -> Result<()> {
    let (programs, local) = (etcd::programs(release)?, root.join("usr/local/bin"));
    fs::create_dir_all(&local)?;
    for name in etcd::PROGRAMS {
        fs::copy(programs.join(name), local.join(name))?;
    }
    Ok(())
}

fn fill(jars: &Jars, root: &Path) -> Result<()> {
    let folder = root.join(jars.folder);
    fs::create_dir_all(folder.parent().context("jars lie in a folder")?)?;
    maven::fetch(&jars.jars.concat(), &folder)?;
    for (path, text) in jars.files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().context("files lie in a folder")?)?;
        fs::write(&path, text)?;
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn path_of(path: &str) -> String {
    path.replace("{arch}", debian::architecture())
}

fn write_layout(
    reference: &str,
    entrypoint: &[&str],
    layers: &[PathBuf],
    layout: &Path,
) -> Result<()> {
    fs::create_dir_all(layout.join("blobs/sha256"))?;
    let kind = "application/vnd.oci.image.layer.v1.tar";
    let layers: Vec<Value> =
        layers.iter().map(|layer| put(layout, kind, fs::read(layer)?)).collect::<Result<_>>()?;
    let digests: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
    let config = json!({
        "architecture": debian::architecture(),
        "os": "linux",
        "config": {
            "Entrypoint": entrypoint,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "rootfs": {"type": "layers", "diff_ids": digests},
    });
    let config =
        put(layout, "application/vnd.oci.image.config.v1+json", config.to_string().into())?;
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
    let mut manifest = put(layout, kind, manifest.to_string().into())?;
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": reference});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(layout.join("index.json"), index.to_string())?;
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(())
}

/// Stores a blob by its digest and gives its descriptor.
fn put(layout: &Path, media_type: &str, blob: Vec<u8>) -> Result<Value> {
    let digest = sha256(&blob);
    fs::write(layout.join("blobs/sha256").join(&digest), &blob)?;
    Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": blob.len()}))
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tar(folder: &Path, archive: &Path) -> Result<PathBuf> {
    let mut tar = run::command("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "-cf"]);
    run::check_quiet(tar.arg(archive).arg("-C").arg(folder).arg("."))
        .context("cannot pack an image layer")?;
    Ok(archive.to_owned())
}
