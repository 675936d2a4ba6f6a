//! What is mounted below a directory, as `/proc/self/mountinfo` says.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use brio_session::RelPath;

/// Mount points below a directory, relative to it.
pub(super) fn below(dir: impl AsFd) -> io::Result<Vec<RelPath>> {
    let fd = dir.as_fd().as_raw_fd();
    let root = std::fs::read_link(format!("/proc/self/fd/{fd}"))?;
    let root = brio_session::from_os(root.as_os_str()).to_vec();
    Ok(parse(&std::fs::read("/proc/self/mountinfo")?, &root))
}

fn parse(table: &[u8], root: &[u8]) -> Vec<RelPath> {
    let points = table.split(|b| *b == b'\n').filter_map(|line| {
        let at = unescape(line.split(|b| *b == b' ').nth(4)?);
        let rest = at.strip_prefix(root)?;
        let rest = if root == b"/" { rest } else { rest.strip_prefix(b"/")? };
        RelPath::new(rest).ok().filter(|p| !p.is_root())
    });
    let mut out: Vec<_> = points.collect();
    out.sort();
    out.dedup();
    out
}

/// Undoes `\040` and its like.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|d| std::str::from_utf8(d).ok());
        match octal.and_then(|d| u8::from_str_radix(d, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                out.push(byte);
                rest = &tail[3..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_below_are_found_and_no_others() {
        let table = b"1 0 8:1 / / rw - ext4 /dev/a rw\n\
            2 1 8:2 / /a/b rw - xfs /dev/b rw\n\
            3 1 8:3 / /a/b/c\\040d rw - xfs /dev/c rw\n\
            4 1 8:4 / /a/bc rw - xfs /dev/d rw\n";
        let names =
            |root: &[u8]| parse(table, root).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(b"/a/b"), ["c d"]);
        assert_eq!(names(b"/a"), ["b", "b/c d", "bc"]);
        assert_eq!(names(b"/").len(), 3);
        assert!(names(b"/x").is_empty());
    }
}
