//! How notes lie in the store, and what is said where they cannot be read.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use brio_project::*;
use brio_store::{Runner, Store, StoreOptions};
use brio_store_notes::{StoreNotes, StoreNotesOptions};
use bytes::Bytes;
use common::*;

/// A note's document as it lies in the store.
fn document(store: &Shaky, runner: &Runner, name: &str) -> String {
    let (inner, key) = (store.inner.clone(), key(name));
    let (bytes, _) = runner.run(async move { inner.read_ref(&key).await }).unwrap().unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Puts something else there.
fn replace(store: &Shaky, runner: &Runner, name: &str, document: &str) {
    let (inner, key) = (store.inner.clone(), key(name));
    let value = Bytes::copy_from_slice(document.as_bytes());
    runner.run(async move {
        let now = inner.read_ref(&key).await.unwrap().map(|(_, version)| version);
        inner.swap_ref(&key, now.as_ref(), value).await.unwrap();
    });
}

#[test]
fn a_small_note_is_read_by_one_request_and_written_by_two() {
    let store = Arc::new(Shaky::default());
    let notes = notes_of(&store, "laptop");
    store.take();
    let its = key("sessions_2fsession");
    let at = path("sessions/session");
    notes.write(&at, "{}", &plain()).unwrap();
    let there = format!("GET {}", "projects/test/project/project.json");
    assert_eq!(store.take(), [format!("READ {its}"), there, format!("SWAP {its}")]);
    notes.write(&at, "{ }", &plain()).unwrap();
    assert_eq!(store.take(), [format!("READ {its}"), format!("SWAP {its}")]);
    notes.read(&at).unwrap().unwrap();
    assert_eq!(store.take(), [format!("READ {its}")]);
    assert_eq!(notes.history(&at).unwrap().len(), 2);
    assert_eq!(store.take(), [format!("READ {its}")]);
}

#[test]
fn large_notes_lie_in_blobs_that_the_collector_is_told_of() {
    let store = Arc::new(Shaky::default());
    store.lose(2);
    let notes = notes_of(&store, "laptop");
    let (big, at) = (noise(MAX_CONTENT, 7), path("big"));
    let error = notes.write(&at, &format!("{big}x"), &plain()).unwrap_err();
    assert_eq!(error.code(), "NOTE_TOO_LARGE");
    let error = notes.write(&at, "x", &from(&big[..256])).unwrap_err();
    assert_eq!(error.code(), "NOTE_TOO_LARGE");
    let error = notes.remove(&at, &from(&big[..256])).unwrap_err();
    assert_eq!(error.code(), "NOTE_TOO_LARGE");
    assert_eq!(notes.read(&at).unwrap(), None);
    assert_eq!(notes.write(&at, &big, &from(&big[..255])).unwrap().version, 1);
    let middle = noise(20 << 10, 8);
    notes.write(&at, &middle, &plain()).unwrap();
    notes.write(&at, "small", &plain()).unwrap();

    // A machine that has nothing of it near.
    let other = notes_of(&store, "server");
    let history = other.history(&at).unwrap();
    let found: Vec<_> = history.iter().map(|v| v.content.as_deref().unwrap()).collect();
    assert!(found == ["small", &middle, &big]);
    let runner = runner();
    let doc = document(&store, &runner, "big");
    assert!(doc.len() < 4096, "{} bytes", doc.len());

    let its = project(store.clone(), &runner);
    let (roots, read) = runner.run(async move {
        let roots = its.note_roots().await.unwrap();
        let mut read = Vec::new();
        for (_, content) in &roots {
            let mut bytes = Vec::new();
            its.file(*content).copy_to(&mut bytes).await.unwrap();
            read.push(bytes.len());
        }
        (roots, read)
    });
    assert_eq!(read, [20 << 10, MAX_CONTENT]);
    let told: Vec<_> = roots.iter().map(|(path, c)| (path.as_str(), c.depth)).collect();
    assert_eq!(told, [("big", 0), ("big", 1)]);

    // A note that was removed keeps its history, and so what that is made of.
    notes.remove(&at, &plain()).unwrap().unwrap();
    assert!(other.history(&at).unwrap()[3].content.as_deref() == Some(&*big));
    let its = project(store.clone(), &runner);
    assert_eq!(runner.run(async move { its.note_roots().await }).unwrap().len(), 2);
}

#[test]
fn old_contents_leave_the_document_and_a_hundred_versions_are_kept() {
    let store = Arc::new(Shaky::default());
    store.lose(3);
    let notes = notes_of(&store, "laptop");
    let runner = runner();
    let at = path("a");
    let content = |n: u64| noise(if n.is_multiple_of(10) { 9000 } else { 900 }, n);
    let mut largest = 0;
    for n in 1..=120 {
        assert_eq!(notes.write(&at, &content(n), &plain()).unwrap().version, n);
        largest = largest.max(document(&store, &runner, "a").len());
    }
    assert!(largest < 120 << 10, "{largest} bytes");
    let history = notes_of(&store, "server").history(&at).unwrap();
    assert_eq!(history.len(), 100);
    for (version, n) in history.iter().zip((21..=120).rev()) {
        assert_eq!((version.version, version.content.as_deref()), (n, Some(&*content(n))));
    }
    let its = project(store.clone(), &runner);
    let roots = runner.run(async move { its.note_roots().await }).unwrap();
    println!("a document of at most {largest} bytes, {} contents in blobs", roots.len());
    assert!(roots.len() > 20, "{}", roots.len());

    for n in 0..256 {
        notes.write(&at, "x", &from(&format!("l{n}"))).unwrap();
    }
    assert!(notes.write(&at, "x", &from("l0")).unwrap().replayed, "of 256 the first");
    notes.write(&at, "x", &from("l256")).unwrap();
    assert!(!notes.write(&at, "x", &from("l0")).unwrap().replayed, "of 257 the first");
}

#[test]
fn names_that_are_traps_are_notes_like_others() {
    let store = Arc::new(Shaky::default());
    let notes = notes_of(&store, "laptop");
    let (long, umlauts) = ("a/".repeat(127) + "b", "ü".repeat(127));
    let traps = [
        "a",
        "A",
        "a/b",
        "a_2fb",
        "a%2fb",
        "A/b",
        "__",
        "_",
        "...",
        "a.",
        "a..b",
        ".hidden",
        "con",
        "CON",
        "head",
        "gc",
        "project.json",
        "ü",
        "u\u{308}",
        "a b",
        "*",
        "?",
        "~",
        "=",
        "#",
        "%",
        &long,
        &umlauts,
        &long[..201],
        &umlauts[..200],
    ];
    for trap in traps {
        assert_eq!(notes.write(&path(trap), trap, &expecting(0)).unwrap().version, 1, "{trap}");
    }
    for trap in traps {
        assert_eq!(notes.read(&path(trap)).unwrap().unwrap().content, trap);
    }
    let listed: Vec<_> = notes.list(&Pattern::all()).unwrap();
    let listed: BTreeSet<&str> = listed.iter().map(|info| info.path.as_str()).collect();
    assert_eq!(listed, BTreeSet::from(traps));
    let some = notes.list(&Pattern::new("a/*").unwrap()).unwrap();
    assert_eq!(some.iter().map(|info| info.path.as_str()).collect::<Vec<_>>(), ["a/b"]);

    let inner = store.inner.clone();
    let keys = runner().run(async move { inner.list_refs("projects/", None).await }).unwrap();
    assert_eq!(keys.len(), traps.len());
    let folded: BTreeSet<String> = keys.iter().map(|key| key.to_lowercase()).collect();
    assert_eq!(folded.len(), traps.len(), "where case is folded they are as many");
    for key in keys {
        let name = key.strip_prefix("projects/test/project/notes/").unwrap();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        assert!(name.bytes().all(plain) && name.len() <= 200, "{name}");
    }
}

// R-023, T11
#[test]
fn a_store_that_is_away_never_looks_like_a_note_that_is_missing() {
    let store = Arc::new(Shaky::default());
    let notes = notes_of(&store, "laptop");
    let at = path("a");
    let all = |notes: &StoreNotes| {
        let errors = [
            notes.read(&at).unwrap_err(),
            notes.write(&at, "x", &plain()).unwrap_err(),
            notes.modify(&at, None, &mut |_| Ok("x".into())).unwrap_err(),
            notes.list(&Pattern::all()).unwrap_err(),
            notes.remove(&at, &plain()).unwrap_err(),
            notes.history(&at).unwrap_err(),
            notes.check().unwrap_err(),
        ];
        for e in &errors {
            assert!(e.is_unavailable(), "{e}");
        }
        errors[0].to_string()
    };
    store.down.store(true, Ordering::SeqCst);
    let text = all(&notes);
    assert!(text.contains("STORE_UNREACHABLE: memory"), "{text}");
    assert!(text.contains("could not read a, in project test/project in memory"), "{text}");
    store.down.store(false, Ordering::SeqCst);
    assert_eq!(notes.read(&at).unwrap(), None);
    notes.check().unwrap();

    // A bucket without the project: perhaps it is the wrong one.
    let runner = runner();
    let empty = Store::new(Arc::new(Shaky::default()), StoreOptions::default());
    let project = empty.project(&"test/project".parse().unwrap());
    let notes = StoreNotes::new(project, runner, StoreNotesOptions::new(clock, "laptop"));
    let text = all(&notes);
    assert!(text.contains("PROJECT_UNKNOWN"), "{text}");
}

#[test]
fn a_document_of_a_newer_format_is_refused_and_kept() {
    let store = Arc::new(Shaky::default());
    let (notes, runner) = (notes_of(&store, "laptop"), runner());
    let at = path("a");
    notes.write(&at, "x", &plain()).unwrap();
    let newer = document(&store, &runner, "a").replacen("\"format\":1", "\"format\":2", 1);
    replace(&store, &runner, "a", &newer);
    for error in [
        notes.read(&at).unwrap_err(),
        notes.write(&at, "y", &plain()).unwrap_err(),
        notes.modify(&at, None, &mut |_| Ok("y".into())).unwrap_err(),
        notes.remove(&at, &plain()).unwrap_err(),
        notes.history(&at).unwrap_err(),
        notes.list(&Pattern::all()).unwrap_err(),
    ] {
        assert_eq!(error.code(), "NOTES_FORMAT", "{error}");
    }
    assert_eq!(document(&store, &runner, "a"), newer);
    let its = project(store.clone(), &runner);
    let roots = runner.run(async move { its.note_roots().await }).unwrap_err();
    assert_eq!(roots.code(), "STORE_FORMAT", "a collector does not guess");
}

//
#[test]
fn what_is_damaged_is_told_and_is_not_missing() {
    let store = Arc::new(Shaky::default());
    let (notes, runner) = (notes_of(&store, "laptop"), runner());
    let at = path("a");
    notes.write(&at, "one", &plain()).unwrap();
    notes.write(&at, "two", &plain()).unwrap();
    notes.write(&path("b"), "b", &plain()).unwrap();
    let whole = document(&store, &runner, "a");

    // A content that is not what was written: the others are the way back.
    replace(&store, &runner, "a", &whole.replacen("\"content\":\"two\"", "\"content\":\"twx\"", 1));
    let error = notes.read(&at).unwrap_err();
    assert_eq!(error.code(), "NOTE_CORRUPT");
    assert!(error.to_string().starts_with("NOTE_CORRUPT: a is damaged: "), "{error}");
    let history = notes.history(&at).unwrap();
    assert_eq!((history.len(), history[0].content.as_deref()), (1, Some("one")));
    assert!(notes.modify(&at, None, &mut |_| Ok("x".into())).is_err(), "nothing to make it of");
    assert_eq!(notes.write(&at, "three", &plain()).unwrap().version, 3, "it can be written anew");
    assert_eq!(notes.read(&at).unwrap().unwrap().content, "three");

    // A document that is none, cut, or another note's.
    let b = document(&store, &runner, "b");
    for bad in ["", "{}", "no json", &whole[..whole.len() - 1], &b] {
        replace(&store, &runner, "a", bad);
        for error in [
            notes.read(&at).unwrap_err(),
            notes.write(&at, "x", &plain()).unwrap_err(),
            notes.history(&at).unwrap_err(),
            notes.list(&Pattern::all()).unwrap_err(),
        ] {
            assert_eq!(error.code(), "NOTE_CORRUPT", "{error}");
        }
        let some = notes.list(&Pattern::new("b*").unwrap()).unwrap();
        assert_eq!(some.len(), 1, "a is not asked");
        let its = project(store.clone(), &runner);
        assert!(runner.run(async move { its.note_roots().await }).is_err());
    }

    // A blob that is not there, or is another one.
    let big = path("big");
    notes.write(&big, &noise(100 << 10, 1), &plain()).unwrap();
    replace(&store, &runner, "a", &whole);
    let inner = store.inner.clone();
    let listed = runner.run(async move { inner.list("projects/test/project/blobs/", None).await });
    let blob = listed.unwrap().remove(0).key;
    let other = || notes_of(&store, "server");
    let (inner, its) = (store.inner.clone(), blob.clone());
    runner
        .run(async move { inner.overwrite(&its, Bytes::from_static(b"\0\0\0\0\0")).await })
        .unwrap();
    assert_eq!(other().read(&big).unwrap_err().code(), "NOTE_CORRUPT");
    let inner = store.inner.clone();
    runner.run(async move { inner.delete(&blob).await }).unwrap();
    let error = other().read(&big).unwrap_err();
    assert_eq!(error.code(), "NOTE_CORRUPT", "{error}");
    assert_eq!(other().list(&Pattern::all()).unwrap().len(), 3, "contents are not asked");
}
