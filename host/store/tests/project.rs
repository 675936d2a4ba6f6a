//! A project in a store: what landings, sessions and readers see of each other, and what they cost.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use brio_store::tree::{Edits, Entry};
use brio_store::{
    Base, Hash, Landed, Landing, NewSession, Project, SessionDoc, SessionState, Why, content,
};
use support::{Watched, file_of, id, key, machine, many, refused};

fn now() -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc()
}

async fn project(backend: &Arc<Watched>) -> Project {
    machine(backend).create(&id()).await.unwrap().0
}

async fn land(p: &Project, base: Base, edits: &[(&str, Option<&[u8]>)]) -> Landing {
    let mut upload = p.upload();
    let mut all = Edits::new();
    for (path, content) in edits {
        if let Some(c) = content {
            upload.blob(Hash::of(c), c.to_vec().into()).await.unwrap();
        }
        all.insert(key(path), content.map(file_of));
    }
    p.land(base, &all, &why("a landing"), upload).await.unwrap()
}

fn why(goal: &str) -> Why {
    Why { goal: Some(goal.into()), message: Some(format!("did: {goal}")), ..Why::default() }
}

fn landed(l: Landing) -> Landed {
    match l {
        Landing::Landed(l) => *l,
        other => panic!("{other:?}"),
    }
}

async fn fill(p: &Project, n: u64) -> Base {
    let (edits, contents) = many(n);
    let mut upload = p.upload();
    for c in contents {
        upload.blob(Hash::of(&c), c).await.unwrap();
    }
    let base = p.head().await.unwrap().base();
    landed(p.land(base, &edits, &why("import"), upload).await.unwrap());
    p.head().await.unwrap().base()
}

/// M-042, M-043, M-034: the worked example: T0 = {file1, file2}, a session adds auth and changes
/// main; T1 has all, and T0 is what it was.
#[tokio::test]
async fn a_landing_makes_a_new_tree_and_leaves_the_old_one() {
    let backend = Arc::<Watched>::default();
    let p = project(&backend).await;
    let t0 = p.head().await.unwrap().base();
    landed(land(&p, t0, &[("file1.go", Some(b"1")), ("main.go", Some(b"old"))]).await);
    let t0 = p.head().await.unwrap().base();
    let l = landed(land(&p, t0, &[("auth.go", Some(b"auth")), ("main.go", Some(b"new"))]).await);
    assert_eq!((l.record.position, l.record.old_tree), (2, t0.tree));
    assert_eq!((l.record.counts.added, l.record.counts.modified), (1, 1));

    // Another machine sees both trees, and the same bytes.
    let other = machine(&backend).project(&id());
    let head = other.head().await.unwrap();
    assert_eq!(head.tree(), l.record.new_tree);
    let names = |tree: Hash| {
        let tree = other.tree(tree);
        async move {
            tree.list(b"")
                .await
                .unwrap()
                .into_iter()
                .map(|(k, _)| k.to_string())
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(names(t0.tree).await, ["file1.go", "main.go"]);
    assert_eq!(names(head.tree()).await, ["auth.go", "file1.go", "main.go"]);
    let Some(Entry::File { content, .. }) = other.tree(t0.tree).get(&key("main.go")).await.unwrap()
    else {
        panic!("a file")
    };
    let mut old = Vec::new();
    other.file(content).copy_to(&mut old).await.unwrap();
    assert_eq!(old, b"old");

    let log = other.landings(&head, 10).await.unwrap();
    assert_eq!(log.iter().map(|r| r.position).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(log[0].why.goal.as_deref(), Some("a landing"));
    assert_eq!(other.changes_of(&log[0]).await.unwrap().len(), 2);
}

/// M-090: disjoint changes land side by side; the same path is a conflict that says what is there
/// and who made it.
#[tokio::test]
async fn conflicts_are_by_path() {
    let backend = Arc::<Watched>::default();
    let p = project(&backend).await;
    let empty = p.head().await.unwrap().base();
    landed(land(&p, empty, &[("a", Some(b"1")), ("b", Some(b"1")), ("c", Some(b"1"))]).await);
    let base = p.head().await.unwrap().base();

    landed(land(&p, base, &[("a", Some(b"2"))]).await);
    landed(land(&p, base, &[("b", Some(b"2"))]).await);
    landed(land(&p, base, &[("new", Some(b"2"))]).await);
    // The same change twice is none.
    assert_eq!(land(&p, base, &[("a", Some(b"2"))]).await, Landing::Unchanged);
    let before = p.head().await.unwrap();
    let Landing::Conflicts(found) = land(&p, base, &[("a", Some(b"3")), ("c", Some(b"3"))]).await
    else {
        panic!("a conflict")
    };
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key, key("a"));
    assert_eq!(found[0].base, Some(file_of(b"1")));
    assert_eq!(found[0].ours, Some(file_of(b"3")));
    assert_eq!(found[0].theirs, Some(file_of(b"2")));
    assert_eq!(p.head().await.unwrap(), before, "nothing happened");
    let who = p.who_changed(&key("a"), base, &before).await.unwrap().unwrap();
    assert_eq!(who.position, 2);
    assert_eq!(p.who_changed(&key("c"), base, &before).await.unwrap(), None);

    let Landing::Conflicts(found) = land(&p, base, &[("a", None)]).await else { panic!() };
    assert_eq!(found[0].ours, None);
}

/// What others put into a directory that goes, and what goes where others put something.
#[tokio::test]
async fn directories_conflict_with_what_is_in_them() {
    let backend = Arc::<Watched>::default();
    let p = project(&backend).await;
    let empty = p.head().await.unwrap().base();
    let dir = Some(Entry::Dir { mode: 0o755 });
    let edits = Edits::from([(key("d"), dir.clone()), (key("d/a"), Some(file_of(b"1")))]);
    let mut upload = p.upload();
    upload.blob(Hash::of(b"1"), b"1".to_vec().into()).await.unwrap();
    landed(p.land(empty, &edits, &why("d"), upload).await.unwrap());
    let base = p.head().await.unwrap().base();
    let remove = Edits::from([(key("d"), None), (key("d/a"), None)]);

    landed(land(&p, base, &[("d/b", Some(b"1"))]).await);
    let Landing::Conflicts(found) = p.land(base, &remove, &why("rm"), p.upload()).await.unwrap()
    else {
        panic!("a conflict")
    };
    assert_eq!(found.iter().map(|c| c.key.to_string()).collect::<Vec<_>>(), ["d/b"]);

    let now = p.head().await.unwrap().base();
    let all = Edits::from([(key("d"), None), (key("d/a"), None), (key("d/b"), None)]);
    landed(p.land(now, &all, &why("rm"), p.upload()).await.unwrap());
    let Landing::Conflicts(found) = land(&p, now, &[("d/c", Some(b"1"))]).await else { panic!() };
    assert_eq!(found.iter().map(|c| c.key.to_string()).collect::<Vec<_>>(), ["d"]);
    // The same directory made twice is none.
    let make = Edits::from([(key("d"), dir), (key("d/c"), Some(file_of(b"1")))]);
    let at = p.head().await.unwrap().base();
    landed(p.land(at, &make, &why("again"), p.upload()).await.unwrap());
    let twice =
        Edits::from([(key("d"), make[&key("d")].clone()), (key("d/e"), Some(file_of(b"1")))]);
    landed(p.land(at, &twice, &why("beside"), p.upload()).await.unwrap());
}

/// 16 writers race; each landing is there once, in one chain, also where answers are lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_landings_are_all_there_once() {
    for lose in [0, 3] {
        let backend = Arc::<Watched>::default();
        let p = project(&backend).await;
        backend.lose.store(lose, Ordering::SeqCst);
        let base = p.head().await.unwrap().base();
        let writers: Vec<_> = (0..16)
            .map(|w| {
                let p = machine(&backend).project(&id());
                tokio::spawn(async move {
                    for n in 0..8 {
                        let path = format!("w{w}-{n}");
                        landed(land(&p, base, &[(path.as_str(), Some(path.as_bytes()))]).await);
                    }
                })
            })
            .collect();
        for w in writers {
            w.await.unwrap();
        }
        let head = p.head().await.unwrap();
        assert_eq!(head.position(), 128);
        assert_eq!(p.tree(head.tree()).len().await.unwrap(), 128);
        let log = p.landings(&head, 1000).await.unwrap();
        let paths: BTreeSet<String> =
            log.iter().flat_map(|r| r.changes.clone().unwrap()).map(|c| c.path).collect();
        assert_eq!((log.len(), paths.len()), (128, 128));
        for r in &log {
            assert!(p.has_landed(&head, r.position, &r.id).await.unwrap());
            assert_eq!(&p.landing(r.position, &head).await.unwrap(), r);
        }
    }
}

/// M-002, M-022, M-044, M-050: a session travels with its goal, its conversation and its tree,
/// and whoever comes second is told.
#[tokio::test]
async fn a_session_is_the_same_on_another_machine() {
    let backend = Arc::<Watched>::default();
    let p = project(&backend).await;
    let base = fill(&p, 10).await;
    let new = NewSession {
        goal: Some("speed".into()),
        machine: Some("here".into()),
        ..NewSession::default()
    };
    let mut doc = SessionDoc::new("sess-1", base, now(), now(), new).unwrap();
    doc.conversation.push(serde_json::json!({"role": "user", "text": "make it fast"}));
    doc.decisions.push(serde_json::json!({"what": "cache", "why": "slow disk"}));
    let mut upload = p.upload();
    upload.blob(Hash::of(b"mine"), b"mine".to_vec().into()).await.unwrap();
    let edits = Edits::from([(key("mine"), Some(file_of(b"mine")))]);
    doc.tree = p.edited(base.tree, &edits, &mut upload).await.unwrap();
    let stored = p.store_session(&doc, upload.finish().await.unwrap()).await.unwrap();
    p.tell_session_tree(&stored).await.unwrap();

    let q = machine(&backend).project(&id());
    assert_eq!(q.sessions().await.unwrap(), ["sess-1"]);
    let there = q.session("sess-1").await.unwrap();
    assert_eq!(there, stored);
    assert_eq!(
        (there.seq, there.state, there.goal.as_deref()),
        (1, SessionState::Open, Some("speed"))
    );
    assert_eq!(q.tree(there.tree).get(&key("mine")).await.unwrap(), Some(file_of(b"mine")));
    assert_eq!(q.blob(&Hash::of(b"mine")).await.unwrap(), &b"mine"[..]);

    // M-023: base and difference, in words.
    let told = backend.inner_text("projects/test/project/sessions/sess-1/tree.json").await;
    assert!(told.contains(r#""op":"+","path":"mine""#), "{told}");
    assert!(told.contains(&base.tree.to_string()));

    // The other machine goes on; the first one is told so.
    let again =
        q.store_session(&there.anew().unwrap(), q.upload().finish().await.unwrap()).await.unwrap();
    assert_eq!(again.seq, 2);
    let e =
        refused(p.store_session(&stored.anew().unwrap(), p.upload().finish().await.unwrap()).await);
    assert_eq!(e.code(), "CONFLICT", "{e}");
    assert!(e.to_string().contains("sess-1"));
    let e =
        refused(p.store_session(&doc.anew().unwrap(), p.upload().finish().await.unwrap()).await);
    assert_eq!(e.code(), "CONFLICT", "one that is new is not");

    // A lost answer is no conflict.
    backend.lose.store(1, Ordering::SeqCst);
    let third =
        q.store_session(&again.anew().unwrap(), q.upload().finish().await.unwrap()).await.unwrap();
    assert_eq!(third.seq, 3);

    for bad in ["../x", "a/b", "", ".", "..", "a\0"] {
        assert_eq!(refused(q.session(bad).await).code(), "STORE_INPUT", "{bad:?}");
    }
    assert_eq!(refused(q.session("sess-none").await).code(), "SESSION_UNKNOWN");
}

impl Watched {
    async fn inner_text(&self, key: &str) -> String {
        use brio_store::Backend as _;
        let bytes = self.inner.get(key).await.unwrap().expect(key);
        String::from_utf8(bytes.to_vec()).unwrap()
    }
}

/// M-020, M-084, M-025: small files travel in packs, and what is there is not sent again; a one-file
/// edit in 100,000 files takes 8 requests, its landing and its session included.
#[tokio::test]
async fn an_edit_costs_what_changed() {
    let backend = Arc::<Watched>::default();
    let p = project(&backend).await;
    backend.take();
    let base = fill(&p, 100_000).await;
    let (log, _) = backend.take();
    assert!(log.len() < 700, "{} requests for 100,000 files", log.len());

    let machine = machine(&backend).project(&id());
    // A begin: the head's hash, and nothing else.
    assert_eq!(machine.head().await.unwrap().base(), base);
    assert_eq!(backend.take().0.len(), 1);
    let path = "dir-0500/source-file-50007.rs";
    machine.tree(base.tree).get(&key(path)).await.unwrap().unwrap();
    backend.take();

    let content = vec![b'x'; 200_000];
    let mut upload = machine.upload();
    let noise: Vec<u8> = content
        .iter()
        .enumerate()
        .map(|(i, _)| Hash::of(&(i as u64).to_le_bytes()).as_bytes()[0])
        .collect();
    upload.blob(Hash::of(&noise), noise.clone().into()).await.unwrap();
    let edits = Edits::from([(key(path), Some(file_of(&noise)))]);
    let l = landed(machine.land(base, &edits, &why("one file"), upload).await.unwrap());
    let mut doc = SessionDoc::new("sess-2", base, now(), now(), NewSession::default()).unwrap();
    doc.tree = l.record.new_tree;
    doc.state = SessionState::Landed;
    let done = machine.store_session(&doc, machine.upload().finish().await.unwrap()).await.unwrap();
    machine.tell_session_tree(&done).await.unwrap();
    let (log, sent) = backend.take();
    assert!(log.len() <= 8, "{} requests: {log:#?}", log.len());
    let most = noise.len() as u64 * 12 / 10 + (64 << 10);
    assert!(sent <= most, "{sent} bytes were sent, and {most} may be");
}

/// First byte on a machine that has nothing: 4 round trips.
#[tokio::test(start_paused = true)]
async fn a_cold_machine_reads_its_first_byte_in_four_round_trips() {
    let backend = Arc::<Watched>::default();
    let base = fill(&project(&backend).await, 100_000).await;
    let slow = Arc::new(Watched {
        latency: Some(Duration::from_secs(1)),
        inner: std::mem::take(&mut Arc::into_inner(backend).unwrap().inner),
        ..Watched::default()
    });
    let p = machine(&slow).project(&id());
    let from = tokio::time::Instant::now();
    let warm = tokio::spawn({
        let p = p.clone();
        async move { p.warm().await }
    });
    let head = p.head().await.unwrap();
    assert_eq!(head.base(), base);
    let found = p.tree(head.tree()).get(&key("dir-0500/source-file-50007.rs")).await.unwrap();
    let Some(Entry::File { content, .. }) = found else { panic!("a file") };
    let bytes = p.file(content).read_at(0, 10).await.unwrap();
    assert_eq!(bytes, &b"the conten"[..]);
    warm.await.unwrap().unwrap();
    let trips = from.elapsed().as_secs();
    assert!(trips <= 4, "{trips} round trips: {:#?}", slow.take().0);
}

/// M-092: a large file that is shifted by a byte is sent again only where it was cut anew: of
/// 256 MiB (`BRIO_SHIFTED_MIB`) at most 2 %.
#[tokio::test]
async fn a_shifted_file_is_sent_in_part() {
    let backend = Arc::<Watched>::default();
    let p = project(&backend).await;
    let size = std::env::var("BRIO_SHIFTED_MIB").ok().and_then(|n| n.parse().ok()).unwrap_or(64);
    let size: usize = size << 20;
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes = Vec::new();
    while bytes.len() < size {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        bytes.extend_from_slice(&seed.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    let mut sent = Vec::new();
    let mut last = None;
    for shift in [0usize, 1] {
        let mut upload = p.upload();
        let mut blobs = Vec::new();
        let all: Vec<u8> = std::iter::repeat_n(7, shift).chain(bytes.iter().copied()).collect();
        let content = content::split(all.as_slice(), &mut |h, b| {
            blobs.push((h, b));
            Ok(())
        })
        .unwrap();
        backend.take();
        for (h, b) in blobs {
            upload.blob(h, b).await.unwrap();
        }
        upload.finish().await.unwrap().release().await;
        sent.push(backend.take().1);
        let q = machine(&backend).project(&id());
        let mut back = Vec::new();
        q.file(content).copy_to(&mut back).await.unwrap();
        assert!(back == all);
        last = Some((content, all));
    }
    let percent = sent[1] as f64 * 100.0 / size as f64;
    println!("of {} bytes {} were sent again, {percent:.2} %", size + 1, sent[1]);
    // The chunks at the front, of half a megabyte each or up to two, and the list.
    let most = (size as u64 / 50).max(5 << 20);
    assert!(sent[1] <= most, "{sent:?}");
    // Any part is read by its own chunks.
    let (content, all) = last.unwrap();
    let q = machine(&backend).project(&id());
    let at = 33 << 20;
    backend.take();
    let part = q.file(content).read_at(at, 100).await.unwrap();
    assert_eq!(part, &all[at as usize..at as usize + part.len()]);
    let asked = backend.take().0.len();
    assert!(asked <= 8 + (size >> 24), "{asked}: an index for each 16 MiB, and a few");
}

/// M-024: every read is verified: damage anywhere is an error, and never other bytes.
#[tokio::test]
async fn damage_is_an_error() {
    use brio_store::Backend as _;
    let backend = Arc::<Watched>::default();
    let p = project(&backend).await;
    let base = fill(&p, 3).await;
    for listed in backend.inner.list("projects/", None).await.unwrap() {
        if listed.key.contains("/landings/") || listed.key.ends_with("project.json") {
            continue;
        }
        let good = backend.inner.get(&listed.key).await.unwrap().unwrap();
        for at in [0, 1, good.len() / 2, good.len() - 1] {
            let mut bad = good.to_vec();
            bad[at] ^= 0x11;
            backend.inner.overwrite(&listed.key, bad.into()).await.unwrap();
            let q = machine(&backend).project(&id());
            let read = async {
                let mut files = Vec::new();
                q.tree(base.tree)
                    .each(|_, e| {
                        if let Entry::File { content, .. } = e {
                            files.push(*content);
                        }
                    })
                    .await?;
                for f in files {
                    q.file(f).copy_to(&mut Vec::new()).await?;
                }
                Ok(())
            };
            let e = refused(read.await);
            assert!(matches!(e.code(), "STORE_CORRUPT" | "STORE_FORMAT"), "{}: {e}", listed.key);
        }
        backend.inner.overwrite(&listed.key, good).await.unwrap();
    }
}

/// A head of a newer version is refused, and so is a project that is not there.
#[tokio::test]
async fn what_is_newer_or_missing_is_said() {
    use brio_store::Backend as _;
    let backend = Arc::<Watched>::default();
    let nobody = machine(&backend).project(&id());
    assert_eq!(refused(nobody.head().await).code(), "PROJECT_UNKNOWN");
    let p = project(&backend).await;
    fill(&p, 1).await;
    let name = "projects/test/project/head";
    let (value, version) = backend.inner.read_ref(name).await.unwrap().unwrap();
    let newer = String::from_utf8(value.to_vec())
        .unwrap()
        .replace("\"format\":1", "\"format\":2,\"more\":[]");
    backend.inner.swap_ref(name, Some(&version), newer.into()).await.unwrap();
    let e = refused(p.head().await);
    assert_eq!(e.code(), "STORE_FORMAT");
    assert!(e.to_string().contains("use a newer brio"));
    assert_eq!(machine(&backend).projects().await.unwrap(), [id()]);
}

/// M-094: another machine's cache is asked before the store; it need not be trusted.
#[tokio::test]
async fn a_peer_is_asked_first_and_not_believed() {
    use brio_store::{Kind, Store, StoreOptions, Tier};

    struct Peer(bytes::Bytes);
    #[async_trait::async_trait]
    impl Tier for Peer {
        async fn get(&self, _: Kind, _: &Hash) -> Option<bytes::Bytes> {
            Some(self.0.clone())
        }
    }
    let backend = Arc::<Watched>::default();
    let p = project(&backend).await;
    let base = p.head().await.unwrap().base();
    landed(land(&p, base, &[("f", Some(b"content"))]).await);
    for (given, from_store) in [(&b"content"[..], false), (&b"another"[..], true)] {
        let tiers: Vec<Arc<dyn Tier>> = vec![Arc::new(Peer(given.to_vec().into()))];
        let options = StoreOptions { tiers, ..StoreOptions::default() };
        let q = Store::new(backend.clone(), options).project(&id());
        backend.take();
        assert_eq!(q.blob(&Hash::of(b"content")).await.unwrap(), &b"content"[..]);
        assert_eq!(!backend.take().0.is_empty(), from_store);
    }
}
