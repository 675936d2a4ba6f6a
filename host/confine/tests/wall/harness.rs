//! Runs tests as libtest does, twice where it can: as root and as an ordinary user.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Instant;

pub(crate) const ORDINARY: u32 = 65534;

/// A name and what proves it. `Err` is why it cannot run here.
pub(crate) type Test = (&'static str, fn() -> Result<(), String>);

pub(crate) fn run(tests: &[Test]) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with("--")).collect();
    let exact = arguments.iter().any(|a| a == "--exact");
    let user = rustix::process::geteuid().as_raw();
    let prefix = if user == 0 { "as_root" } else { "as_user" };
    let chosen: Vec<(String, &Test)> = tests
        .iter()
        .map(|test| (format!("{prefix}::{}", test.0), test))
        .filter(|(name, _)| {
            let matches =
                |f: &&String| if exact { *name == **f } else { name.contains(f.as_str()) };
            filters.is_empty() || filters.iter().any(matches)
        })
        .collect();
    if arguments.iter().any(|a| a == "--list") {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let start = Instant::now();
    println!("\nrunning {} tests", chosen.len());
    let mut failed = Vec::new();
    for (name, (_, test)) in &chosen {
        print!("test {name} ... ");
        std::io::stdout().flush().unwrap();
        match catch_unwind(AssertUnwindSafe(test)) {
            Ok(Ok(())) => println!("ok"),
            Ok(Err(reason)) => {
                println!("ok");
                skip(name, &reason);
            }
            Err(_) => {
                println!("FAILED");
                failed.push(name.clone());
            }
        }
    }
    for name in &failed {
        println!("failed: {name}");
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s",
        if failed.is_empty() { "ok" } else { "FAILED" },
        chosen.len() - failed.len(),
        failed.len(),
        tests.len() - chosen.len(),
        start.elapsed().as_secs_f64()
    );
    let mut status = i32::from(!failed.is_empty()) * 101;
    if user == 0 {
        status = status.max(again_as_ordinary(&arguments));
    } else if std::env::var_os("BRIO_WALL_AGAIN").is_none() {
        skip("wall::as_root", "not root: the rooms that root makes were not tried");
    }
    std::process::exit(status);
}

/// This binary where every user can execute it, as another user.
///
/// There every user may open `/dev/fuse` and `/dev/null`, as on most machines: in a mount
/// namespace of its own, so that this one is as it was.
fn again_as_ordinary(arguments: &[String]) -> i32 {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy = dir.path().join("wall");
    std::fs::copy("/proc/self/exe", &copy).unwrap();
    let user = ORDINARY.to_string();
    // The list of what is skipped is ours: what is added to it comes by a file of its own.
    let skips = dir.path().join("skips");
    std::fs::write(&skips, "").unwrap();
    std::fs::set_permissions(&skips, PermissionsExt::from_mode(0o666)).unwrap();
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c", DEVICES])
        .arg(dir.path())
        .args(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"])
        .arg(&copy)
        .args(arguments)
        .env("BRIO_WALL_AGAIN", "1")
        .env("BRIO_SKIPS", &skips)
        .current_dir("/")
        .status();
    list_skipped(&std::fs::read_to_string(&skips).unwrap());
    match status {
        Ok(status) => status.code().unwrap_or(101),
        Err(e) => {
            skip("wall::as_user", &format!("unshare: {e}"));
            0
        }
    }
}

const DEVICES: &str = r#"
mkdir "$0/dev" && mount -t tmpfs -o mode=0755 tmpfs "$0/dev" || exit 101
for device in "null 1 3" "fuse 10 229"; do
    name=${device%% *}
    mknod -m 666 "$0/dev/$name" c ${device#* } || exit 101
    [ ! -e "/dev/$name" ] || mount --bind "$0/dev/$name" "/dev/$name" || exit 101
done
exec "$@"
"#;

/// Says loudly that a test could not run, and has it counted.
pub(crate) fn skip(name: &str, reason: &str) {
    eprintln!("SKIPPED: {name}: {reason}");
    list_skipped(&format!("{name}: {reason}\n"));
}

fn list_skipped(lines: &str) {
    if let Some(list) = std::env::var_os("BRIO_SKIPS") {
        let mut list = std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        list.write_all(lines.as_bytes()).unwrap();
    }
}
