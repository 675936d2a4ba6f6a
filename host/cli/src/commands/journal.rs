//! `brio journal`

use std::path::{Path, PathBuf};
use std::time::Duration;

use brio_host::{Brio, JournalKind, JournalLine, JournalReader, ListFilter, SessionRow};
use serde_json::Value;

use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::{Failure, one_line};
use crate::interrupt::Interrupt;
use crate::json;
use crate::open;
use crate::time;
use crate::ui::Ui;

/// How often a journal that is followed is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Show what was to be achieved, said, decided and done in a base, oldest first.
///
/// The journal is kept for good, also of sessions that were rolled back. A landing shows how
/// many decisions are behind it: `brio journal --session ID --kind decision` has them.
#[derive(Debug, clap::Args)]
pub(crate) struct Journal {
    /// The base; the current directory when left out.
    dir: Option<PathBuf>,
    /// Only what concerns this session, open or ended; the beginning of its id is enough. It is
    /// found from anywhere, unless its base is gone.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Only lines of this kind: goal, conversation, decision, operation, audit. Can be given
    /// several times.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Vec<JournalKind>,
    /// Go on with what is appended, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    /// Print one `{schema, time, kind, what, session, goal, agent, task_id, landing, parent,
    /// detail, decisions: [{session, time, title}]}` a line. What `detail` has depends on `what`.
    #[arg(long)]
    json: bool,
}

/// A kind that this version knows: another word is a slip.
fn kind(word: &str) -> Result<JournalKind, String> {
    JournalKind::ALL.into_iter().find(|k| k.as_str() == word).ok_or_else(|| {
        let all: Vec<_> = JournalKind::ALL.iter().map(ToString::to_string).collect();
        format!("the kinds are {}", all.join(", "))
    })
}

impl Journal {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        // A signal ends it between two lines.
        let interrupt = self.follow.then(Interrupt::watch).transpose()?;
        let ended = || interrupt.as_ref().is_some_and(Interrupt::happened);
        let mut reader = self.reader(&brio)?;
        let mut shown = 0_u64;
        while !ended() {
            let lines = reader.more().map_err(|e| Failure::new("IO", e.to_string()))?;
            if lines.is_empty() {
                if !self.follow {
                    break;
                }
                std::thread::sleep(LOOK);
            }
            for line in lines.iter().filter(|l| self.wants(l)) {
                shown += 1;
                match self.json {
                    true => ui.json(&json::JournalLine::from(line))?,
                    false => ui.line(text(line))?,
                }
                if ended() {
                    break;
                }
            }
        }
        if shown == 0 && !self.json && !self.follow {
            ui.say("nothing in the journal is so");
        }
        Ok(Exit::Ok)
    }

    /// The journal of the base, or of the base that an open session of another one lies in.
    fn reader(&self, brio: &Brio) -> Result<JournalReader, Failure> {
        if let Some(id) = &self.session {
            open::named(id)?;
        }
        let (Some(id), None) = (&self.session, &self.dir) else {
            return Ok(brio.journal(&base_or_here(self.dir.clone()))?);
        };
        let here = || -> Result<Option<JournalReader>, Failure> {
            let mut look = brio.journal(Path::new("."))?;
            loop {
                let lines = look.more().map_err(|e| Failure::new("IO", e.to_string()))?;
                if lines.is_empty() {
                    return Ok(None);
                }
                if lines.iter().any(|l| concerns(l, id)) {
                    return Ok(Some(brio.journal(Path::new("."))?));
                }
            }
        };
        match here() {
            Ok(Some(reader)) => Ok(reader),
            Ok(None) | Err(_) => match brio.journal_with(id) {
                Err(e) if e.code() == "SESSION_ENDED" => ended(brio, id, e.into()),
                found => Ok(found?),
            },
        }
    }

    fn wants(&self, line: &JournalLine) -> bool {
        let kind = self.kind.is_empty() || self.kind.contains(&line.entry.kind());
        kind && self.session.as_ref().is_none_or(|id| concerns(line, id))
    }
}

/// The journal that an ended session is in, if the index still knows of what base it was.
fn ended(brio: &Brio, id: &str, failure: Failure) -> Result<JournalReader, Failure> {
    let rows = brio.sessions(&ListFilter { ended: true, base: None })?;
    let begins = |row: &&SessionRow| begins(&row.id, id);
    match rows.iter().find(begins).map(|row| brio.journal(&row.base)) {
        Some(Ok(reader)) => Ok(reader),
        _ => Err(failure.hint(format!("`brio journal BASE --session {id}` shows what it left"))),
    }
}

/// Whether a line is of the session whose id begins so.
fn concerns(line: &JournalLine, id: &str) -> bool {
    line.entry.session.as_ref().is_some_and(|s| begins(s.as_str(), id))
}

/// Whether a session's id begins so, with or without what all begin with.
fn begins(whole: &str, id: &str) -> bool {
    let id = id.strip_prefix("sess-").unwrap_or(id);
    whole.strip_prefix("sess-").is_some_and(|whole| whole.starts_with(id))
}

/// One line for a person.
fn text(line: &JournalLine) -> String {
    let e = &line.entry;
    let word = |key: &str| e.detail.as_ref().and_then(|d| d.get(key)).and_then(Value::as_str);
    let what = match e.what.as_str() {
        "said" => format!("{}: {}", word("author").unwrap_or("?"), word("text").unwrap_or("")),
        "decided" => {
            let mut what = word("title").unwrap_or("").to_owned();
            if let Some(why) = word("why").filter(|w| !w.is_empty()) {
                what.push_str(&format!(", because {why}"));
            }
            let rest = e.detail.as_ref().and_then(|d| d.get("alternatives")?.as_array());
            let rest: Vec<_> = rest.into_iter().flatten().filter_map(Value::as_str).collect();
            if !rest.is_empty() {
                what.push_str(&format!("; not: {}", rest.join(", ")));
            }
            what
        }
        "request" | "request-refused" => word("message").unwrap_or(&e.what).to_owned(),
        _ => happened(line, word("message")),
    };
    let session = e.session.as_ref().map_or("", |s| s.as_str().get(..13).unwrap_or(s.as_str()));
    let kind = e.kind();
    format!("{}  {kind:<12}  {session:<13}  {}", time::of(e.time), one_line(&what))
}

fn happened(line: &JournalLine, message: Option<&str>) -> String {
    let e = &line.entry;
    let mut what = match e.landing {
        Some(k) => format!("{} {k}", e.what),
        None => e.what.clone(),
    };
    if let Some(parent) = &e.parent {
        let how = if e.what == "begun" { "on" } else { "in" };
        what.push_str(&format!(" {how} {parent}"));
    }
    let words = [e.goal.as_deref(), message];
    let words: Vec<_> = words.into_iter().flatten().filter(|t| !t.is_empty()).collect();
    if !words.is_empty() {
        what.push_str(&format!(": {}", words.join(": ")));
    } else if let Some(detail) = e.detail.as_ref().filter(|_| e.what != "landed") {
        what.push_str(&format!(" {detail}"));
    }
    if let Some(agent) = &e.agent {
        what.push_str(&format!("  by {agent}"));
    }
    match line.decisions.len() {
        0 => {}
        1 => what.push_str("  (1 decision)"),
        n => what.push_str(&format!("  ({n} decisions)")),
    }
    what
}
