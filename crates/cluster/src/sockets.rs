//! The Unix sockets in `STATE/run`: they cross the node's namespaces as TCP cannot, and only this user reaches them.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// The API server's listeners.
pub(crate) struct Doors {
    /// Plain HTTP for the node: who can open the socket is the node.
    pub(crate) node: UnixListener,
    /// TLS for pods: the node passes their connections to 10.96.0.1:443 on.
    pub(crate) pods: UnixListener,
}

pub(crate) fn open(state: &Path) -> io::Result<Doors> {
    let run = folder(state)?;
    Ok(Doors { node: bind(&run.join("api.sock"))?, pods: bind(&run.join("api-tls.sock"))? })
}

/// Every object, for who connects: only this user can.
pub(crate) fn open_backup(state: &Path) -> io::Result<UnixListener> {
    folder(state)?;
    bind(&backup(state))
}

fn folder(state: &Path) -> io::Result<PathBuf> {
    let run = state.join("run");
    std::fs::create_dir_all(&run)?;
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o700))?;
    Ok(run)
}

/// Where the node serves logs, commands and forwarded ports.
pub(crate) fn node(state: &Path) -> PathBuf {
    state.join("run/node.sock")
}

/// Where a running cluster gives its objects for a backup.
pub(crate) fn backup(state: &Path) -> PathBuf {
    state.join("run/backup.sock")
}

/// A socket file of a process that is gone is in the way; the state directory's lock says that it is gone.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(path),
    }
}
