//! The proofs: passive authentication of the public zone, active authentication of the chip, the signature of the household
//! zone (ICAO 9303-11 §5.1 and §6.1, 9303-12 §3).

use std::collections::BTreeSet;

use apdu::CardChannel;
use curve::{Point, Random, point_from_spki};
use eac::active_authentication as active;
use eac::chip_authentication::{Parameters as ChipParameters, version_1};
use eac::passive_authentication::{self, Comparison};
use eac::security_infos::{self, SecurityInfo};
use lds::household::HouseholdData;
use lds::{DataGroup, dg2, dg14, dg15, sod};
use tlv::oid;
use x509::Certificate;
use x509::cms::SignedData;

use super::fields::{self, MrzFault, Portrait, PublicZoneFields};
use super::{
    CheckKind, ChipMechanism, GroupReport, Hashes, Outcome, Reading, SignerReport, Stop, stop, to_hex,
};
use crate::card::CardError;
use crate::trust::SignerCheck;
use crate::{Refusal, commands};

/// EF.SOD as read: its hashes and the CMS around them, which is not verified yet.
pub(super) struct SecurityObject {
    cms: SignedData,
    hashes: Hashes,
}

impl SecurityObject {
    pub(super) fn parse(file: &[u8]) -> Result<Self, (Refusal, String)> {
        let malformed = |what: &str| (Refusal::SecurityObjectMalformed, what.to_owned());
        let cms = sod::unwrap(file).map_err(|error| malformed(&error.to_string()))?;
        let cms = SignedData::parse(cms).map_err(|error| match error {
            x509::Error::UnsupportedAlgorithm(what) => (Refusal::SignatureUnsupported, what.to_owned()),
            error => malformed(&error.to_string()),
        })?;
        // ICAO 9303-10 §4.6.2.2: eContentType is id-icao-mrtd-security-ldsSecurityObject.
        if cms.content_type() != oid::LDS_SECURITY_OBJECT {
            return Err(malformed("content type"));
        }
        let content = cms.content().ok_or_else(|| malformed("no content"))?;
        let hashes = Hashes::decode(content).map_err(|error| malformed(&error.to_string()))?;
        Ok(Self { cms, hashes })
    }

    pub(super) const fn hashes(&self) -> &Hashes {
        &self.hashes
    }
}

/// What passive authentication found, as far as active authentication builds on it.
#[derive(Default)]
pub(super) struct Passive {
    comparison: Option<Comparison>,
    /// Signature and signer are good.
    vouched_for: bool,
}

impl<C: CardChannel> Reading<'_, C> {
    // DOCPKI-06: signature, chain, validity, revocation, hashes; each its own check.
    pub(super) fn passive_authentication(&mut self, object: Option<&SecurityObject>) -> Passive {
        let Some(object) = object else {
            self.report.data_groups = self.group_reports(None);
            return Passive::default();
        };
        let signer = match object.cms.verify() {
            Ok(signer) => {
                self.pass(CheckKind::SecurityObject);
                Some(signer)
            }
            Err(error) => {
                self.refuse_signature(CheckKind::SecurityObject, &error);
                None
            }
        };
        let vouched_for = signer.is_some_and(|signer| {
            self.report.signer = Some(signer_report(signer));
            self.check_signer(signer)
        });
        let read = self.groups.iter().filter_map(|(group, file)| Some((group.number()?, file.as_slice())));
        let comparison = passive_authentication::compare(object.hashes.hash, &object.hashes.hashes, read);
        let named = |outcome| {
            let names = comparison.with(outcome).into_iter().filter_map(DataGroup::from_number);
            names.map(DataGroup::name).collect::<Vec<_>>().join(", ")
        };
        let altered = named(passive_authentication::Outcome::Mismatched);
        let unlisted = named(passive_authentication::Outcome::Unlisted);
        if !altered.is_empty() {
            self.fail(CheckKind::DataGroups, Refusal::GroupAltered, altered);
        } else if !unlisted.is_empty() {
            self.fail(CheckKind::DataGroups, Refusal::GroupUnsigned, unlisted);
        } else if comparison.is_unaltered() {
            self.pass(CheckKind::DataGroups);
        } else {
            self.fail(CheckKind::DataGroups, Refusal::GroupMissing, String::new());
        }
        self.report.data_groups = self.group_reports(Some(&comparison));
        Passive { comparison: Some(comparison), vouched_for }
    }

    // ICAO 9303-11 §4.2: the contents of EF.CardAccess, which is not signed, MUST be verified with DG14 or EF.CardSecurity.
    // Not only what the channel was opened with: who takes the stronger entries away leaves one that is signed too. The order
    // is in neither signed copy (they are sets), so this reader does not go by it.
    pub(super) fn check_card_access(&mut self, passive: &Passive) {
        let signed = passive.comparison.as_ref().is_some_and(|comparison| comparison.matched(14));
        let (true, Some(used)) = (signed, self.parameters) else { return };
        let infos = self
            .groups
            .get(&DataGroup::Dg14)
            .and_then(|dg14| security_infos::parse_set(dg14::decode(dg14).ok()?).ok());
        let signed = pace_infos(&infos.unwrap_or_default());
        let shown =
            self.files.get("ef_card_access.bin").and_then(|file| security_infos::parse_file(file).ok());
        // Older documents do not repeat them.
        if !signed.is_empty() && shown.is_none_or(|shown| pace_infos(&shown) != signed) {
            let detail = used.protocol().to_string();
            self.overrule(CheckKind::SecureChannel, Refusal::CardAccessAltered, detail);
        }
    }

    /// Chip authentication mapping: the chip holds the private key to a public key of EF.CardSecurity. Whether that settled
    /// if the chip is genuine. EF.CardSecurity says nothing of the document beside it: whoever has one key of the country could
    /// put its EF.CardSecurity beside the copied files of another card. So the proof counts for this document where its signed
    /// DG14 names the same key; otherwise active authentication may still settle it.
    // ICAO 9303-11 §4.4.3.5.2: passive authentication MUST be performed in combination.
    pub(super) fn chip_mapping(&mut self, passive: &Passive) -> bool {
        let Some(proof) = self.chip_proof.take() else { return false };
        let vouched_for = self.files.get("ef_card_security.bin").and_then(|file| {
            let cms = SignedData::parse(file).ok()?;
            if cms.content_type() != oid::CARD_SECURITY_OBJECT {
                return None;
            }
            let infos = security_infos::parse_set(cms.content()?).ok()?;
            let signer = cms.verify().ok()?.clone();
            Some((infos, signer))
        });
        let Some((infos, signer)) = vouched_for else { return false };
        let keyed = infos.iter().filter_map(SecurityInfo::chip_authentication_key);
        if !keyed.into_iter().any(|key| key.curve() == proof.curve()) {
            return false;
        }
        self.report.mechanism = Some(ChipMechanism::ChipAuthenticationMapping);
        if proof.verify_with_infos(&infos).is_err() {
            self.fail(CheckKind::Chip, Refusal::ActiveAuthenticationFailed, "EF.CardSecurity".into());
            return true;
        }
        let matched = passive.comparison.as_ref().is_some_and(|comparison| comparison.matched(14));
        let dg14 = self.groups.get(&DataGroup::Dg14).filter(|_| passive.vouched_for && matched);
        let dg14 = dg14.and_then(|dg14| security_infos::parse_set(dg14::decode(dg14).ok()?).ok());
        let bound = dg14.is_some_and(|infos| proof.verify_with_infos(&infos).is_ok());
        if !bound || self.signer_check(&signer).is_trusted().is_err() {
            self.report.mechanism = None;
            return false;
        }
        self.pass(CheckKind::Chip);
        true
    }

    /// What DG14 offers of Chip Authentication to everybody. Whether DG14 is what was signed is another question.
    pub(super) fn chip_authentication_offer(&self) -> Option<(ChipParameters, Point)> {
        let dg14 = self.groups.get(&DataGroup::Dg14)?;
        ChipParameters::choose_version_1(&security_infos::parse_set(dg14::decode(dg14).ok()?).ok()?)
    }

    /// Chip Authentication of version 1: a channel that only the holder of the key in DG14 can speak in. It is used from now on.
    // ICAO 9303-11 §6.2.
    pub(super) fn chip_authentication(
        &mut self,
        passive: &Passive,
        (parameters, key): (ChipParameters, Point),
        rng: &mut dyn Random,
    ) -> Result<(), Stop> {
        self.report.mechanism = Some(ChipMechanism::ChipAuthentication);
        let card = &mut self.card;
        let opened = version_1::Start::new(parameters, key, rng)
            .map_err(CardError::from)
            .and_then(|start| version_1::authenticate::<CardError>(start, |command| card.send(command)));
        // The chip says nothing of its own in the protocol: its first answer in the new channel is the proof.
        let proved = opened.and_then(|channel| {
            self.card.replace_channel(channel);
            self.card.send(&commands::read_binary_short_id(DataGroup::Com.sfi(), 0, 1)).map(drop)
        });
        // DOCPKI-07: a key nobody trusted vouches for proves nothing.
        let signed = passive.comparison.as_ref();
        let covered = signed.is_some_and(|comparison| comparison.matched(14));
        let outcome = match proved {
            Err(error @ CardError::Channel(_)) => return Err(stop(CheckKind::Chip, error)),
            Err(error) => (Outcome::Failed, Some(Refusal::ChipAuthenticationFailed), error.to_string()),
            Ok(()) if signed.is_some() && !covered => {
                (Outcome::Failed, Some(Refusal::ChipKeyUnsigned), "DG14".into())
            }
            Ok(()) if !covered || !passive.vouched_for => {
                (Outcome::Unknown, Some(Refusal::ChipKeyUnsigned), String::new())
            }
            Ok(()) => (Outcome::Passed, None, String::new()),
        };
        self.check(CheckKind::Chip, outcome.0, outcome.1, outcome.2);
        Ok(())
    }

    fn refuse_signature(&mut self, check: CheckKind, error: &x509::Error) {
        match error {
            x509::Error::UnsupportedAlgorithm(what) => {
                self.leave_open(check, Refusal::SignatureUnsupported, (*what).to_owned());
            }
            x509::Error::Signature => self.fail(check, Refusal::SignatureInvalid, String::new()),
            error => self.fail(check, Refusal::SecurityObjectMalformed, error.to_string()),
        }
    }

    /// Chain and revocation of the public zone's signer; whether it vouches for what it signed.
    fn check_signer(&mut self, signer: &Certificate) -> bool {
        let found = self.signer_check(signer);
        match found.chain.and_then(|()| self.signs_this_type(signer)) {
            Ok(()) => self.pass(CheckKind::Signer),
            Err(refusal) => {
                self.fail(CheckKind::Signer, refusal, String::new());
                self.leave_open(CheckKind::SignerRevocation, Refusal::RevocationUnknown, String::new());
                return false;
            }
        }
        match found.revocation {
            Ok(()) => self.pass(CheckKind::SignerRevocation),
            Err(refusal @ (Refusal::RevocationUnknown | Refusal::RevocationOverdue)) => {
                self.leave_open(CheckKind::SignerRevocation, refusal, String::new());
            }
            Err(refusal) => self.fail(CheckKind::SignerRevocation, refusal, String::new()),
        }
        found.is_trusted().is_ok()
    }

    /// What the trust store says of a signer. Both zones mostly have the same one: it is looked at once.
    fn signer_check(&mut self, signer: &Certificate) -> SignerCheck {
        if let Some((_, found)) = self.signers.iter().find(|(der, _)| der == signer.der()) {
            return *found;
        }
        let found = self.trust.check_signer(signer, self.now);
        self.signers.push((signer.der().to_vec(), found));
        found
    }

    // ICAO 9303-12 §7.1.1: documentTypeList names the document codes a signer signs for.
    fn signs_this_type(&self, signer: &Certificate) -> Result<(), Refusal> {
        let Some(list) = signer.extension(oid::DOCUMENT_TYPE_LIST) else { return Ok(()) };
        let Some(holder) =
            self.groups.get(&DataGroup::Dg1).and_then(|dg1| fields::machine_readable_zone(dg1).ok())
        else {
            return Ok(());
        };
        let types = tlv::expect(list.value, 0x30).map_err(|_| Refusal::SignerProfile)?;
        let types = types.child(0x31).ok_or(Refusal::SignerProfile)?;
        let code = holder.document_code.as_bytes();
        let named = types.children().filter_map(Result::ok).any(|entry| {
            let entry = entry.value.strip_suffix(b"<").unwrap_or(entry.value);
            entry == code || (entry.len() == 1 && code.starts_with(entry))
        });
        if named { Ok(()) } else { Err(Refusal::SignerProfile) }
    }

    fn group_reports(&self, comparison: Option<&Comparison>) -> Vec<GroupReport> {
        let mut numbers: Vec<u8> = self.groups.keys().filter_map(|group| group.number()).collect();
        numbers.extend(comparison.iter().flat_map(|c| c.groups.keys()));
        numbers.sort_unstable();
        numbers.dedup();
        let groups = numbers.into_iter().filter_map(|number| Some((number, DataGroup::from_number(number)?)));
        groups
            .map(|(number, group)| GroupReport {
                name: group.name(),
                number,
                bytes: self.groups.get(&group).map_or(0, Vec::len),
                outcome: match comparison.and_then(|c| c.groups.get(&number)) {
                    None => "unchecked",
                    Some(passive_authentication::Outcome::Matched) => "matched",
                    Some(passive_authentication::Outcome::Mismatched) => "mismatched",
                    Some(passive_authentication::Outcome::Missing) => "missing",
                    Some(passive_authentication::Outcome::Unlisted) => "unlisted",
                },
            })
            .collect()
    }

    /// Decodes the fields: all of them on a card of this country, machine readable zone and portrait on any other.
    pub(super) fn check_contents(&mut self) {
        let portrait = self
            .groups
            .get(&DataGroup::Dg2)
            .map(|dg2| dg2::decode(dg2).map(|p| p.map(|p| (p.kind, p.data.to_vec()))));
        let (portrait, portrait_fault) = match portrait {
            Some(Ok(Some((kind, data)))) => {
                let name = match kind {
                    dg2::ImageKind::Jpeg => "portrait.jpg",
                    dg2::ImageKind::Jpeg2000 => "portrait.jp2",
                };
                self.files.insert(name, data);
                (Some(Portrait::Present), None)
            }
            Some(Err(error)) => (None, Some(error)),
            // OPEN-62: the field is there and empty.
            Some(Ok(None)) => (Some(Portrait::Exempted), None),
            None => (None, None),
        };
        let Some(dg1) = self.groups.get(&DataGroup::Dg1) else {
            return self.fail(CheckKind::Contents, Refusal::FileUnreadable, "DG1".into());
        };
        let mut holder = match fields::machine_readable_zone(dg1) {
            Ok(holder) => holder,
            Err(MrzFault::CheckDigit) => {
                return self.fail(CheckKind::Contents, Refusal::MrzInvalid, "DG1".into());
            }
            Err(MrzFault::Malformed) => {
                return self.fail(CheckKind::Contents, Refusal::GroupMalformed, "DG1".into());
            }
        };
        holder.portrait = portrait;
        let expiry = holder.expiry.clone();
        let ours = self.report.application == Some("public_zone");
        match lds::PublicZone::from_data_groups(&self.groups) {
            Ok(zone) => {
                holder.public_zone = Some(PublicZoneFields::new(&zone, self.options.address));
                self.report.public_zone = Some(zone);
                self.pass(CheckKind::Contents);
            }
            // Another country's document: its data groups 11 to 13 need not be like ours.
            Err(_) if !ours && portrait_fault.is_none() => self.pass(CheckKind::Contents),
            Err(_) if !ours => {
                let detail = portrait_fault.map(|error| error.to_string()).unwrap_or_default();
                self.fail(CheckKind::Contents, Refusal::GroupMalformed, detail);
            }
            Err(error) => self.fail(CheckKind::Contents, Refusal::GroupMalformed, error.to_string()),
        }
        self.report.holder = Some(holder);
        self.check_expiry(&expiry);
    }

    // ICAO 9303-3 §4.8: two digits of the year; a document's expiry lies in this century. Fillers: no date (OPEN-09).
    fn check_expiry(&mut self, expiry: &str) {
        if !expiry.bytes().all(|c| c.is_ascii_digit()) {
            return self.pass(CheckKind::Expiry);
        }
        // Valid to the end of that day wherever it ends last; the country's own offset is eight hours.
        let today = self.now.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8))).date();
        let today = format!("{:02}{:02}{:02}", today.year() % 100, today.month(), today.day());
        // A year more than 50 ahead is one of the last century.
        let ahead = |date: &str| date.get(..2).and_then(|year| year.parse::<i16>().ok()).unwrap_or(0);
        let years = (ahead(expiry) - ahead(&today)).rem_euclid(100);
        let expired = years > 50 || (years == 0 && expiry < today.as_str());
        if expired {
            self.fail(CheckKind::Expiry, Refusal::DocumentExpired, String::new());
        } else {
            self.pass(CheckKind::Expiry);
        }
    }

    /// The household zone: content, signature, signer.
    pub(super) fn check_household(&mut self) {
        let Some(file) = self.files.get("household.bin") else { return };
        let cms = match SignedData::parse(file) {
            Ok(cms) => cms,
            Err(error) => {
                return self.fail(CheckKind::Household, Refusal::HouseholdMalformed, error.to_string());
            }
        };
        // The type is signed too: what was signed as something else does not pass as household data.
        if cms.content_type() != oid::HOUSEHOLD_DATA {
            return self.fail(CheckKind::Household, Refusal::HouseholdMalformed, "content type".into());
        }
        match cms.content().map(HouseholdData::decode) {
            Some(Ok(data)) => {
                let elsewhere = self.is_elsewhere(&data);
                self.household = Some(data.into());
                if elsewhere {
                    return self.fail(CheckKind::Household, Refusal::HouseholdElsewhere, String::new());
                }
            }
            Some(Err(error)) => {
                return self.fail(CheckKind::Household, Refusal::HouseholdMalformed, error.to_string());
            }
            None => return self.fail(CheckKind::Household, Refusal::HouseholdMalformed, "no content".into()),
        }
        let signer = match cms.verify() {
            Ok(signer) => signer,
            Err(error) => return self.refuse_signature(CheckKind::Household, &error),
        };
        // That the list of the CSCA is missing is said once, of the public zone's signer.
        match self.signer_check(signer).is_trusted() {
            Ok(()) => self.pass(CheckKind::Household),
            Err(refusal) => self.fail(CheckKind::Household, refusal, String::new()),
        }
    }

    // OPEN-03: the signature of the household zone says nothing about the card. Whoever reads both zones can still tell one
    // that was taken from elsewhere: both change together, at the same office.
    fn is_elsewhere(&self, household: &HouseholdData) -> bool {
        self.report.public_zone.as_ref().is_some_and(|zone| {
            let address = &zone.address;
            (&address.village_code, address.neighbourhood)
                != (&household.village_code, household.neighbourhood)
        })
    }

    /// Gives the reason where the chip cannot be asked.
    // ICAO 9303-11 §6.1: the key of DG15 signs a challenge of ours; the algorithm stands in DG14.
    pub(super) fn active_authentication(
        &mut self,
        passive: &Passive,
        rng: &mut dyn Random,
    ) -> Result<Option<(Refusal, String)>, Stop> {
        let signed = passive.comparison.as_ref();
        let Some(dg15) = self.groups.get(&DataGroup::Dg15) else {
            // DG15 is promised by the security object and held back: that is what a copy would do.
            if signed.is_some_and(|comparison| comparison.groups.contains_key(&15)) {
                self.fail(CheckKind::Chip, Refusal::ActiveAuthenticationFailed, "DG15".into());
                return Ok(None);
            }
            return Ok(Some((Refusal::NoActiveAuthentication, String::new())));
        };
        let Ok(spki) = dg15::decode(dg15).map(<[u8]>::to_vec) else {
            self.fail(CheckKind::Chip, Refusal::GroupMalformed, "DG15".into());
            return Ok(None);
        };
        let Ok(key) = point_from_spki(&spki) else {
            return Ok(Some((Refusal::ActiveAuthenticationUnsupported, "key".into())));
        };
        let algorithm = self
            .groups
            .get(&DataGroup::Dg14)
            .and_then(|dg14| security_infos::parse_set(dg14::decode(dg14).ok()?).ok())
            .and_then(|infos| active::algorithm(&infos));
        let hash = match algorithm {
            // ICAO 9303-11 §9.2.6: the info is REQUIRED with ECDSA; older chips without it use the hash that fits the curve.
            None => key.curve().hash(),
            Some(algorithm) => match active::hash_of(algorithm) {
                Some(hash) => hash,
                None => {
                    return Ok(Some((Refusal::ActiveAuthenticationUnsupported, algorithm.to_string())));
                }
            },
        };
        self.report.mechanism = Some(ChipMechanism::ActiveAuthentication);
        let mut challenge = [0; active::CHALLENGE_LEN];
        rng.fill(&mut challenge);
        let answer = self
            .card
            .send(&active::internal_authenticate(&challenge, false))
            .map_err(|error| stop(CheckKind::Chip, error))?;
        let verified = match answer.into_ok() {
            Ok(signature) => active::verify(&spki, hash, &challenge, &signature).map_err(|e| e.to_string()),
            Err(sw) => Err(format!("SW {sw}")),
        };
        // DOCPKI-07: a key nobody trusted vouches for proves nothing.
        let covered = signed.is_some_and(|comparison| comparison.matched(15));
        let outcome = match verified {
            Err(detail) => (Outcome::Failed, Some(Refusal::ActiveAuthenticationFailed), detail),
            Ok(()) if signed.is_some() && !covered => {
                (Outcome::Failed, Some(Refusal::ActiveAuthenticationUnsigned), "DG15".into())
            }
            Ok(()) if !covered || !passive.vouched_for => {
                (Outcome::Unknown, Some(Refusal::ActiveAuthenticationUnsigned), String::new())
            }
            Ok(()) => (Outcome::Passed, None, String::new()),
        };
        self.check(CheckKind::Chip, outcome.0, outcome.1, outcome.2);
        Ok(None)
    }
}

/// The PACEInfos among some infos, in an order of their own.
pub(crate) fn pace_infos(infos: &[SecurityInfo]) -> BTreeSet<Vec<u8>> {
    infos.iter().filter(|info| matches!(info, SecurityInfo::Pace { .. })).map(SecurityInfo::encode).collect()
}

fn signer_report(signer: &Certificate) -> SignerReport {
    let text = |name: Result<x509::Name, _>| {
        name.map(|name| {
            let parts = [
                name.country(),
                name.attribute(oid::ORGANIZATION),
                name.attribute(oid::ORGANIZATIONAL_UNIT),
                name.common_name(),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        })
        .unwrap_or_default()
    };
    SignerReport {
        subject: text(signer.subject_name()),
        issuer: text(signer.issuer_name()),
        serial: to_hex(signer.serial_octets()),
        not_before: signer.not_before().to_string(),
        not_after: signer.not_after().to_string(),
        fingerprint: to_hex(&signer.fingerprint()),
    }
}
