//! `endstate status`: a cluster as a tree, once or live.

use std::io::{IsTerminal, Write, stdout};
use std::pin::pin;

use anyhow::{Context, Result};
use endstate_etcd::status::{self, Style, Tree};
use futures::StreamExt;

use crate::args::{Format, Global, OperatorName, Status};
use crate::connect::{Connection, connect};
use crate::output;

/// Moves to the upper left corner, and clears the screen below.
const REDRAW: &str = "\x1b[H\x1b[2J";

pub(crate) async fn run(global: &Global, args: Status) -> Result<()> {
    let OperatorName::Etcd = args.application;
    let Connection { client, namespace } = connect(global).await?;
    if !args.watch {
        return show(&status::fetch(&client, &namespace, &args.name).await?, args.output);
    }
    let mut trees = pin!(status::watch(client, namespace, args.name));
    while let Some(tree) = trees.next().await {
        let tree = tree?;
        if args.output.is_none() && stdout().is_terminal() {
            stdout().write_all(REDRAW.as_bytes())?;
        }
        show(&tree, args.output)?;
    }
    Ok(())
}

fn show(tree: &Tree, format: Option<Format>) -> Result<()> {
    if let Some(format @ (Format::Json | Format::Yaml)) = format {
        return output::structured(tree, format);
    }
    let style = if stdout().is_terminal() { Style::Coloured } else { Style::Plain };
    let mut out = stdout().lock();
    out.write_all(status::render(tree, style).as_bytes()).context("cannot print")?;
    out.flush().context("cannot print")
}
