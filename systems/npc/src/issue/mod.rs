//! Issuing: what is signed is stored first, and signed as it was stored (docs/issuance-cycle.md).

use jiff::Timestamp;
use model::{CardSerial, CertificateState, KeySlot};
use serde_json::json;
use store::{Tx, new_id, params, transaction};
use x509::certificate::TbsCertificate;
use x509::certificate::profiles::{Citizen, StatusLocations, npc_citizen_encryption, npc_citizen_signing};
use x509::{Certificate, PublicKey, Serial, Validity};

use crate::authority::{Generation, hex, issuing_generation, sign_certificate};
use crate::cohort::is_stopped;
use crate::documents::latest_filter;
use crate::feed::next_number;
use crate::overview::count_issued;
use crate::population::Population;
use crate::rehearse::rehearse;
use crate::request::{self, Checked};
use crate::row::{CertificateRow, StateColumns, select_certificate};
use crate::weak_key::REMEMBERED;
use crate::{IssueRequest, IssuedCertificate, Npc, NpcError, Period, Result, SYSTEM};

impl Npc {
    pub(crate) async fn issue_certificate(
        &self,
        request: &IssueRequest,
        now: Timestamp,
    ) -> Result<IssuedCertificate> {
        let checked = request::check(request)?;
        if let Some(modulus) = &checked.modulus {
            self.moduli
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .inspect(modulus)
                .map_err(NpcError::WeakKey)?;
        }
        let validity = &checked.validity;
        self.authority().policy.allows_subscriber(
            &checked.key_class,
            validity.not_before,
            validity.not_after,
        )?;
        let stored = loop {
            if let Some(stored) = self.store_request(request, &checked, now).await? {
                break stored;
            }
            self.follow_authority(now).await?;
        };
        if let Some(modulus) = &checked.modulus {
            self.moduli.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remember(modulus);
        }
        self.sign_stored(stored, now).await
    }

    /// Signs everything that was stored when the program was killed.
    pub(crate) async fn sign_what_is_stored(&self, now: Timestamp) -> Result<()> {
        for row in self.db.all(select_certificate!("state_seq = 0 ORDER BY serial"), params![]).await? {
            let row = CertificateRow::read(&row)?;
            if !matches!(row.state, CertificateState::Revoked { .. }) {
                self.sign_stored(row, now).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn remember_moduli(&self) -> Result<()> {
        let sql = "SELECT c.der FROM event e JOIN certificate c ON c.serial = e.serial \
            WHERE e.kind = 'issue' AND c.slot <= 2 AND c.der IS NOT NULL ORDER BY e.id DESC LIMIT $1";
        let rows = self.db.all(sql, params![REMEMBERED as u32]).await?;
        for row in rows.iter().rev() {
            let der: Vec<u8> = row.read(0)?;
            if let PublicKey::Rsa(key) = PublicKey::from_spki(Certificate::parse(&der)?.spki())? {
                self.moduli.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remember(key.modulus());
            }
        }
        Ok(())
    }

    /// The first commit: the bytes to be signed, or those of the same request made before. Nothing if a revocation filter was
    /// published meanwhile, or another generation issues.
    async fn store_request(
        &self,
        request: &IssueRequest,
        checked: &Checked,
        now: Timestamp,
    ) -> Result<Option<CertificateRow>> {
        let generation = self.authority().issuing.clone();
        let (serial, filter) = self.draw_serial(&generation, now).await?;
        let event_id = new_id(now, self.random().as_mut());
        // The list a serial number belongs to, for ever.
        let partition = Population::partition_of(&serial, generation.partitions);
        let tbs = self.to_be_signed(request, checked, &generation, serial, partition)?;
        // The linter looks at the whole certificate before its bytes are stored, let alone signed with the key that counts.
        rehearse(&tbs, Some(&generation.ca.issuer), &self.random).await?;
        let slot = request.slot.id();
        let columns = StateColumns::of(&CertificateState::Good)?;
        let validity = &checked.validity;
        transaction!(self.db, |tx| {
            if let Some(same) = same_request(tx, request, checked).await? {
                return Ok(Some(same));
            }
            if is_stopped(tx).await? {
                return Err(NpcError::Stopped);
            }
            // A filter published since the number was drawn may call it revoked: another number then.
            if latest_filter(&self.db, Some(tx)).await? != filter {
                return Ok(None);
            }
            if issuing_generation(tx).await? != generation.number {
                return Ok(None);
            }
            let known =
                tx.optional("SELECT 1 FROM holder WHERE number = $1", params![&request.holder_no]).await?;
            if known.is_none() {
                return Err(NpcError::Request("the holder number was not given out here"));
            }
            if let Period::Reissue { .. } = request.period {
                reissue_is_due(tx, request).await?;
            }
            let chip_model = match &request.chip_model {
                Some(name) => name.clone(),
                None => chip_model_of(tx, request.card).await?,
            };
            tx.execute_one(
                "INSERT INTO certificate (serial, request_id, request_hash, card, slot, holder, profile, not_before, \
                 not_after, partition_no, spki_hash, tbs, carrier, key_class, chip_model, fingerprint, issuer) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
                params![
                    serial.octets(),
                    request.request_id,
                    checked.hash,
                    request.card.as_str(),
                    slot,
                    &request.holder_no,
                    tbs.kind().name(),
                    validity.not_before,
                    validity.not_after,
                    partition,
                    checked.spki_hash,
                    tbs.tbs_der(),
                    request.carrier.as_str(),
                    &checked.key_class,
                    &chip_model,
                    &checked.fingerprint,
                    i64::from(generation.number)
                ],
            )
            .await?;
            tx.execute_one(
                "INSERT INTO certificate_state (serial, generation, signed, state_seq, status, status_at, reason, ends, \
                 state) VALUES ($1, $2, FALSE, 0, $3, $4, $5, $6, $7)",
                params![
                    serial.octets(),
                    i64::from(generation.number),
                    columns.status,
                    columns.at,
                    columns.reason,
                    validity.not_after,
                    &columns.state
                ],
            )
            .await?;
            tx.execute_one(
                "INSERT INTO event (id, serial, at, actor, kind, state) VALUES ($1, $2, $3, $4, 'issue', $5)",
                params![event_id, serial.octets(), now, SYSTEM, &columns.state],
            )
            .await?;
            let detail = json!({
                "serial": hex(serial.octets()),
                "slot": slot,
                "request": request.request_id.simple().to_string(),
                "tbs": hex(&request::sha256(tbs.tbs_der())),
            });
            self.audit(tx, "certificate-issue", request.card.as_str(), SYSTEM, detail, now).await?;
            count_issued(tx, tbs.kind().name(), request.carrier, now).await?;
            Ok(Some(CertificateRow {
                serial,
                issuer: generation.number,
                request_hash: checked.hash,
                card: request.card,
                slot: request.slot,
                holder: request.holder_no.clone(),
                kind: tbs.kind(),
                validity: *validity,
                tbs: tbs.tbs_der().to_vec(),
                der: None,
                state: CertificateState::Good,
            }))
        })
    }

    /// Signature and second commit. Signing twice is harmless: the first stored signature counts.
    async fn sign_stored(&self, row: CertificateRow, now: Timestamp) -> Result<IssuedCertificate> {
        if row.der.is_none() {
            // Revoked between the commits: then the bytes are never signed.
            if matches!(row.state, CertificateState::Revoked { .. }) {
                return Err(NpcError::Revoked(row.card.as_str().to_owned()));
            }
            let tbs = TbsCertificate::from_stored(row.kind, &row.tbs)?;
            // Its own generation, also if another one issues by now.
            let authority = self.authority();
            let generation = authority.generation(row.issuer).ok_or(NpcError::Inconsistent("generation"))?;
            let certificate = sign_certificate(tbs, generation.ca.signer.clone()).await?;
            transaction!(self.db, |tx| {
                let seq = next_number(tx, "state", 1).await?;
                let sql = "UPDATE certificate_state SET signed = TRUE, state_seq = $2 \
                    WHERE serial = $1 AND signed = FALSE AND status <> 2";
                if tx.execute(sql, params![row.serial.octets(), seq as i64]).await? == 1 {
                    // The bytes that were to be signed are in the certificate.
                    let sql = "UPDATE certificate SET der = $2, tbs = $3 WHERE serial = $1 AND der IS NULL";
                    let nothing: &[u8] = &[];
                    tx.execute_one(sql, params![row.serial.octets(), certificate.der(), nothing]).await?;
                    let detail = json!({
                        "serial": hex(row.serial.octets()),
                        "certificate": hex(&certificate.fingerprint()),
                    });
                    self.audit(tx, "certificate-sign", row.card.as_str(), SYSTEM, detail, now).await?;
                    if !row.slot.is_rsa() {
                        self.note_reissued(tx, row.card, now).await?;
                    }
                }
                Ok::<_, NpcError>(())
            })?;
            self.tell_changes(now).await;
        }
        let found = self.db.one(select_certificate!("serial = $1"), params![row.serial.octets()]).await?;
        let issued = CertificateRow::read(&found)?.issued();
        issued.ok_or_else(|| NpcError::Revoked(row.card.as_str().to_owned()))
    }

    fn to_be_signed(
        &self,
        request: &IssueRequest,
        checked: &Checked,
        generation: &Generation,
        serial: Serial,
        partition: u16,
    ) -> Result<TbsCertificate> {
        let urls = &self.config.urls;
        let citizen = Citizen {
            serial,
            issuer: &generation.ca.issuer,
            name: &request.subject_name,
            holder_number: &request.holder_no,
            id_tail: &request.id_tail,
            card_number: request.card.as_str(),
            validity: Validity::new(checked.validity.not_before, checked.validity.not_after)?,
            spki: &checked.spki,
            policy: self.config.policy,
            locations: StatusLocations {
                partition_crl: &urls.partition_crl(generation.number, partition),
                complete_crl: &urls.complete_crl(generation.number),
                ca_issuers: &urls.issued_to_this_ca(),
                ocsp: &urls.ocsp,
            },
        };
        let made = if request.slot.is_signing() {
            npc_citizen_signing(&citizen)
        } else {
            npc_citizen_encryption(&citizen)
        };
        made.map_err(|error| match error {
            x509::Error::Profile(problem) => NpcError::Request(problem),
            error => NpcError::X509(error),
        })
    }

    pub(crate) async fn audit(
        &self,
        tx: &mut Tx,
        action: &str,
        subject: &str,
        actor: &str,
        detail: serde_json::Value,
        now: Timestamp,
    ) -> Result<audit::Head> {
        let event = audit::Event { at: now, actor, system: SYSTEM, action, subject, detail };
        Ok(audit::append(tx, &event).await?)
    }
}

/// The certificate this request has led to before, under its number or under another with the same content.
async fn same_request(
    tx: &mut Tx,
    request: &IssueRequest,
    checked: &Checked,
) -> Result<Option<CertificateRow>> {
    let by_number = tx.optional(select_certificate!("request_id = $1"), params![request.request_id]).await?;
    if let Some(row) = by_number {
        let row = CertificateRow::read(&row)?;
        let same = row.request_hash == checked.hash;
        return if same { Ok(Some(row)) } else { Err(NpcError::Conflict(request.request_id)) };
    }
    let slot = request.slot.id();
    let by_slot = select_certificate!("card = $1 AND slot = $2");
    if let Some(row) = tx.optional(by_slot, params![request.card.as_str(), slot]).await? {
        let row = CertificateRow::read(&row)?;
        if row.request_hash == checked.hash {
            return Ok(Some(row));
        }
        return Err(NpcError::SlotTaken { card: request.card.as_str().to_owned(), slot });
    }
    let by_key = "SELECT 1 FROM certificate WHERE spki_hash = $1";
    match tx.optional(by_key, params![checked.spki_hash]).await? {
        Some(_) => Err(NpcError::DuplicateKey),
        None => Ok(None),
    }
}

/// The model of a card's chip, as whoever asked for its first certificate knew it; empty if nobody did.
async fn chip_model_of(tx: &mut Tx, card: CardSerial) -> Result<String> {
    let sql = "SELECT chip_model FROM certificate WHERE card = $1 AND chip_model <> '' LIMIT 1";
    let row = tx.optional(sql, params![card.as_str()]).await?;
    Ok(row.map(|row| row.read(0)).transpose()?.unwrap_or_default())
}

/// NPC-23: once, and only if the first certificate has not been revoked.
async fn reissue_is_due(tx: &mut Tx, request: &IssueRequest) -> Result<()> {
    let first = if request.slot.is_signing() { KeySlot::SigningRsa } else { KeySlot::EncryptionRsa };
    let sql = select_certificate!("card = $1 AND slot = $2");
    let row = tx.optional(sql, params![request.card.as_str(), first.id()]).await?;
    let state = row.as_ref().map(CertificateRow::read).transpose()?.map(|row| row.state);
    match state {
        None | Some(CertificateState::Revoked { .. }) => Err(NpcError::NothingToReissue),
        Some(_) => Ok(()),
    }
}
