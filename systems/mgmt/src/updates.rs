//! Updating the chip of a card at an office: the register's latest data compared with what the card holds, the difference
//! signed, written and noted (UPDATE-02, UPDATE-05, UPDATE-12, OPEN-41).
//!
//! The card is verified first as any stranger would, and then opened by the offices' terminal, which may write and read
//! nothing of the encrypted zone: whether a field of that zone changed is told by the signed hashes, over salts that
//! management derives. What is kept is which fields changed and the hash of the package, no value.

use std::sync::Arc;

use apdu::CardChannel;
use curve::Hash;
use eac::Password;
use eac::cvc::{Rights, UpdateRights};
use jiff::Timestamp;
use lds::eid::{Field, Placement};
use lds::field_security::{FieldCheck, FieldSecurityObject, with_salt};
use lds::household::HouseholdData;
use lds::{DataGroup, PublicZone};
use model::{CardSerial, CardState, OfficeCode};
use registry::Person;
use serde_json::json;
use store::params;
use terminal::eid::{Session, UpdateFiles};
use terminal::perso::EncryptedZoneFiles;
use terminal::{ReadOptions, TrustStore, Verdict, read_card};
use x509::cms::SignedData;

use crate::application::printed_fields;
use crate::books::{CardEntry, card_now, log, parse, stamp};
use crate::pins::{Opening, card_error};
use crate::service::Mgmt;
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
    /// `signed` until the card answered, then `written` or `refused`.
    pub result: String,
    /// When.
    pub at: Timestamp,
}

/// What the card said before anything was written.
struct OnCard<C> {
    session: Session<C>,
    public: PublicZone,
    household: HouseholdData,
    object: FieldSecurityObject,
}

impl Mgmt {
    /// Brings the fields of a card in a reader that may change to what the register says now. The clerk has seen the holder's
    /// papers, or those of a delegate: PIN1 is not needed.
    pub async fn update_card<C: CardChannel + Send + 'static>(
        &self,
        serial: CardSerial,
        office: OfficeCode,
        clerk: &str,
        channel: C,
        now: Timestamp,
    ) -> Result<(CardUpdate, C), MgmtError> {
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
            inspect(channel, &password, opening, &trust, now, &mut random)
        });
        let mut on_card = on_card.await.map_err(|_| WORKER)??;
        let (names, files) = self.difference(&entry, &person, holder.foreign_name, &on_card, now).await?;
        if names.is_empty() {
            let nothing = CardUpdate { number: None, fields: names, package: Vec::new(), links: Vec::new() };
            return Ok((nothing, on_card.session.into_channel()));
        }
        let (number, package) =
            self.sign_update(serial, office, clerk, &names, &files, &on_card, now).await?;
        let links = self.links().await?;
        let (signed, given) = (package.clone(), links.clone());
        let written = tokio::task::spawn_blocking(move || {
            let result = on_card.session.update(&signed, &given);
            (result, on_card.session.into_channel())
        });
        let (result, channel) = written.await.map_err(|_| WORKER)?;
        self.note_result(serial, number, clerk, result.is_ok(), now).await?;
        result.map_err(card_error)?;
        Ok((CardUpdate { number: Some(number), fields: names, package, links }, channel))
    }

    /// The updates of a card, oldest first.
    pub async fn card_updates(&self, serial: CardSerial) -> Result<Vec<UpdateRecord>, MgmtError> {
        let sql = "SELECT serial, number, fields, package_hash, office, clerk, result, at FROM card_update \
            WHERE serial = $1 ORDER BY number";
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
                })
            })
            .collect()
    }

    /// The fields in which card and register differ, and the new files, signed zone by zone.
    async fn difference<C: CardChannel>(
        &self,
        entry: &CardEntry,
        person: &Person,
        foreign_name: bool,
        on_card: &OnCard<C>,
        now: Timestamp,
    ) -> Result<(Vec<&'static str>, UpdateFiles), MgmtError> {
        let zone_error = |error: lds::Error| MgmtError::Zones(error.to_string());
        let data = CardData {
            serial: entry.serial,
            profile: entry.profile,
            issue: entry.issue,
            renewal: entry.renewal,
            foreign_name,
            active_authentication: &on_card.public.active_authentication_key,
            chip_authentication: entry.chip_key.as_deref().ok_or(MgmtError::Data("the chip's key"))?,
        };
        let mut changed = UpdateRights::NONE;
        let mut files = UpdateFiles::default();

        let household = zones::household(person)?;
        if household != on_card.household {
            changed = changed.with(UpdateRights::HOUSEHOLD);
            files.household = Some(self.signing.sign_household(&household, now).await?);
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
        if public != on_card.public {
            let mut groups = public.data_groups().map_err(zone_error)?;
            zones::check_fields(&public, &groups)?;
            let object = zones::security_object(&groups);
            let sod = self.signing.sign_public_zone(&entry.serial, &object, now).await?;
            groups.insert(DataGroup::Sod, sod);
            let written = [DataGroup::Dg11, DataGroup::Dg13, DataGroup::Sod];
            files.public =
                written.into_iter().filter_map(|group| Some((group.fid(), groups.remove(&group)?))).collect();
        }

        let zone = zones::encrypted_zone(person, &data, entry.profile)?;
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
        if !groups.is_empty() {
            let security_object = self.signing.sign_encrypted_zone(&entry.serial, &object, now).await?;
            files.encrypted = Some(EncryptedZoneFiles { groups, security_object });
        }
        Ok((changed.names().collect(), files))
    }

    /// Whether the card has this file already: with the salt of one of its updates it has the signed hash.
    fn is_on_card(&self, serial: CardSerial, object: &FieldSecurityObject, group: u8, file: &[u8]) -> bool {
        (0..=object.sequence).any(|sequence| {
            let salted = with_salt(file, &self.keys.field_salt(serial, group, sequence));
            object.check(group, &salted) == FieldCheck::Unaltered
        })
    }

    /// Notes the update and has it signed, in this order.
    #[allow(clippy::too_many_arguments, reason = "one row of the table, each column once")]
    async fn sign_update<C: CardChannel>(
        &self,
        serial: CardSerial,
        office: OfficeCode,
        clerk: &str,
        names: &[&'static str],
        files: &UpdateFiles,
        on_card: &OnCard<C>,
        now: Timestamp,
    ) -> Result<(u16, Vec<u8>), MgmtError> {
        let zone_error = |error: lds::Error| MgmtError::Zones(error.to_string());
        let (key, fields) = (on_card.session.chip_key(), names.join(" "));
        let package = store::transaction!(self.db, |tx| {
            let sql = "SELECT COALESCE(MAX(number), 0) FROM card_update WHERE serial = $1";
            let last = tx.one(sql, params![serial.as_str()]).await?.read::<i64>(0)?;
            let last = u16::try_from(last).map_err(|_| MgmtError::Data("updates of a card"))?;
            let package = files.package(key, last).map_err(zone_error)?;
            let hash = Hash::Sha256.digest(&package.encode());
            tx.execute_one(
                "INSERT INTO card_update (serial, number, fields, package_hash, office, clerk, result, at) \
                 VALUES ($1, $2, $3, $4, $5, $6, 'signed', $7)",
                params![
                    serial.as_str(),
                    i64::from(package.sequence),
                    &fields,
                    hash,
                    office.to_string(),
                    clerk,
                    now
                ],
            )
            .await?;
            let detail = json!({ "number": package.sequence, "fields": names, "office": office.to_string() });
            log(tx, &stamp(now, clerk), "card-update", serial.as_str(), detail).await?;
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
        written: bool,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let result = if written { "written" } else { "refused" };
        store::transaction!(self.db, |tx| {
            tx.execute_one(
                "UPDATE card_update SET result = $3, at = $4 WHERE serial = $1 AND number = $2",
                params![serial.as_str(), i64::from(number), result, now],
            )
            .await?;
            let detail = json!({ "number": number, "result": result });
            log(tx, &stamp(now, clerk), "card-update-result", serial.as_str(), detail).await
        })
    }

    /// The link certificates of the CSCA, one after the other.
    async fn links(&self) -> Result<Vec<u8>, MgmtError> {
        let certificates = self.signing.csca_certificates().await?;
        let links = certificates.iter().filter(|c| c.verify_signature(c.spki()).is_err());
        Ok(links.flat_map(|link| link.der().to_vec()).collect())
    }
}

/// Verifies the card as a stranger would, opens the session, and takes what tells the old content.
fn inspect<C: CardChannel>(
    mut channel: C,
    can: &Password,
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
    let mut session = opening.open(channel)?;
    let object = session.field_security_object(trust, now).map_err(card_error)?;
    if Placement::from_groups(object.hashes.keys().copied()).is_none() {
        return Err(Refusal::CardUntrusted.into());
    }
    Ok(OnCard { session, public, household, object })
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
