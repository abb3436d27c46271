//! Issuing: what is signed is stored first, and signed as it was stored (docs/issuance-cycle.md).
//!
//! Two commits stand between a request and its certificate, and each waits for the disk. So they are shared: whatever waits when
//! a commit has ended is the next group, of at most [`MOST`] requests, and a group has one first transaction ([`first_commit`]), its
//! signatures made by all cores, and one second transaction ([`second_commit`]). While one group is signed the next is stored.
//!
//! The groups are the work of tasks of their own. A caller who goes away loses nothing and delays nobody: what was stored is signed.

mod first_commit;
mod gathering;
mod second_commit;

use std::sync::{Arc, PoisonError};

use jiff::{SignedDuration, Timestamp};
use model::{CardSerial, KeySlot};
use store::{Db, Row, Tx, new_id, params};
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;
use x509::certificate::TbsCertificate;
use x509::certificate::profiles::{Citizen, StatusLocations, npc_citizen_encryption, npc_citizen_signing};
use x509::{Certificate, PublicKey, Serial, Validity};

use crate::authority::{Authority, Generation, has_ended};
use crate::population::Population;
use crate::rehearse::rehearse;
use crate::request::{self, Checked};
use crate::row::{CertificateRow, select_certificate};
use crate::weak_key::REMEMBERED;
use crate::{Carrier, IssueRequest, IssuedCertificate, Npc, NpcError, Period, Result, SYSTEM};
use gathering::Gathering;
use second_commit::Unsigned;

/// Where requests wait for each other.
pub(crate) struct Desk {
    db: Db,
    first: Gathering<Asked>,
    second: Gathering<Unsigned>,
    // The two transactions of one process would only lose against each other.
    books: tokio::sync::Mutex<()>,
    // What is prepared and not answered; everybody else waits with nothing but the request.
    places: Semaphore,
}

/// A request that was checked, with what would be stored for it.
struct Asked {
    request_id: Uuid,
    hash: [u8; 32],
    carrier: Carrier,
    card: CardSerial,
    chip_model: Option<String>,
    slot: KeySlot,
    holder: String,
    reissue: bool,
    spki_hash: [u8; 32],
    key_class: String,
    fingerprint: String,
    validity: model::validity::Validity,
    serial: Serial,
    // The newest filter that calls the serial number good.
    filter: u64,
    // The list the serial number belongs to, for ever.
    partition: u16,
    tbs: TbsCertificate,
    // Why the policy does not allow it: it leads to nothing but what it has led to before.
    forbidden: Option<&'static str>,
    event: Uuid,
    // As the hierarchy was when the bytes to be signed were made.
    authority: Arc<Authority>,
    now: Timestamp,
    answer: Answer,
}

/// To whom a request is answered.
type Answer = oneshot::Sender<Result<Answered>>;

/// What came of a request.
enum Answered {
    /// The certificate, and the number of the change that made it.
    Issued(IssuedCertificate, u64),
    /// A revocation filter was published meanwhile, another generation issues, or another policy is in force: the request is checked
    /// again, and other bytes must be made.
    Outdated,
}

impl Npc {
    /// One answer for each request, in their order.
    pub(crate) async fn issue_certificates(
        &self,
        requests: &[IssueRequest],
        now: Timestamp,
    ) -> Vec<Result<IssuedCertificate>> {
        let mut answers = Vec::with_capacity(requests.len());
        for requests in requests.chunks(MOST) {
            let Ok(_places) = self.desk.places.acquire_many(requests.len() as u32).await else {
                answers.extend(requests.iter().map(|_| Err(NpcError::Died)));
                continue;
            };
            answers.extend(self.issue_together(requests, now).await);
        }
        answers
    }

    /// What would be answered to these requests; nothing is stored.
    pub(crate) async fn check_certificates(
        &self,
        requests: &[IssueRequest],
        now: Timestamp,
    ) -> Vec<Result<()>> {
        let mut answers: Vec<Result<()>> = requests.iter().map(|_| Ok(())).collect();
        let (mut prepared, mut places) = (Vec::new(), Vec::new());
        for (place, request) in requests.iter().enumerate() {
            // Nobody listens to this answer.
            match self.prepare(request, oneshot::channel().0, now).await {
                Ok(asked) => {
                    prepared.push(asked);
                    places.push(place);
                }
                Err(error) => answers[place] = Err(error),
            }
        }
        match self.desk.consider(&prepared).await {
            Ok(decided) => places.into_iter().zip(decided).for_each(|(place, said)| answers[place] = said),
            Err(error) => places.into_iter().for_each(|place| answers[place] = Err(error.for_another())),
        }
        answers
    }

    async fn issue_together(
        &self,
        requests: &[IssueRequest],
        now: Timestamp,
    ) -> Vec<Result<IssuedCertificate>> {
        let mut answers: Vec<Option<Result<IssuedCertificate>>> = requests.iter().map(|_| None).collect();
        loop {
            let (mut asked, mut waiting) = (Vec::new(), Vec::new());
            for (place, request) in requests.iter().enumerate() {
                if answers[place].is_some() {
                    continue;
                }
                let (answer, heard) = oneshot::channel();
                match self.prepare(request, answer, now).await {
                    Ok(prepared) => {
                        asked.push(prepared);
                        waiting.push((place, heard));
                    }
                    Err(error) => answers[place] = Some(Err(error)),
                }
                // A proof of possession takes its time; others have something to do on this thread too.
                tokio::task::yield_now().await;
            }
            self.desk.ask(asked);
            let (mut outdated, mut newest) = (false, 0);
            for (place, heard) in waiting {
                answers[place] = match heard.await {
                    Ok(Ok(Answered::Issued(issued, change))) => {
                        newest = newest.max(change);
                        Some(Ok(issued))
                    }
                    Ok(Ok(Answered::Outdated)) => {
                        outdated = true;
                        None
                    }
                    Ok(Err(error)) => Some(Err(error)),
                    Err(_) => Some(Err(NpcError::Died)),
                };
            }
            self.tell_changes_to(newest, now).await;
            if outdated {
                let followed = match self.follow_authority(now).await {
                    Ok(()) => self.follow_filters(now).await,
                    failed => failed,
                };
                if let Err(error) = followed {
                    answers
                        .iter_mut()
                        .filter(|answer| answer.is_none())
                        .for_each(|answer| *answer = Some(Err(error.for_another())));
                }
            }
            if answers.iter().all(Option::is_some) {
                return answers.into_iter().flatten().collect();
            }
        }
    }

    /// Everything that can be said of a request without the database, and the bytes that would be signed for it.
    async fn prepare(&self, request: &IssueRequest, answer: Answer, now: Timestamp) -> Result<Asked> {
        let checked = request::check(request)?;
        if let Some(modulus) = &checked.modulus {
            self.compare_modulus(modulus)?;
        }
        let authority = self.authority();
        let validity = &checked.validity;
        let (key, from, until) = (&checked.key_class, validity.not_before, validity.not_after);
        let forbidden = match authority.policy.allows_subscriber(key, from, until) {
            Ok(()) => None,
            Err(NpcError::Policy(why)) => Some(why),
            Err(error) => return Err(error),
        };
        let generation = &authority.issuing;
        if has_ended(&generation.ca.certificate, now) {
            return Err(NpcError::Ended);
        }
        let (serial, filter) = self.draw_serial(generation, now)?;
        let event = new_id(now, self.random().as_mut());
        let partition = Population::partition_of(&serial, generation.partitions);
        let tbs = self.to_be_signed(request, &checked, generation, serial, partition)?;
        // The linter looks at the whole certificate before its bytes are stored, let alone signed with the key that counts.
        rehearse(&tbs, Some(&generation.ca.issuer), &self.random).await?;
        Ok(Asked {
            request_id: request.request_id,
            hash: checked.hash,
            carrier: request.carrier,
            card: request.card,
            chip_model: request.chip_model.clone(),
            slot: request.slot,
            holder: request.holder_no.clone(),
            reissue: matches!(request.period, Period::Reissue { .. }),
            spki_hash: checked.spki_hash,
            key_class: checked.key_class,
            fingerprint: checked.fingerprint,
            validity: checked.validity,
            serial,
            filter,
            partition,
            tbs,
            forbidden,
            event,
            authority,
            now,
            answer,
        })
    }

    /// Compares a modulus with those of other keys, without holding up others. It is remembered at once, so that of two keys with a
    /// common factor that come together one is refused.
    fn compare_modulus(&self, modulus: &[u8]) -> Result<()> {
        let (others, new) = {
            let mut moduli = self.moduli.lock().unwrap_or_else(PoisonError::into_inner);
            (moduli.others(), moduli.remember(modulus))
        };
        let compared = others.inspect(modulus);
        if compared.is_err() && new {
            self.moduli.lock().unwrap_or_else(PoisonError::into_inner).forget(modulus);
        }
        compared.map_err(NpcError::WeakKey)
    }

    /// Signs everything that was stored when the program was killed.
    pub(crate) async fn sign_what_is_stored(&self, now: Timestamp) -> Result<()> {
        // A suspended one too: whoever asked for it gets it, and it is told as suspended.
        let sql = select_certificate!("signed = FALSE AND status <> 2 ORDER BY serial");
        let rows = self.db.all(sql, params![]).await?;
        self.sign_rows(&rows, now).await
    }

    /// The same while the program runs: a token that was away is back. What came in the last [`UNDER_WAY`] may be in the hands of
    /// whoever stored it. One certificate asks first whether the key answers: each of them might wait for a dead token in vain.
    pub(crate) async fn sign_what_was_left(&self, now: Timestamp) -> Result<()> {
        let sql = select_certificate!(
            "signed = FALSE AND status <> 2 AND EXISTS (SELECT 1 FROM event WHERE event.serial = certificate.serial \
             AND event.kind = 'issue' AND event.at <= $1) ORDER BY serial LIMIT $2"
        );
        let rows = self.db.all(sql, params![now - UNDER_WAY, LEFT_AT_ONCE]).await?;
        let (first, others) = rows.split_at(rows.len().min(1));
        self.sign_rows(first, now).await?;
        self.sign_rows(others, now).await
    }

    async fn sign_rows(&self, rows: &[Row], now: Timestamp) -> Result<()> {
        let mut waiting = Vec::new();
        for row in rows {
            let (row, authority) = (CertificateRow::read(row)?, self.authority());
            // What a generation did not sign while it lasted is signed by nobody.
            if authority.generation(row.issuer).is_some() {
                let (answer, heard) = oneshot::channel();
                waiting.push((Unsigned { row, authority, now, answer }, heard));
            }
        }
        let (unsigned, heard): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        self.desk.sign(unsigned);
        let mut newest = 0;
        for heard in heard {
            match heard.await.map_err(|_| NpcError::Died)? {
                Ok(Answered::Issued(_, change)) => newest = newest.max(change),
                // Another process was quicker; it is signed by nobody; its CA has ended.
                Ok(Answered::Outdated) | Err(NpcError::Revoked(_) | NpcError::Ended) => {}
                Err(error) => return Err(error),
            }
        }
        self.tell_changes_to(newest, now).await;
        Ok(())
    }

    pub(crate) async fn remember_moduli(&self) -> Result<()> {
        let sql = "SELECT c.der FROM event e JOIN certificate c ON c.serial = e.serial \
            WHERE e.kind = 'issue' AND c.slot <= 2 AND c.der IS NOT NULL ORDER BY e.id DESC LIMIT $1";
        let rows = self.db.all(sql, params![REMEMBERED as u32]).await?;
        for row in rows.iter().rev() {
            let der: Vec<u8> = row.read(0)?;
            if let PublicKey::Rsa(key) = PublicKey::from_spki(Certificate::parse(&der)?.spki())? {
                self.moduli.lock().unwrap_or_else(PoisonError::into_inner).remember(key.modulus());
            }
        }
        Ok(())
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
            holder_rank: request.carrier.holder_rank(),
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

impl Desk {
    pub(crate) fn new(db: Db) -> Arc<Self> {
        Arc::new(Self {
            db,
            first: Gathering::default(),
            second: Gathering::default(),
            books: tokio::sync::Mutex::default(),
            places: Semaphore::new(PLACES),
        })
    }

    fn ask(self: &Arc<Self>, asked: Vec<Asked>) {
        if self.first.add(asked) {
            let desk = self.clone();
            tokio::spawn(async move {
                let mut worker = desk.first.work();
                while let Some(group) = worker.next(MOST) {
                    desk.store_group(group).await;
                }
            });
        }
    }

    fn sign(self: &Arc<Self>, unsigned: Vec<Unsigned>) {
        if self.second.add(unsigned) {
            let desk = self.clone();
            tokio::spawn(async move {
                let mut worker = desk.second.work();
                while let Some(group) = worker.next(MOST) {
                    desk.sign_group(group).await;
                }
            });
        }
    }

    /// The turn of one of the two transactions, which lets those pass that have lost against it.
    async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        let turn = self.books.lock().await;
        self.db.losers_first().await;
        turn
    }
}

/// Requests in a group. With RSA-4096 their signatures take less than a second on one core.
const MOST: usize = 256;

/// How long ago a certificate was stored that nobody is signing any more.
const UNDER_WAY: SignedDuration = SignedDuration::from_mins(1);

/// How many certificates that were left unsigned are signed in one turn of the maintenance.
const LEFT_AT_ONCE: u32 = 16 * MOST as u32;

/// Requests that are prepared and not answered yet, of about four kilobytes each.
const PLACES: usize = 4 * MOST;
