//! What is published for looking up at home: the revocation filter of all certificates, and the status list of cards
//! without certificate (crate `status`).
//!
//! The filter is made anew every [`crate::NpcConfig::filter_interval`] from the states in memory. A certificate issued later is not in
//! it; so that no reader is told noise about it, the CA takes only serial numbers that every published filter still in use
//! calls good ([`Npc::draw_serial`]), and a filter is published only if it calls good what was being issued meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use model::CardSerial;
use serde_json::json;
use status::cards::{CardList, Listed};
use status::filter::{self, Filter, State, StatusSigner};
use store::{Row, Tx, params, transaction};
use x509::Serial;

use crate::authority::{Generation, hex, new_serial, off_thread};
use crate::ceremony::check_person;
use crate::crl::whole_second;
use crate::feed::{next_number, next_number_after};
use crate::population::{self, Numbers};
use crate::request::sha256;
use crate::row::serial;
use crate::{Npc, NpcError, Result, SYSTEM};

/// A signed document for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedDocument {
    /// Its number.
    pub number: u64,
    /// For which moment it holds.
    pub this_update: Timestamp,
    /// Until when it may be used.
    pub next_update: Timestamp,
    /// CMS SignedData, DER.
    pub der: Bytes,
    /// An entity tag for HTTP.
    pub etag: String,
}

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Filter,
    Cards,
    CardsDelta,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Cards => "cards",
            Self::CardsDelta => "cards-delta",
        }
    }
}

/// A card status list or a delta: as it was published, and what it says.
type PublishedCards = (Arc<PublishedDocument>, Arc<CardList>);

#[derive(Default)]
pub(crate) struct Documents {
    // The newest last; all of which somebody may still use one.
    filters: Mutex<Vec<(Arc<PublishedDocument>, Arc<Filter>)>>,
    cards: Mutex<Option<PublishedCards>>,
    delta: Mutex<Option<PublishedCards>>,
    // The cards of which the delta of this number was found to say what is.
    said: Mutex<Option<(u64, ListedCards)>>,
    making: tokio::sync::Mutex<()>,
    making_cards: tokio::sync::Mutex<()>,
    // When filters of other processes were last looked for, and card status lists.
    looked: Mutex<Option<Timestamp>>,
    looked_for_cards: Mutex<Option<Timestamp>>,
}

/// Cards that are not to be accepted, with the reason.
type ListedCards = Arc<[(CardSerial, Listed)]>;

/// Whether it is time to look into the database again; notes that it was.
fn looks(last: &Mutex<Option<Timestamp>>, now: Timestamp) -> bool {
    let mut looked = last.lock().unwrap_or_else(PoisonError::into_inner);
    // A clock that went back does not keep it from looking.
    let recent = looked.is_some_and(|at| at <= now && now.duration_since(at) < LOOK);
    if !recent {
        *looked = Some(now);
    }
    !recent
}

/// So often a card status list is begun again because another process was faster.
const MOST_OVERTAKEN: usize = 5;

/// How long the filters and card status lists that are known are taken for all there are.
const LOOK: SignedDuration = SignedDuration::from_secs(1);

/// What a filter was made from.
struct Snapshot {
    seq: u64,
    // By generation.
    listed: BTreeMap<u32, Section>,
}

/// The listed certificates of one generation.
struct Section {
    key_hash: [u8; 32],
    revoked: Vec<u128>,
    suspended: Vec<u128>,
}

impl Npc {
    /// The newest filter, made if there is none or if it is time for the next.
    ///
    /// # Errors
    /// [`NpcError::Ended`] if it is time for the next and the CA has ended: nobody is left to sign it.
    pub async fn filter(&self, now: Timestamp) -> Result<Arc<PublishedDocument>> {
        let due = |document: &PublishedDocument| {
            now >= document.this_update + self.config.filter_interval
                || now < document.this_update - SignedDuration::from_mins(5)
        };
        let newest = || self.filters().last().map(|(document, _)| document.clone());
        if let Some(document) = newest().filter(|document| !due(document)) {
            return Ok(document);
        }
        let _turn = self.documents.making.lock().await;
        self.load_filters(now).await?;
        match newest() {
            Some(document) if !due(&document) => Ok(document),
            _ => self.make_filter(now).await,
        }
    }

    /// The filter's turn in the maintenance.
    pub(crate) async fn keep_filter(&self, now: Timestamp) -> Result<()> {
        unless_ended(self.filter(now).await)
    }

    /// Makes a filter anew, however young the last one is, for lists that are published with it.
    pub(crate) async fn publish_filter_of_lists(&self, now: Timestamp) -> Result<()> {
        unless_ended(self.publish_filter(now).await)
    }

    /// Makes a filter anew, however young the last one is.
    pub(crate) async fn publish_filter(&self, now: Timestamp) -> Result<()> {
        let _turn = self.documents.making.lock().await;
        self.load_filters(now).await?;
        self.make_filter(now).await.map(drop)
    }

    /// Makes lists and filter anew at once, however young they are: for an operator who does not wait for the next turn. Gives
    /// the number of the filter.
    pub async fn publish_now(&self, operator: &str, now: Timestamp) -> Result<u64> {
        check_person(operator)?;
        transaction!(self.db, |tx| {
            self.audit(tx, "publish-now", "status", operator, json!({}), now).await?;
            Ok::<_, NpcError>(())
        })?;
        self.publish_lists(now).await?;
        self.publish_filter(now).await?;
        Ok(self.present_filter().map_or(0, |filter| filter.number))
    }

    /// The filter that is to be served: one that another process has published meanwhile is known a second later.
    pub(crate) async fn served_filter(&self, now: Timestamp) -> Result<Arc<PublishedDocument>> {
        // Whoever comes while a filter is made is answered with the one before.
        if looks(&self.documents.looked, now)
            && let Ok(_turn) = self.documents.making.try_lock()
        {
            self.load_filters(now).await?;
        }
        self.filter(now).await
    }

    /// Takes over the filters that other processes have published.
    pub(crate) async fn take_filters(&self, now: Timestamp) -> Result<()> {
        let _turn = self.documents.making.lock().await;
        self.load_filters(now).await
    }

    /// The filter that is there, however old.
    pub(crate) fn present_filter(&self) -> Option<Arc<PublishedDocument>> {
        self.filters().last().map(|(document, _)| document.clone())
    }

    async fn make_filter(&self, now: Timestamp) -> Result<Arc<PublishedDocument>> {
        // Before a number is spent: what has ended signs nothing.
        self.to_sign_with(|authority| &authority.status, now).await?;
        self.read_changes(now).await?;
        let this_update = whole_second(now)?;
        let known = self.newest_documents().0;
        let number = transaction!(self.db, |tx| next_number_after(tx, "filter", 1, known).await)?;
        let lifetime = self.config.filter_interval * 4;
        for attempt in 0..8 {
            if attempt > 0 {
                // Somebody has issued meanwhile.
                self.read_changes(now).await?;
            }
            let unsigned = self.unsigned_numbers().await?;
            let salt = number << 8 | attempt;
            let populations = self.populations.clone();
            let authority = self.authority();
            let building = authority.clone();
            let (built, snapshot) = off_thread(move || {
                // What the filter is of is taken in a moment: building it takes seconds, in which states change.
                let (seq, of) = {
                    let populations = populations.read().unwrap_or_else(PoisonError::into_inner);
                    let of = building.generations.iter().filter_map(|generation| {
                        let population = populations.get(generation.number)?;
                        Some((generation, population.numbers(), population.listings()))
                    });
                    (populations.seq(), of.collect::<Vec<_>>())
                };
                let listed = of.iter().map(|(generation, _, tables)| {
                    let (revoked, suspended) = population::revoked_and_suspended(tables);
                    let key_hash = filter::key_hash(&generation.ca.certificate);
                    (generation.number, Section { key_hash, revoked, suspended })
                });
                let snapshot = Snapshot { seq, listed: listed.collect() };
                let none = Vec::new();
                let unsigned = |generation: u32| unsigned.get(&generation).unwrap_or(&none);
                let walks =
                    of.iter().map(|(generation, numbers, _)| walk(numbers, unsigned(generation.number)));
                let walks: Vec<_> = walks.collect();
                // A section for each generation: the filter names issuers by their keys.
                let sections = of.iter().zip(&walks).zip(snapshot.listed.values());
                let sections: Vec<_> = sections
                    .map(|(((generation, numbers, _), walk), listed)| filter::Population {
                        issuer: &generation.ca.certificate,
                        size: (numbers.len() + unsigned(generation.number).len()) as u64,
                        all: walk,
                        revoked: &listed.revoked,
                        suspended: &listed.suspended,
                    })
                    .collect();
                let filter = Filter::build(number, this_update, lifetime, &sections, salt);
                drop(sections);
                (filter, snapshot)
            })
            .await?;
            let filter = Arc::new(built?);
            let sealed = filter.clone();
            let der = off_thread(move || {
                let party = &authority.status;
                sealed.sign(&StatusSigner { certificate: &party.certificate, signer: party.signer.as_ref() })
            })
            .await??;
            let document = new_document(number, filter.this_update(), filter.next_update(), der);
            if self.store_filter(&document, &filter, &snapshot).await? {
                tracing::info!(number, bytes = document.der.len(), "revocation filter published");
                let document = Arc::new(document);
                let mut filters = self.filters();
                filters.retain(|(document, _)| document.next_update > now);
                filters.push((document.clone(), filter));
                return Ok(document);
            }
        }
        Err(NpcError::Status(status::Error::Unsolved))
    }

    /// The numbers of what is stored and not signed, by generation: nobody is told of them yet, but they will be given out, and the
    /// filter has to call them good.
    async fn unsigned_numbers(&self) -> Result<BTreeMap<u32, Vec<u128>>> {
        let sql = "SELECT serial, generation FROM certificate_state WHERE signed = FALSE AND status <> 2";
        let mut numbers: BTreeMap<u32, Vec<u128>> = BTreeMap::new();
        for row in self.db.all(sql, params![]).await? {
            if let Some(number) = serial(&row)?.to_u128() {
                numbers.entry(row.read("generation")?).or_default().push(number);
            }
        }
        Ok(numbers)
    }

    /// Publishes a filter, unless it calls anything but good a certificate that came into being while it was made.
    async fn store_filter(
        &self,
        document: &PublishedDocument,
        filter: &Filter,
        snapshot: &Snapshot,
    ) -> Result<bool> {
        let end = transaction!(self.db, |tx| {
            // What is stored and not signed yet has a number that will be given out.
            let sql = "SELECT serial, generation FROM certificate_state \
                WHERE (signed = FALSE AND status <> 2) OR state_seq > $1";
            for row in tx.all(sql, params![snapshot.seq as i64]).await? {
                let Some(number) = serial(&row)?.to_u128() else { continue };
                // Of a generation that the filter does not speak about nobody is told anything.
                let Some(section) = snapshot.listed.get(&row.read("generation")?) else { continue };
                // What was listed then, and is not any more, is in the next filter.
                let listed = [&section.revoked, &section.suspended];
                let was_listed = listed.iter().any(|list| list.binary_search(&number).is_ok());
                if !was_listed && filter.state_by_key(&section.key_hash, number) != Some(State::Good) {
                    return Ok(None);
                }
            }
            store_document(tx, Kind::Filter, document).await?;
            let detail = json!({ "number": document.number, "sha256": hex(&sha256(&document.der)) });
            let end =
                self.audit(tx, "filter-publish", "filter", SYSTEM, detail, document.this_update).await?;
            Ok::<_, NpcError>(Some(end))
        })?;
        if let Some(end) = end {
            self.note_own_end(end);
        }
        Ok(end.is_some())
    }

    /// Reads the filters that are still in use and that another process may have published.
    async fn load_filters(&self, now: Timestamp) -> Result<()> {
        let newest = self.filters().last().map_or(0, |(document, _)| document.number);
        let sql = "SELECT number, this_update, next_update, der FROM status_document \
            WHERE kind = 'filter' AND number > $1 AND next_update > $2 ORDER BY number";
        for row in self.db.all(sql, params![newest as i64, now]).await? {
            let document = document(&row)?;
            // Our own, as the database's word is taken for everything else too.
            let content = x509::cms::SignedData::parse(&document.der)?;
            let content = content.content().ok_or(NpcError::Inconsistent("filter"))?;
            let filter = Filter::read(content)?;
            self.filters().push((Arc::new(document), Arc::new(filter)));
        }
        Ok(())
    }

    /// A serial number that no certificate of any generation has, nor one of the CA's own services (RFC 5280 §4.1.2.2: unique
    /// under the issuer's name, which all generations share), and that every filter in use calls good as far as this process
    /// knows them; with the number of the newest. Whoever stores it looks whether there is a newer one
    /// ([`Npc::follow_filters`]). Two processes may draw the same: the table takes it once, whatever the generation.
    pub(crate) fn draw_serial(&self, generation: &Generation, now: Timestamp) -> Result<(Serial, u64)> {
        let key_hash = filter::key_hash(&generation.ca.certificate);
        let (filters, newest) = {
            let known = self.filters();
            let live = known.iter().filter(|(document, _)| document.next_update > now);
            let live: Vec<_> = live.map(|(_, filter)| filter.clone()).collect();
            (live, known.last().map_or(0, |(document, _)| document.number))
        };
        for _ in 0..10_000 {
            let serial = new_serial(&self.random);
            let number = serial.to_u128().ok_or(NpcError::Inconsistent("serial"))?;
            let good = |filter: &Arc<Filter>| {
                matches!(filter.state_by_key(&key_hash, number), None | Some(State::Good))
            };
            if filters.iter().all(good) && !self.populations().is_known(&serial) {
                return Ok((serial, newest));
            }
        }
        Err(NpcError::NoSerial)
    }

    /// Takes over what another process has published, if there is something.
    pub(crate) async fn follow_filters(&self, now: Timestamp) -> Result<()> {
        let sql = "SELECT COALESCE(MAX(number), 0) FROM status_document WHERE kind = 'filter'";
        let latest: u64 = self.db.one(sql, params![]).await?.read(0)?;
        if latest > self.filters().last().map_or(0, |(document, _)| document.number) {
            self.load_filters(now).await?;
        }
        Ok(())
    }

    /// Publishes which cards are not to be accepted (OPEN-37): a full list with a salt of its own once a day, and a delta to
    /// it whenever something has changed or half of its time is over. All processes add deltas to one full list, the newest that is
    /// stored: two lists with salts of their own would each name cards that the other's delta cannot take back.
    ///
    /// # Errors
    /// [`NpcError::Ended`] if something is to be signed and the CA has ended.
    pub async fn publish_cards(
        &self,
        listed: &[(CardSerial, Listed)],
        now: Timestamp,
    ) -> Result<(Arc<PublishedDocument>, Arc<PublishedDocument>)> {
        let _turn = self.documents.making_cards.lock().await;
        let now = whole_second(now)?;
        let listed: ListedCards = listed.into();
        for _ in 0..MOST_OVERTAKEN {
            self.load_cards().await?;
            if let Some(published) = self.try_cards(&listed, now).await? {
                return Ok(published);
            }
        }
        Err(NpcError::Inconsistent("a card status list that others overtake again and again"))
    }

    /// Nothing if another process has stored a full list meanwhile.
    async fn try_cards(
        &self,
        listed: &ListedCards,
        now: Timestamp,
    ) -> Result<Option<(Arc<PublishedDocument>, Arc<PublishedDocument>)>> {
        let rotation = self.config.crl_lifetime;
        let fresh = |document: &PublishedDocument| {
            now < document.this_update + rotation
                && now >= document.this_update - SignedDuration::from_mins(5)
        };
        let kept = self.cards().clone();
        let before = kept.as_ref().map_or(0, |(document, _)| document.number);
        let (document, list) = match kept.filter(|(document, _)| fresh(document)) {
            Some(kept) => kept,
            None => {
                let mut salt = [0; 32];
                self.random().fill(&mut salt);
                let number = self.next_card_list(now).await?;
                // A day longer than until the next, for readers that fetch once a day.
                let cards = listed.clone();
                let list = off_thread(move || {
                    CardList::full(number, now, rotation * 2, salt, cards.iter().copied())
                });
                let list = list.await??;
                let Some(made) = self.publish_list(Kind::Cards, list, before).await? else { return Ok(None) };
                *self.cards() = Some(made.clone());
                made
            }
        };
        let kept = self.cards_delta().clone();
        let kept = kept.filter(|(kept, known)| {
            known.base() == Some(document.number)
                && now < kept.this_update + rotation / 2
                && now >= kept.this_update
        });
        if let Some((kept, _)) = &kept
            && self.said().as_ref().is_some_and(|(number, said)| *number == kept.number && said == listed)
        {
            return Ok(Some((document, kept.clone())));
        }
        let delta = async |number| {
            let (list, cards) = (list.clone(), listed.clone());
            let delta =
                off_thread(move || CardList::delta(number, now, rotation, &list, cards.iter().copied()));
            Ok::<_, NpcError>(delta.await??)
        };
        if let Some((kept, known)) = kept
            && known.says_the_same(&delta(0).await?)
        {
            *self.said() = Some((kept.number, listed.clone()));
            return Ok(Some((document, kept)));
        }
        let delta = delta(self.next_card_list(now).await?).await?;
        let made = self.publish_list(Kind::CardsDelta, delta, document.number).await?;
        let Some(made) = made else { return Ok(None) };
        *self.cards_delta() = Some(made.clone());
        *self.said() = Some((made.0.number, listed.clone()));
        Ok(Some((document, made.0)))
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Option<(u64, ListedCards)>> {
        self.documents.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next_card_list(&self, now: Timestamp) -> Result<u64> {
        // Before a number is spent: what has ended signs nothing.
        self.to_sign_with(|authority| &authority.status, now).await?;
        let (_, known) = self.newest_documents();
        transaction!(self.db, |tx| next_number_after(tx, "cards", 1, known).await)
    }

    /// Signs and stores a list; nothing if a full list stands there with a number after `newest`.
    async fn publish_list(&self, kind: Kind, list: CardList, newest: u64) -> Result<Option<PublishedCards>> {
        let authority = self.to_sign_with(|authority| &authority.status, list.this_update()).await?;
        let list = Arc::new(list);
        let sealed = list.clone();
        let der = off_thread(move || {
            let party = &authority.status;
            sealed.sign(&StatusSigner { certificate: &party.certificate, signer: party.signer.as_ref() })
        })
        .await??;
        let document = new_document(list.number(), list.this_update(), list.next_update(), der);
        let end = transaction!(self.db, |tx| {
            // Whoever else stores one waits here.
            next_number(tx, "cards", 0).await?;
            let sql = "SELECT 1 FROM status_document WHERE kind = 'cards' AND number > $1";
            if tx.optional(sql, params![newest as i64]).await?.is_some() {
                return Ok(None);
            }
            store_document(tx, kind, &document).await?;
            let detail = json!({ "number": document.number, "entries": list.len() });
            let (action, at) = ("card-list-publish", document.this_update);
            let end = self.audit(tx, action, kind.as_str(), SYSTEM, detail, at).await?;
            Ok::<_, NpcError>(Some(end))
        })?;
        let Some(end) = end else { return Ok(None) };
        self.note_own_end(end);
        Ok(Some((Arc::new(document), list)))
    }

    /// Takes over the newest full list and the newest delta that any process has published.
    async fn load_cards(&self) -> Result<()> {
        let known = self.cards().as_ref().map_or(0, |(document, _)| document.number);
        if let Some(newer) = self.newer_list(Kind::Cards, known).await? {
            *self.cards() = Some(newer);
        }
        let known = self.cards_delta().as_ref().map_or(0, |(document, _)| document.number);
        if let Some(newer) = self.newer_list(Kind::CardsDelta, known).await? {
            *self.cards_delta() = Some(newer);
        }
        Ok(())
    }

    async fn newer_list(&self, kind: Kind, known: u64) -> Result<Option<PublishedCards>> {
        let sql = "SELECT number, this_update, next_update, der FROM status_document \
            WHERE kind = $1 AND number > $2 ORDER BY number DESC LIMIT 1";
        let Some(row) = self.db.optional(sql, params![kind.as_str(), known as i64]).await? else {
            return Ok(None);
        };
        let document = document(&row)?;
        let content = x509::cms::SignedData::parse(&document.der)?;
        let content = content.content().ok_or(NpcError::Inconsistent("card status list"))?;
        let list = CardList::read(content)?;
        Ok(Some((Arc::new(document), Arc::new(list))))
    }

    /// The card status list, or the delta to it, whichever process has published it a second ago at the latest; none that has
    /// ended, and no delta to another list than the one that is served.
    pub(crate) async fn served_cards(&self, delta: bool, now: Timestamp) -> Option<Arc<PublishedDocument>> {
        if looks(&self.documents.looked_for_cards, now)
            && let Ok(_turn) = self.documents.making.try_lock()
            && let Err(error) = self.load_cards().await
        {
            tracing::warn!(code = error.code(), "the card status list of before is served");
        }
        let (base, _) = self.cards().clone()?;
        let document = if delta {
            let (document, delta) = self.cards_delta().clone()?;
            if delta.base() != Some(base.number) {
                return None;
            }
            document
        } else {
            base
        };
        (now < document.next_update).then_some(document)
    }

    /// The highest numbers that this process knows of filters and of card status lists.
    pub(crate) fn newest_documents(&self) -> (u64, u64) {
        let filter = self.present_filter().map_or(0, |filter| filter.number);
        let number = |published: &Option<PublishedCards>| published.as_ref().map_or(0, |(one, _)| one.number);
        let (full, delta) = (number(&self.cards()), number(&self.cards_delta()));
        (filter, full.max(delta))
    }

    fn filters(&self) -> std::sync::MutexGuard<'_, Vec<(Arc<PublishedDocument>, Arc<Filter>)>> {
        self.documents.filters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cards(&self) -> std::sync::MutexGuard<'_, Option<PublishedCards>> {
        self.documents.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cards_delta(&self) -> std::sync::MutexGuard<'_, Option<PublishedCards>> {
        self.documents.delta.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where nobody is left to sign a filter, none is made: what was published before is served while it holds, and the next generation
/// publishes the next.
fn unless_ended<T>(made: Result<T>) -> Result<()> {
    match made {
        Err(error @ NpcError::Ended) => {
            tracing::warn!(code = error.code(), "no revocation filter is signed any more");
            Ok(())
        }
        made => made.map(drop),
    }
}

/// Goes through the serial numbers of a generation, and those not signed yet.
fn walk<'a>(numbers: &'a Numbers, unsigned: &'a [u128]) -> impl Fn(&mut dyn FnMut(u128)) + 'a {
    move |f| {
        numbers.each(f);
        unsigned.iter().for_each(|number| f(*number));
    }
}

/// Stores a document and forgets those of its kind that nobody may use any more.
async fn store_document(tx: &mut Tx, kind: Kind, document: &PublishedDocument) -> Result<()> {
    let sql = "INSERT INTO status_document (kind, number, this_update, next_update, der) VALUES ($1, $2, $3, $4, $5)";
    let values = params![
        kind.as_str(),
        document.number as i64,
        document.this_update,
        document.next_update,
        &document.der[..]
    ];
    tx.execute_one(sql, values).await?;
    let sql = "DELETE FROM status_document WHERE kind = $1 AND number < $2 AND next_update < $3";
    tx.execute(sql, params![kind.as_str(), document.number as i64, document.this_update]).await?;
    Ok(())
}

fn document(row: &Row) -> Result<PublishedDocument> {
    Ok(new_document(
        row.read("number")?,
        row.read("this_update")?,
        row.read("next_update")?,
        row.read("der")?,
    ))
}

fn new_document(
    number: u64,
    this_update: Timestamp,
    next_update: Timestamp,
    der: Vec<u8>,
) -> PublishedDocument {
    let etag = format!("\"{number}-{}\"", &hex(&sha256(&der))[..16]);
    PublishedDocument { number, this_update, next_update, der: der.into(), etag }
}
