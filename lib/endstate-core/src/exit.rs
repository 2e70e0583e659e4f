//! How a container ended: typed where something is decided on it, words where people read it.
//!
//! What another program says may hold any text that its users chose: keys, names of roles, requests. So
//! nothing is ever looked for in it. The type of such a text, [`Words`], can be shown and nothing else.
//! What counts is [`Evidence`], which only a launcher can give: by an exit code of its own *and* a marker
//! in the first line of a message that it wrote whole.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much of a text is kept.
const WORDS_MAX: usize = 200;

/// The longest message that can be evidence, in bytes. A container's message is the *end* of a file or a
/// log when that is longer (Kubernetes keeps 4096 bytes of a file and 2048 of a log), so the first line of a
/// longer one may be anything; what is shorter was not cut.
const EVIDENCE_MAX: usize = 1024;

/// From here on exit codes are of shells, of container runtimes and of signals.
const APPLICATION_CODES: i32 = 125;

/// How a member's container ended.
///
/// ```
/// use endstate_core::{Evidence, Exit};
/// let lost = Evidence::DataLost;
/// let exit = Exit::of(lost.exit_code().into(), None, &lost.message("/var/lib/etcd is empty"));
/// assert_eq!(exit.evidence, Some(lost));
///
/// let crash = Exit::of(1, None, &lost.message("/var/lib/etcd is empty"));
/// assert_eq!(crash.evidence, None, "the words alone are nothing");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code.
    pub code: i32,
    /// What the launcher vouches for.
    pub evidence: Option<Evidence>,
    /// Its last words.
    pub words: Words,
}

impl Exit {
    /// From what the API shows of an end: the exit code, the signal, and the termination message.
    pub fn of(code: i32, signal: Option<i32>, message: &str) -> Self {
        let by_itself = signal.is_none_or(|it| it == 0);
        let evidence = Evidence::ALL.into_iter().find(|it| by_itself && it.is_in(code, message));
        Self { code, evidence, words: Words::of(message) }
    }

    /// What a launcher that surveys the data before each start has found, if this was its container. A code that
    /// shells, container runtimes and signals end with may be of a process that was no launcher yet.
    pub fn survey(&self) -> Survey {
        let launcher = Evidence::ALL.iter().any(|it| self.code == i32::from(it.exit_code()));
        match self.evidence {
            Some(Evidence::DataUnreadable) => Survey::Unreadable,
            None if !launcher && (0..APPLICATION_CODES).contains(&self.code) => Survey::Sound,
            _ => Survey::Unknown,
        }
    }
}

/// What is known of the data of a member whose process ended.
///
/// ```
/// use endstate_core::{Evidence, Exit, Survey};
/// assert_eq!(Exit::of(1, None, "unknown flag").survey(), Survey::Sound);
/// assert_eq!(Exit::of(137, Some(9), "").survey(), Survey::Unknown, "it may not have been the application");
/// let unread = Evidence::DataUnreadable;
/// let exit = Exit::of(unread.exit_code().into(), None, &unread.message("cannot read /data/log"));
/// assert_eq!(exit.survey(), Survey::Unreadable);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Survey {
    /// Nothing.
    #[default]
    Unknown,
    /// The launcher found it as it should be, and started the application: whether that can use it is not known.
    Sound,
    /// The launcher could not read it.
    Unreadable,
}

/// What a launcher knows for certain when it does not start a member.
///
/// ```
/// use endstate_core::Evidence;
/// assert!(Evidence::DataLost.message("why").starts_with(Evidence::DataLost.marker()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {
    /// The data directory is empty although a member was started on it in this pod: it will never start
    /// there again.
    DataLost,
    /// The data directory holds the data of another member, by the mark that its launcher left there.
    DataForeign,
    /// There is something in the data directory, and not all of it can be read.
    DataUnreadable,
    /// The launcher could not do its part, for a reason that says nothing about the data.
    NotStarted,
    /// The data of a member that is to start later is whole.
    Prepared,
}

impl Evidence {
    const ALL: [Self; 5] =
        [Self::DataLost, Self::DataForeign, Self::DataUnreadable, Self::NotStarted, Self::Prepared];

    /// The launcher's exit code. No application ends with it by itself: it is none of the codes of Go's
    /// runtime, of shells, of signals, or of `sysexits.h`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::DataLost => 94,
            Self::DataForeign => 95,
            Self::DataUnreadable => 96,
            Self::NotStarted => 97,
            Self::Prepared => 98,
        }
    }

    /// The first line of the launcher's message.
    pub fn marker(self) -> &'static str {
        match self {
            Self::DataLost => "endstate.dev/launcher/v1 data-lost",
            Self::DataForeign => "endstate.dev/launcher/v1 data-foreign",
            Self::DataUnreadable => "endstate.dev/launcher/v1 data-unreadable",
            Self::NotStarted => "endstate.dev/launcher/v1 not-started",
            Self::Prepared => "endstate.dev/launcher/v1 prepared",
        }
    }

    /// The whole message: the marker, and a line for people.
    pub fn message(self, why: &str) -> String {
        let most = EVIDENCE_MAX - self.marker().len() - 2;
        let end = (0..=most.min(why.len())).rev().find(|it| why.is_char_boundary(*it));
        let line = why[..end.unwrap_or(0)].replace('\n', " ");
        format!("{}\n{line}", self.marker())
    }

    fn is_in(self, code: i32, message: &str) -> bool {
        code == i32::from(self.exit_code())
            && message.len() < EVIDENCE_MAX
            && message.lines().next() == Some(self.marker())
    }
}

/// What another program said. It can be shown, and nothing can be decided on it.
///
/// ```
/// use endstate_core::Words;
/// let log = Words::of("starting\n  \u{1b}[31munknown flag: --colour\n\n");
/// assert_eq!(log.to_string(), "[31munknown flag: --colour", "the last line, and no control codes");
/// ```
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Words(String);

impl Words {
    /// The last line of a text that is not blank, of a bounded length.
    pub fn of(text: &str) -> Self {
        let line = text.lines().rfind(|it| !it.trim().is_empty()).unwrap_or_default();
        Self(line.trim().chars().filter(|it| !it.is_control()).take(WORDS_MAX).collect())
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The launcher's message with the words of a program before it, after it, or in its place.
    #[test]
    fn only_the_code_and_the_first_line_together_are_evidence() {
        let (lost, code) = (Evidence::DataLost, i32::from(Evidence::DataLost.exit_code()));
        let (marker, own) = (lost.marker(), lost.message("/data is empty"));
        let long = format!("{own}{}", "x".repeat(EVIDENCE_MAX));
        let cases = [
            (code, None, own.clone(), true),
            (code, Some(0), own.clone(), true),
            (code, None, marker.to_owned(), true),
            (code, None, lost.message(&"é\n".repeat(EVIDENCE_MAX)), true),
            (code, Some(9), own.clone(), false),
            (1, None, own.clone(), false),
            (137, None, own.clone(), false),
            (0, None, own.clone(), false),
            (code, None, String::new(), false),
            (code, None, "data lost, refusing to start blank".into(), false),
            (code, None, format!(" {own}"), false),
            (code, None, format!("\n{own}"), false),
            (code, None, format!("{{\"level\":\"warn\",\"key\":\"{own}"), false),
            (code, None, format!("{{\"level\":\"warn\"}}\n{own}"), false),
            (code, None, format!("{marker}."), false),
            (code, None, marker.to_uppercase(), false),
            (code, None, marker[1..].to_owned(), false),
            (code, None, long, false),
        ];
        for (code, signal, message, counts) in cases {
            let exit = Exit::of(code, signal, &message);
            assert_eq!(exit.evidence.is_some(), counts, "{code} {signal:?} {message:?}");
        }
    }

    #[test]
    fn each_kind_of_evidence_is_read_as_itself_and_no_other_end_of_a_launcher_tells_of_data() {
        for evidence in Evidence::ALL {
            let (code, message) = (i32::from(evidence.exit_code()), evidence.message("why"));
            let exit = Exit::of(code, None, &message);
            assert_eq!(exit.evidence, Some(evidence));
            assert_ne!(exit.survey(), Survey::Sound, "{evidence:?}");
            assert_eq!(Exit::of(code, None, "said by another").survey(), Survey::Unknown);
            assert_eq!(Exit::of(code + 1, None, &message).evidence, None);
        }
        for code in [-1, 125, 126, 127, 128, 137, 143, 255] {
            assert_eq!(Exit::of(code, None, "").survey(), Survey::Unknown, "{code}");
        }
    }

    #[test]
    fn words_are_short_and_on_one_line() {
        assert_eq!(Words::of("a\nb\n\n").to_string(), "b");
        assert!(Words::of(" \n\t").is_empty());
        assert_eq!(Words::of(&"é".repeat(1000)).to_string().chars().count(), WORDS_MAX);
    }
}
