//! Where backups are kept: entries of an application's history in an object store or a folder, compressed, encrypted
//! and verified.
//!
//! An [`Archive`] is open at a [`Place`]: a bucket of S3 or of what speaks its protocol, of Google Cloud Storage, of
//! Azure, of OSS, or a folder. It holds [`Entry`]s: of each [`Lineage`] (one cluster, whose revisions can be compared)
//! full ones, which are all of the data at a revision, and deltas, which are what happened in a range of revisions. The
//! library knows nothing of what the data is.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use endstate_archive::{Archive, Kind, Lineage, NewEntry, Packing, Place, Target, chain};
//! use jiff::Timestamp;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().to_owned();
//! let archive = Archive::open(&Place::Path { path }, None)?;
//! let lineage: Lineage = "8f1c2d3e".parse()?;
//!
//! let mut writer = archive.write(&lineage, &Packing::default())?;
//! writer.push("all of the data".into()).await?;
//! writer
//!     .finish(NewEntry {
//!         kind: Kind::Full { revision: 42 },
//!         taken: Timestamp::now(),
//!         by: "1b4e28ba-2fa1-11d2-883f-0016d3cca427".to_owned(),
//!         facts: BTreeMap::new(),
//!     })
//!     .await?;
//!
//! let entries = archive.list(Some(&lineage)).await?.entries;
//! let chain = chain(&entries, Target::Latest)?;
//! let mut reader = archive.read(chain.full, None).await?;
//! let mut data = Vec::new();
//! while let Some(piece) = reader.next().await {
//!     data.extend_from_slice(&piece?);
//! }
//! // Only now is it verified.
//! assert_eq!(data, b"all of the data");
//! # Ok(())
//! # }
//! ```
//!
//! # What is kept where
//!
//! ```text
//! <prefix>/<lineage>/full-00000000000000000042-00000000000000000042-20261130T085700Z-00c0ffee00c0ffee.json
//! <prefix>/<lineage>/data/20261130T085700Z-00c0ffee00c0ffee.zst.age
//! ```
//!
//! The data is written first and its manifest last, so that an entry is there whole or not at all; names are unique, so
//! that nothing is ever written over. In a folder both are on the disk (`fsync`) before [`Writer::finish`] returns.
//! [`Archive::sweep`] deletes the data of writers that never finished.
//!
//! People get at the data without this library, with `age` and `zstd`; the manifest has its SHA-256:
//!
//! ```text
//! age --decrypt --identity KEYFILE 20261130T085700Z-00c0ffee00c0ffee.zst.age > data.zst
//! zstd --decompress data.zst
//! ```
//!
//! # Encryption, and whom it keeps out
//!
//! [`Encryption::Age`] needs only public keys to write: whoever takes backups cannot read old ones. It does not show
//! who wrote an entry: someone who may write to the place can put an entry of their own there. What an entry is (its
//! lineage, revisions, times, sizes, facts and the SHA-256 of its plain data) is not encrypted.
//!
//! # TLS
//!
//! The client uses rustls with the provider of cryptography that the process has installed, and installs ring's if
//! there is none when an archive is opened. It trusts the system's authorities (which an image has to bring), or those
//! of `ca.crt` among the keys instead.
//!
//! # Threads
//!
//! Each writer and each reader has a thread of tokio's for blocking work, on which data is digested, compressed and
//! encrypted; bounded channels connect it with the tasks that talk with the store.

#![warn(missing_docs)]

pub mod chain;
pub mod keep;

mod archive;
mod crypt;
mod decode;
mod download;
mod encode;
mod entry;
mod error;
mod file;
mod ini;
mod keys;
mod name;
mod place;
mod reader;
mod refusal;
mod shelf;
mod site;
mod store;
mod sweep;
mod upload;
mod verify;
mod writer;

pub use archive::{Archive, Listing, Unread};
pub use chain::{Chain, NoChain, Point, Stop, Target, chain};
pub use crypt::{Identity, Recipient};
pub use entry::{Compression, Encryption, Entry, FORMAT, Kind, NewEntry, Packing};
pub use error::{ArchiveError, Cause, Doing};
pub use file::PlainFile;
pub use keep::{Keep, expired};
pub use name::{EntryName, Lineage};
pub use place::{Addressing, Azure, Gcs, Oss, Place, S3};
pub use reader::Reader;
pub use writer::Writer;
