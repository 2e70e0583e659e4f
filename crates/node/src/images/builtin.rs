//! The image `endstate:VERSION`: this very executable, which is static and so needs nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Error, canonical};

/// The image made from the running executable.
#[derive(Debug, Clone)]
pub(crate) struct Builtin {
    version: String,
}

impl Builtin {
    pub(crate) fn new(version: &str) -> Self {
        Self { version: version.to_owned() }
    }

    /// Whether a reference names it, with or without a registry before it.
    pub(crate) fn is(&self, reference: &str) -> bool {
        canonical(reference).is_ok_and(|it| {
            it.repository().rsplit('/').next() == Some("endstate")
                && it.tag() == Some(self.version.as_str())
        })
    }

    /// Makes the root file system in `dir`, anew for each start of the node, since the executable may have changed.
    pub(crate) fn unpack(&self, dir: &Path) -> Result<PathBuf, Error> {
        let root = dir.join("endstate");
        let target = root.join("endstate");
        let partial = dir.join(format!(".endstate-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for folder in ["", "tmp", "etc", "proc", "sys", "dev"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(Error::io(path))?;
        }
        let temporary = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(root.join("tmp"), temporary).map_err(Error::io(root.join("tmp")))?;
        fs::copy("/proc/self/exe", &partial).map_err(Error::io(&partial))?;
        let permissions = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&partial, permissions).map_err(Error::io(&partial))?;
        fs::rename(&partial, &target).map_err(Error::io(target))?;
        Ok(root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_image_is_recognised() {
        let builtin = Builtin::new("1.2.3");
        assert!(builtin.is("endstate:1.2.3"));
        assert!(builtin.is("ghcr.io/endstate/endstate:1.2.3"));
        assert!(!builtin.is("endstate:1.2.4"));
        assert!(!builtin.is("endstate"));
        assert!(!builtin.is("notendstate:1.2.3"));
        assert!(!builtin.is("???"));
    }
}
