//! `brio blame`

use std::path::PathBuf;

use brio_host::{BlameLine, Origin};

use crate::config::Places;
use crate::exit::Exit;
use crate::failure::{Failure, one_line};
use crate::json::{self, SCHEMA};
use crate::open;
use crate::time;
use crate::ui::Ui;

/// Show which landing each line of a file came with.
///
/// Before each line stands its landing with the goal; or `outside`, where it came from no
/// landing (an editor, a `git pull`); or `before` a landing, where nothing older is kept.
/// Landings that were undone are looked through, and so is a move of the file.
#[derive(Debug, clap::Args)]
pub(crate) struct Blame {
    /// A text file in a base.
    path: PathBuf,
    /// Print `{schema, path, lines: [{line, text, origin, landing, time, session, goal}]}`.
    #[arg(long)]
    json: bool,
}

impl Blame {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        let blame = brio.blame(&self.path)?;
        if self.json {
            let lines = blame.lines.iter().zip(1..).map(|(l, n)| json(l, n)).collect();
            ui.json(&json::Blame { schema: SCHEMA, path: blame.path.to_string(), lines })?;
            return Ok(Exit::Ok);
        }
        let origins: Vec<String> = blame.lines.iter().map(|l| word(&l.origin)).collect();
        let width = origins.iter().map(|o| o.chars().count()).max().unwrap_or(0);
        let digits = blame.lines.len().to_string().len();
        let mut out = Vec::new();
        for ((line, origin), n) in blame.lines.iter().zip(&origins).zip(1..) {
            out.extend_from_slice(format!("{origin:<width$}  {n:>digits$}  ").as_bytes());
            out.extend_from_slice(&line.text);
            if !line.text.ends_with(b"\n") {
                out.push(b'\n');
            }
        }
        ui.foreign(out)?;
        Ok(Exit::Ok)
    }
}

/// As much of a goal as leaves room for the line.
const MOST: usize = 32;

fn word(origin: &Origin) -> String {
    match origin {
        Origin::Landing { landing, goal, session, .. } => {
            let session = session.as_ref().map_or("import", |s| s.as_str());
            let goal = one_line(goal.as_deref().unwrap_or(session));
            let short: String = match goal.char_indices().nth(MOST) {
                Some((at, _)) => format!("{}…", &goal[..at]),
                None => goal,
            };
            format!("{landing} {short}")
        }
        Origin::Outside { .. } => "outside".to_owned(),
        Origin::Before { landing } => format!("before {landing}"),
    }
}

fn json(l: &BlameLine, line: usize) -> json::BlameLine {
    let text = String::from_utf8_lossy(&l.text).trim_end_matches('\n').to_owned();
    let of = |origin, landing| json::BlameLine {
        line,
        text: text.clone(),
        origin,
        landing,
        time: None,
        session: None,
        goal: None,
    };
    match &l.origin {
        Origin::Landing { landing, time, session, goal } => json::BlameLine {
            time: Some(time::of(*time)),
            session: session.as_ref().map(ToString::to_string),
            goal: goal.clone(),
            ..of("landing", *landing)
        },
        Origin::Outside { after } => of("outside", *after),
        Origin::Before { landing } => of("before", *landing),
    }
}
