//! Each kind of damage is made, found, told of with what needs it, and mended where it can be.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fsck/notes.rs"]
mod notes;
#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use brio_store::backend::{Backend, Memory};
use brio_store::tree::{Builder, Edits, Entry};
use brio_store::{
    Base, Content, Damage, DiskCache, FsckOptions, FsckReport, Hash, Kind, Landing, Mend, Need,
    NewSession, Project, Root, SessionDoc, Severity, Store, StoreOptions, Why,
};
use bytes::Bytes;
use support::{file_of, id, key, many};

const ROOT: &str = "projects/test/project";

struct World {
    backend: Arc<Memory>,
    project: Project,
    base: Base,
    cache: tempfile::TempDir,
}

fn noise(n: usize) -> Vec<u8> {
    (0..n as u64 / 32 + 1).flat_map(|i| *Hash::of(&i.to_le_bytes()).as_bytes()).take(n).collect()
}

fn store(backend: &Arc<Memory>, disk: Option<DiskCache>) -> Project {
    let backend: Arc<dyn Backend> = backend.clone();
    Store::new(backend, StoreOptions { disk, ..StoreOptions::default() }).project(&id())
}

impl World {
    /// Packs, a chunked file, single blobs, two landings, a session.
    async fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        let backend = Arc::<Memory>::default();
        let disk = DiskCache::open(cache.path(), 1 << 30).unwrap();
        let options = StoreOptions { disk: Some(disk), ..StoreOptions::default() };
        let shared: Arc<dyn Backend> = backend.clone();
        let (project, _) = Store::new(shared, options).create(&id()).await.unwrap();
        let empty = project.head().await.unwrap().base();

        let (mut edits, contents) = many(400);
        let mut upload = project.upload();
        for content in contents {
            upload.blob(Hash::of(&content), content).await.unwrap();
        }
        let mut blobs: Vec<(Hash, Bytes)> = Vec::new();
        let content = brio_store::content::split(&*noise(3 << 20), &mut |hash, bytes| {
            blobs.push((hash, bytes));
            Ok(())
        })
        .unwrap();
        for (hash, bytes) in blobs {
            upload.blob(hash, bytes).await.unwrap();
        }
        edits.insert(key("large"), Some(Entry::File { mode: 0o644, content }));
        project.land(empty, &edits, &Why::default(), upload).await.unwrap();

        let mut w = Self { backend, base: empty, project, cache };
        w.base = w.project.head().await.unwrap().base();
        w.land("single", b"a blob by itself").await;
        w.session("sess-1", "work", b"what a session wrote").await;
        w
    }

    async fn land(&mut self, path: &str, bytes: &'static [u8]) {
        let mut upload = self.project.upload();
        upload.blob(Hash::of(bytes), Bytes::from_static(bytes)).await.unwrap();
        let edits = Edits::from([(key(path), Some(file_of(bytes)))]);
        let landing = self.project.land(self.base, &edits, &Why::default(), upload).await.unwrap();
        assert!(matches!(landing, Landing::Landed(_)));
        self.base = self.project.head().await.unwrap().base();
    }

    async fn session(&self, name: &str, path: &str, bytes: &'static [u8]) {
        let mut upload = self.project.upload();
        upload.blob(Hash::of(bytes), Bytes::from_static(bytes)).await.unwrap();
        let edits = Edits::from([(key(path), Some(file_of(bytes)))]);
        let tree = self.project.edited(self.base.tree, &edits, &mut upload).await.unwrap();
        self.store_session(name, tree, upload).await;
    }

    async fn store_session(&self, name: &str, tree: Hash, upload: brio_store::Upload) {
        let now = time::OffsetDateTime::now_utc();
        let mut doc = SessionDoc::new(name, self.base, now, now, NewSession::default()).unwrap();
        doc.tree = tree;
        let settled = upload.finish().await.unwrap();
        let doc = self.project.store_session(&doc, settled).await.unwrap();
        // Of a tree that is none, nothing can be told.
        let _ = self.project.tell_session_tree(&doc).await;
    }

    async fn keys(&self, under: &str) -> Vec<String> {
        let listed = self.backend.list(&format!("{ROOT}/{under}"), None).await.unwrap();
        listed.into_iter().map(|l| l.key).collect()
    }

    async fn delete(&self, key: &str) {
        assert!(self.backend.get(key).await.unwrap().is_some(), "{key}");
        self.backend.delete(key).await.unwrap();
    }

    async fn damage(&self, key: &str) {
        let mut bytes = self.backend.get(key).await.unwrap().unwrap().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        self.backend.overwrite(key, bytes.into()).await.unwrap();
    }

    /// By a machine that has nothing near, or the one whose cache has all.
    async fn fsck(&self, read_data: bool, repair: bool, cached: bool) -> FsckReport {
        let disk = cached.then(|| DiskCache::open(self.cache.path(), 1 << 30).unwrap());
        let before: BTreeSet<String> = self.keys("").await.into_iter().collect();
        let mut steps = 0;
        let options = FsckOptions { read_data, repair };
        let report = store(&self.backend, disk).fsck(&options, &mut |_| steps += 1).await.unwrap();
        assert!(steps > 0);
        let after: BTreeSet<String> = self.keys("").await.into_iter().collect();
        assert!(before.is_subset(&after), "a repair removed something");
        assert!(repair || before == after);
        report
    }

    /// It is found, with and without a cache near; mended, and then found no more.
    async fn is_mended(&self, read_data: bool, mend: Mend, is: impl Fn(&Damage) -> bool) {
        let report = self.fsck(read_data, false, true).await;
        let found = report.findings.iter().find(|f| is(&f.damage));
        let found = found.unwrap_or_else(|| panic!("{:#?}", report.findings));
        assert_eq!((found.mend, found.mended), (Some(mend), false));
        let report = self.fsck(read_data, true, true).await;
        assert!(report.findings.iter().all(|f| f.mended), "{:#?}", report.findings);
        let report = self.fsck(true, false, false).await;
        assert!(report.findings.is_empty(), "{:#?}", report.findings);
        // Others read it.
        let mut files = Vec::new();
        let reader = store(&self.backend, None);
        let tree = reader.tree(self.base.tree);
        let see = |_: &_, e: &Entry| {
            if let Entry::File { content, .. } = e {
                files.push(*content);
            }
        };
        tree.each(see).await.unwrap();
        for content in files {
            reader.file(content).copy_to(&mut std::io::sink()).await.unwrap();
        }
    }

    async fn finds(&self, read_data: bool, is: impl Fn(&Damage) -> bool) -> FsckReport {
        let report = self.fsck(read_data, true, false).await;
        let found = report.findings.iter().any(|f| is(&f.damage) && !f.mended);
        assert!(found, "{:#?}", report.findings);
        report
    }
}

fn object(kind: Kind, hash: &Hash) -> String {
    let folder = if kind == Kind::Blob { "blobs" } else { "trees" };
    format!("{ROOT}/{folder}/{}/{}", &hash.hex()[..2], hash.hex())
}

#[tokio::test]
async fn a_whole_project_has_nothing_wrong() {
    let w = World::new().await;
    assert!(!w.keys("packs/").await.is_empty(), "the test has packs");
    for read_data in [false, true] {
        let report = w.fsck(read_data, true, false).await;
        assert_eq!(report.findings, []);
        assert!(report.is_whole() && report.trees == 3 && report.blobs > 402);
        assert_eq!(report.bytes > 6 << 20, read_data);
    }
}

#[tokio::test]
async fn a_lost_blob_is_told_with_who_needs_it_and_comes_from_the_cache() {
    let w = World::new().await;
    let hash = Hash::of(b"a blob by itself");
    w.delete(&object(Kind::Blob, &hash)).await;
    let is = |d: &Damage| *d == Damage::Missing { kind: Kind::Blob, hash };
    let report = w.finds(false, is).await;
    assert_eq!(report.findings.len(), 1);
    let finding = &report.findings[0];
    assert_eq!((finding.severity, finding.mend), (Severity::Error, None));
    let need = |root| Need { root, path: Some("single".into()) };
    assert_eq!(
        finding.needed_by,
        [Root::Head, Root::Landing(2), Root::Session("sess-1".into())].map(need)
    );
    assert!(!report.is_whole());
    w.is_mended(false, Mend::Cache, is).await;
}

#[tokio::test]
async fn a_damaged_blob_is_seen_when_it_is_read_and_comes_from_the_cache() {
    let w = World::new().await;
    let hash = Hash::of(b"what a session wrote");
    w.damage(&object(Kind::Blob, &hash)).await;
    assert_eq!(w.fsck(false, false, false).await.findings, []);
    w.is_mended(
        true,
        Mend::Cache,
        |d| matches!(d, Damage::Corrupt { kind: Kind::Blob, hash: h, .. } if *h == hash),
    )
    .await;
}

#[tokio::test]
async fn lost_and_damaged_nodes_come_from_the_cache() {
    let w = World::new().await;
    let hash = w.base.tree;
    w.delete(&object(Kind::Tree, &hash)).await;
    let report = w.finds(false, |d| *d == Damage::Missing { kind: Kind::Tree, hash }).await;
    assert!(report.findings[0].needed_by.iter().any(|n| n.root == Root::Head && n.path.is_none()));
    w.is_mended(false, Mend::Cache, |d| *d == Damage::Missing { kind: Kind::Tree, hash }).await;
    w.damage(&object(Kind::Tree, &hash)).await;
    w.is_mended(
        false,
        Mend::Cache,
        |d| matches!(d, Damage::Corrupt { kind: Kind::Tree, hash: h, .. } if *h == hash),
    )
    .await;
}

#[tokio::test]
async fn a_lost_index_is_made_again_from_its_pack() {
    let w = World::new().await;
    for index in w.keys("indexes/").await {
        w.delete(&index).await;
    }
    w.is_mended(false, Mend::Index, |d| matches!(d, Damage::Index { .. })).await;
}

#[tokio::test]
async fn a_damaged_index_is_made_again_from_its_pack() {
    let w = World::new().await;
    let index = w.keys("indexes/").await.remove(0);
    let before = w.backend.get(&index).await.unwrap();
    w.damage(&index).await;
    w.is_mended(false, Mend::Index, |d| matches!(d, Damage::Index { .. })).await;
    assert_eq!(w.backend.get(&index).await.unwrap(), before, "the same index");
}

#[tokio::test]
async fn what_was_in_a_lost_pack_comes_from_the_cache() {
    let w = World::new().await;
    let pack = w.keys("packs/").await.remove(0);
    w.delete(&pack).await;
    let report = w.finds(false, |d| matches!(d, Damage::Pack { .. })).await;
    let lost = report.findings.iter().filter(|f| matches!(f.damage, Damage::Missing { .. }));
    assert!(lost.count() > 100);
    let report = w.fsck(false, true, true).await;
    assert!(report.is_whole(), "{:#?}", report.findings);
}

#[tokio::test]
async fn a_damaged_pack_is_seen_when_it_is_read() {
    let w = World::new().await;
    let pack = w.keys("packs/").await.remove(0);
    w.damage(&pack).await;
    w.finds(true, |d| matches!(d, Damage::Pack { .. })).await;
    w.finds(true, |d| matches!(d, Damage::Corrupt { kind: Kind::Blob, .. })).await;
    let report = w.fsck(true, true, true).await;
    assert!(report.is_whole(), "{:#?}", report.findings);
    // Readers find what was stored again beside the pack.
    let reader = store(&w.backend, None);
    let found = reader.tree(w.base.tree).get(&key("large")).await.unwrap();
    let Some(Entry::File { content, .. }) = found else { panic!("a file") };
    reader.file(content).copy_to(&mut std::io::sink()).await.unwrap();

    let w = World::new().await;
    let bytes = w.backend.get(&pack).await.unwrap().unwrap();
    w.backend.overwrite(&pack, bytes.slice(..bytes.len() - 1)).await.unwrap();
    w.finds(false, |d| matches!(d, Damage::Pack { .. })).await;
}

#[tokio::test]
async fn refs_that_cannot_be_read_are_told() {
    for (name, value) in [
        ("head", "no JSON"),
        ("head", r#"{"format":2}"#),
        ("sessions/sess-1/metadata.json", r#"{"format":1}"#),
        ("gc", "{}"),
    ] {
        let w = World::new().await;
        let name = format!("{ROOT}/{name}");
        let version = w.backend.read_ref(&name).await.unwrap().map(|(_, v)| v);
        w.backend.swap_ref(&name, version.as_ref(), value.into()).await.unwrap();
        w.finds(false, |d| matches!(d, Damage::Ref { name: n, .. } if *n == name)).await;
    }
}

#[tokio::test]
async fn a_lost_record_of_a_landing_is_told_and_those_below_are_looked_at() {
    let mut w = World::new().await;
    w.land("third", b"a third landing").await;
    let record = w.keys("landings/00000000000000000002-").await.remove(0);
    w.delete(&record).await;
    let hash = Hash::of(b"a blob by itself");
    w.delete(&object(Kind::Blob, &hash)).await;
    let report = w.finds(false, |d| matches!(d, Damage::Landing { position: 2, .. })).await;
    assert!(report.findings.iter().any(|f| f.damage == Damage::Missing { kind: Kind::Blob, hash }));
    assert_eq!(report.trees, 4, "of three landings, and the session's");
}

#[tokio::test]
async fn what_a_session_says_in_words_is_written_again() {
    let w = World::new().await;
    let told = format!("{ROOT}/sessions/sess-1/tree.json");
    w.delete(&told).await;
    w.is_mended(false, Mend::Projection, |d| matches!(d, Damage::Projection { .. })).await;
    let now = w.backend.get(&told).await.unwrap().unwrap();
    let old = String::from_utf8(now.to_vec()).unwrap().replace("\"seq\":1", "\"seq\":0");
    w.backend.overwrite(&told, old.into()).await.unwrap();
    w.is_mended(false, Mend::Projection, |d| matches!(d, Damage::Projection { .. })).await;
    assert_eq!(w.backend.get(&told).await.unwrap().unwrap(), now);
}

#[tokio::test]
async fn an_entry_without_a_directory_is_told() {
    let w = World::new().await;
    let mut builder = Builder::default();
    builder.push(key("a"), &Entry::Dir { mode: 0o755 }).unwrap();
    builder.push(key("b/c"), &Entry::Link { target: b"x".to_vec() }).unwrap();
    let built = builder.finish();
    let mut upload = w.project.upload();
    upload.nodes(built.nodes);
    w.store_session("sess-2", built.root, upload).await;
    let report = w
        .finds(false, |d| matches!(d, Damage::NoDirectory { tree, path } if *tree == built.root && path == "b/c"))
        .await;
    let need = Need { root: Root::Session("sess-2".into()), path: Some("b/c".into()) };
    assert!(report.findings.iter().any(|f| f.needed_by.contains(&need)));
}

#[tokio::test]
async fn a_node_that_is_not_what_its_parent_says_is_told() {
    let w = World::new().await;
    let root = object(Kind::Tree, &w.base.tree);
    let envelope = w.backend.get(&root).await.unwrap().unwrap();
    let length = u32::from_le_bytes(envelope[1..5].try_into().unwrap()) as usize;
    let mut node = match envelope[0] {
        0 => envelope[5..].to_vec(),
        _ => zstd::bulk::decompress(&envelope[5..], length).unwrap(),
    };
    assert!(node[5] > 0, "the root has nodes below it");
    // One entry more in the last child.
    let at = node.len() - 8;
    node[at] += 1;
    let mut upload = w.project.upload();
    let hash = Hash::of(&node);
    upload.nodes([(hash, node)]);
    w.store_session("sess-2", hash, upload).await;
    w.finds(
        false,
        |d| matches!(d, Damage::Corrupt { kind: Kind::Tree, why, .. } if why.contains("parent")),
    )
    .await;
}

#[tokio::test]
async fn chunks_that_make_another_file_are_told() {
    let w = World::new().await;
    let found = w.project.tree(w.base.tree).get(&key("large")).await.unwrap();
    let Some(Entry::File { content, .. }) = found else { panic!("a file") };
    for (n, wrong) in [
        Content { hash: Hash::of(b"another"), ..content },
        Content { size: content.size + 1, ..content },
    ]
    .into_iter()
    .enumerate()
    {
        let edits =
            Edits::from([(key("wrong"), Some(Entry::File { mode: 0o644, content: wrong }))]);
        let mut upload = w.project.upload();
        let tree = w.project.edited(w.base.tree, &edits, &mut upload).await.unwrap();
        w.store_session(&format!("sess-{}", n + 2), tree, upload).await;
        let report = w
            .finds(n == 0, |d| matches!(d, Damage::Content { hash, .. } if *hash == wrong.hash))
            .await;
        let of = |f: &&brio_store::Finding| matches!(f.damage, Damage::Content { .. });
        let finding = report.findings.iter().find(of).unwrap();
        assert!(finding.needed_by.iter().any(|n| n.path.as_deref() == Some("wrong")));
    }
}
