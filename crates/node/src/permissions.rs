//! What of the host pods may have, by the word of who starts the cluster. Nothing by default.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What pods may have of the host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Permissions {
    /// The folders below which `hostPath` volumes may lie: absolute, without links in them.
    pub host_paths: Vec<PathBuf>,
    pub privileged: Privileged,
}

/// Whether containers may be privileged, have capabilities that reach beyond their pod, and share the node's
/// namespaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Privileged {
    #[default]
    Refused,
    Allowed,
}

impl Permissions {
    /// The allowed folder that a path lies below, and the rest of the path. Links in the rest are not followed here.
    pub(crate) fn below(&self, path: &std::path::Path) -> Result<(PathBuf, PathBuf), String> {
        let found = self.host_paths.iter().find_map(|folder| {
            let rest = path.strip_prefix(folder).ok()?;
            Some((folder.clone(), rest.to_owned()))
        });
        found.ok_or_else(|| {
            let named: Vec<String> =
                self.host_paths.iter().map(|folder| folder.display().to_string()).collect();
            let names = if named.is_empty() { "none is".to_owned() } else { named.join(", ") };
            format!(
                "hostPath {} is not below a folder that `endstate up --allow-host-path` names ({names})",
                path.display()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn paths_are_below_a_folder_by_whole_names() {
        let permissions = Permissions {
            host_paths: vec![PathBuf::from("/srv/data"), PathBuf::from("/opt")],
            ..Permissions::default()
        };
        let rest = |path: &str| permissions.below(Path::new(path)).map(|(_, rest)| rest);
        assert_eq!(rest("/srv/data"), Ok(PathBuf::new()));
        assert_eq!(rest("/opt/a/b"), Ok(PathBuf::from("a/b")));
        for outside in ["/srv/database", "/srv", "/", "srv/data", ""] {
            assert!(rest(outside).unwrap_err().contains("(/srv/data, /opt)"), "{outside}");
        }
        let none = Permissions::default().below(Path::new("/a")).unwrap_err();
        assert!(none.contains("(none is)"), "{none}");
    }
}
