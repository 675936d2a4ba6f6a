//! Which landing each line came with.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::time::Duration;

use brio_landing::{Domain, GcOptions, Origin, UndoOptions};
use brio_session::RelPath;
use common::{begin, commit, edit, open_keeping as open, write, writer};

fn land(d: &Domain, goal: &str, files: &[(&str, &[u8])]) -> u64 {
    let s = begin(d, goal);
    edit(&s, files);
    commit(d, s.id()).unwrap().landing.unwrap()
}

fn blame(d: &Domain, path: &str) -> Vec<String> {
    let found = d.blame(&RelPath::new(path).unwrap()).unwrap();
    let word = |l: &brio_landing::BlameLine| {
        let from = match &l.origin {
            Origin::Landing { landing, goal, .. } => {
                format!("{landing} {}", goal.as_deref().unwrap_or(""))
            }
            Origin::Outside { after } => format!("outside after {after}"),
            Origin::Before { landing } => format!("before {landing}"),
        };
        format!("{}: {from}", String::from_utf8_lossy(&l.text).trim_end())
    };
    found.lines.iter().map(word).collect()
}

fn code(d: &Domain, path: &str) -> &'static str {
    d.blame(&RelPath::new(path).unwrap()).unwrap_err().code()
}

#[test]
fn each_line_has_its_landing() {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("f"), "one\ntwo\nthree\n").unwrap();
    let d = open(base.path());
    assert_eq!(blame(&d, "f"), ["one: before 1", "two: before 1", "three: before 1"]);
    land(&d, "first", &[("f", b"one\nTWO\nthree\n")]);
    land(&d, "elsewhere", &[("g", b"g\n")]);
    land(&d, "second", &[("f", b"zero\none\nTWO\nthree\nfour")]);
    let now = ["zero: 3 second", "one: before 1", "TWO: 1 first", "three: before 1"];
    assert_eq!(blame(&d, "f"), [&now[..], &["four: 3 second"]].concat());
    assert_eq!(blame(&d, "g"), ["g: 2 elsewhere"]);
    // An edit in place, by which the landing's own bytes are gone.
    fs::write(base.path().join("f"), "zero\none\nTWO\nmine\nfour").unwrap();
    let mine = ["zero: 3 second", "one: before 1", "TWO: 1 first", "mine: outside after 3"];
    assert_eq!(blame(&d, "f"), [&mine[..], &["four: 3 second"]].concat());
    // It stays an edit from outside when something lands on top of it.
    land(&d, "third", &[("f", b"zero\none\nTWO\nmine\nfour\nfive\n")]);
    let top = ["four: 4 third", "five: 4 third"];
    assert_eq!(blame(&d, "f"), [&mine[..], &top[..]].concat());
    // What was undone is looked through.
    d.undo(4, &UndoOptions::default()).unwrap();
    assert_eq!(blame(&d, "f"), [&mine[..], &["four: 3 second"]].concat());
    d.undo(5, &UndoOptions::default()).unwrap();
    assert_eq!(blame(&d, "f"), [&mine[..], &top[..]].concat());
}

#[test]
fn a_move_is_followed() {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("old")).unwrap();
    fs::write(base.path().join("old/f"), "a\nb\n").unwrap();
    fs::write(base.path().join("old/other"), "x\ny\n").unwrap();
    let d = open(base.path());
    land(&d, "change", &[("old/f", b"a\nB\n")]);
    let s = begin(&d, "move");
    let w = writer(&s);
    w.view().rename_at(&w.view().root(), b"old", &w.view().root(), b"new").unwrap();
    w.finish().unwrap();
    commit(&d, s.id()).unwrap();
    assert_eq!(blame(&d, "new/f"), ["a: before 1", "B: 1 change"]);
    land(&d, "after", &[("new/f", b"a\nB\nc\n")]);
    assert_eq!(blame(&d, "new/f"), ["a: before 1", "B: 1 change", "c: 3 after"]);
    assert_eq!(blame(&d, "new/other"), ["x: before 1", "y: before 1"]);
    assert_eq!(code(&d, "old/f"), "PATH_MISSING");
    // What is made again outside has nothing of it.
    fs::create_dir(base.path().join("old")).unwrap();
    fs::write(base.path().join("old/f"), "a\n").unwrap();
    assert_eq!(blame(&d, "old/f"), ["a: outside after 2"]);
}

#[test]
fn what_is_collected_is_before_and_what_has_no_lines_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let d = open(base.path());
    land(&d, "one", &[("f", b"one\n"), ("binary", b"a\0b")]);
    let none = GcOptions { window: Some(Duration::ZERO), ..GcOptions::default() };
    d.gc_with(&none).unwrap();
    assert_eq!(blame(&d, "f"), ["one: before 2"]);
    land(&d, "two", &[("f", b"one\ntwo\n")]);
    assert_eq!(blame(&d, "f"), ["one: before 2", "two: 2 two"]);
    std::os::unix::fs::symlink("f", base.path().join("link")).unwrap();
    assert_eq!(code(&d, "binary"), "BINARY");
    assert_eq!(code(&d, "link"), "NOT_A_FILE");
    assert_eq!(code(&d, ""), "NOT_A_FILE");
    assert_eq!(code(&d, "nothing/here"), "PATH_MISSING");
    assert_eq!(code(&d, "f/below"), "PATH_MISSING");
    // One that was no text, and one whose lines are not recorded because it is large.
    land(&d, "text", &[("binary", b"now\nlines\n")]);
    assert_eq!(blame(&d, "binary"), ["now: 3 text", "lines: 3 text"]);
    let large: String = (0..200_000).map(|i| format!("{i}\n")).collect();
    land(&d, "large", &[("large", large.as_bytes())]);
    assert_eq!(blame(&d, "large")[199_999], "199999: 4 large");
    let s = begin(&d, "large, too");
    let w = writer(&s);
    write(w.view(), "large", format!("{large}more\n").as_bytes());
    w.finish().unwrap();
    commit(&d, s.id()).unwrap();
    let lines = blame(&d, "large");
    assert_eq!((&*lines[0], &*lines[200_000]), ("0: 4 large", "more: 5 large, too"));
    // Who edited it, or the landing: that cannot be told apart, and is not claimed.
    fs::write(base.path().join("large"), format!("{large}more\nmine\n")).unwrap();
    let lines = blame(&d, "large");
    assert_eq!(lines[0], "0: 4 large");
    assert_eq!(&lines[200_000..], ["more: outside after 5", "mine: outside after 5"]);
}
