//! What every place for notes does: one suite over each of them, and random operations against
//! the notes in memory.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use brio_project::*;
use common::*;

/// Each backend, empty, by its name.
fn backends() -> Vec<(&'static str, Box<dyn Notes>, Vec<tempfile::TempDir>)> {
    let (one, base, own, over) = (scratch(), scratch(), scratch(), scratch());
    let below = Arc::new(dir_notes(base.path()));
    let middle = Arc::new(Overlay::new(below.clone(), dir_notes(own.path())));
    vec![
        ("memory", Box::new(crate::over(Arc::new(Mem::default()))), vec![]),
        ("directory", Box::new(dir_notes(one.path())), vec![one]),
        // A session in a session.
        ("overlay", Box::new(Overlay::new(middle, dir_notes(over.path()))), vec![base, own, over]),
    ]
}

fn texts(notes: &dyn Notes, at: &str) -> Vec<Option<String>> {
    notes.history(&path(at)).unwrap().into_iter().map(|version| version.content).collect()
}

//
#[test]
fn every_backend_does_what_notes_do() {
    for (name, notes, _dirs) in backends() {
        let notes = &*notes;
        let a = path("plans/a");
        assert_eq!(notes.read(&a).unwrap(), None, "{name}");
        assert_eq!(notes.remove(&a, &plain()).unwrap(), None, "{name}");
        assert!(notes.history(&a).unwrap().is_empty(), "{name}");

        let first = notes.write(&a, "one\n", &expecting(0)).unwrap();
        assert_eq!(first, Written { version: 1, replayed: false }, "{name}");
        let note = notes.read(&a).unwrap().unwrap();
        let wanted = Note { path: a.clone(), content: "one\n".into(), version: 1, at: note.at };
        assert_eq!(note, wanted, "{name}");
        match notes.write(&a, "two", &expecting(0)).unwrap_err() {
            NotesError::VersionMismatch { expected: 0, found: 1, .. } => {}
            e => panic!("{name}: {e}"),
        }
        assert_eq!(notes.write(&a, "", &expecting(1)).unwrap().version, 2, "{name}: empty");
        assert_eq!(notes.read(&a).unwrap().unwrap().content, "", "{name}");

        let mut seen = None;
        let made = notes.modify(&path("m"), Some("l0"), &mut |note| {
            seen = note.cloned();
            Ok("made".to_owned())
        });
        assert_eq!((made.unwrap().version, seen.take()), (1, None), "{name}");
        let made = notes
            .modify(&path("m"), None, &mut |note| Ok(format!("{}, twice", note.unwrap().content)));
        assert_eq!(made.unwrap().version, 2, "{name}");
        let made = notes.modify(&path("m"), Some("l0"), &mut |_| Ok("not again".to_owned()));
        assert!(made.unwrap().replayed, "{name}");
        assert_eq!(notes.read(&path("m")).unwrap().unwrap().content, "made, twice", "{name}");
        let refused = || NotesError::Unavailable { what: "no".into(), source: None };
        let made = notes.modify(&path("m"), None, &mut |_| Err(refused()));
        assert!(made.unwrap_err().is_unavailable(), "{name}");
        notes.remove(&path("m"), &plain()).unwrap();

        // Names that differ in little.
        for other in ["plans/A", "plans/a/b", "plans", "plans%2fa", ".format", "new", "1", "=x"] {
            put(notes, other, other);
        }
        let all = contents(notes);
        assert_eq!(all.len(), 9, "{name}: {all:?}");
        assert!(all.iter().all(|(at, text)| at == text || at == "plans/a"), "{name}: {all:?}");
        let some = notes.list(&Pattern::new("plans/*").unwrap()).unwrap();
        let some: Vec<_> = some.iter().map(|i| (i.path.as_str(), i.version)).collect();
        assert_eq!(some, [("plans/A", 1), ("plans/a", 2)], "{name}");

        // A removal is a tombstone, which is never read.
        assert_eq!(notes.remove(&a, &plain()).unwrap().unwrap().version, 3, "{name}");
        assert_eq!(notes.read(&a).unwrap(), None, "{name}");
        assert_eq!(notes.remove(&a, &plain()).unwrap(), None, "{name}");
        assert!(notes.list(&Pattern::new("plans/a").unwrap()).unwrap().is_empty(), "{name}");
        assert_eq!(
            texts(notes, "plans/a"),
            [None, Some("".into()), Some("one\n".into())],
            "{name}"
        );
        assert_eq!(notes.write(&a, "again", &expecting(0)).unwrap().version, 4, "{name}");
        put(notes, "plans/a", "{\"deleted\": true, \"deletedAt\": \"2026-01-19T10:00:00Z\"}");
        assert_eq!(notes.read(&a).unwrap(), None, "{name}: written as one, it is one");

        // The same write twice is one, also if others wrote since.
        let b = path("b");
        assert_eq!(notes.write(&b, "x", &from("l1")).unwrap().version, 1, "{name}");
        put(notes, "b", "y");
        let again = notes.write(&b, "x", &from("l1")).unwrap();
        assert_eq!(again, Written { version: 1, replayed: true }, "{name}");
        assert_eq!(notes.read(&b).unwrap().unwrap().content, "y", "{name}");
        assert_eq!(notes.history(&b).unwrap()[1].origin.as_deref(), Some("l1"), "{name}");
        // The removal of what is not there too.
        let c = path("c");
        assert_eq!(notes.remove(&c, &from("l2")).unwrap(), None, "{name}");
        put(notes, "c", "since");
        assert!(notes.remove(&c, &from("l2")).unwrap().unwrap().replayed, "{name}");
        assert_eq!(notes.read(&c).unwrap().unwrap().content, "since", "{name}");
    }
}

#[test]
fn the_bounds_are_said() {
    let tmp = scratch();
    let notes = dir_notes(tmp.path());
    let long = "x".repeat(MAX_CONTENT + 1);
    let error = notes.write(&path("a"), &long, &plain()).unwrap_err();
    assert_eq!(error.code(), "NOTE_TOO_LARGE");
    assert!(error.to_string().contains("content for a has 16777217 bytes"), "{error}");
    let error = notes.write(&path("a"), "x", &from(&long[..256])).unwrap_err();
    assert!(error.to_string().contains("origin for a has 256 bytes"), "{error}");
    assert_eq!(notes.read(&path("a")).unwrap(), None);
    notes.write(&path("a"), &long[..MAX_CONTENT], &from(&long[..255])).unwrap();
    assert_eq!(notes.read(&path("a")).unwrap().unwrap().content.len(), MAX_CONTENT);
    let longest = "ü".repeat(127);
    put(&notes, &longest, "x");
    assert_eq!(notes.read(&path(&longest)).unwrap().unwrap().path.as_str(), longest);
}

#[test]
fn the_newest_versions_are_kept_and_origins_longer() {
    let tmp = scratch();
    let options = DirOptions { keep: 3, ..DirOptions::new(clock) };
    let notes = DirNotes::open(dir(tmp.path()), options).unwrap();
    notes.write(&path("a"), "first", &from("l1")).unwrap();
    for n in 2..=40 {
        put(&notes, "a", &n.to_string());
    }
    let kept: Vec<_> = notes.history(&path("a")).unwrap().iter().map(|v| v.version).collect();
    assert_eq!(kept, [40, 39, 38]);
    assert!(notes.write(&path("a"), "first", &from("l1")).unwrap().replayed);
    for n in 2..=256 {
        notes.write(&path("a"), "x", &from(&format!("l{n}"))).unwrap();
    }
    assert!(notes.write(&path("a"), "x", &from("l1")).unwrap().replayed, "of 256 the first");
    assert!(!notes.write(&path("a"), "x", &from("l257")).unwrap().replayed);
    assert!(!notes.write(&path("a"), "first", &from("l1")).unwrap().replayed, "of 257 the first");
    // A smaller bound than before is met by a sweep.
    let options = DirOptions { keep: 0, ..DirOptions::new(clock) };
    let notes = DirNotes::open(dir(tmp.path()), options).unwrap();
    notes.sweep().unwrap();
    assert_eq!(notes.history(&path("a")).unwrap().len(), 1);
    assert_eq!(notes.read(&path("a")).unwrap().unwrap().content, "first");
}

#[test]
fn what_is_damaged_is_told_and_is_not_missing() {
    let tmp = scratch();
    let notes = dir_notes(tmp.path());
    put(&notes, "a", "one");
    put(&notes, "a", "two");
    put(&notes, "b", "b");
    let tip = tmp.path().join("a/2");
    let whole = std::fs::read(&tip).unwrap();
    std::fs::write(&tip, &whole[..whole.len() - 1]).unwrap();
    let error = notes.read(&path("a")).unwrap_err();
    assert_eq!(error.code(), "NOTE_CORRUPT");
    assert!(error.to_string().starts_with("NOTE_CORRUPT: a/2 does not have its checksum"));
    assert!(notes.list(&Pattern::all()).is_err());
    assert_eq!(notes.list(&Pattern::new("b*").unwrap()).unwrap().len(), 1, "a is not asked");
    assert!(notes.write(&path("a"), "x", &expecting(2)).is_err(), "nothing is known of it");
    let (history, log) = common::log::of(|| texts(&notes, "a"));
    assert_eq!(history, [Some("one".into())]);
    assert!(log[0].starts_with("WARN A version of a note is damaged"), "{log:?}");
    put(&notes, "a", "three");
    assert_eq!(notes.read(&path("a")).unwrap().unwrap().version, 3, "it can be written anew");

    std::fs::copy(tmp.path().join("b/1"), tmp.path().join("a/4")).unwrap();
    assert!(notes.read(&path("a")).unwrap_err().to_string().contains("another note's"));
    std::fs::write(tmp.path().join("a/4"), "brio-note 2 0\n").unwrap();
    assert_eq!(notes.read(&path("a")).unwrap_err().code(), "NOTES_FORMAT");
    assert_eq!(notes.history(&path("a")).unwrap_err().code(), "NOTES_FORMAT");

    std::fs::write(tmp.path().join(".format"), "brio-notes 2\n").unwrap();
    let newer = DirNotes::open(dir(tmp.path()), DirOptions::new(clock)).unwrap_err();
    assert_eq!(newer.code(), "NOTES_FORMAT");
    assert!(newer.to_string().contains("\"brio-notes 2\""), "{newer}");

    let other = scratch();
    std::fs::write(other.path().join("file"), "").unwrap();
    let error = DirNotes::open(dir(other.path()), DirOptions::new(clock)).unwrap_err();
    assert!(error.to_string().contains("a directory of their own"), "{error}");
    assert!(!other.path().join(".format").exists());
}

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

// Random writes, removals, expectations and origins: a directory and an overlay answer as the
// notes in memory.
#[test]
fn random_operations_answer_as_the_model() {
    let seed = std::env::var("BRIO_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(8);
    for round in 0..20u64 {
        let mut rng = Rng(seed + round);
        let mut backends = backends();
        let model = backends.remove(0).1;
        for step in 0..60 {
            let at = path(["a", "b", "s/c"][rng.below(3) as usize]);
            let how = WriteOptions {
                expected_version: (rng.below(3) == 0).then(|| rng.below(6)),
                origin: (rng.below(3) == 0).then(|| format!("l{}", rng.below(4))),
            };
            let kind = rng.below(5);
            let act = |notes: &dyn Notes| {
                let done = match kind {
                    0 | 1 => notes.remove(&at, &how),
                    _ => notes.write(&at, &format!("{step}"), &how).map(Some),
                };
                let seen = contents(notes);
                let history: Vec<_> = notes.history(&at).unwrap();
                let history: Vec<_> =
                    history.into_iter().map(|v| (v.version, v.origin, v.content)).collect();
                format!("{:?} {seen:?} {history:?}", done.map_err(|e| e.to_string()))
            };
            let wanted = act(&*model);
            for (name, notes, _) in &backends {
                assert_eq!(act(&**notes), wanted, "{name}, seed {}, step {step}", seed + round);
            }
        }
    }
}
