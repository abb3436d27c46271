//! Dead links in the documents: every relative link of a Markdown file must lead to a file of the repository, and an
//! anchor to a heading of it. Links to the outside are not followed: a test must not depend on another's server.

use std::path::{Component, Path, PathBuf};

use crate::Outcome;

/// Checks every Markdown file.
pub(crate) fn run(root: &Path) -> Outcome {
    let files = crate::repository_files(root).map_err(|error| vec![error])?;
    let documents: Vec<&PathBuf> =
        files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "md")).collect();
    let mut problems = Vec::new();
    let mut links = 0;
    for document in &documents {
        let text = crate::read(&root.join(document)).map_err(|error| vec![error])?;
        for (line, target) in targets(&text) {
            links += 1;
            if let Some(fault) = fault(root, document, &target) {
                problems.push(format!("{}:{line}: {target}: {fault}", document.display()));
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(format!("check-links: {links} links in {} documents", documents.len()))
}

/// The link targets of a text with their line numbers; what stands in code is no link.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_fence = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
            continue;
        }
        if in_fence {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("` `");
        let mut rest = prose.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let (target, next) = after.split_once(')').unwrap_or((after, ""));
            found.push((index + 1, target.split_whitespace().next().unwrap_or_default().to_owned()));
            rest = next;
        }
    }
    found
}

/// Why a link leads nowhere.
fn fault(root: &Path, document: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = if path.is_empty() { document.to_path_buf() } else { resolve(document, path)? };
    let full = root.join(&file);
    if !full.exists() {
        return Some("no such file".to_owned());
    }
    if anchor.is_empty() || !full.is_file() {
        return None;
    }
    let text = std::fs::read_to_string(&full).ok()?;
    let known = text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor);
    (!known).then(|| "no such heading".to_owned())
}

/// The target relative to the root; a leading slash means the root.
fn resolve(document: &Path, target: &str) -> Option<PathBuf> {
    let joined = match target.strip_prefix('/') {
        Some(absolute) => PathBuf::from(absolute),
        None => document.parent()?.join(target),
    };
    let mut path = PathBuf::new();
    for component in joined.components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    Some(path)
}

/// The anchor that a heading gets: lower case, spaces to hyphens, punctuation dropped.
fn slug(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_code() {
        let text =
            "a [x](one.md) and [y](two.md#part \"title\")\n```\n[z](no.md)\n```\n`[w](no.md)` [v](three.md)";
        let found: Vec<_> =
            targets(text).into_iter().map(|(line, target)| format!("{line} {target}")).collect();
        assert_eq!(found, ["1 one.md", "1 two.md#part", "5 three.md"]);
    }

    #[test]
    fn headings_become_anchors() {
        assert_eq!(slug("## The two commands"), "the-two-commands");
        assert_eq!(slug("### 4. Who may call whom?"), "4-who-may-call-whom");
    }

    #[test]
    fn dead_files_and_headings_are_faults() {
        let root = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(root.path().join("docs")).expect("create docs");
        std::fs::write(root.path().join("docs/a.md"), "# One thing\n").expect("write a.md");
        let judge = |target| fault(root.path(), Path::new("docs/b.md"), target);
        assert_eq!(judge("a.md"), None);
        assert_eq!(judge("a.md#one-thing"), None);
        assert_eq!(judge("../docs/a.md"), None);
        assert_eq!(judge("/docs/a.md"), None);
        assert_eq!(judge("https://example.test/"), None);
        assert_eq!(judge("gone.md").as_deref(), Some("no such file"));
        assert_eq!(judge("a.md#other").as_deref(), Some("no such heading"));
    }

    // The documents of this repository link to what is there.
    #[test]
    fn this_repository_has_no_dead_link() {
        let outcome = run(&crate::repository_root());
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}
