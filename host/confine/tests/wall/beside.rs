//! What is shown beside the workspace: directories at other paths, views.

use std::os::fd::OwnedFd;
use std::path::Path;

use brio_confine::{Access, Bind, Exit, Room, RoomError, Workspace};

use crate::fuse::{HELLO, have_fuse, serve};
use crate::harness::Test;
use crate::setup::{sh, spawn, text};

pub(crate) const TESTS: &[Test] = &[
    ("binds_can_be_at_another_place", elsewhere),
    ("what_is_in_a_bind_can_be_hidden_or_read_only", inside),
    ("views_are_served_by_the_caller_and_read_only", views),
    ("what_would_hide_something_is_refused", taken),
];

fn elsewhere() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap();
    std::fs::write(at.join("f"), "content").unwrap();
    for target in ["/data", "/srv/deep/er", "/tmp/x", "/home/u/data", "/var/lib/x"] {
        let room = Room::empty().home("/home/u");
        let script = format!("cat {target}/f; echo x > {target}/new; ls {}", at.display());
        let done = sh(&room.clone().bind(Bind::read(&at).at(target)), &script);
        assert_eq!(done.out, "content", "{target}: {}", done.err);
        assert!(done.err.contains("Read-only file system"), "{target}: {}", done.err);
        assert_ne!(done.exit, Exit::Code(0), "its own path is not there");
        let done = sh(&room.bind(Bind::write(&at).at(target)), &script);
        assert_eq!(done.out, "content", "{target}: {}", done.err);
        assert_eq!(std::fs::read_to_string(at.join("new")).unwrap(), "x\n");
        std::fs::remove_file(at.join("new")).unwrap();
    }
    Ok(())
}

fn inside() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap();
    for name in ["secret", "kept"] {
        std::fs::create_dir(at.join(name)).unwrap();
        std::fs::write(at.join(name).join("f"), name).unwrap();
    }
    let hide = Bind { access: Access::Hidden, ..Bind::read(at.join("secret")) };
    let room = Room::empty()
        .bind(Bind::write(&at).at("/data"))
        .bind(hide.at("/data/secret"))
        .bind(Bind::read(at.join("kept")).at("/data/kept"));
    let script = "cd /data; ls secret | wc -l; cat kept/f; echo x > new; \
                  echo x > secret/x; echo x > kept/x; mv kept gone; mv secret gone";
    let done = sh(&room, script);
    assert_eq!(done.out, "0\nkept", "{}", done.err);
    let mut names: Vec<_> = at.read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["kept", "new", "secret"], "{}", done.err);
    assert_eq!(std::fs::read_dir(at.join("kept")).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(at.join("secret/f")).unwrap(), "secret");
    Ok(())
}

fn views() -> Result<(), String> {
    have_fuse()?;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    let workspaces = [
        Workspace::Bind { source: path.clone(), path: path.clone() },
        Workspace::Fuse { path: path.clone(), options: String::new() },
    ];
    for workspace in workspaces {
        let room = Room::new(workspace).view("/before").view("/zz/other");
        let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let dup = |file: &std::fs::File| OwnedFd::from(file.try_clone().unwrap());
        let script = "cat /before/hello /zz/other/hello; echo x > /before/x; rm /before/hello; \
                      grep -c fuse.brio /proc/mounts; pwd";
        let mut running = spawn(&room, &["sh", "-c", script], dup(&out), dup(&err));
        let paths: Vec<_> = running.views.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(paths, [Path::new("/before"), Path::new("/zz/other")]);
        let own = running.fuse.take();
        let mounts = 2 + usize::from(own.is_some());
        let all = std::mem::take(&mut running.views).into_iter().map(|(_, fd)| fd).chain(own);
        let servers: Vec<_> = all.map(|fd| std::thread::spawn(move || serve(fd))).collect();
        let exit = running.wait().unwrap_or_else(|e| panic!("{e}"));
        for server in servers {
            server.join().unwrap();
        }
        let (out, err) = (text(&mut out), text(&mut err));
        let hello = String::from_utf8_lossy(HELLO);
        assert_eq!(out, format!("{hello}{hello}{mounts}\n{}\n", path.display()), "{err}");
        assert_eq!(err.matches("Read-only file system").count(), 2, "{err}");
        assert_eq!(exit, Exit::Code(0));
    }
    Ok(())
}

fn taken() -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    let room = Room::new(Workspace::Bind { source: path.clone(), path: "/work/p".into() });
    let room = room.home("/home/u");
    let command = || brio_confine::Command::new(["/bin/true"]);
    for target in ["/home", "/home/u", "/work", "/usr", "/tmp", "/var"] {
        let error = room.clone().bind(Bind::read(&path).at(target)).spawn(command()).unwrap_err();
        assert!(matches!(error, RoomError::Taken { .. }), "{target}: {error}");
    }
    for target in ["/home", "/work", "/usr"] {
        let error = room.clone().view(target).spawn(command()).unwrap_err();
        assert!(matches!(error, RoomError::Taken { .. }), "{target}: {error}");
    }
    for target in ["/work/p", "/work/p/x"] {
        let bound = room.clone().bind(Bind::read(&path).at(target)).spawn(command()).unwrap_err();
        let view = room.clone().view(target).spawn(command()).unwrap_err();
        for error in [bound, view] {
            assert!(matches!(error, RoomError::Inside { .. }), "{target}: {error}");
        }
    }
    let two = room.clone().bind(Bind::read(&path).at("/data")).view("/data");
    assert!(matches!(two.spawn(command()).unwrap_err(), RoomError::Taken { .. }));
    let error = room.view("/usr/x").spawn(command()).unwrap_err();
    assert!(matches!(error, RoomError::Bind { .. } | RoomError::NoFuse { .. }), "{error}");
    Ok(())
}
