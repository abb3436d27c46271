#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::security_infos(data));
