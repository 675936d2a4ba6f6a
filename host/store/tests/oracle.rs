//! Against the oracle, which is run as a program: random trees, contents and damaged nodes, and
//! whole stores. `BRIO_SEED` repeats a run, `BRIO_ROUNDS` makes it longer, `BRIO_PYTHON` is
//! another interpreter (one with `zstandard` reads what is compressed, too).
#![allow(clippy::unwrap_used, reason = "a test")]

mod given;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use brio_store::backend::{Backend, Memory};
use brio_store::tree::{Edits, Entry, Key, Node, build, diff, edit};
use brio_store::{
    Base, Compression, Content, Hash, Landing, NewSession, Project, SessionDoc, Store,
    StoreOptions, Upload, Why, content,
};
use given::{Entries, Random, all, all_to_json, opened, seed, skip};
use serde_json::{Value, json};

const ORACLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle");

fn python() -> Command {
    Command::new(std::env::var_os("BRIO_PYTHON").unwrap_or_else(|| "python3".into()))
}

/// Whether Python can run this; says why not.
fn can(name: &str, statement: &str, why: &str) -> bool {
    let ran = python().args(["-c", statement]).stderr(Stdio::null()).status();
    let can = ran.is_ok_and(|s| s.success());
    if !can {
        skip(name, why);
    }
    can
}

fn there(name: &str) -> bool {
    can(name, "import sys; sys.exit(sys.version_info < (3, 10))", "there is no Python 3.10")
}

fn oracle(args: &[&str], input: &[u8]) -> String {
    let mut child = python()
        .arg(format!("{ORACLE}/oracle.py"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(out.status.success(), "the oracle refuses {args:?}");
    String::from_utf8(out.stdout).unwrap()
}

fn asked(args: &[&str], input: &Value) -> Value {
    serde_json::from_str(&oracle(args, input.to_string().as_bytes())).unwrap()
}

fn rounds(few: usize) -> usize {
    std::env::var("BRIO_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(few)
}

fn name(random: &mut Random) -> Vec<u8> {
    let alphabet: &[u8] = match random.below(4) {
        0 => b"ab-",
        1 => b"ab-.0\xff",
        2 => b"\x01\x1f !+,-.",
        _ => b"abcdefghijklmnop",
    };
    let length = *random.pick(&[1, 1, 2, 3, 8, 60]);
    (0..length).map(|_| *random.pick(alphabet)).collect()
}

fn entry(random: &mut Random) -> Entry {
    let hash = Hash::of(&random.next().to_le_bytes());
    match random.below(8) {
        0 | 1 => Entry::Dir { mode: *random.pick(&[0o755, 0o700, 0o1777]) },
        2 => Entry::Link { target: vec![b't'; *random.pick(&[1, 20, 4095])] },
        3 => {
            let root = Hash::of(hash.as_bytes());
            let size = (1 << 20) + 1 + (random.next() >> 20);
            let content = Content { size, hash, depth: 1 + random.below(4) as u8, root };
            Entry::File { mode: 0o644, content }
        }
        _ => given::file(*random.pick(&[0o644, 0o755]), random.next() >> 44, hash),
    }
}

/// Entries in which every parent is a directory.
fn entries(random: &mut Random, count: usize) -> Entries {
    let (mut made, mut directories) = (Entries::new(), vec![Vec::new()]);
    for _ in 0..count {
        let mut path = random.pick(&directories).clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(name(random));
        let Ok(key) = Key::new(&path) else { continue };
        if made.contains_key(&key) {
            continue;
        }
        let entry = entry(random);
        if entry.is_dir() {
            directories.push(path);
        }
        made.insert(key, entry);
    }
    made
}

/// Edits that leave a tree: what is below a directory goes with it.
fn edits(random: &mut Random, old: &Entries) -> Edits {
    let mut edits = Edits::new();
    let keys: Vec<&Key> = old.keys().collect();
    for _ in 0..*random.pick(&[0, 1, 4, 60]) {
        if keys.is_empty() {
            break;
        }
        let key = *random.pick(&keys);
        let below = [&key.path()[..], b"/"].concat();
        if random.below(2) == 0 {
            let gone = keys.iter().filter(|k| *k == &key || k.path().starts_with(&below));
            edits.extend(gone.map(|k| ((*k).clone(), None)));
        } else if !old[key].is_dir() && !edits.contains_key(key) {
            edits.insert(key.clone(), Some(entry(random)));
        }
    }
    let count = *random.pick(&[0, 1, 20]);
    let new = entries(random, count);
    for (key, entry) in new.into_iter().filter(|(k, _)| k.dir().is_empty()) {
        let key = Key::new(&[b"new ", key.name()].concat()).unwrap();
        edits.insert(key, Some(entry));
    }
    edits
}

fn apply(old: &Entries, edits: &Edits) -> Entries {
    let mut new = old.clone();
    for (key, entry) in edits {
        match entry {
            Some(e) => new.insert(key.clone(), e.clone()),
            None => new.remove(key),
        };
    }
    new
}

#[tokio::test]
async fn random_trees_have_the_oracles_nodes() {
    if !there("random_trees_have_the_oracles_nodes") {
        return;
    }
    let mut random = Random(seed());
    for _ in 0..rounds(6) {
        let count = *random.pick(&[0, 1, 30, 600, 6000]);
        let old = entries(&mut random, count);
        let edits = edits(&mut random, &old);
        let new = apply(&old, &edits);
        let (before, after) = (build(&old).unwrap(), build(&new).unwrap());

        let said = asked(&["tree"], &all_to_json(&new));
        assert_eq!(said["tree"], after.root.to_string());
        let mut ours: Vec<_> =
            after.nodes.iter().map(|(h, bytes)| (h.hex(), bytes.len() as u64)).collect();
        let row = |n: &Value| (n["hash"].as_str().unwrap().into(), n["bytes"].as_u64().unwrap());
        let mut theirs: Vec<(String, u64)> =
            said["nodes"].as_array().unwrap().iter().map(row).collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);
        assert_eq!(edit(&opened(&before), &edits).await.unwrap().root, after.root);

        let found = diff(&opened(&before), &opened(&after)).await.unwrap();
        let ours = found.iter().map(|d| {
            let op = match (&d.before, &d.after) {
                (None, _) => "+",
                (_, None) => "-",
                _ => "~",
            };
            let mut row = given::to_json(&d.key, d.after.as_ref().or(d.before.as_ref()).unwrap());
            row["op"] = json!(op);
            row
        });
        let sides = json!({ "old": all_to_json(&old), "new": all_to_json(&new) });
        assert_eq!(ours.collect::<Value>(), asked(&["diff"], &sides));
    }
}

#[test]
fn random_contents_have_the_oracles_chunks() {
    if !there("random_contents_have_the_oracles_chunks") {
        return;
    }
    let mut random = Random(seed());
    let dir = tempfile::tempdir().unwrap();
    let (mut files, mut ours) = (Vec::new(), Vec::new());
    for i in 0..rounds(8) {
        let size = *random.pick(&[0, 1, 131_073, 1 << 20, (1 << 20) + 1, 4 << 20]);
        let size = size + random.below(2) * random.below(1 << 20);
        let data = match random.below(3) {
            0 => vec![random.next() as u8; size],
            1 => given::content(random.next() | 1, 5000).repeat(size / 5000 + 1)[..size].to_vec(),
            _ => given::content(random.next() | 1, size),
        };
        let path = dir.path().join(i.to_string());
        std::fs::write(&path, &data).unwrap();
        files.push(path.to_str().unwrap().to_owned());
        let mut lengths = Vec::new();
        let cut = content::split(data.as_slice(), &mut |_, bytes| {
            lengths.push(bytes.len());
            Ok(())
        })
        .unwrap();
        lengths.pop();
        let lengths = if cut.depth == 0 { json!([]) } else { json!([lengths]) };
        ours.push(json!({ "size": size, "sha256": cut.hash.hex(), "depth": cut.depth,
            "root": cut.root.hex(), "lengths": lengths }));
    }
    let args: Vec<&str> = std::iter::once("chunks").chain(files.iter().map(|f| &**f)).collect();
    assert_eq!(Value::from(ours), asked(&args, &Value::Null));
}

/// One or two changes of a node's bytes, to such as mean something somewhere.
fn damaged(random: &mut Random, node: &[u8]) -> Vec<u8> {
    let mut node = node.to_vec();
    for _ in 0..=random.below(2) {
        let at = random.below(node.len());
        match random.below(10) {
            0 => node.truncate(at.max(1)),
            1 => node.insert(at, random.next() as u8),
            2 => drop(node.remove(at)),
            3 => node[at] = node[at].wrapping_add(1),
            4 => node[at] = node[at].wrapping_sub(1),
            5 => node[at] ^= 1 << random.below(8),
            _ => node[at] = *random.pick(b"\0/.\x01\x02\x03\xff"),
        }
    }
    node
}

#[test]
fn damaged_nodes_are_refused_by_both_or_neither() {
    if !there("damaged_nodes_are_refused_by_both_or_neither") {
        return;
    }
    let mut random = Random(seed());
    let mut nodes = Vec::new();
    for count in [1, 2, 5, 12, 700] {
        let built = build(&entries(&mut random, count)).unwrap();
        nodes.extend(built.nodes.into_iter().map(|(_, n)| n).filter(|n| n.len() < 20_000));
    }
    let damaged: Vec<_> = (0..rounds(4) * 1000)
        .map(|_| {
            let node = random.pick(&nodes).clone();
            damaged(&mut random, &node)
        })
        .collect();
    let lines: String = damaged.iter().map(|n| given::hex(n) + "\n").collect();
    let (mut taken, mut compared) = (0, 0);
    for (node, said) in damaged.iter().zip(oracle(&["judge"], lines.as_bytes()).lines()) {
        compared += 1;
        let ours = Node::decode(node, &Hash::of(node)).map_err(|e| e.code());
        // FORMAT.md does not say whether a node is refused for a depth that its size cannot have.
        if ours.is_ok() && said.contains("depth-of-size") {
            continue;
        }
        let code = ours.as_ref().err().copied().unwrap_or("ok");
        assert_eq!(said.split(':').next().unwrap(), code, "{said}: {}", given::hex(node));
        taken += usize::from(ours.is_ok());
    }
    assert_eq!(compared, damaged.len());
    println!("{compared} damaged nodes: {taken} are nodes still, the others refused");
}

async fn put(upload: &mut Upload, data: &[u8]) -> Entry {
    let mut blobs = Vec::new();
    let keep = &mut |hash, bytes| {
        blobs.push((hash, bytes));
        Ok(())
    };
    let content = content::split(data, keep).unwrap();
    for (hash, bytes) in blobs {
        upload.blob(hash, bytes).await.unwrap();
    }
    Entry::File { mode: 0o644, content }
}

/// Lands files in a directory: their contents by `data`.
async fn land(project: &Project, dir: &str, count: usize, data: impl Fn(usize) -> Vec<u8>) {
    let head = project.head().await.unwrap();
    let mut upload = project.upload();
    let mut edits = Edits::new();
    edits.insert(Key::new(dir.as_bytes()).unwrap(), Some(Entry::Dir { mode: 0o755 }));
    for i in 0..count {
        let path = [dir.as_bytes(), b"/\xff", i.to_string().as_bytes()].concat();
        edits.insert(Key::new(&path).unwrap(), Some(put(&mut upload, &data(i)).await));
    }
    // That the third and the last say that they undo others is to be found in the chain.
    let undo_of = Some(head.position()).filter(|k| [2, 3].contains(k));
    let why = Why { undo_of, ..Why::default() };
    let landed = project.land(head.base(), &edits, &why, upload).await.unwrap();
    assert!(matches!(landed, Landing::Landed(_)), "{landed:?}");
}

/// Everything of a store as a directory holds it.
async fn dump(memory: &Memory, to: &Path) {
    let mut after = None;
    loop {
        let page = memory.list("", after.as_deref()).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        for object in page {
            let path = to.join(&object.key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, memory.get(&object.key).await.unwrap().unwrap()).unwrap();
        }
    }
    let db = rusqlite::Connection::open(to.join("refs.db")).unwrap();
    db.execute_batch("CREATE TABLE refs(name TEXT PRIMARY KEY, value BLOB, version INTEGER)")
        .unwrap();
    for name in memory.list_refs("", None).await.unwrap() {
        let (value, _) = memory.read_ref(&name).await.unwrap().unwrap();
        db.execute("INSERT INTO refs VALUES (?1, ?2, 1)", (&name, &value[..])).unwrap();
    }
}

async fn a_store_is_what_the_oracle_says(compression: Compression) {
    let memory = Arc::new(Memory::default());
    let options = StoreOptions { compression, ..StoreOptions::default() };
    let (project, _) =
        Store::new(memory.clone(), options).create(&"org/name".parse().unwrap()).await.unwrap();
    let seed = seed();
    let content = |i: usize, size| given::content(seed.wrapping_add(i as u64) | 1, size);
    land(&project, "few", 3, |i| content(i, i * 1000)).await;
    land(&project, "many", 900, |i| vec![b'x'; i]).await;
    land(&project, "big", 3, |i| content(i, (1 << 20) + i * 3_000_000)).await;
    land(&project, "few", 2, |i| content(i + 10, 2000)).await;

    let base: Base = project.head().await.unwrap().base();
    let mut upload = project.upload();
    let mut edits = Edits::new();
    edits.insert(Key::new(b"of the session").unwrap(), Some(put(&mut upload, b"its own").await));
    edits.insert(Key::new(b"few/\xff2").unwrap(), None);
    let tree = project.edited(base.tree, &edits, &mut upload).await.unwrap();
    let at = time::OffsetDateTime::UNIX_EPOCH;
    let mut session = SessionDoc::new("sess-a", base, at, at, NewSession::default()).unwrap();
    session.tree = tree;
    let session = project.store_session(&session, upload.finish().await.unwrap()).await.unwrap();
    project.tell_session_tree(&session).await.unwrap();

    let to = tempfile::tempdir().unwrap();
    dump(&memory, to.path()).await;
    let packs = to.path().join("projects/org/name/packs");
    assert!(packs.exists(), "many objects are in a pack");
    let said = asked(&["check", to.path().to_str().unwrap(), "org/name"], &Value::Null);
    assert_eq!((&said["position"], &said["landings"]), (&json!(4), &json!(4)), "{said}");
    assert_eq!((&said["sessions"], &said["projections"]), (&json!(1), &json!(1)), "{said}");
    for tree in [base.tree, tree] {
        let entries = all(&project.tree(tree)).await.unwrap().len();
        assert_eq!(said["trees"][tree.to_string()], entries, "{said}");
    }
}

#[tokio::test]
async fn a_store_as_it_is() {
    if there("a_store_as_it_is") {
        a_store_is_what_the_oracle_says(Compression::None).await;
    }
}

#[tokio::test]
async fn a_compressed_store() {
    let name = "a_compressed_store";
    let zstd = "try:\n import zstandard\nexcept ImportError:\n from compression import zstd";
    if there(name) && can(name, zstd, "Python has neither compression.zstd nor zstandard") {
        a_store_is_what_the_oracle_says(Compression::default()).await;
    }
}

#[test]
fn the_oracle_passes_its_own_tests() {
    if there("the_oracle_passes_its_own_tests") {
        let ran = python().arg(format!("{ORACLE}/test_oracle.py")).arg("--quiet").status().unwrap();
        assert!(ran.success());
    }
}
