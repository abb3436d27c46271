#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::update_receipt(data));
