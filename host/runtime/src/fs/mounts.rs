//! The names that a guest can reach: its session, child sessions, binds.

use std::collections::BTreeMap;

use brio_session::Time;

use super::files::{Dir, Files};

/// Where child sessions lie.
pub(crate) const SESSIONS: &str = "/sessions";

/// Files under a number that tells their inodes from those of other mounts.
#[derive(Clone)]
pub(crate) struct Mount {
    pub(crate) number: u32,
    pub(crate) files: Files,
}

impl Mount {
    pub(crate) fn root(&self) -> Dir {
        self.files.root()
    }
}

/// The directories of one run.
pub(crate) struct Mounts {
    at: String,
    own: Mount,
    binds: Vec<(String, Mount)>,
    children: BTreeMap<String, Mount>,
    /// Whether `/sessions` exists: only for a run that may begin sessions.
    sessions: bool,
    next: u32,
    pub(crate) since: Time,
}

/// Where a path of the guest leads.
pub(crate) enum Located {
    /// Into a view; the path is relative to its root, and never empty.
    In(Mount, String),
    /// To the directory of child sessions itself.
    Sessions,
    /// To nothing.
    Nowhere,
    /// Out of everything that the guest was given.
    Outside,
}

impl Mounts {
    pub(crate) fn new(
        at: String,
        own: Files,
        binds: Vec<(String, Files)>,
        sessions: bool,
        since: Time,
    ) -> Self {
        let own = Mount { number: 0, files: own };
        let mut mounts = Self {
            at,
            own,
            binds: Vec::new(),
            children: BTreeMap::new(),
            sessions,
            next: 1,
            since,
        };
        for (at, files) in binds {
            let mount = mounts.number(files);
            mounts.binds.push((at, mount));
        }
        mounts
    }

    fn number(&mut self, files: Files) -> Mount {
        let number = self.next;
        self.next += 1;
        Mount { number, files }
    }

    pub(crate) fn own(&self) -> &Mount {
        &self.own
    }

    /// The name of the guest's own session.
    pub(crate) fn at(&self) -> &str {
        &self.at
    }

    pub(crate) fn binds(&self) -> &[(String, Mount)] {
        &self.binds
    }

    pub(crate) fn has_sessions(&self) -> bool {
        self.sessions
    }

    pub(crate) fn child(&self, id: &str) -> Option<&Mount> {
        self.children.get(id)
    }

    /// Ids of the child sessions that are open, in their order.
    pub(crate) fn children(&self) -> impl Iterator<Item = (&str, &Mount)> {
        self.children.iter().map(|(id, m)| (id.as_str(), m))
    }

    pub(crate) fn add_child(&mut self, id: String, files: Files) {
        let mount = self.number(files);
        self.children.insert(id, mount);
    }

    pub(crate) fn remove_child(&mut self, id: &str) -> Option<Mount> {
        self.children.remove(id)
    }

    /// Resolves the first components of a path as the guest's libc would: a relative one
    /// starts in the session.
    pub(crate) fn locate(&self, path: &str) -> Located {
        if path.is_empty() {
            return Located::Nowhere;
        }
        if !path.starts_with('/') {
            return Located::In(self.own.clone(), path.into());
        }
        // Nothing can be named to lie in it, but everything lies in `/`.
        if let Some(rest) = below(path, SESSIONS).filter(|_| self.sessions) {
            return self.in_sessions(rest);
        }
        let roots = self.binds.iter().map(|(at, m)| (at.as_str(), m));
        let roots = roots.chain([(self.at.as_str(), &self.own)]);
        // The longest name wins, as in a libc: a bind may lie below the session's name.
        let best = roots
            .filter_map(|(at, m)| Some((at, m, below(path, at)?)))
            .max_by_key(|(at, ..)| at.len());
        if let Some((_, mount, rest)) = best {
            return Located::In(mount.clone(), or_dot(rest));
        }
        Located::Outside
    }

    /// Resolves a path relative to the directory of child sessions.
    pub(crate) fn in_sessions(&self, path: &str) -> Located {
        let mut rest = path.trim_start_matches('/');
        while let Some(next) = rest.strip_prefix("./") {
            rest = next.trim_start_matches('/');
        }
        if rest.is_empty() || rest == "." {
            return Located::Sessions;
        }
        let (id, rest) = rest.split_once('/').unwrap_or((rest, ""));
        match self.children.get(id) {
            Some(mount) => Located::In(mount.clone(), or_dot(rest)),
            None if id == ".." => Located::Outside,
            None => Located::Nowhere,
        }
    }
}

fn or_dot(rest: &str) -> String {
    let rest = rest.trim_start_matches('/');
    if rest.is_empty() { ".".into() } else { rest.into() }
}

/// What remains of `path` below `root`, by whole components.
pub(crate) fn below<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    let mut path = path.trim_start_matches('/');
    for name in root.split('/').filter(|n| !n.is_empty()) {
        let rest = path.strip_prefix(name)?;
        if !rest.is_empty() && !rest.starts_with('/') {
            return None;
        }
        path = rest.trim_start_matches('/');
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn below_takes_whole_components() {
        assert_eq!(below("/workspace", "/workspace"), Some(""));
        assert_eq!(below("/workspace/a/b/", "/workspace"), Some("a/b/"));
        assert_eq!(below("//workspace//a", "/workspace"), Some("a"));
        assert_eq!(below("/workspaces/a", "/workspace"), None);
        assert_eq!(below("/w", "/workspace"), None);
        assert_eq!(below("/a", "/"), Some("a"));
    }
}
