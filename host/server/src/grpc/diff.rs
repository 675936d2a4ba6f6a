//! What a session changed, a message or more for each path.

use brio_host::{Patches, RelPath};

use super::answers::Teller;
use super::desk::Desk;
use super::fault::Fault;
use super::{convert, proto};

/// Bytes of a piece.
const PIECE: usize = 256 << 10;

pub(super) fn diff(
    desk: &Desk,
    asked: &proto::DiffSessionRequest,
    to: &Teller<proto::DiffSessionResponse>,
) -> Result<(), Fault> {
    let session = desk.session(&asked.session_id)?;
    let invalid = |path: &str| brio_host::FileToolError::InvalidPath(path.to_owned());
    let path = match asked.path.trim_end_matches('/') {
        "" if !asked.path.is_empty() => return Err(typed(&invalid(&asked.path))),
        "" | "." => RelPath::root(),
        path => RelPath::new(path).map_err(|_| typed(&invalid(path)))?,
    };
    let mut set = session.changes()?;
    set.changes.retain(|change| change.path.starts_with(&path));
    let patches = Patches::open(&session)?;
    for change in &set.changes {
        let mut text = Vec::new();
        for line in patches.patch(change)? {
            text.extend(line.text);
            text.push(b'\n');
        }
        let mut pieces = text.chunks(PIECE).peekable();
        let mut first = Some(convert::change(change));
        loop {
            let diff = pieces.next().unwrap_or_default().to_vec();
            let last = pieces.peek().is_none();
            to.tell(proto::DiffSessionResponse { change: first.take(), diff, last })?;
            if last {
                break;
            }
        }
    }
    Ok(())
}

fn typed(e: &brio_host::FileToolError) -> Fault {
    Fault::typed(e.code(), e)
}
