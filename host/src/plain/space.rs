//! The 2x guard: a full copy is made only where it fits twice.

use std::path::Path;

use super::PlainError;

const MB: u64 = 1 << 20;

/// Refuses when twice `bytes` are not free in the file system of `dir`.
pub(super) fn check(dir: &Path, bytes: u64) -> Result<(), PlainError> {
    enough(bytes, free(dir)?)
}

fn enough(bytes: u64, have: u64) -> Result<(), PlainError> {
    let need = bytes.saturating_mul(2);
    if need <= have {
        return Ok(());
    }
    Err(PlainError::Space { need: need.div_ceil(MB), have: have / MB })
}

#[cfg(unix)]
fn free(dir: &Path) -> Result<u64, PlainError> {
    let stat = rustix::fs::statvfs(dir).map_err(|e| PlainError::host(dir)(e.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Result<u64, PlainError> {
    Ok(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{MB, enough};

    // B-114: twice the source must be free, and the message says how much is missing.
    #[test]
    fn twice_the_size_must_be_free() {
        assert!(enough(10 * MB, 20 * MB).is_ok());
        let error = enough(10 * MB + 1, 20 * MB).expect_err("one byte too many");
        assert!(
            error.to_string().starts_with("NO_SPACE: Insufficient space: need 21MB, have 20MB"),
            "{error}"
        );
    }
}
