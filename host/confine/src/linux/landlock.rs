//! Landlock: the same places as the mounts, said a second time.
//!
//! It does not deny TCP: the room's network namespace does, and its loopback is for the
//! command, whose tests start servers.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope,
};

use super::wire::{Bytes, Failure, WirePlace, path_of};
use crate::room::Access;
use crate::{Landlock, Needed};

/// The newest interface whose rights were considered here.
const KNOWN: ABI = ABI::V6;

/// What the kernel has. Needs `no_new_privs`. A thread of its own is confined, and ends.
pub(super) fn probe() -> Option<Landlock> {
    let thread = std::thread::spawn(|| ruleset().and_then(RulesetCreated::restrict_self));
    found(&thread.join().ok()?.ok()?)
}

/// What a report says of it.
pub(super) fn lacking(found: Option<Landlock>) -> Option<String> {
    match found {
        None => Some("landlock is not in this kernel, or is switched off".to_owned()),
        Some(found) if !found.scoped => Some(format!(
            "landlock {} does not keep abstract sockets and signals inside (version 6 does)",
            found.abi
        )),
        Some(_) => None,
    }
}

/// Denies this process, which must have one thread, everything: no file, no port, nobody's
/// signal or abstract socket. What of it is in force; `None` where the kernel has no landlock.
/// Needs `no_new_privs`.
pub(super) fn deny_all() -> Result<Option<Landlock>, Failure> {
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(KNOWN)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(KNOWN)))
        .and_then(Ruleset::create)
        .and_then(RulesetCreated::restrict_self);
    match restricted {
        Ok(status) => Ok(found(&status)),
        Err(what) => {
            let e = std::io::Error::from_raw_os_error(libc::EINVAL);
            Err(Failure::refused(Needed::Landlock, format!("landlock: {what}"), &e))
        }
    }
}

fn found(status: &RestrictionStatus) -> Option<Landlock> {
    if status.ruleset == RulesetStatus::NotEnforced {
        return None;
    }
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => {
            Some(Landlock { abi: effective_abi as u32, scoped: effective_abi >= ABI::V6 })
        }
        _ => None,
    }
}

/// Confines this process, which must have one thread, and all that it starts.
pub(super) fn enforce(places: &[(Bytes, WirePlace)]) -> Result<(), Failure> {
    let status = rules(places).map_err(|what| {
        let e = std::io::Error::from_raw_os_error(libc::EINVAL);
        Failure::refused(Needed::Landlock, format!("landlock: {what}"), &e)
    })?;
    if status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs {
        let e = std::io::Error::from_raw_os_error(libc::EOPNOTSUPP);
        return Err(Failure::refused(Needed::Landlock, "landlock: confine process 1", &e));
    }
    Ok(())
}

fn ruleset() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()
}

/// The path whose rule failed, if one does.
fn rules(places: &[(Bytes, WirePlace)]) -> Result<RestrictionStatus, String> {
    let named = |path: &Path| path.display().to_string();
    let mut ruleset = ruleset().map_err(|e| e.to_string())?;
    let list: BitFlags<AccessFs> = AccessFs::ReadDir.into();
    ruleset = allow(ruleset, Path::new("/"), list, false).ok_or("/")?;
    for (path, place) in places {
        let path = path_of(path.clone());
        let read = AccessFs::from_read(KNOWN);
        let (rights, file) = match place {
            WirePlace::Bind { access: Access::Read, file, .. } => (read, *file),
            WirePlace::Bind { access: Access::Write, file, .. } => {
                (AccessFs::from_all(KNOWN), *file)
            }
            WirePlace::Fuse { read_only: true, .. } => (read, false),
            WirePlace::Private { .. } | WirePlace::Fuse { .. } | WirePlace::Dev => {
                (AccessFs::from_all(KNOWN), false)
            }
            WirePlace::Proc => (read | AccessFs::WriteFile | AccessFs::Truncate, false),
            WirePlace::Bind { access: Access::Hidden, .. }
            | WirePlace::Empty
            | WirePlace::Link { .. } => continue,
        };
        ruleset = allow(ruleset, &path, rights, file).ok_or_else(|| named(&path))?;
    }
    ruleset.restrict_self().map_err(|e| e.to_string())
}

fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
    file: bool,
) -> Option<RulesetCreated> {
    let rights = if file { rights & AccessFs::from_file(KNOWN) } else { rights };
    ruleset.add_rule(PathBeneath::new(PathFd::new(path).ok()?, rights)).ok()
}
