//! An authority that exists is taken over: its keys, its certificates, its lists, its addresses.

use std::path::Path;
use std::sync::Arc;

use curve::rsa::RsaPublicKey;
use curve::{Curve, Hash, SecretBytes, SecretKey, SeedRandom, SystemRandom};
use jiff::{SignedDuration, Timestamp};
use keys::{ForeignKey, KeyKind};
use model::{CertificateState, KeySlot, RevocationReason, SuspensionCause};
use npc::{
    Adopted, Adoption, Belongings, Carrier, CertificateAuthority, Founding, Hands, KeySource, List, Npc,
    NpcConfig, NpcError, Plan, Provisions, Scope, Serves, Urls, certificates_in,
};
use store::testkit::{each_engine, each_engine_url};
use store::{Db, When};
use x509::certificate::issue;
use x509::certificate::profiles::{self, Citizen, Issuer, NpcIntermediate, NpcRoot, StatusLocations};
use x509::crl::{self, Crl, Lifetime, Reason, Revoked};
use x509::ocsp::{self, CertificateStatus};
use x509::path::{Options, Revocation, validate};
use x509::{Certificate, EcSigner, Name, PublicKey, Serial, Signer, Validity};

use crate::openssl::{Judge, present};
use crate::support::*;

const HANDS: Hands<'_> = Hands { operator: "chief", witness: "auditor" };
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// An authority that has issued for years under the root of another.
struct Existing {
    root: Certificate,
    root_key: EcSigner,
    generations: Vec<(Certificate, SecretKey)>,
    issued: Vec<Certificate>,
    lists: Vec<Vec<u8>>,
}

fn key(seed: u32) -> SecretKey {
    SecretKey::generate(Curve::P384, &mut SeedRandom::new(&seed.to_be_bytes()))
}

fn signer(key: &SecretKey) -> EcSigner {
    EcSigner::new(SecretKey::from_pkcs8(key.to_pkcs8().expose()).unwrap())
}

fn name(unit: &str) -> Name {
    Name::builder().country("TW").organization("測試用 行政院").organizational_unit(unit).build().unwrap()
}

fn serial(n: u128) -> Serial {
    Serial::from_u128(n).unwrap()
}

fn ca_certificate(root: &Certificate, root_key: &EcSigner, spki: &[u8], unit: &str) -> Certificate {
    let made = profiles::npc_intermediate(&NpcIntermediate {
        serial: Serial::random(&mut SystemRandom),
        issuer: &Issuer::new(root, root_key).unwrap(),
        subject: &name(unit),
        validity: Validity::new(now() - DAY * 1_000, now() + DAY * 3_000).unwrap(),
        spki,
        policy: config().policy,
        crl_uri: "http://root.test/root.crl",
        ca_issuers_uri: "http://root.test/root.cer",
    });
    issue(&made.unwrap(), root_key).unwrap()
}

impl Existing {
    /// Two generations. Of the first: four certificates, one revoked, one on hold; of the second: one.
    fn new() -> Self {
        let root_key = signer(&key(1));
        let root = profiles::npc_root(&NpcRoot {
            serial: serial(1),
            subject: &name("政府憑證總管理中心"),
            validity: Validity::new(now() - DAY * 2_000, now() + DAY * 8_000).unwrap(),
            spki: root_key.spki(),
            algorithm: root_key.algorithm(),
        });
        let root = issue(&root.unwrap(), &root_key).unwrap();
        let generations: Vec<_> = [11, 12]
            .map(|seed| {
                let key = key(seed);
                (ca_certificate(&root, &root_key, signer(&key).spki(), "內政部憑證管理中心"), key)
            })
            .into();
        let mut all = Self { root, root_key, generations, issued: Vec::new(), lists: Vec::new() };
        for (generation, n, slot) in [(0, 1, true), (0, 1, false), (0, 2, true), (0, 3, true), (1, 4, true)] {
            let made = all.citizen(generation, n, slot);
            all.issued.push(made);
        }
        let hold = (all.issued[2].serial().unwrap(), Reason::CertificateHold);
        let gone = (all.issued[3].serial().unwrap(), Reason::KeyCompromise);
        // A reason of attribute authorities, on a number whose certificate nobody has.
        let lost = (serial(77), Reason::AaCompromise);
        all.lists = vec![all.list(0, 41, &[lost, hold, gone]), all.list(1, 57, &[])];
        all
    }

    fn citizen(&self, generation: usize, n: u32, signing: bool) -> Certificate {
        let (ca, ca_key) = &self.generations[generation];
        let ca_key = signer(ca_key);
        let holder = ec(Curve::P256, 7_000 + n * 2 + u32::from(signing));
        let citizen = Citizen {
            serial: Serial::random(&mut SystemRandom),
            issuer: &Issuer::new(ca, &ca_key).unwrap(),
            name: "測試用𠮷田",
            holder_number: &format!("{n:016}"),
            id_tail: "6789",
            card_number: &format!("CP{n:014}"),
            holder_rank: None,
            validity: Validity::new(now() - DAY * 400, now() + DAY * 900).unwrap(),
            spki: holder.spki(),
            policy: config().policy,
            locations: StatusLocations {
                partition_crl: "http://ca.test/repository/part.crl",
                complete_crl: "http://ca.test/repository/complete.crl",
                ca_issuers: "http://ca.test/repository/ca.cer",
                ocsp: "http://ca.test/cgi-bin/OCSP",
            },
        };
        let made = if signing {
            profiles::npc_citizen_signing(&citizen)
        } else {
            profiles::npc_citizen_encryption(&citizen)
        };
        issue(&made.unwrap(), &ca_key).unwrap()
    }

    fn list(&self, generation: usize, number: u64, listed: &[(Serial, Reason)]) -> Vec<u8> {
        let (ca, key) = &self.generations[generation];
        let key = signer(key);
        let at = now() - DAY * 30;
        let mut entries: Vec<_> =
            listed.iter().map(|&(serial, reason)| Revoked { serial, at, reason }).collect();
        entries.sort_by_key(|entry| entry.serial);
        let this_update = now() - SignedDuration::from_hours(1);
        let life = Lifetime { number, this_update, next_update: this_update + DAY };
        let tbs = crl::complete(&Issuer::new(ca, &key).unwrap(), life, entries).unwrap();
        crl::issue(&tbs, &key).unwrap()
    }

    fn adoption(&self) -> Adoption {
        let generations = self.generations.iter().zip(&self.lists).map(|((certificate, _), list)| Adopted {
            certificate: certificate.der().to_vec(),
            key: KeySource::File,
            list: list.clone(),
        });
        let address = |path: &str| format!("http://ca.test{path}");
        Adoption {
            generations: generations.collect(),
            chain: vec![self.root.der().to_vec()],
            certificates: self.issued.len() as u64,
            next_crl_number: None,
            addresses: vec![
                (address("/cgi-bin/OCSP"), Serves::Ocsp),
                (address("/repository/complete.crl"), Serves::List(1)),
                (address("/repository/ca.cer"), Serves::Certificate(1)),
            ],
        }
    }

    fn keys(&self) -> Vec<(u32, ForeignKey)> {
        let key = |key: &SecretKey| ForeignKey::from_pkcs8(key.to_pkcs8().expose()).unwrap();
        (1..).zip(&self.generations).map(|(number, (_, own))| (number, key(own))).collect()
    }

    fn population(&self) -> Vec<u8> {
        self.issued.iter().flat_map(|certificate| certificate.to_pem().into_bytes()).collect()
    }

    /// One step with all that belongs to it.
    async fn step(&self, founding: &Founding) -> Result<npc::Ceremony, NpcError> {
        let population = self.population();
        let mut certificates = certificates_in(population.as_slice());
        let belongings =
            Belongings { keys: self.keys(), lists: &self.lists, certificates: Some(&mut certificates) };
        founding.step_with(HANDS, belongings, now()).await
    }

    async fn adopted(&self, db: &Db, keys: &Path, config: &NpcConfig) -> Npc {
        let founding = founding(db, keys, config).await.unwrap();
        founding.propose_adoption(&self.adoption(), "chief", now()).await.unwrap();
        founding.approve("deputy", now()).await.unwrap();
        while self.step(&founding).await.unwrap().finished_at.is_none() {}
        opened(db, keys, config).await.unwrap()
    }
}

fn quick() -> NpcConfig {
    NpcConfig { partitions: 4, ..config() }
}

async fn founding(db: &Db, keys: &Path, config: &NpcConfig) -> Result<Founding, NpcError> {
    Founding::open(db.clone(), key_store(keys), config.clone(), Box::new(SystemRandom)).await
}

async fn opened(db: &Db, keys: &Path, config: &NpcConfig) -> Result<Npc, NpcError> {
    Npc::open(db.clone(), key_store(keys), config.clone(), Box::new(SystemRandom), now()).await
}

async fn verified(npc: &Npc, number: u64) {
    for finding in npc.verify_ceremony(number, now()).await.unwrap() {
        assert!(finding.right, "{finding:?}");
    }
}

async fn ocsp_status(npc: &Npc, issuer: &Certificate, serial: &Serial) -> CertificateStatus {
    let id = ocsp::CertId::new(&ocsp::IssuerHashes::new(issuer).unwrap(), Hash::Sha256, serial).unwrap();
    let answer = npc.ocsp(&ocsp::build_request(&[id], None), now()).await;
    let answer = ocsp::BasicResponse::parse(&answer).unwrap();
    answer.verify(issuer, now()).unwrap();
    answer.answers[0].status
}

async fn complete(npc: &Npc, generation: u32) -> Crl {
    let list = npc.list(List { generation, scope: Scope::Complete }, now()).await.unwrap();
    Crl::parse(&list.der).unwrap()
}

// proves: NPC-01, NPC-02
#[tokio::test]
async fn an_authority_goes_on_here_with_all_it_has_issued() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let existing = Existing::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let urls = Urls::at(&format!("http://{}", listener.local_addr().unwrap()));
        let config = NpcConfig { urls, ..quick() };
        let npc = Arc::new(existing.adopted(&db, directory.path(), &config).await);
        verified(&npc, 0).await;
        let text = npc.ceremony(0).await.unwrap().text();
        assert!(text.contains("政府憑證總管理中心") && text.contains("next CRLNumber: 58"), "{text}");

        // The authority is the one that was there: nothing of its own was founded.
        let made = npc.ca_certificates();
        let cas: Vec<_> = existing.generations.iter().map(|(ca, _)| ca.clone()).collect();
        assert_eq!((&made.root, &made.ca), (&existing.root, &cas[1]));
        assert_eq!(made.generations, [(1, cas[0].clone()), (2, cas[1].clone())]);

        // What it issued before has its state, and what it never issued has none.
        let status = async |n: usize, generation: usize| {
            ocsp_status(&npc, &cas[generation], &existing.issued[n].serial().unwrap()).await
        };
        for n in [0, 1] {
            assert_eq!(status(n, 0).await, CertificateStatus::Good);
        }
        let at = now() - DAY * 30;
        let since = |reason| CertificateStatus::Revoked { at, reason: Some(reason) };
        assert_eq!(status(2, 0).await, since(Reason::CertificateHold));
        assert_eq!(status(3, 0).await, since(Reason::KeyCompromise));
        assert_eq!(status(4, 1).await, CertificateStatus::Good);
        assert_eq!(status(4, 0).await, CertificateStatus::Unknown, "of another generation");
        assert_eq!(ocsp_status(&npc, &cas[0], &serial(77)).await, since(Reason::AaCompromise));
        assert_eq!(ocsp_status(&npc, &cas[0], &serial(78)).await, CertificateStatus::Unknown);

        // Lists go on: all entries, higher numbers, no list of a root whose key is another's.
        let list = complete(&npc, 1).await;
        assert!(list.number().unwrap() >= 58 && list.verify_signature(cas[0].spki()).is_ok());
        assert_eq!(list.entries().count(), 3);
        assert!(npc.lists().iter().all(|list| list.scope != Scope::Root));
        let root_list = npc.list(List { generation: 1, scope: Scope::Root }, now()).await.unwrap_err();
        assert_eq!(root_list.code(), "NPC-FOREIGN-ROOT");

        // At the old addresses as at the new ones.
        let address = serve(npc.clone(), listener, Arc::new(now)).await;
        for (before, here) in
            [("/repository/complete.crl", "/crl/npc.crl"), ("/repository/ca.cer", "/certs/npc-ca.cer")]
        {
            let (before, here) = (fetch(address, before).await, fetch(address, here).await);
            assert_eq!((before.status, before.body == here.body), (200, true));
        }
        let hashes = ocsp::IssuerHashes::new(&cas[0]).unwrap();
        let id = ocsp::CertId::new(&hashes, Hash::Sha1, &existing.issued[0].serial().unwrap()).unwrap();
        let head = "POST /cgi-bin/OCSP HTTP/1.1\r\nContent-Type: application/ocsp-request";
        let answer = http(address, head, &ocsp::build_request(&[id], None)).await;
        assert_eq!(
            ocsp::BasicResponse::parse(&answer.body).unwrap().answers[0].status,
            CertificateStatus::Good
        );
        assert_eq!(fetch(address, "/crl/npc-root.crl").await.status, 404);
        assert_eq!(fetch(address, "/certs/npc-root.cer").await.body, existing.root.der());

        // It issues for the old card and for New eID under the one name.
        for (number, carrier) in [(1, Carrier::CertificateCard), (2, Carrier::NewEid)] {
            let mut request = request(&npc, number, KeySlot::SigningRsa, number as usize).await;
            request.carrier = carrier;
            let issued = npc.issue(&request, now()).await.unwrap();
            let certificate = Certificate::parse(&issued.der).unwrap();
            assert_eq!(certificate.issuer(), existing.issued[4].issuer());
            let lists = [complete(&npc, 2).await];
            let options = Options::at(now()).crls(&lists, Revocation::IfListed);
            let (between, anchors) = (std::slice::from_ref(&cas[1]), std::slice::from_ref(&existing.root));
            validate(&certificate, between, anchors, &options).unwrap();
            let chain = npc.chain_of(&issued.der).await.unwrap().unwrap();
            assert_eq!(chain, (cas[1].der().to_vec(), existing.root.der().to_vec()));
        }

        // A person's card of before is suspended as a whole, and one of its certificates cannot be certified again.
        let of = async |n: usize| {
            npc.certificate(&existing.issued[n].serial().unwrap(), now()).await.unwrap().unwrap()
        };
        let (signing, encryption) = (of(0).await, of(1).await);
        assert_eq!((signing.card, signing.holder_no.as_str()), (encryption.card, "0000000000000001"));
        let loss = npc.suspend(signing.card, SuspensionCause::Loss, "hotline", now()).await.unwrap();
        assert_eq!(loss.changed.len(), 2);
        assert_eq!(complete(&npc, 1).await.entries().count(), 5);
        npc.resume(of(2).await.card, SuspensionCause::Authority, "clerk", now()).await.unwrap();
        assert_eq!(status(2, 0).await, CertificateStatus::Good);
        npc.revoke(of(4).await.card, RevocationReason::Superseded, "clerk", now()).await.unwrap();
        assert!(matches!(of(4).await.state, CertificateState::Revoked { .. }));

        // What the root's key would sign is refused; what is served goes on after the next start.
        for plan in [
            Plan::Root { key: KeyKind::Ec(Curve::P384) },
            Plan::Revocation { label: "npc-ca".into(), reason: Reason::Superseded },
        ] {
            let error = npc.propose_ceremony(plan, "chief", now()).await.unwrap_err();
            assert_eq!(error.code(), "NPC-FOREIGN-ROOT");
        }
        npc.maintain(now()).await.unwrap();
        npc.verify_audit(None).await.unwrap();
        let again = opened(&db, directory.path(), &config).await.unwrap();
        assert_eq!(again.ca_certificates(), npc.ca_certificates());
        assert_eq!(complete(&again, 1).await.entries().count(), 5, "of all generations");
        let error = founding(&db, directory.path(), &config).await.err().unwrap();
        assert_eq!(error.code(), "NPC-CEREMONY", "it is there already");
    })
    .await;
}

#[tokio::test]
async fn the_next_generation_is_certified_by_the_operator_of_the_root() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let existing = Existing::new();
        let npc = existing.adopted(&db, directory.path(), &quick()).await;
        let plan = Plan::Generation { key: KeyKind::Ec(Curve::P521), partitions: None };
        let number = npc.propose_ceremony(plan, "chief", now()).await.unwrap().number;
        npc.approve_ceremony(number, "deputy", now()).await.unwrap();
        let step = async |certificate: Option<&[u8]>| {
            let provisions = Provisions { certificate, ..Provisions::default() };
            npc.ceremony_step(number, HANDS, provisions, now()).await
        };
        step(None).await.unwrap();
        let done = step(None).await.unwrap();
        let found = |name: &str| {
            let all = done.done.iter().flat_map(|done| &done.found);
            all.clone().find(|(known, _)| known == name).unwrap().1.clone()
        };
        let request = x509::pem::decode("CERTIFICATE REQUEST", &found("certification_request")).unwrap();
        let request = x509::csr::Csr::parse(&request).unwrap();
        request.verify().unwrap();
        assert_eq!(request.subject().der(), existing.generations[0].0.subject());
        let waits = step(None).await.unwrap_err();
        assert!(waits.to_string().contains("the root's operator makes"), "{waits}");
        let certified =
            |spki: &[u8], unit: &str| ca_certificate(&existing.root, &existing.root_key, spki, unit);
        let unit = "內政部憑證管理中心";
        let stranger = signer(&key(99));
        let self_made = Existing { root_key: signer(&key(98)), ..Existing::new() };
        for (wrong, why) in [
            (certified(stranger.spki(), unit), "another key"),
            (certified(request.spki(), "另一機構"), "another name"),
            (existing.generations[1].0.clone(), "another key"),
            (
                {
                    let root = profiles::npc_root(&NpcRoot {
                        serial: serial(2),
                        subject: &name("政府憑證總管理中心"),
                        validity: existing.root.validity(),
                        spki: self_made.root_key.spki(),
                        algorithm: self_made.root_key.algorithm(),
                    });
                    let root = issue(&root.unwrap(), &self_made.root_key).unwrap();
                    ca_certificate(&root, &self_made.root_key, request.spki(), unit)
                },
                "no path",
            ),
        ] {
            let error = step(Some(wrong.der())).await.unwrap_err();
            assert!(error.code() == "NPC-ADOPTION" && error.to_string().contains(why), "{why}: {error}");
        }
        let certificate = certified(request.spki(), unit);
        step(Some(certificate.der())).await.unwrap();
        while step(None).await.unwrap().finished_at.is_none() {}
        verified(&npc, number).await;
        assert_eq!((npc.issuing_generation(), npc.ca_certificate()), (3, certificate.clone()));
        let issued = issued(&npc, 1, KeySlot::SigningRsa, 1).await;
        let issued = Certificate::parse(&issued.der).unwrap();
        let options = Options { revocation: Revocation::Unchecked, ..Options::at(now()) };
        validate(&issued, &[certificate], std::slice::from_ref(&existing.root), &options).unwrap();
        assert!(complete(&npc, 3).await.number() >= Some(58), "one sequence of numbers");

        // One that the root's operator does not certify is given up, and its key goes.
        let plan = Plan::Generation { key: KeyKind::Ec(Curve::P384), partitions: None };
        let number = npc.propose_ceremony(plan, "chief", now()).await.unwrap().number;
        npc.approve_ceremony(number, "deputy", now()).await.unwrap();
        for _ in 0..2 {
            npc.ceremony_step(number, HANDS, Provisions::default(), now()).await.unwrap();
        }
        npc.abandon_ceremony(number, HANDS, "the root's operator refuses", now()).await.unwrap();
        verified(&npc, number).await;
        assert!(key_store(directory.path()).list().unwrap().iter().all(|key| key.label != "npc-ca-g4"));
        let again = opened(&db, directory.path(), &quick()).await.unwrap();
        assert_eq!(again.issuing_generation(), 3);
    })
    .await;
}

#[tokio::test]
async fn an_adoption_killed_at_any_commit_goes_on_where_it_was() {
    let existing = Existing::new();
    each_engine_url(async |url| {
        let directory = tempfile::tempdir().unwrap();
        let mut commits = 0;
        loop {
            commits += 1;
            let schema = format!("npc_{commits}");
            let db = Db::open(&url, &schema).await.unwrap();
            let keys = directory.path().join(&schema);
            let founding = self::founding(&db, &keys, &quick()).await.unwrap();
            founding.propose_adoption(&existing.adoption(), "chief", now()).await.unwrap();
            founding.approve("deputy", now()).await.unwrap();
            let when = if commits % 2 == 0 { When::BeforeCommit } else { When::AfterCommit };
            db.fail_after(commits, when);
            let mut killed = false;
            for _ in 0..4 {
                killed |= existing.step(&founding).await.is_err();
                if killed {
                    break;
                }
            }
            let died = db.revive();
            let db = Db::open(&url, &schema).await.unwrap();
            match self::founding(&db, &keys, &quick()).await {
                Err(error) => assert_eq!(error.code(), "NPC-CEREMONY"),
                Ok(again) => while existing.step(&again).await.unwrap().finished_at.is_none() {},
            }
            let npc = opened(&db, &keys, &quick()).await.unwrap();
            if npc.ceremony(0).await.unwrap().finished_at.is_none() {
                npc.ceremony_step(0, HANDS, Provisions::default(), now()).await.unwrap();
            }
            verified(&npc, 0).await;
            let list = complete(&npc, 1).await;
            assert!(list.number().unwrap() >= 58 && list.entries().count() == 3);
            let known = npc.certificate(&existing.issued[0].serial().unwrap(), now()).await.unwrap();
            assert!(known.is_some_and(|known| known.der == existing.issued[0].der()));
            npc.verify_audit(None).await.unwrap();
            db.close().await;
            if !died && !killed {
                break;
            }
        }
        assert!(commits > 8, "four steps with their effects: {commits}");
    })
    .await;
}

/// A proposal that is changed in one place.
type Change<'a> = Box<dyn Fn(&mut Adoption) + 'a>;

#[tokio::test]
async fn what_is_not_the_authority_is_not_taken_over() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let existing = Existing::new();
        let founding = self::founding(&db, directory.path(), &quick()).await.unwrap();
        let citizen = existing.issued[0].der().to_vec();
        let other_unit =
            ca_certificate(&existing.root, &existing.root_key, signer(&key(12)).spki(), "另一機構");
        let other_list =
            Existing { generations: vec![(other_unit.clone(), key(12))], ..Existing::new() }.list(0, 58, &[]);
        let stranger = Existing::new();
        let PublicKey::Rsa(sound) = PublicKey::from_spki(rsa(0).spki()).unwrap() else { panic!("RSA") };
        let weak = RsaPublicKey::from_numbers(sound.modulus(), &[3]).unwrap().spki();
        let weak = ca_certificate(&existing.root, &existing.root_key, &weak, "內政部憑證管理中心");
        let cut = existing.lists[0].split_last().unwrap().1.to_vec();
        let mut forged = existing.lists[0].clone();
        *forged.last_mut().unwrap() ^= 1;
        let changes: Vec<(Change<'_>, &str)> = vec![
            (Box::new(|a| a.generations.clear()), "1 to 16 generations"),
            (Box::new(|a| a.chain.clear()), "no path"),
            (Box::new(|a| a.chain = vec![vec![1, 2, 3]]), "chain 1"),
            (Box::new(|a| a.generations[0].certificate = citizen.clone()), "basicConstraints"),
            (
                Box::new(|a| a.generations[0].certificate = existing.root.der().to_vec()),
                "a root, not a CA below one",
            ),
            (Box::new(|a| a.generations[0].certificate.truncate(100)), "generation 1"),
            (Box::new(|a| a.generations[0].certificate = weak.der().to_vec()), "the public exponent"),
            (
                Box::new(|a| {
                    a.generations[1].certificate = other_unit.der().to_vec();
                    a.generations[1].list = other_list.clone();
                }),
                "its name is another",
            ),
            (
                Box::new(|a| a.generations[1] = a.generations[0].clone()),
                "its key is that of another generation",
            ),
            (Box::new(|a| a.generations[1].list = existing.lists[0].clone()), "it is another CA's"),
            (Box::new(|a| a.generations[0].list = cut.clone()), "its last list"),
            (Box::new(|a| a.generations[0].list = forged.clone()), "its signature does not verify"),
            (Box::new(|a| a.next_crl_number = Some(57)), "not above those of the last lists"),
            (Box::new(|a| a.addresses[0].1 = Serves::List(3)), "of no generation"),
            (Box::new(|a| a.addresses[0].0 = "ldap://ca.test/x".into()), "http://HOST/PATH"),
            (Box::new(|a| a.addresses[1].0 = a.addresses[0].0.clone()), "given twice"),
        ];
        for (change, why) in changes {
            let mut adoption = existing.adoption();
            change(&mut adoption);
            let error = founding.propose_adoption(&adoption, "chief", now()).await.unwrap_err();
            assert!(error.code() == "NPC-ADOPTION" && error.to_string().contains(why), "{why}: {error}");
        }
        for (at, why) in [
            (now() + DAY * 2, "its last list: it is not in force"),
            (now() + DAY * 3_001, "it is not in force"),
        ] {
            let error = founding.propose_adoption(&existing.adoption(), "chief", at).await.unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(founding.ceremony().await.is_err(), "nothing was proposed");

        // At the ceremony: other keys, other lists, other certificates than were approved.
        founding.propose_adoption(&existing.adoption(), "chief", now()).await.unwrap();
        founding.approve("deputy", now()).await.unwrap();
        founding.step(HANDS, now()).await.unwrap();
        let refused = async |belongings: Belongings<'_>, why: &str| {
            let error = founding.step_with(HANDS, belongings, now()).await.unwrap_err();
            assert!(error.code() == "NPC-ADOPTION" && error.to_string().contains(why), "{why}: {error}");
            assert_eq!(opened(&db, directory.path(), &quick()).await.err().unwrap().code(), "NPC-UNFOUNDED");
        };
        refused(Belongings::default(), "its private key is not there").await;
        let mut swapped = existing.keys();
        (swapped[0].0, swapped[1].0) = (2, 1);
        refused(Belongings { keys: swapped, ..Belongings::default() }, "not that of the certificate").await;
        founding
            .step_with(HANDS, Belongings { keys: existing.keys(), ..Belongings::default() }, now())
            .await
            .unwrap();

        let bring = async |lists: &[Vec<u8>], certificates: Vec<u8>, why: &str| {
            let mut certificates = certificates_in(certificates.as_slice());
            let belongings = Belongings { keys: Vec::new(), lists, certificates: Some(&mut certificates) };
            refused(belongings, why).await;
        };
        let all = existing.population();
        bring(&[], all.clone(), "its last list is not there").await;
        bring(
            &[existing.lists[0].clone(), existing.list(1, 58, &[])],
            all.clone(),
            "another than was approved",
        )
        .await;
        let lists = &existing.lists;
        bring(lists, Vec::new(), "0 certificates are brought in where 5 were approved").await;
        bring(lists, existing.issued[0].to_pem().into_bytes(), "1 certificates are brought in where 5").await;
        bring(lists, stranger.root.to_pem().into_bytes(), "this authority did not issue it").await;
        bring(
            lists,
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
            "certificate 1",
        )
        .await;
        // The same serial number on another certificate.
        let (ca, ca_key) = &existing.generations[0];
        let ca_key = signer(ca_key);
        let twin = profiles::npc_citizen_signing(&Citizen {
            serial: existing.issued[0].serial().unwrap(),
            issuer: &Issuer::new(ca, &ca_key).unwrap(),
            name: "測試用",
            holder_number: "0000000000000009",
            id_tail: "6789",
            card_number: "CP9",
            holder_rank: None,
            validity: existing.issued[0].validity(),
            spki: ec(Curve::P256, 1).spki(),
            policy: config().policy,
            locations: StatusLocations {
                partition_crl: "http://ca.test/0.crl",
                complete_crl: "http://ca.test/a.crl",
                ca_issuers: "http://ca.test/c.cer",
                ocsp: "http://ca.test/o",
            },
        });
        let twin = issue(&twin.unwrap(), &ca_key).unwrap();
        bring(lists, twin.to_pem().into_bytes(), "two certificates have the serial number").await;
        // Everything as approved, in DER: it goes on.
        let der: Vec<u8> = existing.issued.iter().flat_map(|c| c.der().to_vec()).collect();
        let mut certificates = certificates_in(der.as_slice());
        let belongings = Belongings { keys: Vec::new(), lists, certificates: Some(&mut certificates) };
        founding.step_with(HANDS, belongings, now()).await.unwrap();
        assert!(founding.step(HANDS, now()).await.unwrap().finished_at.is_some());
        verified(&opened(&db, directory.path(), &quick()).await.unwrap(), 0).await;
    })
    .await;
}

const CONFIGURATION: &str = "[req]
distinguished_name = any
[ca]
default_ca = d
[d]
dir = .
new_certs_dir = .
database = index.txt
crlnumber = crlnumber
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
default_days = 365
default_crl_days = 7
rand_serial = yes
unique_subject = no
x509_extensions = citizen
crl_extensions = list
string_mask = utf8only
[any]
countryName = supplied
organizationName = optional
commonName = supplied
serialNumber = optional
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[authority]
basicConstraints = critical,CA:true,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[citizen]
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
crlDistributionPoints = URI:http://ca.test/all.crl
[list]
authorityKeyIdentifier = keyid:always
";

// proves: NPC-01
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_of_openssl_goes_on_here() {
    each_engine("npc", async |db| {
        let judge = Judge::new();
        judge.file("index.txt", "");
        judge.file("crlnumber", "1F\n");
        judge.file("word", "correct horse\n");
        judge.file("ca.cnf", CONFIGURATION);
        let run = async |line: &str| {
            judge.accepts(&line.split(' ').collect::<Vec<_>>()).await;
        };
        for (key, name) in [("root", "Root"), ("ca", "CA")] {
            run(&format!("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out {key}.key")).await;
            let subject = format!("/C=TW/O=測試用/CN={name}");
            let kind =
                if key == "root" { "-x509 -days 6000 -extensions root -out root.pem" } else { "-out ca.csr" };
            run(&format!("req -new -utf8 -config ca.cnf -key {key}.key -subj {subject} {kind}")).await;
        }
        // The authority began long ago, before any card of the tests.
        let years = "-startdate 20200101000000Z -enddate 20390101000000Z";
        let sign = "ca -batch -notext -utf8 -config ca.cnf";
        run(&format!(
            "{sign} -keyfile root.key -cert root.pem {years} -extensions authority -in ca.csr -out ca.pem"
        ))
        .await;
        for (n, serial) in
            [(1, "/serialNumber=0000000000000001"), (2, "/serialNumber=0000000000000002"), (3, "")]
        {
            judge.file(&format!("{n}.key"), rsa_pem(n));
            let subject = format!("/C=TW/CN=測試用{n}{serial}");
            run(&format!("req -new -utf8 -config ca.cnf -key {n}.key -subj {subject} -out {n}.csr")).await;
            run(&format!("{sign} -in {n}.csr -out {n}.pem")).await;
        }
        run("ca -config ca.cnf -revoke 2.pem -crl_reason keyCompromise").await;
        run("ca -config ca.cnf -revoke 3.pem -crl_reason certificateHold").await;
        run("ca -config ca.cnf -gencrl -out last.pem").await;
        run("crl -in last.pem -outform DER -out last.crl").await;
        run("pkcs8 -topk8 -v2 aes-256-cbc -in ca.key -out ca.p8 -passout file:word").await;

        let directory = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let urls = Urls::at(&format!("http://{}", listener.local_addr().unwrap()));
        let config = NpcConfig { urls, ..quick() };
        let pem = |name: &str| x509::pem::decode("CERTIFICATE", &judge.read(name)).unwrap();
        let list = judge.bytes("last.crl");
        let adoption = Adoption {
            generations: vec![Adopted {
                certificate: pem("ca.pem"),
                key: KeySource::File,
                list: list.clone(),
            }],
            chain: vec![pem("root.pem")],
            certificates: 3,
            ..Adoption::default()
        };
        let founding = self::founding(&db, directory.path(), &config).await.unwrap();
        founding.propose_adoption(&adoption, "chief", present()).await.unwrap();
        founding.approve("deputy", present()).await.unwrap();
        let key =
            ForeignKey::open(&SecretBytes::from(judge.bytes("ca.p8")), &SecretBytes::new(b"correct horse"));
        let population = ["1.pem", "2.pem", "3.pem"].map(|name| judge.bytes(name)).concat();
        let mut certificates = certificates_in(population.as_slice());
        let belongings = Belongings { keys: vec![(1, key.unwrap())], ..Belongings::default() };
        founding.step(HANDS, present()).await.unwrap();
        founding.step_with(HANDS, belongings, present()).await.unwrap();
        let belongings =
            Belongings { keys: Vec::new(), lists: &[list], certificates: Some(&mut certificates) };
        founding.step_with(HANDS, belongings, present()).await.unwrap();
        assert!(founding.step(HANDS, present()).await.unwrap().finished_at.is_some());
        let npc =
            Npc::open(db.clone(), key_store(directory.path()), config, Box::new(SystemRandom), present());
        let npc = Arc::new(npc.await.unwrap());
        let address = serve(npc.clone(), listener, Arc::new(present)).await;

        // One more under the same authority, for the old card and for New eID; one of them is revoked.
        for (n, carrier) in [(4, Carrier::CertificateCard), (5, Carrier::NewEid)] {
            let mut wanted = crate::support::request(&npc, n, KeySlot::SigningRsa, n as usize).await;
            wanted.carrier = carrier;
            let issued = npc.issue(&wanted, present()).await.unwrap();
            judge.file(&format!("{n}.pem"), Certificate::parse(&issued.der).unwrap().to_pem());
        }
        npc.revoke(card(5), RevocationReason::KeyCompromise, "clerk", present()).await.unwrap();
        judge.file("npc.crl", &fetch(address, "/crl/npc.crl").await.body);
        let verify = [
            "verify",
            "-x509_strict",
            "-CAfile",
            "root.pem",
            "-untrusted",
            "ca.pem",
            "-crl_check",
            "-CRLfile",
            "npc.crl",
        ];
        let url = format!("http://{address}/ocsp");
        let asked = [
            "ocsp",
            "-url",
            &url,
            "-CAfile",
            "root.pem",
            "-verify_other",
            "ca.pem",
            "-issuer",
            "ca.pem",
            "-no_nonce",
            "-cert",
        ];
        for (n, state) in [(1, "good"), (2, "revoked"), (3, "revoked"), (4, "good"), (5, "revoked")] {
            let pem = format!("{n}.pem");
            match state {
                "good" => drop(judge.accepts(&[&verify[..], &[&pem]].concat()).await),
                _ => judge.refuses(&[&verify[..], &[&pem]].concat(), "certificate revoked").await,
            }
            let text = judge.accepts(&[&asked[..], &[&pem]].concat()).await;
            assert!(text.contains("Response verify OK") && text.contains(&format!(": {state}")), "{text}");
        }
        let number =
            judge.accepts(&["crl", "-inform", "DER", "-in", "npc.crl", "-noout", "-crlnumber"]).await;
        let number = u64::from_str_radix(number.trim().trim_start_matches("crlNumber=0x"), 16).unwrap();
        assert!(number > 0x1F, "{number}");
        // What openssl has revoked since the epoch of its index is what the list says, reason for reason.
        let text = judge.accepts(&["crl", "-inform", "DER", "-in", "npc.crl", "-noout", "-text"]).await;
        assert!(text.contains("Certificate Hold") && text.matches("Key Compromise").count() == 2, "{text}");
        let at: Timestamp = present();
        let held =
            npc.certificate(&Certificate::parse(&pem("3.pem")).unwrap().serial().unwrap(), at).await.unwrap();
        assert!(matches!(held.unwrap().state, CertificateState::Suspended { .. }));
    })
    .await;
}
