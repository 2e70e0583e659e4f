//! Keeps backups of a cluster: looks what is there, decides what is due, does it, and looks again.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use endstate::crd::ARCHIVE;
use endstate_archive::{Archive, Encryption, Entry, EntryName, Lineage, Packing, Place};
use endstate_core::backup::{Doing, Kept, Report, Tried};
use jiff::{SignedDuration, Timestamp};

use crate::cluster::{Asked, follower};
use crate::due::{Seen, Step, due};
use crate::error::AgentError;
use crate::restore::Source;
use crate::task::{Folders, KeepTask};
use crate::{delta, full, trial};

/// The longest rest: what is kept is read anew after that, since others may write there, too.
const REST_MAX: Duration = Duration::from_secs(3_600);
/// The rest after a failure, doubled with each up to [`FAILED_REST_MAX`].
const FAILED_REST: Duration = Duration::from_secs(2);
const FAILED_REST_MAX: Duration = Duration::from_secs(300);

/// Who keeps backups.
#[derive(Debug)]
pub struct Keeper {
    task: KeepTask,
    folders: Folders,
    source: Source,
    packing: Packing,
    report: Arc<Mutex<Report>>,
    /// What is kept of a lineage, as it was read last.
    kept: Option<(Lineage, Vec<Entry>, Timestamp)>,
    looked: Option<Timestamp>,
    /// When a trial was made last, or could not be made.
    tried: Option<Timestamp>,
    /// Whether that found other data, or could not be made, and is to be made again soon.
    doubts: bool,
    proven: BTreeSet<EntryName>,
    after_delta: bool,
    is_cut: bool,
    /// How often the cluster's history was seen to begin anew under the same id.
    epoch: u32,
}

impl Keeper {
    /// Opens the archive.
    pub async fn open(
        task: KeepTask,
        folders: Folders,
        report: Arc<Mutex<Report>>,
    ) -> Result<Self, AgentError> {
        make_folder(&task.to)?;
        let source = Source::open(&task.to, task.encrypted, &folders).await?;
        let encryption = source
            .identity
            .as_ref()
            .map_or(Encryption::None, |it| Encryption::Age { recipients: it.recipients() });
        let packing = Packing { compression: task.compression, encryption };
        let tried = task.tried.clone();
        let good = tried.as_ref().filter(|it| it.same).and_then(|it| it.full.parse().ok());
        report.lock().unwrap_or_else(PoisonError::into_inner).trial.clone_from(&tried);
        Ok(Self {
            task,
            folders,
            source,
            packing,
            report,
            kept: None,
            looked: None,
            tried: tried.as_ref().map(|it| it.at),
            doubts: tried.is_some_and(|it| !it.same),
            proven: good.into_iter().collect(),
            after_delta: false,
            is_cut: false,
            epoch: 0,
        })
    }

    /// Goes on until all is done that was asked for.
    pub async fn run(mut self) {
        let mut failures = 0;
        loop {
            let rest = match self.step_in_time().await {
                Ok(None) => return,
                Ok(Some(rest)) => {
                    failures = 0;
                    rest
                }
                Err(error) => {
                    tracing::warn!(%error, "a step failed");
                    failures += 1;
                    let rest = rest_after(failures);
                    self.failed(&error, rest);
                    rest
                }
            };
            tokio::time::sleep(rest).await;
        }
    }

    /// Does what is due, and gives it up if it takes longer than it may.
    async fn step_in_time(&mut self) -> Result<Option<Duration>, AgentError> {
        let limit = self.task.limit;
        let step = Box::pin(self.step());
        match limit {
            None => step.await,
            Some(limit) => match tokio::time::timeout(Duration::from_secs(limit), step).await {
                Ok(done) => done,
                Err(_) => {
                    // What it wrote at last may be there all the same.
                    self.kept = None;
                    Err(AgentError::TooLong(limit))
                }
            },
        }
    }

    /// Does what is due, and says how long there is nothing else to do; `None` for ever.
    async fn step(&mut self) -> Result<Option<Duration>, AgentError> {
        let asked = follower(&self.task).await?;
        let now = Timestamp::now();
        let lineage = self.look(asked.cluster, now).await?;
        let entries = self.kept.as_ref().map(|it| it.1.as_slice()).unwrap_or_default();
        let (looked, tried, is_cut) = (self.looked, self.tried, self.is_cut);
        let (proven, doubts, after_delta) = (&self.proven, self.doubts, self.after_delta);
        let seen = Seen { now, entries, looked, tried, doubts, after_delta, proven, is_cut };
        let step = due(&self.task.when, &seen);
        self.after_delta = matches!(step, Step::Delta(_));
        self.tell(|it| (it.doing, it.next) = (doing(&step), None));
        match step {
            Step::Complete => {
                self.tell(|it| (it.complete, it.failure) = (true, None));
                return Ok(None);
            }
            Step::Rest(until) => {
                self.tell(|it| (it.next, it.failure) = (Some(until), None));
                return Ok(Some(rest(now, until)));
            }
            step => self.act(step, &asked, &lineage).await?,
        }
        Ok(Some(Duration::ZERO))
    }

    async fn act(
        &mut self,
        step: Step,
        asked: &Asked,
        lineage: &Lineage,
    ) -> Result<(), AgentError> {
        let archive = (&self.source.archive, lineage, &self.packing);
        let began = Timestamp::now();
        let added = match step {
            Step::Full => {
                let entry = full::take(&asked.connection, archive, &self.task.by).await?;
                self.is_cut = false;
                Some(entry)
            }
            Step::Delta(after) => {
                self.looked = Some(began);
                let taken = delta::take(&asked.connection, archive, (after, &self.task.by)).await;
                taken.inspect_err(|it| self.is_cut |= it.is_cut())?
            }
            Step::Trial => {
                // One that fails holds nothing else up.
                let again = self.doubts;
                let tried = self.attempt(asked, began).await;
                let good = matches!(tried, Ok(true));
                // Once more and soon, with another full backup if the data differs; more of them would push out what is
                // older.
                self.doubts = !good && !again;
                self.is_cut |= matches!(tried, Ok(false)) && !again;
                self.tried = Some(Timestamp::now());
                let failure = tried.err().map(|it| it.to_string());
                self.tell(|it| it.trial_failure = failure);
                None
            }
            Step::Remove(entries) => {
                for entry in entries {
                    self.source.archive.delete(&entry).await?;
                    self.forget(&entry);
                }
                None
            }
            Step::Rest(_) | Step::Complete => None,
        };
        if let Some((entry, (_, entries, _))) = added.zip(self.kept.as_mut()) {
            tracing::info!(entry = %entry.name, bytes = entry.bytes, "backed up");
            entries.push(entry);
        }
        self.count();
        Ok(())
    }

    /// Whether what is kept is the same.
    async fn attempt(&mut self, asked: &Asked, began: Timestamp) -> Result<bool, AgentError> {
        let entries = self.kept.as_ref().map(|it| it.1.as_slice()).unwrap_or_default();
        let with = (&self.folders, self.task.version.as_str());
        let tried = trial::run((&self.source, entries), &asked.connection, with).await?;
        tracing::info!(entry = %tried.full, revision = tried.revision, same = tried.same, "restored on trial");
        let at = Timestamp::now();
        let seconds = u64::try_from(at.duration_since(began).as_secs()).unwrap_or_default();
        let (full, revision, same) = (tried.full.to_string(), tried.revision, tried.same);
        if same {
            self.proven = BTreeSet::from([tried.full]);
        }
        self.tell(|it| it.trial = Some(Tried { full, at, revision, same, seconds }));
        Ok(same)
    }

    /// Reads what is kept for the object, unless that was done a short while ago.
    async fn look(&mut self, cluster: u64, now: Timestamp) -> Result<Lineage, AgentError> {
        let lineage = self.lineage(cluster, self.epoch)?;
        let fresh = SignedDuration::try_from(REST_MAX).unwrap_or(SignedDuration::MAX);
        let known = |it: &(Lineage, Vec<Entry>, Timestamp)| {
            it.0 == lineage && now.duration_since(it.2) < fresh
        };
        if self.kept.as_ref().is_some_and(known) {
            return Ok(lineage);
        }
        self.source.archive.sweep(now).await?;
        loop {
            let lineage = self.lineage(cluster, self.epoch)?;
            let listed = self.source.archive.list(Some(&lineage)).await?;
            for unread in &listed.unread {
                tracing::warn!(path = unread.path, why = %unread.why, "passes over what it cannot read");
            }
            // What is kept of a history that began anew is in the next, if there is one: this may be given up here.
            let next = self.lineage(cluster, self.epoch + 1)?;
            if !self.source.archive.list(Some(&next)).await?.entries.is_empty() {
                self.epoch += 1;
                continue;
            }
            let own = |it: &Entry| it.by == self.task.by;
            let own = listed.entries.into_iter().filter(own).collect();
            self.kept = Some((lineage.clone(), own, now));
            self.tell(|it| it.lineage = Some(lineage.to_string()));
            self.count();
            return Ok(lineage);
        }
    }

    /// The folder of the cluster's history, which may have begun anew so often.
    fn lineage(&self, cluster: u64, epoch: u32) -> Result<Lineage, AgentError> {
        let of = &self.task.of;
        let name = match epoch {
            0 => format!("{of}.{cluster:x}"),
            epoch => format!("{of}.{cluster:x}-{epoch}"),
        };
        Ok(name.parse()?)
    }

    /// A step came to nothing.
    fn failed(&mut self, error: &AgentError, rest: Duration) {
        if error.is_forked() {
            // Its revisions mean something else: nothing of it goes on from what is kept.
            self.epoch += 1;
            let lineage = self.kept.take().map(|it| it.0);
            tracing::warn!(?lineage, "the history of the cluster began anew");
        }
        if let AgentError::Archive(_) = error
            && let Ok(archive) = Archive::open(&self.task.to, self.folders.keys())
        {
            // Its keys may be others by now.
            self.source.archive = archive;
        }
        let next = SignedDuration::try_from(rest)
            .ok()
            .and_then(|it| Timestamp::now().checked_add(it).ok());
        self.tell(|it| (it.failure, it.doing, it.next) = (Some(error.to_string()), None, next));
    }

    fn forget(&mut self, entry: &Entry) {
        if let Some((_, entries, _)) = &mut self.kept {
            entries.retain(|it| it.name != entry.name);
        }
    }

    fn count(&self) {
        let entries = self.kept.as_ref().map(|it| it.1.as_slice()).unwrap_or_default();
        let newest = |full: bool| {
            let kind = entries.iter().filter(|it| it.kind.is_full() == full);
            kind.max_by_key(|it| (it.kind.last(), it.taken)).map(kept)
        };
        self.tell(|it| {
            (it.full, it.delta) = (newest(true), newest(false));
            it.entries = u32::try_from(entries.len()).unwrap_or(u32::MAX);
            it.stored_bytes = entries.iter().map(|it| it.stored).sum();
        });
    }

    fn tell(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A folder of a volume is made, if the volume is there.
fn make_folder(place: &Place) -> Result<(), AgentError> {
    match place {
        Place::Path { path } if path.starts_with(ARCHIVE) && Path::new(ARCHIVE).is_dir() => {
            std::fs::create_dir_all(path).map_err(AgentError::file(path))
        }
        _ => Ok(()),
    }
}

/// What is done in a step.
fn doing(step: &Step) -> Option<Doing> {
    match step {
        Step::Full => Some(Doing::Full),
        Step::Delta(_) => Some(Doing::Delta),
        Step::Trial => Some(Doing::Trial),
        Step::Remove(_) => Some(Doing::Remove),
        Step::Rest(_) | Step::Complete => None,
    }
}

fn kept(entry: &Entry) -> Kept {
    Kept {
        name: entry.name.to_string(),
        revision: entry.kind.last(),
        taken: entry.taken,
        version: full::version_of(entry).map(|it| it.to_string()),
        bytes: entry.bytes,
        stored_bytes: entry.stored,
    }
}

pub(crate) fn rest_after(failures: u32) -> Duration {
    let doubled = FAILED_REST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(FAILED_REST_MAX)
}

fn rest(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default().min(REST_MAX)
}
