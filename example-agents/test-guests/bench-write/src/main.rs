//! `bench-write [DIR [FILES]]`: in a fresh directory below DIR, creates and writes files of 4 KiB,
//! then renames each, then removes them all. Prints `COUNT NANOSECONDS` of the writes and
//! `COUNT NANOSECONDS` of the renames.

use std::path::Path;
use std::time::Instant;

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dir = Path::new(args.first().map_or(".", String::as_str)).join("bench-write.tmp");
    let files: u32 = args.get(1).and_then(|arg| arg.parse().ok()).unwrap_or(2000);
    let content = [b'x'; 4096];
    std::fs::create_dir(&dir)?;
    let start = Instant::now();
    for i in 0..files {
        std::fs::write(dir.join(format!("new{i}")), content)?;
    }
    let written = start.elapsed();
    let start = Instant::now();
    for i in 0..files {
        std::fs::rename(dir.join(format!("new{i}")), dir.join(format!("kept{i}")))?;
    }
    let renamed = start.elapsed();
    std::fs::remove_dir_all(&dir)?;
    println!("{files} {} {files} {}", written.as_nanos(), renamed.as_nanos());
    Ok(())
}
