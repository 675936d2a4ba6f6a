//! Which toolchains are found, and that their credentials are not among them.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails with the line that did")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use brio_confine::{Access, Bind, Toolchains, toolchains};

fn found(env: &[(&str, &Path)]) -> Toolchains {
    let env: HashMap<&str, OsString> =
        env.iter().map(|(name, path)| (*name, path.as_os_str().to_owned())).collect();
    toolchains(|name| env.get(name).cloned())
}

fn paths(toolchains: &Toolchains) -> Vec<PathBuf> {
    let mut paths: Vec<_> = toolchains.binds.iter().map(|bind| bind.path.clone()).collect();
    paths.sort();
    paths
}

fn make(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    make(
        home.path(),
        &[
            (".cargo/bin/cargo", ""),
            (".cargo/registry/index", ""),
            (".cargo/env", ""),
            (".cargo/credentials.toml", "[registry]\ntoken = \"secret\""),
            (".cargo/credentials", "old"),
            (".cargo/other", "unknown"),
            (".rustup/toolchains/stable/bin/rustc", ""),
            (".rustup/settings.toml", ""),
            (".pyenv/shims/python3", ""),
            (".nvm/versions/node/v22/bin/node", ""),
            (".nvm/.cache/x", ""),
            (".local/bin/tool", ""),
            (".ssh/id_ed25519", "key"),
        ],
    );
    home
}

fn skipped(what: &str) {
    use std::io::Write;
    eprintln!("SKIPPED: {what}");
    if let Some(list) = std::env::var_os("BRIO_SKIPS") {
        let mut list = fs::File::options().create(true).append(true).open(list).unwrap();
        writeln!(list, "{what}").unwrap();
    }
}

#[test]
fn toolchains_are_found_below_the_home() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let path = at(".local/bin");
    let found = found(&[("HOME", home.path()), ("PATH", &path)]);
    let expected = [
        ".cargo/bin",
        ".cargo/env",
        ".cargo/registry",
        ".nvm/versions",
        ".pyenv",
        ".rustup/settings.toml",
        ".rustup/toolchains",
    ];
    assert_eq!(paths(&found), expected.map(at));
    assert!(found.binds.iter().all(|bind| bind.optional && bind.access == Access::Read));
}

#[test]
fn what_the_environment_names_is_taken_instead() {
    let (home, elsewhere) = (home(), tempfile::tempdir().unwrap());
    make(elsewhere.path(), &[("bin/cargo", ""), ("registry/x", ""), ("credentials.toml", "x")]);
    let found = found(&[("HOME", home.path()), ("CARGO_HOME", elsewhere.path())]);
    let cargo: Vec<_> =
        paths(&found).into_iter().filter(|path| path.starts_with(elsewhere.path())).collect();
    assert_eq!(cargo, [elsewhere.path().join("bin"), elsewhere.path().join("registry")]);
    assert!(!paths(&found).contains(&home.path().join(".cargo/bin")));
}

#[test]
fn credentials_are_left_out_and_said() {
    let home = home();
    let found = found(&[("HOME", home.path())]);
    for name in ["credentials.toml", "credentials", "other"] {
        assert!(!paths(&found).contains(&home.path().join(".cargo").join(name)), "{name}");
    }
    let said = found.left_out.join("\n");
    assert!(said.contains("credentials.toml") && said.contains("/credentials:"), "{said}");
}

#[test]
fn a_configuration_with_a_secret_is_left_out() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join(".cargo/config.toml");
    for (text, taken) in [
        ("[build]\njobs = 2\n", true),
        ("[source.mirror]\nregistry = \"sparse+https://mirror.example/index/\"\n", true),
        ("[source.mirror]\nregistry = 'sparse+https://me:pass@mirror.example/index/'\n", false),
        ("[registries.x]\ntoken = \"t\"\n", false),
        ("[http]\nproxy-PASSWORD = \"p\"\n", false),
        ("[registry]\ncredential-provider = [\"x\"]\n", false),
    ] {
        make(home.path(), &[(".cargo/config.toml", text)]);
        let found = found(&[("HOME", home.path())]);
        assert_eq!(found.binds.iter().any(|bind| bind.path == config), taken, "{text}");
        assert_eq!(found.left_out.is_empty(), taken, "{text}");
    }
    fs::write(&config, [0xff, 0xfe]).unwrap();
    assert!(!paths(&found(&[("HOME", home.path())])).contains(&config), "what is not text");
}

#[test]
fn of_path_only_what_lies_elsewhere_is_taken() {
    // Not where a room has directories of its own, from which nothing is taken.
    let own = ["/usr", "/tmp", "/var/tmp", "/dev", "/run"];
    let places = [env!("CARGO_TARGET_TMPDIR"), "/opt", "/srv"].into_iter();
    let dir = places
        .filter(|place| !own.iter().any(|own| Path::new(place).starts_with(own)))
        .find_map(|place| tempfile::tempdir_in(place).ok());
    let Some(dir) = dir else {
        return skipped("toolchains::of_path: no writable directory outside of /tmp and /usr");
    };
    let root = dir.path().canonicalize().unwrap();
    make(&root, &[("tool/bin/x", ""), ("tool/lib/y", ""), ("plain/z", ""), ("home/u/.x", "")]);
    let path = std::env::join_paths([root.join("tool/bin"), root.join("plain"), "/usr/bin".into()]);
    let home = root.join("home/u");
    let all = found(&[("HOME", &home), ("PATH", Path::new(&path.unwrap()))]);
    assert_eq!(paths(&all), [root.join("plain"), root.join("tool")]);
    assert!(found(&[("PATH", Path::new("/tmp/x/bin:/usr/local/bin:/run/x"))]).binds.is_empty());
    // A prefix that holds the home is not shown for the sake of a tool.
    let inside = root.join("tool/home");
    fs::create_dir_all(&inside).unwrap();
    let some = found(&[("HOME", &inside), ("PATH", &root.join("tool/bin"))]);
    assert_eq!(paths(&some), [root.join("tool/bin")]);
}

#[test]
fn strange_values_are_ignored() {
    for value in ["", "relative/path", "/", "/a/../b", "/no/such/place"] {
        let path = Path::new(value);
        let env = [("HOME", path), ("CARGO_HOME", path), ("PATH", path), ("NVM_DIR", path)];
        assert_eq!(found(&env), Toolchains::default(), "{value}");
    }
    assert_eq!(found(&[]), Toolchains::default());
    let read = Bind::read("/x");
    assert!(!read.optional && read.access == Access::Read);
}
