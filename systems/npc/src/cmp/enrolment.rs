//! What registration authorities may ask certificates for, and which of them a message is from.

use jiff::Timestamp;
use model::{CardSerial, KeySlot, RocDate};
use serde_json::json;
use store::{Row, params, transaction};
use uuid::Uuid;
use x509::cmp::{FailureInfo, Message};
use x509::{Certificate, Name, Serial};

use super::Refused;
use crate::{Carrier, CertificateAuthority, IssueRequest, Npc, NpcError, Period, Result};

/// A registration authority: a delegated party whose messages are authenticated by its certificate (NPC-08).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationAuthority {
    /// Its name in events: small letters, digits and hyphens.
    pub name: String,
    /// The certificate of the key that signs its messages.
    pub certificate: Certificate,
}

/// What a registration authority will send a key for: one slot of one card. Has no `Debug`: it names a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The caller's number; sending the same again is harmless.
    pub request_id: Uuid,
    /// Who will send the key.
    pub ra: String,
    /// What the card is.
    pub carrier: Carrier,
    /// The card.
    pub card: CardSerial,
    /// The card it rests on, if it is a virtual smart card: another of the same holder's.
    pub rests_on: Option<CardSerial>,
    /// The model of its chip, if it is known.
    pub chip_model: Option<String>,
    /// Which of its keys.
    pub slot: KeySlot,
    /// The keyed hash of the person, from which the holder number follows.
    pub person: [u8; 32],
    /// The holder's name, Chinese or English.
    pub subject_name: String,
    /// The last four characters of the number of identity card or residence permit.
    pub id_tail: String,
    /// The date of issue of the card.
    pub issue_date: RocDate,
    /// Its date of renewal, if it has one.
    pub renewal_date: Option<RocDate>,
    /// The day of the reissue, if this is for the second period.
    pub reissue: Option<RocDate>,
}

impl Npc {
    /// Enrols what a registration authority will send a key for. The name is kept until the certificate is issued.
    pub async fn enrol(&self, enrolment: &Enrolment, operator: &str, now: Timestamp) -> Result<()> {
        let holder = self.holder_number(&enrolment.person, now).await?;
        let enrolment = &self.within_card(enrolment, &holder, now).await?;
        // What no certificate can come of is refused now and not when the card has made its key.
        let draft = enrolment.request(holder.clone(), Vec::new());
        draft.validity()?;
        crate::request::check_chip_model(&draft)?;
        let tail = &draft.id_tail;
        if tail.len() != 4 || !tail.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(NpcError::Request("the tail of the identification number is four characters"));
        }
        Name::builder()
            .common_name(&draft.subject_name)
            .build()
            .map_err(|_| NpcError::Request("the name is empty, too long or has control characters"))?;
        let e = enrolment;
        transaction!(self.db, |tx| {
            let known =
                tx.optional("SELECT 1 FROM registration_authority WHERE name = $1", params![&e.ra]).await?;
            if known.is_none() {
                return Err(NpcError::Request("there is no registration authority of this name"));
            }
            let taken = "SELECT request_id FROM certificate WHERE card = $1 AND slot = $2";
            if let Some(row) = tx.optional(taken, params![e.card.as_str(), e.slot.id()]).await? {
                if row.read::<Uuid>(0)? == e.request_id {
                    return Ok(());
                }
                return Err(NpcError::SlotTaken { card: e.card.as_str().to_owned(), slot: e.slot.id() });
            }
            let before = "SELECT request_id FROM enrolment WHERE card = $1 AND slot = $2";
            if let Some(row) = tx.optional(before, params![e.card.as_str(), e.slot.id()]).await? {
                if row.read::<Uuid>(0)? == e.request_id {
                    return Ok(());
                }
                return Err(NpcError::Conflict(e.request_id));
            }
            // Whose certificate it will be; a number that another one's request has is not free.
            let sql =
                "INSERT INTO enrolled (request_id, ra) VALUES ($1, $2) ON CONFLICT (request_id) DO NOTHING";
            if tx.execute(sql, params![e.request_id, &e.ra]).await? == 0 {
                return Err(NpcError::Conflict(e.request_id));
            }
            self.link_to_card(tx, e, &holder, operator, now).await?;
            let sql = "INSERT INTO enrolment (card, slot, request_id, ra, carrier, holder, subject_name, \
                id_tail, issue_date, renewal_date, reissue, chip_model) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
            let values = params![
                e.card.as_str(),
                e.slot.id(),
                e.request_id,
                &e.ra,
                e.carrier.as_str(),
                &holder,
                &e.subject_name,
                &e.id_tail,
                e.issue_date.iso(),
                e.renewal_date.map(|date| date.iso()),
                e.reissue.map(|date| date.iso()),
                e.chip_model.as_deref()
            ];
            tx.execute_one(sql, values).await?;
            let detail = json!({ "slot": e.slot.id(), "ra": e.ra, "carrier": e.carrier.as_str() });
            self.audit(tx, "enrol", e.card.as_str(), operator, detail, now).await?;
            Ok(())
        })
    }

    /// The registration authority that a message says it is from.
    pub(super) async fn sender_of(
        &self,
        message: &Message,
        now: Timestamp,
    ) -> Result<RegistrationAuthority, Refused> {
        let unknown =
            || Refused::new(FailureInfo::SignerNotTrusted, "無此註冊中心 / unknown registration authority");
        let ras = self.ras().await?;
        // One that another process has registered is no stranger from its second message on.
        self.cmp_door.know(&ras);
        let ra = ras.into_iter().find(|ra| ra.says_it_sent(message)).ok_or_else(unknown)?;
        if !ra.certificate.validity().contains(now) {
            return Err(Refused::new(FailureInfo::SignerNotTrusted, "the certificate has expired"));
        }
        Ok(ra)
    }

    /// Whether a certificate comes from an enrolment of this registration authority. Nobody else's is its to hold or to end
    /// (NPC-08, NPC-54).
    pub(super) async fn enrolled_by(
        &self,
        ra: &RegistrationAuthority,
        serial: &Serial,
    ) -> Result<(), Refused> {
        let sql = "SELECT 1 FROM certificate JOIN enrolled USING (request_id) WHERE serial = $1 AND ra = $2";
        let found = self.db.optional(sql, params![serial.octets(), &ra.name]).await;
        match found.map_err(NpcError::from)? {
            Some(_) => Ok(()),
            // The same whether it exists or not.
            None => {
                Err(Refused::new(FailureInfo::BadCertId, "no certificate of this registration authority"))
            }
        }
    }

    /// The enrolment that a request is for: the card is its subject's common name, the slot its serialNumber; without
    /// one, the lowest enrolled slot of the right kind of key.
    pub(super) async fn enrolment_of(
        &self,
        ra: &RegistrationAuthority,
        subject: &Name,
        spki: &[u8],
        request: Vec<u8>,
    ) -> Result<IssueRequest, Refused> {
        let template = |text: &str| Refused::new(FailureInfo::BadCertTemplate, text);
        let card: CardSerial = subject
            .common_name()
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| template("the subject's common name is the card serial"))?;
        let named = subject.attribute(tlv::oid::SERIAL_NUMBER);
        let rsa = x509::PublicKey::from_spki(spki).map_err(NpcError::Csr)?.is_rsa();
        let slot = match named {
            Some(text) => Some(
                text.parse().ok().and_then(KeySlot::from_id).ok_or_else(|| template("the slot is 1 to 4"))?,
            ),
            None => None,
        };
        let sql = "SELECT * FROM enrolment WHERE card = $1 AND ra = $2 ORDER BY slot";
        let rows = self.db.all(sql, params![card.as_str(), &ra.name]).await.map_err(NpcError::from)?;
        for row in &rows {
            let found = issue_request(row, &request)?;
            if slot.map_or(found.slot.is_rsa() == rsa, |slot| slot == found.slot) {
                return Ok(found);
            }
        }
        Err(Refused::new(FailureInfo::AddInfoNotAvailable, "無此登記 / nothing is enrolled for this key"))
    }
}

impl RegistrationAuthority {
    /// Whether a message says that it is from this one.
    pub(super) fn says_it_sent(&self, message: &Message) -> bool {
        match &message.header.sender_kid {
            Some(kid) => self.certificate.subject_key_identifier() == Some(kid.as_slice()),
            // A certificate without key identifier goes by its name.
            None => message.header.sender == tlv::encode(0xA4, self.certificate.subject()),
        }
    }
}

impl Enrolment {
    fn request(&self, holder_no: String, csr: Vec<u8>) -> IssueRequest {
        IssueRequest {
            request_id: self.request_id,
            carrier: self.carrier,
            card: self.card,
            chip_model: self.chip_model.clone(),
            slot: self.slot,
            csr,
            subject_name: self.subject_name.clone(),
            id_tail: self.id_tail.clone(),
            holder_no,
            issue_date: self.issue_date,
            renewal_date: self.renewal_date,
            period: self.reissue.map_or(Period::First, |day| Period::Reissue { day }),
        }
    }
}

fn issue_request(row: &Row, csr: &[u8]) -> Result<IssueRequest> {
    let date = |text: String| text.parse::<RocDate>().map_err(|_| NpcError::Inconsistent("date"));
    let card: String = row.read("card")?;
    let reissue = row.read::<Option<String>>("reissue")?.map(date).transpose()?;
    Ok(IssueRequest {
        request_id: row.read("request_id")?,
        carrier: Carrier::from_name(&row.read::<String>("carrier")?)
            .ok_or(NpcError::Inconsistent("carrier"))?,
        card: card.parse().map_err(|_| NpcError::Inconsistent("card"))?,
        chip_model: row.read("chip_model")?,
        slot: KeySlot::from_id(row.read("slot")?).ok_or(NpcError::Inconsistent("slot"))?,
        csr: csr.to_vec(),
        subject_name: row.read("subject_name")?,
        id_tail: row.read("id_tail")?,
        holder_no: row.read("holder")?,
        issue_date: date(row.read("issue_date")?)?,
        renewal_date: row.read::<Option<String>>("renewal_date")?.map(date).transpose()?,
        period: reissue.map_or(Period::First, |day| Period::Reissue { day }),
    })
}
