//! The signatures of a group, and the second commit: each certificate in place of its bytes to be signed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use model::{CardSerial, CertificateState};
use serde_json::json;
use store::{Kind, Tx, params, transaction};
use x509::certificate::{self, TbsCertificate};
use x509::{Certificate, Serial, Signer};

use super::{Answer, Answered, Desk};
use crate::authority::{Authority, has_ended, hex};
use crate::feed::next_number;
use crate::queue::note_reissued;
use crate::row::{CertificateRow, select_certificate, serial};
use crate::{IssuedCertificate, NpcError, Result, SYSTEM};

/// A certificate that stands in the database without its signature.
pub(super) struct Unsigned {
    pub(super) row: CertificateRow,
    pub(super) authority: Arc<Authority>,
    pub(super) now: Timestamp,
    pub(super) answer: Answer,
}

/// A certificate that has its signature.
struct Signed {
    row: CertificateRow,
    certificate: Certificate,
    now: Timestamp,
}

/// A certificate as it stands in the database, if it was not revoked before it was signed, and the number of a change from which
/// on it is known.
type Kept = Option<(IssuedCertificate, u64)>;

impl Desk {
    pub(super) async fn sign_group(&self, group: Vec<Unsigned>) {
        let mut waiting: BTreeMap<Serial, (CardSerial, Vec<Answer>)> = BTreeMap::new();
        let mut work = Vec::new();
        for Unsigned { row, authority, now, answer } in group {
            // Revoked between the commits: then the bytes are never signed.
            if matches!(row.state, CertificateState::Revoked { .. }) {
                let _ = answer.send(Err(NpcError::Revoked(row.card.as_str().to_owned())));
                continue;
            }
            // Its own generation, also if another one issues by now.
            let generation = authority.generation(row.issuer);
            if generation.is_some_and(|generation| has_ended(&generation.ca.certificate, now)) {
                let _ = answer.send(Err(NpcError::Ended));
                continue;
            }
            // The same request twice has one signature.
            let (_, answers) = waiting.entry(row.serial).or_insert_with(|| {
                let card = row.card;
                let signer = generation.map(|generation| generation.ca.signer.clone());
                work.push((row, signer, now));
                (card, Vec::new())
            });
            answers.push(answer);
        }
        let mut signed = Vec::with_capacity(work.len());
        for (serial, made) in sign_all(work).await {
            match made {
                Ok(made) => signed.push(made),
                Err(error) => {
                    for answer in waiting.remove(&serial).into_iter().flat_map(|(_, answers)| answers) {
                        let _ = answer.send(Err(error.for_another()));
                    }
                }
            }
        }
        // Whoever has no answer yet waits for this transaction; if the signing died, they hear that too.
        let kept = if signed.is_empty() { Ok(HashMap::new()) } else { self.keep(&signed).await };
        for (serial, (card, answers)) in waiting {
            for answer in answers {
                let said = match &kept {
                    Ok(kept) => match kept.get(&serial) {
                        Some(Some((issued, change))) => Ok(Answered::Issued(issued.clone(), *change)),
                        Some(None) => Err(NpcError::Revoked(card.as_str().to_owned())),
                        None => Err(NpcError::Died),
                    },
                    Err(error) => Err(error.for_another()),
                };
                let _ = answer.send(said);
            }
        }
    }

    /// Signing twice is harmless: the first stored signature counts.
    async fn keep(&self, signed: &[Signed]) -> Result<HashMap<Serial, Kept>> {
        let _turn = self.turn().await;
        transaction!(self.db, |tx| {
            // Taken first, as in the first commit.
            audit::append_all(tx, &[]).await?;
            let first = next_number(tx, "state", signed.len() as i64).await? - signed.len() as u64 + 1;
            let states = mark_signed(tx, signed, first).await?;
            let mut kept = HashMap::with_capacity(signed.len());
            let (mut bytes, mut entries, mut cards) = (Vec::new(), Vec::new(), BTreeMap::new());
            for (change, Signed { row, certificate, now }) in (first..).zip(signed) {
                let Some(state) = states.get(&row.serial) else { continue };
                let row = CertificateRow {
                    der: Some(certificate.der().to_vec()),
                    state: state.clone(),
                    ..row.clone()
                };
                // The bytes that were to be signed are in the certificate.
                let nothing: &[u8] = &[];
                let serial = row.serial;
                bytes.push(params![serial.octets().to_vec(), certificate.der(), nothing].to_vec());
                entries.push((row.card, *now, hex(serial.octets()), hex(&certificate.fingerprint())));
                if !row.slot.is_rsa() {
                    cards.insert(row.card.as_str().to_owned(), (row.card, *now));
                }
                kept.insert(serial, row.issued().map(|issued| (issued, change)));
            }
            let update = "UPDATE certificate SET der = given.whole, tbs = given.emptied FROM given \
                WHERE certificate.serial = given.asked AND certificate.der IS NULL";
            if tx.execute_given(&BYTES, update, &bytes).await? != bytes.len() as u64 {
                return Err(NpcError::Inconsistent("rows of a group"));
            }
            let entries: Vec<_> = entries
                .iter()
                .map(|(card, at, serial, hash)| audit::Event {
                    at: *at,
                    actor: SYSTEM,
                    system: SYSTEM,
                    action: "certificate-sign",
                    subject: card.as_str(),
                    detail: json!({ "serial": serial, "certificate": hash }),
                })
                .collect();
            audit::append_all(tx, &entries).await?;
            let asked: Vec<_> = cards.keys().map(|card| params![card].to_vec()).collect();
            let sql = "SELECT DISTINCT card FROM reissue \
                WHERE state <> 'done' AND new_card = FALSE AND card IN (SELECT asked FROM given)";
            for row in tx.all_given(&[("asked", Kind::Text)], sql, &asked).await? {
                if let Some((card, now)) = cards.get(&row.read::<String>(0)?) {
                    note_reissued(tx, *card, *now).await?;
                }
            }
            let others: Vec<_> =
                signed.iter().filter(|signed| !kept.contains_key(&signed.row.serial)).collect();
            kept.extend(as_they_stand(tx, &others, first - 1).await?);
            Ok::<_, NpcError>(kept)
        })
    }
}

/// Which of these are signed by this transaction, and the state of each: not those that are signed already, nor those that were
/// revoked meanwhile.
async fn mark_signed(
    tx: &mut Tx,
    signed: &[Signed],
    first: u64,
) -> Result<HashMap<Serial, CertificateState>> {
    let numbered = (first..).zip(signed);
    let rows: Vec<_> = numbered
        .map(|(change, signed)| params![signed.row.serial.octets(), change as i64].to_vec())
        .collect();
    let sql = "UPDATE certificate_state SET signed = TRUE, state_seq = given.change FROM given \
        WHERE certificate_state.serial = given.asked AND signed = FALSE AND status <> 2 RETURNING serial, state";
    let columns = [("asked", Kind::Bytes), ("change", Kind::Integer)];
    let mut states = HashMap::new();
    for row in tx.all_given(&columns, sql, &rows).await? {
        states.insert(serial(&row)?, crate::row::parse_state(&row.read::<String>("state")?)?);
    }
    Ok(states)
}

/// What stands in the database for those that this transaction did not sign: somebody else did, at the latest with the change
/// `before`.
async fn as_they_stand(tx: &mut Tx, others: &[&Signed], before: u64) -> Result<HashMap<Serial, Kept>> {
    if others.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<_> = others.iter().map(|signed| params![signed.row.serial.octets()].to_vec()).collect();
    let sql = select_certificate!("serial IN (SELECT asked FROM given)");
    let mut found = HashMap::new();
    for row in tx.all_given(&[("asked", Kind::Bytes)], sql, &rows).await? {
        let row = CertificateRow::read(&row)?;
        found.insert(row.serial, row.issued().map(|issued| (issued, before)));
    }
    Ok(found)
}

type Work = (CertificateRow, Option<Arc<dyn Signer>>, Timestamp);

/// Signs on all cores, away from the threads that serve requests; the signer may be a token that takes its time.
async fn sign_all(work: Vec<Work>) -> Vec<(Serial, Result<Signed>)> {
    let hands = std::thread::available_parallelism().map_or(1, usize::from).min(work.len());
    let mut done = Vec::with_capacity(work.len());
    let work = Arc::new(Mutex::new(work.into_iter()));
    let hands: Vec<_> = (0..hands)
        .map(|_| {
            let work = work.clone();
            tokio::task::spawn_blocking(move || {
                let mut done = Vec::new();
                loop {
                    let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((row, signer, now)) = next else { return done };
                    done.push((row.serial, sign_one(row, signer, now)));
                }
            })
        })
        .collect();
    for hand in hands {
        if let Ok(part) = hand.await {
            done.extend(part);
        }
    }
    done
}

fn sign_one(row: CertificateRow, signer: Option<Arc<dyn Signer>>, now: Timestamp) -> Result<Signed> {
    let signer = signer.ok_or(NpcError::Inconsistent("generation"))?;
    let tbs = TbsCertificate::from_stored(row.kind, &row.tbs)?;
    let certificate = certificate::issue(&tbs, signer.as_ref())?;
    Ok(Signed { row, certificate, now })
}

const BYTES: [(&str, Kind); 3] = [("asked", Kind::Bytes), ("whole", Kind::Bytes), ("emptied", Kind::Bytes)];
