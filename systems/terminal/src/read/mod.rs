//! Reading a card as a stranger would: household zone, secure channel, public zone, passive and active authentication.
//!
//! The order is that of CARD-27. Every check is reported on its own ([`ReadReport`]); nothing that a card answers makes the
//! reading fail otherwise. Extended length is used where the card has it; a card or reader that breaks on it is read again
//! from the beginning in short length.

mod authenticate;
mod fields;
mod report;

use std::collections::BTreeMap;
use std::time::Duration;

use apdu::{CardChannel, ChannelError, StatusWord};
use curve::Random;
use eac::pace::{ChipProof, Mapping, Parameters};
use eac::security_infos::{self, SecurityInfo};
use eac::sm::SmError;
use eac::{Password, PasswordReference};
use jiff::Timestamp;
use lds::com::Com;
use lds::{DataGroup, LdsSecurityObject};

use crate::card::{Card, CardError, FileRef, Lengths, refused_or};
use crate::trust::SignerCheck;
use crate::{Refusal, TrustStore, commands};

pub(crate) use authenticate::pace_infos;
pub use fields::{Day, Holder, Household, Portrait, PublicZoneFields, Term};
pub(crate) use report::ASSURANCE;
pub use report::{
    CONSENT, CardStatus, ChannelReport, Check, CheckKind, ChipMechanism, GroupReport, Outcome, ReadReport,
    SignerReport, Statements, Timing, Verdict,
};

/// EF.DIR.
const EF_DIR: FileRef = FileRef::new(0x2F00, 0x1E);
/// EF.CardAccess.
const EF_CARD_ACCESS: FileRef = FileRef::new(0x011C, 0x1C);
/// EF.CardSecurity.
const EF_CARD_SECURITY: FileRef = FileRef::new(0x011D, 0x1D);
/// EF.Household.
const EF_HOUSEHOLD: FileRef = FileRef::new(0x0101, 0x01);

/// How the secure channel is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// PACE with the strongest parameters the card offers.
    #[default]
    Strongest,
    /// PACE with the strongest parameters the card offers for this mapping.
    Mapping(Mapping),
    /// Basic Access Control: for documents without PACE and for the laboratory. The password must be the MRZ.
    Basic,
}

/// How to read.
#[derive(Clone, Copy, Default)]
pub struct ReadOptions<'a> {
    /// A clock for the timings of the report; without one it has none.
    pub clock: Option<&'a dyn Fn() -> Duration>,
    /// Lengths to use instead of those the card announces.
    pub lengths: Option<Lengths>,
    /// Leaves the household zone out.
    pub without_household: bool,
    /// How to open the secure channel.
    pub access: Access,
    /// Tells the registered address, in the household zone too, and the military service category, which whoever asks must have
    /// a reason for (OPEN-08).
    pub address: bool,
    /// Has the chip prove itself by Chip Authentication where it offers that to everybody, as passports do. Otherwise that is
    /// what a document is asked for that has no active authentication, or one that is not known here.
    pub chip_authentication: bool,
}

/// Reads the household and public zone of a card and checks everything that can be checked.
pub fn read_card<C: CardChannel>(
    mut channel: C,
    password: &Password,
    trust: &TrustStore,
    options: &ReadOptions<'_>,
    now: Timestamp,
    rng: &mut dyn Random,
) -> ReadReport {
    let mut reading = Reading::new(&mut channel, trust, options, now);
    match reading.run(password, rng) {
        Err(stop) if stop.needs_short_length && options.lengths.is_none() => {}
        result => return reading.finish(result),
    }
    let short = ReadOptions { lengths: Some(Lengths::Short), ..*options };
    let mut reading = Reading::new(&mut channel, trust, &short, now);
    let result = reading.run(password, rng);
    reading.finish(result)
}

/// Why a reading ends before its end.
struct Stop {
    check: CheckKind,
    refusal: Refusal,
    detail: String,
    needs_short_length: bool,
}

/// The state of one reading.
struct Reading<'a, C> {
    card: Card<C>,
    trust: &'a TrustStore,
    options: &'a ReadOptions<'a>,
    now: Timestamp,
    phase: Option<(&'static str, Duration)>,
    atr: Vec<u8>,
    household: Option<Household>,
    files: BTreeMap<&'static str, Vec<u8>>,
    groups: BTreeMap<DataGroup, Vec<u8>>,
    /// What the secure channel was opened with.
    parameters: Option<Parameters>,
    /// What chip authentication mapping has left to be verified.
    chip_proof: Option<ChipProof>,
    /// The certificates of signers that were looked at, and what was found.
    signers: Vec<(Vec<u8>, SignerCheck)>,
    report: Parts,
}

/// What becomes the report.
#[derive(Default)]
struct Parts {
    checks: Vec<Check>,
    channel: Option<ChannelReport>,
    mechanism: Option<ChipMechanism>,
    application: Option<&'static str>,
    data_groups: Vec<GroupReport>,
    signer: Option<SignerReport>,
    holder: Option<Holder>,
    public_zone: Option<lds::PublicZone>,
    timings: Vec<Timing>,
}

impl<'a, C: CardChannel> Reading<'a, C> {
    fn new(channel: C, trust: &'a TrustStore, options: &'a ReadOptions<'a>, now: Timestamp) -> Self {
        Self {
            card: Card::new(channel),
            trust,
            options,
            now,
            phase: None,
            atr: Vec::new(),
            household: None,
            files: BTreeMap::new(),
            groups: BTreeMap::new(),
            parameters: None,
            chip_proof: None,
            signers: Vec::new(),
            report: Parts::default(),
        }
    }

    // CARD-27: CAN, secure channel, fields, then the proofs.
    fn run(&mut self, password: &Password, rng: &mut dyn Random) -> Result<(), Stop> {
        self.begin("connect");
        self.connect()?;
        if self.options.access == Access::Basic {
            return self.run_basic(password, rng);
        }
        let infos = self.card_access()?;
        self.begin("household");
        let household_waits = !self.options.without_household && !self.read_household()?;
        self.begin("pace");
        self.open_channel(&infos, password, rng)?;
        if household_waits {
            self.begin("household");
            self.read_household()?;
        }
        self.begin("public_zone");
        self.select_public_zone()?;
        self.run_public_zone(rng)
    }

    /// The public zone through Basic Access Control; a household zone that wants PACE stays unread.
    fn run_basic(&mut self, password: &Password, rng: &mut dyn Random) -> Result<(), Stop> {
        let unsupported =
            |detail: &str| Stop::new(CheckKind::SecureChannel, Refusal::PaceUnsupported, detail.to_owned());
        let Password::Mrz(information) = password else {
            return Err(unsupported("Basic Access Control takes the MRZ"));
        };
        self.begin("household");
        if !self.options.without_household {
            self.read_household()?;
        }
        self.begin("bac");
        // ICAO 9303-11 §4.2: the eMRTD application is selected before.
        self.card.select_application(commands::AID_EMRTD).map_err(|_| unsupported("no eMRTD application"))?;
        self.report.application = Some("emrtd");
        self.card
            .open_basic_channel(information.expose(), rng)
            .map_err(|error| stop(CheckKind::SecureChannel, error))?;
        self.report.channel = Some(ChannelReport { protocol: "BAC".into(), curve: "3DES", password: "mrz" });
        self.pass(CheckKind::SecureChannel);
        self.begin("public_zone");
        self.run_public_zone(rng)
    }

    /// Reads and proves what the selected application shows.
    fn run_public_zone(&mut self, rng: &mut dyn Random) -> Result<(), Stop> {
        let security_object = self.read_files()?;
        self.begin("passive_authentication");
        let passive = self.passive_authentication(security_object.as_ref());
        self.check_card_access(&passive);
        self.check_contents();
        self.check_household();
        self.begin("active_authentication");
        if self.chip_mapping(&passive) {
            return Ok(());
        }
        // ICAO 9303-11 §6.2: a reader takes either. CARD-27 names active authentication, so that comes first.
        let offered = self.chip_authentication_offer();
        if let Some(offer) = offered.clone().filter(|_| self.options.chip_authentication) {
            return self.chip_authentication(&passive, offer, rng);
        }
        match (self.active_authentication(&passive, rng)?, offered) {
            (None, _) => {}
            (Some(_), Some(offer)) => self.chip_authentication(&passive, offer, rng)?,
            (Some((refusal, detail)), None) => self.leave_open(CheckKind::Chip, refusal, detail),
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<(), Stop> {
        let atr = match self.options.lengths {
            None => self.card.connect(),
            Some(lengths) => {
                self.card.set_lengths(lengths);
                self.card.reset()
            }
        };
        self.atr = atr.map_err(|error| stop(CheckKind::Card, error))?;
        self.pass(CheckKind::Card);
        Ok(())
    }

    fn select_mf(&mut self) -> Result<(), Stop> {
        refused_or(self.card.select_mf()).map_err(|error| stop(CheckKind::Card, error))
    }

    fn card_access(&mut self) -> Result<Vec<SecurityInfo>, Stop> {
        self.select_mf()?;
        let directory = refused_or(self.card.read_to_end(EF_DIR).map(Some));
        if let Some(content) = directory.map_err(|error| stop(CheckKind::Card, error))? {
            self.files.insert("ef_dir.bin", content);
        }
        let content = match self.card.read_object(EF_CARD_ACCESS) {
            Ok(content) => content,
            Err(CardError::Refused { sw, .. }) if sw != StatusWord::WRONG_LENGTH => {
                return Err(Stop::new(CheckKind::SecureChannel, Refusal::NoCardAccess, format!("SW {sw}")));
            }
            Err(error) => return Err(stop(CheckKind::Card, error)),
        };
        let infos = security_infos::parse_file(&content);
        self.files.insert("ef_card_access.bin", content);
        infos.map_err(|error| {
            Stop::new(CheckKind::SecureChannel, Refusal::CardAnswer, format!("EF.CardAccess: {error}"))
        })
    }

    /// Reads the household zone; `false` if the card wants a secure channel for it first (OPEN-02).
    fn read_household(&mut self) -> Result<bool, Stop> {
        match self.card.select_application(commands::AID_HOUSEHOLD) {
            Ok(()) => {}
            // A card of another country.
            Err(CardError::Refused { sw: StatusWord::FILE_NOT_FOUND, .. }) => return Ok(true),
            Err(CardError::Refused { .. }) => return Ok(self.card.is_secure()),
            Err(error) => return Err(stop(CheckKind::Household, error)),
        }
        match self.card.read_object(EF_HOUSEHOLD) {
            Ok(content) => {
                self.files.insert("household.bin", content);
                Ok(true)
            }
            Err(CardError::Refused { sw: StatusWord::SECURITY_STATUS_NOT_SATISFIED, .. })
                if !self.card.is_secure() =>
            {
                Ok(false)
            }
            Err(CardError::Refused { sw, .. }) => {
                self.fail(CheckKind::Household, Refusal::FileUnreadable, format!("EF.Household: SW {sw}"));
                Ok(true)
            }
            Err(error) => Err(stop(CheckKind::Household, error)),
        }
    }

    fn open_channel(
        &mut self,
        infos: &[SecurityInfo],
        password: &Password,
        rng: &mut dyn Random,
    ) -> Result<(), Stop> {
        let parameters = match self.options.access {
            Access::Mapping(mapping) => Parameters::choose_among(infos, &[mapping]),
            Access::Strongest | Access::Basic => Parameters::choose(infos),
        };
        let parameters = parameters
            .ok_or_else(|| Stop::new(CheckKind::SecureChannel, Refusal::PaceUnsupported, String::new()))?;
        self.select_mf()?;
        let opened = self
            .card
            .open_channel(parameters, password, rng)
            .map_err(|error| stop(CheckKind::SecureChannel, error))?;
        self.parameters = Some(parameters);
        self.chip_proof = opened.chip_proof;
        if self.chip_proof.is_some() {
            // ICAO 9303-11 §J.1: the key of chip authentication mapping is in the MF, which is selected now.
            let content = refused_or(self.card.read_object(EF_CARD_SECURITY).map(Some));
            if let Some(content) = content.map_err(|error| stop(CheckKind::Chip, error))? {
                self.files.insert("ef_card_security.bin", content);
            }
        }
        self.report.channel = Some(ChannelReport {
            protocol: parameters.protocol().to_string(),
            curve: parameters.curve.name(),
            password: match password.reference() {
                PasswordReference::Mrz => "mrz",
                PasswordReference::Can => "can",
                PasswordReference::Pin => "pin",
                PasswordReference::Puk => "puk",
            },
        });
        self.pass(CheckKind::SecureChannel);
        Ok(())
    }

    fn select_public_zone(&mut self) -> Result<(), Stop> {
        for (aid, name) in [(commands::AID_PUBLIC, "public_zone"), (commands::AID_EMRTD, "emrtd")] {
            match self.card.select_application(aid) {
                Ok(()) => {
                    self.report.application = Some(name);
                    return Ok(());
                }
                Err(CardError::Refused { .. }) => {}
                Err(error) => return Err(stop(CheckKind::Files, error)),
            }
        }
        Err(Stop::new(CheckKind::Files, Refusal::NoPublicZone, String::new()))
    }

    /// Reads EF.COM, EF.SOD and every data group that either of them names. Gives what EF.SOD holds, not yet verified.
    fn read_files(&mut self) -> Result<Option<authenticate::SecurityObject>, Stop> {
        let mut listed = Vec::new();
        if self.read_group(DataGroup::Com)?.is_none()
            && let Some(Ok(com)) = self.groups.get(&DataGroup::Com).map(|file| Com::decode(file))
        {
            listed = com.data_groups;
        }
        let security_object = match self.read_group(DataGroup::Sod)? {
            None => authenticate::SecurityObject::parse(&self.groups[&DataGroup::Sod]),
            Some(sw) => Err((Refusal::NoSecurityObject, format!("SW {sw}"))),
        };
        let security_object = match security_object {
            Ok(object) => Some(object),
            Err((refusal, detail)) => {
                self.fail(CheckKind::SecurityObject, refusal, detail);
                None
            }
        };
        let signed = security_object.as_ref().map(authenticate::SecurityObject::hashes);
        listed.extend(signed.iter().flat_map(|o| o.hashes.keys()).filter_map(|n| DataGroup::from_number(*n)));
        listed.sort_unstable_by_key(|group| group.number());
        listed.dedup();
        let mut missing = Vec::new();
        for group in listed {
            // ICAO 9303-10 §4.7.3: fingers and irises need Extended Access Control, which this reader does not have.
            let protected = matches!(group, DataGroup::Dg3 | DataGroup::Dg4);
            if !protected && let Some(sw) = self.read_group(group)? {
                missing.push(format!("{group}: SW {sw}"));
            }
        }
        if missing.is_empty() {
            self.pass(CheckKind::Files);
        } else {
            self.fail(CheckKind::Files, Refusal::GroupMissing, missing.join(", "));
        }
        Ok(security_object)
    }

    /// Reads one file; gives the status word where the card refuses.
    fn read_group(&mut self, group: DataGroup) -> Result<Option<StatusWord>, Stop> {
        match self.card.read_object(FileRef::new(group.fid(), group.sfi())) {
            Ok(content) => {
                self.groups.insert(group, content);
                Ok(None)
            }
            Err(CardError::Refused { sw, .. }) if sw != StatusWord::WRONG_LENGTH => Ok(Some(sw)),
            Err(error) => Err(stop(CheckKind::Files, error).at(group)),
        }
    }

    fn check(&mut self, check: CheckKind, outcome: Outcome, refusal: Option<Refusal>, detail: String) {
        // One line for each check: the first thing that is wrong with it.
        if self.report.checks.iter().any(|c| c.check == check) {
            return;
        }
        let title = match (check, self.report.mechanism) {
            (CheckKind::Chip, Some(mechanism)) => mechanism.title(),
            _ => check.title(),
        };
        self.report.checks.push(Check { check, title: title.into(), outcome, refusal, detail });
    }

    fn pass(&mut self, check: CheckKind) {
        self.check(check, Outcome::Passed, None, String::new());
    }

    fn fail(&mut self, check: CheckKind, refusal: Refusal, detail: String) {
        self.check(check, Outcome::Failed, Some(refusal), detail);
    }

    /// Fails a check that had passed on what was known before.
    fn overrule(&mut self, check: CheckKind, refusal: Refusal, detail: String) {
        if let Some(found) = self.report.checks.iter_mut().find(|c| c.check == check) {
            (found.outcome, found.refusal, found.detail) = (Outcome::Failed, Some(refusal), detail);
        }
    }

    fn leave_open(&mut self, check: CheckKind, refusal: Refusal, detail: String) {
        self.check(check, Outcome::Unknown, Some(refusal), detail);
    }

    /// Ends the phase that runs and begins another.
    fn begin(&mut self, phase: &'static str) {
        let Some(clock) = self.options.clock else { return };
        let now = clock();
        self.end_phase(now);
        self.phase = Some((phase, now));
    }

    fn end_phase(&mut self, now: Duration) {
        let Some((phase, since)) = self.phase.take() else { return };
        let micros = now.saturating_sub(since).as_micros();
        // A phase may come twice: the household zone, once in the clear and once in the channel.
        match self.report.timings.iter_mut().find(|timing| timing.phase == phase) {
            Some(timing) => timing.micros += micros,
            None => self.report.timings.push(Timing { phase, micros }),
        }
    }

    fn finish(mut self, result: Result<(), Stop>) -> ReadReport {
        if let Err(Stop { check, refusal, detail, .. }) = result {
            // Whatever a check said before, the reading broke off in it.
            self.report.checks.retain(|c| c.check != check);
            self.fail(check, refusal, detail);
        }
        if let Some(clock) = self.options.clock {
            self.end_phase(clock());
        }
        self.leave_open(CheckKind::CardStatus, Refusal::StatusUnknown, String::new());
        let outcome = |kind| {
            self.report.checks.iter().find(|c| c.check == kind).map_or(Outcome::Unknown, |c| c.outcome)
        };
        let statements = Statements {
            signature_valid: [CheckKind::SecurityObject, CheckKind::Signer, CheckKind::DataGroups]
                .map(outcome)
                .into_iter()
                // A signer that is known to be revoked spoils it; one whose status is not known does not.
                .chain(Some(outcome(CheckKind::SignerRevocation)).filter(|o| *o == Outcome::Failed))
                .reduce(worse)
                .unwrap_or(Outcome::Unknown),
            chip_genuine: outcome(CheckKind::Chip),
            household_signature_valid: outcome(CheckKind::Household),
            card_status: CardStatus::Unknown,
        };
        let verdict = report::verdict(&statements, &self.report.checks);
        let mut files = self.files;
        files.extend(self.groups.into_iter().map(|(group, content)| (group.file_name(), content)));
        ReadReport {
            verdict,
            statements,
            assurance: report::ASSURANCE,
            consent: CONSENT,
            checks: self.report.checks,
            atr: to_hex(&self.atr),
            channel: self.report.channel,
            chip_mechanism: self.report.mechanism,
            application: self.report.application,
            data_groups: self.report.data_groups,
            signer: self.report.signer,
            household: self.household.filter(|_| self.options.address),
            holder: self.report.holder,
            timings: self.report.timings,
            files,
            public_zone: self.report.public_zone,
        }
    }
}

impl Stop {
    const fn new(check: CheckKind, refusal: Refusal, detail: String) -> Self {
        Self { check, refusal, detail, needs_short_length: false }
    }

    fn at(mut self, group: DataGroup) -> Self {
        self.detail = format!("{group}: {}", self.detail);
        self
    }
}

/// What an error of the card means for the reading, which ends with it.
fn stop(check: CheckKind, error: CardError) -> Stop {
    let refusal = match error.refusal() {
        Refusal::CardRefused => Refusal::FileUnreadable,
        refusal => refusal,
    };
    // What a card or reader says that breaks on extended length.
    let needs_short_length = matches!(
        error,
        CardError::Refused { sw: StatusWord::WRONG_LENGTH, .. }
            | CardError::SecureMessaging(SmError::Plain(StatusWord::WRONG_LENGTH))
            | CardError::Channel(ChannelError::Reader(_))
    );
    Stop { check, refusal, detail: error.to_string(), needs_short_length }
}

/// The larger of two worries: failed, unknown, passed.
fn worse(a: Outcome, b: Outcome) -> Outcome {
    match (a, b) {
        (Outcome::Failed, _) | (_, Outcome::Failed) => Outcome::Failed,
        (Outcome::Unknown, _) | (_, Outcome::Unknown) => Outcome::Unknown,
        _ => Outcome::Passed,
    }
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02X}");
        out
    })
}

/// The signed hashes, wherever they came from.
type Hashes = LdsSecurityObject;
