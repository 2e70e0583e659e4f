//! The Endstate SDK: the engine that runs pure planners against a Kubernetes API.
//!
//! A controller says *what* should be done about one object; the engine owns everything around it. Vocabulary, in
//! reading order:
//!
//! - [`ObjectKey`]: the namespace and name of an object; what queues hold.
//! - [`Queue`]: keyed work with deduplication, priorities and per-key back-off. Pure: time is an argument.
//! - [`Cache`]: all objects of one kind (and [`Scope`]), indexed, with **read-your-own-writes**.
//! - [`Context`]: what a reconcile works with: the clock, guarded writes, events.
//! - [`Reconciler`]: the author's half; [`Engine`]: the rest, for many reconcilers that share caches.
//! - [`driver::Driver`] and [`operator::Operand`]: for applications with members, whose reconciler is written already;
//!   [`client`]: how their members are asked.
//! - [`operator::Objects`]: the ordinary objects around them, kept as wanted by server-side apply.
//! - [`package::Package`]: such an operator, installed and run by a command line; [`launcher`]: what starts its
//!   members; [`template`]: their pods; [`crd`]: what every spec has; [`status`]: the tree of a cluster.
//!
//! # Tasks
//!
//! [`Engine::run`] owns every task: one per cache (watch → cache → queues), one per reconciler (queue → reconciles,
//! each isolated against panics and bounded by a deadline), and one that posts events. They end on shutdown.
//!
//! # Example
//!
//! ```no_run
//! use endstate::{Cache, Context, Engine, Error, Next, ObjectKey, Options, Reconciler};
//! use k8s_openapi::api::core::v1::ConfigMap;
//!
//! struct Labels { maps: Cache<ConfigMap> }
//!
//! impl Reconciler for Labels {
//!     type Kind = ConfigMap;
//!
//!     async fn reconcile(&self, key: ObjectKey, ctx: &Context) -> Result<Next, Error> {
//!         let Some(observed) = self.maps.get(&key) else { return Ok(Next::Settled) };
//!         let mut wanted = ConfigMap::clone(&observed);
//!         wanted.metadata.labels.get_or_insert_default().insert("seen".into(), "yes".into());
//!         ctx.update(&*observed, &wanted).await?; // sends nothing if nothing differs
//!         Ok(Next::Settled)
//!     }
//! }
//!
//! # async fn run(client: kube::Client) -> Result<(), Error> {
//! let mut engine = Engine::new(client, Options::new("labeller"));
//! let maps = engine.cache::<ConfigMap>();
//! engine.add("labels", Labels { maps: maps.clone() }).watches(&maps);
//! engine.run(endstate::CancellationToken::new()).await
//! # }
//! ```

#![warn(missing_docs)]

pub mod cache;
pub mod client;
pub mod condition;
mod context;
pub mod crd;
pub mod driver;
pub mod engine;
mod error;
pub mod event;
pub mod finalizer;
pub mod health;
pub mod launcher;
pub mod lease;
pub mod metrics;
mod object;
pub mod operator;
pub mod package;
pub mod patch;
pub mod queue;
pub mod status;
pub mod template;

pub use cache::{Cache, Change, Scope};
pub use context::{Context, Propagation, Writer};
pub use engine::{Engine, Next, Options, Reconciler};
pub use error::{Error, Failure};
pub use event::Notice;
pub use metrics::Metrics;
pub use object::{Object, ObjectKey};
pub use queue::{Backoff, Priority, Queue};
pub use tokio_util::sync::CancellationToken;
