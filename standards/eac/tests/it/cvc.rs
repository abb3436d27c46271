//! Certificates, requests and chains: what is accepted, what is refused, and what a card remembers.

use curve::{Curve, SecretKey, SeedRandom};
use eac::cvc::{
    Body, Certificate, Chain, Chat, CvcError, Date, Extension, Extensions, PublicKey, Reference, Request,
    Rights, Role, TerminalType, TrustPoint, TrustPoints, Update, UpdateRights, path, validate_at,
};
use proptest::prelude::*;

use crate::pki::{ALL_RIGHTS, Holder, Wish, country, date, reference, sign};

fn card(root: &Holder) -> Chain {
    Chain::new(TrustPoints::new(root.trust_point()), date("260601"))
}

fn import_all(chain: &mut Chain, holders: &[&Holder]) -> Result<Vec<Update>, CvcError> {
    holders.iter().map(|holder| chain.import(&holder.certificate)).collect()
}

// proves: EACPKI-02
#[test]
fn a_chain_on_every_curve() {
    let mut sizes = Vec::new();
    for curve in Curve::ALL {
        let (root, verifier, terminal) = country(curve);
        let mut chain = card(&root);
        import_all(&mut chain, &[&verifier, &terminal]).expect("valid");
        let authenticated = chain.terminal().expect("a terminal");
        assert_eq!(authenticated.key.point(), &terminal.key.public_key());
        assert_eq!(authenticated.authorisation.chat.rights(), ALL_RIGHTS);
        for holder in [&root, &verifier, &terminal] {
            let bytes = holder.certificate.encode();
            assert_eq!(Certificate::parse(&bytes), Ok(holder.certificate.clone()));
            sizes.push(bytes.len());
        }
    }
    // P-521, the longest: a chip's command buffer must hold them.
    assert_eq!(sizes.len(), 18);
    assert!(sizes.iter().all(|size| *size < 900), "{sizes:?}");
}

// proves: EACPKI-04, CARD-33
#[test]
fn rights_are_what_every_certificate_of_the_chain_grants() {
    let root = Holder::root(Curve::P256, &Wish::new("TWCVCATEST00001", Role::Cvca, ALL_RIGHTS));
    let fields = Rights::READ_DG9.with(Rights::READ_DG11);
    let verifier = root.issue(&Wish {
        updates: UpdateRights::ADDRESS.with(UpdateRights::SPOUSE),
        ..Wish::new("TWDVTEST00001", Role::OfficialVerifier, fields)
    });
    // The terminal claims more than its verifier has to give.
    let terminal = verifier.issue(&Wish {
        updates: UpdateRights::ALL,
        ..Wish::new("TWTERM00001", Role::Terminal, Rights::READ_DG9.with(Rights::READ_DG16))
    });
    let mut chain = card(&root);
    import_all(&mut chain, &[&verifier, &terminal]).expect("valid");
    let authorisation = chain.terminal().expect("a terminal").authorisation;
    assert_eq!(authorisation.chat.rights(), Rights::READ_DG9);
    assert_eq!(authorisation.updates, UpdateRights::ADDRESS.with(UpdateRights::SPOUSE));
}

#[test]
fn every_wrong_order_of_roles_is_refused() {
    let curve = Curve::P256;
    for issuer in Role::ALL {
        for holder in Role::ALL {
            let root = Holder::root(curve, &Wish::new("TWCVCATEST00001", Role::Cvca, ALL_RIGHTS));
            let verifier = root.issue(&Wish::new("TWDVTEST00001", Role::OfficialVerifier, ALL_RIGHTS));
            let (above, chain_above): (&Holder, Vec<&Holder>) = match issuer {
                Role::Cvca => (&root, vec![]),
                Role::OfficialVerifier => (&verifier, vec![&verifier]),
                Role::NonOfficialVerifier => {
                    let foreign =
                        root.issue(&Wish::new("TWDVFOREIGN00001", Role::NonOfficialVerifier, ALL_RIGHTS));
                    check(&root, &[&foreign], &foreign, issuer, holder);
                    continue;
                }
                Role::Terminal => {
                    let terminal = verifier.issue(&Wish::new("TWTERM00001", Role::Terminal, ALL_RIGHTS));
                    check(&root, &[&verifier, &terminal], &terminal, issuer, holder);
                    continue;
                }
            };
            check(&root, &chain_above, above, issuer, holder);
        }
    }
}

fn check(root: &Holder, chain_above: &[&Holder], above: &Holder, issuer: Role, role: Role) {
    let below = above.issue(&Wish::new("TWBELOW00001", role, ALL_RIGHTS));
    let mut chain = card(root);
    import_all(&mut chain, chain_above).expect("valid");
    let result = chain.import(&below.certificate);
    let allowed = match issuer {
        Role::Cvca => role != Role::Terminal,
        Role::OfficialVerifier | Role::NonOfficialVerifier => role == Role::Terminal,
        Role::Terminal => false,
    };
    match (allowed, issuer) {
        (true, _) => assert!(result.is_ok(), "{issuer:?} issues {role:?}"),
        // A terminal's key is never looked up to verify anything.
        (false, Role::Terminal) => assert_eq!(result, Err(CvcError::UnknownIssuer)),
        (false, _) => assert_eq!(result, Err(CvcError::Role), "{issuer:?} issues {role:?}"),
    }
}

#[test]
fn a_chain_of_another_terminal_type_is_refused() {
    let (root, ..) = country(Curve::P256);
    for kind in [TerminalType::InspectionSystem, TerminalType::SignatureTerminal] {
        let chat = Chat::new(kind, Role::OfficialVerifier, ALL_RIGHTS);
        let wish = Wish { chat, ..Wish::new("TWDVTEST00001", Role::OfficialVerifier, ALL_RIGHTS) };
        assert_eq!(card(&root).import(&root.issue(&wish).certificate), Err(CvcError::TerminalType));
    }
}

#[test]
fn self_made_and_changed_certificates_are_refused() {
    let (root, verifier, terminal) = country(Curve::P256);
    // The same names, made by somebody else.
    let mut false_root = Holder::root(Curve::P256, &Wish::new("TWCVCATEST00001", Role::Cvca, ALL_RIGHTS));
    false_root.key = SecretKey::generate(Curve::P256, &mut SeedRandom::new(b"somebody else"));
    let wish = Wish::new("TWDVTEST00001", Role::OfficialVerifier, ALL_RIGHTS);
    assert_eq!(card(&root).import(&false_root.issue(&wish).certificate), Err(CvcError::Signature));
    // Every single byte counts.
    let parts = verifier.certificate.to_parts();
    for at in 0..parts.len() {
        let mut changed = parts.clone();
        changed[at] ^= 0x01;
        let mut chain = card(&root);
        let accepted = Certificate::parse_parts(&changed).is_ok_and(|c| chain.import(&c).is_ok());
        assert!(!accepted, "byte {at}");
    }
    // Without its verifier a terminal is nobody.
    assert_eq!(card(&root).import(&terminal.certificate), Err(CvcError::UnknownIssuer));
}

// proves: CARD-57, EACPKI-05
#[test]
fn the_date_moves_forward_with_trusted_certificates_only() {
    let root = Holder::root(Curve::P256, &Wish::new("TWCVCATEST00001", Role::Cvca, ALL_RIGHTS));
    for (role, moves) in [(Role::OfficialVerifier, true), (Role::NonOfficialVerifier, false)] {
        let verifier = root.issue(&Wish::new("TWDVTEST00001", role, ALL_RIGHTS).period("260701", "261231"));
        let terminal =
            verifier.issue(&Wish::new("TWTERM00001", Role::Terminal, ALL_RIGHTS).period("260901", "260903"));
        let mut chain = card(&root);
        let updates = import_all(&mut chain, &[&verifier, &terminal]).expect("valid");
        assert_eq!(updates[0].date, Some(date("260701")));
        assert_eq!(updates[1].date, moves.then(|| date("260901")));
        // An older certificate does not turn it back.
        let older = root.issue(&Wish::new("TWDVOLD00001", role, ALL_RIGHTS).period("260101", "261231"));
        assert_eq!(chain.import(&older.certificate), Ok(Update::default()));
        assert_eq!(chain.date(), if moves { date("260901") } else { date("260701") });
    }
}

// proves: EACPKI-05, CARD-57
#[test]
fn expired_certificates_are_refused() {
    let root = Holder::root(Curve::P256, &Wish::new("TWCVCATEST00001", Role::Cvca, ALL_RIGHTS));
    let verifier = root.issue(&Wish::new("TWDVTEST00001", Role::OfficialVerifier, ALL_RIGHTS));
    let last_day = Wish::new("TWTERM00001", Role::Terminal, ALL_RIGHTS).period("260530", "260601");
    let yesterday = Wish::new("TWTERM00002", Role::Terminal, ALL_RIGHTS).period("260529", "260531");
    let mut chain = card(&root);
    chain.import(&verifier.certificate).expect("valid");
    assert!(chain.import(&verifier.issue(&last_day).certificate).is_ok());
    assert_eq!(chain.import(&verifier.issue(&yesterday).certificate), Err(CvcError::Expired));
    let expired = Wish::new("TWDVTEST00002", Role::OfficialVerifier, ALL_RIGHTS).period("260101", "260531");
    assert_eq!(chain.import(&root.issue(&expired).certificate), Err(CvcError::Expired));
    // Nobody issues after its own end, and where there is a clock nothing counts before its first day.
    let short = Wish::new("TWDVTEST00003", Role::OfficialVerifier, ALL_RIGHTS).period("260601", "260630");
    let late = Wish::new("TWTERM00003", Role::Terminal, ALL_RIGHTS).period("260701", "260702");
    let short = root.issue(&short);
    chain.import(&short.certificate).expect("valid");
    assert_eq!(chain.import(&short.issue(&late).certificate), Err(CvcError::NotYetValid));
    let certificates = [verifier.certificate.clone()];
    let result = validate_at(&root.trust_point(), &certificates, date("251231"));
    assert_eq!(result, Err(CvcError::NotYetValid));
    assert!(validate_at(&root.trust_point(), &certificates, date("260101")).is_ok());
}

// proves: EACPKI-03
#[test]
fn link_certificates_move_the_trust_point_and_two_are_kept() {
    let first = Holder::root(
        Curve::P256,
        &Wish::new("TWCVCATEST00001", Role::Cvca, ALL_RIGHTS).period("200101", "230101"),
    );
    // The card lay in a drawer: both roots that came meanwhile have expired by the date it knows.
    let link = |from: &Holder, name, period: (&'static str, &'static str)| {
        from.issue(&Wish::new(name, Role::Cvca, ALL_RIGHTS).period(period.0, period.1))
    };
    let second = link(&first, "TWCVCATEST00002", ("220101", "250101"));
    let third = link(&second, "TWCVCATEST00003", ("240101", "290101"));
    let mut chain = Chain::new(TrustPoints::new(first.trust_point()), date("251201"));
    let updates = import_all(&mut chain, &[&second, &third]).expect("valid");
    for update in &updates {
        assert!(update.trust_points.is_some());
    }
    // The first is gone, the second has expired: only the third remains.
    assert_eq!(chain.trust_points().current().reference(), &reference("TWCVCATEST00003"));
    assert_eq!(chain.trust_points().previous(), None);

    // While the old one is valid both are kept, and what the old one signs still counts.
    let mut chain = Chain::new(TrustPoints::new(first.trust_point()), date("220601"));
    let update = chain.import(&second.certificate).expect("valid");
    let stored = update.trust_points.expect("new trust points");
    assert_eq!(TrustPoints::decode(&stored.encode()), Ok(stored.clone()));
    assert_eq!(stored.previous().map(TrustPoint::reference), Some(&reference("TWCVCATEST00001")));
    let old = first
        .issue(&Wish::new("TWDVTEST00001", Role::OfficialVerifier, ALL_RIGHTS).period("220701", "221231"));
    assert!(chain.import(&old.certificate).is_ok());
    // The link again changes nothing; the old root cannot name another successor.
    assert_eq!(chain.import(&second.certificate), Ok(Update::default()));
    let rival = link(&first, "TWCVCARIVAL00001", ("220701", "290101"));
    assert_eq!(chain.import(&rival.certificate), Err(CvcError::Role));
    // A date after its end takes the old root away.
    let mut chain = Chain::new(stored, date("220601"));
    let later = second
        .issue(&Wish::new("TWDVTEST00002", Role::OfficialVerifier, ALL_RIGHTS).period("230601", "241231"));
    let update = chain.import(&later.certificate).expect("valid");
    assert_eq!(update.trust_points.expect("changed").previous(), None);
    assert_eq!(chain.import(&old.certificate), Err(CvcError::UnknownIssuer));
}

#[test]
fn links_that_lead_in_a_circle_end() {
    let (root, verifier, terminal) = country(Curve::P256);
    let second = root.issue(&Wish::new("TWCVCATEST00002", Role::Cvca, ALL_RIGHTS));
    let back = second.issue(&Wish::new("TWCVCATEST00001", Role::Cvca, ALL_RIGHTS));
    let other_key = Holder {
        key: SecretKey::generate(Curve::P256, &mut SeedRandom::new(b"another")),
        certificate: back.certificate.clone(),
    };
    let body = Body {
        public_key: PublicKey::explicit(&other_key.key.public_key()),
        ..back.certificate.body().clone()
    };
    let back = body.issue(sign(&second.key)).expect("signed");
    let mut chain = card(&root);
    chain.import(&second.certificate).expect("valid");
    assert_eq!(chain.import(&back), Err(CvcError::Loop));
    // Looking for a path through certificates that point at each other ends too.
    let certificates = [back, second.certificate.clone()];
    assert!(path(&certificates, &[reference("TWCVCATEST00009")], &reference("TWCVCATEST00002")).is_none());
    let all = [terminal.certificate.clone(), certificates[1].clone(), verifier.certificate.clone()];
    let found = path(&all, &[reference("TWCVCATEST00001")], &reference("TWTERM00001")).expect("a path");
    let names: Vec<String> = found.iter().map(|c| c.body().holder.to_string()).collect();
    assert_eq!(names, ["TWDVTEST00001", "TWTERM00001"]);
}

#[test]
fn keys_that_are_no_points_are_refused() {
    for curve in Curve::ALL {
        let (root, verifier, _) = country(curve);
        let point = verifier.key.public_key();
        let raw = verifier.certificate.body().public_key.raw().to_vec();
        let start = raw.len() - point.as_uncompressed().len();
        let zero = vec![0; 2 * curve.field_len()];
        let mut off = point.as_uncompressed()[1..].to_vec();
        *off.last_mut().expect("coordinates") ^= 1;
        let mut large = point.as_uncompressed()[1..].to_vec();
        large[..curve.field_len()].copy_from_slice(curve.parameters().p);
        for coordinates in [zero, off, large] {
            let mut changed = raw.clone();
            changed[start + 1..].copy_from_slice(&coordinates);
            let public_key = PublicKey::parse(&changed).expect("well formed");
            let body = Body { public_key, ..verifier.certificate.body().clone() };
            let certificate = body.issue(sign(&root.key)).expect("signed");
            assert_eq!(card(&root).import(&certificate), Err(CvcError::InvalidPoint), "{curve}");
        }
    }
}

#[test]
fn explicit_parameters_are_those_of_a_known_curve_or_none() {
    for curve in Curve::ALL {
        let key = SecretKey::generate(curve, &mut SeedRandom::new(b"explicit")).public_key();
        let public_key = PublicKey::explicit(&key);
        assert_eq!(public_key.resolve(None).expect("a key").point(), &key);
        assert_eq!(PublicKey::parse(public_key.raw()), Ok(public_key.clone()));
        // A change in any parameter makes it another curve, which is not ours: no chosen base point, no twist.
        let value = tlv::expect(public_key.raw(), 0x7F49).expect("an object").value;
        let objects = tlv::read_all(value).expect("objects");
        for changed in [0x81, 0x82, 0x83, 0x84, 0x85, 0x87] {
            let parts: Vec<u8> = objects
                .iter()
                .flat_map(|object| {
                    let mut value = object.value.to_vec();
                    if object.tag == changed {
                        *value.last_mut().expect("a number") ^= 2;
                    }
                    tlv::encode(object.tag, &value)
                })
                .collect();
            let key = PublicKey::parse(&tlv::encode(0x7F49, &parts)).expect("well formed");
            assert_eq!(key.resolve(Some(curve)), Err(CvcError::UnsupportedKey), "{curve} {changed:x}");
        }
        // All or none.
        for missing in [0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87] {
            let parts: Vec<u8> =
                objects.iter().filter(|o| o.tag != missing).flat_map(|o| o.raw.to_vec()).collect();
            assert!(PublicKey::parse(&tlv::encode(0x7F49, &parts)).is_err(), "{missing:x}");
        }
    }
}

#[test]
fn sha_1_signs_nothing() {
    let (root, verifier, _) = country(Curve::P256);
    let mut raw = root.certificate.body().public_key.raw().to_vec();
    let at = raw.windows(10).position(|w| w == tlv::oid::TA_ECDSA_SHA256.as_bytes()).expect("the algorithm");
    raw[at + 9] = 1;
    let body =
        Body { public_key: PublicKey::parse(&raw).expect("well formed"), ..root.certificate.body().clone() };
    let chain = Chain::new(
        TrustPoints::new(TrustPoint::decode(&body.encode()).expect("a trust point")),
        Date::EARLIEST,
    );
    assert_eq!(chain.clone().import(&verifier.certificate), Err(CvcError::UnsupportedKey));
}

// proves: EACPKI-04
#[test]
fn every_right_has_its_bit() {
    let bytes = |chat: Chat| tlv::find(&chat.to_value(), 0x53).expect("rights").value.to_vec();
    let chat = |rights| Chat::authentication(Role::Terminal, rights);
    // TR-03110-3 §C.4.2 counts from the least significant bit of five bytes.
    for number in 1..=22 {
        let right = Rights::read_dg(number).expect("a data group");
        assert_eq!(right.bits(), 1 << (number + 7));
        assert_eq!(Chat::from_value(&chat(right).to_value()), Ok(chat(right)));
    }
    for number in 17..=22 {
        assert_eq!(Rights::write_dg(number).expect("a data group").bits(), 1 << (54 - number));
    }
    assert_eq!((Rights::read_dg(23), Rights::write_dg(16)), (None, None));
    assert_eq!(bytes(chat(Rights::AGE_VERIFICATION)), [0, 0, 0, 0, 1]);
    assert_eq!(bytes(chat(Rights::PIN_MANAGEMENT.with(Rights::CAN_ALLOWED))), [0, 0, 0, 0, 0x30]);
    assert_eq!(bytes(chat(Rights::WRITE_DG17)), [0x20, 0, 0, 0, 0]);
    assert_eq!(bytes(Chat::authentication(Role::Cvca, Rights::NONE)), [0xC0, 0, 0, 0, 0]);
    assert_eq!(
        bytes(Chat::authentication(Role::OfficialVerifier, ALL_RIGHTS)),
        [0xBF, 0xFF, 0xFF, 0xFF, 0xFF]
    );
    let names: Vec<&str> = Rights::READ_DG9.with(Rights::READ_DG11).names().collect();
    assert_eq!(names, ["READ_DG11", "READ_DG9"]);
    assert_eq!(Rights::NAMED.len(), 6 + 1 + 22 + 8);
}

#[test]
fn references_and_dates_have_one_form() {
    for (text, valid) in [
        ("TWCVCATEST00001", true),
        ("TW00001", false),
        ("TWA00001", true),
        ("twCVCA00001", false),
        ("TWMNEMONIC00001", true),
        ("TWMNEMONICX00001", true),
        ("TWMNEMONICXY00001", false),
        ("T1CVCA00001", false),
        ("TWCVCA0000-", false),
        ("TWÄÖÜ0000A", true),
        ("TW中文00001", false),
        ("", false),
    ] {
        assert_eq!(text.parse::<Reference>().is_ok(), valid, "{text}");
    }
    let name = reference("TWCVCATEST00001");
    assert_eq!(
        (name.country(), name.mnemonic(), name.sequence()),
        ("TW".into(), "CVCATEST".into(), "00001".into())
    );
    assert!(name.same_holder(&reference("TWCVCATEST00002")) && !name.same_holder(&reference("TWCVCA00001")));
    assert_eq!(Reference::new("TW", "CVCATEST", "00001"), Ok(name));
    for digits in
        [[2, 6, 1, 3, 0, 1], [2, 6, 0, 2, 2, 9], [2, 6, 0, 0, 0, 1], [2, 6, 0, 1, 0, 0], [2, 6, 0, 1, 0, 10]]
    {
        assert!(Date::from_bytes(&digits).is_err(), "{digits:?}");
    }
    assert!(Date::from_bytes(&[2, 8, 0, 2, 2, 9]).is_ok());
    assert!(Date::new(2100, 1, 1).is_err() && Date::new(1999, 12, 31).is_err());
    assert!(date("260101") < date("260102") && date("251231") < date("260101"));
}

#[test]
fn requests_prove_both_keys() {
    let (root, verifier, terminal) = country(Curve::P521);
    let (old, new) = (&terminal.key, SecretKey::generate(Curve::P521, &mut SeedRandom::new(b"new")));
    let holder = reference("TWTERM00002");
    let authority = Some(verifier.certificate.body().holder.clone());
    let extensions = Extensions::new(vec![Extension::description(vec![7; 64])]).expect("one");
    let request = Request::create::<CvcError>(
        authority.clone(),
        holder.clone(),
        &new.public_key(),
        extensions.clone(),
        sign(&new),
    )
    .expect("signed by itself");
    assert_eq!(Request::parse(&request.encode()), Ok(request.clone()));
    assert_eq!((request.authority(), request.holder()), (authority.as_ref(), &holder));
    assert_eq!((request.key().point(), request.extensions()), (&new.public_key(), &extensions));
    assert_eq!(request.verify_authentication(request.key()), Err(CvcError::Signature));

    let outer = terminal.certificate.body().holder.clone();
    let request = request.authenticate::<CvcError>(outer.clone(), sign(old)).expect("signed");
    let read = Request::parse(&request.encode()).expect("well formed");
    assert_eq!((&read, read.authenticated_by()), (&request, Some(&outer)));
    let old_key = terminal.certificate.key(Some(Curve::P521)).expect("a key");
    assert_eq!(read.verify_authentication(&old_key), Ok(()));
    let root_key = root.certificate.key(None).expect("a key");
    assert_eq!(read.verify_authentication(&root_key), Err(CvcError::Signature));
    // A request that is changed, or signed by another key than its own, is none.
    let bytes = read.encode();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        let accepted = Request::parse(&changed).is_ok_and(|r| r.verify_authentication(&old_key).is_ok());
        assert!(!accepted, "byte {at}");
    }
    let stolen =
        Request::create::<CvcError>(None, holder, &new.public_key(), Extensions::default(), sign(old));
    assert_eq!(stolen, Err(CvcError::Signature));
}

#[test]
fn what_is_too_long_or_padded_is_refused() {
    let (_, _, terminal) = country(Curve::P256);
    let bytes = terminal.certificate.encode();
    assert_eq!(Certificate::parse(&[&bytes[..], &[0]].concat()), Err(CvcError::Malformed("certificate")));
    let long = tlv::encode(0x7F21, &vec![0; 5_000]);
    assert_eq!(Certificate::parse(&long), Err(CvcError::TooLong));
    let many: Vec<Extension> = (0..9).map(|_| Extension::description(vec![1])).collect();
    assert!(Extensions::new(many).is_err());
    assert!(Extensions::parse(&tlv::encode(0x65, &[])).is_err());
    let twice = vec![Extension::description(vec![1]), Extension::description(vec![2])];
    assert!(Extensions::new(twice).is_err());
}

proptest! {
    #[test]
    fn certificates_come_back(
        rights in 0u64..1 << 38,
        updates in any::<u16>(),
        role in prop::sample::select(Role::ALL.to_vec()),
        day in 1u8..28,
        hash in prop::collection::vec(any::<u8>(), 0..65),
    ) {
        let key = SecretKey::generate(Curve::P256, &mut SeedRandom::new(b"prop"));
        let body = Body {
            authority: reference("TWCVCATEST00001"),
            public_key: PublicKey::inheriting(&key.public_key()),
            holder: reference("TWTERM00001"),
            chat: Chat::authentication(role, Rights::from_bits(rights)),
            effective: Date::new(2026, 1, day).expect("a date"),
            expiration: Date::new(2026, 2, day).expect("a date"),
            extensions: Extensions::new(vec![
                Extension::description(hash),
                Extension::updates(UpdateRights::from_bits(updates)),
            ])
            .expect("two"),
        };
        prop_assert_eq!(Body::parse(&body.encode()), Ok(body.clone()));
        let certificate = body.issue(sign(&key)).expect("signed");
        prop_assert_eq!(Certificate::parse(&certificate.encode()), Ok(certificate));
    }

    #[test]
    fn arbitrary_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (Certificate::parse(&input), Request::parse(&input), Chat::parse(&input), Extensions::parse(&input));
        let _ = (Body::parse(&tlv::encode(0x7F4E, &input)), Extensions::parse(&tlv::encode(0x65, &input)));
        let _ = eac::cvc::CertificateDescription::parse(&tlv::encode(0x30, &input));
    }

    #[test]
    fn rights_never_grow_along_a_chain(root in 0u64..1 << 38, verifier in 0u64..1 << 38, terminal in 0u64..1 << 38) {
        let root_holder = Holder::root(Curve::P256, &Wish::new("TWCVCATEST00001", Role::Cvca, Rights::from_bits(root)));
        let verifier_holder =
            root_holder.issue(&Wish::new("TWDVTEST00001", Role::OfficialVerifier, Rights::from_bits(verifier)));
        let terminal_holder =
            verifier_holder.issue(&Wish::new("TWTERM00001", Role::Terminal, Rights::from_bits(terminal)));
        let mut chain = card(&root_holder);
        import_all(&mut chain, &[&verifier_holder, &terminal_holder]).expect("valid");
        let effective = chain.terminal().expect("a terminal").authorisation.chat.rights().bits();
        prop_assert_eq!(effective, root & verifier & terminal);
    }
}
