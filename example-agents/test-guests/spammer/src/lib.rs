//! `spammer WHAT AMOUNT`: `stdout` or `stderr` bytes, `bytes` in one file, `sparse` for one byte at
//! that offset, `files`, `dirs`, `handles` that stay open. Without an amount it goes on until it is
//! stopped.

use std::io::{Seek, SeekFrom, Write};

use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput};

struct Spammer;

impl Agent for Spammer {
    fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
        let args = task.args();
        let what = args.first().map_or("", String::as_str);
        let amount: u64 = match args.get(1) {
            Some(text) => {
                text.parse().map_err(|_| AgentError::invalid(format!("amount {text}")))?
            }
            None => u64::MAX,
        };
        match what {
            "stdout" => stream(&mut std::io::stdout(), amount).at("stdout")?,
            "stderr" => stream(&mut std::io::stderr(), amount).at("stderr")?,
            "bytes" => {
                let mut file = std::fs::File::create("spam.bin").at("spam.bin")?;
                stream(&mut file, amount).at("spam.bin")?;
            }
            "sparse" => {
                let mut file = std::fs::File::create("spam.bin").at("spam.bin")?;
                file.seek(SeekFrom::Start(amount)).at("spam.bin")?;
                file.write_all(b"x").at("spam.bin")?;
            }
            "files" => repeat(amount, |path| std::fs::write(path, "spam\n"))?,
            "dirs" => repeat(amount, |path| std::fs::create_dir(path))?,
            "handles" => {
                let mut held = Vec::new();
                std::fs::write("spam-handle", "spam\n").at("spam-handle")?;
                repeat(amount, |_| {
                    held.push(std::fs::File::open("spam-handle")?);
                    Ok(())
                })?;
            }
            _ => return Err(AgentError::invalid(format!("what is `{what}`?"))),
        }
        Ok(TaskOutput::new(format!("{what} {amount}")))
    }
}

fn stream(to: &mut dyn Write, mut left: u64) -> std::io::Result<()> {
    let block = "spam spam spam spam spam spam spam spam spam spam spam spam spa\n"
        .repeat(1024)
        .into_bytes();
    while left > 0 {
        let part = left.min(block.len() as u64);
        to.write_all(&block[..part as usize])?;
        left -= part;
    }
    to.flush()
}

fn repeat(
    amount: u64,
    mut once: impl FnMut(&str) -> std::io::Result<()>,
) -> Result<(), AgentError> {
    for number in 0..amount {
        let path = format!("spam-{number}");
        once(&path).at(&path)?;
    }
    Ok(())
}

brio_agent::export_agent!(Spammer);
