use std::io::Read as _;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use store::{Draft, Index, Key, Store as _, Write as Change};
use tempfile::TempDir;

use super::*;

/// A state directory as a cluster leaves it, with one object.
async fn state() -> TempDir {
    let state = tempfile::tempdir().unwrap();
    std::fs::create_dir(state.path().join("pki")).unwrap();
    for name in FILES {
        std::fs::write(state.path().join(name), format!("content of {name}\n")).unwrap();
    }
    let store = EmbeddedStore::open(state.path().join("store"), store::Options::default()).unwrap();
    let draft = Draft { before: b"{\"v\":".into(), after: b"}".into(), index: Index::default() };
    store.commit(vec![Change::Create { key: key(), draft }]).await.unwrap();
    state
}

fn key() -> Key {
    Key::new(&["core", "pods", "a"]).unwrap()
}

#[tokio::test]
async fn a_stopped_cluster_is_backed_up_and_restored() {
    let (state, folder) = (state().await, tempfile::tempdir().unwrap());
    let (file, target) = (folder.path().join("backup"), folder.path().join("new/state"));
    backup(state.path(), &file).unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let again = backup(state.path(), &file).unwrap_err().to_string();
    assert!(again.contains("is there already"), "{again}");
    let restored = restore(&file, &target).unwrap();
    assert_eq!(restored.objects, 1);
    for name in FILES {
        assert_eq!(
            std::fs::read_to_string(target.join(name)).unwrap(),
            format!("content of {name}\n")
        );
        let mode = target.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let store = EmbeddedStore::open(target.join("store"), store::Options::default()).unwrap();
    let object = store.get(&key()).await.unwrap().unwrap();
    assert_eq!(object.revision(), restored.revision);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    let into_full = restore(&file, &target).unwrap_err().to_string();
    assert!(into_full.contains("is not empty"), "{into_full}");
}

#[tokio::test]
async fn a_running_cluster_is_asked() {
    let (state, folder) = (state().await, tempfile::tempdir().unwrap());
    let _lock = Lock::take(state.path()).unwrap();
    let store = EmbeddedStore::open(state.path().join("store"), store::Options::default()).unwrap();
    let store = Arc::new(store);
    let refused = backup(state.path(), &folder.path().join("a")).unwrap_err().to_string();
    assert!(refused.contains("cannot be asked"), "{refused}");
    let door = sockets::open_backup(state.path()).unwrap();
    let (shutdown, mut tasks) = (CancellationToken::new(), JoinSet::new());
    serve(store.clone(), door, shutdown.clone(), &mut tasks);
    let (from, to) = (state.path().to_owned(), folder.path().join("b"));
    tokio::task::spawn_blocking(move || backup(&from, &to)).await.unwrap().unwrap();
    let restored = restore(&folder.path().join("b"), &folder.path().join("new")).unwrap();
    assert_eq!((restored.taken, restored.objects), (store.revision(), 1));
    shutdown.cancel();
    tasks.join_next().await.unwrap().unwrap().unwrap();
}

/// Cut anywhere, or with any byte changed, it is refused, and nothing is left of the attempt.
#[tokio::test]
async fn a_damaged_backup_is_refused() {
    let (state, folder) = (state().await, tempfile::tempdir().unwrap());
    let file = folder.path().join("backup");
    backup(state.path(), &file).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let target = folder.path().join("new");
    let refused = |content: &[u8]| {
        std::fs::write(&file, content).unwrap();
        let error = restore(&file, &target).err();
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1 + usize::from(error.is_none())
        );
        error.map(|it| format!("{it:#}"))
    };
    for length in (0..whole.len()).step_by(17) {
        assert!(refused(&whole[..length]).is_some(), "{length} of {} bytes", whole.len());
    }
    let mut harmless = 0;
    // The ten bytes of the header have a time and an operating system, which nothing relies on.
    for place in (10..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        if refused(&changed).is_none() {
            // Some changes of a compressed stream are other words for the same: zeros copied from elsewhere.
            harmless += 1;
            for name in FILES {
                let content = std::fs::read_to_string(target.join(name)).unwrap();
                assert_eq!(content, format!("content of {name}\n"), "byte {place}");
            }
            std::fs::remove_dir_all(&target).unwrap();
        }
    }
    assert!(harmless < whole.len() / 70, "{harmless} changed bytes went unnoticed");
    let error = refused(&[7; 4000]).unwrap();
    assert!(error.contains("damaged") && error.contains("nothing was changed"), "{error}");
}

/// Whole archives, with right sums, that are not what `backup` makes.
#[tokio::test]
async fn an_archive_of_something_else_is_refused() {
    let (state, folder) = (state().await, tempfile::tempdir().unwrap());
    let file = folder.path().join("backup");
    backup(state.path(), &file).unwrap();
    type Add = fn(&mut tar::Builder<GzEncoder<Vec<u8>>>);
    let additions: [(&str, Add); 4] = [
        ("it holds ../outside", |archive| add(archive, "../outside", tar::EntryType::Regular)),
        ("it holds /tmp/outside", |archive| add(archive, "/tmp/outside", tar::EntryType::Regular)),
        ("nodes is no file", |archive| add(archive, "nodes", tar::EntryType::Symlink)),
        ("pki/ca.key is no file", |archive| add(archive, "pki/ca.key", tar::EntryType::Link)),
    ];
    for (expected, addition) in additions {
        let bad = folder.path().join("bad");
        std::fs::write(&bad, rewritten(&file, addition)).unwrap();
        let error = restore(&bad, &folder.path().join("new")).unwrap_err();
        assert!(format!("{error:#}").contains(expected), "{error:#}");
        assert!(!folder.path().join("new").exists() && !folder.path().join("outside").exists());
    }
}

/// The archive with one entry more in front.
fn rewritten(file: &Path, addition: fn(&mut tar::Builder<GzEncoder<Vec<u8>>>)) -> Vec<u8> {
    let mut old = tar::Archive::new(GzDecoder::new(File::open(file).unwrap()));
    let mut new = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    addition(&mut new);
    for entry in old.entries().unwrap() {
        let mut entry = entry.unwrap();
        let (header, mut content) = (entry.header().clone(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        new.append(&header, &*content).unwrap();
    }
    new.into_inner().unwrap().finish().unwrap()
}

/// As `tar` would not write it.
fn add(archive: &mut tar::Builder<GzEncoder<Vec<u8>>>, name: &str, kind: tar::EntryType) {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_link_name("/etc/passwd").unwrap();
    header.set_size(0);
    header.set_cksum();
    archive.append(&header, io::empty()).unwrap();
}
