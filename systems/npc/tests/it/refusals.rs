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
            (&ec_slot, csr_of(&ec(Curve::BrainpoolP512r1, 1))),
        ] {
            let error = npc.issue(&IssueRequest { csr, ..request.clone() }, now()).await.err().unwrap();
            assert_eq!(error.code(), "NPC-KEY-TYPE", "{error}");
        }
        nothing_stored(&db).await;
    })
    .await;
}

// proves: CARD-12, NPC-59
#[tokio::test]
async fn p_521_goes_with_sha_512_and_the_reserve_chips_p_384_with_sha_384() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let [sha256, sha384, sha512] = [
            x509::SignatureAlgorithm::EcdsaSha256,
            x509::SignatureAlgorithm::EcdsaSha384,
            x509::SignatureAlgorithm::EcdsaSha512,
        ];
        goes_with(&db, &npc, 1, Curve::P521, sha512, [sha256, sha384]).await;
        goes_with(&db, &npc, 2, Curve::P384, sha384, [sha256, sha512]).await;
    })
    .await;
}

async fn goes_with(
    db: &Db,
    npc: &npc::Npc,
    number: u32,
    curve: Curve,
    right: x509::SignatureAlgorithm,
    wrong: [x509::SignatureAlgorithm; 2],
) {
    let good = request(npc, number, KeySlot::SigningEc, 0).await;
    let key = curve::SecretKey::generate(curve, &mut curve::SeedRandom::new(b"key"));
    let spki = curve::spki_from_point(&key.public_key());
    let subject = x509::Name::builder().country("TW").common_name("card").build().unwrap();
    let signed_with = |algorithm: x509::SignatureAlgorithm| {
        x509::csr::build(&subject, &spki, algorithm, |info| {
            Ok::<_, x509::Error>(key.sign_digest(&algorithm.hash().digest(info)).to_der())
        })
        .unwrap()
    };
    for algorithm in wrong {
        let request = IssueRequest { csr: signed_with(algorithm), ..good.clone() };
        assert_eq!(npc.issue(&request, now()).await.err().unwrap().code(), "NPC-REQUEST");
    }
    let count =
        async || db.one("SELECT count(*) FROM certificate", params![]).await.unwrap().read::<i64>(0).unwrap();
    let before = count().await;
    let issued = npc.issue(&IssueRequest { csr: signed_with(right), ..good.clone() }, now()).await.unwrap();
    assert_eq!(x509::Certificate::parse(&issued.der).unwrap().spki(), spki);
    assert_eq!(count().await, before + 1, "nothing of the refused ones is there");
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

/// A request with a challengePassword (RFC 2985 §5.4.1) of so many letters, signed as it has to be.
fn csr_with_attribute(key: &x509::RsaSigner, bytes: usize) -> Vec<u8> {
    let subject = x509::Name::builder().country("TW").common_name("card").build().unwrap();
    let oid = [6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 7];
    let value = tlv(0x31, &[&tlv(0x0C, &[&vec![b'x'; bytes]])]);
    let attributes = tlv(0xA0, &[&tlv(0x30, &[&oid, &value])]);
    let info = tlv(0x30, &[&[2, 1, 0], subject.der(), key.spki(), &attributes]);
    // sha256WithRSAEncryption with NULL.
    let algorithm = [0x30, 13, 6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 11, 5, 0];
    let signature = key.sign(&info).unwrap();
    tlv(0x30, &[&info, &algorithm, &tlv(3, &[&[0], &signature])])
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let long = (content.len() > 127).then_some(0x80 | length.len() as u8);
    [&[tag][..], long.as_slice(), length, &content].concat()
}

/// Requests with a key and a proof that are right, and of a size that no card makes; and one that was heard before, sent for
/// another card.
#[tokio::test]
async fn huge_and_replayed_requests_are_refused() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let good = request(&npc, 1, KeySlot::SigningRsa, 0).await;
        let key = rsa(0);
        let padded = |bytes: usize| IssueRequest { csr: csr_with_attribute(&key, bytes), ..good.clone() };
        for bytes in [16 * 1024, 100_000, 5_000_000] {
            let error = npc.issue(&padded(bytes), now()).await.err().unwrap();
            assert_eq!(error.code(), "NPC-CSR", "{bytes}: {error}");
        }
        nothing_stored(&db).await;
        // The same request with less of it is issued: it is the length alone that is refused.
        let good = padded(8 * 1024);
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
