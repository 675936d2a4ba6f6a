//! `brio serve --nfs`: sessions as exports, by a client that others wrote, against the binary.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../nfs/tests/common/client.rs"]
#[allow(dead_code, missing_docs, unreachable_pub, reason = "part of several tests")]
mod client;
mod common;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use brio_host::{Brio, ViewOptions};
use client::{Client, Fh};
use common::TestEnvironment;
use nfs3_types::mount::mountstat3;
use nfs3_types::nfs3::{createhow3, nfsstat3, sattr3, stable_how};
use serde_json::Value;

/// A server, and what it runs on.
struct Served {
    env: TestEnvironment,
    at: SocketAddr,
    child: Child,
}

impl Served {
    fn new(env: TestEnvironment) -> Self {
        let (child, at) = start(&env, "127.0.0.1:0");
        Self { env, at, child }
    }

    /// The base belongs to a project in the home's own store.
    fn of_project() -> Self {
        let env = TestEnvironment::new();
        env.ok(&["project", "init", "--store", "--name", "acme/site"]);
        env.ok(&["project", "import"]);
        Self::new(env)
    }

    fn client(&self) -> Client {
        Client::with(self.at, client::unix(rustix::process::geteuid().as_raw())).unwrap()
    }

    fn mount(&self, path: &str) -> (Client, Fh) {
        let mut client = self.client();
        let root = client.mnt(path).unwrap();
        (client, root)
    }

    fn is_missing(&self, path: &str) -> bool {
        matches!(self.client().mnt(path), Err(mountstat3::MNT3ERR_NOENT))
    }

    fn session(&self, id: &str) -> (Client, Fh) {
        self.mount(&format!("/exports/sessions/{id}"))
    }

    /// Kills it, and begins another one at its address.
    fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (self.child, _) = start(&self.env, &self.at.to_string());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(env: &TestEnvironment, at: &str) -> (Child, SocketAddr) {
    let mut command = env.command(&["serve", "--nfs", at]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = loop {
        let line = lines.next().expect("it says where").unwrap();
        if line.starts_with("NFS: ") {
            break line;
        }
    };
    // What else it says is read, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    let port = line.split(",port=").nth(1).unwrap().split(',').next().unwrap();
    (child, format!("127.0.0.1:{port}").parse().unwrap())
}

fn read(client: &mut Client, dir: &Fh, path: &str) -> Result<String, nfsstat3> {
    let mut at = dir.clone();
    for name in path.split('/') {
        at = client.lookup(&at, name.as_bytes())?.0;
    }
    Ok(String::from_utf8(client.read_all(&at)?).unwrap())
}

fn overwrite(client: &mut Client, dir: &Fh, name: &str, text: &str) {
    let (file, _) = client.lookup(dir, name.as_bytes()).unwrap();
    let empty = sattr3 { size: nfs3_types::nfs3::set_size3::Some(0), ..sattr3::default() };
    client.setattr(&file, empty).unwrap();
    client.write(&file, 0, text.as_bytes(), stable_how::FILE_SYNC).unwrap();
}

fn start_session(env: &TestEnvironment, title: &str) -> Value {
    env.json(&["session", "start", title, "--json"]).1
}

fn id_of(started: &Value) -> String {
    started["session"].as_str().unwrap().to_owned()
}

// M-010, M-030, M-031, M-032, M-033, M-034, M-035, M-037, M-043, M-070, M-071: a session is edited
// through its export, its base is `@` there and never changes, and what lands is the next tree.
#[test]
fn a_session_is_edited_in_its_export_and_lands() {
    let served = Served::of_project();
    let env = &served.env;
    let started = start_session(env, "edit");
    let id = id_of(&started);
    let path = format!("/exports/sessions/{id}");
    assert_eq!(started["nfs_export"], path);
    let mount = started["nfs_mount"].as_str().unwrap();
    let port = served.at.port();
    assert!(mount.contains(&format!("port={port},mountport={port}")), "{mount}");
    assert!(mount.ends_with(&format!("127.0.0.1:{path} DIR")), "{mount}");

    let (mut client, root) = served.mount(&path);
    assert_eq!(client.names(&root), ["notes.txt", "src"], "`@` is not listed");
    overwrite(&mut client, &root, "notes.txt", "changed\n");
    client.put(&root, b"new.txt", b"new\n");
    let (src, _) = client.lookup(&root, b"src").unwrap();
    client.remove(&src, b"lib.rs").unwrap();
    let base = read(&mut client, &root, "@/notes.txt");
    assert_eq!(base.as_deref(), Ok("one\ntwo\nthree\n"));
    assert_eq!(read(&mut client, &root, "@/new.txt"), Err(nfsstat3::NFS3ERR_NOENT));
    let (at, _) = client.lookup(&root, b"@").unwrap();
    let how = createhow3::UNCHECKED(sattr3::default());
    assert_eq!(client.create(&at, b"x", how).map(drop), Err(nfsstat3::NFS3ERR_ROFS));

    let tree = started["base_tree"].as_str().unwrap();
    let hash = tree.strip_prefix("sha256:").unwrap();
    let (mut other, before) = served.mount(&format!("/exports/trees/{hash}"));
    let landed = env.json(&["session", "land", &id, "--message", "by NFS", "--json"]).1;
    assert_eq!(landed["landing"], 2, "{landed}");
    assert_eq!(env.read("notes.txt"), "changed\n");
    assert_eq!(env.read("new.txt"), "new\n");
    assert!(!env.base().join("src/lib.rs").exists());

    // What was there is there, under its hash and its position, beside what came of it.
    assert_eq!(read(&mut other, &before, "notes.txt").as_deref(), Ok("one\ntwo\nthree\n"));
    for (position, text) in [(1, "one\ntwo\nthree\n"), (2, "changed\n")] {
        let (mut client, root) = served.mount(&format!("/exports/landings/{position}"));
        assert_eq!(read(&mut client, &root, "notes.txt").as_deref(), Ok(text));
        let removed = client.remove(&root, b"notes.txt");
        assert_eq!(removed, Err(nfsstat3::NFS3ERR_ROFS));
    }
    assert!(served.is_missing("/exports/landings/3"));
    // The session has ended: for whoever is in it, and for whoever comes.
    common::until("it is stale", || {
        read(&mut client, &root, "new.txt") == Err(nfsstat3::NFS3ERR_STALE)
    });
    assert!(served.is_missing(&path));
}

// M-036: of two sessions neither sees what the other did, in any of their exports.
#[test]
fn two_sessions_do_not_see_each_other() {
    let served = Served::of_project();
    let ids = ["one", "two"].map(|title| id_of(&start_session(&served.env, title)));
    let [(mut a, root_a), (mut b, root_b)] = [&ids[0], &ids[1]].map(|id| served.session(id));
    let in_a = a.put(&root_a, b"mine", b"a's");
    overwrite(&mut a, &root_a, "notes.txt", "a\n");
    overwrite(&mut b, &root_b, "notes.txt", "b\n");
    assert_eq!(read(&mut a, &root_a, "notes.txt").as_deref(), Ok("a\n"));
    assert_eq!(read(&mut b, &root_b, "notes.txt").as_deref(), Ok("b\n"));
    assert_eq!(read(&mut b, &root_b, "mine"), Err(nfsstat3::NFS3ERR_NOENT));
    assert_eq!(b.names(&root_b), ["notes.txt", "src"]);
    assert_eq!(read(&mut b, &root_b, "@/notes.txt").as_deref(), Ok("one\ntwo\nthree\n"));
    let moved = b.rename((&root_b, b"notes.txt"), (&root_a, b"stolen"));
    assert_eq!(moved, Err(nfsstat3::NFS3ERR_XDEV));
    assert_eq!(b.link(&in_a, &root_b, b"linked"), Err(nfsstat3::NFS3ERR_XDEV));
    served.env.ok(&["session", "land", &ids[0]]);
    assert_eq!(read(&mut b, &root_b, "mine"), Err(nfsstat3::NFS3ERR_NOENT), "landed, not seen");
    assert_eq!(read(&mut b, &root_b, "notes.txt").as_deref(), Ok("b\n"));
}

#[test]
fn all_open_sessions_are_listed_and_those_of_directories_are_exported_too() {
    let served = Served::new(TestEnvironment::new());
    let env = &served.env;
    let mut ids = [env.begin(), env.begin()];
    ids.sort();
    let (mut client, root) = served.mount("/exports/sessions");
    let mut listed = client.names(&root);
    listed.sort();
    assert_eq!(listed, ids);
    let told = client.exports();
    assert!(ids.iter().all(|id| told.contains(&format!("/exports/sessions/{id}"))), "{told:?}");
    // A prefix is no name here.
    let short = &ids[0].as_bytes()[..12];
    assert_eq!(client.lookup(&root, short).map(drop), Err(nfsstat3::NFS3ERR_NOENT));
    let (session, _) = client.lookup(&root, ids[0].as_bytes()).unwrap();
    client.put(&session, b"made", b"there");
    env.ok(&["session", "commit", &ids[0]]);
    assert_eq!(env.read("made"), "there");
    // The base as it was, and as of the landing.
    let (mut before, root) = served.mount("/exports/landings/0");
    assert_eq!(read(&mut before, &root, "made"), Err(nfsstat3::NFS3ERR_NOENT));
    let (mut after, root) = served.mount("/exports/landings/1");
    assert_eq!(read(&mut after, &root, "made").as_deref(), Ok("there"));
    let (mut other, root) = served.session(&ids[1]);
    assert_eq!(read(&mut other, &root, "made"), Err(nfsstat3::NFS3ERR_NOENT));
}

#[test]
fn while_somebody_works_in_a_session_clients_read_and_keep_what_they_have() {
    let served = Served::new(TestEnvironment::new());
    let id = served.env.begin();
    let (mut client, root) = served.session(&id);
    let mine = client.put(&root, b"mine", b"before");
    let brio = Brio::open(served.env.home()).unwrap();
    let session = brio.find(&id, Some(&served.env.base())).unwrap();
    // The server lets go of the lease for whoever asks.
    let writer = session.writer("test", ViewOptions::default()).unwrap();
    assert_eq!(read(&mut client, &root, "mine").as_deref(), Ok("before"));
    let refused = client.write(&mine, 0, b"while", stable_how::FILE_SYNC).map(drop);
    assert_eq!(refused, Err(nfsstat3::NFS3ERR_JUKEBOX));
    let how = createhow3::UNCHECKED(sattr3::default());
    assert_eq!(client.create(&root, b"x", how).map(drop), Err(nfsstat3::NFS3ERR_ROFS));
    assert_eq!(client.remove(&root, b"mine"), Err(nfsstat3::NFS3ERR_ROFS));
    writer.finish().unwrap();
    client.write(&mine, 0, b"after!", stable_how::FILE_SYNC).unwrap();
    assert_eq!(read(&mut client, &root, "mine").as_deref(), Ok("after!"));
    // What NFS wrote is told as what any run did.
    let shown = served.env.json(&["session", "show", &id, "--json"]).1;
    let runs = shown["operations"].as_array().unwrap();
    assert!(runs.iter().any(|run| run.to_string().contains("\"nfs\"")), "{shown}");
}

#[test]
fn a_client_that_keeps_writing_keeps_nobody_from_landing() {
    let env = TestEnvironment::new();
    let served = Served::new(env);
    for n in 0..8 {
        let id = served.env.begin();
        let over = AtomicBool::new(false);
        let writing = std::thread::scope(|scope| {
            let (told, begun) = std::sync::mpsc::channel();
            let (served, id, over) = (&served, &id, &over);
            let writer = scope.spawn(move || {
                let (mut client, root) = served.session(id);
                let file = client.put(&root, format!("of-{n}").as_bytes(), b"0");
                told.send(()).unwrap();
                let mut writes = 0_u64;
                while !over.load(Ordering::Relaxed) {
                    match client.write(&file, 0, b"again", stable_how::UNSTABLE) {
                        Ok(_) => writes += 1,
                        // It works on in the session while that is landed.
                        Err(nfsstat3::NFS3ERR_JUKEBOX) => {}
                        Err(nfsstat3::NFS3ERR_STALE) => break,
                        Err(other) => panic!("{other:?}"),
                    }
                }
                writes
            });
            begun.recv().unwrap();
            let landed = served.env.brio(&["session", "commit", id]);
            over.store(true, Ordering::Relaxed);
            assert_eq!(landed.status, 0, "{}", landed.stderr);
            writer.join().unwrap()
        });
        assert!(writing > 0);
        assert!(["0", "again"].contains(&served.env.read(&format!("of-{n}")).as_str()));
    }
}

#[test]
fn handles_outlive_a_server_that_is_killed() {
    let mut served = Served::new(TestEnvironment::new());
    let id = served.env.begin();
    let (mut client, root) = served.session(&id);
    let (src, _) = client.lookup(&root, b"src").unwrap();
    let (kept, _) = client.lookup(&src, b"lib.rs").unwrap();
    let made = client.put(&src, b"made", b"durable");
    client.commit(&made).unwrap();
    client.rename((&root, b"src"), (&root, b"moved")).unwrap();
    served.kill_and_restart();
    let mut client = served.client();
    assert_eq!(client.read_all(&made).as_deref(), Ok(&b"durable"[..]));
    assert!(client.read_all(&kept).unwrap().starts_with(b"// TODO"));
    assert_eq!(client.names(&src), ["lib.rs", "made"]);
    client.write(&made, 0, b"DURABLE", stable_how::FILE_SYNC).unwrap();
    served.env.ok(&["session", "commit", &id]);
    assert_eq!(served.env.read("moved/made"), "DURABLE");
    common::until("the handle is stale", || {
        client.getattr(&made).map(drop) == Err(nfsstat3::NFS3ERR_STALE)
    });
}

#[test]
fn who_else_may_is_asked_for_and_what_cannot_be_is_refused() {
    let env = TestEnvironment::new();
    let public = env.error(&["serve", "--nfs", "0.0.0.0:0"], 2, "NFS_PUBLIC");
    assert!(public.contains("--nfs-client"), "{public}");
    for usage in [
        &["serve", "--nfs", "nowhere"][..],
        &["serve", "--nfs-any-user"],
        &["serve", "--nfs", "0.0.0.0:0", "--nfs-public"],
        &["serve", "--nfs", "0.0.0.0:0", "--nfs-client", "10.0.0.0/8"],
        &["serve", "--nfs", "0.0.0.0:0", "--nfs-public", "--nfs-client", "10.0.0.1/8"],
        &["serve", "--nfs", "127.0.0.1:0", "--stop"],
    ] {
        assert_eq!(env.brio(usage).status, 2, "{usage:?}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let refused = env.brio(&["serve", "--nfs", &at]);
    assert!(refused.stderr.contains(&format!("error: NFS: {at}: ")), "{}", refused.stderr);

    let served = Served::new(env);
    let own = rustix::process::geteuid().as_raw();
    // Users that a client says it has, but for the owner and root.
    let mut other = Client::with(served.at, client::unix(own + 1)).unwrap();
    assert!(other.try_mnt("/exports").is_err(), "AUTH_TOOWEAK");
    let mut root = Client::with(served.at, client::unix(0)).unwrap();
    root.mnt("/exports").unwrap();
    let status = served.env.json(&["serve", "--status", "--json"]).1;
    assert_eq!(status["nfs"], served.at.to_string());
}
