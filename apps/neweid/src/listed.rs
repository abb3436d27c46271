//! What the lists of the systems' messages (`docs/errors-*.md`) say of a code: whose fault it is, and what to do. Readers and
//! program have the same words.

use crate::failure::Fault;

const LISTS: [&str; 6] = [
    include_str!("../../../docs/errors-npc.md"),
    include_str!("../../../docs/errors-docsigner.md"),
    include_str!("../../../docs/errors-eacpki.md"),
    include_str!("../../../docs/errors-operators.md"),
    include_str!("../../../docs/errors-mgmt.md"),
    include_str!("../../../docs/errors-ra.md"),
];

/// The fault and the remedy that stand in the row of a code; nothing if no list has it.
pub fn listed(code: &str) -> Option<(Fault, String)> {
    let row = LISTS.iter().flat_map(|list| list.lines()).find_map(|line| {
        let (name, rest) = line.strip_prefix("| ")?.split_once(" | ")?;
        (name.trim_matches('`') == code).then_some(rest)
    })?;
    let mut cells = row.trim_end_matches(" |").split(" | ");
    let (whose, remedy) = (cells.next()?, cells.nth(1)?);
    let words = whose.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let fault = match words {
        "caller" | "operator" | "applicant" => Fault::Caller,
        "environment" | "somebody with access to the database" => Fault::Environment,
        "us" | "this system" | "management system" => Fault::Ours,
        _ => Fault::Peer,
    };
    Some((fault, without_links(remedy)))
}

/// `[text](address)` becomes `text`, code its content: this is for a terminal.
fn without_links(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((name, (_, behind))) =
            after.split_once("](").and_then(|(name, link)| Some((name, link.split_once(')')?)))
        else {
            break;
        };
        plain.push_str(before);
        plain.push_str(name);
        rest = behind;
    }
    plain.push_str(rest);
    plain.replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_the_fault_and_the_remedy_of_its_row() {
        let (fault, remedy) = listed("NPC-SAME-PERSON").expect("listed");
        assert_eq!(fault, Fault::Caller);
        assert!(!remedy.is_empty() && !remedy.contains('|'), "{remedy}");
        assert_eq!(listed("STORE-UNAVAILABLE").map(|(fault, _)| fault), Some(Fault::Environment));
        assert_eq!(listed("NPC-INCONSISTENT").map(|(fault, _)| fault), Some(Fault::Ours));
        let (fault, remedy) = listed("DOCSIGNER-CSCA-RETIRED").expect("listed");
        assert_eq!((fault, remedy.contains("](")), (Fault::Caller, false), "{remedy}");
        assert_eq!(listed("NPC-NO-SUCH-CODE"), None);
    }

    /// Every row of every list is read: four cells, and somebody whose fault it is.
    #[test]
    fn every_row_says_whose_fault_it_is_and_what_to_do() {
        let mut rows = 0;
        for line in LISTS.iter().flat_map(|list| list.lines()) {
            let Some((name, _)) = line.strip_prefix("| ").and_then(|rest| rest.split_once(" | ")) else {
                continue;
            };
            let code = name.trim_matches('`');
            if code == "Code" || !code.contains('-') {
                continue;
            }
            rows += 1;
            let (_, remedy) = listed(code).unwrap_or_else(|| panic!("{line}"));
            assert!(!remedy.trim().is_empty(), "{line}");
        }
        assert!(rows > 150, "{rows}");
    }
}
