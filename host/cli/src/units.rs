//! Sizes and durations as people write them.

use brio_host::Quota;
pub(crate) use brio_host::tasks::units::{parse_duration, parse_size};

/// Parses `10%` of the file system, or a size.
pub(crate) fn parse_quota(text: &str) -> Result<Quota, String> {
    let Some(percent) = text.trim().strip_suffix('%') else {
        return parse_size(text).map(Quota::Bytes);
    };
    match percent.trim().parse() {
        Ok(p) if p <= 100 => Ok(Quota::Percent(p)),
        _ => Err(format!("`{text}` is no share between 0% and 100%")),
    }
}

/// Shows bytes with the largest unit that keeps them short.
pub(crate) fn show_size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut value = bytes as f64;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value.fract() == 0.0 || unit == 0 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_short() {
        assert_eq!(show_size(1536), "1.5 KiB");
        assert_eq!(show_size(512), "512 B");
    }

    #[test]
    fn quotas() {
        assert_eq!(parse_quota("10%"), Ok(Quota::Percent(10)));
        assert_eq!(parse_quota("2M"), Ok(Quota::Bytes(2 << 20)));
        for bad in ["", "%", "101%", "-1%", "x"] {
            assert!(parse_quota(bad).is_err(), "{bad}");
        }
    }
}
