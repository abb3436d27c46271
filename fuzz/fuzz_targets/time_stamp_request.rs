#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::time_stamp_request(data));
