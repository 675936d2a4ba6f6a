//! The entry points of the fuzz targets (`tests/fuzz`) with made-up inputs, a bounded number of
//! them, and an allocator that tells how much was asked for at once.
//!
//! The long run: `BRIO_FUZZ_INPUTS=1000000 cargo test --release -p brio-nfs --test fuzzed`.
#![cfg(target_os = "linux")]

#[path = "../../../tests/src/fuzz_nfs.rs"]
#[allow(unreachable_pub, reason = "a module of another crate's library")]
mod fuzz_nfs;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Largest;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code, reason = "an allocator has no safe form")]
// SAFETY: everything is the system's allocator's; only a number is kept beside that.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Largest = Largest;

/// SplitMix64.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// M-043: whatever is sent, nothing panics, nothing is made room for that is not there, and no
/// file of the base changes.
#[test]
fn whatever_is_sent_the_base_stays() {
    let mut seed = number("BRIO_SEED", 1);
    let inputs = number("BRIO_FUZZ_INPUTS", 4000);
    for n in 0..inputs {
        let len = next(&mut seed) % 400;
        let data: Vec<u8> = (0..len).map(|_| next(&mut seed) as u8).collect();
        fuzz_nfs::calls(&data);
        if n % 4 == 0 {
            fuzz_nfs::record(&data);
        }
    }
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < 4 << 20, "{largest} bytes at once");
}
