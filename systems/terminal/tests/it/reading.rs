//! One card that is right in every respect, then every way in which a card can be wrong.

use std::time::Duration;

use curve::{Curve, Hash, SeedRandom};
use eac::cvc::{Rights, UpdateRights};
use eac::pace::Parameters;
use eac::security_infos::encode_set;
use eac::{Cipher, Password};
use lds::DataGroup;
use terminal::{
    CardStatus, CheckKind, Lengths, Outcome, ReadOptions, ReadReport, Refusal, TrustStore, Verdict, read_card,
};

use crate::country::{self, COUNTRY, Country, now};
use crate::emrtd::{App, Emrtd, Whims};
use crate::{eid, ours};

fn read(card: &mut Emrtd, password: &Password, trust: &TrustStore) -> ReadReport {
    read_card(card, password, trust, &ReadOptions::default(), now(), &mut SeedRandom::new(b"terminal"))
}

fn read_well(card: &mut Emrtd) -> ReadReport {
    read(card, &Password::can("000123"), &COUNTRY.trust())
}

#[track_caller]
fn assert_verified(report: &ReadReport) {
    let open: Vec<_> = report.checks.iter().filter(|c| c.outcome != Outcome::Passed).collect();
    assert_eq!(report.verdict, Verdict::Verified, "{open:?}");
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!((open[0].check, open[0].refusal), (CheckKind::CardStatus, Some(Refusal::StatusUnknown)));
}

#[track_caller]
fn assert_refused(report: &ReadReport, check: CheckKind, refusal: Refusal) {
    assert_eq!(report.verdict, Verdict::Refused, "{:?}", report.checks);
    let found = report.check(check).unwrap_or_else(|| panic!("no {check:?} in {:?}", report.checks));
    assert_eq!((found.outcome, found.refusal), (Outcome::Failed, Some(refusal)), "{:?}", report.checks);
}

// proves: CARD-27, DOCPKI-06, DOCPKI-13
#[test]
fn a_good_card_is_verified_and_its_status_is_another_question() {
    let mut card = Emrtd::new(20_000);
    let mut report = read_well(&mut card);
    assert_verified(&report);
    assert_eq!(report.statements.signature_valid, Outcome::Passed);
    assert_eq!(report.statements.chip_genuine, Outcome::Passed);
    assert_eq!(report.statements.household_signature_valid, Outcome::Passed);
    assert_eq!(report.statements.card_status, CardStatus::Unknown);
    assert!(report.public_zone() == Some(&country::public_zone(20_000)));
    assert_eq!(report.file("portrait.jpg"), Some(&country::jpeg(20_000)[..]));
    let names: Vec<_> = report.files().iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "dg1.bin",
            "dg11.bin",
            "dg12.bin",
            "dg13.bin",
            "dg14.bin",
            "dg15.bin",
            "dg2.bin",
            "ef_card_access.bin",
            "ef_com.bin",
            "ef_sod.bin",
            "household.bin",
            "portrait.jpg",
        ]
    );
    for (name, content) in report.files() {
        if let Ok(group) = name.parse::<DataGroup>() {
            assert_eq!(content, card.files[&(App::Public, group.fid())]);
        }
    }
    // The issuer says that the card is suspended: the two other statements stay what they were.
    let as_of = "as of 2026-08-05T03:00:00Z";
    report.set_card_status(CardStatus::Suspended, as_of.into());
    assert_eq!(report.check(CheckKind::CardStatus).map(|check| check.detail.as_str()), Some(as_of));
    assert_eq!(report.statements.signature_valid, Outcome::Passed);
    assert_eq!(report.statements.chip_genuine, Outcome::Passed);
    assert_refused(&report, CheckKind::CardStatus, Refusal::CardSuspended);
    report.set_card_status(CardStatus::Valid, String::new());
    assert_eq!((report.verdict, report.refusal()), (Verdict::Verified, None));
}

#[test]
fn the_report_is_json_in_both_languages_and_debug_shows_nobody() {
    let report = read_well(&mut Emrtd::new(1000));
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("JSON");
    assert_eq!(json["verdict"], "verified");
    assert_eq!(json["statements"]["card_status"], "unknown");
    assert_eq!(json["holder"]["public_zone"]["chinese_name"], "陳\u{2000B}玲");
    assert_eq!(json["holder"]["public_zone"]["renewal"]["roc"], "民國125年11月20日");
    assert_eq!(json["holder"]["mrz"][0].as_str().map(str::len), Some(30));
    let status = json["checks"].as_array().expect("checks").last().expect("a check");
    assert_eq!(status["refusal"]["code"], "TERMINAL-W-STATUS-UNKNOWN");
    assert!(status["refusal"]["remedy"]["zh_hant"].as_str().is_some_and(|text| !text.is_empty()));
    let debug = format!("{report:?}");
    for secret in ["陳", "CHEN", "A223456781", "000123"] {
        assert!(!debug.contains(secret), "{debug}");
    }
}

#[test]
fn address_and_military_category_are_told_to_whoever_asks_for_them() {
    let zone = country::public_zone(1000);
    let told = |address: bool| {
        let options = ReadOptions { address, ..ReadOptions::default() };
        let (mut card, can) = (Emrtd::new(1000), Password::can("000123"));
        let report =
            read_card(&mut card, &can, &COUNTRY.trust(), &options, now(), &mut SeedRandom::new(b"terminal"));
        assert_verified(&report);
        assert!(report.public_zone() == Some(&zone), "the program that reads has all it verified");
        report.to_json()
    };
    let (silent, whole) = (told(false), told(true));
    let village = zone.address.village.clone();
    for secret in [zone.address.zh(), zone.address.rest.clone(), village, "military_service".to_owned()] {
        assert!(!silent.contains(&secret) && whole.contains(&secret), "{secret}: {silent}");
    }
    let json: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
    let fields = &json["holder"]["public_zone"];
    assert_eq!(fields["village_code"], zone.address.village_code);
    assert_eq!(fields["military_service"]["code"], zone.military_service.code);
    let silent: serde_json::Value = serde_json::from_str(&silent).expect("JSON");
    assert!(silent["holder"]["public_zone"]["village_code"].is_null(), "{silent}");
    // The household zone says most of the address. That it was read and is the country's is said in any case.
    assert_eq!(json["household"]["village_code"], zone.address.village_code);
    assert!(silent["household"].is_null(), "{silent}");
    assert_eq!(silent["statements"]["household_signature_valid"], "passed");
    // Both say to what handing the card over is the consent.
    for json in [&json, &silent] {
        let consent = &json["consent"];
        let said =
            |language: &str, words: &str| consent[language].as_str().is_some_and(|t| t.contains(words));
        assert!(said("zh_hant", "同意") && said("en", "consents"), "{consent}");
    }
}

// proves: CARD-25
#[test]
fn can_and_mrz_open_the_card_and_nothing_else_does() {
    assert_verified(&read(&mut Emrtd::new(500), &Password::can("000123"), &COUNTRY.trust()));
    let mrz = || Password::mrz("TWA000123", "900805", "361120");
    let mut card = Emrtd::new(500);
    card.password = mrz();
    assert_verified(&read(&mut card, &mrz(), &COUNTRY.trust()));

    let mut card = Emrtd::new(500);
    let report = read(&mut card, &Password::can("000124"), &COUNTRY.trust());
    assert_refused(&report, CheckKind::SecureChannel, Refusal::WrongPassword);
    // Nothing of the public zone came out.
    assert!(report.holder.is_none() && report.file("dg1.bin").is_none());
    assert_eq!(report.statements.signature_valid, Outcome::Unknown);
    let report = read(&mut Emrtd::new(500), &Password::puk(b"1234567890"), &COUNTRY.trust());
    assert_refused(&report, CheckKind::SecureChannel, Refusal::PasswordBlocked);
}

// proves: CARD-02
#[test]
fn cards_with_whims_are_read_all_the_same() {
    let whims = Whims::default();
    for (i, whims) in [
        Whims { no_short_identifiers: true, ..whims },
        Whims { no_extended_length: true, ..whims },
        Whims { no_master_file: true, ..whims },
        Whims { strict_end: true, ..whims },
        Whims { household_in_channel: true, ..whims },
        Whims {
            no_short_identifiers: true,
            no_extended_length: true,
            no_master_file: true,
            strict_end: true,
            ..whims
        },
    ]
    .into_iter()
    .enumerate()
    {
        // More than 32,767 bytes, so that offsets leave what READ BINARY B0 can name.
        let mut card = Emrtd::new(40_000).with(whims);
        let report = read_well(&mut card);
        assert_verified(&report);
        assert_eq!(
            report.file("portrait.jpg").map(<[u8]>::len),
            Some(country::jpeg(40_000).len()),
            "whim {i}"
        );
    }
}

#[test]
fn lengths_can_be_ordered() {
    let count = |lengths| {
        let mut card = Emrtd::new(40_000);
        let options = ReadOptions { lengths, ..ReadOptions::default() };
        let mut rng = SeedRandom::new(b"terminal");
        assert_verified(&read_card(
            &mut card,
            &Password::can("000123"),
            &COUNTRY.trust(),
            &options,
            now(),
            &mut rng,
        ));
        card.commands
    };
    let (short, usual, long) =
        (count(Some(Lengths::Short)), count(None), count(Some(Lengths::Extended { response: 65_535 })));
    assert!(short > 200 && usual < 90 && long < 40, "{short} {usual} {long}");
}

// proves: CARD-02
#[test]
fn a_document_of_another_issuer_with_few_data_groups() {
    let mut card = Emrtd::new(700);
    card.aid = terminal::commands::AID_EMRTD.to_vec();
    card.files.retain(|(app, fid), _| *app == App::Master || *fid == 0x0101 || *fid == 0x0102);
    card.files.remove(&(App::Household, 0x0101));
    let mut files = lds::public_zone::Files::new();
    for group in [DataGroup::Dg1, DataGroup::Dg2] {
        files.insert(group, card.file(group).clone());
    }
    let sod = COUNTRY.security_object(&files);
    card.files.insert((App::Public, 0x011D), sod);
    let report = read_well(&mut card);
    // No EF.COM, no DG15: nothing failed, but nobody can say whether the chip is a copy.
    assert_eq!(report.verdict, Verdict::Unproven, "{:?}", report.checks);
    assert_eq!(report.application, Some("emrtd"));
    assert_eq!(report.statements.signature_valid, Outcome::Passed);
    assert_eq!(report.statements.chip_genuine, Outcome::Unknown);
    assert_eq!(report.check(CheckKind::Chip).and_then(|c| c.refusal), Some(Refusal::NoActiveAuthentication));
    assert!(report.check(CheckKind::Household).is_none());
    assert_eq!(report.holder.as_ref().map(|h| h.document_number.as_str()), Some("TWA000123"));
    assert!(report.public_zone().is_none() && report.file("portrait.jpg").is_some());
}

// proves: DOCPKI-06
#[test]
fn changed_data_groups_are_named() {
    for group in [DataGroup::Dg1, DataGroup::Dg2, DataGroup::Dg11, DataGroup::Dg12, DataGroup::Dg13] {
        let mut card = Emrtd::new(700);
        let last = card.file(group).len() - 1;
        card.file(group)[last] ^= 0x01;
        let report = read_well(&mut card);
        assert_refused(&report, CheckKind::DataGroups, Refusal::GroupAltered);
        assert_eq!(report.check(CheckKind::DataGroups).map(|c| c.detail.as_str()), Some(group.name()));
        assert_eq!(report.statements.signature_valid, Outcome::Failed);
        assert_eq!(report.check(CheckKind::SecurityObject).map(|c| c.outcome), Some(Outcome::Passed));
        let changed: Vec<_> = report.data_groups.iter().filter(|g| g.outcome == "mismatched").collect();
        assert_eq!(changed.len(), 1);
    }
}

// proves: DOCPKI-06
#[test]
fn a_forged_security_object_is_found_out() {
    // Changed after it was signed.
    let mut card = Emrtd::new(700);
    let sod = card.file(DataGroup::Sod);
    let hash = lds::sod::unwrap(sod).expect("CMS").to_vec();
    let position = sod.len() - hash.len() + 200;
    sod[position] ^= 1;
    let report = read_well(&mut card);
    assert_eq!(report.verdict, Verdict::Refused);
    let refusal = report.check(CheckKind::SecurityObject).and_then(|c| c.refusal);
    assert!(
        matches!(refusal, Some(Refusal::SignatureInvalid | Refusal::SecurityObjectMalformed)),
        "{refusal:?}"
    );

    // The last byte belongs to the signature value.
    let mut card = Emrtd::new(700);
    *card.file(DataGroup::Sod).last_mut().expect("bytes") ^= 1;
    assert_refused(&read_well(&mut card), CheckKind::SecurityObject, Refusal::SignatureInvalid);

    // Signed by somebody else with the same names.
    let mut card = Emrtd::new(700);
    let forger = Country::new("forger", COUNTRY.signer.validity());
    let sod =
        country::signed_files(&forger, &country::public_zone(700)).remove(&DataGroup::Sod).expect("EF.SOD");
    *card.file(DataGroup::Sod) = sod;
    let report = read_well(&mut card);
    assert_refused(&report, CheckKind::Signer, Refusal::SignerUntrusted);
    assert_eq!(report.statements.signature_valid, Outcome::Failed);
    // Its signature is in order, and the chip signs; but nobody trusted vouches for the chip's key.
    assert_eq!(report.check(CheckKind::SecurityObject).map(|c| c.outcome), Some(Outcome::Passed));
    assert_eq!(report.statements.chip_genuine, Outcome::Unknown);

    let mut card = Emrtd::new(700);
    *card.file(DataGroup::Sod) = vec![0x77, 0x02, 0x30, 0x00];
    assert_refused(&read_well(&mut card), CheckKind::SecurityObject, Refusal::SecurityObjectMalformed);

    let mut card = Emrtd::new(700);
    card.files.remove(&(App::Public, 0x011D));
    let report = read_well(&mut card);
    assert_refused(&report, CheckKind::SecurityObject, Refusal::NoSecurityObject);
    assert_eq!(report.statements.signature_valid, Outcome::Failed);
}

// proves: DOCPKI-06
#[test]
fn trust_validity_and_revocation_of_the_signer() {
    let can = Password::can("000123");
    let report = read(&mut Emrtd::new(700), &can, &TrustStore::new());
    assert_refused(&report, CheckKind::Signer, Refusal::SignerUntrusted);

    let mut revoking = TrustStore::new();
    revoking.add_certificate(COUNTRY.csca.clone());
    revoking.add_crl(COUNTRY.crl(true));
    let report = read(&mut Emrtd::new(700), &can, &revoking);
    assert_refused(&report, CheckKind::SignerRevocation, Refusal::SignerRevoked);
    assert_refused(&report, CheckKind::Household, Refusal::SignerRevoked);
    assert_eq!(report.statements.signature_valid, Outcome::Failed);
    assert_eq!(report.statements.chip_genuine, Outcome::Unknown);

    // Without a list the reading is not refused, but says so.
    let mut silent = TrustStore::new();
    silent.add_certificate(COUNTRY.csca.clone());
    let report = read(&mut Emrtd::new(700), &can, &silent);
    assert_eq!(report.verdict, Verdict::Verified);
    let revocation = report.check(CheckKind::SignerRevocation).expect("a check");
    assert_eq!(
        (revocation.outcome, revocation.refusal),
        (Outcome::Unknown, Some(Refusal::RevocationUnknown))
    );

    let old = Country::with_expired_signer();
    let mut card = Emrtd::new(700);
    *card.file(DataGroup::Sod) =
        country::signed_files(&old, &country::public_zone(700)).remove(&DataGroup::Sod).expect("EF.SOD");
    assert_refused(&read(&mut card, &can, &old.trust()), CheckKind::Signer, Refusal::SignerExpired);
}

// proves: DOCPKI-07, DOCPKI-09
#[test]
fn a_copied_chip_is_found_out() {
    // All files copied, but not the key.
    let mut card = Emrtd::new(700);
    card.chip_key = Some(country::chip_key("copy"));
    let report = read_well(&mut card);
    assert_refused(&report, CheckKind::Chip, Refusal::ActiveAuthenticationFailed);
    assert_eq!(report.statements.signature_valid, Outcome::Passed, "the data are still what was signed");
    assert_eq!(report.statements.chip_genuine, Outcome::Failed);

    // No key at all.
    let mut card = Emrtd::new(700);
    card.chip_key = None;
    assert_refused(&read_well(&mut card), CheckKind::Chip, Refusal::ActiveAuthenticationFailed);

    // The key of the copy in DG15: it signs well, but nobody vouches for it.
    let mut card = Emrtd::new(700);
    let key = country::chip_key("copy");
    *card.file(DataGroup::Dg15) =
        lds::dg15::encode(&curve::spki_from_point(&key.public_key())).expect("encodes");
    card.chip_key = Some(key);
    let report = read_well(&mut card);
    assert_refused(&report, CheckKind::Chip, Refusal::ActiveAuthenticationUnsigned);
    assert_refused(&report, CheckKind::DataGroups, Refusal::GroupAltered);

    // DG15 held back although the security object promises it.
    let mut card = Emrtd::new(700);
    card.files.remove(&(App::Public, 0x010F));
    let report = read_well(&mut card);
    assert_refused(&report, CheckKind::Chip, Refusal::ActiveAuthenticationFailed);
    assert_refused(&report, CheckKind::Files, Refusal::GroupMissing);
}

// proves: DOCPKI-07
#[test]
fn an_unsigned_data_group_is_found_out() {
    let mut card = Emrtd::new(700);
    let mut files = lds::public_zone::Files::new();
    for group in DataGroup::PUBLIC_ZONE.into_iter().filter(|g| !matches!(g, DataGroup::Sod | DataGroup::Dg15))
    {
        files.insert(group, card.file(group).clone());
    }
    *card.file(DataGroup::Sod) = COUNTRY.security_object(&files);
    let report = read_well(&mut card);
    assert_refused(&report, CheckKind::DataGroups, Refusal::GroupUnsigned);
    assert_refused(&report, CheckKind::Chip, Refusal::ActiveAuthenticationUnsigned);
}

#[test]
fn contents_that_contradict_themselves() {
    // Well signed, but not what our format says.
    let resign = |card: &mut Emrtd| {
        let mut files = lds::public_zone::Files::new();
        for group in DataGroup::PUBLIC_ZONE.into_iter().filter(|g| *g != DataGroup::Sod) {
            files.insert(group, card.file(group).clone());
        }
        *card.file(DataGroup::Sod) = COUNTRY.security_object(&files);
    };
    let mut card = Emrtd::new(700);
    let dg1 = card.file(DataGroup::Dg1);
    let position = dg1.windows(6).position(|w| w == b"900805").expect("the date of birth");
    dg1[position + 5] = b'6';
    resign(&mut card);
    assert_refused(&read_well(&mut card), CheckKind::Contents, Refusal::MrzInvalid);

    let mut card = Emrtd::new(700);
    *card.file(DataGroup::Dg13) = DataGroup::Dg13.wrap(&[]);
    resign(&mut card);
    let report = read_well(&mut card);
    assert_refused(&report, CheckKind::Contents, Refusal::GroupMalformed);
    assert_eq!(report.statements.signature_valid, Outcome::Passed);
}

#[test]
fn an_expired_card_is_told_apart_from_a_forged_one() {
    let read_at = |time: &str| {
        let mut trust = TrustStore::new();
        trust.add_certificate(COUNTRY.csca.clone());
        let time = time.parse().expect("a time");
        let mut rng = SeedRandom::new(b"terminal");
        let options = ReadOptions::default();
        read_card(&mut Emrtd::new(700), &Password::can("000123"), &trust, &options, time, &mut rng)
    };
    // The last day is a valid one, in Taipei.
    let report = read_at("2036-11-20T15:59:59Z");
    assert_eq!(report.verdict, Verdict::Verified, "{:?}", report.checks);
    let report = read_at("2036-11-20T16:00:00Z");
    assert_refused(&report, CheckKind::Expiry, Refusal::DocumentExpired);
    assert_eq!(report.statements.signature_valid, Outcome::Passed);
}

#[test]
fn the_household_zone_has_its_own_signature() {
    let household = (App::Household, 0x0101);
    let mut card = Emrtd::new(700);
    *card.files.get_mut(&household).expect("a file").last_mut().expect("bytes") ^= 1;
    let report = read_well(&mut card);
    assert_refused(&report, CheckKind::Household, Refusal::SignatureInvalid);
    assert_eq!(report.statements.signature_valid, Outcome::Passed);
    assert_eq!(report.statements.household_signature_valid, Outcome::Failed);

    let mut card = Emrtd::new(700);
    let forger = Country::new("forger", COUNTRY.signer.validity());
    let data = country::household().encode().expect("encodes");
    card.files.insert(household, forger.sign(tlv::oid::HOUSEHOLD_DATA, &data));
    assert_refused(&read_well(&mut card), CheckKind::Household, Refusal::SignerUntrusted);

    // A true one, of the next neighbourhood: the signature cannot tell, the registered address can.
    let mut card = Emrtd::new(700);
    let next = lds::household::HouseholdData {
        neighbourhood: country::household().neighbourhood + 1,
        ..country::household()
    };
    let signed = COUNTRY.sign(tlv::oid::HOUSEHOLD_DATA, &next.encode().expect("encodes"));
    card.files.insert(household, signed);
    assert_refused(&read_well(&mut card), CheckKind::Household, Refusal::HouseholdElsewhere);

    let mut card = Emrtd::new(700);
    card.files.insert(household, COUNTRY.sign(tlv::oid::HOUSEHOLD_DATA, b"not household data"));
    assert_refused(&read_well(&mut card), CheckKind::Household, Refusal::HouseholdMalformed);

    // The right data, signed by the right signer as something else.
    let mut card = Emrtd::new(700);
    card.files.insert(household, COUNTRY.sign(tlv::oid::CMS_DATA, &data));
    assert_refused(&read_well(&mut card), CheckKind::Household, Refusal::HouseholdMalformed);
}

#[test]
fn a_card_that_leaves_the_reader_at_any_command() {
    let whole = {
        let mut card = Emrtd::new(700);
        read_well(&mut card);
        card.commands
    };
    for last in 0..whole {
        let mut card = Emrtd::new(700).with(Whims { gone_after: Some(last), ..Whims::default() });
        let report = read_well(&mut card);
        assert_eq!(report.verdict, Verdict::Refused);
        assert_eq!(report.refusal(), Some(Refusal::CardGone), "after {last} commands: {:?}", report.checks);
    }
}

#[test]
fn a_disturbed_answer_never_becomes_data() {
    let whole = {
        let mut card = Emrtd::new(700);
        read_well(&mut card);
        card.commands
    };
    let honest = country::public_zone(700);
    for disturbed in 1..=whole {
        let mut card = Emrtd::new(700).with(Whims { disturbed: Some(disturbed), ..Whims::default() });
        let report = read_well(&mut card);
        // EF.DIR and EF.ATR/INFO are absent on this card: their refusals carry no data to disturb.
        if report.verdict == Verdict::Verified {
            assert!(report.public_zone() == Some(&honest), "answer {disturbed}");
        } else {
            assert!(report.public_zone().is_none_or(|zone| *zone == honest), "answer {disturbed}");
        }
    }
}

#[test]
fn what_a_card_offers_decides() {
    let mut card = Emrtd::new(700);
    card.files.remove(&(App::Master, 0x011C));
    assert_refused(&read_well(&mut card), CheckKind::SecureChannel, Refusal::NoCardAccess);
    let mut card = Emrtd::new(700);
    // PACE with DH over integers only.
    card.files.insert(
        (App::Master, 0x011C),
        hex::decode("31143012060A04007F00070202040102020102020102").expect("hex"),
    );
    assert_refused(&read_well(&mut card), CheckKind::SecureChannel, Refusal::PaceUnsupported);
    let mut card = Emrtd::new(700);
    card.aid = vec![1, 2, 3];
    assert_refused(&read_well(&mut card), CheckKind::Files, Refusal::NoPublicZone);
}

#[test]
fn a_weakened_ef_card_access_is_found_out() {
    // Somebody between card and reader offers what the card was not issued with.
    let weak = Parameters::generic(Curve::P256, Cipher::Aes128);
    let mut card = Emrtd::new(700);
    card.offers.push(weak);
    card.files.insert((App::Master, 0x011C), encode_set(&[weak.info()]));
    let report = read_well(&mut card);
    assert_refused(&report, CheckKind::SecureChannel, Refusal::CardAccessAltered);
    // Somebody takes the stronger entry away: what is left is signed too, and still it is found out.
    let mut card = Emrtd::new(700);
    card.files.insert((App::Master, 0x011C), encode_set(&[country::BOTH[1].info()]));
    assert_refused(&read_well(&mut card), CheckKind::SecureChannel, Refusal::CardAccessAltered);
    // An entry too many is no better, even if the reader does not take it.
    let mut card = Emrtd::new(700);
    let infos = [country::BOTH[0].info(), country::BOTH[1].info(), weak.info()];
    card.files.insert((App::Master, 0x011C), encode_set(&infos));
    assert_refused(&read_well(&mut card), CheckKind::SecureChannel, Refusal::CardAccessAltered);
    // Another order is no attack: the reader takes the strongest wherever it stands.
    let mut card = Emrtd::new(700);
    let turned = [country::BOTH[1].info(), country::BOTH[0].info()];
    card.files.insert((App::Master, 0x011C), eac::security_infos::encode_set_in_order(&turned));
    let report = read_well(&mut card);
    assert_verified(&report);
    assert_eq!(report.channel.as_ref().map(|c| c.curve), Some(Curve::P521.name()));
}

/// The eight features that a reader verifies, each spoiled on a card that is good otherwise.
// proves: CARDFACE-17
#[test]
fn each_information_security_feature_is_verified() {
    let spoiled = |spoil: &dyn Fn(&mut Emrtd), check, refusal| {
        let mut card = Emrtd::new(700);
        spoil(&mut card);
        assert_refused(&read_well(&mut card), check, refusal);
    };
    let altered = |group, at| {
        spoiled(&|card| card.file(group)[at] ^= 0x01, CheckKind::DataGroups, Refusal::GroupAltered);
    };
    // 卡片序號: TWA000123 in the machine readable zone, with another last digit.
    let serial = Emrtd::new(700).file(DataGroup::Dg1).windows(9).position(|w| w == b"TWA000123");
    altered(DataGroup::Dg1, serial.expect("the serial number") + 8);
    // Chip ID: sealed in a card that is in use (CARD-52); what tells the chip from another is the key that was signed for it.
    let copied = |card: &mut Emrtd| card.chip_key = Some(country::chip_key("copy"));
    spoiled(&copied, CheckKind::Chip, Refusal::ActiveAuthenticationFailed);
    // 公開區讀取碼: nothing is read with another one.
    let report = read(&mut Emrtd::new(700), &Password::can("000124"), &COUNTRY.trust());
    assert_refused(&report, CheckKind::SecureChannel, Refusal::WrongPassword);
    assert!(report.holder.is_none());
    // PIN1, for the encrypted zone.
    let terminal = eid::identity(Rights::READ_DG9, UpdateRights::NONE);
    let wrong = Password::pin(b"000001");
    let refusal = eid::refusal(eid::channel("national"), &wrong, &terminal, &COUNTRY.trust());
    assert_eq!(refusal, Refusal::Pin1Wrong);
    // PIN2, for the keys.
    let mut zone = ours::national();
    let wrong = zone.verify_pin2(&ours::secret(b"99999999")).expect_err("another PIN2");
    assert_eq!((wrong.refusal(), zone.sign_rsa(Hash::Sha256, b"text").is_err()), (Refusal::Pin2Wrong, true));
    // 唯讀資料: the portrait, the date of issue.
    for group in [DataGroup::Dg2, DataGroup::Dg12] {
        let last = Emrtd::new(700).file(group).len() - 1;
        altered(group, last);
    }
    // 機讀區: a check digit, though the issuer had signed it.
    let printed = |card: &mut Emrtd| {
        let dg1 = card.file(DataGroup::Dg1);
        let digit = dg1.windows(6).position(|w| w == b"900805").expect("the date of birth") + 6;
        dg1[digit] = if dg1[digit] == b'0' { b'1' } else { b'0' };
        let groups = DataGroup::PUBLIC_ZONE.into_iter().filter(|group| *group != DataGroup::Sod);
        let files = groups.map(|group| (group, card.file(group).clone())).collect();
        *card.file(DataGroup::Sod) = COUNTRY.security_object(&files);
    };
    spoiled(&printed, CheckKind::Contents, Refusal::MrzInvalid);
    // 安全通道: an answer in it that was changed on its way.
    let mut card = Emrtd::new(700);
    read_well(&mut card);
    let last = card.commands;
    let mut card = Emrtd::new(700).with(Whims { disturbed: Some(last), ..Whims::default() });
    assert_refused(&read_well(&mut card), CheckKind::Chip, Refusal::ChannelBroken);
}

#[test]
fn timings_come_from_the_clock_that_was_given() {
    let ticks = std::cell::Cell::new(0);
    let clock = || {
        ticks.set(ticks.get() + 5);
        Duration::from_micros(ticks.get())
    };
    let options = ReadOptions { clock: Some(&clock), ..ReadOptions::default() };
    let mut card = Emrtd::new(700).with(Whims { household_in_channel: true, ..Whims::default() });
    let mut rng = SeedRandom::new(b"terminal");
    let report = read_card(&mut card, &Password::can("000123"), &COUNTRY.trust(), &options, now(), &mut rng);
    let timings: Vec<_> = report.timings.iter().map(|t| (t.phase, t.micros)).collect();
    assert_eq!(
        timings,
        [
            ("connect", 5),
            ("household", 10),
            ("pace", 5),
            ("public_zone", 5),
            ("passive_authentication", 5),
            ("active_authentication", 5),
        ]
    );
}
