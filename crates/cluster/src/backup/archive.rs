//! The file of a backup: a gzipped tar archive, whose last entry has the SHA-256 sums of the others, as `sha256sum -c`
//! reads them.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{Archive, EntryType, Header};

const SUMS: &str = "SHA256SUMS";

/// What an entry, and all of them, may hold: more than the memory that a cluster's objects have to fit in.
const BYTES_MAX: u64 = 64 << 30;

const SUMS_BYTES_MAX: u64 = 64 << 10;

pub(super) struct Writer<W: Write> {
    archive: tar::Builder<GzEncoder<W>>,
    sums: String,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        let archive = tar::Builder::new(GzEncoder::new(out, Compression::fast()));
        Self { archive, sums: String::new() }
    }

    pub(super) fn add(&mut self, name: &str, mut file: File) -> Result<()> {
        let mut hasher = Sha256::new();
        let length = io::copy(&mut file, &mut HashingWriter(&mut hasher, io::sink()))?;
        file.seek(SeekFrom::Start(0))?;
        self.append(name, length, &mut file.take(length))?;
        self.sums += &format!("{}  {name}\n", hex(hasher));
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<W> {
        let sums = std::mem::take(&mut self.sums);
        self.append(SUMS, sums.len() as u64, &mut sums.as_bytes())?;
        Ok(self.archive.into_inner()?.finish()?)
    }

    fn append(&mut self, name: &str, length: u64, content: &mut impl Read) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(length);
        Ok(self.archive.append_data(&mut header, name, content)?)
    }
}

/// Writes the entries of an archive into a directory. It has to hold these names, each once, and nothing else: no name
/// of an archive becomes a path. What was written is worth something only after this has returned.
pub(super) fn unpack(backup: impl Read, target: &Path, names: &[&str]) -> Result<()> {
    let mut archive = Archive::new(GzDecoder::new(backup).take(BYTES_MAX));
    let mut sums = BTreeMap::new();
    let mut expected = None;
    for entry in archive.entries()? {
        let mut entry = entry.context(DAMAGED)?;
        ensure!(expected.is_none(), "{DAMAGED}: it goes on after its sums");
        let kind = entry.header().entry_type();
        let name = entry.path().context(DAMAGED)?.into_owned();
        ensure!(kind == EntryType::Regular, "{FOREIGN}: {} is no file", name.display());
        if name == Path::new(SUMS) {
            let mut text = String::new();
            entry.take(SUMS_BYTES_MAX).read_to_string(&mut text).context(DAMAGED)?;
            expected = Some(text);
            continue;
        }
        let Some(name) = names.iter().find(|it| name == Path::new(it)) else {
            bail!("{FOREIGN}: it holds {}", name.display());
        };
        let sum = extract(&mut entry, &target.join(name))?;
        ensure!(sums.insert(*name, sum).is_none(), "{DAMAGED}: {name} is in it twice");
    }
    // The end of the compressed stream has a sum of its own; an archive's reader stops before it.
    let rest = io::copy(&mut archive.into_inner(), &mut io::sink()).context(DAMAGED)?;
    ensure!(rest <= 64 << 10, "{DAMAGED}: it goes on after its end");
    let Some(expected) = expected else { bail!("{DAMAGED}: its end is missing") };
    check(&expected, &sums, names)
}

const DAMAGED: &str = "it is damaged or was cut short";
const FOREIGN: &str = "it is no backup of `endstate backup`";

fn check(expected: &str, sums: &BTreeMap<&str, String>, names: &[&str]) -> Result<()> {
    if let Some(missing) = names.iter().find(|it| !sums.contains_key(**it)) {
        bail!("{DAMAGED}: {missing} is not in it");
    }
    for (name, sum) in sums {
        let line = format!("{sum}  {name}");
        ensure!(expected.lines().any(|it| it == line), "{DAMAGED}: {name} is not what it was");
    }
    Ok(())
}

fn extract(entry: &mut impl Read, target: &Path) -> Result<String> {
    let mut options = OpenOptions::new();
    // A second entry of a name would find the first one's file.
    let file = options.write(true).create_new(true).mode(0o600).open(target);
    let file = file.with_context(|| format!("cannot make {}", target.display()))?;
    let mut hasher = Sha256::new();
    io::copy(entry, &mut HashingWriter(&mut hasher, &file)).context(DAMAGED)?;
    file.sync_all()?;
    Ok(hex(hasher))
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct HashingWriter<'a, W>(&'a mut Sha256, W);

impl<W: Write> Write for HashingWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.1.write(bytes)?;
        self.0.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}
