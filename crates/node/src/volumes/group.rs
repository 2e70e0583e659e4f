//! `fsGroup`: what is in a volume belongs to the pod's group, which may read and write it.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

/// What the group may do with a file.
const FILE: u32 = 0o660;
/// What it may do with a folder, in which new files are the group's too.
const FOLDER: u32 = 0o2770;

/// Gives all that is in `folder`, and last the folder itself, to the group: it is the mark by which the next pod sees
/// that everything below was handed over, if it looks at that alone (`if_root_differs`). Links stay inside: they are
/// changed, never followed.
pub(super) fn hand_over(folder: &Path, group: u32, if_root_differs: bool) -> io::Result<()> {
    let root = fs::symlink_metadata(folder)?;
    if if_root_differs && root.gid() == group && root.mode() & FOLDER == FOLDER {
        return Ok(());
    }
    give(folder, &root, group)
}

fn give(path: &Path, is: &Metadata, group: u32) -> io::Result<()> {
    if is.is_dir() {
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            match fs::symlink_metadata(&path) {
                Ok(is) => give(&path, &is, group)?,
                // Another pod with the same volume runs, and removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    match give_one(path, is, group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        given => given,
    }
}

fn give_one(path: &Path, is: &Metadata, group: u32) -> io::Result<()> {
    if is.gid() != group {
        lchown(path, None, Some(group))?;
    }
    if is.is_symlink() {
        return Ok(());
    }
    // A change of the group clears the bits that let a program run as somebody else; they stay so.
    let wanted = if is.is_dir() { FOLDER } else { FILE };
    let mode = is.mode() & 0o1777 | wanted;
    if is.mode() & 0o7777 == mode && is.gid() == group {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_another_user_left_is_the_groups() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("v"), dir.path().join("outside"));
        let (inner, file) = (root.join("member"), root.join("member/log"));
        fs::create_dir_all(&inner).unwrap();
        for path in [&file, &outside] {
            fs::write(path, "x").unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        }
        fs::set_permissions(&inner, Permissions::from_mode(0o700)).unwrap();
        symlink(&outside, root.join("link")).unwrap();
        let group = root.metadata().unwrap().gid();
        hand_over(&root, group, true).unwrap();
        assert_eq!((mode(&inner), mode(&file), mode(&outside)), (0o2770, 0o660, 0o600));
        assert_eq!(mode(&root) & FOLDER, FOLDER);

        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        hand_over(&root, group, true).unwrap();
        assert_eq!(mode(&file), 0o600, "the root is the group's, and nobody looks below");
        hand_over(&root, group, false).unwrap();
        assert_eq!(mode(&file), 0o660);
    }
}
