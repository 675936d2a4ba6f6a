//! Machines that share a store: each has a home of its own, and nothing of the other's.
#![allow(dead_code, unreachable_pub, reason = "a part of several tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../../store/tests/places/mod.rs"]
pub mod places;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use brio_landing::{BeginOptions, Domain, Metadata, OpenOptions, Session};
use brio_session::{Handle, Kind, OpenOptions as Open, View, ViewOptions};
use brio_share::{Place, Places};
use brio_store::backend::{Backend, Listed, Put, Swap, Version};
use brio_store::{DiskCache, Error, ProjectId, Result, Store, StoreOptions};
use bytes::Bytes;

/// A store that can be cut off: at once, or right after a swap was done whose answer is lost then.
pub struct Line {
    pub at: places::Place,
    state: Arc<Cuts>,
}

#[derive(Default)]
struct Cuts {
    down: AtomicBool,
    after: Mutex<Option<String>>,
    hold: Mutex<Option<String>>,
    held: Mutex<Vec<Held>>,
    before: Mutex<Option<String>>,
    heads: AtomicU64,
}

/// A swap that is on its way.
struct Held {
    name: String,
    expected: Option<Version>,
    value: Bytes,
}

/// One machine's end of it.
struct End {
    backend: Arc<dyn Backend>,
    cuts: Arc<Cuts>,
}

impl Line {
    pub fn cut(&self) {
        self.state.down.store(true, Ordering::SeqCst);
    }

    /// After the next swap of a ref whose name contains this.
    pub fn cut_after(&self, part: &str) {
        *self.state.after.lock().unwrap() = Some(part.to_owned());
    }

    /// The next swap of a ref whose name contains this is on its way when the line is cut: it
    /// arrives when it is delivered.
    pub fn hold(&self, part: &str) {
        *self.state.hold.lock().unwrap() = Some(part.to_owned());
    }

    /// What is on its way arrives, in order.
    pub fn deliver(&self) {
        let (backend, cuts) = (self.at.open(), self.state.clone());
        let runner = brio_share::Runner::new().unwrap();
        runner.run(async move { cuts.deliver(&*backend).await }).unwrap();
    }

    /// The same right before the next swap of a ref whose name contains this.
    pub fn deliver_before(&self, part: &str) {
        *self.state.before.lock().unwrap() = Some(part.to_owned());
    }

    pub fn mend(&self) {
        self.state.down.store(false, Ordering::SeqCst);
        *self.state.after.lock().unwrap() = None;
        *self.state.hold.lock().unwrap() = None;
    }

    /// How often somebody asked where the head is.
    pub fn heads_asked(&self) -> u64 {
        self.state.heads.load(Ordering::SeqCst)
    }

    /// As a machine opens it.
    pub fn open(&self) -> Arc<dyn Backend> {
        Arc::new(End { backend: self.at.open(), cuts: self.state.clone() })
    }
}

impl Cuts {
    async fn deliver(&self, backend: &dyn Backend) -> Result<()> {
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        for h in held {
            backend.swap_ref(&h.name, h.expected.as_ref(), h.value).await?;
        }
        Ok(())
    }
}

/// Whether that is what was asked for; then it is asked for no more.
fn is_due(asked: &Mutex<Option<String>>, name: &str) -> bool {
    asked.lock().unwrap().take_if(|part| name.contains(part.as_str())).is_some()
}

impl End {
    fn up(&self) -> Result<()> {
        match self.cuts.down.load(Ordering::SeqCst) {
            true => Err(Error::Unreachable {
                store: self.backend.name(),
                what: "anything".into(),
                why: "the line is cut".into(),
            }),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Backend for End {
    fn name(&self) -> String {
        self.backend.name()
    }
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.up()?;
        self.backend.get(key).await
    }
    async fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Bytes>> {
        self.up()?;
        self.backend.get_range(key, offset, length).await
    }
    async fn create(&self, key: &str, value: Bytes) -> Result<Put> {
        self.up()?;
        self.backend.create(key, value).await
    }
    async fn overwrite(&self, key: &str, value: Bytes) -> Result<()> {
        self.up()?;
        self.backend.overwrite(key, value).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.up()?;
        self.backend.delete(key).await
    }
    async fn stat(&self, key: &str) -> Result<Option<Listed>> {
        self.up()?;
        self.backend.stat(key).await
    }
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>> {
        self.up()?;
        self.backend.list(prefix, after).await
    }
    async fn read_ref(&self, name: &str) -> Result<Option<(Bytes, Version)>> {
        self.up()?;
        if name.ends_with("/head") {
            self.cuts.heads.fetch_add(1, Ordering::SeqCst);
        }
        self.backend.read_ref(name).await
    }
    async fn swap_ref(&self, name: &str, expected: Option<&Version>, value: Bytes) -> Result<Swap> {
        self.up()?;
        if is_due(&self.cuts.before, name) {
            self.cuts.deliver(&*self.backend).await?;
        }
        if is_due(&self.cuts.hold, name) {
            let (name, expected) = (name.to_owned(), expected.cloned());
            self.cuts.held.lock().unwrap().push(Held { name, expected, value });
            self.cuts.down.store(true, Ordering::SeqCst);
            return Ok(Swap::Lost);
        }
        let done = self.backend.swap_ref(name, expected, value).await?;
        let cut = self.cuts.after.lock().unwrap().as_ref().is_some_and(|p| name.contains(p));
        if cut {
            self.cuts.down.store(true, Ordering::SeqCst);
            return Ok(Swap::Lost);
        }
        Ok(done)
    }
    async fn list_refs(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>> {
        self.up()?;
        self.backend.list_refs(prefix, after).await
    }
    async fn delete_ref(&self, name: &str, expected: &Version) -> Result<Swap> {
        self.up()?;
        self.backend.delete_ref(name, expected).await
    }
    async fn now(&self) -> Result<time::OffsetDateTime> {
        self.up()?;
        self.backend.now().await
    }
}

pub const URL: &str = "test://store";

pub fn id() -> ProjectId {
    "org/name".parse().unwrap()
}

/// A machine: a directory of its own, its domain, its cache.
pub struct Machine {
    pub dir: tempfile::TempDir,
    pub line: Arc<Line>,
    pub places: Arc<Places>,
    pub place: Place,
    pub domain: Domain,
}

/// A machine at a store.
pub fn machine(line: &Arc<Line>) -> Machine {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("base")).unwrap();
    restarted(dir, line)
}

/// The same machine, started again: what it had in memory is gone.
pub fn restarted(dir: tempfile::TempDir, line: &Arc<Line>) -> Machine {
    let (backend, cache) = (line.open(), dir.path().join("cache"));
    let places = Arc::new(Places::new(move |url| {
        assert_eq!(url, URL);
        let disk = Some(DiskCache::open(&cache, 1 << 30)?);
        Ok(Store::new(backend.clone(), StoreOptions { disk, ..StoreOptions::default() }))
    }));
    let place = places.get(URL, &id()).unwrap();
    let options = OpenOptions {
        boot_id: "boot-1".into(),
        trees: Some(places.clone()),
        ..OpenOptions::default()
    };
    let domain = Domain::open(&dir.path().join("base"), options).unwrap().0;
    Machine { dir, line: line.clone(), places, place, domain }
}

impl Machine {
    pub fn restart(self) -> Machine {
        let Machine { dir, line, places, place, domain } = self;
        drop((places, place, domain));
        restarted(dir, &line)
    }

    pub fn begin(&self, goal: &str) -> Session {
        let metadata = Metadata {
            goal: Some(goal.into()),
            agent: Some("tester".into()),
            ..Metadata::default()
        };
        let options = BeginOptions { metadata, ..BeginOptions::default() };
        self.place.begin(&self.domain, options).unwrap()
    }
}

/// A store in memory with a project.
pub fn project() -> Arc<Line> {
    project_at(places::memory("").unwrap())
}

/// A store with a project.
pub fn project_at(at: places::Place) -> Arc<Line> {
    let line = Arc::new(Line { at, state: Arc::default() });
    let store = Store::new(line.open(), StoreOptions::default());
    let runner = brio_share::Runner::new().unwrap();
    runner.run(async move { store.create(&id()).await.map(drop) }).unwrap();
    line
}

/// Each recipe over each place, as a test of its own.
#[macro_export]
macro_rules! over_every_place {
    ($($recipe:ident),* $(,)?) => {
        $crate::over_every_place!(@over memory: $($recipe),*);
        $crate::over_every_place!(@over directory: $($recipe),*);
        $crate::over_every_place!(@over test_server: $($recipe),*);
        $crate::over_every_place!(@over test_server_proxied: $($recipe),*);
        $crate::over_every_place!(@over real_server: $($recipe),*);
        $crate::over_every_place!(@over real_server_proxied: $($recipe),*);
    };
    (@over $place:ident: $($recipe:ident),*) => {
        mod $place {
            $(#[test]
            fn $recipe() {
                let name = concat!("share::", stringify!($place), "::", stringify!($recipe));
                if $crate::common::places::$place(name).is_some() {
                    let new = || $crate::common::places::$place(name).unwrap();
                    $crate::$recipe(&|| $crate::common::project_at(new()));
                }
            })*
        }
    };
}

/// Makes a store with a project.
pub type New<'a> = &'a dyn Fn() -> Arc<Line>;

/// Writes in a session; `None` removes.
pub fn edit(s: &Session, files: &[(&str, Option<&[u8]>)]) {
    let w = s.writer("test", ViewOptions::default()).unwrap();
    for (path, content) in files {
        match content {
            Some(content) => write(w.view(), path, content),
            None => w.view().unlink_at(&w.view().root(), path.as_bytes()).unwrap(),
        }
    }
    w.finish().unwrap();
}

pub fn write(v: &View, path: &str, content: &[u8]) {
    if let Some((dir, _)) = path.rsplit_once('/') {
        let mut at = String::new();
        for part in dir.split('/') {
            at.push_str(part);
            let _ = v.mkdir_at(&v.root(), at.as_bytes());
            at.push('/');
        }
    }
    let how = Open { write: true, create: true, truncate: true, ..Open::default() };
    let Handle::File(f) = v.open_at(&v.root(), path.as_bytes(), &how).unwrap() else {
        panic!("{path} is a directory")
    };
    let mut done = 0;
    while done < content.len() {
        done += f.write_at(&content[done..], done as u64).unwrap();
    }
}

/// What a session shows, whole: path, kind, mode, time, content.
pub type Seen = BTreeMap<String, (Kind, u32, i64, Vec<u8>)>;

pub fn seen(s: &Session) -> Seen {
    let v = s.view(ViewOptions::default()).unwrap();
    let mut out = Seen::new();
    walk(&v, "", &mut out);
    out
}

fn walk(v: &View, dir: &str, out: &mut Seen) {
    let how = Open { read: true, directory: true, ..Open::default() };
    let at = if dir.is_empty() { "." } else { dir };
    let Handle::Dir(d) = v.open_at(&v.root(), at.as_bytes(), &how).unwrap() else { panic!() };
    for e in d.list().unwrap() {
        let name = String::from_utf8(e.name).unwrap();
        let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
        let m = v.stat_at(&v.root(), path.as_bytes(), false).unwrap();
        let content = match m.kind {
            Kind::File => read(v, &path),
            Kind::Symlink => v.read_link_at(&v.root(), path.as_bytes()).unwrap(),
            _ => Vec::new(),
        };
        if m.kind == Kind::Dir {
            walk(v, &path, out);
        }
        // Times of what a session made are when it was made here.
        out.insert(path, (m.kind, m.mode, 0, content));
    }
}

pub fn read(v: &View, path: &str) -> Vec<u8> {
    let how = Open { read: true, ..Open::default() };
    let Handle::File(f) = v.open_at(&v.root(), path.as_bytes(), &how).unwrap() else { panic!() };
    let mut out = Vec::new();
    let mut buf = vec![0; 1 << 16];
    loop {
        match f.read_at(&mut buf, out.len() as u64).unwrap() {
            0 => return out,
            n => out.extend_from_slice(&buf[..n]),
        }
    }
}

pub fn exists(at: &Path) -> bool {
    at.symlink_metadata().is_ok()
}
