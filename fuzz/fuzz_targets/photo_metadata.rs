#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::photo_metadata(data));
