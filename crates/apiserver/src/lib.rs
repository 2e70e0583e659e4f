//! The Kubernetes-compatible API server.
//!
//! The way of a request: [`listen`] (TLS, sockets) or [`server::InProcess`] → [`dispatch`] (authenticate, authorize,
//! find the resource) → [`intake`] (the body, limited) → [`read`], [`watch`], [`write`], [`patch`], [`delete`] or a
//! [`subresources`] handler → the store → [`respond`].
//!
//! - A [`call::Call`] is one request on one resource; one path serves built-in kinds and custom ones.
//! - Who asks is found in [`authn`] and [`impersonate`]; whether they may, is decided in [`authz`] alone, before a body
//!   is read.
//! - What a kind is, is asked of the [`registry`]; what patches, selectors and errors mean, of `machinery`.
//! - Definitions of custom resources take effect before the request that wrote them is answered ([`crd`]).

mod server;

mod activity;
mod arriving;
mod dispatch;
mod intake;
mod limits;
mod listen;

mod authn;
mod authz;
mod impersonate;
mod pki;
mod token;

mod call;
mod negotiate;
mod query;
mod request;

mod decode;
mod encode;
mod list;
mod options;
mod read;
mod receive;
mod watch;

mod admission;
mod delete;
mod fields;
mod own;
mod patch;
mod write;

mod streams;
mod subresources;

mod bootstrap;
mod crd;
mod discovery;
mod metrics;

mod body;
mod errors;
mod outgoing;
mod respond;
mod show;
mod time;

#[cfg(feature = "scratch")]
mod scratch;

pub use authn::Identity;
pub use body::{Body, BodyError};
pub use limits::Limits;
pub use pki::{ClientCertificate, Pki, PkiError};
#[cfg(feature = "scratch")]
pub use scratch::Scratch;
pub use server::{ApiServer, Config, InProcess, StartError};
pub use streams::{Connection, NodeStreams, UnixNodeStreams};
