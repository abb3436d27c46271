//! The certificate policy as data (NPC-04): object identifiers, kinds of keys, and how long things may last, in versions.
//!
//! A version is proposed by one person and comes into force when another approves it. Every certificate is held against the
//! version in force before its bytes are stored: citizens' at issuance, CAs' at the proposal and at the approval of a
//! ceremony. What was issued under an earlier version stays as it is. Version 1 is built in: what this program did before
//! there were versions.
//!
//! Another process that serves takes a new version over within a minute ([`Npc::maintain`]), and where it would issue at once: the
//! version is compared again in the transaction that stores the bytes of a certificate.
//!
//! The limits are upper limits: the profiles stay what they are, and a policy can forbid but not invent.

use const_oid::ObjectIdentifier;
use jiff::{SignedDuration, Timestamp};
use keys::KeyKind;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Db, Migration, Tx, params, transaction};

use crate::authority::hex;
use crate::ceremony::check_person;
use crate::request::sha256;
use crate::{Npc, NpcConfig, NpcError, Result};

pub(crate) const MIGRATION: Migration = Migration::new(
    15,
    "policy",
    "CREATE TABLE policy (
        version BIGINT PRIMARY KEY,
        document TEXT NOT NULL,
        proposed_by TEXT NOT NULL,
        proposed_at BIGINT NOT NULL,
        approved_by TEXT,
        approved_at BIGINT
    );",
);

/// A version of the policy. The JSON form is what is proposed, stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Object identifier of the certificate policy that stands in certificates.
    pub certificate_policy: String,
    /// Object identifier of the certification practice statement.
    pub practice_statement: String,
    /// Version of the practice statement, as printed on it.
    pub practice_statement_version: String,
    /// Kinds of keys of roots and of generations of the issuing CA.
    pub authority_keys: Vec<String>,
    /// Kinds of keys of citizens.
    pub subscriber_keys: Vec<String>,
    /// The longest period of a root, in years of 365.25 days.
    pub root_years: u32,
    /// The longest period of a generation of the issuing CA.
    pub authority_years: u32,
    /// The longest period of a citizen's certificate.
    pub subscriber_years: u32,
    /// The longest period of a certificate for the root of somebody else, in days.
    pub cross_days: u32,
    /// How long a revocation list may serve at most, in hours.
    pub list_hours: u32,
    /// How long a root's revocation list may serve at most, in hours: a CA is revoked hardly ever, so it serves thirty times as long as
    /// others unless this is less. Versions from before it was said have what was built in.
    #[serde(default = "root_list_hours")]
    pub root_list_hours: u32,
    /// The certified modules in which CAs' keys may lie (NPC-13); none where keys in files are good enough.
    pub modules: Vec<CertifiedModule>,
    /// Who does what on behalf of the CA (CP section 1.3.6, NPC-08).
    pub delegated: Vec<Delegated>,
    /// What a card that carries certificates and nothing else costs, in new Taiwan dollars; the certificates cost nothing
    /// (NPC-12). Versions from before it was said have what was built in.
    #[serde(default = "carrier_fee")]
    pub carrier_fee: u32,
}

/// What such a card costs where nobody has decided.
const fn carrier_fee() -> u32 {
    250
}

/// How long a root's list serves where nobody has decided.
const fn root_list_hours() -> u32 {
    1_440
}

/// A kind of cryptographic module with its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedModule {
    /// As the module names its maker.
    pub manufacturer: String,
    /// As the module names its model.
    pub model: String,
    /// The certificate: scheme, number, level, for people to look up.
    pub certificate: String,
}

/// A delegated party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegated {
    /// What it is called.
    pub name: String,
    /// Who runs it.
    pub management: String,
    /// What it does.
    pub duties: Vec<String>,
}

/// A version with who decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number.
    pub version: u32,
    /// The policy.
    pub policy: Policy,
    /// Who proposed it, and when; none for the version that is built in.
    pub proposed: Option<(String, Timestamp)>,
    /// Who approved it, and when.
    pub approved: Option<(String, Timestamp)>,
}

impl Policy {
    /// Version 1: what the CA of this configuration did before there were versions.
    pub fn built_in(config: &NpcConfig) -> Self {
        let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect();
        Self {
            certificate_policy: config.policy.to_string(),
            // An arc for documentation (RFC 5612): ours is for the operator to take.
            practice_statement: "1.3.6.1.4.1.32473.886.3.5".to_owned(),
            practice_statement_version: "測試用 1.0".to_owned(),
            authority_keys: words(&[
                "rsa-2048",
                "rsa-4096",
                "secp256r1",
                "secp384r1",
                "secp521r1",
                "ML-DSA-65",
            ]),
            subscriber_keys: words(&["rsa-2048", "secp521r1", "secp384r1"]),
            root_years: 30,
            authority_years: 20,
            subscriber_years: 5,
            cross_days: 3_650,
            list_hours: 48,
            root_list_hours: root_list_hours(),
            modules: Vec::new(),
            delegated: vec![Delegated {
                name: "測試用卡片管理中心 Card centre (test)".to_owned(),
                management: "測試用 New eID".to_owned(),
                duties: words(&[
                    "於卡片內產生用戶金鑰對 makes the holder's key pairs in the card",
                    "將憑證請求檔與憑證寫入卡片 takes requests off cards and writes certificates onto them",
                    "開通資料、解鎖與卡片管理 activation data, unblocking and card management",
                ]),
            }],
            carrier_fee: carrier_fee(),
        }
    }

    /// A version as it is proposed, JSON: taken whole, or not at all.
    ///
    /// # Errors
    /// [`NpcError::Request`] for what is not a policy of the CA of this configuration; nothing of it is quoted.
    pub fn from_json(document: &str, config: &NpcConfig) -> Result<Self> {
        let policy: Self = serde_json::from_str(document)
            .map_err(|_| NpcError::Request("this is not the form of a policy"))?;
        policy.check(config)?;
        Ok(policy)
    }

    fn check(&self, config: &NpcConfig) -> Result<()> {
        let wrong = |what| Err(NpcError::Request(what));
        let is_oid = |text: &str| text.parse::<ObjectIdentifier>().is_ok();
        if !is_oid(&self.certificate_policy) || !is_oid(&self.practice_statement) {
            return wrong("a policy is named by an object identifier");
        }
        // It stands in every certificate since the first run.
        if self.certificate_policy != config.policy.to_string() {
            return wrong("the certificate policy of the first run stays");
        }
        let keys = self.authority_keys.iter().chain(&self.subscriber_keys);
        if self.authority_keys.is_empty()
            || self.subscriber_keys.is_empty()
            || keys.clone().any(|name| KeyKind::from_name(name).is_none())
        {
            return wrong("a kind of key is not known, or there is none");
        }
        let periods = [self.root_years, self.authority_years, self.subscriber_years, self.cross_days];
        let limits = periods.into_iter().chain([self.list_hours, self.root_list_hours]);
        if limits.into_iter().any(|limit| !(1..=100_000).contains(&limit)) {
            return wrong("a limit is a number from 1 to 100000");
        }
        // NPC-27: five years and five years with a second key.
        if self.subscriber_years > 5 {
            return wrong("a citizen's certificate is valid five years at most");
        }
        if i64::from(self.list_hours) < config.crl_lifetime.as_hours() {
            return wrong("the lists of this CA serve longer than that");
        }
        if i64::from(self.root_list_hours) < config.crl_lifetime.as_hours() {
            return wrong("a root's list serves as long as the others at least");
        }
        if self.carrier_fee > 100_000 {
            return wrong("the fee of a carrier is at most 100000");
        }
        let text = [&self.practice_statement_version];
        let named = self.delegated.iter().flat_map(|party| [&party.name, &party.management]);
        let named = named.chain(self.delegated.iter().flat_map(|party| &party.duties));
        let modules = self.modules.iter().flat_map(|m| [&m.manufacturer, &m.model, &m.certificate]);
        let named = named.chain(modules);
        if text.into_iter().chain(named).any(|text| text.trim().is_empty() || text.chars().count() > 200) {
            return wrong("a name, duty or version has 1 to 200 characters");
        }
        Ok(())
    }

    /// How long roots and generations are made to last, in years: what they always lasted, unless the policy says less.
    pub(crate) fn authority_periods(&self) -> (u32, u32) {
        (self.root_years.min(30), self.authority_years.min(20))
    }

    /// How long a root's list serves: thirty times as long as others, unless the policy says less.
    pub(crate) fn root_list_lifetime(&self, config: &NpcConfig) -> SignedDuration {
        (config.crl_lifetime * 30).min(SignedDuration::from_hours(self.root_list_hours.into()))
    }

    /// Whether a CA may have a key of this kind.
    pub(crate) fn allows_authority(&self, kind: KeyKind) -> Result<()> {
        let name = kind.name();
        if self.authority_keys.contains(&name) {
            Ok(())
        } else {
            Err(NpcError::Policy("kind of key of a CA"))
        }
    }

    /// Whether a CA's key may be made where these keys lie; gives the certificate of the module, where one is asked for.
    pub(crate) fn allows_module(&self, module: Option<&keys::Module>) -> Result<Option<&str>> {
        if self.modules.is_empty() {
            return Ok(None);
        }
        let same = |known: &&CertifiedModule| {
            module.is_some_and(|m| m.manufacturer == known.manufacturer && m.model == known.model)
        };
        let found = self.modules.iter().find(same).map(|known| Some(known.certificate.as_str()));
        found.ok_or(NpcError::Policy("cryptographic module of a CA's key"))
    }

    /// Whether a citizen's certificate may be made: kind of key, and period in whole seconds.
    pub(crate) fn allows_subscriber(&self, kind: &str, begin: Timestamp, end: Timestamp) -> Result<()> {
        let known = |name: &String| KeyKind::from_name(name).is_some_and(|known| alike(known, kind));
        if !self.subscriber_keys.iter().any(known) {
            return Err(NpcError::Policy("kind of key of a citizen"));
        }
        // Periods end at the end of a day in Taipei: a day more than the years.
        if end.duration_since(begin) > years(self.subscriber_years) + SignedDuration::from_hours(48) {
            return Err(NpcError::Policy("period of a citizen's certificate"));
        }
        Ok(())
    }
}

/// What `x509` calls a key and what the key store calls it.
fn alike(known: KeyKind, name: &str) -> bool {
    known.name().eq_ignore_ascii_case(name)
}

pub(crate) fn years(years: u32) -> SignedDuration {
    SignedDuration::from_hours(i64::from(years) * 8766)
}

/// The version in force.
pub(crate) async fn in_force(db: &Db, config: &NpcConfig) -> Result<(u32, Policy)> {
    let sql =
        "SELECT version, document FROM policy WHERE approved_by IS NOT NULL ORDER BY version DESC LIMIT 1";
    match db.optional(sql, params![]).await? {
        None => Ok((1, Policy::built_in(config))),
        Some(row) => Ok((row.read("version")?, read(&row.read::<String>("document")?)?)),
    }
}

/// The number of the version in force, within the transaction that would store a request.
pub(crate) async fn version_in_force(tx: &mut Tx) -> Result<u32> {
    let sql = "SELECT COALESCE(MAX(version), 1) FROM policy WHERE approved_by IS NOT NULL";
    Ok(tx.one(sql, params![]).await?.read(0)?)
}

fn read(document: &str) -> Result<Policy> {
    serde_json::from_str(document).map_err(|_| NpcError::Inconsistent("policy"))
}

impl Npc {
    /// The version of the policy that is in force, with its number.
    pub async fn policy(&self) -> Result<(u32, Policy)> {
        in_force(&self.db, &self.config).await
    }

    /// All versions, newest first, with those that nobody has approved.
    pub async fn policies(&self) -> Result<Vec<PolicyVersion>> {
        let sql = "SELECT version, document, proposed_by, proposed_at, approved_by, approved_at FROM policy \
            ORDER BY version DESC";
        let mut all = Vec::new();
        for row in self.db.all(sql, params![]).await? {
            let by: Option<String> = row.read("approved_by")?;
            all.push(PolicyVersion {
                version: row.read("version")?,
                policy: read(&row.read::<String>("document")?)?,
                proposed: Some((row.read("proposed_by")?, row.read("proposed_at")?)),
                approved: by.zip(row.read::<Option<Timestamp>>("approved_at")?),
            });
        }
        let policy = Policy::built_in(&self.config);
        all.push(PolicyVersion { version: 1, policy, proposed: None, approved: None });
        Ok(all)
    }

    /// Proposes a version, JSON. Gives its number; it is in force when another person has approved it.
    ///
    /// # Errors
    /// [`NpcError::Request`] for what is not a policy of this CA.
    pub async fn propose_policy(&self, document: &str, operator: &str, now: Timestamp) -> Result<u32> {
        check_person(operator)?;
        let policy = Policy::from_json(document, &self.config)?;
        let text = serde_json::to_string(&policy).map_err(|_| NpcError::Inconsistent("policy"))?;
        transaction!(self.db, |tx| {
            let sql = "SELECT COALESCE(MAX(version), 1) + 1 FROM policy";
            let version: i64 = tx.one(sql, params![]).await?.read(0)?;
            let sql =
                "INSERT INTO policy (version, document, proposed_by, proposed_at) VALUES ($1, $2, $3, $4)";
            tx.execute_one(sql, params![version, &text, operator, now]).await?;
            let detail = json!({ "policy": hex(&sha256(text.as_bytes())) });
            self.audit(tx, "policy-propose", &format!("policy-{version}"), operator, detail, now).await?;
            Ok::<_, NpcError>(version as u32)
        })
    }

    /// Puts a version that another person proposed in force. One that is older than the version in force stays a proposal.
    pub async fn approve_policy(&self, version: u32, operator: &str, now: Timestamp) -> Result<()> {
        check_person(operator)?;
        let (number, text) = (i64::from(version), format!("policy-{version}"));
        transaction!(self.db, |tx| {
            let sql = "SELECT document, proposed_by, approved_by FROM policy WHERE version = $1";
            let row = tx.optional(sql, params![number]).await?;
            let row = row.ok_or(NpcError::Request("there is no such version of the policy"))?;
            match row.read::<Option<String>>("approved_by")? {
                Some(by) if by == operator => return Ok(()),
                Some(_) => return Err(NpcError::Request("it is approved already")),
                None => {}
            }
            if row.read::<String>("proposed_by")? == operator {
                return Err(NpcError::SamePerson);
            }
            let sql = "SELECT COUNT(*) FROM policy WHERE version > $1 AND approved_by IS NOT NULL";
            if tx.one(sql, params![number]).await?.read::<i64>(0)? > 0 {
                return Err(NpcError::Request("a later version is in force"));
            }
            let sql = "UPDATE policy SET approved_by = $2, approved_at = $3 \
                WHERE version = $1 AND approved_by IS NULL";
            tx.execute_one(sql, params![number, operator, now]).await?;
            let document: String = row.read("document")?;
            let detail = json!({ "policy": hex(&sha256(document.as_bytes())) });
            self.audit(tx, "policy-approve", &text, operator, detail, now).await?;
            // Other processes read it with the hierarchy.
            let sql = "UPDATE counter SET value = value + 1 WHERE name = 'authority'";
            tx.execute_one(sql, params![]).await?;
            Ok(())
        })?;
        self.refresh_authority(now).await
    }
}
