//! The adoption of an authority that exists (NPC-01): a natural-person CA under a root of somebody else's goes on here, under its
//! own name and keys, and nothing is founded anew.
//!
//! It is ceremony 0 on an empty database, like a founding. What is brought in: the certificates of its generations, the
//! certificates above them, its private keys, the certificates that it issued before, and its last complete lists. Everything
//! is compared with what two persons approved; the authority opens when the last step is done. The roots' keys stay where they
//! are: no list of a root is published here, and the next generation is certified by the root's operator.
//!
//! Left out: an authority that is its own root, and generations that have ended.

use const_oid::ObjectIdentifier;
use jiff::{SignedDuration, Timestamp};
use keys::{ForeignKey, KeyKind, Purpose};
use serde::{Deserialize, Serialize};
use store::{Tx, params, transaction};
use tlv::oid;
use x509::certificate::Kind;
use x509::crl::{Crl, Reason};
use x509::extension::KeyUsage;
use x509::path::{Options, Revocation, validate};
use x509::{Certificate, PublicKey, Serial, name};

use super::act::{Act, Step, unhex};
use super::founding::Founding;
use super::work::{changed, found, key_found, module_found, show, signed};
use crate::authority::{FOREIGN, FOREIGN_CHAIN, ca_label, hex, off_thread, root_label};
use crate::request::sha256;
use crate::{NpcConfig, NpcError, Result, weak_key};

/// An authority that exists, as it is brought in.
#[derive(Debug, Clone, Default)]
pub struct Adoption {
    /// Its keys, the oldest first; the last one issues from the take-over on.
    pub generations: Vec<Adopted>,
    /// The certificates above it: the roots and what stands between, DER.
    pub chain: Vec<Vec<u8>>,
    /// How many certificates that it issued are brought in.
    pub certificates: u64,
    /// The next CRLNumber; that after the last list's, if not given.
    pub next_crl_number: Option<u64>,
    /// The addresses that stand in certificates it issued, `http://HOST/PATH`, and what is there. They lead to the same service
    /// from the take-over on, which keeps what they promise.
    pub addresses: Vec<(String, Serves)>,
}

/// One key of an authority that exists.
#[derive(Debug, Clone)]
pub struct Adopted {
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// Where the private key is.
    pub key: KeySource,
    /// Its last complete list of revoked certificates, DER.
    pub list: Vec<u8>,
}

/// Where a private key is that is taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In a file that is brought to the ceremony ([`Belongings::keys`]).
    File,
    /// In the token that is the key store, under this label.
    Token(String),
}

/// What is served at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// OCSP.
    Ocsp,
    /// The complete list of a generation.
    List(u32),
    /// The certificate of a generation.
    Certificate(u32),
}

impl Serves {
    /// `ocsp`, `crl-1`, `ca-1`.
    pub fn name(self) -> String {
        match self {
            Self::Ocsp => "ocsp".to_owned(),
            Self::List(generation) => format!("crl-{generation}"),
            Self::Certificate(generation) => format!("ca-{generation}"),
        }
    }

    /// What has this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let number = |rest: &str| rest.parse::<u32>().ok().filter(|n| *n > 0);
        let made = match (name, name.split_once('-')) {
            ("ocsp", _) => Self::Ocsp,
            (_, Some(("crl", rest))) => Self::List(number(rest)?),
            (_, Some(("ca", rest))) => Self::Certificate(number(rest)?),
            _ => return None,
        };
        (made.name() == name).then_some(made)
    }
}

/// What the steps of an adoption take from outside.
#[derive(Default)]
pub struct Belongings<'a> {
    /// Private keys by generation.
    pub keys: Vec<(u32, ForeignKey)>,
    /// The last complete lists that were approved, DER.
    pub lists: &'a [Vec<u8>],
    /// The certificates issued before, DER, in any order; read once.
    pub certificates: Option<&'a mut (dyn Iterator<Item = std::io::Result<Vec<u8>>> + Send)>,
}

/// The persisted form: what two persons approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inheritance {
    pub(super) generations: Vec<Heir>,
    pub(super) roots: Vec<String>,
    pub(super) between: Vec<String>,
    pub(super) partitions: u16,
    pub(super) policy: String,
    pub(super) certificates: u64,
    pub(super) next_crl_number: u64,
    pub(super) addresses: Vec<(String, String)>,
}

/// One generation of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heir {
    pub(super) certificate: String,
    /// The place of its root among the roots, from 1.
    pub(super) root: u32,
    /// Its label in the token; none for a file.
    pub(super) token_label: Option<String>,
    pub(super) list_sha256: String,
    pub(super) list_number: u64,
    pub(super) listed: u64,
}

/// The steps of an adoption.
pub(super) const ADOPTION: [Step; 4] = [Step::Inspect, Step::AdoptKeys, Step::Inherit, Step::TakeOver];

impl Inheritance {
    /// Looks at everything that is to be approved.
    pub(super) fn decide(adoption: &Adoption, config: &NpcConfig, now: Timestamp) -> Result<Self> {
        if adoption.generations.is_empty() || adoption.generations.len() > MOST_GENERATIONS {
            return Err(refused("an authority has 1 to 16 generations"));
        }
        let (mut roots, mut between) = (Vec::new(), Vec::new());
        for (place, der) in (1..).zip(&adoption.chain) {
            let certificate = Certificate::parse(der);
            let certificate = certificate.map_err(|error| refused(&format!("chain {place}: {error}")))?;
            let own =
                certificate.is_self_issued() && certificate.verify_signature(certificate.spki()).is_ok();
            if own { &mut roots } else { &mut between }.push(certificate);
        }
        let mut generations = Vec::new();
        for (number, adopted) in (1..).zip(&adoption.generations) {
            let at = |problem: String| refused(&format!("generation {number}: {problem}"));
            let certificate =
                Certificate::parse(&adopted.certificate).map_err(|error| at(error.to_string()))?;
            let anchor = inspect(&certificate, &between, &roots, config.policy, now).map_err(at)?;
            let root = roots.iter().position(|root| root == &anchor).unwrap_or_default() as u32 + 1;
            let (list_number, listed) = inspect_list(&adopted.list, &certificate, now).map_err(at)?;
            let token_label = match &adopted.key {
                KeySource::File => None,
                KeySource::Token(label) => Some(label.clone()),
            };
            generations.push((
                certificate.clone(),
                Heir {
                    certificate: hex(certificate.der()),
                    root,
                    token_label,
                    list_sha256: hex(&sha256(&adopted.list)),
                    list_number,
                    listed,
                },
            ));
        }
        agree(&generations)?;
        let last = generations.iter().map(|(_, heir)| heir.list_number).max().unwrap_or_default();
        let next_crl_number = adoption.next_crl_number.unwrap_or(last + 1);
        if next_crl_number <= last || next_crl_number > MOST_CRL_NUMBER {
            return Err(refused("the next CRLNumber is not above those of the last lists"));
        }
        let count = generations.len() as u32;
        let mut addresses = Vec::new();
        for (address, serves) in &adoption.addresses {
            let there = match serves {
                Serves::Ocsp => true,
                Serves::List(n) | Serves::Certificate(n) => (1..=count).contains(n),
            };
            let path = path_of(address).filter(|_| there);
            let path = path.ok_or_else(|| {
                refused(&format!("address {address}: not http://HOST/PATH, or of no generation"))
            })?;
            if addresses.iter().any(|(known, _)| *known == path) {
                return Err(refused(&format!("address {address}: given twice")));
            }
            addresses.push((path, serves.name()));
        }
        Ok(Self {
            generations: generations.into_iter().map(|(_, heir)| heir).collect(),
            roots: roots.iter().map(|root| hex(root.der())).collect(),
            between: between.iter().map(|certificate| hex(certificate.der())).collect(),
            partitions: config.partitions,
            policy: config.policy.to_string(),
            certificates: adoption.certificates,
            next_crl_number,
            addresses,
        })
    }

    /// The certificates of its generations, by number.
    pub(super) fn authorities(&self) -> Result<Vec<(u32, Certificate)>> {
        let all = (1..).zip(&self.generations);
        all.map(|(number, heir)| Ok((number, Certificate::parse(&unhex(&heir.certificate)?)?))).collect()
    }

    fn parsed(all: &[String]) -> Result<Vec<Certificate>> {
        all.iter().map(|text| Ok(Certificate::parse(&unhex(text)?)?)).collect()
    }

    /// What is expected, in lines.
    pub(super) fn expected(&self) -> Vec<(&'static str, &'static str, String)> {
        let mut lines = Vec::new();
        let name = |c: &Certificate| c.subject_name().map_or_else(|_| "?".into(), |name| name.to_string());
        for (heir, (number, certificate)) in
            self.generations.iter().zip(self.authorities().unwrap_or_default())
        {
            let key =
                heir.token_label.as_ref().map_or_else(|| "檔案 file".to_owned(), |l| format!("PKCS #11 {l}"));
            lines.push(("代", "generation", number.to_string()));
            lines.push(("名稱", "name", name(&certificate)));
            lines.push((
                "效期",
                "valid",
                format!("{} – {}", certificate.not_before(), certificate.not_after()),
            ));
            lines.push(("憑證指紋 SHA-256", "certificate SHA-256", hex(&certificate.fingerprint())));
            lines.push(("私鑰所在", "private key", key));
            let list =
                format!("{}（{} 筆 entries）SHA-256 {}", heir.list_number, heir.listed, heir.list_sha256);
            lines.push(("最後清冊號碼", "CRLNumber of the last list", list));
        }
        for root in Self::parsed(&self.roots).unwrap_or_default() {
            lines.push(("上層根憑證", "root above", name(&root)));
            lines.push(("根憑證指紋 SHA-256", "root SHA-256", hex(&root.fingerprint())));
        }
        for between in Self::parsed(&self.between).unwrap_or_default() {
            lines.push((
                "中間憑證",
                "between",
                format!("{} SHA-256 {}", name(&between), hex(&between.fingerprint())),
            ));
        }
        lines.push(("已簽發憑證數", "certificates issued before", self.certificates.to_string()));
        lines.push(("下一清冊號碼", "next CRLNumber", self.next_crl_number.to_string()));
        lines.push(("憑證政策", "certificate policy", self.policy.clone()));
        lines.push(("廢止清冊分割數", "partitions of its lists", self.partitions.to_string()));
        for (path, serves) in &self.addresses {
            lines.push(("沿用位址", "address kept", format!("{path} → {serves}")));
        }
        lines
    }
}

/// One generation as a stranger sees it; gives its root.
pub(super) fn inspect(
    certificate: &Certificate,
    between: &[Certificate],
    roots: &[Certificate],
    policy: ObjectIdentifier,
    now: Timestamp,
) -> Result<Certificate, String> {
    let wrong = |problem: &str| Err(problem.to_owned());
    if certificate.is_self_issued() {
        return wrong("it is a root, not a CA below one");
    }
    // RFC 5280 §4.2.1.9, §4.2.1.3
    let signs = KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN);
    if !certificate.basic_constraints().is_some_and(|basic| basic.ca) {
        return wrong("basicConstraints do not say that it is a CA");
    }
    if !certificate.key_usage().is_some_and(|usage| usage.contains(signs)) {
        return wrong("keyUsage lacks keyCertSign or cRLSign");
    }
    if certificate.subject_key_identifier().is_none() {
        return wrong("it has no subjectKeyIdentifier");
    }
    if !certificate.validity().contains(now) {
        return wrong("it is not in force");
    }
    let subject = certificate.subject_name().map_err(|error| error.to_string())?;
    if subject.country().is_none() {
        return wrong("its name has no country");
    }
    match PublicKey::from_spki(certificate.spki()).map_err(|error| error.to_string())? {
        PublicKey::Rsa(key) => {
            if !matches!(key.bits(), 2048 | 3072 | 4096) {
                return wrong("an RSA key has 2048, 3072 or 4096 bits");
            }
            weak_key::inspect(&key).map_err(|weakness| weakness.to_string())?;
        }
        PublicKey::Ec(_) => {}
        _ => return wrong("its key is neither RSA nor of a named curve"),
    }
    let policies = certificate.certificate_policies();
    if !policies.is_empty() && !policies.contains(&policy) && !policies.contains(&oid::ANY_POLICY) {
        return Err(format!("its certificate policies do not allow {policy}"));
    }
    let options = Options { revocation: Revocation::Unchecked, ..Options::at(now) };
    let path = validate(certificate, between, roots, &options).map_err(|refusal| refusal.to_string())?;
    path.anchor().cloned().ok_or_else(|| "no path to a root".to_owned())
}

/// A generation's last list: complete, of this key, in force. Gives its number and how many entries it has.
fn inspect_list(der: &[u8], issuer: &Certificate, now: Timestamp) -> Result<(u64, u64), String> {
    let wrong = |problem: &str| Err(format!("its last list: {problem}"));
    let list = Crl::parse(der).map_err(|error| format!("its last list: {error}"))?;
    if !list.is_issued_by(issuer.subject(), issuer.subject_key_identifier()) {
        return wrong("it is another CA's");
    }
    if list.verify_signature(issuer.spki()).is_err() {
        return wrong("its signature does not verify");
    }
    if list.is_delta() || list.issuing_distribution_point().is_some() || list.has_unknown_critical_extension()
    {
        return wrong("it is not a complete list");
    }
    let fresh = list.this_update() <= now + SignedDuration::from_mins(5)
        && list.next_update().is_some_and(|next| now < next);
    if !fresh {
        return wrong("it is not in force");
    }
    let Some(number) = list.number().filter(|number| *number < MOST_CRL_NUMBER) else {
        return wrong("it has no CRLNumber, or one that nothing can follow");
    };
    let mut count = 0;
    for entry in list.entries() {
        let entry = entry.map_err(|error| format!("its last list: {error}"))?;
        let serial = Serial::from_octets(entry.serial);
        if serial.is_err() || entry.unknown_critical || entry.reason == Reason::RemoveFromCrl {
            return Err(format!("its last list: the entry {} is not understood", hex(entry.serial)));
        }
        count += 1;
    }
    Ok((number, count))
}

/// All generations are keys of one authority.
fn agree(generations: &[(Certificate, Heir)]) -> Result<()> {
    for (place, (certificate, heir)) in generations.iter().enumerate() {
        let number = place + 1;
        for (other, _) in &generations[..place] {
            let same = |what: &str| Err(refused(&format!("generation {number}: {what}")));
            if !name::same(certificate.subject(), other.subject()) {
                return same("its name is another than that of the first");
            }
            if certificate.spki() == other.spki()
                || certificate.subject_key_identifier() == other.subject_key_identifier()
            {
                return same("its key is that of another generation");
            }
            if name::same(certificate.issuer(), other.issuer())
                && certificate.serial_octets() == other.serial_octets()
            {
                return same("its certificate has the serial number of another's");
            }
        }
        let label = heir.token_label.as_deref();
        if label.is_some_and(|label| label.is_empty() || label.len() > 64) {
            return Err(refused(&format!("generation {number}: a label in a token has 1 to 64 characters")));
        }
    }
    Ok(())
}

/// The path of an address that certificates name.
fn path_of(address: &str) -> Option<String> {
    let (_, rest) = address.strip_prefix("http://")?.split_once('/')?;
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'%');
    let path = format!("/{}", rest.trim_end_matches('/'));
    (path.len() > 1 && path.len() <= 200 && path.bytes().all(plain)).then_some(path)
}

impl Founding {
    /// Proposes the adoption of an authority that exists. Everything is looked at before anybody approves it. A proposal that
    /// nobody has approved is replaced.
    ///
    /// # Errors
    /// [`NpcError::Adoption`] names what is not as it must be.
    pub async fn propose_adoption(
        &self,
        adoption: &Adoption,
        operator: &str,
        now: Timestamp,
    ) -> Result<super::Ceremony> {
        let inheritance = Inheritance::decide(adoption, self.config(), now)?;
        self.propose_act(Act::Adoption(Box::new(inheritance)), operator, now).await
    }

    pub(super) async fn adoption_step(
        &self,
        inheritance: &Inheritance,
        step: Step,
        belongings: &mut Belongings<'_>,
        now: Timestamp,
    ) -> Result<Vec<(String, String)>> {
        match step {
            Step::Inspect => {
                let (between, roots) =
                    (Inheritance::parsed(&inheritance.between)?, Inheritance::parsed(&inheritance.roots)?);
                let mut all = Vec::new();
                for (number, certificate) in inheritance.authorities()? {
                    let at = |problem: String| refused(&format!("generation {number}: {problem}"));
                    let anchor =
                        inspect(&certificate, &between, &roots, self.config().policy, now).map_err(at)?;
                    all.push(found(&format!("generation_{number}_sha256"), hex(&certificate.fingerprint())));
                    all.push(found(&format!("generation_{number}_root_sha256"), hex(&anchor.fingerprint())));
                }
                Ok(all)
            }
            Step::AdoptKeys => self.adopt_keys(inheritance, belongings, now).await,
            Step::Inherit => self.inherit(inheritance, belongings, now).await,
            Step::TakeOver => {
                transaction!(self.db(), |tx| {
                    take_over(tx, inheritance).await?;
                    changed(tx).await
                })?;
                Ok(taken_over(inheritance))
            }
            _ => Err(NpcError::Inconsistent("step")),
        }
    }

    /// Every key in the key store, each shown to be that of its certificate by a signature over something new.
    async fn adopt_keys(
        &self,
        inheritance: &Inheritance,
        belongings: &mut Belongings<'_>,
        now: Timestamp,
    ) -> Result<Vec<(String, String)>> {
        const PURPOSE: Purpose = Purpose::CertificateAuthority;
        let newest = inheritance.generations.len() as u32;
        let mut all = Vec::new();
        for (heir, (number, certificate)) in inheritance.generations.iter().zip(inheritance.authorities()?) {
            let (keys, label, spki) = (self.keys().clone(), ca_label(number), certificate.spki().to_vec());
            let given = belongings.keys.iter().position(|(n, _)| *n == number);
            let given = given.map(|place| belongings.keys.swap_remove(place).1);
            let token_label = heir.token_label.clone();
            let mut challenge = b"proof of possession of an adopted key ".to_vec();
            let mut fresh = [0; 32];
            self.fill(&mut fresh);
            challenge.extend(fresh);
            let taken = off_thread(move || {
                let there = keys.list()?.into_iter().find(|key| key.label == label);
                let info = match (there, token_label, given) {
                    (Some(info), _, _) => info,
                    (None, Some(from), _) => keys.adopt(&from, &label, &spki, PURPOSE)?,
                    (None, None, Some(key)) if key.spki()? == spki => keys.import(&label, &key, PURPOSE)?,
                    (None, None, Some(_)) => {
                        return Err(refused(&format!(
                            "generation {number}: the key is not that of the certificate"
                        )));
                    }
                    (None, None, None) => {
                        return Err(refused(&format!(
                            "generation {number}: its private key is not there; bring its file"
                        )));
                    }
                };
                if info.spki != spki {
                    return Err(refused(&format!(
                        "generation {number}: another key is under the label {label}"
                    )));
                }
                let signer = keys.signer(&label, PURPOSE)?;
                let signature = signer.sign(&challenge).map_err(x509::Error::from)?;
                x509::verify(&spki, signer.algorithm(), &challenge, &signature)?;
                Ok::<_, NpcError>(info)
            })
            .await??;
            let mut lines = key_found(&ca_label(number), &taken);
            lines.extend(signed(&ca_label(number), &certificate));
            // Of the older generations under names of their own.
            let of =
                |name: String| if number == newest { name } else { format!("generation_{number}_{name}") };
            all.extend(lines.into_iter().map(|(name, value)| (of(name), value)));
        }
        let keys = self.keys().clone();
        all.extend(module_found(off_thread(move || keys.module()).await??.as_ref()));
        transaction!(self.db(), |tx| store_papers(tx, inheritance, now).await)?;
        Ok(all)
    }
}

/// What an adoption ends with.
pub(super) fn taken_over(inheritance: &Inheritance) -> Vec<(String, String)> {
    vec![
        found("issuing_generation", inheritance.generations.len().to_string()),
        found("next_crl_number", inheritance.next_crl_number.to_string()),
    ]
}

/// The certificates of the authority and of what is above it, which nobody is shown before the take-over.
async fn store_papers(tx: &mut Tx, inheritance: &Inheritance, now: Timestamp) -> Result<()> {
    let mut papers = Vec::new();
    for (number, root) in (1..).zip(Inheritance::parsed(&inheritance.roots)?) {
        papers.push((root_label(number), Kind::NpcRoot.name(), number, root));
    }
    for (number, between) in (1..).zip(Inheritance::parsed(&inheritance.between)?) {
        papers.push((chain_label(number), FOREIGN_CHAIN, 0, between));
    }
    for (heir, (number, certificate)) in inheritance.generations.iter().zip(inheritance.authorities()?) {
        papers.push((ca_label(number), Kind::NpcIntermediate.name(), heir.root, certificate));
    }
    for (label, profile, issuer, certificate) in &papers {
        let sql = "INSERT INTO authority (label, profile, not_after, tbs, der, issuer, withheld) \
            VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT DO NOTHING";
        let (tbs, der) = (certificate.tbs(), certificate.der());
        let values = params![label, *profile, certificate.not_after(), tbs, der, i64::from(*issuer)];
        if tx.execute(sql, values).await? == 1 {
            let detail =
                serde_json::json!({ "certificate": hex(&certificate.fingerprint()), "profile": profile });
            let (at, actor, system) = (now, crate::SYSTEM, crate::SYSTEM);
            let event = audit::Event { at, actor, system, action: "authority-adopt", subject: label, detail };
            audit::append(tx, &event).await?;
        }
    }
    Ok(())
}

/// From here on this is the authority.
async fn take_over(tx: &mut Tx, inheritance: &Inheritance) -> Result<()> {
    let mut labels = Vec::new();
    for number in 1..=inheritance.roots.len() as u32 {
        let sql = "INSERT INTO root_ca (number, key_kind) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        tx.execute(sql, params![i64::from(number), FOREIGN]).await?;
        labels.push(root_label(number));
    }
    labels.extend((1..=inheritance.between.len() as u32).map(chain_label));
    let newest = inheritance.generations.len() as u32;
    for (heir, (number, certificate)) in inheritance.generations.iter().zip(inheritance.authorities()?) {
        let sql = "INSERT INTO generation (number, root, key_kind, partitions, issues) VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT DO NOTHING";
        let kind = key_kind(&certificate)?;
        let issues = i64::from(number == newest);
        let values = params![i64::from(number), i64::from(heir.root), kind, inheritance.partitions, issues];
        tx.execute(sql, values).await?;
        labels.push(ca_label(number));
    }
    // CRLNumbers go on from those of before (RFC 5280 §5.2.3).
    let sql = "UPDATE counter SET value = $1 WHERE name = 'crl' AND value < $1";
    tx.execute(sql, params![inheritance.next_crl_number as i64 - 1]).await?;
    for (path, serves) in &inheritance.addresses {
        let sql = "INSERT INTO address (path, serves) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        tx.execute(sql, params![path, serves]).await?;
    }
    show(tx, &labels).await
}

fn key_kind(certificate: &Certificate) -> Result<String> {
    Ok(match PublicKey::from_spki(certificate.spki())? {
        PublicKey::Rsa(key) => KeyKind::Rsa(key.bits() as u16).name(),
        PublicKey::Ec(point) => KeyKind::Ec(point.curve()).name(),
        _ => return Err(NpcError::Inconsistent("kind of key")),
    })
}

fn chain_label(number: u32) -> String {
    format!("npc-above-{number}")
}

pub(super) fn refused(problem: &str) -> NpcError {
    NpcError::Adoption(problem.to_owned())
}

const MOST_GENERATIONS: usize = 16;

/// Half of what the database's counter holds: numbers go on from there.
const MOST_CRL_NUMBER: u64 = 1 << 62;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_plain_path_under_a_host() {
        assert_eq!(path_of("http://ca.test/repository/all.crl").as_deref(), Some("/repository/all.crl"));
        assert_eq!(path_of("http://ca.test/cgi/ocsp/").as_deref(), Some("/cgi/ocsp"));
        for wrong in [
            "https://ca.test/x",
            "http://ca.test",
            "http://ca.test/",
            "http://ca.test/a?b",
            "/x",
            "ldap://x/y",
        ] {
            assert_eq!(path_of(wrong), None, "{wrong}");
        }
        for serves in [Serves::Ocsp, Serves::List(1), Serves::Certificate(12)] {
            assert_eq!(Serves::from_name(&serves.name()), Some(serves));
        }
        for wrong in ["crl", "crl-0", "crl-01", "ca-", "tsa", "crl--1"] {
            assert_eq!(Serves::from_name(wrong), None, "{wrong}");
        }
    }
}
