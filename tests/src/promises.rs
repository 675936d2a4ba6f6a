//! Reads `tests/PROMISES.md`.

use std::path::Path;

/// One row: a promise and the tests that prove it.
#[derive(Debug)]
pub struct Promise {
    /// Its id, such as `B-042` or `T17`.
    pub id: String,
    /// `path::function` of each proof, the path relative to the checkout.
    pub proofs: Vec<(String, String)>,
}

/// The rows of the table: `| id | promise | proof, proof |`.
pub fn parse(text: &str) -> Vec<Promise> {
    text.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            let id = cells.next()?;
            let (kind, number) = id.split_at_checked(1)?;
            if !matches!(kind, "B" | "M" | "R" | "F" | "T")
                || !number.trim_start_matches('-').chars().all(|c| c.is_ascii_digit())
            {
                return None;
            }
            let proofs = cells.nth(1).unwrap_or_default().split(',').filter_map(|p| {
                let (file, function) = p.trim().trim_matches('`').split_once("::")?;
                Some((file.to_owned(), function.to_owned()))
            });
            Some(Promise { id: id.to_owned(), proofs: proofs.collect() })
        })
        .collect()
}

/// Why a named test proves nothing; `None` when it is there, is a test and is not ignored.
pub fn defect(root: &Path, file: &str, function: &str) -> Option<String> {
    let text = match std::fs::read_to_string(root.join(file)) {
        Ok(t) => t,
        Err(e) => return Some(format!("{file}: {e}")),
    };
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let head = format!("fn {function}(");
    let Some(at) =
        lines.iter().position(|l| l.strip_prefix("async ").unwrap_or(l).starts_with(&head))
    else {
        return Some(format!("{file}: no function `{function}`"));
    };
    let attributes: Vec<_> = lines[..at]
        .iter()
        .rev()
        .take_while(|l| l.starts_with("#[") || l.starts_with("//"))
        .collect();
    let attribute =
        attributes.iter().any(|a| a.starts_with("#[test]") || a.starts_with("#[tokio::test"));
    // A test program with its own `main` names its tests in a list.
    let listed = || {
        let text: String = text.split_whitespace().collect();
        text.contains(&format!("(\"{function}\",{function}"))
    };
    // One that a macro makes tests of, for each place: `over_every_place! { it, … }`.
    let cases = || {
        let text: String = text.split_whitespace().collect();
        let mut lists = text.split("!{").skip(1).filter_map(|rest| rest.split('}').next());
        lists.any(|list| list.split(',').any(|case| case == function))
    };
    if !attribute && !listed() && !cases() {
        return Some(format!("{file}: `{function}` is no test"));
    }
    attributes
        .iter()
        .any(|a| a.contains("ignore"))
        .then(|| format!("{file}: `{function}` is ignored"))
}
