//! Where a command finds the session, and what is shown beside it.

use std::path::{Path, PathBuf};

use brio_confine::{Bind, Command, Room, RoomError, Workspace, toolchains};
use brio_session::View;

use super::environment::{confined, of_caller, unconfined};
use super::process::Process;
use super::streams::Streams;
use super::{ExecError, ExecRequest, ShownAs, beside};
use crate::SessionHandle;
use crate::binds::Shown;
use crate::plain::Plain;

/// What the command is to see.
pub(super) struct Seen<'a> {
    pub(super) view: &'a View,
    pub(super) base: &'a Path,
    pub(super) beside: &'a Shown,
}

/// What the session is shown by, until the command has ended.
pub(super) struct Place {
    pub(super) shown: ShownAs,
    #[cfg(target_os = "linux")]
    mount: Option<brio_mount::Mount>,
    /// What is served beside it.
    #[cfg(target_os = "linux")]
    served: Vec<brio_mount::Mount>,
    /// Copies of what is shown beside it.
    copies: Vec<Plain>,
    /// A directory that it was mounted on.
    at: Option<PathBuf>,
    plain: Option<Plain>,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            shown: ShownAs::Mount,
            #[cfg(target_os = "linux")]
            mount: None,
            #[cfg(target_os = "linux")]
            served: Vec::new(),
            copies: Vec::new(),
            at: None,
            plain: None,
        }
    }
}

impl Place {
    /// Shows the view and starts the command there.
    pub(super) fn start(
        &mut self,
        session: &SessionHandle,
        seen: &Seen<'_>,
        request: &ExecRequest,
        streams: &Streams,
    ) -> Result<Process, ExecError> {
        let Seen { view, base, beside } = *seen;
        if request.unconfined {
            beside::refuse_unconfined(beside)?;
            return self.start_unconfined(session, view, request, streams);
        }
        let mounted = Workspace::Fuse { path: base.to_owned(), options: String::new() };
        let room = beside::with_views(Room::new(mounted), beside);
        match self.start_in_room(room, seen, request, streams) {
            Err(ExecError::Room(RoomError::NoFuse { .. })) => {}
            done => return done,
        }
        let source = self.export(session, view)?;
        let copied = Workspace::Bind { source, path: base.to_owned() };
        let room = beside::with_copies(Room::new(copied), session, beside, &mut self.copies)?;
        self.start_in_room(room, seen, request, streams)
    }

    fn start_in_room(
        &mut self,
        room: Room,
        seen: &Seen<'_>,
        request: &ExecRequest,
        streams: &Streams,
    ) -> Result<Process, ExecError> {
        let found = toolchains(|name| of_caller(request, name));
        let mut room = room.binds(found.binds).network(request.network);
        if let Some(home) = home(request, seen.base) {
            room = room.home(home);
        }
        // What is at a place of its own comes last: it is refused where something is already.
        room = room
            .binds(request.read.iter().map(Bind::read))
            .binds(request.write.iter().map(Bind::write))
            .binds(beside::directories(seen.beside, request.grants.vcs));
        let [stdin, stdout, stderr] = streams.give().map_err(ExecError::host("pipes"))?;
        let command = Command {
            argv: request.argv.clone(),
            env: confined(request),
            cwd: None,
            stdin,
            stdout,
            stderr,
            detached: request.detached(),
        };
        #[allow(unused_mut, reason = "only where there is FUSE")]
        let mut running = room.spawn(command)?;
        #[cfg(target_os = "linux")]
        if let Some(device) = running.fuse.take() {
            let source = brio_session::Fixed(seen.view.clone());
            self.mount = Some(brio_mount::Mount::serve(device, source, &Default::default())?);
        }
        #[cfg(target_os = "linux")]
        for (path, device) in std::mem::take(&mut running.views) {
            if let Some(view) = beside::view_at(seen.beside, &path) {
                let served = brio_mount::Mount::serve(device, view, &Default::default())?;
                self.served.push(served);
            }
        }
        Ok(Process::Room { running, left_out: found.left_out })
    }

    /// Mounted in a private directory of the home; where that cannot be, a copy.
    fn start_unconfined(
        &mut self,
        session: &SessionHandle,
        view: &View,
        request: &ExecRequest,
        streams: &Streams,
    ) -> Result<Process, ExecError> {
        let at = match self.mount(session, view)? {
            Some(at) => at,
            None => self.export(session, view)?,
        };
        let [stdin, stdout, stderr] = streams.give().map_err(ExecError::host("pipes"))?;
        let command = Command {
            argv: request.argv.clone(),
            env: unconfined(request),
            cwd: Some(at),
            stdin,
            stdout,
            stderr,
            detached: request.detached(),
        };
        match command.spawn_unconfined() {
            Ok(running) => Ok(Process::Unconfined(running)),
            Err(RoomError::Command { program, source }) => {
                Err(ExecError::host(format!("starting {program}"))(source))
            }
            Err(e) => Err(e.into()),
        }
    }

    #[cfg(target_os = "linux")]
    fn mount(
        &mut self,
        session: &SessionHandle,
        view: &View,
    ) -> Result<Option<PathBuf>, ExecError> {
        use brio_mount::MountError;
        let at = session.brio().home().join("mnt").join(format!("{}-exec", session.id()));
        // One who was killed may have left it; who holds the lease is the only one now.
        brio_mount::unmount_at(&at, true)?;
        crate::brio::make_private(&at).map_err(ExecError::host(at.display().to_string()))?;
        self.at = Some(at.clone());
        let source = brio_session::Fixed(view.clone());
        match brio_mount::Mount::at(&at, source, &Default::default()) {
            Ok(mount) => {
                self.mount = Some(mount);
                Ok(Some(at))
            }
            Err(MountError::NoDevice { .. } | MountError::NoHelper) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn mount(&mut self, _: &SessionHandle, _: &View) -> Result<Option<PathBuf>, ExecError> {
        Ok(None)
    }

    fn export(&mut self, session: &SessionHandle, view: &View) -> Result<PathBuf, ExecError> {
        let scratch = session.brio().scratch();
        let plain = Plain::make(&scratch, session.id().as_str(), view, &view.root())?;
        let at = plain.path().to_owned();
        (self.plain, self.shown) = (Some(plain), ShownAs::Export);
        Ok(at)
    }

    /// Takes down what the session was shown by. A copy is taken back, whatever the command's
    /// status: what it wrote is in the session, as it is on a mount.
    pub(super) fn end(&mut self, view: &View, vcs: bool) -> Result<Option<String>, ExecError> {
        #[cfg(target_os = "linux")]
        for served in self.served.drain(..) {
            served.wait();
        }
        // They are read-only: there is nothing to take back.
        self.copies.clear();
        #[cfg(target_os = "linux")]
        if let Some(mount) = self.mount.take() {
            if self.at.is_some() && mount.unmount().is_err() {
                // Something that it left behind still works there.
                mount.unmount_lazily()?;
            }
            mount.wait();
        }
        if let Some(at) = self.at.take() {
            let _ = std::fs::remove_dir(at);
        }
        let Some(plain) = self.plain.take() else { return Ok(None) };
        match plain.take_back(view, &view.root(), !vcs) {
            Ok(left) => {
                Ok(left
                    .then(|| "what changed in .git was left out; --grant vcs takes it".to_owned()))
            }
            Err(source) => Err(ExecError::NotTakenBack { at: plain.keep(), source }),
        }
    }
}

/// A private home lies where the caller's is; not over the session, should that hold it.
fn home(request: &ExecRequest, base: &Path) -> Option<PathBuf> {
    of_caller(request, "HOME").map(PathBuf::from).filter(|home| !home.starts_with(base))
}
