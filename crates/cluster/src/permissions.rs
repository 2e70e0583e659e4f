//! What pods may have of the host, made plain before the node gets it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use node::Permissions;

/// Folders as the kernel names them, which a path that a pod writes is compared with. None may hold the cluster's own
/// state or lie in it: it has the keys to everything.
pub(crate) fn resolve(permissions: Permissions, state: &Path) -> Result<Permissions> {
    let folder = |path: &PathBuf| {
        let cannot = || format!("cannot allow pods the folder {}", path.display());
        let found = path.canonicalize().with_context(cannot)?;
        ensure!(found.is_dir(), "cannot allow pods {}: it is no folder", path.display());
        ensure!(
            !state.starts_with(&found) && !found.starts_with(state),
            "cannot allow pods {}: the cluster's own state is {}; name another folder, or another --state-dir",
            path.display(),
            state.display()
        );
        Ok(found)
    };
    let host_paths = permissions.host_paths.iter().map(folder).collect::<Result<_>>()?;
    Ok(Permissions { host_paths, ..permissions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_as_they_are_and_hold_no_state() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (state, data) = (root.join("home/state"), root.join("data"));
        std::fs::create_dir_all(state.join("store")).unwrap();
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&data, root.join("link")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        let allow = |path: &Path| {
            let host_paths = vec![path.to_owned()];
            resolve(Permissions { host_paths, ..Permissions::default() }, &state)
        };
        assert_eq!(allow(&root.join("link")).unwrap().host_paths, [data]);
        for refused in ["home", "home/state", "home/state/store", "", "file", "absent"] {
            assert!(allow(&root.join(refused)).is_err(), "{refused}");
        }
    }
}
