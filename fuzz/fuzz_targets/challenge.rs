#![no_main]

libfuzzer_sys::fuzz_target!(init: nic53_fuzz::lay_seeds("challenge"), |data: &[u8]| {
    nic53_fuzz::targets::challenge::run(data);
});
