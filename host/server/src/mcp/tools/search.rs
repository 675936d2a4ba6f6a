//! Searching the files of a session.

use std::time::{Duration, Instant};

use brio_host::{FileToolError, FileTools, Kind};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::overrides::{Override, OverrideBuilder};
use regex::bytes::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Does, ToolDef, tool};
use crate::mcp::desk::{Caller, Desk};
use crate::mcp::failure::Failure;

/// Lines that are returned, when nobody says how many and at most.
const MATCHES: u32 = 100;
const MOST_MATCHES: u32 = 1000;
/// Files and directories that are looked at.
const MOST_ENTRIES: u64 = 200_000;
/// Directories below each other.
const DEEPEST: usize = 256;
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of a line that are shown.
const LONGEST_LINE: usize = 500;
/// Bytes that a compiled expression may take.
const LARGEST_PATTERN: usize = 1 << 20;

pub(super) fn tools() -> Vec<ToolDef> {
    vec![tool(
        ("search", "Search files"),
        "Searches the text files of a session for a text or a regular expression, line by line, \
         and returns the lines where it occurs. What .gitignore names, .git, binary files, files \
         over 4 MiB and what links lead to are left out.",
        Does::Reads,
        search,
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// The session; a unique beginning of its id is enough.
    session: String,
    /// What to look for.
    pattern: String,
    /// `pattern` is a regular expression (RE2 syntax, no look-around), not a text.
    #[serde(default)]
    regex: bool,
    /// Whatever the case of letters.
    #[serde(default)]
    ignore_case: bool,
    /// The directory or file to search, relative to the session; all of it when left out.
    path: Option<String>,
    /// Only files that fit this glob, as .gitignore has them: `*.rs`, `src/**/*.ts`; with a `!`
    /// before it, only those that do not.
    glob: Option<String>,
    /// Search what .gitignore names too.
    #[serde(default)]
    ignored: bool,
    /// At most so many lines; 100 when left out.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct Found {
    session: String,
    matches: Vec<Line>,
    /// Why there may be more: `limit`, `entries` (too many files), `time`; null: this is all.
    truncated: Option<&'static str>,
    /// How many files were searched.
    files: u64,
    /// How many were left out: binary, too large, unreadable, or of a name that is not UTF-8.
    skipped: u64,
}

#[derive(Serialize, JsonSchema)]
struct Line {
    path: String,
    /// From 1.
    line: u64,
    /// Without its end; at most 500 bytes of it, around the match.
    text: String,
}

fn search(desk: &Desk, caller: &Caller, asked: Search) -> Result<Found, Failure> {
    let session = desk.session(&asked.session)?;
    let usage = |what: String| Failure::new("USAGE", what);
    if asked.pattern.is_empty() {
        return Err(usage("pattern is empty".into()).hint("list_directory lists files"));
    }
    let pattern = if asked.regex { asked.pattern } else { regex::escape(&asked.pattern) };
    let pattern = RegexBuilder::new(&pattern)
        .case_insensitive(asked.ignore_case)
        .size_limit(LARGEST_PATTERN)
        .build()
        .map_err(|e| usage(format!("pattern: {e}")).hint("without `regex` it is a plain text"))?;
    let mut globs = OverrideBuilder::new("");
    if let Some(glob) = &asked.glob {
        globs.add(glob).map_err(|e| usage(format!("glob: {e}")))?;
    }
    let globs = globs.build().map_err(|e| usage(format!("glob: {e}")))?;
    let limit = asked.limit.unwrap_or(MATCHES);
    if limit == 0 || limit > MOST_MATCHES {
        return Err(usage(format!("limit is 1 to {MOST_MATCHES}")));
    }
    let mut walk = Walk {
        files: desk.files(&session)?,
        pattern,
        globs,
        ignored: asked.ignored,
        limit: limit as usize,
        until: Instant::now() + PATIENCE,
        caller,
        seen: 0,
        found: Found {
            session: session.id().to_string(),
            matches: Vec::new(),
            truncated: None,
            files: 0,
            skipped: 0,
        },
    };
    let path = asked.path.unwrap_or_else(|| ".".into());
    match walk.files.list(&path) {
        Ok(_) => walk.directory(path.trim_end_matches('/'), &mut Vec::new())?,
        Err(FileToolError::NotDirectory(_)) => walk.file(&path)?,
        Err(e) => return Err(e.into()),
    }
    Ok(walk.found)
}

struct Walk<'a> {
    files: FileTools,
    pattern: Regex,
    globs: Override,
    ignored: bool,
    limit: usize,
    until: Instant,
    caller: &'a Caller,
    seen: u64,
    found: Found,
}

impl Walk<'_> {
    /// Whether it is over.
    fn over(&mut self) -> bool {
        let why = match () {
            () if self.found.matches.len() >= self.limit => "limit",
            () if self.seen >= MOST_ENTRIES => "entries",
            () if Instant::now() >= self.until || self.caller.stop.is_stopped() => "time",
            () => return false,
        };
        self.found.truncated = Some(why);
        true
    }

    fn directory(&mut self, path: &str, ignores: &mut Vec<Gitignore>) -> Result<(), Failure> {
        let entries = match self.files.list(path) {
            Ok(entries) => entries,
            // It went meanwhile, or cannot be read; the root was there.
            Err(_) => {
                self.found.skipped += 1;
                return Ok(());
            }
        };
        let below = |name: &str| match path {
            "." | "" => name.to_owned(),
            path => format!("{path}/{name}"),
        };
        let has_ignores = entries.iter().any(|e| e.name == ".gitignore" && e.kind == Kind::File);
        let own = (has_ignores && !self.ignored).then(|| self.ignores(path, &below(".gitignore")));
        let depth = ignores.len();
        ignores.extend(own.flatten());
        for entry in entries {
            if self.over() {
                break;
            }
            self.seen += 1;
            let at = below(&entry.name);
            let is_dir = entry.kind == Kind::Dir;
            if entry.name == ".git" || ignored(ignores, &at, is_dir) {
                continue;
            }
            if entry.name.contains('\u{fffd}') {
                self.found.skipped += 1;
                continue;
            }
            match entry.kind {
                Kind::Dir if at.matches('/').count() >= DEEPEST => self.found.skipped += 1,
                Kind::Dir => self.directory(&at, ignores)?,
                Kind::File if !self.globs.matched(&at, false).is_ignore() => self.file(&at)?,
                _ => {}
            }
        }
        ignores.truncate(depth);
        Ok(())
    }

    /// What a .gitignore says of what lies beside it.
    fn ignores(&self, dir: &str, path: &str) -> Option<Gitignore> {
        let text = String::from_utf8(self.files.read(path).ok()?).ok()?;
        let mut builder = GitignoreBuilder::new(if dir == "." { "" } else { dir });
        for line in text.lines() {
            // A line that makes no sense ignores nothing, as git has it.
            let _ = builder.add_line(None, line);
        }
        builder.build().ok()
    }

    fn file(&mut self, path: &str) -> Result<(), Failure> {
        let content = match self.files.read(path) {
            // As git does it: a NUL in the first 8000 bytes is no text.
            Ok(content) if !content[..content.len().min(8000)].contains(&0) => content,
            _ => {
                self.found.skipped += 1;
                return Ok(());
            }
        };
        self.found.files += 1;
        for (number, line) in (1..).zip(content.split(|b| *b == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(found) = self.pattern.find(line) else { continue };
            if self.found.matches.len() >= self.limit {
                self.found.truncated = Some("limit");
                return Ok(());
            }
            let text = String::from_utf8_lossy(excerpt(line, found.start())).into_owned();
            self.found.matches.push(Line { path: path.to_owned(), line: number, text });
        }
        Ok(())
    }
}

/// The innermost .gitignore that says something decides.
fn ignored(ignores: &[Gitignore], path: &str, is_dir: bool) -> bool {
    for ignore in ignores.iter().rev() {
        match ignore.matched(path, is_dir) {
            Match::Ignore(_) => return true,
            Match::Whitelist(_) => return false,
            Match::None => {}
        }
    }
    false
}

/// A long line is cut around what was found in it.
fn excerpt(line: &[u8], at: usize) -> &[u8] {
    if line.len() <= LONGEST_LINE {
        return line;
    }
    let from = at.saturating_sub(LONGEST_LINE / 4).min(line.len() - LONGEST_LINE);
    &line[from..from + LONGEST_LINE]
}
