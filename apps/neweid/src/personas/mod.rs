//! The personas: sample cards as files, one for each situation that a reader has to understand, healthy or not.
//!
//! Every persona goes through application, review, production, collection and use like anybody's card, at an office and a
//! card centre of its own ([`office`]) whose books go when the card is made: the country's register, management and stock
//! never hear of it. What signs is the country's: document signer and certificate system. The attacks are made afterwards,
//! on the finished card's memory, with the means that a forger would have ([`attack`]), and never by a way that the product
//! offers. A persona is made when it is first asked for, read back and compared with the verdict it is meant to get, and
//! from then on the same file ([`shelf`]).

mod attack;
mod earlier;
pub mod laboratory;
mod office;
mod people;
mod shelf;

pub use shelf::{export, export_own, file, trust_file};

use chip::{Finding, Profile};
use model::{CardProfile, PortraitExemption};
use terminal::{CheckKind, Verdict};

/// One persona of the catalogue.
#[derive(Debug)]
pub struct Persona {
    /// Its name: the file's, and what commands take.
    pub name: &'static str,
    /// What it is, in Traditional Chinese.
    pub zh: &'static str,
    /// What it is, in English.
    pub en: &'static str,
    /// What a reader has to find, in Traditional Chinese.
    pub finding_zh: &'static str,
    /// What a reader has to find, in English.
    pub finding_en: &'static str,
    /// The verdict of a reader that trusts the country.
    pub verdict: Verdict,
    /// The first check that fails.
    pub check: Option<CheckKind>,
    recipe: Recipe,
}

/// How a card comes about.
#[derive(Debug, Clone, Copy)]
struct Recipe {
    person: people::Sketch,
    /// Whether the natural-person certificate is applied for.
    certificate: bool,
    exemption: Option<PortraitExemption>,
    pins: Pins,
    /// The only profile there is of it.
    profile: Option<CardProfile>,
    /// Whom the card trusts to authorise terminals.
    cvca: Cvca,
    signer: Signer,
    attack: Option<Attack>,
}

/// What became of the PINs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pins {
    /// As the card was handed over.
    Unset,
    /// Set by the holder with the user code.
    Set,
    /// Two wrong PIN1 in a row.
    Pin1Suspended,
    /// Three wrong PIN1 in a row.
    Pin1Blocked,
    /// Three wrong PIN2 in a row.
    Pin2Blocked,
}

/// Whom the card trusts to authorise terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cvca {
    /// The CVCA of today.
    Present,
    /// The one before.
    Earlier,
}

/// Who signs the zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Signer {
    /// The country's document signer of today.
    Country,
    /// The generation before, ten years and a month ago.
    Earlier,
    /// A document signer that was revoked afterwards, below a generation of its own, so that no healthy card loses its signer.
    Revoked,
    /// A document signer of the reserve chip's curve, below a generation of its own.
    Reserve,
    /// A document signer with ML-DSA-65, below a generation of its own with ML-DSA-65; the certificates come from the laboratory's
    /// authority with ML-DSA-65.
    MlDsa,
    /// A forger with a country signing certificate that only names the country.
    SelfMade,
}

/// What is done to a finished card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    /// All data of the card, copied to another chip.
    Clone,
    /// Another date of birth in DG1, DG11 and DG13.
    Birth,
    /// Another face in DG2.
    Portrait,
    /// One bit of the signature in EF.SOD.
    Signature,
    /// DG13 erased.
    Missing,
}

const HEALTHY: Recipe = Recipe {
    person: people::ADULT,
    certificate: true,
    exemption: None,
    pins: Pins::Set,
    profile: None,
    cvca: Cvca::Present,
    signer: Signer::Country,
    attack: None,
};

const fn good(
    name: &'static str,
    (zh, en): (&'static str, &'static str),
    (finding_zh, finding_en): (&'static str, &'static str),
    recipe: Recipe,
) -> Persona {
    Persona { name, zh, en, finding_zh, finding_en, verdict: Verdict::Verified, check: None, recipe }
}

const fn bad(
    name: &'static str,
    (zh, en): (&'static str, &'static str),
    (finding_zh, finding_en): (&'static str, &'static str),
    check: CheckKind,
    recipe: Recipe,
) -> Persona {
    Persona { name, zh, en, finding_zh, finding_en, verdict: Verdict::Refused, check: Some(check), recipe }
}

/// The catalogue; docs/personas.md is this for people.
pub const PERSONAS: &[Persona] = &[
    good(
        "normal",
        ("一般卡片", "ordinary card"),
        ("驗證通過；PIN1、PIN2 已設定", "verified; PIN1 and PIN2 are set"),
        HEALTHY,
    ),
    good(
        "pin1-unset",
        ("尚未設定 PIN", "PINs not set yet"),
        ("驗證通過；加密區與憑證區尚未啟用", "verified; encrypted and certificate zone are not in use yet"),
        Recipe { person: people::STUDENT, pins: Pins::Unset, ..HEALTHY },
    ),
    good(
        "pin1-suspended",
        ("PIN1 暫停：連續輸入錯誤兩次", "PIN1 suspended: wrong twice in a row"),
        ("驗證通過；第三次輸入前須先輸入讀取碼", "verified; the access number comes before the third try"),
        Recipe { person: people::TEACHER, pins: Pins::Pin1Suspended, ..HEALTHY },
    ),
    good(
        "pin1-blocked",
        ("PIN1 鎖定：連續輸入錯誤三次", "PIN1 blocked: wrong three times in a row"),
        (
            "驗證通過；PIN1 須解鎖，其他各區不受影響",
            "verified; PIN1 must be unblocked, no other zone is affected",
        ),
        Recipe { person: people::FARMER, pins: Pins::Pin1Blocked, ..HEALTHY },
    ),
    good(
        "pin2-blocked",
        ("PIN2 鎖定：連續輸入錯誤三次", "PIN2 blocked: wrong three times in a row"),
        ("驗證通過；憑證可讀但不能簽章", "verified; the certificates can be read but nothing can be signed"),
        Recipe { person: people::DRIVER, pins: Pins::Pin2Blocked, ..HEALTHY },
    ),
    good(
        "no-certificate",
        ("未申請自然人憑證", "without natural-person certificate"),
        ("驗證通過；憑證區不回應", "verified; the certificate zone does not answer"),
        Recipe { person: people::NURSE, certificate: false, ..HEALTHY },
    ),
    bad(
        "expired",
        ("已逾應換領日期", "past its date of renewal"),
        ("簽章與晶片皆真，但卡片已逾期", "signature and chip are genuine, but the card has expired"),
        CheckKind::Expiry,
        Recipe { person: people::SAILOR, certificate: false, signer: Signer::Earlier, ..HEALTHY },
    ),
    good(
        "minor",
        ("未滿 14 歲", "younger than 14"),
        (
            "驗證通過；效期五年，沒有自然人憑證",
            "verified; valid for five years, no natural-person certificate",
        ),
        Recipe { person: people::CHILD, certificate: false, ..HEALTHY },
    ),
    good(
        "senior",
        ("65 歲以上，無應換領日期", "65 or older, no date of renewal"),
        (
            "驗證通過；卡面印「無」，機讀碼為填充字元",
            "verified; the face says 無, the machine readable zone has fillers",
        ),
        Recipe { person: people::SENIOR, ..HEALTHY },
    ),
    good(
        "rare-characters",
        ("罕用字姓名", "rare characters in the name"),
        ("驗證通過；姓名含第 2、3、15 字面字元", "verified; the name has characters of planes 2, 3 and 15"),
        Recipe { person: people::RARE, ..HEALTHY },
    ),
    good(
        "long-names",
        ("長姓名與長地址", "long names and a long address"),
        (
            "驗證通過；卡面縮小字級，機讀碼姓名截短",
            "verified; smaller type on the face, the name in the machine readable zone is cut",
        ),
        Recipe { person: people::LONG, ..HEALTHY },
    ),
    good(
        "foreign-name",
        ("加印外文姓名", "with a foreign name"),
        ("驗證通過；機讀碼採外文姓名", "verified; the machine readable zone has the foreign name"),
        Recipe { person: people::FOREIGN, ..HEALTHY },
    ),
    good(
        "portrait-exempted",
        ("免印相片", "portrait exempted"),
        ("驗證通過；卡面與晶片皆無相片", "verified; no portrait on the face nor in the chip"),
        Recipe { person: people::EXEMPTED, exemption: Some(PortraitExemption::SeriousIllness), ..HEALTHY },
    ),
    bad(
        "revoked-signer",
        ("文件簽章憑證已廢止", "revoked document signer"),
        (
            "簽章正確，但簽章憑證已在廢止清冊上",
            "the signature is right, but the signer is on the revocation list",
        ),
        CheckKind::SignerRevocation,
        Recipe { person: people::CARPENTER, certificate: false, signer: Signer::Revoked, ..HEALTHY },
    ),
    bad(
        "unknown-issuer",
        ("自製國家簽章憑證", "self-made country signing certificate"),
        ("內容與簽章一致，但簽發者不受信任", "contents and signature agree, but nobody trusts who signed"),
        CheckKind::Signer,
        Recipe { person: people::FORGED, certificate: false, signer: Signer::SelfMade, ..HEALTHY },
    ),
    bad(
        "forged-signature",
        ("簽章遭竄改", "damaged signature"),
        ("EF.SOD 的簽章不正確", "the signature of EF.SOD is wrong"),
        CheckKind::SecurityObject,
        Recipe { person: people::COOK, attack: Some(Attack::Signature), ..HEALTHY },
    ),
    bad(
        "altered-data",
        ("出生日期遭竄改", "altered date of birth"),
        ("DG1、DG11、DG13 與簽章的雜湊不符", "DG1, DG11 and DG13 do not match the signed hashes"),
        CheckKind::DataGroups,
        Recipe { person: people::YOUNG, attack: Some(Attack::Birth), ..HEALTHY },
    ),
    bad(
        "altered-portrait",
        ("相片遭掉換", "exchanged portrait"),
        ("DG2 與簽章的雜湊不符", "DG2 does not match the signed hash"),
        CheckKind::DataGroups,
        Recipe { person: people::PAINTER, attack: Some(Attack::Portrait), ..HEALTHY },
    ),
    bad(
        "missing-data",
        ("資料遭刪除", "data group erased"),
        ("EF.COM 與 EF.SOD 列有 DG13，卡片卻沒有", "EF.COM and EF.SOD list DG13, the card does not have it"),
        CheckKind::Files,
        Recipe { person: people::SINGER, attack: Some(Attack::Missing), ..HEALTHY },
    ),
    bad(
        "cloned",
        ("複製卡", "cloned card"),
        (
            "簽章為真，但晶片沒有 DG15 所屬的金鑰",
            "the signature is genuine, but the chip lacks the key that DG15 names",
        ),
        CheckKind::Chip,
        Recipe { person: people::BANKER, attack: Some(Attack::Clone), ..HEALTHY },
    ),
    good(
        "bac-lab",
        ("實驗卡：基本存取控制（BAC）", "laboratory card with Basic Access Control"),
        (
            "驗證通過；以機讀碼開啟 BAC 亦可讀公開區，發行的卡片一律不開放",
            "verified; BAC with the machine readable zone opens the public zone too, as on no card that is issued",
        ),
        Recipe { person: people::POTTER, profile: Some(CardProfile::BacLab), ..HEALTHY },
    ),
    good(
        "reserve-chip",
        ("備援晶片，金鑰為 P-384", "reserve chip with keys on P-384"),
        (
            "驗證通過；另一晶片型別，PACE、晶片與文件簽章均為 P-384",
            "verified; another type of chip: PACE, chip and document signer on P-384",
        ),
        Recipe {
            person: people::WEAVER,
            profile: Some(CardProfile::ReserveP384),
            signer: Signer::Reserve,
            ..HEALTHY
        },
    ),
    good(
        "mldsa-lab",
        (
            "實驗卡：文件與憑證均以 ML-DSA-65 簽署",
            "laboratory card whose documents and certificates are signed with ML-DSA-65",
        ),
        (
            "驗證通過；認得 ML-DSA-65 的讀卡程式可驗證，其他程式應說明演算法不支援",
            "verified by a reader that knows ML-DSA-65; any other has to say that it does not know the algorithm",
        ),
        Recipe {
            person: people::PHYSICIST,
            profile: Some(CardProfile::MldsaLab),
            signer: Signer::MlDsa,
            ..HEALTHY
        },
    ),
    good(
        "old-trust-point",
        ("仍信任前一代 CVCA", "trusts the CVCA before the present one"),
        (
            "驗證通過；讀取加密區須先出示連結憑證，卡片隨即改為信任現行 CVCA",
            "verified; for the encrypted zone the link certificate comes first, and from then on the card trusts the present CVCA",
        ),
        Recipe { person: people::RANGER, cvca: Cvca::Earlier, ..HEALTHY },
    ),
];

impl Recipe {
    /// Whose card it is: cards with the same are made together.
    const fn authorities(&self) -> (Signer, Cvca) {
        (self.signer, self.cvca)
    }
}

/// A profile of somebody's own, and its text as a chip keeps it.
pub struct Own {
    profile: &'static Profile,
    text: String,
}

impl Own {
    /// Checks a text; what is wrong with it otherwise.
    pub fn new(text: &str) -> Result<Self, Vec<Finding>> {
        let profile = Profile::own(text)?;
        Ok(Self { profile, text: Profile::without_comments(text) })
    }
}

impl Persona {
    /// Whether its card can be made by a profile of somebody's own: not where the persona is about a profile, or about who signs.
    pub fn takes_own_profiles(&self) -> bool {
        let recipe = &self.recipe;
        recipe.profile.is_none()
            && recipe.authorities() == (Signer::Country, Cvca::Present)
            && recipe.attack.is_none()
    }

    /// The profiles that it can be had in.
    pub fn profiles(&self) -> Vec<CardProfile> {
        self.recipe.profile.map_or_else(|| OFFERED.to_vec(), |profile| vec![profile])
    }

    /// The profile of its card where `wanted` is asked for: its own, if it has one.
    pub fn profile(&self, wanted: CardProfile) -> CardProfile {
        self.recipe.profile.unwrap_or(wanted)
    }
}

/// The profiles of a persona that is not about its profile.
pub const OFFERED: [CardProfile; 2] = [CardProfile::Interop, CardProfile::National];

/// The persona of this name.
pub fn by_name(name: &str) -> Option<(usize, &'static Persona)> {
    PERSONAS.iter().enumerate().find(|(_, persona)| persona.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_catalogue_is_consistent() {
        let names: BTreeSet<&str> = PERSONAS.iter().map(|persona| persona.name).collect();
        assert_eq!(names.len(), PERSONAS.len());
        for persona in PERSONAS {
            assert!(persona.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            assert_eq!(persona.check.is_some(), persona.verdict == Verdict::Refused, "{}", persona.name);
        }
    }

    #[test]
    fn every_sketch_makes_a_person_of_its_own() {
        let today = model::RocDate::new(2026, 11, 21).expect("a day");
        let persons: Vec<_> = PERSONAS
            .iter()
            .enumerate()
            .map(|(number, persona)| persona.recipe.person.person(number, today).expect("a person"))
            .collect();
        let ids: BTreeSet<&str> = persons.iter().map(|person| person.id.as_str()).collect();
        assert_eq!(ids.len(), PERSONAS.len());
        for sample in registry::sample_persons() {
            assert!(!ids.contains(sample.person.id.as_str()), "not a person of the register");
        }
        for (persona, person) in PERSONAS.iter().zip(&persons) {
            let age = person.age_on(today);
            assert_eq!(persona.name == "minor", age < 14, "{}: {age}", persona.name);
            assert_eq!(persona.name == "senior", age >= 65, "{}: {age}", persona.name);
            assert!(!persona.recipe.certificate || age >= 18, "{}: {age}", persona.name);
            assert_eq!(
                persona.recipe.attack.is_some()
                    || !matches!(persona.recipe.signer, Signer::Country | Signer::Reserve | Signer::MlDsa),
                persona.check.is_some()
            );
        }
    }

    #[test]
    fn the_page_for_people_lists_every_persona() {
        let page = include_str!("../../../../docs/personas.md");
        for persona in PERSONAS {
            for text in [persona.zh, persona.en, persona.finding_zh, persona.finding_en] {
                assert!(page.contains(text), "docs/personas.md lacks {text}");
            }
            assert!(page.contains(&format!("`{}`", persona.name)), "docs/personas.md lacks {}", persona.name);
        }
        let rows = page.lines().filter(|line| line.starts_with("| `") && line.contains(['✓', '✗'])).count();
        assert_eq!(rows, PERSONAS.len(), "docs/personas.md has other rows");
    }
}
