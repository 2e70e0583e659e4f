//! Swapping a volume's files atomically.
//!
//! The files lie in a folder `..N`; `..data` is a link to it and every top-level name a link through `..data`. A new
//! version is written beside, then `..data` is replaced in one rename: a reader sees all old or all new.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::payload::{File, Files};

const DATA: &str = "..data";

/// With a `group` its members may read what the owner may.
pub(super) fn replace(folder: &Path, files: &Files, group: Option<u32>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let present = fs::read_link(folder.join(DATA)).ok();
    if let Some(present) = &present
        && same(&folder.join(present), files, group)
    {
        return Ok(());
    }
    let number = present
        .as_ref()
        .and_then(|name| name.to_str()?.strip_prefix("..")?.parse::<u64>().ok())
        .map_or(1, |number| number + 1);
    let version = format!("..{number}");
    let target = folder.join(&version);
    let _ = fs::remove_dir_all(&target);
    for (path, file) in files {
        write(&target, path, (file, group))?;
    }
    fs::create_dir_all(&target)?;
    let next = folder.join("..data_next");
    let _ = fs::remove_file(&next);
    symlink(&version, &next)?;
    fs::rename(&next, folder.join(DATA))?;
    link_names(folder, files)?;
    match present {
        Some(old) => fs::remove_dir_all(folder.join(old)),
        None => Ok(()),
    }
}

fn same(version: &Path, files: &Files, group: Option<u32>) -> bool {
    count(version) == files.len()
        && files.iter().all(|(path, file)| {
            let path = version.join(path);
            fs::read(&path).is_ok_and(|bytes| bytes == file.bytes)
                && path
                    .metadata()
                    .is_ok_and(|it| it.permissions().mode() & 0o7777 == mode_of(file, group))
        })
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
}

fn mode_of(file: &File, group: Option<u32>) -> u32 {
    if group.is_some() { file.mode | ((file.mode & 0o400) >> 3) } else { file.mode }
}

fn write(version: &Path, path: &str, content: (&File, Option<u32>)) -> io::Result<()> {
    let (file, group) = content;
    let path = version.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, &file.bytes)?;
    std::os::unix::fs::chown(&path, None, group)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode_of(file, group)))
}

/// Links new top-level names and removes those that are no more.
fn link_names(folder: &Path, files: &Files) -> io::Result<()> {
    let names: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for name in &names {
        let link = folder.join(name);
        if link.symlink_metadata().is_err() {
            symlink(Path::new(DATA).join(name), link)?;
        }
    }
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if !text.starts_with("..") && !names.contains(text.as_ref()) {
            fs::remove_file(folder.join(&name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        let file = |text: &str| File { bytes: text.into(), mode: 0o640 };
        list.iter().map(|(path, text)| ((*path).to_owned(), file(text))).collect()
    }

    #[test]
    fn versions_replace_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("v");
        let read = |path: &str| fs::read_to_string(folder.join(path)).ok();
        replace(&folder, &files(&[("a", "1"), ("d/b", "2")]), None).unwrap();
        assert_eq!((read("a").as_deref(), read("d/b").as_deref()), (Some("1"), Some("2")));
        assert_eq!(fs::metadata(folder.join("a")).unwrap().permissions().mode() & 0o777, 0o640);
        let before = fs::read_link(folder.join(DATA)).unwrap();
        replace(&folder, &files(&[("a", "1"), ("d/b", "2")]), None).unwrap();
        assert_eq!(fs::read_link(folder.join(DATA)).unwrap(), before, "nothing changed");
        replace(&folder, &files(&[("a", "3")]), None).unwrap();
        assert_eq!((read("a").as_deref(), read("d/b")), (Some("3"), None));
        let left = fs::read_dir(&folder).unwrap().count();
        assert_eq!(left, 3, "one version, ..data and the name");
        replace(&folder, &files(&[("a", "3")]), Some(nix::unistd::getegid().as_raw())).unwrap();
        assert_eq!(fs::metadata(folder.join("a")).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
