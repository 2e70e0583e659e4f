//! Reading a log back: the part that was asked for, then what follows.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::rotated;

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    pub(crate) since: Option<Timestamp>,
    pub(crate) tail: Option<usize>,
    pub(crate) timestamps: bool,
    /// `stdout` or `stderr`; both when absent.
    pub(crate) stream: Option<String>,
    pub(crate) limit: Option<usize>,
}

/// A position in a log that may still grow.
pub(crate) struct Reader {
    path: PathBuf,
    selection: Selection,
    file: Option<BufReader<File>>,
    inode: u64,
    sent: usize,
    /// A line that was not whole yet when it was read.
    partial: Vec<u8>,
    /// The next text continues a line.
    within_line: bool,
}

impl Reader {
    pub(crate) fn new(path: PathBuf, selection: Selection) -> Self {
        Self {
            path,
            selection,
            file: None,
            inode: 0,
            sent: 0,
            partial: Vec::new(),
            within_line: false,
        }
    }

    /// Everything that was asked for and is there now.
    pub(crate) fn first(&mut self) -> io::Result<Vec<u8>> {
        let mut lines = VecDeque::new();
        let before = rotated(&self.path);
        if before.exists() {
            let file = BufReader::new(File::open(before)?);
            self.collect(file.split(b'\n').map_while(Result::ok), &mut lines);
        }
        if self.open()? {
            let fresh = self.read_lines()?;
            self.collect(fresh.into_iter(), &mut lines);
        }
        let mut out = Vec::new();
        for line in lines {
            self.render(&line, &mut out);
        }
        Ok(self.limited(out))
    }

    /// What was appended since.
    pub(crate) fn more(&mut self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        if self.file.is_none() && !self.open()? {
            return Ok(out);
        }
        loop {
            for line in self.read_lines()? {
                if self.wanted(&line) {
                    self.render(&line, &mut out);
                }
            }
            // Rotated meanwhile: the rest of the old file is read, go on with the new one.
            if inode(&self.path) == Some(self.inode) || !self.open()? {
                return Ok(self.limited(out));
            }
        }
    }

    /// The limit of bytes is reached.
    pub(crate) fn is_full(&self) -> bool {
        self.selection.limit.is_some_and(|limit| self.sent >= limit)
    }

    fn open(&mut self) -> io::Result<bool> {
        match File::open(&self.path) {
            Ok(file) => {
                self.inode = inode(&self.path).unwrap_or_default();
                self.file = Some(BufReader::new(file));
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read_lines(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        let mut lines = Vec::new();
        loop {
            let count = file.read_until(b'\n', &mut self.partial)?;
            if count == 0 || self.partial.last() != Some(&b'\n') {
                return Ok(lines);
            }
            self.partial.pop();
            lines.push(std::mem::take(&mut self.partial));
        }
    }

    fn collect(&self, from: impl Iterator<Item = Vec<u8>>, into: &mut VecDeque<Vec<u8>>) {
        for line in from.filter(|line| self.wanted(line)) {
            into.push_back(line);
            if self.selection.tail.is_some_and(|tail| into.len() > tail) {
                into.pop_front();
            }
        }
    }

    fn wanted(&self, line: &[u8]) -> bool {
        let Some((time, stream, _, _)) = parse(line) else { return false };
        let selection = &self.selection;
        let late = selection
            .since
            .is_none_or(|since| time.parse::<Timestamp>().is_ok_and(|time| time >= since));
        late && selection.stream.as_deref().is_none_or(|wanted| wanted == stream)
    }

    fn render(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let Some((time, _, flag, text)) = parse(line) else { return };
        if self.selection.timestamps && !self.within_line {
            out.extend_from_slice(time.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(text);
        self.within_line = flag == "P";
        if !self.within_line {
            out.push(b'\n');
        }
    }

    fn limited(&mut self, mut out: Vec<u8>) -> Vec<u8> {
        if let Some(limit) = self.selection.limit {
            out.truncate(limit.saturating_sub(self.sent));
        }
        self.sent += out.len();
        out
    }
}

/// Time, stream, flag and text of a line.
fn parse(line: &[u8]) -> Option<(&str, &str, &str, &[u8])> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let mut word = || std::str::from_utf8(parts.next()?).ok();
    let (time, stream, flag) = (word()?, word()?, word()?);
    Some((time, stream, flag, parts.next()?))
}

fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|it| it.ino())
}

/// The last lines of a log as plain text, for termination messages.
pub(crate) fn tail(path: &Path, lines: usize, bytes: usize) -> String {
    let mut reader =
        Reader::new(path.to_owned(), Selection { tail: Some(lines), ..Selection::default() });
    let text = reader.first().unwrap_or_default();
    let start = text.len().saturating_sub(bytes);
    String::from_utf8_lossy(&text[start..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::{Framer, Stream};
    use super::*;

    fn log(lines: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let mut framer = Framer::new(Stream::Stdout);
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let mut bytes = Vec::new();
        for (second, line) in (0..).zip(lines) {
            let now = start + jiff::SignedDuration::from_secs(second);
            bytes.extend(framer.feed(line.as_bytes(), now));
        }
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    fn read(path: &Path, selection: Selection) -> String {
        String::from_utf8(Reader::new(path.to_owned(), selection).first().unwrap()).unwrap()
    }

    #[test]
    fn selections() {
        let (_dir, path) = log(&["a\n", "b", "b\n", "c\n"]);
        assert_eq!(read(&path, Selection::default()), "a\nbb\nc\n");
        assert_eq!(read(&path, Selection { tail: Some(1), ..Selection::default() }), "c\n");
        assert_eq!(read(&path, Selection { tail: Some(0), ..Selection::default() }), "");
        assert_eq!(read(&path, Selection { limit: Some(3), ..Selection::default() }), "a\nb");
        let since = Some(Timestamp::from_second(1_700_000_003).unwrap());
        let timed = read(&path, Selection { since, timestamps: true, ..Selection::default() });
        assert_eq!(timed, "2023-11-14T22:13:23.000000000Z c\n");
        let stream = Some("stderr".to_owned());
        assert_eq!(read(&path, Selection { stream, ..Selection::default() }), "");
    }

    #[test]
    fn following_survives_rotation_and_half_lines() {
        let (_dir, path) = log(&["a\n"]);
        let mut reader = Reader::new(path.clone(), Selection::default());
        assert_eq!(reader.first().unwrap(), b"a\n");
        let append = |text: &str| {
            use std::io::Write;
            let mut file = File::options().append(true).create(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        append("2023-11-14T22:13:23.000000000Z stdout F b");
        assert_eq!(reader.more().unwrap(), b"");
        append("\n");
        assert_eq!(reader.more().unwrap(), b"b\n");
        append("2023-11-14T22:13:23.000000000Z stderr F c\n");
        std::fs::rename(&path, rotated(&path)).unwrap();
        append("2023-11-14T22:13:24.000000000Z stdout F d\n");
        assert_eq!(reader.more().unwrap(), b"c\nd\n");
        assert_eq!(read(&path, Selection::default()), "a\nb\nc\nd\n");
    }

    #[test]
    fn long_lines_come_in_parts() {
        let long = "x".repeat(40_000);
        let (_dir, path) = log(&[&format!("{long}\nend")]);
        assert_eq!(read(&path, Selection::default()), format!("{long}\n"));
        assert_eq!(tail(&path, 80, 10), "xxxxxxxxx\n");
    }
}
