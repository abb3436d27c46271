//! The founding of the hierarchy: the first root and the first generation of the issuing CA, before anything else is there.
//!
//! A country does it by a ceremony like any other, with two persons, step by step, on an empty database ([`Founding`]); the CA
//! does not open until it is finished. A country that starts with one command has nobody yet to decide or to witness: its
//! first run makes both keys by itself, and leaves a record that says so. Either way the record is ceremony number 0.
//!
//! A founding cannot be given up: nothing is published and nobody relies on it, so another begins on an empty database.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use curve::Random;
use jiff::Timestamp;
use keys::{KeyKind, KeyStore, Purpose};
use serde_json::json;
use store::{Db, Tx, params, transaction};

use super::act::{Act, Script, Step};
use super::adoption::Belongings;
use super::work::{changed, checked, found, key_found, module_found, show, signed};
use super::{CHANGED, Ceremony, Hands, check_person, kept, load_ceremony, subject};
use crate::authority::{
    Ground, Paperwork, Root, ca_label, generate, generation_to_be_signed, hex, off_thread, party, prepare,
    root_label, root_to_be_signed, sign_prepared, stored_certificate,
};
use crate::request::sha256;
use crate::{NpcConfig, NpcError, Policy, Result, SYSTEM};

/// The number of the ceremony that founds a hierarchy.
pub(crate) const NUMBER: u64 = 0;

/// Who did what nobody did.
const NOBODY: &str = "first-run";

/// The hierarchy of a certification authority that is not there yet.
pub struct Founding {
    db: Db,
    keys: Arc<dyn KeyStore>,
    config: NpcConfig,
    random: Mutex<Box<dyn Random + Send>>,
}

impl Founding {
    /// Opens an empty database, or one where the founding is under way. Names, addresses, policy and partitions are those
    /// of `config`, and stay.
    ///
    /// # Errors
    /// [`NpcError::Ceremony`] if the hierarchy is founded.
    pub async fn open(
        db: Db,
        keys: Arc<dyn KeyStore>,
        config: NpcConfig,
        random: Box<dyn Random + Send>,
    ) -> Result<Self> {
        crate::migrate(&db).await?;
        if is_founded(&db).await? {
            return Err(FOUNDED);
        }
        let config = config.fixed_at_first_run(&db).await?;
        Ok(Self { db, keys, config, random: Mutex::new(random) })
    }

    /// Proposes the kinds of both keys. A proposal that nobody has approved is replaced.
    pub async fn propose(
        &self,
        root: KeyKind,
        issuing: KeyKind,
        operator: &str,
        now: Timestamp,
    ) -> Result<Ceremony> {
        self.propose_act(act(root, issuing, &self.config, true), operator, now).await
    }

    pub(super) async fn propose_act(&self, act: Act, operator: &str, now: Timestamp) -> Result<Ceremony> {
        check_person(operator)?;
        let kind = act.kind();
        let script = script(act)?;
        transaction!(self.db, |tx| {
            let sql = "SELECT approved_by FROM ceremony WHERE number = $1";
            if let Some(row) = tx.optional(sql, params![NUMBER as i64]).await? {
                if row.read::<Option<String>>(0)?.is_some() {
                    return Err(NpcError::Ceremony("another ceremony is under way"));
                }
                tx.execute("DELETE FROM ceremony WHERE number = $1", params![NUMBER as i64]).await?;
            }
            propose(tx, kind, &script, operator, now).await
        })?;
        self.ceremony().await
    }

    /// Approves what another person proposed.
    pub async fn approve(&self, operator: &str, now: Timestamp) -> Result<Ceremony> {
        check_person(operator)?;
        let ceremony = self.ceremony().await?;
        match &ceremony.approved {
            Some((by, _)) if by == operator => return Ok(ceremony),
            Some(_) => return Err(NpcError::Ceremony("it is approved already")),
            None if ceremony.proposed_by == operator => return Err(NpcError::SamePerson),
            None if ceremony.lapsed(now) => {
                return Err(NpcError::Ceremony("the proposal has lapsed; propose it again"));
            }
            None => {}
        }
        transaction!(self.db, |tx| {
            let sql = "UPDATE ceremony SET approved_by = $2, approved_at = $3 \
                WHERE number = $1 AND approved_by IS NULL AND script_hash = $4";
            let values = params![NUMBER as i64, operator, now, ceremony.script_hash];
            if tx.execute(sql, values).await? != 1 {
                return Err(CHANGED);
            }
            let detail = json!({ "script": hex(&ceremony.script_hash) });
            note(tx, "ceremony-approve", operator, detail, now).await
        })?;
        self.ceremony().await
    }

    /// Does the next step. After the last one the CA can be opened, and gives the record its time stamp.
    pub async fn step(&self, hands: Hands<'_>, now: Timestamp) -> Result<Ceremony> {
        self.step_with(hands, Belongings::default(), now).await
    }

    /// The same with what the next step of an adoption takes from outside.
    ///
    /// # Errors
    /// [`NpcError::Adoption`] names what is missing or not as approved; the step is not done, and can be done again.
    pub async fn step_with(
        &self,
        hands: Hands<'_>,
        mut belongings: Belongings<'_>,
        now: Timestamp,
    ) -> Result<Ceremony> {
        let ceremony = self.ceremony().await?;
        if ceremony.approved.is_none() {
            return Err(NpcError::Ceremony("nobody has approved it yet"));
        }
        ceremony.expect_persons(hands)?;
        if let Some(step) = ceremony.next() {
            let all = match &ceremony.act {
                Act::Adoption(inheritance) => {
                    self.adoption_step(inheritance, step, &mut belongings, now).await?
                }
                act => self.work(act, step, now).await?,
            };
            let place = ceremony.done.len();
            transaction!(self.db, |tx| done(tx, (place, step), hands, &all, now).await)?;
        }
        let ceremony = self.ceremony().await?;
        if ceremony.next().is_none() && ceremony.finished_at.is_none() {
            let now = kept(now)?;
            transaction!(self.db, |tx| finish(tx, &ceremony, now).await)?;
        }
        self.ceremony().await
    }

    /// The ceremony, and how far it is.
    pub async fn ceremony(&self) -> Result<Ceremony> {
        load_ceremony(&self.db, NUMBER).await
    }

    pub(super) const fn db(&self) -> &Db {
        &self.db
    }

    pub(super) const fn keys(&self) -> &Arc<dyn KeyStore> {
        &self.keys
    }

    pub(super) const fn config(&self) -> &NpcConfig {
        &self.config
    }

    pub(super) fn fill(&self, bytes: &mut [u8]) {
        self.random().fill(bytes);
    }

    pub(super) fn random(&self) -> MutexGuard<'_, Box<dyn Random + Send>> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ground(&self, now: Timestamp) -> Ground<'_> {
        let years = Policy::built_in(&self.config).authority_periods();
        Ground { db: &self.db, keys: &self.keys, config: &self.config, random: &self.random, now, years }
    }

    async fn work(&self, act: &Act, step: Step, now: Timestamp) -> Result<Vec<(String, String)>> {
        let Act::Founding { root_key, key, partitions, .. } = act else {
            return Err(NpcError::Inconsistent("act"));
        };
        let ground = self.ground(now);
        let kind = |name: &str| KeyKind::from_name(name).ok_or(NpcError::Inconsistent("kind of key"));
        let (root_kind, kind) = (kind(root_key)?, kind(key)?);
        let (root, ca) = (root_label(1), ca_label(1));
        let ca_purpose = Purpose::CertificateAuthority;
        let paper = |label| Paperwork { label, issuer: 1, withheld: true };
        match step {
            Step::RootKey => key_made(ground, &root, root_kind).await,
            Step::RootPrepare => {
                let key = generate(&self.keys, &root, root_kind, ca_purpose).await?;
                let signer = self.keys.signer(&root, ca_purpose)?;
                let make = || root_to_be_signed(ground, &key, signer.as_ref());
                let tbs = prepare(ground, paper(&root), None, make).await?;
                Ok(vec![found("tbs_sha256", hex(&sha256(&tbs)))])
            }
            Step::RootSign => {
                let signer = self.keys.signer(&root, ca_purpose)?;
                Ok(signed(&root, &sign_prepared(ground, paper(&root), &signer).await?))
            }
            Step::Key => key_made(ground, &ca, kind).await,
            Step::Prepare => {
                let above = self.root().await?;
                let key = generate(&self.keys, &ca, kind, ca_purpose).await?;
                let make = || generation_to_be_signed(ground, &above, &key);
                let tbs = prepare(ground, paper(&ca), Some(&above.party()?.issuer), make).await?;
                Ok(vec![found("tbs_sha256", hex(&sha256(&tbs)))])
            }
            Step::Sign => {
                let above = self.root().await?;
                Ok(signed(&ca, &sign_prepared(ground, paper(&ca), &above.party()?.signer).await?))
            }
            Step::Check => {
                let above = self.root().await?;
                above.certificate.verify_signature(above.certificate.spki())?;
                checked(&stored_certificate(&self.db, &ca).await?, &above.certificate, now)
            }
            Step::Activate => {
                transaction!(self.db, |tx| {
                    begin(tx, root_kind, kind, *partitions).await?;
                    show(tx, &[root.clone(), ca.clone()]).await?;
                    changed(tx).await
                })?;
                Ok(vec![found("issuing_generation", "1".to_owned())])
            }
            _ => Err(NpcError::Inconsistent("step")),
        }
    }

    async fn root(&self) -> Result<Root> {
        let certificate = stored_certificate(&self.db, &root_label(1)).await?;
        let signer = self.keys.signer(&root_label(1), Purpose::CertificateAuthority)?;
        Ok(Root::own(1, party(certificate, signer)?))
    }
}

/// Before anything else at an opening: a first run begins, unless persons have begun a founding of theirs.
pub(crate) async fn first_run(ground: Ground<'_>) -> Result<()> {
    if is_founded(ground.db).await? {
        return Ok(());
    }
    let config = ground.config;
    transaction!(ground.db, |tx| {
        let sql = "SELECT COUNT(*) FROM ceremony WHERE number = $1";
        if tx.one(sql, params![NUMBER as i64]).await?.read::<i64>(0)? > 0 {
            return Err(NpcError::Unfounded);
        }
        begin(tx, config.root_key, config.ca_key, config.partitions).await?;
        let sql = "INSERT INTO setting (name, value) VALUES ('first-run', $1) ON CONFLICT DO NOTHING";
        tx.execute(sql, params![&ground.now.to_string()]).await?;
        Ok(())
    })
}

/// After it: the record of what a first run made without anybody, if this was one.
pub(crate) async fn record_first_run(ground: Ground<'_>) -> Result<()> {
    let sql = "SELECT value FROM setting WHERE name = 'first-run'";
    if ground.db.optional(sql, params![]).await?.is_none() {
        return Ok(());
    }
    let config = ground.config;
    let script = script(act(config.root_key, config.ca_key, config, false))?;
    let now = kept(ground.now)?;
    let (root, ca) = (
        stored_certificate(ground.db, &root_label(1)).await?,
        stored_certificate(ground.db, &ca_label(1)).await?,
    );
    let tbs = |c: &x509::Certificate| vec![found("tbs_sha256", hex(&sha256(c.tbs())))];
    let key = |label: &str, c: &x509::Certificate| {
        vec![found("key", label.to_owned()), found("spki_sha256", hex(&sha256(c.spki())))]
    };
    let all = [
        key(&root_label(1), &root),
        tbs(&root),
        signed(&root_label(1), &root),
        key(&ca_label(1), &ca),
        tbs(&ca),
        signed(&ca_label(1), &ca),
        checked(&ca, &root, now)?,
        vec![found("issuing_generation", "1".to_owned())],
    ];
    transaction!(ground.db, |tx| {
        // Whoever takes it away writes the record; of several processes one.
        let sql = "DELETE FROM setting WHERE name = 'first-run'";
        if tx.execute(sql, params![]).await? != 1 {
            return Ok(());
        }
        propose(tx, "founding", &script, NOBODY, now).await?;
        let hands = Hands { operator: NOBODY, witness: NOBODY };
        for (place, (step, all)) in FOUNDING.iter().zip(&all).enumerate() {
            done(tx, (place, *step), hands, all, now).await?;
        }
        let sql = "SELECT number, script, script_hash, proposed_by, proposed_at, approved_by, approved_at, \
            finished_at, abandonment FROM ceremony WHERE number = $1";
        let row = tx.one(sql, params![NUMBER as i64]).await?;
        let sql = "SELECT done_by, witnessed_by, done_at, found FROM ceremony_step WHERE ceremony = $1 ORDER BY step";
        let steps = tx.all(sql, params![NUMBER as i64]).await?;
        finish(tx, &super::read(&row, &steps)?, now).await
    })
}

/// The steps of a founding.
pub(super) const FOUNDING: [Step; 8] = [
    Step::RootKey,
    Step::RootPrepare,
    Step::RootSign,
    Step::Key,
    Step::Prepare,
    Step::Sign,
    Step::Check,
    Step::Activate,
];

fn act(root: KeyKind, issuing: KeyKind, config: &NpcConfig, attended: bool) -> Act {
    Act::Founding {
        root_key: root.name(),
        key: issuing.name(),
        partitions: config.partitions,
        root_name: config.root_name.to_string(),
        ca_name: config.ca_name.to_string(),
        policy: config.policy.to_string(),
        status: config.urls.crl.clone(),
        attended,
    }
}

fn script(act: Act) -> Result<String> {
    let script = Script { steps: act.steps().iter().map(|step| step.name().to_owned()).collect(), act };
    serde_json::to_string(&script).map_err(|_| NpcError::Inconsistent("script"))
}

async fn is_founded(db: &Db) -> Result<bool> {
    Ok(db.one("SELECT COUNT(*) FROM generation", params![]).await?.read::<i64>(0)? > 0)
}

async fn begin(tx: &mut Tx, root: KeyKind, issuing: KeyKind, partitions: u16) -> Result<()> {
    let sql = "INSERT INTO root_ca (number, key_kind) VALUES (1, $1) ON CONFLICT DO NOTHING";
    tx.execute(sql, params![root.name()]).await?;
    let sql = "INSERT INTO generation (number, root, key_kind, partitions, issues) VALUES (1, 1, $1, $2, 1) \
        ON CONFLICT DO NOTHING";
    tx.execute(sql, params![issuing.name(), partitions]).await?;
    Ok(())
}

async fn key_made(ground: Ground<'_>, label: &str, kind: KeyKind) -> Result<Vec<(String, String)>> {
    let keys = ground.keys.clone();
    let module = off_thread(move || keys.module()).await??;
    let key = generate(ground.keys, label, kind, Purpose::CertificateAuthority).await?;
    let mut all = key_found(label, &key);
    all.extend(module_found(module.as_ref()));
    Ok(all)
}

async fn propose(tx: &mut Tx, kind: &str, script: &str, operator: &str, now: Timestamp) -> Result<()> {
    let hash = sha256(script.as_bytes());
    let sql = "INSERT INTO ceremony (number, kind, script, script_hash, proposed_by, proposed_at) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    tx.execute_one(sql, params![NUMBER as i64, kind, script, hash, operator, now]).await?;
    note(tx, "ceremony-propose", operator, json!({ "kind": kind, "script": hex(&hash) }), now).await
}

async fn done(
    tx: &mut Tx,
    (place, step): (usize, Step),
    hands: Hands<'_>,
    all: &[(String, String)],
    now: Timestamp,
) -> Result<()> {
    let text = serde_json::to_string(all).map_err(|_| NpcError::Inconsistent("step"))?;
    let sql = "INSERT INTO ceremony_step (ceremony, step, done_by, witnessed_by, done_at, found) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    let values = params![NUMBER as i64, place as i64, hands.operator, hands.witness, now, &text];
    tx.execute_one(sql, values).await?;
    let detail = json!({ "step": step.name(), "witness": hands.witness, "found": text });
    note(tx, "ceremony-step", hands.operator, detail, now).await
}

async fn finish(tx: &mut Tx, ceremony: &Ceremony, now: Timestamp) -> Result<()> {
    let document = serde_json::to_string_pretty(&ceremony.document(now));
    let document = document.map_err(|_| NpcError::Inconsistent("record"))?;
    let sql = "UPDATE ceremony SET finished_at = $2, record = $3 WHERE number = $1 AND finished_at IS NULL";
    if tx.execute(sql, params![NUMBER as i64, now, &document]).await? == 1 {
        let detail = json!({ "record": hex(&sha256(document.as_bytes())) });
        note(tx, "ceremony-finish", SYSTEM, detail, now).await?;
    }
    Ok(())
}

async fn note(
    tx: &mut Tx,
    action: &str,
    actor: &str,
    detail: serde_json::Value,
    now: Timestamp,
) -> Result<()> {
    let about = subject(NUMBER);
    audit::append(tx, &audit::Event { at: now, actor, system: SYSTEM, action, subject: &about, detail })
        .await?;
    Ok(())
}

const FOUNDED: NpcError = NpcError::Ceremony("the hierarchy is founded already");
