//! Updating the chip of a card at an office: the register's latest data compared with what the card holds, the difference
//! signed, written and noted (UPDATE-02, UPDATE-05, UPDATE-12, OPEN-41).
//!
//! The card is verified first as any stranger would, and then opened by the offices' terminal, which may write and read
//! nothing of the encrypted zone: whether a field of that zone changed is told by the signed hashes, over salts that
//! management derives. What is kept is which fields changed and the hash of the package, no value; the clerk's signed request
//! before it, and the chip's signed receipt after it, so that each of them can be shown later (UPDATE-08, [`Mgmt::verify_updates`]).

use std::sync::Arc;

use apdu::CardChannel;
use curve::Hash;
use eac::Password;
use eac::cvc::{Rights, UpdateRights};
use jiff::Timestamp;
use lds::eid::{Field, Placement};
use lds::field_security::{FieldCheck, FieldSecurityObject, with_salt};
use lds::household::HouseholdData;
use lds::{DataGroup, PublicZone, UpdateReceipt};
use model::{CardSerial, CardState, OfficeCode};
use registry::Person;
use serde_json::json;
use store::{Tx, params};
use terminal::eid::{EidError, Session, UpdateFiles};
use terminal::{ReadOptions, TrustStore, Verdict, read_card};
use x509::cms::SignedData;

use crate::application::printed_fields;
use crate::books::{CardEntry, card_now, log, parse, stamp};
use crate::pins::{Opening, card_error};
use crate::service::Mgmt;
use crate::update_request::{SignedRequest, UpdateRequest, hex, sha256};
use crate::written::{WrittenFields, WrittenZones};
use crate::zones::{self, CardData};
use crate::{MgmtError, Refusal};

/// What an update changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardUpdate {
    /// Its number among the updates of this card; none where nothing had to be changed.
    pub number: Option<u16>,
    /// The fields that changed, by the names of the update rights.
    pub fields: Vec<&'static str>,
    /// The signed package, as it was given to the card. It holds personal data.
    pub package: Vec<u8>,
    /// The link certificates that lead to its signer, one after the other.
    pub links: Vec<u8>,
}

/// What is kept of an update (UPDATE-12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRecord {
    /// The card.
    pub serial: CardSerial,
    /// Its number among the updates of this card.
    pub number: u16,
    /// The names of the fields that changed.
    pub fields: Vec<String>,
    /// SHA-256 of what the document signer signed, by which its log has the signature.
    pub package_hash: Vec<u8>,
    /// The office.
    pub office: OfficeCode,
    /// The clerk's account.
    pub clerk: String,
    /// `signed` until the card answered, then `written` or `refused`; `lost` where the card never took it.
    pub result: String,
    /// The number of the clerk's request.
    pub request: Option<String>,
    /// The chip's receipt, where it was written (`lds::UpdateReceipt`).
    pub receipt: Option<Vec<u8>>,
    /// The key that the receipt is verified with, as the card's DG15 has it.
    pub receipt_key: Option<Vec<u8>>,
    /// When.
    pub at: Timestamp,
}

/// One update with the result of its verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateProof {
    /// What is kept of it.
    pub record: UpdateRecord,
    /// The request that it began with, where that is good.
    pub request: Option<UpdateRequest>,
    /// What does not fit; nothing where everything does.
    pub problems: Vec<&'static str>,
}

/// What the card said before anything was written.
struct OnCard<C> {
    session: Session<C>,
    last: Option<UpdateReceipt>,
    public: PublicZone,
    household: HouseholdData,
    object: FieldSecurityObject,
}

/// A card in a reader beside what is known of its holder.
struct Looked<C> {
    entry: CardEntry,
    person: Person,
    foreign_name: bool,
    on_card: OnCard<C>,
}

/// What an update would change, unsigned.
struct Difference {
    changed: UpdateRights,
    household: Option<HouseholdData>,
    public: Option<PublicZone>,
    encrypted: Option<WrittenFields>,
}

impl Mgmt {
    /// The fields in which a card in a reader and the register differ, by the names of the update rights. Nothing is signed,
    /// written or noted.
    pub async fn compare_card<C: CardChannel + Send + 'static>(
        &self,
        serial: CardSerial,
        channel: C,
        now: Timestamp,
    ) -> Result<(Vec<&'static str>, C), MgmtError> {
        let looked = self.look(serial, channel, now).await?;
        let difference = self.difference(&looked)?;
        Ok((difference.changed.names().collect(), looked.on_card.session.into_channel()))
    }

    /// Brings the fields of the card that a signed request names to what the register says now. The clerk has verified who
    /// asks, and says so in the request (UPDATE-09): PIN1 is not needed.
    pub async fn update_card<C: CardChannel + Send + 'static>(
        &self,
        request: &SignedRequest,
        channel: C,
        now: Timestamp,
    ) -> Result<(CardUpdate, C), MgmtError> {
        let request = self.take_request(request, now).await?;
        let serial = request.card;
        // What the register has said so far is marked before, so that the mark goes with the update.
        self.follow_register(now).await?;
        let looked = self.look(serial, channel, now).await?;
        self.settle(&looked, &request.clerk, now).await?;
        let difference = self.difference(&looked)?;
        let names: Vec<_> = difference.changed.names().collect();
        if names.is_empty() {
            store::transaction!(self.db, |tx| up_to_date(tx, serial).await)?;
            let nothing = CardUpdate { number: None, fields: names, package: Vec::new(), links: Vec::new() };
            return Ok((nothing, looked.on_card.session.into_channel()));
        }
        let files = self.sign_files(serial, difference, now).await?;
        let mut on_card = looked.on_card;
        let (number, package) = self.sign_update(&request, &names, &files, &on_card, now).await?;
        let key = on_card.public.active_authentication_key.clone();
        let links = self.links().await?;
        let (signed, given) = (package.clone(), links.clone());
        let written = tokio::task::spawn_blocking(move || {
            let result = on_card.session.update(&signed, &given);
            (result, on_card.session.into_channel())
        });
        let (result, channel) = written.await.map_err(|_| WORKER)?;
        let outcome = match &result {
            Ok(receipt) => Outcome::Written(receipt, &key),
            // Whether the card took it is not known: its receipt will say at the next visit.
            Err(error) if unanswered(error) => Outcome::Unknown,
            Err(_) => Outcome::Refused,
        };
        self.note_result(serial, number, &request.clerk, outcome, now).await?;
        result.map_err(card_error)?;
        Ok((CardUpdate { number: Some(number), fields: names, package, links }, channel))
    }

    /// The updates of a card, oldest first.
    pub async fn card_updates(&self, serial: CardSerial) -> Result<Vec<UpdateRecord>, MgmtError> {
        let sql = "SELECT serial, number, fields, package_hash, office, clerk, result, at, request, receipt, \
            receipt_key FROM card_update WHERE serial = $1 ORDER BY number";
        let rows = self.db.all(sql, params![serial.as_str()]).await?;
        rows.iter()
            .map(|row| {
                Ok(UpdateRecord {
                    serial: parse(row, "serial")?,
                    number: row.read("number")?,
                    fields: row.read::<String>("fields")?.split(' ').map(str::to_owned).collect(),
                    package_hash: row.read("package_hash")?,
                    office: parse(row, "office")?,
                    clerk: row.read("clerk")?,
                    result: row.read("result")?,
                    at: row.read("at")?,
                    request: row.read("request")?,
                    receipt: row.read("receipt")?,
                    receipt_key: row.read("receipt_key")?,
                })
            })
            .collect()
    }

    /// Verifies what is kept of the updates of a card, oldest first (UPDATE-08): the clerk's signature on the request, the
    /// chip's on the receipt, and that the audit log, whose chain is verified first, has all of it as it stands here. With a
    /// head of the log that was kept elsewhere this holds against whoever can write to the database.
    pub async fn verify_updates(&self, serial: CardSerial) -> Result<Vec<UpdateProof>, MgmtError> {
        audit::verify(&self.db, None).await?;
        let mut entries = Vec::new();
        loop {
            let after = entries.last().map_or(0, |entry: &audit::Entry| entry.seq);
            let page = audit::events(&self.db, Some(serial.as_str()), after, PAGE).await?;
            if page.is_empty() {
                break;
            }
            entries.extend(page);
        }
        let mut proofs = Vec::new();
        for record in self.card_updates(serial).await? {
            let (request, problems) = self.verify_update(&record, &entries).await?;
            proofs.push(UpdateProof { record, request, problems });
        }
        Ok(proofs)
    }

    async fn verify_update(
        &self,
        record: &UpdateRecord,
        entries: &[audit::Entry],
    ) -> Result<(Option<UpdateRequest>, Vec<&'static str>), MgmtError> {
        let mut problems = Vec::new();
        let mut demand = |holds: bool, problem| {
            if !holds {
                problems.push(problem);
            }
        };
        // Whoever found out how it ended need not be who began it.
        let logged = |action: &str, detail: serde_json::Value| {
            let (detail, any) = (detail.to_string(), action == RESULT);
            entries.iter().any(|entry| {
                entry.action == action && (any || entry.actor == record.clerk) && entry.detail == detail
            })
        };
        let kept = match &record.request {
            Some(request) => self.kept_request(request).await?,
            None => None,
        };
        let request = kept.as_ref().and_then(|kept| self.verify_request(kept));
        let of_this = request.as_ref().is_some_and(|request| {
            Some(&request.request) == record.request.as_ref()
                && (request.card, request.office) == (record.serial, record.office)
                && request.clerk == record.clerk
        });
        demand(of_this, "the clerk's request");
        let taken = kept.zip(request.as_ref());
        let taken = taken
            .is_some_and(|(kept, request)| logged("card-update-request", request_detail(request, &kept)));
        demand(taken, "the request in the audit log");
        demand(logged("card-update", update_detail(record)), "the update in the audit log");
        if record.result == WRITTEN {
            let key = record.receipt_key.as_deref().unwrap_or_default();
            let receipt = record.receipt.as_deref().and_then(|der| UpdateReceipt::decode(der).ok());
            let good = receipt.is_some_and(|receipt| {
                (receipt.number, &receipt.package) == (record.number, &record.package_hash)
                    && receipt.is_signed_by(key)
            });
            demand(good, "the chip's receipt");
        }
        let result = result_detail(
            record.number,
            &record.result,
            record.receipt.as_deref(),
            record.receipt_key.as_deref(),
        );
        let open = record.result == SIGNED && record.receipt.is_none() && record.receipt_key.is_none();
        demand(open || logged(RESULT, result), "the result in the audit log");
        Ok((request, problems))
    }

    /// Closes what an earlier visit has left open: the card's own receipt says whether it took the last package.
    async fn settle<C: CardChannel>(
        &self,
        looked: &Looked<C>,
        clerk: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let (serial, on_card) = (looked.entry.serial, &looked.on_card);
        let key = &on_card.public.active_authentication_key;
        for record in self.card_updates(serial).await?.iter().filter(|record| record.result == SIGNED) {
            let taken = on_card
                .last
                .as_ref()
                .filter(|receipt| receipt.number == record.number && receipt.package == record.package_hash);
            let outcome = taken.map_or(Outcome::Lost, |receipt| Outcome::Written(receipt, key));
            self.note_result(serial, record.number, clerk, outcome, now).await?;
        }
        Ok(())
    }

    /// Verifies a card in a reader and opens the session in which it may be updated. Refused where an update cannot help.
    async fn look<C: CardChannel + Send + 'static>(
        &self,
        serial: CardSerial,
        channel: C,
        now: Timestamp,
    ) -> Result<Looked<C>, MgmtError> {
        let entry = card_now(&self.db, serial).await?;
        if entry.state() != CardState::Active {
            return Err(Refusal::WrongState.into());
        }
        let holder = self.holder(&entry)?;
        let person = self.register.person(&holder.id).await?.ok_or(Refusal::PersonUnknown)?;
        // UPDATE-03: a printed field means a new card.
        let fields = printed_fields(&person, holder.foreign_name);
        if self.keys.face(&fields.each_ref().map(String::as_str)) != entry.face {
            return Err(Refusal::NewCardNeeded.into());
        }
        let trust = Arc::new(self.trust(now).await?);
        let opening = self.opening(&entry, Rights::NONE, UpdateRights::ALL, trust.clone(), now).await?;
        let mut random = self.random();
        let on_card = tokio::task::spawn_blocking(move || {
            let password = Password::can(serial.can().as_str());
            inspect(channel, (serial, &password), opening, &trust, now, &mut random)
        });
        let on_card = on_card.await.map_err(|_| WORKER)??;
        Ok(Looked { entry, person, foreign_name: holder.foreign_name, on_card })
    }

    /// What of a card is not what the register says.
    fn difference<C: CardChannel>(&self, looked: &Looked<C>) -> Result<Difference, MgmtError> {
        let zone_error = |error: lds::Error| MgmtError::Zones(error.to_string());
        let Looked { entry, person, foreign_name, on_card } = looked;
        let data = CardData {
            serial: entry.serial,
            profile: entry.profile,
            issue: entry.issue,
            renewal: entry.renewal,
            foreign_name: *foreign_name,
            active_authentication: &on_card.public.active_authentication_key,
            chip_authentication: entry.chip_key.as_deref().ok_or(MgmtError::Data("the chip's key"))?,
        };
        let mut changed = UpdateRights::NONE;

        let household = Some(zones::household(person)?).filter(|fresh| *fresh != on_card.household);
        if household.is_some() {
            changed = changed.with(UpdateRights::HOUSEHOLD);
        }

        let fresh = zones::public_zone(person, &data, &self.config)?;
        let mut public = on_card.public.clone();
        if fresh.address != public.address {
            changed = changed.with(UpdateRights::ADDRESS);
            public.address = fresh.address;
        }
        if fresh.military_service != public.military_service {
            changed = changed.with(UpdateRights::MILITARY_SERVICE);
            public.military_service = fresh.military_service;
        }
        let public = Some(public).filter(|public| *public != on_card.public);

        let zone = zones::encrypted_zone(person, &data, &self.config)?;
        let fresh = zone.files().map_err(zone_error)?;
        let sequence = on_card.object.sequence.checked_add(1).ok_or(MgmtError::Data("updates of a card"))?;
        let mut object = FieldSecurityObject { sequence, ..on_card.object.clone() };
        let mut groups = Vec::new();
        for (field, right) in UPDATABLE {
            let group = zone.placement.group(field);
            let file = fresh.get(&group).ok_or(MgmtError::Data("a field"))?;
            if self.is_on_card(entry.serial, &on_card.object, group, file) {
                continue;
            }
            let salted = with_salt(file, &self.keys.field_salt(entry.serial, group, sequence));
            object.hashes.insert(group, object.hash.digest(&salted));
            changed = changed.with(right);
            groups.push((group, salted));
        }
        let encrypted =
            Some(WrittenFields { groups, object, zone }).filter(|written| !written.groups.is_empty());
        Ok(Difference { changed, household, public, encrypted })
    }

    /// The new files, signed zone by zone.
    async fn sign_files(
        &self,
        serial: CardSerial,
        difference: Difference,
        now: Timestamp,
    ) -> Result<UpdateFiles, MgmtError> {
        let zone_error = |error: lds::Error| MgmtError::Zones(error.to_string());
        let household = |zone: HouseholdData| Ok::<_, MgmtError>((zone.encode().map_err(zone_error)?, zone));
        let public = |zone: PublicZone| Ok::<_, MgmtError>((zone.data_groups().map_err(zone_error)?, zone));
        let written = WrittenZones {
            household: difference.household.map(household).transpose()?,
            public: difference.public.map(public).transpose()?,
            encrypted: difference.encrypted,
        };
        let signed = written.sign(&*self.signing, &serial, now).await?;
        let changed = [DataGroup::Dg11, DataGroup::Dg13, DataGroup::Sod];
        let public = signed.public.map(|mut groups| {
            changed.into_iter().filter_map(|group| Some((group.fid(), groups.remove(&group)?))).collect()
        });
        Ok(UpdateFiles {
            household: signed.household,
            public: public.unwrap_or_default(),
            encrypted: signed.encrypted,
        })
    }

    /// Whether the card has this file already: with the salt of one of its updates it has the signed hash.
    fn is_on_card(&self, serial: CardSerial, object: &FieldSecurityObject, group: u8, file: &[u8]) -> bool {
        (0..=object.sequence).any(|sequence| {
            let salted = with_salt(file, &self.keys.field_salt(serial, group, sequence));
            object.check(group, &salted) == FieldCheck::Unaltered
        })
    }

    /// Notes the update and has it signed, in this order.
    async fn sign_update<C: CardChannel>(
        &self,
        request: &UpdateRequest,
        names: &[&'static str],
        files: &UpdateFiles,
        on_card: &OnCard<C>,
        now: Timestamp,
    ) -> Result<(u16, Vec<u8>), MgmtError> {
        let zone_error = |error: lds::Error| MgmtError::Zones(error.to_string());
        let (key, serial) = (on_card.session.chip_key(), request.card);
        // The card's own number counts too: books that came from a copy know less than the card.
        let on_card = on_card.last.as_ref().map_or(0, |receipt| i64::from(receipt.number));
        let package = store::transaction!(self.db, |tx| {
            let sql = "SELECT COALESCE(MAX(number), 0) FROM card_update WHERE serial = $1";
            let last = tx.one(sql, params![serial.as_str()]).await?.read::<i64>(0)?.max(on_card);
            let last = u16::try_from(last).map_err(|_| MgmtError::Data("updates of a card"))?;
            let package = files.package(key, last).map_err(zone_error)?;
            let record = UpdateRecord {
                serial,
                number: package.sequence,
                fields: names.iter().map(|name| (*name).to_owned()).collect(),
                package_hash: Hash::Sha256.digest(&package.encode()),
                office: request.office,
                clerk: request.clerk.clone(),
                result: SIGNED.into(),
                request: Some(request.request.clone()),
                receipt: None,
                receipt_key: None,
                at: now,
            };
            tx.execute_one(
                "INSERT INTO card_update (serial, number, fields, package_hash, office, clerk, result, at, request) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                params![
                    serial.as_str(),
                    i64::from(record.number),
                    record.fields.join(" "),
                    &record.package_hash,
                    record.office.as_str(),
                    &record.clerk,
                    SIGNED,
                    now,
                    &request.request
                ],
            )
            .await?;
            let by = stamp(now, &record.clerk);
            log(tx, &by, "card-update", serial.as_str(), update_detail(&record)).await?;
            Ok::<_, MgmtError>(package)
        })?;
        let signed = self.signing.sign_chip_update(&serial, &package, now).await?;
        Ok((package.sequence, signed))
    }

    async fn note_result(
        &self,
        serial: CardSerial,
        number: u16,
        clerk: &str,
        outcome: Outcome<'_>,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let (result, receipt, key) = match outcome {
            Outcome::Unknown => return Ok(()),
            Outcome::Refused => (REFUSED, None, None),
            Outcome::Lost => (LOST, None, None),
            Outcome::Written(receipt, key) => (WRITTEN, Some(receipt.encode()), Some(key)),
        };
        store::transaction!(self.db, |tx| {
            tx.execute_one(
                "UPDATE card_update SET result = $3, at = $4, receipt = $5, receipt_key = $6 \
                 WHERE serial = $1 AND number = $2",
                params![serial.as_str(), i64::from(number), result, now, receipt.as_deref(), key],
            )
            .await?;
            if result == WRITTEN {
                up_to_date(tx, serial).await?;
            }
            let detail = result_detail(number, result, receipt.as_deref(), key);
            log(tx, &stamp(now, clerk), RESULT, serial.as_str(), detail).await
        })
    }

    /// The link certificates of the CSCA, one after the other.
    async fn links(&self) -> Result<Vec<u8>, MgmtError> {
        let certificates = self.signing.csca_certificates().await?;
        let links = certificates.iter().filter(|c| c.verify_signature(c.spki()).is_err());
        Ok(links.flat_map(|link| link.der().to_vec()).collect())
    }
}

/// How an update ended.
enum Outcome<'a> {
    /// The card took it and signed that it did; its key of active authentication.
    Written(&'a UpdateReceipt, &'a [u8]),
    /// The card refused it.
    Refused,
    /// It never reached the card.
    Lost,
    /// The card left before it answered.
    Unknown,
}

const SIGNED: &str = "signed";
const WRITTEN: &str = "written";
const REFUSED: &str = "refused";
const LOST: &str = "lost";
const RESULT: &str = "card-update-result";
/// Entries of the audit log read at a time.
const PAGE: u32 = 1_000;

/// Whether the card may have done what it did not answer.
fn unanswered(error: &EidError) -> bool {
    use terminal::Refusal as R;
    matches!(error.refusal, R::CardGone | R::ReaderFailed | R::ChannelBroken | R::CardAnswer)
}

// What the audit log has of an update: everything that is kept of it, whatever is long by its hash.

pub(crate) fn request_detail(request: &UpdateRequest, signed: &SignedRequest) -> serde_json::Value {
    json!({
        "request": request.request, "content": sha256(&signed.content), "signature": sha256(&signed.signature),
        "office": request.office.as_str(), "applicant": request.applicant.as_str(),
    })
}

fn update_detail(record: &UpdateRecord) -> serde_json::Value {
    json!({
        "number": record.number, "fields": record.fields, "office": record.office.as_str(),
        "package": hex(&record.package_hash), "request": record.request,
    })
}

fn result_detail(number: u16, result: &str, receipt: Option<&[u8]>, key: Option<&[u8]>) -> serde_json::Value {
    json!({
        "number": number, "result": result, "receipt": receipt.map(sha256), "receipt_key": key.map(sha256),
    })
}

/// The card says what the register says: its mark is taken off.
async fn up_to_date(tx: &mut Tx, serial: CardSerial) -> Result<(), MgmtError> {
    let sql = "UPDATE card SET outdated_at = NULL, outdated_by = NULL WHERE serial = $1";
    tx.execute_one(sql, params![serial.as_str()]).await?;
    Ok(())
}

/// Verifies the card as a stranger would, opens the session, and takes what tells the old content. Both are of the card with
/// this number: what is signed and written is made from the public zone, and the session proves the chip alone.
fn inspect<C: CardChannel>(
    mut channel: C,
    (serial, can): (CardSerial, &Password),
    mut opening: Opening,
    trust: &TrustStore,
    now: Timestamp,
    random: &mut sealed::SharedRandom,
) -> Result<OnCard<C>, MgmtError> {
    let report = read_card(&mut channel, can, trust, &ReadOptions::default(), now, random);
    let public = report.public_zone().cloned();
    let household = report.file("household.bin").and_then(household_data);
    let (Verdict::Verified, Some(public), Some(household)) = (report.verdict, public, household) else {
        let refusal = report.checks.iter().find_map(|check| check.refusal);
        return Err(match refusal {
            Some(terminal::Refusal::WrongPassword) => Refusal::OtherCard.into(),
            _ => Refusal::CardUntrusted.into(),
        });
    };
    // UPDATE-08: the receipt is verified with the key of this DG15, the new security object lists these data groups.
    if public.card_serial != serial.as_str() {
        return Err(Refusal::OtherCard.into());
    }
    let mut session = opening.open(channel, Some(&report))?;
    let object = session.field_security_object(trust, now).map_err(card_error)?;
    if Placement::from_groups(object.hashes.keys().copied()).is_none() {
        return Err(Refusal::CardUntrusted.into());
    }
    let last = session.last_update().map_err(card_error)?;
    // Only what the key of the verified DG15 has signed is a receipt.
    if last.as_ref().is_some_and(|receipt| !receipt.is_signed_by(&public.active_authentication_key)) {
        return Err(Refusal::CardUntrusted.into());
    }
    Ok(OnCard { session, last, public, household, object })
}

/// What a household file says; its signature was verified with the rest of the card.
fn household_data(file: &[u8]) -> Option<HouseholdData> {
    SignedData::parse(file).ok()?.content().and_then(|content| HouseholdData::decode(content).ok())
}

/// The fields of the encrypted zone that may change (CARD-45), with their rights.
const UPDATABLE: [(Field, UpdateRights); 4] = [
    (Field::Spouse, UpdateRights::SPOUSE),
    (Field::Father, UpdateRights::FATHER),
    (Field::Mother, UpdateRights::MOTHER),
    (Field::Birthplace, UpdateRights::BIRTHPLACE),
];

const WORKER: MgmtError = MgmtError::Data("a worker died");
