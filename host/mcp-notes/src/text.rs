//! What a server says, made fit to be shown.

/// Its beginning, on one line, without what would move a terminal's cursor.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 200;
    let mut out = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty())
    {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if let Some((end, _)) = out.char_indices().nth(MOST) {
            out.truncate(end);
            out.push('…');
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn it_is_one_short_line() {
        assert_eq!(short(" a\n\u{1b}[31m b\r\n"), "a [31m b");
        assert_eq!(short(&"ü".repeat(1000)).chars().count(), 201);
        assert_eq!(short(""), "");
    }
}
