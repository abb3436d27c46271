//! The virtual smart card (虛擬智慧卡, NPC-63, MOBILE-14) as far as it is applied for here: the holder signs with the card's PIN2 for a
//! device, whose keys have signed the requests. Its certificates say what those of the card say, are of secondary rank, and follow
//! the card for life; that is the CA's part. What the holder of a certificate-only card may do, the holder of a device may
//! do with it, but for a second period and changed content: for these the card is asked again.

use model::{CardSerial, CertificateState, KeySlot, RocDate};
use npc::{Carrier, IssueRequest, Period};
use serde_json::json;
use store::params;

use crate::certificate_card::CertificateCard;
use crate::issue::derived;
use crate::next_keys::named;
use crate::request::{Device, Request};
use crate::{Outcome, Ra, RaError, Refusal, Result};
use jiff::Timestamp;

impl Ra {
    /// Issues the certificates of a device under the card of a request that the card has signed.
    pub(crate) async fn bind_device(
        &self,
        request: &Request,
        device: &Device,
        known: Option<&CertificateCard>,
        actor: &str,
        now: Timestamp,
    ) -> Result<Outcome> {
        let slots = device.requests.iter().map(|(slot, _)| *slot);
        if !slots.eq([KeySlot::SigningRsa, KeySlot::EncryptionRsa]) {
            return Err(Refusal::Incomplete.into());
        }
        let all = self.authority.certificates_of(request.card, now).await?;
        let signing = all.iter().find(|one| {
            one.slot.is_signing() && one.state == CertificateState::Good && one.validity.contains(now)
        });
        let signing = signing.ok_or(Refusal::NoCertificate)?;
        let link = self.management.person_link(&device.person);
        let (name, own) = match known {
            Some(card) => {
                let name = named(signing)?.ok_or(RaError::Data("name of a certificate"))?;
                (name, card.belongs_to(&link))
            }
            None => {
                let subject = self.management.subject(request.card).await?;
                if subject.outdated {
                    return Err(Refusal::NewCardNeeded.into());
                }
                (subject.name, curve::constant_time_eq(&subject.link, &link))
            }
        };
        if !own {
            return Err(Refusal::OtherPerson.into());
        }
        let serial = self.device_serial(request, now).await?;
        let until = self.authority.rest_on(serial, request.card, &signing.holder_no, actor, now).await?;
        let asked = device.requests.iter().map(|(slot, csr)| IssueRequest {
            request_id: derived(request, *slot),
            carrier: Carrier::VirtualSmartCard,
            card: serial,
            chip_model: None,
            slot: *slot,
            csr: csr.clone(),
            subject_name: name.clone(),
            id_tail: device.person.tail().to_owned(),
            holder_no: signing.holder_no.clone(),
            // Of the request, so that one taken up on the next day asks for the same.
            issue_date: RocDate::in_taipei(request.at),
            renewal_date: Some(until),
            period: Period::First,
        });
        let asked: Vec<_> = asked.collect();
        self.check_both(&asked, now).await?;
        // Whoever follows the register ends it with the other cards of the person.
        self.enter_card(serial, &link, Carrier::VirtualSmartCard, actor, now).await?;
        Ok(Outcome::VirtualCard(serial, self.issue_both(&asked, serial, now).await?))
    }

    /// The number of the device, drawn once for a request: nobody chooses one, or it could be that of a card to come.
    async fn device_serial(&self, request: &Request, now: Timestamp) -> Result<CardSerial> {
        for _ in 0..DRAWS {
            let drawn = sample(self.draw());
            let found = store::transaction!(self.db, |tx| {
                let sql = "INSERT INTO device (request, card, rests_on, at) VALUES ($1, $2, $3, $4) \
                    ON CONFLICT DO NOTHING";
                let of = request.card.as_str();
                if tx.execute(sql, params![request.id, drawn.as_str(), of, now]).await? == 1 {
                    let detail = json!({ "rests_on": of });
                    self.audit(tx, "device-number", drawn.as_str(), crate::request::HOLDER, detail, now)
                        .await?;
                }
                let sql = "SELECT card FROM device WHERE request = $1";
                Ok::<_, RaError>(tx.optional(sql, params![request.id]).await?)
            })?;
            if let Some(row) = found {
                return row.read::<String>(0)?.parse().map_err(|_| RaError::Data("device"));
            }
        }
        Err(RaError::Data("device"))
    }
}

/// A number of the series that begin with V, of which the card centre orders none.
fn sample(random: [u8; 8]) -> CardSerial {
    let mut rest = u64::from_be_bytes(random);
    let mut text = String::from("V");
    for _ in 0..2 {
        text.push(char::from(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(rest % 36) as usize]));
        rest /= 36;
    }
    CardSerial::new(&text, (rest % 1_000_000) as u32)
        .unwrap_or_else(|_| unreachable!("three characters and six digits"))
}

/// How often a number is drawn: every other one is free until a thousand million devices are.
const DRAWS: usize = 16;
