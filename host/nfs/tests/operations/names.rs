//! `RENAME`, `LINK`, `REMOVE`, `RMDIR`.

use nfs3_types::nfs3::nfsstat3::*;
use nfs3_types::nfs3::*;

use crate::common::{Branch, Client, Fh};

fn fill(base: &std::path::Path) {
    std::fs::create_dir_all(base.join("dir/sub")).unwrap();
    for file in ["one", "two", "dir/f", "dir/sub/f"] {
        std::fs::write(base.join(file), file).unwrap();
    }
    std::fs::hard_link(base.join("one"), base.join("uno")).unwrap();
}

fn at(c: &mut Client, root: &Fh, path: &str) -> Fh {
    path.split('/').fold(root.clone(), |dir, name| c.lookup(&dir, name.as_bytes()).unwrap().0)
}

#[test]
fn a_rename_over_a_file_ends_that_file_and_no_other() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let (one, two) = (at(&mut c, &root, "one"), at(&mut c, &root, "two"));
    // It is open at the server, too.
    assert_eq!(c.read_all(&two).unwrap(), b"two");
    c.write(&two, 0, b"TWO", stable_how::UNSTABLE).unwrap();
    c.rename((&root, b"one"), (&root, b"two")).unwrap();
    assert_eq!(c.read_all(&one).unwrap(), b"one");
    assert_eq!(at(&mut c, &root, "two"), one);
    assert_eq!(c.getattr(&two).map(drop), Err(NFS3ERR_STALE));
    assert_eq!(c.read(&two, 0, 9).map(drop), Err(NFS3ERR_STALE));
    assert_eq!(c.write(&two, 0, b"x", stable_how::UNSTABLE).map(drop), Err(NFS3ERR_STALE));
    assert_eq!(c.lookup(&root, b"one").map(drop), Err(NFS3ERR_NOENT));
}

#[test]
fn of_two_names_of_one_file_a_rename_leaves_both() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let two = at(&mut c, &root, "two");
    c.link(&two, &root, b"zwei").unwrap();
    c.rename((&root, b"two"), (&root, b"zwei")).unwrap();
    assert_eq!((at(&mut c, &root, "two"), at(&mut c, &root, "zwei")), (two.clone(), two.clone()));
    assert_eq!(c.getattr(&two).unwrap().nlink, 2);
    c.rename((&root, b"two"), (&root, b"two")).unwrap();
    c.remove(&root, b"two").unwrap();
    assert_eq!(c.read_all(&two).unwrap(), b"two");
    c.remove(&root, b"zwei").unwrap();
    assert_eq!(c.getattr(&two).map(drop), Err(NFS3ERR_STALE));
}

#[test]
fn a_directory_moves_with_all_handles_in_it_also_for_the_next_server() {
    let mut branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let (dir, sub) = (at(&mut c, &root, "dir"), at(&mut c, &root, "dir/sub"));
    let file = at(&mut c, &root, "dir/sub/f");
    let new = c.put(&sub, b"new", b"new");
    let into = c.mkdir(&root, b"into", sattr3::default()).unwrap().0;
    c.rename((&root, b"dir"), (&into, b"moved")).unwrap();
    for restarted in [false, true] {
        if restarted {
            branch.served.restart();
            c = branch.served.client();
        }
        assert_eq!(c.read_all(&file).unwrap(), b"dir/sub/f", "restarted: {restarted}");
        assert_eq!(c.read_all(&new).unwrap(), b"new");
        assert_eq!(at(&mut c, &into, "moved/sub/f"), file);
        assert_eq!(c.lookup(&dir, b"sub").unwrap().0, sub);
        assert_eq!(c.lookup(&dir, b"..").unwrap().0, into);
        c.put(&sub, format!("after-{restarted}").as_bytes(), b"");
    }
    c.rename((&into, b"moved"), (&root, b"back")).unwrap();
    assert_eq!(c.read_all(&file).unwrap(), b"dir/sub/f");
    assert_eq!(at(&mut c, &root, "back/sub"), sub);
}

#[test]
fn renames_that_cannot_be() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let (dir, sub) = (at(&mut c, &root, "dir"), at(&mut c, &root, "dir/sub"));
    assert_eq!(c.rename((&root, b"dir"), (&sub, b"x")), Err(NFS3ERR_INVAL), "into itself");
    assert_eq!(c.rename((&root, b"dir"), (&dir, b"x")), Err(NFS3ERR_INVAL));
    c.rename((&root, b"dir"), (&root, b"dir")).unwrap();
    assert_eq!(c.rename((&root, b"one"), (&root, b"dir")), Err(NFS3ERR_ISDIR));
    assert_eq!(c.rename((&root, b"dir"), (&root, b"one")), Err(NFS3ERR_NOTDIR));
    let full = c.mkdir(&root, b"full", sattr3::default()).unwrap().0;
    c.put(&full, b"f", b"");
    assert_eq!(c.rename((&root, b"dir"), (&root, b"full")), Err(NFS3ERR_NOTEMPTY));
    assert_eq!(c.rename((&root, b"no"), (&root, b"x")), Err(NFS3ERR_NOENT));
    for dots in [&b"."[..], b".."] {
        assert_eq!(c.rename((&root, dots), (&root, b"x")), Err(NFS3ERR_INVAL));
        assert_eq!(c.rename((&root, b"one"), (&root, dots)), Err(NFS3ERR_INVAL));
    }
    let file = at(&mut c, &root, "one");
    assert_eq!(c.rename((&file, b"x"), (&root, b"y")), Err(NFS3ERR_NOTDIR));
    assert_eq!(c.rename((&root, b"two"), (&file, b"y")), Err(NFS3ERR_NOTDIR));
    // Over an empty one it can be.
    let empty = c.mkdir(&root, b"empty", sattr3::default()).unwrap().0;
    c.rename((&root, b"dir"), (&root, b"empty")).unwrap();
    assert_eq!(c.getattr(&empty).map(drop), Err(NFS3ERR_STALE));
    assert_eq!(at(&mut c, &root, "empty/sub"), sub);
}

#[test]
fn what_is_removed_is_removed_by_its_kind() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let sub = at(&mut c, &root, "dir/sub");
    assert_eq!(c.remove(&root, b"dir"), Err(NFS3ERR_ISDIR));
    assert_eq!(c.rmdir(&root, b"one"), Err(NFS3ERR_NOTDIR));
    assert_eq!(c.rmdir(&root, b"dir"), Err(NFS3ERR_NOTEMPTY));
    assert_eq!(c.rmdir(&root, b"no"), Err(NFS3ERR_NOENT));
    assert_eq!(c.remove(&root, b"no"), Err(NFS3ERR_NOENT));
    assert_eq!(c.rmdir(&root, b"."), Err(NFS3ERR_INVAL));
    assert_eq!(c.rmdir(&sub, b".."), Err(NFS3ERR_NOTEMPTY));
    c.remove(&sub, b"f").unwrap();
    let dir = at(&mut c, &root, "dir");
    c.rmdir(&dir, b"sub").unwrap();
    assert_eq!(c.getattr(&sub).map(drop), Err(NFS3ERR_STALE));
    assert_eq!(c.create(&sub, b"x", crate::guarded()).map(drop), Err(NFS3ERR_STALE));
    assert_eq!(c.names(&dir), ["f"]);
}

#[test]
fn links_share_a_handle_and_those_of_a_base_do_not() {
    let branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let (one, uno) = (at(&mut c, &root, "one"), at(&mut c, &root, "uno"));
    assert_ne!(one, uno);
    assert_ne!(c.getattr(&one).unwrap().fileid, c.getattr(&uno).unwrap().fileid);
    c.write(&one, 0, b"ONE", stable_how::UNSTABLE).unwrap();
    assert_eq!(c.read_all(&uno).unwrap(), b"one");
    let dir = at(&mut c, &root, "dir");
    let two = at(&mut c, &root, "two");
    c.link(&two, &dir, b"also").unwrap();
    let (also, attr) = c.lookup(&dir, b"also").unwrap();
    assert_eq!((&also, attr.nlink), (&two, 2));
    c.write(&also, 0, b"TWO", stable_how::UNSTABLE).unwrap();
    assert_eq!(c.read_all(&two).unwrap(), b"TWO");
    assert_eq!(c.link(&two, &dir, b"f"), Err(NFS3ERR_EXIST));
    assert_eq!(c.link(&dir, &root, b"x"), Err(NFS3ERR_PERM));
    assert_eq!(c.link(&two, &one, b"x"), Err(NFS3ERR_NOTDIR));
}

/// Names that no client was told are names all the same.
#[test]
fn a_file_lives_as_long_as_a_name_that_was_made_elsewhere() {
    let mut branch = Branch::new(fill);
    let (mut c, root) = branch.mounted();
    let two = at(&mut c, &root, "two");
    let view = &branch.view;
    view.link_at(&view.root(), b"two", false, &view.root(), b"dir/sub/deux").unwrap();
    c.remove(&root, b"two").unwrap();
    assert_eq!(c.read_all(&two).unwrap(), b"two");
    assert_eq!(at(&mut c, &root, "dir/sub/deux"), two);
    branch.served.restart();
    let mut c = branch.served.client();
    assert_eq!(c.read_all(&two).unwrap(), b"two");
    view_remove(&branch, b"dir/sub/deux");
    assert_eq!(c.getattr(&two).map(drop), Err(NFS3ERR_STALE));
}

fn view_remove(branch: &Branch, path: &[u8]) {
    branch.view.unlink_at(&branch.view.root(), path).unwrap();
}
