//! `hostPath` volumes: what lies below the folders that whoever started the cluster named, and nothing else.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::HostPathVolumeSource;
use rustix::fs::FileType;

use crate::beneath::{self, Make};
use crate::permissions::Permissions;

/// Mounts the path at `target`, which then is the volume.
pub(super) fn mount(
    host: &HostPathVolumeSource,
    permissions: &Permissions,
    target: PathBuf,
) -> Result<PathBuf, String> {
    let (folder, rest) = permissions.below(Path::new(&host.path))?;
    let fail = |error: std::io::Error| format!("hostPath {}: {error}", host.path);
    let kind = host.type_.as_deref().unwrap_or_default();
    let make = match kind {
        "" | "DirectoryOrCreate" => Make::Folder,
        "FileOrCreate" => Make::File,
        _ => Make::Nothing,
    };
    let found = beneath::open(&folder, &rest, make).map_err(fail)?;
    let is = beneath::kind(&found).map_err(fail)?;
    let fits = match kind {
        "" => true,
        "Directory" | "DirectoryOrCreate" => is == FileType::Directory,
        "File" | "FileOrCreate" => is == FileType::RegularFile,
        "Socket" => is == FileType::Socket,
        "CharDevice" => is == FileType::CharacterDevice,
        "BlockDevice" => is == FileType::BlockDevice,
        other => return Err(format!("hostPath type {other:?} is unknown")),
    };
    if !fits {
        return Err(format!("hostPath {} is not a {kind}", host.path));
    }
    beneath::pin(&found, &target).map_err(fail)?;
    Ok(target)
}
