//! What the documents lead to is there.

use std::path::{Path, PathBuf};

/// Where a document's links lead to that are no addresses, without what follows `#`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("](").filter_map(|(at, open)| {
        let rest = &text[at + open.len()..];
        let to = &rest[..rest.find(')')?];
        let to = to.split('#').next().unwrap_or_default();
        (!to.is_empty() && !to.contains("://") && !to.contains(char::is_whitespace)).then_some(to)
    })
}

fn documents(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let entry = entry.expect("an entry");
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() && name != "target" && !name.as_encoded_bytes().starts_with(b".") {
            documents(&path, found);
        } else if kind.is_file() && path.extension().is_some_and(|e| e == "md") {
            found.push(path);
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut all = Vec::new();
    documents(&brio_tests::root(), &mut all);
    assert!(all.len() > 8, "{all:?}");
    let mut checked = 0;
    for path in all {
        let text = std::fs::read_to_string(&path).expect("a text");
        for link in links(&text) {
            let to = path.parent().expect("a directory").join(link);
            assert!(to.exists(), "{}: {link} is not there", path.display());
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked}");
}

// B-123: from the README to the overview, the interfaces and the writing of agents.
#[test]
fn the_readme_leads_to_the_documents() {
    let text = std::fs::read_to_string(brio_tests::root().join("README.md")).expect("a text");
    for link in [
        "[Architecture overview](ARCHITECTURE.md)",
        "[WIT interfaces](wit/README.md)",
        "[Creating agents](CREATING-AGENTS.md)",
    ] {
        assert!(text.contains(link), "{link}");
    }
}

// F-083: mount and bind operations are sections of the documents, each with every command.
#[test]
fn mounts_and_binds_are_described() {
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = std::fs::read_to_string(brio_tests::root().join(document)).expect("a text");
        let section = text.split("# Binds and mounts\n").nth(1).expect("a section");
        let section = section.split("\n#").next().expect("an end");
        let words: &[&str] = match document {
            "README.md" => {
                &["session bind", "session mount", "session unbind", "unmount", "--rw", "landing:"]
            }
            _ => &["*bind*", "*mount*", "Direct", "FUSE", "SNAPSHOT_GONE"],
        };
        for word in words {
            assert!(section.contains(word), "{document}: {word}");
        }
    }
}

#[test]
fn the_readme_embeds_as_the_example_does() {
    let read = |path: &str| std::fs::read_to_string(brio_tests::root().join(path)).expect("a text");
    let (readme, example) = (read("README.md"), read("host/examples/embed.rs"));
    let (_, section) = readme.split_once("\n## Embed\n").expect("a section");
    let block = section.split("```").nth(1).expect("a block").trim_start_matches("rust\n");
    let lines = |text: &str| text.lines().map(|l| l.trim().to_owned()).collect::<Vec<_>>();
    let (block, example) = (lines(block), lines(&example));
    for line in block.iter().filter(|line| !line.is_empty()) {
        assert!(example.contains(line), "the example does not say `{line}`");
    }
    assert!(block.len() > 10 && example.len() < 40, "{} {}", block.len(), example.len());
}

// M-095
#[test]
fn the_stores_sources_are_named() {
    let architecture =
        std::fs::read_to_string(brio_tests::root().join("ARCHITECTURE.md")).expect("there");
    let format =
        std::fs::read_to_string(brio_tests::root().join("host/store/FORMAT.md")).expect("there");
    for source in ["Venti", "Copy-on-write", "prolly trees of Noms", "FastCDC (Xia et al."] {
        assert!(architecture.contains(source), "ARCHITECTURE.md does not name {source}");
    }
    for source in ["FastCDC (Xia et al", "prolly tree", "RFC 8878"] {
        assert!(format.contains(source), "host/store/FORMAT.md does not name {source}");
    }
}
