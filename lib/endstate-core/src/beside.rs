//! Objects that are declared beside a cluster and belong to it by `spec.cluster`: users, roles, topics, tasks.
//!
//! An application says what becomes of each ([`App::tend`](crate::App::tend)): what it is asked for, in order, and what
//! its status says. That is apart from the members: a request for such an object touches no member, so none needs a
//! record, and one that is refused holds up its own object and nothing else. What takes members (moving the lead,
//! replacing one) is asked for by an object that is carried out once: an [`Operation`](crate::Operation).

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::Words;
use crate::facts::Facts;
use crate::id::{MemberName, ResourceVersion, Uid};
use crate::limits::is_recent;
use crate::progress::Progress;
use crate::request::AppStep;
use crate::status::Truth;

/// An object beside a cluster, as it was seen.
///
/// ```
/// use endstate_core::{Beside, Facts};
/// let user = Beside::new("EtcdUser", "anna", Facts::of(&("reader", 1)));
/// assert!(!user.deleting && user.refused.is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Beside {
    /// Its kind.
    pub kind: String,
    /// Its name, in the namespace of the cluster.
    pub name: String,
    /// The cluster that it names.
    pub cluster: String,
    /// Its uid.
    pub uid: Uid,
    /// The version of it that was seen.
    pub resource_version: ResourceVersion,
    /// Its generation.
    pub generation: i64,
    /// When it was created.
    #[serde(default)]
    pub created: Timestamp,
    /// Whether it is to go.
    pub deleting: bool,
    /// Whether it waits for the operator before it goes.
    pub held: bool,
    /// What it asks for, as it was written.
    pub spec: Facts,
    /// Its condition, as far as there is one: `Ready`, or of an operation `Complete`.
    pub ready: Option<Ready>,
    /// How the application refused what was asked for this object last.
    pub refused: Option<Refused>,
    /// How far it is, if it is carried out once.
    #[serde(default)]
    pub progress: Progress,
    /// The members of whom the application has just done what it was asked for this object. Its status need not say so
    /// yet.
    #[serde(default)]
    pub answered: Vec<MemberName>,
}

/// A refusal of what was asked for an object.
///
/// ```
/// use endstate_core::{Refused, Words};
/// let refused = Refused::new(Words::of("no such role"), 2, "2026-01-01T00:00:00Z".parse().unwrap());
/// assert!(refused.rests("2026-01-01T00:00:00.3Z".parse().unwrap()).is_some(), "it is not asked for again at once");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refused {
    /// What was said.
    pub said: Words,
    /// The generation of the object.
    pub generation: i64,
    /// How often in a row.
    pub times: u32,
    /// When.
    pub at: Timestamp,
}

impl Refused {
    /// The first refusal of what an object of this generation asks for.
    pub fn new(said: Words, generation: i64, at: Timestamp) -> Self {
        Self { said, generation, times: 1, at }
    }

    /// For how many milliseconds more it is not asked for again: from one second on, doubled with each refusal, up to a
    /// minute.
    pub fn rests(&self, now: Timestamp) -> Option<u32> {
        let wait = SignedDuration::from_secs(1 << self.times.saturating_sub(1).min(6));
        let wait = wait.min(SignedDuration::from_secs(60));
        let left = (wait - now.duration_since(self.at)).as_millis();
        is_recent(self.at, now, wait).then(|| u32::try_from(left).unwrap_or(1).max(1))
    }
}

impl Beside {
    /// An object that asks for this, and that nobody has tended.
    pub fn new(kind: impl Into<String>, name: impl Into<String>, spec: Facts) -> Self {
        Self {
            kind: kind.into(),
            name: name.into(),
            cluster: String::new(),
            uid: Uid::default(),
            resource_version: ResourceVersion::default(),
            generation: 1,
            created: Timestamp::UNIX_EPOCH,
            deleting: false,
            held: false,
            spec,
            ready: None,
            refused: None,
            progress: Progress::default(),
            answered: vec![],
        }
    }

    /// The same, of this cluster.
    #[must_use]
    pub fn of_cluster(self, cluster: impl Into<String>) -> Self {
        Self { cluster: cluster.into(), ..self }
    }

    /// The same, which is to go and waits for the operator.
    #[must_use]
    pub fn going(self) -> Self {
        Self { deleting: true, held: true, ..self }
    }

    /// What becomes of it.
    pub fn tended(&self, verdict: Verdict) -> Tended {
        let (kind, name, uid) = (self.kind.clone(), self.name.clone(), self.uid.clone());
        let (steps, progress) = (vec![], None);
        Tended { kind, name, uid, verdict, steps, held: false, progress, look_again_ms: None }
    }
}

/// The condition `Ready` of an object.
///
/// ```
/// use endstate_core::{Ready, Truth, Verdict};
/// let now = "2026-01-01T00:00:00Z".parse().unwrap();
/// let ready = Ready::of(&Verdict::ready("Applied", "it is as declared"), None, 2, now);
/// assert_eq!((ready.status, ready.observed_generation), (Truth::True, 2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// Whether it is as declared.
    pub status: Truth,
    /// One word why, for programs.
    pub reason: String,
    /// A sentence why, for people.
    pub message: String,
    /// The generation it was made from.
    #[serde(default)]
    pub observed_generation: i64,
    /// When `status` changed last.
    pub last_transition_time: Timestamp,
}

impl Ready {
    /// The condition that says this, after another.
    pub fn of(verdict: &Verdict, before: Option<&Self>, generation: i64, now: Timestamp) -> Self {
        let since = before.filter(|it| it.status == verdict.status);
        let now = Timestamp::from_second(now.as_second())
            .expect("whole seconds of a valid time are valid");
        Self {
            status: verdict.status,
            reason: verdict.reason.clone(),
            message: verdict.message.clone(),
            observed_generation: generation,
            last_transition_time: since.map_or(now, |it| it.last_transition_time),
        }
    }
}

/// How things stand with an object.
///
/// ```
/// use endstate_core::{Truth, Verdict};
/// assert_eq!(Verdict::waits("NoSecret", "there is no secret anna").status, Truth::False);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether it is as declared.
    pub status: Truth,
    /// One word why, for programs.
    pub reason: String,
    /// A sentence why, for people.
    pub message: String,
}

impl Verdict {
    /// It is as declared.
    pub fn ready(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: Truth::True, reason: reason.into(), message: message.into() }
    }

    /// It is not, and why.
    pub fn waits(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: Truth::False, ..Self::ready(reason, message) }
    }

    /// It is not known.
    pub fn unknown(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: Truth::Unknown, ..Self::ready(reason, message) }
    }
}

/// What becomes of an object beside a cluster.
///
/// ```
/// use endstate_core::{AppStep, Beside, Facts, Verdict};
/// let user = Beside::new("EtcdUser", "anna", Facts::default());
/// let tended = user.tended(Verdict::waits("Pending", "it is being made")).asks(AppStep::new("AddUser", "m"));
/// assert_eq!(tended.steps.len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tended {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Uid,
    /// What its status says.
    pub verdict: Verdict,
    /// What the application is asked for, in order. Its member is the one that is asked. The first that is refused ends
    /// it for this object.
    pub steps: Vec<AppStep>,
    /// Whether it has to wait for the operator before it goes: something of it is in the application, or is about to
    /// be.
    pub held: bool,
    /// How far it is, if it is carried out once: what its status remembers.
    pub progress: Option<Progress>,
    /// When to look again although nothing was reported.
    pub look_again_ms: Option<u32>,
}

impl Tended {
    /// The same, with one more request.
    #[must_use]
    pub fn asks(mut self, step: AppStep) -> Self {
        self.steps.push(step);
        self
    }

    /// The same, of an object that may not go without the operator.
    #[must_use]
    pub fn held(self, held: bool) -> Self {
        Self { held, ..self }
    }

    /// The same, of an operation that is so far.
    #[must_use]
    pub fn at(self, progress: Progress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// The same, that is looked at again soon: something that is made now is not seen by a watch.
    #[must_use]
    pub fn soon(self) -> Self {
        Self { look_again_ms: Some(SOON_MS), ..self }
    }
}

/// How soon to look again at what is made now.
const SOON_MS: u32 = 250;

/// Somebody who is declared beside a cluster and connects to it.
///
/// ```
/// let anna = endstate_core::User { name: "anna".into(), by_certificate: true };
/// assert!(anna.by_certificate, "and not by a password");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name by which the application knows it.
    pub name: String,
    /// Whether it is known by the common name of its certificate.
    pub by_certificate: bool,
}

/// Where the password of somebody is who is declared beside a cluster.
///
/// ```
/// use endstate_core::{Beside, Facts, Password};
/// let anna = Beside::new("User", "anna", Facts::default()).of_cluster("demo");
/// let made = Password::default();
/// assert!(made.is_generated());
/// assert_eq!(made.place(&anna), ("demo-user-anna".into(), "password".into()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Password {
    /// The secret. Default: one that the operator makes, `CLUSTER-user-NAME`. A change of what is in it is seen within
    /// half a minute, and at once if it has the label `endstate.dev/cluster: CLUSTER` and the application's
    /// `app.kubernetes.io/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret: Option<String>,
    /// The key in it. Default `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
}

impl Password {
    /// The key of a password, unless it is said otherwise.
    pub const KEY: &str = "password";
    /// The key of the password of before, where it is needed to set another.
    pub const PREVIOUS: &str = "previous";

    /// The secret and the key in it.
    pub fn place(&self, object: &Beside) -> (String, String) {
        let own = || format!("{}-user-{}", object.cluster, object.name);
        let key = self.key.clone().unwrap_or_else(|| Self::KEY.to_owned());
        (self.secret.clone().unwrap_or_else(own), key)
    }

    /// Whether the operator makes it.
    pub fn is_generated(&self) -> bool {
        self.secret.is_none()
    }
}
