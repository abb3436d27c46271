//! Files of paper documents by command: signed, judged by OpenSSL, checked against the records, withdrawn.

use crate::holder::{judged, shown};
use crate::support::{Country, Ran, in_dir, neweid};

// proves: DOCPKI-14
#[test]
fn the_file_of_a_paper_document_is_signed_checked_and_withdrawn() {
    let country = Country::new();
    let (dir, file) = (country.dir(), country.beside("T-2026-000001.pdf"));
    let (forged, signature) = (country.beside("forged.pdf"), country.beside("T-2026-000001.p7s"));
    std::fs::write(&file, "%PDF 臨時證明書").expect("writable");
    std::fs::write(&forged, "%PDF 臨時證明書！").expect("writable");
    let number = "T-2026-000001";
    let status = |number: &str, file: &std::path::Path| -> (Option<i32>, String) {
        let ran = in_dir(&dir, ["pki", "paper", "status", number, "--json", "--in", &shown(file)]);
        (ran.code, ran.json()["status"].as_str().expect("a word").to_owned())
    };
    assert_eq!(status(number, &file), (Some(5), "unknown".into()));
    let sign_as = |operator: &str, file: &std::path::Path, out: &std::path::Path| {
        let (file, out) = (shown(file), shown(out));
        in_dir(&dir, ["pki", "paper", "sign", number, "--in", &file, "--out", &out, "--operator", operator])
    };
    let sign = |file: &std::path::Path, out: &std::path::Path| sign_as("clerk-1", file, out);
    // Whoever has a paper signed is named in the log.
    let nobody = ["pki", "paper", "sign", number, "--in", &shown(&file), "--out", &shown(&signature)];
    assert_eq!(in_dir(&dir, nobody).code, Some(2));
    sign_as("a clerk", &file, &signature).fails(2, "NEWEID-E-OPERATOR");
    assert!(!signature.exists());
    sign(&file, &signature).success();
    let again = country.beside("again.p7s");
    sign(&file, &again).success();
    let read = |path| std::fs::read(path).expect("readable");
    assert_eq!(read(&signature), read(&again), "the same file has the same signature");
    sign(&forged, &country.beside("none.p7s")).fails(1, "DOCSIGNER-REFUSED");
    assert!(!country.beside("none.p7s").exists());

    // Whoever has the file and the country's certificates needs nobody's records for the signature.
    let pki = country.beside("pki");
    in_dir(&dir, ["pki", "export", "--out", &shown(&pki)]).success();
    let (file_path, root) = (shown(&file), shown(&pki.join("csca.pem")));
    let verify = ["cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any", "-out", "/dev/null"];
    let with = ["-in", &shown(&signature), "-content", &file_path, "-CAfile", &root];
    judged(&[&verify[..], &with].concat());

    // Whether it still holds, the records say alone.
    assert_eq!(status(number, &file), (Some(0), "valid".into()));
    assert_eq!(status(number, &forged), (Some(4), "altered".into()));
    let withdraw = |number: &str, operator: &str| {
        in_dir(&dir, ["pki", "paper", "withdraw", number, "--operator", operator])
    };
    withdraw(number, "a clerk").fails(2, "NEWEID-E-OPERATOR");
    withdraw("T-2026-000002", "clerk-1").fails(1, "DOCSIGNER-REFUSED");
    withdraw(number, "clerk-1").success();
    assert_eq!(status(number, &file), (Some(3), "withdrawn".into()));
    let told =
        Ran::of(neweid().args(["pki", "paper", "status", number, "--in"]).arg(&file).arg("--dir").arg(&dir));
    assert!(told.stdout.contains("已註銷 withdrawn"), "{told}");
}
