//! How things are printed: colours on a terminal, plain text in a pipe.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::time::Duration;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::args::Document;
use crate::failure;

/// Whoever read the output went away, as `head` does when it has enough.
#[derive(Debug, thiserror::Error)]
#[error("the reader of the output has gone")]
pub(crate) struct ReaderGone;

/// The error of a write to standard output. Only such a one is a reader that went away: the same error of a connection
/// to the cluster is a failure.
pub(crate) fn unwritten(error: io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => ReaderGone.into(),
        _ => anyhow::Error::new(error).context("cannot print"),
    }
}

/// Whether to colour what goes to a stream: what `--color` says, else `NO_COLOR`, `CLICOLOR_FORCE` and `TERM`, else
/// whether the stream is a terminal.
pub(crate) fn is_coloured(stream: &impl RawStream) -> bool {
    // Where `CI` is set, anstream colours terminals that say that they are dumb, too.
    let is_forced = ColorChoice::global() != ColorChoice::Auto || anstyle_query::clicolor_force();
    let is_dumb = !is_forced && !anstyle_query::term_supports_color();
    !is_dumb && AutoStream::choice(stream) != ColorChoice::Never
}

/// Whether what stands on the screen can be drawn over: on any terminal but a dumb one.
pub(crate) fn can_redraw(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && anstyle_query::term_supports_color()
}

/// Turns on a terminal that can be drawn over; silent anywhere else.
pub(crate) fn spinner() -> ProgressBar {
    if !can_redraw(&stderr()) {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// Prints text as it is.
pub(crate) fn text(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(unwritten)
}

/// Prints one line.
pub(crate) fn line(line: impl Display) -> Result<()> {
    text(&format!("{line}\n"))
}

/// Tells the user something that is not what was asked for.
pub(crate) fn note(note: impl Display) {
    // Nobody may be reading, and there is no other way to say so.
    let _ = writeln!(stderr().lock(), "{note}");
}

/// The whole chain of an error, and red where it is read by a person.
pub(crate) fn error(error: &anyhow::Error) {
    let red = if is_coloured(&stderr()) { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    note(format_args!("{}error:{} {}", red.0, red.1, failure::explain(error)));
}

/// Prints as JSON or YAML.
pub(crate) fn structured(value: &impl Serialize, format: Document) -> Result<()> {
    text(&match format {
        Document::Yaml => serde_saphyr::to_string(value)?,
        Document::Json => serde_json::to_string_pretty(value)? + "\n",
    })
}

/// Prints columns, three spaces apart.
pub(crate) fn columns(rows: &[Vec<String>]) -> Result<()> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let mut cells = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            cells.push_str(&format!("{cell:width$}   "));
        }
        line(cells.trim_end())?;
    }
    Ok(())
}
