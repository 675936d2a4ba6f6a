//! What agents wrote, so that a terminal can show it: nothing in it steers the terminal, or changes
//! the order in which a line is read.

use std::borrow::Cow;
use std::io::{self, Write};

/// The text with U+FFFD for each character that would not be shown but obeyed. Lines stay lines.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers) {
        return text.into();
    }
    text.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// How many columns standard output has; 80 where it does not say.
pub(crate) fn width() -> usize {
    let size = console::Term::stdout().size_checked();
    size.map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0).unwrap_or(80)
}

/// Control characters, and those that turn the direction of the text around.
fn steers(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
}

/// Writes on what it gets as [`printable`] text, also where a character comes in pieces.
/// `CR LF` becomes a line's end. What is no UTF-8 is shown as such.
pub(crate) struct Harmless<W: Write> {
    out: W,
    /// The beginning of what is not whole yet: less than a character, or a `CR`.
    rest: Vec<u8>,
}

impl<W: Write> Harmless<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, rest: Vec::new() }
    }

    /// Writes what is left, which is no whole character.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.rest);
        let text = String::from_utf8_lossy(&rest);
        self.out.write_all(printable(&text).as_bytes())?;
        self.out.flush()
    }
}

impl<W: Write> Drop for Harmless<W> {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len() - usize::from(text.ends_with('\r')),
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            // Whatever is broken is shown, but for a last character that may go on.
            Err(_) => self.rest.len() - unfinished(&self.rest),
        };
        let later = self.rest.split_off(whole);
        let now = std::mem::replace(&mut self.rest, later);
        let text = String::from_utf8_lossy(&now).replace("\r\n", "\n");
        self.out.write_all(printable(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// How many bytes at the end are the beginning of a character, or a `CR`.
fn unfinished(bytes: &[u8]) -> usize {
    if bytes.ends_with(b"\r") {
        return 1;
    }
    let from = bytes.len().saturating_sub(3);
    let cut = (from..bytes.len()).find(|&n| {
        std::str::from_utf8(&bytes[n..])
            .is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
    });
    cut.map_or(0, |n| bytes.len() - n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_shown_as_such() {
        assert_eq!(printable("as it is: ä\t日本\n"), "as it is: ä\t日本\n");
        assert_eq!(
            printable("\x1b[2J\r\x07\u{9b}1m\x7f"),
            "\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}1m\u{fffd}"
        );
        assert_eq!(printable("a\u{202e}b\u{2066}"), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn however_it_is_cut_it_is_the_same() {
        let said = b"one\r\ntwo \xc3\xa4 \xe6\x97\xa5\r\x1b[1m \xc2\x9b \xff\xe6\x97!\xf0\x9f\x98\x80\xe6\x97";
        let shown = "one\ntwo ä 日\u{fffd}\u{fffd}[1m \u{fffd} \u{fffd}\u{fffd}!😀\u{fffd}";
        for size in 1..=said.len() {
            let mut out = Vec::new();
            let mut harmless = Harmless::new(&mut out);
            for piece in said.chunks(size) {
                harmless.write_all(piece).expect("into memory");
            }
            drop(harmless);
            assert_eq!(String::from_utf8(out).expect("text"), shown, "in pieces of {size}");
        }
    }
}
