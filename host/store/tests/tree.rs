//! Trees against a map: the same entries make the same tree, in whatever order they came.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use brio_store::tree::{
    Built, Edits, Entry, Items, Key, Node, Nodes, Tree, build, diff, differs_below, edit,
};
use brio_store::{Content, Error, Hash, Result};
use proptest::prelude::*;

/// Nodes in memory, and how many were asked for.
#[derive(Default)]
struct Held {
    nodes: Mutex<HashMap<Hash, Vec<u8>>>,
    reads: AtomicUsize,
}

impl Held {
    fn keep(&self, built: &Built) {
        self.nodes.lock().unwrap().extend(built.nodes.iter().cloned());
    }

    fn reads(&self) -> usize {
        self.reads.swap(0, Ordering::SeqCst)
    }
}

#[async_trait]
impl Nodes for Held {
    async fn node(&self, hash: &Hash) -> Result<Arc<Node>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let bytes = self.nodes.lock().unwrap().get(hash).cloned();
        let bytes = bytes.ok_or_else(|| Error::Missing { what: hash.to_string() })?;
        assert_eq!(Hash::of(&bytes), *hash);
        Ok(Arc::new(Node::decode(&bytes, hash)?))
    }
}

fn run<T>(f: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(f)
}

fn key(path: &str) -> Key {
    Key::new(path.as_bytes()).unwrap()
}

fn file(n: u64) -> Entry {
    let hash = Hash::of(&n.to_le_bytes());
    Entry::File { mode: 0o644, content: Content { size: n, hash, depth: 0, root: hash } }
}

/// A project of `n` files, a hundred to a directory.
fn project(n: u64) -> BTreeMap<Key, Entry> {
    let mut map = BTreeMap::new();
    for i in 0..n {
        map.insert(key(&format!("dir-{:04}", i / 100)), Entry::Dir { mode: 0o755 });
        map.insert(key(&format!("dir-{:04}/source-file-{i}.rs", i / 100)), file(i));
    }
    map
}

fn tree_of(held: &Arc<Held>, map: &BTreeMap<Key, Entry>) -> Tree {
    let built = build(map).unwrap();
    held.keep(&built);
    Tree::new(held.clone(), built.root)
}

fn all(tree: &Tree) -> BTreeMap<Key, Entry> {
    let mut out = BTreeMap::new();
    run(tree.each(|k, e| {
        out.insert(k.clone(), e.clone());
    }))
    .unwrap();
    out
}

#[test]
fn a_tree_holds_what_was_put_in() {
    for n in [0, 1, 2, 100, 5_000] {
        let held = Arc::<Held>::default();
        let map = project(n);
        let tree = tree_of(&held, &map);
        assert_eq!(all(&tree), map);
        assert_eq!(run(tree.len()).unwrap(), map.len() as u64);
        for (k, e) in map.iter().step_by(97) {
            assert_eq!(run(tree.get(k)).unwrap().as_ref(), Some(e));
        }
        let some: Vec<&Key> = map.keys().step_by(3).collect();
        let found = run(tree.get_all(&some)).unwrap();
        assert!(some.iter().zip(found).all(|(k, e)| e.as_ref() == map.get(*k)));
        let none = [key("dir-0000/none"), key("zzz")];
        assert_eq!(run(tree.get_all(&[&none[0], &none[1]])).unwrap(), [None, None]);
        assert_eq!(run(tree.get(&key("dir-0000/none"))).unwrap(), None);
        assert_eq!(run(tree.get(&key("zzz"))).unwrap(), None);
        let listed = run(tree.list(b"dir-0003")).unwrap();
        let wanted: Vec<(Key, Entry)> = map
            .iter()
            .filter(|(k, _)| k.dir() == b"dir-0003")
            .map(|(k, e)| (k.clone(), e.clone()))
            .collect();
        assert_eq!(listed, wanted);
    }
}

/// M-080, M-082, M-083: the price of a look-up is the height, of a difference and of an edit what
/// changed.
#[test]
fn prices_are_those_of_a_tree() {
    let held = Arc::<Held>::default();
    let map = project(100_000);
    let tree = tree_of(&held, &map);
    let total = held.nodes.lock().unwrap().len();
    assert!(total > 200, "{total} nodes");
    held.reads();

    run(tree.get(&key("dir-0500/source-file-50007.rs"))).unwrap().unwrap();
    let height = held.reads();
    assert!(height <= 3, "a look-up read {height} nodes");

    let changed = key("dir-0500/source-file-50007.rs");
    let built = run(edit(&tree, &Edits::from([(changed.clone(), Some(file(7)))]))).unwrap();
    assert!(held.reads() <= 3 * height + 2, "an edit reads one path");
    assert!(built.nodes.len() <= height, "and writes one: {}", built.nodes.len());
    held.keep(&built);
    let after = Tree::new(held.clone(), built.root);

    let found = run(diff(&tree, &after)).unwrap();
    assert!(held.reads() <= 5 * height, "a difference reads what differs");
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].key, &found[0].after), (&changed, &Some(file(7))));

    // M-081: a snapshot is the hash.
    let snapshot = tree.hash();
    assert_eq!(held.reads(), 0);
    assert_eq!(Tree::new(held.clone(), snapshot).hash(), tree.hash());
}

#[test]
fn a_directory_is_read_at_its_own_price() {
    let held = Arc::<Held>::default();
    let tree = tree_of(&held, &project(100_000));
    held.reads();
    assert_eq!(run(tree.list(b"dir-0123")).unwrap().len(), 100);
    assert!(held.reads() <= 10);
    assert_eq!(run(tree.list(b"")).unwrap().len(), 1000);
    assert!(held.reads() <= 24);
}

#[test]
fn an_entry_needs_its_directory() {
    let held = Arc::<Held>::default();
    let tree = tree_of(&held, &project(300));
    let refused = |edits: Edits| {
        let e = run(edit(&tree, &edits)).unwrap_err();
        assert_eq!(e.code(), "STORE_INPUT", "{e}");
    };
    refused(Edits::from([(key("none/a"), Some(file(1)))]));
    refused(Edits::from([(key("dir-0000/source-file-1.rs/a"), Some(file(1)))]));
    refused(Edits::from([(key("dir-0001"), None)]));
    refused(Edits::from([(key("dir-0001"), Some(file(1)))]));
    refused(Edits::from([
        (key("dir-0001"), Some(file(1))),
        (key("dir-0001/source-file-100.rs"), None),
    ]));
    let bad = Entry::File {
        mode: 0o10000,
        content: Content { size: 0, hash: Hash::of(b""), depth: 0, root: Hash::of(b"") },
    };
    refused(Edits::from([(key("a"), Some(bad))]));
    let mut gone: Edits =
        run(tree.list(b"dir-0001")).unwrap().into_iter().map(|(k, _)| (k, None)).collect();
    gone.insert(key("dir-0001"), Some(file(1)));
    let built = run(edit(&tree, &gone)).unwrap();
    held.keep(&built);
    assert_eq!(
        run(Tree::new(held.clone(), built.root).get(&key("dir-0001"))).unwrap(),
        Some(file(1))
    );
}

#[test]
fn removing_all_leaves_the_empty_tree() {
    let held = Arc::<Held>::default();
    let map = project(5_000);
    let tree = tree_of(&held, &map);
    let empty = build(&BTreeMap::new()).unwrap().root;
    let gone: Edits = map.keys().map(|k| (k.clone(), None)).collect();
    assert_eq!(run(edit(&tree, &gone)).unwrap().root, empty);
    // All but one: a root of one leaf, however high the tree was.
    for keep in [map.keys().next().unwrap(), &key("dir-0049")] {
        let mut some = gone.clone();
        some.remove(keep);
        let one = BTreeMap::from([(keep.clone(), map[keep].clone())]);
        assert_eq!(run(edit(&tree, &some)).unwrap().root, build(&one).unwrap().root);
    }
}

/// A node whose parent says something else of it is refused.
#[test]
fn a_child_must_be_what_its_parent_says() {
    let held = Arc::<Held>::default();
    let map = project(20_000);
    let tree = tree_of(&held, &map);
    let root = run(held.node(&tree.hash())).unwrap();
    let Items::Inner(children) = &root.items else { panic!("a tall tree") };
    // The root's bytes, with the number of entries of its first child changed.
    let mut bytes = held.nodes.lock().unwrap()[&tree.hash()].clone();
    let hash = children[0].hash;
    let at = bytes.windows(32).position(|w| w == hash.as_bytes()).unwrap() + 32;
    bytes[at] ^= 1;
    let forged = Hash::of(&bytes);
    held.nodes.lock().unwrap().insert(forged, bytes);
    let e = run(Tree::new(held.clone(), forged).each(|_, _| {})).unwrap_err();
    assert_eq!(e.code(), "STORE_CORRUPT", "{e}");
}

/// What lies below a directory is told from its neighbours, whose names begin alike; and what
/// lies elsewhere is not read.
#[test]
fn a_directory_is_compared_at_its_own_price() {
    let held = Arc::<Held>::default();
    let dirs = ["a", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a0", "ab"];
    let mut map = project(20_000);
    for dir in dirs {
        map.insert(key(dir), Entry::Dir { mode: 0o755 });
        (0..300).for_each(|n| drop(map.insert(key(&format!("{dir}/f{n}")), file(n))));
    }
    let from = tree_of(&held, &map);
    for dir in dirs {
        let mut other = map.clone();
        other.insert(key(&format!("{dir}/f7")), file(1_000));
        let to = tree_of(&held, &other);
        for asked in dirs {
            let wanted = format!("{dir}/").starts_with(&format!("{asked}/"));
            let differs = run(differs_below(&from, &to, asked.as_bytes())).unwrap();
            assert_eq!(differs, wanted, "{asked}, where {dir} changed");
        }
    }
    let mut other = map.clone();
    (0..20_000).step_by(50).for_each(|n| {
        other.insert(key(&format!("dir-{:04}/source-file-{n}.rs", n / 100)), file(n + 1));
    });
    let to = tree_of(&held, &other);
    held.reads();
    assert!(!run(differs_below(&from, &to, b"a/b")).unwrap());
    assert!(held.reads() <= 30, "of what lies elsewhere much was read");
    run(diff(&from, &to)).unwrap();
    assert!(held.reads() > 100, "there is much that differs elsewhere");
}

/// Paths of a small world in which files and directories change places.
fn arbitrary_map() -> impl Strategy<Value = BTreeMap<Key, Entry>> {
    prop::collection::vec((0u32..40, 0u32..400, 0u64..6), 0..2_000).prop_map(|picks| {
        let mut map = BTreeMap::new();
        for (dir, name, what) in picks {
            let dir = format!("directory-{dir}");
            map.insert(key(&dir), Entry::Dir { mode: 0o755 });
            let entry = match what {
                0 => Entry::Link { target: b"../elsewhere".to_vec() },
                n => file(n),
            };
            map.insert(key(&format!("{dir}/a-name-of-some-length-{name}")), entry);
        }
        map
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// M-021: edits of one map into another give the tree of the other, node by node; and the
    /// difference of the trees is the edits.
    #[test]
    fn history_leaves_no_trace(a in arbitrary_map(), b in arbitrary_map(), part in any::<bool>()) {
        let b = match part {
            // Most of it the same.
            true => a.iter().map(|(k, e)| (k.clone(), e.clone()))
                .chain(b.iter().take(20).map(|(k, e)| (k.clone(), e.clone())))
                .collect::<BTreeMap<_, _>>(),
            false => b,
        };
        // Directories that only the first picks bring.
        let mut b = b;
        for k in b.keys().cloned().collect::<Vec<_>>() {
            if let Some(p) = k.parent() {
                b.entry(p).or_insert(Entry::Dir { mode: 0o755 });
            }
        }
        let held = Arc::<Held>::default();
        let from = tree_of(&held, &a);
        let wanted = build(&b).unwrap();
        let mut edits = Edits::new();
        for k in a.keys().chain(b.keys()) {
            if a.get(k) != b.get(k) {
                edits.insert(k.clone(), b.get(k).cloned());
            }
        }
        let made = run(edit(&from, &edits)).unwrap();
        prop_assert_eq!(made.root, wanted.root);
        // What it made is enough, with what was there.
        held.keep(&made);
        let to = Tree::new(held.clone(), made.root);
        prop_assert_eq!(all(&to), b.clone());

        let found = run(diff(&from, &to)).unwrap();
        let found: Edits = found.into_iter().map(|d| {
            assert_eq!(a.get(&d.key), d.before.as_ref());
            (d.key, d.after)
        }).collect();
        prop_assert_eq!(&found, &edits);
        for dir in (0..40).map(|n| format!("directory-{n}")).chain(["".into(), "d".into()]) {
            let below = |k: &Key| dir.is_empty() || k.path().starts_with(format!("{dir}/").as_bytes());
            let differs = run(differs_below(&from, &to, dir.as_bytes())).unwrap();
            prop_assert_eq!(differs, edits.keys().any(below), "{}", dir);
        }
    }
}
