//! What the parts of a job print: `tasks/JOB.log` in the home.

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
        let lines = Lines { file: file.ok(), part: part.to_owned(), rest: Vec::new() };
        let log = Log(Arc::new(Mutex::new(lines)));
        log.lock().line(b"begins");
        log
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
}

/// A line is cut there.
const LONGEST: usize = 64 << 10;

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
}

impl Log {
    fn lock(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream that is written to the log.
    pub(super) fn stream(&self) -> Box<dyn Write + Send> {
        Box::new(self.clone())
    }

    pub(super) fn end(&self, report: &Report) {
        let mut lines = self.lock();
        let rest = std::mem::take(&mut lines.rest);
        if !rest.is_empty() {
            lines.line(&rest);
        }
        let how = match &report.failed {
            None => "ends well".to_owned(),
            Some(_) => {
                format!("ends: {}: {}", report.code.as_deref().unwrap_or("-"), report.message)
            }
        };
        for text in how.lines() {
            lines.line(text.as_bytes());
        }
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.lock();
        for byte in bytes {
            if *byte == b'\n' || lines.rest.len() >= LONGEST {
                let line = std::mem::take(&mut lines.rest);
                lines.line(&line);
            }
            if *byte != b'\n' {
                lines.rest.push(*byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
