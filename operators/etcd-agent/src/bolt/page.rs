//! Pages of a bbolt file: what is in one, checked against its size, and how it is written.
//!
//! A page begins with its id, its kind, how many elements it has and how many pages more it goes on for. Elements have
//! one size and say where their key and value are; numbers are as the machine has them.

/// Of a page before its elements, and of an element.
pub(super) const HEADER: usize = 16;
/// bbolt keeps fewer elements than this in a page.
const ELEMENTS_MAX: usize = 0xffff;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
/// Of an element whose value is a bucket.
const BUCKET: u32 = 1;

/// What is in a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Which page has the keys from one on.
    Branch(Vec<Child>),
    /// Keys with their values.
    Leaf(Vec<Item>),
}

/// An element of a branch page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) key: Vec<u8>,
    pub(super) page: u64,
}

/// An element of a leaf page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) is_bucket: bool,
}

/// How a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: u64,
    kind: u16,
    count: u16,
    /// How many pages more it goes on for.
    pub(super) overflow: u32,
}

impl Head {
    pub(super) fn read(page: &[u8]) -> Option<Self> {
        let (id, kind) = (u64_at(page, 0)?, u16_at(page, 8)?);
        Some(Self { id, kind, count: u16_at(page, 10)?, overflow: u32_at(page, 12)? })
    }
}

impl Node {
    /// What is in a page, which is given whole.
    pub(super) fn read(page: &[u8]) -> Result<Self, &'static str> {
        let head = Head::read(page).ok_or("a page is shorter than its header")?;
        let elements = (0..usize::from(head.count)).map(|it| HEADER + it * HEADER);
        let beyond = "an element is beyond its page";
        let node = match head.kind {
            BRANCH => Self::Branch(
                elements.map(|at| Child::read(page, at)).collect::<Option<_>>().ok_or(beyond)?,
            ),
            LEAF => Self::Leaf(
                elements.map(|at| Item::read(page, at)).collect::<Option<_>>().ok_or(beyond)?,
            ),
            _ => return Err("a page is neither a branch nor a leaf"),
        };
        match node.is_in_order() {
            true => Ok(node),
            false => Err("the keys of a page are not in order"),
        }
    }

    fn is_in_order(&self) -> bool {
        match self {
            Self::Branch(of) => !of.is_empty() && of.is_sorted_by(|a, b| a.key < b.key),
            Self::Leaf(of) => of.is_sorted_by(|a, b| a.key < b.key),
        }
    }

    /// Its first key.
    pub(super) fn first(&self) -> Option<&[u8]> {
        match self {
            Self::Branch(of) => of.first().map(|it| &it.key[..]),
            Self::Leaf(of) => of.first().map(|it| &it.key[..]),
        }
    }

    /// The page as it is written: of so many bytes that it fills pages of a size.
    pub(super) fn written(&self, id: u64, page_bytes: usize) -> Result<Vec<u8>, &'static str> {
        let mut page = self.packed()?;
        let pages = page.len().div_ceil(page_bytes).max(1);
        let overflow = u32::try_from(pages - 1).map_err(|_| "a page grew too large")?;
        page.resize(pages * page_bytes, 0);
        page[..8].copy_from_slice(&id.to_ne_bytes());
        page[12..16].copy_from_slice(&overflow.to_ne_bytes());
        Ok(page)
    }

    /// The page without an id, and no longer than it has to be: as it stands within a bucket's value.
    pub(super) fn packed(&self) -> Result<Vec<u8>, &'static str> {
        let (kind, count) = match self {
            Self::Branch(of) => (BRANCH, of.len()),
            Self::Leaf(of) => (LEAF, of.len()),
        };
        let fits = (count < ELEMENTS_MAX).then_some(count);
        let count = fits.and_then(|it| u16::try_from(it).ok()).ok_or("a page is full")?;
        let mut page = vec![0; HEADER + usize::from(count) * HEADER];
        page[8..10].copy_from_slice(&kind.to_ne_bytes());
        page[10..12].copy_from_slice(&count.to_ne_bytes());
        match self {
            Self::Branch(of) => {
                of.iter().enumerate().try_for_each(|it| it.1.write(&mut page, it.0))?
            }
            Self::Leaf(of) => {
                of.iter().enumerate().try_for_each(|it| it.1.write(&mut page, it.0))?
            }
        }
        Ok(page)
    }
}

impl Child {
    fn read(page: &[u8], at: usize) -> Option<Self> {
        let (from, key) = (u32_at(page, at)?, u32_at(page, at + 4)?);
        let key = bytes(page, at, from, 0, key)?;
        Some(Self { key, page: u64_at(page, at + 8)? })
    }

    fn write(&self, page: &mut Vec<u8>, index: usize) -> Result<(), &'static str> {
        let at = HEADER + index * HEADER;
        let words = [offset(page.len() - at)?, offset(self.key.len())?];
        page[at..at + 4].copy_from_slice(&words[0].to_ne_bytes());
        page[at + 4..at + 8].copy_from_slice(&words[1].to_ne_bytes());
        page[at + 8..at + 16].copy_from_slice(&self.page.to_ne_bytes());
        page.extend_from_slice(&self.key);
        Ok(())
    }
}

impl Item {
    fn read(page: &[u8], at: usize) -> Option<Self> {
        let (flags, from) = (u32_at(page, at)?, u32_at(page, at + 4)?);
        let (key, value) = (u32_at(page, at + 8)?, u32_at(page, at + 12)?);
        let is_bucket = flags & BUCKET != 0;
        let (key, value) = (bytes(page, at, from, 0, key)?, bytes(page, at, from, key, value)?);
        Some(Self { key, value, is_bucket })
    }

    fn write(&self, page: &mut Vec<u8>, index: usize) -> Result<(), &'static str> {
        let at = HEADER + index * HEADER;
        let flags = if self.is_bucket { BUCKET } else { 0 };
        let from = offset(page.len() - at)?;
        let words = [flags, from, offset(self.key.len())?, offset(self.value.len())?];
        for (slot, word) in page[at..at + HEADER].chunks_exact_mut(4).zip(words) {
            slot.copy_from_slice(&word.to_ne_bytes());
        }
        page.extend_from_slice(&self.key);
        page.extend_from_slice(&self.value);
        Ok(())
    }
}

fn offset(bytes: usize) -> Result<u32, &'static str> {
    u32::try_from(bytes).map_err(|_| "a page grew too large")
}

/// So many bytes of a page, counted from an element and passing over some.
fn bytes(page: &[u8], element: usize, from: u32, past: u32, length: u32) -> Option<Vec<u8>> {
    let number = |it: u32| usize::try_from(it).ok();
    let begin = element.checked_add(number(from)?)?.checked_add(number(past)?)?;
    Some(page.get(begin..begin.checked_add(number(length)?)?)?.to_vec())
}

fn array<const N: usize>(of: &[u8], at: usize) -> Option<[u8; N]> {
    of.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(of: &[u8], at: usize) -> Option<u16> {
    array(of, at).map(u16::from_ne_bytes)
}

pub(super) fn u32_at(of: &[u8], at: usize) -> Option<u32> {
    array(of, at).map(u32::from_ne_bytes)
}

pub(super) fn u64_at(of: &[u8], at: usize) -> Option<u64> {
    array(of, at).map(u64::from_ne_bytes)
}
