//! Reading the encrypted zone: each field the terminal may read, verified; each it may not, explained.

use apdu::{CardChannel, StatusWord};
use curve::Random;
use eac::Password;
use eac::auxiliary_data::AuxiliaryData;
use eac::cvc::Rights;
use jiff::Timestamp;
use lds::FieldSecurityObject;
use lds::eid::{self, Field, Placement, Value};
use lds::field_security::{FieldCheck, without_salt};
use serde::Serialize;
use tlv::oid;
use x509::cms::SignedData;

use super::identity::TerminalIdentity;
use super::session::{Document, EidError, Grant, Session, refuse, verify_signer};
use crate::card::{CardError, FileRef};
use crate::trust::TrustStore;
use crate::{Refusal, Text, Verdict};

/// What became of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldOutcome {
    /// Read, and what the issuer signed.
    Verified,
    /// The terminal has no right for it; nothing was asked of the card.
    NoRight,
    /// The card refused it, though the terminal's own certificate names the right: one above it, or the holder, does not.
    NotGranted,
    /// Not what the issuer signed.
    Altered,
    /// The signed object has no hash for it.
    Unsigned,
    /// The signed object lists it, and the card has no such file, or does not give it.
    Missing,
    /// What the issuer signed, but of no form that a field has.
    Malformed,
}

impl FieldOutcome {
    /// What spoils the reading; nothing where the field was read, or was not for this terminal to read.
    const fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Verified | Self::NoRight | Self::NotGranted => None,
            Self::Altered => Some(Refusal::GroupAltered),
            Self::Unsigned => Some(Refusal::GroupUnsigned),
            Self::Missing => Some(Refusal::GroupMissing),
            Self::Malformed => Some(Refusal::GroupMalformed),
        }
    }

    /// Why there is no value, in Traditional Chinese and English; nothing for a field that was read.
    pub const fn cause(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Verified => None,
            Self::NoRight => Some((
                "未要求：終端憑證（或本次要求）沒有此讀取權限。",
                "Not asked for: the terminal's certificate, or what was agreed to, lacks this right.",
            )),
            Self::NotGranted => Some((
                "卡片拒絕：上層憑證（DV 或 CVCA）或持卡人的同意不含此權限。",
                "Refused by the card: a certificate above the terminal's (DV or CVCA), or the holder, does not grant this right.",
            )),
            Self::Altered => Some((
                "與發卡機關所簽的雜湊值不符，已遭竄改。",
                "Not what the issuer signed: its hash is another one.",
            )),
            Self::Unsigned => Some(("未列於經簽章的安全物件中。", "Not in the signed security object.")),
            Self::Missing => Some((
                "安全物件所列，但卡片沒有或未交出此檔案。",
                "Listed in the security object, but the card does not give the file.",
            )),
            Self::Malformed => Some(("檔案格式不正確。", "The file is malformed.")),
        }
    }
}

/// One field.
#[derive(Clone, Serialize)]
pub struct FieldReport {
    /// Its name: `spouse`, or `DG4` for what repeats other data.
    pub name: String,
    /// Its name in Chinese, where the catalogue has one.
    pub zh: &'static str,
    /// Its data group.
    pub group: u8,
    /// How it went.
    pub outcome: FieldOutcome,
    /// Why there is no value, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Text>,
    /// Which right, which check, which answer of the card.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What it says, if it was verified. Empty: the register has nothing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Everything one reading gave. It holds personal data.
#[derive(Clone, Serialize)]
pub struct EncryptedZoneReport {
    /// In one word: verified if the session stood, the signature is good and no field that may be read is altered, gone or
    /// malformed.
    pub verdict: Verdict,
    /// What the reading is good for, and what not (CARD-41).
    pub assurance: Text,
    /// Why the reading ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// More for whoever looks into it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What the refusal means, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Text>,
    /// The terminal's certificate.
    pub terminal: String,
    /// The card's trust point that it leads to.
    pub trust_point: String,
    /// Who signed the zone.
    pub signer: String,
    /// How many updates the zone has had.
    pub version: u16,
    /// The rights that were asked for.
    pub rights: Vec<&'static str>,
    /// The fields of the catalogue, then what repeats other data.
    pub fields: Vec<FieldReport>,
}

impl EncryptedZoneReport {
    /// One of the six fields.
    pub fn field(&self, field: Field) -> Option<&FieldReport> {
        self.fields.iter().find(|report| report.name == field.name())
    }

    /// Why no session came to stand; nothing where one did, so that PIN1 was right. Without that nobody sends the same PIN1
    /// again: each time would cost its holder a try.
    pub fn unopened(&self) -> Option<EidError> {
        // The trust point is known as soon as both sides are authenticated.
        let refusal = self.refusal.filter(|_| self.trust_point.is_empty())?;
        Some(refuse(refusal, self.detail.clone()))
    }

    /// The report as JSON for machines and people.
    pub fn to_json(&self) -> String {
        // String keys and no maps with other keys: nothing in it can fail to serialise.
        serde_json::to_string_pretty(self).expect("a report serialises")
    }
}

// The report holds a person's data: a log shows how the reading went, not whom it was about.
impl std::fmt::Debug for EncryptedZoneReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptedZoneReport")
            .field("verdict", &self.verdict)
            .field("refusal", &self.refusal.map(Refusal::code))
            .field("detail", &self.detail)
            .finish_non_exhaustive()
    }
}

/// Reads the encrypted zone with PIN1: that of the card whose public zone was read, where there is a `document`. Whoever has
/// read none says nothing of it beside the fields.
// CARD-32: secure channel and PIN1, Terminal Authentication, Chip Authentication, authorised fields, Passive Authentication.
#[allow(clippy::too_many_arguments, reason = "holder, terminal and issuer all take part")]
pub fn read_encrypted_zone<C: CardChannel>(
    channel: C,
    pin1: &Password,
    document: Option<Document<'_>>,
    identity: &TerminalIdentity,
    grant: Grant,
    trust: &TrustStore,
    now: Timestamp,
    rng: &mut dyn Random,
) -> EncryptedZoneReport {
    let mut report = EncryptedZoneReport {
        verdict: Verdict::Refused,
        assurance: crate::read::ASSURANCE,
        refusal: None,
        detail: String::new(),
        cause: None,
        terminal: identity.certificate().body().holder.to_string(),
        trust_point: String::new(),
        signer: String::new(),
        version: 0,
        rights: Vec::new(),
        fields: Vec::new(),
    };
    let questions = AuxiliaryData::new();
    let result = Session::open(channel, pin1, document, identity, grant, &questions, trust, now, rng)
        .and_then(|session| fill(&mut report, session, trust, now));
    match result {
        Ok(()) => {
            // A field that is gone spoils what is left as much as one that was changed: CARD-32, and the same for the public zone.
            let spoilt = report.fields.iter().find_map(|field| Some((field, field.outcome.refusal()?)));
            match spoilt.map(|(field, refusal)| (refusal, field.name.clone())) {
                Some((refusal, name)) => (report.refusal, report.detail) = (Some(refusal), name),
                None => report.verdict = Verdict::Verified,
            }
        }
        Err(EidError { refusal, detail }) => (report.refusal, report.detail) = (Some(refusal), detail),
    }
    report.cause = report.refusal.map(|refusal| refusal.cause().into());
    report
}

/// Reads the access number with PIN1, verified, and no other field: a terminal with the right for it goes on to the public
/// zone, and nobody types the number. A PIN1 that is suspended needs the number itself, so it is refused.
// OPEN-04.
pub fn read_access_number<C: CardChannel>(
    channel: C,
    pin1: &Password,
    identity: &TerminalIdentity,
    trust: &TrustStore,
    now: Timestamp,
    rng: &mut dyn Random,
) -> Result<Password, EidError> {
    let (grant, questions) = (Grant::access_number(), AuxiliaryData::new());
    let mut session = Session::open(channel, pin1, None, identity, grant, &questions, trust, now, rng)?;
    session.select()?;
    let (object, _) = security_object(&mut session, trust, now)?;
    let placement = placement_of(&object)?;
    let (field, group) = (Field::AccessNumber, placement.group(Field::AccessNumber));
    let report = read_field(&mut session, &object, &placement, Some(field), group)?;
    let refusal = match (report.outcome, report.value) {
        (FieldOutcome::Verified, Some(number)) => return Ok(Password::can(&number)),
        (FieldOutcome::NoRight | FieldOutcome::NotGranted, _) => Refusal::TerminalRight,
        (outcome, _) => outcome.refusal().unwrap_or(Refusal::GroupMalformed),
    };
    Err(refuse(refusal, format!("{field}: {}", report.detail)))
}

/// Which fields the zone has where.
fn placement_of(object: &FieldSecurityObject) -> Result<Placement, EidError> {
    Placement::from_groups(object.hashes.keys().copied())
        .ok_or_else(|| refuse(Refusal::SecurityObjectMalformed, "EF.SOD (eID): unknown data groups".into()))
}

fn fill<C: CardChannel>(
    report: &mut EncryptedZoneReport,
    mut session: Session<C>,
    trust: &TrustStore,
    now: Timestamp,
) -> Result<(), EidError> {
    report.trust_point.clone_from(&session.trust_point);
    report.rights = session.grant.rights.names().collect();
    session.select()?;
    let (object, signer) = security_object(&mut session, trust, now)?;
    report.signer = signer;
    report.version = object.sequence;
    let placement = placement_of(&object)?;
    let catalogue = Field::ALL.into_iter().map(|field| (Some(field), placement.group(field)));
    let mirrors = eid::MIRRORS.into_iter().map(|group| (None, group));
    for (field, group) in catalogue.chain(mirrors) {
        let mut field = read_field(&mut session, &object, &placement, field, group)?;
        field.cause = field.outcome.cause().map(Text::from);
        report.fields.push(field);
    }
    Ok(())
}

impl<C: CardChannel> Session<C> {
    /// Selects the encrypted zone and gives its verified security object: a hash for every field, and no value. Every
    /// authenticated terminal may read it.
    pub fn field_security_object(
        &mut self,
        trust: &TrustStore,
        now: Timestamp,
    ) -> Result<FieldSecurityObject, EidError> {
        self.select()?;
        security_object(self, trust, now).map(|(object, _)| object)
    }
}

/// The zone's security object and its signer's name, with good signature and signer, made for the chip that has proved its key.
fn security_object<C: CardChannel>(
    session: &mut Session<C>,
    trust: &TrustStore,
    now: Timestamp,
) -> Result<(FieldSecurityObject, String), EidError> {
    let at = |refusal, detail: String| refuse(refusal, format!("EF.SOD (eID): {detail}"));
    let (fid, sfi) = eid::SECURITY_OBJECT;
    let file = session
        .read(FileRef::new(fid, sfi))
        .map_err(|error| at(Refusal::NoSecurityObject, error.to_string()))?;
    let signed =
        SignedData::parse(&file).map_err(|error| at(Refusal::SecurityObjectMalformed, error.to_string()))?;
    let content = signed.content().filter(|_| signed.content_type() == oid::FIELD_SECURITY_OBJECT);
    let content = content.ok_or_else(|| at(Refusal::SecurityObjectMalformed, "content type".into()))?;
    let signer = verify_signer(&signed, trust, now).map_err(|refusal| at(refusal, String::new()))?;
    let name =
        signer.subject_name().ok().and_then(|name| name.common_name().map(str::to_owned)).unwrap_or_default();
    let object = FieldSecurityObject::decode(content)
        .map_err(|error| at(Refusal::SecurityObjectMalformed, error.to_string()))?;
    // DOCPKI-07, DOCPKI-15: signed for this chip and no other.
    if !object.is_of_chip(session.chip_key().as_uncompressed()) {
        return Err(at(Refusal::ZoneOfAnotherChip, String::new()));
    }
    Ok((object, name))
}

fn read_field<C: CardChannel>(
    session: &mut Session<C>,
    object: &FieldSecurityObject,
    placement: &Placement,
    field: Option<Field>,
    group: u8,
) -> Result<FieldReport, EidError> {
    let mut report = FieldReport {
        name: field.map_or_else(|| format!("DG{group}"), |field| field.name().to_owned()),
        zh: field.map_or("", Field::zh),
        group,
        outcome: FieldOutcome::NoRight,
        cause: None,
        detail: format!("READ_DG{group}"),
        value: None,
    };
    let right = Rights::read_dg(group).unwrap_or(Rights::NONE);
    if !session.grant.rights.contains(right) {
        return Ok(report);
    }
    let (fid, sfi) = eid::file_of(group);
    let file = match session.read(FileRef::new(fid, sfi)) {
        Ok(file) => file,
        Err(CardError::Refused { sw, what }) => {
            report.outcome = match sw {
                StatusWord::SECURITY_STATUS_NOT_SATISFIED => FieldOutcome::NotGranted,
                _ => FieldOutcome::Missing,
            };
            report.detail = format!("READ_DG{group}: {what}, SW {sw}");
            return Ok(report);
        }
        Err(error) => return Err(super::session::card_error(error)),
    };
    match object.check(group, &file) {
        FieldCheck::Unaltered => {}
        FieldCheck::Altered => {
            report.outcome = FieldOutcome::Altered;
            report.detail = format!("DG{group}: another hash than was signed");
            return Ok(report);
        }
        FieldCheck::Unlisted => {
            report.outcome = FieldOutcome::Unsigned;
            report.detail = format!("DG{group}: no hash was signed");
            return Ok(report);
        }
    }
    match without_salt(&file).and_then(|data_group| Value::decode(placement, group, data_group)) {
        Ok(value) => {
            report.outcome = FieldOutcome::Verified;
            report.detail = String::new();
            report.value = Some(value.display());
        }
        Err(error) => {
            report.outcome = FieldOutcome::Malformed;
            report.detail = error.to_string();
        }
    }
    Ok(report)
}
