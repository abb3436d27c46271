//! The argued exceptions: requirements that no test of software can prove, each with its reason, in
//! `docs/requirements/exceptions.md`. A row of the table is `| CARD-01 | why | what the software does do |`.

use std::collections::BTreeMap;

use super::catalogue::Catalogue;

/// File of the folder that holds them.
pub(super) const FILE: &str = "exceptions";

/// The argued ids with their reason.
pub(super) type Argued = BTreeMap<String, String>;

/// Reads the rows. A row counts when its first cell is an id; unknown, doubled, unargued and proved ids are problems.
pub(super) fn read(
    text: &str,
    catalogue: &Catalogue,
    proved: &BTreeMap<String, Vec<String>>,
) -> (Argued, Vec<String>) {
    let mut argued = Argued::new();
    let mut problems = Vec::new();
    for line in text.lines() {
        let Some(row) = line.strip_prefix("| ") else { continue };
        let cells: Vec<&str> = row.trim_end().trim_end_matches('|').split(" | ").map(str::trim).collect();
        let [id, reasons @ ..] = cells.as_slice() else { continue };
        if !looks_like_id(id) {
            continue;
        }
        if !catalogue.contains(id) {
            problems.push(format!("{FILE}.md: unknown id {id}"));
        } else if let Some(places) = proved.get(*id) {
            problems.push(format!("{FILE}.md: {id} is argued and proved by {}", places.join(", ")));
        } else if reasons.len() != 2 || reasons.iter().any(|reason| reason.is_empty()) {
            problems.push(format!("{FILE}.md: {id} needs why no test proves it, and what the software does"));
        } else if argued.insert((*id).to_owned(), reasons[0].to_owned()).is_some() {
            problems.push(format!("{FILE}.md: {id} stands twice"));
        }
    }
    (argued, problems)
}

fn looks_like_id(cell: &str) -> bool {
    cell.split_once('-').is_some_and(|(group, number)| {
        !group.is_empty()
            && group.bytes().all(|b| b.is_ascii_uppercase())
            && number.bytes().any(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(rows: &str) -> Vec<String> {
        let catalogue = Catalogue::from_texts(&[("CARD", "- **CARD-01** a\n- **CARD-02** b")]);
        let proved = BTreeMap::from([("CARD-02".to_owned(), vec!["a.rs reads".to_owned()])]);
        let (argued, problems) = read(rows, &catalogue, &proved);
        assert_eq!(argued.len(), usize::from(problems.is_empty()), "{argued:?}");
        problems
    }

    #[test]
    fn a_row_argues_one_id() {
        let text = "# Title\n\n| Id | Why | What |\n|---|---|---|\n| CARD-01 | plastic | records it |\n";
        assert_eq!(problems(text), Vec::<String>::new());
    }

    #[test]
    fn unknown_proved_doubled_and_unargued_ids_are_refused() {
        assert!(problems("| CARD-99 | plastic | nothing |")[0].contains("unknown id CARD-99"));
        assert!(problems("| CARD-02 | plastic | nothing |")[0].contains("argued and proved by a.rs reads"));
        assert!(problems("| CARD-02 | plastic | |")[0].contains("argued and proved"));
        let catalogue = Catalogue::from_texts(&[("CARD", "- **CARD-01** a")]);
        let none = BTreeMap::new();
        for rows in
            ["| CARD-01 | plastic |", "| CARD-01 |  | x |", "| CARD-01 | x | y |\n| CARD-01 | x | y |"]
        {
            assert_eq!(read(rows, &catalogue, &none).1.len(), 1, "{rows}");
        }
    }
}
