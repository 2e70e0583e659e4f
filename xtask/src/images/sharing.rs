//! Class data sharing: Java maps the classes that a program uses from an archive, instead of reading them from jars.
//!
//! The program is run once in its image, until it serves, and Java notes what it loads; of that it makes the archive,
//! in the place of its own. So a container needs no option to use it. (`-XX:SharedArchiveFile` would have to come from
//! whoever runs an image, and one that has no such file loses Java's own archive by it.) It is used for the class path
//! that it was made for, the folder's jars in the order of their names; for another, Java goes on without any. Jars are
//! the same by their sizes and times, and layers are packed without times, so the jars have none before.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::path_of;
use crate::run;

/// How a program is run once.
#[derive(Debug)]
pub(super) struct Rehearsal {
    /// What it is started with.
    pub(super) arguments: &'static [&'static str],
    /// The files in [`FOLDER`] that it needs. `{0}`, `{1}` and `{2}` in them are free ports.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// What it is asked at the first of these ports.
    pub(super) question: &'static str,
    /// What is in its answer once it serves.
    pub(super) answer: &'static str,
}

/// Where the files of the rehearsal are, in the image.
const FOLDER: &str = "tmp/rehearsal";

/// Java's archive, and where it is looked for.
const ARCHIVE: &str = "usr/lib/jvm/java-17-openjdk-{arch}/lib/server/classes.jsa";

/// How long a program may take to serve, and to end.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What the shell does in namespaces of its own, where an ordinary user may do it too.
const ENTER: &str = "root=$1 && shift && mount --rbind /dev \"$root/dev\" && mount --rbind /proc \"$root/proc\" && \
                     exec \"$@\"";

/// The root of an image, with all of its layers.
struct Root<'a> {
    root: &'a Path,
    class_path: String,
}

/// Puts an archive into `layer`, the last layer of the image whose other layers are in `root`; `folder` has the jars.
/// Where namespaces are forbidden there is none.
pub(super) fn archive(
    rehearsal: &Rehearsal,
    folder: &str,
    layer: &Path,
    root: &Path,
) -> Result<()> {
    let class_path = class_path(&layer.join(folder), folder)?;
    run::check_quiet(run::command("cp").arg("-al").arg(layer.join(".")).arg(root))?;
    let root = Root { root, class_path };
    if let Err(why) = run::check_quiet(&mut root.enter(&["true"])) {
        eprintln!("its servers start slower, for want of an archive of classes: {why:#}");
        return Ok(());
    }
    root.rehearse(rehearsal)?;
    let archive = root.dump()?;
    let place = layer.join(path_of(ARCHIVE));
    fs::create_dir_all(place.parent().context("it lies in a folder")?)?;
    Ok(fs::rename(archive, place)?)
}

/// The jars as a container has them, without times.
fn class_path(jars: &Path, folder: &str) -> Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(jars)? {
        let entry = entry?;
        File::open(entry.path())?.set_modified(std::time::UNIX_EPOCH)?;
        names.push(format!("/{folder}/{}", entry.file_name().display()));
    }
    names.sort_unstable();
    Ok(names.join(":"))
}

impl Root<'_> {
    /// A command that sees the mounts of the root, and nothing of this environment.
    fn enter(&self, command: &[&str]) -> Command {
        let mut unshare = run::command("unshare");
        unshare.env_clear().env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", ENTER, "sh"]);
        unshare.arg(self.root).args(command);
        unshare
    }

    /// Java in the image. The size of the heap decides how references to objects look, here and in the archive.
    fn java(&self) -> Command {
        let mut chroot = self.enter(&["chroot"]);
        chroot.env("CLASSPATH", &self.class_path).arg(self.root);
        chroot.args(["/usr/local/bin/java", "-Xmx128m"]);
        chroot
    }

    /// Runs the program until it serves; Java leaves the list of its classes.
    fn rehearse(&self, rehearsal: &Rehearsal) -> Result<()> {
        let folder = self.root.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let ports = free_ports()?;
        for (name, text) in rehearsal.files {
            fs::write(folder.join(name), with_ports(text, ports))?;
        }
        let log = File::create(folder.join("log"))?;
        let mut java = self.java();
        java.arg(format!("-XX:DumpLoadedClassList=/{FOLDER}/classes")).args(rehearsal.arguments);
        let mut process = java.stdout(log.try_clone()?).stderr(log).spawn()?;
        let result = play(&mut process, ports[0], rehearsal);
        if result.is_err() {
            let _ = process.kill();
            let _ = process.wait();
        }
        let said = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        result.with_context(|| format!("the rehearsal failed: {}", said()))
    }

    /// Makes the archive of that list, in its place.
    fn dump(&self) -> Result<PathBuf> {
        let archive = self.root.join(path_of(ARCHIVE));
        fs::remove_file(&archive)?;
        // This collector's archives hold objects too, which it maps and others do without.
        let mut java = self.java();
        java.args(["-XX:+UseG1GC", "-Xshare:dump"]);
        run::check_quiet(java.arg(format!("-XX:SharedClassListFile=/{FOLDER}/classes")))?;
        run::check_quiet(self.java().args(["-Xshare:on", "-version"]))
            .context("Java does not take the archive that it has made")?;
        Ok(archive)
    }
}

/// From the start to the end of a program that was asked to end once it served.
fn play(process: &mut Child, port: u16, rehearsal: &Rehearsal) -> Result<()> {
    until("it does not serve", || {
        ensure!(process.try_wait()?.is_none(), "it has ended");
        Ok(answers(port, rehearsal).unwrap_or(false))
    })?;
    run::check_quiet(run::command("kill").arg(process.id().to_string()))?;
    until("it does not end", || Ok(process.try_wait()?.is_some()))
}

fn answers(port: u16, rehearsal: &Rehearsal) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(rehearsal.question.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.contains(rehearsal.answer))
}

fn until(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !done()? {
        ensure!(start.elapsed() < WAIT_MAX, "{what} within {WAIT_MAX:?}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn free_ports() -> Result<[u16; 3]> {
    let listen = || TcpListener::bind("127.0.0.1:0");
    let listeners = [listen()?, listen()?, listen()?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

fn with_ports(text: &str, ports: [u16; 3]) -> String {
    let fill = |text: String, (number, port): (usize, u16)| {
        text.replace(&format!("{{{number}}}"), &port.to_string())
    };
    ports.into_iter().enumerate().fold(text.to_owned(), fill)
}
