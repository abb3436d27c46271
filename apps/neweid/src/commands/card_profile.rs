//! `neweid card profile`: the profiles that are built in, and what is right or wrong with a profile of somebody's own.

use crate::cli::ProfileVerb;
use crate::failure::{Failure, Fault};
use chip::profile::Presence;
use chip::{DocumentSigner, Finding, Profile};
use eac::pace::{Mapping, Parameters};
use eac::{Cipher, PasswordReference};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// What each built-in profile is for, in both languages.
const PURPOSES: [(&str, &str, &str); 5] = [
    ("national", "民眾所領的卡片", "the card that citizens get"),
    ("interop", "供外部程式使用的樣卡", "sample cards for developers and foreign programs"),
    ("bac-lab", "實驗卡：interop 加上基本存取控制（BAC）", "laboratory: interop with Basic Access Control"),
    (
        "reserve-p384",
        "民眾所領、備援晶片的卡片，金鑰為 P-384",
        "the citizens' card on the reserve chip, keys on P-384",
    ),
    (
        "mldsa-lab",
        "實驗卡：interop，文件以 ML-DSA-65 簽署",
        "laboratory: interop with documents signed with ML-DSA-65",
    ),
];

/// Runs the command.
pub fn run(verb: &ProfileVerb) -> Result<ExitCode, Failure> {
    match verb {
        ProfileVerb::List { json } => list(*json),
        ProfileVerb::Show { name, json } => show(name, *json),
        ProfileVerb::Check { file, json } => check(file, *json),
    }
}

fn purpose(name: &str) -> (&'static str, &'static str) {
    PURPOSES.iter().find(|(known, ..)| *known == name).map_or(("", ""), |(_, zh, en)| (zh, en))
}

fn list(json: bool) -> Result<ExitCode, Failure> {
    if json {
        let rows: Vec<Value> = Profile::built_in()
            .iter()
            .map(|profile| {
                let (zh, en) = purpose(&profile.name);
                json!({ "name": profile.name, "sample": profile.sample, "zh": zh, "en": en })
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&rows).map_err(Failure::ours)?);
        return Ok(ExitCode::SUCCESS);
    }
    for profile in Profile::built_in() {
        let (zh, en) = purpose(&profile.name);
        say!("{:<14}{zh} {en}", profile.name);
    }
    say!(
        "\n接下來 Next:\n  neweid card profile show interop > mine.toml\n  neweid card profile check mine.toml"
    );
    Ok(ExitCode::SUCCESS)
}

fn show(name: &str, json: bool) -> Result<ExitCode, Failure> {
    let (Some(profile), Some(text)) = (Profile::by_name(name), Profile::text(name)) else {
        return Err(Failure::new(
            "NEWEID-E-PROFILE-UNKNOWN",
            Fault::Caller,
            "沒有這個名稱的設定檔。",
            "There is no profile with this name.",
            "neweid card profile list",
        )
        .exit(2));
    };
    if json {
        let mut document = summary(profile);
        document["text"] = text.into();
        say!("{document:#}");
    } else {
        say!("{}", text.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// The text of a profile file.
pub fn read(file: &Path) -> Result<String, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::new(
            "NEWEID-E-PROFILE-FILE",
            Fault::Caller,
            format!("無法讀取設定檔 {}：{error}", file.display()),
            format!("The profile {} cannot be read: {error}", file.display()),
            "以內建者為起點 Start from one that is built in: neweid card profile show interop > mine.toml",
        )
        .exit(2)
    };
    let length = std::fs::metadata(file).map_err(|error| unreadable(&error))?.len();
    if length > chip::profile::MAX_OWN_TEXT as u64 {
        return Err(unreadable(&format!("{length} > {} bytes", chip::profile::MAX_OWN_TEXT)));
    }
    std::fs::read_to_string(file).map_err(|error| unreadable(&error))
}

/// A finding in one line of each language, its place first.
pub fn told(finding: &Finding) -> (String, String) {
    let places = |line: fn(usize) -> String| {
        let places = finding.places.iter().map(|place| match place.line {
            Some(number) if place.key.is_empty() => line(number),
            Some(number) => format!("{} {}", line(number), place.key),
            None => place.key.clone(),
        });
        places.collect::<Vec<_>>().join(", ")
    };
    let zh = format!("{}｜{}", places(|number| format!("第 {number} 行")), finding.zh);
    (zh, format!("{}: {}", places(|number| format!("line {number}")), finding.en))
}

fn check(file: &Path, json: bool) -> Result<ExitCode, Failure> {
    let text = read(file)?;
    // Whether a card may be made of it is another question than whether it is sound.
    let (profile, own) = (Profile::examine(&text), Profile::own(&text));
    let findings = match &profile {
        Ok(profile) => {
            let card = own.err().unwrap_or_default();
            if json {
                let mut document = summary(profile);
                document["ok"] = true.into();
                document["findings"] = json!([]);
                document["not_for_own_cards"] = card.iter().map(described).collect();
                say!("{document:#}");
            } else {
                say!("✓ 設定檔無矛盾 OK: {}", profile.name);
                print(profile);
                if card.is_empty() {
                    say!("製作樣卡 To make a sample card of it:");
                    say!("  neweid persona export normal --profile {} --out cards", file.display());
                }
                for finding in &card {
                    let (zh, en) = told(finding);
                    say!("不能用以製作樣卡 No sample card is made of it: {}\n  {zh}\n  {en}", finding.code);
                }
            }
            return Ok(ExitCode::SUCCESS);
        }
        Err(findings) => findings,
    };
    if json {
        say!("{:#}", json!({ "ok": false, "findings": findings.iter().map(described).collect::<Vec<_>>() }));
    } else {
        say!("✗ {} 處錯誤 {} found:", findings.len(), findings.len());
        for finding in findings {
            let (zh, en) = told(finding);
            say!("{}\n  {zh}\n  {en}", finding.code);
        }
        say!("各代碼的說明 The codes are explained in docs/card-profiles.md");
    }
    Ok(ExitCode::FAILURE)
}

fn described(finding: &Finding) -> Value {
    let places: Vec<Value> = finding
        .places
        .iter()
        .map(|place| json!({ "key": Some(&place.key).filter(|key| !key.is_empty()), "line": place.line }))
        .collect();
    json!({ "code": finding.code, "zh": finding.zh, "en": finding.en, "places": places })
}

/// What a profile offers. The names of the fields are a contract.
fn summary(profile: &Profile) -> Value {
    let passwords: Vec<&str> = profile.passwords.iter().map(|password| password_name(*password)).collect();
    json!({
        "name": profile.name,
        "sample": profile.sample,
        "chip": profile.chip.name(),
        "applications": {
            "household": presence(profile.household),
            "public_national": presence(profile.public_national),
            "public_icao": presence(profile.public_icao),
            "eid": presence(profile.eid),
            "certificate": presence(profile.certificate),
        },
        "pace": profile.pace.iter().map(parameters).collect::<Vec<_>>(),
        "passwords": passwords,
        "bac": profile.bac,
        "chip_authentication_version_1": profile.chip_authentication,
        "restricted_identification": profile.restricted_identification,
        "curve": profile.curve.name(),
        "rsa_bits": profile.rsa_bits,
        "active_authentication": active_authentication(profile),
        "document_signer": signer(profile),
        "slots": slots(profile),
        "certificate_rights": profile.read_certificates.map(|right| right.name()),
    })
}

fn print(profile: &Profile) {
    let kind = if profile.sample { "樣卡 sample card" } else { "發行的卡片 card that is issued" };
    say!("  種類 kind              {kind}; {}", profile.chip.name());
    say!(
        "  應用 applications      household {}, public {}, eMRTD {}, eID {}, certificate {}",
        presence(profile.household),
        presence(profile.public_national),
        presence(profile.public_icao),
        presence(profile.eid),
        presence(profile.certificate)
    );
    for (number, pace) in profile.pace.iter().enumerate() {
        let head = if number == 0 { "PACE" } else { "" };
        say!("  {head:<23}{}", parameters(pace));
    }
    let passwords: Vec<&str> = profile.passwords.iter().map(|password| password_name(*password)).collect();
    say!("  密碼 passwords         {}", passwords.join(", "));
    let others = [
        (profile.bac, "BAC"),
        (profile.chip_authentication, "Chip Authentication v1"),
        (true, "Chip Authentication v2"),
        (true, "Terminal Authentication v2"),
        (profile.restricted_identification, "Restricted Identification"),
    ];
    let others: Vec<&str> = others.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
    say!("  其他機制 others        {}", others.join(", "));
    say!(
        "  晶片金鑰 chip keys     {}; active authentication {}",
        profile.curve.name(),
        active_authentication(profile)
    );
    say!("  文件簽章 documents     {}", signer(profile));
    for (number, slot) in slots(profile).iter().enumerate() {
        let head = if number == 0 { "憑證欄位 slots" } else { "" };
        // A Chinese character takes two columns.
        let pad = 23 - if number == 0 { head.chars().count() + 4 } else { 0 };
        let right = profile.read_certificates[number].name();
        say!("  {head}{:pad$}{} {slot} ({right})", "", number + 1);
    }
}

/// The six slots of the certificate zone (CARD-37, CARD-38).
fn slots(profile: &Profile) -> [String; 6] {
    let (rsa, curve) = (format!("RSA-{}", profile.rsa_bits), profile.curve.name());
    [
        format!("rsa-sign {rsa}"),
        format!("rsa-decrypt {rsa}"),
        format!("ec-sign {curve}"),
        format!("ec-agree {curve}"),
        "root".to_owned(),
        "intermediate".to_owned(),
    ]
}

const fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Both => "both",
        Presence::Contact => "contact",
        Presence::None => "none",
    }
}

fn parameters(parameters: &Parameters) -> String {
    let mapping = match parameters.mapping {
        Mapping::Generic => "GM",
        Mapping::Integrated => "IM",
        Mapping::ChipAuthentication => "CAM",
    };
    let cipher = match parameters.cipher {
        Cipher::Aes128 => "AES-128",
        Cipher::Aes192 => "AES-192",
        Cipher::Aes256 => "AES-256",
    };
    format!("{} {mapping} {cipher}", parameters.curve.name())
}

const fn password_name(password: PasswordReference) -> &'static str {
    match password {
        PasswordReference::Mrz => "MRZ",
        PasswordReference::Can => "CAN",
        PasswordReference::Pin => "PIN1",
        PasswordReference::Puk => "PUK",
    }
}

fn active_authentication(profile: &Profile) -> String {
    format!("ecdsa-plain-{}", profile.active_authentication.name().replace('-', ""))
}

fn signer(profile: &Profile) -> &'static str {
    match profile.document_signer {
        DocumentSigner::Ecdsa(curve) => curve.name(),
        DocumentSigner::MlDsa65 => "ML-DSA-65",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_says_what_it_is_for() {
        for profile in Profile::built_in() {
            let (zh, en) = purpose(&profile.name);
            assert!(!zh.is_empty() && !en.is_empty(), "{}", profile.name);
        }
        assert_eq!(PURPOSES.len(), Profile::built_in().len());
    }
}
