//! Checks of the repository itself: which crate may depend on which, which requirement is proved by which test,
//! and whether every link in the documents leads somewhere.
//!
//! Run as `cargo xtask COMMAND`. What a shell can say in one line stays in the Makefile.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks on its standard output"
)]

mod deps;
mod links;
mod trace;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND
  check-deps       dependencies run one way: standards <- model <- systems <- apps
  trace            which requirement is proved where; writes docs/requirements/status.md
  trace --check    fails on an unknown id, a wrong total or a stale status.md; writes nothing
  check-links      every relative link in the documents leads to a file and a heading that exist";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = repository_root();
    let outcome = match words.as_slice() {
        ["check-deps"] => deps::run(&root),
        ["trace"] => trace::run(&root, trace::Mode::Write),
        ["trace", "--check"] => trace::run(&root, trace::Mode::Check),
        ["check-links"] => links::run(&root),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(problems) => {
            for problem in &problems {
                eprintln!("error: {problem}");
            }
            eprintln!("{} failed: {} problem(s)", words.join(" "), problems.len());
            ExitCode::FAILURE
        }
    }
}

/// What a check answers: one line that sums it up, or every problem it found.
type Outcome = Result<String, Vec<String>>;

/// The root of the repository, known from where this crate stands.
fn repository_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Reads a text file, naming it in the error.
fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Every tracked or new file below the root that git does not ignore, sorted, relative to the root.
fn repository_files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git ls-files: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let mut files: Vec<PathBuf> = output
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned()))
        .filter(|name| root.join(name).is_file())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}
