//! Roll-over, what is published, two-person decisions, and what else is signed.

use curve::{Hash, SecretBytes, SeedRandom};
use docsigner::{Act, DocSigner, DocSignerError, DocumentSigning, PaperStatus, PublishedKind};
use lds::chip_update::UpdatedFile;
use lds::{ChipUpdate, FieldSecurityObject, field_security, sod};
use store::testkit::each_engine;
use tlv::oid;
use x509::Certificate;
use x509::certificate::{Kind, lint};
use x509::cms::SignedData;
use x509::crl::{Crl, Reason};
use x509::extension::KeyUsage;
use x509::master_list::MasterList;
use x509::path::{Options, Purpose, Refusal, Revocation, validate};

use crate::support::*;

/// A country in its second generation: a card signed before, one after, and the certificates.
struct Rolled {
    signer: DocSigner,
    roots: Vec<Certificate>,
    links: Vec<Certificate>,
    before: Vec<u8>,
    after: Vec<u8>,
}

async fn rolled(place: &Place) -> Rolled {
    let signer = place.open(now()).await.expect("opens");
    let before = signer.sign_public_zone(&card(1), &object(1), now()).await.expect("signed");
    roll_over(&signer, days(1_000)).await.expect("rolled over");
    let after = signer.sign_public_zone(&card(2), &object(2), days(1_000)).await.expect("signed");
    let of = |kind| certificates(&signer, kind);
    let (roots, links) = (of(PublishedKind::Csca).await, of(PublishedKind::Link).await);
    Rolled { signer, roots, links, before, after }
}

async fn certificates(signer: &DocSigner, wanted: PublishedKind) -> Vec<Certificate> {
    let files = signer.publication(days(1_000)).await.expect("published");
    let files = files.into_iter().filter(|file| file.kind == wanted);
    files.map(|file| Certificate::parse(&file.content).expect("well formed")).collect()
}

fn check(
    file: &[u8],
    links: &[Certificate],
    anchors: &[Certificate],
    lists: &[Crl],
) -> Result<usize, Refusal> {
    let signed = SignedData::parse(sod::unwrap(file).expect("an EF.SOD")).expect("well formed");
    let ds = signed.verify().expect("a good signature");
    let options = Options::at(days(1_000)).purpose(Purpose::DocumentSigner).crls(lists, Revocation::Required);
    validate(ds, links, anchors, &options).map(|path| path.certificates().len())
}

// proves: DOCPKI-06, DOCPKI-11
#[tokio::test]
async fn after_a_roll_over_old_and_new_readers_verify_old_and_new_cards() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let Rolled { signer, roots, links, before, after } = rolled(&place).await;
        let (old, new) = (&roots[..1], &roots[1..]);
        assert_eq!((roots.len(), links.len()), (2, 1));
        assert_eq!(old[0].subject(), new[0].subject(), "one name for all generations");
        assert_eq!(links[0].spki(), new[0].spki());
        let lists = |signer: DocSigner| async move {
            let lists = signer.csca_crls(days(1_000)).await.expect("lists");
            lists.iter().map(|(_, list)| Crl::parse(list).expect("well formed")).collect::<Vec<_>>()
        };
        let current = lists(signer.clone()).await;
        assert_eq!(check(&before, &[], old, &current), Ok(2));
        assert_eq!(check(&after, &[], new, &current), Ok(2));
        assert_eq!(check(&after, &links, old, &current), Ok(3), "old anchor, link, signer");
        assert_eq!(check(&after, &[], old, &current), Err(Refusal::NoPath));
        assert_eq!(check(&before, &links, new, &current), Err(Refusal::NoPath), "the link leads one way");

        // A signer of the old generation is revoked: its own list names it, and so does the newest.
        revoke(&signer, 1, Reason::KeyCompromise, days(1_000)).await.expect("revoked");
        revoke(&signer, 2, Reason::Superseded, days(1_000)).await.expect("revoked");
        let current = lists(signer.clone()).await;
        assert_eq!(current.iter().map(|list| list.entries().count()).collect::<Vec<_>>(), [2, 2]);
        assert!(matches!(check(&before, &[], old, &current), Err(Refusal::Revoked { depth: 0, .. })));
        assert_eq!(check(&after, &links, old, &current), Ok(3));
        // One of the new generation stands in the newest list alone.
        let signers = signer.ds_certificates().await.unwrap();
        let newest = signers.last().expect("one").number;
        revoke(&signer, newest, Reason::KeyCompromise, days(1_000)).await.expect("revoked");
        let current = lists(signer.clone()).await;
        assert_eq!(current.iter().map(|list| list.entries().count()).collect::<Vec<_>>(), [2, 3]);

        // The old key is kept for its lists; from now on it issues nothing.
        let issuer = new[0].subject_key_identifier();
        assert!(signers[2..].iter().all(|s| s.certificate.authority_key_identifier() == issuer));
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}

// proves: DOCPKI-10
#[tokio::test]
async fn the_master_list_is_verified_from_the_first_country_signing_certificate() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let Rolled { signer, roots, links, .. } = rolled(&place).await;
        let list = signer.master_list(days(1_000)).await.expect("a list");
        assert_eq!(signer.master_list(days(1_010)).await.expect("the same"), list);
        let lists = signer.csca_crls(days(1_000)).await.expect("lists");
        let crls: Vec<Crl> = lists.iter().map(|(_, list)| Crl::parse(list).expect("well formed")).collect();
        let options = Options::at(days(1_000)).crls(&crls, Revocation::Required);
        let read = MasterList::verify(&list, &links, &roots[..1], &options).expect("over the link");
        let mut wanted = [&roots[..], &links[..]].concat();
        wanted.sort_by(|a, b| a.der().cmp(b.der()));
        assert_eq!(read.certificates, wanted);
        assert_ne!(signer.master_list(days(1_040)).await.expect("a new one"), list);
        let again = place.open(days(1_040)).await.expect("opens");
        assert_eq!(
            again.master_list(days(1_041)).await.unwrap(),
            signer.master_list(days(1_041)).await.unwrap()
        );
    })
    .await;
}

// proves: DOCPKI-10
#[tokio::test]
async fn everything_published_keeps_the_rules_of_doc_9303() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let Rolled { signer, roots, .. } = rolled(&place).await;
        revoke(&signer, 1, Reason::KeyCompromise, days(1_000)).await.expect("revoked");
        let files = signer.publication(days(1_000)).await.expect("published");
        let count = |kind| files.iter().filter(|file| file.kind == kind).count();
        assert_eq!((count(PublishedKind::Csca), count(PublishedKind::Link)), (2, 1));
        assert_eq!((count(PublishedKind::RevocationList), count(PublishedKind::MasterList)), (2, 1));
        assert_eq!(count(PublishedKind::DocumentSigner), 4);
        assert_eq!(count(PublishedKind::Delegate), 4);
        let mut names: Vec<_> = files.iter().map(|file| &file.name).collect();
        names.dedup();
        assert_eq!(names.len(), files.len());
        for file in &files {
            let rules = match file.kind {
                PublishedKind::RevocationList => list_rules(&Crl::parse(&file.content).expect("well formed")),
                PublishedKind::MasterList | PublishedKind::Ldif => continue,
                kind => {
                    certificate_rules(&Certificate::parse(&file.content).expect("well formed"), kind, &roots)
                }
            };
            for (rule, kept) in rules {
                assert!(kept, "{}: {rule}", file.name);
            }
        }
        let ldif = String::from_utf8(files.last().expect("a directory").content.clone()).expect("ASCII");
        assert!(ldif.is_ascii() && ldif.lines().all(|line| line.len() <= 76));
        assert_eq!(ldif.matches("\nuserCertificate;binary:: ").count(), 2 + 1 + 4 + 4);
        assert_eq!(ldif.matches("\ncertificateRevocationList;binary:: ").count(), 2);
        assert_eq!(ldif.matches("\npkdMasterListContent:: ").count(), 1);
    })
    .await;
}

type Rules = Vec<(&'static str, bool)>;

// The checks against Doc 9303-12 that public key directories apply to what is uploaded.
fn certificate_rules(c: &Certificate, kind: PublishedKind, roots: &[Certificate]) -> Rules {
    let critical = |oid| c.extension(oid).is_some_and(|e| e.critical);
    let absent = |oid| c.extension(oid).is_none();
    let country = |name: Result<x509::Name, x509::Error>| name.expect("a name").country().map(str::to_owned);
    let mut rules = vec![
        ("version 3", c.version() == 3),
        ("serial number positive, at most 20 octets", c.serial().is_ok() && c.serial_octets().len() <= 20),
        ("keyUsage critical", critical(oid::KEY_USAGE)),
        ("authorityKeyIdentifier", c.authority_key_identifier().is_some()),
        ("subjectKeyIdentifier", c.subject_key_identifier().is_some()),
        ("subjectAltName with the ICAO code", c.subject_alt_names().len() == 2),
        ("issuerAltName", !absent(oid::ISSUER_ALT_NAME)),
        ("where the list is", c.crl_distribution_points().len() == 1),
        ("no subjectDirectoryAttributes", absent(oid::SUBJECT_DIRECTORY_ATTRIBUTES)),
        ("no freshestCRL", absent(oid::FRESHEST_CRL)),
        ("one country, in the same case", country(c.issuer_name()) == country(c.subject_name())),
        ("country in upper case", country(c.subject_name()).as_deref() == Some("TW")),
    ];
    let (usage_begins, usage_ends) = c.private_key_usage_period();
    rules.push((
        "the key is used inside the validity",
        usage_begins >= Some(c.not_before()) && usage_ends <= Some(c.not_after()),
    ));
    let issued_by_a_root = roots.iter().any(|root| {
        root.subject_key_identifier() == c.authority_key_identifier()
            && c.verify_signature(root.spki()).is_ok()
    });
    rules.push(("signed by a country signing key", issued_by_a_root));
    let ca = KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN);
    let profile = match kind {
        PublishedKind::Csca => Kind::CscaRoot,
        PublishedKind::Link => Kind::CscaLink,
        PublishedKind::DocumentSigner => Kind::DocumentSigner,
        _ if c.extended_key_usage() == [oid::MASTER_LIST_SIGNING] => Kind::MasterListSigner,
        _ => Kind::FileSigner,
    };
    match kind {
        PublishedKind::Csca | PublishedKind::Link => rules.extend([
            ("keyCertSign and cRLSign only", c.key_usage() == Some(ca)),
            ("basicConstraints critical", critical(oid::BASIC_CONSTRAINTS)),
            ("pathLenConstraint 0", c.basic_constraints().and_then(|b| b.path_len) == Some(0)),
            ("no extKeyUsage", absent(oid::EXTENDED_KEY_USAGE)),
            ("issuer and subject are the same octets", c.issuer() == c.subject()),
        ]),
        _ => rules.extend([
            ("digitalSignature only", c.key_usage() == Some(KeyUsage::DIGITAL_SIGNATURE)),
            ("no basicConstraints", absent(oid::BASIC_CONSTRAINTS)),
        ]),
    }
    match kind {
        PublishedKind::DocumentSigner => rules.extend([
            ("document signers have no extKeyUsage", absent(oid::EXTENDED_KEY_USAGE)),
            (
                "documentTypeList, not critical",
                !critical(oid::DOCUMENT_TYPE_LIST) && !absent(oid::DOCUMENT_TYPE_LIST),
            ),
        ]),
        PublishedKind::Delegate => rules.push(("extKeyUsage critical", critical(oid::EXTENDED_KEY_USAGE))),
        _ => {}
    }
    rules.push(("our own lint", lint::inspect(c, profile).is_empty()));
    rules
}

fn list_rules(list: &Crl) -> Rules {
    let extensions = extension_ids(list);
    vec![
        ("authorityKeyIdentifier", list.authority_key_identifier().is_some()),
        ("CRLNumber", list.number().is_some()),
        ("nextUpdate", list.next_update().is_some()),
        ("no delta", !list.is_delta()),
        ("no issuingDistributionPoint", list.issuing_distribution_point().is_none()),
        ("no other extension, so no freshestCRL", extensions == 2),
        ("no empty list of entries", !list.der().windows(4).any(|w| w == [0x30, 0x00, 0xA0, 0x54])),
    ]
}

/// How many extensions the list has, counted in its bytes.
fn extension_ids(list: &Crl) -> usize {
    let outer = tlv::expect(list.der(), 0x30).expect("a sequence");
    let tbs = outer.children().next().expect("one").expect("well formed");
    let last = tbs.children().map(|t| t.expect("well formed")).last().expect("extensions");
    assert_eq!(last.tag, 0xA0);
    tlv::expect(last.value, 0x30).expect("a sequence").children().count()
}

#[tokio::test]
async fn one_person_alone_decides_nothing() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let mut rng = SeedRandom::new(b"one");
        let refused = |result: docsigner::Result<docsigner::Proposal>| {
            assert!(matches!(result, Err(DocSignerError::DualControl(_))), "{result:?}");
        };
        for act in [Act::RollOver, Act::Revoke { number: 1, reason: Reason::KeyCompromise }] {
            let proposal = signer.propose(act, "chief", now()).await.expect("proposed");
            refused(signer.approve(proposal.number, "chief", now(), &mut rng).await);
            refused(signer.approve(proposal.number, "deputy", days(7), &mut rng).await);
        }
        refused(signer.approve(99, "deputy", now(), &mut rng).await);
        refused(signer.propose(Act::RollOver, "王 小明", now()).await);
        refused(signer.propose(Act::RollOver, "", now()).await);
        assert_eq!(count(&place.db, "SELECT count(*) FROM country_signer").await, 1);
        assert!(
            signer.ds_certificates().await.unwrap().iter().all(|s| s.state == docsigner::SignerState::Active)
        );
        let waiting = signer.proposals().await.expect("proposals");
        assert_eq!(waiting.len(), 2);
        assert!(waiting.iter().all(|p| p.approved_by.is_none()));
        signer.approve(1, "deputy", days(6), &mut rng).await.expect("approved in time");
        refused(signer.approve(1, "third", days(6), &mut rng).await);
        assert_eq!(count(&place.db, "SELECT count(*) FROM country_signer").await, 2);
        let both = "SELECT count(*) FROM audit_entry WHERE actor = 'chief' OR actor = 'deputy'";
        assert!(count(&place.db, both).await >= 3, "both are on record");
    })
    .await;
}

// proves: DOCPKI-03, DOCPKI-04, DOCPKI-07
#[tokio::test]
async fn the_encrypted_zone_is_signed_field_by_field() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let file = |number| {
            let salt = field_security::salt(&SecretBytes::new(&[1; 32]), card(1).as_str(), number, 0);
            field_security::with_salt(&tlv::encode(0x60 + u32::from(number), b"x"), &salt)
        };
        let (place_of_birth, sex) = (file(9), file(11));
        let files = [(9, place_of_birth.as_slice()), (11, sex.as_slice())];
        let object = FieldSecurityObject::over(Hash::Sha512, &[4; 133], 0, files).expect("salted");
        let cms = signer.sign_encrypted_zone(&card(1), &object, now()).await.expect("signed");
        assert_eq!(signer.sign_encrypted_zone(&card(1), &object, days(1)).await.expect("kept"), cms);
        verify(&signer, &cms, now()).await.expect("valid");
        let signed = SignedData::parse(&cms).expect("well formed");
        assert_eq!(signed.content_type(), oid::FIELD_SECURITY_OBJECT);
        let read = FieldSecurityObject::decode(signed.content().expect("inside")).expect("well formed");
        assert_eq!(read.check(9, &place_of_birth), field_security::FieldCheck::Unaltered);
        assert_eq!(read.check(11, &place_of_birth), field_security::FieldCheck::Altered);
        let empty = FieldSecurityObject { hashes: Default::default(), ..object };
        assert!(signer.sign_encrypted_zone(&card(1), &empty, now()).await.is_err());
    })
    .await;
}

// proves: DOCPKI-15
#[tokio::test]
async fn an_update_number_is_signed_for_one_package() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let update = |last, content: &[u8]| {
            let file = UpdatedFile { application: vec![1], file: [1, 1], content: content.to_vec() };
            ChipUpdate::new(&[4; 133], last, vec![file]).expect("well formed")
        };
        let first = signer.sign_chip_update(&card(1), &update(0, b"a"), now()).await.expect("signed");
        assert_eq!(signer.sign_chip_update(&card(1), &update(0, b"a"), now()).await.expect("kept"), first);
        verify(&signer, &first, now()).await.expect("valid");
        let refused = signer.sign_chip_update(&card(1), &update(0, b"b"), now()).await;
        assert!(matches!(refused, Err(DocSignerError::Refused(_))));
        signer.sign_chip_update(&card(1), &update(2, b"c"), now()).await.expect("signed");
        assert!(signer.sign_chip_update(&card(1), &update(1, b"b"), now()).await.is_err(), "an older one");
        signer.sign_chip_update(&card(2), &update(0, b"b"), now()).await.expect("another card");
        let signed = SignedData::parse(&first).expect("well formed");
        assert_eq!(signed.content_type(), oid::CHIP_UPDATE);
    })
    .await;
}

// proves: DOCPKI-14
#[tokio::test]
async fn a_paper_is_checked_against_the_records_and_signed_by_another_key() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let (number, file) = ("T-2026-000001", b"%PDF temporary certificate");
        assert_eq!(signer.paper_status(number, file).await.unwrap(), PaperStatus::Unknown);
        let cms = signer.sign_file(number, file, "clerk-1", now()).await.expect("signed");
        assert_eq!(signer.sign_file(number, file, "clerk-2", days(2)).await.expect("kept"), cms);
        assert!(matches!(
            signer.sign_file(number, b"%PDF other", "clerk-1", now()).await,
            Err(DocSignerError::Refused(_))
        ));
        // The log names who had it signed.
        let sql = "SELECT action, actor FROM audit_entry WHERE subject = $1 ORDER BY seq";
        let rows = signer.db().all(sql, store::params![number]).await.expect("a log");
        let told = rows.iter().map(|row| (row.read(0).unwrap(), row.read(1).unwrap()));
        let told: Vec<(String, String)> = told.collect();
        let by_clerk = |action: &str| (action.to_owned(), "clerk-1".to_owned());
        assert_eq!(told, [by_clerk("file-ask"), by_clerk("file-sign")]);
        for bad in ["", "x", "t-2026-000001", "T-2026-000001 "] {
            assert!(signer.sign_file(bad, file, "clerk-1", now()).await.is_err());
        }
        let signed = SignedData::parse(&cms).expect("well formed");
        let by = signed.verify_detached(file).expect("a good signature");
        let anchors = [signer.csca_certificate().await.unwrap()];
        let purpose = |purpose| Options::at(now()).purpose(purpose);
        validate(by, &[], &anchors, &purpose(Purpose::Extended(oid::KP_DOCUMENT_SIGNING))).expect("of files");
        assert_eq!(validate(by, &[], &anchors, &purpose(Purpose::DocumentSigner)), Err(Refusal::KeyUsage));
        let signers = signer.ds_certificates().await.unwrap();
        assert!(signers.iter().all(|s| s.certificate.spki() != by.spki()), "no key of the chips");

        assert_eq!(signer.paper_status(number, file).await.unwrap(), PaperStatus::Valid);
        assert_eq!(signer.paper_status(number, b"%PDF forged").await.unwrap(), PaperStatus::Altered);
        signer.withdraw_paper(number, "clerk-1", days(3)).await.expect("withdrawn");
        assert_eq!(signer.paper_status(number, file).await.unwrap(), PaperStatus::Withdrawn);
        assert!(signer.withdraw_paper("T-2026-000002", "clerk-1", days(3)).await.is_err());
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}

#[tokio::test]
async fn no_key_does_the_work_of_another_office() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        place.open(now()).await.expect("opens");
        let keys = place.keys.list().expect("keys");
        for (i, key) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|other| other.spki != key.spki), "{} stands alone", key.label);
            for purpose in keys::Purpose::ALL {
                let signer = place.keys.signer(&key.label, purpose);
                assert_eq!(signer.is_ok(), purpose == key.purpose, "{} for {}", key.label, purpose.as_str());
            }
        }
        let offices: std::collections::BTreeSet<_> = keys.iter().map(|key| key.purpose.as_str()).collect();
        let wanted = ["certificate-authority", "document-signer", "file-signer", "list-signer"];
        assert!(offices.into_iter().eq(wanted));
    })
    .await;
}
