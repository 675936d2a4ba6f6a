//! The golden vectors, which another implementation made from FORMAT.md.
#![allow(clippy::unwrap_used, reason = "a test")]

mod given;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use brio_store::backend::{Backend, Memory};
use brio_store::tree::{Built, Edits, Node, Nodes, Tree, build, diff, edit};
use brio_store::{
    AttemptId, Content, Hash, NoteBy, NoteSwap, Project, ProjectId, Store, StoreOptions, content,
};
use given::{Held, all, from_json, generated, hash, opened, unhex};
use serde_json::Value;

/// Compares what became of vectors that are to be refused: `(what, code wanted, code or `None`)`.
fn refused(outcomes: impl IntoIterator<Item = (String, String, Option<&'static str>)>) {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (what, wanted, code) in outcomes {
        seen += 1;
        if code != Some(wanted.as_str()) {
            wrong.push(format!("{what}: {code:?}, not {wanted}"));
        }
    }
    assert!(seen > 0 && wrong.is_empty(), "{wrong:#?}");
}

fn golden(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn rows(v: &Value) -> &[Value] {
    let rows = v.as_array().unwrap();
    assert!(!rows.is_empty());
    rows
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap()
}

fn number(v: &Value) -> u64 {
    v.as_u64().unwrap()
}

/// The hash and the level of each node, those of one level in their order.
fn levels(built: &Built) -> BTreeMap<u8, Vec<Hash>> {
    let mut levels = BTreeMap::<u8, Vec<Hash>>::new();
    for (hash, bytes) in &built.nodes {
        assert_eq!(Hash::of(bytes), *hash);
        levels.entry(Node::decode(bytes, hash).unwrap().level).or_default().push(*hash);
    }
    levels
}

fn compare(built: &Built, row: &Value, what: &str) {
    assert_eq!(built.root.to_string(), text(&row["tree"]), "{what}");
    let levels = levels(built);
    assert_eq!(levels.len(), rows(&row["levels"]).len(), "{what}");
    for (level, wanted) in levels.values().zip(rows(&row["levels"])) {
        assert_eq!(level.len() as u64, number(&wanted["nodes"]), "{what}");
        assert_eq!(level[0], hash(&wanted["first"]), "{what}");
        assert_eq!(level[level.len() - 1], hash(&wanted["last"]), "{what}");
        let joined: Vec<u8> = level.iter().flat_map(|h| *h.as_bytes()).collect();
        assert_eq!(Hash::of(&joined), hash(&wanted["all"]), "{what}");
    }
}

#[tokio::test]
async fn trees_are_the_same_to_the_byte() {
    let golden = golden(include_str!("golden/trees.json"));
    for row in rows(&golden["trees"]) {
        let what = text(&row["name"]);
        let entries: given::Entries =
            row["entries"].as_array().unwrap().iter().map(from_json).collect();
        let built = build(&entries).unwrap();
        compare(&built, row, what);
        if let Some(node) = row["node"].as_str() {
            assert_eq!(built.nodes[0].1, unhex(node), "{what}");
        }
        assert_eq!(all(&opened(&built)).await.unwrap(), entries, "{what}");
    }
}

#[tokio::test]
async fn large_trees_have_the_same_nodes() {
    let golden = golden(include_str!("golden/trees.json"));
    for row in rows(&golden["generated"]) {
        let (rule, seed, count) = (text(&row["rule"]), number(&row["seed"]), number(&row["count"]));
        let what = format!("{rule} {seed} {count}");
        let entries = generated(rule, seed, count);
        let built = build(&entries).unwrap();
        compare(&built, row, &what);
        let bytes: usize = built.nodes.iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(bytes as u64, number(&row["bytes"]), "{what}");
        let edits: Edits = entries.into_iter().map(|(k, e)| (k, Some(e))).collect();
        let edited = edit(&opened(&build([]).unwrap()), &edits).await.unwrap();
        compare(&edited, row, &format!("{what}, as an edit of nothing"));
    }
}

#[tokio::test]
async fn differences_are_the_same() {
    let golden = golden(include_str!("golden/trees.json"));
    for row in rows(&golden["differences"]) {
        let side = |v: &Value| {
            opened(&build(&generated("entries", number(&v["seed"]), number(&v["count"]))).unwrap())
        };
        let found = diff(&side(&row["old"]), &side(&row["new"])).await.unwrap();
        let paths: Vec<u8> = found.iter().flat_map(|d| [d.key.path(), vec![0]].concat()).collect();
        assert_eq!(Hash::of(&paths), hash(&row["paths"]), "{row}");
        let count = |before, after| {
            let sides = found.iter().map(|d| (d.before.is_some(), d.after.is_some()));
            sides.filter(|s| *s == (before, after)).count() as u64
        };
        assert_eq!(count(false, true), number(&row["added"]), "{row}");
        assert_eq!(count(true, false), number(&row["removed"]), "{row}");
        assert_eq!(count(true, true), number(&row["modified"]), "{row}");
    }
}

#[test]
fn contents_are_cut_at_the_same_places() {
    let golden = golden(include_str!("golden/contents.json"));
    for row in rows(&golden["contents"]) {
        let size = number(&row["size"]) as usize;
        let data = match row["byte"].as_u64() {
            Some(byte) => vec![byte as u8; size],
            None => given::content(number(&row["seed"]), size),
        };
        let mut lengths = Vec::new();
        let cut = content::split(data.as_slice(), &mut |h, bytes| {
            assert_eq!(h, Hash::of(&bytes));
            lengths.push(bytes.len() as u64);
            Ok(())
        })
        .unwrap();
        let what = format!("{} {:?}", row["size"], row["seed"]);
        assert_eq!((cut.size, cut.hash), (size as u64, hash(&row["sha256"])), "{what}");
        assert_eq!(u64::from(cut.depth), number(&row["depth"]), "{what}");
        assert_eq!(cut.root, hash(&row["root"]), "{what}");
        let list = lengths.pop().unwrap();
        if cut.depth > 0 {
            assert_eq!(list, 36 * lengths.len() as u64);
            let wanted: Vec<u64> = rows(&row["chunks"]).iter().map(number).collect();
            assert_eq!(lengths, wanted, "{what}");
        }
    }
}

/// A list is cut as a content is: beyond 1 MiB it takes 16 GB of content to have one.
#[test]
fn lists_beyond_a_blob_are_listed_again() {
    let golden = golden(include_str!("golden/contents.json"));
    for row in rows(&golden["lists"]) {
        let list = given::listed(number(&row["seed"]), number(&row["chunks"]));
        let mut lengths = Vec::new();
        let keep = &mut |_, bytes: bytes::Bytes| {
            lengths.push(bytes.len() as u64);
            Ok(())
        };
        let cut = content::split(list.as_slice(), keep).unwrap();
        assert_eq!(u64::from(cut.depth) + 1, number(&row["depth"]), "{row}");
        assert_eq!(cut.root, hash(&row["root"]), "{row}");
        if let Some(wanted) = row["cut"].as_array() {
            lengths.pop();
            assert_eq!(lengths, wanted.iter().map(number).collect::<Vec<_>>());
        }
    }
}

/// T13.
#[test]
fn nodes_are_taken_or_refused_as_the_format_says() {
    let golden = golden(include_str!("golden/nodes.json"));
    let decode = |row: &Value| {
        let bytes = unhex(text(&row["node"]));
        Node::decode(&bytes, &Hash::of(&bytes))
    };
    for row in rows(&golden["accepted"]) {
        decode(row).unwrap_or_else(|e| panic!("{}: {e}", row["what"]));
    }
    refused(rows(&golden["refused"]).iter().map(|row| {
        let code = decode(row).err().map(|e| e.code());
        (text(&row["what"]).into(), text(&row["code"]).into(), code)
    }));
}

#[tokio::test]
async fn nodes_that_do_not_fit_together_are_refused() {
    let golden = golden(include_str!("golden/nodes.json"));
    let mut outcomes = Vec::new();
    for row in rows(&golden["refused_trees"]).iter().filter(|r| r["by_reading"] == true) {
        let nodes = rows(&row["nodes"]).iter().map(|n| unhex(text(n)));
        let held: HashMap<_, _> = nodes.map(|bytes| (Hash::of(&bytes), bytes)).collect();
        let tree = Tree::new(Arc::new(Held(Mutex::new(held))), hash(&row["tree"]));
        let code = all(&tree).await.err().map(|e| e.code());
        outcomes.push((text(&row["what"]).into(), "STORE_CORRUPT".into(), code));
    }
    refused(outcomes);
}

/// A project in a store that nobody has read yet, and the store.
async fn project() -> (Project, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    let store = Store::new(memory.clone(), StoreOptions::default());
    let (project, _) = store.create(&"a/b".parse().unwrap()).await.unwrap();
    (project, memory)
}

async fn create(memory: &Memory, key: &str, value: Vec<u8>) {
    memory.create(&format!("projects/a/b/{key}"), value.into()).await.unwrap();
}

fn blob_key(hash: &Hash) -> String {
    format!("blobs/{}/{}", &hash.hex()[..2], hash.hex())
}

/// M-091.
#[tokio::test]
async fn envelopes_are_opened_or_refused() {
    let golden = golden(include_str!("golden/packs.json"));
    for row in rows(&golden["envelopes"]) {
        let (byte, size) = (number(&row["of"]["byte"]) as u8, number(&row["of"]["size"]) as usize);
        let wanted = vec![byte; size];
        let (project, memory) = project().await;
        create(&memory, &blob_key(&Hash::of(&wanted)), unhex(text(&row["hex"]))).await;
        assert!(project.blob(&Hash::of(&wanted)).await.unwrap() == wanted, "{row}");
    }
    let mut outcomes = Vec::new();
    for row in rows(&golden["refused_envelopes"]) {
        // One that is read as anything is not refused.
        let mut code = Some("STORE_CORRUPT");
        for taken_for in rows(&row["taken_for"]).iter().map(hash) {
            let (project, memory) = project().await;
            create(&memory, &blob_key(&taken_for), unhex(text(&row["envelope"]))).await;
            let now = project.blob(&taken_for).await.err().map(|e| e.code());
            code = if now == Some("STORE_CORRUPT") { code } else { now };
        }
        outcomes.push((text(&row["what"]).into(), "STORE_CORRUPT".into(), code));
    }
    refused(outcomes);
}

#[tokio::test]
async fn contents_that_are_no_files_are_refused() {
    let golden = golden(include_str!("golden/contents.json"));
    let mut outcomes = Vec::new();
    for row in rows(&golden["refused_contents"]) {
        let (project, memory) = project().await;
        for (h, envelope) in row["blobs"].as_object().unwrap() {
            create(&memory, &blob_key(&Hash::from_hex(h).unwrap()), unhex(text(envelope))).await;
        }
        let (size, depth) = (number(&row["size"]), number(&row["depth"]) as u8);
        let (hash, root) = (hash(&row["sha256"]), hash(&row["root"]));
        let file = project.file(Content { size, hash, depth, root });
        let code = file.copy_to(&mut std::io::sink()).await.err().map(|e| e.code());
        outcomes.push((text(&row["what"]).into(), "STORE_CORRUPT".into(), code));
    }
    refused(outcomes);
}

async fn with_pack(pack: &Value, index: &[u8]) -> Project {
    let (project, memory) = project().await;
    let h = text(&pack["sha256"]);
    create(&memory, &format!("packs/{}/{h}", &h[..2]), unhex(text(&pack["pack"]))).await;
    create(&memory, &format!("indexes/{h}"), index.to_vec()).await;
    project
}

#[tokio::test]
async fn packs_are_read_by_their_index() {
    let golden = golden(include_str!("golden/packs.json"));
    for pack in rows(&golden["packs"]) {
        let project = with_pack(pack, &unhex(text(&pack["index"]))).await;
        for object in pack["objects"].as_array().unwrap() {
            let h = hash(&object["sha256"]);
            if number(&object["kind"]) == 1 {
                let blob = project.blob(&h).await.unwrap();
                assert_eq!((blob.len() as u64, Hash::of(&blob)), (number(&object["size"]), h));
            } else {
                assert_eq!(project.node(&h).await.unwrap().level, 0);
            }
        }
        let absent = project.blob(&Hash::of(b"absent")).await.unwrap_err();
        assert_eq!(absent.code(), "STORE_MISSING");
    }
}

#[tokio::test]
async fn indexes_that_are_wrong_are_refused() {
    let golden = golden(include_str!("golden/packs.json"));
    let pack = &rows(&golden["packs"])[0];
    let object = hash(&rows(&pack["objects"])[0]["sha256"]);
    let mut outcomes = Vec::new();
    for row in rows(&golden["refused_indexes"]) {
        let project = with_pack(pack, &unhex(text(&row["index"]))).await;
        let code = project.blob(&object).await.err().map(|e| e.code());
        outcomes.push((text(&row["what"]).into(), text(&row["code"]).into(), code));
    }
    refused(outcomes);
}

#[tokio::test]
async fn keys_are_where_the_format_says() {
    let golden = golden(include_str!("golden/keys.json"));
    for id in rows(&golden["accepted"]) {
        assert!(text(id).parse::<ProjectId>().is_ok(), "{id}");
    }
    for id in rows(&golden["refused"]) {
        assert!(text(id).parse::<ProjectId>().is_err(), "{id}");
    }
    let memory = Arc::new(Memory::default());
    let store = Store::new(memory.clone(), StoreOptions::default());
    let (project, _) = store.create(&text(&golden["project"]).parse().unwrap()).await.unwrap();
    let keys = &golden["keys"];
    assert!(memory.get(text(&keys["project"])).await.unwrap().is_some());
    // What lies at a key of the oracle's is found by its hash.
    let empty = Hash::of(b"");
    assert_eq!(empty, hash(&golden["sha256"]));
    memory.create(text(&keys["blob"]), vec![0; 5].into()).await.unwrap();
    assert_eq!(project.blob(&empty).await.unwrap().len(), 0);
}

#[tokio::test]
async fn notes_are_where_the_format_says() {
    let golden = golden(include_str!("golden/keys.json"));
    let memory = Arc::new(Memory::default());
    let store = Store::new(memory.clone(), StoreOptions::default());
    let (project, _) = store.create(&text(&golden["project"]).parse().unwrap()).await.unwrap();
    let by = NoteBy { at: time::OffsetDateTime::UNIX_EPOCH, by: None, origin: None };
    let notes = golden["notes"].as_object().unwrap();
    for path in notes.keys() {
        let attempt = AttemptId::random().unwrap();
        let new = project.new_note(attempt, Some(path.clone())).await.unwrap();
        let done = project.swap_note(path, None, &new, &by).await.unwrap();
        assert_eq!(done, NoteSwap::Done(1));
        new.release().await;
    }
    let mut keys: Vec<&str> = notes.values().map(text).collect();
    keys.sort_unstable();
    assert_eq!(memory.list_refs("", None).await.unwrap(), keys);
    let mut seen = Vec::new();
    project.list_notes(&|_| true, &mut |note| seen.push(note.doc.path)).await.unwrap();
    seen.sort_unstable();
    let mut paths: Vec<&String> = notes.keys().collect();
    paths.sort_unstable();
    assert!(seen.iter().eq(paths));
}
