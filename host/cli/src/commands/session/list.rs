//! `brio session list`

use brio_host::{ListFilter, Listed};

use crate::config::Places;
use crate::exit::Exit;
use crate::failure::{Failure, one_line};
use crate::json::{ListedSession, SCHEMA, SessionList, run_word};
use crate::open;
use crate::terminal::printable;
use crate::ui::Ui;
use crate::units::show_size;

/// List the open sessions of every base.
///
/// On a terminal a table, by base; otherwise a line for each with its whole id.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Also those that have ended.
    #[arg(long)]
    all: bool,
    /// Print `{schema, sessions: [{id, state, base, goal, agent, task_id, parent, created_at,
    /// run, holder, used_at, changes, bytes}]}`.
    #[arg(long)]
    json: bool,
}

impl List {
    /// Of those that are open.
    pub(crate) fn of(json: bool) -> Self {
        Self { all: false, json }
    }

    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        brio.look_at(std::path::Path::new("."));
        let filter = ListFilter { ended: self.all, base: None };
        if self.json {
            let listed = brio.list(&filter)?;
            let sessions = listed.iter().map(ListedSession::from).collect();
            ui.json(&SessionList { schema: SCHEMA, sessions })?;
            return Ok(Exit::Ok);
        }
        if ui.terminal {
            let listed = brio.list(&filter)?;
            let now = brio.now().secs;
            for line in table(&listed, now, crate::terminal::width()) {
                ui.line(line)?;
            }
            if listed.is_empty() {
                ui.say("no sessions");
            }
            return Ok(Exit::Ok);
        }
        let rows = brio.sessions(&filter)?;
        if rows.is_empty() {
            ui.say("no sessions");
        }
        for row in rows {
            let goal = one_line(row.goal.as_deref().or(row.agent.as_deref()).unwrap_or(""));
            let line = format!("{}  {:<11}  {}  {goal}", row.id, row.state, row.base.display());
            ui.line(line.trim_end())?;
        }
        Ok(Exit::Ok)
    }
}

/// By base, in the order in which each base's oldest session began.
fn table(listed: &[Listed], now: i64, width: usize) -> Vec<String> {
    let short = short_ids(listed);
    let mut bases: Vec<&std::path::Path> = Vec::new();
    for one in listed {
        if !bases.contains(&one.row.base.as_path()) {
            bases.push(&one.row.base);
        }
    }
    let mut lines = Vec::new();
    if !listed.is_empty() {
        let id = short.iter().map(String::len).max().unwrap_or(0);
        let head = line(["ID", "STATE", "RUN", "AGE", "CHANGES", "SIZE", "AGENT: GOAL"], id);
        lines.push(cut(&head, width));
        for base in bases {
            lines.push(cut(&base.display().to_string(), width));
            let of_base = listed.iter().zip(&short).filter(|(one, _)| one.row.base == base);
            lines.extend(of_base.map(|(one, short)| cut(&session(one, short, id, now), width)));
        }
    }
    lines
}

fn session(one: &Listed, short: &str, id: usize, now: i64) -> String {
    let row = &one.row;
    let unknown = || "-".to_owned();
    let run = match run_word(one.lease) {
        "free" => "-",
        word => word,
    };
    let goal = match (&row.agent, &row.goal) {
        (Some(agent), Some(goal)) => format!("{agent}: {goal}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => String::new(),
    };
    line(
        [
            short,
            &row.state,
            run,
            &age(now - row.created_at.div_euclid(1000)),
            &one.changes.map_or_else(unknown, |n| n.to_string()),
            &one.bytes.map_or_else(unknown, show_size),
            &one_line(&goal),
        ],
        id,
    )
}

fn line([id, state, run, age, changes, size, goal]: [&str; 7], width: usize) -> String {
    let line =
        format!("{id:<width$}  {state:<11} {run:<6} {age:>4} {changes:>7} {size:>9}  {goal}");
    line.trim_end().to_owned()
}

/// How long ago, in the largest unit that fits.
fn age(secs: i64) -> String {
    match secs.max(0) {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m", s / 60),
        s @ 3600..86_400 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

/// So much of each id that it is the only one here; at least eight of its digits.
fn short_ids(listed: &[Listed]) -> Vec<String> {
    let ids: Vec<&str> = listed.iter().map(|one| one.row.id.as_str()).collect();
    let alone = |short: &str| ids.iter().filter(|id| id.starts_with(short)).count() < 2;
    let shortest = |id: &str| {
        let least = "sess-".len() + 8;
        let fits = (least..id.len()).find(|n| id.get(..*n).is_some_and(alone));
        id.get(..fits.unwrap_or(id.len())).unwrap_or(id).to_owned()
    };
    ids.iter().map(|id| shortest(id)).collect()
}

/// The beginning that fits into a line.
fn cut(line: &str, width: usize) -> String {
    console::truncate_str(&printable(line), width, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use brio_host::{LeaseStatus, SessionRow};

    use super::*;

    fn listed(id: &str, base: &str, goal: &str) -> Listed {
        Listed {
            row: SessionRow {
                id: id.into(),
                claim: "c".into(),
                base: PathBuf::from(base),
                state: "open".into(),
                goal: Some(goal.into()),
                agent: Some("replace".into()),
                task_id: None,
                parent: None,
                created_at: 1_000_000,
            },
            lease: LeaseStatus::Live { pid: 7 },
            run: None,
            used_at: None,
            changes: Some(3),
            bytes: Some(12_288),
        }
    }

    #[test]
    fn a_table_fits_its_terminal() {
        // F-040
        let long = "make the colour a color everywhere, and say so in the change log as well";
        let all = [
            listed("sess-11111111-2222", "/work/one", long),
            listed("sess-11111111-3333", "/work/two", "short"),
            listed("sess-aaaaaaaa-2222", "/work/one", "last"),
        ];
        let lines = table(&all, 1_000 + 7_300, 80);
        assert_eq!(
            lines,
            [
                "ID               STATE       RUN     AGE CHANGES      SIZE  AGENT: GOAL",
                "/work/one",
                "sess-11111111-2  open        live     2h       3    12 KiB  replace: make the c…",
                "sess-aaaaaaaa    open        live     2h       3    12 KiB  replace: last",
                "/work/two",
                "sess-11111111-3  open        live     2h       3    12 KiB  replace: short",
            ]
        );
        assert!(lines.iter().all(|line| console::measure_text_width(line) <= 80));
    }

    #[test]
    fn ages_are_short() {
        assert_eq!([-5, 59, 60, 7_199, 90_000].map(age), ["0s", "59s", "1m", "1h", "1d"]);
    }
}
