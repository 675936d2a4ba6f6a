//! Settings: flags, then the environment, then `brio.toml` in the base, then the user's
//! file, then defaults. Each value knows where it came from.
mod file;
mod places;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use brio_host::stores::Compression;
use brio_host::{Policy, Retention, Sandbox, SessionLimits, SpaceGuards, StoreSettings};

use crate::failure::Failure;
use crate::units::{parse_duration, parse_quota, parse_size};

pub(crate) use file::File;
pub(crate) use places::Places;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag of this command.
    Flag(&'static str),
    /// An environment variable.
    Env(&'static str),
    /// A file.
    File(PathBuf),
    /// Built in.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Env(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One setting: as text, as it was written, and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// What it is called in files.
    pub(crate) key: &'static str,
    /// Its value as text.
    pub(crate) value: String,
    /// Where the value came from.
    pub(crate) source: Source,
}

/// A key that can be set: its variable, its flag, its default.
struct Key {
    name: &'static str,
    env: &'static str,
    flag: &'static str,
    default: &'static str,
    check: fn(&str) -> Result<(), String>,
}

fn size(text: &str) -> Result<(), String> {
    parse_size(text).map(|_| ())
}

fn duration(text: &str) -> Result<(), String> {
    parse_duration(text).map(|_| ())
}

fn duration_or_never(text: &str) -> Result<(), String> {
    if text == "never" { Ok(()) } else { duration(text) }
}

fn number(text: &str) -> Result<(), String> {
    text.parse::<u64>().map(|_| ()).map_err(|_| format!("`{text}` is no number"))
}

fn quota(text: &str) -> Result<(), String> {
    parse_quota(text).map(|_| ())
}

fn view_path(text: &str) -> Result<(), String> {
    let ok = text.len() > 1
        && text.starts_with('/')
        && text[1..].split('/').all(|c| !c.is_empty() && c != "." && c != "..");
    if ok { Ok(()) } else { Err(format!("`{text}` is not an absolute path like /workspace")) }
}

fn policy(text: &str) -> Result<(), String> {
    text.parse::<Policy>().map(|_| ()).map_err(|e| e.to_string())
}

fn sandbox(text: &str) -> Result<(), String> {
    text.parse::<Sandbox>().map(|_| ()).map_err(|e| e.to_string())
}

fn compression(text: &str) -> Result<(), String> {
    match text.parse::<i32>() {
        Ok(1..=22) => Ok(()),
        _ => Err(format!("`{text}` is no level of zstd (1 to 22)")),
    }
}

fn lower(text: &str) -> Result<(), String> {
    match text {
        "live" | "frozen" => Ok(()),
        _ => Err(format!("`{text}` is no lower (live, frozen)")),
    }
}

/// Every setting. Capabilities are not among them: they are granted by flags only,
/// so that a file in a base cannot widen what an agent reaches.
const KEYS: [Key; 19] = [
    Key { name: "at", env: "BRIO_AT", flag: "--at", default: "/workspace", check: view_path },
    Key { name: "policy", env: "BRIO_POLICY", flag: "--policy", default: "reject", check: policy },
    Key { name: "memory", env: "BRIO_MEMORY", flag: "--memory", default: "1GiB", check: size },
    Key {
        name: "timeout",
        env: "BRIO_TIMEOUT",
        flag: "--timeout",
        default: "10m",
        check: duration,
    },
    Key { name: "cpu", env: "BRIO_CPU", flag: "--cpu", default: "10m", check: duration },
    Key { name: "disk", env: "BRIO_DISK", flag: "--disk", default: "4GiB", check: size },
    Key { name: "files", env: "BRIO_FILES", flag: "--files", default: "100000", check: number },
    Key {
        name: "undo_window",
        env: "BRIO_UNDO_WINDOW",
        flag: "--window",
        default: "30d",
        check: duration,
    },
    Key {
        name: "undo_quota",
        env: "BRIO_UNDO_QUOTA",
        flag: "--quota",
        default: "10%",
        check: quota,
    },
    Key {
        name: "sandbox",
        env: "BRIO_SANDBOX",
        flag: "--sandbox",
        default: "wasm",
        check: sandbox,
    },
    Key { name: "lower", env: "BRIO_LOWER", flag: "--lower", default: "live", check: lower },
    Key {
        name: "disk_share",
        env: "BRIO_DISK_SHARE",
        flag: "--disk-share",
        default: "80",
        check: number,
    },
    Key {
        name: "disk_factor",
        env: "BRIO_DISK_FACTOR",
        flag: "--disk-factor",
        default: "2",
        check: number,
    },
    Key {
        name: "max_sessions",
        env: "BRIO_MAX_SESSIONS",
        flag: "",
        default: "10000",
        check: number,
    },
    Key {
        name: "dead_after",
        env: "BRIO_DEAD_AFTER",
        flag: "",
        default: "never",
        check: duration_or_never,
    },
    Key { name: "store_memory", env: "BRIO_STORE_MEMORY", flag: "", default: "64MiB", check: size },
    Key { name: "store_disk", env: "BRIO_STORE_DISK", flag: "", default: "10GiB", check: size },
    Key {
        name: "store_compression",
        env: "BRIO_STORE_COMPRESSION",
        flag: "",
        default: "3",
        check: compression,
    },
    Key { name: "min_free", env: "BRIO_MIN_FREE", flag: "", default: "0", check: size },
];

/// What the flags of a command said, by key.
pub(crate) type Flags<'a> = &'a [(&'static str, Option<&'a str>)];

/// The settings in force.
#[derive(Debug)]
pub(crate) struct Config {
    settings: Vec<Setting>,
}

impl Config {
    /// Decides every setting. The base's file is read when the base is there.
    ///
    /// # Errors
    /// `CONFIG` when a file cannot be read or a value makes no sense, naming which and where.
    pub(crate) fn load(
        places: &Places,
        base: Option<&Path>,
        flags: Flags<'_>,
    ) -> Result<Self, Failure> {
        let in_base = base.map(|b| File::read(&b.join("brio.toml"))).transpose()?.flatten();
        let of_user = places.user_file.as_deref().map(File::read).transpose()?.flatten();
        for file in [&in_base, &of_user].into_iter().flatten() {
            file.reject_unknown(&KEYS.map(|k| k.name))?;
        }
        let mut settings = Vec::new();
        for key in &KEYS {
            let flag = flags.iter().find(|(name, _)| *name == key.name).and_then(|(_, v)| *v);
            let (value, source) = if let Some(v) = flag {
                (v.to_owned(), Source::Flag(key.flag))
            } else if let Some(v) = places.env(key.env)? {
                (v, Source::Env(key.env))
            } else if let Some(found) = first(&[&in_base, &of_user], key.name)? {
                found
            } else {
                (key.default.to_owned(), Source::Default)
            };
            (key.check)(&value).map_err(|why| {
                Failure::new("CONFIG", format!("{} = {value} (from {source}): {why}", key.name))
                    .hint("`brio config show` lists every setting and where it came from")
            })?;
            // What lands in a base must not decide that the next session overwrites others, nor
            // what keeps the next agent in.
            let refused = match key.name {
                "policy" if value == Policy::LastWriteWins.as_str() => {
                    Some("a base cannot ask for this policy")
                }
                "sandbox" => Some("a base cannot say where agents run"),
                _ => None,
            };
            if let Some(why) = refused
                && let (Source::File(from), Some(base)) = (&source, &in_base)
                && from == base.path()
            {
                let what = format!("{} = {value} (from {source}): {why}", key.name);
                return Err(Failure::new("CONFIG", what)
                    .hint(format!("give {}, or set {}", key.flag, key.env)));
            }
            settings.push(Setting { key: key.name, value, source });
        }
        Ok(Self { settings })
    }

    /// Every setting, in a fixed order.
    pub(crate) fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Whether a value was asked for, rather than being the default.
    pub(crate) fn asked(&self, key: &str) -> bool {
        self.settings.iter().any(|s| s.key == key && s.source != Source::Default)
    }

    /// The text of one setting.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.settings.iter().find(|s| s.key == key).map_or("", |s| &s.value)
    }

    /// One setting as bytes. It was checked when it was loaded.
    pub(crate) fn size(&self, key: &str) -> u64 {
        parse_size(self.text(key)).unwrap_or(u64::MAX)
    }

    /// One setting as a duration.
    pub(crate) fn duration(&self, key: &str) -> Duration {
        parse_duration(self.text(key)).unwrap_or(Duration::MAX)
    }

    /// How long landings can be undone.
    pub(crate) fn retention(&self) -> Retention {
        let default = Retention::default();
        Retention {
            window: parse_duration(self.text("undo_window")).unwrap_or(default.window),
            quota: parse_quota(self.text("undo_quota")).unwrap_or(default.quota),
        }
    }

    /// What sessions may be and take.
    pub(crate) fn session_limits(&self) -> SessionLimits {
        SessionLimits {
            max_sessions: Some(self.number("max_sessions")),
            dead_after: parse_duration(self.text("dead_after")).ok(),
            min_free: Some(self.size("min_free")).filter(|bytes| *bytes > 0),
        }
    }

    /// How stores are reached, and what is kept of them.
    pub(crate) fn stores(&self, places: &Places) -> StoreSettings {
        let (of_keys, of_who) = (places.clone(), places.clone());
        let who = ["USER", "LOGNAME"].into_iter().find_map(|n| of_who.env(n).ok().flatten());
        StoreSettings {
            env: Arc::new(move |name| of_keys.env(name).ok().flatten()),
            memory: self.size("store_memory"),
            disk: self.size("store_disk"),
            compression: Compression::Zstd(self.text("store_compression").parse().unwrap_or(3)),
            who,
            ..StoreSettings::default()
        }
    }

    /// How much of a disk a full copy of a base may take.
    pub(crate) fn space(&self) -> SpaceGuards {
        let number = |key| u32::try_from(self.number(key)).unwrap_or(u32::MAX);
        SpaceGuards { share: number("disk_share"), factor: number("disk_factor") }
    }

    /// What becomes of conflicts. It was checked when it was loaded.
    pub(crate) fn policy(&self) -> Policy {
        self.text("policy").parse().unwrap_or_default()
    }

    /// Where agents run. It was checked when it was loaded.
    pub(crate) fn sandbox(&self) -> Sandbox {
        self.text("sandbox").parse().unwrap_or_default()
    }

    /// One setting as a number.
    pub(crate) fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap_or(u64::MAX)
    }
}

fn first(files: &[&Option<File>], key: &str) -> Result<Option<(String, Source)>, Failure> {
    for file in files.iter().filter_map(|f| f.as_ref()) {
        if let Some(value) = file.get(key)? {
            return Ok(Some((value, Source::File(file.path().to_owned()))));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
