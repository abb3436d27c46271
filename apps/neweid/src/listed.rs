//! What the lists of the systems' messages (`docs/errors-*.md`) say of a code: whose fault it is, what happened, and what to do.
//! Readers and program have the same words.

use crate::failure::Fault;

const LISTS: [&str; 6] = [
    include_str!("../../../docs/errors-npc.md"),
    include_str!("../../../docs/errors-docsigner.md"),
    include_str!("../../../docs/errors-eacpki.md"),
    include_str!("../../../docs/errors-operators.md"),
    include_str!("../../../docs/errors-mgmt.md"),
    include_str!("../../../docs/errors-ra.md"),
];

/// The row of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Whose fault it is.
    pub fault: Fault,
    /// What happened, in Traditional Chinese.
    pub zh: String,
    /// The same in English.
    pub en: String,
    /// What to do, Chinese and English.
    pub remedy: String,
}

/// What stands in the row of a code; nothing if no list has it.
pub fn listed(code: &str) -> Option<Listed> {
    let row = LISTS.iter().flat_map(|list| list.lines()).find_map(|line| {
        let (name, rest) = line.strip_prefix("| ")?.split_once(" | ")?;
        (name.trim_matches('`') == code).then_some(rest)
    })?;
    let mut cells = row.trim_end_matches(" |").split(" | ");
    let (whose, cause, remedy) = (cells.next()?, cells.next()?, cells.next()?);
    let words = whose.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let fault = match words {
        "caller" | "operator" | "applicant" => Fault::Caller,
        "environment" | "somebody with access to the database" => Fault::Environment,
        "us" | "this system" | "management system" => Fault::Ours,
        _ => Fault::Peer,
    };
    let cause = without_links(cause);
    let (zh, en) = halves(&cause)?;
    Some(Listed { fault, zh: zh.to_owned(), en: en.to_owned(), remedy: without_links(remedy) })
}

/// A text in two languages, Chinese first: a blank stands between its last full stop and the English.
pub fn halves(text: &str) -> Option<(&str, &str)> {
    let end = text.find("。 ")? + "。".len();
    Some((&text[..end], text[end..].trim_start()))
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

/// The codes of all lists.
#[cfg(test)]
pub fn codes() -> Vec<&'static str> {
    let rows = LISTS.iter().flat_map(|list| list.lines());
    let names = rows.filter_map(|line| Some(line.strip_prefix("| ")?.split_once(" | ")?.0.trim_matches('`')));
    names.filter(|code| *code != "Code" && code.contains('-')).collect()
}

/// Whether a text is one for readers of Chinese: what stands before its first Chinese character is a name at most, as PIN1.
#[cfg(test)]
pub fn begins_in_chinese(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == ' ');
    text.starts_with(|c: char| ('\u{4E00}'..='\u{9FFF}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_what_stands_in_its_row() {
        let row = listed("NPC-SAME-PERSON").expect("listed");
        assert_eq!(row.fault, Fault::Caller);
        assert_eq!(row.zh, "核可者不得為提案者。");
        assert_eq!(row.en, "The person who proposed may not approve.");
        assert!(!row.remedy.is_empty() && !row.remedy.contains('|'), "{row:?}");
        assert_eq!(listed("STORE-UNAVAILABLE").map(|row| row.fault), Some(Fault::Environment));
        assert_eq!(listed("NPC-INCONSISTENT").map(|row| row.fault), Some(Fault::Ours));
        let row = listed("DOCSIGNER-CSCA-RETIRED").expect("listed");
        assert_eq!((row.fault, row.remedy.contains("](")), (Fault::Caller, false), "{row:?}");
        // A full stop within the Chinese does not end it.
        let pin = listed("KEYS-TOKEN-PIN").expect("listed");
        assert!(pin.zh.ends_with("以免鎖定。") && pin.en.starts_with("The token"), "{pin:?}");
        assert_eq!(listed("NPC-NO-SUCH-CODE"), None);
    }

    /// Every row of every list is read: four cells, somebody whose fault it is, and the cause in both languages.
    #[test]
    fn every_row_says_whose_fault_it_is_what_happened_and_what_to_do() {
        let codes = codes();
        assert!(codes.len() > 150, "{}", codes.len());
        for code in codes {
            let row = listed(code).unwrap_or_else(|| panic!("{code}: a cell is missing, or a language"));
            assert!(begins_in_chinese(&row.zh) && row.zh.ends_with('。'), "{row:?}");
            assert!(row.en.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '`'), "{row:?}");
            assert!(!row.remedy.trim().is_empty(), "{row:?}");
        }
    }
}
