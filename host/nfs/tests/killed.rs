//! The server, killed again and again while clients write: what was acknowledged as durable is
//! there, handles go on, and nothing is made twice.
//!
//! `BRIO_NFS_KILLS` sets how often (300 for the long run), `BRIO_SEED` another sequence.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use brio_nfs::serve;
use brio_session::{DirLower, Door, View, ViewOptions};
use common::client::{place, unix};
use common::{Client, Fh, Sessions, open, options};
use nfs3_client::RpcError;
use nfs3_types::nfs3::nfsstat3::*;
use nfs3_types::nfs3::*;
use nfs3_types::xdr_codec::{Opaque, Pack, Unpack};

const SERVE: &str = "BRIO_NFS_SERVE";

fn view(dir: &Path) -> View {
    let base = Arc::new(DirLower::new(open(&dir.join("base"))));
    View::open(open(&dir.join("layer")), base, ViewOptions::default()).unwrap()
}

/// What the test starts and kills: this program, told by its environment to serve.
#[test]
fn a_server_of_its_own() {
    let Some(told) = std::env::var_os(SERVE) else { return };
    let told = told.into_string().unwrap();
    let (at, dir) = told.split_once(' ').unwrap();
    let dir = Path::new(dir);
    let sessions = Sessions::one("one", view(dir));
    let listener = TcpListener::bind(at).unwrap();
    let _serving = serve(listener, sessions, options(), Some(dir.join("nfs.db"))).unwrap();
    println!("\nserving");
    // Until it is killed, or whoever started it is gone.
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn start(at: SocketAddr, dir: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_server_of_its_own", "--nocapture"])
        .env(SERVE, format!("{at} {}", dir.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "serving"), "it did not begin");
    child
}

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

struct Held {
    handle: Fh,
    content: Vec<u8>,
}

/// A client that asks until it is answered, as a hard mount does.
struct Writer {
    at: SocketAddr,
    client: Option<Client>,
    /// Whether the call that was answered last had been sent before.
    again: bool,
    dir: Fh,
    root: Fh,
    /// The directory's own name, which moves.
    name: String,
    files: BTreeMap<String, Held>,
    rng: Rng,
    made: u64,
}

impl Writer {
    fn call<C, R>(&mut self, procedure: NFS_PROGRAM, args: &C) -> R
    where
        C: Pack + Send + Sync,
        R: Unpack,
    {
        self.again = false;
        for _ in 0..2000 {
            if self.client.is_none() {
                self.client = Client::with(self.at, unix(0)).ok();
            }
            match self.client.as_mut().map(|c| c.call(PROGRAM, procedure as u32, args)) {
                Some(Ok(answer)) => return answer,
                Some(Err(RpcError::Io(_))) => {
                    self.again = true;
                    self.client = None;
                }
                Some(Err(e)) => panic!("{procedure:?}: {e}"),
                None => {}
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{procedure:?}: no server came back");
    }

    fn lookup(&mut self, name: &str) -> Result<Fh, nfsstat3> {
        let args = LOOKUP3args { what: place(&self.dir, name.as_bytes()) };
        match self.call::<_, LOOKUP3res>(NFS_PROGRAM::NFSPROC3_LOOKUP, &args) {
            Nfs3Result::Ok(found) => Ok(found.object),
            Nfs3Result::Err((status, _)) => Err(status),
        }
    }

    fn read(&mut self, file: &Fh) -> Vec<u8> {
        let args = READ3args { file: file.clone(), offset: 0, count: 1 << 20 };
        match self.call::<_, READ3res<'static>>(NFS_PROGRAM::NFSPROC3_READ, &args) {
            Nfs3Result::Ok(read) => read.data.0.into_owned(),
            Nfs3Result::Err((status, _)) => panic!("a handle that was good is {status}"),
        }
    }

    fn write(&mut self, file: &Fh, offset: u64, data: &[u8], stable: stable_how) -> writeverf3 {
        let (count, data) = (data.len() as u32, Opaque::borrowed(data));
        let args = WRITE3args { file: file.clone(), offset, count, stable, data };
        match self.call::<_, WRITE3res>(NFS_PROGRAM::NFSPROC3_WRITE, &args) {
            Nfs3Result::Ok(done) => done.verf,
            Nfs3Result::Err((status, _)) => panic!("a handle that was good is {status}"),
        }
    }

    /// Writes in pieces, and again for as long as the server was another one in between.
    fn write_durably(&mut self, file: &Fh, offset: usize, data: &[u8]) {
        if self.rng.below(2) == 0 {
            self.write(file, offset as u64, data, stable_how::FILE_SYNC);
            return;
        }
        loop {
            let mut verifiers = Vec::new();
            for (n, piece) in data.chunks(1500).enumerate() {
                let at = offset + n * 1500;
                verifiers.push(self.write(file, at as u64, piece, stable_how::UNSTABLE));
            }
            let args = COMMIT3args { file: file.clone(), offset: 0, count: 0 };
            let done = self.call::<_, COMMIT3res>(NFS_PROGRAM::NFSPROC3_COMMIT, &args).unwrap();
            if verifiers.iter().all(|v| *v == done.verf) {
                return;
            }
        }
    }

    fn make(&mut self) {
        self.made += 1;
        let name = format!("f{}", self.made);
        let verifier = createverf3((self.made << 20 | self.rng.below(1 << 20)).to_be_bytes());
        let how = createhow3::EXCLUSIVE(verifier);
        let args = CREATE3args { where_: place(&self.dir, name.as_bytes()), how };
        let handle = match self.call::<_, CREATE3res>(NFS_PROGRAM::NFSPROC3_CREATE, &args) {
            Nfs3Result::Ok(made) => made.obj.unwrap(),
            Nfs3Result::Err((status, _)) => panic!("create {name}: {status}"),
        };
        let content = vec![self.made as u8; 1 + self.rng.below(6000) as usize];
        self.write_durably(&handle, 0, &content);
        self.files.insert(name, Held { handle, content });
    }

    fn change(&mut self, name: &str) {
        let mut held = self.files.remove(name).unwrap();
        let offset = self.rng.below(held.content.len() as u64) as usize;
        let data = vec![self.rng.below(256) as u8; 1 + self.rng.below(3000) as usize];
        self.write_durably(&held.handle, offset, &data);
        let end = held.content.len().max(offset + data.len());
        held.content.resize(end, 0);
        held.content[offset..offset + data.len()].copy_from_slice(&data);
        self.files.insert(name.to_owned(), held);
    }

    fn remove(&mut self, name: &str) {
        let args = REMOVE3args { object: place(&self.dir, name.as_bytes()) };
        match self.call::<_, REMOVE3res>(NFS_PROGRAM::NFSPROC3_REMOVE, &args) {
            Nfs3Result::Ok(_) => {}
            Nfs3Result::Err((NFS3ERR_NOENT, _)) if self.again => {}
            Nfs3Result::Err((status, _)) => panic!("remove {name}: {status}"),
        }
        self.files.remove(name);
    }

    fn rename(&mut self, name: &str) {
        self.made += 1;
        let to = format!("r{}", self.made);
        let args = RENAME3args {
            from: place(&self.dir, name.as_bytes()),
            to: place(&self.dir, to.as_bytes()),
        };
        self.renamed(&args, name);
        let held = self.files.remove(name).unwrap();
        assert_eq!(self.lookup(&to).as_ref(), Ok(&held.handle), "renamed, it has its handle");
        self.files.insert(to, held);
    }

    /// The directory with all that is in it.
    fn move_all(&mut self) {
        self.made += 1;
        let (from, to) = (self.name.clone(), format!("{}-{}", &self.name[..2], self.made));
        let root = self.root.clone();
        let args =
            RENAME3args { from: place(&root, from.as_bytes()), to: place(&root, to.as_bytes()) };
        self.renamed(&args, &from);
        self.name = to;
    }

    fn renamed(&mut self, args: &RENAME3args<'_, '_>, name: &str) {
        match self.call::<_, RENAME3res>(NFS_PROGRAM::NFSPROC3_RENAME, args) {
            Nfs3Result::Ok(_) => {}
            // Done by the server that was killed before it said so.
            Nfs3Result::Err((NFS3ERR_NOENT, _)) if self.again => {}
            Nfs3Result::Err((status, _)) => panic!("rename {name}: {status}"),
        }
    }

    fn step(&mut self) {
        let any = (self.rng.below(self.files.len().max(1) as u64)) as usize;
        let any = self.files.keys().nth(any).cloned();
        match (self.rng.below(10), any) {
            (0..=3, _) | (_, None) => self.make(),
            (4..=5, Some(name)) => self.change(&name),
            (6, Some(name)) => self.remove(&name),
            (7, Some(name)) => self.rename(&name),
            (8, _) => self.move_all(),
            (_, Some(name)) => {
                let handle = self.files[&name].handle.clone();
                assert_eq!(self.read(&handle), self.files[&name].content, "{name}");
            }
        }
    }

    /// Everything by the handles from whenever they were told.
    fn check(&mut self) {
        for name in self.files.keys().cloned().collect::<Vec<_>>() {
            let handle = self.files[&name].handle.clone();
            assert!(self.read(&handle) == self.files[&name].content, "{name}");
            assert_eq!(self.lookup(&name).as_ref(), Ok(&handle), "{name}");
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |n| n.parse().unwrap())
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let (kills, seed) = (number("BRIO_NFS_KILLS", 8), number("BRIO_SEED", 1));
    let tmp = tempfile::tempdir().unwrap();
    for d in ["base", "layer"] {
        std::fs::create_dir(tmp.path().join(d)).unwrap();
    }
    View::create_layer(&open(&tmp.path().join("layer")), &Door::default()).unwrap();
    let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = start(at, tmp.path());
    let root = Client::new(at).mnt("/exports/sessions/one").unwrap();
    let (stop, steps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut rng = Rng(seed);
    let writers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|n| {
                let (root, stop, steps) = (root.clone(), &stop, &steps);
                let name = format!("d{n}");
                let dir = Client::new(at).mkdir(&root, name.as_bytes(), sattr3::default());
                scope.spawn(move || {
                    let mut writer = Writer {
                        at,
                        client: None,
                        again: false,
                        dir: dir.unwrap().0,
                        root,
                        name,
                        files: BTreeMap::new(),
                        rng: Rng(seed * 100 + n),
                        made: 0,
                    };
                    while !stop.load(Ordering::Relaxed) {
                        writer.step();
                        steps.fetch_add(1, Ordering::Relaxed);
                    }
                    writer
                })
            })
            .collect();
        for _ in 0..kills {
            // Never before something was done: else it would only be started and killed.
            let before = steps.load(Ordering::Relaxed);
            while steps.load(Ordering::Relaxed) < before + 5
                && !threads.iter().any(|t| t.is_finished())
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_micros(rng.below(60_000)));
            server.kill().unwrap();
            server.wait().unwrap();
            server = start(at, tmp.path());
        }
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let mut files = 0;
    for mut writer in writers {
        writer.check();
        files += writer.files.len();
        // What the layer holds is that and nothing else, without any server.
        let there: Vec<_> = {
            let view = view(tmp.path());
            let (dir, _) = view.node_at(&view.root(), writer.name.as_bytes(), false).unwrap();
            dir.as_dir().unwrap().list().unwrap().into_iter().map(|e| e.name).collect()
        };
        let mut there: Vec<_> = there.into_iter().map(|n| String::from_utf8(n).unwrap()).collect();
        there.sort();
        assert_eq!(there, writer.files.keys().cloned().collect::<Vec<_>>());
        println!("{}: {} files", writer.name, writer.files.len());
    }
    server.kill().unwrap();
    server.wait().unwrap();
    println!("{kills} kills, {} steps, {files} files", steps.load(Ordering::Relaxed));
}
