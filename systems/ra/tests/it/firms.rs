//! Firms that ask whether a certificate is a person's.

use curve::{Curve, Random, SecretKey, SystemRandom};
use jiff::SignedDuration;
use model::{NationalIdNo, RocDate};
use npc::CertificateAuthority;
use ra::functions::Function;
use ra::{Detail, Firm, Inquiry, RaError, UseClass};
use x509::cms::{self, Spec};
use x509::{Certificate, EcSigner, SignatureAlgorithm};

use crate::support::Counter;
use crate::world::{CLERK, directory};

/// A firm with its key. Its certificate comes from elsewhere; this one signs itself.
pub(crate) struct Asker {
    signer: EcSigner,
    pub(crate) certificate: Certificate,
}

impl Asker {
    pub(crate) fn new(counter: &Counter) -> Self {
        let signer = EcSigner::new(SecretKey::generate(Curve::P384, &mut SystemRandom));
        let certificate = crate::support::certificate_for(&signer, counter.world.now);
        Self { signer, certificate }
    }

    pub(crate) fn signed(&self, content: &[u8]) -> Vec<u8> {
        let spec = Spec::new(tlv::oid::CMS_DATA, content, &self.certificate, SignatureAlgorithm::EcdsaSha384);
        cms::sign(&spec, &self.signer).unwrap()
    }
}

// proves: NPC-62, NPC-64
#[tokio::test(flavor = "multi_thread")]
async fn a_firm_under_contract_hears_yes_or_no() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let asker = Asker::new(&counter);
        let now = counter.world.now;
        let certificate =
            counter.world.npc.certificates_of(counter.card, now).await.unwrap().swap_remove(0).der;
        let inquiry = |class, number: NationalIdNo, at| {
            let mut nonce = [0; 16];
            SystemRandom.fill(&mut nonce);
            Inquiry { class, certificate: certificate.clone(), number, at, nonce }
        };
        let ask = async |counter: &Counter, inquiry: &Inquiry| {
            counter.ra.confirm_identity(&asker.signed(&inquiry.encode()), counter.world.now).await
        };
        let code = |result: Result<bool, RaError>| result.expect_err("is refused").code();
        let own = counter.person.id;
        let wrong = NationalIdNo::sample(model::Sex::Male, [4; 9]);

        // Nobody knows the firm; then what it may ask for is what its contract says.
        let first = inquiry(UseClass::Contract, own, now);
        assert_eq!(code(ask(&counter, &first).await), "RA-E-FIRM-MESSAGE");
        let mut firm = Firm {
            name: "sample-bank".into(),
            certificate: asker.certificate.der().to_vec(),
            classes: vec![UseClass::Contract, UseClass::LowRisk],
            until: RocDate::in_taipei(now),
            per_minute: 8,
        };
        counter.ra.register_firm(&firm, CLERK, now).await.unwrap();
        assert_eq!(counter.ra.firms().await.unwrap(), [firm.clone()]);
        assert!(ask(&counter, &first).await.unwrap());
        assert_eq!(code(ask(&counter, &first).await), "RA-E-FIRM-MESSAGE", "sent before");
        assert!(!ask(&counter, &inquiry(UseClass::LowRisk, wrong, now)).await.unwrap());
        let risky = inquiry(UseClass::HighRisk, own, now);
        assert_eq!(code(ask(&counter, &risky).await), "RA-E-FIRM-CONTRACT");
        let old = inquiry(UseClass::Contract, own, now - SignedDuration::from_mins(6));
        assert_eq!(code(ask(&counter, &old).await), "RA-E-STALE");
        let mut altered = asker.signed(&inquiry(UseClass::Contract, own, now).encode());
        let middle = altered.len() / 3;
        altered[middle] ^= 1;
        assert_eq!(code(counter.ra.confirm_identity(&altered, now).await), "RA-E-FIRM-MESSAGE");
        assert_eq!(code(counter.ra.confirm_identity(&[0x30; 40_000], now).await), "RA-E-FIRM-MESSAGE");

        // A certificate that is not in force is nobody's.
        counter.at_counter(Function::Suspend, Detail::Nothing).await.unwrap();
        assert!(!ask(&counter, &inquiry(UseClass::Contract, own, now)).await.unwrap());
        counter.at_counter(Function::Resume, Detail::Nothing).await.unwrap();
        assert!(ask(&counter, &inquiry(UseClass::Contract, own, now)).await.unwrap());

        // Guessing ends, for the right number too; and begins again on another day.
        for _ in 0..3 {
            assert!(!ask(&counter, &inquiry(UseClass::Contract, wrong, now)).await.unwrap());
        }
        assert_eq!(code(ask(&counter, &inquiry(UseClass::Contract, own, now)).await), "RA-E-FIRM-GUESSES");
        assert_eq!(code(ask(&counter, &inquiry(UseClass::Contract, own, now)).await), "RA-E-FIRM-RATE");
        let tallies = counter.ra.ics_tallies().await.unwrap();
        let answered: Vec<_> = tallies.iter().map(|t| (t.class, t.answered)).collect();
        assert_eq!(answered, [(UseClass::Contract, 6), (UseClass::LowRisk, 1)]);
        counter.world.now = now + SignedDuration::from_hours(24);
        let later = inquiry(UseClass::Contract, own, counter.world.now);
        assert_eq!(code(ask(&counter, &later).await), "RA-E-FIRM-CONTRACT", "it has ended");
        firm.until = firm.until.plus_years(1);
        counter.ra.register_firm(&firm, CLERK, now).await.unwrap();
        assert!(ask(&counter, &inquiry(UseClass::Contract, own, counter.world.now)).await.unwrap());

        // Uses open in stages: contracts, low risks, high risks, accounts. Whoever has one has no other.
        let classes = [UseClass::Contract, UseClass::LowRisk, UseClass::HighRisk, UseClass::Account];
        firm.per_minute = 60;
        for open in classes {
            firm.classes = vec![open];
            counter.ra.register_firm(&firm, CLERK, now).await.unwrap();
            for class in classes {
                let asked = ask(&counter, &inquiry(class, own, counter.world.now)).await;
                let expected = if class == open { Ok(true) } else { Err("RA-E-FIRM-CONTRACT") };
                assert_eq!(asked.map_err(|error| error.code()), expected, "{open:?} {class:?}");
            }
        }
        counter.close().await;
    })
    .await;
}
