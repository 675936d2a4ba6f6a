//! What is shown to a command beside the session.

use brio_confine::{Access, Bind, Room};
use brio_landing::BindError;
#[cfg(target_os = "linux")]
use brio_session::{FsError, FsResult, Lender, Lent, View};

use super::ExecError;
use crate::SessionHandle;
use crate::binds::Shown;
use crate::plain::Plain;

/// Without a room there is nothing to put it in.
pub(super) fn refuse_unconfined(shown: &Shown) -> Result<(), BindError> {
    match shown.targets().next() {
        None => Ok(()),
        Some(target) => Err(BindError::NotShown {
            target: target.to_owned(),
            how: "to a command that runs --unconfined, outside of any room".to_owned(),
            next: "run it confined, or take it away first".to_owned(),
        }),
    }
}

/// The directories of the host. The state of a base that is known to lie in one is hidden, and the
/// `.git` at its top is read-only as the session's is.
pub(super) fn directories(shown: &Shown, vcs: bool) -> Vec<Bind> {
    let mut binds = Vec::new();
    for directory in shown.directories() {
        let at = |path: &std::path::Path| {
            let below = path.strip_prefix(&directory.path).unwrap_or(path);
            std::path::Path::new(&directory.target).join(below)
        };
        let access = if directory.writable { Access::Write } else { Access::Read };
        let own = Bind { access, ..Bind::read(&directory.path) };
        binds.push(own.at(&directory.target));
        let git = directory.path.join(".git");
        if directory.writable && !vcs {
            binds.push(Bind { optional: true, ..Bind::read(&git).at(at(&git)) });
        }
        let hidden = |state: &std::path::PathBuf| Bind {
            access: Access::Hidden,
            ..Bind::read(state).at(at(state))
        };
        binds.extend(directory.states.iter().map(hidden));
    }
    binds
}

/// Views as mounts in the room itself.
pub(super) fn with_views(room: Room, shown: &Shown) -> Room {
    shown.views().iter().fold(room, |room, (target, _)| room.view(target))
}

/// Views as copies, where nothing can be mounted.
pub(super) fn with_copies(
    mut room: Room,
    session: &SessionHandle,
    shown: &Shown,
    copies: &mut Vec<Plain>,
) -> Result<Room, ExecError> {
    let scratch = session.brio().scratch();
    for (n, (target, view)) in shown.views().iter().enumerate() {
        let name = format!("{}-mount-{n}", session.id());
        let copy = Plain::make(&scratch, &name, view, &view.root())?;
        room = room.bind(Bind::read(copy.path()).at(target));
        copies.push(copy);
    }
    Ok(room)
}

/// A view that nobody changes through the mount. Others may work in the session that it is of, so
/// the kernel is told to remember nothing for long.
#[cfg(target_os = "linux")]
pub(super) struct Still(View);

#[cfg(target_os = "linux")]
impl Lender for Still {
    fn read(&self) -> FsResult<Lent> {
        Ok(Lent::new(self.0.clone(), 0))
    }

    fn write(&self) -> FsResult<Lent> {
        Err(FsError::ReadOnly)
    }
}

/// What is to be served at a path of the room.
#[cfg(target_os = "linux")]
pub(super) fn view_at(shown: &Shown, path: &std::path::Path) -> Option<Still> {
    let at = |(target, _): &&(String, View)| std::path::Path::new(target) == path;
    shown.views().iter().find(at).map(|(_, view)| Still(view.clone()))
}
