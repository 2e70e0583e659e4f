//! How things are printed: colours on a terminal, plain text in a pipe.

use std::io::{IsTerminal, Write, stderr, stdout};

use anyhow::Result;
use serde::Serialize;

use crate::args::Format;

/// The whole chain of an error, and red where it is read by a person.
pub(crate) fn error(error: &anyhow::Error) {
    let red = if stderr().is_terminal() { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    let mut chain: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        // kube's errors repeat their source.
        if chain.last().is_none_or(|last| !last.contains(&cause)) {
            chain.push(cause);
        }
    }
    eprintln!("{}error:{} {}", red.0, red.1, chain.join(": "));
}

/// Prints as JSON or YAML.
pub(crate) fn structured(value: &impl Serialize, format: Format) -> Result<()> {
    let text = match format {
        Format::Yaml => serde_saphyr::to_string(value)?,
        _ => serde_json::to_string_pretty(value)? + "\n",
    };
    stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// Prints columns, three spaces apart.
pub(crate) fn columns(rows: &[Vec<String>]) -> Result<()> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = stdout().lock();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}   "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
