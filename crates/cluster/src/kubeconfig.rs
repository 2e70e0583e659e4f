//! The administrator's kubeconfig as a file.
//!
//! Invariants: outside the state directory a file that holds anything but this cluster is never changed, because it is
//! its user's; a reader finds the old file or the new one, whole; nobody but its owner can read it.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use kube::config::Kubeconfig;

/// What our files call the cluster and its context, and its user.
const NAME: &str = "endstate";
const USER: &str = "endstate-admin";

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
        "{} is there and holds something else than this cluster; name another file, and use both with \
         KUBECONFIG=FILE:{}",
        path.display(),
        path.display()
    )
}

/// Writes the file in the state directory, whatever it held, because it is ours by its place, and the one that was
/// asked for.
pub(crate) fn write_all(own: &Path, asked_for: Option<&Path>, text: &str) -> Result<()> {
    replace(own, text).with_context(|| cannot(own))?;
    asked_for.map_or(Ok(()), |path| write(path, text))
}

/// Replaces a file as a whole, unless it holds anything else.
fn write(path: &Path, text: &str) -> Result<()> {
    check(path)?;
    replace(path, text).with_context(|| cannot(path))
}

fn cannot(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// Every part has to be there: any YAML is a kubeconfig without parts, and so is another program's file.
fn is_ours(config: &Kubeconfig) -> bool {
    let is_config = config.kind.as_deref() == Some("Config") && config.extensions.is_none();
    let clusters = config.clusters.iter().map(|it| it.name.as_str());
    let contexts = config.contexts.iter().map(|it| it.name.as_str());
    let users = config.auth_infos.iter().map(|it| it.name.as_str());
    is_config && clusters.eq([NAME]) && contexts.eq([NAME]) && users.eq([USER])
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
        let manifest =
            "apiVersion: etcd.endstate.dev/v1\nkind: EtcdCluster\nmetadata: {name: demo}\n";
        // A kubeconfig may be split over files, of which one has the users.
        let users =
            "apiVersion: v1\nkind: Config\nusers:\n- name: endstate-admin\n  user: {token: a}\n";
        let other_user = ours("https://a").replace("name: endstate-admin", "name: me");
        let other_kind = ours("https://a").replace("kind: Config", "kind: Preferences");
        let others = [&*merged, &*other_user, &*other_kind, manifest, users];
        for text in others.into_iter().chain(["not: [a kubeconfig", "hello", "{}"]) {
            std::fs::write(&path, text).unwrap();
            let error = write(&path, &ours("https://b")).unwrap_err();
            assert!(error.to_string().contains("name another file"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn the_file_in_the_state_directory_is_always_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        std::fs::write(&path, ours("https://a").replace("name: endstate\n", "name: edited\n"))
            .unwrap();
        write_all(&path, None, &ours("https://b")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), ours("https://b"));
    }

    #[test]
    fn what_a_cluster_writes_is_ours() {
        let directory = tempfile::tempdir().unwrap();
        let pki = apiserver::Pki::load_or_create(directory.path(), &[]).unwrap();
        let path = directory.path().join("kubeconfig");
        for server in ["https://a", "https://b"] {
            write(&path, &pki.kubeconfig(server)).unwrap();
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
