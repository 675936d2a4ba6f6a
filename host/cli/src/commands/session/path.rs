//! `brio session path`

use std::path::{Path as FsPath, PathBuf};
use std::time::Duration;

use brio_host::{ExportOptions, SessionHandle};
use serde::{Deserialize, Serialize};

use crate::args::Grant;
use crate::config::{Config, Places};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::json::SCHEMA;
use crate::nfs::Export;
use crate::open;
use crate::progress::Shown;
use crate::ui::Ui;
use crate::units::parse_duration;

/// Print a directory that shows the session, for your own editor and tools.
///
/// It is mounted on demand, only for you, and unmounted when nobody uses it any more. What you
/// change there is the session's at once; while an agent or a command works in the session, you
/// can only read. What you start there has all your rights: `session exec` confines it.
///
/// While `brio serve --nfs` exports sessions, the command that mounts it so is said too.
///
/// Without FUSE it is a copy, which is said; `session import` takes back what you changed there.
#[derive(Debug, clap::Args)]
pub(crate) struct Path {
    /// The session; a unique prefix is enough. The current one when left out.
    #[arg(default_value = brio_host::CURRENT, hide_default_value = true)]
    id: String,
    /// What else may be changed there: .git (vcs).
    #[arg(long, value_name = "CAPABILITY")]
    grant: Vec<Grant>,
    /// Unmount it when it was not used for so long, and no process works in it.
    #[arg(long, value_name = "DUR", value_parser = parse_duration, default_value = "10m")]
    idle: Duration,
    /// Unmount it now.
    #[arg(long, conflicts_with_all = ["grant", "idle"])]
    unmount: bool,
    /// Print `{schema, session, path, shown, nfs_mount}`; shown is "mount" or "export", with
    /// --unmount path is null, and nfs_mount is null while nobody exports it.
    #[arg(long)]
    json: bool,
    /// Serve the mount, and say on standard output when it is there.
    #[arg(long, hide = true, conflicts_with_all = ["unmount", "json"])]
    serve: bool,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    session: String,
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<&'static str>,
    nfs_mount: Option<String>,
}

/// What a server says once: nothing is wrong, or why it cannot serve.
#[derive(Serialize, Deserialize)]
struct Started {
    error: Option<Refused>,
}

#[derive(Serialize, Deserialize)]
struct Refused {
    code: String,
    message: String,
    hint: Option<String>,
}

impl Path {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        if self.serve {
            return self.serve(&session);
        }
        if self.unmount {
            let was = mount::unmount(&session)?;
            ui.say(if was { "unmounted" } else { "it was not mounted" });
            return self.print(ui, &session, None);
        }
        let shown = match mount::mounted(&session, &self) {
            Ok(at) => (at, "mount"),
            Err(e) if e.code == "NO_FUSE" => {
                ui.warn(format_args!("{}: {}", e.code, e.message));
                (export(ui, &session)?, "export")
            }
            Err(e) => return Err(e),
        };
        self.print(ui, &session, Some(shown))
    }

    fn print(
        &self,
        ui: &Ui,
        session: &SessionHandle,
        shown: Option<(PathBuf, &'static str)>,
    ) -> Result<Exit, Failure> {
        let nfs_mount = Export::of(session.id()).mount_command();
        if self.json {
            ui.json(&Json {
                schema: SCHEMA,
                session: session.id().to_string(),
                path: shown.as_ref().map(|(at, _)| at.display().to_string()),
                shown: shown.map(|(_, how)| how),
                nfs_mount,
            })?;
        } else if let Some((at, _)) = shown {
            ui.line(at.display())?;
            if let Some(command) = nfs_mount {
                ui.say(format_args!("or by NFS: {command}"));
            }
        }
        Ok(Exit::Ok)
    }

    fn serve(self, session: &SessionHandle) -> Result<Exit, Failure> {
        let ended = mount::serve(session, &self, || say(&Started { error: None }));
        if let Err(e) = &ended {
            let hint = e.hint.clone();
            let refused = Refused { code: e.code.clone(), message: e.message.clone(), hint };
            say(&Started { error: Some(refused) });
        }
        ended.map(|()| Exit::Ok)
    }
}

/// Whoever started this may have gone by now: it is served all the same.
fn say(what: &Started) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = serde_json::to_writer(&mut out, what);
    let _ = out.write_all(b"\n").and_then(|()| out.flush());
}

/// A copy in the home, where the session cannot be mounted. One that was made before is kept:
/// somebody may have worked in it.
fn export(ui: &Ui, session: &SessionHandle) -> Result<PathBuf, Failure> {
    let at = session.exported_home();
    let back = |at: &FsPath| {
        format!(
            "`brio session import {} {}` takes back what you change",
            session.id(),
            at.display()
        )
    };
    if at.symlink_metadata().is_ok() {
        ui.warn(format_args!(
            "this copy was made earlier and shows the session of then; {}; delete it for a new one",
            back(&at)
        ));
        return Ok(at);
    }
    let interrupt = Interrupt::watch()?;
    let config = Config::load(&Places::from_env()?, Some(&session.base()?), &[])?;
    let (shown, watch) = Shown::begin(ui, &interrupt, "export");
    let exported = session.export_home(&ExportOptions { space: config.space(), watch });
    drop(shown);
    let exported = exported?;
    ui.warn(format_args!("this is a copy; {}", back(&exported.dir)));
    Ok(exported.dir)
}

#[cfg(target_os = "linux")]
mod mount {
    use std::io::{BufRead, BufReader};
    use std::path::PathBuf;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use brio_host::{Grants, MountOptions, Mounted, SessionHandle};

    use super::{Path, Started};
    use crate::args::Grant;
    use crate::config::Places;
    use crate::failure::Failure;
    use crate::interrupt::Interrupt;

    /// How long a server may take to begin, or to end while another is wanted.
    const PATIENCE: Duration = Duration::from_secs(15);

    pub(super) fn unmount(session: &SessionHandle) -> Result<bool, Failure> {
        Ok(session.unmount()?)
    }

    /// Where it is mounted; by a process of its own, if it was not.
    pub(super) fn mounted(session: &SessionHandle, asked: &Path) -> Result<PathBuf, Failure> {
        let vcs = asked.grant.contains(&Grant::Vcs);
        let begun = Instant::now();
        loop {
            if let Some(Mounted { path, vcs: may, .. }) = session.mounted()? {
                if vcs && !may {
                    let what = format!("{}: .git cannot be changed there", path.display());
                    let hint = format!("`brio session path --unmount {}` first", session.id());
                    return Err(Failure::new("MOUNTED", what).hint(hint));
                }
                return Ok(path);
            }
            match start(session, asked) {
                Ok(()) => {}
                // It began, or ends, in this moment.
                Err(e) if e.code == "MOUNTED" => {}
                Err(e) => return Err(e),
            }
            if begun.elapsed() > PATIENCE {
                return Err(Failure::new("MOUNT_FAILED", "the mount does not answer")
                    .hint(format!("`brio session path --unmount {}`", session.id())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn start(session: &SessionHandle, asked: &Path) -> Result<(), Failure> {
        let failed = |e: std::io::Error| Failure::new("MOUNT_FAILED", format!("the server: {e}"));
        let home = std::path::absolute(Places::from_env()?.home).map_err(failed)?;
        let mut server = Command::new(std::env::current_exe().map_err(failed)?);
        server.args(["session", "path", "--serve", session.id().as_str()]);
        server.arg("--idle").arg(format!("{}ms", asked.idle.as_millis()));
        if asked.grant.contains(&Grant::Vcs) {
            server.args(["--grant", "vcs"]);
        }
        // It must not keep a directory, a terminal or a pipe of the caller's.
        server.current_dir("/").env("BRIO_HOME", home);
        server.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = server.spawn().map_err(failed)?;
        let mut line = String::new();
        if let Some(out) = server.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(failed)?;
        }
        match serde_json::from_str(&line) {
            Ok(Started { error: None }) => Ok(()),
            Ok(Started { error: Some(refused) }) => {
                let failure = Failure::new(&refused.code, refused.message);
                Err(refused.hint.into_iter().fold(failure, Failure::hint))
            }
            Err(_) => Err(Failure::new("MOUNT_FAILED", "the server ended without a word")),
        }
    }

    pub(super) fn serve(
        session: &SessionHandle,
        asked: &Path,
        ready: impl FnOnce(),
    ) -> Result<(), Failure> {
        // ^C on the terminal that it was started from is not for it.
        let _ = rustix::process::setsid();
        let options = MountOptions {
            grants: Grants { vcs: asked.grant.contains(&Grant::Vcs), ..Grants::default() },
            idle: asked.idle,
            stop: Interrupt::watch()?.token(),
        };
        Ok(session.serve_mount(&options, |_| ready())?)
    }
}

#[cfg(not(target_os = "linux"))]
mod mount {
    use std::path::PathBuf;

    use brio_host::SessionHandle;

    use super::Path;
    use crate::failure::Failure;

    fn none() -> Failure {
        Failure::new("NO_FUSE", "sessions are mounted on Linux only")
    }

    pub(super) fn unmount(_: &SessionHandle) -> Result<bool, Failure> {
        Ok(false)
    }

    pub(super) fn mounted(_: &SessionHandle, _: &Path) -> Result<PathBuf, Failure> {
        Err(none())
    }

    pub(super) fn serve(_: &SessionHandle, _: &Path, _: impl FnOnce()) -> Result<(), Failure> {
        Err(none())
    }
}
