//! A session with a card in which both sides are authenticated: PACE, Terminal Authentication, Chip Authentication.

use apdu::{CardChannel, ChannelError, Command, Response, StatusWord};
use curve::{Hash, Point, Random, SecretBytes};
use eac::auxiliary_data::{self, AuxiliaryData};
use eac::chip_authentication;
use eac::cvc::{Certificate, Extension, Extensions, Reference, Rights, UpdateRights};
use eac::pace::{Parameters, terminal::Start};
use eac::restricted_identification::{self, Identifiers, SectorKey};
use eac::security_infos::{self, SecurityInfo};
use eac::terminal_authentication::terminal::{self as terminal_authentication, EphemeralKey};
use eac::{Password, PasswordReference, Step};
use jiff::Timestamp;
use lds::chip_update::{ChipUpdate, UpdatedFile};
use lds::{DataGroup, UpdateReceipt, dg14, eid};
use tlv::oid;
use x509::cms::SignedData;

use super::AID_EID;
use super::examine::failed_check;
use super::identity::TerminalIdentity;
use crate::card::{Card, CardError, FileRef, Lengths};
use crate::commands::{AID_EMRTD, AID_HOUSEHOLD, AID_PUBLIC};
use crate::perso::{EncryptedZoneFiles, PinReference};
use crate::pin1::{self, Pin1Error};
use crate::read::pace_infos;
use crate::trust::TrustStore;
use crate::{ReadReport, Refusal, SignerCheck};

const EF_CARD_ACCESS: FileRef = FileRef::new(0x011C, 0x1C);
const EF_CARD_SECURITY: FileRef = FileRef::new(0x011D, 0x1D);
/// EF.Household.
const HOUSEHOLD: u16 = 0x0101;
/// Objects of an update: the signed package, and link certificates.
const UPDATE_PACKAGE: u16 = 0x0801;
const UPDATE_LINKS: u16 = 0x0802;
/// The right to ask for the identifier in a sector.
const RIGHT: &str = "RESTRICTED_IDENTIFICATION";
/// Bytes of an object in one STORE DATA, where card and reader know extended length.
const BLOCK: usize = 3_000;

/// Why a session or a command in it did not succeed: a refusal with its words, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{refusal} ({detail})")]
pub struct EidError {
    /// What it is, whose fault and what to do.
    pub refusal: Refusal,
    /// Which right, which check, which key. Never personal data.
    pub detail: String,
}

/// What a session asks the card to grant: of the rights in the terminal's certificate those the holder agrees to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Rights of TR-03110.
    pub rights: Rights,
    /// Fields to be written.
    pub updates: UpdateRights,
}

impl Grant {
    /// Everything that the certificate has.
    pub const ALL: Self = Self { rights: Rights::from_bits(u64::MAX), updates: UpdateRights::ALL };

    /// Reading the access number, wherever a card has it, and nothing else.
    pub fn access_number() -> Self {
        let groups = eid::Placement::ALL.map(|placement| placement.group(eid::Field::AccessNumber));
        let rights = groups.into_iter().filter_map(Rights::read_dg).fold(Rights::NONE, |all, one| all | one);
        Self { rights, updates: UpdateRights::NONE }
    }
}

/// The document that a session must belong to: what was read of its public zone, and what opened it.
///
/// Every session begins with a reset, and authenticates some chip that the country has made: somebody between terminal and
/// cards can answer each with another card. So the chip at the far end of the session says which public zone is its own, in
/// the channel of Chip Authentication, where nobody between can answer for it.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    /// The access number or the MRZ, which opens the public zone. A PIN1 with one try left is suspended without it.
    pub password: &'a Password,
    /// Whether the holder has just typed PIN1, and no session has sent it yet: then its last try may be used. What was sent
    /// before is never sent again where it would be the last.
    pub fresh_pin1: bool,
    /// The reading. What it says itself is not looked at here but for its security object and the key DG14 names.
    pub report: &'a ReadReport,
}

/// New content for files of an issued card. Each zone that is touched brings its new security object.
#[derive(Clone, Default)]
pub struct UpdateFiles {
    /// The household file.
    pub household: Option<Vec<u8>>,
    /// DG11, DG13 and EF.SOD of the public zone, by file identifier.
    pub public: Vec<(u16, Vec<u8>)>,
    /// Changed data groups of the encrypted zone, with the new security object.
    pub encrypted: Option<EncryptedZoneFiles>,
}

impl UpdateFiles {
    /// The package for the chip with this key, which is to be signed by a document signer, as number `last` + 1 of the chip's.
    pub fn package(&self, chip_key: &Point, last: u16) -> Result<ChipUpdate, lds::Error> {
        let file = |application: &[u8], fid: u16, content: &[u8]| UpdatedFile {
            application: application.to_vec(),
            file: fid.to_be_bytes(),
            content: content.to_vec(),
        };
        let mut files = Vec::new();
        files.extend(self.household.iter().map(|content| file(AID_HOUSEHOLD, HOUSEHOLD, content)));
        files.extend(self.public.iter().map(|(fid, content)| file(AID_PUBLIC, *fid, content)));
        if let Some(EncryptedZoneFiles { groups, security_object }) = &self.encrypted {
            let groups = groups.iter();
            files.extend(groups.map(|(group, content)| file(AID_EID, eid::file_of(*group).0, content)));
            files.push(file(AID_EID, eid::SECURITY_OBJECT.0, security_object));
        }
        ChipUpdate::new(chip_key.as_uncompressed(), last, files)
    }
}

/// An open session.
pub struct Session<C> {
    card: Card<C>,
    /// What was asked for and stands in the terminal's certificate. The card may grant less.
    pub grant: Grant,
    /// Of the fields that may be written those that every certificate on the way to the trust point agrees to.
    updates: UpdateRights,
    /// The card's trust point that the certificates lead to.
    pub trust_point: String,
    /// Who vouches for the chip's key.
    pub signer: x509::Certificate,
    chip_key: Point,
    /// Hash and number of the key of Restricted Identification, where the card is signed to have one.
    restricted: Option<(Hash, u64)>,
}

impl<C: CardChannel> Session<C> {
    /// Resets the card and opens a session with a password: PIN1 for reading, the access number for managing PINs and
    /// updating. With a `document` the chip must be the one whose public zone was read; [`Refusal::AnotherChip`] otherwise.
    /// A PIN1 that cannot be used is not sent, nor a suspended one without a document and a fresh entry. The MF is selected
    /// afterwards.
    #[allow(clippy::too_many_arguments, reason = "a session has that many parties")]
    pub fn open(
        channel: C,
        password: &Password,
        document: Option<Document<'_>>,
        identity: &TerminalIdentity,
        grant: Grant,
        questions: &AuxiliaryData,
        trust: &TrustStore,
        now: Timestamp,
        rng: &mut dyn Random,
    ) -> Result<Self, EidError> {
        let mut card = Card::new(channel);
        card.connect().map_err(card_error)?;
        card.select_mf().map_err(card_error)?;
        let access = match card.read_object(EF_CARD_ACCESS) {
            // A reader that breaks on extended length, whatever the card says of itself. No PIN has been tried yet.
            Err(
                CardError::Channel(ChannelError::Reader(_))
                | CardError::Refused { sw: StatusWord::WRONG_LENGTH, .. },
            ) if card.lengths() != Lengths::Short => {
                card.reset().map_err(card_error)?;
                card.set_lengths(Lengths::Short);
                card.select_mf().map_err(card_error)?;
                card.read_object(EF_CARD_ACCESS)
            }
            result => result,
        };
        let access = access.map_err(|error| match error {
            CardError::Channel(_) => card_error(error),
            error => refuse(Refusal::NoCardAccess, error.to_string()),
        })?;
        let infos = security_infos::parse_file(&access)
            .map_err(|error| refuse(Refusal::NoCardAccess, error.to_string()))?;
        let parameters = Parameters::choose(&infos)
            .ok_or_else(|| refuse(Refusal::PaceUnsupported, "EF.CardAccess".into()))?;
        if password.reference() == PasswordReference::Pin {
            let first = document.map(|document| document.password);
            let last_try = document.filter(|document| document.fresh_pin1).map(|document| document.password);
            pin1::prepare(&mut card, parameters, last_try, rng).map_err(pin1_error)?;
            // The public zone is closed to a channel of PIN1 alone: PIN1 is proved in a channel of the access number or MRZ.
            if let (Some(first), false) = (first, card.is_secure()) {
                card.open_channel(parameters, first, rng).map_err(|error| pace_error(first, error))?;
            }
        }

        let own = identity.authorisation();
        let grant = Grant { rights: own.chat.rights() & grant.rights, updates: own.updates & grant.updates };
        let start = Start::new(parameters, password)
            .map_err(|error| refuse(Refusal::PaceFailed, error.to_string()))?
            .with_chat(own.chat.with_rights(grant.rights).to_value());
        let extensions = granted_updates(grant.updates)?;
        let pace = eac::pace::terminal::establish::<CardError>(start, rng, |command| {
            if [command.ins, command.p1] != [0x22, 0xC1] {
                return card.send(command);
            }
            let data = [command.data.as_slice(), &extensions].concat();
            card.send(&command.clone().with_data(data))
        })
        .map_err(|error| pace_error(password, error))?;
        card.replace_channel(pace.sm);

        let (signer, signed) = card_security(&mut card, trust, now)?;
        check_downgrade(parameters, &infos, &signed)?;
        let (chip, chip_key) = chip_authentication::Parameters::choose(&signed)
            .ok_or_else(|| refuse(Refusal::ChipKeyUnsigned, "EF.CardSecurity".into()))?;

        let trusted: Vec<Reference> = [pace.certification_authority, pace.certification_authority_previous]
            .into_iter()
            .flatten()
            .filter_map(|bytes| Reference::from_bytes(&bytes).ok())
            .collect();
        let names = || trusted.iter().map(Reference::to_string).collect::<Vec<_>>().join(", ");
        let path = identity
            .path(&trusted)
            .ok_or_else(|| refuse(Refusal::TerminalUntrusted, format!("the card trusts {}", names())))?;
        let trust_point = path.first().map(|c| c.body().authority.to_string()).unwrap_or_default();
        present(&mut card, identity, &path, now)?;
        let updates = path.iter().fold(grant.updates, |all, c| all & c.body().extensions.update_rights());
        let key = EphemeralKey::generate(chip.curve, rng);
        prove_terminal(&mut card, identity, questions, &key, pace.id_picc)?;
        let start = chip_authentication::terminal::Start::new(chip, chip_key.clone(), key)
            .map_err(|error| refuse(Refusal::ChipAuthenticationFailed, error.to_string()))?;
        let sm =
            chip_authentication::terminal::authenticate::<CardError>(start, |command| card.send(command))
                .map_err(|error| match error {
                    CardError::Pace(error) => refuse(Refusal::ChipAuthenticationFailed, error.to_string()),
                    error => card_error(error),
                })?;
        card.replace_channel(sm);
        if let Some(document) = document {
            expect_document(&mut card, document.report, &chip_key)?;
        }
        let restricted = restricted_identification::announced(&signed);
        Ok(Self { card, grant, updates, trust_point, signer, chip_key, restricted })
    }

    /// The public key that the chip has proved to hold.
    pub const fn chip_key(&self) -> &Point {
        &self.chip_key
    }

    /// Selects the eID application.
    pub fn select(&mut self) -> Result<(), EidError> {
        self.card
            .select_application(AID_EID)
            .map_err(|error| refuse(Refusal::NoEncryptedZone, error.to_string()))
    }

    /// Reads a file of the selected application.
    pub(super) fn read(&mut self, file: FileRef) -> Result<Vec<u8>, CardError> {
        self.card.read_to_end(file)
    }

    /// Sends one command in the session, for whoever knows the card's commands.
    pub fn send(&mut self, command: &Command) -> Result<Response, EidError> {
        self.card.send(command).map_err(card_error)
    }

    /// Sets a PIN, first or new, with all its tries. Needs the right to manage PINs.
    pub fn set_pin(&mut self, pin: PinReference, new: &SecretBytes) -> Result<(), EidError> {
        let command = Command::new(0x00, 0x2C, 0x02, pin as u8).with_data(new.expose());
        self.require("RESET RETRY COUNTER", &command, "PIN_MANAGEMENT").map(drop)
    }

    /// Gives a blocked PIN its tries back; the PIN stays what it was. Needs the right to manage PINs.
    pub fn unblock_pin(&mut self, pin: PinReference) -> Result<(), EidError> {
        let command = Command::new(0x00, 0x2C, 0x03, pin as u8);
        self.require("RESET RETRY COUNTER", &command, "PIN_MANAGEMENT").map(drop)
    }

    /// Whether the holder was born on or before the day the terminal signed, whether the document is valid on it, or whether
    /// the holder is registered in the municipality it signed (TR-03110-2 §3.6). The eID application is selected before.
    pub fn ask(&mut self, question: const_oid::ObjectIdentifier) -> Result<bool, EidError> {
        let answer = self.send(&auxiliary_data::verify_command(question))?;
        match answer.sw {
            StatusWord::OK => Ok(true),
            StatusWord::AUTHENTICATION_FAILED => Ok(false),
            sw => {
                let right = auxiliary_data::required_right(question).names().next();
                Err(refused("VERIFY", sw, right.unwrap_or("PIN1")))
            }
        }
    }

    /// The identifiers of the card in the sectors of these public keys, whose hashes stand in the terminal's certificate in
    /// this order. Each is the same at every visit, and another one in every other sector (TR-03110-2 §3.5).
    pub fn sector_identifiers(
        &mut self,
        first: &SectorKey,
        second: Option<&SectorKey>,
    ) -> Result<Identifiers, EidError> {
        let (hash, id) = self.restricted.ok_or_else(|| {
            refuse(Refusal::EidCommandRefused, "EF.CardSecurity: no restricted identification".into())
        })?;
        let malformed = |error: eac::Error| refuse(Refusal::CardAnswer, error.to_string());
        let set_at = restricted_identification::set_at(hash, id).map_err(malformed)?;
        self.require("MSE:Set AT", &set_at, RIGHT)?;
        let command = restricted_identification::command(first, second).map_err(malformed)?;
        let answer = self.send(&command)?;
        match answer.sw {
            StatusWord::OK => {
                let identifiers = restricted_identification::identifiers(&answer).map_err(malformed)?;
                // One identifier more or less than asked for would be taken for that of another sector.
                (identifiers.second.is_some() == second.is_some())
                    .then_some(identifiers)
                    .ok_or_else(|| refuse(Refusal::CardAnswer, "restricted identification".into()))
            }
            sw => Err(refused("GENERAL AUTHENTICATE", sw, RIGHT)),
        }
    }

    /// Gives the card an update that a document signer of its country signed (CMS SignedData of a
    /// [`lds::ChipUpdate`]): afterwards the card has all of it, or what it had before. `links` are the CSCA link
    /// certificates (DER, one after the other) from the CSCA of the card's day to that of the signer; none where it is the same.
    /// Gives the chip's receipt, unverified.
    pub fn update(&mut self, package: &[u8], links: &[u8]) -> Result<UpdateReceipt, EidError> {
        let objects = [(UPDATE_PACKAGE, package), (UPDATE_LINKS, links)];
        let mut manifest = Hash::Sha256.hasher();
        for (object, content) in objects.into_iter().filter(|(_, content)| !content.is_empty()) {
            let data = [&object.to_be_bytes(), content].concat();
            let size = self.card.command_block(BLOCK);
            let count = data.len().div_ceil(size);
            for (number, block) in data.chunks(size).enumerate() {
                let last = if number + 1 == count { 0x80 } else { 0x00 };
                // The card counts blocks by their last byte.
                let command = Command::new(0x80, 0xE2, last, number as u8).with_data(block);
                self.require("STORE DATA", &command, &self.missing_updates(package))?;
            }
            manifest.update(&object.to_be_bytes());
            manifest.update(&(content.len() as u32).to_be_bytes());
            manifest.update(content);
        }
        let commit = Command::new(0x80, 0x34, 0, 0).with_data(manifest.finish()).with_le(65_536);
        let answer = self.send(&commit)?;
        let receipt = answer.into_ok().map_err(|sw| match sw {
            StatusWord::AUTHENTICATION_FAILED => refuse(Refusal::UpdateSigner, format!("COMMIT: SW {sw}")),
            StatusWord::CONDITIONS_NOT_SATISFIED => {
                refuse(Refusal::UpdateOutdated, format!("COMMIT: SW {sw}"))
            }
            StatusWord::WRONG_DATA => refuse(Refusal::UpdateUnfit, format!("COMMIT: SW {sw}")),
            sw => refused("COMMIT", sw, &self.missing_updates(package)),
        })?;
        read_receipt(&receipt)
    }

    /// The chip's receipt for its last update, unverified; nothing where it has had none. For an update whose answer was lost.
    pub fn last_update(&mut self) -> Result<Option<UpdateReceipt>, EidError> {
        let answer = self.send(&Command::new(0x80, 0x34, 0, 1).with_le(65_536))?;
        match answer.sw {
            StatusWord::REFERENCED_DATA_NOT_FOUND => Ok(None),
            StatusWord::OK => read_receipt(&answer.data).map(Some),
            sw => Err(refused("COMMIT", sw, "any right to update")),
        }
    }

    /// The rights that the files of a signed package need and that this terminal lacks, by their names.
    fn missing_updates(&self, package: &[u8]) -> String {
        let package = SignedData::parse(package).ok();
        let package = package.and_then(|cms| ChipUpdate::decode(cms.content()?).ok());
        let files = package.map(|package| package.files).unwrap_or_default();
        let needed = files.iter().map(updated_by).fold(UpdateRights::NONE, UpdateRights::with);
        let missing = UpdateRights::from_bits(needed.bits() & !self.updates.bits());
        match missing.names().collect::<Vec<_>>().join(" ") {
            names if !names.is_empty() => names,
            // Table 4: signed by the issuer or not, and whatever right a terminal has.
            _ => "a field that no right lets change".into(),
        }
    }

    /// Gives the channel back.
    pub fn into_channel(self) -> C {
        self.card.into_channel()
    }

    fn require(&mut self, what: &'static str, command: &Command, right: &str) -> Result<Vec<u8>, EidError> {
        self.send(command)?.into_ok().map_err(|sw| refused(what, sw, right))
    }
}

/// The right to write a file of an update. DG13 holds the military service, and repeats other fields that no update changes;
/// the security object of a zone comes with each of its files.
// UPDATE-02, CARD-45.
fn updated_by(file: &UpdatedFile) -> UpdateRights {
    let [high, low] = file.file;
    match (file.application.as_slice(), high, low) {
        (AID_HOUSEHOLD, ..) => UpdateRights::HOUSEHOLD,
        (AID_PUBLIC, 0x01, 0x0B) => UpdateRights::ADDRESS,
        (AID_PUBLIC, 0x01, 0x0D) => UpdateRights::MILITARY_SERVICE,
        (AID_EID, 0x01, group) => {
            match eid::Placement::ALL.iter().find_map(|placement| placement.field(group)) {
                Some(eid::Field::Spouse) => UpdateRights::SPOUSE,
                Some(eid::Field::Father) => UpdateRights::FATHER,
                Some(eid::Field::Mother) => UpdateRights::MOTHER,
                Some(eid::Field::Birthplace) => UpdateRights::BIRTHPLACE,
                Some(eid::Field::Sex | eid::Field::AccessNumber) | None => UpdateRights::NONE,
            }
        }
        _ => UpdateRights::NONE,
    }
}

fn read_receipt(data: &[u8]) -> Result<UpdateReceipt, EidError> {
    UpdateReceipt::decode(data).map_err(|error| refuse(Refusal::CardAnswer, error.to_string()))
}

fn refused(what: &str, sw: StatusWord, right: &str) -> EidError {
    if sw == StatusWord::SECURITY_STATUS_NOT_SATISFIED {
        refuse(Refusal::TerminalRight, format!("{what}: {right}, SW {sw}"))
    } else {
        refuse(Refusal::EidCommandRefused, format!("{what}: SW {sw}"))
    }
}

/// The extension of PACE's MSE:Set AT that says which fields may be written; nothing where none may.
fn granted_updates(updates: UpdateRights) -> Result<Vec<u8>, EidError> {
    if updates.is_empty() {
        return Ok(Vec::new());
    }
    Extensions::new(vec![Extension::updates(updates)])
        .map(|extensions| extensions.encode())
        .map_err(|error| refuse(Refusal::TerminalCertificateMalformed, error.to_string()))
}

/// Reads and verifies EF.CardSecurity: signature, signer, and what is signed.
fn card_security<C: CardChannel>(
    card: &mut Card<C>,
    trust: &TrustStore,
    now: Timestamp,
) -> Result<(x509::Certificate, Vec<SecurityInfo>), EidError> {
    let at = |refusal, detail: &str| refuse(refusal, format!("EF.CardSecurity: {detail}"));
    card.select_mf().map_err(card_error)?;
    let file = card
        .read_object(EF_CARD_SECURITY)
        .map_err(|error| at(Refusal::NoSecurityObject, &error.to_string()))?;
    let signed =
        SignedData::parse(&file).map_err(|error| at(Refusal::SecurityObjectMalformed, &error.to_string()))?;
    if signed.content_type() != oid::CARD_SECURITY_OBJECT {
        return Err(at(Refusal::SecurityObjectMalformed, "content type"));
    }
    let signer = verify_signer(&signed, trust, now).map_err(|refusal| at(refusal, ""))?;
    let infos = signed.content().and_then(|content| security_infos::parse_set(content).ok());
    let infos = infos.ok_or_else(|| at(Refusal::SecurityObjectMalformed, "SecurityInfos"))?;
    Ok((signer, infos))
}

/// The signer of a message, if signature and signer are good.
pub(super) fn verify_signer(
    signed: &SignedData,
    trust: &TrustStore,
    now: Timestamp,
) -> Result<x509::Certificate, Refusal> {
    let signer = signed.verify().map_err(|error| match error {
        x509::Error::UnsupportedAlgorithm(_) => Refusal::SignatureUnsupported,
        x509::Error::Signature => Refusal::SignatureInvalid,
        _ => Refusal::SecurityObjectMalformed,
    })?;
    let check: SignerCheck = trust.check_signer(signer, now);
    match check.is_trusted() {
        // Without a list of what is revoked, the reading goes on as that of the public zone does.
        Ok(()) | Err(Refusal::RevocationUnknown) => Ok(signer.clone()),
        Err(refusal) => Err(refusal),
    }
}

/// Whether the authenticated chip is that of the document: it has the same security object in its public zone, which lists the
/// keys and fields of no other card, and where DG14 names the key of Chip Authentication, that is the key it has proved.
fn expect_document<C: CardChannel>(
    card: &mut Card<C>,
    report: &ReadReport,
    chip_key: &Point,
) -> Result<(), EidError> {
    let other = |detail: &str| refuse(Refusal::AnotherChip, detail.to_owned());
    let application = if report.application == Some("emrtd") { AID_EMRTD } else { AID_PUBLIC };
    let sod = report.file(DataGroup::Sod.file_name());
    let sod = sod.ok_or_else(|| refuse(Refusal::NoSecurityObject, "EF.SOD".into()))?;
    match card.select_application(application) {
        Ok(()) => {}
        Err(CardError::Refused { sw, .. }) => return Err(other(&format!("SELECT application: SW {sw}"))),
        Err(error) => return Err(card_error(error)),
    }
    match card.read_object(FileRef::new(DataGroup::Sod.fid(), DataGroup::Sod.sfi())) {
        Ok(own) if own == sod => {}
        Ok(_) => return Err(other("EF.SOD")),
        Err(CardError::Refused { sw, .. }) => return Err(other(&format!("EF.SOD: SW {sw}"))),
        Err(error) => return Err(card_error(error)),
    }
    let infos = report.file(DataGroup::Dg14.file_name()).and_then(|file| dg14::decode(file).ok());
    let infos = infos.and_then(|infos| security_infos::parse_set(infos).ok()).unwrap_or_default();
    let named: Vec<_> = infos.iter().filter_map(SecurityInfo::chip_authentication_key).collect();
    if !named.is_empty() && !named.contains(chip_key) {
        return Err(other("DG14"));
    }
    card.select_mf().map_err(card_error)
}

// TR-03110-3 §B.1: what EF.CardAccess offered must stand under the issuer's signature, all of it and nothing else: who takes
// the stronger entries away leaves one that is signed too.
fn check_downgrade(
    used: Parameters,
    shown: &[SecurityInfo],
    signed: &[SecurityInfo],
) -> Result<(), EidError> {
    let signed = pace_infos(signed);
    if !signed.is_empty() && pace_infos(shown) == signed {
        Ok(())
    } else {
        Err(refuse(Refusal::CardAccessAltered, used.protocol().to_string()))
    }
}

fn present<C: CardChannel>(
    card: &mut Card<C>,
    identity: &TerminalIdentity,
    path: &[&Certificate],
    now: Timestamp,
) -> Result<(), EidError> {
    for (index, certificate) in path.iter().enumerate() {
        let holder = &certificate.body().holder;
        for command in terminal_authentication::present([*certificate]) {
            let answer = card.send(&command).map_err(card_error)?;
            if !answer.sw.is_ok() {
                let check = failed_check(identity.certificates(), identity.curve(), path, index, now);
                let detail = format!("{holder}: {check}, SW {}", answer.sw);
                return Err(refuse(Refusal::TerminalCertificateRefused, detail));
            }
        }
    }
    Ok(())
}

fn prove_terminal<C: CardChannel>(
    card: &mut Card<C>,
    identity: &TerminalIdentity,
    questions: &AuxiliaryData,
    key: &EphemeralKey,
    id_picc: Vec<u8>,
) -> Result<(), EidError> {
    let certificate = identity.certificate();
    let holder = certificate.body().holder.clone();
    let algorithm = certificate
        .key(identity.curve())
        .map_err(|error| refuse(Refusal::TerminalKey, error.to_string()))?
        .algorithm();
    let start = terminal_authentication::Start::new(holder.clone(), algorithm, questions, key, id_picc);
    let sign = |message: &[u8]| {
        identity.sign(message).ok_or(CardError::Malformed("signature of the terminal's key"))
    };
    terminal_authentication::authenticate::<CardError>([], start, sign, |command| card.send(command)).map_err(
        |error| match error {
            CardError::Pace(eac::Error::Refused { step: Step::ExternalAuthenticate, sw }) => {
                let refusal = match sw {
                    StatusWord::AUTHENTICATION_FAILED => Refusal::TerminalKey,
                    // The access number in place of PIN1 without the right for it.
                    StatusWord::SECURITY_STATUS_NOT_SATISFIED => Refusal::TerminalRight,
                    _ => Refusal::TerminalCertificateRefused,
                };
                let right = if refusal == Refusal::TerminalRight { "CAN_ALLOWED, " } else { "" };
                refuse(refusal, format!("{holder}: {right}{}, SW {sw}", Step::ExternalAuthenticate))
            }
            CardError::Pace(error) => {
                refuse(Refusal::TerminalCertificateRefused, format!("{holder}: {error}"))
            }
            error => card_error(error),
        },
    )
}

pub(super) fn refuse(refusal: Refusal, detail: String) -> EidError {
    EidError { refusal, detail }
}

pub(super) fn card_error(error: CardError) -> EidError {
    let refusal = match &error {
        CardError::Channel(apdu::ChannelError::CardGone) => Refusal::CardGone,
        CardError::Channel(_) => Refusal::ReaderFailed,
        CardError::SecureMessaging(_) => Refusal::ChannelBroken,
        CardError::Malformed(_) | CardError::TooLarge => Refusal::CardAnswer,
        _ => Refusal::EidCommandRefused,
    };
    refuse(refusal, error.to_string())
}

fn pin1_error(error: Pin1Error) -> EidError {
    match error {
        Pin1Error::Card(error @ CardError::Pace(_)) => refuse(error.refusal(), format!("CAN: {error}")),
        Pin1Error::Card(error) => card_error(error),
        error => refuse(error.refusal(), "PIN1".into()),
    }
}

fn pace_error(password: &Password, error: CardError) -> EidError {
    if let (PasswordReference::Pin, CardError::Pace(eac::Error::WrongPassword { tries_left })) =
        (password.reference(), &error)
    {
        return match tries_left {
            Some(0) => refuse(Refusal::Pin1Blocked, "PIN1".into()),
            _ => refuse(Refusal::Pin1Wrong, format!("PIN1: {error}")),
        };
    }
    let kind = match password.reference() {
        PasswordReference::Pin => "PIN1",
        PasswordReference::Can => "CAN",
        PasswordReference::Mrz => "MRZ",
        PasswordReference::Puk => "PUK",
    };
    let refusal = match &error {
        CardError::Pace(eac::Error::WrongPassword { .. }) => Refusal::WrongPassword,
        CardError::Pace(eac::Error::Refused { sw, .. }) if *sw != StatusWord::WRONG_DATA => {
            Refusal::PasswordBlocked
        }
        CardError::Pace(_) => Refusal::PaceFailed,
        _ => return card_error(error),
    };
    refuse(refusal, format!("{kind}: {error}"))
}
