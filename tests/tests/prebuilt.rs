//! The prebuilt components are those of the sources beside them: `example-agents/README.md` has
//! the recipe of the hash, `example-agents/build.sh` makes both anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use brio_tests::root;
use sha2::{Digest, Sha256};

fn collect(root: &Path, dir: &str, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(root.join(dir)).unwrap_or_else(|e| panic!("{dir}: {e}")) {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let path = format!("{dir}/{name}");
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type().expect("its kind").is_dir() {
            if name != "target" {
                collect(root, &path, into);
            }
        } else {
            into.insert(path, fs::read(entry.path()).expect("a source"));
        }
    }
}

fn source_hash(root: &Path, agent: &str) -> String {
    let mut files = BTreeMap::new();
    for path in ["example-agents/Cargo.toml", "example-agents/Cargo.lock"] {
        files.insert(path.to_owned(), fs::read(root.join(path)).expect(path));
    }
    for dir in [&format!("example-agents/{agent}"), "guest-sdk", "wit"] {
        collect(root, dir, &mut files);
    }
    let mut hash = Sha256::new();
    for field in files.iter().flat_map(|(path, content)| [path.as_bytes(), content]) {
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn every_prebuilt_component_has_the_hash_of_its_sources() {
    let root = root();
    let listed =
        fs::read_to_string(root.join("example-agents/prebuilt/SOURCES.sha256")).expect("the list");
    let mut stale = Vec::new();
    for line in listed.lines() {
        let (hash, file) = line.split_once("  ").expect("HASH  FILE");
        let name = file.trim_end_matches(".wasm");
        let agent = match name.strip_prefix("test/") {
            Some(guest) => format!("test-guests/{guest}"),
            None => name.to_owned(),
        };
        let wasm = fs::read(root.join("example-agents/prebuilt").join(file)).expect(file);
        assert_eq!(&wasm[..4], b"\0asm", "{file}");
        if source_hash(&root, &agent) != hash {
            stale.push(file);
        }
    }
    assert!(
        stale.is_empty(),
        "{stale:?} are older than their sources: run example-agents/build.sh"
    );
    let there = ["example-agents", "example-agents/test-guests"].map(|dir| {
        let entries = fs::read_dir(root.join(dir)).expect(dir);
        entries.filter(|e| e.as_ref().is_ok_and(|e| e.path().join("Cargo.toml").exists())).count()
    });
    assert_eq!(listed.lines().count(), there.iter().sum::<usize>(), "a component is not listed");
}
