//! The table of proved and unproved requirements, as Markdown and as lines for the terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::catalogue::Catalogue;
use super::exceptions::Argued;

/// Places of proof by id.
type Proved = BTreeMap<String, Vec<String>>;

/// The whole of `status.md`. It holds no line numbers and no date, so that it changes only when a proof does.
pub(super) fn render(catalogue: &Catalogue, proved: &Proved, argued: &Argued) -> String {
    let mut out = String::from(
        "# Status of the requirements\n\nWritten by `cargo xtask trace`; do not edit. A requirement counts as proved when a test that would fail without it \
         names it in a `proves:` comment; as argued when [exceptions.md](exceptions.md) says why no test can.\n\n\
         | Group | Entries | Proved | Argued |\n|---|---:|---:|---:|\n",
    );
    for (group, ids) in catalogue.groups() {
        let exceptions = ids.iter().filter(|id| argued.contains_key(*id)).count();
        let _ = writeln!(out, "| {group} | {} | {} | {exceptions} |", ids.len(), count(ids, proved));
    }
    let _ = writeln!(
        out,
        "| **Total** | **{}** | **{}** | **{}** |",
        catalogue.len(),
        proved.len(),
        argued.len()
    );
    for (group, ids) in catalogue.groups() {
        let _ = write!(out, "\n## {group}\n\n");
        if count(ids, proved) > 0 {
            out.push_str("| Id | Proved by |\n|---|---|\n");
        }
        for (id, places) in ids.iter().filter_map(|id| Some((id, proved.get(id)?))) {
            let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
            let _ = writeln!(out, "| {id} | {} |", places.join("<br>"));
        }
        let here: Vec<&str> = ids.iter().map(String::as_str).filter(|id| argued.contains_key(*id)).collect();
        let open = |id: &&str| !proved.contains_key(*id) && !argued.contains_key(*id);
        let open: Vec<&str> = ids.iter().map(String::as_str).filter(open).collect();
        let mut gap = if count(ids, proved) > 0 { "\n" } else { "" };
        for (what, some) in [("Argued", here), ("Not proved", open)] {
            if !some.is_empty() {
                let _ = writeln!(out, "{gap}{what} ({}): {}", some.len(), ranges(ids, &some).join(", "));
                gap = "\n";
            }
        }
    }
    out
}

/// One line per group, for the terminal.
pub(super) fn by_group(catalogue: &Catalogue, proved: &Proved) -> String {
    let lines = catalogue
        .groups()
        .map(|(group, ids)| format!("{group:<12}{:>4} of {:>4}", count(ids, proved), ids.len()));
    lines.collect::<Vec<_>>().join("\n")
}

fn count(ids: &[String], proved: &Proved) -> usize {
    ids.iter().filter(|id| proved.contains_key(*id)).count()
}

/// The open ids with neighbours joined: `CARD-01 to CARD-07`.
fn ranges(all: &[String], open: &[&str]) -> Vec<String> {
    let mut runs: Vec<(&str, &str)> = Vec::new();
    let mut previous_was_open = false;
    for id in all {
        let is_open = open.contains(&id.as_str());
        match runs.last_mut() {
            Some(run) if is_open && previous_was_open => run.1 = id,
            _ if is_open => runs.push((id, id)),
            _ => {}
        }
        previous_was_open = is_open;
    }
    runs.into_iter()
        .map(|(first, last)| if first == last { first.to_owned() } else { format!("{first} to {last}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let text = (1..=5).map(|number| format!("- **CARD-0{number}** x\n")).collect::<String>();
        Catalogue::from_texts(&[("CARD", &text)])
    }

    #[test]
    fn the_table_lists_proofs_and_joins_the_gaps() {
        let proved =
            Proved::from([("CARD-03".to_owned(), vec!["a.rs one".to_owned(), "b.rs two".to_owned()])]);
        let argued = Argued::from([("CARD-05".to_owned(), "plastic".to_owned())]);
        let table = render(&catalogue(), &proved, &argued);
        assert!(table.contains("| CARD | 5 | 1 | 1 |"), "{table}");
        assert!(table.contains("| CARD-03 | `a.rs one`<br>`b.rs two` |"), "{table}");
        assert!(
            table.contains("\n\nArgued (1): CARD-05\n\nNot proved (3): CARD-01 to CARD-02, CARD-04\n"),
            "{table}"
        );
    }

    #[test]
    fn a_group_without_proof_has_no_table() {
        let table = render(&catalogue(), &Proved::new(), &Argued::new());
        assert!(table.ends_with("## CARD\n\nNot proved (5): CARD-01 to CARD-05\n"), "{table}");
    }

    #[test]
    fn the_terminal_shows_one_line_per_group() {
        assert_eq!(by_group(&catalogue(), &Proved::new()), "CARD           0 of    5");
    }
}
