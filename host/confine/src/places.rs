//! From a room's description to the list of what is put where, in order.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::error::RoomError;
use crate::room::{Access, Room, Workspace};
use crate::system;

/// One thing at one path of the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The host's file or directory.
    Bind { source: PathBuf, access: Access, file: bool },
    /// A private directory.
    Private { mode: u32 },
    /// An empty directory.
    Empty,
    /// A link, as the host has it.
    Link { target: PathBuf },
    /// A FUSE mount: the workspace, or a view beside it.
    Fuse { options: String, read_only: bool },
    /// `/proc`.
    Proc,
    /// `/dev`.
    Dev,
}

/// Every place of a room. A path comes after its ancestors.
pub(crate) type Places = BTreeMap<PathBuf, Place>;

/// What stays the room's own: nothing is bound over or below the first, nor over the second.
const SEALED: &[&str] = &["/proc", "/dev", "/sys", "/.host"];
const OWN: &[&str] = &["/tmp", "/var/tmp", "/run", "/etc", "/usr", "/var"];

/// Plans a room. Looks at the host, and changes nothing.
pub(crate) fn plan(room: &Room) -> Result<Places, RoomError> {
    let mut places = system_places(room.network);
    places.insert("/proc".into(), Place::Proc);
    places.insert("/dev".into(), Place::Dev);
    places.insert("/run".into(), Place::Empty);
    for path in ["/tmp", "/var/tmp"] {
        places.insert(path.into(), Place::Private { mode: 0o1777 });
    }
    if let Some(home) = &room.home {
        check(home)?;
        if sealed(home) || places.keys().any(|own| own.starts_with(home)) {
            return Err(RoomError::BadPath { path: home.clone() });
        }
        places.insert(home.clone(), Place::Private { mode: 0o700 });
    }
    if let Some(workspace) = &room.workspace {
        // Before the binds: what covers the system or the home is wrong whatever is bound.
        let path = workspace.path();
        check(path)?;
        if sealed(path) {
            return Err(RoomError::Own { path: path.to_owned() });
        }
        if let Some(place) = places.keys().find(|place| place.starts_with(path)) {
            return Err(RoomError::Covers { workspace: path.to_owned(), place: place.clone() });
        }
    }
    add_binds(room, &mut places)?;
    add_views(room, &mut places)?;
    if let Some(workspace) = &room.workspace {
        let place = match workspace {
            Workspace::Bind { source, .. } => host(source, Access::Write)?,
            Workspace::Fuse { options, .. } => {
                Place::Fuse { options: options.clone(), read_only: false }
            }
        };
        places.insert(workspace.path().to_owned(), place);
    }
    Ok(places)
}

fn system_places(network: bool) -> Places {
    let fixed = system::PROGRAMS.iter().chain(system::SYS).map(PathBuf::from);
    let mut places = Places::new();
    for path in fixed.chain(system::etc(network)) {
        let Ok(meta) = path.symlink_metadata() else { continue };
        let top = path.parent() == Some(Path::new("/"));
        let place = if meta.is_symlink() && (top || path.ends_with("mtab")) {
            std::fs::read_link(&path).ok().map(|target| Place::Link { target })
        } else {
            host(&path, Access::Read).ok()
        };
        if let Some(place) = place {
            places.insert(path, place);
        }
    }
    places
}

fn add_binds(room: &Room, places: &mut Places) -> Result<(), RoomError> {
    for bind in &room.binds {
        let path = &bind.place().to_owned();
        check(path)?;
        if bind.at.is_some() {
            apart(path, room, places)?;
        }
        if sealed(path)
            || OWN.iter().any(|own| path == Path::new(own))
            || room.home.as_ref() == Some(path)
        {
            return Err(RoomError::Own { path: path.clone() });
        }
        if let Some(workspace) = room.workspace.as_ref().map(Workspace::path)
            && path.starts_with(workspace)
        {
            if bind.optional {
                continue;
            }
            let workspace = workspace.to_owned();
            return Err(RoomError::Inside { path: path.clone(), workspace });
        }
        let place = match host(&bind.path, bind.access) {
            Ok(place) => place,
            Err(_) if bind.optional => continue,
            Err(e) => return Err(e),
        };
        let asked_already =
            matches!(places.get(path), Some(Place::Bind { access: Access::Write, .. }));
        if !(asked_already && bind.access == Access::Read) {
            places.insert(path.clone(), place);
        }
    }
    Ok(())
}

fn add_views(room: &Room, places: &mut Places) -> Result<(), RoomError> {
    for path in &room.views {
        check(path)?;
        apart(path, room, places)?;
        if sealed(path) {
            return Err(RoomError::Own { path: path.clone() });
        }
        if let Some(workspace) = room.workspace.as_ref().map(Workspace::path)
            && path.starts_with(workspace)
        {
            let workspace = workspace.to_owned();
            return Err(RoomError::Inside { path: path.clone(), workspace });
        }
        places.insert(path.clone(), Place::Fuse { options: String::new(), read_only: true });
    }
    Ok(())
}

/// What is shown at a path of its own must not lie over something that the room has.
fn apart(path: &Path, room: &Room, places: &Places) -> Result<(), RoomError> {
    let workspace = room.workspace.as_ref().map(Workspace::path).filter(|w| *w != path);
    let mut there = places.keys().map(PathBuf::as_path).chain(workspace);
    match there.find(|place| place.starts_with(path)) {
        Some(place) => Err(RoomError::Taken { path: path.to_owned(), place: place.to_owned() }),
        None => Ok(()),
    }
}

/// The source is resolved here: once the root has changed, an absolute link would lead elsewhere.
fn host(path: &Path, access: Access) -> Result<Place, RoomError> {
    let error = |source| RoomError::Bind { path: path.to_owned(), source };
    let source = path.canonicalize().map_err(error)?;
    let file = !source.metadata().map_err(error)?.is_dir();
    Ok(Place::Bind { source, access, file })
}

fn sealed(path: &Path) -> bool {
    SEALED.iter().any(|own| path.starts_with(own))
}

fn check(path: &Path) -> Result<(), RoomError> {
    let plain = path.components().all(|c| matches!(c, Component::RootDir | Component::Normal(_)));
    let nul = path.as_os_str().as_encoded_bytes().contains(&0);
    if path.is_absolute() && plain && !nul && path.parent().is_some() {
        Ok(())
    } else {
        Err(RoomError::BadPath { path: path.to_owned() })
    }
}
