//! `endstate doctor`: what this machine lacks, and how to get it.

use std::process::ExitCode;

use anyhow::Result;
use node::doctor::Level;
use serde_json::json;

use crate::args::Doctor;
use crate::output;

pub(crate) fn run(args: Doctor) -> Result<ExitCode> {
    let checks = node::doctor::checks();
    let healthy = checks.iter().all(|it| it.level != Level::Missing);
    if let Some(format) = args.output {
        let checks: Vec<_> = checks
            .iter()
            .map(|it| {
                json!({"name": it.name, "ok": it.level != Level::Missing, "level": word(it.level),
                    "detail": it.detail, "hint": it.hint})
            })
            .collect();
        output::structured(&checks, format)?;
    } else {
        let colour = output::is_coloured(&std::io::stdout());
        for check in &checks {
            let mark = match (check.level, colour) {
                (Level::Ok, true) => "\x1b[32m✔\x1b[0m",
                (Level::Note, true) => "\x1b[33m•\x1b[0m",
                (Level::Missing, true) => "\x1b[31m✘\x1b[0m",
                (Level::Ok, false) => "ok     ",
                (Level::Note, false) => "note   ",
                (Level::Missing, false) => "MISSING",
            };
            output::line(format_args!("{mark} {}: {}", check.name, check.detail))?;
            if let Some(hint) = &check.hint {
                output::line(format_args!("  → {hint}"))?;
            }
        }
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Note => "note",
        Level::Missing => "missing",
    }
}
