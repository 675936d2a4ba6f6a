//! Branches of a directory, served over NFS.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "part of several tests"
)]

pub mod client;
pub mod wire;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use brio_nfs::{Exports, Opened, Options, Serving, Users, serve};
use brio_session::{
    DirLower, Door, Fixed, FsError, FsResult, Lender, Lower, Sealed, View, ViewOptions,
};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

pub use client::{Answer, Client, Fh};

pub fn open(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

/// In memory where the system has such a place.
pub fn scratch() -> tempfile::TempDir {
    let shm = Path::new("/dev/shm");
    tempfile::tempdir_in(if shm.is_dir() { shm } else { Path::new("/tmp") }).unwrap()
}

pub fn options() -> Options {
    Options { uid: 0, gid: 0, users: Users::Owner, clients: Vec::new() }
}

/// A base, and layers over it.
pub struct Place {
    pub tmp: tempfile::TempDir,
    layers: usize,
}

impl Place {
    pub fn new(fill: impl FnOnce(&Path)) -> Self {
        Self::at(scratch(), fill)
    }

    pub fn at(tmp: tempfile::TempDir, fill: impl FnOnce(&Path)) -> Self {
        std::fs::create_dir(tmp.path().join("base")).unwrap();
        fill(&tmp.path().join("base"));
        Self { tmp, layers: 0 }
    }

    pub fn base(&self) -> PathBuf {
        self.tmp.path().join("base")
    }

    pub fn table(&self) -> PathBuf {
        self.tmp.path().join("nfs.db")
    }

    pub fn layer(&mut self) -> PathBuf {
        self.layers += 1;
        let path = self.tmp.path().join(format!("layer{}", self.layers));
        std::fs::create_dir(&path).unwrap();
        View::create_layer(&open(&path), &Door::default()).unwrap();
        path
    }

    /// The uppermost of `layers` open over the others and the base.
    pub fn view(&self, layers: &[PathBuf], options: ViewOptions) -> View {
        let mut lower: Arc<dyn Lower> = Arc::new(DirLower::new(open(&self.base())));
        let (top, sealed) = layers.split_last().unwrap();
        for layer in sealed {
            lower = Arc::new(Sealed::open(open(layer), lower).unwrap());
        }
        View::open(open(top), lower, options).unwrap()
    }

    /// A branch with a layer of its own.
    pub fn branch(&mut self) -> View {
        let layer = self.layer();
        self.view(&[layer], ViewOptions::default())
    }

    /// What branches stand on.
    pub fn base_view(&mut self) -> View {
        let layer = self.layer();
        self.view(&[layer], ViewOptions { read_only: true, ..ViewOptions::default() })
    }
}

/// Where a session's view goes on as another: opened again from its layers.
#[derive(Clone)]
pub struct Moving(pub Arc<Mutex<(View, u64)>>);

impl Moving {
    pub fn new(view: View) -> Self {
        Self(Arc::new(Mutex::new((view, 1))))
    }

    pub fn move_to(&self, view: View) {
        let mut now = self.0.lock().unwrap();
        *now = (view, now.1 + 1);
    }
}

impl Lender for Moving {
    fn read(&self) -> FsResult<brio_session::Lent> {
        let (view, epoch) = self.0.lock().unwrap().clone();
        Ok(brio_session::Lent::new(view, epoch))
    }

    fn write(&self) -> FsResult<brio_session::Lent> {
        self.read()
    }
}

type Shown = (Arc<dyn Lender>, Option<Arc<dyn Lender>>);

/// What is shown below `/exports/sessions`.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<BTreeMap<String, Shown>>>);

impl Sessions {
    pub fn one(name: &str, view: View) -> Self {
        let new = Self::default();
        new.add(name, Fixed(view), None);
        new
    }

    pub fn add(&self, name: &str, lender: impl Lender, base: Option<View>) {
        let base = base.map(|view| Arc::new(Fixed(view)) as Arc<dyn Lender>);
        self.0.lock().unwrap().insert(name.to_owned(), (Arc::new(lender), base));
    }

    pub fn end(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }

    fn get(&self, name: &str) -> FsResult<Shown> {
        self.0.lock().unwrap().get(name).cloned().ok_or(FsError::NotFound)
    }
}

impl Exports for Sessions {
    fn directories(&self) -> &[&'static str] {
        &["sessions"]
    }

    fn list(&self, _: &str) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    fn open(&self, _: &str, name: &str) -> FsResult<Opened> {
        Ok(Opened { name: name.to_owned(), lender: self.get(name)?.0 })
    }

    fn base(&self, _: &str, name: &str) -> FsResult<Arc<dyn Lender>> {
        self.get(name)?.1.ok_or(FsError::NotFound)
    }

    fn is_there(&self, _: &str, name: &str) -> bool {
        self.get(name).is_ok()
    }
}

/// A server, and what it takes to end it and begin another in its place.
pub struct Served {
    pub at: SocketAddr,
    pub sessions: Sessions,
    options: Options,
    table: Option<PathBuf>,
    serving: Option<Serving>,
}

impl Served {
    pub fn new(sessions: Sessions, options: Options, table: Option<PathBuf>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let serving = serve(listener, sessions.clone(), options.clone(), table.clone()).unwrap();
        Self { at, sessions, options, table, serving: Some(serving) }
    }

    pub fn restart(&mut self) {
        self.restart_after(|| {});
    }

    /// `act` happens while there is no server.
    pub fn restart_after(&mut self, act: impl FnOnce()) {
        drop(self.serving.take());
        act();
        let listener = TcpListener::bind(self.at).unwrap();
        let (sessions, options) = (self.sessions.clone(), self.options.clone());
        self.serving = Some(serve(listener, sessions, options, self.table.clone()).unwrap());
    }

    pub fn serving(&self) -> &Serving {
        self.serving.as_ref().unwrap()
    }

    pub fn client(&self) -> Client {
        Client::new(self.at)
    }

    /// A client, and the root of a session.
    pub fn mounted(&self, name: &str) -> (Client, Fh) {
        let mut client = self.client();
        let root = client.mnt(&format!("/exports/sessions/{name}")).unwrap();
        (client, root)
    }
}

/// A branch, served as `one`.
pub struct Branch {
    pub served: Served,
    pub view: View,
    pub place: Place,
}

impl Branch {
    pub fn new(fill: impl FnOnce(&Path)) -> Self {
        let mut place = Place::new(fill);
        let (view, base) = (place.branch(), place.base_view());
        let sessions = Sessions::default();
        sessions.add("one", Fixed(view.clone()), Some(base));
        let served = Served::new(sessions, options(), Some(place.table()));
        Self { served, view, place }
    }

    pub fn mounted(&self) -> (Client, Fh) {
        self.served.mounted("one")
    }
}
