//! Reading files on threads, while their contents are stored beside it.

use std::collections::HashSet;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rustix::io::Errno;
use tokio::sync::mpsc;

use super::progress::Pace;
use super::root::{Is, Look, Near, Print, Root, Stamp, open_file, read_some};
use super::{WorktreeError, WorktreeResult, processors};
use crate::content::{WHOLE, split};
use crate::tree::Key;
use crate::{Compression, Content, Hash, Hasher, Sealed};

/// How often a file is read that changes meanwhile.
const TRIES: u32 = 6;
/// What a thread hands over at once.
const BATCH_BYTES: usize = 512 << 10;
const BATCH: usize = 128;
/// How many of these may wait.
const BATCHES: usize = 16;

/// A file that is to be read.
pub(super) struct Job {
    /// Whose it is, for whoever asked.
    pub(super) index: usize,
    pub(super) key: Key,
    /// As it was found.
    pub(super) size: u64,
    /// What it perhaps holds still.
    pub(super) known: Option<Content>,
    /// Chunks of that which the store has.
    pub(super) chunks: HashSet<Hash>,
}

/// What a thread tells.
pub(super) enum Told {
    /// A blob that may be new.
    Blob(Sealed),
    /// A blob of what the file held before is still in it.
    Still(Hash),
    /// A file was read, or was not there any more.
    File { index: usize, read: Option<ReadFile> },
    /// A large file is as long as what it held, and holds something else: it is to be read again,
    /// with the chunks that it had.
    Differs { index: usize },
}

/// What reading a file comes to.
enum Outcome {
    Read(ReadFile),
    Gone,
    Differs,
}

/// A file that was read.
pub(super) struct ReadFile {
    pub(super) print: Print,
    pub(super) content: Content,
    /// It did not change while it was read.
    pub(super) quiet: bool,
}

/// What is done with what was read.
#[derive(Clone, Copy)]
pub(super) enum For {
    /// It is stored.
    Storing(Compression),
    /// Its hash is wanted.
    Comparing,
}

/// Reads files on threads that end by themselves when nobody listens any more.
pub(super) fn read_all(
    root: Arc<Root>,
    jobs: Vec<Job>,
    what: For,
    pace: Arc<Pace>,
) -> mpsc::Receiver<WorktreeResult<Vec<Told>>> {
    let (tx, rx) = mpsc::channel(BATCHES);
    let shared = Arc::new(Shared {
        root,
        jobs,
        what,
        pace,
        next: AtomicUsize::new(0),
        sealed: Mutex::default(),
    });
    let threads = processors().min(shared.jobs.len());
    for _ in 0..threads {
        let (shared, out) = (shared.clone(), tx.clone());
        let began = std::thread::Builder::new().name("brio-read".into()).spawn(move || {
            let (batch, bytes, counted) = (Vec::new(), 0, 0);
            let mut reader = Reader { shared: &shared, out: &out, batch, bytes, counted };
            if let Err(e) = reader.run() {
                // First why, then that the others end.
                let _ = out.blocking_send(Err(e));
                shared.pace.end();
            }
        });
        if let Err(e) = began {
            let _ = tx.try_send(Err(crate::Error::host("a thread", e).into()));
        }
    }
    rx
}

struct Shared {
    root: Arc<Root>,
    jobs: Vec<Job>,
    what: For,
    pace: Arc<Pace>,
    next: AtomicUsize,
    /// What some thread has handed over.
    sealed: Mutex<HashSet<Hash>>,
}

struct Reader<'a> {
    shared: &'a Shared,
    out: &'a mpsc::Sender<WorktreeResult<Vec<Told>>>,
    batch: Vec<Told>,
    bytes: usize,
    /// Bytes of the file at hand that were told to whoever waits.
    counted: u64,
}

impl Reader<'_> {
    fn run(&mut self) -> WorktreeResult<()> {
        let shared = self.shared;
        let mut near = Near::default();
        loop {
            // Some in a row: neighbours lie in one directory.
            let from = shared.next.fetch_add(8, Ordering::Relaxed);
            let Some(jobs) = shared.jobs.get(from..) else { break };
            if jobs.is_empty() {
                break;
            }
            for job in jobs.iter().take(8) {
                let index = job.index;
                let told = match self.file(job, &mut near)? {
                    Outcome::Read(read) => Told::File { index, read: Some(read) },
                    Outcome::Gone => Told::File { index, read: None },
                    Outcome::Differs => Told::Differs { index },
                };
                if !matches!(told, Told::Differs { .. }) {
                    shared.pace.done(1, job.size.saturating_sub(self.counted));
                }
                self.tell(told, 0)?;
            }
        }
        self.flush()
    }

    fn tell(&mut self, told: Told, bytes: usize) -> WorktreeResult<()> {
        self.batch.push(told);
        self.bytes += bytes;
        match self.bytes >= BATCH_BYTES || self.batch.len() >= BATCH {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> WorktreeResult<()> {
        self.shared.pace.go_on()?;
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        // Nobody listens: somebody else failed.
        self.out.blocking_send(Ok(batch)).map_err(|_| WorktreeError::Interrupted)
    }

    /// Reads a file until it holds still, or as often as is bearable.
    fn file(&mut self, job: &Job, near: &mut Near) -> WorktreeResult<Outcome> {
        let bad = |e: std::io::Error| WorktreeError::read(&job.key.path(), e);
        let mut tries = 0;
        self.counted = 0;
        loop {
            self.shared.pace.go_on()?;
            let begun = Stamp::now();
            let opened = near
                .dir(&self.shared.root, job.key.dir())
                .and_then(|dir| open_file(dir, job.key.name()));
            let mut file = match opened {
                Ok(file) => file,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Outcome::Gone),
                Err(e) => return Err(bad(e.into())),
            };
            let before = Look::at(&file, b"").map_err(|e| bad(e.into()))?.print;
            if before.is != Is::File {
                return Ok(Outcome::Gone);
            }
            let Some(content) = self.content(job, &mut file, before.size)? else {
                return Ok(Outcome::Differs);
            };
            let print = Look::at(&file, b"").map_err(|e| bad(e.into()))?.print;
            let quiet = print == before && print.size == content.size && print.was_quiet(begun);
            tries += 1;
            if quiet || tries == TRIES {
                return Ok(Outcome::Read(ReadFile { print, content, quiet }));
            }
            std::thread::sleep(Duration::from_millis(3 << tries));
        }
    }

    /// `None`: it must be cut, and is not what it was.
    fn content(
        &mut self,
        job: &Job,
        file: &mut File,
        size: u64,
    ) -> WorktreeResult<Option<Content>> {
        let bad = |e: std::io::Error| WorktreeError::read(&job.key.path(), e);
        let large = size > WHOLE;
        // Most files hold what they held: of a large one that is found without cutting it.
        let known = job.known.filter(|known| known.size == size);
        if large && (known.is_some() || matches!(self.shared.what, For::Comparing)) {
            let (hash, size) = self.hash(file).map_err(bad)?;
            self.shared.pace.go_on()?;
            match known {
                Some(known) if known.hash == hash => return Ok(Some(known)),
                _ => {}
            }
            return Ok(match self.shared.what {
                For::Comparing => Some(Content { size, hash, depth: 0, root: hash }),
                For::Storing(_) => None,
            });
        }
        let mut failed = None;
        let cut = split(&mut *file, &mut |hash, blob| {
            let large = blob.len() as u64 != size;
            if large && self.counted + blob.len() as u64 <= job.size {
                self.counted += blob.len() as u64;
                self.shared.pace.done(0, blob.len() as u64);
            }
            self.blob(job, hash, blob).map_err(|e| match e {
                WorktreeError::Store(e) => e,
                e => {
                    failed = Some(e);
                    crate::Error::host("a file", std::io::ErrorKind::Interrupted.into())
                }
            })
        });
        match (cut, failed) {
            (_, Some(e)) => Err(e),
            (Ok(content), None) => Ok(Some(content)),
            (Err(crate::Error::Host { source, .. }), None) => Err(bad(source)),
            (Err(e), None) => Err(e.into()),
        }
    }

    fn blob(&mut self, job: &Job, hash: Hash, blob: Bytes) -> WorktreeResult<()> {
        self.shared.pace.go_on()?;
        let For::Storing(compression) = self.shared.what else { return Ok(()) };
        if job.known.is_some_and(|c| c.depth == 0 && c.hash == hash) {
            return Ok(());
        }
        if job.chunks.contains(&hash) {
            return self.tell(Told::Still(hash), 0);
        }
        let sealed = &self.shared.sealed;
        if !sealed.lock().unwrap_or_else(PoisonError::into_inner).insert(hash) {
            return Ok(());
        }
        let size = blob.len();
        self.tell(Told::Blob(Sealed::blob(hash, &blob, compression)?), size)
    }

    fn hash(&self, file: &mut File) -> std::io::Result<(Hash, u64)> {
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 256 << 10];
        let mut size = 0;
        loop {
            let n = read_some(file, &mut buffer)?;
            if n == 0 || self.shared.pace.go_on().is_err() {
                return Ok((hasher.finish(), size));
            }
            size += n as u64;
            hasher.update(&buffer[..n]);
        }
    }
}
