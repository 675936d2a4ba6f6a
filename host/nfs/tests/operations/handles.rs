//! What a handle leads to, and what it never leads to.

use brio_session::{Fixed, View, ViewOptions};
use nfs3_types::nfs3::nfsstat3::*;
use nfs3_types::nfs3::*;
use nfs3_types::xdr_codec::Opaque;

use crate::common::{Branch, Client, Fh, Moving, Place, Served, Sessions, options};

fn forged(bytes: Vec<u8>) -> Fh {
    Fh { data: Opaque::owned(bytes) }
}

fn bytes(handle: &Fh) -> Vec<u8> {
    handle.data.0.to_vec()
}

/// Every procedure that reads says the same of it.
fn leads_nowhere(c: &mut Client, handle: &Fh) -> bool {
    let stale = |status| matches!(status, NFS3ERR_STALE | NFS3ERR_BADHANDLE);
    let all = [
        c.getattr(handle).map(drop),
        c.read(handle, 0, 100).map(drop),
        c.lookup(handle, b"f").map(drop),
        c.readlink(handle).map(drop),
        c.readdirplus(handle, 0, (4096, 4096)).map(drop),
        c.access(handle, 63).map(drop),
        c.fsstat(handle).map(drop),
        c.setattr(handle, crate::mode(0o777)).map(drop),
        c.write(handle, 0, b"forged", stable_how::UNSTABLE).map(drop),
        c.commit(handle).map(drop),
    ];
    all.iter().all(|done| done.is_err_and(stale))
}

#[test]
fn what_was_put_in_the_place_of_a_file_is_not_it() {
    let mut branch = Branch::new(|base| std::fs::write(base.join("f"), "old").unwrap());
    let (mut c, root) = branch.mounted();
    let old = c.lookup(&root, b"f").unwrap().0;
    c.remove(&root, b"f").unwrap();
    assert!(leads_nowhere(&mut c, &old));
    let new = c.put(&root, b"f", b"new");
    assert_ne!(old, new);
    assert!(leads_nowhere(&mut c, &old));
    branch.served.restart();
    let mut c = branch.served.client();
    assert!(leads_nowhere(&mut c, &old));
    assert_eq!(c.read_all(&new).unwrap(), b"new");
}

/// The session goes on behind the server's back.
#[test]
fn what_was_changed_elsewhere_is_found_again_or_stale() {
    let mut place = Place::new(|base| {
        std::fs::create_dir(base.join("d")).unwrap();
        for f in ["d/stays", "d/goes", "d/replaced"] {
            std::fs::write(base.join(f), f).unwrap();
        }
    });
    let layer = place.layer();
    let layers = [layer];
    let moving = Moving::new(place.view(&layers, ViewOptions::default()));
    let sessions = Sessions::default();
    sessions.add("one", moving.clone(), None);
    let served = Served::new(sessions, options(), None);
    let (mut c, root) = served.mounted("one");
    let d = c.lookup(&root, b"d").unwrap().0;
    let [stays, goes, replaced] =
        [&b"stays"[..], b"goes", b"replaced"].map(|name| c.lookup(&d, name).unwrap().0);
    let made = c.put(&d, b"made", b"made");
    let view: View = place.view(&layers, ViewOptions::default());
    let top = view.root();
    view.unlink_at(&top, b"d/goes").unwrap();
    view.unlink_at(&top, b"d/replaced").unwrap();
    view.mkdir_at(&top, b"d/replaced").unwrap();
    moving.move_to(view);
    assert_eq!(c.read_all(&stays).unwrap(), b"d/stays");
    assert_eq!(c.read_all(&made).unwrap(), b"made");
    assert!(leads_nowhere(&mut c, &goes));
    assert!(leads_nowhere(&mut c, &replaced));
    assert_eq!(c.lookup(&d, b"replaced").unwrap().1.type_, ftype3::NF3DIR);
}

/// A file with several names is asked for by the one it is known by, time and again.
#[test]
fn a_file_with_other_names_keeps_its_handle() {
    let mut place = Place::new(|base| {
        std::fs::write(base.join("f"), "of two names").unwrap();
        std::fs::hard_link(base.join("f"), base.join("same")).unwrap();
    });
    let layers = [place.layer()];
    let moving = Moving::new(place.view(&layers, ViewOptions::default()));
    let sessions = Sessions::default();
    sessions.add("one", moving.clone(), None);
    let mut served = Served::new(sessions, options(), Some(place.table()));
    let (mut c, root) = served.mounted("one");
    let made = c.put(&root, b"made", b"of two names");
    c.link(&made, &root, b"linked").unwrap();
    let f = c.lookup(&root, b"f").unwrap().0;
    for restart in [false, true] {
        // The first who asks for it afterwards asks by a name.
        for look in [true, false] {
            if restart {
                served.restart();
                c = served.client();
            } else {
                moving.move_to(place.view(&layers, ViewOptions::default()));
            }
            for (name, handle) in [(&b"f"[..], &f), (b"linked", &made), (b"made", &made)] {
                match look {
                    true => assert_eq!(&c.lookup(&root, name).unwrap().0, handle),
                    false => assert_eq!(c.read_all(handle).unwrap(), b"of two names"),
                }
            }
        }
    }
}

/// No handle can be made: every bit of one counts.
#[test]
fn forged_handles_lead_nowhere() {
    let branch = Branch::new(|base| {
        for n in 0..50 {
            std::fs::write(base.join(format!("f{n}")), "of another file").unwrap();
        }
    });
    let (mut c, root) = branch.mounted();
    // All of them are known to the server.
    assert_eq!(c.names(&root).len(), 50);
    let own = c.mnt("/exports").unwrap();
    for handle in [c.lookup(&root, b"f7").unwrap().0, root.clone(), own] {
        let good = bytes(&handle);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(leads_nowhere(&mut c, &forged(bad)), "bit {bit}");
        }
        for len in (0..good.len()).chain([64]) {
            let mut bad = good.clone();
            bad.resize(len, 0);
            assert!(leads_nowhere(&mut c, &forged(bad)), "{len} bytes");
        }
    }
    assert_eq!(branch.view.changes().unwrap().changes.len(), 0);
}

/// M-036: of two sessions none is read by handles of the other, and a handle of one with the
/// other's number in it leads nowhere.
#[test]
fn exports_are_apart() {
    let mut place = Place::new(|base| std::fs::write(base.join("f"), "base").unwrap());
    let sessions = Sessions::default();
    for name in ["one", "two"] {
        sessions.add(name, Fixed(place.branch()), None);
    }
    let served = Served::new(sessions, options(), Some(place.table()));
    let (mut c, one) = served.mounted("one");
    let two = c.mnt("/exports/sessions/two").unwrap();
    let (f1, f2) = (c.lookup(&one, b"f").unwrap().0, c.lookup(&two, b"f").unwrap().0);
    assert_ne!(f1, f2);
    c.write(&f1, 0, b"ONE!", stable_how::FILE_SYNC).unwrap();
    let secret = c.put(&one, b"secret", b"secret");
    assert_eq!(c.read_all(&f2).unwrap(), b"base");
    assert_eq!(c.lookup(&two, b"secret").map(drop), Err(NFS3ERR_NOENT));
    assert_eq!(c.names(&two), ["f"]);
    for handle in [&f1, &secret, &one] {
        let mut swapped = bytes(handle);
        swapped[1..5].copy_from_slice(&bytes(&two)[1..5]);
        assert!(leads_nowhere(&mut c, &forged(swapped)));
    }
    assert_eq!(c.rename((&one, b"secret"), (&two, b"stolen")), Err(NFS3ERR_XDEV));
    assert_eq!(c.link(&secret, &two, b"stolen"), Err(NFS3ERR_XDEV));
    assert_eq!(c.names(&two), ["f"]);
    let at = c.getattr(&f1).unwrap();
    assert_ne!(at.fileid, c.getattr(&f2).unwrap().fileid, "one file system, so other numbers");
}

#[test]
fn handles_of_a_session_that_ended_are_stale() {
    let branch = Branch::new(|base| std::fs::write(base.join("f"), "x").unwrap());
    let (mut c, root) = branch.mounted();
    let f = c.lookup(&root, b"f").unwrap().0;
    branch.view.end();
    assert_eq!(c.getattr(&f).map(drop), Err(NFS3ERR_STALE));
    assert_eq!(c.read(&f, 0, 1).map(drop), Err(NFS3ERR_STALE));
    assert_eq!(c.write(&f, 0, b"x", stable_how::UNSTABLE).map(drop), Err(NFS3ERR_STALE));
    assert_eq!(c.lookup(&root, b"f").map(drop), Err(NFS3ERR_STALE));
    assert_eq!(c.readdirplus(&root, 0, (4096, 4096)).map(drop), Err(NFS3ERR_STALE));
    assert_eq!(c.create(&root, b"g", crate::guarded()).map(drop), Err(NFS3ERR_STALE));
}

/// Without a table handles end with the server, and none of the next one's is one of them.
#[test]
fn without_a_table_a_restart_makes_handles_stale() {
    let mut place = Place::new(|base| std::fs::write(base.join("f"), "x").unwrap());
    let mut served = Served::new(Sessions::one("one", place.branch()), options(), None);
    let (mut c, root) = served.mounted("one");
    let old: Vec<_> = [root.clone(), c.lookup(&root, b"f").unwrap().0].into();
    served.restart();
    let (mut c, root) = served.mounted("one");
    assert_eq!(c.names(&root), ["f"]);
    for handle in &old {
        assert!(leads_nowhere(&mut c, handle));
    }
}

/// A server that is killed in a rename leaves either of two things behind.
#[test]
fn a_rename_that_was_cut_short_costs_no_handle() {
    for done in [true, false] {
        let mut branch = Branch::new(|base| {
            std::fs::create_dir(base.join("d")).unwrap();
            std::fs::write(base.join("d/f"), "in it").unwrap();
        });
        let (mut c, root) = branch.mounted();
        let d = c.lookup(&root, b"d").unwrap().0;
        let f = c.lookup(&d, b"f").unwrap().0;
        let (view, table) = (branch.view.clone(), branch.place.table());
        branch.served.restart_after(|| {
            let began =
                "INSERT INTO moving SELECT export, parent, name, parent, CAST('new' AS BLOB)
                FROM names JOIN nodes ON nodes.id = node WHERE name = CAST('d' AS BLOB)";
            let table = rusqlite::Connection::open(&table).unwrap();
            assert_eq!(table.execute(began, []).unwrap(), 1);
            if done {
                view.rename_at(&view.root(), b"d", &view.root(), b"new").unwrap();
            }
        });
        let mut c = branch.served.client();
        assert_eq!(c.read_all(&f).unwrap(), b"in it", "{done}");
        let name = if done { &b"new"[..] } else { b"d" };
        assert_eq!(c.lookup(&root, name).unwrap().0, d, "{done}");
        assert_eq!(c.lookup(&d, b"..").unwrap().0, root);
        c.rename((&root, name), (&root, b"at last")).unwrap();
        branch.served.restart();
        assert_eq!(branch.served.client().read_all(&f).unwrap(), b"in it");
    }
}

/// Of two names of one file, as a base has them, that the rename never came to.
#[test]
fn a_rename_to_another_name_of_the_same_file_that_never_was_leaves_both() {
    let mut branch = Branch::new(|base| {
        std::fs::write(base.join("a"), "of two names").unwrap();
        std::fs::hard_link(base.join("a"), base.join("b")).unwrap();
    });
    let (mut c, root) = branch.mounted();
    let [a, b] = [&b"a"[..], b"b"].map(|name| c.lookup(&root, name).unwrap().0);
    let table = branch.place.table();
    let begun = |what: &str| {
        let table = rusqlite::Connection::open(&table).unwrap();
        assert_eq!(table.execute(what, []).unwrap(), 1);
    };
    branch.served.restart_after(|| {
        begun(
            "INSERT INTO moving SELECT export, parent, name, parent, CAST('b' AS BLOB)
            FROM names JOIN nodes ON nodes.id = node WHERE name = CAST('a' AS BLOB)",
        );
    });
    let mut c = branch.served.client();
    for (name, handle) in [(&b"a"[..], &a), (b"b", &b)] {
        assert_eq!(c.read_all(handle).unwrap(), b"of two names");
        assert_eq!(&c.lookup(&root, name).unwrap().0, handle);
    }
    // What nobody was told of is not kept for a later one, either.
    branch.served.restart_after(|| {
        begun(
            "INSERT INTO moving SELECT export, parent, CAST('new' AS BLOB), parent, CAST('c' AS BLOB)
            FROM names JOIN nodes ON nodes.id = node WHERE name = CAST('a' AS BLOB)",
        );
    });
    let mut c = branch.served.client();
    assert_eq!(c.read_all(&a).unwrap(), b"of two names");
    let left = rusqlite::Connection::open(branch.place.table()).unwrap();
    let left: i64 = left.query_row("SELECT COUNT(*) FROM moving", [], |r| r.get(0)).unwrap();
    assert_eq!(left, 0);
}
