//! The certificate policy as versioned data, and the practice statement made of it.

use std::sync::Arc;

use curve::{Curve, SystemRandom};
use keys::KeyKind;
use model::KeySlot;
use npc::{
    CertificateAuthority, CertifiedModule, Hands, IssueRequest, Npc, NpcConfig, Plan, Policy, Provisions,
    Scope,
};
use store::params;
use store::testkit::each_engine;

use crate::support::*;

/// Another process has not heard yet of the policy that two persons have put in force: it issues nothing that this one forbids.
// proves: NPC-04
#[tokio::test]
async fn a_policy_in_force_holds_for_a_process_that_has_not_heard_of_it() {
    each_engine("npc", async |db| {
        let (one, other) = (open(&db).await, open(&db).await);
        issued(&other, 1, KeySlot::SigningRsa, 0).await;
        adopt(&one, |policy| policy.subscriber_keys = vec!["secp521r1".into()]).await;
        let forbidden = request(&other, 2, KeySlot::SigningRsa, 1).await;
        assert_eq!(other.issue(&forbidden, now()).await.err().unwrap().code(), "NPC-POLICY");
        let sql = "SELECT count(*) FROM certificate";
        assert_eq!(db.one(sql, params![]).await.unwrap().read::<i64>(0).unwrap(), 1, "nothing is stored");
        issued(&other, 2, KeySlot::SigningEc, 0).await;
    })
    .await;
}

/// What was issued before is answered to whoever asks for the same again; nothing new comes of that, neither under the number nor with
/// the key, and not from a process either that has not heard of the policy.
// proves: NPC-04, NPC-54
#[tokio::test]
async fn what_was_issued_before_a_policy_forbade_it_is_answered_again() {
    each_engine("npc", async |db| {
        let (one, other) = (open(&db).await, open(&db).await);
        let first = request(&one, 1, KeySlot::SigningRsa, 0).await;
        let issued = one.issue(&first, now()).await.unwrap();
        adopt(&one, |policy| policy.subscriber_keys = vec!["secp521r1".into()]).await;
        let otherwise = IssueRequest { subject_name: "測試用王小明".into(), ..first.clone() };
        let elsewhere = IssueRequest { request_id: id(900), card: card(9), ..first.clone() };
        let same = IssueRequest { request_id: id(901), ..first.clone() };
        let next = request(&one, 1, KeySlot::EncryptionRsa, 1).await;
        for npc in [&one, &other, &open(&db).await] {
            for asked in [&first, &same] {
                assert!(npc.issue(asked, now()).await.unwrap() == issued);
                assert!(npc.check_many(std::slice::from_ref(asked), now()).await.remove(0).is_ok());
            }
            let renumbered = IssueRequest { request_id: id(902), ..otherwise.clone() };
            for (asked, code) in [
                // The process that has not heard of the policy hears of it now.
                (&next, "NPC-POLICY"),
                (&otherwise, "NPC-CONFLICT"),
                (&renumbered, "NPC-SLOT-TAKEN"),
                (&elsewhere, "NPC-POLICY"),
            ] {
                assert_eq!(npc.issue(asked, now()).await.err().unwrap().code(), code);
                let checked = npc.check_many(std::slice::from_ref(asked), now()).await.remove(0);
                assert_eq!(checked.err().unwrap().code(), code);
            }
            // Together too.
            let answers = npc.issue_many(&[next.clone(), first.clone()], now()).await;
            let said: Vec<_> = answers.iter().map(|answer| answer.as_ref().err().map(|e| e.code())).collect();
            assert_eq!(said, [Some("NPC-POLICY"), None]);
        }
        let all = db.one("SELECT count(*) FROM certificate", params![]).await.unwrap();
        assert_eq!(all.read::<i64>(0).unwrap(), 1, "nothing new");
        // Allowed again, also for the process that was told of the prohibition last.
        adopt(&one, |policy| policy.subscriber_keys.push("rsa-2048".into())).await;
        assert!(other.issue(&next, now()).await.is_ok());
    })
    .await;
}

async fn adopt(npc: &Npc, change: impl FnOnce(&mut Policy)) -> u32 {
    let (_, mut policy) = npc.policy().await.unwrap();
    change(&mut policy);
    let document = serde_json::to_string(&policy).unwrap();
    let version = npc.propose_policy(&document, "chief", now()).await.unwrap();
    npc.approve_policy(version, "deputy", now()).await.unwrap();
    version
}

// proves: NPC-04
#[tokio::test]
async fn certificates_keys_and_periods_are_held_against_the_policy_in_force() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyKind::Ec(Curve::P384);
        let config = NpcConfig { root_key: key, ca_key: key, ..config() };
        let open = async || {
            let keys = key_store(directory.path());
            Npc::open(db.clone(), keys, config.clone(), Box::new(SystemRandom), now()).await.unwrap()
        };
        let npc = open().await;
        assert_eq!(npc.policy().await.unwrap(), (1, Policy::built_in(npc.config())));
        issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        issued(&npc, 1, KeySlot::SigningEc, 0).await;

        // Two persons; what is no policy of this CA is refused.
        let document = serde_json::to_string(&Policy::built_in(npc.config())).unwrap();
        let proposed = npc.propose_policy(&document, "chief", now()).await.unwrap();
        let code = async |by: &str| npc.approve_policy(proposed, by, now()).await.map_err(|e| e.code());
        assert_eq!(code("chief").await, Err("NPC-SAME-PERSON"));
        assert_eq!(npc.policy().await.unwrap().0, 1, "a proposal is not in force");
        for (right, wrong) in [
            ("2.16.886.101.0.3.0", "2.16.886.101.0.3.3"),
            ("2.16.886.101.0.3.0", "policy"),
            ("\"subscriber_years\":5", "\"subscriber_years\":6"),
            ("\"subscriber_years\":5", "\"subscriber_years\":0"),
            ("\"list_hours\":48", "\"list_hours\":1"),
            ("\"root_list_hours\":1440", "\"root_list_hours\":23"),
            ("\"root_list_hours\":1440", "\"root_list_hours\":100001"),
            ("rsa-4096", "rsa-"),
            ("\"modules\":[]", "\"module\":[]"),
            ("測試用 1.0", " "),
        ] {
            let document = document.replace(right, wrong);
            let error = npc.propose_policy(&document, "chief", now()).await.unwrap_err();
            assert_eq!(error.code(), "NPC-REQUEST", "{wrong}");
        }
        code("deputy").await.unwrap();
        assert_eq!(code("deputy").await, Ok(()), "again");
        assert_eq!(code("third").await, Err("NPC-REQUEST"));

        // Citizens: kind of key, then the period.
        adopt(&npc, |policy| policy.subscriber_keys = vec!["secp521r1".into()]).await;
        let rsa = request(&npc, 2, KeySlot::SigningRsa, 1).await;
        let ec = request(&npc, 2, KeySlot::SigningEc, 1).await;
        assert_eq!(npc.issue(&rsa, now()).await.err().unwrap().code(), "NPC-POLICY");
        npc.issue(&ec, now()).await.unwrap();
        let short = adopt(&npc, |policy| policy.subscriber_years = 4).await;
        let ec = request(&npc, 3, KeySlot::SigningEc, 1).await;
        assert_eq!(npc.issue(&ec, now()).await.err().unwrap().code(), "NPC-POLICY");
        // It is in force for whoever opens the CA.
        let again = open().await;
        assert_eq!(again.policy().await.unwrap().0, short);
        assert_eq!(again.issue(&ec, now()).await.err().unwrap().code(), "NPC-POLICY");
        // An older proposal does not come back into force.
        let old = npc.propose_policy(&document, "chief", now()).await.unwrap();
        adopt(&npc, |policy| policy.authority_keys = vec!["secp521r1".into()]).await;
        assert_eq!(npc.approve_policy(old, "deputy", now()).await.unwrap_err().code(), "NPC-REQUEST");

        // CAs: at the proposal, and again at the approval.
        let plan = |kind| Plan::Generation { key: kind, partitions: None };
        let refused = npc.propose_ceremony(plan(key), "chief", now()).await.unwrap_err();
        assert_eq!(refused.code(), "NPC-POLICY");
        let allowed = plan(KeyKind::Ec(Curve::P521));
        let number = npc.propose_ceremony(allowed, "chief", now()).await.unwrap().number;
        adopt(&npc, |policy| {
            policy.authority_keys = vec!["secp384r1".into()];
            policy.authority_years = 10;
        })
        .await;
        let refused = npc.approve_ceremony(number, "deputy", now()).await.unwrap_err();
        assert_eq!(refused.code(), "NPC-POLICY");
        // A shorter period is kept.
        let number = npc.propose_ceremony(plan(key), "chief", now()).await.unwrap().number;
        npc.approve_ceremony(number, "deputy", now()).await.unwrap();
        let hands = Hands { operator: "chief", witness: "auditor" };
        while npc
            .ceremony_step(number, hands, Provisions::default(), now())
            .await
            .unwrap()
            .finished_at
            .is_none()
        {}
        let ten_years = npc.ca_certificate().not_after().duration_since(now());
        assert_eq!(ten_years.as_hours(), 10 * 8766);
        // A module that is asked for and is not there: keys in files have none.
        adopt(&npc, |policy| {
            policy.modules = vec![CertifiedModule {
                manufacturer: "Somebody".into(),
                model: "HSM".into(),
                certificate: "FIPS 140-3 level 3 #0000".into(),
            }];
        })
        .await;
        let number = npc.propose_ceremony(plan(key), "chief", now()).await.unwrap().number;
        npc.approve_ceremony(number, "deputy", now()).await.unwrap();
        let step = npc.ceremony_step(number, hands, Provisions::default(), now()).await.unwrap_err();
        assert_eq!(step.code(), "NPC-POLICY");
        npc.abandon_ceremony(number, hands, "no such module", now()).await.unwrap();
        let versions = npc.policies().await.unwrap();
        assert_eq!(versions.last().unwrap().version, 1);
        assert!(versions.iter().filter(|v| v.approved.is_none()).count() >= 2, "proposals stay proposals");
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

// proves: NPC-07
#[tokio::test]
async fn the_practice_statement_has_the_headings_of_rfc_3647_and_the_data_of_the_policy() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let text = npc.practice_statement().await.unwrap();
        for heading in [
            "# 憑證實務作業基準 Certification Practice Statement",
            "### 1.3 主要成員 PKI participants",
            "### 5.2 程序控管 Procedural controls",
            "### 5.3 人員控管 Personnel controls",
            "### 5.4 稽核紀錄 Audit logging procedures",
            "## 6 技術安全控管 Technical security controls",
            "### 7.1 憑證格式剖繪 Certificate profile",
            "### 7.2 廢止清冊格式剖繪 CRL profile",
            "## 8 稽核及其他評核 Compliance audit and other assessments",
        ] {
            assert!(
                text.lines().any(|line| line.trim_start_matches('#') == heading.trim_start_matches('#')),
                "{heading}"
            );
        }
        // Beside the heading stands what the program does.
        for (number, says) in [
            ("5.2", "who proposes does not approve"),
            ("5.3", "auditors operate nothing"),
            ("5.4", "entries form a chain"),
            ("6.1.1", "made in the key store by a ceremony"),
            ("7.1", "| subjectDirectoryAttributes |"),
            ("7.2", "every change of a state makes a new one"),
            ("8", "verify the chain of the audit log"),
        ] {
            let body = section(&text, number);
            assert!(body.contains(says), "{number}: {body}");
        }
        let fingerprint: String =
            npc.ca_certificate().fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(text.contains(&fingerprint) && text.contains("2.16.886.101.0.3.0"));
        assert!(text.contains("卡片管理中心") && text.contains("用戶 subscribers 5 年 years"));
        // A later version is told by the next statement.
        adopt(&npc, |policy| policy.practice_statement_version = "測試用 2.7".into()).await;
        let later = npc.practice_statement().await.unwrap();
        assert!(later.contains("測試用 2.7") && later.contains("version 2 of the policy data"));
    })
    .await;
}

/// What stands under the heading with a number.
fn section<'a>(text: &'a str, number: &str) -> &'a str {
    let heading = |line: &str| {
        line.trim_start_matches('#').trim_start().split(' ').next() == Some(number) && line.starts_with("##")
    };
    let start = text.lines().find(|line| heading(line)).unwrap_or_else(|| panic!("{number}"));
    let (_, after) = text.split_once(&format!("{start}\n")).unwrap();
    after.split("\n#").next().unwrap_or(after)
}

/// Rules, rights and duties for registration, application, update, suspension, revocation and use are explained in both languages.
// proves: NPC-05
#[tokio::test]
async fn the_practice_statement_explains_rights_and_duties() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let text = npc.practice_statement().await.unwrap();
        for (number, zh, en) in [
            ("1.3.3", "立即申報", "reports a lost card"),
            ("1.4.1", "加密憑證", "Encryption certificates"),
            ("1.4.2", "不證明職務", "proves no office"),
            ("3.2.3", "查驗身分一次", "Once, by the household office"),
            ("3.3", "已廢止者不得重新簽發", "revoked is not reissued"),
            ("3.4", "電話申報遺失", "by telephone"),
            ("4.1", "勾選", "On the application"),
            ("4.2", "收件編號", "receipt"),
            ("4.4", "不表示異議", "not objecting"),
            ("4.5", "PIN2", "sets PIN2 before first use"),
            ("4.6", "重新簽發一次", "reissued once"),
            ("4.8", "內容變更", "Changed content"),
            ("4.9", "廢止不可回復", "revocation is final"),
            ("4.11", "死亡", "death"),
            ("9.3", "以是或否答覆", "answers yes or no"),
            ("9.4", "末四碼", "last four characters"),
            ("9.6", "用戶", "Relying parties"),
        ] {
            let body = section(&text, number);
            assert!(body.contains(zh) && body.contains(en), "{number}: {body}");
        }
    })
    .await;
}

/// Whoever relies on a certificate can read by which rules it was made, who does what for the CA, and how to look a status up
/// without telling the CA.
// proves: NPC-05, NPC-08, NPC-52, PRIVACY-04
#[tokio::test]
async fn the_practice_statement_is_public() {
    each_engine("npc", async |db| {
        let (npc, address) = served(&db, Arc::new(now)).await;
        let first = fetch(address, "/cps").await;
        assert_eq!((first.status, first.header("content-type")), (200, Some("text/markdown; charset=utf-8")));
        let text = String::from_utf8(first.body.clone()).unwrap();
        // Chinese first, English second, with what is in force.
        assert!(text.starts_with("# 憑證實務作業基準 Certification Practice Statement\n"), "{text}");
        assert_eq!(text, npc.practice_statement().await.unwrap());
        let (_, policy) = npc.policy().await.unwrap();
        let centre = &policy.delegated[0];
        let line = format!("- {}，管理 run by {}\n", centre.name, centre.management);
        assert!(centre.name.contains("卡片管理中心") && text.contains(&line), "{text}");
        assert!(centre.duties.len() == 3 && centre.duties.iter().all(|duty| text.contains(duty)), "{text}");
        let (_, advice) = text.split_once("4.9.6 信賴憑證者之廢止查驗要求").unwrap();
        let (advice, _) = advice.split_once("\n### 4.10").unwrap();
        assert!(advice.contains("應以廢止清冊或廢止過濾檔查驗") && advice.contains("應經 Tor"), "{advice}");
        assert!(advice.contains("should use the lists or the revocation filter"), "{advice}");
        assert!(advice.contains("through Tor or a proxy that does not tell who asks"), "{advice}");
        let tag = first.header("etag").unwrap().to_owned();
        let same = fetch_with(address, "/cps", &format!("If-None-Match: {tag}")).await;
        assert_eq!(same.status, 304);
        let version = adopt(&npc, |policy| policy.practice_statement_version = "測試用 7.7".into()).await;
        let next = fetch_with(address, "/cps", &format!("If-None-Match: {tag}")).await;
        let text = String::from_utf8(next.body).unwrap();
        assert!(next.status == 200 && text.contains("測試用 7.7"), "{text}");
        assert!(text.contains(&format!("version {version} of the policy")), "{text}");
    })
    .await;
}

/// A root's list serves as long as the policy lets it, and the practice statement says how long.
// proves: NPC-04, NPC-07
#[tokio::test]
async fn a_list_of_a_root_lasts_as_long_as_the_policy_lets_it() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let hours = async || {
            let list = npc.crl(Scope::Root, now()).await.unwrap();
            list.next_update.duration_since(list.this_update).as_hours()
        };
        let says =
            async |words: &str| section(&npc.practice_statement().await.unwrap(), "7.2").contains(words);
        assert_eq!(hours().await, 720);
        assert!(says("A root's list serves 720 hours, 1440 at most by policy").await);
        // A version from before it was said.
        let document = serde_json::to_string(&Policy::built_in(npc.config())).unwrap();
        let earlier = document.replace(",\"root_list_hours\":1440", "");
        assert!(earlier != document);
        let version = npc.propose_policy(&earlier, "chief", now()).await.unwrap();
        npc.approve_policy(version, "deputy", now()).await.unwrap();
        assert_eq!(hours().await, 720);
        adopt(&npc, |policy| policy.root_list_hours = 100).await;
        assert_eq!(hours().await, 100);
        assert!(says("A root's list serves 100 hours, 100 at most by policy").await);
    })
    .await;
}
