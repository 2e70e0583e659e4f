//! `endstate status`: a cluster as a tree, once or live.

use std::io::stdout;
use std::pin::pin;

use anyhow::Result;
use endstate::status::{self, Style, Tree};
use futures::StreamExt;

use crate::args::{Document, Global, Status};
use crate::connect::{Connection, connect};
use crate::output;

/// The height of a terminal that does not tell.
const ROWS: usize = 24;

pub(crate) async fn run(global: &Global, args: Status) -> Result<()> {
    let Connection { client, namespace } = connect(global).await?;
    if !args.watch {
        let tree = status::fetch(args.application, &client, &namespace, &args.name).await?;
        return show(&tree, args.output);
    }
    let mut trees = pin!(status::watch(args.application, client, namespace, args.name));
    let mut rows = 0;
    while let Some(tree) = trees.next().await {
        let tree = tree?;
        if args.output.is_none() && output::can_redraw(&stdout()) {
            let frame = Frame::new(&status::render(&tree, style()), height());
            output::text(&frame.over(rows))?;
            rows = frame.lines.len();
        } else {
            show(&tree, args.output)?;
        }
    }
    Ok(())
}

fn show(tree: &Tree, format: Option<Document>) -> Result<()> {
    if let Some(format) = format {
        return output::structured(tree, format);
    }
    output::text(&status::render(tree, style()))
}

fn style() -> Style {
    if output::is_coloured(&stdout()) { Style::Coloured } else { Style::Plain }
}

fn height() -> usize {
    let size = rustix::termios::tcgetwinsize(stdout());
    size.map(|it| usize::from(it.ws_row)).ok().filter(|it| *it > 0).unwrap_or(ROWS)
}

/// One state of the tree on a terminal. It is drawn over the one before, in one piece and without clearing first, so it
/// does not flicker; what stood above stays there, and the last one stays when the command ends.
struct Frame {
    lines: Vec<String>,
}

impl Frame {
    /// As much of a text as fits: what has left the screen cannot be drawn over.
    fn new(text: &str, height: usize) -> Self {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        // The cursor stands below the last line.
        let fits = height.saturating_sub(1).max(1);
        if lines.len() > fits {
            let hidden = lines.len() + 1 - fits;
            lines.truncate(fits - 1);
            lines.push(format!("... {hidden} more lines; a taller window shows them"));
        }
        Self { lines }
    }

    /// What to print over a frame of so many rows.
    fn over(&self, rows: usize) -> String {
        let up = if rows > 0 { format!("\x1b[{rows}A") } else { String::new() };
        // A line that is too long is cut instead of wrapped: a wrapped one would take two rows.
        let mut text = format!("\r{up}\x1b[?7l");
        for line in &self.lines {
            text.push_str(line);
            // The rest of the row, then the next.
            text.push_str("\x1b[K\n");
        }
        // Rows that the frame before had more, and wrapping as it was.
        text.push_str("\x1b[J\x1b[?7h");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_drawn_over_the_one_before() {
        let frame = Frame::new("a\nb\n", 10);
        assert_eq!(frame.over(0), "\r\x1b[?7la\x1b[K\nb\x1b[K\n\x1b[J\x1b[?7h");
        assert!(frame.over(3).starts_with("\r\x1b[3A\x1b[?7la"));
    }

    #[test]
    fn a_frame_is_never_higher_than_the_screen() {
        let text = "x\n".repeat(30);
        for height in [0, 1, 2, 10, 31, 40] {
            let lines = Frame::new(&text, height).lines;
            assert!(lines.len() < height.max(2), "{height}: {}", lines.len());
            assert_eq!(lines.len() == 30, height > 30);
        }
        let cut = Frame::new(&text, 10).lines;
        assert_eq!(cut.last().unwrap(), "... 22 more lines; a taller window shows them");
    }
}
