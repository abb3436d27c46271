//! The skeleton of the certification practice statement (NPC-04, NPC-05, NPC-07): the headings of RFC 3647 §6, in Chinese first,
//! with what the program and the policy in force determine already. Everything else is the operator's to write, and the
//! skeleton says so; nothing is claimed that the program does not do.

use std::fmt::Write;

use crate::authority::hex;
use crate::{Npc, Policy, Result};

/// What stands under a heading.
enum Text {
    /// The operator's to write.
    Open,
    /// A heading over others.
    Part,
    /// The same for every CA that this program runs: Chinese, English.
    Fixed(&'static str, &'static str),
    /// From the policy in force and the hierarchy.
    Made(fn(&Facts) -> String),
}

struct Facts {
    version: u32,
    policy: Policy,
    /// Label, kind of key, period, SHA-256.
    authorities: Vec<(String, String, String, String)>,
    urls: crate::Urls,
    crl_hours: i64,
    root_crl_hours: i64,
}

use Text::{Fixed, Made, Open, Part};

impl Npc {
    /// The skeleton as Markdown, of the policy in force.
    pub async fn practice_statement(&self) -> Result<String> {
        let (version, policy) = self.policy().await?;
        let mut authorities = Vec::new();
        let made = self.ca_certificates();
        for (label, certificate) in &made.published {
            let kind =
                x509::PublicKey::from_spki(certificate.spki()).map_or_else(|_| "?".into(), |key| key.name());
            let validity = certificate.validity();
            let period = format!("{} – {}", validity.not_before(), validity.not_after());
            authorities.push((label.clone(), kind, period, hex(&certificate.fingerprint())));
        }
        let root_crl_hours = policy.root_list_lifetime(&self.config).as_hours();
        let facts = Facts {
            version,
            policy,
            authorities,
            urls: self.config.urls.clone(),
            crl_hours: self.config.crl_lifetime.as_hours(),
            root_crl_hours,
        };
        Ok(write(&facts))
    }
}

fn write(facts: &Facts) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "# 憑證實務作業基準 Certification Practice Statement\n\n\
         骨架：標題依 RFC 3647 第 6 節，內容由憑證政策資料第 {} 版產生；「待填」處由憑證機構撰寫。\n\
         Skeleton: the headings of RFC 3647 §6, filled from version {} of the policy data; what is marked open is the CA's to write.",
        facts.version, facts.version
    );
    for (number, zh, en, text) in HEADINGS {
        let level = "#".repeat(number.matches('.').count() + 2);
        let _ = writeln!(out, "\n{level} {number} {zh} {en}");
        match text {
            Part => {}
            Open => {
                let _ = writeln!(out, "\n（待填 open）");
            }
            Fixed(zh, en) => {
                let _ = writeln!(out, "\n{zh}\n{en}");
            }
            Made(make) => {
                let _ = writeln!(out, "\n{}", make(facts));
            }
        }
    }
    out
}

fn identification(facts: &Facts) -> String {
    format!(
        "憑證政策 Certificate policy: `{}`\n實務作業基準 Practice statement: `{}`，版本 version {}",
        facts.policy.certificate_policy,
        facts.policy.practice_statement,
        facts.policy.practice_statement_version
    )
}

fn fees(facts: &Facts) -> String {
    format!(
        "憑證免費；純憑證卡僅收載具費新臺幣 {fee} 元。\nA certificate is free; a card that carries nothing else costs NT$ {fee}, for the carrier alone.",
        fee = facts.policy.carrier_fee
    )
}

fn delegated(facts: &Facts) -> String {
    let mut out = "受委託單位（憑證政策 1.3.6） Delegated parties (CP 1.3.6):".to_owned();
    for party in &facts.policy.delegated {
        let _ = write!(out, "\n- {}，管理 run by {}", party.name, party.management);
        for duty in &party.duties {
            let _ = write!(out, "\n  - {duty}");
        }
    }
    out
}

fn authorities(facts: &Facts) -> String {
    let mut out = "| 憑證 Certificate | 金鑰 Key | 效期 Period | SHA-256 |\n|---|---|---|---|".to_owned();
    for (label, kind, period, hash) in &facts.authorities {
        let _ = write!(out, "\n| {label} | {kind} | {period} | `{hash}` |");
    }
    out
}

fn repository(facts: &Facts) -> String {
    format!(
        "憑證機構憑證 Certificates of CAs: {}\n廢止清冊 Revocation lists: {}\nOCSP: {}",
        facts.urls.certs, facts.urls.crl, facts.urls.ocsp
    )
}

fn keys(facts: &Facts) -> String {
    format!(
        "憑證機構 CAs: {}\n用戶 Subscribers: {}",
        facts.policy.authority_keys.join(", "),
        facts.policy.subscriber_keys.join(", ")
    )
}

fn modules(facts: &Facts) -> String {
    let mut out =
        "憑證機構金鑰所在之模組及其認證 Modules in which CAs' keys lie, and their certificates:".to_owned();
    for module in &facts.policy.modules {
        let _ = write!(out, "\n- {} {}: {}", module.manufacturer, module.model, module.certificate);
    }
    if facts.policy.modules.is_empty() {
        out.push_str("\n- 未指定：金鑰得存於檔案 none is asked for: keys may lie in files");
    }
    out
}

fn periods(facts: &Facts) -> String {
    let policy = &facts.policy;
    format!(
        "上限 At most: 根憑證 roots {} 年 years；簽發憑證機構 issuing CAs {} 年 years；用戶 subscribers {} 年 years，屆期得重新簽發一次 reissued once (NPC-23)；交互憑證 cross certificates {} 日 days。",
        policy.root_years, policy.authority_years, policy.subscriber_years, policy.cross_days
    )
}

/// NPC-15 to NPC-20: the fields of subscribers' certificates, as `x509::profiles` makes them.
fn certificate_profile(facts: &Facts) -> String {
    format!(
        "X.509 v3（RFC 5280），格式 DER。X.509 v3 (RFC 5280), DER.\n\n\
         | 欄位 Field | 內容 Content |\n|---|---|\n\
         | serialNumber | 十六位元組之亂數，由其得知所屬清冊 16 random bytes, from which the list follows |\n\
         | subject | countryName, commonName, serialNumber（用戶號碼 holder number） |\n\
         | subjectPublicKeyInfo | {keys} |\n\
         | keyUsage（關鍵 critical） | 簽章憑證 signing: digitalSignature；加密憑證 encryption: keyEncipherment, dataEncipherment；P-521: keyAgreement |\n\
         | certificatePolicies | `{policy}` |\n\
         | subjectDirectoryAttributes | 主體型別 subject type、證號末四碼 last four of the number、卡號 card number；虛擬智慧卡另載附卡別 of a virtual smart card also its rank |\n\
         | cRLDistributionPoints | {crl}（所屬清冊及完整清冊 the list it belongs to, and the complete one） |\n\
         | authorityInfoAccess | OCSP {ocsp}、簽發者 issuers {certs} |\n\
         | authorityKeyIdentifier, subjectKeyIdentifier | 公鑰雜湊 hashes of the keys |",
        keys = facts.policy.subscriber_keys.join(", "),
        policy = facts.policy.certificate_policy,
        crl = facts.urls.crl,
        ocsp = facts.urls.ocsp,
        certs = facts.urls.certs,
    )
}

fn lists(facts: &Facts) -> String {
    format!(
        "清冊效期 {} 小時，政策上限 {} 小時；狀態變更即產生新清冊；超過一百萬位元組者，距前一份至少經每百萬位元組一秒，事件時立即公布。根憑證機構之清冊效期 {} 小時，政策上限 {} 小時。\nA list serves {} hours, {} at most by policy; every change of a state makes a new one, of more than a megabyte when the last is a second old for each of its megabytes, and at once in an incident. A root's list serves {} hours, {} at most by policy.",
        facts.crl_hours,
        facts.policy.list_hours,
        facts.root_crl_hours,
        facts.policy.root_list_hours,
        facts.crl_hours,
        facts.policy.list_hours,
        facts.root_crl_hours,
        facts.policy.root_list_hours
    )
}

/// RFC 3647 §6.
const HEADINGS: &[(&str, &str, &str, Text)] = &[
    ("1", "序論", "Introduction", Part),
    (
        "1.1",
        "概要",
        "Overview",
        Fixed(
            "自然人憑證與其狀態服務之簽發及管理規則：憑證載於 New eID 之憑證區、純憑證卡或依附卡片之虛擬智慧卡。",
            "How certificates of natural persons and their statuses are issued and managed: on New eID cards, on cards that carry nothing else, and on virtual smart cards that rest on a card.",
        ),
    ),
    ("1.2", "文件名稱及識別", "Document name and identification", Made(identification)),
    ("1.3", "主要成員", "PKI participants", Part),
    ("1.3.1", "憑證機構", "Certification authorities", Made(authorities)),
    (
        "1.3.2",
        "註冊中心",
        "Registration authorities",
        Fixed(
            "各戶政事務所為註冊窗口；經二人登錄之註冊中心以其憑證簽章之訊息申請。",
            "Every household registration office is a counter; authorities that two persons have registered ask by messages signed with their certificates.",
        ),
    ),
    (
        "1.3.3",
        "用戶",
        "Subscribers",
        Fixed(
            "設有戶籍且達憑證年齡、未受監護宣告之國民，及持居留證之外來人口。用戶應據實申請、自行保管卡片與密碼，卡片遺失或密碼外洩時立即申報，內容變更時辦理重發；得隨時停用、復用及廢止其憑證，查詢狀態，並決定是否公布。",
            "Citizens with a registered household, of the age for certificates and not under guardianship, and foreign residents with a permit. A subscriber applies truthfully, keeps card and codes, reports a lost card or a known code at once, and has changed content certified anew; may suspend, resume and revoke the certificates at any time, ask for their status, and decide whether they are published.",
        ),
    ),
    (
        "1.3.4",
        "信賴憑證者",
        "Relying parties",
        Fixed(
            "驗證簽章或加密之任何人。應驗證憑證路徑至根憑證、效期、金鑰用途及狀態，並自行判斷簽署人之權限。",
            "Whoever verifies a signature or encrypts. Relying parties verify the path to a root, the period, the key usage and the status, and judge the signer's authority themselves.",
        ),
    ),
    ("1.3.5", "其他相關成員", "Other participants", Made(delegated)),
    ("1.4", "憑證用途", "Certificate usage", Part),
    (
        "1.4.1",
        "適用範圍",
        "Appropriate certificate uses",
        Fixed(
            "簽章憑證：電子簽章及登入。加密憑證：以憑證公鑰加密資料或金鑰協議。",
            "Signing certificates: signatures and log-in. Encryption certificates: enciphering to their key, or key agreement.",
        ),
    ),
    (
        "1.4.2",
        "禁止事項",
        "Prohibited certificate uses",
        Fixed(
            "不得簽發其他憑證；簽章金鑰不得用於加密，加密金鑰不得用於簽章。憑證不證明職務、授權或法人代表權。",
            "They issue no other certificates; a signing key does not decipher and an encryption key does not sign. A certificate proves no office, mandate or representation.",
        ),
    ),
    ("1.5", "政策管理", "Policy administration", Part),
    ("1.5.1", "管理機構", "Organization administering the document", Open),
    ("1.5.2", "聯絡資料", "Contact person", Open),
    ("1.5.3", "審定", "Person determining CPS suitability for the policy", Open),
    (
        "1.5.4",
        "變更程序",
        "CPS approval procedures",
        Fixed(
            "政策資料以版本管理，一人提案、另一人核可後生效，均留稽核紀錄。",
            "Policy data has versions: one person proposes, another approves, both are in the audit log.",
        ),
    ),
    ("1.6", "名詞定義及縮寫", "Definitions and acronyms", Open),
    ("2", "公布及儲存庫責任", "Publication and repository responsibilities", Part),
    ("2.1", "儲存庫", "Repositories", Made(repository)),
    (
        "2.2",
        "憑證資訊之公布",
        "Publication of certification information",
        Fixed(
            "公布本基準、憑證機構憑證、廢止清冊、廢止過濾檔，及用戶同意公布之憑證。",
            "This statement, certificates of CAs, revocation lists and filter, and the certificates whose holders have them published.",
        ),
    ),
    ("2.3", "公布頻率", "Time or frequency of publication", Made(lists)),
    (
        "2.4",
        "存取控制",
        "Access controls on repositories",
        Fixed(
            "讀取不設限、不留存查詢者；寫入限憑證機構。事件時得由一人關閉用戶憑證之查詢。",
            "Anybody reads and nobody is recorded; the CA alone writes. In an incident one person can close the search for subscribers' certificates.",
        ),
    ),
    ("3", "識別及鑑別", "Identification and authentication", Part),
    ("3.1", "命名", "Naming", Part),
    (
        "3.1.1",
        "名稱種類",
        "Types of names",
        Fixed(
            "主體為國碼、姓名及用戶號碼；身分證統一編號僅載末四碼於主體目錄屬性。",
            "Subjects have country, name and holder number; of the national number only the last four characters, as a directory attribute.",
        ),
    ),
    (
        "3.1.2",
        "名稱意義",
        "Need for names to be meaningful",
        Fixed(
            "用戶姓名為戶籍登記之姓名；外來人口為居留證所載之姓名。",
            "A subscriber's name is the one in the household register, a foreign resident's the one on the permit.",
        ),
    ),
    (
        "3.1.3",
        "匿名或假名",
        "Anonymity or pseudonymity of subscribers",
        Fixed("不簽發匿名或假名憑證。", "None are certified."),
    ),
    (
        "3.1.4",
        "名稱解釋規則",
        "Rules for interpreting various name forms",
        Fixed(
            "X.520 屬性，UTF-8；罕用字以其字碼記載。",
            "Attributes of X.520 in UTF-8; rare characters by their code points.",
        ),
    ),
    (
        "3.1.5",
        "名稱獨特性",
        "Uniqueness of names",
        Fixed(
            "以用戶號碼區別同名之人；同一人之各憑證號碼相同。",
            "A holder number tells persons of one name apart; it is the same in all certificates of a person.",
        ),
    ),
    (
        "3.1.6",
        "商標",
        "Recognition, authentication, and role of trademarks",
        Fixed("不適用。", "Not applicable."),
    ),
    ("3.2", "初始註冊", "Initial identity validation", Part),
    (
        "3.2.1",
        "證明擁有私鑰",
        "Method to prove possession of private key",
        Fixed(
            "以私鑰簽章之憑證請求檔（PKCS #10 或 CRMF），簽發前驗證。",
            "A request signed with the key (PKCS #10 or CRMF), verified before issuance.",
        ),
    ),
    (
        "3.2.2",
        "組織鑑別",
        "Authentication of organization identity",
        Fixed("不對組織簽發憑證。", "Organisations get no certificates."),
    ),
    (
        "3.2.3",
        "個人鑑別",
        "Authentication of individual identity",
        Fixed(
            "New eID 於交付時由戶政事務所查驗身分一次；純憑證卡於臨櫃申請時查驗。查驗包含資格：年齡、戶籍、監護宣告。",
            "Once, by the household office when a New eID is handed over; for a card with certificates only when it is applied for at a counter. Age, household and guardianship are checked with it.",
        ),
    ),
    (
        "3.2.4",
        "未經驗證之資訊",
        "Non-verified subscriber information",
        Fixed(
            "無：主體內容均取自戶籍資料或居留證。",
            "None: everything in the subject comes from the register or the permit.",
        ),
    ),
    (
        "3.2.5",
        "權限驗證",
        "Validation of authority",
        Fixed(
            "法定代理人依戶籍登記；承辦人之授權為其帳號及本人、本卡、本項業務之案號。",
            "Legal representatives by the register; a clerk by account and by a case about this person, this card and this service.",
        ),
    ),
    (
        "3.2.6",
        "互運準則",
        "Criteria for interoperation",
        Fixed(
            "以交互憑證為之，由二人核可之典禮簽發，附名稱及政策限制。",
            "By cross certificates from ceremonies that two persons approve, with constraints on names and policies.",
        ),
    ),
    (
        "3.3",
        "更換金鑰之識別",
        "Identification and authentication for re-key requests",
        Fixed(
            "重新簽發及內容變更以 PIN2 簽章或用戶代碼授權，臨櫃辦理者亦同；已廢止者不得重新簽發。",
            "Reissue and changed content are authorised by a PIN2 signature or the user code, at a counter too; what is revoked is not reissued.",
        ),
    ),
    (
        "3.4",
        "廢止申請之識別",
        "Identification and authentication for revocation request",
        Fixed(
            "以 PIN2 簽章，或承辦人附案號；停用另得以用戶代碼。電話申報遺失須答覆身分問題。",
            "A PIN2 signature, or a clerk with a case; suspension by the user code too. Whoever reports a loss by telephone answers questions about the holder.",
        ),
    ),
    ("4", "憑證生命週期", "Certificate life-cycle operational requirements", Part),
    (
        "4.1",
        "憑證申請",
        "Certificate application",
        Fixed(
            "於 New eID 申請書勾選，或臨櫃申請純憑證卡；虛擬智慧卡由用戶以卡片申請。",
            "On the application for a New eID, or at a counter for a card with certificates only; for a virtual smart card with the card itself.",
        ),
    ),
    (
        "4.2",
        "申請之處理",
        "Certificate application processing",
        Fixed(
            "申請經授權、記錄並附收件編號；同一申請重送僅辦理一次。經停止簽發之金鑰種類或憑證機構不受理。",
            "Each is authorised, recorded and answered with a receipt; sent again it is carried out once. While issuing is stopped, none is taken.",
        ),
    ),
    (
        "4.3",
        "憑證簽發",
        "Certificate issuance",
        Fixed(
            "待簽位元組經檢查、以拋棄式金鑰預演並保存後始簽章。",
            "Bytes to be signed are linted, rehearsed with a throw-away key and stored before they are signed.",
        ),
    ),
    (
        "4.4",
        "憑證接受",
        "Certificate acceptance",
        Fixed(
            "用戶收受領證確認書後確認，或於期間內不表示異議者，視為接受；表示異議者，憑證廢止。",
            "By confirming the collection confirmation, or by not objecting to it in time; certificates that are objected to are revoked.",
        ),
    ),
    (
        "4.5",
        "金鑰及憑證之使用",
        "Key pair and certificate usage",
        Fixed(
            "用戶設定 PIN2 後始得使用；私鑰僅於晶片內、經 PIN2 使用。信賴憑證者依 4.9.6 查驗。",
            "A holder sets PIN2 before first use; keys are used in the chip alone and with PIN2. Relying parties check as 4.9.6 says.",
        ),
    ),
    (
        "4.6",
        "憑證展期",
        "Certificate renewal",
        Fixed(
            "不延長原憑證之效期。首張憑證屆期時得以第二組金鑰重新簽發一次，至卡片應換領日止；臨櫃及線上均可辦理。",
            "No certificate is prolonged. When the first ones end they are reissued once, for the second pair of keys, until the card's date of renewal; at a counter or online.",
        ),
    ),
    (
        "4.7",
        "更換金鑰",
        "Certificate re-key",
        Fixed(
            "演算法或金鑰不再可信時，二人核可之事件停用相關憑證，並依優先順序對第二組金鑰大量換發。",
            "Where an algorithm or keys are no longer trusted, an incident approved by two persons suspends the certificates concerned and the second pair of keys is certified in order of priority.",
        ),
    ),
    (
        "4.8",
        "憑證變更",
        "Certificate modification",
        Fixed(
            "姓名等內容變更時，New eID 隨新卡發給；純憑證卡經用戶同意，對第二組金鑰簽發並廢止原憑證。",
            "Changed content comes with a new card; on a card with certificates only the second pair is certified, with the holder's consent, and the old certificates are revoked.",
        ),
    ),
    (
        "4.9",
        "停用及廢止",
        "Certificate revocation and suspension",
        Fixed(
            "用戶得隨時停用、復用及廢止；廢止不可回復。",
            "Holders suspend, resume and revoke at any time; revocation is final.",
        ),
    ),
    (
        "4.9.1",
        "廢止之情形",
        "Circumstances for revocation",
        Fixed(
            "持有人申請、卡片遺失或失效、內容變更、金鑰外洩、死亡、受監護宣告、經核准之事件。",
            "On the holder's wish; a card lost or void; content that changed; a compromised key; death; guardianship; an approved incident.",
        ),
    ),
    (
        "4.9.2",
        "得申請廢止者",
        "Who can request revocation",
        Fixed(
            "持有人、其法定代理人、受理案件之註冊中心；事件須由二人分別提出及核准。",
            "The holder, a legal representative, the registration authority with a case; an incident takes two persons.",
        ),
    ),
    (
        "4.9.3",
        "廢止申請程序",
        "Procedure for revocation request",
        Fixed(
            "經註冊中心之功能，附其授權（PIN2、用戶代碼、承辦人與案號）。",
            "By the functions of the registration authority, each with its authorisation (PIN2, user code, clerk and case).",
        ),
    ),
    ("4.9.4", "廢止申請之寬限期", "Revocation request grace period", Fixed("無。", "None.")),
    (
        "4.9.5",
        "處理廢止申請之時限",
        "Time within which the CA processes the request",
        Fixed("立即處理並反映於 OCSP 及清冊。", "At once, and told by OCSP and lists."),
    ),
    (
        "4.9.6",
        "信賴憑證者之廢止查驗要求",
        "Revocation checking requirement for relying parties",
        Fixed(
            "信賴憑證者應以廢止清冊或廢止過濾檔查驗：其內容對所有人相同，取得後於本機查閱，憑證機構無從得知何人查驗何張憑證。僅能使用 OCSP 者，應經 Tor 或不揭露查詢者之代理伺服器，且不附亂數（nonce），使答案得由快取提供。",
            "Relying parties should use the lists or the revocation filter: these are the same for everybody and looked up at home, so the CA does not learn who checks whose certificate. Whoever can use OCSP only should ask through Tor or a proxy that does not tell who asks, and without a nonce, so that a cache may answer.",
        ),
    ),
    (
        "4.10",
        "憑證狀態服務",
        "Certificate status services",
        Fixed(
            "完整、分割及差異廢止清冊、OCSP、廢止過濾檔。",
            "Complete, partitioned and delta lists, OCSP, a revocation filter.",
        ),
    ),
    (
        "4.11",
        "終止服務",
        "End of subscription",
        Fixed(
            "用戶廢止、卡片失效、死亡或受監護宣告時終止。",
            "With revocation, the end of the card, death or guardianship.",
        ),
    ),
    (
        "4.12",
        "金鑰託管及復原",
        "Key escrow and recovery",
        Fixed("不託管用戶私鑰。", "No private key of a subscriber is escrowed."),
    ),
    ("5", "設施、管理及作業控管", "Facility, management, and operational controls", Part),
    ("5.1", "實體控管", "Physical controls", Open),
    (
        "5.2",
        "程序控管",
        "Procedural controls",
        Fixed(
            "憑證機構金鑰之作業依核可之腳本，由操作人及見證人逐步執行並留附時戳之紀錄；提案者不得核可。",
            "What is done with a CA's key follows an approved script, step by step before a witness, and leaves a record with a time stamp; who proposes does not approve.",
        ),
    ),
    (
        "5.3",
        "人員控管",
        "Personnel controls",
        Fixed(
            "系統依角色區分權限：憑證機構操作員、註冊中心人員、卡務人員、稽核員；提案者不得核可，稽核員不得操作。任用及訓練由憑證機構撰寫（待填 open）。",
            "The system divides rights by role: operators of the CA, officers of registration, of cards, auditors; who proposes does not approve, and auditors operate nothing. Recruitment and training are the CA's to write.",
        ),
    ),
    (
        "5.4",
        "稽核紀錄",
        "Audit logging procedures",
        Fixed(
            "每一狀態變更與其稽核紀錄同一交易寫入，紀錄成鏈，可驗證未經竄改。",
            "Every change of state and its audit entry are one transaction; entries form a chain that can be verified.",
        ),
    ),
    (
        "5.5",
        "紀錄歸檔",
        "Records archival",
        Fixed(
            "憑證及其狀態變更、稽核紀錄均不刪除；備份依作業文件。",
            "Certificates, changes of their states and audit entries are not deleted; copies as the operations manual says.",
        ),
    ),
    (
        "5.6",
        "金鑰更換",
        "Key changeover",
        Fixed(
            "新一代金鑰同名而金鑰識別碼不同；根以連結憑證銜接，舊代續提供狀態服務至其最後憑證屆期。",
            "The next generation has the same name and another key identifier; roots are linked both ways, and a generation tells status until its last certificate has ended.",
        ),
    ),
    (
        "5.7",
        "危害及災變復原",
        "Compromise and disaster recovery",
        Fixed(
            "停止簽發、關閉查詢由一人即時為之；批次停用或廢止須二人核可，中斷後可接續。金鑰外洩時以新一代取代。第二站點得以金鑰模組副本接續服務。",
            "One person stops issuing or closes the repository at once; suspending or revoking a cohort takes two and goes on after an interruption. A compromised key is replaced by the next generation. A second site goes on with a copy of the module.",
        ),
    ),
    ("5.8", "終止", "CA or RA termination", Open),
    ("6", "技術安全控管", "Technical security controls", Part),
    ("6.1", "金鑰對產製及安裝", "Key pair generation and installation", Part),
    (
        "6.1.1",
        "金鑰對產製",
        "Key pair generation",
        Fixed(
            "憑證機構金鑰於金鑰儲存內依典禮產生；用戶金鑰於晶片內產生。",
            "Keys of CAs are made in the key store by a ceremony; those of subscribers in the chip.",
        ),
    ),
    (
        "6.1.2",
        "私鑰交付",
        "Private key delivery to subscriber",
        Fixed("私鑰不離開晶片。", "The key never leaves the chip."),
    ),
    (
        "6.1.3",
        "公鑰交付",
        "Public key delivery to certificate issuer",
        Fixed(
            "以 PKCS #10 或 CRMF 請求檔，經雙方鑑別之通道。",
            "In PKCS #10 or CRMF requests, by a channel in which both sides are authenticated.",
        ),
    ),
    (
        "6.1.4",
        "憑證機構公鑰之交付",
        "CA public key delivery to relying parties",
        Fixed("憑證機構憑證公布於儲存庫，並載於卡片。", "In the repository, and on the card."),
    ),
    ("6.1.5", "金鑰長度", "Key sizes", Made(keys)),
    (
        "6.1.6",
        "參數及品質",
        "Public key parameters generation and quality checking",
        Fixed(
            "簽發前檢查已知弱點（ROCA、小因數、與最近至少五百一十二把金鑰之共用因數），並與全部既有金鑰比對重複；簽發後至遲一日，與全部既有 RSA \
             金鑰比對共用因數，發現者由二人決定廢止。",
            "Known weaknesses (ROCA, small factors, factors shared with one of at least the last 512 keys) are looked for before \
             issuance, and duplicates among all keys there are. Within a day of issuance, factors shared with any RSA key there is \
             are looked for; two persons decide on the revocation of what is found.",
        ),
    ),
    (
        "6.1.7",
        "金鑰用途",
        "Key usage purposes",
        Fixed(
            "每一金鑰自產生時即限定用途並由金鑰儲存執行；憑證機構金鑰僅簽發憑證及廢止清冊。",
            "Every key has one purpose from the moment it is made, enforced by the key store; a CA's key signs certificates and lists alone.",
        ),
    ),
    ("6.2", "私鑰保護", "Private key protection and cryptographic module engineering controls", Part),
    ("6.2.1", "密碼模組標準", "Cryptographic module standards and controls", Made(modules)),
    (
        "6.2.2",
        "多人控管",
        "Private key (n out of m) multi-person control",
        Fixed("備份金鑰以 Shamir 法分持。", "The key of a copy is divided by Shamir's scheme."),
    ),
    ("6.2.3", "私鑰託管", "Private key escrow", Fixed("不託管。", "None.")),
    (
        "6.2.4",
        "私鑰備份",
        "Private key backup",
        Fixed(
            "以典禮產生加密備份，其金鑰由多人分持；或由金鑰模組自身之備份功能。用戶私鑰不備份。",
            "An enciphered copy by ceremony, its key divided among several persons, or the module's own copies. Subscribers' keys are not copied.",
        ),
    ),
    ("6.2.5", "私鑰歸檔", "Private key archival", Fixed("不歸檔。", "None.")),
    (
        "6.2.6",
        "私鑰傳輸",
        "Private key transfer into or from a cryptographic module",
        Fixed("僅以 6.2.4 之備份為之。", "As copies under 6.2.4 alone."),
    ),
    (
        "6.2.7",
        "私鑰儲存",
        "Private key storage on cryptographic module",
        Fixed(
            "於金鑰模組或加密之金鑰檔；用戶金鑰於晶片。",
            "In the module or in an enciphered file; subscribers' keys in the chip.",
        ),
    ),
    (
        "6.2.8",
        "私鑰啟動",
        "Method of activating private key",
        Fixed(
            "憑證機構金鑰以模組之 PIN 或金鑰檔之密碼，於啟動程式時輸入；用戶金鑰以 PIN2。",
            "A CA's key by the module's PIN or the file's passphrase when the program starts; a subscriber's by PIN2.",
        ),
    ),
    (
        "6.2.9",
        "私鑰停用",
        "Method of deactivating private key",
        Fixed("程式結束或模組移除時。", "When the program ends or the module is taken away."),
    ),
    (
        "6.2.10",
        "私鑰銷毀",
        "Method of destroying private key",
        Fixed("依典禮銷毀並留紀錄。", "By a ceremony, with a record."),
    ),
    ("6.2.11", "密碼模組評等", "Cryptographic module rating", Fixed("見 6.2.1。", "See 6.2.1.")),
    ("6.3", "金鑰對管理之其他規定", "Other aspects of key pair management", Part),
    (
        "6.3.1",
        "公鑰歸檔",
        "Public key archival",
        Fixed("公鑰隨憑證保存。", "Public keys are kept with their certificates."),
    ),
    ("6.3.2", "使用期限", "Certificate operational periods and key pair usage periods", Made(periods)),
    (
        "6.4",
        "啟動資料",
        "Activation data",
        Fixed(
            "PIN1、PIN2 出廠時未設定，由用戶設定；用戶代碼載於領證確認書，首次使用前須變更，僅保存其雜湊。錯誤次數受限。",
            "PIN1 and PIN2 are unset at delivery and set by the holder; the user code is on the collection confirmation, is changed before it counts, and is kept as a hash. Wrong tries are limited.",
        ),
    ),
    (
        "6.5",
        "電腦安全控管",
        "Computer security controls",
        Fixed(
            "帳號依密碼規則，閒置即登出；秘密不載於紀錄。",
            "Accounts follow password rules and are signed out when idle; no secret stands in a log.",
        ),
    ),
    (
        "6.6",
        "生命週期技術控管",
        "Life cycle technical controls",
        Fixed(
            "版本及依賴套件固定，變更經測試及外部程式驗證。",
            "Versions and dependencies are pinned; changes are tested, also by foreign programs.",
        ),
    ),
    (
        "6.7",
        "網路安全控管",
        "Network security controls",
        Fixed(
            "對外服務逐項限流；憑證機構金鑰不經由網路服務直接使用。",
            "Every public service has a limit; no network service uses a CA's key on its own.",
        ),
    ),
    ("6.8", "時戳", "Time-stamping", Fixed("RFC 3161。", "RFC 3161.")),
    ("7", "憑證、廢止清冊及線上憑證狀態協定格式剖繪", "Certificate, CRL, and OCSP profiles", Part),
    ("7.1", "憑證格式剖繪", "Certificate profile", Made(certificate_profile)),
    ("7.2", "廢止清冊格式剖繪", "CRL profile", Made(lists)),
    (
        "7.3",
        "OCSP 格式剖繪",
        "OCSP profile",
        Fixed("RFC 6960、RFC 9654、RFC 9919。", "RFC 6960, RFC 9654, RFC 9919."),
    ),
    (
        "8",
        "稽核及其他評核",
        "Compliance audit and other assessments",
        Fixed(
            "稽核員得隨時驗證稽核紀錄鏈並匯出；典禮紀錄附時戳，可獨立驗證。外部評核之頻率及機構由憑證機構撰寫（待填 open）。",
            "Auditors verify the chain of the audit log and export it at any time; records of ceremonies have time stamps and are verified by themselves. How often and by whom else it is assessed is the CA's to write.",
        ),
    ),
    ("9", "其他業務及法律規定", "Other business and legal matters", Part),
    ("9.1", "費用", "Fees", Part),
    ("9.1.1", "憑證簽發及展期費用", "Certificate issuance or renewal fees", Made(fees)),
    ("9.1.2", "憑證查詢費用", "Certificate access fees", Fixed("免費。", "None.")),
    (
        "9.1.3",
        "憑證廢止及狀態查詢費用",
        "Revocation or status information access fees",
        Fixed("免費。", "None."),
    ),
    ("9.1.4", "其他服務費用", "Fees for other services", Open),
    ("9.1.5", "退費", "Refund policy", Open),
    ("9.2", "財務責任", "Financial responsibility", Open),
    (
        "9.3",
        "業務資訊之保密",
        "Confidentiality of business information",
        Fixed(
            "申請資料、聯絡資料及確認服務之查詢不對外提供；請求僅以是或否答覆。",
            "Applications, contacts and questions of the confirmation service are not given out; it answers yes or no.",
        ),
    ),
    (
        "9.4",
        "個人資料之隱私",
        "Privacy of personal information",
        Fixed(
            "憑證僅載姓名及證號末四碼。登記資料以金鑰雜湊連結，聯絡資料加密保存；狀態查詢不留存何人查驗何憑證。",
            "A certificate has a name and the last four characters of the number. Records are linked by keyed hashes, contacts are kept enciphered; nobody records who checks whose status.",
        ),
    ),
    ("9.5", "智慧財產權", "Intellectual property rights", Open),
    (
        "9.6",
        "聲明及擔保",
        "Representations and warranties",
        Fixed(
            "憑證機構：依本基準簽發、公布狀態並保護金鑰。註冊中心：查驗身分並於案件中辦理。用戶：據實申請、保管卡片與密碼、立即申報。信賴憑證者：驗證路徑、用途及狀態。",
            "The CA issues, tells status and protects its keys as stated here. Registration authorities identify persons and act in cases. Subscribers apply truthfully, keep card and codes and report at once. Relying parties verify path, usage and status.",
        ),
    ),
    ("9.7", "擔保之排除", "Disclaimers of warranties", Open),
    ("9.8", "責任限制", "Limitations of liability", Open),
    ("9.9", "賠償", "Indemnities", Open),
    ("9.10", "施行及終止", "Term and termination", Open),
    ("9.11", "對參與者之通知及聯絡", "Individual notices and communications with participants", Open),
    ("9.12", "修訂", "Amendments", Fixed("見 1.5.4。", "See 1.5.4.")),
    ("9.13", "爭議處理", "Dispute resolution provisions", Open),
    ("9.14", "準據法", "Governing law", Open),
    ("9.15", "法令遵循", "Compliance with applicable law", Open),
    ("9.16", "雜項條款", "Miscellaneous provisions", Open),
    ("9.17", "其他條款", "Other provisions", Open),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_numbered_without_a_gap() {
        let mut last: Vec<u32> = vec![0];
        for (number, zh, en, _) in HEADINGS {
            let parts: Vec<u32> = number.split('.').map(|part| part.parse().expect("a number")).collect();
            assert!(!zh.is_empty() && !en.is_empty());
            let follows = if parts.len() > last.len() {
                parts[..last.len()] == last && parts[last.len()..] == [1]
            } else {
                let at = parts.len() - 1;
                parts[..at] == last[..at] && parts[at] == last[at] + 1
            };
            assert!(follows, "{number}");
            last = parts;
        }
        assert_eq!(last[0], 9, "the nine chapters of RFC 3647");
    }
}
