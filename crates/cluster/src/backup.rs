//! A backup of a cluster's state in one file, and a state directory made of one.
//!
//! What is in it: every object at one revision, the keys that kubeconfigs and tokens rely on, the number of nodes. Not
//! in it: the volumes of pods, images, logs.
//!
//! A running cluster gives the objects on a Unix socket that only its user reaches; of a stopped one the store is
//! opened.

mod archive;

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use store::{EmbeddedStore, Restored, Revision, Snapshot};
use tempfile::{Builder, NamedTempFile};
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::lock::{Lock, Taken};
use crate::sockets;

/// Files of the state directory beside the store, by the names they have in a backup too.
const FILES: [&str; 4] = ["pki/ca.crt", "pki/ca.key", "pki/sa.key", "nodes"];

/// The store's objects, in a backup.
const SNAPSHOT: &str = "store.snapshot";

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Writes the state of a cluster to a file that is not there yet, for its owner only. The file is whole, or not there.
pub fn backup(state_dir: &Path, target: &Path) -> Result<u64> {
    ensure!(
        EmbeddedStore::exists(state_dir.join("store")),
        "there is no cluster in {}: --state-dir says where it is kept",
        state_dir.display()
    );
    // Looked at here for the message; that it is not overwritten is seen to when it gets its name.
    ensure!(!target.exists(), "{} is there already; choose another file", target.display());
    let folder = folder_of(target);
    let mut objects = temporary(&folder)?;
    take_snapshot(state_dir, objects.as_file_mut())?;
    let mut file = temporary(&folder)?;
    let mut writer = archive::Writer::new(BufWriter::new(file.as_file_mut()));
    for name in FILES {
        let path = state_dir.join(name);
        let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        writer.add(name, file)?;
    }
    writer.add(SNAPSHOT, objects.reopen()?)?;
    writer.finish()?.flush()?;
    file.as_file().sync_all()?;
    let bytes = file.as_file().metadata()?.len();
    file.persist_noclobber(target).with_context(|| format!("cannot make {}", target.display()))?;
    File::open(&folder)?.sync_all()?;
    Ok(bytes)
}

/// Only their owner can read these.
fn temporary(folder: &Path) -> Result<NamedTempFile> {
    Builder::new()
        .prefix(".endstate-backup-")
        .tempfile_in(folder)
        .with_context(|| format!("cannot write in {}", folder.display()))
}

fn folder_of(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

fn take_snapshot(state_dir: &Path, target: &mut File) -> Result<()> {
    // Held, so that no cluster starts meanwhile.
    let Taken::Free(_lock) = Lock::try_take(state_dir)? else {
        return receive(state_dir, target);
    };
    let store = EmbeddedStore::open(state_dir.join("store"), store::Options::default())
        .context("cannot open the store")?;
    let mut out = BufWriter::new(target);
    store.snapshot()?.write_to(&mut out)?;
    Ok(out.flush()?)
}

/// Asks the running cluster. What it sends says itself where it ends, and is looked through when it is restored; here
/// it is enough that the end is there.
fn receive(state_dir: &Path, target: &mut File) -> Result<()> {
    let path = sockets::backup(state_dir);
    let mut socket = UnixStream::connect(&path).with_context(|| {
        format!("the cluster in {} runs, and cannot be asked for its objects", state_dir.display())
    })?;
    io::copy(&mut socket, target)?;
    let whole = Snapshot::is_whole(target)?;
    ensure!(whole, "the cluster stopped before it had given all its objects; try again");
    Ok(())
}

/// Gives a snapshot to everyone who connects.
pub(crate) fn serve(
    store: Arc<EmbeddedStore>,
    listener: UnixListener,
    shutdown: CancellationToken,
    tasks: &mut JoinSet<Result<()>>,
) {
    tasks.spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => return Ok(()),
            };
            match accepted {
                // One at a time: nobody waits for it but who asked.
                Ok((stream, _)) => {
                    if let Err(error) = answer(&store, stream).await {
                        tracing::warn!(%error, "a backup was not taken");
                    }
                }
                Err(error) => {
                    // Out of file descriptors, most of the time: others must end first.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
}

async fn answer(store: &EmbeddedStore, stream: tokio::net::UnixStream) -> Result<()> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    // Who asks and does not read keeps nobody waiting for long.
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    let snapshot = store.snapshot()?;
    let write = move || {
        let mut out = BufWriter::new(stream);
        snapshot.write_to(&mut out)?;
        out.flush()
    };
    Ok(tokio::task::spawn_blocking(write).await??)
}

/// Makes a state directory of a backup: all of it, or nothing. It is made under another name beside it and renamed when
/// it is whole.
pub fn restore(backup: &Path, state_dir: &Path) -> Result<Restored> {
    refuse_non_empty(state_dir)?;
    let file = File::open(backup).with_context(|| format!("cannot read {}", backup.display()))?;
    let parent = folder_of(state_dir);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&parent)
        .with_context(|| format!("cannot make {}", parent.display()))?;
    let made = Builder::new()
        .prefix(".endstate-restore-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&parent)
        .with_context(|| format!("cannot write in {}", parent.display()))?;
    let restored = fill(file, made.path())
        .with_context(|| format!("cannot restore {}; nothing was changed", backup.display()))?;
    std::fs::rename(made.path(), state_dir)
        .with_context(|| format!("cannot make {}", state_dir.display()))?;
    // It is there under its name now.
    let _ = made.keep();
    File::open(&parent)?.sync_all()?;
    Ok(restored)
}

fn refuse_non_empty(state_dir: &Path) -> Result<()> {
    match std::fs::read_dir(state_dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => bail!(
            "{} is not empty; restore into a directory that is not there, and start with --state-dir",
            state_dir.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot use {}", state_dir.display())),
    }
}

fn fill(backup: File, state: &Path) -> Result<Restored> {
    DirBuilder::new().mode(0o700).create(state.join("pki"))?;
    let names = [&FILES[..], &[SNAPSHOT]].concat();
    archive::unpack(BufReader::new(backup), state, &names)?;
    let snapshot = state.join(SNAPSHOT);
    let restored = store::restore(
        &mut BufReader::new(File::open(&snapshot)?),
        &state.join("store"),
        beyond_all()?,
    )?;
    std::fs::remove_file(&snapshot)?;
    for folder in ["pki", "."] {
        File::open(state.join(folder))?.sync_all()?;
    }
    Ok(restored)
}

/// A revision that no cluster of this state can have reached, whatever was lost after the backup, and however often it
/// was restored: the time in microseconds. A store makes less than a revision each microsecond, and begins at 1 or at
/// the time of its own restore.
fn beyond_all() -> Result<Revision> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is not set")?;
    Ok(Revision(u64::try_from(since.as_micros())?))
}

#[cfg(test)]
mod tests;
