//! What the parts of a job print: `tasks/JOB.log` in the home.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use brio_supervisor::Report;

/// Where logs are.
#[derive(Debug, Clone)]
pub(super) struct Logs(pub(super) PathBuf);

impl Logs {
    pub(super) fn path(&self, job: &str) -> PathBuf {
        self.0.join(format!("{job}.log"))
    }

    /// Opens a part's section. A log that cannot be written keeps nothing from running.
    pub(super) fn open(&self, job: &str, part: &str) -> Log {
        let path = self.path(job);
        let opened = crate::brio::make_private(&self.0)
            .and_then(|()| OpenOptions::new().append(true).create(true).open(&path));
        let file = opened.inspect_err(|error| {
            tracing::warn!(path = %path.display(), %error, "the log is not written");
        });
        Log::new(file.ok(), part, MOST)
    }
}

/// One part's section: whole lines, each with the part's name, for parts run at once.
#[derive(Clone)]
pub(super) struct Log(Arc<Mutex<Lines>>);

struct Lines {
    file: Option<File>,
    part: String,
    /// A line that has not ended.
    rest: Vec<u8>,
    /// So much may still be written of what is printed.
    room: usize,
    /// What is printed when there is no room: the last of it is written at the end.
    last: VecDeque<Vec<u8>>,
    /// The bytes in `last`.
    held: usize,
    left_out: u64,
}

/// A line is cut there.
const LONGEST: usize = 64 << 10;
/// So much of what one part prints is written as it comes.
const MOST: usize = 16 << 20;
/// And so much of its end, when it printed more.
const LAST: usize = 64 << 10;

impl Lines {
    fn line(&mut self, text: &[u8]) {
        let Some(file) = &mut self.file else { return };
        let mut line = format!("[{}] ", self.part).into_bytes();
        line.extend_from_slice(text);
        line.push(b'\n');
        // One write, appended: parts that run at once do not mix within a line.
        if let Err(error) = file.write_all(&line) {
            tracing::warn!(part = self.part, %error, "the log is not written any more");
            self.file = None;
        }
    }

    /// A line that the part printed.
    fn printed(&mut self, text: Vec<u8>) {
        let size = self.part.len() + text.len() + 4;
        if self.last.is_empty() && size <= self.room {
            self.room -= size;
            self.line(&text);
            return;
        }
        self.held += text.len() + 1;
        self.last.push_back(text);
        while self.held > LAST && self.last.len() > 1 {
            let out = self.last.pop_front().map_or(0, |line| line.len() + 1);
            self.held -= out;
            self.left_out += out as u64;
        }
    }
}

impl Log {
    fn new(file: Option<File>, part: &str, room: usize) -> Self {
        let part = part.to_owned();
        let (rest, last) = (Vec::new(), VecDeque::new());
        let lines = Lines { file, part, rest, room, last, held: 0, left_out: 0 };
        let log = Self(Arc::new(Mutex::new(lines)));
        log.say("begins");
        log
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream that is written to the log.
    pub(super) fn stream(&self) -> Box<dyn Write + Send> {
        Box::new(self.clone())
    }

    /// Writes what the host has to say of the part.
    pub(super) fn say(&self, text: &str) {
        let mut lines = self.lock();
        for text in text.lines() {
            lines.line(text.as_bytes());
        }
    }

    pub(super) fn end(&self, report: &Report) {
        {
            let mut lines = self.lock();
            let rest = std::mem::take(&mut lines.rest);
            if !rest.is_empty() {
                lines.printed(rest);
            }
            if lines.left_out > 0 {
                let left_out = format!("({} bytes are left out here)", lines.left_out);
                lines.line(left_out.as_bytes());
            }
            for text in std::mem::take(&mut lines.last) {
                lines.line(&text);
            }
        }
        match &report.failed {
            None => self.say("ends well"),
            Some(_) => {
                let code = report.code.as_deref().unwrap_or("-");
                self.say(&format!("ends: {code}: {}", report.message));
            }
        }
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.lock();
        let mut left = bytes;
        while !left.is_empty() {
            let room = LONGEST - lines.rest.len();
            let end = left.iter().take(room).position(|byte| *byte == b'\n');
            let (taken, next) = left.split_at(end.unwrap_or(room.min(left.len())));
            lines.rest.extend_from_slice(taken);
            left = if end.is_some() { &next[1..] } else { next };
            if end.is_some() || lines.rest.len() >= LONGEST {
                let line = std::mem::take(&mut lines.rest);
                lines.printed(line);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn log(room: usize) -> (tempfile::NamedTempFile, Log) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let log = Log::new(Some(file.reopen().unwrap()), "part", room);
        (file, log)
    }

    fn text(file: &tempfile::NamedTempFile) -> String {
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn what_is_printed_is_whole_lines_with_the_parts_name() {
        let (file, mut log) = log(MOST);
        for piece in ["one\ntw", "o\n\n", "th", "ree"] {
            log.write_all(piece.as_bytes()).unwrap();
        }
        log.end(&Report::default());
        let lines = ["begins", "one", "two", "", "three", "ends well"];
        let lines: String = lines.iter().map(|line| format!("[part] {line}\n")).collect();
        assert_eq!(text(&file), lines);
    }

    #[test]
    fn of_a_part_that_prints_without_end_the_beginning_and_the_end_are_kept() {
        let (file, mut log) = log(1000);
        let printed: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
        for piece in printed.as_bytes().chunks(8191) {
            log.write_all(piece).unwrap();
        }
        log.write_all(b"and no more").unwrap();
        log.end(&Report::failed(brio_supervisor::Kind::Failed, "COMMAND_FAILED", "status 1"));
        let text = text(&file);
        assert!(text.starts_with("[part] begins\n[part] line 0\n[part] line 1\n"), "{text}");
        let end = "line 99999\n[part] and no more\n[part] ends: COMMAND_FAILED: status 1\n";
        assert!(text.ends_with(end));
        assert!(text.len() < 1000 + 3 * LAST, "{}", text.len());
        // What is there and what is left out is all that was printed.
        let says = text.lines().find_map(|l| l.strip_prefix("[part] (")?.split(' ').next());
        let left_out: usize = says.unwrap().parse().unwrap();
        let kept = text.lines().filter(|l| l.starts_with("[part] line "));
        let kept: usize = kept.map(|l| l.len() - "[part] ".len() + 1).sum();
        assert_eq!(kept + left_out, printed.len());
    }

    #[test]
    fn one_line_without_end_is_cut() {
        let (file, mut log) = log(MOST);
        log.write_all(&vec![b'x'; 2 * LONGEST + 1]).unwrap();
        log.end(&Report::default());
        let text = text(&file);
        let lengths: Vec<_> = text.lines().map(|l| l.len() - "[part] ".len()).collect();
        assert_eq!(lengths, [6, LONGEST, LONGEST, 1, 9]);
    }
}
