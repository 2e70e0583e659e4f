//! A bbolt file, as far as a few keys can be read of one that no process uses, and written in one transaction.
//!
//! It is pages of one size. The first two say where the tree of buckets begins ([`meta`]); a bucket is a tree of its
//! own, or stands whole in its value where it is small. Nothing that is there is written over: what changes is written
//! as new pages behind all that were ever used, and becomes durable before the older of the first two pages says where
//! they are. Interrupted anywhere, the file is as it was, or as it is to be. Pages that nothing leads to any more are
//! found by whoever opens the file next, because the new first page has no list of free ones, as etcd's have not
//! [src: bbolt 1.3 to 1.5, `internal/common`, `db.go`, `freelist`].

mod meta;
mod page;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use meta::Meta;
use page::{Child, HEADER, Head, Item, Node, u64_at};

/// What pages may be large, in bytes: bbolt looks for the second of the first pages at these.
const PAGE_BYTES: std::ops::RangeInclusive<u32> = 1 << 10..=1 << 24;
/// How large a page may be with all that it goes on for, in bytes. etcd's keys and values are of a few MB at most, and
/// a page has few of those.
const NODE_BYTES_MAX: u64 = 1 << 28;
/// More levels than any tree has.
const DEPTH_MAX: usize = 48;

/// Why a database cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BoltError {
    /// The file.
    #[error("cannot use {}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A process has it open.
    #[error("{} is in use: end the process that has it open", .0.display())]
    InUse(PathBuf),
    /// It is damaged, or of a version that is not known here. It is left as it is.
    #[error("{} cannot be read: {why}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
}

/// A database with what is to be written to it.
#[derive(Debug)]
pub(crate) struct Bolt {
    path: PathBuf,
    file: File,
    meta: Meta,
    /// The tree of buckets, the first page that was never used, and pages that are to be written.
    root: u64,
    high: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

/// A bucket: a tree that begins with a page, or a page that stands in its value.
#[derive(Clone, Copy, Debug)]
enum Bucket<'a> {
    Tree(u64),
    Inline(&'a [u8]),
}

impl Bolt {
    /// Opens one that no process uses.
    pub(crate) fn open(path: &Path) -> Result<Self, BoltError> {
        let file = File::options().read(true).write(true).open(path).map_err(of(path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BoltError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(of(path)(source)),
        }
        let meta = newest(&file).map_err(of(path))?;
        let damaged = |why| BoltError::Damaged { path: path.to_owned(), why };
        let meta = meta.ok_or_else(|| damaged("neither of its first pages is whole"))?;
        let length = file.metadata().map_err(of(path))?.len();
        let used = meta.high.checked_mul(u64::from(meta.page_bytes));
        if used.is_none_or(|it| it > length) {
            return Err(damaged("it is shorter than it says"));
        }
        let (root, high) = (meta.root, meta.high);
        Ok(Self { path: path.to_owned(), file, meta, root, high, pages: BTreeMap::new() })
    }

    /// The value of a key in a bucket.
    pub(crate) fn get(&self, bucket: &str, key: &[u8]) -> Result<Option<Vec<u8>>, BoltError> {
        let of = self.bucket(bucket)?;
        let items = self.leaf(self.of(&of)?, |it| place(it, key))?;
        Ok(items.into_iter().find(|it| it.key == key && !it.is_bucket).map(|it| it.value))
    }

    /// The last key of a bucket.
    pub(crate) fn last(&self, bucket: &str) -> Result<Option<Vec<u8>>, BoltError> {
        let of = self.bucket(bucket)?;
        let items = self.leaf(self.of(&of)?, |it| it.len() - 1)?;
        Ok(items.into_iter().next_back().map(|it| it.key))
    }

    /// Notes that a key of a bucket is to have a value.
    pub(crate) fn put(&mut self, bucket: &str, key: &[u8], value: &[u8]) -> Result<(), BoltError> {
        let item = Item { key: key.to_owned(), value: value.to_owned(), is_bucket: false };
        let before = self.bucket(bucket)?;
        let (_, sequence) = before.split_at(8);
        let (root, page) = match self.of(&before)? {
            Bucket::Tree(page) => (self.insert(page, item, 0)?.page, vec![]),
            Bucket::Inline(page) => self.inline(page, item)?,
        };
        let value = [&root.to_ne_bytes()[..], &sequence[..8], &page].concat();
        let changed = Item { key: bucket.as_bytes().to_owned(), value, is_bucket: true };
        self.root = self.insert(self.root, changed, 0)?.page;
        Ok(())
    }

    /// Writes what was put, all of it or nothing, and makes it durable.
    pub(crate) fn commit(self) -> Result<(), BoltError> {
        let meta = self.prepare()?;
        let at = meta.page() * u64::from(meta.page_bytes);
        self.file.write_all_at(&meta.written(), at).map_err(of(&self.path))?;
        self.file.sync_all().map_err(of(&self.path))
    }

    /// Makes the new pages durable. Nothing leads to them before what it gives is written.
    fn prepare(&self) -> Result<Meta, BoltError> {
        for (id, page) in &self.pages {
            let at = id * u64::from(self.meta.page_bytes);
            self.file.write_all_at(page, at).map_err(of(&self.path))?;
        }
        self.file.sync_all().map_err(of(&self.path))?;
        Ok(self.meta.next(self.root, self.high))
    }

    /// The value of a bucket, which is where its tree begins.
    fn bucket(&self, name: &str) -> Result<Vec<u8>, BoltError> {
        let items = self.leaf(Bucket::Tree(self.root), |it| place(it, name.as_bytes()))?;
        let found = items.into_iter().find(|it| it.key == name.as_bytes());
        let found = found.filter(|it| it.is_bucket && it.value.len() >= HEADER);
        found.map(|it| it.value).ok_or_else(|| self.damaged("a bucket of etcd's is not there"))
    }

    fn of<'a>(&self, value: &'a [u8]) -> Result<Bucket<'a>, BoltError> {
        match u64_at(value, 0) {
            Some(0) => Ok(Bucket::Inline(&value[HEADER..])),
            Some(page) => Ok(Bucket::Tree(page)),
            None => Err(self.damaged("a bucket has no beginning")),
        }
    }

    /// The leaf that a choice among the children of each branch leads to.
    fn leaf(
        &self,
        bucket: Bucket<'_>,
        choose: impl Fn(&[Child]) -> usize,
    ) -> Result<Vec<Item>, BoltError> {
        let mut node = match bucket {
            Bucket::Tree(page) => self.node(page)?,
            Bucket::Inline(page) => Node::read(page).map_err(|why| self.damaged(why))?,
        };
        for _ in 0..DEPTH_MAX {
            match node {
                Node::Leaf(items) => return Ok(items),
                Node::Branch(of) => node = self.node(of[choose(&of)].page)?,
            }
        }
        Err(self.damaged("a tree has more levels than any"))
    }

    /// Writes the way to an item anew, and says where it begins.
    fn insert(&mut self, page: u64, item: Item, depth: usize) -> Result<Child, BoltError> {
        if depth > DEPTH_MAX {
            return Err(self.damaged("a tree has more levels than any"));
        }
        let mut node = self.node(page)?;
        match &mut node {
            Node::Leaf(items) => set(items, item),
            Node::Branch(of) => {
                let at = place(of, &item.key);
                of[at] = self.insert(of[at].page, item, depth + 1)?;
            }
        }
        let key = node.first().unwrap_or_default().to_owned();
        Ok(Child { key, page: self.add(&node)? })
    }

    /// The page of a bucket that stands in its value, with one item more. If it has grown too large for that it is
    /// none, and where the bucket begins instead; 0 if it stands there.
    fn inline(&mut self, page: &[u8], item: Item) -> Result<(u64, Vec<u8>), BoltError> {
        let mut node = Node::read(page).map_err(|why| self.damaged(why))?;
        let Node::Leaf(items) = &mut node else {
            return Err(self.damaged("a bucket that stands in its value has branches"));
        };
        set(items, item);
        let page = node.packed().map_err(|why| self.damaged(why))?;
        // bbolt's own limit.
        match page.len() <= self.page_bytes() / 4 {
            true => Ok((0, page)),
            false => Ok((self.add(&node)?, vec![])),
        }
    }

    /// A page to be written, behind all others.
    fn add(&mut self, node: &Node) -> Result<u64, BoltError> {
        let id = self.high;
        let page = node.written(id, self.page_bytes()).map_err(|why| self.damaged(why))?;
        let pages = (page.len() / self.page_bytes()) as u64;
        self.high = id.checked_add(pages).ok_or_else(|| self.damaged("it has no room"))?;
        self.pages.insert(id, page);
        Ok(id)
    }

    fn node(&self, id: u64) -> Result<Node, BoltError> {
        let node = match self.pages.get(&id) {
            Some(page) => Node::read(page),
            None => Node::read(&self.read(id)?),
        };
        node.map_err(|why| self.damaged(why))
    }

    /// A page with all that it goes on for.
    fn read(&self, id: u64) -> Result<Vec<u8>, BoltError> {
        let page_bytes = u64::from(self.meta.page_bytes);
        if !(2..self.meta.high).contains(&id) {
            return Err(self.damaged("a page is not in the file"));
        }
        let mut head = [0; HEADER];
        self.file.read_exact_at(&mut head, id * page_bytes).map_err(of(&self.path))?;
        let head = Head::read(&head).filter(|it| it.id == id);
        let head = head.ok_or_else(|| self.damaged("a page is another than it should be"))?;
        let pages = u64::from(head.overflow) + 1;
        if pages > self.meta.high - id || pages * page_bytes > NODE_BYTES_MAX {
            return Err(self.damaged("a page goes on beyond the file, or is too large"));
        }
        let mut page = vec![0; usize::try_from(pages * page_bytes).unwrap_or_default()];
        self.file.read_exact_at(&mut page, id * page_bytes).map_err(of(&self.path))?;
        Ok(page)
    }

    fn page_bytes(&self) -> usize {
        usize::try_from(self.meta.page_bytes).unwrap_or_default()
    }

    fn damaged(&self, why: &'static str) -> BoltError {
        BoltError::Damaged { path: self.path.clone(), why }
    }
}

/// What the newer of the first pages says that are whole. Where the second is depends on what the first says, or is
/// looked for.
fn newest(file: &File) -> io::Result<Option<Meta>> {
    let read = |at: u64| {
        let mut page = [0; meta::BYTES];
        match file.read_exact_at(&mut page, at) {
            Ok(()) => Ok(Meta::read(&page)),
            Err(it) if it.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(it) => Err(it),
        }
    };
    let is_sound = |it: &Meta| {
        PAGE_BYTES.contains(&it.page_bytes)
            && it.page_bytes.is_power_of_two()
            && it.transaction < u64::MAX
    };
    let first = read(0)?.filter(is_sound);
    let sizes = match first {
        Some(it) => it.page_bytes..=it.page_bytes,
        None => PAGE_BYTES,
    };
    let mut found = first;
    for size in (10..=24).map(|it| 1_u32 << it).filter(|it| sizes.contains(it)) {
        let second = read(u64::from(size))?.filter(is_sound).filter(|it| it.page_bytes == size);
        found = found.into_iter().chain(second).max_by_key(|it| it.transaction);
    }
    Ok(found)
}

/// Which child of a branch has a key.
fn place(of: &[Child], key: &[u8]) -> usize {
    of.partition_point(|it| it.key[..] <= *key).saturating_sub(1)
}

fn set(items: &mut Vec<Item>, item: Item) {
    match items.binary_search_by(|it| it.key.cmp(&item.key)) {
        Ok(at) => items[at] = item,
        Err(at) => items.insert(at, item),
    }
}

fn of(path: &Path) -> impl FnOnce(io::Error) -> BoltError {
    let path = path.to_owned();
    move |source| BoltError::File { path, source }
}
