//! Which requirement of the catalogue is proved by which test.
//!
//! The catalogue (`docs/requirements/`) gives the ids; a comment `proves: CARD-25, OPEN-02` above a test claims them.
//! What no test can prove is argued in `exceptions.md`. The table of all is `docs/requirements/status.md`, written here and never by hand.

mod catalogue;
mod claims;
mod exceptions;
mod report;

use std::collections::BTreeMap;
use std::path::Path;

use crate::Outcome;
use catalogue::Catalogue;
use claims::Claim;

/// The ids are never renumbered, so their number is known.
const CATALOGUE_TOTAL: usize = 1068;

/// What to do with the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write it.
    Write,
    /// Compare it with the one that is there.
    Check,
}

/// Reads catalogue and claims, and writes or compares the table.
pub(crate) fn run(root: &Path, mode: Mode) -> Outcome {
    let folder = root.join("docs/requirements");
    let catalogue = Catalogue::read(&folder)?;
    let claims = claims::collect(root)?;
    let mut problems = catalogue.inconsistencies(CATALOGUE_TOTAL);
    let (proved, mut faults) = sort(&catalogue, claims);
    problems.append(&mut faults);
    let text = crate::read(&folder.join(format!("{}.md", exceptions::FILE))).map_err(|error| vec![error])?;
    let (argued, mut faults) = exceptions::read(&text, &catalogue, &proved);
    problems.append(&mut faults);

    let status = folder.join("status.md");
    let table = report::render(&catalogue, &proved, &argued);
    match mode {
        Mode::Write => {
            std::fs::write(&status, &table)
                .map_err(|error| vec![format!("{}: {error}", status.display())])?;
        }
        Mode::Check if std::fs::read_to_string(&status).ok().as_deref() != Some(table.as_str()) => {
            problems.push("docs/requirements/status.md is stale: run `cargo xtask trace`".to_owned());
        }
        Mode::Check => {}
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let summary = format!(
        "trace: {} of {} requirements proved, {} argued",
        proved.len(),
        catalogue.len(),
        argued.len()
    );
    Ok(match mode {
        Mode::Write => format!(
            "{}\n{summary}, written to docs/requirements/status.md",
            report::by_group(&catalogue, &proved)
        ),
        Mode::Check => summary,
    })
}

/// Where each proved id is proved; and the claims that cannot stand.
fn sort(catalogue: &Catalogue, claims: Vec<Claim>) -> (BTreeMap<String, Vec<String>>, Vec<String>) {
    let mut proved: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut problems = Vec::new();
    for claim in claims {
        let Some(test) = claim.test else {
            problems.push(format!("{}:{}: `proves:` stands above no test", claim.file, claim.line));
            continue;
        };
        for id in claim.ids {
            if catalogue.contains(&id) {
                let places = proved.entry(id).or_default();
                let place = format!("{} {test}", claim.file).trim_end().to_owned();
                if !places.contains(&place) {
                    places.push(place);
                }
            } else {
                problems.push(format!("{}:{}: unknown id {id}", claim.file, claim.line));
            }
        }
    }
    (proved, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(ids: &[&str], test: Option<&str>) -> Claim {
        Claim {
            file: "a.rs".to_owned(),
            line: 1,
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            test: test.map(str::to_owned),
        }
    }

    #[test]
    fn known_ids_are_proved_and_unknown_ones_reported() {
        let catalogue = Catalogue::from_texts(&[("CARD", "- **CARD-01** one")]);
        let (proved, problems) = sort(&catalogue, vec![claim(&["CARD-01", "CARD-99"], Some("reads"))]);
        assert_eq!(proved["CARD-01"], ["a.rs reads"]);
        assert_eq!(problems, ["a.rs:1: unknown id CARD-99"]);
    }

    #[test]
    fn a_claim_above_no_test_proves_nothing() {
        let catalogue = Catalogue::from_texts(&[("CARD", "- **CARD-01** one")]);
        let (proved, problems) = sort(&catalogue, vec![claim(&["CARD-01"], None)]);
        assert!(proved.is_empty());
        assert_eq!(problems.len(), 1);
    }

    // The catalogue of this repository holds every id that it says it holds.
    #[test]
    fn this_catalogue_is_whole() {
        let catalogue = Catalogue::read(&crate::repository_root().join("docs/requirements"))
            .expect("the catalogue reads");
        assert_eq!(catalogue.inconsistencies(CATALOGUE_TOTAL), Vec::<String>::new());
    }
}
