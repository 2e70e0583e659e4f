//! Where the OCI runtime is.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where distributions put it. `sbin` is not on an ordinary user's PATH.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// The runtime: on the PATH, where distributions put it, or among the tools of the build that this executable is of.
pub(crate) fn runtime() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = installed(&path).find(|it| it.is_file());
    installed.or_else(|| of_build(&std::env::current_exe().ok()?))
}

/// The places, in words.
pub(crate) fn places() -> String {
    let mut text = format!("on the PATH and in {}", FOLDERS.join(", "));
    let own = std::env::current_exe().unwrap_or_default();
    for folder in tool_folders(&own) {
        text += &format!(", {}", folder.display());
    }
    text
}

fn installed(path: &OsStr) -> impl Iterator<Item = PathBuf> {
    let named = std::env::split_paths(path).collect::<Vec<_>>().into_iter();
    named.chain(FOLDERS.iter().map(PathBuf::from)).map(|folder| folder.join("runc"))
}

/// `cargo xtask setup` puts tools into `target/tools/bin`, executables are in `target/release` or
/// `target/TRIPLE/release`. What somebody else put there is not run.
fn of_build(executable: &Path) -> Option<PathBuf> {
    let owner = fs::metadata(executable).ok()?.uid();
    let is_trusted = |tool: &PathBuf| {
        fs::metadata(tool).is_ok_and(|it| it.is_file() && [owner, 0].contains(&it.uid()))
    };
    tool_folders(executable).map(|it| it.join("runc")).find(is_trusted)
}

fn tool_folders(executable: &Path) -> impl Iterator<Item = PathBuf> {
    executable.ancestors().skip(2).take(2).map(|target| target.join("tools/bin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_of_the_build_are_found() {
        let target = tempfile::tempdir().unwrap();
        let place = |path: &str| {
            let path = target.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        let executables =
            [place("release/endstate"), place("x86_64-unknown-linux-gnu/debug/endstate")];
        assert!(executables.iter().all(|it| of_build(it).is_none()));
        let runc = place("tools/bin/runc");
        for executable in executables {
            assert_eq!(of_build(&executable).as_ref(), Some(&runc));
        }
        assert_eq!(of_build(&place("a/b/c/endstate")), None, "of another build");
    }

    #[test]
    fn what_is_installed_comes_first() {
        let path = std::env::join_paths(["/opt/bin"]).unwrap();
        let first: Vec<PathBuf> = installed(&path).take(2).collect();
        assert_eq!(first, [Path::new("/opt/bin/runc"), Path::new("/usr/sbin/runc")]);
    }
}
