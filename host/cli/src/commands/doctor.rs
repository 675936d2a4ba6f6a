//! `brio doctor`

use std::path::PathBuf;

use brio_host::{Choice, Diagnosis, Probe};
use serde::Serialize;

use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::SCHEMA;
use crate::open;
use crate::ui::Ui;
use crate::units::show_size;

/// Say what a directory, its state and this machine are like, and what Brio will use.
///
/// What can be tried is tried, in a probe directory that is removed again. Nothing else
/// changes: an interrupted landing is named, not recovered. Ends with 7 when something must be
/// done before the directory can be worked with.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// The directory; the current one when left out. With --rebuild, directories whose sessions
    /// are to be found again.
    #[arg(value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Make the index of sessions anew: from the bases that are known, and those given.
    #[arg(long)]
    rebuild: bool,
    /// Print the diagnosis as a document.
    #[arg(long)]
    json: bool,
}

/// With `--rebuild`.
#[derive(Serialize)]
struct Rebuilt {
    schema: u32,
    domains: usize,
    sessions: usize,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    base: String,
    /// The root of the domain; null: no session was ever begun.
    domain: Option<String>,
    file_system: String,
    supported: bool,
    exchange: Tried,
    reflink: Tried,
    snapshot: Tried,
    fuse: Tried,
    landlock: Option<u32>,
    access: Option<Access>,
    available: u64,
    /// Why its sessions are frozen ones in the home; null: they lie in it.
    frozen_only: Option<String>,
    /// The state of its domain in the home.
    domain_in_home: Option<String>,
    available_in_home: Option<u64>,
    total: u64,
    quota: Option<u64>,
    uses: Vec<Use>,
    sessions: usize,
    troubled: Vec<Troubled>,
    /// Landings that were interrupted.
    pending: Vec<u64>,
    damaged: Vec<String>,
    kept: Vec<String>,
    broken: Option<String>,
    ok: bool,
}

#[derive(Serialize)]
struct Tried {
    works: bool,
    why: Option<String>,
}

#[derive(Serialize)]
struct Access {
    writable: bool,
    mode: String,
    uid: u32,
    gid: u32,
    as_uid: u32,
    as_gid: u32,
}

#[derive(Serialize)]
struct Use {
    what: &'static str,
    used: String,
    why: Option<String>,
}

#[derive(Serialize)]
struct Troubled {
    session: String,
    state: &'static str,
}

impl From<&Probe> for Tried {
    fn from(probe: &Probe) -> Self {
        match probe {
            Probe::Yes => Self { works: true, why: None },
            Probe::No(why) => Self { works: false, why: Some(why.clone()) },
        }
    }
}

impl Doctor {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        if self.rebuild {
            let (domains, sessions) = brio.rebuild_index(&self.dirs)?;
            if self.json {
                ui.json(&Rebuilt { schema: SCHEMA, domains, sessions })?;
            } else {
                ui.say(format_args!(
                    "the index was made anew: {sessions} sessions of {domains} bases"
                ));
            }
            return Ok(Exit::Ok);
        }
        if let [_, second, ..] = self.dirs.as_slice() {
            let what = format!("{}: a diagnosis is of one directory", second.display());
            return Err(Failure::new("USAGE", what).hint("--rebuild takes several"));
        }
        let found = brio.doctor(&base_or_here(self.dirs.into_iter().next()))?;
        if self.json {
            ui.json(&json(&found))?;
        } else {
            tell(ui, &found)?;
        }
        Ok(if found.base.needs_recovery() { Exit::Damaged } else { Exit::Ok })
    }
}

fn json(d: &Diagnosis) -> Json {
    let b = &d.base;
    let choices = d.choices();
    Json {
        schema: SCHEMA,
        base: b.base.display().to_string(),
        domain: b.root.as_ref().map(|r| r.display().to_string()),
        file_system: b.file_system.clone(),
        supported: b.unsupported.is_none() && b.exchange == Probe::Yes,
        exchange: Tried::from(&b.exchange),
        reflink: Tried::from(&b.reflink),
        snapshot: Tried::from(&b.snapshot),
        fuse: Tried::from(&d.fuse),
        landlock: d.landlock(),
        access: b.access.as_ref().map(|a| Access {
            writable: a.writable,
            mode: format!("{:04o}", a.mode),
            uid: a.uid,
            gid: a.gid,
            as_uid: a.as_uid,
            as_gid: a.as_gid,
        }),
        available: b.available,
        frozen_only: b.frozen_only.clone(),
        domain_in_home: b.state_in_home.as_ref().map(|s| s.display().to_string()),
        available_in_home: b.available_in_home,
        total: b.total,
        quota: b.quota,
        uses: choices
            .into_iter()
            .map(|Choice { what, used, why }| Use { what, used, why })
            .collect(),
        sessions: b.sessions.len(),
        troubled: d
            .troubled()
            .map(|(s, state)| Troubled { session: s.id.to_string(), state })
            .collect(),
        pending: b.pending.clone(),
        damaged: b.damaged.iter().map(ToString::to_string).collect(),
        kept: b.kept.iter().map(|k| k.display().to_string()).collect(),
        broken: b.broken.as_ref().map(ToString::to_string),
        ok: !b.needs_recovery(),
    }
}

fn tell(ui: &Ui, d: &Diagnosis) -> Result<(), Failure> {
    let b = &d.base;
    let say = |key: &str, value: &str| ui.line(format_args!("{key:<15} {value}"));
    let probe = |p: &Probe| match p {
        Probe::Yes => "yes".to_owned(),
        Probe::No(why) => format!("no: {why}"),
    };
    say("base", &b.base.display().to_string())?;
    match &b.root {
        Some(root) => say("domain", &root.display().to_string())?,
        None if b.state_in_home.is_some() => {}
        None => say("domain", "none: no session was begun here")?,
    }
    if let Some(state) = &b.state_in_home {
        say("domain", &format!("{}, in the home", state.display()))?;
    }
    say("file system", &b.file_system)?;
    if let Some(a) = &b.access {
        let can = if a.writable { "can be written" } else { "Permission denied" };
        say("access", &format!("{can}: {a}"))?;
    }
    for (key, p) in [
        ("exchange", &b.exchange),
        ("reflink", &b.reflink),
        ("snapshot", &b.snapshot),
        ("fuse", &d.fuse),
    ] {
        say(key, &probe(p))?;
    }
    match d.landlock() {
        Some(v) => say("landlock", &format!("version {v}"))?,
        None => say("landlock", "no: the kernel has none, or it is off")?,
    }
    say("disk", &format!("{} of {} available", show_size(b.available), show_size(b.total)))?;
    if let Some(available) = b.available_in_home {
        say("home", &format!("{} available, for frozen sessions", show_size(available)))?;
    }
    match b.quota {
        Some(left) => say("quota", &format!("{} left", show_size(left)))?,
        None => say("quota", "none")?,
    }
    for Choice { what, used, why } in d.choices() {
        match why {
            Some(why) => say(what, &format!("{used} ({why})"))?,
            None => say(what, &used)?,
        }
    }
    say("open sessions", &b.sessions.len().to_string())?;
    for (s, state) in d.troubled() {
        let next = match state {
            "stale" => "what the base held is no longer kept: resolve it, or roll it back",
            "dead" => "its run is gone: diff, then commit or roll it back",
            _ => "the machine went down before it was synced: diff, then --accept-unclean",
        };
        say(state, &format!("{}: {next}", s.id))?;
    }
    for k in &b.pending {
        say("interrupted", &format!("landing {k}: `brio recover` completes or undoes it"))?;
    }
    for path in &b.damaged {
        say("damaged", &format!("{path}: both versions are kept: `brio recover`"))?;
    }
    for kept in &b.kept {
        say("kept", &format!("{}: look at it, then delete it", kept.display()))?;
    }
    if let Some(e) = &b.broken {
        say("broken", &e.to_string())?;
    }
    say("verdict", if b.needs_recovery() { "something must be done first" } else { "ok" })
}
