//! The person's index of domains: `<home>/domains/<claim>` says where each was last seen, and
//! `<claim>.sessions` beside it which sessions are open there, so that a lost `.brio` is noticed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use brio_session::{Op, Time};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::disk::{DIR, Disk};
use crate::{LostSession, SessionId};

/// Content of `<home>/domains/<claim>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) claim: String,
    #[serde(with = "os_path")]
    pub(crate) path: PathBuf,
    pub(crate) root_ino: u64,
    pub(crate) dev: u64,
    /// When the root was created: an inode number alone is reused.
    pub(crate) born: Option<Time>,
    pub(crate) last_landing: u64,
    pub(crate) seen: Time,
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    goal: Option<String>,
}

/// `<home>/domains`.
pub(crate) struct Home {
    dir: PathBuf,
    disk: Disk,
}

/// Whether the reason is the directory, or its disk, and not what is written.
fn cannot_be_written(e: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(e.kind(), PermissionDenied | ReadOnlyFilesystem | StorageFull | QuotaExceeded)
}

impl Home {
    pub(crate) fn new(home: &Path, disk: Disk) -> Self {
        Self { dir: home.join("domains"), disk }
    }

    fn make(&self) -> io::Result<()> {
        if self.dir.is_dir() {
            return Ok(());
        }
        use std::os::unix::fs::DirBuilderExt;
        let mut b = std::fs::DirBuilder::new();
        b.recursive(true).mode(0o700);
        self.disk.0.run(Op::Mkdir, || b.create(&self.dir))
    }

    /// All records; what cannot be read is left out.
    pub(crate) fn records(&self) -> Vec<Record> {
        let Ok(dir) = std::fs::read_dir(&self.dir) else { return Vec::new() };
        dir.flatten()
            .filter(|e| !e.file_name().as_encoded_bytes().contains(&b'.'))
            .filter_map(|e| serde_json::from_slice(&std::fs::read(e.path()).ok()?).ok())
            .collect()
    }

    /// Whether there is a record of a domain.
    pub(crate) fn knows(&self, claim: &str) -> bool {
        self.dir.join(claim).exists()
    }

    /// When a domain was last added or removed; for caching.
    pub(crate) fn changed(&self) -> Option<std::time::SystemTime> {
        std::fs::metadata(&self.dir).ok()?.modified().ok()
    }

    /// Writes a record if it says something new. Where the domain is must be known when this
    /// returns; that it landed since may stay unsaid, as it does when nobody opens it afterwards.
    pub(crate) fn put(&self, r: &Record) -> io::Result<()> {
        let file = self.dir.join(&r.claim);
        let had =
            std::fs::read(&file).ok().and_then(|raw| serde_json::from_slice::<Record>(&raw).ok());
        let there = had.as_ref().is_some_and(|h| {
            Record { seen: r.seen, last_landing: r.last_landing, ..h.clone() } == *r
        });
        if there && had.is_some_and(|h| h.last_landing == r.last_landing) {
            return Ok(());
        }
        match self.write(r) {
            Err(error) if there && cannot_be_written(&error) => {
                tracing::debug!(%error, claim = r.claim, "its last landing is not in the home");
                Ok(())
            }
            written => written,
        }
    }

    fn write(&self, r: &Record) -> io::Result<()> {
        self.make()?;
        let dir = rustix::fs::open(&self.dir, DIR, Mode::empty())?;
        use std::os::fd::AsFd;
        // Whoever opens a domain writes here, and what is made beside a record has one name. Where
        // a directory cannot be locked, two at once are refused as they come.
        let _ = rustix::fs::flock(&dir, rustix::fs::FlockOperation::LockExclusive);
        self.disk.replace(dir.as_fd(), r.claim.as_bytes(), &serde_json::to_vec(r)?, false)
    }

    /// Forgets a domain.
    pub(crate) fn remove(&self, claim: &str) -> io::Result<()> {
        for name in [claim.to_owned(), format!("{claim}.sessions")] {
            let gone = self.disk.0.run(Op::Unlink, || std::fs::remove_file(self.dir.join(&name)));
            if let Err(e) = gone
                && e.kind() != io::ErrorKind::NotFound
            {
                return Err(e);
            }
        }
        Ok(())
    }

    /// Opens the list of a domain's sessions for appending.
    pub(crate) fn sessions_file(&self, claim: &str) -> io::Result<File> {
        self.make()?;
        let how = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
        let mut out = None;
        self.disk.0.run(Op::Create, || {
            let path = self.dir.join(format!("{claim}.sessions"));
            out = Some(File::from(rustix::fs::open(path, how, Mode::from_raw_mode(0o600))?));
            Ok(())
        })?;
        out.map_or_else(|| File::options().write(true).open("/dev/null"), Ok)
    }

    /// The sessions that were open in a domain when it was last seen.
    pub(crate) fn open_sessions(&self, claim: &str) -> Vec<LostSession> {
        let raw = std::fs::read(self.dir.join(format!("{claim}.sessions"))).unwrap_or_default();
        let mut open = BTreeMap::new();
        for line in raw.split(|b| *b == b'\n') {
            let Ok(line) = serde_json::from_slice::<Line>(line) else { continue };
            if let Some(id) = line.begin {
                open.insert(id, line.goal);
            }
            if let Some(id) = line.end {
                open.remove(&id);
            }
        }
        open.into_iter().map(|(id, goal)| LostSession { id, goal }).collect()
    }
}

/// The line that says a session began.
pub(crate) fn begin_line(id: &SessionId, goal: Option<&str>) -> Vec<u8> {
    line(&Line { begin: Some(id.to_string()), end: None, goal: goal.map(str::to_owned) })
}

/// The line that says a session ended.
pub(crate) fn end_line(id: &SessionId) -> Vec<u8> {
    line(&Line { begin: None, end: Some(id.to_string()), goal: None })
}

fn line(l: &Line) -> Vec<u8> {
    let mut out = serde_json::to_vec(l).unwrap_or_default();
    out.push(b'\n');
    out
}

/// A path as a string where it is UTF-8, else as bytes.
pub(crate) mod os_path {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(crate) fn serialize<S: Serializer>(p: &Path, s: S) -> Result<S::Ok, S::Error> {
        match p.to_str() {
            Some(t) => Form::Text(t.to_owned()),
            None => Form::Bytes(p.as_os_str().as_bytes().to_vec()),
        }
        .serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<PathBuf, D::Error> {
        Ok(match Form::deserialize(d)? {
            Form::Text(t) => t.into(),
            Form::Bytes(b) => OsString::from_vec(b).into(),
        })
    }
}
