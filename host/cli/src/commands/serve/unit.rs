//! `brio serve --unit`

use std::ffi::OsStr;
use std::path::Path;

use crate::config::Places;
use crate::failure::Failure;

/// A systemd user unit that serves this home with this binary.
pub(super) fn unit(places: &Places, args: &[String]) -> Result<String, Failure> {
    let program = std::env::current_exe()
        .map_err(|e| Failure::new("IO", format!("where this program lies is not known: {e}")))?;
    let home = std::path::absolute(&places.home)
        .map_err(|e| Failure::new("IO", format!("{}: {e}", places.home.display())))?;
    let mut env = vec![("BRIO_HOME", text("BRIO_HOME", home.as_os_str())?.to_owned())];
    for name in ["BRIO_CA_FILE", "BRIO_LOG", "BRIO_LOG_FORMAT", "PATH"] {
        env.extend(places.env(name)?.map(|value| (name, value)));
    }
    let program = text("the program", program.as_os_str())?;
    if program.contains(|c: char| c.is_control() || "\"'\\".contains(c)) {
        let what = format!("systemd starts no program whose path has a quote in it: {program}");
        return Err(Failure::new("UNIT", what).hint("install brio in another directory"));
    }
    Ok(written(program, args, &env))
}

fn text<'a>(what: &str, value: &'a OsStr) -> Result<&'a str, Failure> {
    value.to_str().ok_or_else(|| {
        let shown = Path::new(value).display();
        Failure::new("UNIT", format!("{what} is not UTF-8, as a unit has to be: {shown}"))
    })
}

fn written(program: &str, args: &[String], env: &[(&str, String)]) -> String {
    let mut command = vec![quoted(program, false), "serve".to_owned()];
    command.extend(args.iter().map(|arg| quoted(arg, true)));
    let env: String = env
        .iter()
        .map(|(name, value)| format!("Environment={}\n", quoted(&format!("{name}={value}"), false)))
        .collect();
    format!(
        "# brio serve --unit > ~/.config/systemd/user/brio.service
# systemctl --user daemon-reload && systemctl --user enable --now brio

[Unit]
Description=Brio, which works on the queue of tasks
Documentation={repository}

[Service]
Type=notify
ExecStart={command}
# Tools of steps and gates are found by PATH: as it was when this was written.
{env}WatchdogSec=30
Restart=on-failure
RestartSec=2
# Usage, or somebody else serves this home: that does not mend itself.
RestartPreventExitStatus=2
# The server puts back what runs: a command that got the signal as well would count as failed.
KillMode=mixed
TimeoutStopSec=60

[Install]
WantedBy=default.target
",
        repository = env!("CARGO_PKG_REPOSITORY"),
        command = command.join(" "),
    )
}

/// As systemd.syntax(7) reads it; in an argument, `$` begins a variable.
fn quoted(text: &str, argument: bool) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '%' => quoted.push_str("%%"),
            '$' if argument => quoted.push_str("$$"),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_would_read_otherwise_is_quoted() {
        assert_eq!(quoted("/opt/a b/50%/\"x\"\\$", false), "\"/opt/a b/50%%/\\\"x\\\"\\\\$\"");
        assert_eq!(quoted("$HOME", true), "\"$$HOME\"");
        let args = ["--jobs".to_owned(), "3".to_owned()];
        let unit = written("/usr/bin/brio", &args, &[("PATH", "/a:/b c".to_owned())]);
        assert!(unit.contains("\nExecStart=\"/usr/bin/brio\" serve \"--jobs\" \"3\"\n"), "{unit}");
        assert!(unit.contains("\nEnvironment=\"PATH=/a:/b c\"\n"), "{unit}");
    }
}
