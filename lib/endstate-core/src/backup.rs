//! What the agent says that keeps a cluster's backups, and what follows for the object that asked for them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent::Told;
use crate::beside::Verdict;

/// What the agent says.
///
/// ```
/// let report: endstate_core::backup::Report = serde_json::from_str(r#"{"by": "0c5f"}"#).unwrap();
/// assert_eq!(report.told().verdict.reason, "NoBackupYet");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// The uid of the object that asked for it.
    pub by: String,
    /// Whose data it is, as its folder in the archive is called.
    pub lineage: Option<String>,
    /// What it does now.
    pub doing: Option<Doing>,
    /// When it does the next; nothing while it is at work.
    pub next: Option<Timestamp>,
    /// Whether all is done that was asked for.
    pub complete: bool,
    /// The newest full backup.
    pub full: Option<Kept>,
    /// The newest delta.
    pub delta: Option<Kept>,
    /// The last trial.
    pub trial: Option<Tried>,
    /// How much is kept.
    pub entries: u32,
    /// How many bytes that is.
    pub stored_bytes: u64,
    /// Why the last step failed, if it did.
    pub failure: Option<String>,
    /// Why the last trial could not be made, if it could not.
    pub trial_failure: Option<String>,
}

/// What the agent does.
///
/// ```
/// use endstate_core::backup::Doing;
/// assert_ne!(Doing::Full, Doing::Delta);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doing {
    /// It backs all data up.
    Full,
    /// It backs up what was written since.
    Delta,
    /// It restores what is kept, and compares.
    Trial,
    /// It removes what need not be kept any longer.
    Remove,
}

/// Something that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Its name in the archive.
    pub name: String,
    /// The revision that it leads to.
    pub revision: u64,
    /// The moment that it leads to.
    #[schemars(with = "String")]
    pub taken: Timestamp,
    /// The version of the member that it was taken from, of a full backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its length as it is stored.
    pub stored_bytes: u64,
}

/// A trial: a backup was restored into a member that was thrown away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// The full backup that it began with.
    pub full: String,
    /// When it ended.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The revision at which the data was compared with the cluster's.
    pub revision: u64,
    /// Whether it was the same.
    pub same: bool,
    /// How long it took, in seconds.
    pub seconds: u64,
}

impl Report {
    /// What follows for the object.
    pub fn told(&self) -> Told {
        let busy = self.doing.is_some();
        let next = self.next.filter(|_| !busy);
        Told { verdict: self.verdict(), complete: self.complete, next }
    }

    fn verdict(&self) -> Verdict {
        if let Some(failure) = &self.failure {
            return Verdict::waits("BackupFails", failure);
        }
        if let Some(trial) = self.trial.as_ref().filter(|it| !it.same) {
            let revision = trial.revision;
            let why = format!(
                "what is kept was restored, and its data differs from the cluster's at revision {revision}: do not rely on it"
            );
            return Verdict::waits("TrialDiffers", why);
        }
        let Some(full) = &self.full else {
            return Verdict::waits("NoBackupYet", "the first full backup is on its way");
        };
        if let Some(failure) = &self.trial_failure {
            return Verdict::waits(
                "TrialFails",
                format!("what is kept could not be tried: {failure}"),
            );
        }
        let last = self.delta.as_ref().filter(|it| it.revision > full.revision).unwrap_or(full);
        let tried = self.trial.as_ref().map_or_else(String::new, |it| {
            format!("; restored on trial up to revision {} at {:.0}", it.revision, it.at)
        });
        let (revision, taken) = (last.revision, last.taken);
        Verdict::ready(
            "BackedUp",
            format!("backed up to revision {revision}, of {taken:.0}{tried}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Truth;

    fn kept(revision: u64) -> Kept {
        let taken = "2026-01-01T00:00:00.5Z".parse().unwrap();
        Kept { name: "a".into(), revision, taken, version: None, bytes: 1, stored_bytes: 1 }
    }

    #[test]
    fn a_backup_that_fails_or_differs_is_never_called_ready() {
        let now = "2026-01-01T00:00:01Z".parse().unwrap();
        let good = Report { full: Some(kept(5)), delta: Some(kept(9)), ..Report::default() };
        let verdict = good.told().verdict;
        assert_eq!(verdict.message, "backed up to revision 9, of 2026-01-01T00:00:00Z");
        assert_eq!(verdict.status, Truth::True);
        let failing = Report { failure: Some("denied".into()), ..good.clone() };
        assert_eq!(failing.told().verdict.reason, "BackupFails");
        let trial = Tried { full: "a".into(), at: now, revision: 9, same: false, seconds: 1 };
        let trial = Some(trial);
        let differs = Report { trial, ..good.clone() };
        assert_eq!(differs.told().verdict.reason, "TrialDiffers");
        let untried = Report { trial_failure: Some("no room".into()), ..good.clone() };
        assert_eq!(untried.told().verdict.reason, "TrialFails");
        let old = Report { delta: Some(kept(4)), ..good };
        assert!(
            old.told().verdict.message.contains("revision 5"),
            "a delta of before the full one"
        );
    }

    #[test]
    fn it_is_at_work_until_it_says_when_the_next_is_due() {
        let next = Some("2026-01-01T00:00:01Z".parse().unwrap());
        let rests = Report { next, ..Report::default() };
        assert_eq!(rests.told().next, next);
        let busy = Report { doing: Some(Doing::Trial), ..rests };
        assert_eq!(busy.told().next, None);
    }
}
