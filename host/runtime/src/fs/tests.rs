//! Every function of `wasi:filesystem`, called as the linker would call it (T9).
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use brio_session::{DirLower, Door, Time, View, ViewOptions};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tempfile::TempDir;
use wasmtime::component::{Resource, ResourceTable};

use super::{Descriptor, Fault, FsCtx, FsState, Mounts};
use crate::bindings::wasi::filesystem::preopens::Host as _;
use crate::bindings::wasi::filesystem::types::{
    Advice, DescriptorFlags, DescriptorType, ErrorCode, Host, HostDescriptor,
    HostDirectoryEntryStream, NewTimestamp, OpenFlags, PathFlags,
};

type Fd = Resource<Descriptor>;
type Answer<T> = Result<T, Fault>;

const READ: DescriptorFlags = DescriptorFlags::READ;
const WRITE: DescriptorFlags = DescriptorFlags::WRITE;
const FOLLOW: PathFlags = PathFlags::SYMLINK_FOLLOW;

struct World {
    base: TempDir,
    layers: TempDir,
    fs: FsState,
    table: ResourceTable,
}

impl World {
    fn new() -> Self {
        let (base, layers) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(base.path().join("dir")).unwrap();
        std::fs::write(base.path().join("dir/a"), "lower").unwrap();
        std::fs::write(base.path().join("file"), "0123456789").unwrap();
        let view = view(base.path(), layers.path(), "0");
        let mounts =
            Mounts::new("/workspace".into(), view.into(), Vec::new(), true, Time::default());
        Self { base, layers, fs: FsState::new(mounts), table: ResourceTable::new() }
    }

    fn ctx(&mut self) -> FsCtx<'_> {
        FsCtx { fs: &mut self.fs, table: &mut self.table }
    }

    /// The handles of `/workspace` and `/sessions`.
    fn roots(&mut self) -> (u32, u32) {
        let dirs = self.ctx().get_directories().unwrap();
        let names: Vec<&str> = dirs.iter().map(|(_, n)| n.as_str()).collect();
        assert_eq!(names, ["/workspace", ".", "/sessions"]);
        (dirs[0].0.rep(), dirs[2].0.rep())
    }

    fn child(&mut self, id: &str) -> View {
        let view = view(self.base.path(), self.layers.path(), id);
        self.fs.mounts.add_child(id.into(), view.clone().into());
        view
    }

    fn open(
        &mut self,
        dir: u32,
        path: &str,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Answer<u32> {
        self.ctx().open_at(fd(dir), FOLLOW, path.into(), open, flags).map(|d| d.rep())
    }

    fn names(&mut self, dir: u32) -> Vec<String> {
        let stream = self.ctx().read_directory(fd(dir)).unwrap().rep();
        let mut names = Vec::new();
        while let Some(entry) = self.ctx().read_directory_entry(Resource::new_own(stream)).unwrap()
        {
            names.push(entry.name);
        }
        HostDirectoryEntryStream::drop(&mut self.ctx(), Resource::new_own(stream)).unwrap();
        names
    }
}

fn view(base: &Path, layers: &Path, name: &str) -> View {
    std::fs::create_dir(layers.join(name)).unwrap();
    let open = |path: &Path| Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    let dir = open(&layers.join(name));
    View::create_layer(&dir, &Door::default()).unwrap();
    View::open(dir, Arc::new(DirLower::new(open(base))), ViewOptions::default()).unwrap()
}

fn fd(rep: u32) -> Fd {
    Resource::new_own(rep)
}

#[track_caller]
fn refused<T>(answer: Answer<T>, code: ErrorCode) {
    match answer {
        Err(Fault::Code(c)) => assert_eq!(c, code),
        Err(Fault::Trap(e)) => panic!("trapped: {e:#}"),
        Ok(_) => panic!("it was done, where {code:?} was expected"),
    }
}

#[test]
fn files_are_read_written_sized_and_synced() {
    let mut w = World::new();
    let (root, _) = w.roots();
    let file = w.open(root, "file", OpenFlags::empty(), READ | WRITE).unwrap();
    assert_eq!(w.ctx().read(fd(file), 4, 3).unwrap(), (b"3456".to_vec(), false));
    assert_eq!(w.ctx().read(fd(file), 4, 99).unwrap(), (vec![], true));
    assert_eq!(w.ctx().write(fd(file), b"xy".to_vec(), 9).unwrap(), 2);
    assert_eq!(w.ctx().stat(fd(file)).unwrap().size, 11);
    w.ctx().set_size(fd(file), 2).unwrap();
    assert_eq!(w.ctx().read(fd(file), 9, 0).unwrap().0, b"01");
    w.ctx().advise(fd(file), 0, 2, Advice::Sequential).unwrap();
    refused(w.ctx().advise(fd(file), u64::MAX, 2, Advice::Normal), ErrorCode::Invalid);
    w.ctx().sync(fd(file)).unwrap();
    w.ctx().sync_data(fd(file)).unwrap();
    assert_eq!(w.ctx().get_type(fd(file)).unwrap(), DescriptorType::RegularFile);
    assert_eq!(w.ctx().get_flags(fd(file)).unwrap(), READ | WRITE);
    assert_eq!(std::fs::read(w.base.path().join("file")).unwrap(), b"0123456789");
}

#[test]
fn streams_go_on_from_their_position() {
    use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, StreamError};
    let mut w = World::new();
    let (root, _) = w.roots();
    let file = w.open(root, "file", OpenFlags::empty(), READ | WRITE).unwrap();
    let out = w.ctx().write_via_stream(fd(file), 8).unwrap();
    let stream: &mut DynOutputStream = w.table.get_mut(&out).unwrap();
    assert!(stream.check_write().unwrap() > 0);
    stream.write("89ab".into()).unwrap();
    stream.flush().unwrap();
    let end = w.ctx().append_via_stream(fd(file)).unwrap();
    let stream: &mut DynOutputStream = w.table.get_mut(&end).unwrap();
    stream.write("cd".into()).unwrap();
    let input = w.ctx().read_via_stream(fd(file), 7).unwrap();
    let stream: &mut DynInputStream = w.table.get_mut(&input).unwrap();
    assert_eq!(stream.read(3).unwrap(), "789");
    assert_eq!(stream.read(100).unwrap(), "abcd");
    assert!(matches!(stream.read(1), Err(StreamError::Closed)));
}

#[test]
fn a_handle_does_what_it_was_opened_for() {
    let mut w = World::new();
    let (root, _) = w.roots();
    let (none, create) = (OpenFlags::empty(), OpenFlags::CREATE);
    let reader = w.open(root, "file", none, READ).unwrap();
    refused(w.ctx().write(fd(reader), vec![1], 0), ErrorCode::BadDescriptor);
    refused(w.ctx().write_via_stream(fd(reader), 0), ErrorCode::BadDescriptor);
    refused(w.ctx().append_via_stream(fd(reader)), ErrorCode::BadDescriptor);
    refused(w.ctx().set_size(fd(reader), 0), ErrorCode::Invalid);
    let writer = w.open(root, "new", create, WRITE).unwrap();
    refused(w.ctx().read(fd(writer), 1, 0), ErrorCode::BadDescriptor);
    refused(w.ctx().read_via_stream(fd(root), 0), ErrorCode::IsDirectory);
    refused(w.ctx().read(fd(root), 1, 0), ErrorCode::BadDescriptor);
    refused(w.ctx().read_directory(fd(reader)), ErrorCode::NotDirectory);
    refused(w.ctx().stat_at(fd(reader), FOLLOW, "x".into()), ErrorCode::NotDirectory);
    refused(w.open(root, "file", create | OpenFlags::EXCLUSIVE, WRITE), ErrorCode::Exist);
    refused(w.open(root, "file", OpenFlags::DIRECTORY, READ), ErrorCode::NotDirectory);
    refused(w.open(root, "dir", create | OpenFlags::DIRECTORY, READ), ErrorCode::Invalid);
    refused(w.open(root, "dir", none, WRITE), ErrorCode::IsDirectory);
    w.open(root, "new", OpenFlags::TRUNCATE, WRITE).unwrap();
}

#[test]
fn nothing_leads_out() {
    let mut w = World::new();
    let (root, sessions) = w.roots();
    for path in ["..", "../x", "/etc/passwd", "dir/../../x"] {
        refused(w.ctx().stat_at(fd(root), FOLLOW, path.into()), ErrorCode::NotPermitted);
        refused(w.open(root, path, OpenFlags::CREATE, WRITE), ErrorCode::NotPermitted);
    }
    refused(w.ctx().symlink_at(fd(root), "/etc".into(), "out".into()), ErrorCode::NotPermitted);
    w.ctx().symlink_at(fd(root), "../..".into(), "up".into()).unwrap();
    refused(w.ctx().stat_at(fd(root), FOLLOW, "up/etc".into()), ErrorCode::NotPermitted);
    // An absolute target of the base is neither followed nor told.
    std::os::unix::fs::symlink("/etc", w.base.path().join("abs")).unwrap();
    refused(w.ctx().stat_at(fd(root), FOLLOW, "abs/passwd".into()), ErrorCode::NotPermitted);
    refused(w.ctx().readlink_at(fd(root), "abs".into()), ErrorCode::NotPermitted);
    refused(w.ctx().stat_at(fd(sessions), FOLLOW, "..".into()), ErrorCode::NotPermitted);
    refused(w.ctx().stat_at(fd(sessions), FOLLOW, "/x".into()), ErrorCode::NotPermitted);
    refused(w.ctx().stat_at(fd(root), FOLLOW, String::new()), ErrorCode::NoEntry);
    refused(w.ctx().stat_at(fd(root), FOLLOW, "a\0b".into()), ErrorCode::Invalid);
}

#[test]
fn names_are_made_linked_renamed_and_removed() {
    let mut w = World::new();
    let (root, _) = w.roots();
    w.ctx().create_directory_at(fd(root), "made".into()).unwrap();
    w.ctx()
        .link_at(fd(root), PathFlags::empty(), "file".into(), fd(root), "made/hard".into())
        .unwrap();
    refused(
        w.ctx().link_at(fd(root), FOLLOW, "file".into(), fd(root), "x".into()),
        ErrorCode::Invalid,
    );
    assert_eq!(w.ctx().stat_at(fd(root), FOLLOW, "made/hard".into()).unwrap().link_count, 2);
    w.ctx().symlink_at(fd(root), "made/hard".into(), "soft".into()).unwrap();
    assert_eq!(w.ctx().readlink_at(fd(root), "soft".into()).unwrap(), "made/hard");
    let kind =
        |w: &mut World, flags| w.ctx().stat_at(fd(root), flags, "soft".into()).unwrap().type_;
    assert_eq!(kind(&mut w, PathFlags::empty()), DescriptorType::SymbolicLink);
    assert_eq!(kind(&mut w, FOLLOW), DescriptorType::RegularFile);
    w.ctx().rename_at(fd(root), "dir".into(), fd(root), "moved".into()).unwrap();
    refused(w.ctx().remove_directory_at(fd(root), "moved".into()), ErrorCode::NotEmpty);
    w.ctx().unlink_file_at(fd(root), "moved/a".into()).unwrap();
    w.ctx().remove_directory_at(fd(root), "moved".into()).unwrap();
    assert_eq!(w.names(root), ["file", "made", "soft"]);
    assert!(w.base.path().join("dir/a").exists());
}

#[test]
fn times_are_set_kept_and_checked() {
    let mut w = World::new();
    let (root, sessions) = w.roots();
    let at = |seconds, nanoseconds| {
        NewTimestamp::Timestamp(wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime {
            seconds,
            nanoseconds,
        })
    };
    w.ctx().set_times_at(fd(root), FOLLOW, "file".into(), at(1, 2), at(3, 4)).unwrap();
    let file = w.open(root, "file", OpenFlags::empty(), READ | WRITE).unwrap();
    let before = w.ctx().stat(fd(file)).unwrap();
    let mtime = before.data_modification_timestamp.unwrap();
    assert_eq!((mtime.seconds, mtime.nanoseconds), (3, 4));
    w.ctx().set_times(fd(file), NewTimestamp::NoChange, NewTimestamp::Now).unwrap();
    let after = w.ctx().stat(fd(file)).unwrap();
    assert_eq!(after.data_access_timestamp.unwrap().seconds, 1);
    assert!(after.data_modification_timestamp.unwrap().seconds > 3);
    refused(w.ctx().set_times(fd(file), at(u64::MAX, 0), NewTimestamp::Now), ErrorCode::Overflow);
    refused(
        w.ctx().set_times(fd(file), at(1, 1_000_000_000), NewTimestamp::Now),
        ErrorCode::Invalid,
    );
    refused(w.ctx().set_times(fd(sessions), at(1, 1), NewTimestamp::Now), ErrorCode::ReadOnly);
}

#[test]
fn identity_holds_over_names_and_copy_up_and_differs_between_mounts() {
    let mut w = World::new();
    let (root, sessions) = w.roots();
    w.child("sess-1");
    let hash = |w: &mut World, dir, path: &str| {
        let h = w.ctx().metadata_hash_at(fd(dir), PathFlags::empty(), path.into()).unwrap();
        (h.lower, h.upper)
    };
    let before = hash(&mut w, root, "file");
    assert_eq!(hash(&mut w, root, "dir/../file"), before);
    assert_ne!(hash(&mut w, root, "dir/a"), before);
    assert_ne!(hash(&mut w, sessions, "sess-1/file"), before);
    let file = w.open(root, "file", OpenFlags::empty(), READ | WRITE).unwrap();
    w.ctx().write(fd(file), vec![1], 0).unwrap();
    w.ctx().rename_at(fd(root), "file".into(), fd(root), "dir/other".into()).unwrap();
    assert_eq!(hash(&mut w, root, "dir/other"), before);
    let open = w.ctx().metadata_hash(fd(file)).unwrap();
    assert_eq!((open.lower, open.upper), before);
    let other = w.open(root, "dir/other", OpenFlags::empty(), READ).unwrap();
    assert!(w.ctx().is_same_object(fd(file), fd(other)).unwrap());
    assert!(!w.ctx().is_same_object(fd(file), fd(root)).unwrap());
}

#[test]
fn the_memo_forgets_with_every_change() {
    let mut w = World::new();
    let (root, _) = w.roots();
    let stat =
        |w: &mut World| w.ctx().stat_at(fd(root), PathFlags::empty(), "file".into()).unwrap();
    let hash = |w: &mut World| {
        w.ctx().metadata_hash_at(fd(root), PathFlags::empty(), "file".into()).map(|h| h.lower)
    };
    stat(&mut w);
    let first = hash(&mut w).unwrap();
    w.ctx().unlink_file_at(fd(root), "file".into()).unwrap();
    refused(hash(&mut w), ErrorCode::NoEntry);
    w.open(root, "file", OpenFlags::CREATE, WRITE).unwrap();
    assert_ne!(hash(&mut w).unwrap(), first);
}

#[test]
fn what_is_not_utf_8_is_not_shown() {
    use std::os::unix::ffi::OsStrExt;
    let mut w = World::new();
    std::fs::write(w.base.path().join(std::ffi::OsStr::from_bytes(b"dir/\xff")), "").unwrap();
    let (root, _) = w.roots();
    let dir = w.open(root, "dir", OpenFlags::DIRECTORY, READ).unwrap();
    assert_eq!(w.names(dir), ["a"]);
    w.ctx().unlink_file_at(fd(dir), "a".into()).unwrap();
    // It is there all the same.
    refused(w.ctx().remove_directory_at(fd(root), "dir".into()), ErrorCode::NotEmpty);
}

#[test]
fn child_sessions_come_and_go_below_a_handle_that_stays() {
    let mut w = World::new();
    let (root, sessions) = w.roots();
    assert!(w.names(sessions).is_empty());
    let view = w.child("sess-1");
    assert_eq!(w.names(sessions), ["sess-1"]);
    let none = OpenFlags::empty();
    let dir = w.open(sessions, "sess-1", OpenFlags::DIRECTORY, READ).unwrap();
    let file = w.open(sessions, "./sess-1//file", none, READ).unwrap();
    assert_eq!(w.ctx().read(fd(file), 3, 0).unwrap().0, b"012");
    assert_eq!(
        w.ctx().stat_at(fd(sessions), FOLLOW, ".".into()).unwrap().type_,
        DescriptorType::Directory
    );
    let itself = w.open(sessions, ".", OpenFlags::DIRECTORY, READ).unwrap();
    assert_eq!(w.names(itself), ["sess-1"]);
    // The directory itself is read-only; two sessions are two devices.
    refused(w.ctx().create_directory_at(fd(sessions), "mine".into()), ErrorCode::ReadOnly);
    refused(w.open(sessions, "mine", OpenFlags::CREATE, WRITE), ErrorCode::ReadOnly);
    refused(w.ctx().unlink_file_at(fd(sessions), "nothing".into()), ErrorCode::NoEntry);
    refused(
        w.ctx().rename_at(fd(root), "file".into(), fd(sessions), "sess-1/x".into()),
        ErrorCode::CrossDevice,
    );
    let link = w.ctx().link_at(
        fd(root),
        PathFlags::empty(),
        "file".into(),
        fd(sessions),
        "sess-1/x".into(),
    );
    refused(link, ErrorCode::CrossDevice);
    // It ends: handles into it are stale, its name is gone.
    w.fs.mounts.remove_child("sess-1");
    view.end();
    refused(w.ctx().read(fd(file), 3, 0), ErrorCode::BadDescriptor);
    refused(w.ctx().stat_at(fd(sessions), FOLLOW, "sess-1".into()), ErrorCode::NoEntry);
    assert!(w.ctx().stat_at(fd(dir), FOLLOW, "file".into()).is_err());
    assert!(!w.ctx().is_same_object(fd(file), fd(file)).unwrap());
}

#[test]
fn an_error_of_a_stream_keeps_its_code() {
    let mut w = World::new();
    let (root, _) = w.roots();
    let error = w.table.push(wasmtime::Error::from(brio_session::FsError::NoSpace)).unwrap();
    assert_eq!(w.ctx().filesystem_error_code(error).unwrap(), Some(ErrorCode::InsufficientSpace));
    assert_eq!(w.ctx().convert_error_code(Fault::Code(ErrorCode::Loop)).unwrap(), ErrorCode::Loop);
    HostDescriptor::drop(&mut w.ctx(), fd(root)).unwrap();
    assert!(w.ctx().get_type(fd(root)).is_err());
}
