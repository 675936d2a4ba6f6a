//! `fs-probe [DIR]`: exercises `std::fs` in DIR (`probe` if none) and prints `OK NAME` or
//! `FAIL NAME: WHY` for each step, then `N held, M failed`. Exit status 1 if a step failed.
//!
//! `fs-probe prepare [DIR]` only writes the tree that the steps start from. Where it is there
//! already, in a lower layer, the same steps go over that one; where it is missing they write it.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let only_prepare = args.first().is_some_and(|arg| arg == "prepare");
    if only_prepare {
        args.remove(0);
    }
    let root = PathBuf::from(args.first().map_or("probe", String::as_str));
    if let Err(error) = prepare(&root) {
        println!("FAIL prepare: {error}");
        return ExitCode::FAILURE;
    }
    if only_prepare {
        return ExitCode::SUCCESS;
    }
    let mut failed = 0;
    for (name, step) in STEPS {
        match step(&root) {
            Ok(()) => println!("OK {name}"),
            Err(error) => {
                println!("FAIL {name}: {error}");
                failed += 1;
            }
        }
    }
    println!("{} held, {failed} failed", STEPS.len() - failed);
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The tree that the steps start from. Each step uses a part of its own.
fn prepare(root: &Path) -> Result<()> {
    for (path, content) in [
        ("read/a.txt", "lower a\n"),
        ("read/dir/b.txt", "lower b\n"),
        ("append.txt", "first\n"),
        ("overwrite.txt", "0123456789"),
        ("truncate.txt", "0123456789"),
        ("handle.txt", "through a handle\n"),
        ("unlinked.txt", "still here\n"),
        ("rename/file.txt", "moves\n"),
        ("rename/over.txt", "is replaced\n"),
        ("move/dir/sub/c.txt", "deep\n"),
        ("link/a.txt", "two names\n"),
        ("remove/a.txt", "goes\n"),
        ("opaque/old.txt", "must not come back\n"),
        ("list/b.txt", ""),
        ("list/a.txt", ""),
        ("times.txt", ""),
    ] {
        let path = root.join(path);
        if !path.exists() {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, content)?;
        }
    }
    let link = root.join("read/link");
    if fs::symlink_metadata(&link).is_err() {
        symlink("a.txt", &link)?;
    }
    Ok(())
}

type Step = (&'static str, fn(&Path) -> Result<()>);

const STEPS: &[Step] = &[
    ("read", read),
    ("read at an offset", read_at),
    ("create", create),
    ("create_new", create_new),
    ("append", append),
    ("overwrite in the middle", overwrite),
    ("truncate and extend", truncate),
    ("write past the end", sparse),
    ("two handles see one file", two_handles),
    ("a handle from before the first write", handle_before_copy),
    ("a handle outlives unlink", unlinked),
    ("rename a file", rename_file),
    ("rename over a file", rename_over),
    ("rename a directory", rename_directory),
    ("rename a directory over an empty one", rename_over_directory),
    ("rename into itself fails", rename_into_itself),
    ("hard link", hard_link),
    ("symlink", symlinks),
    ("a loop of symlinks fails", symlink_loop),
    ("remove a file", remove_file),
    ("remove_dir fails when not empty", remove_full_dir),
    ("a removed directory comes back empty", opaque),
    ("a file becomes a directory and back", change_type),
    ("read_dir merges", read_dir),
    ("read_dir is stable while it is changed", read_dir_stable),
    ("set times", times),
    ("metadata", metadata),
    ("sync", sync),
    ("copy", copy),
    ("long and strange names", names),
    ("wrong paths fail", wrong_paths),
    ("escapes fail", escapes),
    ("escapes by symlink fail", symlink_escapes),
    ("state is hidden", hidden),
];

fn want(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::other(what.to_owned())) }
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, wanted: T) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::other(format!("found {found:?}, wanted {wanted:?}")))
}

fn fails<T>(result: Result<T>, what: &str) -> Result<()> {
    want(result.is_err(), what)
}

fn fails_as<T>(result: Result<T>, kind: ErrorKind) -> Result<()> {
    match result {
        Ok(_) => Err(Error::other(format!("succeeded, wanted {kind:?}"))),
        Err(error) => same(error.kind(), kind),
    }
}

fn text(path: impl AsRef<Path>) -> Result<String> {
    fs::read_to_string(path)
}

#[allow(deprecated, reason = "the only stable way to make a symlink on WASI")]
fn symlink(target: impl AsRef<Path>, link: impl AsRef<Path>) -> Result<()> {
    fs::soft_link(target, link)
}

fn list(dir: impl AsRef<Path>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn read(root: &Path) -> Result<()> {
    same(text(root.join("read/a.txt"))?.as_str(), "lower a\n")?;
    same(text(root.join("read/link"))?.as_str(), "lower a\n")?;
    same(text(root.join("read/dir/../dir/./b.txt"))?.as_str(), "lower b\n")?;
    fails_as(text(root.join("read/none")), ErrorKind::NotFound)?;
    fails(text(root.join("read/a.txt/x")), "a file is no directory")
}

fn read_at(root: &Path) -> Result<()> {
    let mut file = File::open(root.join("read/a.txt"))?;
    let mut bytes = [0; 4];
    file.seek(SeekFrom::End(-2))?;
    let count = file.read(&mut bytes)?;
    same(&bytes[..count], b"a\n")?;
    same(file.read(&mut bytes)?, 0)?;
    same(file.stream_position()?, 8)?;
    fails(file.write(b"x"), "wrote through a handle that was opened to read")
}

fn create(root: &Path) -> Result<()> {
    fs::create_dir_all(root.join("new/a/b"))?;
    let path = root.join("new/a/b/c.txt");
    fs::write(&path, "new\n")?;
    same(text(&path)?.as_str(), "new\n")?;
    fs::write(&path, "")?;
    same(fs::metadata(&path)?.len(), 0)?;
    fails_as(fs::create_dir(root.join("new")), ErrorKind::AlreadyExists)?;
    fails_as(fs::write(root.join("new/none/x"), ""), ErrorKind::NotFound)?;
    fails(fs::write(root.join("new"), ""), "a directory was opened to write")
}

fn create_new(root: &Path) -> Result<()> {
    let exclusive =
        |path: &str| OpenOptions::new().write(true).create_new(true).open(root.join(path));
    exclusive("new.txt")?;
    fails_as(exclusive("new.txt"), ErrorKind::AlreadyExists)?;
    fails_as(exclusive("read/a.txt"), ErrorKind::AlreadyExists)?;
    fails_as(exclusive("read/link"), ErrorKind::AlreadyExists)
}

fn append(root: &Path) -> Result<()> {
    let path = root.join("append.txt");
    let mut file = OpenOptions::new().append(true).open(&path)?;
    file.write_all(b"second\n")?;
    let mut other = OpenOptions::new().append(true).open(&path)?;
    other.write_all(b"third\n")?;
    file.write_all(b"fourth\n")?;
    same(text(&path)?.as_str(), "first\nsecond\nthird\nfourth\n")
}

fn overwrite(root: &Path) -> Result<()> {
    let path = root.join("overwrite.txt");
    let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
    file.seek(SeekFrom::Start(4))?;
    file.write_all(b"xy")?;
    let mut rest = String::new();
    file.read_to_string(&mut rest)?;
    same(rest.as_str(), "6789")?;
    same(text(&path)?.as_str(), "0123xy6789")
}

fn truncate(root: &Path) -> Result<()> {
    let path = root.join("truncate.txt");
    let file = OpenOptions::new().write(true).open(&path)?;
    file.set_len(4)?;
    same(text(&path)?.as_str(), "0123")?;
    file.set_len(6)?;
    same(text(&path)?.as_str(), "0123\0\0")?;
    File::create(&path)?;
    same(text(&path)?.as_str(), "")
}

fn sparse(root: &Path) -> Result<()> {
    let path = root.join("sparse.bin");
    let mut file = File::create(&path)?;
    file.seek(SeekFrom::Start(1 << 20))?;
    file.write_all(b"end")?;
    let bytes = fs::read(&path)?;
    same(bytes.len(), (1 << 20) + 3)?;
    want(bytes[..1 << 20].iter().all(|byte| *byte == 0), "the hole is not zero")
}

fn two_handles(root: &Path) -> Result<()> {
    let path = root.join("two.txt");
    let mut writer = File::create(&path)?;
    let mut reader = File::open(&path)?;
    writer.write_all(b"seen")?;
    let mut seen = String::new();
    reader.read_to_string(&mut seen)?;
    same(seen.as_str(), "seen")
}

fn handle_before_copy(root: &Path) -> Result<()> {
    let path = root.join("handle.txt");
    let mut reader = File::open(&path)?;
    let mut writer = OpenOptions::new().write(true).open(&path)?;
    writer.write_all(b"THROUGH")?;
    let mut seen = String::new();
    reader.read_to_string(&mut seen)?;
    same(seen.as_str(), "THROUGH a handle\n")?;
    fs::rename(&path, root.join("handle-moved.txt"))?;
    writer.write_all(b" A")?;
    same(text(root.join("handle-moved.txt"))?.as_str(), "THROUGH A handle\n")
}

fn unlinked(root: &Path) -> Result<()> {
    let path = root.join("unlinked.txt");
    let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
    fs::remove_file(&path)?;
    fails_as(File::open(&path), ErrorKind::NotFound)?;
    let mut seen = String::new();
    file.read_to_string(&mut seen)?;
    same(seen.as_str(), "still here\n")?;
    fs::write(&path, "another\n")?;
    file.write_all(b"lost")?;
    same(text(&path)?.as_str(), "another\n")
}

fn rename_file(root: &Path) -> Result<()> {
    let (from, to) = (root.join("rename/file.txt"), root.join("renamed.txt"));
    fs::rename(&from, &to)?;
    same(text(&to)?.as_str(), "moves\n")?;
    fails_as(fs::metadata(&from), ErrorKind::NotFound)?;
    fails_as(fs::rename(&from, &to), ErrorKind::NotFound)
}

fn rename_over(root: &Path) -> Result<()> {
    fs::write(root.join("rename/new.txt"), "replaces\n")?;
    fs::rename(root.join("rename/new.txt"), root.join("rename/over.txt"))?;
    same(text(root.join("rename/over.txt"))?.as_str(), "replaces\n")?;
    same(list(root.join("rename"))?, vec!["over.txt".to_owned()])?;
    fails(fs::rename(root.join("rename/over.txt"), root.join("read")), "a file over a directory")
}

fn rename_directory(root: &Path) -> Result<()> {
    fs::write(root.join("move/dir/sub/d.txt"), "new\n")?;
    fs::rename(root.join("move/dir"), root.join("moved"))?;
    same(list(root.join("moved/sub"))?, vec!["c.txt".to_owned(), "d.txt".to_owned()])?;
    same(text(root.join("moved/sub/c.txt"))?.as_str(), "deep\n")?;
    fails_as(fs::metadata(root.join("move/dir")), ErrorKind::NotFound)?;
    fs::create_dir(root.join("move/dir"))?;
    same(list(root.join("move/dir"))?, Vec::new())
}

fn rename_over_directory(root: &Path) -> Result<()> {
    fs::create_dir_all(root.join("over/full"))?;
    fs::create_dir_all(root.join("over/empty"))?;
    fs::write(root.join("over/full/x"), "x")?;
    fails(fs::rename(root.join("over/empty"), root.join("over/full")), "over a full directory")?;
    fs::rename(root.join("over/full"), root.join("over/empty"))?;
    same(list(root.join("over"))?, vec!["empty".to_owned()])?;
    same(text(root.join("over/empty/x"))?.as_str(), "x")
}

fn rename_into_itself(root: &Path) -> Result<()> {
    fs::create_dir_all(root.join("self/inner"))?;
    fails(fs::rename(root.join("self"), root.join("self/inner/self")), "moved into itself")?;
    fs::rename(root.join("self"), root.join("self"))?;
    same(list(root.join("self"))?, vec!["inner".to_owned()])
}

fn hard_link(root: &Path) -> Result<()> {
    let (one, two) = (root.join("link/a.txt"), root.join("link/b.txt"));
    fs::hard_link(&one, &two)?;
    OpenOptions::new().append(true).open(&two)?.write_all(b"one file\n")?;
    same(text(&one)?.as_str(), "two names\none file\n")?;
    fails_as(fs::hard_link(&one, &two), ErrorKind::AlreadyExists)?;
    fails(fs::hard_link(root.join("link"), root.join("link-dir")), "a directory was linked")?;
    fs::remove_file(&one)?;
    same(text(&two)?.as_str(), "two names\none file\n")
}

fn symlinks(root: &Path) -> Result<()> {
    let dir = root.join("symlinks");
    fs::create_dir(&dir)?;
    fs::write(dir.join("target.txt"), "target\n")?;
    symlink("target.txt", dir.join("to-file"))?;
    symlink("../symlinks", dir.join("to-dir"))?;
    symlink("nowhere", dir.join("dangling"))?;
    same(fs::read_link(dir.join("to-file"))?, PathBuf::from("target.txt"))?;
    same(text(dir.join("to-dir/to-dir/to-file"))?.as_str(), "target\n")?;
    want(fs::symlink_metadata(dir.join("to-file"))?.is_symlink(), "lstat followed the link")?;
    want(fs::metadata(dir.join("to-dir"))?.is_dir(), "stat did not follow the link")?;
    fails_as(fs::metadata(dir.join("dangling")), ErrorKind::NotFound)?;
    fs::write(dir.join("to-file"), "written through\n")?;
    same(text(dir.join("target.txt"))?.as_str(), "written through\n")?;
    fs::remove_file(dir.join("to-file"))?;
    same(text(dir.join("target.txt"))?.as_str(), "written through\n")?;
    fails(fs::read_link(dir.join("target.txt")), "a file was read as a link")
}

fn symlink_loop(root: &Path) -> Result<()> {
    symlink("loop-b", root.join("loop-a"))?;
    symlink("loop-a", root.join("loop-b"))?;
    fails(text(root.join("loop-a")), "a loop was opened")
}

fn remove_file(root: &Path) -> Result<()> {
    fs::remove_file(root.join("remove/a.txt"))?;
    fails_as(fs::remove_file(root.join("remove/a.txt")), ErrorKind::NotFound)?;
    same(list(root.join("remove"))?, Vec::new())?;
    fails(fs::remove_file(root.join("remove")), "a directory was removed as a file")?;
    fs::remove_dir(root.join("remove"))?;
    fails_as(fs::metadata(root.join("remove")), ErrorKind::NotFound)
}

fn remove_full_dir(root: &Path) -> Result<()> {
    fails(fs::remove_dir(root.join("read")), "a full directory was removed")?;
    fails(fs::remove_dir(root.join("read/a.txt")), "a file was removed as a directory")
}

fn opaque(root: &Path) -> Result<()> {
    fs::remove_dir_all(root.join("opaque"))?;
    fs::create_dir(root.join("opaque"))?;
    same(list(root.join("opaque"))?, Vec::new())?;
    fails_as(text(root.join("opaque/old.txt")), ErrorKind::NotFound)?;
    fs::write(root.join("opaque/new.txt"), "")?;
    same(list(root.join("opaque"))?, vec!["new.txt".to_owned()])
}

fn change_type(root: &Path) -> Result<()> {
    let path = root.join("change");
    fs::write(&path, "file")?;
    fs::remove_file(&path)?;
    fs::create_dir(&path)?;
    fs::write(path.join("inner"), "")?;
    fs::remove_dir_all(&path)?;
    fs::write(&path, "file again")?;
    same(text(&path)?.as_str(), "file again")
}

fn read_dir(root: &Path) -> Result<()> {
    let dir = root.join("list");
    fs::write(dir.join("c.txt"), "")?;
    fs::remove_file(dir.join("a.txt"))?;
    fs::create_dir(dir.join("d"))?;
    same(list(&dir)?, ["b.txt", "c.txt", "d"].map(String::from).to_vec())?;
    for entry in fs::read_dir(&dir)? {
        let entry = entry?;
        same(entry.file_type()?.is_dir(), entry.file_name() == "d")?;
    }
    fails_as(fs::read_dir(dir.join("none")), ErrorKind::NotFound)?;
    fails(fs::read_dir(dir.join("b.txt")), "a file was listed")
}

fn read_dir_stable(root: &Path) -> Result<()> {
    let dir = root.join("stable");
    fs::create_dir(&dir)?;
    for number in 0..300 {
        fs::write(dir.join(format!("{number}")), "")?;
    }
    let mut seen = std::collections::BTreeSet::new();
    for entry in fs::read_dir(&dir)? {
        let name = entry?.file_name();
        want(seen.insert(name.clone()), "a name was listed twice")?;
        fs::remove_file(dir.join(&name))?;
    }
    same(seen.len(), 300)?;
    same(list(&dir)?, Vec::new())
}

fn times(root: &Path) -> Result<()> {
    let path = root.join("times.txt");
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    OpenOptions::new().write(true).open(&path)?.set_modified(then)?;
    same(fs::metadata(&path)?.modified()?, then)?;
    same(text(&path)?.as_str(), "")?;
    fs::write(&path, "x")?;
    want(fs::metadata(&path)?.modified()? > then, "a write moved no mtime")
}

fn metadata(root: &Path) -> Result<()> {
    let file = fs::metadata(root.join("read/a.txt"))?;
    want(file.is_file() && file.len() == 8, "the file's type or size is wrong")?;
    want(file.modified()? > SystemTime::UNIX_EPOCH, "no mtime")?;
    want(fs::metadata(root)?.is_dir(), "the root is no directory")?;
    same(fs::symlink_metadata(root.join("read/link"))?.len(), 5)
}

fn sync(root: &Path) -> Result<()> {
    let mut file = File::create(root.join("sync.txt"))?;
    file.write_all(b"durable")?;
    file.sync_data()?;
    file.sync_all()
}

fn copy(root: &Path) -> Result<()> {
    same(fs::copy(root.join("read/a.txt"), root.join("copy.txt"))?, 8)?;
    same(text(root.join("copy.txt"))?.as_str(), "lower a\n")
}

fn names(root: &Path) -> Result<()> {
    let dir = root.join("names");
    fs::create_dir(&dir)?;
    let long = "n".repeat(255);
    let mut names =
        vec![long.clone(), " space ".into(), "new\nline".into(), "ünïcode".into(), "-f".into()];
    for name in &names {
        fs::write(dir.join(name), name)?;
        same(text(dir.join(name))?.as_str(), name.as_str())?;
    }
    names.sort();
    same(list(&dir)?, names)?;
    fails(fs::write(dir.join(long + "n"), ""), "a name of 256 bytes was made")
}

fn wrong_paths(root: &Path) -> Result<()> {
    fails(File::open(root.join("a\0b")), "a NUL was passed")?;
    fails(fs::create_dir(root.join("read/..")), "made ..")?;
    fails(fs::remove_dir(root.join("read/.")), "removed .")?;
    fails(File::open(root.join("read/a.txt/")), "a file with a slash was opened")
}

fn escapes(root: &Path) -> Result<()> {
    for path in ["../../etc/passwd", "/etc/passwd", "..", "../..", "/", "/workspace/../etc/passwd"]
    {
        fails(fs::read_to_string(path), path)?;
    }
    let up = "../".repeat(40);
    fails(fs::read_dir(format!("{up}etc")), "listed a directory outside")?;
    fails(fs::write(format!("{up}tmp/escaped"), "x"), "wrote outside")?;
    fails(fs::rename(root.join("read/a.txt"), format!("{up}tmp/escaped")), "moved outside")?;
    fails(fs::hard_link(format!("{up}etc/passwd"), root.join("passwd")), "linked from outside")?;
    fails(fs::create_dir(format!("{up}tmp/escaped")), "made a directory outside")
}

/// A host may refuse to make such a link, or to follow it.
fn symlink_escapes(root: &Path) -> Result<()> {
    let up = "../".repeat(40);
    for (name, target) in
        [("out-1", "/etc".to_owned()), ("out-2", format!("{up}etc")), ("out-3", "/".to_owned())]
    {
        let link = root.join(name);
        if symlink(&target, &link).is_err() {
            continue;
        }
        fails(fs::read_to_string(link.join("passwd")), "read through a link that leads out")?;
        fails(fs::read_dir(&link), "listed a link that leads out")?;
        fails(fs::write(link.join("escaped"), "x"), "wrote through a link that leads out")?;
        fs::remove_file(&link)?;
    }
    Ok(())
}

fn hidden(_: &Path) -> Result<()> {
    want(!list(".")?.contains(&".brio".to_owned()), ".brio is listed")?;
    fails_as(fs::metadata(".brio"), ErrorKind::NotFound)?;
    fails(fs::read_dir(".brio"), ".brio was listed")
}
