//! `fs-script STEP...`: performs file operations in the current directory, straight through
//! `wasi:filesystem`, and prints one line for each: what it answered, or its error code.
//!
//! The fields of a step are separated by tabs; a SLOT is a number under which something is kept
//! open, DATA is `SEED` and `LEN`, of which the bytes follow, and a TIME is `SECONDS` and
//! `NANOSECONDS`.
//!
//! | step | answers |
//! |---|---|
//! | `open SLOT PATH FLAGS` | `done`, or `dir` of a directory; flags are any of `rwcxtf`: read, write, create, exclusive, truncate, follow |
//! | `close SLOT` | `done` |
//! | `read SLOT AT LEN`, `read-path PATH`, `read-link PATH` | `bytes LEN HASH` |
//! | `write SLOT AT DATA`, `append SLOT DATA`, `write-path PATH AT DATA`, `append-path PATH DATA` | `len LEN` |
//! | `set-len SLOT LEN`, `set-len-path PATH LEN` | `done` |
//! | `handle-stat SLOT`, `stat PATH FOLLOW` | `stat KIND SIZE LINKS MTIME`; 0 for both numbers of a directory |
//! | `handle-times SLOT TIME`, `set-times PATH TIME` | `done` |
//! | `unlink PATH`, `mkdir PATH`, `rmdir PATH`, `rename FROM TO`, `link FROM TO`, `symlink TARGET PATH` | `done` |
//! | `list PATH` | `names KIND:NAME ...`, sorted; `?` for a name that WASI cannot say |
//! | `hold SLOT PATH` | `done`: begins to read a directory |
//! | `drain SLOT` | `names ...`: reads it to the end |
//! | `same PATH PATH` | `same true` when both are names of one file |
//! | `mount N` | `done`: works in the N-th of the directories that were open at the start, whose slots are its own |
//! | `enter PATH`, `leave` | `done`: a directory below stands for it, wherever that is moved; and no longer |
//! | `rename-to N FROM TO`, `link-to N FROM TO` | `done`: from here to there |
//!
//! Exit status 1 when a step is none of these.

mod bindings;
mod files;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::str::FromStr;

use bindings::wasi::filesystem::types::{DescriptorStat, DescriptorType, ErrorCode};
use files::Files;

fn main() -> ExitCode {
    let Some(mut files) = Files::new() else {
        eprintln!("fs-script: no directory is open");
        return ExitCode::FAILURE;
    };
    let mut out = String::new();
    for step in std::env::args().skip(1) {
        let Some(answer) = perform(&mut files, &mut Fields(step.split('\t'))) else {
            eprintln!("fs-script: what is {step:?}?");
            return ExitCode::FAILURE;
        };
        let answer = answer.unwrap_or_else(|code| code.name().to_owned());
        out.push_str(&answer);
        out.push('\n');
    }
    print!("{out}");
    ExitCode::SUCCESS
}

struct Fields<'a>(std::str::Split<'a, char>);

impl<'a> Fields<'a> {
    fn text(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn number<T: FromStr>(&mut self) -> Option<T> {
        self.text()?.parse().ok()
    }

    fn data(&mut self) -> Option<Vec<u8>> {
        let (seed, len): (u8, usize) = (self.number()?, self.number()?);
        Some((0..len).map(|i| seed.wrapping_add((i % 251) as u8)).collect())
    }
}

/// `None`: it is no step.
fn perform(files: &mut Files, step: &mut Fields<'_>) -> Option<Result<String, ErrorCode>> {
    let done = |r: Result<(), ErrorCode>| r.map(|()| "done".to_owned());
    let len = |r: Result<usize, ErrorCode>| r.map(|len| format!("len {len}"));
    Some(match step.text()? {
        "open" => {
            let (slot, path, flags) = (step.number()?, step.text()?, step.text()?);
            files.open(slot, path, flags).map(|dir| if dir { "dir" } else { "done" }.to_owned())
        }
        "close" => {
            files.close(step.number()?);
            done(Ok(()))
        }
        "read" => files.read(step.number()?, step.number()?, step.number()?).map(|b| bytes(&b)),
        "read-path" => files.read_path(step.text()?).map(|b| bytes(&b)),
        "read-link" => files.read_link(step.text()?).map(|t| bytes(t.as_bytes())),
        "write" => len(files.write(step.number()?, step.number()?, &step.data()?)),
        "append" => len(files.append(step.number()?, &step.data()?)),
        "write-path" => len(files.write_path(step.text()?, step.number()?, &step.data()?)),
        "append-path" => len(files.append_path(step.text()?, &step.data()?)),
        "set-len" => done(files.set_len(step.number()?, step.number()?)),
        "set-len-path" => done(files.set_len_path(step.text()?, step.number()?)),
        "handle-stat" => files.handle_stat(step.number()?).map(|s| stat(&s)),
        "stat" => files.stat(step.text()?, step.text()? == "follow").map(|s| stat(&s)),
        "handle-times" => done(files.handle_times(step.number()?, step.number()?, step.number()?)),
        "set-times" => done(files.set_times(step.text()?, step.number()?, step.number()?)),
        "unlink" => done(files.root().unlink_file_at(step.text()?)),
        "mkdir" => done(files.root().create_directory_at(step.text()?)),
        "rmdir" => done(files.root().remove_directory_at(step.text()?)),
        "rename" => done(files.rename(step.text()?, step.text()?)),
        "link" => done(files.link(step.text()?, step.text()?)),
        "symlink" => done(files.root().symlink_at(step.text()?, step.text()?)),
        "list" => files.list(step.text()?).map(names),
        "hold" => done(files.hold(step.number()?, step.text()?)),
        "drain" => files.drain(step.number()?).map(names),
        "same" => files.same(step.text()?, step.text()?).map(|same| format!("same {same}")),
        "mount" => done(files.mount(step.number()?)),
        "enter" => done(files.enter(step.text()?)),
        "leave" => {
            files.leave();
            done(Ok(()))
        }
        "rename-to" => done(files.rename_to(step.number()?, step.text()?, step.text()?)),
        "link-to" => done(files.link_to(step.number()?, step.text()?, step.text()?)),
        _ => return None,
    })
}

/// The length, and FNV-1a of the bytes.
fn bytes(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("bytes {} {hash:016x}", bytes.len())
}

fn kind(kind: DescriptorType) -> &'static str {
    match kind {
        DescriptorType::Directory => "dir",
        DescriptorType::SymbolicLink => "link",
        DescriptorType::RegularFile => "file",
        _ => "other",
    }
}

fn stat(s: &DescriptorStat) -> String {
    let (size, links) = match s.type_ {
        DescriptorType::Directory => (0, 0),
        _ => (s.size, s.link_count),
    };
    let mut text = format!("stat {} {size} {links} ", kind(s.type_));
    match s.data_modification_timestamp {
        Some(t) => write!(text, "{}.{:09}", t.seconds, t.nanoseconds),
        None => write!(text, "none"),
    }
    .expect("a string takes all");
    text
}

fn names(mut entries: Vec<Option<(DescriptorType, String)>>) -> String {
    entries.sort_by(|a, b| a.as_ref().map(|e| &e.1).cmp(&b.as_ref().map(|e| &e.1)));
    let mut text = "names".to_owned();
    for entry in entries {
        match entry {
            Some((of, name)) => write!(text, " {}:{name}", kind(of)).expect("a string takes all"),
            None => text.push_str(" ?"),
        }
    }
    text
}
