//! What a profile must not say: each rule with its code. docs/card-profiles.md lists them for people.

use curve::Curve;
use eac::PasswordReference;
use eac::pace::Mapping;
use lds::eid::Placement;

use crate::access::Condition;
use crate::profile::{ChipType, DocumentSigner, Presence, Profile};

/// A rule that every profile keeps.
pub struct Rule {
    /// Its stable code.
    pub code: &'static str,
    /// The keys it is about.
    pub keys: &'static [&'static str],
    /// What it says, in Traditional Chinese.
    pub zh: &'static str,
    /// What it says, in English.
    pub en: &'static str,
    holds: fn(&Profile) -> bool,
}

impl Rule {
    /// Whether the profile keeps it.
    pub fn holds(&self, profile: &Profile) -> bool {
        (self.holds)(profile)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for Rule {}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code)
    }
}

/// One line of the table.
const fn rule(
    code: &'static str,
    keys: &'static [&'static str],
    zh: &'static str,
    en: &'static str,
    holds: fn(&Profile) -> bool,
) -> Rule {
    Rule { code, keys, zh, en, holds }
}

/// The rule about the data groups of the six fields. A text that breaks it has no placement at all, so that it is the only one
/// that is found while the text is read.
pub(crate) static PLACEMENT: Rule = rule(
    "PROFILE-FIELDS",
    &[
        "fields.spouse",
        "fields.father",
        "fields.mother",
        "fields.birthplace",
        "fields.sex",
        "fields.access-number",
    ],
    "沒有讀卡程式認得這樣安排的資料群組",
    "no reader knows the fields in these data groups",
    |_| true,
);

/// The rules about profiles that are not built in: of those, sample cards alone are made.
pub static OWN_RULES: &[Rule] = &[
    rule(
        "PROFILE-OWN-NAME",
        &["name"],
        "自己的設定檔須另取名稱，不用內建設定檔的名稱",
        "a profile of one's own has a name of its own, not that of a built-in one",
        |p| Profile::by_name(&p.name).is_none(),
    ),
    rule(
        "PROFILE-OWN-SAMPLE",
        &["sample"],
        "自己的設定檔只能製作樣卡",
        "only sample cards are made of a profile of one's own",
        |p| p.sample,
    ),
    rule(
        "PROFILE-OWN-CHIP",
        &["chip.fabricator", "chip.type", "chip.operating-system", "chip.pre-issuing"],
        "晶片型別須為內建設定檔之一所用者",
        "the type of chip is that of one of the built-in profiles",
        |p| Profile::built_in().iter().any(|built_in| built_in.chip == p.chip),
    ),
];

/// A text beyond what a chip keeps.
pub(crate) static TOO_LONG: Rule =
    rule("PROFILE-OWN-LONG", &[], "設定檔超過 16 KiB", "a profile has at most 16 KiB", |_| true);

/// More profiles than one program keeps.
pub(crate) static TOO_MANY: Rule = rule(
    "PROFILE-OWN-MANY",
    &[],
    "同一程式中自己的設定檔已滿 64 份",
    "one program keeps at most 64 profiles of one's own",
    |_| true,
);

/// All the others.
pub static RULES: &[Rule] = &[
    rule(
        "PROFILE-NAME",
        &["name"],
        "名稱為 1 至 32 個小寫字母、數字或連字號",
        "a name has 1 to 32 small letters, digits and hyphens",
        |p| {
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            (1..=32).contains(&p.name.len()) && p.name.bytes().all(fits)
        },
    ),
    // CARD-31, CARD-34.
    rule(
        "PROFILE-EID-INTERFACE",
        &["applications.eid"],
        "加密區只在接觸介面回應",
        "the encrypted zone answers on contact only",
        |p| p.eid == Presence::Contact,
    ),
    rule(
        "PROFILE-CERTIFICATE-INTERFACE",
        &["applications.certificate"],
        "憑證區只在接觸介面回應",
        "the certificate zone answers on contact only",
        |p| p.certificate == Presence::Contact,
    ),
    rule(
        "PROFILE-HOUSEHOLD-INTERFACE",
        &["applications.household"],
        "戶籍地區在兩種介面都回應",
        "the household zone answers on both interfaces",
        |p| p.household == Presence::Both,
    ),
    rule(
        "PROFILE-PUBLIC-INTERFACE",
        &["applications.public-national"],
        "公開區在兩種介面都回應",
        "the public zone answers on both interfaces",
        |p| p.public_national == Presence::Both,
    ),
    // OPEN-01.
    rule(
        "PROFILE-SAMPLE-ICAO",
        &["applications.public-icao", "sample"],
        "只有樣卡帶有旅行證件的應用識別碼",
        "only a sample card carries the eMRTD application identifier",
        |p| p.sample || p.public_icao == Presence::None,
    ),
    // CARD-42.
    rule(
        "PROFILE-HOUSEHOLD-CONTACT",
        &["read.household-contact"],
        "戶籍地區在接觸介面可自由讀取",
        "the household zone is free on contact",
        |p| p.read_household_contact == Condition::Always,
    ),
    rule(
        "PROFILE-HOUSEHOLD-CONTACTLESS",
        &["read.household-contactless"],
        "戶籍地區在非接觸介面不設條件，或須有讀取碼",
        "the household zone needs nothing, or the access number on contactless",
        |p| matches!(p.read_household_contactless, Condition::Always | Condition::AccessNumber),
    ),
    // OPEN-02, OPEN-03.
    rule(
        "PROFILE-SAMPLE-HOUSEHOLD",
        &["read.household-contactless", "sample"],
        "只有樣卡讓路過的人在非接觸介面讀取戶籍地區",
        "only a sample card shows its household zone to a passer-by on contactless",
        |p| p.sample || p.read_household_contactless == Condition::AccessNumber,
    ),
    rule(
        "PROFILE-READ-PUBLIC",
        &["read.public"],
        "公開區須有讀取碼或機讀碼",
        "the public zone needs the access number or the MRZ",
        |p| p.read_public == Condition::AccessNumber,
    ),
    rule(
        "PROFILE-READ-ENCRYPTED",
        &["read.encrypted"],
        "加密區每個欄位各須有權限",
        "the encrypted zone needs the right for each field",
        |p| p.read_encrypted == Condition::FieldRight,
    ),
    rule(
        "PROFILE-SAMPLE-KEYS",
        &["use.certificate", "sample"],
        "只有樣卡在安全通道外使用憑證金鑰",
        "only a sample card uses its certificate keys outside a secure channel",
        |p| p.sample || p.use_certificate == Condition::Pin2InChannel,
    ),
    rule(
        "PROFILE-SAMPLE-CERTIFICATES",
        &["read.certificate", "sample"],
        "只有樣卡在安全通道外出示憑證",
        "only a sample card shows its certificates outside a secure channel",
        |p| p.sample || p.read_certificate == Condition::Channel,
    ),
    // CARD-38: the zone's right opens its directories; a certificate may ask for more than that, and never for less.
    rule(
        "PROFILE-CERTIFICATE-RIGHTS",
        &[
            "read.certificate",
            "certificates.signing-rsa",
            "certificates.encryption-rsa",
            "certificates.signing-ec",
            "certificates.encryption-ec",
            "certificates.root",
            "certificates.intermediate",
        ],
        "個別憑證的讀取條件不得低於憑證區",
        "no certificate is read with less than its zone asks for",
        |p| p.read_certificates.iter().all(|right| right.implies(p.read_certificate)),
    ),
    rule(
        "PROFILE-CERTIFICATE-PIN2",
        &[
            "use.certificate",
            "certificates.signing-rsa",
            "certificates.encryption-rsa",
            "certificates.signing-ec",
            "certificates.encryption-ec",
            "certificates.root",
            "certificates.intermediate",
        ],
        "PIN2 只在安全通道內比對時，憑證不能在通道外憑 PIN2 讀取",
        "where PIN2 is verified in a secure channel alone, no certificate is read with PIN2 outside of one",
        |p| p.use_certificate == Condition::Pin2 || !p.read_certificates.contains(&Condition::Pin2),
    ),
    // Readers know the fields of a card that is no sample by their national types.
    rule(
        "PROFILE-SAMPLE-FIELDS",
        &[
            "fields.spouse",
            "fields.father",
            "fields.mother",
            "fields.birthplace",
            "fields.sex",
            "fields.access-number",
            "sample",
        ],
        "只有樣卡把欄位放在另有意義的資料群組",
        "only a sample card has its fields in data groups with another meaning",
        |p| p.sample || p.fields == Placement::NATIONAL,
    ),
    // CARD-30, CARD-35, CARD-36.
    rule(
        "PROFILE-PIN1-DIGITS",
        &["pins.pin1-digits"],
        "PIN1 為 6 位數字",
        "PIN1 has exactly six digits",
        |p| p.pin1_digits == (6..=6),
    ),
    rule(
        "PROFILE-PIN2-DIGITS",
        &["pins.pin2-digits"],
        "PIN2 為 8 至 12 位數字",
        "PIN2 has eight to twelve digits",
        |p| p.pin2_digits == (8..=12),
    ),
    rule(
        "PROFILE-TRIES",
        &["pins.tries"],
        "連續輸入錯誤三次即鎖定",
        "three wrong entries block a PIN",
        |p| p.tries == 3,
    ),
    // OPEN-15.
    rule(
        "PROFILE-KEY-CURVE",
        &["keys.curve"],
        "金鑰在 P-521，備援晶片則為 P-384",
        "keys are on P-521, or P-384 on the reserve chip",
        |p| matches!(p.curve, Curve::P521 | Curve::P384),
    ),
    rule(
        "PROFILE-RSA-BITS",
        &["keys.rsa-bits"],
        "RSA 金鑰至少 2048 位元",
        "RSA keys have at least 2048 bits",
        |p| p.rsa_bits >= 2048,
    ),
    rule(
        "PROFILE-PACE-PREFERRED",
        &["pace.parameters"],
        "優先的 PACE 參數至少 384 位元",
        "the preferred PACE parameters have at least 384 bits",
        |p| p.pace.first().is_some_and(|p| p.curve.field_len() >= 48),
    ),
    rule(
        "PROFILE-PACE-CURVE",
        &["pace.parameters"],
        "PACE 的曲線至少 256 位元",
        "PACE is on curves of at least 256 bits",
        |p| p.pace.iter().all(|p| Curve::ALL.contains(&p.curve)),
    ),
    // Readers take the first entry, and the status of PIN1 is asked for with it.
    rule(
        "PROFILE-PACE-ORDER",
        &["pace.parameters"],
        "通用映射在前，整合映射與晶片認證映射在後",
        "generic mapping comes first, integrated and chip authentication mapping after it",
        |p| {
            p.pace.is_sorted_by_key(|p| p.mapping != Mapping::Generic)
                && p.pace.first().is_some_and(|p| p.mapping == Mapping::Generic)
        },
    ),
    // ICAO 9303-11 §4.4.3.5.1: the static key is on the curve of the mapping.
    rule(
        "PROFILE-PACE-CAM",
        &["pace.parameters", "keys.curve"],
        "晶片認證映射與晶片認證金鑰在同一曲線",
        "chip authentication mapping is on the curve of the chip authentication key",
        |p| p.pace.iter().all(|pace| pace.mapping != Mapping::ChipAuthentication || pace.curve == p.curve),
    ),
    rule(
        "PROFILE-PACE-PROTOCOL",
        &["pace.parameters"],
        "每一種 PACE 協定只有一組領域參數",
        "each PACE protocol has one set of domain parameters",
        |p| {
            let earlier = |i: usize| &p.pace[..i];
            p.pace
                .iter()
                .enumerate()
                .all(|(i, one)| earlier(i).iter().all(|o| o.protocol() != one.protocol()))
        },
    ),
    // CARD-25, CARD-29; the user code never reaches the card.
    rule(
        "PROFILE-NO-PUK",
        &["pace.passwords"],
        "卡片上沒有 PUK：PIN 由主管機關解鎖",
        "no PUK is on the card: PINs are unblocked by the ministry",
        |p| p.passwords.iter().all(|p| *p != PasswordReference::Puk),
    ),
    rule(
        "PROFILE-PASSWORD-PIN1",
        &["pace.passwords"],
        "加密區以 PIN1 開啟，PACE 須接受 PIN1",
        "the encrypted zone is opened with PIN1, so PACE takes it",
        |p| p.passwords.contains(&PasswordReference::Pin),
    ),
    rule(
        "PROFILE-PASSWORD-CAN",
        &["pace.passwords"],
        "PACE 須接受讀取碼",
        "PACE takes the card access number",
        |p| p.passwords.contains(&PasswordReference::Can),
    ),
    rule(
        "PROFILE-SAMPLE-MRZ",
        &["pace.passwords", "sample"],
        "只有樣卡可以不接受機讀碼",
        "only a sample card does without the MRZ as a password",
        |p| p.sample || p.passwords.contains(&PasswordReference::Mrz),
    ),
    rule(
        "PROFILE-PASSWORD-TWICE",
        &["pace.passwords"],
        "每一種密碼只列一次",
        "each password stands once",
        |p| (1..p.passwords.len()).all(|i| !p.passwords[..i].contains(&p.passwords[i])),
    ),
    // OPEN-06, OPEN-52.
    rule(
        "PROFILE-SAMPLE-BAC",
        &["bac.public", "sample"],
        "只有樣卡支援基本存取控制（BAC）",
        "only a sample card speaks Basic Access Control",
        |p| p.sample || !p.bac,
    ),
    rule(
        "PROFILE-BAC-MRZ",
        &["bac.public", "pace.passwords"],
        "基本存取控制的金鑰來自機讀碼，此設定檔卻不接受機讀碼",
        "Basic Access Control takes its keys from the MRZ, which is no password of this profile",
        |p| !p.bac || p.passwords.contains(&PasswordReference::Mrz),
    ),
    rule(
        "PROFILE-BAC-ICAO",
        &["bac.public", "applications.public-icao"],
        "基本存取控制屬於旅行證件應用，此設定檔卻沒有該應用",
        "Basic Access Control belongs to the eMRTD application, which this profile lacks",
        |p| !p.bac || p.public_icao != Presence::None,
    ),
    rule(
        "PROFILE-SAMPLE-CA",
        &["chip-authentication.public", "sample"],
        "只有樣卡提供旅行證件的晶片認證",
        "only a sample card offers Chip Authentication of passports",
        |p| p.sample || !p.chip_authentication,
    ),
    rule(
        "PROFILE-CA-ICAO",
        &["chip-authentication.public", "applications.public-icao"],
        "第一版晶片認證屬於旅行證件應用，此設定檔卻沒有該應用",
        "Chip Authentication of version 1 belongs to the eMRTD application, which this profile lacks",
        |p| !p.chip_authentication || p.public_icao != Presence::None,
    ),
    // CARD-17: a citizen's card has no identifier that the mission does not ask for.
    rule(
        "PROFILE-SAMPLE-RI",
        &["restricted-identification.eid", "sample"],
        "只有樣卡對每個領域各有識別碼",
        "only a sample card has an identifier for each sector",
        |p| p.sample || !p.restricted_identification,
    ),
    // ICAO 9303-11 §6.1.2.3: the hash is as long as the key allows.
    rule(
        "PROFILE-AA-HASH",
        &["keys.active-authentication", "keys.curve"],
        "主動認證的雜湊與金鑰長度相稱",
        "active authentication uses the hash that fits the size of its key",
        |p| p.active_authentication == p.curve.hash(),
    ),
    // OPEN-15.
    rule(
        "PROFILE-SAMPLE-SIGNER",
        &["documents.signer", "sample"],
        "只有樣卡由試用中的演算法簽署",
        "only a sample card is signed with an algorithm under trial",
        |p| p.sample || matches!(p.document_signer, DocumentSigner::Ecdsa(_)),
    ),
    rule(
        "PROFILE-SIGNER-STRENGTH",
        &["documents.signer", "keys.curve"],
        "文件簽章金鑰與卡片金鑰強度相同",
        "the document signer's key is as strong as the keys of the card",
        |p| p.sample || p.document_signer == DocumentSigner::Ecdsa(p.curve),
    ),
    rule(
        "PROFILE-CHIP-CURVE",
        &["keys.curve", "chip.type"],
        "規劃中的晶片用 P-521 金鑰；P-384 為備援晶片所用",
        "the planned chip has P-521 keys; P-384 is for the reserve chip",
        |p| p.curve == Curve::P521 || p.chip != ChipType::PLANNED,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fmt::Write;

    // proves: CARD-42
    #[test]
    fn each_rule_can_be_broken_and_is_named_by_its_code() {
        let national = Profile::text("national").expect("a text");
        let interop = Profile::text("interop").expect("a text");
        let lab = Profile::text("bac-lab").expect("a text");
        let pace = "\"18 AES-256, 13 AES-128, 18 CAM-AES-256\"";
        let mut found = BTreeSet::new();
        for (text, from, to, code) in [
            (national, "name = \"national\"", "name = \"National Card\"", "PROFILE-NAME"),
            (national, "eid = \"contact\"", "eid = \"both\"", "PROFILE-EID-INTERFACE"),
            (
                national,
                "certificate = \"contact\"",
                "certificate = \"both\"",
                "PROFILE-CERTIFICATE-INTERFACE",
            ),
            (national, "household = \"both\"", "household = \"contact\"", "PROFILE-HOUSEHOLD-INTERFACE"),
            (
                national,
                "public-national = \"both\"",
                "public-national = \"contact\"",
                "PROFILE-PUBLIC-INTERFACE",
            ),
            (national, "public-icao = \"none\"", "public-icao = \"both\"", "PROFILE-SAMPLE-ICAO"),
            (national, "contact = \"always\"", "contact = \"channel\"", "PROFILE-HOUSEHOLD-CONTACT"),
            (
                interop,
                "contactless = \"access-number\"",
                "contactless = \"never\"",
                "PROFILE-HOUSEHOLD-CONTACTLESS",
            ),
            (
                national,
                "contactless = \"access-number\"",
                "contactless = \"always\"",
                "PROFILE-SAMPLE-HOUSEHOLD",
            ),
            (national, "\npublic = \"access-number\"", "\npublic = \"channel\"", "PROFILE-READ-PUBLIC"),
            (national, "encrypted = \"field-right\"", "encrypted = \"channel\"", "PROFILE-READ-ENCRYPTED"),
            (national, "certificate = \"pin2-in-channel\"", "certificate = \"pin2\"", "PROFILE-SAMPLE-KEYS"),
            (
                national,
                "certificate = \"channel\"",
                "certificate = \"always\"",
                "PROFILE-SAMPLE-CERTIFICATES",
            ),
            (national, "pin1-digits = \"6\"", "pin1-digits = \"4-6\"", "PROFILE-PIN1-DIGITS"),
            (national, "pin2-digits = \"8-12\"", "pin2-digits = \"6-12\"", "PROFILE-PIN2-DIGITS"),
            (national, "tries = 3", "tries = 5", "PROFILE-TRIES"),
            (national, "curve = \"secp521r1\"", "curve = \"brainpoolP512r1\"", "PROFILE-KEY-CURVE"),
            (national, "rsa-bits = 2048", "rsa-bits = 1024", "PROFILE-RSA-BITS"),
            (national, pace, "\"13 AES-128, 18 AES-256\"", "PROFILE-PACE-PREFERRED"),
            (national, pace, "\"18 AES-256, 9 AES-128\"", "PROFILE-PACE-CURVE"),
            (national, pace, "\"18 CAM-AES-256, 18 AES-256\"", "PROFILE-PACE-ORDER"),
            (national, pace, "\"18 AES-256, 13 CAM-AES-128\"", "PROFILE-PACE-CAM"),
            (national, pace, "\"18 AES-256, 15 AES-256\"", "PROFILE-PACE-PROTOCOL"),
            (national, "MRZ, PIN1", "MRZ, PIN1, PUK", "PROFILE-NO-PUK"),
            (national, "CAN, MRZ, PIN1", "CAN, MRZ", "PROFILE-PASSWORD-PIN1"),
            (national, "CAN, MRZ, PIN1", "MRZ, PIN1", "PROFILE-PASSWORD-CAN"),
            (national, "CAN, MRZ, PIN1", "CAN, PIN1", "PROFILE-SAMPLE-MRZ"),
            (national, "CAN, MRZ, PIN1", "CAN, MRZ, CAN, PIN1", "PROFILE-PASSWORD-TWICE"),
            (national, "[bac]\npublic = \"off\"", "[bac]\npublic = \"on\"", "PROFILE-SAMPLE-BAC"),
            (lab, "CAN, MRZ, PIN1", "CAN, PIN1", "PROFILE-BAC-MRZ"),
            (lab, "public-icao = \"both\"", "public-icao = \"none\"", "PROFILE-BAC-ICAO"),
            (
                national,
                "[chip-authentication]\npublic = \"off\"",
                "[chip-authentication]\npublic = \"on\"",
                "PROFILE-SAMPLE-CA",
            ),
            (interop, "public-icao = \"both\"", "public-icao = \"none\"", "PROFILE-CA-ICAO"),
            (
                national,
                "[restricted-identification]\neid = \"off\"",
                "[restricted-identification]\neid = \"on\"",
                "PROFILE-SAMPLE-RI",
            ),
            (national, "ecdsa-plain-SHA512", "ecdsa-plain-SHA256", "PROFILE-AA-HASH"),
            (national, "[use]", "[certificates]\nroot = \"always\"\n[use]", "PROFILE-CERTIFICATE-RIGHTS"),
            (national, "[use]", "[certificates]\nsigning-rsa = \"pin2\"\n[use]", "PROFILE-CERTIFICATE-PIN2"),
            (national, "signer = \"secp521r1\"", "signer = \"ML-DSA-65\"", "PROFILE-SAMPLE-SIGNER"),
            (national, "signer = \"secp521r1\"", "signer = \"secp384r1\"", "PROFILE-SIGNER-STRENGTH"),
            (national, "curve = \"secp521r1\"", "curve = \"secp384r1\"", "PROFILE-CHIP-CURVE"),
        ] {
            assert!(text.contains(from), "{from}");
            let (_, broken) = Profile::inspect(&text.replacen(from, to, 1)).expect("its form is right");
            assert!(broken.iter().any(|rule| rule.code == code), "{code}: {broken:?}");
            found.insert(code);
        }
        // Fields that readers know elsewhere, on a card that is no sample.
        let fields = |text: &str| {
            text[text.find("[fields]").expect("there")..text.find("[pins]").expect("there")].to_owned()
        };
        let (_, broken) =
            Profile::inspect(&national.replace(&fields(national), &fields(interop))).expect("form");
        assert_eq!(broken.iter().map(|rule| rule.code).collect::<Vec<_>>(), ["PROFILE-SAMPLE-FIELDS"]);
        found.insert("PROFILE-SAMPLE-FIELDS");
        assert_eq!(found, RULES.iter().map(|rule| rule.code).collect::<BTreeSet<_>>());
        // And where nobody knows them, there is no profile at all.
        let nowhere = Profile::inspect(&national.replace("spouse = 14", "spouse = 18"));
        assert_eq!(nowhere, Err(crate::ProfileError::Contradiction(&PLACEMENT)));
    }

    #[test]
    fn several_contradictions_are_all_found() {
        let text = Profile::text("national").expect("a text");
        let text = text.replace("tries = 3", "tries = 9").replace("rsa-bits = 2048", "rsa-bits = 1024");
        let (_, broken) = Profile::inspect(&text).expect("form");
        assert_eq!(
            broken.iter().map(|rule| rule.code).collect::<Vec<_>>(),
            ["PROFILE-TRIES", "PROFILE-RSA-BITS"]
        );
        for text in ["national", "interop", "bac-lab", "reserve-p384", "mldsa-lab"] {
            let (_, broken) = Profile::inspect(Profile::text(text).expect("a text")).expect("form");
            assert!(broken.is_empty());
        }
    }

    #[test]
    fn the_document_lists_the_rules() {
        let mut table = String::from("| 代碼 Code | 規則 Rule |\n|---|---|\n");
        for rule in RULES.iter().chain([&PLACEMENT]).chain(OWN_RULES).chain([&TOO_LONG, &TOO_MANY]) {
            writeln!(table, "| `{}` | {} {} |", rule.code, rule.zh, rule.en).expect("a string");
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/card-profiles.md");
        let document = std::fs::read_to_string(path).expect("docs/card-profiles.md");
        assert!(document.contains(&table), "docs/card-profiles.md should contain:\n{table}");
    }
}
