//! What the golden vectors and the oracle are given: entries as JSON, and inputs by the rules of
//! `oracle/generate.py`, written again.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use brio_store::tree::{Built, Entry, Key, Node, Nodes, Tree};
use brio_store::{Content, Error, Hash, Result};
use serde_json::{Value, json};

pub(crate) type Entries = BTreeMap<Key, Entry>;

/// xorshift64*.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// A seed of its own for each run, printed so that a failure can be repeated.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("BRIO_SEED").ok().and_then(|s| s.parse().ok());
    let seed = given.unwrap_or_else(|| getrandom::u64().unwrap()) | 1;
    println!("BRIO_SEED={seed}");
    seed
}

pub(crate) fn content(seed: u64, size: usize) -> Vec<u8> {
    let mut random = Random(seed);
    let mut out = Vec::with_capacity(size + 8);
    while out.len() < size {
        out.extend_from_slice(&random.next().to_le_bytes());
    }
    out.truncate(size);
    out
}

pub(crate) fn listed(seed: u64, chunks: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut out = Vec::new();
    for i in 0..chunks {
        let length = 131_072 + (random.next() % 1_966_081) as u32;
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(Hash::of(&i.to_le_bytes()).as_bytes());
    }
    out
}

pub(crate) fn file(mode: u16, size: u64, hash: Hash) -> Entry {
    Entry::File { mode, content: Content { size, hash, depth: 0, root: hash } }
}

fn put(into: &mut Entries, path: &[u8], entry: Entry) {
    assert!(into.insert(Key::new(path).unwrap(), entry).is_none());
}

/// The entries of a rule.
pub(crate) fn generated(rule: &str, seed: u64, count: u64) -> Entries {
    match rule {
        "entries" => entries(seed, count),
        "long_names" => long_names(seed, count),
        "flat" => flat(seed, count),
        _ => panic!("no rule {rule}"),
    }
}

fn entries(seed: u64, count: u64) -> Entries {
    let (mut random, mut made) = (Random(seed), Entries::new());
    let mut directories = vec![String::new()];
    for i in 0..count {
        let r = random.next();
        let above = &directories[(r % directories.len() as u64) as usize];
        let slash = if above.is_empty() { "" } else { "/" };
        let path = format!("{above}{slash}{:04x}-{i:x}", r >> 16 & 0xffff);
        let c = (r >> 32) % 16;
        let entry = if c < 2 && path.matches('/').count() < 7 {
            directories.push(path.clone());
            Entry::Dir { mode: 0o755 }
        } else if c == 2 {
            Entry::Link { target: format!("../{i}").into_bytes() }
        } else {
            let s = random.next();
            let mode = [0o644, 0o755, 0o600, 0o4755][((r >> 40) % 4) as usize];
            let hash = Hash::of(&i.to_le_bytes());
            if c == 3 {
                let root = Hash::of(&[b"root", i.to_le_bytes().as_slice()].concat());
                let size = 1_048_577 + (s >> 34);
                Entry::File { mode, content: Content { size, hash, depth: 1, root } }
            } else {
                file(mode, s >> 44, hash)
            }
        };
        put(&mut made, path.as_bytes(), entry);
    }
    made
}

fn long_names(seed: u64, count: u64) -> Entries {
    let (mut random, mut made, mut path) = (Random(seed), Entries::new(), String::new());
    for letter in 'a'..='o' {
        let slash = if path.is_empty() { "" } else { "/" };
        path = format!("{path}{slash}{}", letter.to_string().repeat(255));
        put(&mut made, path.as_bytes(), Entry::Dir { mode: 0o755 });
    }
    for _ in 0..count {
        let name = format!("{:016x}{}", random.next(), "x".repeat(239));
        let target = vec![b't'; 4095];
        put(&mut made, format!("{path}/{name}").as_bytes(), Entry::Link { target });
    }
    made
}

fn flat(seed: u64, count: u64) -> Entries {
    let (mut random, mut made) = (Random(seed), Entries::new());
    for _ in 0..count {
        let r = random.next();
        let name = format!("{r:016x}{}", "y".repeat((r % 240) as usize));
        put(&mut made, name.as_bytes(), file(0o644, 0, Hash::of(b"")));
    }
    made
}

pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap()).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn show(into: &mut Value, field: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => into[field] = json!(text),
        Err(_) => into[format!("{field}_hex")] = json!(hex(bytes)),
    }
}

fn read(of: &Value, field: &str) -> Vec<u8> {
    match of[format!("{field}_hex")].as_str() {
        Some(digits) => unhex(digits),
        None => of[field].as_str().unwrap().as_bytes().to_vec(),
    }
}

/// An entry as the oracle reads and writes it.
pub(crate) fn to_json(key: &Key, entry: &Entry) -> Value {
    let mut v = json!({ "mode": entry.mode() });
    show(&mut v, "path", &key.path());
    match entry {
        Entry::Dir { .. } => v["kind"] = json!("directory"),
        Entry::Link { target } => {
            v["kind"] = json!("link");
            show(&mut v, "target", target);
        }
        Entry::File { content, .. } => {
            v["kind"] = json!("file");
            v["size"] = json!(content.size);
            v["sha256"] = json!(content.hash.hex());
            if content.depth > 0 {
                v["depth"] = json!(content.depth);
                v["root"] = json!(content.root.hex());
            }
        }
    }
    v
}

pub(crate) fn all_to_json(entries: &Entries) -> Value {
    entries.iter().map(|(k, e)| to_json(k, e)).collect()
}

pub(crate) fn hash(v: &Value) -> Hash {
    Hash::from_hex(v.as_str().unwrap()).unwrap()
}

pub(crate) fn from_json(v: &Value) -> (Key, Entry) {
    let mode = u16::try_from(v["mode"].as_u64().unwrap()).unwrap();
    let entry = match v["kind"].as_str().unwrap() {
        "directory" => Entry::Dir { mode },
        "link" => Entry::Link { target: read(v, "target") },
        _ => {
            let depth = v["depth"].as_u64().unwrap_or(0) as u8;
            let of = hash(&v["sha256"]);
            let root = if depth > 0 { hash(&v["root"]) } else { of };
            let size = v["size"].as_u64().unwrap();
            Entry::File { mode, content: Content { size, hash: of, depth, root } }
        }
    };
    (Key::new(&read(v, "path")).unwrap(), entry)
}

/// Nodes in memory, checked by nothing but their hash.
#[derive(Default)]
pub(crate) struct Held(pub(crate) Mutex<HashMap<Hash, Vec<u8>>>);

#[async_trait]
impl Nodes for Held {
    async fn node(&self, hash: &Hash) -> Result<Arc<Node>> {
        let bytes = self.0.lock().unwrap().get(hash).cloned();
        let bytes = bytes.ok_or_else(|| Error::Missing { what: hash.to_string() })?;
        Ok(Arc::new(Node::decode(&bytes, hash)?))
    }
}

pub(crate) fn opened(built: &Built) -> Tree {
    let held = Held(Mutex::new(built.nodes.iter().cloned().collect()));
    Tree::new(Arc::new(held), built.root)
}

pub(crate) async fn all(tree: &Tree) -> Result<Entries> {
    let mut found = Entries::new();
    tree.each(|k, e| drop(found.insert(k.clone(), e.clone()))).await?;
    Ok(found)
}

/// A test that cannot run here says so, and is counted.
pub(crate) fn skip(name: &str, why: &str) {
    eprintln!("SKIPPED: {name}: {why}");
    if let Some(list) = std::env::var_os("BRIO_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(list);
        let _ = file.and_then(|mut f| writeln!(f, "{name}: {why}"));
    }
}
