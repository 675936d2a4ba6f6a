//! Text: lines of a file, replacing one text by another.

/// Takes the lines `first` to `last` (from 1, both included) out of pieces of a file.
pub(super) struct Lines {
    line: u64,
    first: u64,
    last: u64,
    max: usize,
    pub(super) taken: Vec<u8>,
    /// More than `max` bytes were asked for.
    pub(super) too_large: bool,
}

impl Lines {
    pub(super) fn new(first: u32, last: u32, max: usize) -> Self {
        Self {
            line: 1,
            first: first.into(),
            last: last.into(),
            max,
            taken: Vec::new(),
            too_large: false,
        }
    }

    /// Takes the next piece; answers whether more is wanted.
    pub(super) fn feed(&mut self, piece: &[u8]) -> bool {
        for line in piece.split_inclusive(|b| *b == b'\n') {
            if self.line > self.last {
                return false;
            }
            if self.line >= self.first {
                if self.taken.len() + line.len() > self.max {
                    self.too_large = true;
                    return false;
                }
                self.taken.extend_from_slice(line);
            }
            self.line += u64::from(line.ends_with(b"\n"));
        }
        self.line <= self.last
    }
}

/// Why a text was not replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoEdit {
    NoMatch,
    Ambiguous(u32),
    /// The text would be larger than it may be.
    TooLarge,
}

/// Replaces `old` by `new`: once if it occurs once, everywhere if `all`; never beyond `max` bytes.
pub(super) fn replace(
    text: &str,
    old: &str,
    new: &str,
    all: bool,
    max: usize,
) -> Result<(String, u32), NoEdit> {
    let count = if old.is_empty() { 0 } else { text.matches(old).count() };
    match u32::try_from(count).unwrap_or(u32::MAX) {
        0 => Err(NoEdit::NoMatch),
        n if n > 1 && !all => Err(NoEdit::Ambiguous(n)),
        n => {
            let more = new.len().saturating_sub(old.len()).saturating_mul(count);
            if text.len().saturating_add(more) > max {
                return Err(NoEdit::TooLarge);
            }
            Ok((text.replace(old, new), n))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], first: u32, last: u32, piece: usize) -> Vec<u8> {
        let mut lines = Lines::new(first, last, 1 << 20);
        for piece in text.chunks(piece) {
            if !lines.feed(piece) {
                break;
            }
        }
        lines.taken
    }

    #[test]
    fn lines_are_counted_from_one_across_pieces() {
        for piece in 1..10 {
            assert_eq!(lines(b"a\nbb\r\nccc", 1, 1, piece), b"a\n");
            assert_eq!(lines(b"a\nbb\r\nccc", 2, 3, piece), b"bb\r\nccc");
            assert_eq!(lines(b"a\nbb\r\nccc", 3, u32::MAX, piece), b"ccc");
            assert_eq!(lines(b"a\nbb\r\nccc", 4, 9, piece), b"");
            assert_eq!(lines(b"", 1, 1, piece), b"");
        }
    }

    #[test]
    fn replacing_is_exact_or_nothing() {
        let replace = |text, old, new, all| replace(text, old, new, all, 8);
        assert_eq!(replace("aXbX", "X", "yyyy", true), Err(NoEdit::TooLarge));
        assert_eq!(replace("aXbX", "X", "yyy", true), Ok(("ayyybyyy".into(), 2)));
        assert_eq!(replace("aXbX", "X", "y", true), Ok(("aybY".replace('Y', "y"), 2)));
        assert_eq!(replace("aXb", "X", "", false), Ok(("ab".into(), 1)));
        assert_eq!(replace("aXbX", "X", "y", false), Err(NoEdit::Ambiguous(2)));
        assert_eq!(replace("ab", "X", "y", true), Err(NoEdit::NoMatch));
        assert_eq!(replace("ab", "", "y", true), Err(NoEdit::NoMatch));
    }
}
