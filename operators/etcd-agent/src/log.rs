//! etcd's write-ahead log, as far as entries can be appended to one that no etcd uses.
//!
//! It is files of records, `SEQUENCE-INDEX.wal` in hexadecimal digits, where `INDEX` is that of the first entry that
//! may be in it. A record is a message of protocol buffers behind eight bytes, little-endian: seven of its length, and
//! one that says how many zeros make it up to a multiple of eight. Zeros follow on the last one. Each record has the
//! CRC-32C of what all records up to it hold, across files, and each file begins with the one that it goes on from.
//! Versions 3.4 to 3.7 write and read this alike [src: `server/storage/wal`].

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crc_fast::{CrcAlgorithm, Digest};
use prost::{DecodeError, Message};

/// How much is read or written at once.
const BUFFER: usize = 1 << 20;
/// The least that a disk writes whole.
const SECTOR: usize = 512;
const NO_RECORD: &str = "a record is none";

/// What a record may be.
mod kind {
    pub(super) const METADATA: i64 = 1;
    pub(super) const ENTRY: i64 = 2;
    pub(super) const STATE: i64 = 3;
    pub(super) const CRC: i64 = 4;
    pub(super) const SNAPSHOT: i64 = 5;
}

/// A record. All of its fields are written, as etcd does.
#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(int64, required, tag = "1")]
    kind: i64,
    #[prost(uint32, required, tag = "2")]
    crc: u32,
    #[prost(bytes = "vec", optional, tag = "3")]
    data: Option<Vec<u8>>,
}

/// Whose log it is.
#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(uint64, required, tag = "1")]
    member: u64,
}

/// What raft remembers beside its entries.
#[derive(Clone, PartialEq, Message)]
struct State {
    #[prost(uint64, required, tag = "1")]
    term: u64,
    #[prost(uint64, required, tag = "2")]
    vote: u64,
    #[prost(uint64, required, tag = "3")]
    commit: u64,
}

/// A snapshot that is beside the log: entries up to there are not needed any more.
#[derive(Clone, PartialEq, Message)]
struct Snapshot {
    #[prost(uint64, required, tag = "1")]
    index: u64,
}

/// An entry of raft's.
#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(int32, required, tag = "1")]
    kind: i32,
    #[prost(uint64, required, tag = "2")]
    term: u64,
    #[prost(uint64, required, tag = "3")]
    index: u64,
    #[prost(bytes = "vec", optional, tag = "4")]
    data: Option<Vec<u8>>,
}

/// What an entry asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// A request of etcd's.
    Request,
    /// A change of members.
    Change,
}

/// Why nothing can be appended.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file.
    #[error("cannot use {}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No log is there.
    #[error("there is no log in {}", .0.display())]
    Nothing(PathBuf),
    /// It is damaged, or of a version that is not known here.
    #[error("{} cannot be read: {why}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
}

/// A log that is being appended to.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: BufWriter<File>,
    end: End,
    appended: u64,
}

impl Log {
    /// Opens the log in a folder at its end.
    pub(crate) fn open(folder: &Path) -> Result<Self, LogError> {
        let path = last(folder)?;
        let (mut file, end) = read(&path)?;
        file.seek(SeekFrom::Start(end.offset)).map_err(of(&path))?;
        Ok(Self { path, file: BufWriter::with_capacity(BUFFER, file), end, appended: 0 })
    }

    /// Whose log it is.
    pub(crate) fn member(&self) -> u64 {
        self.end.member
    }

    /// The index that the next entry has.
    pub(crate) fn next(&self) -> u64 {
        self.end.index + 1
    }

    /// How many bytes were appended.
    pub(crate) fn appended(&self) -> u64 {
        self.appended
    }

    /// Appends an entry.
    pub(crate) fn append(&mut self, asks: Asks, data: Vec<u8>) -> Result<(), LogError> {
        let (kind, index) = (i32::from(asks == Asks::Change), self.next());
        let entry = Entry { kind, term: self.end.state.term, index, data: Some(data) };
        self.write(kind::ENTRY, entry.encode_to_vec())?;
        self.end.index = index;
        Ok(())
    }

    /// Says that all entries are committed. They are not made durable.
    pub(crate) fn commit(&mut self) -> Result<(), LogError> {
        self.end.state.commit = self.end.index;
        let state = self.end.state.encode_to_vec();
        self.write(kind::STATE, state)?;
        self.file.flush().map_err(of(&self.path))
    }

    /// Makes what was appended durable.
    pub(crate) fn sync(&self) -> Result<(), LogError> {
        self.file.get_ref().sync_all().map_err(of(&self.path))
    }

    /// The last index that it says is committed, and that of the last entry.
    pub(crate) fn reach(&self) -> (u64, u64) {
        (self.end.state.commit, self.end.index)
    }

    /// The entry up to which the last snapshot goes that the last file of the log names; 0 if it names none but the
    /// beginning.
    pub(crate) fn snapshot(&self) -> u64 {
        self.end.snapshot
    }

    fn write(&mut self, kind: i64, data: Vec<u8>) -> Result<(), LogError> {
        let crc = self.end.crc.of(&data);
        let framed = framed(&Record { kind, crc, data: Some(data) });
        self.appended += framed.len() as u64;
        self.file.write_all(&framed).map_err(of(&self.path))
    }
}

/// The end of a log.
#[derive(Debug)]
struct End {
    offset: u64,
    crc: Chain,
    member: u64,
    state: State,
    /// Of the last entry.
    index: u64,
    /// Up to where the last snapshot goes that the last file names.
    snapshot: u64,
}

impl End {
    /// Before the first record of a file.
    fn before(index: u64) -> Self {
        Self {
            offset: 0,
            crc: Chain::after(0),
            member: 0,
            state: State::default(),
            index,
            snapshot: 0,
        }
    }

    /// Goes on by a record; says what is wrong with it, if anything is.
    fn pass(&mut self, record: Record) -> Result<(), &'static str> {
        let data = record.data.unwrap_or_default();
        if record.kind == kind::CRC {
            self.crc = Chain::after(record.crc);
            return Ok(());
        }
        let before = self.crc.clone();
        if self.crc.of(&data) != record.crc {
            self.crc = before;
            return Err("a record's checksum is another");
        }
        self.take(record.kind, &data).map_err(|_| NO_RECORD)
    }

    fn take(&mut self, kind: i64, data: &[u8]) -> Result<(), DecodeError> {
        match kind {
            kind::METADATA => self.member = Metadata::decode(data)?.member,
            kind::ENTRY => self.index = Entry::decode(data)?.index,
            kind::STATE => self.state = State::decode(data)?,
            kind::SNAPSHOT => self.snapshot = Snapshot::decode(data)?.index,
            _ => {}
        }
        Ok(())
    }
}

/// A CRC-32C that goes on from an earlier one.
#[derive(Clone)]
struct Chain(Digest);

impl Chain {
    fn after(crc: u32) -> Self {
        Self(Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!crc)))
    }

    /// That of all until the end of this.
    fn of(&mut self, data: &[u8]) -> u32 {
        self.0.update(data);
        u32::try_from(self.0.finalize()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chain({:08x})", self.0.finalize())
    }
}

/// The last file of a log.
fn last(folder: &Path) -> Result<PathBuf, LogError> {
    let entries = fs::read_dir(folder).map_err(of(folder))?;
    let files = entries.flatten().map(|it| it.path());
    let logs = files.filter(|it| it.extension().is_some_and(|it| it == "wal"));
    logs.max().ok_or_else(|| LogError::Nothing(folder.to_owned()))
}

/// The index of the last entry before a file, by its name.
fn index_before(path: &Path) -> Option<u64> {
    let (_, first) = path.file_stem()?.to_str()?.split_once('-')?;
    Some(u64::from_str_radix(first, 16).ok()?.saturating_sub(1))
}

/// Reads a file up to its end; a record there that was not written whole is cut off.
fn read(path: &Path) -> Result<(File, End), LogError> {
    let damaged = |why| LogError::Damaged { path: path.to_owned(), why };
    let index = index_before(path).ok_or_else(|| damaged("its name is none of a log"))?;
    let file = File::options().read(true).write(true).open(path).map_err(of(path))?;
    let bytes = file.metadata().map_err(of(path))?.len();
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let mut end = End::before(index);
    while bytes - end.offset >= 8 {
        let mut head = [0; 8];
        reader.read_exact(&mut head).map_err(of(path))?;
        let Some((length, fill)) = lengths(head) else { break };
        let beyond = bytes - end.offset - 8;
        if length.saturating_add(fill) > beyond {
            return Err(damaged("it ends within a record"));
        }
        let mut data = vec![0; usize::try_from(length + fill).unwrap_or_default()];
        reader.read_exact(&mut data).map_err(of(path))?;
        data.truncate(usize::try_from(length).unwrap_or_default());
        match Record::decode(&data[..]).map_err(|_| NO_RECORD).and_then(|it| end.pass(it)) {
            Ok(()) => {}
            Err(_) if is_torn(&data, end.offset + 8) => {
                cut(reader.get_ref(), end.offset).map_err(of(path))?;
                break;
            }
            Err(why) => return Err(damaged(why)),
        }
        end.offset += 8 + length + fill;
    }
    match end.member != 0 && end.state.term != 0 {
        true => Ok((reader.into_inner(), end)),
        false => Err(damaged("it does not say whose it is")),
    }
}

/// Whether a record that makes no sense was not written whole, when its process ended: a sector of it has only the
/// zeros that the file was made with. etcd goes by the same, and leaves such a record out.
fn is_torn(record: &[u8], offset: u64) -> bool {
    let past = usize::try_from(offset).unwrap_or_default() % SECTOR;
    let first = (SECTOR - past).min(record.len());
    let (head, rest) = record.split_at(first);
    let mut sectors = [head].into_iter().chain(rest.chunks(SECTOR));
    sectors.any(|it| it.iter().all(|byte| *byte == 0))
}

/// Leaves zeros from here on.
fn cut(file: &File, end: u64) -> io::Result<()> {
    let length = file.metadata()?.len();
    file.set_len(end)?;
    file.set_len(length)
}

/// A record as it is written.
fn framed(record: &Record) -> Vec<u8> {
    let length = record.encoded_len();
    let fill = length.next_multiple_of(8) - length;
    let mark = if fill > 0 { 0x80 | fill as u64 } else { 0 };
    let mut framed = Vec::with_capacity(8 + length + fill);
    framed.extend_from_slice(&(length as u64 | (mark << 56)).to_le_bytes());
    framed.extend_from_slice(&record.encode_to_vec());
    framed.resize(8 + length + fill, 0);
    framed
}

/// How long a record is, and how many zeros follow; nothing if there is none.
fn lengths(head: [u8; 8]) -> Option<(u64, u64)> {
    let word = u64::from_le_bytes(head);
    let mark = word >> 56;
    let fill = if mark & 0x80 != 0 { mark & 7 } else { 0 };
    (word != 0).then_some((word & (u64::MAX >> 8), fill))
}

fn of(path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |source| LogError::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "0000000000000001-0000000000000007.wal";

    /// A log as etcd leaves it: with zeros at its end, and from a checksum on that it has of the file before.
    fn made(folder: &Path) -> PathBuf {
        let (mut crc, mut bytes) = (Chain::after(77), vec![]);
        let record = Record { kind: kind::CRC, crc: 77, data: None };
        bytes.extend(framed(&record));
        let state = State { term: 3, vote: 5, commit: 6 };
        let records = [
            (kind::METADATA, Metadata { member: 5 }.encode_to_vec()),
            (kind::STATE, state.encode_to_vec()),
        ];
        for (kind, data) in records {
            bytes.extend(framed(&Record { kind, crc: crc.of(&data), data: Some(data) }));
        }
        bytes.resize(4_096, 0);
        let path = folder.join(NAME);
        fs::write(&path, bytes).expect("a file");
        path
    }

    #[test]
    fn checksums_go_on_across_records_as_castagnoli_says() {
        assert_eq!(Chain::after(0).of(b"123456789"), 0xe306_9283);
        let mut chain = Chain::after(0);
        chain.of(b"1234");
        assert_eq!(chain.of(b"56789"), 0xe306_9283);
        assert_eq!(Chain::after(Chain::after(0).of(b"1234")).of(b"56789"), 0xe306_9283);
    }

    #[test]
    fn what_is_appended_is_found_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = made(folder.path());
        for (round, before) in [(1, 6), (2, 9)] {
            let mut log = Log::open(folder.path()).expect("a log");
            assert_eq!((log.member(), log.next()), (5, before + 1), "{round}");
            for size in [0, 1, 9_000] {
                log.append(Asks::Request, vec![7; size]).expect("it is appended");
            }
            log.commit().expect("it is written");
        }
        let (_, end) = read(&path).expect("it can be read");
        assert_eq!(end.state, State { term: 3, vote: 5, commit: 12 });
        assert_eq!((end.index, end.offset % 8), (12, 0));
    }

    #[test]
    fn a_record_that_was_not_written_whole_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = made(folder.path());
        let before = read(&path).expect("it can be read").1.offset;
        let mut log = Log::open(folder.path()).expect("a log");
        log.append(Asks::Request, vec![7; 2_000]).expect("it is appended");
        log.commit().expect("it is written");
        let mut bytes = fs::read(&path).expect("a file");
        let torn = usize::try_from(before).expect("it is small") + 1_500;
        bytes[torn..].fill(0);
        fs::write(&path, &bytes).expect("a file");
        let mut log = Log::open(folder.path()).expect("a log");
        assert_eq!(log.reach(), (6, 6), "what was committed before");
        log.append(Asks::Request, vec![7; 9]).expect("it is appended");
        log.commit().expect("it is written");
        assert_eq!(Log::open(folder.path()).expect("a log").reach(), (7, 7));
    }

    #[test]
    fn nothing_is_appended_to_what_is_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(Log::open(folder.path()), Err(LogError::Nothing(_))));
        let path = made(folder.path());
        let whole = fs::read(&path).expect("a file");
        let end = read(&path).expect("it can be read").1.offset;
        let cut = usize::try_from(end).expect("it is small") - 3;
        fs::write(&path, &whole[..cut]).expect("a file");
        assert!(matches!(Log::open(folder.path()), Err(LogError::Damaged { .. })));
        let mut flipped = whole.clone();
        flipped[cut - 4] ^= 1;
        fs::write(&path, &flipped).expect("a file");
        assert!(matches!(Log::open(folder.path()), Err(LogError::Damaged { .. })));
    }
}
