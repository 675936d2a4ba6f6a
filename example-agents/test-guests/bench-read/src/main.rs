//! `bench-read [DIR [ROUNDS]]`: reads every file of a tree from beginning to end. The walk is not
//! timed. Prints the number of reads, the nanoseconds and the bytes: `COUNT NANOSECONDS BYTES`.

use std::path::{Path, PathBuf};
use std::time::Instant;

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dir = args.first().map_or(".", String::as_str);
    let rounds: u32 = args.get(1).and_then(|arg| arg.parse().ok()).unwrap_or(1);
    let mut files: Vec<PathBuf> = Vec::new();
    let mut pending: Vec<PathBuf> = vec![Path::new(dir).to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    let start = Instant::now();
    let (mut count, mut bytes) = (0_u64, 0_u64);
    for _ in 0..rounds {
        for path in &files {
            bytes += std::hint::black_box(std::fs::read(path)?).len() as u64;
            count += 1;
        }
    }
    println!("{count} {} {bytes}", start.elapsed().as_nanos());
    Ok(())
}
