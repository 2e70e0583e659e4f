//! The launcher's command line, in both directions.

use std::ffi::OsString;
use std::path::PathBuf;

use endstate_core::{Guard, Seed, SeedWhen, Source, Start};

use super::decision::Marker;
use super::error::LaunchError;
use super::files::Pattern;
use super::request::{DataDir, EXECUTABLE, Launch, Request, SUBCOMMAND};

/// Where Kubernetes reads a container's termination message from.
pub(super) const TERMINATION_LOG: &str = "/dev/termination-log";

/// The flag that says whose data is to be in the data directory. With it the data is surveyed before each start.
const MEMBER_FLAG: &str = "--member";

/// The flag that says that the member has data by the operator's record.
const RESUME_FLAG: &str = "--resume";

/// The flag that says that only the data is made, and nothing started.
const ONLY_PREPARE_FLAG: &str = "--only-prepare";

/// Whether a container's command is that of a launcher that surveys the data of its member before each start.
pub(crate) fn surveys(command: &[String]) -> bool {
    has_flag(command, MEMBER_FLAG)
}

/// Whether it is that of a launcher that starts nobody without data.
pub(crate) fn resumes(command: &[String]) -> bool {
    has_flag(command, RESUME_FLAG)
}

fn has_flag(command: &[String], flag: &str) -> bool {
    command.iter().take_while(|it| *it != "--").any(|it| it == flag)
}

/// The command of a member's container: the launcher, which is installed in `launcher_dir` and keeps its marker there,
/// then the application's own command. It surveys the data of this `member` before each start.
///
/// `start` says whether the member has data by the operator's record, so that a blank directory is a loss, or only has
/// it made. [`parse`] reads it.
///
/// ```
/// use endstate_core::{Guard, Start};
/// let (guard, start) = (Guard::new("/data", &["log/*.log"]), Start::Resume { members: vec![] });
/// let command = endstate::launcher::command(&guard, ("example-x7k2p", &start), "/endstate", &["/bin/server".into()]);
/// assert_eq!(command[..4], ["/endstate/endstate", "launch", "--data-dir", "/data"]);
/// assert_eq!(command.last().unwrap(), "/bin/server");
/// ```
#[must_use]
pub fn command(
    guard: &Guard,
    (member, start): (&str, &Start),
    launcher_dir: &str,
    application: &[String],
) -> Vec<String> {
    let mut words = vec![format!("{launcher_dir}/{EXECUTABLE}"), SUBCOMMAND.to_owned()];
    let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
    for directory in &guard.data {
        flag("--data-dir", &directory.path);
        directory.present.iter().for_each(|it| flag("--present", it));
    }
    flag(MEMBER_FLAG, member);
    flag("--marker", &format!("{launcher_dir}/started"));
    for seed in &guard.seeds {
        let to = seed.to.display();
        match (&seed.source, seed.when) {
            (Source::File(from), SeedWhen::Once) => {
                flag("--seed", &format!("{}={to}", from.display()));
            }
            (Source::File(from), SeedWhen::Always) => {
                flag("--seed-always", &format!("{}={to}", from.display()));
            }
            (Source::Text(text), SeedWhen::Once) => {
                flag("--write-once", &format!("{to}={text}"));
            }
            (Source::Text(text), SeedWhen::Always) => flag("--write", &format!("{to}={text}")),
        }
        seed.keeps.iter().for_each(|it| flag("--keep", it));
    }
    guard.first_start_file.iter().for_each(|it| flag("--first-start-file", it));
    guard.class_path.iter().for_each(|it| flag("--class-path", it));
    guard.prepare.iter().for_each(|it| flag("--prepare", it));
    guard.mend.iter().for_each(|it| flag("--mend", it));
    match start {
        Start::New { .. } | Start::Existing { .. } => {}
        Start::Prepare { .. } => words.push(ONLY_PREPARE_FLAG.to_owned()),
        Start::Resume { .. } | Start::Recover { .. } => words.push(RESUME_FLAG.to_owned()),
    }
    words.push("--".to_owned());
    words.extend_from_slice(application);
    words
}

/// What was read so far.
#[derive(Default)]
struct Words {
    data: Vec<DataDir>,
    member: Option<String>,
    marker: Option<PathBuf>,
    resume: bool,
    only_prepare: bool,
    seeds: Vec<Seed>,
    first_start_file: Option<PathBuf>,
    class_path: Option<PathBuf>,
    prepare: Vec<OsString>,
    mend: Vec<OsString>,
    termination_log: Option<PathBuf>,
}

/// Parses the arguments after `launch`.
///
/// ```
/// use endstate::launcher::{LaunchError, parse};
/// assert!(matches!(parse(["--frob".into()]), Err(LaunchError::Usage(_))));
/// ```
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, LaunchError> {
    let mut args = args.into_iter();
    let mut words = Words::default();
    while let Some(flag) = args.next() {
        match flag.to_str() {
            Some("--") => break,
            Some(RESUME_FLAG) => words.resume = true,
            Some(ONLY_PREPARE_FLAG) => words.only_prepare = true,
            _ => {
                let Some(value) = args.next() else {
                    return Err(LaunchError::Usage(format!("{} needs a value", flag.display())));
                };
                if flag == "--install" {
                    return Ok(Request::Install(value.into()));
                }
                if flag == "--ask" {
                    let question = value.to_string_lossy().parse();
                    return question.map(Request::Ask).map_err(LaunchError::Usage);
                }
                words.take(&flag, value)?;
            }
        }
    }
    words.launch(args.collect())
}

impl Words {
    fn take(&mut self, flag: &OsString, value: OsString) -> Result<(), LaunchError> {
        match flag.to_str() {
            Some("--data-dir") => self.data.push(DataDir { path: value.into(), present: vec![] }),
            Some(MEMBER_FLAG) => self.member = Some(member(&value)?),
            Some("--present") => self.present(pattern(&value)?)?,
            Some("--marker") => self.marker = Some(value.into()),
            Some("--seed") => self.seeds.push(seed(&value, "FROM=TO", Seed::once)?),
            Some("--seed-always") => self.seeds.push(seed(&value, "FROM=TO", Seed::always)?),
            Some("--write-once") => {
                self.seeds.push(seed(&value, "TO=TEXT", |to, text| Seed::text_once(text, to))?);
            }
            Some("--write") => {
                self.seeds.push(seed(&value, "TO=TEXT", |to, text| Seed::text(text, to))?);
            }
            Some("--keep") => self.keep(&value)?,
            Some("--first-start-file") => self.first_start_file = Some(value.into()),
            Some("--class-path") => self.class_path = Some(value.into()),
            Some("--prepare") => self.prepare.push(value),
            Some("--mend") => self.mend.push(value),
            Some("--termination-log") => self.termination_log = Some(value.into()),
            _ => return Err(LaunchError::Usage(format!("unknown flag {}", flag.display()))),
        }
        Ok(())
    }

    /// Of the directory that was named last.
    fn present(&mut self, pattern: Pattern) -> Result<(), LaunchError> {
        let why = || LaunchError::Usage("--present follows the --data-dir it is about".to_owned());
        self.data.last_mut().ok_or_else(why)?.present.push(pattern);
        Ok(())
    }

    /// Of the file that was named last.
    fn keep(&mut self, prefix: &OsString) -> Result<(), LaunchError> {
        let seed = self.seeds.last_mut().zip(prefix.to_str());
        let why = || LaunchError::Usage("--keep PREFIX follows the file it is about".to_owned());
        let (seed, prefix) = seed.ok_or_else(why)?;
        seed.keeps = Some(prefix.to_owned());
        Ok(())
    }

    fn launch(self, command: Vec<OsString>) -> Result<Request, LaunchError> {
        let missing = |what: &str| LaunchError::Usage(format!("{what} is missing"));
        let marker = self.marker.ok_or_else(|| missing("--marker"))?;
        if self.data.is_empty() {
            return Err(missing("--data-dir"));
        }
        if self.data.iter().any(|it| it.present.is_empty()) {
            return Err(missing("--present"));
        }
        if command.is_empty() {
            return Err(missing("the command"));
        }
        if self.only_prepare && self.prepare.is_empty() {
            return Err(missing("--prepare"));
        }
        if self.data.iter().any(|it| marker.starts_with(&it.path)) {
            let why = "--marker must be outside --data-dir: it has to outlive the data";
            return Err(LaunchError::Usage(why.to_owned()));
        }
        Ok(Request::Launch(Launch {
            data: self.data,
            member: self.member,
            marker,
            pod: Marker::Absent,
            record: if self.resume { Marker::Present } else { Marker::Absent },
            seeds: self.seeds,
            first_start_file: self.first_start_file,
            class_path: self.class_path,
            prepare: self.prepare,
            mend: self.mend,
            only_prepare: self.only_prepare,
            termination_log: self.termination_log.unwrap_or_else(|| TERMINATION_LOG.into()),
            command,
        }))
    }
}

fn member(value: &OsString) -> Result<String, LaunchError> {
    let name = value.to_str().filter(|it| !it.is_empty() && !it.contains(char::is_whitespace));
    let why = || LaunchError::Usage("--member must be one word".to_owned());
    name.map(str::to_owned).ok_or_else(why)
}

fn pattern(value: &OsString) -> Result<Pattern, LaunchError> {
    let text = value.to_str().ok_or_else(|| "--present must be UTF-8".to_owned());
    text.and_then(str::parse).map_err(LaunchError::Usage)
}

fn seed(
    value: &OsString,
    form: &str,
    make: fn(String, String) -> Seed,
) -> Result<Seed, LaunchError> {
    let parts = value.to_str().and_then(|it| it.split_once('='));
    match parts {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => {
            Ok(make(from.to_owned(), to.to_owned()))
        }
        _ => Err(LaunchError::Usage(format!("{} is not {form}", value.display()))),
    }
}
