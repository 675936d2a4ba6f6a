//! The standard streams of a command: shown as they come, and their beginning kept.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::thread::JoinHandle;

use brio_confine::Stdio;
use brio_runtime::{Captured, Output};

use super::ExecRequest;

/// Both streams of one command.
pub(super) struct Streams {
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    stdin: bool,
    inherit: bool,
}

struct Stream {
    into: Option<PipeWriter>,
    pump: JoinHandle<Captured>,
}

impl Streams {
    pub(super) fn new(request: &mut ExecRequest) -> io::Result<Self> {
        let (stdin, inherit) = (request.stdin, request.interactive);
        if inherit {
            return Ok(Self { stdout: None, stderr: None, stdin, inherit });
        }
        let stdout = Some(Stream::new(std::mem::take(&mut request.stdout))?);
        let stderr = Some(Stream::new(std::mem::take(&mut request.stderr))?);
        Ok(Self { stdout, stderr, stdin, inherit })
    }

    /// For the command: its input, output and errors.
    pub(super) fn give(&self) -> io::Result<[Stdio; 3]> {
        let end = |stream: &Option<Stream>| match stream.as_ref().and_then(|s| s.into.as_ref()) {
            Some(pipe) => pipe.try_clone().map(given),
            None => Ok(Stdio::Inherit),
        };
        let input = if self.stdin || self.inherit { Stdio::Inherit } else { Stdio::Null };
        Ok([input, end(&self.stdout)?, end(&self.stderr)?])
    }

    /// The command has its own ends: from here on theirs are the last.
    pub(super) fn given(&mut self) {
        for stream in [&mut self.stdout, &mut self.stderr].into_iter().flatten() {
            stream.into = None;
        }
    }

    /// Waits until both are at their end.
    pub(super) fn finish(self) -> (Captured, Captured) {
        let end = |stream: Option<Stream>| match stream {
            Some(Stream { into, pump }) => {
                drop(into);
                pump.join().unwrap_or_default()
            }
            None => Captured::default(),
        };
        (end(self.stdout), end(self.stderr))
    }
}

#[cfg(unix)]
fn given(pipe: PipeWriter) -> Stdio {
    Stdio::Descriptor(pipe.into())
}

#[cfg(not(unix))]
fn given(_: PipeWriter) -> Stdio {
    Stdio::Inherit
}

impl Stream {
    fn new(output: Output) -> io::Result<Self> {
        let (from, into) = io::pipe()?;
        let pump = std::thread::Builder::new()
            .name("brio-exec-output".into())
            .spawn(move || pump(from, output))?;
        Ok(Self { into: Some(into), pump })
    }
}

/// Who shows it may fail, or go away: the command is not stopped by that.
fn pump(mut from: PipeReader, Output { mut sink, capture }: Output) -> Captured {
    let mut kept = Captured::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return kept,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return kept,
        };
        let room = capture.saturating_sub(kept.bytes.len()).min(n);
        kept.bytes.extend_from_slice(&buffer[..room]);
        kept.truncated |= room < n;
        if let Some(to) = &mut sink
            && to.write_all(&buffer[..n]).and_then(|()| to.flush()).is_err()
        {
            sink = None;
        }
    }
}
