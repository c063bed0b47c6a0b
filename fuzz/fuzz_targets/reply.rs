#![no_main]

libfuzzer_sys::fuzz_target!(init: nic53_fuzz::lay_seeds("reply"), |data: &[u8]| {
    nic53_fuzz::targets::reply::run(data);
});
