//! The golden list of refusals: docs/errors-terminal.md says what the code says. `GOLDEN=write cargo test` writes it anew.

use std::fmt::Write;

use terminal::Refusal;

fn rendered() -> String {
    let mut out = String::from(
        "# 讀卡訊息 Messages of the reader\n\n\
         What `terminal` can say about a card. The codes are stable; `E` refuses, `W` leaves a question open. This file is compared\n\
         with the code by a test.\n\n\
         | Code | 原因 Cause | 責任 Fault | 處理方式 What to do |\n|---|---|---|---|\n",
    );
    for refusal in Refusal::ALL {
        let ((zh, en), (zh_do, en_do), (zh_who, en_who)) =
            (refusal.cause(), refusal.remedy(), refusal.fault().words());
        writeln!(out, "| `{}` | {zh} {en} | {zh_who} {en_who} | {zh_do} {en_do} |", refusal.code())
            .expect("a string");
    }
    out
}

#[test]
fn the_document_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors-terminal.md");
    let expected = rendered();
    if option_env!("GOLDEN") == Some("write") {
        std::fs::write(path, &expected).expect("written");
    }
    assert_eq!(std::fs::read_to_string(path).expect("the document"), expected);
}

#[test]
fn codes_are_unique_and_every_text_stands_in_both_languages() {
    for (i, refusal) in Refusal::ALL.iter().enumerate() {
        let code = refusal.code();
        assert!(code.starts_with("TERMINAL-E-") || code.starts_with("TERMINAL-W-"), "{code}");
        assert!(Refusal::ALL[i + 1..].iter().all(|other| other.code() != code), "{code} stands twice");
        for (zh, en) in [refusal.cause(), refusal.remedy()] {
            assert!(zh.ends_with('。') && en.ends_with('.') && en.is_ascii(), "{code}");
        }
    }
}
