//! The repository: what holders publish is found, and nothing else.

use std::sync::Arc;

use curve::Hash;
use model::KeySlot;
use npc::CertificateAuthority;
use store::testkit::each_engine;
use x509::Certificate;

use crate::support::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// proves: NPC-05, NPC-50
#[tokio::test]
async fn what_is_published_is_found_until_it_is_hidden() {
    each_engine("npc", async |db| {
        let (npc, address) = served(&db, Arc::new(now)).await;
        let own = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let other = issued(&npc, 2, KeySlot::SigningRsa, 1).await;
        let key = |der: &[u8]| Hash::Sha256.digest(Certificate::parse(der).unwrap().spki());
        let paths = |certificate: &npc::IssuedCertificate| {
            [
                format!("/repository/serial/{}", hex(certificate.serial.octets())),
                format!("/repository/key/{}", hex(&key(&certificate.der))),
                format!("/repository/holder/{}", certificate.holder_no),
            ]
        };
        let statuses = async |certificate: &npc::IssuedCertificate| {
            let mut all = Vec::new();
            for path in paths(certificate) {
                all.push(fetch(address, &path).await.status);
            }
            all
        };
        // Hidden until the holder wishes otherwise, in the words of what does not exist.
        assert_eq!(statuses(&own).await, [404; 3]);
        let absent = fetch(address, "/repository/serial/0102").await;
        let hidden = fetch(address, &paths(&own)[0]).await;
        assert_eq!((absent.status, absent.body), (hidden.status, hidden.body));

        assert!(!npc.is_published(own.card).await.unwrap());
        let receipt = npc.publish(own.card, true, "holder", now()).await.unwrap();
        assert!(receipt.number.starts_with("NPC-"));
        npc.publish(own.card, true, "holder", now()).await.unwrap();
        assert!(npc.is_published(own.card).await.unwrap());
        let [serial, by_key, holder] = paths(&own);
        for path in [&serial, &by_key] {
            let answer = fetch(address, path).await;
            assert_eq!(answer.header("content-type"), Some("application/pkix-cert"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.body, own.der);
        }
        assert_eq!(statuses(&other).await, [404; 3], "nobody else's");

        // The choice holds for what is issued for the card later.
        let later = issued(&npc, 1, KeySlot::EncryptionRsa, 2).await;
        let answer = fetch(address, &holder).await;
        assert_eq!(answer.header("content-type"), Some("application/pkcs7-mime"));
        let contains = |der: &[u8]| answer.body.windows(der.len()).any(|window| window == der);
        assert!(contains(&own.der) && contains(&later.der) && !contains(&other.der));

        npc.publish(own.card, false, "holder", now()).await.unwrap();
        assert_eq!(statuses(&own).await, [404; 3]);
        let none = npc.publish(card(99), true, "holder", now()).await.unwrap_err();
        assert_eq!(none.code(), "NPC-NO-CERTIFICATE");
    })
    .await;
}

/// In an incident with keys one person closes the directory of public keys, for every process; what else relying parties need
/// goes on.
// proves: NPC-57
#[tokio::test]
async fn a_closed_repository_gives_out_nothing_until_it_is_opened() {
    each_engine("npc", async |db| {
        let (npc, address) = served(&db, Arc::new(now)).await;
        let own = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        npc.publish(own.card, true, "holder", now()).await.unwrap();
        let spki = Hash::Sha256.digest(Certificate::parse(&own.der).unwrap().spki());
        let paths = [
            format!("/repository/serial/{}", hex(own.serial.octets())),
            format!("/repository/key/{}", hex(&spki)),
            format!("/repository/holder/{}", own.holder_no),
        ];
        assert!(!npc.repository_is_closed().await.unwrap());
        // Another process closes it, twice.
        let other = open(&db).await;
        assert_eq!(other.close_repository("no name", now()).await.unwrap_err().code(), "NPC-REQUEST");
        other.close_repository("anna", now()).await.unwrap();
        other.close_repository("anna", now()).await.unwrap();
        assert!(npc.repository_is_closed().await.unwrap());
        for path in paths.iter().map(String::as_str).chain(["/repository/serial/0102"]) {
            let answer = fetch(address, path).await;
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("3600")), "{path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("content-type"), Some("application/json"));
            let text = String::from_utf8(answer.body).unwrap();
            assert!(text.contains("\"NPC-REPOSITORY-CLOSED\"") && text.contains("儲存庫"), "{text}");
        }
        let page = fetch_with(address, &paths[0], "Accept: text/html,*/*").await;
        assert_eq!((page.status, page.header("content-type")), (503, Some("text/html; charset=utf-8")));
        assert!(String::from_utf8(page.body).unwrap().contains("<h1>儲存庫暫停服務</h1>"));
        for path in ["/crl/npc.crl", "/certs/npc-ca.cer", "/certs/issued-to-this-ca.p7b", "/status/filter"] {
            assert_eq!(fetch(address, path).await.status, 200, "{path}");
        }
        // What holders decide meanwhile holds.
        npc.publish(own.card, false, "holder", now()).await.unwrap();
        npc.publish(own.card, true, "holder", now()).await.unwrap();
        npc.open_repository("bert", now()).await.unwrap();
        for path in &paths {
            assert_eq!(fetch(address, path).await.status, 200, "{path}");
        }
        // Each switching has its event, and only one.
        let events = audit::events(&db, Some("repository"), 0, 100).await.unwrap();
        let switched: Vec<_> = events.iter().map(|e| (e.action.as_str(), e.actor.as_str())).collect();
        assert_eq!(switched, [("repository-close", "anna"), ("repository-open", "bert")]);
    })
    .await;
}
