//! A disk in a FUSE file, which writes down every write and every flush.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use brio_tests::rng::Rng;
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry,
    ReplyWrite, Request, WriteFlags,
};

use crate::images::when_gone;

/// What reached the disk.
pub(crate) enum Event {
    Write { offset: usize, data: Vec<u8> },
    Flush,
}

#[derive(Default)]
struct State {
    image: Vec<u8>,
    /// With each event, how long the worker's log was when it came.
    events: Vec<(Event, u64)>,
}

struct Served {
    state: Arc<Mutex<State>>,
    log: PathBuf,
}

const TTL: Duration = Duration::from_secs(3600);
const FILE: INodeNo = INodeNo(2);

impl Served {
    fn attr(&self, ino: INodeNo) -> FileAttr {
        let root = ino == INodeNo::ROOT;
        FileAttr {
            ino,
            size: if root { 0 } else { self.state.lock().unwrap().image.len() as u64 },
            blocks: 0,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if root { FileType::Directory } else { FileType::RegularFile },
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            flags: 0,
            blksize: 4096,
        }
    }

    fn event(&self, event: Event) {
        let log = std::fs::metadata(&self.log).map_or(0, |m| m.len());
        let mut state = self.state.lock().unwrap();
        if let Event::Write { offset, data } = &event {
            state.image[*offset..offset + data.len()].copy_from_slice(data);
        }
        state.events.push((event, log));
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent == INodeNo::ROOT && name == "disk" {
            reply.entry(&TTL, &self.attr(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.attr(ino));
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<fuser::TimeOrNow>,
        _: Option<fuser::TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        reply.attr(&TTL, &self.attr(ino));
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let state = self.state.lock().unwrap();
        let from = (offset as usize).min(state.image.len());
        let to = (from + size as usize).min(state.image.len());
        reply.data(&state.image[from..to]);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.event(Event::Write { offset: offset as usize, data: data.to_vec() });
        reply.written(data.len() as u32);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.event(Event::Flush);
        reply.ok();
    }
}

/// The disk, served at a mount point.
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
    first: Vec<u8>,
    point: PathBuf,
    _session: BackgroundSession,
}

impl Disk {
    /// Serves the content of an image at `point`; `log` is the worker's.
    pub(crate) fn serve(image: &Path, point: &Path, log: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(point).map_err(|e| e.to_string())?;
        when_gone(format!("umount -l {}", point.display()));
        let first = std::fs::read(image).map_err(|e| e.to_string())?;
        let state = Arc::new(Mutex::new(State { image: first.clone(), events: Vec::new() }));
        let served = Served { state: state.clone(), log: log.into() };
        let mut config = Config::default();
        config.mount_options.push(MountOption::FSName("brio-power".into()));
        let session =
            fuser::spawn_mount(served, point, &config).map_err(|e| format!("FUSE: {e}"))?;
        Ok(Self { state, first, point: point.into(), _session: session })
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.point.join("disk")
    }

    /// How many events there were.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().unwrap().events.len()
    }

    /// Takes the log.
    pub(crate) fn replay(self) -> Replay {
        let events = std::mem::take(&mut self.state.lock().unwrap().events);
        Replay { image: self.first, events, durable: 0 }
    }
}

/// The log, played again up to ever later cuts.
pub(crate) struct Replay {
    image: Vec<u8>,
    events: Vec<(Event, u64)>,
    /// Events before this one are in `image`.
    durable: usize,
}

impl Replay {
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn flushes(&self) -> usize {
        self.events.iter().filter(|(e, _)| matches!(e, Event::Flush)).count()
    }

    /// The disk after a power cut at an event, not before the last cut's: all that was flushed,
    /// and of what was written since then some. Also how long the worker's log was.
    pub(crate) fn cut(&mut self, at: usize, rng: &mut Rng) -> (Vec<u8>, u64) {
        let flush = |e: &(Event, u64)| matches!(e.0, Event::Flush);
        let flushed = self.events[..=at].iter().rposition(flush).unwrap_or(0);
        for (e, _) in &self.events[self.durable..flushed] {
            put(&mut self.image, e, |_| true);
        }
        self.durable = self.durable.max(flushed);
        let mut image = self.image.clone();
        let how = rng.below(5);
        for (e, _) in &self.events[flushed..=at] {
            let whole = rng.one_in(2);
            // Whole writes, or pages of them.
            put(&mut image, e, |_| match how {
                0 => false,
                1 => true,
                2 => rng.one_in(2),
                3 => !rng.one_in(8),
                _ => whole,
            });
        }
        (image, self.events[at].1)
    }
}

fn put(image: &mut [u8], event: &Event, mut page: impl FnMut(usize) -> bool) {
    let Event::Write { offset, data } = event else { return };
    for (i, part) in data.chunks(4096).enumerate() {
        if page(i) {
            let at = offset + i * 4096;
            image[at..at + part.len()].copy_from_slice(part);
        }
    }
}
