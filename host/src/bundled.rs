//! The agents that come with Brio.

/// An agent that is part of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bundled {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// The component.
    pub wasm: &'static [u8],
}

static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// Every bundled agent, by name.
pub fn bundled() -> impl Iterator<Item = Bundled> {
    FILES.iter().map(|(name, wasm)| Bundled { name, about: about(name), wasm })
}

/// The bundled agent of that name.
pub fn bundled_agent(name: &str) -> Option<Bundled> {
    bundled().find(|b| b.name == name)
}

fn about(name: &str) -> &'static str {
    match name {
        "hello" => "writes a greeting; the smallest agent there is",
        "apply-patch" => "applies the unified diff that is its task",
        "replace" => "replaces text, literally or by a regular expression, in matching files",
        "license-header" => "puts a licence header on top of source files that lack it",
        "check-secrets" => "a reviewer: rejects what looks like a key or a password",
        "llm-coder" => {
            "has a language model read and edit files; needs --allow-host and a --secret"
        }
        "todo-report" => "collects TODO and FIXME comments into a report",
        _ => "",
    }
}
