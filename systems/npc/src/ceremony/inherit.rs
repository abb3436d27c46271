//! What an authority issued before it was taken over: its certificates and their states.
//!
//! The certificates are read once, in any order, and verified with the key of the generation that issued them; the last
//! complete lists say which of them are revoked or on hold. They are stored in parts, each with its count in the audit log; a
//! part that is there already is passed over, so that an interrupted step is simply done again. What a list names and nobody
//! brought stays in the lists. At the end the count is that which two persons approved.
//!
//! A citizen's certificate stands beside those issued here, on the carrier [`Carrier::CertificateCard`]. Certificates of the
//! authority's own services, and those that only a list names, have a state and nothing else.
//!
//! | what a certificate says | what is kept |
//! |---|---|
//! | card number, nine characters as ours | that card |
//! | another card number | a number of the series `Z..`, the same for all certificates of that card |
//! | none, or the place on the card is taken | a number of the series `Z..` of its own |
//! | serialNumber of 16 digits in the subject | that holder number |
//! | none | 16 digits that follow from the subject |
//! | certificateHold in the list | suspended by the authority: the list does not say by whom |

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;
use std::sync::Arc;

use jiff::Timestamp;
use model::{CardSerial, CertificateState, KeySlot, RevocationReason, SuspensionCause};
use serde_json::json;
use store::{Tx, new_id, params, transaction};
use tlv::oid;
use uuid::Uuid;
use x509::certificate::Kind;
use x509::crl::{Crl, Reason};
use x509::extension::KeyUsage;
use x509::{Certificate, PublicKey, Serial, name};

use super::adoption::{Belongings, Inheritance, refused};
use super::founding::Founding;
use super::work::found;
use crate::authority::{hex, off_thread};
use crate::crl::whole_second;
use crate::feed::next_number;
use crate::population::Population;
use crate::request::sha256;
use crate::row::StateColumns;
use crate::{Carrier, NpcError, Result, SYSTEM, weak_key};

/// The entries of each generation's last list.
type Listed = BTreeMap<u32, HashMap<Serial, (Timestamp, Reason)>>;

/// A certificate issued before, verified.
struct Before {
    serial: Serial,
    generation: u32,
    certificate: Certificate,
    citizen: Option<Citizen>,
}

/// What a citizen's certificate stands under.
struct Citizen {
    holder: String,
    card: String,
    slot: KeySlot,
    key_class: String,
    fingerprint: String,
}

impl Founding {
    pub(super) async fn inherit(
        &self,
        inheritance: &Inheritance,
        belongings: &mut Belongings<'_>,
        now: Timestamp,
    ) -> Result<Vec<(String, String)>> {
        let issuers = Arc::new(inheritance.authorities()?);
        let listed = read_lists(inheritance, belongings.lists)?;
        let mut part = Vec::new();
        let mut place = 0u64;
        if let Some(certificates) = belongings.certificates.as_deref_mut() {
            loop {
                let next = certificates.next();
                let ended = next.is_none();
                if let Some(der) = next {
                    place += 1;
                    part.push(der.map_err(|error| refused(&format!("certificate {place}: {error}")))?);
                }
                if part.len() == PART || (ended && !part.is_empty()) {
                    let first = place + 1 - part.len() as u64;
                    let (ders, issuers) = (std::mem::take(&mut part), issuers.clone());
                    let verified = off_thread(move || {
                        (first..).zip(&ders).map(|(place, der)| examine(place, der, &issuers)).collect()
                    });
                    let verified: Result<Vec<Before>> = verified.await?;
                    self.take(inheritance, &verified?, &listed, now).await?;
                }
                if ended {
                    break;
                }
            }
        }
        let brought = self.count("kind <> 'listed'").await?;
        if brought != inheritance.certificates {
            let expected = inheritance.certificates;
            return Err(refused(&format!(
                "{brought} certificates are brought in where {expected} were approved"
            )));
        }
        self.take_listed(&listed, &issuers, now).await?;
        let mut all = vec![found("certificates", brought.to_string())];
        all.push(found("of_citizens", self.count("kind = 'citizen'").await?.to_string()));
        for (name, status) in [("good", 0), ("suspended", 1), ("revoked", 2)] {
            let sql = "SELECT COUNT(*) FROM certificate_state WHERE status = $1";
            let count: i64 = self.db().one(sql, params![status]).await?.read(0)?;
            all.push(found(name, count.to_string()));
        }
        all.push(found("listed_without_certificate", self.count("kind = 'listed'").await?.to_string()));
        Ok(all)
    }

    async fn count(&self, which: &'static str) -> Result<u64> {
        let sql = match which {
            "kind = 'citizen'" => "SELECT COUNT(*) FROM adopted WHERE kind = 'citizen'",
            "kind = 'listed'" => "SELECT COUNT(*) FROM adopted WHERE kind = 'listed'",
            _ => "SELECT COUNT(*) FROM adopted WHERE kind <> 'listed'",
        };
        Ok(self.db().one(sql, params![]).await?.read::<i64>(0)? as u64)
    }

    /// One part, in one transaction.
    async fn take(
        &self,
        inheritance: &Inheritance,
        part: &[Before],
        listed: &Listed,
        now: Timestamp,
    ) -> Result<()> {
        transaction!(self.db(), |tx| {
            let mut new = 0u64;
            for before in part {
                let hash = before.certificate.fingerprint();
                let sql = "SELECT hash FROM adopted WHERE serial = $1";
                if let Some(row) = tx.optional(sql, params![before.serial.octets()]).await? {
                    if row.read::<Option<Vec<u8>>>(0)? == Some(hash) {
                        continue;
                    }
                    let serial = hex(before.serial.octets());
                    return Err(refused(&format!("two certificates have the serial number {serial}")));
                }
                let kind = if before.citizen.is_some() { "citizen" } else { "service" };
                let sql = "INSERT INTO adopted (serial, kind, hash) VALUES ($1, $2, $3)";
                tx.execute_one(sql, params![before.serial.octets(), kind, hash]).await?;
                // One name, one set of serial numbers: another generation's list may tell of it too.
                let own = listed.get(&before.generation).and_then(|list| list.get(&before.serial));
                let entry = own.or_else(|| listed.values().find_map(|list| list.get(&before.serial)));
                let columns = columns(entry.copied())?;
                if let Some(citizen) = &before.citizen {
                    self.take_citizen(tx, before, citizen, inheritance.partitions, &columns, now).await?;
                }
                let end = before.certificate.not_after();
                take_state(tx, &before.serial, before.generation, &columns, end).await?;
                new += 1;
            }
            note(tx, "certificates-adopt", new, now).await
        })
    }

    async fn take_citizen(
        &self,
        tx: &mut Tx,
        before: &Before,
        citizen: &Citizen,
        partitions: u16,
        columns: &StateColumns,
        now: Timestamp,
    ) -> Result<()> {
        let Before { serial, generation, certificate, .. } = before;
        let person = sha256(&[b"holder of an adopted certificate ", citizen.holder.as_bytes()].concat());
        let sql = "INSERT INTO holder (person, number) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        tx.execute(sql, params![person, &citizen.holder]).await?;
        let slot = citizen.slot.id();
        let mut card = card_of(tx, &citizen.card).await?;
        let sql = "SELECT 1 FROM certificate WHERE card = $1 AND slot = $2";
        if tx.optional(sql, params![&card, slot]).await?.is_some() {
            card = card_of(tx, &own_card(serial)).await?;
        }
        // The same key certified twice, as renewals once did: the first stands for it, and refuses a third.
        let mut spki_hash = sha256(certificate.spki());
        if tx.optional("SELECT 1 FROM certificate WHERE spki_hash = $1", params![spki_hash]).await?.is_some()
        {
            spki_hash = sha256(&[certificate.spki(), serial.octets()].concat());
        }
        let id = sha256(&[b"adopted certificate ", serial.octets()].concat());
        let mut request_id = [0; 16];
        request_id.copy_from_slice(&id[..16]);
        let kind =
            if citizen.slot.is_signing() { Kind::NpcCitizenSigning } else { Kind::NpcCitizenEncryption };
        let (none, no_model): (&[u8], &str) = (&[], "");
        tx.execute_one(
            "INSERT INTO certificate (serial, request_id, request_hash, card, slot, holder, profile, not_before, \
             not_after, partition_no, spki_hash, tbs, der, carrier, key_class, chip_model, fingerprint, issuer) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
            params![
                serial.octets(),
                Uuid::from_bytes(request_id),
                sha256(certificate.der()),
                &card,
                slot,
                &citizen.holder,
                kind.name(),
                certificate.not_before(),
                certificate.not_after(),
                Population::partition_of(serial, partitions),
                spki_hash,
                none,
                certificate.der(),
                Carrier::CertificateCard.as_str(),
                &citizen.key_class,
                no_model,
                &citizen.fingerprint,
                i64::from(*generation)
            ],
        )
        .await?;
        let event = new_id(now, &mut *self.random());
        let sql =
            "INSERT INTO event (id, serial, at, actor, kind, state) VALUES ($1, $2, $3, $4, 'adopt', $5)";
        tx.execute_one(sql, params![event, serial.octets(), now, SYSTEM, &columns.state]).await?;
        Ok(())
    }

    /// What a list names and nobody brought: it stays in the lists until its generation ends.
    async fn take_listed(
        &self,
        listed: &Listed,
        issuers: &[(u32, Certificate)],
        now: Timestamp,
    ) -> Result<()> {
        for (generation, issuer) in issuers {
            let entries: Vec<_> = listed.get(generation).into_iter().flatten().collect();
            for part in entries.chunks(PART) {
                transaction!(self.db(), |tx| {
                    let mut new = 0u64;
                    for (serial, entry) in part {
                        let sql = "SELECT kind FROM adopted WHERE serial = $1";
                        if tx.optional(sql, params![serial.octets()]).await?.is_some() {
                            continue;
                        }
                        let sql = "INSERT INTO adopted (serial, kind) VALUES ($1, 'listed')";
                        tx.execute_one(sql, params![serial.octets()]).await?;
                        let columns = columns(Some(**entry))?;
                        take_state(tx, serial, *generation, &columns, issuer.not_after()).await?;
                        new += 1;
                    }
                    note(tx, "listed-adopt", new, now).await
                })?;
            }
        }
        Ok(())
    }
}

/// The entries of the lists that were approved, by generation.
fn read_lists(inheritance: &Inheritance, given: &[Vec<u8>]) -> Result<Listed> {
    let mut all = Listed::new();
    for (generation, heir) in (1..).zip(&inheritance.generations) {
        let list = given.iter().find(|der| hex(&sha256(der)) == heir.list_sha256);
        let list = list.ok_or_else(|| {
            refused(&format!(
                "generation {generation}: its last list is not there, or is another than was approved"
            ))
        })?;
        let mut entries = HashMap::new();
        for entry in Crl::parse(list)?.entries() {
            let entry = entry?;
            entries.insert(Serial::from_octets(entry.serial)?, (whole_second(entry.at)?, entry.reason));
        }
        all.insert(generation, entries);
    }
    Ok(all)
}

/// A certificate as its issuer made it.
fn examine(place: u64, der: &[u8], issuers: &[(u32, Certificate)]) -> Result<Before> {
    let at = |problem: &str| refused(&format!("certificate {place}: {problem}"));
    let certificate = Certificate::parse(der).map_err(|error| at(&error.to_string()))?;
    let serial = certificate.serial().map_err(|error| at(&error.to_string()))?;
    let fits = |issuer: &Certificate| {
        let key = match (certificate.authority_key_identifier(), issuer.subject_key_identifier()) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        key && name::same(certificate.issuer(), issuer.subject())
            && certificate.verify_signature(issuer.spki()).is_ok()
    };
    let issuer = issuers.iter().find(|(_, issuer)| fits(issuer));
    let generation = issuer.map(|(number, _)| *number);
    let generation =
        generation.ok_or_else(|| at("this authority did not issue it, or its signature does not verify"))?;
    let purposes = certificate.extended_key_usage();
    let service = certificate.is_ca()
        || purposes.contains(&oid::KP_OCSP_SIGNING)
        || purposes.contains(&oid::KP_TIME_STAMPING);
    let citizen = if service { None } else { Some(citizen(&certificate, &serial)) };
    Ok(Before { serial, generation, certificate, citizen })
}

fn citizen(certificate: &Certificate, serial: &Serial) -> Citizen {
    let digits = |text: &&str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit());
    let subject = certificate.subject_name().ok();
    let holder = subject.as_ref().and_then(|name| name.attribute(oid::SERIAL_NUMBER)).filter(digits);
    let holder = holder.map_or_else(
        || {
            let hash = sha256(certificate.subject());
            let number = hash[..16].iter().fold(0u128, |n, byte| n << 8 | u128::from(*byte));
            format!("{:016}", number % 10_000_000_000_000_000)
        },
        str::to_owned,
    );
    let plain = |text: &&str| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    let card = certificate.directory_attribute(oid::GPKI_CARD_NUMBER).filter(plain);
    let key = PublicKey::from_spki(certificate.spki()).ok();
    let signs = certificate.key_usage().is_none_or(|usage| {
        usage.contains(KeyUsage::DIGITAL_SIGNATURE) || usage.contains(KeyUsage::CONTENT_COMMITMENT)
    });
    let slot = match (key.as_ref().is_none_or(PublicKey::is_rsa), signs) {
        (true, true) => KeySlot::SigningRsa,
        (true, false) => KeySlot::EncryptionRsa,
        (false, true) => KeySlot::SigningEc,
        (false, false) => KeySlot::EncryptionEc,
    };
    Citizen {
        holder,
        card: card.map_or_else(|| own_card(serial), str::to_owned),
        slot,
        key_class: key.as_ref().map_or_else(|| "unknown".to_owned(), PublicKey::name),
        fingerprint: key.as_ref().map(weak_key::fingerprint).unwrap_or_default(),
    }
}

/// What stands for the card of a certificate that names none.
fn own_card(serial: &Serial) -> String {
    format!("certificate {}", hex(serial.octets()))
}

/// Under which number a card stands here.
async fn card_of(tx: &mut Tx, name: &str) -> Result<String> {
    let sql = "SELECT card FROM adopted_card WHERE name = $1";
    if let Some(row) = tx.optional(sql, params![name]).await? {
        return Ok(row.read(0)?);
    }
    let ours = name.parse::<CardSerial>().ok().filter(|card| !card.series().starts_with(SERIES));
    let card = match ours {
        Some(card) => card.as_str().to_owned(),
        None => series(next_number(tx, "adopted-card", 1).await?)?,
    };
    let sql = "INSERT INTO adopted_card (name, card) VALUES ($1, $2)";
    tx.execute_one(sql, params![name, &card]).await?;
    Ok(card)
}

/// The number of a card in the series of those whose own numbers are not like ours.
fn series(number: u64) -> Result<String> {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let (high, low) = (number / 1_000_000, number % 1_000_000);
    if high >= 36 * 36 {
        return Err(NpcError::Inconsistent("series of adopted cards"));
    }
    let digit = |n: u64| char::from(DIGITS[(n % 36) as usize]);
    Ok(format!("{SERIES}{}{}{low:06}", digit(high / 36), digit(high)))
}

/// The state that a list says.
fn columns(entry: Option<(Timestamp, Reason)>) -> Result<StateColumns> {
    let state = match entry {
        None => CertificateState::Good,
        Some((at, Reason::CertificateHold)) => {
            CertificateState::Suspended { causes: BTreeMap::from([(SuspensionCause::Authority, at)]) }
        }
        Some((at, reason)) => {
            let of = RevocationReason::ALL.iter().copied().find(|known| known.code() == reason.code());
            CertificateState::Revoked { reason: of.unwrap_or(RevocationReason::Unspecified), at }
        }
    };
    let mut columns = StateColumns::of(&state)?;
    if let Some((_, reason)) = entry {
        // Lists go on saying what they said, also a reason that no certificate is revoked for here.
        columns.reason = i64::from(reason.code());
    }
    Ok(columns)
}

async fn take_state(
    tx: &mut Tx,
    serial: &Serial,
    generation: u32,
    columns: &StateColumns,
    end: Timestamp,
) -> Result<()> {
    let seq = next_number(tx, "state", 1).await?;
    let sql = "INSERT INTO certificate_state (serial, generation, signed, state_seq, status, status_at, reason, ends, \
        state) VALUES ($1, $2, TRUE, $3, $4, $5, $6, $7, $8)";
    let values = params![
        serial.octets(),
        i64::from(generation),
        seq as i64,
        columns.status,
        columns.at,
        columns.reason,
        end,
        &columns.state
    ];
    tx.execute_one(sql, values).await?;
    Ok(())
}

async fn note(tx: &mut Tx, action: &str, count: u64, now: Timestamp) -> Result<()> {
    if count > 0 {
        let detail = json!({ "count": count });
        let (at, actor, system) = (now, SYSTEM, SYSTEM);
        audit::append(tx, &audit::Event { at, actor, system, action, subject: "adoption", detail }).await?;
    }
    Ok(())
}

/// The certificates in a stream: DER one behind the other, or PEM with whatever text between the blocks.
///
/// Each is given as DER; a malformed stream gives one error and ends. Nothing longer than a certificate is kept in memory.
pub fn certificates_in<R: BufRead>(reader: R) -> impl Iterator<Item = std::io::Result<Vec<u8>>> {
    Stream { reader, ended: false }
}

struct Stream<R> {
    reader: R,
    ended: bool,
}

impl<R: BufRead> Iterator for Stream<R> {
    type Item = std::io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<R: BufRead> Stream<R> {
    fn read(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        match self.reader.fill_buf()?.first() {
            None => Ok(None),
            Some(0x30) => self.der().map(Some),
            Some(_) => self.pem(),
        }
    }

    fn der(&mut self) -> std::io::Result<Vec<u8>> {
        let mut head = [0; 4];
        self.reader.read_exact(&mut head)?;
        // X.690 §8.1.3: a certificate has 128 bytes at least and, here, less than 64 KiB.
        let length = match head[1] {
            0x81 if head[2] >= 0x80 => 3 + usize::from(head[2]),
            0x82 => 4 + (usize::from(head[2]) << 8 | usize::from(head[3])),
            _ => return Err(malformed("this is no certificate")),
        };
        let mut all = vec![0; length];
        all[..4].copy_from_slice(&head);
        self.reader.read_exact(&mut all[4..])?;
        Ok(all)
    }

    fn pem(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        let mut block = String::new();
        loop {
            let mut line = Vec::new();
            let mut limited = std::io::Read::take(&mut self.reader, LONGEST_LINE);
            if limited.read_until(b'\n', &mut line)? == 0 {
                return if block.is_empty() { Ok(None) } else { Err(malformed("a PEM block does not end")) };
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            if block.is_empty() && text != BEGIN {
                // Text between the blocks, as `openssl x509 -text` writes it.
                continue;
            }
            block.push_str(text);
            block.push('\n');
            if text.starts_with("-----END") {
                let der = x509::pem::decode("CERTIFICATE", &block);
                return der.map(Some).map_err(|error| malformed(&error.to_string()));
            }
            if block.len() > LONGEST_BLOCK {
                return Err(malformed("a PEM block is longer than a certificate"));
            }
        }
    }
}

fn malformed(problem: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, problem.to_owned())
}

const LONGEST_LINE: u64 = 64 * 1024;
const LONGEST_BLOCK: usize = 128 * 1024;

/// The first letter of the cards whose own numbers are not like ours.
const SERIES: &str = "Z";

/// Certificates in one transaction.
const PART: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
        let mut failed = false;
        let kept = certificates_in(bytes).filter_map(|next| next.map_err(|_| failed = true).ok()).collect();
        (kept, failed)
    }

    #[test]
    fn streams_of_der_and_pem_give_the_same() {
        let made = [
            [[0x30, 0x81, 0x90].as_slice(), &[7; 0x90]].concat(),
            [[0x30, 0x82, 1, 0].as_slice(), &[9; 256]].concat(),
        ];
        let der = made.concat();
        assert_eq!(all(&der), (made.to_vec(), false));
        let pem: String =
            made.iter().map(|one| format!("Certificate:\n  text\n{}", x509::pem::certificate(one))).collect();
        assert_eq!(all(pem.as_bytes()), (made.to_vec(), false));
        assert_eq!(all(&pem.replace('\n', "\r\n").into_bytes()), (made.to_vec(), false));
        assert_eq!(all(b""), (Vec::new(), false));
        // Cut anywhere, what was whole is given, and then an error.
        for cut in 1..der.len() {
            let (kept, failed) = all(&der[..cut]);
            assert_eq!(failed, cut != made[0].len(), "{cut}");
            assert!(kept.len() <= 1 && kept.iter().all(|one| *one == made[0]));
        }
        assert_eq!(all(&[0x30, 0x80, 0, 0, 0]), (Vec::new(), true));
        assert_eq!(all(&[0x30, 0x81, 0, 0, 0]), (Vec::new(), true));
        let open = format!("-----BEGIN CERTIFICATE-----\n{}", "A".repeat(300_000));
        assert_eq!(all(open.as_bytes()), (Vec::new(), true));
    }

    #[test]
    fn cards_of_the_series_are_card_serials() {
        for number in [1, 999_999, 1_000_000, 1_295_999_999] {
            let card: CardSerial = series(number).unwrap().parse().unwrap();
            assert!(card.series().starts_with(SERIES));
        }
        assert_eq!(series(36_000_001).unwrap(), "Z10000001");
        assert!(series(1_296_000_000).is_err());
    }
}
