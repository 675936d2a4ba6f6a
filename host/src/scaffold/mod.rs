//! A project for an agent of one's own.

mod name;
mod rust;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::directory::beside::Beside;

pub use name::BadName;

/// What a project is made of: `LANGUAGE/PATH`, and `brio/PATH` for what comes from Brio.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/projects.rs"));

/// What a template is called in its own files.
const TEMPLATE: &str = "my-agent";

/// A language that an agent can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Language {
    /// Rust, by cargo.
    Rust,
    /// C, by make and clang.
    C,
    /// JavaScript, by npm and componentize-js.
    JavaScript,
    /// Python, by make and componentize-py.
    Python,
    /// Go, by make and its toolchain.
    Go,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rust, Self::C, Self::JavaScript, Self::Python, Self::Go];

    /// The name on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::JavaScript => "javascript",
            Self::Python => "python",
            Self::Go => "go",
        }
    }

    /// What of `brio/` its projects need.
    fn needs(self, path: &str) -> bool {
        path.starts_with("wit/") || (self == Self::Rust && path.starts_with("sdk/"))
    }

    /// What is done next in the project, a command of a shell each.
    fn commands(self, name: &str) -> Vec<String> {
        let wasm = format!("build/{name}.wasm");
        match self {
            Self::Rust => rust::commands(name),
            Self::JavaScript => {
                let mut all = vec!["npm install".to_owned()];
                all.extend(built("npm test", "npm run build", &wasm));
                all
            }
            Self::C | Self::Python | Self::Go => built("make test", "make", &wasm),
        }
    }
}

/// How a project is tested and built into `wasm`, and what is done with that.
fn built(test: &str, build: &str, wasm: &str) -> Vec<String> {
    vec![
        test.to_owned(),
        build.to_owned(),
        format!("brio agent check {wasm}"),
        format!("brio run {wasm} --base sample --task 'My files'"),
    ]
}

/// A project that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentProject {
    /// Where it is.
    pub dir: PathBuf,
    /// What it is called.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// Its files, by their paths in it, sorted.
    pub files: Vec<String>,
    /// What is done next, in its directory: commands of a shell that build, test, check and run.
    pub commands: Vec<String>,
}

/// A project could not be written. Nothing of it is there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// It cannot be called that.
    #[error("PROJECT_NAME: {0}")]
    Name(#[from] BadName),
    /// Something is there.
    #[error("PROJECT_EXISTS: {} is there already; name a directory that is not, or move that one away", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("PROJECT_IO: {} cannot be written ({source}); name a directory whose parent is there and can be written", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ProjectError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name(_) => "PROJECT_NAME",
            Self::Exists { .. } => "PROJECT_EXISTS",
            Self::Io { .. } => "PROJECT_IO",
        }
    }
}

impl AgentProject {
    /// Writes a project into `dir`, which must not be there; its last component is the name. It
    /// builds with the language's own tool and holds all that it needs of Brio.
    ///
    /// The directory appears as a whole, also under `kill -9`, though not synced; what a killed
    /// one left beside it is removed by the next one of that name.
    ///
    /// ```
    /// use brio_host::{AgentProject, Language};
    /// # let dir = tempfile::tempdir()?;
    /// let project = AgentProject::write(&dir.path().join("tidy-up"), Language::Rust)?;
    /// assert_eq!(project.name, "tidy-up");
    /// assert!(project.dir.join("Cargo.toml").exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ProjectError`]; there is nothing of it then.
    pub fn write(dir: &Path, language: Language) -> Result<Self, ProjectError> {
        let name = name::of(dir)?;
        let fail = |source| ProjectError::Io { path: dir.to_owned(), source };
        if fs::symlink_metadata(dir).is_ok() {
            return Err(ProjectError::Exists { path: dir.to_owned() });
        }
        let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let at = fs::canonicalize(parent).map_err(fail)?.join(&name);
        let work = Beside::make(&at).map_err(fail)?;
        // In the private directory, one with the mode that it is to have.
        let project = work.dir().join("project");
        fs::create_dir(&project).map_err(fail)?;
        let mut files = Vec::new();
        for (path, content) in contents(language, &name) {
            let to = project.join(&path);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(fail)?;
            }
            fs::write(&to, content).map_err(fail)?;
            files.push(path);
        }
        files.sort();
        work.publish(&project).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => ProjectError::Exists { path: at.clone() },
            _ => fail(source),
        })?;
        let commands = language.commands(&name);
        Ok(Self { dir: at, name, language, files, commands })
    }
}

/// The files of a project, by their paths in it.
fn contents(language: Language, name: &str) -> impl Iterator<Item = (String, Vec<u8>)> {
    FILES.iter().filter_map(move |(path, content)| {
        let (part, rest) = path.split_once('/')?;
        if part == "brio" {
            return language.needs(rest).then(|| ((*path).to_owned(), content.to_vec()));
        }
        (part == language.as_str()).then(|| (rest.to_owned(), named(rest, content, name)))
    })
}

/// A file of a template with the project's name in it.
fn named(path: &str, content: &[u8], name: &str) -> Vec<u8> {
    // These have sizes in them.
    let Some(text) = std::str::from_utf8(content)
        .ok()
        .filter(|_| !path.ends_with(".o") && !path.ends_with(".section"))
    else {
        return content.to_vec();
    };
    let text = text.replace(TEMPLATE, name).replace(&snake(TEMPLATE), &snake(name));
    let text = text.replace(&pascal(TEMPLATE), &pascal(name));
    match path {
        "Cargo.lock" => rust::sorted_lock(&text),
        _ => text,
    }
    .into_bytes()
}

/// `tidy-up` as `tidy_up`.
fn snake(name: &str) -> String {
    name.replace('-', "_")
}

/// `tidy-up` as `TidyUp`.
fn pascal(name: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    };
    name.split('-').map(capital).collect()
}
