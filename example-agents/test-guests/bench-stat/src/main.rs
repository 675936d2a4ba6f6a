//! `bench-stat [DIR [ROUNDS]]`: walks a tree and stats each entry. Prints the number of stats and
//! the nanoseconds they took: `COUNT NANOSECONDS`.

use std::path::{Path, PathBuf};
use std::time::Instant;

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dir = args.first().map_or(".", String::as_str);
    let rounds: u32 = args.get(1).and_then(|arg| arg.parse().ok()).unwrap_or(1);
    let start = Instant::now();
    let mut count = 0_u64;
    for _ in 0..rounds {
        let mut pending: Vec<PathBuf> = vec![Path::new(dir).to_owned()];
        while let Some(dir) = pending.pop() {
            for entry in std::fs::read_dir(&dir)? {
                let path = entry?.path();
                let metadata = std::fs::symlink_metadata(&path)?;
                count += 1;
                if metadata.is_dir() {
                    pending.push(path);
                }
            }
        }
    }
    println!("{count} {}", start.elapsed().as_nanos());
    Ok(())
}
