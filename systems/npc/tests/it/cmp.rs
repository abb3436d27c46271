//! The registration authorities' door, with OpenSSL's CMP client on the other side.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use curve::SystemRandom;
use jiff::{SignedDuration, Timestamp};
use keys::{KeyInfo, KeyKind, KeyStore, Purpose};
use model::{CertificateState, KeySlot, RevocationReason, SuspensionCause};
use npc::{Carrier, CertificateAuthority, Cohort, Enrolment, Measure, Npc};
use store::testkit::each_engine;
use store::{Db, When, params};
use x509::cmp::Message;
use x509::{Certificate, Signer};

use crate::openssl::{Judge, present};
use crate::support::*;

/// A country's CA at its address, and a registration authority with a key of its own.
struct Scene {
    judge: Judge,
    npc: Arc<Npc>,
    server: String,
    address: SocketAddr,
}

impl Scene {
    async fn new(db: &Db) -> Self {
        Self::with(db, Arc::new(present), config()).await
    }

    async fn with(db: &Db, clock: npc::Clock, config: npc::NpcConfig) -> Self {
        let judge = Judge::new();
        let (npc, address) = served_as(db, clock, config).await;
        let ca = npc.ca_certificates();
        judge.file("root.pem", ca.root.to_pem());
        judge.file("ca.pem", ca.ca.to_pem());
        for name in ["ra", "stranger"] {
            let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
            let subject = format!("/C=TW/O=test/CN={name}");
            judge
                .accepts(&[
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-noenc",
                    "-subj",
                    &subject,
                    "-days",
                    "30",
                    "-addext",
                    "keyUsage=digitalSignature",
                    "-addext",
                    "basicConstraints=CA:FALSE",
                    "-keyout",
                    &key,
                    "-out",
                    &certificate,
                ])
                .await;
        }
        let scene = Self { judge, npc, server: format!("{address}/cmp"), address };
        let ra = scene.certificate("ra.pem");
        registered(&scene.npc, "taipei-counter", ra.der(), present()).await;
        scene
    }

    fn certificate(&self, name: &str) -> Certificate {
        let text = self.judge.read(name);
        Certificate::parse(&x509::pem::decode("CERTIFICATE", &text).unwrap()).unwrap()
    }

    fn enrolment(&self, number: u32, slot: KeySlot) -> Enrolment {
        let today = model::RocDate::in_taipei(present());
        Enrolment {
            request_id: id(u128::from(number) << 8 | u128::from(slot.id())),
            ra: "taipei-counter".into(),
            carrier: Carrier::CertificateCard,
            card: card(number),
            rests_on: None,
            chip_model: Some("NE-0144".into()),
            slot,
            person: [number as u8; 32],
            subject_name: "測試用王小明".into(),
            id_tail: "6789".into(),
            issue_date: today,
            renewal_date: None,
            reissue: None,
        }
    }

    async fn enrol(&self, number: u32, slot: KeySlot) {
        self.npc.enrol(&self.enrolment(number, slot), "clerk", present()).await.unwrap();
    }

    /// `openssl cmp` as the registration authority.
    fn client<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec![
            "cmp",
            "-server",
            &self.server,
            "-cert",
            "ra.pem",
            "-key",
            "ra.key",
            "-trusted",
            "root.pem",
            "-untrusted",
            "ca.pem",
        ];
        all.extend_from_slice(more);
        all
    }

    async fn accepts(&self, more: &[&str]) -> String {
        self.judge.accepts(&self.client(more)).await
    }

    async fn refuses(&self, more: &[&str], because: &str) {
        self.judge.refuses(&self.client(more), because).await;
    }

    /// An ir as a client of the registration authority makes it, which reaches nobody.
    async fn message(&self, key: &str, subject: &str, file: &str) -> Vec<u8> {
        self.message_of("ra", key, subject, file).await
    }

    /// The same of another sender.
    async fn message_of(&self, sender: &str, key: &str, subject: &str, file: &str) -> Vec<u8> {
        let (own_certificate, own_key) = (format!("{sender}.pem"), format!("{sender}.key"));
        let nobody = ["cmp", "-server", "127.0.0.1:1/cmp", "-trusted", "root.pem"];
        let protected = ["-cert", &own_certificate, "-key", &own_key, "-reqout", file];
        let ir = ["-cmd", "ir", "-certout", "out.pem", "-newkey", key, "-subject", subject];
        let (ok, _) = self.judge.openssl(&[&nobody[..], &protected[..], &ir[..]].concat()).await;
        assert!(!ok);
        self.judge.bytes(file)
    }

    /// The same message of the registration authority under another transactionID.
    async fn another(&self, message: &[u8], n: u8) -> Vec<u8> {
        self.another_of("ra", message, n).await
    }

    /// The same of another sender.
    async fn another_of(&self, sender: &str, message: &[u8], n: u8) -> Vec<u8> {
        let id = Message::parse(message).unwrap().header.transaction.unwrap();
        let place = message.windows(id.len()).position(|part| part == id).unwrap();
        let mut another = message.to_vec();
        another[place] ^= n + 1;
        self.signed_anew_by(sender, &another).await
    }

    /// A message of the registration authority with a signature of its own over what it says now.
    async fn signed_anew(&self, message: &[u8]) -> Vec<u8> {
        self.signed_anew_by("ra", message).await
    }

    /// The same of another sender.
    async fn signed_anew_by(&self, sender: &str, message: &[u8]) -> Vec<u8> {
        let message = x509::cmp::Message::parse(message).unwrap();
        self.judge.file("protected.der", message.protected_part());
        let key = format!("{sender}.key");
        let sign = ["dgst", "-sha256", "-sign", &key, "-out", "signature.der", "protected.der"];
        self.judge.accepts(&sign).await;
        let signature = [&[0][..], &self.judge.bytes("signature.der")].concat();
        let extra: Vec<&[u8]> = message.extra_certificates.iter().map(Vec::as_slice).collect();
        // PKIMessage ::= SEQUENCE { header, body, protection [0], extraCerts [1] }; what is protected is header and body.
        let header_and_body = tlv::expect(message.protected_part(), 0x30).unwrap().value;
        tlv::sequence(&[
            header_and_body,
            &tlv::encode(0xA0, &tlv::encode(0x03, &signature)),
            &tlv::encode(0xA1, &tlv::sequence(&extra)),
        ])
    }
}

fn key_file(scene: &Scene, name: &str, n: usize) {
    scene.judge.file(name, rsa_pem(n));
}

// proves: NPC-08, NPC-54
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_asks_for_confirms_replaces_and_revokes_certificates() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        key_file(&scene, "card1.key", 0);
        // ir: a certificate card's signing key, confirmed by the client.
        scene.enrol(1, KeySlot::SigningRsa).await;
        let ir = [
            "-cmd",
            "ir",
            "-certout",
            "out.pem",
            "-newkey",
            "card1.key",
            "-subject",
            "/CN=TWA000001/serialNumber=1",
        ];
        let out = ["-certout", "one.pem", "-cacertsout", "capubs.pem"];
        scene.accepts(&[&ir[..], &out[..]].concat()).await;
        let one = scene.certificate("one.pem");
        assert_eq!(one.subject_name().unwrap().common_name(), Some("測試用王小明"), "the enrolled name");
        assert_eq!(scene.certificate("capubs.pem"), scene.npc.ca_certificates().root);
        one.verify_signature(scene.npc.ca_certificate().spki()).unwrap();
        assert_eq!(
            scene.npc.status(&one.serial().unwrap(), present()).await.unwrap(),
            Some(CertificateState::Good)
        );
        let left = db.one("SELECT count(*) FROM enrolment", params![]).await.unwrap();
        assert_eq!(left.read::<i64>(0).unwrap(), 0, "no name stays");
        // Nothing is enrolled any more.
        scene.refuses(&ir, "addInfoNotAvailable").await;

        // p10cr: the request as the card has made it names the card alone.
        scene.enrol(2, KeySlot::EncryptionRsa).await;
        let subject = x509::Name::builder().common_name("TWA000002").build().unwrap();
        let key = rsa(1);
        let csr = x509::csr::build(&subject, key.spki(), key.algorithm(), |info| key.sign(info)).unwrap();
        scene.judge.file("two.csr", x509::pem::encode("CERTIFICATE REQUEST", &csr));
        let p10cr = ["-cmd", "p10cr", "-csr", "two.csr", "-certout", "two.pem", "-implicit_confirm"];
        scene.accepts(&p10cr).await;
        let two = scene.certificate("two.pem");
        assert_eq!(two.spki(), key.spki());

        // kur: the one reissue of a New eID, on its elliptic-curve key, signed for with SHA-512.
        let years_ago = model::RocDate::in_taipei(present()).plus_years(-5);
        let eid = Enrolment {
            carrier: Carrier::NewEid,
            issue_date: years_ago,
            ..scene.enrolment(3, KeySlot::SigningRsa)
        };
        scene.npc.enrol(&eid, "clerk", present()).await.unwrap();
        key_file(&scene, "card3.key", 2);
        let cr = ["-cmd", "cr", "-newkey", "card3.key", "-subject", "/CN=TWA000003", "-certout", "three.pem"];
        scene.accepts(&cr).await;
        let second = Enrolment {
            request_id: id(999),
            slot: KeySlot::SigningEc,
            reissue: Some(model::RocDate::in_taipei(present())),
            ..eid
        };
        scene.npc.enrol(&second, "clerk", present()).await.unwrap();
        let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521", "-out", "card3ec.key"];
        scene.judge.accepts(&[&["genpkey"][..], &curve[..]].concat()).await;
        let kur =
            ["-cmd", "kur", "-newkey", "card3ec.key", "-subject", "/CN=TWA000003", "-certout", "four.pem"];
        scene
            .refuses(&[&kur[..], &["-oldcert", "one.pem", "-digest", "sha512"][..]].concat(), "badCertId")
            .await;
        scene.refuses(&[&kur[..], &["-oldcert", "three.pem"][..]].concat(), "badCertTemplate").await;
        scene.accepts(&[&kur[..], &["-oldcert", "three.pem", "-digest", "sha512"][..]].concat()).await;
        assert!(scene.certificate("four.pem").not_after() > scene.certificate("three.pem").not_after());

        // What rests on a card follows, whoever changes the card's certificate.
        let virtual_card = Enrolment {
            carrier: Carrier::VirtualSmartCard,
            rests_on: Some(card(1)),
            person: scene.enrolment(1, KeySlot::SigningRsa).person,
            ..scene.enrolment(1001, KeySlot::SigningRsa)
        };
        scene.npc.enrol(&virtual_card, "clerk", present()).await.unwrap();
        key_file(&scene, "phone.key", 3);
        let cr = ["-cmd", "cr", "-newkey", "phone.key", "-subject", "/CN=TWA001001", "-certout", "phone.pem"];
        scene.accepts(&cr).await;
        let phone = scene.certificate("phone.pem").serial().unwrap();
        let followed = async || scene.npc.status(&phone, present()).await.unwrap().unwrap().as_str();

        // rr: on hold, off it again, and revoked; one certificate, not its card.
        let serial = one.serial().unwrap();
        let rr = |reason: &'static str| ["-cmd", "rr", "-oldcert", "one.pem", "-revreason", reason];
        let state = async || scene.npc.status(&serial, present()).await.unwrap().unwrap();
        scene.accepts(&rr("6")).await;
        assert!(matches!(state().await, CertificateState::Suspended { .. }));
        assert_eq!(followed().await, "suspended");
        scene.accepts(&rr("8")).await;
        assert_eq!(state().await, CertificateState::Good);
        assert_eq!(followed().await, "good");
        scene.refuses(&rr("2"), "notAuthorized").await;
        scene.accepts(&rr("4")).await;
        assert!(matches!(
            state().await,
            CertificateState::Revoked { reason: RevocationReason::Superseded, .. }
        ));
        assert_eq!(followed().await, "revoked");
        scene.accepts(&rr("4")).await;
        scene.refuses(&rr("1"), "certRevoked").await;
        assert_eq!(
            scene.npc.status(&two.serial().unwrap(), present()).await.unwrap(),
            Some(CertificateState::Good)
        );

        // genm
        let said = scene.accepts(&["-cmd", "genm", "-infotype", "signKeyPairTypes"]).await;
        assert!(said.contains("signKeyPairTypes"), "{said}");
        scene.npc.verify_audit(None).await.unwrap();
    })
    .await;
}

// proves: NPC-06, NPC-08
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_forgeries_and_old_messages_get_nothing() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        key_file(&scene, "card1.key", 0);
        scene.enrol(1, KeySlot::SigningRsa).await;
        let ir = ["-cmd", "ir", "-certout", "out.pem", "-newkey", "card1.key", "-subject", "/CN=TWA000001"];
        // Another key than the registered one, also under the registered one's name.
        let stranger = ["-cert", "stranger.pem", "-key", "stranger.key"];
        scene.refuses(&[&ir[..], &stranger[..]].concat(), "signerNotTrusted").await;
        // A shared secret is no certificate.
        let secret =
            ["cmp", "-server", &scene.server, "-secret", "pass:1234", "-ref", "ra", "-trusted", "root.pem"];
        let (ok, _) =
            scene.judge.openssl(&[&secret[..], &ir[..], &["-unprotected_errors"][..]].concat()).await;
        assert!(!ok);
        // The registration authority's word is no proof of possession.
        scene.refuses(&[&ir[..], &["-popo", "0"][..]].concat(), "badPOP").await;
        // Another kind of key than enrolled.
        let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec.key"];
        scene.judge.accepts(&[&["genpkey"][..], &curve[..]].concat()).await;
        let wrong = [
            "-cmd",
            "ir",
            "-certout",
            "out.pem",
            "-newkey",
            "ec.key",
            "-subject",
            "/CN=TWA000001/serialNumber=1",
        ];
        scene.refuses(&wrong, "badCertTemplate").await;
        let none = db.one("SELECT count(*) FROM certificate", params![]).await.unwrap();
        assert_eq!(none.read::<i64>(0).unwrap(), 0);

        // A message on its way: any bit of it, and the same again.
        scene.accepts(&[&ir[..], &["-certout", "one.pem", "-reqout", "ir.der"][..]].concat()).await;
        let message = scene.judge.bytes("ir.der");
        let again = scene.npc.cmp(&message, present()).await.unwrap().unwrap();
        let once_more = scene.npc.cmp(&message, present()).await.unwrap().unwrap();
        assert_eq!(again, once_more, "the stored answer");
        let one = db.one("SELECT count(*) FROM certificate", params![]).await.unwrap();
        assert_eq!(one.read::<i64>(0).unwrap(), 1);
        let later = present() + SignedDuration::from_mins(6);
        let old = scene.npc.cmp(&message, later).await.unwrap().unwrap();
        assert!(contains(&old, b"messageTime"));
        for place in (40..message.len()).step_by(97) {
            let mut bent = message.clone();
            bent[place] ^= 1;
            if let Some(answer) = scene.npc.cmp(&bent, present()).await.unwrap() {
                assert!(answer != again, "a bent message is not the one that was answered: {place}");
            }
        }
        let one = db.one("SELECT count(*) FROM certificate", params![]).await.unwrap();
        assert_eq!(one.read::<i64>(0).unwrap(), 1);
        // Junk and too much of it.
        for (body, status) in [(vec![0x30; 1000], 400), (Vec::new(), 400), (vec![0; 70_000], 413)] {
            let head = "POST /cmp HTTP/1.1\r\nContent-Type: application/pkixcmp";
            assert_eq!(http(scene.address, head, &body).await.status, status);
        }
        let plain = http(scene.address, "POST /cmp HTTP/1.1\r\nContent-Type: text/plain", &message).await;
        assert_eq!(plain.status, 415);
        // Forgotten, it is a stranger, and what it had enrolled is forgotten with the names.
        scene.enrol(9, KeySlot::SigningRsa).await;
        scene.npc.remove_ra("taipei-counter", "operator", present()).await.unwrap();
        let left = db.one("SELECT count(*) FROM enrolment", params![]).await.unwrap();
        assert_eq!(left.read::<i64>(0).unwrap(), 0);
        // Nobody else gets its name, and its certificate with it.
        let other = scene.certificate("stranger.pem");
        let taken = scene.npc.propose_ra("taipei-counter", other.der(), "operator", present()).await;
        assert_eq!(taken.unwrap_err().code(), "NPC-REQUEST");
        scene.refuses(&["-cmd", "rr", "-oldcert", "one.pem", "-revreason", "4"], "signerNotTrusted").await;
        // Its key never was the CA's.
        let own = scene.npc.ca_certificates();
        assert_ne!(own.cmp.spki(), own.ca.spki());
    })
    .await;
}

/// A flood of strangers has few refusals signed and does not take the turn of those who are known. These have a limit too.
// proves: NPC-08
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_told_to_come_again_and_registration_authorities_are_served() {
    each_engine("npc", async |db| {
        // The registration authority's certificate begins when it is made, which may take a while.
        let at = present() + SignedDuration::from_mins(4);
        let limits = npc::NpcConfig { cmp_per_second: 4, cmp_strangers_per_second: 3, ..config() };
        let scene = Scene::with(&db, Arc::new(move || at), limits).await;
        key_file(&scene, "card1.key", 0);
        scene.enrol(1, KeySlot::SigningRsa).await;
        let strange = scene.message_of("stranger", "card1.key", "/CN=TWA000001", "strange.der").await;
        let known = scene.message("card1.key", "/CN=TWA000001", "known.der").await;
        let post = async |message: &[u8]| {
            let head = "POST /cmp HTTP/1.1\r\nContent-Type: application/pkixcmp";
            let reply = http(scene.address, head, message).await;
            if reply.status == 503 {
                assert_eq!((reply.header("retry-after"), reply.body.len()), (Some("1"), 0));
            }
            (reply.status, contains(&reply.body, "unknown registration authority".as_bytes()))
        };
        // This process has not looked anybody up: the first message of a registration authority is as a stranger's.
        assert_eq!(post(&known).await, (200, false));
        for _ in 0..2 {
            assert_eq!(post(&strange).await, (200, true));
        }
        for _ in 0..20 {
            assert_eq!(post(&strange).await, (503, false));
        }
        // Nor does it help a stranger to say that they are known: what the registration authority has not signed is not its turn.
        let mut forged = known.clone();
        let place = forged.windows(9).position(|part| part == b"TWA000001").unwrap();
        forged[place + 8] = b'2';
        for _ in 0..20 {
            assert_eq!(post(&forged).await, (503, false));
        }
        for n in 0..4 {
            assert_eq!(post(&scene.another(&known, n).await).await, (200, false));
        }
        assert_eq!(post(&known).await, (503, false));
        // The next second.
        let next = at + SignedDuration::from_secs(1);
        assert!(scene.npc.cmp(&known, next).await.unwrap().is_some());
        // What somebody has noted down and sends again when it is old is a stranger's too.
        let late = at + SignedDuration::from_mins(20);
        for n in 0..10 {
            let answer = scene.npc.cmp(&known, late).await;
            assert_eq!(
                answer.map(|_| ()).map_err(|error| error.code()),
                if n < 3 { Ok(()) } else { Err("NPC-BUSY") }
            );
        }
        let serial = scene.npc.certificates_of(card(1), at).await.unwrap()[0].serial;
        assert_eq!(scene.npc.status(&serial, at).await.unwrap(), Some(CertificateState::Good));
        // Removed, it is a stranger at once.
        scene.npc.remove_ra("taipei-counter", "operator", at).await.unwrap();
        let refused = scene.npc.cmp(&known, next).await.unwrap().unwrap();
        assert!(contains(&refused, "unknown registration authority".as_bytes()));
    })
    .await;
}

/// Finding out who has sent a message costs a verification, of which one address has half: the others are found out, and each
/// registration authority has a turn of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_sender_of_forgeries_keeps_no_registration_authority_from_its_turn() {
    each_engine("npc", async |db| {
        let at = present() + SignedDuration::from_mins(4);
        let limits = npc::NpcConfig {
            cmp_per_second: 3,
            cmp_verified_per_second: 20,
            cmp_strangers_per_second: 1_000,
            ..config()
        };
        let scene = Scene::with(&db, Arc::new(move || at), limits).await;
        registered(&scene.npc, "other-counter", scene.certificate("stranger.pem").der(), at).await;
        key_file(&scene, "card1.key", 0);
        let one = scene.message("card1.key", "/CN=TWA000001", "one.der").await;
        let other = scene.message_of("stranger", "card1.key", "/CN=TWA000002", "other.der").await;
        let mut forged = one.clone();
        let place = forged.windows(9).position(|part| part == b"TWA000001").unwrap();
        forged[place + 8] = b'3';
        let ask = async |message: &[u8], peer: &str, at| {
            let peer = Some(npc::Peer(peer.parse().unwrap()));
            scene.npc.cmp_of(message, peer, at).await.map(|answer| answer.is_some()).map_err(|e| e.code())
        };
        // Who is known is looked up with the first message.
        assert_eq!(ask(&one, "192.0.2.1", at).await, Ok(true));
        let at = at + SignedDuration::from_secs(1);
        // One user of the network, whatever addresses of it they take.
        for n in 0..40 {
            let answer = ask(&forged, &format!("2001:db8:0:1::{n:x}"), at).await;
            assert_eq!(answer, if n < 10 { Ok(true) } else { Err("NPC-BUSY") }, "{n}");
        }
        for message in [&one, &other] {
            for n in 0..4 {
                let message = match n {
                    0 => message.clone(),
                    n if message == &one => scene.another(message, n).await,
                    n => scene.another_of("stranger", message, n).await,
                };
                let answer = ask(&message, "2001:db8:0:2::1", at).await;
                assert_eq!(answer, if n < 3 { Ok(true) } else { Err("NPC-BUSY") }, "{n}");
            }
        }
        // In all: 18 are found out, and two more.
        for n in 0..4 {
            let answer = ask(&forged, &format!("192.0.2.{n}"), at).await;
            assert_eq!(answer, if n < 2 { Ok(true) } else { Err("NPC-BUSY") }, "{n}");
        }
    })
    .await;
}

/// Whoever has seen a message can send it again, as it was or with other things around it: that takes no turn of the authority's new
/// messages, and its own repetition is answered. What was not admitted may come again as new.
// proves: NPC-08
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_replayed_takes_no_turn_of_new_ones() {
    each_engine("npc", async |db| {
        let at = present() + SignedDuration::from_mins(1);
        let limits = npc::NpcConfig {
            cmp_per_second: 3,
            cmp_verified_per_second: 20,
            cmp_strangers_per_second: 5,
            ..config()
        };
        let scene = Scene::with(&db, Arc::new(move || at), limits).await;
        key_file(&scene, "card1.key", 0);
        scene.enrol(1, KeySlot::SigningRsa).await;
        let seen = scene.message("card1.key", "/CN=TWA000001", "seen.der").await;
        let ask = async |message: &[u8], at| {
            let peer = Some(npc::Peer("192.0.2.1".parse().unwrap()));
            let answer = scene.npc.cmp_of(message, peer, at).await.map_err(|error| error.code())?;
            Ok::<_, &str>(answer.unwrap())
        };
        // Who is known is looked up with the first message.
        let first = ask(&seen, at).await.unwrap();
        let second = |n| at + SignedDuration::from_secs(n);
        assert_eq!(ask(&seen, second(1)).await, Ok(first.clone()), "its first turn");
        for (place, n) in [1, 2, 200].into_iter().enumerate() {
            let mut answered = 0;
            for _ in 0..10 {
                // Another signature, or another certificate beside it, is the same message.
                match ask(&scene.signed_anew(&seen).await, second(n)).await {
                    Ok(answer) => {
                        assert_eq!(answer, first, "the stored answer");
                        answered += 1;
                    }
                    Err(code) => assert_eq!(code, "NPC-BUSY"),
                }
            }
            assert_eq!(answered, 3, "as many repetitions as new ones");
            let mut new = 4 * place as u8;
            for _ in usize::from(n == 1)..3 {
                new += 1;
                ask(&scene.another(&seen, new).await, second(n)).await.unwrap();
            }
            let late = scene.another(&seen, new + 1).await;
            assert_eq!(ask(&late, second(n)).await, Err("NPC-BUSY"));
            ask(&late, second(n + 10)).await.unwrap();
        }
        // Too old, it is a stranger's.
        for n in 0..8 {
            let answer = ask(&seen, second(360)).await;
            assert_eq!(answer.map(|_| ()), if n < 5 { Ok(()) } else { Err("NPC-BUSY") });
        }
    })
    .await;
}

/// Two persons decide who may ask for certificates; what is approved is what was shown.
// proves: NPC-08
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_authority_is_registered_by_two_persons() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let made = npc.ca_certificates();
        // Any end entities' certificates will do; these are at hand.
        let (one, other) = (made.tsa, made.ocsp);
        let propose = async |certificate: &Certificate| {
            npc.propose_ra("ra", certificate.der(), "anna", now()).await.unwrap().number
        };
        let approve = async |number, by: &str, at| {
            npc.approve_ra(number, by, at).await.map(|_| ()).map_err(|error| error.code())
        };
        let registered = async || {
            let ras = npc.ras().await.unwrap();
            ras.into_iter().map(|ra| ra.certificate).collect::<Vec<_>>()
        };
        let waiting = async |at| {
            let open = npc.open_ra_proposals(at).await.unwrap();
            open.into_iter().map(|proposal| proposal.number).collect::<Vec<_>>()
        };
        let first = propose(&one).await;
        assert_eq!(registered().await, [], "a proposal makes nobody known");
        assert_eq!(approve(first, "anna", now()).await, Err("NPC-SAME-PERSON"));
        assert_eq!(approve(first + 1, "bert", now()).await, Err("NPC-REQUEST"));
        let week = now() + SignedDuration::from_hours(7 * 24);
        assert_eq!((waiting(now()).await, waiting(week).await), (vec![first], vec![]));
        assert_eq!(approve(first, "bert", week).await, Err("NPC-LAPSED"));
        assert_eq!(registered().await, []);
        // It has ended since, and nobody noticed.
        assert_eq!(
            approve(first, "bert", one.not_after() + SignedDuration::from_secs(1)).await,
            Err("NPC-LAPSED")
        );
        assert_eq!(approve(first, "bert", now()).await, Ok(()));
        assert_eq!(approve(first, "bert", now()).await, Ok(()), "again");
        assert_eq!(approve(first, "carl", now()).await, Err("NPC-REQUEST"));
        assert_eq!(registered().await, std::slice::from_ref(&one));
        // The messages of two with one key would be taken for the first one's.
        let twin = npc.propose_ra("a-twin", one.der(), "anna", now()).await.unwrap_err();
        assert_eq!(twin.code(), "NPC-REQUEST");
        let twin = npc.propose_ra("a-twin", other.der(), "anna", now()).await.unwrap().number;

        // Another certificate takes two persons too. Of two proposals the one approved first counts, and an old one brings nothing back.
        let (second, third) = (propose(&other).await, propose(&one).await);
        assert_eq!(registered().await, std::slice::from_ref(&one));
        assert_eq!(waiting(now()).await, [third, second, twin]);
        assert_eq!(approve(second, "bert", now()).await, Ok(()));
        assert_eq!(registered().await, std::slice::from_ref(&other));
        assert_eq!(waiting(now()).await, [twin]);
        assert_eq!(approve(twin, "bert", now()).await, Err("NPC-REQUEST"), "it has become one");
        assert_eq!(registered().await, std::slice::from_ref(&other));
        assert_eq!(approve(third, "bert", now()).await, Err("NPC-REQUEST"));
        // Removed by one person, it does not come back with what was proposed before.
        let fourth = propose(&one).await;
        npc.remove_ra("ra", "anna", now()).await.unwrap();
        assert_eq!(approve(fourth, "bert", now()).await, Err("NPC-REQUEST"));
        assert_eq!(registered().await, []);

        // Killed at its commit it is registered or not, and the same approval again ends with one.
        for (when, known) in [(When::BeforeCommit, 0), (When::AfterCommit, 1)] {
            let number = propose(&one).await;
            db.fail_after(1, when);
            approve(number, "bert", now()).await.unwrap_err();
            assert!(db.revive());
            assert_eq!(registered().await.len(), known);
            assert_eq!(approve(number, "bert", now()).await, Ok(()));
            assert_eq!(registered().await, std::slice::from_ref(&one));
            npc.remove_ra("ra", "anna", now()).await.unwrap();
        }
        let log = audit::events(&db, Some("ra"), 0, 20).await.unwrap();
        let of: Vec<_> = log.iter().map(|entry| (entry.action.as_str(), entry.actor.as_str())).collect();
        assert!(of.starts_with(&[("ra-propose", "anna"), ("ra-register", "bert")]), "{of:?}");
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// A confirmation names the request that it confirms; one that names another confirms nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmation_of_another_request_is_refused() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        key_file(&scene, "card1.key", 0);
        scene.enrol(1, KeySlot::SigningRsa).await;
        scene.enrol(2, KeySlot::SigningRsa).await;
        let subject = x509::Name::builder().common_name("TWA000002").build().unwrap();
        let key = rsa(1);
        let csr = x509::csr::build(&subject, key.spki(), key.algorithm(), |info| key.sign(info)).unwrap();
        scene.judge.file("two.csr", x509::pem::encode("CERTIFICATE REQUEST", &csr));
        let ir = ["-cmd", "ir", "-newkey", "card1.key", "-subject", "/CN=TWA000001"];
        let p10cr = ["-cmd", "p10cr", "-csr", "two.csr"];
        let files = ["-certout", "out.pem", "-reqout", "request.der,confirmation.der"];
        // RFC 9810 §5.3.4: what has no certReqId, as a p10cr, is -1.
        for (request, asked) in [(&ir[..], 0), (&p10cr[..], 0xFF)] {
            scene.accepts(&[request, &files[..]].concat()).await;
            let certificate = scene.certificate("out.pem");
            let confirmation = scene.judge.bytes("confirmation.der");
            let forget = "UPDATE cmp_transaction SET waits = 1 WHERE serial = $1";
            let serial = certificate.serial().unwrap();
            assert_eq!(db.execute(forget, params![serial.octets()]).await.unwrap(), 1);
            let sql = "SELECT waits FROM cmp_transaction WHERE serial = $1";
            let waits =
                async || db.one(sql, params![serial.octets()]).await.unwrap().read::<i64>(0).unwrap() == 1;
            // certHash and certReqId.
            let hash = certificate.fingerprint();
            let mut bent = confirmation.clone();
            let place = bent.windows(32).position(|part| part == hash).unwrap() + 32;
            assert_eq!(bent[place..place + 3], [2, 1, asked]);
            bent[place + 2] = 1;
            let bent = scene.signed_anew(&bent).await;
            let refused = scene.npc.cmp(&bent, present()).await.unwrap().unwrap();
            assert!(contains(&refused, b"certReqId is of another request"));
            assert!(waits().await);
            // Signed anew as it was, it confirms.
            let same = scene.signed_anew(&confirmation).await;
            let answer = scene.npc.cmp(&same, present()).await.unwrap().unwrap();
            assert!(!contains(&answer, b"certReqId") && !waits().await);
        }
    })
    .await;
}

/// Two registration authorities, the operators' incident between them, and a certificate that management had issued.
// proves: NPC-08, NPC-54, NPC-57
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_authority_changes_its_own_certificates_and_ends_its_own_holds() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        let npc = &scene.npc;
        registered(npc, "other-counter", scene.certificate("stranger.pem").der(), present()).await;
        key_file(&scene, "card1.key", 0);
        scene.enrol(1, KeySlot::SigningRsa).await;
        let ir = ["-cmd", "ir", "-newkey", "card1.key", "-subject", "/CN=TWA000001", "-certout", "one.pem"];
        scene.accepts(&ir).await;
        let serial = scene.certificate("one.pem").serial().unwrap();
        // What another one has enrolled is known by its number alone, also after names and answers are gone.
        npc.maintain(present() + SignedDuration::from_hours(48)).await.unwrap();
        let by_management = {
            let mut request = request(npc, 2, KeySlot::SigningRsa, 1).await;
            request.issue_date = model::RocDate::in_taipei(present());
            npc.issue(&request, present()).await.unwrap()
        };
        scene.judge.file("two.pem", x509::pem::encode("CERTIFICATE", &by_management.der));

        let rr =
            |file: &'static str, reason: &'static str| ["-cmd", "rr", "-oldcert", file, "-revreason", reason];
        let other = ["-cert", "stranger.pem", "-key", "stranger.key"];
        let causes = async || match npc.status(&serial, present()).await.unwrap().unwrap() {
            CertificateState::Suspended { causes } => causes.into_keys().collect(),
            CertificateState::Good => Vec::new(),
            state => panic!("{state:?}"),
        };
        for reason in ["6", "8", "1"] {
            scene.refuses(&[&rr("one.pem", reason)[..], &other[..]].concat(), "badCertId").await;
            scene.refuses(&rr("two.pem", reason), "badCertId").await;
        }
        assert_eq!(causes().await, []);
        let state = npc.status(&by_management.serial, present()).await.unwrap();
        assert_eq!(state, Some(CertificateState::Good));

        // Two persons suspend; the registration authority holds too, and ends what is its own.
        let cohort = Cohort { cards: Some((card(1), card(2))), ..Cohort::default() };
        let incident = async |measure| {
            let proposed = npc.propose_incident(cohort.clone(), measure, "anna", present()).await.unwrap();
            npc.approve_incident(proposed.number, "bert", present()).await.unwrap().changed
        };
        let of_ra = SuspensionCause::RegistrationAuthority;
        assert_eq!(incident(Measure::Suspend).await, 2);
        scene.accepts(&rr("one.pem", "8")).await;
        assert_eq!(causes().await, [SuspensionCause::Incident], "nothing of its own to end");
        scene.accepts(&rr("one.pem", "6")).await;
        assert_eq!(causes().await, [SuspensionCause::Incident, of_ra]);
        let said = scene.accepts(&rr("one.pem", "8")).await;
        assert!(said.contains("not yours to end"), "{said}");
        assert_eq!(causes().await, [SuspensionCause::Incident]);
        // And the end of the incident leaves its hold.
        scene.accepts(&rr("one.pem", "6")).await;
        let of = npc.incidents().await.unwrap()[0].number;
        assert_eq!(incident(Measure::Resume { of }).await, 2);
        assert_eq!(causes().await, [of_ra]);
        scene.accepts(&rr("one.pem", "8")).await;
        assert_eq!(causes().await, []);
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// What others have decided about a card holds for what a registration authority asks for afterwards.
// proves: NPC-57, LOSS-10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_good_certificate_comes_to_a_card_whose_others_are_on_hold_or_revoked() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        let npc = &scene.npc;
        key_file(&scene, "other.key", 3);
        for number in 1..=4 {
            key_file(&scene, "card.key", number as usize + 3);
            scene.enrol(number, KeySlot::SigningRsa).await;
            scene.enrol(number, KeySlot::EncryptionRsa).await;
            let subject = format!("/CN=TWA00000{number}/serialNumber=1");
            let ir = ["-cmd", "ir", "-newkey", "card.key", "-subject", &subject, "-certout", "out.pem"];
            scene.accepts(&ir).await;
        }
        let second = async |number: u32, because: Option<&str>| {
            let subject = format!("/CN=TWA00000{number}/serialNumber=2");
            let ir = ["-cmd", "ir", "-newkey", "other.key", "-subject", &subject, "-certout", "out.pem"];
            match because {
                Some(because) => scene.refuses(&ir, because).await,
                None => drop(scene.accepts(&ir).await),
            }
        };
        let states = async |number| {
            let all = npc.certificates_of(card(number), present()).await.unwrap();
            all.into_iter().map(|one| one.state).collect::<Vec<_>>()
        };
        let incident = async |number, measure| {
            let cohort = Cohort { cards: Some((card(number), card(number))), ..Cohort::default() };
            let proposed = npc.propose_incident(cohort, measure, "anna", present()).await.unwrap();
            npc.approve_incident(proposed.number, "bert", present()).await.unwrap().changed
        };
        // Two persons revoke what the card has, or its own office the whole card.
        assert_eq!(incident(1, Measure::Revoke(RevocationReason::KeyCompromise)).await, 1);
        second(1, Some("certRevoked")).await;
        npc.revoke(card(2), RevocationReason::CessationOfOperation, "clerk", present()).await.unwrap();
        second(2, Some("addInfoNotAvailable")).await;
        let serial = npc.certificates_of(card(3), present()).await.unwrap()[0].serial;
        npc.revoke_certificate(&serial, RevocationReason::Superseded, "clerk", present()).await.unwrap();
        second(3, Some("certRevoked")).await;
        for number in [1, 2, 3] {
            assert_eq!(states(number).await.len(), 1, "card {number}");
        }
        // Two persons put it on hold, and so does a report of loss: the second certificate begins so, and ends each cause by itself.
        assert_eq!(incident(4, Measure::Suspend).await, 1);
        npc.suspend(card(4), SuspensionCause::Loss, "hotline", present()).await.unwrap();
        second(4, None).await;
        let causes = |state: &CertificateState| match state {
            CertificateState::Suspended { causes } => causes.keys().copied().collect(),
            _ => Vec::new(),
        };
        let both = [SuspensionCause::Loss, SuspensionCause::Incident];
        for state in states(4).await {
            assert_eq!(causes(&state), both, "{state:?}");
        }
        let second = scene.certificate("out.pem").serial().unwrap();
        let list = npc.crl(npc::Scope::Complete, present()).await.unwrap();
        let list = x509::crl::Crl::parse(&list.der).unwrap();
        assert!(list.find(second.octets()).is_some(), "a list names it from its first moment");
        let of = npc.incidents().await.unwrap()[0].number;
        assert_eq!(incident(4, Measure::Resume { of }).await, 2);
        npc.resume(card(4), SuspensionCause::Loss, "hotline", present()).await.unwrap();
        assert_eq!(states(4).await, [CertificateState::Good, CertificateState::Good]);
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// A kur of a card on hold is on hold too, unless a queue of the incident waits for exactly these certificates.
// proves: NPC-55
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reissue_is_on_hold_as_the_card_is_but_for_the_queue_of_the_incident() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        let npc = &scene.npc;
        let today = model::RocDate::in_taipei(present());
        let causes =
            async |number| match &npc.certificates_of(card(number), present()).await.unwrap()[1].state {
                CertificateState::Suspended { causes } => causes.keys().copied().collect(),
                CertificateState::Good => Vec::new(),
                state => panic!("{state:?}"),
            };
        let mut queue = None;
        for number in 1..=4_u32 {
            let eid = Enrolment {
                carrier: Carrier::NewEid,
                issue_date: today.plus_years(-5),
                ..scene.enrolment(number, KeySlot::SigningRsa)
            };
            npc.enrol(&eid, "clerk", present()).await.unwrap();
            key_file(&scene, "card.key", number as usize);
            let subject = format!("/CN=TWA00000{number}");
            let cr = ["-cmd", "cr", "-newkey", "card.key", "-subject", &subject, "-certout", "first.pem"];
            scene.accepts(&cr).await;
            let next = Enrolment {
                request_id: id(900 + u128::from(number)),
                slot: KeySlot::SigningEc,
                reissue: Some(today),
                ..eid
            };
            npc.enrol(&next, "clerk", present()).await.unwrap();
            npc.suspend(card(number), SuspensionCause::Holder, "holder", present()).await.unwrap();
            if number > 1 {
                let cohort = Cohort { cards: Some((card(number), card(number))), ..Cohort::default() };
                let proposed =
                    npc.propose_incident(cohort, Measure::Suspend, "anna", present()).await.unwrap();
                npc.approve_incident(proposed.number, "bert", present()).await.unwrap();
                if number >= 3 {
                    let plan = npc::QueuePlan {
                        classes: vec!["everybody".into()],
                        per_day: 1,
                        offices: [].into(),
                        weekdays: vec![1],
                        tries: 1,
                    };
                    npc.open_queue(proposed.number, &plan, "anna", present()).await.unwrap();
                    queue = queue.or(Some(proposed.number));
                }
                if number == 4 {
                    let cohort = Cohort { cards: Some((card(4), card(4))), ..Cohort::default() };
                    let other = npc.propose_incident(cohort, Measure::Suspend, "anna", present()).await;
                    npc.approve_incident(other.unwrap().number, "bert", present()).await.unwrap();
                }
            }
            let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521", "-out", "ec.key"];
            scene.judge.accepts(&[&["genpkey"][..], &curve[..]].concat()).await;
            let kur = ["-cmd", "kur", "-newkey", "ec.key", "-subject", &subject, "-certout", "next.pem"];
            scene.accepts(&[&kur[..], &["-oldcert", "first.pem", "-digest", "sha512"][..]].concat()).await;
        }
        let (holder, incident) = (SuspensionCause::Holder, SuspensionCause::Incident);
        assert_eq!(causes(1).await, [holder]);
        assert_eq!(causes(2).await, [holder, incident]);
        assert_eq!(causes(3).await, [holder], "the remedy of the incident");
        assert_eq!(causes(4).await, [holder, incident], "and not of another one");
        // On hold as its holder has the card, and all that the queue waits for.
        let report = npc.queue_report(queue.unwrap()).await.unwrap();
        assert_eq!((report[0].waiting, report[0].done), (0, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_confirms_is_taken_back_and_a_refusal_counts() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        key_file(&scene, "card1.key", 0);
        scene.enrol(1, KeySlot::SigningRsa).await;
        let ir = ["-cmd", "ir", "-certout", "out.pem", "-newkey", "card1.key", "-subject", "/CN=TWA000001"];
        scene.accepts(&[&ir[..], &["-disable_confirm", "-certout", "one.pem"][..]].concat()).await;
        let serial = scene.certificate("one.pem").serial().unwrap();
        let state = async |now: Timestamp| scene.npc.status(&serial, now).await.unwrap().unwrap();
        scene.npc.maintain(present()).await.unwrap();
        assert_eq!(state(present()).await, CertificateState::Good);
        let later = present() + SignedDuration::from_mins(61);
        scene.npc.maintain(later).await.unwrap();
        assert!(matches!(state(later).await, CertificateState::Revoked { .. }));
        // A confirmation that comes when the certificate was taken back confirms nothing.
        scene.enrol(3, KeySlot::SigningRsa).await;
        key_file(&scene, "card3.key", 2);
        let ir3 = ["-cmd", "ir", "-newkey", "card3.key", "-subject", "/CN=TWA000003"];
        let files = ["-certout", "three.pem", "-reqout", "ir3.der,conf3.der"];
        scene.accepts(&[&ir3[..], &files[..]].concat()).await;
        let confirmation = scene.judge.bytes("conf3.der");
        let taken_back = b"the certificate is revoked";
        let again = scene.npc.cmp(&confirmation, present()).await.unwrap().unwrap();
        assert!(!contains(&again, taken_back), "confirmed, as before");
        // As if it had been lost; and whoever takes the certificate back dies at a commit.
        let three = scene.certificate("three.pem").serial().unwrap();
        let sql = "UPDATE cmp_transaction SET waits = 1 WHERE serial = $1";
        assert_eq!(db.execute(sql, params![three.octets()]).await.unwrap(), 1);
        let sql = "SELECT waits, status FROM cmp_transaction JOIN certificate_state USING (serial)";
        for (n, when) in [(1, When::BeforeCommit), (1, When::AfterCommit), (2, When::AfterCommit)] {
            db.fail_after(n, when);
            let _ = scene.npc.maintain(later).await;
            db.revive();
            for row in db.all(sql, params![]).await.unwrap() {
                let (waits, status) = (row.read::<i64>(0).unwrap(), row.read::<i64>(1).unwrap());
                assert_eq!(waits == 0, status == 2, "commit {n}, {when:?}");
            }
        }
        scene.npc.maintain(later).await.unwrap();
        let late = scene.npc.cmp(&confirmation, present()).await.unwrap().unwrap();
        assert!(contains(&late, taken_back));
        // A client that trusts another root refuses what it is given, and says so.
        scene.enrol(2, KeySlot::SigningRsa).await;
        key_file(&scene, "card2.key", 1);
        let ir = [
            "-cmd",
            "ir",
            "-certout",
            "out.pem",
            "-newkey",
            "card2.key",
            "-subject",
            "/CN=TWA000002",
            "-out_trusted",
            "stranger.pem",
        ];
        scene.refuses(&[&ir[..], &["-rspout", "ip.der"][..]].concat(), "rejecting newly enrolled cert").await;
        let sql = "SELECT count(*) FROM certificate JOIN certificate_state USING (serial) \
            WHERE status = 2 AND card = 'TWA000002'";
        assert_eq!(db.one(sql, params![]).await.unwrap().read::<i64>(0).unwrap(), 1);
    })
    .await;
}

/// A client refuses its first certificate: its slot is free again, for the same key too, and the card's other slot was never
/// blocked. Each try wants an enrolment, no other card gets the key, and the fourth refusal is the last.
// proves: NPC-54
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_certificate_frees_its_slot_and_not_without_end() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        let npc = &scene.npc;
        key_file(&scene, "card1.key", 0);
        key_file(&scene, "card2.key", 1);
        let ir = |key, subject| ["-cmd", "ir", "-certout", "out.pem", "-newkey", key, "-subject", subject];
        let first = ir("card1.key", "/CN=TWA000001/serialNumber=1");
        let refusing = [&first[..], &["-out_trusted", "stranger.pem"][..]].concat();
        let enrol = async |try_no: u128, number, slot| {
            let enrolment = Enrolment { request_id: id(700 + try_no), ..scene.enrolment(number, slot) };
            npc.enrol(&enrolment, "clerk", present()).await
        };
        let states = async || {
            let all = npc.certificates_of(card(1), present()).await.unwrap();
            all.iter().map(|one| (one.slot.id(), one.state.as_str())).collect::<Vec<_>>()
        };
        enrol(1, 1, KeySlot::SigningRsa).await.unwrap();
        scene.refuses(&refusing, "rejecting newly enrolled cert").await;
        assert_eq!(states().await, [(1, "revoked")]);
        // The second slot is not blocked by what the card never had.
        enrol(2, 1, KeySlot::EncryptionRsa).await.unwrap();
        scene.accepts(&ir("card2.key", "/CN=TWA000001/serialNumber=2")).await;
        // Another try wants another enrolment, and another card does not get the key.
        scene.refuses(&first, "addInfoNotAvailable").await;
        enrol(3, 2, KeySlot::SigningRsa).await.unwrap();
        scene.refuses(&ir("card1.key", "/CN=TWA000002"), "duplicateCertReq").await;
        for (try_no, maintained) in [(4, false), (5, true)] {
            enrol(try_no, 1, KeySlot::SigningRsa).await.unwrap();
            if maintained {
                // It is not confirmed this time.
                scene.accepts(&[&first[..], &["-disable_confirm"][..]].concat()).await;
                npc.maintain(present() + SignedDuration::from_mins(61)).await.unwrap();
            } else {
                scene.refuses(&refusing, "rejecting newly enrolled cert").await;
            }
        }
        enrol(6, 1, KeySlot::SigningRsa).await.unwrap();
        scene.refuses(&refusing, "rejecting newly enrolled cert").await;
        let gone = (1, "revoked");
        assert_eq!(states().await, [gone, (2, "good"), gone, gone, gone]);
        let last = enrol(7, 1, KeySlot::SigningRsa).await.unwrap_err();
        assert_eq!(last.code(), "NPC-SLOT-TAKEN");
        // Each of them is in the list, and the key that four certificates had in turn is not two keys with one factor.
        let list = npc.crl(npc::Scope::Complete, present()).await.unwrap();
        assert_eq!(x509::crl::Crl::parse(&list.der).unwrap().entries().count(), 4);
        npc.check_common_factors("anna", present(), &mut |_| ()).await.unwrap();
        assert_eq!(npc.common_factors(present()).await.unwrap(), []);
        for one in npc.certificates_of(card(1), present()).await.unwrap() {
            assert_eq!(npc.find_certificate(&one.serial, present()).await.unwrap().unwrap().slot, one.slot);
        }
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// What somebody else revoked is no refusal: its slot stays taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_revoked_before_its_refusal_keeps_its_slot() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        key_file(&scene, "card1.key", 0);
        scene.enrol(1, KeySlot::SigningRsa).await;
        let ir = ["-cmd", "ir", "-certout", "out.pem", "-newkey", "card1.key", "-subject", "/CN=TWA000001"];
        scene.accepts(&[&ir[..], &["-disable_confirm"][..]].concat()).await;
        let serial = scene.certificate("out.pem").serial().unwrap();
        let reason = RevocationReason::KeyCompromise;
        scene.npc.revoke_certificate(&serial, reason, "clerk", present()).await.unwrap();
        scene.npc.maintain(present() + SignedDuration::from_mins(61)).await.unwrap();
        let again = Enrolment { request_id: id(701), ..scene.enrolment(1, KeySlot::SigningRsa) };
        let taken = scene.npc.enrol(&again, "clerk", present()).await.unwrap_err();
        assert_eq!(taken.code(), "NPC-SLOT-TAKEN");
    })
    .await;
}

/// A refusal is one commit: killed at any moment of it, the certificate is taken back in the end and its slot is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_interrupted_anywhere_frees_the_slot() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        let (mut number, mut died_late) = (0, 0);
        for when in [When::BeforeCommit, When::AfterCommit] {
            // The certificate's two commits and its answer's are the first three.
            for commit in 4.. {
                number += 1;
                key_file(&scene, "card.key", number as usize - 1);
                scene.enrol(number, KeySlot::SigningRsa).await;
                let subject = format!("/CN=TWA00000{number}");
                let ir = ["-cmd", "ir", "-newkey", "card.key", "-subject", &subject, "-certout", "out.pem"];
                db.fail_after(commit, when);
                let refusing = [&ir[..], &["-out_trusted", "stranger.pem"][..]].concat();
                let (done, _) = scene.judge.openssl(&scene.client(&refusing)).await;
                assert!(!done);
                let died = db.revive();
                let revoked = async || {
                    let all = scene.npc.certificates_of(card(number), present()).await.unwrap();
                    matches!(all[0].state, CertificateState::Revoked { .. })
                };
                died_late += u32::from(died && revoked().await);
                scene.npc.maintain(present() + SignedDuration::from_mins(61)).await.unwrap();
                assert!(revoked().await, "commit {commit}, {when:?}");
                let again = Enrolment {
                    request_id: id(600 + u128::from(number)),
                    ..scene.enrolment(number, KeySlot::SigningRsa)
                };
                let free = scene.npc.enrol(&again, "clerk", present()).await;
                free.unwrap_or_else(|error| panic!("commit {commit}, {when:?}: {error}"));
                if !died {
                    break;
                }
            }
        }
        assert!(died_late > 0, "after the revocation");
        scene.npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// The registration authority says that a key is known to others before it refuses the certificate: neither slot nor key is free.
/// And whoever refuses what was confirmed is told that it stands.
// proves: NPC-08
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_frees_no_compromised_key_and_takes_back_nothing_that_was_confirmed() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        let npc = &scene.npc;
        // The refusal does not come through.
        let refused = async |number: u32| {
            key_file(&scene, "card.key", number as usize);
            scene.enrol(number, KeySlot::SigningRsa).await;
            let subject = format!("/CN=TWA00000{number}");
            let ir = ["-cmd", "ir", "-newkey", "card.key", "-subject", &subject, "-certout", "out.pem"];
            let files = ["-out_trusted", "stranger.pem", "-reqout", "ir.der,conf.der"];
            db.fail_after(4, When::BeforeCommit);
            let (done, _) = scene.judge.openssl(&scene.client(&[&ir[..], &files[..]].concat())).await;
            assert!(!done && db.revive());
            let issued = npc.certificates_of(card(number), present()).await.unwrap().remove(0);
            assert_eq!(issued.state, CertificateState::Good);
            scene.judge.file("one.pem", x509::pem::encode("CERTIFICATE", &issued.der));
            (scene.judge.bytes("conf.der"), issued.serial)
        };
        let (refusal, _) = refused(1).await;
        scene.accepts(&["-cmd", "rr", "-oldcert", "one.pem", "-revreason", "1"]).await;
        let answer = npc.cmp(&refusal, present()).await.unwrap().unwrap();
        assert_eq!(Message::parse(&answer).unwrap().tag, PKI_CONF, "it is revoked");
        let again = Enrolment { request_id: id(701), ..scene.enrolment(1, KeySlot::SigningRsa) };
        assert_eq!(npc.enrol(&again, "clerk", present()).await.unwrap_err().code(), "NPC-SLOT-TAKEN");
        let freed = db.one("SELECT count(*) FROM rejected", params![]).await.unwrap();
        assert_eq!(freed.read::<i64>(0).unwrap(), 0);

        let (refusal, serial) = refused(2).await;
        // As its confirmation does.
        db.execute("UPDATE cmp_transaction SET waits = 0", params![]).await.unwrap();
        let answer = npc.cmp(&refusal, present()).await.unwrap().unwrap();
        assert!(contains(&answer, b"the certificate is confirmed already"));
        assert_eq!(npc.status(&serial, present()).await.unwrap(), Some(CertificateState::Good));
        npc.revoke_certificate(&serial, RevocationReason::Superseded, "clerk", present()).await.unwrap();
        let answer = npc.cmp(&refusal, present()).await.unwrap().unwrap();
        assert_eq!(Message::parse(&answer).unwrap().tag, PKI_CONF, "it is gone");
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// RFC 9810 §5.1.2: pkiconf.
const PKI_CONF: u32 = 19;

/// Killed between the certificate and the answer, and the client does not come back: nobody has the certificate, and it does not
/// stay good. One that comes back in time has it.
// proves: NPC-54
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_whose_answer_was_never_stored_is_taken_back() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        let at = present();
        let later = |minutes| at + SignedDuration::from_mins(minutes);
        let state =
            async |number, now| scene.npc.certificates_of(card(number), now).await.unwrap().remove(0).state;
        let sql = "SELECT count(*) FROM enrolment";
        let enrolled = async || db.one(sql, params![]).await.unwrap().read::<i64>(0).unwrap();
        for number in [1, 2] {
            let (key, message) = (format!("card{number}.key"), format!("ir{number}.der"));
            key_file(&scene, &key, number as usize);
            scene.enrol(number, KeySlot::SigningRsa).await;
            let message = scene.message(&key, &format!("/CN=TWA00000{number}"), &message).await;
            // The two commits of the certificate; the answer's is the third.
            db.fail_after(3, When::BeforeCommit);
            scene.npc.cmp(&message, at).await.unwrap();
            assert!(db.revive());
            assert_eq!(state(number, at).await, CertificateState::Good);
            if number == 2 {
                let reply = scene.npc.cmp(&message, at).await.unwrap().unwrap();
                let issued = scene.npc.certificates_of(card(2), at).await.unwrap().remove(0);
                assert!(contains(&reply, &issued.der), "the same client again");
                // As its confirmation does.
                db.execute("UPDATE cmp_transaction SET waits = 0", params![]).await.unwrap();
            }
        }
        assert_eq!(enrolled().await, 1);
        scene.npc.maintain(later(59)).await.unwrap();
        assert_eq!(state(1, later(59)).await, CertificateState::Good);
        // Killed after each of its commits in turn: revoked, its slot free and forgotten, or nothing of that.
        let freed = async || {
            db.one("SELECT count(*) FROM rejected", params![]).await.unwrap().read::<i64>(0).unwrap()
        };
        let mut gone = 0;
        for _ in 0..20 {
            db.fail_after(1, When::AfterCommit);
            let _ = scene.npc.maintain(later(61)).await;
            assert!(db.revive() || gone == 1);
            gone = i64::from(state(1, later(61)).await != CertificateState::Good);
            assert_eq!((enrolled().await, freed().await), (1 - gone, gone));
        }
        assert_eq!(gone, 1);
        let taken_back = state(1, later(61)).await;
        let reason = RevocationReason::CessationOfOperation;
        assert!(matches!(taken_back, CertificateState::Revoked { reason: why, .. } if why == reason));
        assert_eq!(state(2, later(61)).await, CertificateState::Good, "it was answered");
        assert_eq!(enrolled().await, 0, "no name stays");
    })
    .await;
}

/// Keys of which that of the answers halts once, when it is to sign.
struct Halting {
    inner: Arc<dyn KeyStore>,
    halt: Halt,
}

#[derive(Clone)]
struct Halt {
    reached: tokio::sync::mpsc::UnboundedSender<()>,
    go: Arc<Mutex<std::sync::mpsc::Receiver<()>>>,
}

struct HaltingKey {
    inner: Arc<dyn Signer>,
    halt: Halt,
}

impl KeyStore for Halting {
    fn generate(&self, label: &str, kind: KeyKind, purpose: Purpose) -> keys::Result<KeyInfo> {
        self.inner.generate(label, kind, purpose)
    }

    fn signer(&self, label: &str, purpose: Purpose) -> keys::Result<Arc<dyn Signer>> {
        let inner = self.inner.signer(label, purpose)?;
        if label.starts_with("npc-cmp") {
            return Ok(Arc::new(HaltingKey { inner, halt: self.halt.clone() }));
        }
        Ok(inner)
    }

    fn list(&self) -> keys::Result<Vec<KeyInfo>> {
        self.inner.list()
    }

    fn destroy(&self, label: &str) -> keys::Result<()> {
        self.inner.destroy(label)
    }
}

impl Signer for HaltingKey {
    fn algorithm(&self) -> x509::SignatureAlgorithm {
        self.inner.algorithm()
    }

    fn spki(&self) -> &[u8] {
        self.inner.spki()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, x509::SignError> {
        // Nobody listens any more: it goes on.
        if self.halt.reached.send(()).is_ok() {
            let _ = self.halt.go.lock().unwrap().recv();
        }
        self.inner.sign(message)
    }
}

/// What befalls a certificate between its issuing and the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    TakenBack,
    TakenBackAndEnrolledAnew,
    Revoked,
}

/// Nobody had heard of a certificate, and its client comes back at the moment in which it is taken back, or revoked: it is not told
/// that it is accepted. The client confirms nothing, so nobody would tell it later.
// proves: NPC-54
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_taken_back_while_it_is_answered_is_not_accepted() {
    each_engine("npc", async |db| {
        let within = npc::NpcConfig { confirm_within: SignedDuration::from_mins(1), ..config() };
        let scene = Scene::with(&db, Arc::new(present), within).await;
        let at = present();
        let late = at + SignedDuration::from_mins(2);
        let all = [Between::TakenBack, Between::TakenBackAndEnrolledAnew, Between::Revoked];
        for (number, between) in (1..).zip(all) {
            let (key, subject) = (format!("card{number}.key"), format!("/CN=TWA00000{number}"));
            key_file(&scene, &key, number as usize);
            scene.enrol(number, KeySlot::SigningRsa).await;
            let nobody = ["cmp", "-server", "127.0.0.1:1/cmp", "-trusted", "root.pem"];
            let protected = ["-cert", "ra.pem", "-key", "ra.key", "-reqout", "ir.der", "-implicit_confirm"];
            let ir = ["-cmd", "ir", "-certout", "out.pem", "-newkey", &key, "-subject", &subject];
            scene.judge.openssl(&[&nobody[..], &protected[..], &ir[..]].concat()).await;
            let message = scene.judge.bytes("ir.der");
            // The two commits of the certificate; the answer's is the third.
            db.fail_after(3, When::BeforeCommit);
            scene.npc.cmp(&message, at).await.unwrap();
            assert!(db.revive());

            let (reached, mut has_reached) = tokio::sync::mpsc::unbounded_channel();
            let (go, may_go) = std::sync::mpsc::channel();
            let halt = Halt { reached, go: Arc::new(Mutex::new(may_go)) };
            let keys = Arc::new(Halting { inner: shared_keys(), halt });
            let there = Npc::open(db.clone(), keys, config(), Box::new(SystemRandom), late).await.unwrap();
            let answered = tokio::spawn({
                let message = message.clone();
                async move { there.cmp(&message, late).await }
            });
            has_reached.recv().await.unwrap();
            let first = scene.npc.certificates_of(card(number), late).await.unwrap().remove(0);
            assert_eq!(first.state, CertificateState::Good);
            match between {
                Between::Revoked => {
                    let reason = RevocationReason::Superseded;
                    scene.npc.revoke_certificate(&first.serial, reason, "clerk", late).await.unwrap();
                }
                _ => scene.npc.maintain(late).await.unwrap(),
            }
            if between == Between::TakenBackAndEnrolledAnew {
                let request_id = id(900);
                let again = Enrolment { request_id, ..scene.enrolment(number, KeySlot::SigningRsa) };
                scene.npc.enrol(&again, "clerk", late).await.unwrap();
            }
            drop((has_reached, go));
            let answer = answered.await.unwrap().unwrap().unwrap();
            assert!(!contains(&answer, &first.der), "{between:?}");
            let status = scene.npc.status(&first.serial, late).await.unwrap();
            assert!(matches!(status, Some(CertificateState::Revoked { .. })), "{between:?}");
            let kept = db.one("SELECT count(*) FROM cmp_transaction", params![]).await.unwrap();
            let kept: i64 = kept.read(0).unwrap();
            match between {
                Between::TakenBack => {
                    assert!(contains(&answer, b"nothing is enrolled for this key"));
                    assert_eq!(kept, 0);
                }
                Between::TakenBackAndEnrolledAnew => {
                    let all = scene.npc.certificates_of(card(number), late).await.unwrap();
                    let new = all.iter().find(|one| one.state == CertificateState::Good).unwrap();
                    assert!(contains(&answer, &new.der), "that of the new enrolment");
                    assert_eq!(kept, 1);
                }
                Between::Revoked => {
                    assert!(contains(&answer, b"NPC-REVOKED"));
                    assert_eq!(kept, 1);
                }
            }
        }
        scene.npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// Killed at every commit: the same message again ends with one certificate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_interrupted_anywhere_can_be_sent_again() {
    each_engine("npc", async |db| {
        let scene = Scene::new(&db).await;
        key_file(&scene, "card.key", 0);
        // The message of a client that reaches nobody.
        scene.enrol(1, KeySlot::SigningRsa).await;
        let message = scene.message("card.key", "/CN=TWA000001", "ir.der").await;
        let mut commits = 0;
        loop {
            commits += 1;
            db.fail_after(commits, When::AfterCommit);
            let _ = scene.npc.cmp(&message, present()).await;
            if !db.revive() {
                break;
            }
        }
        assert!(commits >= 2, "the answer alone is one commit");
        let reply = scene.npc.cmp(&message, present()).await.unwrap().unwrap();
        assert_eq!(scene.npc.cmp(&message, present()).await.unwrap().unwrap(), reply);
        let issued = scene.npc.certificates_of(card(1), present()).await.unwrap();
        assert_eq!(issued.len(), 1);
        assert!(contains(&reply, &issued[0].der));
    })
    .await;
}

#[tokio::test]
async fn enrolments_are_checked_and_repeatable() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let enrolment = Enrolment {
            request_id: id(1),
            ra: "nobody".into(),
            carrier: Carrier::CertificateCard,
            card: card(1),
            rests_on: None,
            chip_model: None,
            slot: KeySlot::SigningRsa,
            person: [1; 32],
            subject_name: "測試用".into(),
            id_tail: "6789".into(),
            issue_date: date("2026-08-01"),
            renewal_date: None,
            reissue: None,
        };
        let refused = async |e: &Enrolment| npc.enrol(e, "clerk", now()).await.unwrap_err().code();
        assert_eq!(refused(&enrolment).await, "NPC-REQUEST");
        for bad in ["", "UPPER", "a b", &"a".repeat(41)] {
            let ca = npc.ca_certificate();
            assert_eq!(npc.propose_ra(bad, ca.der(), "op", now()).await.unwrap_err().code(), "NPC-REQUEST");
        }
        let ca = npc.ca_certificate();
        assert_eq!(npc.propose_ra("ca", ca.der(), "op", now()).await.unwrap_err().code(), "NPC-REQUEST");
        // Any end entity's certificate will do; this one is at hand.
        let service = npc.ca_certificates().tsa;
        registered(&npc, "ra", service.der(), now()).await;
        let good = Enrolment { ra: "ra".into(), ..enrolment };
        npc.enrol(&good, "clerk", now()).await.unwrap();
        npc.enrol(&good, "clerk", now()).await.unwrap();
        assert_eq!(refused(&Enrolment { request_id: id(2), ..good.clone() }).await, "NPC-CONFLICT");
        assert_eq!(refused(&Enrolment { card: card(2), ..good.clone() }).await, "NPC-CONFLICT", "its number");
        for bad in [
            Enrolment { card: card(2), id_tail: "A123456789".into(), ..good.clone() },
            Enrolment { card: card(2), subject_name: "a\nb".into(), ..good.clone() },
        ] {
            assert_eq!(refused(&bad).await, "NPC-REQUEST");
        }
        let over = Enrolment { card: card(2), renewal_date: Some(date("2020-01-01")), ..good.clone() };
        assert_eq!(refused(&over).await, "NPC-NO-PERIOD");
        assert_eq!(npc.ras().await.unwrap().len(), 1);
        // One that has no certificate leaves nothing behind, and its name is free.
        npc.remove_ra("ra", "op", now()).await.unwrap();
        registered(&npc, "ra", service.der(), now()).await;
        npc.enrol(&good, "clerk", now()).await.unwrap();
    })
    .await;
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
