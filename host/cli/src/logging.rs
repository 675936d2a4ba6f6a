//! What is said on standard error: lines for people, or a JSON object a line for machines.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FmtSpan, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::failure::Failure;
use crate::progress;

/// How what is said on standard error is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

const VARIABLE: &str = "BRIO_LOG_FORMAT";

static JSON: AtomicBool = AtomicBool::new(false);

/// Whether machines read what is said.
pub(crate) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// The format that the environment asks for: before anything can be said.
pub(crate) fn from_env() -> Result<(), Failure> {
    let format = match std::env::var_os(VARIABLE) {
        None => LogFormat::Text,
        Some(value) => match value.to_str() {
            Some("" | "text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            _ => {
                let what = format!("{VARIABLE} is `{}`", value.display());
                return Err(Failure::new("CONFIG", what).hint("it is text or json"));
            }
        },
    };
    choose(format);
    Ok(())
}

/// From now on it is written so.
pub(crate) fn choose(format: LogFormat) {
    JSON.store(format == LogFormat::Json, Ordering::Relaxed);
}

/// Diagnostics for whoever asks for them (`BRIO_LOG=debug`); warnings otherwise, but for those of
/// MCP's SDK: what it fails at is an error of ours. Each run and each landing is a span, which is
/// told when it is closed (`BRIO_LOG=info`).
pub(crate) fn begin() {
    let quiet = || EnvFilter::new("warn,rmcp=off");
    let filter = EnvFilter::try_from_env("BRIO_LOG").unwrap_or_else(|_| quiet());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| progress::Diagnostics)
        .with_ansi(false)
        .with_span_events(FmtSpan::CLOSE);
    if is_json() {
        subscriber.json().flatten_event(true).with_span_list(false).init();
    } else {
        subscriber.without_time().with_target(false).init();
    }
}

/// Something that the command itself says, in the form of a diagnostic.
#[derive(Default, Serialize)]
pub(crate) struct Said<'a> {
    /// When it is written.
    pub(crate) timestamp: String,
    pub(crate) level: &'static str,
    pub(crate) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<&'a str>,
    /// What it is about, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) each: Vec<String>,
    /// `brio`, when it is written.
    pub(crate) target: &'static str,
}

impl Said<'_> {
    /// As a line, without its end.
    pub(crate) fn line(mut self) -> String {
        self.target = "brio";
        // A clock that cannot be told leaves it empty.
        let _ = SystemTime.format_time(&mut Writer::new(&mut self.timestamp));
        serde_json::to_string(&self).unwrap_or_default()
    }
}
