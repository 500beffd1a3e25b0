//! What the fuzzer begins with, and what it once found: `firmware/fuzz/corpus`.

#[path = "../../fuzz/fuzz_targets/check.rs"]
mod check;

use std::{fs, path::Path};

#[test]
fn the_corpus_of_commands_is_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/command");
    let files = fs::read_dir(folder).unwrap();
    let payloads: Vec<_> = files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(payloads.len() >= 9, "{}", payloads.len());
    for payload in payloads {
        check::check(&payload);
    }
}
