//! One object as bytes on the disk; its key and revision are in the row's place.
//!
//! ```text
//! hole: u32 | labels: u32 count, then per label two strings | fields: likewise | encoding: all the rest
//! string: u32 length, UTF-8          (all numbers little-endian)
//! ```

use std::str;

use bytes::Bytes;

use crate::{Index, Key, Object, Revision};

/// What is wrong with a record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    #[error("has no valid key")]
    Key,
    #[error("ends too early")]
    Short,
    #[error("has text that is not UTF-8")]
    Text,
    #[error("does not carry its revision")]
    Revision,
}

pub(super) fn encode(object: &Object, buffer: &mut Vec<u8>) {
    buffer.clear();
    put_number(buffer, object.hole());
    put_pairs(buffer, &object.index().labels);
    put_pairs(buffer, &object.index().fields);
    buffer.extend_from_slice(object.bytes());
}

fn put_pairs(buffer: &mut Vec<u8>, pairs: &[(Box<str>, Box<str>)]) {
    put_number(buffer, pairs.len());
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        put_number(buffer, text.len());
        buffer.extend_from_slice(text.as_bytes());
    }
}

fn put_number(buffer: &mut Vec<u8>, number: usize) {
    let number = u32::try_from(number).expect("objects are limited to some megabytes");
    buffer.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn decode(
    revision: Revision,
    key: &str,
    mut record: &[u8],
) -> Result<Object, RecordError> {
    let key = Key::parse(key).ok_or(RecordError::Key)?;
    let hole = take_number(&mut record)?;
    let labels = take_pairs(&mut record)?;
    let fields = take_pairs(&mut record)?;
    let bytes = Bytes::copy_from_slice(record);
    Object::restore(key, revision, (bytes, hole), Index { labels, fields })
        .ok_or(RecordError::Revision)
}

type Pairs = Box<[(Box<str>, Box<str>)]>;

fn take_pairs(record: &mut &[u8]) -> Result<Pairs, RecordError> {
    let count = take_number(record)?;
    (0..count).map(|_| Ok((take_text(record)?, take_text(record)?))).collect()
}

fn take_text(record: &mut &[u8]) -> Result<Box<str>, RecordError> {
    let length = take_number(record)?;
    let text = record.split_off(..length).ok_or(RecordError::Short)?;
    str::from_utf8(text).map(Into::into).map_err(|_| RecordError::Text)
}

fn take_number(record: &mut &[u8]) -> Result<usize, RecordError> {
    let number = record.split_off(..4).ok_or(RecordError::Short)?;
    let number: [u8; 4] = number.try_into().expect("split off as four bytes");
    Ok(u32::from_le_bytes(number) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draft;

    fn object() -> Object {
        let pair = |name: &str, value: &str| (name.into(), value.into());
        let index = Index {
            labels: [pair("app", "web"), pair("ü", "")].into(),
            fields: [pair("metadata.name", "a")].into(),
        };
        let draft = Draft { before: b"{\"v\":\"".into(), after: b"\"}".into(), index };
        Object::new(Key::new(&["core", "pods", "a"]).unwrap(), Revision(1234), draft)
    }

    #[test]
    fn a_record_is_the_object_again() {
        let (object, mut buffer) = (object(), Vec::new());
        encode(&object, &mut buffer);
        let again = decode(object.revision(), object.key().as_str(), &buffer).unwrap();
        assert_eq!(again.bytes(), object.bytes());
        assert_eq!(again.index(), object.index());
        assert_eq!(again.bytes_at(Revision(9)), "{\"v\":\"9\"}");
    }

    #[test]
    fn a_cut_record_is_refused_wherever_it_is_cut() {
        let mut buffer = Vec::new();
        encode(&object(), &mut buffer);
        let needed = buffer.len() - "\"}".len();
        for length in 0..needed {
            let error = decode(Revision(1234), "/core/pods/a", &buffer[..length]).unwrap_err();
            assert!(matches!(error, RecordError::Short | RecordError::Revision), "{length}");
        }
    }

    #[test]
    fn a_record_at_another_place_is_refused() {
        let mut buffer = Vec::new();
        encode(&object(), &mut buffer);
        let decode = |revision, key| decode(Revision(revision), key, &buffer).unwrap_err();
        assert_eq!(decode(1235, "/core/pods/a"), RecordError::Revision);
        assert_eq!(decode(12345, "/core/pods/a"), RecordError::Revision);
        assert_eq!(decode(1234, "core/pods"), RecordError::Key);
    }
}
