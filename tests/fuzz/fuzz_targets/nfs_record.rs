#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| brio_tests::fuzz_nfs::record(data));
