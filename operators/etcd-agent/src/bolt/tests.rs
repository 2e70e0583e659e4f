//! What is read and written, on small files that are made here; what etcd makes of them is in `tests/it/raised.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use super::meta::{self, Meta};
use super::page::{Child, HEADER, Item, Node};
use super::{Bolt, BoltError};

const PAGE: usize = 4_096;
const PAGES: usize = 6;

fn item(key: &str, value: &[u8]) -> Item {
    Item { key: key.into(), value: value.into(), is_bucket: false }
}

fn bucket(name: &str, root: u64, page: &[u8]) -> Item {
    let value = [&root.to_ne_bytes()[..], &[0; 8], page].concat();
    Item { is_bucket: true, ..item(name, &value) }
}

/// A bucket of two levels and one that stands in its value; the newer of the first pages is the second.
fn made(folder: &Path) -> PathBuf {
    let child = |key: &str, page| Child { key: key.into(), page };
    let inline = Node::Leaf(vec![item("index", b"7")]).packed().expect("it fits");
    let nodes = [
        Node::Leaf(vec![item("b", b"1"), item("d", b"2")]),
        Node::Leaf(vec![item("m", b"3"), item("p", b"4")]),
        Node::Branch(vec![child("b", 2), child("m", 3)]),
        Node::Leaf(vec![bucket("key", 4, &[]), bucket("meta", 0, &inline)]),
    ];
    let mut file = vec![];
    for transaction in [6, 7] {
        file.extend(Meta::of(5, 6, transaction).written());
        file.resize(file.len().next_multiple_of(PAGE), 0);
    }
    for (id, node) in (2..).zip(nodes) {
        file.extend(node.written(id, PAGE).expect("it fits"));
    }
    assert_eq!(file.len(), PAGES * PAGE);
    let path = folder.join("db");
    fs::write(&path, file).expect("a file");
    path
}

fn open(path: &Path) -> Bolt {
    Bolt::open(path).expect("a database")
}

fn value(path: &Path, bucket: &str, key: &str) -> Option<String> {
    let found = open(path).get(bucket, key.as_bytes()).expect("it can be read");
    found.map(|it| String::from_utf8(it).expect("text"))
}

const PUTS: [(&str, &str); 5] =
    [("key", "a"), ("key", "d"), ("key", "n"), ("key", "z"), ("meta", "c")];

fn put_all(bolt: &mut Bolt) -> Result<(), BoltError> {
    PUTS.iter().try_for_each(|(bucket, key)| bolt.put(bucket, key.as_bytes(), b"new"))
}

#[test]
fn what_is_put_is_found_and_nothing_is_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = made(folder.path());
    let was = fs::read(&path).expect("a file");
    let mut bolt = open(&path);
    put_all(&mut bolt).expect("it is put");
    bolt.commit().expect("it is written");
    for (bucket, key) in PUTS {
        assert_eq!(value(&path, bucket, key).as_deref(), Some("new"), "{bucket} {key}");
    }
    let kept = [("b", "1"), ("m", "3"), ("p", "4")];
    kept.iter().for_each(|it| assert_eq!(value(&path, "key", it.0).as_deref(), Some(it.1)));
    assert_eq!(value(&path, "meta", "index").as_deref(), Some("7"));
    assert_eq!(value(&path, "key", "x"), None);
    assert_eq!(open(&path).last("key").expect("it can be read"), Some(b"z".to_vec()));
    let is = fs::read(&path).expect("a file");
    assert_eq!(was[PAGE..], is[PAGE..PAGES * PAGE]);
    // Pages that hold keys before all others say so in the branch above them.
    let root = open(&path).root;
    assert_eq!(open(&path).node(root).expect("a page").first(), Some(&b"key"[..]));
}

#[test]
fn interrupted_before_the_end_nothing_has_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = made(folder.path());
    let mut bolt = open(&path);
    put_all(&mut bolt).expect("it is put");
    let next = bolt.prepare().expect("it is written");
    assert_eq!(next.page(), 0);
    drop(bolt);
    assert_eq!(value(&path, "key", "a"), None);
    // Of the last page that is written some bytes may be there.
    let (written, was) = (next.written(), fs::read(&path).expect("a file"));
    for cut in 1..meta::BYTES {
        let mut bytes = was.clone();
        bytes[..cut].copy_from_slice(&written[..cut]);
        fs::write(&path, bytes).expect("a file");
        let is_whole = was[cut..meta::BYTES] == written[cut..];
        assert_eq!(value(&path, "key", "a").is_some(), is_whole, "{cut}");
    }
}

#[test]
fn a_bucket_that_grows_leaves_its_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = made(folder.path());
    for (key, length) in [("large", PAGE / 4), ("larger", 3 * PAGE)] {
        let mut bolt = open(&path);
        bolt.put("meta", key.as_bytes(), &vec![b'x'; length]).expect("it is put");
        bolt.commit().expect("it is written");
        assert_eq!(value(&path, "meta", key).map(|it| it.len()), Some(length));
        assert_eq!(open(&path).bucket("meta").expect("a bucket").len(), HEADER, "it is a tree");
    }
    assert_eq!(value(&path, "meta", "index").as_deref(), Some("7"));
}

/// Where page ids, counts, offsets and lengths are: with any byte of them another, nothing panics, and what is refused
/// is left as it is.
#[test]
fn what_is_damaged_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = made(folder.path());
    let whole = fs::read(&path).expect("a file");
    let mut refused = 0;
    for at in (0..PAGES).flat_map(|page| (page * PAGE..).take(64)) {
        for byte in [1, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            fs::write(&path, &bytes).expect("a file");
            let done = Bolt::open(&path).and_then(|mut it| {
                it.last("key")?;
                put_all(&mut it)?;
                it.commit()
            });
            if let Err(error) = done {
                assert!(matches!(error, BoltError::Damaged { .. }), "{at}: {error}");
                assert_eq!(fs::read(&path).expect("a file"), bytes, "{at}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
    let cut = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("a file");
        assert!(matches!(Bolt::open(&path), Err(BoltError::Damaged { .. })));
    };
    cut(&whole[..PAGES * PAGE - 1]);
    cut(&whole[..100]);
    cut(&[]);
}

#[test]
fn a_tree_that_leads_back_to_itself_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = made(folder.path());
    let mut bytes = fs::read(&path).expect("a file");
    let circle = Node::Branch(vec![Child { key: b"a".to_vec(), page: 4 }]);
    let circle = circle.written(4, PAGE).expect("it fits");
    bytes[4 * PAGE..5 * PAGE].copy_from_slice(&circle);
    fs::write(&path, &bytes).expect("a file");
    let mut bolt = open(&path);
    assert!(matches!(bolt.last("key"), Err(BoltError::Damaged { .. })));
    assert!(matches!(bolt.put("key", b"a", b""), Err(BoltError::Damaged { .. })));
}

#[test]
fn one_that_is_in_use_is_not_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = made(folder.path());
    let held = open(&path);
    assert!(matches!(Bolt::open(&path), Err(BoltError::InUse(_))));
    drop(held);
    open(&path);
}
