//! Importing and checking out, beside the tools that people have, in one run: ratios hold where
//! times drift.
//!
//! `cargo bench -p brio-store --bench worktree`. By environment: `BRIO_BENCH_FILES` (20000),
//! `BRIO_BENCH_FILE_BYTES` (4000), `BRIO_BENCH_LARGE_MIB` (1024; 0: none), `BRIO_BENCH_DIR` (where;
//! the system's temporary directory), `BRIO_BENCH_ONLY` (`files` or `large`). Of git, rsync and
//! restic those are measured that are installed (`apt-get install git rsync restic`). Each is
//! made durable: those that do not do so themselves are followed by `sync -f`. Beside the time is
//! the processor's, of all threads and programs: it holds also on a machine that is busy.
#![allow(missing_docs, reason = "a program")]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use brio_store::backend::{Backend, Directory, Memory};
    use brio_store::worktree::{CheckoutOptions, ScanOptions, checkout, drift, import, scan};
    use brio_store::{Project, Store, StoreOptions, Why};
    use cap_std::fs::Dir;

    fn number(name: &str, or: usize) -> usize {
        std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(or)
    }

    fn run<T>(f: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.expect("a runtime").block_on(f)
    }

    fn open(dir: &Path) -> Dir {
        Dir::open_ambient_dir(dir, cap_std::ambient_authority()).expect("a directory")
    }

    fn noise(n: usize, mut seed: u64) -> Vec<u8> {
        seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut out = Vec::with_capacity(n + 8);
        while out.len() < n {
            seed ^= seed >> 12;
            seed ^= seed << 25;
            seed ^= seed >> 27;
            out.extend_from_slice(&seed.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
        }
        out.truncate(n);
        out
    }

    /// Text that compresses as sources do, about three to one.
    fn text(n: usize, seed: u64) -> Vec<u8> {
        const WORDS: [&str; 16] = [
            "let", "self", "return", "match", "value", "index", "Result", "error", "pub fn",
            "struct", "import", "buffer", "length", "option", "   ", "\n",
        ];
        let mut out = Vec::with_capacity(n + 16);
        for b in noise(n / 3, seed) {
            out.extend_from_slice(WORDS[usize::from(b & 15)].as_bytes());
            out.push(b'0' + (b >> 4));
        }
        out.resize(n, b'\n');
        out
    }

    /// What this process and those that it waited for took of the processor.
    fn processor() -> Duration {
        let stat = std::fs::read_to_string("/proc/self/stat").expect("what is known of it");
        let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = after.split_whitespace().skip(11).take(4).map(|n| n.parse().unwrap_or(0));
        // Hundredths of a second, on every Linux.
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// What the first of a kind took, and the processor's part.
    #[derive(Default)]
    struct Measure {
        base: Option<(Duration, Duration)>,
    }

    impl Measure {
        /// Prints how long something took, and how often as long as the first of its kind.
        fn tell(&mut self, what: &str, began: (Instant, Duration)) {
            let (took, worked) = (began.0.elapsed(), processor() - began.1);
            let base = *self.base.get_or_insert((took, worked));
            let times = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
            println!(
                "  {what:<40} {:>8.0} ms {:>6.2}   processor {:>8.0} ms {:>6.2}",
                took.as_secs_f64() * 1e3,
                times(took, base.0),
                worked.as_secs_f64() * 1e3,
                times(worked, base.1),
            );
        }

        fn of<T>(&mut self, what: &str, run: impl FnOnce() -> T) -> T {
            let began = (Instant::now(), processor());
            let out = run();
            self.tell(what, began);
            out
        }

        /// The same of a program, unless it is not there.
        fn program(&mut self, what: &str, dir: &Path, lines: &[&str]) {
            let began = (Instant::now(), processor());
            for line in lines {
                let mut command = Command::new("sh");
                command.args(["-c", line]).current_dir(dir);
                command.env("RESTIC_PASSWORD", "x").env("GIT_CONFIG_GLOBAL", "/dev/null");
                command.stdout(Stdio::null()).stderr(Stdio::null());
                if !command.status().is_ok_and(|s| s.success()) {
                    println!("  {what:<44} not measured");
                    return;
                }
            }
            self.tell(what, began);
        }
    }

    fn project(backend: Arc<dyn Backend>) -> Project {
        let store = Store::new(backend, StoreOptions::default());
        let id = "bench/project".parse().expect("an id");
        run(store.create(&id)).expect("a project").0
    }

    fn land(p: &Project, from: &Path, options: &ScanOptions) -> u64 {
        run(async {
            let base = p.head().await.expect("a head").base();
            let found = scan(p, &open(from), base, options).await.expect("a scan");
            let read = found.files_read;
            import(p, found, &Why::default()).await.expect("an import");
            read
        })
    }

    fn ours(at: &Path, name: &str, m: &mut [Measure; 2], make: &dyn Fn() -> Arc<dyn Backend>) {
        let (from, to) = (at.join("from"), at.join(format!("to-{name}")));
        let cache = at.join(format!("cache-{name}"));
        let options = ScanOptions { cache: Some(cache), ..ScanOptions::default() };
        let backend = make();
        let p = project(backend.clone());
        m[0].of(&format!("import, {name}"), || land(&p, &from, &options));
        m[0].of(&format!("again, unchanged, {name}"), || land(&p, &from, &options));
        std::fs::create_dir(&to).expect("a directory");
        // With nothing near.
        let p = project(backend);
        let tree = run(p.head()).expect("a head").tree();
        let own = CheckoutOptions::default();
        m[1].of(&format!("checkout, {name}"), || run(checkout(&p, tree, &open(&to), &own)))
            .expect("a checkout");
        let options = ScanOptions::default();
        m[1].of(&format!("drift, all read, {name}"), || run(drift(&p, &open(&to), tree, &options)))
            .expect("a comparison");
        let same = Command::new("diff").args(["-r", "from"]).arg(&to).current_dir(at).status();
        assert!(same.is_ok_and(|s| s.success()), "what was checked out is what was imported");
        std::fs::remove_dir_all(&to).expect("it goes");
    }

    fn measure(at: &Path) {
        let mut m = [Measure::default(), Measure::default()];
        println!(" (the first of each kind is 1.00)");
        // Once, so that all find the same in memory.
        let _ = Command::new("sh")
            .args(["-c", "find from -type f -exec cat {} + >/dev/null; sync -f ."])
            .current_dir(at)
            .status();
        m[0].program("cp -a; sync", at, &["cp -a from cp", "sync -f ."]);
        ours(at, "memory", &mut m, &|| Arc::<Memory>::default());
        ours(at, "directory", &mut m, &|| {
            let path = at.join("store");
            std::fs::create_dir_all(&path).expect("a directory");
            Arc::new(Directory::open(&path).expect("a store"))
        });
        let add = [
            "git init -q git.git --bare",
            "git --git-dir=git.git --work-tree=from add -A",
            "git --git-dir=git.git --work-tree=from -c user.name=x -c user.email=x commit -qm x",
            "sync -f .",
        ];
        m[0].program("git add; git commit; sync", at, &add);
        let tree = ["git --git-dir=git.git worktree add -q git-tree HEAD", "sync -f ."];
        m[1].program("git worktree add; sync", at, &tree);
        m[0].program("rsync -a; sync", at, &["rsync -a from/ rsync", "sync -f ."]);
        m[0].program(
            "restic init; backup",
            at,
            &["restic init -q -r restic", "restic backup -q -r restic from"],
        );
        m[1].program(
            "restic restore; sync",
            at,
            &["restic restore -q -r restic latest --target restored", "sync -f ."],
        );
    }

    pub(crate) fn main() {
        let root =
            std::env::var_os("BRIO_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let only = std::env::var("BRIO_BENCH_ONLY").unwrap_or_default();
        let files = number("BRIO_BENCH_FILES", 20_000);
        let bytes = number("BRIO_BENCH_FILE_BYTES", 4000);
        let large = number("BRIO_BENCH_LARGE_MIB", 1024);
        if only != "large" {
            println!("{files} files of {bytes} bytes");
            let at = tempfile::tempdir_in(&root).expect("a directory");
            for n in 0..files {
                let dir = at.path().join(format!("from/dir-{:03}", n / 100));
                if n % 100 == 0 {
                    std::fs::create_dir_all(&dir).expect("a directory");
                }
                let content = text(bytes, n as u64);
                std::fs::write(dir.join(format!("source-file-{n}.rs")), content).expect("a file");
            }
            measure(at.path());
        }
        if only != "files" && large > 0 {
            println!("one file of {large} MiB, not compressible");
            let at = tempfile::tempdir_in(&root).expect("a directory");
            std::fs::create_dir(at.path().join("from")).expect("a directory");
            std::fs::write(at.path().join("from/large"), noise(large << 20, 1)).expect("a file");
            measure(at.path());
        }
    }
}
