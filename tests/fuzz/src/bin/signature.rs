#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| controller_identity::fuzz::signature(bytes));
