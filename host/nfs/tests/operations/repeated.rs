//! Calls that come again, since their client lost the answer with its connection.

use std::net::Shutdown;

use nfs3_types::nfs3::*;

use crate::common::client::{connect, place, unix};
use crate::common::wire::{call, packed, receive, send, word};
use crate::common::{Branch, Client, Fh};

const OK: u32 = 0;
const NOENT: u32 = 2;

/// Sends a call on a connection that is lost before the answer is read; returns when it was done.
fn lost(branch: &Branch, call: &[u8], done: impl Fn() -> bool) {
    let mut stream = connect(branch.served.at).unwrap();
    send(&mut stream, call);
    for _ in 0..1000 {
        if done() {
            // Its answer is here, or on its way, and nobody takes it: the connection is reset.
            let mut one = [0];
            stream.peek(&mut one).unwrap();
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("never done");
}

/// The status in the answer to a call on a new connection.
fn again(branch: &Branch, call: &[u8]) -> (u32, Vec<u8>) {
    let mut stream = connect(branch.served.at).unwrap();
    send(&mut stream, call);
    let answer = receive(&mut stream).unwrap();
    (word(&answer, 6), answer)
}

fn of(xid: u32, procedure: NFS_PROGRAM, arguments: &[u8]) -> Vec<u8> {
    call(xid, (PROGRAM, VERSION, procedure as u32), &unix(0), arguments)
}

fn setup() -> (Branch, Client, Fh) {
    let branch = Branch::new(|base| {
        for f in ["one", "two", "three"] {
            std::fs::write(base.join(f), f).unwrap();
        }
    });
    let (client, root) = branch.mounted();
    (branch, client, root)
}

fn is_there(branch: &Branch, name: &str) -> bool {
    branch.view.stat_at(&branch.view.root(), name.as_bytes(), false).is_ok()
}

#[test]
fn what_was_done_is_not_done_again() {
    let (branch, mut c, root) = setup();
    let remove = of(77, NFS_PROGRAM::NFSPROC3_REMOVE, &packed(&place(&root, b"one")));
    lost(&branch, &remove, || !is_there(&branch, "one"));
    assert_eq!(again(&branch, &remove).0, OK);
    let args = [packed(&place(&root, b"two")), packed(&place(&root, b"zwei"))].concat();
    let rename = of(78, NFS_PROGRAM::NFSPROC3_RENAME, &args);
    lost(&branch, &rename, || is_there(&branch, "zwei"));
    assert_eq!(again(&branch, &rename).0, OK);
    let how = createhow3::GUARDED(sattr3::default());
    let args = CREATE3args { where_: place(&root, b"new"), how };
    let create = of(79, NFS_PROGRAM::NFSPROC3_CREATE, &packed(&args));
    lost(&branch, &create, || is_there(&branch, "new"));
    let (status, answer) = again(&branch, &create);
    assert_eq!(status, OK);
    let file = c.lookup(&root, b"new").unwrap().0;
    let told = packed(&file);
    assert!(answer.windows(told.len()).any(|part| part == told), "the file's own handle");
    // Another number is another call.
    let remove = of(80, NFS_PROGRAM::NFSPROC3_REMOVE, &packed(&place(&root, b"one")));
    assert_eq!(again(&branch, &remove).0, NOENT);
}

/// Numbers come again, of other calls and of clients that count from the same one.
#[test]
fn the_same_number_is_not_the_same_call() {
    let (branch, mut c, root) = setup();
    let file = c.put(&root, b"file", &[b'a'; 9000]);
    let write = |byte: u8| {
        let (count, stable) = (9000, stable_how::UNSTABLE);
        let mut data = vec![b'a'; 9000];
        data[8000] = byte;
        let data = nfs3_types::xdr_codec::Opaque::owned(data);
        let args = WRITE3args { file: file.clone(), offset: 0, count, stable, data };
        of(5, NFS_PROGRAM::NFSPROC3_WRITE, &packed(&args))
    };
    for byte in [b'x', b'y'] {
        assert_eq!(again(&branch, &write(byte)).0, OK);
        assert_eq!(c.read(&file, 8000, 1).unwrap().0, [byte]);
    }
}

/// A client that ended well has had its answers: what the next one says in the same words is new.
#[test]
fn a_client_that_had_its_answers_does_not_ask_again() {
    let (branch, mut c, root) = setup();
    let how = || createhow3::GUARDED(sattr3::default());
    let create = || packed(&CREATE3args { where_: place(&root, b"new"), how: how() });
    for round in 0..3 {
        let mut stream = connect(branch.served.at).unwrap();
        send(&mut stream, &of(1, NFS_PROGRAM::NFSPROC3_CREATE, &create()));
        assert_eq!(word(&receive(&mut stream).unwrap(), 6), OK, "round {round}");
        assert!(is_there(&branch, "new"), "round {round}");
        let remove = of(2, NFS_PROGRAM::NFSPROC3_REMOVE, &packed(&place(&root, b"new")));
        send(&mut stream, &remove);
        assert_eq!(word(&receive(&mut stream).unwrap(), 6), OK, "round {round}");
        assert!(!is_there(&branch, "new"), "round {round}");
        stream.shutdown(Shutdown::Write).unwrap();
        // The server has hung up, too.
        assert_eq!(receive(&mut stream), None);
    }
    assert_eq!(c.names(&root), ["one", "three", "two"]);
}
