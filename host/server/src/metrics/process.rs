//! This process, by the names that Prometheus has for what every process has.

use std::{fmt, fs, io};

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rustix::time::{ClockId, clock_gettime};

use super::exposition::Families;

/// In what the kernel tells programs a second has so many ticks, whatever it has itself.
const TICKS: f64 = 100.0;

/// What the kernel says of it.
#[derive(Debug)]
pub(super) struct Process {
    /// Seconds.
    cpu: f64,
    /// Seconds since the Unix epoch.
    started: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
    threads: u64,
    open_fds: u64,
    /// `None`: as many as it likes.
    max_fds: Option<u64>,
}

impl Process {
    pub(super) fn now() -> io::Result<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{file}"));
        let odd = || io::Error::other("it is not as it is documented");
        let parsed = parse(&read("self/stat")?, &read("self/status")?, &read("stat")?);
        let mut this = parsed.ok_or_else(odd)?;
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        #[allow(clippy::cast_precision_loss, reason = "seconds, and fractions of them")]
        let seconds = |n: i64| n as f64;
        this.cpu = seconds(cpu.tv_sec) + seconds(cpu.tv_nsec) / 1e9;
        this.open_fds = fs::read_dir("/proc/self/fd")?.count() as u64;
        this.max_fds = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        Ok(this)
    }

    pub(super) fn encode(&self, all: &mut Families<'_>) -> fmt::Result {
        let (seconds, bytes) = (Some(Unit::Seconds), Some(Unit::Bytes));
        let what = "Processor time, user and system";
        all.one("process_cpu", what, seconds.clone(), &ConstCounter::new(self.cpu))?;
        let what = "When it started, since the Unix epoch";
        all.one("process_start_time", what, seconds, &ConstGauge::new(self.started))?;
        let gauges = [
            ("process_virtual_memory", "Virtual memory", bytes.clone(), self.virtual_bytes),
            ("process_resident_memory", "Resident memory", bytes, self.resident_bytes),
            ("process_threads", "Threads", None, self.threads),
            ("process_open_fds", "Open file descriptors", None, self.open_fds),
        ];
        for (name, what, unit, value) in gauges {
            all.one(name, what, unit, &ConstGauge::new(value))?;
        }
        match self.max_fds {
            Some(most) => {
                let what = "File descriptors that it may have open";
                all.one("process_max_fds", what, None, &ConstGauge::new(most))
            }
            None => Ok(()),
        }
    }
}

/// From proc_pid_stat(5), proc_pid_status(5) and proc_stat(5).
fn parse(stat: &str, status: &str, boot: &str) -> Option<Process> {
    // Its name may hold anything, brackets and spaces too; what follows is the third field.
    let (_, fields) = stat.rsplit_once(") ")?;
    let begun: u64 = fields.split_ascii_whitespace().nth(22 - 3)?.parse().ok()?;
    let number = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    #[allow(clippy::cast_precision_loss, reason = "seconds since 1970, and ticks since then")]
    let (booted, begun) = (number(boot, "btime ")? as f64, begun as f64);
    Some(Process {
        cpu: 0.0,
        started: booted + begun / TICKS,
        virtual_bytes: number(status, "VmSize:")? << 10,
        resident_bytes: number(status, "VmRSS:")? << 10,
        threads: number(status, "Threads:")?,
        open_fds: 0,
        max_fds: None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn whatever_it_is_called_its_fields_are_found() {
        let stat = "7 (a) R (b c) S 1 7 7 0 -1 4194304 100 0 0 0 30 20 0 0 20 0 5 0 250 4096000 \
                    300 18446744073709551615 0 0\n";
        let status = "Name:\ta\nVmSize:\t    4000 kB\nVmRSS:\t     300 kB\nThreads:\t5\n";
        let process = parse(stat, status, "cpu 1 2 3\nbtime 1000\n").unwrap();
        assert!((process.started - 1002.5).abs() < 1e-9, "{process:?}");
        assert_eq!((process.threads, process.virtual_bytes), (5, 4000 << 10));
        assert_eq!(process.resident_bytes, 300 << 10);
        for odd in ["", "7 (a) S 1 2", "7 a S"] {
            assert!(parse(odd, status, "btime 1\n").is_none(), "{odd}");
        }
        assert!(parse(stat, status, "cpu\n").is_none() && parse(stat, "", "btime 1\n").is_none());
    }

    #[test]
    fn this_process_has_run_and_has_files_open() {
        let now = Process::now().unwrap();
        assert!(
            now.cpu > 0.0 && now.resident_bytes > 0 && now.open_fds > 0 && now.threads > 0,
            "{now:?}"
        );
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(now.started > 1e9 && now.started < since.as_secs_f64() + 5.0, "{now:?}");
    }
}
