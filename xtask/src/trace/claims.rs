//! The claims: comments `proves: CARD-25, OPEN-02` above tests, in Rust, shell, Python, Java, Go and script.

use std::path::Path;

/// Folders whose files may claim something.
const FOLDERS: [&str; 8] = ["standards", "model", "systems", "apps", "web", "conformance", "bench", "fuzz"];

/// Files above this size are data, not tests.
const LARGEST: u64 = 1 << 20;

/// One comment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) ids: Vec<String>,
    /// The test it stands above: the name of the function in Rust, of the check in a script. `None` where it stands
    /// above something that cannot fail.
    pub(super) test: Option<String>,
}

/// Every claim of the repository.
pub(super) fn collect(root: &Path) -> Result<Vec<Claim>, Vec<String>> {
    let mut claims = Vec::new();
    for file in crate::repository_files(root).map_err(|error| vec![error])? {
        let name = file.to_string_lossy().replace('\\', "/");
        let in_scope =
            FOLDERS.iter().any(|folder| name.starts_with(&format!("{folder}/"))) && !name.ends_with(".md");
        let path = root.join(&file);
        let small = std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= LARGEST);
        if !in_scope || !small {
            continue;
        }
        // What is not text holds no comment.
        if let Ok(text) = std::fs::read_to_string(&path) {
            claims.extend(claims_of(&name, &text));
        }
    }
    Ok(claims)
}

/// The claims of one file.
fn claims_of(file: &str, text: &str) -> Vec<Claim> {
    let lines: Vec<&str> = text.lines().collect();
    let rust = file.ends_with(".rs");
    lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| {
            let ids = ids(line)?;
            let below = lines.get(index + 1..).unwrap_or_default();
            let test = if rust { rust_test(below) } else { script_check(below) };
            Some(Claim { file: file.to_owned(), line: index + 1, ids, test })
        })
        .collect()
}

/// The ids of a comment line, if it is a claim.
fn ids(line: &str) -> Option<Vec<String>> {
    let comment =
        ["//", "#", "<!--", "*"].iter().find_map(|marker| line.trim_start().strip_prefix(marker))?;
    let list = comment.trim_start().strip_prefix("proves:")?;
    let list = list.trim_end().trim_end_matches("-->");
    let ids = list.split([',', ' ']).map(str::trim).filter(|id| !id.is_empty());
    Some(ids.map(|id| id.trim_end_matches('.').to_owned()).collect())
}

/// The test function below a comment in Rust: comments, attributes and macro openings may stand between, one of the
/// attributes must make it a test.
fn rust_test(below: &[&str]) -> Option<String> {
    let mut is_test = false;
    for line in below {
        let line = line.trim_start();
        if line.starts_with("#[") {
            is_test |= line.contains("test");
            continue;
        }
        if let Some((_, rest)) =
            line.split_once("fn ").filter(|(before, _)| before.split(' ').all(is_qualifier))
        {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            return is_test.then_some(name);
        }
        let between =
            line.is_empty() || line.starts_with("//") || line.ends_with("! {") || line.starts_with(")]");
        // The further lines of a long attribute.
        let attribute = line.ends_with(',') || line.ends_with(")]");
        if !between && !attribute {
            return None;
        }
    }
    None
}

fn is_qualifier(word: &str) -> bool {
    matches!(word, "" | "pub" | "async" | "pub(crate)" | "pub(super)" | "const")
}

/// The check below a comment in another language: the first line that is neither comment nor empty must call `check` or
/// `test`; the word after the call names it.
fn script_check(below: &[&str]) -> Option<String> {
    let comment = |line: &str| line.starts_with('#') || line.starts_with("//") || line.starts_with('*');
    let line = below.iter().map(|line| line.trim()).find(|line| !line.is_empty() && !comment(line))?;
    let (_, after) = ["check", "test"].iter().find_map(|call| line.split_once(call))?;
    let name = after.trim_start_matches(|c: char| c == '(' || c == '"' || c == '\'' || c.is_whitespace());
    Some(name.chars().take_while(|c| c.is_alphanumeric() || "-_/.".contains(*c)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, text: &str) -> Vec<(Vec<String>, Option<String>)> {
        claims_of(file, text).into_iter().map(|claim| (claim.ids, claim.test)).collect()
    }

    fn owned(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn a_comment_above_a_rust_test_names_the_test() {
        let text = "    // proves: CARD-25, OPEN-02\n    // ICAO 9303-11 4.4:\n    #[test]\n    fn reads_with_can() {";
        assert_eq!(of("a.rs", text), [(owned(&["CARD-25", "OPEN-02"]), Some("reads_with_can".to_owned()))]);
    }

    #[test]
    fn asynchronous_tests_and_properties_count() {
        let text = "// proves: NPC-01\n#[tokio::test(flavor = \"multi_thread\")]\nasync fn issues() {\nproptest! {\n// proves: NPC-02\n#[test]\nfn holds(x in 0..9) {";
        let tests: Vec<_> = of("a.rs", text).into_iter().map(|(_, test)| test).collect();
        assert_eq!(tests, [Some("issues".to_owned()), Some("holds".to_owned())]);
    }

    #[test]
    fn a_property_block_may_stand_between() {
        let text = "// proves: NPC-02\nproptest! {\n    #[test]\n    fn holds(x in 0..9) {";
        assert_eq!(of("a.rs", text), [(owned(&["NPC-02"]), Some("holds".to_owned()))]);
    }

    #[test]
    fn a_comment_above_ordinary_code_proves_nothing() {
        assert_eq!(of("a.rs", "// proves: CARD-25\nfn helper() {"), [(owned(&["CARD-25"]), None)]);
        assert_eq!(
            of("a.rs", "// proves: CARD-25\nlet x = 1;\n#[test]\nfn t() {"),
            [(owned(&["CARD-25"]), None)]
        );
        assert_eq!(of("a.rs", "// proves: CARD-25"), [(owned(&["CARD-25"]), None)]);
    }

    #[test]
    fn scripts_name_their_check() {
        let text = "# proves: DOCPKI-01\ncheck openssl/sod-verifies cms_verify \"$x\"";
        assert_eq!(
            of("conformance/openssl/run", text),
            [(owned(&["DOCPKI-01"]), Some("openssl/sod-verifies".to_owned()))]
        );
        let text = "// proves: CARD-02\n    check(\"jmrtd/pace-can\", verdict);";
        assert_eq!(of("Driver.java", text), [(owned(&["CARD-02"]), Some("jmrtd/pace-can".to_owned()))]);
    }

    #[test]
    fn a_comment_above_a_helper_of_a_script_proves_nothing() {
        assert_eq!(
            of("conformance/x/run", "# proves: DOCPKI-01\nhelper() { true; }"),
            [(owned(&["DOCPKI-01"]), None)]
        );
    }

    #[test]
    fn prose_is_no_claim() {
        assert_eq!(
            of("a.rs", "// It proves: nothing CARD-01\nlet proves: u8 = 1;\n//! a module that proves"),
            []
        );
    }
}
