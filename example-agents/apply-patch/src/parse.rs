//! Reads a unified diff, as `diff -u`, `git diff` and `git format-patch` write it.

/// What a diff does to one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FilePatch {
    /// The name before; `None` for a file that is created.
    pub old: Option<String>,
    /// The name after; `None` for a file that is deleted.
    pub new: Option<String>,
    /// Whether the file gets another name (`rename from`, `rename to`).
    pub renamed: bool,
    /// Whether the old file stays (`copy from`, `copy to`).
    pub copy: bool,
    /// The mode that the diff asks for, such as `100755`.
    pub mode: Option<String>,
    pub hunks: Vec<Hunk>,
}

/// One `@@` part. Lines keep their `\n`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    /// The `@@ … @@` part of its head.
    pub head: String,
    /// The line it is expected at, counted from 1.
    pub start: usize,
    pub lines: Vec<Line>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Context(String),
    Removed(String),
    Added(String),
}

impl Line {
    fn text_mut(&mut self) -> &mut String {
        match self {
            Self::Context(text) | Self::Removed(text) | Self::Added(text) => text,
        }
    }
}

/// Reads all files of a diff. `strip` components are cut from names, by default the `a/` and `b/`
/// of git if both are there. The error says what is wrong and at which line.
pub fn parse(diff: &str, strip: Option<usize>) -> Result<Vec<FilePatch>, String> {
    let lines: Vec<&str> = diff.split_inclusive('\n').collect();
    let mut reader = Reader { lines: &lines, at: 0, files: Vec::new() };
    reader.read()?;
    let mut files = reader.files;
    files.retain(|file| file.old.is_some() || file.new.is_some());
    if files.is_empty() {
        return Err("no unified diff in the task: it needs `---`, `+++` and `@@` lines".to_owned());
    }
    for file in &mut files {
        shorten(file, strip)?;
    }
    Ok(files)
}

struct Reader<'a> {
    lines: &'a [&'a str],
    at: usize,
    files: Vec<FilePatch>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), String> {
        let mut in_git_header = false;
        while let Some(line) =
            self.lines.get(self.at).map(|line| line.trim_end_matches(['\r', '\n']))
        {
            let number = self.at + 1;
            let wrong = |why: String| format!("line {number} of the diff: {why}");
            self.at += 1;
            if let Some(names) = line.strip_prefix("diff --git ") {
                self.files.push(git_names(names));
                in_git_header = true;
            } else if line.starts_with("--- ") && self.next_starts_with("+++ ") {
                let old = name(&line[4..]).map_err(wrong)?;
                let new =
                    name(self.lines[self.at][4..].trim_end_matches(['\r', '\n'])).map_err(wrong)?;
                self.at += 1;
                if old.is_none() && new.is_none() {
                    return Err(wrong("both names are /dev/null".to_owned()));
                }
                match self.files.last_mut().filter(|_| in_git_header) {
                    Some(file) => (file.old, file.new) = (old, new),
                    None => self.files.push(FilePatch { old, new, ..FilePatch::default() }),
                }
                in_git_header = false;
            } else if line.starts_with("@@ -") {
                let hunk = self.hunk(line).map_err(wrong)?;
                match self.files.last_mut() {
                    Some(file) => file.hunks.push(hunk),
                    None => return Err(wrong("a hunk before any `---` and `+++`".to_owned())),
                }
            } else if line.starts_with("GIT binary patch") || line.starts_with("Binary files ") {
                return Err(wrong("a binary patch; only text can be applied".to_owned()));
            } else if let Some(file) = self.files.last_mut().filter(|_| in_git_header) {
                git_header(file, line).map_err(wrong)?;
            }
        }
        Ok(())
    }

    fn next_starts_with(&self, prefix: &str) -> bool {
        self.lines.get(self.at).is_some_and(|line| line.starts_with(prefix))
    }

    /// Reads as many lines as the head says; what follows is no part of the hunk.
    fn hunk(&mut self, line: &str) -> Result<Hunk, String> {
        let (start, mut old, mut new) = hunk_head(line).ok_or("a malformed hunk head")?;
        let end = line[2..].find("@@").map_or(line.len(), |end| end + 4);
        let mut hunk = Hunk { head: line[..end].to_owned(), start, lines: Vec::new() };
        while old > 0 || new > 0 || self.next_starts_with("\\") {
            let Some(line) = self.lines.get(self.at) else {
                return Err(format!("{} ends early: the diff is cut off", hunk.head));
            };
            self.at += 1;
            let (mark, text) = match line.strip_suffix('\n').unwrap_or(line).trim_end_matches('\r')
            {
                "" => (" ", *line),
                _ => line.split_at_checked(1).unwrap_or(("", line)),
            };
            let mut text = text.to_owned();
            if !text.ends_with('\n') {
                text.push('\n'); // the diff's own last line
            }
            let (next, from_old, from_new) = match mark {
                " " => (Line::Context(text), 1, 1),
                "-" => (Line::Removed(text), 1, 0),
                "+" => (Line::Added(text), 0, 1),
                "\\" => {
                    let last = hunk.lines.last_mut().ok_or("`\\ No newline` before any line")?;
                    last.text_mut().pop();
                    continue;
                }
                _ => return Err(format!("{} ends early, at `{}`", hunk.head, line.trim_end())),
            };
            if old < from_old || new < from_new {
                return Err(format!("{} has more lines than it says", hunk.head));
            }
            old -= from_old;
            new -= from_new;
            hunk.lines.push(next);
        }
        Ok(hunk)
    }
}

/// `@@ -START[,LINES] +START[,LINES] @@`
fn hunk_head(line: &str) -> Option<(usize, usize, usize)> {
    let (old, rest) = line.strip_prefix("@@ -")?.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let range = |text: &str| {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse::<usize>().ok()?, count.parse::<usize>().ok()?))
    };
    let (start, old) = range(old)?;
    let (_, new) = range(new)?;
    Some((start, old, new))
}

/// The names of `diff --git a/NAME b/NAME`, which count only where no other line names the file:
/// an empty file that is created or deleted, or a change of mode. Both are the same then.
fn git_names(names: &str) -> FilePatch {
    let half = names.len() / 2;
    let (old, new) = match names.get(..half).zip(names.get(half + 1..)) {
        Some((old, new)) => (name(old).ok().flatten(), name(new).ok().flatten()),
        None => (None, None),
    };
    FilePatch { old, new, ..FilePatch::default() }
}

fn git_header(file: &mut FilePatch, line: &str) -> Result<(), String> {
    // `rename from` and the like carry no a/ or b/; give them one, so that all names are stripped alike.
    let prefixed = |prefix: &str, text: &str| {
        Ok::<_, String>(name(text)?.map(|text| format!("{prefix}/{text}")))
    };
    if let Some(mode) = line.strip_prefix("new file mode ") {
        file.old = None;
        file.mode = Some(mode.to_owned());
    } else if line.starts_with("deleted file mode ") {
        file.new = None;
    } else if let Some(mode) = line.strip_prefix("new mode ") {
        file.mode = Some(mode.to_owned());
    } else if let Some(text) = line.strip_prefix("rename from ") {
        file.old = prefixed("a", text)?;
    } else if let Some(text) = line.strip_prefix("rename to ") {
        file.new = prefixed("b", text)?;
        file.renamed = true;
    } else if let Some(text) = line.strip_prefix("copy from ") {
        file.old = prefixed("a", text)?;
        file.copy = true;
    } else if let Some(text) = line.strip_prefix("copy to ") {
        file.new = prefixed("b", text)?;
        file.copy = true;
    }
    match file.mode.as_deref() {
        Some("120000") => Err("a symlink; create it by other means".to_owned()),
        Some("160000") => Err("a submodule; it cannot be applied to files".to_owned()),
        _ => Ok(()),
    }
}

/// A name as `---` gives it: quoted by git, or up to a tab. `None` for `/dev/null`.
fn name(text: &str) -> Result<Option<String>, String> {
    let text = match text.strip_prefix('"') {
        Some(quoted) => {
            unquote(quoted).ok_or_else(|| format!("the name {text} is badly quoted"))?
        }
        None => text.split('\t').next().unwrap_or_default().trim_end().to_owned(),
    };
    match text.as_str() {
        "" => Err("a file without a name".to_owned()),
        "/dev/null" => Ok(None),
        _ => Ok(Some(text)),
    }
}

/// Undoes git's C quoting; the opening quote is already gone.
fn unquote(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut result = Vec::new();
    loop {
        match bytes.next()? {
            b'"' => return String::from_utf8(result).ok(),
            b'\\' => result.push(match bytes.next()? {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'a' => 7,
                b'b' => 8,
                b'v' => 11,
                b'f' => 12,
                first @ b'0'..=b'3' => {
                    let digit = |byte: u8| (b'0'..=b'7').contains(&byte).then(|| byte - b'0');
                    (first - b'0') * 64 + digit(bytes.next()?)? * 8 + digit(bytes.next()?)?
                }
                other => other,
            }),
            byte => result.push(byte),
        }
    }
}

fn shorten(file: &mut FilePatch, strip: Option<usize>) -> Result<(), String> {
    let has =
        |name: &Option<String>, prefix| name.as_ref().is_none_or(|name| name.starts_with(prefix));
    let by_git = has(&file.old, "a/") && has(&file.new, "b/");
    let strip = strip.unwrap_or(usize::from(by_git));
    for name in [&mut file.old, &mut file.new].into_iter().flatten() {
        let parts: Vec<&str> =
            name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if name.starts_with('/') && strip == 0 || parts.contains(&"..") {
            return Err(format!("{name}: a diff may only name files below the current directory"));
        }
        if parts.len() <= strip {
            return Err(format!("{name}: nothing is left of the name with -p{strip}"));
        }
        *name = parts[strip..].join("/");
    }
    Ok(())
}
