//! How fast a branch is over NFS, by loopback, beside the same over FUSE and a plain directory:
//! `cargo bench -p brio-nfs --bench throughput`. Each figure is the best of three.
//!
//! All of it lies in memory, where the machine has such a place, so that no disk is measured. The
//! client has several calls under way at once and does nothing with what it is answered; the two
//! directories are used by one thread, in calls of 1 MiB.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

#[cfg(unix)]
#[path = "../tests/common/mod.rs"]
mod common;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("SKIPPED: throughput: FUSE, which it compares with, is Linux's");
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::net::TcpStream;
    use std::os::unix::fs::FileExt;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use brio_mount::Mount;
    use brio_session::Fixed;
    use nfs3_types::nfs3::*;
    use nfs3_types::xdr_codec::Opaque;

    use crate::common::client::{connect, place, unix};
    use crate::common::wire::{call, packed, receive, send, word};
    use crate::common::{Branch, Fh, scratch};

    const LARGE: usize = 256 << 20;
    const PIECE: usize = 1 << 20;
    const FILES: usize = 5_000;
    const SMALL: usize = 4 << 10;

    /// The time that each of the four takes: writing and reading one large file and many small ones.
    type Times = [Duration; 4];

    fn timed(act: impl FnOnce()) -> Duration {
        let begun = Instant::now();
        act();
        begun.elapsed()
    }

    fn directory(at: &Path) -> Times {
        let (piece, small) = (vec![7; PIECE], vec![7; SMALL]);
        let mut buffer = vec![0; PIECE];
        let name = |n: usize| at.join(format!("small/{n}"));
        std::fs::create_dir(at.join("small")).unwrap();
        [
            timed(|| {
                let file = File::create(at.join("large")).unwrap();
                for offset in (0..LARGE).step_by(PIECE) {
                    file.write_all_at(&piece, offset as u64).unwrap();
                }
                file.sync_all().unwrap();
            }),
            timed(|| {
                let file = File::open(at.join("large")).unwrap();
                for offset in (0..LARGE).step_by(PIECE) {
                    file.read_exact_at(&mut buffer, offset as u64).unwrap();
                }
            }),
            timed(|| {
                for n in 0..FILES {
                    let file = File::create_new(name(n)).unwrap();
                    file.write_all_at(&small, 0).unwrap();
                    file.sync_all().unwrap();
                }
            }),
            timed(|| {
                for n in 0..FILES {
                    assert_eq!(std::fs::read(name(n)).unwrap().len(), SMALL);
                }
            }),
        ]
    }

    fn nfs(procedure: NFS_PROGRAM, arguments: &[u8], xid: usize) -> Vec<u8> {
        call(xid as u32, (PROGRAM, VERSION, procedure as u32), &unix(0), arguments)
    }

    /// Makes `count` calls, `window` of them at a time; answers come in any order.
    fn calls(
        stream: &mut TcpStream,
        (count, window): (usize, usize),
        make: impl Fn(usize) -> Vec<u8>,
        mut took: impl FnMut(usize, &[u8]),
    ) {
        let mut sent = 0;
        for answered in 0..count {
            while sent < count.min(answered + window) {
                send(stream, &make(sent));
                sent += 1;
            }
            let answer = receive(stream).unwrap();
            assert_eq!(word(&answer, 6), 0, "an error");
            took(word(&answer, 0) as usize, &answer);
        }
    }

    fn write(file: &Fh, offset: usize, bytes: &[u8], xid: usize) -> Vec<u8> {
        let (file, count, data) = (file.clone(), bytes.len() as u32, Opaque::borrowed(bytes));
        let stable = stable_how::UNSTABLE;
        let args = WRITE3args { file, offset: offset as u64, count, stable, data };
        nfs(NFS_PROGRAM::NFSPROC3_WRITE, &packed(&args), xid)
    }

    fn read(file: &Fh, offset: usize, count: usize, xid: usize) -> Vec<u8> {
        let (offset, count) = (offset as u64, count as u32);
        let args = READ3args { file: file.clone(), offset, count };
        nfs(NFS_PROGRAM::NFSPROC3_READ, &packed(&args), xid)
    }

    fn commit(file: &Fh, xid: usize) -> Vec<u8> {
        let args = COMMIT3args { file: file.clone(), offset: 0, count: 0 };
        nfs(NFS_PROGRAM::NFSPROC3_COMMIT, &packed(&args), xid)
    }

    /// The handle in the answer to a `CREATE` or `LOOKUP` whose status is followed by `words`.
    fn handle(answer: &[u8], words: usize) -> Fh {
        let at = (7 + words) * 4;
        let len = word(answer, 7 + words) as usize;
        Fh { data: Opaque::owned(answer[at + 4..at + 4 + len].to_vec()) }
    }

    fn over_nfs(window: usize) -> Times {
        let branch = Branch::new(|_| {});
        let (mut c, root) = branch.mounted();
        let dir = c.mkdir(&root, b"small", sattr3::default()).unwrap().0;
        let file = c.put(&root, b"large", b"");
        let (piece, small) = (vec![7; PIECE], vec![7; SMALL]);
        let mut stream = connect(branch.served.at).unwrap();
        let pieces = LARGE / PIECE;
        let name = |n: usize| n.to_string().into_bytes();
        let how = || createhow3::GUARDED(sattr3::default());
        let mut files = vec![Fh::default(); FILES];
        [
            timed(|| {
                let make = |n: usize| write(&file, n * PIECE, &piece, n);
                calls(&mut stream, (pieces, window), make, |_, _| {});
                calls(&mut stream, (1, 1), |_| commit(&file, 0), |_, _| {});
            }),
            timed(|| {
                let make = |n: usize| read(&file, n * PIECE, PIECE, n);
                calls(&mut stream, (pieces, window), make, |_, a| assert!(a.len() > PIECE));
            }),
            timed(|| {
                let create = |n: usize| {
                    let name = name(n);
                    let args = CREATE3args { where_: place(&dir, &name), how: how() };
                    nfs(NFS_PROGRAM::NFSPROC3_CREATE, &packed(&args), n)
                };
                // As many files at a time as there are calls under way.
                for from in (0..FILES).step_by(window) {
                    let count = window.min(FILES - from);
                    let shape = (count, window);
                    let make = |n| create(from + n);
                    calls(&mut stream, shape, make, |n, a| files[n] = handle(a, 1));
                    let make = |n: usize| write(&files[from + n], 0, &small, n);
                    calls(&mut stream, shape, make, |_, _| {});
                    calls(&mut stream, shape, |n| commit(&files[from + n], n), |_, _| {});
                }
            }),
            timed(|| {
                let look = |n: usize| {
                    let name = name(n);
                    let args = LOOKUP3args { what: place(&dir, &name) };
                    nfs(NFS_PROGRAM::NFSPROC3_LOOKUP, &packed(&args), n)
                };
                for from in (0..FILES).step_by(window) {
                    let shape = (window.min(FILES - from), window);
                    calls(&mut stream, shape, |n| look(from + n), |n, a| files[n] = handle(a, 0));
                    let make = |n: usize| read(&files[from + n], 0, SMALL, n);
                    calls(&mut stream, shape, make, |_, a| assert!(a.len() > SMALL));
                }
            }),
        ]
    }

    fn over_fuse() -> Option<Times> {
        let branch = Branch::new(|_| {});
        let at = branch.place.tmp.path().join("at");
        std::fs::create_dir(&at).unwrap();
        let mount = Mount::at(&at, Fixed(branch.view.clone()), &Default::default());
        let mount = mount.inspect_err(|e| eprintln!("SKIPPED: FUSE: {e}")).ok()?;
        let times = directory(&at);
        mount.unmount().unwrap();
        Some(times)
    }

    fn best(run: impl Fn() -> Option<Times>) -> Option<Times> {
        let runs: Vec<Times> = (0..3).map(|_| run()).collect::<Option<_>>()?;
        let least = |of: usize| runs.iter().map(|times| times[of]).min().unwrap();
        Some([0, 1, 2, 3].map(least))
    }

    pub(super) fn main() {
        let plain = best(|| {
            let tmp = scratch();
            Some(directory(tmp.path()))
        })
        .unwrap();
        let columns = [
            ("plain", Some(plain)),
            ("FUSE", best(over_fuse)),
            ("NFS, one call at a time", best(|| Some(over_nfs(1)))),
            ("NFS, eight at a time", best(|| Some(over_nfs(8)))),
        ];
        let (large, many) = (LARGE as f64 / f64::from(1 << 20), FILES as f64);
        println!("256 MiB written and read (MiB/s), 5,000 files of 4 KiB made, committed and read");
        println!("back (files/s); in brackets how many times as long as in the plain directory\n");
        let head = ["", "write", "read", "make", "read back"];
        println!("{:26}{:>16}{:>16}{:>16}{:>16}", head[0], head[1], head[2], head[3], head[4]);
        for (name, times) in columns {
            let Some(times) = times else { continue };
            print!("{name:26}");
            for (n, time) in times.iter().enumerate() {
                let work = if n < 2 { large } else { many };
                let ratio = time.as_secs_f64() / plain[n].as_secs_f64();
                print!("{:>16}", format!("{:.0} ({ratio:.1})", work / time.as_secs_f64()));
            }
            println!();
        }
    }
}
