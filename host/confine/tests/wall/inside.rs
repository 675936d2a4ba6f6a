//! What goes on in the cells of the tests: does what it is told, a line each, and answers.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::hostile::raw;
use crate::locked;

/// The first descriptor is the socket to the tests.
pub(crate) fn run(mut given: Vec<OwnedFd>) -> i32 {
    let mut socket = UnixStream::from(given.remove(0));
    let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        let mut words = line.split(' ');
        let command = words.next().unwrap();
        let words: Vec<&str> = words.collect();
        let answer = match command {
            "echo" => words.join(" "),
            "exit" => return words[0].parse().unwrap(),
            "panic" => panic!("as told"),
            "abort" => std::process::abort(),
            "spin" => loop {
                std::hint::spin_loop();
            },
            "environment" => std::env::vars_os().count().to_string(),
            "page-size" => rustix::param::page_size().to_string(),
            "standard-output" => format!("{:?}", io::stderr().write_all(b"x").is_ok()),
            "descriptors" => open_descriptors(),
            "threads" => threads(words[0].parse().unwrap()),
            "pass" => {
                let mut other = UnixStream::from(given.remove(0));
                let mut said = [0; 4];
                other.read_exact(&mut said).unwrap();
                other.write_all(&said).unwrap();
                String::from_utf8(said.to_vec()).unwrap()
            }
            "timers" => timers(),
            "streams" => streams(given.remove(0)),
            "code" => code().to_string(),
            "memory" => memory(words[0].parse().unwrap()).to_string(),
            "allocate" => vec![1u8; words[0].parse::<usize>().unwrap()].len().to_string(),
            "attempt" => match locked::attempt(words[0], &words[1..], &mut given) {
                Ok(()) => "ok".to_owned(),
                // What is no number of an error says itself.
                Err(e) => e.raw_os_error().map_or_else(|| e.to_string(), |code| code.to_string()),
            },
            other => panic!("no command {other}"),
        };
        writeln!(socket, "{answer}").unwrap();
    }
    0
}

/// By their numbers: there is no `/proc` to list them.
fn open_descriptors() -> String {
    let open = |number: &i64| raw(libc::SYS_fcntl, [*number, 1, 0, 0, 0]).is_ok(); // F_GETFD
    (0..4096).filter(open).fold(String::new(), |mut list, number| {
        let _ = write!(list, "{number},");
        list
    })
}

/// The sum that so many threads make, all of them running at once.
fn threads(count: usize) -> String {
    let barrier = std::sync::Barrier::new(count);
    let sum = std::sync::atomic::AtomicUsize::new(0);
    let (barrier, sum) = (&barrier, &sum);
    std::thread::scope(|scope| {
        for number in 0..count {
            let work = move || {
                barrier.wait();
                sum.fetch_add(number, std::sync::atomic::Ordering::Relaxed);
            };
            std::thread::Builder::new()
                .name(format!("t{number}"))
                .spawn_scoped(scope, work)
                .unwrap();
        }
    });
    sum.load(std::sync::atomic::Ordering::Relaxed).to_string()
}

/// On both runtimes, with all drivers.
fn timers() -> String {
    let work = async {
        let slept = tokio::spawn(tokio::time::sleep(Duration::from_millis(5)));
        let blocking = tokio::task::spawn_blocking(|| 20);
        slept.await.unwrap();
        tokio::time::timeout(Duration::from_millis(5), std::future::pending::<()>())
            .await
            .unwrap_err();
        blocking.await.unwrap()
    };
    let current = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let several =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    (current.block_on(work) + several.block_on(async { 22 })).to_string()
}

/// What comes by another descriptor, waited for without a thread.
fn streams(given: OwnedFd) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let given = UnixStream::from(given);
    given.set_nonblocking(true).unwrap();
    runtime.block_on(async {
        let mut stream = tokio::net::UnixStream::from_std(given).unwrap();
        let mut said = [0; 4];
        stream.read_exact(&mut said).await.unwrap();
        stream.write_all(&said).await.unwrap();
        String::from_utf8(said.to_vec()).unwrap()
    })
}

#[cfg(target_arch = "x86_64")]
const ANSWER: &[u8] = &[0xB8, 42, 0, 0, 0, 0xC3]; // mov eax, 42; ret
#[cfg(target_arch = "aarch64")]
const ANSWER: &[u8] = &[0x40, 0x05, 0x80, 0x52, 0xC0, 0x03, 0x5F, 0xD6]; // mov w0, 42; ret

/// Calls what was written into memory a moment ago.
#[expect(unsafe_code, reason = "compiled guests are called like this")]
fn code() -> i32 {
    let writable = i64::from(libc::PROT_READ | libc::PROT_WRITE);
    let private = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let at = raw(libc::SYS_mmap, [0, 4096, writable, private, -1]).unwrap();
    let memory = at as *mut u8;
    // SAFETY: the page was mapped a moment ago, is larger than the code, and nobody else's.
    unsafe { memory.copy_from_nonoverlapping(ANSWER.as_ptr(), ANSWER.len()) };
    let executable = i64::from(libc::PROT_READ | libc::PROT_EXEC);
    raw(libc::SYS_mprotect, [at, 4096, executable, 0, 0]).unwrap();
    // SAFETY: the page holds a function of this signature, and is executable.
    let answer = unsafe { std::mem::transmute::<*mut u8, extern "C" fn() -> i32>(memory) };
    answer()
}

/// How many MiB it gets of so many.
fn memory(most: usize) -> usize {
    let mut got: Vec<Vec<u8>> = Vec::new();
    for _ in 0..most {
        let mut next = Vec::new();
        if next.try_reserve_exact(1 << 20).is_err() {
            break;
        }
        next.resize(1 << 20, 1);
        got.push(next);
    }
    got.len()
}
