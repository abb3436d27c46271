//! The requirement catalogue: one Markdown file per group. An entry is a list item `- **CARD-01** ...` or a table row
//! `| SCALE-01 | ...`; some groups number parts of theirs with a letter (`API-F001`, `SECURITY-L01`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Files of the folder that hold no entries.
const NOT_A_GROUP: [&str; 3] = ["README", "status", super::exceptions::FILE];

/// The ids of the catalogue, in the order of their group's file.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    groups: BTreeMap<String, Vec<String>>,
    /// Number of entries that the README states for each group.
    stated: BTreeMap<String, usize>,
    known: BTreeSet<String>,
    doubled: Vec<String>,
}

impl Catalogue {
    /// Reads every group of the folder and the numbers of its README.
    pub(super) fn read(folder: &Path) -> Result<Self, Vec<String>> {
        let mut catalogue = Self::default();
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .map_err(|error| vec![format!("{}: {error}", folder.display())])?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
            .collect();
        files.sort();
        for path in files {
            let Some(group) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            let text = crate::read(&path).map_err(|error| vec![error])?;
            if group == "README" {
                catalogue.stated = stated_numbers(&text);
            }
            if !NOT_A_GROUP.contains(&group) {
                catalogue.add(group, &text);
            }
        }
        Ok(catalogue)
    }

    /// A catalogue from texts, for tests.
    #[cfg(test)]
    pub(super) fn from_texts(groups: &[(&str, &str)]) -> Self {
        let mut catalogue = Self::default();
        for (group, text) in groups {
            catalogue.add(group, text);
        }
        catalogue
    }

    fn add(&mut self, group: &str, text: &str) {
        let mut ids = Vec::new();
        for line in text.lines() {
            if let Some(id) = entry(line, group) {
                if self.known.insert(id.to_owned()) {
                    ids.push(id.to_owned());
                } else {
                    self.doubled.push(id.to_owned());
                }
            }
        }
        self.groups.insert(group.to_owned(), ids);
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether the id is an entry.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.known.contains(id)
    }

    /// Groups with their ids.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.groups.iter().map(|(group, ids)| (group.as_str(), ids.as_slice()))
    }

    /// Doubled ids, a wrong total, a group whose number differs from the README.
    pub(super) fn inconsistencies(&self, total: usize) -> Vec<String> {
        let mut problems: Vec<String> =
            self.doubled.iter().map(|id| format!("{id} stands twice in the catalogue")).collect();
        for (group, ids) in &self.groups {
            match self.stated.get(group) {
                Some(number) if *number == ids.len() => {}
                Some(number) => {
                    problems.push(format!("{group}: {} entries, the README says {number}", ids.len()))
                }
                None => problems.push(format!("{group}: the README states no number of entries")),
            }
        }
        if self.len() != total {
            problems.push(format!("the catalogue holds {} entries, not {total}", self.len()));
        }
        problems
    }
}

/// The id that a line of the group's file opens with.
fn entry<'a>(line: &'a str, group: &str) -> Option<&'a str> {
    let line = line.trim_start();
    let id = if let Some(rest) = line.strip_prefix("- **") {
        rest.split_once("**")?.0
    } else {
        line.strip_prefix("| ")?.split_once('|')?.0
    };
    let id = id.trim();
    let number = id.strip_prefix(group)?.strip_prefix('-')?;
    let digits = number.trim_start_matches(|letter: char| letter.is_ascii_uppercase());
    let shaped = !digits.is_empty()
        && number.len() - digits.len() <= 1
        && digits.bytes().all(|digit| digit.is_ascii_digit());
    shaped.then_some(id)
}

/// The table "Number of entries per group" of the README: `| CARD | 58 |`, `| API | 189 (12 general ...) |`.
fn stated_numbers(readme: &str) -> BTreeMap<String, usize> {
    readme
        .lines()
        .skip_while(|line| !line.starts_with("### Number of entries"))
        .take_while(|line| !line.starts_with("### Glossary"))
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            let group = cells.next()?.to_owned();
            let number = cells.next()?.split_whitespace().next()?.parse().ok()?;
            Some((group, number))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_list_items_and_table_rows() {
        assert_eq!(entry("- **CARD-01** The card", "CARD"), Some("CARD-01"));
        assert_eq!(entry("| SCALE-07 | Capacity | 45,000 |", "SCALE"), Some("SCALE-07"));
        assert_eq!(entry("| API-F001 | `GetCertificate` |  |", "API"), Some("API-F001"));
        assert_eq!(entry("| SECURITY-L42 | 42 | 7.5 |", "SECURITY"), Some("SECURITY-L42"));
    }

    #[test]
    fn mentions_are_not_entries() {
        assert_eq!(entry("See CARD-01.", "CARD"), None);
        assert_eq!(entry("- **CARD-01** of another group", "NPC"), None);
        assert_eq!(entry("| Id | Quantity |", "SCALE"), None);
        assert_eq!(entry("| | **identity management** | |", "API"), None);
        assert_eq!(entry("- **CARDFACE-01** x", "CARD"), None);
        assert_eq!(entry("- **CARD-FOO** x", "CARD"), None);
        assert_eq!(entry("- **CARD-** x", "CARD"), None);
    }

    #[test]
    fn the_readme_states_numbers_per_group() {
        let stated = stated_numbers(
            "| CARD | 1 |\n### Number of entries per group\n| Group | Entries |\n|---|---|\n| CARD | 58 |\n| API | 189 (12 general) |\n### Glossary\n| x | 4 |",
        );
        assert_eq!(stated, BTreeMap::from([("CARD".to_owned(), 58), ("API".to_owned(), 189)]));
    }

    #[test]
    fn a_doubled_id_and_a_wrong_total_are_reported() {
        let catalogue = Catalogue::from_texts(&[("CARD", "- **CARD-01** a\n- **CARD-01** b")]);
        let problems = catalogue.inconsistencies(2);
        assert!(problems.iter().any(|problem| problem.contains("twice")), "{problems:?}");
        assert!(problems.iter().any(|problem| problem.contains("not 2")), "{problems:?}");
    }
}
