//! MOUNT, and who may do what.

use brio_nfs::{Options, Users};
use nfs3_client::RpcError;
use nfs3_types::mount::mountstat3::*;
use nfs3_types::nfs3::nfsstat3::*;
use nfs3_types::nfs3::*;
use nfs3_types::rpc::{auth_stat, opaque_auth};
use nfs3_types::xdr_codec::{Opaque, Void};

use crate::common::client::unix;
use crate::common::{Branch, Client, Place, Served, Sessions, options};

fn fill(base: &std::path::Path) {
    std::fs::create_dir_all(base.join("a/b/c")).unwrap();
    std::fs::write(base.join("a/f"), "x").unwrap();
    std::os::unix::fs::symlink("a", base.join("link")).unwrap();
}

#[test]
fn every_directory_can_be_mounted_and_nothing_else() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let a = c.lookup(&root, b"a").unwrap().0;
    let b = c.lookup(&a, b"b").unwrap().0;
    let deep = c.lookup(&b, b"c").unwrap().0;
    for path in ["/exports/sessions/one/a/b/c", "//exports/./sessions//one/a/b/c/"] {
        assert_eq!(c.mnt(path).unwrap(), deep);
    }
    assert_eq!(c.mnt("exports/sessions/one").unwrap(), root);
    let base = c.mnt("/exports/sessions/one/@/a").unwrap();
    assert_ne!(base, a);
    let status = |c: &mut Client, path: &str| c.mnt(path).map(drop).unwrap_err() as u32;
    for (path, why) in [
        ("/exports/sessions/one/a/f", MNT3ERR_NOTDIR),
        ("/exports/sessions/one/link", MNT3ERR_NOTDIR),
        ("/exports/sessions/one/a/f/x", MNT3ERR_NOTDIR),
        ("/exports/sessions/two", MNT3ERR_NOENT),
        ("/exports/sessions/@", MNT3ERR_NOENT),
        ("/exports/other", MNT3ERR_NOENT),
        ("/etc", MNT3ERR_NOENT),
    ] {
        assert_eq!(status(&mut c, path), why as u32, "{path}");
    }
    let long = format!("/exports/sessions/one/{}", "x".repeat(300));
    assert_eq!(status(&mut c, &long), MNT3ERR_NAMETOOLONG as u32);
    let longer = "/x".repeat(600);
    assert!(matches!(c.try_mnt(&longer), Err(RpcError::GarbageArgs)));
}

#[test]
fn exports_are_listed_and_there_from_one_moment_to_the_next() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    assert_eq!(c.exports(), ["/exports", "/exports/sessions/one"]);
    let own = c.mnt("/exports/sessions").unwrap();
    assert_eq!(c.names(&own), ["one"]);
    let before = c.getattr(&own).unwrap();
    let sessions = &branch.served.sessions;
    let mut place = Place::new(|_| {});
    sessions.add("two", brio_session::Fixed(place.branch()), None);
    assert_eq!(c.exports(), ["/exports", "/exports/sessions/one", "/exports/sessions/two"]);
    assert_eq!(c.names(&own), ["one", "two"]);
    let two = c.lookup(&own, b"two").unwrap().0;
    assert_eq!(c.names(&two), Vec::<String>::new());
    assert_eq!(c.lookup(&two, b"@").map(drop), Err(NFS3ERR_NOENT), "of nothing known");
    assert_eq!(c.lookup(&own, b"\xff").map(drop), Err(NFS3ERR_NOENT));
    assert_eq!(c.names(&root), ["a", "link"]);
    // A client keeps a listing for as long as these stay as they were.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let after = c.getattr(&own).unwrap();
    assert!(after.mtime.seconds > before.mtime.seconds);
    assert!(after.ctime.seconds > before.ctime.seconds);
}

#[test]
fn calls_are_the_owners_or_everybodys() {
    let mut place = Place::new(fill);
    for users in [Users::Owner, Users::Anyone] {
        let sessions = Sessions::one("one", place.branch());
        // Connections are judged by who this is; calls by whom they name.
        let options = Options { users, ..options() };
        let served = Served::new(sessions, options, None);
        let root = served.mounted("one").1;
        let with = |credential| Client::with(served.at, credential).unwrap();
        for (credential, may) in [
            (unix(0), true),
            (unix(1234), users == Users::Anyone),
            (opaque_auth::default(), users == Users::Anyone),
        ] {
            let mut c = with(credential);
            c.null().unwrap();
            assert_eq!(c.exports().len(), 2, "what tells nothing of files is told to all");
            let mounted = c.try_mnt("/exports/sessions/one");
            let args = GETATTR3args { object: root.clone() };
            let got = c.call::<_, GETATTR3res>(PROGRAM, 1, &args);
            if may {
                assert_eq!(mounted.unwrap().unwrap(), root);
                assert_eq!(got.unwrap().unwrap().obj_attributes.uid, 0);
                continue;
            }
            let weak =
                |e: Option<RpcError>| matches!(e, Some(RpcError::Auth(auth_stat::AUTH_TOOWEAK)));
            assert!(weak(mounted.err()) && weak(got.err()));
            for procedure in 1..22 {
                let done = c.call::<_, Void>(PROGRAM, procedure, &Void);
                assert!(weak(done.err()), "procedure {procedure}");
            }
        }
    }
}

#[test]
fn what_is_not_served_is_said() {
    let branch = Branch::new(fill);
    let mut c = branch.served.client();
    assert!(matches!(c.call::<_, Void>(PROGRAM, 22, &Void), Err(RpcError::ProcUnavail)));
    assert!(matches!(c.call::<_, Void>(100_021, 0, &Void), Err(RpcError::ProgUnavail)), "NLM");
    assert!(matches!(c.call::<_, Void>(100_000, 0, &Void), Err(RpcError::ProgUnavail)));
    assert!(matches!(c.call::<_, Void>(PROGRAM, 1, &Void), Err(RpcError::GarbageArgs)));
    let more = Opaque::borrowed(b"more than there should be");
    assert!(matches!(c.call::<_, Void>(PROGRAM, 0, &more), Err(RpcError::GarbageArgs)));
    let mut wire = crate::common::client::connect(branch.served.at).unwrap();
    use crate::common::wire::{call, receive, send, word};
    for (program, version) in [(PROGRAM, 2), (PROGRAM, 4), (100_005, 1)] {
        send(&mut wire, &call(9, (program, version, 0), &unix(0), &[]));
        let answer = receive(&mut wire).unwrap();
        // Accepted, of another version: from 3 to 3.
        let words: Vec<_> = [0, 2, 5, 6, 7].map(|at| word(&answer, at)).into();
        assert_eq!(words, [9, 0, 2, 3, 3]);
    }
}
