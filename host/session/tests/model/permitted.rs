//! Where a view may differ from a plain directory. Each is written down, with its reason, in
//! `PERMITTED_DIFFERENCES.md`; only the class of an error ever differs, never whether
//! something succeeds or what it leaves behind.

use super::ops::Op;
use super::{Class, Outcome};

/// Whether the host may answer `plain` where the view answers `view`.
pub fn errors(op: &Op, view: &Outcome, plain: &Outcome) -> bool {
    let (Err(view), Err(plain)) = (view, plain) else { return false };
    match (op, view, plain) {
        // 1: over a directory that holds what is renamed.
        (Op::Rename { .. }, Class::IsDirectory, Class::NotEmpty) => true,
        // 2: as below, where the slash stands in the target of a link.
        (
            Op::Open { how, .. },
            Class::NotDirectory | Class::NotFound | Class::Loop | Class::NotPermitted,
            Class::IsDirectory,
        ) if how.create => true,
        // 2: a name that ends in a slash, `.` or `..`.
        (
            Op::Open { path, .. }
            | Op::WritePath { path, .. }
            | Op::Unlink { path }
            | Op::Mkdir { path }
            | Op::Rmdir { path }
            | Op::Symlink { path, .. },
            ..,
        ) => dotted(path),
        (Op::Rename { from, to } | Op::Link { from, to }, ..) => dotted(from) || dotted(to),
        _ => false,
    }
}

/// Whether a name ends in a slash, `.` or `..`.
pub fn dotted(path: &[u8]) -> bool {
    matches!(path.rsplit(|b| *b == b'/').next(), Some(b"" | b"." | b".."))
}
