//! 更換金鑰 (rekey): a recall's cards go on with their other two keys (OPEN-13, OPEN-17, RECALL-14). Every chip has made two pairs of
//! RSA and two of elliptic curves; one kind serves, the other has no certificates yet or was certified with it. Whoever doubts the
//! kind that serves has the other certified and written to the card, and the old certificates revoked. The card stays.
//!
//! Which cards have other keys is marked when a recall is proposed. The registration authority carries it out, with the holder's
//! consent, and notes it here: only then is a card that was called in released.

use jiff::Timestamp;
use model::card::BeforeRecall;
use model::{Card, CardSerial, CardState, KeySlot, RevocationReason, RocDate};
use serde::Serialize;
use serde_json::json;
use store::{Kind, Row, Tx, Value, params};

use crate::books::{CardEntry, card, card_now, log, parse, stamp};
use crate::recall::{RecallPlan, Treatment, held_by};
use crate::service::Mgmt;
use crate::{MgmtError, Refusal};

/// The two kinds of keys of the Certificate Zone, each one for signatures and one for encryption (CARD-37).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPair {
    /// RSA-2048.
    Rsa,
    /// Elliptic curves: P-521, on the reserve chip P-384.
    Ec,
}

impl KeyPair {
    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ec => "ec",
        }
    }

    /// Words for people, Traditional Chinese and English.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Rsa => ("RSA 金鑰", "RSA keys"),
            Self::Ec => ("橢圓曲線金鑰", "EC keys"),
        }
    }

    /// The slots of its keys: signature, encryption.
    pub const fn slots(self) -> [KeySlot; 2] {
        match self {
            Self::Rsa => [KeySlot::SigningRsa, KeySlot::EncryptionRsa],
            Self::Ec => [KeySlot::SigningEc, KeySlot::EncryptionEc],
        }
    }

    /// Whether a key is of this kind.
    pub const fn has(self, slot: KeySlot) -> bool {
        matches!(self, Self::Rsa) == slot.is_rsa()
    }

    /// The kind of an algorithm as the card centre names it: `RSA-2048`, `secp521r1`.
    fn of_algorithm(name: &str) -> Self {
        if name.starts_with("RSA") { Self::Rsa } else { Self::Ec }
    }
}

impl std::str::FromStr for KeyPair {
    type Err = MgmtError;

    fn from_str(text: &str) -> Result<Self, MgmtError> {
        let found = [Self::Rsa, Self::Ec].into_iter().find(|pair| pair.as_str() == text);
        found.ok_or(MgmtError::Data("pair of keys"))
    }
}

/// What a recall has decided for a card that goes on with its other keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RekeyCase {
    /// The number of the recall.
    pub recall: u64,
    /// The keys that serve from then on.
    pub pair: KeyPair,
    /// With which reason the certificates on the other keys are revoked.
    pub revocation: RevocationReason,
    /// Whether it is noted as done.
    pub done: bool,
}

impl Mgmt {
    /// What an approved recall has decided for this card: that it goes on with its other keys. `None` if none has, or if the card
    /// is not in its holder's hands: whoever has reported it lost withdraws that first. Of a card that is called in it is the recall
    /// that holds it, and no other one.
    pub(crate) async fn rekey_case_now(&self, serial: CardSerial) -> Result<Option<RekeyCase>, MgmtError> {
        let sql = "SELECT recall.number AS number, other_pair, revocation, rekeyed_at FROM recall_card \
            JOIN recall ON recall.number = recall_card.recall \
            WHERE serial = $1 AND treatment = $2 AND other_pair IS NOT NULL AND called_at IS NOT NULL \
            AND (closed_at IS NULL OR rekeyed_at IS NOT NULL) \
            ORDER BY CASE WHEN rekeyed_at IS NULL THEN 0 ELSE 1 END, recall.number";
        let rows = self.db.all(sql, params![serial.as_str(), Treatment::Rekey.as_str()]).await?;
        let case = |row: &Row| -> Result<RekeyCase, MgmtError> {
            Ok(RekeyCase {
                recall: row.read("number")?,
                pair: parse(row, "other_pair")?,
                revocation: parse(row, "revocation")?,
                done: row.read::<Option<Timestamp>>("rekeyed_at")?.is_some(),
            })
        };
        let cases = rows.iter().map(case).collect::<Result<Vec<_>, _>>()?;
        let entry = card_now(&self.db, serial).await?;
        Ok(cases.into_iter().find(|case| case.done || in_hands(&entry, case.recall)))
    }

    /// Whether certificates may be written to a card though it is called in: because that is its treatment.
    pub(crate) async fn written_in_recall(&self, entry: &CardEntry) -> Result<bool, MgmtError> {
        let called_in = entry.certificate && entry.revoked.is_none() && entry.state() == CardState::Recalled;
        Ok(called_in && self.rekey_case_now(entry.serial).await?.is_some_and(|case| !case.done))
    }

    /// Notes that a card serves with its other keys, whose certificates are in the books. One that this recall holds goes on in the
    /// next one, or returns to what it was before, and its certificates follow. May be repeated.
    ///
    /// Every other recall that had decided for these keys is done with the card too: nobody comes twice for the same. Where one had
    /// decided for the keys that are given up now, the card has no other keys any more, and is exchanged.
    pub(crate) async fn rekeyed(
        &self,
        serial: CardSerial,
        number: u64,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let sql = "SELECT other_pair, rekeyed_at FROM recall_card JOIN recall ON recall.number = recall_card.recall \
                WHERE recall.number = $1 AND serial = $2 AND treatment = $3 AND other_pair IS NOT NULL AND called_at IS NOT NULL \
                AND (closed_at IS NULL OR rekeyed_at IS NOT NULL)";
            let values = params![number as i64, serial.as_str(), Treatment::Rekey.as_str()];
            let row = tx.optional(sql, values).await?.ok_or(Refusal::WrongState)?;
            if row.read::<Option<Timestamp>>("rekeyed_at")?.is_some() {
                return Ok(());
            }
            let pair: KeyPair = parse(&row, "other_pair")?;
            // Nobody says done where nothing was issued.
            if certified(tx, serial, pair).await? < 2 {
                return Err(Refusal::WrongState.into());
            }
            let sql = "SELECT recall_card.recall AS number, called_at, other_pair FROM recall_card JOIN recall ON recall.number = recall_card.recall \
                WHERE serial = $1 AND treatment = $2 AND other_pair IS NOT NULL AND rekeyed_at IS NULL AND closed_at IS NULL \
                ORDER BY recall.number";
            let values = params![serial.as_str(), Treatment::Rekey.as_str()];
            for row in tx.all(sql, values).await? {
                let recall: i64 = row.read("number")?;
                let called = row.read::<Option<Timestamp>>("called_at")?.is_some();
                if parse::<KeyPair>(&row, "other_pair")? != pair {
                    exchanged_instead(tx, recall, serial, called, now).await?;
                } else if called {
                    let sql = "UPDATE recall_card SET rekeyed_at = $3, rekeyed_by = $4 WHERE recall = $1 AND serial = $2";
                    tx.execute_one(sql, params![recall, serial.as_str(), now, actor]).await?;
                    let detail = json!({ "recall": recall, "keys": pair });
                    log(tx, &stamp(now, actor), "recall-rekey", serial.as_str(), detail).await?;
                }
            }
            let entry = card(tx, serial).await?;
            self.leave_recall(tx, entry, "rekeyed", actor, now).await
        })?;
        self.follow_now(serial, now).await
    }
}

/// How many of a pair's certificates are in the books.
async fn certified(tx: &mut Tx, serial: CardSerial, pair: KeyPair) -> Result<i64, MgmtError> {
    let sql = "SELECT count(*) FROM card_certificate WHERE serial = $1 AND slot IN ($2, $3) AND certificate IS NOT NULL";
    let [signing, encryption] = pair.slots();
    Ok(tx.one(sql, params![serial.as_str(), signing.as_str(), encryption.as_str()]).await?.read(0)?)
}

/// A card of a recall loses the keys that it was to go on with: it is exchanged, and its holder is told so, once more if need be.
async fn exchanged_instead(
    tx: &mut Tx,
    recall: i64,
    serial: CardSerial,
    called: bool,
    now: Timestamp,
) -> Result<(), MgmtError> {
    let sql = "UPDATE recall_card SET other_pair = NULL WHERE recall = $1 AND serial = $2";
    tx.execute_one(sql, params![recall, serial.as_str()]).await?;
    if called {
        let sql = "UPDATE notice SET kind = 'recall-exchange', told_at = NULL, told_way = NULL, tries = 0, at = $3 \
            WHERE recall = $1 AND serial = $2";
        tx.execute(sql, params![recall, serial.as_str(), now]).await?;
    }
    Ok(())
}

fn in_hands(entry: &CardEntry, recall: u64) -> bool {
    match &entry.card {
        Card::Recalled { before, .. } => {
            held_by(&entry.card, recall) && matches!(before, BeforeRecall::Active(_))
        }
        _ => entry.state() == CardState::Active,
    }
}

/// A card as it is listed in a recall, for [`LIST_CARDS`].
pub(crate) fn listed(
    number: i64,
    serial: CardSerial,
    plan: &RecallPlan,
    now: Timestamp,
) -> Vec<Value<'static>> {
    let doubted = match (plan.treatment, &plan.criteria.algorithm) {
        (Treatment::Rekey, Some(name)) => KeyPair::of_algorithm(name).as_str(),
        (Treatment::Rekey, None) => "serving",
        _ => "none",
    };
    let first_period = RocDate::in_taipei(now).plus_years(-5).iso();
    params![number, serial.as_str().to_owned(), doubted, first_period].to_vec()
}

pub(crate) const LIST: [(&str, Kind); 4] = [
    ("recall", Kind::Integer),
    ("serial", Kind::Text),
    // The keys that are doubted: those of an algorithm, those that serve, or none
    ("doubted", Kind::Text),
    // Cards issued on this day or later are in their first period.
    ("since", Kind::Text),
];

/// Cards at an office or in somebody's hands, recalled already or not; what the centre still has is its own business. Each with the keys it can go on with:
/// where the doubted keys have certificates, the others, unless these were given up before. RSA keys serve in the first period alone
/// (NPC-28), and where both kinds serve, the recall says which is doubted.
pub(crate) const LIST_CARDS: &str = "INSERT INTO recall_card (recall, serial, office, other_pair) \
    SELECT given.recall, card.serial, application.office, CASE \
        WHEN card.certificate = FALSE OR card.revoked IS NOT NULL OR doubted = 'none' THEN NULL \
        WHEN EXISTS (SELECT 1 FROM recall_card AS before WHERE before.serial = card.serial \
            AND before.rekeyed_at IS NOT NULL) THEN NULL \
        WHEN rsa.serial IS NOT NULL AND (doubted = 'rsa' OR (doubted = 'serving' AND ec.serial IS NULL)) THEN 'ec' \
        WHEN ec.serial IS NOT NULL AND card.issue_date >= given.since \
            AND (doubted = 'ec' OR (doubted = 'serving' AND rsa.serial IS NULL)) THEN 'rsa' END \
    FROM given JOIN card ON card.serial = given.serial JOIN application ON application.case_no = card.case_no \
    LEFT JOIN card_certificate AS rsa ON rsa.serial = card.serial AND rsa.slot = 'signing_rsa' \
    LEFT JOIN card_certificate AS ec ON ec.serial = card.serial AND ec.slot = 'signing_ec' \
    WHERE card.state IN ('received', 'awaiting_collection', 'active', 'suspended', 'recalled')";
