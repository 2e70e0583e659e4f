//! `endstate backup` and `endstate restore`.

use anyhow::Result;

use crate::args::{Backup, Restore};
use crate::{connect, output};

pub(crate) fn backup(args: Backup) -> Result<()> {
    let state_dir = args.state_dir.map_or_else(connect::default_state_dir, Ok)?;
    let spinner = output::spinner().with_message(format!("backing up {}", state_dir.display()));
    let written = cluster::backup(&state_dir, &args.file);
    spinner.finish_and_clear();
    let megabytes = written? as f64 / 1e6;
    output::note("the backup has no volumes of pods; it contains keys: keep it secret");
    output::line(format_args!("{} written, {megabytes:.1} MB", args.file.display()))
}

pub(crate) fn restore(args: Restore) -> Result<()> {
    let state_dir = args.state_dir.map_or_else(connect::default_state_dir, Ok)?;
    let spinner = output::spinner().with_message(format!("restoring {}", args.file.display()));
    let restored = cluster::restore(&args.file, &state_dir);
    spinner.finish_and_clear();
    let cluster::Restored { taken, revision, objects } = restored?;
    let place = state_dir.display();
    output::line(format_args!(
        "{objects} objects of revision {taken} restored at revision {revision}\nendstate up --state-dir {place}"
    ))
}
