//! Requests that must not lead to a certificate, and leave nothing behind.

use curve::Curve;
use model::KeySlot;
use npc::{CertificateAuthority, IssueRequest, NpcError, Weakness};
use store::{Db, params, testkit::each_engine};
use x509::Signer;

use crate::support::*;

async fn nothing_stored(db: &Db) {
    for table in ["SELECT count(*) FROM certificate", "SELECT count(*) FROM event"] {
        assert_eq!(db.one(table, params![]).await.unwrap().read::<i64>(0).unwrap(), 0, "{table}");
    }
}

#[tokio::test]
async fn a_request_without_proof_of_possession_is_refused() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let good = request(&npc, 1, KeySlot::SigningRsa, 0).await;
        // The key of one card, signed for by another.
        let (mine, yours) = (rsa(0), rsa(1));
        let subject = x509::Name::builder().country("TW").common_name("card").build().unwrap();
        let stolen =
            x509::csr::build(&subject, yours.spki(), mine.algorithm(), |info| mine.sign(info)).unwrap();
        let mut bent = good.csr.clone();
        *bent.last_mut().unwrap() ^= 1;
        for csr in [stolen, bent, good.csr[..100].to_vec(), Vec::new(), vec![0x30; 5000]] {
            let error = npc.issue(&IssueRequest { csr, ..good.clone() }, now()).await.err().unwrap();
            assert_eq!(error.code(), "NPC-CSR", "{error}");
        }
        nothing_stored(&db).await;
    })
    .await;
}

#[tokio::test]
async fn a_key_of_another_kind_than_its_slot_is_refused() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let rsa_slot = request(&npc, 1, KeySlot::SigningRsa, 0).await;
        let ec_slot = request(&npc, 1, KeySlot::EncryptionEc, 0).await;
        let big = x509::RsaSigner::new(curve::rsa::RsaPrivateKey::generate(3072).unwrap());
        for (request, csr) in [
            (&rsa_slot, csr_of(&ec(Curve::P521, 1))),
            (&rsa_slot, csr_of(&big)),
            (&ec_slot, csr_of(&rsa(0))),
            (&ec_slot, csr_of(&ec(Curve::P256, 1))),
            (&ec_slot, csr_of(&ec(Curve::P384, 1))),
            (&ec_slot, csr_of(&ec(Curve::BrainpoolP512r1, 1))),
        ] {
            let error = npc.issue(&IssueRequest { csr, ..request.clone() }, now()).await.err().unwrap();
            assert_eq!(error.code(), "NPC-KEY-TYPE", "{error}");
        }
        nothing_stored(&db).await;
    })
    .await;
}

// proves: NPC-59
#[tokio::test]
async fn p_521_goes_with_sha_512() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let good = request(&npc, 1, KeySlot::SigningEc, 0).await;
        let key = curve::SecretKey::generate(Curve::P521, &mut curve::SeedRandom::new(b"p521"));
        let spki = curve::spki_from_point(&key.public_key());
        let subject = x509::Name::builder().country("TW").common_name("card").build().unwrap();
        let signed_with = |algorithm: x509::SignatureAlgorithm| {
            x509::csr::build(&subject, &spki, algorithm, |info| {
                Ok::<_, x509::Error>(key.sign_digest(&algorithm.hash().digest(info)).to_der())
            })
            .unwrap()
        };
        for weaker in [x509::SignatureAlgorithm::EcdsaSha256, x509::SignatureAlgorithm::EcdsaSha384] {
            let request = IssueRequest { csr: signed_with(weaker), ..good.clone() };
            assert_eq!(npc.issue(&request, now()).await.err().unwrap().code(), "NPC-REQUEST");
        }
        nothing_stored(&db).await;
        let csr = signed_with(x509::SignatureAlgorithm::EcdsaSha512);
        npc.issue(&IssueRequest { csr, ..good.clone() }, now()).await.unwrap();
    })
    .await;
}

// proves: NPC-58
#[tokio::test]
async fn weak_keys_are_refused() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let good = request(&npc, 1, KeySlot::SigningRsa, 0).await;
        let roca = IssueRequest { csr: include_bytes!("../vectors/roca/csr.der").to_vec(), ..good.clone() };
        let error = npc.issue(&roca, now()).await.err().unwrap();
        assert!(matches!(error, NpcError::WeakKey(Weakness::Roca)), "{error}");
        // Two requests whose keys share a factor: the second is refused, also after a restart.
        let [first, second] = [
            include_bytes!("../vectors/shared-factor/first.csr.der").as_slice(),
            include_bytes!("../vectors/shared-factor/second.csr.der").as_slice(),
        ];
        npc.issue(&IssueRequest { csr: first.to_vec(), ..good.clone() }, now()).await.unwrap();
        let other = request(&npc, 2, KeySlot::SigningRsa, 1).await;
        let second = IssueRequest { csr: second.to_vec(), ..other };
        for npc in [&npc, &open(&db).await] {
            let error = npc.issue(&second, now()).await.err().unwrap();
            assert!(matches!(error, NpcError::WeakKey(Weakness::SharedFactor)), "{error}");
            // The first request again is no shared factor.
            npc.issue(&IssueRequest { csr: first.to_vec(), ..good.clone() }, now()).await.unwrap();
        }
        // And a key that was certified for another card.
        let copied = IssueRequest { csr: first.to_vec(), ..request(&npc, 3, KeySlot::SigningRsa, 2).await };
        assert_eq!(npc.issue(&copied, now()).await.err().unwrap().code(), "NPC-DUPLICATE-KEY");
    })
    .await;
}

#[tokio::test]
async fn fields_of_the_wrong_form_are_refused() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let good = request(&npc, 1, KeySlot::SigningRsa, 0).await;
        for bad in [
            IssueRequest { subject_name: String::new(), ..good.clone() },
            IssueRequest { subject_name: "王".repeat(65), ..good.clone() },
            IssueRequest { subject_name: "a\nb".into(), ..good.clone() },
            IssueRequest { id_tail: "678".into(), ..good.clone() },
            IssueRequest { id_tail: "A123456789".into(), ..good.clone() },
            IssueRequest { holder_no: "123".into(), ..good.clone() },
            IssueRequest { holder_no: "0000000000000000".into(), ..good.clone() },
        ] {
            let error = npc.issue(&bad, now()).await.err().unwrap();
            assert_eq!(error.code(), "NPC-REQUEST", "{error}");
            assert!(!error.to_string().contains("A123456789"));
        }
        nothing_stored(&db).await;
        npc.issue(&good, now()).await.unwrap();
    })
    .await;
}

/// Requests with a key and a proof that are right, and of a size that no card makes; and one that was heard before, sent for
/// another card.
#[tokio::test]
async fn huge_and_replayed_requests_are_refused() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let good = request(&npc, 1, KeySlot::SigningRsa, 0).await;
        let key = rsa(0);
        let huge = |bytes: usize| -> Option<Vec<u8>> {
            let subject = x509::Name::builder().country("TW").common_name(&"x".repeat(bytes)).build().ok()?;
            x509::csr::build(&subject, key.spki(), key.algorithm(), |info| key.sign(info)).ok()
        };
        for bytes in [20_000, 100_000, 5_000_000] {
            // Where no such name can be made, padding outside the signature makes it as long.
            let csr = huge(bytes).unwrap_or_else(|| [&good.csr[..], &vec![0; bytes]].concat());
            let error = npc.issue(&IssueRequest { csr, ..good.clone() }, now()).await.err().unwrap();
            assert_eq!(error.code(), "NPC-CSR", "{bytes}: {error}");
        }
        nothing_stored(&db).await;
        npc.issue(&good, now()).await.unwrap();
        for (request_id, number, slot) in [
            (id(900), 2, KeySlot::SigningRsa),
            (id(901), 1, KeySlot::EncryptionRsa),
            (good.request_id, 2, good.slot),
        ] {
            let replayed = IssueRequest { request_id, card: card(number), slot, ..good.clone() };
            let error = npc.issue(&replayed, now()).await.err().unwrap();
            assert!(matches!(error.code(), "NPC-DUPLICATE-KEY" | "NPC-CONFLICT"), "{error}");
        }
        assert_eq!(
            db.one("SELECT count(*) FROM certificate", params![]).await.unwrap().read::<i64>(0).unwrap(),
            1
        );
    })
    .await;
}
