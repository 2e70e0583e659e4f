//! How many files this process may have open, and so how many connections.

use apiserver::Limits;
use rustix::process::{Resource, getrlimit, setrlimit};

/// What peers may cost a server in this process. A listener gets a quarter of the files: with all three full, the store
/// and everything else can still open theirs. Upgraded connections (exec, port-forward) are not counted among them; it
/// takes an identity to open one.
pub(crate) fn limits() -> Limits {
    raise();
    let limits = Limits::default();
    let connections_max =
        connections_max(limits.connections_max, getrlimit(Resource::Nofile).current);
    Limits { connections_max, ..limits }
}

/// Asks for as many files as may be asked for: the usual thousand is what an old system call can handle, which nothing
/// here uses.
fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot have more files open");
    }
}

fn connections_max(wanted: usize, files: Option<u64>) -> usize {
    let quarter =
        files.map_or(usize::MAX, |files| usize::try_from(files / 4).unwrap_or(usize::MAX));
    wanted.min(quarter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        assert_eq!(connections_max(4096, None), 4096);
        assert_eq!(connections_max(4096, Some(1 << 20)), 4096);
        assert_eq!(connections_max(4096, Some(1024)), 256);
    }
}
