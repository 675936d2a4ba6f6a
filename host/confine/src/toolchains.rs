//! The toolchains of the caller, found by the environment it hands in.

use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::room::{Access, Bind};
use crate::system;

/// What [`toolchains`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Toolchains {
    /// What to give to [`Room::binds`](crate::Room::binds). All are optional.
    pub binds: Vec<Bind>,
    /// What was left out on purpose, and why: a line each, for a person.
    pub left_out: Vec<String>,
}

impl Toolchains {
    fn add(&mut self, path: PathBuf, access: Access) {
        if path.exists() && !self.binds.iter().any(|bind| bind.path == path) {
            self.binds.push(Bind { path, at: None, access, optional: true });
        }
    }
}

/// Finds toolchains by `CARGO_HOME`, `RUSTUP_HOME`, `PYENV_ROOT`, `NVM_DIR` (or where they are
/// below `HOME` by default), and by the entries of `PATH` that lie outside of the system and of
/// the home, as `/opt/x/bin`. Reads no environment but what it is given.
///
/// All are read-only, and their credentials are not in the room: of `CARGO_HOME` there are
/// `bin`, `registry`, `git` and `env`; `config.toml` only if it holds no token, password or
/// address with a user in it; `credentials.toml` never. A `CARGO_HOME` inside the system
/// (`/usr/local/cargo`) is seen with it, so there the same files are hidden.
///
/// Of the home's other `PATH` entries (`~/.local/bin`) nothing is taken: they are named with
/// [`Bind::read`].
pub fn toolchains(env: impl Fn(&str) -> Option<OsString>) -> Toolchains {
    let mut found = Toolchains::default();
    let home = env("HOME").map(PathBuf::from).filter(|home| usable(home));
    let place = |name: &str, below_home: &str| {
        env(name)
            .map(PathBuf::from)
            .or_else(|| home.as_ref().map(|home| home.join(below_home)))
            .filter(|path| usable(path))
    };
    if let Some(cargo) = place("CARGO_HOME", ".cargo") {
        cargo_home(&cargo, &mut found);
    }
    if let Some(rustup) = place("RUSTUP_HOME", ".rustup") {
        for name in ["toolchains", "settings.toml", "update-hashes"] {
            found.add(rustup.join(name), Access::Read);
        }
    }
    if let Some(pyenv) = place("PYENV_ROOT", ".pyenv") {
        found.add(pyenv, Access::Read);
    }
    if let Some(nvm) = place("NVM_DIR", ".nvm") {
        for name in ["versions", "alias", "nvm.sh"] {
            found.add(nvm.join(name), Access::Read);
        }
    }
    for entry in env("PATH").iter().flat_map(std::env::split_paths) {
        path_entry(&entry, home.as_deref(), &mut found);
    }
    found
}

fn usable(path: &Path) -> bool {
    path.is_absolute()
        && path.components().count() > 1
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

fn cargo_home(cargo: &Path, found: &mut Toolchains) {
    for name in ["bin", "registry", "git", "env"] {
        found.add(cargo.join(name), Access::Read);
    }
    for name in ["credentials", "credentials.toml", "config", "config.toml"] {
        let path = cargo.join(name);
        if !path.exists() {
            continue;
        }
        if name.starts_with("config") && !tells_secrets(&path) {
            found.add(path, Access::Read);
            continue;
        }
        found.left_out.push(format!("{}: it may hold credentials", path.display()));
        if system::holds(cargo) {
            found.add(path, Access::Hidden);
        }
    }
}

/// Errs on the side of leaving out: a comment that speaks of a token is enough.
fn tells_secrets(config: &Path) -> bool {
    let Ok(text) = fs::read_to_string(config) else { return true };
    let text = text.to_lowercase();
    let names = ["token", "password", "secret", "credential", "authorization"];
    let user_in_address = text.split("://").skip(1).any(|rest| {
        rest.split(['/', '"', '\'', '\n', ' ']).next().is_some_and(|host| host.contains('@'))
    });
    user_in_address || names.iter().any(|name| text.contains(name))
}

fn path_entry(entry: &Path, home: Option<&Path>, found: &mut Toolchains) {
    let in_home = home.is_some_and(|home| entry.starts_with(home));
    let own = ["/tmp", "/var/tmp", "/dev", "/proc", "/sys", "/run", "/etc"];
    if !usable(entry) || in_home || system::holds(entry) || own.iter().any(|o| entry.starts_with(o))
    {
        return;
    }
    // `/opt/x/bin` needs `/opt/x/lib`; `/opt/bin` is not a reason to show all of `/opt`.
    let prefix = entry.parent().filter(|parent| {
        entry.file_name().is_some_and(|name| name == "bin" || name == "sbin")
            && parent.components().count() > 2
            && !home.is_some_and(|home| home.starts_with(parent))
    });
    let path = prefix.unwrap_or(entry);
    if home.is_some_and(|home| home.starts_with(path)) {
        found.left_out.push(format!("{}: the home lies inside", path.display()));
    } else {
        found.add(path.to_owned(), Access::Read);
    }
}
