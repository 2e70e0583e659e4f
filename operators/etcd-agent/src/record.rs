//! What a delta holds: the history of a cluster between two revisions, one record after the other.
//!
//! Each record is a message of protocol buffers behind its length (a varint):
//!
//! ```proto
//! message Record { oneof what { Lease lease = 1; Revision revision = 2; } }
//! message Lease { int64 id = 1; int64 ttl = 2; }              // before the first key that is attached to it; seconds
//! message Revision { uint64 revision = 1; repeated Write writes = 2; }
//! message Write { bytes key = 1; bytes value = 2; int64 lease = 3; bool deleted = 4; }
//! ```
//!
//! The records of revisions are in order, and none is missing. Writes of one revision were one transaction.

use bytes::{Bytes, BytesMut};
use prost::{DecodeError, Message, Oneof};

/// The longest record: more than etcd accepts in one request by far.
const RECORD_MAX: usize = 1 << 29;

/// The longest varint of a length.
const LENGTH_BYTES_MAX: usize = 10;

/// One record.
#[derive(Clone, PartialEq, Message)]
pub struct Record {
    /// What it tells.
    #[prost(oneof = "What", tags = "1, 2")]
    pub what: Option<What>,
}

/// What a record tells.
#[derive(Clone, PartialEq, Oneof)]
pub enum What {
    /// There is a lease.
    #[prost(message, tag = "1")]
    Lease(Lease),
    /// What was written.
    #[prost(message, tag = "2")]
    Revision(Revision),
}

/// A lease that keys are attached to.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Lease {
    /// Its id.
    #[prost(int64, tag = "1")]
    pub id: i64,
    /// Seconds that it was granted for; 0 if it was gone when it was asked for.
    #[prost(int64, tag = "2")]
    pub ttl: i64,
}

/// What one transaction wrote.
#[derive(Clone, PartialEq, Message)]
pub struct Revision {
    /// The revision that it made.
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    /// In order.
    #[prost(message, repeated, tag = "2")]
    pub writes: Vec<Write>,
}

/// A key that was written or deleted.
#[derive(Clone, PartialEq, Message)]
pub struct Write {
    /// The key.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// Its value.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
    /// The lease that it is attached to; 0 for none.
    #[prost(int64, tag = "3")]
    pub lease: i64,
    /// Whether it was deleted.
    #[prost(bool, tag = "4")]
    pub deleted: bool,
}

impl Record {
    /// The record as it is written.
    pub fn packed(what: What) -> Bytes {
        Self { what: Some(what) }.encode_length_delimited_to_vec().into()
    }
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is no message of this kind.
    #[error("a record is none")]
    Decode(#[from] DecodeError),
    /// It says that it is longer than any.
    #[error("a record is too long")]
    Long,
    /// It tells nothing that is known here.
    #[error("a record tells what this version does not know")]
    Unknown,
}

/// Reads records from a stream that is cut anywhere.
#[derive(Default, Debug)]
pub struct Reader(BytesMut);

impl Reader {
    /// Takes in what comes next.
    pub fn push(&mut self, chunk: &[u8]) {
        self.0.extend_from_slice(chunk);
    }

    /// The next record that is whole.
    pub fn take(&mut self) -> Result<Option<What>, RecordError> {
        let Some((length, head)) = self.length()? else { return Ok(None) };
        if self.0.len() < head + length {
            return Ok(None);
        }
        let _ = self.0.split_to(head);
        let record = Record::decode(self.0.split_to(length).freeze())?;
        record.what.map(Some).ok_or(RecordError::Unknown)
    }

    /// Whether nothing is left over.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The length of the next record, and how many bytes say so.
    fn length(&self) -> Result<Option<(usize, usize)>, RecordError> {
        let mut rest = &self.0[..self.0.len().min(LENGTH_BYTES_MAX)];
        let before = rest.len();
        match prost::decode_length_delimiter(&mut rest) {
            Ok(length) if length <= RECORD_MAX => Ok(Some((length, before - rest.len()))),
            Err(_) if before < LENGTH_BYTES_MAX => Ok(None),
            Err(error) => Err(error.into()),
            Ok(_) => Err(RecordError::Long),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<What> {
        let write = |key: &str, deleted| Write {
            key: key.to_owned().into(),
            value: vec![7; 300].into(),
            lease: 9,
            deleted,
        };
        let writes = vec![write("a", false), write("b", true)];
        let revision = Revision { revision: 12, writes };
        vec![What::Lease(Lease { id: 9, ttl: 60 }), What::Revision(revision)]
    }

    #[test]
    fn records_come_back_however_the_stream_is_cut() {
        let packed: Vec<u8> = records().into_iter().flat_map(Record::packed).collect();
        for size in [1, 2, 7, 300, packed.len()] {
            let (mut reader, mut read) = (Reader::default(), vec![]);
            for chunk in packed.chunks(size) {
                reader.push(chunk);
                while let Some(what) = reader.take().unwrap() {
                    read.push(what);
                }
            }
            assert_eq!(read, records(), "{size}");
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn what_is_no_record_is_an_error_and_what_is_cut_off_is_left_over() {
        let mut reader = Reader::default();
        reader.push(&[0xff; 16]);
        assert!(reader.take().is_err());
        let mut reader = Reader::default();
        reader.push(&[0]);
        assert!(matches!(reader.take(), Err(RecordError::Unknown)));
        let packed = Record::packed(records().remove(1));
        let mut reader = Reader::default();
        reader.push(&packed[..packed.len() - 1]);
        assert!(reader.take().unwrap().is_none() && !reader.is_empty());
    }
}
