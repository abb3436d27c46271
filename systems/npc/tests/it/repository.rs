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

// proves: NPC-05, NPC-50, PRIVACY-06
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
