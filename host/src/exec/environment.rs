//! What a command gets of its caller's environment.

use std::ffi::{OsStr, OsString};

use super::ExecRequest;

/// Names that tell where tools are and how to speak to the caller; none of them is a secret.
const KEPT: [&str; 20] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "TZ",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "NVM_DIR",
    "NVM_BIN",
    "COLUMNS",
    "LINES",
];

/// Where programs are looked up for a caller who does not say.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The whole environment of a confined command.
pub(super) fn confined(request: &ExecRequest) -> Vec<(OsString, OsString)> {
    let mut env: Vec<_> = request
        .caller_env
        .iter()
        .filter(|(name, _)| {
            name.to_str().is_some_and(|n| KEPT.contains(&n) || n.starts_with("LC_"))
        })
        .cloned()
        .collect();
    if !env.iter().any(|(name, _)| name == "PATH") {
        set(&mut env, "PATH", DEFAULT_PATH);
    }
    set(&mut env, "TMPDIR", "/tmp");
    for (name, value) in &request.env {
        set(&mut env, name, value);
    }
    env
}

/// The whole environment of one that is not.
pub(super) fn unconfined(request: &ExecRequest) -> Vec<(OsString, OsString)> {
    let mut env = request.caller_env.clone();
    for (name, value) in &request.env {
        set(&mut env, name, value);
    }
    env
}

fn set(env: &mut Vec<(OsString, OsString)>, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
    let name = name.as_ref();
    env.retain(|(n, _)| n != name);
    env.push((name.to_owned(), value.as_ref().to_owned()));
}

/// One variable of the caller's.
pub(super) fn of_caller(request: &ExecRequest, name: &str) -> Option<OsString> {
    request.caller_env.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_caller_stay_outside() {
        let pair = |n: &str, v: &str| (OsString::from(n), OsString::from(v));
        let request = ExecRequest {
            caller_env: vec![
                pair("PATH", "/bin"),
                pair("AWS_SECRET_ACCESS_KEY", "x"),
                pair("LC_ALL", "C"),
                pair("SSH_AUTH_SOCK", "/run/x"),
            ],
            env: vec![pair("PATH", "/usr/bin"), pair("K", "v")],
            ..ExecRequest::default()
        };
        let mut env = confined(&request);
        env.sort();
        let want =
            [pair("K", "v"), pair("LC_ALL", "C"), pair("PATH", "/usr/bin"), pair("TMPDIR", "/tmp")];
        assert_eq!(env, want);
    }
}
