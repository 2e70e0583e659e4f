//! Jars from Maven's central repository: fetched by Maven, which is unpacked from Debian's packages below
//! `target/maven` and runs on the Java of our own images. Nothing is installed on the host; a proxy or mirror in the
//! user's `~/.m2/settings.xml` is heeded. What arrives is held against its pinned checksum.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::debian::{self, Suite};
use crate::{images, run};

/// A pinned artifact.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jar {
    group: &'static str,
    artifact: &'static str,
    version: &'static str,
    sha256: &'static str,
}

/// One row of a table of jars.
pub(crate) const fn jar(
    group: &'static str,
    artifact: &'static str,
    version: &'static str,
    sha256: &'static str,
) -> Jar {
    Jar { group, artifact, version, sha256 }
}

impl Jar {
    fn file(&self) -> String {
        format!("{}-{}.jar", self.artifact, self.version)
    }

    fn dependency(&self) -> String {
        format!(
            "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>\
             <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>",
            self.group, self.artifact, self.version
        )
    }
}

/// What `mvn` is made of in Debian.
const PACKAGES: [&str; 28] = [
    "maven",
    "libaopalliance-java",
    "libatinject-jsr330-api-java",
    "libcdi-api-java",
    "libcommons-cli-java",
    "libcommons-io-java",
    "libcommons-lang3-java",
    "liberror-prone-java",
    "libgeronimo-annotation-1.3-spec-java",
    "libgeronimo-interceptor-3.0-spec-java",
    "libguava-java",
    "libguice-java",
    "libjansi-java",
    "libjsr305-java",
    "libmaven-resolver-java",
    "libmaven-shared-utils-java",
    "libmaven3-core-java",
    "libplexus-cipher-java",
    "libplexus-classworlds-java",
    "libplexus-component-annotations-java",
    "libplexus-interpolation-java",
    "libplexus-sec-dispatcher-java",
    "libplexus-utils2-java",
    "libsisu-inject-java",
    "libsisu-plexus-java",
    "libslf4j-java",
    "libwagon-http-shaded-java",
    "libwagon-provider-api-java",
];

/// The plugin that copies what a project depends on into a folder.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// What the host trusts. Java has a form of its own for that.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Puts these jars, and no others, into `into`.
pub(crate) fn fetch(jars: &[Jar], into: &Path) -> Result<()> {
    let partial = into.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    let project = partial.join("pom.xml");
    fs::write(&project, pom(jars))?;
    let mut maven = maven()?;
    maven.arg("-f").arg(&project).arg(COPY).arg("-DoutputDirectory=lib");
    run::check_quiet(&mut maven).context("cannot fetch jars; this needs the network")?;
    for jar in jars {
        check(jar, &partial.join("lib").join(jar.file()))?;
    }
    if into.exists() {
        fs::remove_dir_all(into)?;
    }
    fs::rename(partial.join("lib"), into)?;
    Ok(fs::remove_dir_all(partial)?)
}

fn pom(jars: &[Jar]) -> String {
    let dependencies: String = jars.iter().map(Jar::dependency).collect();
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>images</groupId><artifactId>jars</artifactId>\
         <version>1</version><dependencies>{dependencies}</dependencies></project>"
    )
}

fn check(jar: &Jar, file: &Path) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("Maven left no {}", file.display()))?;
    let found = images::sha256(&bytes);
    if found != jar.sha256 {
        bail!("{} has the SHA-256 {found}, and not {}", jar.file(), jar.sha256);
    }
    Ok(())
}

/// Maven's own start script looks for what it needs in `/etc` and `/usr`; this names the same parts in our folder.
fn maven() -> Result<std::process::Command> {
    let folder = run::target().join("maven");
    let (root, trusted) = (folder.join("root"), folder.join("cacerts"));
    if !root.exists() {
        eprintln!("fetching Maven (of Debian Bookworm)");
        let partial = folder.join("partial");
        debian::unpack(Suite::Bookworm, &PACKAGES, &partial)?;
        fs::rename(partial, &root)?;
    }
    if !trusted.exists() {
        let mut java = java()?;
        java.arg(run::root().join("xtask/src/maven/TrustStore.java"));
        run::check_quiet(java.arg(CERTIFICATES).arg(&trusted))?;
    }
    let home = root.join("usr/share/maven");
    let mut java = java()?;
    java.arg("-cp").arg(home.join("boot/plexus-classworlds-2.x.jar"));
    for (name, path) in [
        ("javax.net.ssl.trustStore", trusted),
        ("classworlds.conf", home.join("bin/m2.conf")),
        ("maven.home", home),
        ("maven.multiModuleProjectDirectory", folder.clone()),
        ("maven.repo.local", folder.join("repository")),
    ] {
        java.arg(format!("-D{name}={}", path.display()));
    }
    java.args(["org.codehaus.plexus.classworlds.launcher.Launcher", "--batch-mode", "--quiet"]);
    Ok(java)
}

fn java() -> Result<std::process::Command> {
    Ok(run::command(images::java()?.join("bin/java")))
}
