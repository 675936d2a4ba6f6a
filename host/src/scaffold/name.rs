//! What a project may be called: a name that is one in every language, registry and shell.

use std::path::Path;

/// A project cannot be called that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` {why}; name it with lower-case words, such as `tidy-up`")]
pub struct BadName {
    /// The name.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Bytes of the longest name.
const LONGEST: usize = 64;

/// Words of the languages, and crates that a project is built with.
const TAKEN: &str = " abstract alloc and as async await become box brio brio-agent build class \
    const continue core crate def deps do dyn else enum examples export extern false final fn for \
    from func go if impl import in incremental index int interface is let loop macro main match \
    mod move node-modules null override package priv proc-macro project pub ref return \
    sample sdk self static std struct super switch target test tests this trait true try type \
    typeof union unsafe unsized use var virtual void where while wit with yield ";

/// The name of the project in `dir`.
pub(super) fn of(dir: &Path) -> Result<String, BadName> {
    let name = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned();
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let why = if name.is_empty() {
        "is no name"
    } else if name.len() > LONGEST {
        "is too long"
    } else if !name.split('-').all(word) {
        "is not of lower-case letters, digits and single dashes"
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        "does not begin with a letter"
    } else if TAKEN.contains(&format!(" {name} ")) || super::rust::is_dependency(&name) {
        "means something else to a tool that builds it"
    } else {
        return Ok(name);
    };
    Err(BadName { name, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_with_dashes() {
        for good in ["a", "tidy-up", "work/tidy-up", "a1-2b", "/x/tidy", "my-agents"] {
            assert!(of(Path::new(good)).is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for bad in [
            "",
            ".",
            "..",
            "/",
            "Tidy",
            "tidy_up",
            "-a",
            "a-",
            "a--b",
            "1a",
            "ü",
            "a b",
            "fn",
            "import",
            "std",
            "brio-agent",
            "wit-bindgen",
            "a.b",
            "x/..",
            "a\n",
            &long,
        ] {
            assert!(of(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
