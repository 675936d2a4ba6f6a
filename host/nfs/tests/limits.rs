//! Clients that ask for too much, too slowly, or take nothing: each is the only one to feel it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use brio_nfs::{Options, Users, serve};
use brio_session::Fixed;
use common::client::{Client, connect, unix};
use common::wire::{call, packed, receive, record, send, word};
use common::{Branch, Fh, Place, Served, Sessions, options};
use nfs3_types::nfs3::*;

/// What `lib.rs` and `serve.rs` promise.
const LONGEST: usize = (1 << 20) + (16 << 10);
const CONNECTIONS: usize = 128;

fn null(xid: u32) -> Vec<u8> {
    call(xid, (PROGRAM, VERSION, 0), &unix(0), &[])
}

fn read(xid: u32, file: &Fh, count: u32) -> Vec<u8> {
    let args = packed(&READ3args { file: file.clone(), offset: 0, count });
    call(xid, (PROGRAM, VERSION, NFS_PROGRAM::NFSPROC3_READ as u32), &unix(0), &args)
}

fn branch() -> Branch {
    Branch::new(|base| std::fs::write(base.join("large"), vec![7; 1 << 20]).unwrap())
}

/// Hung up on: by an end, or by a reset where something was still on its way.
fn is_hung_up(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0; 16]), Ok(0))
        || stream.read(&mut [0; 16]).is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock)
}

#[test]
fn who_sends_too_much_or_nonsense_is_hung_up_on() {
    let branch = branch();
    let too_long = ((LONGEST as u32 + 1) | (1 << 31)).to_be_bytes().to_vec();
    let pieces = [0u8; 4].repeat(65);
    let answer = record(&[&7u32.to_be_bytes()[..], &1u32.to_be_bytes(), &[0; 40]].concat());
    for bytes in [
        too_long,
        u32::MAX.to_be_bytes().to_vec(),
        pieces,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        record(b""),
        record(b"four"),
        answer,
    ] {
        let mut stream = connect(branch.served.at).unwrap();
        stream.write_all(&bytes).unwrap();
        let begun = Instant::now();
        assert!(is_hung_up(&mut stream), "{:?}", &bytes[..4]);
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
    // The largest that there is, and calls in pieces, are taken.
    let (mut c, root) = branch.mounted();
    let file = c.put(&root, b"new", b"");
    let done = c.write(&file, 0, &vec![1; 1 << 20], stable_how::UNSTABLE).unwrap();
    assert_eq!(done.count, 1 << 20);
    let mut stream = connect(branch.served.at).unwrap();
    let call = null(3);
    for (n, part) in call.chunks(8).enumerate() {
        let last = if (n + 1) * 8 >= call.len() { 1 << 31 } else { 0 };
        stream.write_all(&(part.len() as u32 | last).to_be_bytes()).unwrap();
        stream.write_all(part).unwrap();
    }
    assert_eq!(word(&receive(&mut stream).unwrap(), 0), 3);
}

#[test]
fn who_trickles_holds_up_nobody() {
    let branch = branch();
    let call = record(&null(9));
    // More than may be carried out at one time.
    let mut slow: Vec<_> = (0..100).map(|_| connect(branch.served.at).unwrap()).collect();
    let (some, rest) = call.split_at(10);
    for stream in &mut slow {
        stream.write_all(some).unwrap();
    }
    let begun = Instant::now();
    let (mut c, root) = branch.mounted();
    assert_eq!(c.names(&root), ["large"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // And is answered, when it has said all.
    for byte in rest {
        slow[0].write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(word(&receive(&mut slow[0]).unwrap(), 0), 9);
}

/// A client that asks for more than what is kept for it, and takes none of it.
#[test]
fn who_takes_no_answers_holds_up_nobody() {
    let branch = branch();
    let (mut c, root) = branch.mounted();
    let file = c.lookup(&root, b"large").unwrap().0;
    let greedy: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = connect(branch.served.at).unwrap();
            // The requests themselves may no longer be taken: then that is its own affair.
            stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            for xid in 0..200 {
                if stream.write_all(&record(&read(xid, &file, 1 << 20))).is_err() {
                    break;
                }
            }
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(c.read_all(&file).unwrap().len(), 1 << 20);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
    // What it did not take is kept, not done: about what there is room for was carried out.
    let (read, _) = branch.served.serving().counts().bytes();
    assert!(read < (8 * 24) << 20, "{} MiB", read >> 20);
    drop(greedy);
}

#[test]
fn calls_of_one_connection_are_answered_as_they_are_done() {
    let branch = branch();
    let (mut c, root) = branch.mounted();
    let file = c.lookup(&root, b"large").unwrap().0;
    let mut stream = connect(branch.served.at).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        for xid in 0..400 {
            let large = xid % 5 == 0;
            send(&mut writer, &read(xid, &file, if large { 1 << 20 } else { 10 }));
        }
    });
    let mut got = BTreeSet::new();
    for _ in 0..400 {
        let answer = receive(&mut stream).unwrap();
        let xid = word(&answer, 0);
        assert!(got.insert(xid), "{xid} is answered twice");
        assert_eq!(word(&answer, 6), 0);
        assert_eq!(answer.len() > 1 << 20, xid.is_multiple_of(5), "{xid}");
    }
    sender.join().unwrap();
    assert_eq!(got, (0..400).collect());
    // And then hung up on by both.
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(receive(&mut stream), None);
}

#[test]
fn connections_beyond_the_limit_wait_for_a_place() {
    let branch = branch();
    let mut idle: Vec<_> = (0..CONNECTIONS).map(|_| connect(branch.served.at).unwrap()).collect();
    for stream in &mut idle {
        send(stream, &null(1));
        receive(stream).unwrap();
    }
    let (all, open, _) = branch.served.serving().counts().connections();
    assert_eq!((all, open), (CONNECTIONS as u64, CONNECTIONS as u64));
    let mut late = connect(branch.served.at).unwrap();
    send(&mut late, &null(2));
    late.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(receive(&mut late), None, "not yet");
    drop(idle.pop());
    late.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(word(&receive(&mut late).unwrap(), 0), 2);
}

/// The address of another interface of this machine, if it has one.
fn elsewhere() -> Option<IpAddr> {
    // Nothing is sent: it only asks by which way it would be.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

#[test]
fn other_addresses_are_served_if_they_are_listed() {
    let Some(ip) = elsewhere() else {
        return skip("other_addresses_are_served_if_they_are_listed", "there is only the loopback");
    };
    for (clients, served) in [
        (vec![], false),
        (vec!["240.0.0.0/4".parse().unwrap()], false),
        (vec![ip.to_string().parse().unwrap()], true),
    ] {
        for users in [Users::Owner, Users::Anyone] {
            let mut place = Place::new(|_| {});
            let listener = TcpListener::bind(SocketAddr::new(ip, 0)).unwrap();
            let at = listener.local_addr().unwrap();
            let options = Options { users, clients: clients.clone(), ..options() };
            let serving =
                serve(listener, Sessions::one("one", place.branch()), options, None).unwrap();
            let mut stream = connect(at).unwrap();
            let _ = stream.write_all(&record(&null(4)));
            let answer = receive(&mut stream);
            assert_eq!(answer.is_some(), served, "{clients:?} {users:?}");
            let (_, _, refused) = serving.counts().connections();
            assert_eq!(refused, u64::from(!served));
        }
    }
}

/// Says loudly that a test cannot run here, and has it counted (`$BRIO_SKIPS`).
fn skip(name: &str, why: &str) {
    eprintln!("SKIPPED: {name}: {why}");
    if let Some(list) = std::env::var_os("BRIO_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(list);
        let _ = file.and_then(|mut f| writeln!(f, "{name}: {why}"));
    }
}

#[test]
fn exports_beyond_the_limit_are_closed_and_opened_again() {
    let mut place = Place::new(|base| std::fs::write(base.join("f"), "of all").unwrap());
    let (view, sessions) = (place.branch(), Sessions::default());
    let names: Vec<_> = (0..300).map(|n| format!("s{n}")).collect();
    for name in &names {
        sessions.add(name, Fixed(view.clone()), None);
    }
    let served = Served::new(sessions, options(), Some(place.table()));
    let mut client = served.client();
    let files: Vec<_> = names
        .iter()
        .map(|name| {
            let root = client.mnt(&format!("/exports/sessions/{name}")).unwrap();
            client.lookup(&root, b"f").unwrap().0
        })
        .collect();
    for file in files {
        assert_eq!(client.read_all(&file).unwrap(), b"of all");
    }
}

/// Who takes away or replaces a large file of the base has it read first. Where that fails, each
/// look waits for the whole of the reading.
#[test]
fn who_removes_a_large_file_holds_up_nobody() {
    let branch = Branch::new(|base| {
        for name in ["large", "other"] {
            std::fs::File::create(base.join(name)).unwrap().set_len(2 << 30).unwrap();
        }
        std::fs::write(base.join("small"), "one").unwrap();
    });
    for by_rename in [false, true] {
        let (mut c, root) = branch.mounted();
        let at = branch.served.at;
        let removal = std::thread::spawn(move || {
            let mut c = Client::new(at);
            let root = c.mnt("/exports/sessions/one").unwrap();
            let begun = Instant::now();
            match by_rename {
                false => c.remove(&root, b"large").unwrap(),
                true => c.rename((&root, b"small"), (&root, b"other")).unwrap(),
            }
            begun.elapsed()
        });
        let mut longest = Duration::ZERO;
        while !removal.is_finished() {
            let begun = Instant::now();
            let _ = c.lookup(&root, b"else");
            longest = longest.max(begun.elapsed());
        }
        let took = removal.join().unwrap();
        assert!(!longest.is_zero() && longest < took / 2, "{longest:?} of {took:?}");
    }
}
