//! How fast data is written and read, and how much memory it takes: `throughput PLACE [KEYS] [MEBIBYTES]`.
//!
//! The place is JSON, such as `{"path": {"path": "/tmp/backups"}}`. The data is half noise and half text, which zstd
//! makes about half as large.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use bytes::Bytes;
use endstate_archive::{
    Archive, Compression, Encryption, Entry, Identity, Kind, Lineage, NewEntry, Packing,
};
use jiff::Timestamp;

const CHUNK: usize = 64 << 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let place = serde_json::from_str(&arguments.next().ok_or("say the place")?)?;
    let keys = arguments.next().filter(|it| !it.is_empty());
    let mebibytes: usize = arguments.next().map_or(Ok(1024), |it| it.parse())?;
    let archive = Archive::open(&place, keys.as_deref().map(std::path::Path::new))?;
    let identity = Identity::generate();
    let age = Encryption::Age { recipients: identity.recipients() };
    let chunks = chunks();
    for compression in [Compression::None, Compression::Zstd { level: 1 }] {
        for encryption in [Encryption::None, age.clone()] {
            let packing = Packing { compression, encryption: encryption.clone() };
            let before = rest();
            let start = Instant::now();
            let entry = write(&archive, &packing, &chunks, mebibytes << 20).await?;
            let written = start.elapsed().as_secs_f64();
            let wrote_in = peak() - before;
            let before = rest();
            let start = Instant::now();
            read(&archive, &entry, &identity).await?;
            let took = start.elapsed().as_secs_f64();
            let megabytes = entry.bytes as f64 / 1e6;
            let crypt = if encryption == Encryption::None { "plain" } else { "age" };
            println!(
                "{compression:?} {crypt}: wrote {:.0} MB/s, read {:.0} MB/s, stored {:.0} %; memory {wrote_in} and {} MB",
                megabytes / written,
                megabytes / took,
                100.0 * entry.stored as f64 / entry.bytes as f64,
                peak() - before,
            );
            archive.delete(&entry).await?;
        }
    }
    Ok(())
}

async fn write(
    archive: &Archive,
    packing: &Packing,
    chunks: &[Bytes],
    bytes: usize,
) -> Result<Entry, Box<dyn Error>> {
    let lineage: Lineage = "throughput".parse()?;
    let mut writer = archive.write(&lineage, packing)?;
    for chunk in chunks.iter().cycle().take(bytes / CHUNK) {
        writer.push(chunk.clone()).await?;
    }
    let kind = Kind::Full { revision: 1 };
    let by = String::new();
    let facts = BTreeMap::new();
    Ok(writer.finish(NewEntry { kind, taken: Timestamp::now(), by, facts }).await?)
}

async fn read(archive: &Archive, entry: &Entry, identity: &Identity) -> Result<(), Box<dyn Error>> {
    let mut reader = archive.read(entry, Some(identity)).await?;
    while let Some(piece) = reader.next().await {
        piece?;
    }
    Ok(())
}

/// 32 MiB in chunks.
fn chunks() -> Vec<Bytes> {
    let mut state = 1_u64;
    let mut chunk = |index: usize| {
        let mut data = Vec::with_capacity(CHUNK + 64);
        while data.len() < CHUNK / 2 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            data.extend_from_slice(&state.to_le_bytes());
        }
        while data.len() < CHUNK {
            data.extend_from_slice(format!("/registry/pods/{index}/{}\n", data.len()).as_bytes());
        }
        data.truncate(CHUNK);
        Bytes::from(data)
    };
    (0..512).map(&mut chunk).collect()
}

/// The memory that the process holds in megabytes, from which on its peak is counted.
fn rest() -> i64 {
    // 5 is the kernel's word for it; where it may not be written the peak is that of all until now.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    status("VmRSS:")
}

/// The most memory that the process has held since.
fn peak() -> i64 {
    status("VmHWM:")
}

fn status(key: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|it| it.strip_prefix(key));
    let kibibytes = line.and_then(|it| it.trim().strip_suffix(" kB")?.parse::<i64>().ok());
    kibibytes.unwrap_or_default() / 1_000
}
