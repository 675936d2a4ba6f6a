//! A change as a terminal or a file gets it.

use brio_host::{PatchKind, PatchLine};

use crate::terminal::printable;
use crate::ui::Ui;

/// The lines, each with its end, painted where they are for a terminal.
pub(crate) fn painted(lines: &[PatchLine], ui: &Ui) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        let style = match line.kind {
            PatchKind::Header => "1",
            PatchKind::Added => "32",
            PatchKind::Removed => "31",
            PatchKind::Hunk => "36",
            PatchKind::Context => "",
        };
        let paint = ui.color && !style.is_empty();
        if paint {
            out.extend_from_slice(format!("\x1b[{style}m").as_bytes());
        }
        if ui.terminal {
            let text = String::from_utf8_lossy(&line.text);
            out.extend_from_slice(printable(&text).as_bytes());
        } else {
            out.extend_from_slice(&line.text);
        }
        if paint {
            out.extend_from_slice(b"\x1b[0m");
        }
        out.push(b'\n');
    }
    out
}
