//! The command on a terminal of its own, and what a person sees there.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A command that writes to a terminal.
pub(crate) struct Pty {
    pub(crate) child: Child,
    screen: Screen,
    from: File,
    bytes: Vec<u8>,
}

impl Pty {
    /// Starts it, on a terminal of so many columns and 24 rows.
    pub(crate) fn start(command: &mut Command, columns: u16) -> Self {
        let here = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&here).expect("granted");
        unlockpt(&here).expect("unlocked");
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&here, size).expect("a size");
        let name = ptsname(&here, Vec::new()).expect("a name").into_string().expect("text");
        let there = || -> OwnedFd {
            File::options().read(true).write(true).open(&name).expect("its other end").into()
        };
        let child = command.stdin(there()).stdout(there()).stderr(there()).spawn();
        // Else this process holds the other end too, and no end is ever seen.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let screen = Screen::new(usize::from(columns));
        Self { child: child.expect("it starts"), screen, from: here.into(), bytes: Vec::new() }
    }

    /// What is seen after more has come; `None`: it has ended.
    pub(crate) fn more(&mut self) -> Option<Vec<String>> {
        let mut bytes = [0; 4096];
        match self.from.read(&mut bytes) {
            // EIO is how the end of the other end is told.
            Err(_) | Ok(0) => None,
            Ok(n) => {
                self.bytes.extend_from_slice(&bytes[..n]);
                self.screen.show(&bytes[..n]);
                Some(self.screen.lines())
            }
        }
    }

    /// Types something.
    pub(crate) fn say(&mut self, text: &str) {
        use std::io::Write;
        self.from.write_all(text.as_bytes()).expect("typed");
    }

    /// Its status, what is seen in the end, and all that it wrote.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>, String) {
        while self.more().is_some() {}
        let status = self.child.wait().expect("it ends").code();
        (status, self.screen.lines(), String::from_utf8_lossy(&self.bytes).into_owned())
    }
}

/// A terminal as far as it is used: it has rows without end, and every character is one column.
struct Screen {
    columns: usize,
    rows: Vec<Vec<char>>,
    at: (usize, usize),
    /// What is not a whole character, or a whole sequence, yet.
    rest: Vec<u8>,
}

impl Screen {
    fn new(columns: usize) -> Self {
        Self { columns, rows: vec![Vec::new()], at: (0, 0), rest: Vec::new() }
    }

    fn lines(&self) -> Vec<String> {
        let rows = self.rows.iter().map(|row| row.iter().collect::<String>());
        let mut lines: Vec<_> = rows.map(|line| line.trim_end().to_owned()).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    fn show(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            Err(e) => e.valid_up_to(),
        };
        let text = String::from_utf8(self.rest[..whole].to_vec()).expect("looked at");
        let mut left = text.as_str();
        while let Some(c) = left.chars().next() {
            let length = if c == '\u{1b}' {
                let Some(end) = left.find(|c: char| c.is_ascii_alphabetic()) else { break };
                self.obey(&left[1..=end]);
                end + 1
            } else {
                self.put(c);
                c.len_utf8()
            };
            left = &left[length..];
        }
        self.rest.drain(..whole - left.len());
    }

    fn put(&mut self, c: char) {
        let (y, x) = self.at;
        match c {
            '\r' => self.at = (y, 0),
            '\n' => self.at = (y + 1, x),
            _ => {
                assert!(!c.is_control(), "{c:?}");
                let (y, x) = if x == self.columns { (y + 1, 0) } else { (y, x) };
                self.at = (y, x + 1);
                self.reach(y);
                let row = &mut self.rows[y];
                row.resize(row.len().max(x + 1), ' ');
                row[x] = c;
            }
        }
        self.reach(self.at.0);
    }

    fn reach(&mut self, y: usize) {
        self.rows.resize(self.rows.len().max(y + 1), Vec::new());
    }

    fn obey(&mut self, sequence: &str) {
        let (number, what) = sequence.split_at(sequence.len() - 1);
        let number = number.trim_start_matches('[');
        let (y, x) = self.at;
        match what {
            "A" => self.at.0 = y.saturating_sub(number.parse().expect("a number")),
            "J" if matches!(number, "" | "0") => {
                self.rows.truncate(y + 1);
                self.rows[y].truncate(x);
            }
            "m" => {}
            _ => panic!("nothing else is asked of a terminal: {sequence:?}"),
        }
    }
}
