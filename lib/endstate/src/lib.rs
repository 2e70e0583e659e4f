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
//! # An operator of a cluster application
//!
//! Three traits on one type, and [`operator::add`]. Starting, joining, replacing, resizing, restarting in turn and
//! recovering are the planner's. What is left out has defaults: a change of version, steps of the application's own,
//! volumes, secrets.
//!
//! ```no_run
//! use endstate::driver::{Driver, Outcome, Target};
//! use endstate::operator::{self, ObjectsOf, Operand, Wanted};
//! use endstate::{Engine, Error};
//! use endstate_core::*;
//! # use serde::{Deserialize, Serialize};
//! # async fn ask(_: &Target<'_, ToySpec>) -> View { View::default() }
//! # async fn tell(_: &Target<'_, ToySpec>, _: &Call) -> Outcome { Outcome::Done }
//!
//! #[derive(kube::CustomResource, schemars::JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
//! #[kube(group = "example.com", version = "v1", kind = "Toy", namespaced, status = "endstate::crd::Status")]
//! pub struct ToySpec { size: usize }
//!
//! struct Toys;
//!
//! impl App for Toys { // what is safe: pure answers
//!     type Spec = ToySpec;
//!     fn name(&self) -> &'static str { "toy" }
//!     fn topology(&self, spec: &ToySpec) -> Topology {
//!         Topology::new("1", [Role::voting("member", spec.size)])
//!     }
//!     fn launch(&self, member: &LaunchOf<'_, ToySpec>) -> Launch {
//!         Launch::new("toy:1", Guard::new("/data", &["log/*"]), member)
//!     }
//! }
//!
//! impl Driver for Toys { // how members are asked
//!     type Spec = ToySpec;
//!     async fn observe(&self, target: &Target<'_, ToySpec>) -> View { ask(target).await }
//!     async fn act(&self, target: &Target<'_, ToySpec>, call: &Call) -> Outcome {
//!         tell(target, call).await
//!     }
//! }
//!
//! impl Operand for Toys { // how it looks in the API
//!     type App = Self;
//!     type Driver = Self;
//!     type Kind = Toy;
//!     fn app(&self) -> &Self { self }
//!     fn driver(&self) -> &Self { self }
//!     fn objects(&self, of: &ObjectsOf<'_, ToySpec>) -> Result<Vec<Wanted>, Error> {
//!         of.quorum("toy", &[("client", 7000), ("peer", 7001)])
//!     }
//! }
//!
//! # async fn run(client: kube::Client) -> Result<(), Error> {
//! let mut engine = Engine::new(client, endstate::Options::new("toys"));
//! operator::add(&mut engine, "toys", Toys, "operator:1"); // the image has the launcher
//! engine.run(endstate::CancellationToken::new()).await
//! # }
//! ```
//!
//! [`package::Package`] makes it an entry of a catalogue: with manifests, rights, a lease and a status tree. [`crash`]:
//! how to test that it may end at each of its calls.
//!
//! # A controller of anything else
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

pub mod agents;
pub mod cache;
pub mod client;
pub mod condition;
mod context;
pub mod crash;
pub mod crd;
mod debug;
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
