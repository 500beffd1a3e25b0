//! Any bytes as a command.
#![no_main]

mod check;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| check::check(payload));
