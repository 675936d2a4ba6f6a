//! A worker that was taken over: native code in the place of the agent, which knows where everything
//! is and tries to get there. Nothing of it is reached; the session ends as the report says.

mod entered;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use brio_host::{AgentSource, Brio, Ending, Metadata, Place, RunRequest, Sandbox, ViewOptions};
use brio_session::{Handle, OpenOptions};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() {
    brio_confine::enter_if_asked_with(misbehave);
    entered::run(&[(
        "a_worker_that_misbehaves_changes_neither_base_nor_another_session",
        a_worker_that_misbehaves_changes_neither_base_nor_another_session,
    )])
}

/// What is tried, by name: whether it can be done.
fn attempts(
    base: &Path,
    session: &Path,
    home: &Path,
    port: u16,
    pid: i32,
) -> Vec<(&'static str, bool)> {
    let signal = |pid: i32| {
        let pid = rustix::process::Pid::from_raw(pid);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
    };
    vec![
        ("write a file of the base", fs::write(base.join("notes.txt"), "owned").is_ok()),
        ("make a file in the base", fs::write(base.join("new.txt"), "owned").is_ok()),
        ("read a file of the base", fs::read(base.join("notes.txt")).is_ok()),
        ("list the base", fs::read_dir(base).is_ok()),
        ("write to another session", fs::write(session.join("index"), "owned").is_ok()),
        ("remove another session", fs::remove_dir_all(session).is_ok()),
        ("write to the home", fs::write(home.join("metadata.db"), "owned").is_ok()),
        ("list the root's entries", fs::read_dir("/").is_ok_and(|all| all.count() > 0)),
        ("read /proc", fs::read("/proc/self/environ").is_ok()),
        ("start a program", Command::new("/bin/true").status().is_ok()),
        ("connect to a port", TcpStream::connect(("127.0.0.1", port)).is_ok()),
        ("signal the supervisor", signal(pid)),
        ("make a socket", std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
    ]
}

/// In the cell, in the place of the worker: the job's description says where everything is.
fn misbehave(given: Vec<OwnedFd>) -> i32 {
    let mut given = given.into_iter().map(UnixStream::from);
    let Some(mut socket) = given.next() else { return 1 };
    match tell(&mut socket) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn tell(socket: &mut UnixStream) -> Outcome {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut job = vec![0; u32::from_le_bytes(length) as usize];
    socket.read_exact(&mut job)?;
    let text = String::from_utf8_lossy(&job);
    let told = text.split("<<").nth(1).and_then(|t| t.split(">>").next()).ok_or("no words")?;
    let words: Vec<&str> = told.split('|').collect();
    let [base, session, home, port, pid] = words[..] else { return Err("words".into()) };
    let [base, session, home] = [base, session, home].map(Path::new);
    let done = attempts(base, session, home, port.parse()?, pid.parse()?);
    let reached: Vec<_> = done.iter().filter(|(_, done)| *done).map(|(what, _)| *what).collect();
    let said = format!("tried {}: {reached:?}", done.len());
    // `Up::Output(0)`, then `Up::Done` with a success that took nothing.
    const OUTPUT: &[u8] = &[3, 0];
    const DONE: &[u8] = &[5];
    socket.write_all(&frame(OUTPUT, said.as_bytes()))?;
    socket.write_all(&frame(DONE, &[0; 13]))?;
    Ok(())
}

fn frame(head: &[u8], body: &[u8]) -> Vec<u8> {
    let lengths = [head.len() as u32, body.len() as u32].map(u32::to_le_bytes).concat();
    [&lengths, head, body].concat()
}

/// All that is below a directory, with its content.
fn tree(at: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![at.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let content = fs::read(&path).unwrap_or_default();
                found.push((path.to_string_lossy().into_owned(), content));
            }
        }
    }
    found.sort();
    found
}

// F-030
fn a_worker_that_misbehaves_changes_neither_base_nor_another_session() {
    misbehaved().expect("a run");
}

fn misbehaved() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (base, home) = (dir.path().join("base"), dir.path().join("home"));
    fs::create_dir(&base)?;
    fs::write(base.join("notes.txt"), "it is red\n")?;
    let brio = Brio::open(&home)?;
    let other = brio.begin(&base, Metadata::default())?;
    let writer = other.writer("test", ViewOptions::default())?;
    let view = writer.view().clone();
    let how = OpenOptions { write: true, create: true, ..OpenOptions::default() };
    let Handle::File(file) = view.open_at(&view.root(), b"theirs.txt", &how)? else {
        return Err("a file".into());
    };
    file.write_at(b"theirs", 0)?;
    drop(file);
    writer.finish()?;
    let session = base.join(".brio/sessions").join(other.id().as_str());
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();

    // Each can be done where nothing forbids it.
    let free = tempfile::tempdir()?;
    let copy = |name: &str| free.path().join(name);
    fs::create_dir(copy("base"))?;
    fs::write(copy("base").join("notes.txt"), "")?;
    fs::create_dir(copy("session"))?;
    fs::create_dir(copy("home"))?;
    let pid = std::process::id().cast_signed();
    let done = attempts(&copy("base"), &copy("session"), &copy("home"), port, pid);
    assert!(done.iter().all(|(_, done)| *done), "outside of a cell: {done:?}");

    let now = || -> Outcome<_> {
        Ok((tree(&base.join(".brio/sessions")), fs::read(base.join("notes.txt"))?))
    };
    let before = now()?;
    let place = Place::Begin { base: base.clone(), metadata: Metadata::default() };
    let mut request = RunRequest::new(AgentSource::Named("hello".into()), place);
    request.sandbox = Some(Sandbox::Process);
    request.require_sandbox = true;
    let (base_is, session_is, home_is) = (base.display(), session.display(), home.display());
    request.description = format!("<<{base_is}|{session_is}|{home_is}|{port}|{pid}>>");
    let ran = brio.run(request)?;
    let said = ran.report.stdout.text().into_owned();
    assert_eq!(said, format!("tried {}: []", done.len()), "{:?}", ran.report);
    assert!(matches!(ran.ending, Ending::Unchanged), "{:?}", ran.ending);
    assert!(before == now()?, "another session, or the base, was changed");
    assert!(!base.join("new.txt").exists());
    let changed = other.changes()?;
    assert_eq!(changed.changes.len(), 1, "{changed:?}");
    Ok(())
}
