//! Debian packages without installing them: fetched with apt's download into a folder, unpacked with dpkg.
//!
//! Each suite has an apt configuration of its own below `target/apt`, so neither the host's sources nor its package
//! state are read or changed, and no privilege is needed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run;

/// A Debian release to take packages from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Suite {
    Bookworm,
    Trixie,
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

/// What Debian calls this machine's architecture.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Fetches packages of a suite and unpacks them into `into`.
pub(crate) fn unpack(suite: Suite, packages: &[&str], into: &Path) -> Result<()> {
    let apt = Apt::open(suite)?;
    fs::create_dir_all(into)?;
    for package in apt.download(packages)? {
        run::check_quiet(run::command("dpkg").arg("-x").arg(package).arg(into))?;
    }
    relink(into, into)
}

/// Makes links to absolute paths relative, so that they lead to what is in the folder and not to the host's files.
fn relink(folder: &Path, root: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_symlink() {
            let to = fs::read_link(&path)?;
            if let Ok(inside) = to.strip_prefix("/") {
                let up = folder.strip_prefix(root)?.components().map(|_| "..");
                fs::remove_file(&path)?;
                symlink(up.collect::<PathBuf>().join(inside), &path)?;
            }
        } else if path.is_dir() {
            relink(&path, root)?;
        }
    }
    Ok(())
}

struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn open(suite: Suite) -> Result<Self> {
        let apt = Self { folder: run::target().join("apt").join(suite.name()) };
        apt.configure(suite)?;
        if !apt.folder.join("updated").exists() {
            run::check_quiet(apt.command("apt-get").args(["--error-on=any", "update"])).context(
                "cannot read the Debian package lists; this needs apt-get (Debian or Ubuntu) and the network",
            )?;
            fs::write(apt.folder.join("updated"), "")?;
        }
        Ok(apt)
    }

    fn configure(&self, suite: Suite) -> Result<()> {
        for folder in ["lists/partial", "archives/partial", "preferences.d"] {
            fs::create_dir_all(self.folder.join(folder))?;
        }
        let folder = self.folder.display();
        let config = format!(
            "Dir::Etc::sourcelist \"{folder}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::preferencesparts \"{folder}/preferences.d\";\nDir::State \"{folder}\";\n\
             Dir::State::lists \"{folder}/lists\";\nDir::State::status \"/dev/null\";\n\
             Dir::Cache \"{folder}\";\nAPT::Sandbox::User \"\";\nAcquire::Languages \"none\";\n"
        );
        fs::write(self.folder.join("apt.conf"), config)?;
        let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let source = format!(
            "deb [signed-by={keyring}] http://deb.debian.org/debian {} main\n",
            suite.name()
        );
        fs::write(self.folder.join("sources.list"), source)?;
        Ok(())
    }

    fn download(&self, packages: &[&str]) -> Result<Vec<PathBuf>> {
        let folder = self.folder.join("packages");
        packages
            .iter()
            .map(|package| {
                let own = folder.join(package);
                if let Some(found) = only_package(&own)? {
                    return Ok(found);
                }
                fs::create_dir_all(&own)?;
                let mut apt_get = self.command("apt-get");
                run::check_quiet(apt_get.args(["download", package]).current_dir(&own))?;
                only_package(&own)?.with_context(|| format!("apt-get left no file for {package}"))
            })
            .collect()
    }

    fn command(&self, program: &str) -> std::process::Command {
        let mut command = run::command(program);
        command.env("APT_CONFIG", self.folder.join("apt.conf"));
        command
    }
}

fn only_package(folder: &Path) -> Result<Option<PathBuf>> {
    if !folder.exists() {
        return Ok(None);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
