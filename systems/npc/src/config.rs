//! What the CA is called, where relying parties find it, and how long things last.

use const_oid::ObjectIdentifier;
use jiff::SignedDuration;
use keys::KeyKind;
use serde::{Deserialize, Serialize};
use store::{Db, params, transaction};
use tlv::oid;
use x509::Name;

use crate::authority::root_label;
use crate::crl::List;
use crate::{NpcError, Result, Scope};

/// The configuration of the CA. The default is a test country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NpcConfig {
    /// Where relying parties find status and issuer. Stands in every certificate.
    pub urls: Urls,
    /// The name of the root.
    pub root_name: Name,
    /// The name of the issuing CA.
    pub ca_name: Name,
    /// The name of the OCSP responder.
    pub ocsp_name: Name,
    /// The name of the time stamping authority.
    pub tsa_name: Name,
    /// The name of the signer of filters and card status lists.
    pub status_name: Name,
    /// The name of the signer of answers to registration authorities.
    pub cmp_name: Name,
    /// Into how many lists the revoked certificates are divided: a power of two up to 1024.
    pub partitions: u16,
    /// The certificate policy.
    pub policy: ObjectIdentifier,
    /// The key of the root.
    pub root_key: KeyKind,
    /// The key of the issuing CA.
    pub ca_key: KeyKind,
    /// How long before the first run root and issuing CA begin: certificates begin on the day their card was issued, which
    /// must not lie before.
    pub backdate: SignedDuration,
    /// How long a list is valid. A new one is made after a change, and when half of this time is over.
    pub crl_lifetime: SignedDuration,
    /// How long an OCSP answer is valid. A signed answer is used again for half of this time while the state stays.
    pub ocsp_lifetime: SignedDuration,
    /// How long the OCSP responder's certificate is valid. A new one is made when a third of this time is left.
    pub responder_lifetime: SignedDuration,
    /// The same for time stamping authority and status signer.
    pub service_lifetime: SignedDuration,
    /// How old a partition's list must be before a change makes a new one; a long list in any case a second for each megabyte.
    /// With none, no list of less than a megabyte (some 20,000 entries) lacks a known change.
    pub partition_crl_interval: SignedDuration,
    /// The same for the complete list, which has hundreds of megabytes in a whole country.
    pub complete_crl_interval: SignedDuration,
    /// How long changes made by other processes may stay unseen; the database is not asked more often.
    pub feed_interval: SignedDuration,
    /// How many OCSP answers are signed in a second for their asker alone: with a nonce, for several certificates, about
    /// numbers never given out. Beyond, askers are told to try later.
    pub on_demand_per_second: u32,
    /// How many OCSP answers that everybody may have are signed in a second because nobody has asked for them lately.
    pub first_asked_per_second: u32,
    /// How many time stamps are made in a second. Beyond, askers are told to try again.
    pub stamps_per_second: u32,
    /// How many CMP messages of each registration authority are looked at in a second, once it is found that it has signed them. Beyond,
    /// it is told to try again.
    pub cmp_per_second: u32,
    /// Of how many CMP messages that say they are from a registration authority the protection is verified in a second, to find out
    /// whether they are; from one address of half as many.
    pub cmp_verified_per_second: u32,
    /// How many CMP messages from anybody else are looked at in a second, each of which costs a look into the database and a signed
    /// refusal.
    pub cmp_strangers_per_second: u32,
    /// How often a revocation filter is published. It may be used for four times as long.
    pub filter_interval: SignedDuration,
    /// How long a certificate asked for over CMP may stay unconfirmed before it is revoked.
    pub confirm_within: SignedDuration,
    /// How many certificates of an incident are changed in one commit. (Never more than 2,000 on SQLite, whose one writer keeps
    /// everybody else waiting meanwhile.)
    pub incident_batch: u32,
    /// The number of this node, in the serial numbers of its time stamps: another for each site with a database of its own.
    pub node: u16,
}

/// The addresses that stand in certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Urls {
    /// The OCSP responder: `http://HOST/ocsp`.
    pub ocsp: String,
    /// Where the lists are, without a slash at the end: `http://HOST/crl`.
    pub crl: String,
    /// Where the CA's certificates are, without a slash at the end: `http://HOST/certs`.
    pub certs: String,
}

impl Urls {
    /// The addresses of [`crate::router`] at `base`, such as `http://127.0.0.1:8082`.
    pub fn at(base: &str) -> Self {
        let base = base.trim_end_matches('/');
        Self { ocsp: format!("{base}/ocsp"), crl: format!("{base}/crl"), certs: format!("{base}/certs") }
    }

    pub(crate) fn partition_crl(&self, generation: u32, partition: u16) -> String {
        format!("{}/{}", self.crl, List { generation, scope: Scope::Partition(partition) }.file())
    }

    /// Where the delta to a partition's list is.
    pub(crate) fn delta_crl(&self, generation: u32, partition: u16) -> String {
        format!("{}/{}", self.crl, List { generation, scope: Scope::Delta(partition) }.file())
    }

    pub(crate) fn complete_crl(&self, generation: u32) -> String {
        format!("{}/{}", self.crl, List { generation, scope: Scope::Complete }.file())
    }

    pub(crate) fn root_crl(&self, root: u32) -> String {
        format!("{}/{}", self.crl, List { generation: root, scope: Scope::Root }.file())
    }

    pub(crate) fn root_certificate(&self, root: u32) -> String {
        format!("{}/{}.cer", self.certs, root_label(root))
    }

    pub(crate) fn issued_to_this_ca(&self) -> String {
        format!("{}/issued-to-this-ca.p7b", self.certs)
    }
}

impl NpcConfig {
    /// A test country at these addresses.
    pub fn test(urls: Urls) -> Self {
        let name =
            |unit: &str| Name::test_authority(unit).expect("the names of the test country are well formed");
        let service = |service: &str| {
            let name = Name::builder()
                .country("TW")
                .organization("測試用 New eID")
                .organizational_unit("(測試用) 自然人憑證管理中心")
                .common_name(service);
            name.build().expect("the names of the test country are well formed")
        };
        Self {
            urls,
            root_name: name("憑證總管理中心"),
            ca_name: name("自然人憑證管理中心"),
            ocsp_name: service("OCSP"),
            tsa_name: service("時戳 Time stamps"),
            status_name: service("狀態清單 Status lists"),
            cmp_name: service("註冊中心介面 CMP"),
            partitions: 16,
            policy: oid::GPKI_POLICY_TEST,
            root_key: KeyKind::Rsa(4096),
            ca_key: KeyKind::Rsa(4096),
            // A test country has a past: cards issued years ago.
            backdate: SignedDuration::from_hours(6 * 8766),
            crl_lifetime: SignedDuration::from_hours(24),
            ocsp_lifetime: SignedDuration::from_hours(1),
            responder_lifetime: SignedDuration::from_hours(30 * 24),
            service_lifetime: SignedDuration::from_hours(90 * 24),
            partition_crl_interval: SignedDuration::ZERO,
            complete_crl_interval: SignedDuration::ZERO,
            feed_interval: SignedDuration::from_millis(10),
            on_demand_per_second: for_each_processor(30_000),
            first_asked_per_second: for_each_processor(20_000),
            stamps_per_second: for_each_processor(20_000),
            cmp_per_second: for_each_processor(1_000),
            cmp_verified_per_second: for_each_processor(4_000),
            cmp_strangers_per_second: 50,
            filter_interval: SignedDuration::from_mins(15),
            confirm_within: SignedDuration::from_hours(1),
            incident_batch: 10_000,
            node: 1,
        }
    }

    /// Keeps at the first run, and takes back at every later one, what stands in certificates and may never change.
    pub(crate) async fn fixed_at_first_run(mut self, db: &Db) -> Result<Self> {
        if !self.partitions.is_power_of_two() || self.partitions > 1024 {
            return Err(NpcError::Request("the number of partitions is a power of two up to 1024"));
        }
        let wanted =
            Fixed { urls: self.urls.clone(), partitions: self.partitions, policy: self.policy.to_string() };
        let text = serde_json::to_string(&wanted).map_err(|_| NpcError::Inconsistent("setting"))?;
        let kept: String = transaction!(db, |tx| {
            let found = tx.optional("SELECT value FROM setting WHERE name = 'fixed'", params![]).await?;
            if let Some(row) = found {
                return Ok::<_, NpcError>(row.read(0)?);
            }
            tx.execute_one("INSERT INTO setting (name, value) VALUES ('fixed', $1)", params![&text]).await?;
            Ok(text.clone())
        })?;
        let kept: Fixed = serde_json::from_str(&kept).map_err(|_| NpcError::Inconsistent("setting"))?;
        if kept != wanted {
            tracing::warn!("addresses, partitions and policy of the first run stay in force");
        }
        self.urls = kept.urls;
        self.partitions = kept.partitions;
        self.policy = kept.policy.parse().map_err(|_| NpcError::Inconsistent("policy"))?;
        Ok(self)
    }
}

impl Default for NpcConfig {
    fn default() -> Self {
        Self::test(Urls::at("http://npc.neweid.test"))
    }
}

/// What a machine signs in a second grows with its processors: a limit that did not would be below what is asked of each of them.
fn for_each_processor(count: u32) -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    count.saturating_mul(u32::try_from(processors).unwrap_or(u32::MAX))
}

/// The persisted form.
#[derive(PartialEq, Serialize, Deserialize)]
struct Fixed {
    urls: Urls,
    partitions: u16,
    policy: String,
}
