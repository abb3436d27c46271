//! Every target over its kept corpus, over nothing, and over changed inputs: the same ones in every run.

use fuzz::TARGETS;
use fuzz::mutate::Mutator;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|_| panic!("no corpus for {target}: run make-corpus"))
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).expect("readable")).collect()
}

/// Runs one input; a failure names the target and leaves the input beside the temporary files of the build.
fn run(target: &fuzz::Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-failed", target.name));
        fs::write(&file, input).expect("writable");
        panic!("{} fails on the {} bytes in {}", target.name, input.len(), file.display());
    }
}

#[test]
fn no_target_fails_on_its_corpus_or_on_changed_inputs() {
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for target in TARGETS.iter().skip(half).step_by(2) {
                    let corpus = corpus(target.name);
                    assert!(!corpus.is_empty(), "{} has no corpus", target.name);
                    run(target, &[]);
                    corpus.iter().for_each(|input| run(target, input));
                    let mut mutator = Mutator::new(target.name);
                    let (mut seen, mut last) = (0usize, corpus[0].clone());
                    for round in 0..target.rounds {
                        let input = mutator.change(&corpus[round % corpus.len()], &last);
                        run(target, &input);
                        seen += usize::from(!corpus.contains(&input));
                        last = input;
                    }
                    assert!(seen > target.rounds / 2, "{}: the mutator changes nothing", target.name);
                }
            });
        }
    });
}

#[test]
fn every_target_has_a_program_for_libfuzzer() {
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("readable");
    for target in TARGETS {
        let file = format!("fuzz_targets/{}.rs", target.name);
        assert!(manifest.contains(&format!("path = \"{file}\"")), "{file} is not in Cargo.toml");
        let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file)).expect("readable");
        assert!(source.contains(&format!("fuzz::{}(", target.name)), "{file} runs another target");
    }
}
