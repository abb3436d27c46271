//! What the registration authority asks of the card management centre (卡管中心: NPC-10, NPC-11, NPC-45): the state of a card,
//! the user code, how the holder is reached, the certificates in the card's slots, and unblocking.
//!
//! Who may ask for what is the registration authority's business; whether the card's state allows it is decided here.

use apdu::CardChannel;
use async_trait::async_trait;
use curve::{Curve, Hash, SecretBytes, SecretKey, Signature};
use eac::Password;
use eac::cvc::{Rights, UpdateRights};
use jiff::{SignedDuration, Timestamp};
use model::{
    CardSerial, CardState, CaseNo, KeySlot, NationalIdNo, Pin2, RevocationReason, RocDate, UserCode,
};
use production::OrderNo;
use registry::Person;
use serde_json::json;
use std::sync::Arc;
use store::params;
use terminal::npc_card::{NpcCard, Pin2Status};
use terminal::perso::{self, PIN_MANAGEMENT_KEY_VERSION, PinReference};
use uuid::Uuid;

use crate::application::{Contact, certificate_allowed, entitled};
use crate::books::{CardEntry, card, card_now, from_json, log, parse, stamp, to_json};
use crate::cards::{HOLDER as HOLDER_ACCOUNT, Told};
use crate::counter_case::CounterCase;
use crate::pins::card_error;
use crate::rekey::RekeyCase;
use crate::service::{CERTIFICATES, Mgmt};
use crate::vault::{HOLDER, RowKey};
use crate::{MgmtError, Refusal};

/// A card in a reader.
pub type Reader = Box<dyn CardChannel + Send>;

/// A card as the registration authority sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedCard {
    /// Its serial number.
    pub serial: CardSerial,
    /// Its state.
    pub state: CardState,
    /// Whether its holder has reported it lost: a recalled card may be lost as well.
    pub lost: bool,
    /// Whether its certificate zone is open.
    pub certificate: bool,
    /// Whether the holder suspended the certificates.
    pub held_by_holder: bool,
    /// Why the certificates were revoked, if they were.
    pub revoked: Option<RevocationReason>,
    /// Date of issue.
    pub issue: RocDate,
    /// Date of renewal.
    pub renewal: Option<RocDate>,
}

/// Whose certificate it will be. Names a person: no `Debug`.
#[derive(Clone)]
pub struct Subject {
    /// The name as registered at this moment.
    pub name: String,
    /// The last four characters of the number.
    pub id_tail: String,
    /// The keyed hash by which the CA knows the person.
    pub link: [u8; 32],
    /// Whether the name or number printed on the card is no longer the registered one.
    pub outdated: bool,
}

/// What a caller who reports a loss by telephone answers (OPEN-43). Names persons: no `Debug`.
#[derive(Clone)]
pub struct CallerAnswers {
    /// The holder's number.
    pub number: NationalIdNo,
    /// The holder's day of birth.
    pub birth: RocDate,
    /// The district in which the holder is registered, by its code.
    pub district: String,
    /// The caller's own name, if it is a legal representative who calls.
    pub representative: Option<String>,
}

/// The card management centre. Every call may be repeated.
#[async_trait]
pub trait CardManagement: Send + Sync {
    /// The card with this serial number.
    async fn certified_card(&self, serial: CardSerial) -> Result<CertifiedCard, MgmtError>;

    /// The card that is in the hands of this person, if there is one.
    async fn card_in_hands(&self, person: &NationalIdNo) -> Result<Option<CardSerial>, MgmtError>;

    /// Confirms the user code, the password that identifies the holder (確認鎖卡解碼身分識別密碼, NPC-45). Tries are counted before they
    /// are compared, and the code is locked after too many.
    async fn confirm_user_code(
        &self,
        serial: CardSerial,
        code: &UserCode,
        now: Timestamp,
    ) -> Result<(), MgmtError>;

    /// Gives a new default user code after a clerk has identified the holder (MGMT-61); the old one is void.
    async fn reset_user_code(
        &self,
        serial: CardSerial,
        actor: &str,
        now: Timestamp,
    ) -> Result<UserCode, MgmtError>;

    /// Changes the user code; the present one, which may be the default one, is counted and compared (MGMT-59).
    async fn change_user_code(
        &self,
        serial: CardSerial,
        present: &UserCode,
        new: &UserCode,
        now: Timestamp,
    ) -> Result<(), MgmtError>;

    /// The holder's own suspension of the certificates, or its end.
    async fn hold_certificates(
        &self,
        serial: CardSerial,
        held: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError>;

    /// Revokes the certificates for good.
    async fn revoke_certificates(
        &self,
        serial: CardSerial,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError>;

    /// Takes a loss report, or its withdrawal.
    async fn mark_lost(
        &self,
        serial: CardSerial,
        lost: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError>;

    /// How the holder is reached.
    async fn contact(&self, serial: CardSerial) -> Result<Contact, MgmtError>;

    /// Replaces how the holder is reached.
    async fn change_contact(
        &self,
        serial: CardSerial,
        contact: &Contact,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError>;

    /// Whose certificates they are, as the register has it now. Refused where the person may have none any more: dead,
    /// abroad, missing, under guardianship (NPC-32, OPEN-53).
    async fn subject(&self, serial: CardSerial) -> Result<Subject, MgmtError>;

    /// The same for a person who applies for a card that carries certificates and nothing else: registered, of the least age
    /// (OPEN-16), not under guardianship (NPC-31, NPC-32).
    async fn applicant(&self, person: &NationalIdNo, now: Timestamp) -> Result<Subject, MgmtError>;

    /// Whether the holder has this number, for a firm that was told it (NPC-62).
    async fn is_holder(&self, serial: CardSerial, number: &NationalIdNo) -> Result<bool, MgmtError>;

    /// Whether a caller may report the loss of this card: what was answered is what is registered, and whoever calls is the
    /// holder or, by the holder's age, the legal representative (LOSS-04).
    async fn may_report(
        &self,
        serial: CardSerial,
        caller: &CallerAnswers,
        now: Timestamp,
    ) -> Result<bool, MgmtError>;

    /// The same for the holder of a card that is not in the books here: what was answered is what is registered for the person
    /// with the number that was answered, and that person or the representative calls.
    async fn may_report_as(&self, caller: &CallerAnswers, now: Timestamp) -> Result<bool, MgmtError>;

    /// The certification requests that the chip made for its four keys, each signed by its key.
    async fn certification_requests(
        &self,
        serial: CardSerial,
        now: Timestamp,
    ) -> Result<Vec<(KeySlot, Vec<u8>)>, MgmtError>;

    /// Takes certificates that were issued for the card later into the books; what holds for the card holds for them too.
    async fn take_certificates(
        &self,
        serial: CardSerial,
        certificates: &[(KeySlot, Uuid, Vec<u8>)],
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError>;

    /// Writes certificates into their slots on the card in the reader, over the issuer's secured channel (UPDATE-20); root
    /// and intermediate go with them.
    async fn write_certificates(
        &self,
        serial: CardSerial,
        certificates: Vec<(KeySlot, Vec<u8>)>,
        reader: Reader,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError>;

    /// What an approved recall has decided for the card: that it goes on with its other keys (更換金鑰, OPEN-17). `None` if none has,
    /// or if the card is not in its holder's hands.
    async fn rekey_case(&self, serial: CardSerial) -> Result<Option<RekeyCase>, MgmtError>;

    /// Notes that the card goes on with its other keys: their certificates are written, the old ones revoked. A card that was
    /// called in for it is released.
    async fn note_rekeyed(
        &self,
        serial: CardSerial,
        recall: u64,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError>;

    /// Gives PINs of the card in the reader their tries back; they stay what they were.
    async fn unblock(
        &self,
        serial: CardSerial,
        pins: &[PinReference],
        reader: Reader,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError>;

    /// The case of a counter under which a clerk acts; `None` if there is none with this number.
    async fn counter_case(&self, no: CaseNo, now: Timestamp) -> Result<Option<CounterCase>, MgmtError>;

    /// Changes PIN2 of the card in the reader; the card compares the present one. `begun`: an earlier call may have changed it,
    /// and nobody knows. Then the new one is tried first, unless a wrong try could be the last.
    async fn change_pin2(
        &self,
        serial: CardSerial,
        present: &Pin2,
        new: &Pin2,
        begun: bool,
        reader: Reader,
        now: Timestamp,
    ) -> Result<(), MgmtError>;

    /// The keyed hash by which the CA knows a person: the same for every carrier (NPC-03).
    fn person_link(&self, person: &NationalIdNo) -> [u8; 32];

    /// Verifies that a system beside this one is the one it was when they met first, and answers in kind (NPC-43 item 1). The
    /// peer has signed the statement, which says when it was made.
    async fn verify_peer(&self, peer: &PeerProof, now: Timestamp) -> Result<PeerProof, MgmtError>;
}

/// What one system shows another: its name, its key, and its signature over a statement that names the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerProof {
    /// The system.
    pub name: String,
    /// Its public key, P-256 (SubjectPublicKeyInfo).
    pub spki: Vec<u8>,
    /// What is signed, beside the name.
    pub statement: PeerStatement,
    /// ECDSA with SHA-256 (DER).
    pub signature: Vec<u8>,
}

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerStatement {
    /// When it was made.
    pub at: Timestamp,
    /// What nobody could know before.
    pub nonce: [u8; 32],
}

impl PeerProof {
    /// Signs a statement as the system `name`.
    pub fn sign(name: &str, key: &SecretKey, statement: PeerStatement) -> Self {
        let signature = key.sign_digest(&digest(name, &statement)).to_der();
        let spki = curve::spki_from_point(&key.public_key());
        Self { name: name.to_owned(), spki, statement, signature }
    }

    /// Whether the signature is good, by the key that is shown, and the statement not older than two minutes.
    pub fn holds(&self, now: Timestamp) -> bool {
        let verify = || {
            let point =
                curve::point_from_spki(&self.spki).ok().filter(|point| point.curve() == Curve::P256)?;
            let signature = Signature::from_der(Curve::P256, &self.signature).ok()?;
            curve::verify_digest(&point, &digest(&self.name, &self.statement), &signature).ok()
        };
        now.duration_since(self.statement.at).abs() <= SignedDuration::from_mins(2) && verify().is_some()
    }
}

fn digest(name: &str, statement: &PeerStatement) -> Vec<u8> {
    let at = statement.at.as_microsecond().to_be_bytes();
    Hash::Sha256.digest(&[b"neweid peer\0", name.as_bytes(), b"\0", &at[..], &statement.nonce[..]].concat())
}

#[async_trait]
impl CardManagement for Mgmt {
    async fn certified_card(&self, serial: CardSerial) -> Result<CertifiedCard, MgmtError> {
        let entry = card_now(&self.db, serial).await?;
        Ok(CertifiedCard {
            serial,
            state: entry.state(),
            lost: entry.card.lost(),
            certificate: entry.certificate,
            held_by_holder: entry.held_by_holder,
            revoked: entry.revoked,
            issue: entry.issue,
            renewal: entry.renewal,
        })
    }

    async fn card_in_hands(&self, person: &NationalIdNo) -> Result<Option<CardSerial>, MgmtError> {
        let sql = "SELECT serial FROM card WHERE holder_card = $1";
        let row = self.db.optional(sql, params![self.keys.person(person)]).await?;
        row.map(|row| parse(&row, "serial")).transpose()
    }

    async fn confirm_user_code(
        &self,
        serial: CardSerial,
        code: &UserCode,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        self.own_user_code(serial, code, now).await
    }

    async fn reset_user_code(
        &self,
        serial: CardSerial,
        actor: &str,
        now: Timestamp,
    ) -> Result<UserCode, MgmtError> {
        Self::reset_user_code(self, serial, actor, now).await
    }

    async fn change_user_code(
        &self,
        serial: CardSerial,
        present: &UserCode,
        new: &UserCode,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        Self::change_user_code(self, serial, present, new, now).await
    }

    async fn hold_certificates(
        &self,
        serial: CardSerial,
        held: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        self.hold(serial, held, actor, now).await
    }

    async fn revoke_certificates(
        &self,
        serial: CardSerial,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        Self::revoke_certificates(self, serial, reason, actor, now).await
    }

    async fn mark_lost(
        &self,
        serial: CardSerial,
        lost: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        if lost {
            self.report_loss(serial, actor, now).await
        } else {
            self.withdraw_loss(serial, actor, now).await
        }
    }

    async fn contact(&self, serial: CardSerial) -> Result<Contact, MgmtError> {
        Ok(self.holder(&card_now(&self.db, serial).await?)?.contact)
    }

    async fn change_contact(
        &self,
        serial: CardSerial,
        contact: &Contact,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        contact.check()?;
        store::transaction!(self.db, |tx| {
            let entry = card(tx, serial).await?;
            let mut holder = self.holder(&entry)?;
            holder.contact = contact.clone();
            let key = RowKey::of_card(&self.keys, serial, &entry.wrapped_key)?;
            let sealed = key.seal(HOLDER, &holder, &mut self.random())?;
            let sql = "UPDATE card SET holder = $2, changed_at = $3 WHERE serial = $1";
            tx.execute_one(sql, params![serial.as_str(), sealed, now]).await?;
            let by = stamp(now, actor);
            log(tx, &by, "contact-change", serial.as_str(), json!({ "way": contact.way.as_str() })).await
        })
    }

    async fn counter_case(&self, no: CaseNo, now: Timestamp) -> Result<Option<CounterCase>, MgmtError> {
        self.counter_case_now(no, now).await
    }

    async fn subject(&self, serial: CardSerial) -> Result<Subject, MgmtError> {
        let entry = card_now(&self.db, serial).await?;
        let holder = self.holder(&entry)?;
        let person = self.register.person(&holder.id).await?;
        let person = entitled(person.as_ref())?;
        if person.guardianship {
            return Err(Refusal::GuardianshipNoCertificate.into());
        }
        Ok(Subject {
            name: person.name.chinese().to_owned(),
            id_tail: person.id.tail().to_owned(),
            link: entry.person,
            outdated: person.name.chinese() != holder.name.chinese() || person.id != holder.id,
        })
    }

    async fn applicant(&self, person: &NationalIdNo, now: Timestamp) -> Result<Subject, MgmtError> {
        let registered = self.register.person(person).await?;
        let registered = entitled(registered.as_ref())?;
        certificate_allowed(registered, RocDate::in_taipei(now), self.config.certificate_age)?;
        Ok(Subject {
            name: registered.name.chinese().to_owned(),
            id_tail: registered.id.tail().to_owned(),
            link: self.keys.person(person),
            outdated: false,
        })
    }

    async fn is_holder(&self, serial: CardSerial, number: &NationalIdNo) -> Result<bool, MgmtError> {
        let entry = card_now(&self.db, serial).await?;
        Ok(curve::constant_time_eq(&entry.person, &self.keys.person(number)))
    }

    async fn may_report(
        &self,
        serial: CardSerial,
        caller: &CallerAnswers,
        now: Timestamp,
    ) -> Result<bool, MgmtError> {
        let holder = self.holder(&card_now(&self.db, serial).await?)?;
        Ok(caller.number == holder.id && self.may_report_as(caller, now).await?)
    }

    async fn may_report_as(&self, caller: &CallerAnswers, now: Timestamp) -> Result<bool, MgmtError> {
        let Some(person) = self.register.person(&caller.number).await? else { return Ok(false) };
        let answered = caller.birth == person.birth
            && caller.district == person.address.village().district().to_string();
        let allowed = may_call(&person, caller, RocDate::in_taipei(now), self.config.age_of_majority);
        Ok(answered && allowed)
    }

    async fn certification_requests(
        &self,
        serial: CardSerial,
        now: Timestamp,
    ) -> Result<Vec<(KeySlot, Vec<u8>)>, MgmtError> {
        let sql = "SELECT case_no, attempt FROM card WHERE serial = $1";
        let row = self.db.optional(sql, params![serial.as_str()]).await?.ok_or(Refusal::CardUnknown)?;
        let order = OrderNo { case: parse(&row, "case_no")?, attempt: row.read("attempt")? };
        let paired = self.centre.pair(order, now).await?.filter(|paired| paired.serial == serial);
        let requests = paired.ok_or(MgmtError::Data("requests of the card"))?.requests;
        Ok(requests.into_iter().filter_map(|(id, der)| Some((KeySlot::from_id(id)?, der))).collect())
    }

    async fn take_certificates(
        &self,
        serial: CardSerial,
        certificates: &[(KeySlot, Uuid, Vec<u8>)],
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let mut entry = card(tx, serial).await?;
            let mut taken = Vec::new();
            for (slot, request, der) in certificates {
                let added = tx
                    .execute(
                        "INSERT INTO card_certificate (serial, slot, request_id, certificate) VALUES ($1, $2, $3, $4) \
                         ON CONFLICT (serial, slot) DO NOTHING",
                        params![serial.as_str(), slot.as_str(), *request, der],
                    )
                    .await?;
                if added == 1 {
                    taken.push(slot.as_str());
                }
            }
            if taken.is_empty() {
                return Ok(());
            }
            log(tx, &stamp(now, actor), "certificates-take", serial.as_str(), json!({ "slots": taken }))
                .await?;
            // The CA was told of the others only; it is told again, of all.
            if Told::wanted(&entry) != Told::default() {
                entry.told = to_json(&from_json::<Told>(&entry.told)?.unsure())?;
                let sql = "UPDATE card SET told = $2 WHERE serial = $1";
                tx.execute_one(sql, params![serial.as_str(), &entry.told]).await?;
                self.queue(tx, CERTIFICATES, serial.as_str(), now).await?;
            }
            Ok::<_, MgmtError>(())
        })?;
        self.follow_now(serial, now).await
    }

    async fn write_certificates(
        &self,
        serial: CardSerial,
        certificates: Vec<(KeySlot, Vec<u8>)>,
        reader: Reader,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let entry = card_now(&self.db, serial).await?;
        if !self.written_in_recall(&entry).await? {
            usable(&entry)?;
        }
        let keys = self.keys.pin_management(serial)?;
        let (chain, mut random) = (self.chain.clone(), self.random());
        let slots: Vec<_> = certificates.iter().map(|(slot, _)| slot.as_str()).collect();
        let detail = json!({ "slots": slots });
        tokio::task::spawn_blocking(move || {
            // Keys of this card alone open the channel: another card in the reader is found out here.
            let mut session = perso::Session::open(reader, PIN_MANAGEMENT_KEY_VERSION, &keys, &mut random)
                .map_err(perso_error)?;
            for (slot, der) in &certificates {
                session.replace_certificate(slot.id(), der).map_err(perso_error)?;
            }
            session.replace_certificate(5, &chain.root).map_err(perso_error)?;
            session.replace_certificate(6, &chain.intermediate).map_err(perso_error)
        })
        .await
        .map_err(|_| WORKER)??;
        store::transaction!(self.db, |tx| {
            log(tx, &stamp(now, actor), "certificates-write", serial.as_str(), detail.clone()).await
        })
    }

    async fn rekey_case(&self, serial: CardSerial) -> Result<Option<RekeyCase>, MgmtError> {
        self.rekey_case_now(serial).await
    }

    async fn note_rekeyed(
        &self,
        serial: CardSerial,
        recall: u64,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        self.rekeyed(serial, recall, actor, now).await
    }

    async fn unblock(
        &self,
        serial: CardSerial,
        pins: &[PinReference],
        reader: Reader,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let entry = card_now(&self.db, serial).await?;
        if entry.state() != CardState::Active {
            return Err(Refusal::WrongState.into());
        }
        if !entry.certificate && pins.contains(&PinReference::Pin2) {
            return Err(Refusal::CertificateZoneClosed.into());
        }
        let trust = Arc::new(self.trust(now).await?);
        let mut opening =
            self.opening(&entry, Rights::PIN_MANAGEMENT, UpdateRights::NONE, trust, now).await?;
        let wanted = pins.to_vec();
        tokio::task::spawn_blocking(move || {
            let mut session = opening.open(reader, None)?;
            wanted.into_iter().try_for_each(|pin| session.unblock_pin(pin).map_err(card_error))
        })
        .await
        .map_err(|_| WORKER)??;
        let names: Vec<_> = pins.iter().map(|pin| format!("{pin:?}").to_lowercase()).collect();
        store::transaction!(self.db, |tx| {
            log(tx, &stamp(now, actor), "pins-unblock", serial.as_str(), json!({ "pins": names })).await
        })
    }

    async fn change_pin2(
        &self,
        serial: CardSerial,
        present: &Pin2,
        new: &Pin2,
        begun: bool,
        reader: Reader,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let entry = card_now(&self.db, serial).await?;
        usable(&entry)?;
        let secret = |pin: &Pin2| SecretBytes::from(pin.expose().as_bytes().to_vec());
        let (present, new, mut random) = (secret(present), secret(new), self.random());
        tokio::task::spawn_blocking(move || {
            let can = Password::can(serial.can().as_str());
            let failed = |error: terminal::npc_card::NpcError| MgmtError::Card(error.to_string());
            let mut zone = NpcCard::open(reader, &can, &mut random).map_err(failed)?;
            let status = zone.pin2_status().map_err(failed)?;
            let may_try = begun && matches!(status, Pin2Status::Required { tries_left } if tries_left > 1);
            if may_try && zone.verify_pin2(&new).is_ok() {
                return Ok(());
            }
            zone.change_pin2(&present, &new).map_err(failed)
        })
        .await
        .map_err(|_| WORKER)??;
        store::transaction!(self.db, |tx| {
            log(tx, &stamp(now, HOLDER_ACCOUNT), "pin2-change", serial.as_str(), json!({})).await
        })
    }

    fn person_link(&self, person: &NationalIdNo) -> [u8; 32] {
        self.keys.person(person)
    }

    async fn verify_peer(&self, peer: &PeerProof, now: Timestamp) -> Result<PeerProof, MgmtError> {
        let known = store::transaction!(self.db, |tx| {
            let row = tx.optional("SELECT spki FROM peer WHERE name = $1", params![&peer.name]).await?;
            let known: Option<Vec<u8>> = row.map(|row| row.read("spki")).transpose()?;
            let good = peer.holds(now) && known.as_ref().is_none_or(|known| *known == peer.spki);
            if good && known.is_none() {
                let sql = "INSERT INTO peer (name, spki) VALUES ($1, $2)";
                tx.execute_one(sql, params![&peer.name, &peer.spki]).await?;
            }
            let action = if good { "peer-verify" } else { "peer-refuse" };
            log(tx, &stamp(now, &peer.name), action, &peer.name, json!({ "first": known.is_none() })).await?;
            Ok::<_, MgmtError>(good)
        })?;
        if !known {
            return Err(Refusal::PeerUnknown.into());
        }
        Ok(PeerProof::sign(crate::books::SYSTEM, &self.keys.system_key()?, peer.statement))
    }
}

/// A card in its holder's hands, with certificates that are not revoked.
fn usable(entry: &CardEntry) -> Result<(), Refusal> {
    match entry {
        _ if !entry.certificate => Err(Refusal::CertificateZoneClosed),
        _ if entry.state() != CardState::Active || entry.revoked.is_some() => Err(Refusal::WrongState),
        _ => Ok(()),
    }
}

/// LOSS-04: under 14 the legal representative calls, up to the age of majority either, afterwards the holder alone. The
/// representatives the register knows are the parents.
fn may_call(person: &Person, caller: &CallerAnswers, today: RocDate, majority: i16) -> bool {
    let age = person.age_on(today);
    match &caller.representative {
        None => age >= 14,
        Some(name) => {
            let parents = [&person.father, &person.mother];
            age < majority && parents.into_iter().flatten().any(|parent| parent.chinese() == name)
        }
    }
}

fn perso_error(error: perso::PersoError) -> MgmtError {
    MgmtError::Card(error.to_string())
}

const WORKER: MgmtError = MgmtError::Data("a worker died");

#[cfg(test)]
mod tests {
    use super::*;

    /// Who may call for whom on the day of each birthday that decides: the holder from 14 on, father or mother until the
    /// holder is of age, nobody else ever.
    // proves: LOSS-04
    #[test]
    fn up_to_the_age_of_majority_a_parent_calls_and_from_fourteen_on_the_holder() {
        let mut person = registry::sample_persons().swap_remove(3).person;
        let name = |text: &str| model::PersonName::new(text).expect("a name");
        (person.father, person.mother) = (Some(name("林大同")), Some(name("陳美玉")));
        person.birth = "2010-07-01".parse().expect("a day");
        let asks = |representative: Option<&str>| CallerAnswers {
            number: person.id,
            birth: person.birth,
            district: String::new(),
            representative: representative.map(str::to_owned),
        };
        let callers = [None, Some("林大同"), Some("陳美玉"), Some("張三"), Some("")];
        for (day, majority, expected) in [
            ("2024-06-30", 18, [false, true, true, false, false]),
            ("2024-07-01", 18, [true, true, true, false, false]),
            ("2028-06-30", 18, [true, true, true, false, false]),
            ("2028-07-01", 18, [true, false, false, false, false]),
            // OPEN-49: the age of majority is a parameter; the plan has 20.
            ("2028-07-01", 20, [true, true, true, false, false]),
            ("2030-06-30", 20, [true, true, true, false, false]),
            ("2030-07-01", 20, [true, false, false, false, false]),
        ] {
            let today = day.parse().expect("a day");
            let answers = callers.map(|caller| may_call(&person, &asks(caller), today, majority));
            assert_eq!(answers, expected, "{day} {majority}");
        }
        (person.father, person.mother) = (None, None);
        let today = "2024-07-01".parse().expect("a day");
        assert!(!may_call(&person, &asks(Some("林大同")), today, 18), "no parent is registered");
    }
}
