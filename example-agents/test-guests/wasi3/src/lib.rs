//! `wasi3`: a command of WASI 0.3. Without an argument it uses every function of
//! `wasi:filesystem@0.3` and looks at what it did through `std`, which is 0.2: `OK NAME`, or
//! `FAIL NAME: WHY`, each. Arguments misuse it: `streams`, `tasks`, `stdout`, `disk` without end,
//! `wait` for ever, `trap`.

use std::fmt::Debug;
use std::fs;

use futures_util::{future::join, poll};
use wasip3::cli::{environment, stdout};
use wasip3::clocks::{monotonic_clock, system_clock::Instant};
use wasip3::filesystem::preopens::get_directories;
use wasip3::filesystem::types::{
    Advice, Descriptor, DescriptorFlags as Flags, DescriptorType, ErrorCode, NewTimestamp,
    OpenFlags, PathFlags,
};
use wasip3::wit_stream;

struct Guest;

wasip3::cli::command::export!(Guest);

impl wasip3::exports::cli::run::Guest for Guest {
    async fn run() -> Result<(), ()> {
        let (dir, _) = get_directories().into_iter().find(|(_, name)| name == ".").ok_or(())?;
        match environment::get_arguments().get(1).map(String::as_str) {
            None => steps(&dir).await,
            Some("streams") => streams(),
            Some("tasks") => tasks().await,
            Some("stdout") => flood_stdout().await,
            Some("disk") => flood_disk(&dir).await,
            Some("wait") => monotonic_clock::wait_for(u64::MAX / 2).await,
            Some("trap") => panic!("as it was told"),
            Some(_) => return Err(()),
        }
        Ok(())
    }
}

const KEPT: PathFlags = PathFlags::empty();

async fn steps(dir: &Descriptor) {
    let mut lines = String::new();
    let mut that = |name: &str, holds: bool, seen: &dyn Debug| {
        lines += &match holds {
            true => format!("OK {name}\n"),
            false => format!("FAIL {name}: {seen:?}\n"),
        };
    };

    let file = create(dir, "three.txt").await;
    let written = write(&file, 0, b"hello three").await;
    that("write-via-stream", written.is_ok(), &written);
    let (mut data, done) = wit_stream::new();
    let (appended, rest) = both(file.append_via_stream(done), async {
        let rest = data.write_all(b"!".to_vec()).await;
        drop(data);
        rest
    })
    .await;
    that("append-via-stream", appended.is_ok() && rest.is_empty(), &appended);
    let seen = fs::read_to_string("three.txt");
    that("0.2 sees it", matches!(seen.as_deref(), Ok("hello three!")), &seen);
    let (bytes, end) = file.read_via_stream(6);
    let (bytes, end) = both(bytes.collect(), end).await;
    that("read-via-stream", bytes == b"three!" && end.is_ok(), &(bytes, end));
    let (bytes, end) = file.read_via_stream(1 << 40);
    let (bytes, end) = both(bytes.collect(), end).await;
    that("read behind the end", bytes.is_empty() && end.is_ok(), &end);
    let (bytes, end) = dir.read_via_stream(0);
    let (_, end) = both(bytes.collect(), end).await;
    that("read a directory", matches!(end, Err(ErrorCode::IsDirectory)), &end);
    let reading = open(dir, "three.txt", OpenFlags::empty(), Flags::READ).await;
    let refused = write(&reading, 0, b"x").await;
    that("write to a reader", matches!(refused, Err(ErrorCode::BadDescriptor)), &refused);

    let large = fs::write("large", vec![7; 5 << 20]);
    that("0.2 writes", large.is_ok(), &large);
    let large = open(dir, "large", OpenFlags::empty(), Flags::READ).await;
    let (bytes, end) = large.read_via_stream(0);
    let (bytes, end) = both(bytes.collect(), end).await;
    let all = bytes.len() == 5 << 20 && bytes.iter().all(|b| *b == 7);
    that("read much", all && end.is_ok(), &(bytes.len(), end));
    let copy = create(dir, "copy").await;
    let (bytes, end) = large.read_via_stream(0);
    let (end, copied) = both(end, copy.write_via_stream(bytes, 0)).await;
    that("pipe one file into another", end.is_ok() && copied.is_ok(), &(end, copied));
    let copied = fs::read("copy").map(|b| b.len());
    that("0.2 sees the copy", matches!(copied, Ok(n) if n == 5 << 20), &copied);

    let advised = file.advise(0, 1, Advice::Normal).await;
    that("advise", advised.is_ok(), &advised);
    let synced = (file.sync_data().await, file.sync().await, dir.sync().await);
    that("sync", matches!(synced, (Ok(()), Ok(()), Ok(()))), &synced);
    let flags = reading.get_flags().await;
    that("get-flags", matches!(flags, Ok(f) if f == Flags::READ), &flags);
    let kinds = (file.get_type().await, dir.get_type().await);
    let right = matches!(kinds, (Ok(DescriptorType::RegularFile), Ok(DescriptorType::Directory)));
    that("get-type", right, &kinds);
    let sized = file.set_size(5).await;
    that("set-size", sized.is_ok(), &sized);
    let time = Instant { seconds: -86_400, nanoseconds: 5 };
    let timed = file.set_times(NewTimestamp::NoChange, NewTimestamp::Timestamp(time)).await;
    that("set-times", timed.is_ok(), &timed);
    let stat = file.stat().await;
    let right = matches!(&stat, Ok(s) if s.size == 5 && s.link_count == 1
        && s.data_modification_timestamp.is_some_and(|t| t.seconds == -86_400));
    that("stat", right, &stat);
    let time = Instant { seconds: 1 << 31, nanoseconds: 0 };
    let timed = dir.set_times_at(
        KEPT,
        "three.txt".into(),
        NewTimestamp::Now,
        NewTimestamp::Timestamp(time),
    );
    let timed = timed.await;
    that("set-times-at", timed.is_ok(), &timed);
    let stat = dir.stat_at(KEPT, "three.txt".into()).await;
    let right = matches!(&stat, Ok(s) if s.data_modification_timestamp
        .is_some_and(|t| t.seconds == 1 << 31));
    that("stat-at", right, &stat);

    let made = dir.create_directory_at("sub".into()).await;
    that("create-directory-at", made.is_ok(), &made);
    let again = dir.create_directory_at("sub".into()).await;
    that("exist", matches!(again, Err(ErrorCode::Exist)), &again);
    let linked = dir.link_at(KEPT, "three.txt".into(), dir, "sub/linked".into()).await;
    that("link-at", linked.is_ok(), &linked);
    let symlinked = dir.symlink_at("../three.txt".into(), "sub/symlink".into()).await;
    that("symlink-at", symlinked.is_ok(), &symlinked);
    let target = dir.readlink_at("sub/symlink".into()).await;
    that("readlink-at", matches!(target.as_deref(), Ok("../three.txt")), &target);
    let sub = open(dir, "sub", OpenFlags::DIRECTORY, Flags::READ | Flags::MUTATE_DIRECTORY).await;
    let (entries, end) = sub.read_directory();
    let (entries, end) = both(entries.collect(), end).await;
    let mut names: Vec<_> = entries.into_iter().map(|e| e.name).collect();
    names.sort();
    that("read-directory", names == ["linked", "symlink"] && end.is_ok(), &(names, end));
    let (entries, end) = file.read_directory();
    let (_, end) = both(entries.collect(), end).await;
    that("read no directory", matches!(end, Err(ErrorCode::NotDirectory)), &end);
    let same = open(&sub, "linked", OpenFlags::empty(), Flags::READ).await;
    let (same, other) = (file.is_same_object(&same).await, file.is_same_object(&large).await);
    that("is-same-object", same && !other, &(same, other));
    let hashes = (
        file.metadata_hash().await,
        dir.metadata_hash_at(PathFlags::SYMLINK_FOLLOW, "sub/symlink".into()).await,
    );
    let right = matches!(&hashes, (Ok(a), Ok(b)) if (a.lower, a.upper) == (b.lower, b.upper));
    that("metadata-hash", right, &hashes);
    let moved = dir.rename_at("sub/linked".into(), dir, "moved".into()).await;
    that("rename-at", moved.is_ok() && fs::metadata("moved").is_ok(), &moved);
    let full = dir.remove_directory_at("sub".into()).await;
    that("not-empty", matches!(full, Err(ErrorCode::NotEmpty)), &full);
    let gone = dir.unlink_file_at("sub/symlink".into()).await;
    that("unlink-file-at", gone.is_ok(), &gone);
    let gone = dir.remove_directory_at("sub".into()).await;
    that("remove-directory-at", gone.is_ok(), &gone);

    for (name, path, expected) in [
        ("no entry", "nothing", ErrorCode::NoEntry),
        ("outside", "../outside", ErrorCode::NotPermitted),
        ("absolute", "/etc/passwd", ErrorCode::NotPermitted),
        ("below a file", "three.txt/x", ErrorCode::NotDirectory),
    ] {
        let seen = dir.open_at(KEPT, path.into(), OpenFlags::empty(), Flags::READ).await;
        let seen = seen.map(drop);
        let right = matches!(&seen, Err(e) if format!("{e:?}") == format!("{expected:?}"));
        that(name, right, &seen);
    }
    // Neither has been told that its reader is gone before.
    let (bytes, end) = large.read_via_stream(0);
    drop(bytes);
    that("a dropped stream", end.await.is_ok(), &());

    print(lines).await;
}

async fn both<A: IntoFuture, B: IntoFuture>(a: A, b: B) -> (A::Output, B::Output) {
    join(a.into_future(), b.into_future()).await
}

async fn create(dir: &Descriptor, path: &str) -> Descriptor {
    let flags = Flags::READ | Flags::WRITE;
    open(dir, path, OpenFlags::CREATE | OpenFlags::EXCLUSIVE, flags).await
}

async fn open(dir: &Descriptor, path: &str, open: OpenFlags, flags: Flags) -> Descriptor {
    match dir.open_at(KEPT, path.into(), open, flags).await {
        Ok(descriptor) => descriptor,
        Err(e) => panic!("{path}: {e:?}"),
    }
}

async fn write(file: &Descriptor, at: u64, bytes: &[u8]) -> Result<(), ErrorCode> {
    let (mut data, stream) = wit_stream::new();
    let (written, _) = both(file.write_via_stream(stream, at), async {
        data.write_all(bytes.to_vec()).await;
        drop(data);
    })
    .await;
    written
}

async fn print(text: String) {
    let (mut data, stream) = wit_stream::new();
    let (_, _) = both(stdout::write_via_stream(stream), async {
        data.write_all(text.into_bytes()).await;
        drop(data);
    })
    .await;
}

/// Ends of streams that nobody drops.
fn streams() {
    loop {
        std::mem::forget(wit_stream::new::<u8>());
    }
}

/// Calls that are under way and that nobody waits for.
async fn tasks() {
    loop {
        let mut waits = Box::pin(monotonic_clock::wait_for(u64::MAX / 2));
        let _ = poll!(waits.as_mut());
        std::mem::forget(waits);
    }
}

async fn flood_stdout() {
    loop {
        print("x".repeat(1 << 16)).await;
    }
}

async fn flood_disk(dir: &Descriptor) {
    let file = create(dir, "flood").await;
    for at in 0.. {
        let _ = write(&file, at << 20, &vec![1; 1 << 20]).await;
    }
}
