//! Entries without an archive, and archives with some.

use std::collections::BTreeMap;

use bytes::Bytes;
use endstate_archive::{
    Archive, ArchiveError, Entry, Identity, Kind, Lineage, NewEntry, Packing, Reader,
};
use jiff::Timestamp;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a moment")
}

pub(crate) fn lineage() -> Lineage {
    "8f1c2d3e".parse().expect("a name")
}

/// An entry that was never written.
pub(crate) fn entry(lineage: &str, kind: Kind, taken: i64) -> Entry {
    let (word, first, last) = match kind {
        Kind::Full { revision } => ("full", revision, revision),
        Kind::Delta { first, last, .. } => ("delta", first, last),
    };
    let random = u64::try_from(taken).expect("positive") * 1_000 + first;
    let name = format!("{lineage}/{word}-{first:020}-{last:020}-20261130T085700Z-{random:016x}");
    Entry {
        format: 1,
        name: name.parse().expect("a name"),
        kind,
        taken: at(taken),
        by: "somebody".to_owned(),
        facts: BTreeMap::new(),
        bytes: 0,
        stored: 0,
        sha256: "0".repeat(64),
        compression: Packing::default().compression,
        encryption: Packing::default().encryption,
    }
}

pub(crate) fn full(revision: u64, taken: i64) -> Entry {
    entry("l", Kind::Full { revision }, taken)
}

pub(crate) fn delta(first: u64, last: u64, from: i64, taken: i64) -> Entry {
    entry("l", Kind::Delta { first, last, from: at(from) }, taken)
}

pub(crate) fn new(revision: u64) -> NewEntry {
    NewEntry {
        kind: Kind::Full { revision },
        taken: at(1_000),
        by: "somebody".to_owned(),
        facts: BTreeMap::from([("version".to_owned(), "1.2.3".to_owned())]),
    }
}

/// Writes data in uneven pieces.
pub(crate) async fn write(
    archive: &Archive,
    packing: &Packing,
    data: &[u8],
) -> Result<Entry, ArchiveError> {
    let mut writer = archive.write(&lineage(), packing)?;
    for piece in data.chunks(77_777) {
        writer.push(Bytes::copy_from_slice(piece)).await?;
    }
    writer.finish(new(42)).await
}

pub(crate) async fn read(
    archive: &Archive,
    entry: &Entry,
    identity: Option<&Identity>,
) -> Result<Vec<u8>, ArchiveError> {
    all(archive.read(entry, identity).await?).await
}

pub(crate) async fn all(mut reader: Reader) -> Result<Vec<u8>, ArchiveError> {
    let mut data = Vec::new();
    while let Some(piece) = reader.next().await {
        data.extend_from_slice(&piece?);
    }
    Ok(data)
}

/// Bytes that nothing compresses, the same for a seed.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut data = Vec::with_capacity(length + 8);
    while data.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend_from_slice(&state.to_le_bytes());
    }
    data.truncate(length);
    data
}

/// Bytes that compress well.
pub(crate) fn text(length: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(length + 64);
    for number in 0.. {
        if data.len() >= length {
            break;
        }
        data.extend_from_slice(format!("/registry/pods/{number}\n").as_bytes());
    }
    data.truncate(length);
    data
}
