//! Damage of notes.

use brio_store::backend::Backend as _;
use brio_store::{AttemptId, Content, Damage, Hash, Kind, Mend, Need, NoteBody, NoteBy, Root};

use crate::{ROOT, World, object};

/// A version of the note; the content that lies in blobs, if it does.
async fn write(w: &World, path: &str, content: Option<&str>) -> Option<Content> {
    let by = NoteBy { at: time::OffsetDateTime::now_utc(), by: None, origin: None };
    let attempt = AttemptId::random().unwrap();
    let new = w.project.new_note(attempt, content.map(str::to_owned)).await.unwrap();
    let from = w.project.read_note(path).await.unwrap();
    w.project.swap_note(path, from.as_ref(), &new, &by).await.unwrap();
    new.release().await;
    let now = w.project.read_note(path).await.unwrap().unwrap().doc.newest().unwrap().clone();
    // Whoever read it has it near.
    w.project.note_content(path, &now).await.unwrap();
    match now.body {
        NoteBody::Blobs(content) => Some(content),
        _ => None,
    }
}

fn lines(from: u32, n: u32) -> String {
    (from..from + n).map(|i| format!("line {i}, {}\n", Hash::of(&i.to_le_bytes()))).collect()
}

/// A small note, one in a blob that was removed since, one of chunks.
async fn world() -> (World, Content, Content) {
    let w = World::new().await;
    assert_eq!(write(&w, "plans/next", Some("a small note")).await, None);
    let blob = write(&w, "long", Some(&lines(0, 1000))).await.unwrap();
    write(&w, "long", None).await;
    let chunked = write(&w, "longest", Some(&lines(5000, 30_000))).await.unwrap();
    assert_eq!((blob.depth, chunked.depth), (0, 1));
    (w, blob, chunked)
}

fn of(path: &str) -> Need {
    Need { root: Root::Note(path.into()), path: None }
}

#[tokio::test]
async fn whole_notes_are_looked_at_and_nothing_is_wrong() {
    let (w, ..) = world().await;
    let before = World::new().await.fsck(false, false, false).await;
    let report = w.fsck(false, false, false).await;
    assert_eq!(report.findings, []);
    let chunks = w.project.file(world().await.2).chunks().await.unwrap().len() as u64;
    assert_eq!(report.blobs, before.blobs + 1 + 1 + chunks, "a blob, a list, its chunks");
    assert_eq!(w.fsck(true, false, false).await.findings, []);
}

#[tokio::test]
async fn a_note_that_cannot_be_read_is_told() {
    for value in ["no JSON", r#"{"format":2}"#, r#"{"format":1,"path":"plans/other"}"#] {
        let (w, ..) = world().await;
        let name = format!("{ROOT}/notes/plans_2fnext");
        let (_, version) = w.backend.read_ref(&name).await.unwrap().unwrap();
        w.backend.swap_ref(&name, Some(&version), value.into()).await.unwrap();
        let report =
            w.finds(false, |d| matches!(d, Damage::Ref { name: n, .. } if *n == name)).await;
        assert_eq!(report.findings[0].needed_by, [of("plans/next")]);
        assert!(!report.is_whole());
    }
    // What is no note's name is nobody's.
    let (w, ..) = world().await;
    let name = format!("{ROOT}/notes/Plans");
    w.backend.swap_ref(&name, None, "no JSON".into()).await.unwrap();
    assert_eq!(w.fsck(false, false, false).await.findings, []);
}

#[tokio::test]
async fn a_version_that_is_another_content_is_told() {
    let (w, ..) = world().await;
    for (name, path, from, to) in [
        ("plans_2fnext", "plans/next", "a small note", "a smell note"),
        ("longest", "longest", r#""depth":1,"#, ""),
    ] {
        let name = format!("{ROOT}/notes/{name}");
        let (bytes, version) = w.backend.read_ref(&name).await.unwrap().unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let mut other = text.replace(from, to);
        assert_ne!(text, other);
        if to.is_empty() {
            // Of a megabyte and more, in one blob.
            let root = other.find(",\"root\"").unwrap();
            other.replace_range(root..root + 81, "");
        }
        w.backend.swap_ref(&name, Some(&version), other.into()).await.unwrap();
        let is = |d: &Damage| matches!(d, Damage::Note { path: p, version: 1, .. } if p == path);
        let report = w.finds(false, is).await;
        let found = report.findings.iter().find(|f| is(&f.damage)).unwrap();
        assert_eq!(found.needed_by, [of(path)]);
    }
}

#[tokio::test]
async fn what_a_removed_note_had_is_needed_and_comes_from_the_cache() {
    let (w, blob, _) = world().await;
    let hash = blob.root;
    w.delete(&object(Kind::Blob, &hash)).await;
    let is = |d: &Damage| *d == Damage::Missing { kind: Kind::Blob, hash };
    let report = w.finds(false, is).await;
    assert_eq!(report.findings[0].needed_by, [of("long")]);
    w.is_mended(false, Mend::Cache, is).await;
}

#[tokio::test]
async fn a_damaged_chunk_of_a_note_is_seen_when_it_is_read() {
    let (w, _, chunked) = world().await;
    let hash = w.project.file(chunked).chunks().await.unwrap()[1].hash;
    let alone = object(Kind::Blob, &hash);
    w.damage(&alone).await;
    assert_eq!(w.fsck(false, false, false).await.findings, []);
    let is = |d: &Damage| matches!(d, Damage::Corrupt { hash: h, .. } if *h == hash);
    let report = w.finds(true, is).await;
    let found = report.findings.iter().find(|f| is(&f.damage)).unwrap();
    assert_eq!(found.needed_by, [of("longest")]);
    w.is_mended(true, Mend::Cache, is).await;
}
