//! An agent's imports and exports for a person, 80 columns wide.

use std::collections::BTreeMap;
use std::path::Path;

use brio_host::{AgentCheck, AgentKind, ImportInfo, WasmFormat};
use console::measure_text_width;

use crate::failure::one_line;
use crate::terminal::printable;
use crate::units::show_size;

const COLUMNS: usize = 80;

/// Names of one package that are shown.
const MOST: usize = 60;

/// A package, what of it there is, and what there is to say of it.
#[derive(Default)]
struct Row {
    package: String,
    names: Vec<String>,
    notes: Vec<String>,
}

/// What a check found; nothing of what is no WebAssembly. `command`: what `brio run` is to be
/// given, if it runs.
pub(crate) fn listing(check: &AgentCheck, command: Option<&Path>) -> Vec<String> {
    let format = match check.format {
        Some(WasmFormat::Component) => "a component",
        Some(WasmFormat::Module) => "a core module",
        None => return Vec::new(),
    };
    let kind = match check.kind {
        Some(AgentKind::Agent) => "an agent",
        Some(AgentKind::Reviewer) => "a reviewer",
        Some(AgentKind::Command) => "a WASI command",
        Some(AgentKind::Preview1) => "a WASI command (preview 1)",
        None => "no agent",
    };
    let size = show_size(check.size);
    let mut lines = vec![format!("{}: {kind}, {format} of {size}", shown(&check.name))];
    if let Some(agent) = command {
        let mut run = format!("brio run {}", quoted(&agent.display().to_string()));
        for grant in &check.grants {
            run.push_str(&format!(" --grant {grant}"));
        }
        lines.push(format!("runs as `{run}`"));
    }
    let (served, missing): (Vec<_>, Vec<_>) = check.imports.iter().partition(|i| i.served);
    let sections = [
        ("imports that are not served here", imports(&missing)),
        ("imports", imports(&served)),
        ("exports", exports(check)),
    ];
    let all = sections.iter().flat_map(|(_, rows)| rows);
    let width = all.map(|row| measure_text_width(&row.package)).max().unwrap_or(0).min(30);
    for (title, rows) in sections.iter().filter(|(_, rows)| !rows.is_empty()) {
        lines.push((*title).to_owned());
        rows.iter().for_each(|row| row.draw(width, &mut lines));
    }
    lines
}

fn imports(imports: &[&ImportInfo]) -> Vec<Row> {
    let mut rows: BTreeMap<_, Row> = BTreeMap::new();
    for import in imports {
        let (package, name) = parts(&import.interface, import.version.as_deref());
        let row = rows.entry((package.clone(), import.needs, import.grant)).or_default();
        row.package = package;
        let mut note = |text: String| {
            if row.notes.len() < MOST && !row.notes.contains(&text) {
                row.notes.push(text);
            }
        };
        if let Some(nearest) = &import.nearest {
            note(format!("{name}: the nearest here is {nearest}"));
        }
        if let Some(needs) = import.needs {
            note(format!("needs {needs}"));
        }
        if let Some(grant) = import.grant {
            note(format!("only with --grant {grant}"));
        }
        if import.served && import.interface.starts_with("wasi:sockets/") {
            note("there are no sockets: every call is denied".into());
        }
        if import.served && import.interface.starts_with("wasi:http/") {
            note("reaches only the hosts of --allow-host HOST: none by default".into());
        }
        row.names.push(name);
    }
    rows.into_values().collect()
}

fn exports(check: &AgentCheck) -> Vec<Row> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for export in &check.exports {
        let (package, name) = parts(&export.interface, export.version.as_deref());
        let row = rows.entry(package.clone()).or_default();
        row.package = package;
        row.names.push(name);
    }
    rows.into_values().collect()
}

/// The package with its version, and the name in it.
fn parts(interface: &str, version: Option<&str>) -> (String, String) {
    let separator = if interface.contains(':') { '/' } else { '.' };
    let (package, name) = interface.split_once(separator).unwrap_or(("", interface));
    let package = match (package, version) {
        ("", _) => "(plain)".to_owned(),
        (package, Some(version)) => format!("{package}@{version}"),
        (package, None) => package.to_owned(),
    };
    (shown(&package), shown(name))
}

/// A word for a shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if !word.starts_with('-') && word.chars().all(plain) {
        return word.to_owned();
    }
    // What begins with a dash would be an option.
    let at = if word.starts_with('-') { "./" } else { "" };
    format!("'{at}{}'", one_line(word).replace('\'', r"'\''"))
}

/// A name of the file's: on one line, not endless, and without what steers a terminal.
fn shown(name: &str) -> String {
    const LONGEST: usize = 64;
    let name = one_line(&printable(name)).replace('\t', " ");
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}

impl Row {
    fn draw(&self, width: usize, lines: &mut Vec<String>) {
        let pad = " ".repeat(width.saturating_sub(measure_text_width(&self.package)));
        let mut names: Vec<_> = self.names.iter().take(MOST).cloned().collect();
        let more = self.names.len() - names.len();
        if more > 0 {
            names.push(format!("and {more} more"));
        }
        let first = format!("  {}{pad}  ", self.package);
        let indent = " ".repeat(width + 4);
        wrap(first, &indent, &names.join(", "), lines);
        for note in &self.notes {
            wrap(format!("{indent}- "), &format!("{indent}  "), note, lines);
        }
    }
}

/// Breaks a text at its spaces.
fn wrap(first: String, indent: &str, text: &str, lines: &mut Vec<String>) {
    let mut line = first;
    let mut empty = true;
    for word in text.split(' ') {
        let fits = measure_text_width(&line) + 1 + measure_text_width(word) <= COLUMNS;
        if !empty && !fits {
            lines.push(std::mem::replace(&mut line, indent.to_owned()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
}
