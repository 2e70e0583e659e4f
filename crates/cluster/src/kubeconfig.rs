//! The administrator's kubeconfig as a file.
//!
//! Invariants: a file that holds anything but this cluster is never changed, because it is its user's; a reader finds
//! the old file or the new one, whole; nobody but its owner can read it.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use kube::config::Kubeconfig;

/// What our files call the cluster and its context.
const NAME: &str = "endstate";

/// Whether a kubeconfig can be written there.
pub(crate) fn check(path: &Path) -> Result<()> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| cannot(path)),
    };
    if text.is_empty() || Kubeconfig::from_yaml(&text).is_ok_and(|config| is_ours(&config)) {
        return Ok(());
    }
    bail!(
        "{} is there and holds more than this cluster; name another file, and use both with \
         KUBECONFIG=FILE:{}",
        path.display(),
        path.display()
    )
}

/// Replaces a file as a whole.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    check(path)?;
    replace(path, text).with_context(|| cannot(path))
}

fn cannot(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

fn is_ours(config: &Kubeconfig) -> bool {
    let clusters = config.clusters.iter().all(|it| it.name == NAME);
    let contexts = config.contexts.iter().all(|it| it.name == NAME);
    clusters && contexts && config.auth_infos.len() <= 1
}

/// The new file has a name of its own until it is complete, so two clusters that write the same file do not mix.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    // A link is followed: what it points to is what is meant.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn ours(server: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: endstate\n  cluster: {{server: '{server}'}}\n\
             contexts:\n- name: endstate\n  context: {{cluster: endstate, user: endstate-admin}}\n\
             users:\n- name: endstate-admin\n  user: {{}}\n"
        )
    }

    #[test]
    fn a_file_of_ours_is_replaced_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        for server in ["https://a", "https://b"] {
            write(&path, &ours(server)).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), ours(server));
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left");
    }

    #[test]
    fn a_file_of_somebody_else_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        let merged = ours("https://a").replace(
            "contexts:\n",
            "- name: work\n  cluster: {server: 'https://work'}\ncontexts:\n",
        );
        for text in [merged.as_str(), "not: [a kubeconfig", "hello"] {
            std::fs::write(&path, text).unwrap();
            let error = write(&path, &ours("https://b")).unwrap_err();
            assert!(error.to_string().contains("name another file"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_link_stays_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (link, file) = (directory.path().join("link"), directory.path().join("file"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, &ours("https://a")).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), ours("https://a"));
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
