use tar::{Builder, Header};

use super::*;

enum Entry<'a> {
    File(&'a str, &'a str),
    Folder(&'a str),
    Link(&'a str, &'a str),
    Hard(&'a str, &'a str),
}

/// Applies one archive to a fresh root beside a file that nothing may touch.
fn apply(entries: &[Entry<'_>]) -> (tempfile::TempDir, io::Result<()>) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("outside"), "safe").unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let bytes = archive(entries);
    let budgets = Budgets::new(1 << 20);
    let root = Root::open(&root, Ids::One, &budgets).unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let result = archive.entries().unwrap().try_for_each(|entry| root.apply(&mut entry?));
    (dir, result)
}

fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for entry in entries {
        let (kind, name, target, text) = match entry {
            Entry::File(name, text) => (EntryType::Regular, name, "", *text),
            Entry::Folder(name) => (EntryType::Directory, name, "", ""),
            Entry::Link(name, target) => (EntryType::Symlink, name, *target, ""),
            Entry::Hard(name, target) => (EntryType::Link, name, *target, ""),
        };
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        // Written past the library's own checks, as an attacker would.
        let fields = header.as_ustar_mut().unwrap();
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        header.set_mtime(1);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        tar.append(&header, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn read(dir: &tempfile::TempDir, path: &str) -> Option<String> {
    fs::read_to_string(dir.path().join("root").join(path)).ok()
}

#[test]
fn nothing_leads_outside() {
    use Entry::{File, Folder, Hard, Link};
    let attacks: [&[Entry<'_>]; 7] = [
        &[File("../outside", "x")],
        &[File("a/../../outside", "x")],
        &[Link("l", ".."), File("l/outside", "x")],
        &[Link("l", "../outside"), File("l", "x")],
        &[Folder("a"), Link("a/l", "../.."), Hard("h", "a/l/outside"), File("h", "x")],
        &[Link("l", "/proc/self/cwd"), File("l/outside", "x")],
        &[Link("l", ".."), File("l/.wh.outside", "")],
    ];
    for attack in attacks {
        let (dir, _) = apply(attack);
        let text = fs::read_to_string(dir.path().join("outside"));
        assert_eq!(text.unwrap(), "safe");
    }
}

#[test]
fn links_resolve_inside_the_root() {
    use Entry::{File, Folder, Link};
    let (dir, result) = apply(&[
        Folder("usr/lib"),
        Link("lib", "/usr/lib"),
        File("lib/x", "through an absolute link"),
        Link("up", "../../../usr"),
        File("up/y", "above the root is the root"),
    ]);
    result.unwrap();
    assert_eq!(read(&dir, "usr/lib/x").as_deref(), Some("through an absolute link"));
    assert_eq!(read(&dir, "usr/y").as_deref(), Some("above the root is the root"));
}

#[test]
fn later_entries_replace_earlier_ones() {
    use Entry::{File, Folder, Hard, Link};
    let (dir, result) = apply(&[
        File("a", "1"),
        File("a", "2"),
        File("d/x", "in a folder"),
        File("d", "a file now"),
        Link("l", "a"),
        File("l", "no link now"),
        Hard("h", "a"),
        File("gone/x", "x"),
        File(".wh.gone", ""),
        File("o/old", "x"),
        File("o/.wh..wh..opq", ""),
        File("o/new", "y"),
        Folder("o"),
    ]);
    result.unwrap();
    let found = ["a", "d", "l", "h", "gone/x", "o/old", "o/new"].map(|path| read(&dir, path));
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        found,
        [text("2"), text("a file now"), text("no link now"), text("2"), None, None, text("y")]
    );
}

/// An image of one gzipped layer in a fresh store.
fn image_of(entries: &[Entry<'_>]) -> (tempfile::TempDir, Store, Resolved) {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&archive(entries)).unwrap();
    let (layer, size) = blobs::put(&store, &packed.finish().unwrap()).unwrap();
    let config = serde_json::json!({"architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": []}});
    let (id, id_size) = blobs::put(&store, config.to_string().as_bytes()).unwrap();
    let manifest = serde_json::json!({"schemaVersion": 2,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": id, "size": id_size},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": size}]});
    let image = Resolved {
        reference: "example.com/bomb:1".to_owned(),
        digest: layer,
        manifest: serde_json::from_value(manifest).unwrap(),
        config: serde_json::from_value(config).unwrap(),
    };
    (dir, store, image)
}

#[test]
fn a_bomb_is_refused_by_name_and_limit() {
    let zeros = "0".repeat(1 << 20);
    let many: Vec<_> = (0..100).map(|number| format!("d{number}")).collect();
    let folders: Vec<_> = many.iter().map(|name| Entry::Folder(name)).collect();
    for entries in [&[Entry::File("zeros", &zeros)][..], &folders] {
        let (dir, store, image) = image_of(entries);
        let to = dir.path().join("rootfs");
        let budgets = Budgets::new(64 << 10);
        let error = unpack_within(&budgets, &store, &image, (&to, Ids::One)).unwrap_err();
        let expected = "image example.com/bomb:1 unpacks to more than 64 KiB, which is the limit";
        assert_eq!(error.to_string(), expected);
        assert_eq!(fs::read_dir(&to).unwrap().count(), 0, "nothing of it is left");
        let root = unpack(&store, &image, &to, Ids::One).unwrap();
        assert!(fs::read_dir(root).unwrap().count() > 0, "it is fine within the usual limit");
    }
}
