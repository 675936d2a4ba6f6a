//! What must be there: followed change by change, from the bytes alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use brio_store::tree::{Entry, Items, Node};
use brio_store::{Hash, HeadDoc, Kind, LandingDoc, SessionDoc};

type Object = (Kind, Hash);

#[derive(Default)]
pub(crate) struct Oracle {
    /// Contents by hash: of all nodes that were ever stored, and of the lists that the test made.
    contents: HashMap<Hash, Vec<u8>>,
    closures: HashMap<Hash, Arc<Vec<Object>>>,
    loose: BTreeSet<Object>,
    packs: BTreeSet<Hash>,
    indexes: BTreeMap<Hash, Vec<Object>>,
    records: HashMap<String, LandingDoc>,
    /// The trees of each landing.
    history: BTreeMap<u64, Vec<Hash>>,
    sessions: BTreeMap<String, Vec<Hash>>,
    /// What notes have in blobs.
    notes: BTreeMap<String, Vec<Object>>,
    position: u64,
    /// Landings whose trees must stay.
    pub(crate) keep: Option<u64>,
    needed: Option<Arc<HashSet<Object>>>,
    /// The first thing that went wrong.
    pub(crate) wrong: Option<String>,
    pub(crate) landed: u64,
    pub(crate) pushed: u64,
    pub(crate) noted: u64,
    pub(crate) removed: u64,
    /// Objects that were written again after they had been removed.
    pub(crate) revived: u64,
    gone: HashSet<Object>,
}

fn object_of(key: &str) -> Option<Object> {
    let hash = Hash::from_hex(key.rsplit('/').next()?)?;
    match key {
        _ if key.contains("/blobs/") => Some((Kind::Blob, hash)),
        _ if key.contains("/trees/") => Some((Kind::Tree, hash)),
        _ => None,
    }
}

fn last_hash(key: &str) -> Hash {
    key.rsplit('/').next().and_then(Hash::from_hex).expect("a hash")
}

impl Oracle {
    /// A content that may be stored: a list.
    pub(crate) fn knows(&mut self, bytes: &[u8]) {
        self.contents.insert(Hash::of(bytes), bytes.to_vec());
    }

    pub(crate) fn created(&mut self, key: &str, value: &[u8]) {
        if let Some(object) = object_of(key) {
            if object.0 == Kind::Tree {
                // As it is, behind a codec and a length.
                assert_eq!(value[0], 0);
                self.contents.insert(object.1, value[5..].to_vec());
            }
            self.revived += u64::from(self.gone.remove(&object));
            self.loose.insert(object);
        } else if key.contains("/packs/") {
            self.packs.insert(last_hash(key));
        } else if key.contains("/indexes/") {
            let entries = value[56..value.len() - 32].chunks_exact(45).map(|e| {
                let kind = if e[0] == 1 { Kind::Blob } else { Kind::Tree };
                (kind, Hash::from_bytes(e[1..33].try_into().expect("32 bytes")))
            });
            self.indexes.insert(last_hash(key), entries.collect());
        } else if key.contains("/landings/") {
            self.records.insert(key.into(), serde_json::from_slice(value).expect("a record"));
        }
    }

    pub(crate) fn deleted(&mut self, key: &str) {
        let mut lost: Vec<Object> = object_of(key).into_iter().collect();
        self.removed += lost.iter().filter(|o| self.loose.remove(*o)).count() as u64;
        if key.contains("/packs/") {
            self.packs.remove(&last_hash(key));
            lost = self.indexes.get(&last_hash(key)).cloned().unwrap_or_default();
        } else if key.contains("/indexes/") {
            lost = self.indexes.remove(&last_hash(key)).unwrap_or_default();
        } else if key.contains("/landings/") {
            self.records.remove(key);
            self.chain(key);
        }
        for object in &lost {
            self.gone.insert(*object);
        }
        if !lost.is_empty() {
            let needed = self.needed();
            let bad = lost.iter().find(|o| needed.contains(*o) && !self.is_there(o)).copied();
            if let Some(bad) = bad {
                let by = self.needs(&bad);
                self.fails(format!("{bad:?} was removed, and is needed by {by} ({key})"));
            }
        }
    }

    pub(crate) fn moved(&mut self, name: &str, value: &[u8]) {
        let trees = if name.ends_with("/head") {
            let head: HeadDoc = serde_json::from_slice(value).expect("a head");
            let id = head.landing.as_ref().expect("a landing");
            let key = format!("landings/{:020}-{id}", head.position);
            let found = self.records.iter().find(|(k, _)| k.ends_with(&key)).map(|(_, r)| r);
            let Some(record) = found.cloned() else {
                return self.fails(format!("the head is at {key}, which is not there"));
            };
            if head.position != self.position + 1 {
                self.fails(format!("the head moved from {} to {}", self.position, head.position));
            }
            self.position = head.position;
            self.landed += 1;
            let trees = vec![record.new_tree, record.old_tree];
            assert_eq!(record.new_tree, head.tree);
            self.history.insert(head.position, trees.clone());
            trees
        } else if name.contains("/sessions/") {
            let s: SessionDoc = serde_json::from_slice(value).expect("a session");
            self.pushed += 1;
            let landed = s.landing.and_then(|l| l.tree);
            let trees: Vec<Hash> = [s.base.tree, s.tree].into_iter().chain(landed).collect();
            self.sessions.insert(name.into(), trees.clone());
            trees
        } else if name.contains("/notes/") {
            return self.note(name, value);
        } else {
            return;
        };
        self.needed = None;
        for tree in trees {
            let closure = self.closure(tree);
            if let Some(bad) = closure.iter().find(|o| !self.is_there(o)) {
                self.fails(format!("{name} moved to {tree}, of which {bad:?} is not there"));
            }
        }
    }

    /// Every version's content is needed; those of the model are one blob, or in the document.
    fn note(&mut self, name: &str, value: &[u8]) {
        let doc: serde_json::Value = serde_json::from_slice(value).expect("a note");
        let versions = doc["versions"].as_array().expect("versions").iter();
        let blobs = versions.filter(|v| v["content"].is_null() && v["removed"].is_null());
        let hash = |v: &serde_json::Value| v["sha256"].as_str()?.parse().ok();
        let blobs: Vec<Object> = blobs.map(|v| (Kind::Blob, hash(v).expect("a hash"))).collect();
        self.noted += 1;
        self.needed = None;
        if let Some(bad) = blobs.iter().find(|o| !self.is_there(o)) {
            self.fails(format!("{name} moved to what needs {bad:?}, which is not there"));
        }
        self.notes.insert(name.into(), blobs);
    }

    pub(crate) fn ref_deleted(&mut self, name: &str) {
        self.sessions.remove(name);
        self.needed = None;
    }

    fn chain(&mut self, key: &str) {
        // A record that the history needs: the next one names it, or the head does.
        let (position, id) = key.rsplit('/').next().and_then(|k| k.split_once('-')).expect("key");
        let position: u64 = position.parse().expect("a position");
        let trees = self.history.get(&position).cloned();
        let others = self.records.keys().any(|k| k.contains(&format!("/{position:020}-")));
        if trees.is_some() && !others {
            self.fails(format!("the record {id} of landing {position} was removed"));
        }
    }

    fn needs(&mut self, object: &Object) -> String {
        let landings = self.history.iter().map(|(p, t)| (format!("landing {p}"), t.clone()));
        let sessions = self.sessions.iter().map(|(n, t)| (n.clone(), t.clone()));
        let roots: Vec<(String, Vec<Hash>)> = landings.chain(sessions).collect();
        let mut by = Vec::new();
        for (name, trees) in roots {
            if trees.iter().any(|t| self.closure(*t).contains(object)) {
                by.push(name);
            }
        }
        let notes = self.notes.iter().filter(|(_, needs)| needs.contains(object));
        by.extend(notes.map(|(name, _)| name.clone()));
        by.join(", ")
    }

    fn fails(&mut self, why: String) {
        self.wrong.get_or_insert(why);
    }

    pub(crate) fn is_there(&self, object: &Object) -> bool {
        self.loose.contains(object)
            || self.indexes.iter().any(|(p, e)| self.packs.contains(p) && e.contains(object))
    }

    fn closure(&mut self, tree: Hash) -> Arc<Vec<Object>> {
        if let Some(known) = self.closures.get(&tree) {
            return known.clone();
        }
        // In order, so that a seed has one text of what went wrong.
        let mut out = BTreeSet::new();
        let mut waiting = vec![tree];
        while let Some(hash) = waiting.pop() {
            let Some(bytes) = self.contents.get(&hash) else {
                // The empty tree; or it was never stored, and that is found where it is looked for.
                if hash != Hash::of(b"BRTN\x01\x00\x00\x00\x00\x00") {
                    out.insert((Kind::Tree, hash));
                }
                continue;
            };
            out.insert((Kind::Tree, hash));
            match Node::decode(bytes, &hash).expect("a node").items {
                Items::Inner(v) => waiting.extend(v.iter().map(|c| c.hash)),
                Items::Leaf(v) => {
                    for (_, e) in v {
                        let Entry::File { content, .. } = e else { continue };
                        out.insert((Kind::Blob, content.root));
                        if content.depth > 0 {
                            let list = &self.contents[&content.root];
                            out.extend(list.chunks_exact(36).map(|e| {
                                let hash = e[4..].try_into().expect("32 bytes");
                                (Kind::Blob, Hash::from_bytes(hash))
                            }));
                        }
                    }
                }
            }
        }
        let out = Arc::new(out.into_iter().collect::<Vec<_>>());
        self.closures.insert(tree, out.clone());
        out
    }

    /// All that the refs reach.
    pub(crate) fn needed(&mut self) -> Arc<HashSet<Object>> {
        if self.needed.is_none() {
            let from = self.keep.map_or(0, |keep| (self.position + 1).saturating_sub(keep));
            let mut trees: Vec<Hash> =
                self.history.range(from..).flat_map(|(_, t)| t.clone()).collect();
            trees.extend(self.sessions.values().flatten());
            trees.sort();
            trees.dedup();
            let mut out: HashSet<Object> = self.notes.values().flatten().copied().collect();
            for tree in trees {
                out.extend(self.closure(tree).iter().copied());
            }
            self.needed = Some(Arc::new(out));
        }
        self.needed.clone().unwrap_or_default()
    }

    /// Trees that must be readable.
    pub(crate) fn trees(&self) -> Vec<Hash> {
        let from = self.keep.map_or(0, |keep| (self.position + 1).saturating_sub(keep));
        let mut trees: Vec<Hash> =
            self.history.range(from..).flat_map(|(_, t)| t.clone()).collect();
        trees.extend(self.sessions.values().flatten());
        trees
    }

    /// What lies there and is not needed.
    pub(crate) fn garbage(&mut self) -> Vec<String> {
        let needed = self.needed();
        let mut out: Vec<String> = Vec::new();
        out.extend(self.loose.iter().filter(|o| !needed.contains(*o)).map(|o| format!("{o:?}")));
        for (pack, holds) in &self.indexes {
            if !self.packs.contains(pack) || !holds.iter().any(|o| needed.contains(o)) {
                out.push(format!("index {pack}"));
            }
        }
        out.extend(
            self.packs
                .iter()
                .filter(|p| !self.indexes.contains_key(p))
                .map(|p| format!("pack {p}")),
        );
        // One that is above the head may yet win.
        let below = self.records.values().filter(|r| r.position <= self.position).count();
        if below > self.history.len() {
            out.push(format!("{below} records of {} landings", self.history.len()));
        }
        out
    }
}
