//! How each step is done. Every step leaves what is there as it is, so that it can be done again after an interruption.

use jiff::{SignedDuration, Timestamp};
use keys::{Backup, KeyKind, Purpose};
use serde_json::json;
use store::{Tx, params, transaction};
use x509::certificate::profiles::{NpcCross, NpcRootLink, npc_cross, npc_root_link};
use x509::path::{Options, Revocation, validate};
use x509::{Certificate, Name, Validity};

use super::act::{Act, Plan, Step, unhex};
use super::adoption::{inspect, refused, taken_over};
use super::{CHANGED, Ceremony, GIVEN_UP, subject};
use crate::authority::{
    FOREIGN_CHAIN, Paperwork, Root, ca_label, certify, generate, generation_to_be_signed, hex, load,
    off_thread, party, prepare, root_label, root_to_be_signed, sign_prepared,
};
use crate::request::sha256;
use crate::{List, Npc, NpcError, Result, Scope};

/// Takes the copy of a key to where it is kept.
type Keep<'a> = dyn FnMut(&Backup) -> std::io::Result<()> + Send + 'a;

/// What steps take from outside, or give outside.
#[derive(Default)]
pub struct Provisions<'a> {
    /// Takes the copy of a key and its shares, each to go to another custodian. An error leaves the step undone.
    pub keep: Option<&'a mut Keep<'a>>,
    /// The copy of a lost key, and the shares of enough custodians.
    pub restore: Option<(&'a [u8], &'a [curve::SecretBytes])>,
    /// The certificate that the operator of another's root made of a request, DER.
    pub certificate: Option<&'a [u8]>,
}

type Found = Vec<(String, String)>;

impl Npc {
    /// Fixes every number of a plan, and refuses what cannot be done.
    pub(super) async fn decide(&self, plan: Plan, number: u64, now: Timestamp) -> Result<Act> {
        let authority = self.authority();
        Ok(match plan {
            Plan::Generation { key, partitions } => {
                let partitions = partitions.unwrap_or(authority.issuing.partitions);
                if !partitions.is_power_of_two() || partitions > 1024 {
                    return Err(NpcError::Request("the number of partitions is a power of two up to 1024"));
                }
                let (number, root, key) = (authority.newest + 1, authority.root.number, key.name());
                if authority.root.is_foreign() {
                    Act::GenerationElsewhere { number, key, partitions, root }
                } else {
                    Act::Generation { number, key, partitions, root }
                }
            }
            Plan::Root { key } => {
                authority.root.party()?;
                let before = authority.root.number;
                Act::Root { number: authority.newest_root + 1, key: key.name(), before }
            }
            Plan::Cross { foreign, path_len, permitted, policy, days } => {
                authority.root.party()?;
                let foreign = foreign_root(&foreign, now)?;
                let act = Act::Cross {
                    label: format!("npc-cross-{number}"),
                    root: authority.root.number,
                    foreign: hex(foreign.der()),
                    path_len,
                    permitted: permitted.iter().map(|name| hex(name.der())).collect(),
                    policy,
                    days,
                };
                // Whatever the profile refuses is refused now, before anybody approves it.
                self.cross_to_be_signed(&act, now)?;
                act
            }
            Plan::CrossImport { certificate, by } => {
                let certificate = Certificate::parse(&certificate).map_err(FOREIGN)?;
                let by = foreign_root(&by, now)?;
                let ours = authority.roots.iter().find(|root| {
                    let own = &root.certificate;
                    !root.is_foreign()
                        && own.spki() == certificate.spki()
                        && own.subject() == certificate.subject()
                });
                let ours = ours.ok_or(NpcError::Request("the certificate is for no root of ours"))?;
                inspect_import(&certificate, &by, &ours.certificate, now)?;
                Act::CrossImport {
                    label: format!("npc-cross-by-{number}"),
                    root: ours.number,
                    certificate: hex(certificate.der()),
                    by: hex(by.der()),
                }
            }
            Plan::KeyBackup { label, threshold, shares } => {
                if !(2..=shares).contains(&threshold) {
                    return Err(NpcError::Request(
                        "two custodians at least are needed, and not more than there are",
                    ));
                }
                Act::KeyBackup { spki_sha256: self.fingerprint(&label).await?, label, threshold, shares }
            }
            Plan::KeyRestore { label } => {
                if self.key(&label).await?.is_some() {
                    return Err(NpcError::Ceremony("the key is there"));
                }
                let certificate = self.authority_certificate(&label).await?;
                Act::KeyRestore { spki_sha256: hex(&sha256(certificate.spki())), label }
            }
            Plan::KeyDestruction { label } => {
                self.may_be_destroyed(&label, now).await?;
                Act::KeyDestruction { spki_sha256: self.fingerprint(&label).await?, label }
            }
            Plan::Revocation { label, reason } => {
                let certificate = self.authority_certificate(&label).await?;
                self.may_be_revoked(&label)?;
                let reason = match reason {
                    x509::crl::Reason::CertificateHold | x509::crl::Reason::RemoveFromCrl => {
                        return Err(NpcError::Request("a CA is revoked for good or not at all"));
                    }
                    reason => reason.code(),
                };
                Act::Revocation { certificate_sha256: hex(&certificate.fingerprint()), label, reason }
            }
        })
    }

    /// Whether the numbers of a script are still the next ones.
    pub(super) fn still_fits(&self, act: &Act) -> Result<()> {
        let authority = self.authority();
        match act {
            Act::Generation { key, .. } | Act::GenerationElsewhere { key, .. } | Act::Root { key, .. } => {
                let kind = KeyKind::from_name(key).ok_or(NpcError::Inconsistent("kind of key"))?;
                authority.policy.allows_authority(kind)?;
            }
            Act::Cross { days, .. } if *days > authority.policy.cross_days => {
                return Err(NpcError::Policy("period of a cross certificate"));
            }
            _ => {}
        }
        let fits = match act {
            Act::Generation { number, root, .. } | Act::GenerationElsewhere { number, root, .. } => {
                *number == authority.newest + 1 && *root == authority.root.number
            }
            Act::Root { number, before, .. } => {
                *number == authority.newest_root + 1 && *before == authority.root.number
            }
            Act::Cross { root, .. } => *root == authority.root.number,
            _ => true,
        };
        if fits { Ok(()) } else { Err(CHANGED) }
    }

    pub(super) async fn work(
        &self,
        ceremony: &Ceremony,
        step: Step,
        provisions: Provisions<'_>,
        now: Timestamp,
    ) -> Result<Found> {
        match &ceremony.act {
            // Killed behind its last effect, which is why the CA is open.
            Act::Founding { .. } if step == Step::Activate => {
                Ok(vec![found("issuing_generation", "1".to_owned())])
            }
            Act::Adoption(inheritance) if step == Step::TakeOver => Ok(taken_over(inheritance)),
            Act::Founding { .. } | Act::Adoption(_) => Err(NpcError::Inconsistent("step")),
            Act::GenerationElsewhere { number, key, partitions, root } => match step {
                Step::Request => self.request_certificate(*number, key).await,
                Step::Accept => self.accept_certificate(*number, *root, provisions, now).await,
                _ => self.generation_step(step, *number, key, *partitions, *root, now).await,
            },
            Act::Generation { number, key, partitions, root } => {
                self.generation_step(step, *number, key, *partitions, *root, now).await
            }
            Act::Root { number, key, before } => self.root_step(step, *number, key, *before, now).await,
            act @ Act::Cross { .. } => self.cross_step(step, act, now).await,
            act @ Act::CrossImport { .. } => self.import_step(step, act, now).await,
            Act::KeyBackup { label, spki_sha256, threshold, shares } => {
                self.divide(label, spki_sha256, (*threshold, *shares), provisions).await
            }
            Act::KeyRestore { label, spki_sha256 } => self.restore(label, spki_sha256, provisions, now).await,
            Act::KeyDestruction { label, .. } => self.destruction_step(step, label, now).await,
            Act::Revocation { label, reason, .. } => {
                self.revoke_authority(ceremony.number, label, *reason, now).await
            }
        }
    }

    async fn generation_step(
        &self,
        step: Step,
        number: u32,
        kind: &str,
        partitions: u16,
        root: u32,
        now: Timestamp,
    ) -> Result<Found> {
        let ground = self.ground(now);
        let label = ca_label(number);
        let kind = KeyKind::from_name(kind).ok_or(NpcError::Inconsistent("kind of key"))?;
        let authority = self.authority();
        let above = authority.root_of(root).ok_or(NpcError::Ceremony("the root is in use no more"))?;
        let paperwork = Paperwork { label: &label, issuer: root, withheld: true };
        match step {
            Step::Key => self.made_key(&label, kind).await,
            Step::Prepare => {
                let key = generate(&self.keys, &label, kind, Purpose::CertificateAuthority).await?;
                let make = || generation_to_be_signed(ground, above, &key);
                let tbs = prepare(ground, paperwork, Some(&above.party()?.issuer), make).await?;
                Ok(vec![found("tbs_sha256", hex(&sha256(&tbs)))])
            }
            Step::Sign => {
                Ok(signed(&label, &sign_prepared(ground, paperwork, &above.party()?.signer).await?))
            }
            Step::Check => {
                let certificate = self.authority_certificate(&label).await?;
                let same = certificate.subject() == authority.issuing.ca.certificate.subject();
                let fresh =
                    authority.generations.iter().all(|g| g.ca.certificate.spki() != certificate.spki());
                let policy = certificate.certificate_policies() == [self.config.policy];
                if !same || !fresh || !policy {
                    return Err(NpcError::Ceremony("the certificate is not that of a next generation"));
                }
                checked(&certificate, &above.certificate, now)
            }
            Step::Publish => {
                transaction!(self.db, |tx| {
                    let sql = "INSERT INTO generation (number, root, key_kind, partitions, issues) \
                        VALUES ($1, $2, $3, $4, 0) ON CONFLICT DO NOTHING";
                    let values = params![i64::from(number), i64::from(root), kind.name(), partitions];
                    tx.execute(sql, values).await?;
                    show(tx, std::slice::from_ref(&label)).await?;
                    changed(tx).await
                })?;
                self.refresh_authority(now).await?;
                let list = self.list(List { generation: number, scope: Scope::Complete }, now).await?;
                let authority = self.authority();
                let made = authority.generation(number).ok_or(NpcError::Inconsistent("generation"))?;
                Ok(vec![
                    found("ocsp_certificate_sha256", hex(&made.responder.certificate.fingerprint())),
                    found("complete_list_sha256", hex(&sha256(&list.der))),
                    found("complete_list_number", list.number.to_string()),
                ])
            }
            Step::Activate => {
                transaction!(self.db, |tx| {
                    // Exactly one issues, whoever looks.
                    let sql = "UPDATE generation SET issues = CASE WHEN number = $1 THEN 1 ELSE 0 END";
                    tx.execute(sql, params![i64::from(number)]).await?;
                    // Given up meanwhile: its row has an end already.
                    let sql = "SELECT COUNT(*) FROM generation WHERE issues = 1 AND last_end IS NULL";
                    if tx.one(sql, params![]).await?.read::<i64>(0)? != 1 {
                        return Err(GIVEN_UP);
                    }
                    changed(tx).await
                })?;
                self.refresh_authority(now).await?;
                self.note_last_ends().await?;
                Ok(vec![found("issuing_generation", number.to_string())])
            }
            _ => Err(NpcError::Inconsistent("step")),
        }
    }

    /// What the root's operator is given: name and key of the next generation, with the proof that the key is there. The one
    /// signature of a CA's key that is neither a certificate nor a list (NPC-06), before the key has issued anything.
    async fn request_certificate(&self, number: u32, kind: &str) -> Result<Found> {
        let label = ca_label(number);
        let kind = KeyKind::from_name(kind).ok_or(NpcError::Inconsistent("kind of key"))?;
        let key = generate(&self.keys, &label, kind, Purpose::CertificateAuthority).await?;
        let signer = self.keys.signer(&label, Purpose::CertificateAuthority)?;
        let subject = self.authority().issuing.ca.certificate.subject_name()?;
        let made = off_thread(move || {
            x509::csr::build(&subject, &key.spki, signer.algorithm(), |info| signer.sign(info))
        });
        let made = made.await?.map_err(x509::Error::from)?;
        Ok(vec![
            found("request_sha256", hex(&sha256(&made))),
            found("certification_request", x509::pem::encode("CERTIFICATE REQUEST", &made)),
        ])
    }

    /// What the root's operator made of it.
    async fn accept_certificate(
        &self,
        number: u32,
        root: u32,
        provisions: Provisions<'_>,
        now: Timestamp,
    ) -> Result<Found> {
        let label = ca_label(number);
        let certificate =
            match (load(&self.db, &label).await?.and_then(|stored| stored.der), provisions.certificate) {
                (Some(der), _) => Certificate::parse(&der)?,
                (None, Some(der)) => Certificate::parse(der).map_err(FOREIGN)?,
                (None, None) => {
                    return Err(NpcError::Ceremony(
                        "the certificate that the root's operator makes of the request is needed",
                    ));
                }
            };
        let key =
            self.key(&label).await?.ok_or_else(|| NpcError::Keys(keys::KeyError::Missing(label.clone())))?;
        if key.spki != certificate.spki() {
            return Err(refused("the certificate is of another key than the request"));
        }
        let authority = self.authority();
        let above = authority.root_of(root).ok_or(NpcError::Ceremony("the root is in use no more"))?;
        let present = &authority.issuing.ca.certificate;
        if !x509::name::same(certificate.subject(), present.subject()) {
            return Err(refused("the certificate is of another name than the generation before"));
        }
        if authority.generations.iter().any(|g| {
            let other = &g.ca.certificate;
            other.subject_key_identifier() == certificate.subject_key_identifier()
                || (other.serial_octets() == certificate.serial_octets()
                    && other.issuer() == certificate.issuer())
        }) {
            return Err(refused(
                "the certificate has the key identifier or serial number of another generation's",
            ));
        }
        let between = authority.certificates_of(FOREIGN_CHAIN);
        let roots = std::slice::from_ref(&above.certificate);
        inspect(&certificate, &between, roots, self.config.policy, now)
            .map_err(|problem| refused(&problem))?;
        let sql = "INSERT INTO authority (label, profile, not_after, tbs, der, issuer, withheld) \
            VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT DO NOTHING";
        let profile = x509::certificate::Kind::NpcIntermediate.name();
        let (not_after, tbs) = (certificate.not_after(), certificate.tbs());
        let values = params![&label, profile, not_after, tbs, certificate.der(), i64::from(root)];
        self.db.execute(sql, values).await?;
        Ok(signed(&label, &certificate))
    }

    /// Notes until when generations that issue no more tell status. Nothing of theirs can be added any more.
    pub(crate) async fn note_last_ends(&self) -> Result<()> {
        let sql = "SELECT number FROM generation WHERE issues = 0 AND last_end IS NULL \
            AND number < (SELECT MAX(number) FROM generation WHERE issues = 1)";
        for row in self.db.all(sql, params![]).await? {
            let number: i64 = row.read(0)?;
            let of = async |sql: &'static str| -> Result<Option<Timestamp>> {
                Ok(self.db.one(sql, params![number]).await?.read::<Option<Timestamp>>(0)?)
            };
            let citizens = of("SELECT MAX(not_after) FROM certificate WHERE issuer = $1").await?;
            let services = of("SELECT MAX(not_after) FROM authority WHERE issuer = $1 \
                AND profile IN ('ocsp-responder', 'timestamp-authority', 'status-signer', 'cmp-signer')")
            .await?;
            if let Some(end) = citizens.max(services) {
                let sql = "UPDATE generation SET last_end = $2 WHERE number = $1 AND issues = 0";
                self.db.execute(sql, params![number, end]).await?;
            }
        }
        Ok(())
    }

    async fn root_step(
        &self,
        step: Step,
        number: u32,
        kind: &str,
        before: u32,
        now: Timestamp,
    ) -> Result<Found> {
        let ground = self.ground(now);
        let label = root_label(number);
        let kind = KeyKind::from_name(kind).ok_or(NpcError::Inconsistent("kind of key"))?;
        let paperwork = Paperwork { label: &label, issuer: number, withheld: true };
        let authority = self.authority();
        let old = authority.root_of(before).ok_or(NpcError::Ceremony("the root before signs no more"))?;
        match step {
            Step::Key => self.made_key(&label, kind).await,
            Step::Prepare => {
                let key = generate(&self.keys, &label, kind, Purpose::CertificateAuthority).await?;
                let signer = self.keys.signer(&label, Purpose::CertificateAuthority)?;
                let make = || root_to_be_signed(ground, &key, signer.as_ref());
                let tbs = prepare(ground, paperwork, None, make).await?;
                Ok(vec![found("tbs_sha256", hex(&sha256(&tbs)))])
            }
            Step::Sign => {
                let signer = self.keys.signer(&label, Purpose::CertificateAuthority)?;
                Ok(signed(&label, &sign_prepared(ground, paperwork, &signer).await?))
            }
            Step::NewWithOld => {
                let new = self.authority_certificate(&label).await?;
                self.link(old, number, &new, now).await
            }
            Step::OldWithNew => {
                let certificate = self.authority_certificate(&label).await?;
                let signer = self.keys.signer(&label, Purpose::CertificateAuthority)?;
                let new = Root::own(number, party(certificate, signer)?);
                self.link(&new, before, &old.certificate, now).await
            }
            Step::Check => {
                let new = self.authority_certificate(&label).await?;
                if new.subject() != old.certificate.subject() {
                    return Err(NpcError::Ceremony("the new root has another name"));
                }
                new.verify_signature(new.spki())?;
                let forward = self.authority_certificate(&link_label(number, before)).await?;
                let back = self.authority_certificate(&link_label(before, number)).await?;
                let mut all = checked(&forward, &old.certificate, now)?;
                all.extend(checked(&back, &new, now)?);
                Ok(all)
            }
            Step::Activate => {
                transaction!(self.db, |tx| {
                    let sql = "INSERT INTO root_ca (number, key_kind) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                    tx.execute(sql, params![i64::from(number), kind.name()]).await?;
                    // Given up meanwhile: its row has an end already.
                    let sql = "SELECT COUNT(*) FROM root_ca WHERE number = $1 AND ended_at IS NULL";
                    if tx.one(sql, params![i64::from(number)]).await?.read::<i64>(0)? != 1 {
                        return Err(GIVEN_UP);
                    }
                    let links = [link_label(number, before), link_label(before, number)];
                    show(tx, &[std::slice::from_ref(&label), &links[..]].concat()).await?;
                    changed(tx).await
                })?;
                self.refresh_authority(now).await?;
                let list = self.list(List { generation: number, scope: Scope::Root }, now).await?;
                Ok(vec![
                    found("newest_root", number.to_string()),
                    found("list_sha256", hex(&sha256(&list.der))),
                ])
            }
            _ => Err(NpcError::Inconsistent("step")),
        }
    }

    /// A link certificate: the key of root `number` certified by `by`.
    async fn link(&self, by: &Root, number: u32, subject: &Certificate, now: Timestamp) -> Result<Found> {
        let ground = self.ground(now);
        let above = by.party()?;
        let label = link_label(number, by.number);
        let (theirs, ours) = (subject.validity(), by.certificate.validity());
        let make = || {
            // RFC 9810 §4.4: as long as both keys serve.
            let validity = Validity::new(
                theirs.not_before().max(ours.not_before()),
                theirs.not_after().min(ours.not_after()),
            )?;
            npc_root_link(&NpcRootLink {
                serial: crate::authority::new_serial(&self.random),
                issuer: &above.issuer,
                subject,
                validity,
                crl_uri: &self.config.urls.root_crl(by.number),
                ca_issuers_uri: &self.config.urls.root_certificate(by.number),
            })
        };
        let paperwork = Paperwork { label: &label, issuer: by.number, withheld: true };
        let certificate = certify(ground, paperwork, Some(&above.issuer), &above.signer, make).await?;
        Ok(signed(&label, &certificate))
    }

    fn cross_to_be_signed(&self, act: &Act, now: Timestamp) -> Result<x509::certificate::TbsCertificate> {
        let Act::Cross { root, foreign, path_len, permitted, policy, days, .. } = act else {
            return Err(NpcError::Inconsistent("act"));
        };
        let authority = self.authority();
        let root = authority.root_of(*root).ok_or(NpcError::Ceremony("the root signs no more"))?;
        let foreign = foreign_root(&unhex(foreign)?, now)?;
        let permitted =
            permitted.iter().map(|name| Ok(Name::parse(&unhex(name)?)?)).collect::<Result<Vec<_>>>()?;
        let policy = policy.parse().map_err(|_| NpcError::Request("a policy is an object identifier"))?;
        let ends = [foreign.validity().not_after(), root.certificate.validity().not_after()];
        let wanted = now + SignedDuration::from_hours(24 * i64::from(*days));
        let made = npc_cross(&NpcCross {
            serial: crate::authority::new_serial(&self.random),
            issuer: &root.party()?.issuer,
            subject: &foreign,
            validity: Validity::new(
                (now - SignedDuration::from_mins(5)).max(foreign.validity().not_before()),
                ends.into_iter().fold(wanted, Timestamp::min),
            )?,
            path_len: *path_len,
            permitted: &permitted,
            policies: (self.config.policy, policy),
            crl_uri: &self.config.urls.root_crl(root.number),
            ca_issuers_uri: &self.config.urls.root_certificate(root.number),
        });
        made.map_err(|error| match error {
            x509::Error::Profile(problem) => NpcError::Request(problem),
            error => NpcError::X509(error),
        })
    }

    async fn cross_step(&self, step: Step, act: &Act, now: Timestamp) -> Result<Found> {
        let Act::Cross { label, root: number, foreign, .. } = act else {
            return Err(NpcError::Inconsistent("act"));
        };
        let ground = self.ground(now);
        let authority = self.authority();
        let root = authority.root_of(*number).ok_or(NpcError::Ceremony("the root signs no more"))?;
        let paperwork = Paperwork { label, issuer: *number, withheld: true };
        match step {
            Step::Inspect => {
                let foreign = foreign_root(&unhex(foreign)?, now)?;
                Ok(vec![
                    found("foreign_root", foreign.subject_name()?.to_string()),
                    found("foreign_root_sha256", hex(&foreign.fingerprint())),
                ])
            }
            Step::Prepare => {
                let made = match load(&self.db, label).await? {
                    Some(stored) => stored.tbs,
                    None => {
                        let tbs = self.cross_to_be_signed(act, now)?;
                        prepare(ground, paperwork, Some(&root.party()?.issuer), || Ok(tbs.clone())).await?
                    }
                };
                Ok(vec![found("tbs_sha256", hex(&sha256(&made)))])
            }
            Step::Sign => Ok(signed(label, &sign_prepared(ground, paperwork, &root.party()?.signer).await?)),
            Step::Publish => self.put_out(label, now).await,
            _ => Err(NpcError::Inconsistent("step")),
        }
    }

    async fn import_step(&self, step: Step, act: &Act, now: Timestamp) -> Result<Found> {
        let Act::CrossImport { label, root, certificate, by } = act else {
            return Err(NpcError::Inconsistent("act"));
        };
        let certificate = Certificate::parse(&unhex(certificate)?).map_err(FOREIGN)?;
        match step {
            Step::Inspect => {
                let authority = self.authority();
                let ours = authority.root_of(*root).ok_or(NpcError::Ceremony("the root signs no more"))?;
                let by = foreign_root(&unhex(by)?, now)?;
                inspect_import(&certificate, &by, &ours.certificate, now)?;
                Ok(vec![
                    found("certificate_sha256", hex(&certificate.fingerprint())),
                    found("foreign_root", by.subject_name()?.to_string()),
                    found("foreign_root_sha256", hex(&by.fingerprint())),
                ])
            }
            Step::Publish => {
                let sql = "INSERT INTO authority (label, profile, not_after, tbs, der, issuer) \
                    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
                let (not_after, tbs) = (certificate.not_after(), certificate.tbs());
                let values =
                    params![label, FOREIGN_CROSS, not_after, tbs, certificate.der(), i64::from(*root)];
                self.db.execute(sql, values).await?;
                self.put_out(label, now).await
            }
            _ => Err(NpcError::Inconsistent("step")),
        }
    }

    async fn put_out(&self, label: &str, now: Timestamp) -> Result<Found> {
        transaction!(self.db, |tx| {
            show(tx, &[label.to_owned()]).await?;
            changed(tx).await
        })?;
        self.refresh_authority(now).await?;
        let certificate = self.authority_certificate(label).await?;
        Ok(vec![
            found("certificate", label.to_owned()),
            found("certificate_sha256", hex(&certificate.fingerprint())),
            found("published", format!("{}/{label}.cer", self.config.urls.certs)),
        ])
    }

    async fn divide(
        &self,
        label: &str,
        fingerprint: &str,
        (threshold, shares): (u8, u8),
        provisions: Provisions<'_>,
    ) -> Result<Found> {
        if self.fingerprint(label).await? != fingerprint {
            return Err(NpcError::Ceremony("another key is under this label now"));
        }
        let keep = provisions.keep.ok_or(NpcError::Ceremony("say where the copy and its shares go"))?;
        let (keys, name) = (self.keys.clone(), label.to_owned());
        let backup = off_thread(move || keys.backup(&name, threshold, shares)).await??;
        keep(&backup).map_err(|error| {
            tracing::warn!(%error, "the copy of a key could not be kept");
            NpcError::Ceremony("the copy or a share could not be written")
        })?;
        let mut all = vec![
            found("key", label.to_owned()),
            found("spki_sha256", fingerprint.to_owned()),
            found("copy_sha256", hex(&sha256(&backup.copy))),
        ];
        for (n, share) in (1..).zip(&backup.shares) {
            all.push(found(&format!("share_{n}_sha256"), hex(&sha256(share.expose()))));
        }
        Ok(all)
    }

    async fn restore(
        &self,
        label: &str,
        fingerprint: &str,
        provisions: Provisions<'_>,
        now: Timestamp,
    ) -> Result<Found> {
        if self.key(label).await?.is_none() {
            let (copy, shares) =
                provisions.restore.ok_or(NpcError::Ceremony("the copy and shares of the key are needed"))?;
            let about = keys::backup_label(copy)?;
            if about != label {
                return Err(NpcError::Ceremony("the copy is of another key"));
            }
            self.keys.restore(copy, shares)?;
        }
        if self.fingerprint(label).await? != fingerprint {
            return Err(NpcError::Ceremony("another key is under this label now"));
        }
        self.refresh_authority(now).await?;
        Ok(vec![found("key", label.to_owned()), found("spki_sha256", fingerprint.to_owned())])
    }

    async fn destruction_step(&self, step: Step, label: &str, now: Timestamp) -> Result<Found> {
        match step {
            Step::Retire => {
                self.may_be_destroyed(label, now).await?;
                if let Some(root) = (1..=64u32).find(|number| root_label(*number) == label) {
                    transaction!(self.db, |tx| {
                        let sql = "UPDATE root_ca SET ended_at = $2 WHERE number = $1 AND ended_at IS NULL";
                        tx.execute(sql, params![i64::from(root), now]).await?;
                        changed(tx).await
                    })?;
                    self.refresh_authority(now).await?;
                }
                Ok(vec![found("key", label.to_owned())])
            }
            Step::Destroy => {
                let (keys, name) = (self.keys.clone(), label.to_owned());
                match off_thread(move || keys.destroy(&name)).await? {
                    Ok(()) | Err(keys::KeyError::Missing(_)) => {}
                    Err(error) => return Err(error.into()),
                }
                if self.key(label).await?.is_some() {
                    return Err(NpcError::Ceremony("the key is still there"));
                }
                Ok(vec![found("destroyed", label.to_owned())])
            }
            _ => Err(NpcError::Inconsistent("step")),
        }
    }

    async fn revoke_authority(&self, number: u64, label: &str, reason: u8, now: Timestamp) -> Result<Found> {
        self.may_be_revoked(label)?;
        transaction!(self.db, |tx| {
            let sql =
                "UPDATE authority SET revoked_at = $2, reason = $3 WHERE label = $1 AND revoked_at IS NULL";
            tx.execute(sql, params![label, now, i64::from(reason)]).await?;
            let detail = json!({ "ceremony": number, "reason": reason });
            self.audit(tx, "authority-revoke", label, &subject(number), detail, now).await?;
            changed(tx).await
        })?;
        self.refresh_authority(now).await?;
        let stored = load(&self.db, label).await?.ok_or(NpcError::Inconsistent("authority"))?;
        let list = self.list(List { generation: stored.issuer, scope: Scope::Root }, now).await?;
        Ok(vec![
            found("certificate", label.to_owned()),
            found("list_number", list.number.to_string()),
            found("list_sha256", hex(&sha256(&list.der))),
        ])
    }

    /// What issues cannot be revoked before another generation does; nor can a root, which is nobody's.
    fn may_be_revoked(&self, label: &str) -> Result<()> {
        let authority = self.authority();
        if label == ca_label(authority.issuing.number) {
            return Err(NpcError::Ceremony("this generation issues: make the next one first"));
        }
        let paper = authority.papers.get(label).ok_or(NpcError::Ceremony("there is no such certificate"))?;
        // Where the root's key is another's, so are all certificates of CAs.
        authority.root.party()?;
        match paper.profile.as_str() {
            "npc-root" => {
                Err(NpcError::Ceremony("a root is revoked by nobody; its relying parties remove it"))
            }
            FOREIGN_CROSS => Err(NpcError::Ceremony("somebody else issued it and revokes it")),
            _ => Ok(()),
        }
    }

    /// A key is destroyed once nothing has to be signed with it: no certificate and no list.
    async fn may_be_destroyed(&self, label: &str, now: Timestamp) -> Result<()> {
        let authority = self.authority();
        if authority.generations.iter().any(|generation| ca_label(generation.number) == label) {
            return Err(NpcError::Ceremony(
                "the generation still tells status: its last certificate has not ended",
            ));
        }
        let Some(root) = authority.roots.iter().find(|root| root_label(root.number) == label) else {
            return Ok(());
        };
        if root.number == authority.root.number {
            return Err(NpcError::Ceremony("the root is the newest"));
        }
        let sql = "SELECT MAX(not_after) FROM authority WHERE issuer = $1 AND label <> $2 \
            AND profile IN ('npc-intermediate', 'npc-root-link', 'npc-cross')";
        let row = self.db.one(sql, params![i64::from(root.number), label]).await?;
        match row.read::<Option<Timestamp>>(0)? {
            Some(end) if end >= now => {
                Err(NpcError::Ceremony("certificates that this root issued have not ended"))
            }
            _ => Ok(()),
        }
    }

    async fn made_key(&self, label: &str, kind: KeyKind) -> Result<Found> {
        let keys = self.keys.clone();
        let module = off_thread(move || keys.module()).await??;
        let authority = self.authority();
        let certificate = authority.policy.allows_module(module.as_ref())?;
        let key = generate(&self.keys, label, kind, Purpose::CertificateAuthority).await?;
        let mut all = key_found(label, &key);
        all.extend(module_found(module.as_ref()));
        all.extend(certificate.map(|certificate| found("module_certificate", certificate.to_owned())));
        Ok(all)
    }

    pub(super) async fn key(&self, label: &str) -> Result<Option<keys::KeyInfo>> {
        let keys = self.keys.clone();
        let all = off_thread(move || keys.list()).await??;
        Ok(all.into_iter().find(|key| key.label == label))
    }

    async fn fingerprint(&self, label: &str) -> Result<String> {
        let key = self.key(label).await?;
        let key = key.ok_or_else(|| NpcError::Keys(keys::KeyError::Missing(label.to_owned())))?;
        if key.purpose != Purpose::CertificateAuthority {
            return Err(NpcError::Ceremony("keys of services are renewed, not kept"));
        }
        Ok(hex(&sha256(&key.spki)))
    }

    pub(super) async fn authority_certificate(&self, label: &str) -> Result<Certificate> {
        let stored = load(&self.db, label).await?.and_then(|stored| stored.der);
        let der = stored.ok_or(NpcError::Ceremony("there is no such certificate"))?;
        Ok(Certificate::parse(&der)?)
    }
}

/// From here on the certificates under these labels are published, unless their ceremony was given up.
pub(super) async fn show(tx: &mut Tx, labels: &[String]) -> Result<()> {
    for label in labels {
        let sql =
            "UPDATE authority SET withheld = 0 WHERE label = $1 AND der IS NOT NULL AND revoked_at IS NULL";
        tx.execute(sql, params![label]).await?;
    }
    Ok(())
}

/// Raises the number by which other processes see that the hierarchy has changed.
pub(super) async fn changed(tx: &mut Tx) -> Result<()> {
    let sql = "UPDATE counter SET value = value + 1 WHERE name = 'authority'";
    tx.execute_one(sql, params![]).await?;
    Ok(())
}

pub(super) fn found(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

pub(super) fn signed(label: &str, certificate: &Certificate) -> Found {
    vec![
        found("certificate", label.to_owned()),
        found("serial", hex(certificate.serial_octets())),
        found("not_before", certificate.not_before().to_string()),
        found("not_after", certificate.not_after().to_string()),
        found("certificate_sha256", hex(&certificate.fingerprint())),
    ]
}

pub(super) fn key_found(label: &str, key: &keys::KeyInfo) -> Found {
    vec![
        found("key", label.to_owned()),
        found("kind", key.kind.name()),
        found("purpose", key.purpose.as_str().to_owned()),
        found("spki_sha256", hex(&sha256(&key.spki))),
    ]
}

/// Where a key was made.
pub(super) fn module_found(module: Option<&keys::Module>) -> Found {
    let Some(module) = module else { return vec![found("module", "files".to_owned())] };
    let keys::Module { manufacturer, model, firmware, serial } = module;
    vec![
        found("module", format!("{manufacturer}, {model}")),
        found("module_firmware", firmware.clone()),
        found("module_serial", serial.clone()),
    ]
}

/// As a stranger who trusts the issuer.
pub(super) fn checked(certificate: &Certificate, issuer: &Certificate, now: Timestamp) -> Result<Found> {
    let options = Options { revocation: Revocation::Unchecked, ..Options::at(now) };
    validate(certificate, &[], std::slice::from_ref(issuer), &options).map_err(|refusal| {
        tracing::error!(%refusal, "a CA certificate does not validate");
        NpcError::Ceremony("the certificate does not validate")
    })?;
    let identifier = hex(certificate.subject_key_identifier().unwrap_or_default());
    Ok(vec![found("validates", identifier)])
}

/// A root of somebody else: it signs itself, is a CA, is in force.
fn foreign_root(der: &[u8], now: Timestamp) -> Result<Certificate> {
    let root = Certificate::parse(der).map_err(FOREIGN)?;
    let proper = root.is_ca() && root.is_self_issued() && root.validity().contains(now);
    if !proper || root.verify_signature(root.spki()).is_err() {
        return Err(NpcError::Request("the foreign root is not a self-signed CA certificate in force"));
    }
    Ok(root)
}

fn inspect_import(
    certificate: &Certificate,
    by: &Certificate,
    ours: &Certificate,
    now: Timestamp,
) -> Result<()> {
    let identifier = certificate.subject_key_identifier() == ours.subject_key_identifier();
    let proper = certificate.is_ca() && identifier && certificate.validity().contains(now);
    if !proper || certificate.issuer() != by.subject() || certificate.verify_signature(by.spki()).is_err() {
        return Err(NpcError::Request("the certificate was not issued for our root by that root"));
    }
    Ok(())
}

/// The link that certifies root `subject` with the key of root `by`.
pub(super) fn link_label(subject: u32, by: u32) -> String {
    format!("npc-root-g{subject}-by-g{by}")
}

/// The profile under which a certificate of somebody else's stands.
pub(crate) const FOREIGN_CROSS: &str = "foreign-cross";

const FOREIGN: fn(x509::Error) -> NpcError = |_| NpcError::Request("the foreign certificate cannot be read");
