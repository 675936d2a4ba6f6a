//! Single collections: what goes, what stays, and when nothing is touched.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use brio_store::backend::{Backend, Memory};
use brio_store::tree::Edits;
use brio_store::{
    AttemptId, Base, GcOptions, GcReport, Hash, NoteBy, Project, Store, StoreOptions, Why,
};
use bytes::Bytes;
use support::{file_of, id, key};

const ROOT: &str = "projects/test/project";
const DAY: i64 = 86_400;

struct World {
    backend: Arc<dyn Backend>,
    days: Arc<AtomicI64>,
    project: Project,
}

impl World {
    async fn new() -> Self {
        let days = Arc::new(AtomicI64::new(0));
        let clock = days.clone();
        let start = time::OffsetDateTime::now_utc();
        let memory = Memory::with_clock(move || {
            start + Duration::from_secs((clock.load(Ordering::SeqCst) * DAY) as u64)
        });
        let backend: Arc<dyn Backend> = Arc::new(memory);
        let store = Store::new(backend.clone(), StoreOptions::default());
        let (project, _) = store.create(&id()).await.unwrap();
        Self { backend, days, project }
    }

    /// A machine with nothing near, as each collection is.
    fn fresh(&self) -> Project {
        Store::new(self.backend.clone(), StoreOptions::default()).project(&id())
    }

    async fn leave(&self, contents: impl IntoIterator<Item = String>) {
        let mut upload = self.project.upload();
        for content in contents {
            upload.blob(Hash::of(content.as_bytes()), content.into()).await.unwrap();
        }
        upload.finish().await.unwrap().release().await;
    }

    async fn land(&self, path: &str, content: &str) -> Base {
        let base = self.project.head().await.unwrap().base();
        let mut upload = self.project.upload();
        let bytes = Bytes::from(content.to_owned());
        upload.blob(Hash::of(&bytes), bytes.clone()).await.unwrap();
        let edits = Edits::from([(key(path), Some(file_of(&bytes)))]);
        self.project.land(base, &edits, &Why::default(), upload).await.unwrap();
        self.project.head().await.unwrap().base()
    }

    async fn collect(&self, options: &GcOptions) -> brio_store::Result<GcReport> {
        self.fresh().collect(options, &mut |_| {}).await
    }

    fn pass(&self, days: i64) {
        self.days.fetch_add(days, Ordering::SeqCst);
    }

    async fn keys(&self) -> Vec<String> {
        let listed = self.backend.list(ROOT, None).await.unwrap();
        listed.into_iter().map(|l| l.key).collect()
    }
}

#[tokio::test]
async fn what_nothing_names_goes_when_it_is_old() {
    let w = World::new().await;
    let base = w.land("a", "needed").await;
    let all = w.keys().await;
    w.leave(["alone".to_owned()]).await;
    w.leave((0..40).map(|n| format!("in a pack {n}"))).await;
    let options = GcOptions::default();
    assert_eq!(w.collect(&options).await.unwrap().found.total().count, 0, "it is young");
    w.pass(15);
    let before = w.keys().await;
    let dry = w.collect(&GcOptions { dry_run: true, ..options.clone() }).await.unwrap();
    assert_eq!((dry.found.blobs.count, dry.found.packs.count, dry.found.indexes.count), (1, 1, 1));
    assert!(dry.found.total().bytes > 0 && dry.removed.total().count == 0);
    assert_eq!(w.keys().await, before);
    let done = w.collect(&options).await.unwrap();
    assert_eq!((done.found, done.removed, done.busy_until), (dry.found, dry.found, None));
    assert_eq!(w.keys().await, all);
    assert_eq!(w.fresh().head().await.unwrap().base(), base);
}

#[tokio::test]
async fn a_pack_stays_while_one_object_in_it_is_needed() {
    let w = World::new().await;
    w.leave((0..40).map(|n| format!("in a pack {n}"))).await;
    w.land("a", "in a pack 7").await;
    w.pass(15);
    let loose = format!("{ROOT}/blobs/");
    for key in w.keys().await.iter().filter(|k| k.starts_with(&loose)) {
        w.backend.delete(key).await.unwrap();
    }
    assert_eq!(w.collect(&GcOptions::default()).await.unwrap().removed.packs.count, 0);
    assert_eq!(w.fresh().blob(&Hash::of(b"in a pack 7")).await.unwrap(), &b"in a pack 7"[..]);
}

#[tokio::test]
async fn what_notes_keep_in_blobs_stays() {
    let w = World::new().await;
    let content = "a long note ".repeat(10_000);
    let attempt = AttemptId::random().unwrap();
    let new = w.project.new_note(attempt, Some(content.clone())).await.unwrap();
    let by = NoteBy { at: time::OffsetDateTime::now_utc(), by: None, origin: None };
    w.project.swap_note("long", None, &new, &by).await.unwrap();
    new.release().await;
    w.pass(15);
    assert_eq!(w.collect(&GcOptions::default()).await.unwrap().removed.total().count, 0);
    let reader = w.fresh();
    let note = reader.read_note("long").await.unwrap().unwrap();
    let version = note.doc.newest().unwrap();
    assert_eq!(reader.note_content("long", version).await.unwrap(), Some(content));
}

#[tokio::test]
async fn nothing_is_removed_when_not_everything_can_be_seen() {
    let broken: [(&str, &str); 2] =
        [("head", r#"{"format":2}"#), ("sessions/s/metadata.json", r#"{"format":2}"#)];
    for (name, value) in broken {
        let w = World::new().await;
        w.land("a", "needed").await;
        w.leave(["alone".to_owned()]).await;
        w.pass(15);
        let name = format!("{ROOT}/{name}");
        let version = w.backend.read_ref(&name).await.unwrap().map(|(_, v)| v);
        w.backend.swap_ref(&name, version.as_ref(), value.into()).await.unwrap();
        let before = w.keys().await;
        assert_eq!(w.collect(&GcOptions::default()).await.unwrap_err().code(), "STORE_FORMAT");
        assert_eq!(w.keys().await, before);
    }
    let w = World::new().await;
    let base = w.land("a", "needed").await;
    w.leave(["alone".to_owned()]).await;
    w.pass(15);
    let hex = base.tree.hex();
    w.backend.delete(&format!("{ROOT}/trees/{}/{hex}", &hex[..2])).await.unwrap();
    let before = w.keys().await;
    let e = w.collect(&GcOptions::default()).await.unwrap_err();
    assert_eq!(e.code(), "STORE_UNMARKED");
    assert!(e.to_string().contains("the head") && e.to_string().contains(&hex), "{e}");
    assert_eq!(w.keys().await, before);
}
