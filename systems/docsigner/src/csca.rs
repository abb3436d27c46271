//! The country signing CA, generation by generation (ICAO Doc 9303-12 §5).
//!
//! The first generation is made when the document signer is opened first. Every further one is a roll-over: two persons
//! decide it ([`crate::ceremony`]), a new key pair is made, certifies itself under the same name, and is certified by the
//! key before it (the link certificate). From then on the new key signs document signers. The old one signs nothing but its
//! revocation lists, as long as something it signed can be valid (decision 16).
//!
//! Every certificate is made in the same order: number and label stored, key made under the label, bytes to be signed
//! stored, signature, certificate stored. Whatever stops the program in between, the next call takes up where it stopped,
//! with the same number, the same key and the same bytes.

use std::sync::Arc;

use curve::Random;
use jiff::Timestamp;
use keys::Purpose;
use serde_json::json;
use store::{Row, Tx, params, transaction};
use x509::certificate::profiles::{self, CscaLink, CscaRoot, Issuer};
use x509::certificate::{Kind, TbsCertificate, issue};
use x509::{Certificate, Serial, Signer, Validity};

use crate::once::{Once, hex};
use crate::service::SYSTEM;
use crate::{DocSigner, DocSignerError, Result};

/// One generation of the country signing CA.
pub(crate) struct Csca {
    pub(crate) generation: i64,
    pub(crate) certificate: Certificate,
    /// The new key certified by the one before it; the first generation has none.
    pub(crate) link: Option<Certificate>,
    pub(crate) label: String,
    pub(crate) sign_until: Timestamp,
}

const COLUMNS: &str = "SELECT generation, key_label, sign_until, certificate, link FROM country_signer \
    WHERE certificate IS NOT NULL AND (generation = 1 OR link IS NOT NULL) ORDER BY generation";
const ROOT_TBS: Once = Once {
    read: "SELECT tbs FROM country_signer WHERE generation = $1",
    write: "UPDATE country_signer SET tbs = $2, sign_until = $3 WHERE generation = $1 AND tbs IS NULL",
};
const ROOT: Once = Once {
    read: "SELECT certificate FROM country_signer WHERE generation = $1",
    write: "UPDATE country_signer SET certificate = $2 WHERE generation = $1 AND certificate IS NULL",
};
const LINK_TBS: Once = Once {
    read: "SELECT link_tbs FROM country_signer WHERE generation = $1",
    write: "UPDATE country_signer SET link_tbs = $2 WHERE generation = $1 AND link_tbs IS NULL",
};
const LINK: Once = Once {
    read: "SELECT link FROM country_signer WHERE generation = $1",
    write: "UPDATE country_signer SET link = $2 WHERE generation = $1 AND link IS NULL",
};

impl DocSigner {
    /// The generation that signs now: the newest one that is complete.
    pub(crate) async fn csca(&self) -> Result<Csca> {
        self.generations().await?.pop().ok_or(DocSignerError::Inconsistent("there is no country signing CA"))
    }

    /// All complete generations, oldest first.
    pub(crate) async fn generations(&self) -> Result<Vec<Csca>> {
        self.db.all(COLUMNS, params![]).await?.iter().map(Csca::from_row).collect()
    }

    pub(crate) fn csca_signer(&self, csca: &Csca) -> Result<Arc<dyn Signer>> {
        Ok(self.keys.signer(&csca.label, Purpose::CertificateAuthority)?)
    }

    /// Enters the next generation, in the transaction that decides it. Its key and certificates are made afterwards.
    pub(crate) async fn plan_generation(&self, tx: &mut Tx, actor: &str, now: Timestamp) -> Result<i64> {
        let sql = "SELECT COALESCE(MAX(generation), 0) FROM country_signer";
        let generation = tx.one(sql, params![]).await?.read::<i64>(0)? + 1;
        let label = label(generation);
        tx.execute_one(
            "INSERT INTO country_signer (generation, key_label, made_at, sign_until) VALUES ($1, $2, $3, $3)",
            params![generation, &label, now],
        )
        .await?;
        self.audit(tx, now, actor, "csca-plan", &label, json!({})).await?;
        Ok(generation)
    }

    /// Makes the first generation if there is none, and finishes every planned one.
    pub(crate) async fn establish_csca(&self, now: Timestamp, rng: &mut (dyn Random + Send)) -> Result<()> {
        let open: Vec<i64> = transaction!(self.db, |tx| {
            let any = tx.one("SELECT count(*) FROM country_signer", params![]).await?.read::<i64>(0)?;
            if any == 0 {
                self.plan_generation(tx, SYSTEM, now).await?;
            }
            let sql = "SELECT generation FROM country_signer \
                WHERE certificate IS NULL OR (link IS NULL AND generation > 1) ORDER BY generation";
            let rows = tx.all(sql, params![]).await?;
            rows.iter().map(|row| Ok::<_, DocSignerError>(row.read(0)?)).collect()
        })?;
        for generation in open {
            self.finish_generation(generation, now, rng).await?;
            tracing::info!(generation, "country signing CA made");
        }
        Ok(())
    }

    async fn finish_generation(
        &self,
        generation: i64,
        now: Timestamp,
        rng: &mut (dyn Random + Send),
    ) -> Result<()> {
        let label = label(generation);
        let (signs, valid) = self.config.csca_periods(now)?;
        let authority = self.config.authority(generation);
        if self.stored(&ROOT_TBS, generation).await?.is_none() {
            let kind = self.config.csca_key;
            self.keys.generate(&label, kind, Purpose::CertificateAuthority)?;
            let signer = self.keys.signer(&label, Purpose::CertificateAuthority)?;
            let tbs = profiles::csca_root(&CscaRoot {
                serial: Serial::random(rng),
                subject: &self.config.csca_name()?,
                validity: valid,
                private_key_usage: signs,
                spki: signer.spki(),
                algorithm: signer.algorithm(),
                authority: &authority,
            })?;
            tbs.inspect()?;
            let until = Some(signs.not_after());
            self.keep_first(&ROOT_TBS, generation, tbs.tbs_der(), until, ("csca-prepare", &label), now)
                .await?;
        }
        let signer = self.keys.signer(&label, Purpose::CertificateAuthority)?;
        let root =
            self.certify(&ROOT_TBS, &ROOT, generation, Kind::CscaRoot, &signer, ("csca-issue", &label), now);
        let root = root.await?;
        if generation == 1 {
            return Ok(());
        }
        let before = self.generations().await?.into_iter().find(|csca| csca.generation == generation - 1);
        let before = before.ok_or(DocSignerError::Inconsistent("a generation of the country signing CA"))?;
        let old = self.csca_signer(&before)?;
        if self.stored(&LINK_TBS, generation).await?.is_none() {
            // What the link is for ends with the old certificate at the latest.
            let end = root.not_after().min(before.certificate.not_after());
            let period = |end| Validity::new(root.not_before(), end);
            let signs = root.private_key_usage_period().1.unwrap_or(root.not_after()).min(end);
            let tbs = profiles::csca_link(&CscaLink {
                serial: Serial::random(rng),
                issuer: &Issuer::new(&before.certificate, &old)?,
                validity: period(end)?,
                private_key_usage: period(signs)?,
                spki: root.spki(),
                // The list that may name the link certificate is that of the key that signed it.
                authority: &self.config.authority(before.generation),
            })?;
            tbs.inspect()?;
            self.keep_first(&LINK_TBS, generation, tbs.tbs_der(), None, ("link-prepare", &label), now)
                .await?;
        }
        self.certify(&LINK_TBS, &LINK, generation, Kind::CscaLink, &old, ("link-issue", &label), now).await?;
        Ok(())
    }

    /// Signs stored bytes and stores the certificate; gives the one that counts.
    #[expect(
        clippy::too_many_arguments,
        reason = "two places, a profile, a key and an event: nothing to bundle"
    )]
    pub(crate) async fn certify(
        &self,
        tbs: &Once,
        place: &Once,
        key: i64,
        kind: Kind,
        signer: &Arc<dyn Signer>,
        event: (&str, &str),
        now: Timestamp,
    ) -> Result<Certificate> {
        if let Some(der) = self.stored(place, key).await? {
            return Ok(Certificate::parse(&der)?);
        }
        let tbs = self.stored(tbs, key).await?.ok_or(DocSignerError::Inconsistent("bytes to be signed"))?;
        let certificate = issue(&TbsCertificate::from_stored(kind, &tbs)?, signer)?;
        let der = self.keep_first(place, key, certificate.der(), None, event, now).await?;
        let certificate = Certificate::parse(&der)?;
        tracing::info!(subject = event.1, serial = hex(certificate.serial_octets()), "certificate made");
        Ok(certificate)
    }
}

impl Csca {
    fn from_row(row: &Row) -> Result<Self> {
        let certificate = |der: Vec<u8>| Certificate::parse(&der);
        Ok(Self {
            generation: row.read("generation")?,
            certificate: certificate(row.read("certificate")?)?,
            link: row.read::<Option<Vec<u8>>>("link")?.map(certificate).transpose()?,
            label: row.read("key_label")?,
            sign_until: row.read("sign_until")?,
        })
    }
}

fn label(generation: i64) -> String {
    format!("csca-{generation}")
}
