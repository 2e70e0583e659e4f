//! Requests as etcd's raft carries them, so that etcd does with them what it did once.
//!
//! They are etcd's own messages, as far as they are used here [src: `raft_internal.proto`, `rpc.proto`, and raft's
//! `raft.proto`; the numbers are the same from 3.4 to 3.7].

use bytes::Bytes;
use etcd_plan::ROOT;
use prost::{Message, Oneof};
use serde_json::json;

use crate::record::{Lease, Revision, Write};

/// What root asked is older than no change of users and roles.
const NEWEST: u64 = u64::MAX;

/// A change of members that is an update.
const UPDATE: i32 = 2;

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, optional, tag = "100")]
    header: Option<Header>,
    #[prost(message, optional, tag = "6")]
    transaction: Option<Transaction>,
    #[prost(message, optional, tag = "8")]
    grant: Option<Grant>,
}

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    user: String,
    /// The revision of users and roles that it was asked at.
    #[prost(uint64, tag = "3")]
    users_at: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Transaction {
    /// What is done if nothing is compared.
    #[prost(message, repeated, tag = "2")]
    operations: Vec<Operation>,
}

#[derive(Clone, PartialEq, Message)]
struct Operation {
    #[prost(oneof = "Does", tags = "2, 3")]
    does: Option<Does>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Does {
    #[prost(message, tag = "2")]
    Put(Put),
    #[prost(message, tag = "3")]
    Delete(Delete),
}

#[derive(Clone, PartialEq, Message)]
struct Put {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
    #[prost(int64, tag = "3")]
    lease: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Delete {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Grant {
    #[prost(int64, tag = "1")]
    ttl: i64,
    #[prost(int64, tag = "2")]
    id: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Change {
    #[prost(uint64, required, tag = "1")]
    id: u64,
    #[prost(int32, required, tag = "2")]
    kind: i32,
    #[prost(uint64, required, tag = "3")]
    member: u64,
    #[prost(bytes = "vec", required, tag = "4")]
    context: Vec<u8>,
}

impl Request {
    fn of_root(id: u64) -> Self {
        let header = Header { id, user: ROOT.to_owned(), users_at: NEWEST };
        Self { header: Some(header), ..Self::default() }
    }
}

/// One transaction that writes what was written at a revision.
pub(crate) fn transaction(id: u64, revision: Revision) -> Vec<u8> {
    let operations = revision.writes.into_iter().map(operation).collect();
    let transaction = Some(Transaction { operations });
    Request { transaction, ..Request::of_root(id) }.encode_to_vec()
}

fn operation(write: Write) -> Operation {
    let Write { key, value, lease, deleted } = write;
    let does = match deleted {
        true => Does::Delete(Delete { key }),
        false => Does::Put(Put { key, value, lease }),
    };
    Operation { does: Some(does) }
}

/// A lease of this id. One that is there already is left as it is.
pub(crate) fn grant(id: u64, lease: Lease) -> Vec<u8> {
    let grant = Some(Grant { ttl: lease.ttl, id: lease.id });
    Request { grant, ..Request::of_root(id) }.encode_to_vec()
}

/// A change of members after which a member is what it was.
pub(crate) fn unchanged(id: u64, member: u64, peer_url: &str) -> Vec<u8> {
    let context = json!({"id": member, "peerURLs": [peer_url]}).to_string().into_bytes();
    Change { id, kind: UPDATE, member, context }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_as_etcd_reads_them() {
        let put = Write { key: "k".into(), value: "v".into(), lease: 9, deleted: false };
        let delete = Write { key: "d".into(), value: Bytes::new(), lease: 0, deleted: true };
        let revision = Revision { revision: 4, writes: vec![put, delete] };
        let header =
            b"\xa2\x06\x13\x08\x07\x12\x04root\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        let operations = b"\x12\x0a\x12\x08\x0a\x01k\x12\x01v\x18\x09\x12\x05\x1a\x03\x0a\x01d";
        let expected = [header, &b"\x32\x13"[..], operations].concat();
        assert_eq!(sorted(&transaction(7, revision)), sorted(&expected));
        let expected = [header, &b"\x42\x04\x08\x3c\x10\x09"[..]].concat();
        assert_eq!(sorted(&grant(7, Lease { id: 9, ttl: 60 })), sorted(&expected));
        let context = br#"{"id":5,"peerURLs":["http://a:1"]}"#;
        let head = b"\x08\x07\x10\x02\x18\x05\x22\x22";
        assert_eq!(unchanged(7, 5, "http://a:1"), [&head[..], context].concat());
    }

    /// The order of fields says nothing.
    fn sorted(message: &[u8]) -> Vec<u8> {
        Request::decode(message).expect("a request").encode_to_vec()
    }
}
