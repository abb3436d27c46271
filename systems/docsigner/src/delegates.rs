//! Signers beside the document signers, with keys and certificates of their own: of master lists (ICAO Doc 9303-12 §7.1),
//! and of the electronic files of paper documents (DOCPKI-14). No reader of chips accepts either.

use curve::Random;
use jiff::Timestamp;
use serde_json::json;
use store::{Row, params, transaction};
use x509::certificate::profiles::{self, Delegate, Issuer};
use x509::certificate::{Kind, TbsCertificate};
use x509::{Certificate, Serial};

use crate::once::Once;
use crate::service::SYSTEM;
use crate::{DocSigner, DocSignerError, Result};

/// What a delegate signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Office {
    MasterLists,
    Files,
}

/// A delegate with its certificate.
pub(crate) struct Delegated {
    pub(crate) number: i64,
    pub(crate) label: String,
    pub(crate) certificate: Certificate,
}

const TBS: Once = Once {
    read: "SELECT tbs FROM delegate WHERE number = $1",
    write: "UPDATE delegate SET tbs = $2, sign_until = $3 WHERE number = $1 AND tbs IS NULL",
};
const CERTIFICATE: Once = Once {
    read: "SELECT certificate FROM delegate WHERE number = $1",
    write: "UPDATE delegate SET certificate = $2 WHERE number = $1 AND certificate IS NULL",
};
const ROWS: &str = "SELECT number, key_label, certificate FROM delegate \
    WHERE office = $1 AND certificate IS NOT NULL AND sign_until > $2 ORDER BY number DESC";

impl Office {
    pub(crate) const ALL: [Self; 2] = [Self::MasterLists, Self::Files];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::MasterLists => "mls",
            Self::Files => "file",
        }
    }

    pub(crate) const fn purpose(self) -> keys::Purpose {
        match self {
            Self::MasterLists => keys::Purpose::ListSigner,
            Self::Files => keys::Purpose::FileSigner,
        }
    }

    fn profile(self, delegate: &Delegate<'_>) -> std::result::Result<TbsCertificate, x509::Error> {
        match self {
            Self::MasterLists => profiles::list_signer(delegate),
            Self::Files => profiles::file_signer(delegate),
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::MasterLists => Kind::MasterListSigner,
            Self::Files => Kind::FileSigner,
        }
    }
}

impl DocSigner {
    /// The delegate that signs now.
    pub(crate) async fn delegate(&self, office: Office, now: Timestamp) -> Result<Delegated> {
        let rows = self.db.all(ROWS, params![office.as_str(), now]).await?;
        for row in rows {
            let delegated = Delegated::from_row(&row)?;
            if delegated.certificate.not_before().as_second() <= now.as_second() {
                return Ok(delegated);
            }
        }
        Err(DocSignerError::NoSigner)
    }

    /// The certificates of all delegates there ever were.
    pub(crate) async fn delegates(&self) -> Result<Vec<Delegated>> {
        let sql = "SELECT number, key_label, certificate FROM delegate \
            WHERE certificate IS NOT NULL ORDER BY number";
        self.db.all(sql, params![]).await?.iter().map(Delegated::from_row).collect()
    }

    /// Makes a successor for each office whose delegate is in its last tenth or belongs to an older generation, and destroys
    /// the keys of those whose time is over.
    pub(crate) async fn establish_delegates(
        &self,
        now: Timestamp,
        rng: &mut (dyn Random + Send),
    ) -> Result<()> {
        let csca = self.csca().await?;
        self.check_clock(&csca, now)?;
        for office in Office::ALL {
            let open: Vec<i64> = transaction!(self.db, |tx| {
                let tail = i64::from(self.config.delegate_signs_days) * 86_400_000_000 / 10;
                let soon = now.as_microsecond() + tail;
                let sql = "SELECT count(*) FROM delegate \
                    WHERE office = $1 AND generation = $2 AND (tbs IS NULL OR sign_until > $3)";
                let values = params![office.as_str(), csca.generation, soon];
                let present = tx.one(sql, values).await?.read::<i64>(0)?;
                if present == 0 && now < csca.sign_until {
                    let sql = "SELECT COALESCE(MAX(number), 0) FROM delegate";
                    let number = tx.one(sql, params![]).await?.read::<i64>(0)? + 1;
                    let label = format!("{}-{number}", office.as_str());
                    tx.execute_one(
                        "INSERT INTO delegate (number, office, generation, key_label, made_at, sign_until) \
                         VALUES ($1, $2, $3, $4, $5, $5)",
                        params![number, office.as_str(), csca.generation, &label, now],
                    )
                    .await?;
                    self.audit(tx, now, SYSTEM, "delegate-plan", &label, json!({})).await?;
                }
                let sql = "SELECT number FROM delegate \
                    WHERE office = $1 AND generation = $2 AND certificate IS NULL ORDER BY number";
                let rows = tx.all(sql, params![office.as_str(), csca.generation]).await?;
                rows.iter().map(|row| Ok::<_, DocSignerError>(row.read(0)?)).collect()
            })?;
            for number in open {
                self.finish_delegate(office, number, &csca, now, rng).await?;
            }
        }
        let sql = "SELECT key_label FROM delegate \
            WHERE certificate IS NOT NULL AND sign_until <= $1 AND key_destroyed_at IS NULL ORDER BY number";
        for row in self.db.all(sql, params![now]).await? {
            let mark =
                "UPDATE delegate SET key_destroyed_at = $2 WHERE key_label = $1 AND key_destroyed_at IS NULL";
            self.destroy_key(&row.read::<String>(0)?, mark, now).await?;
        }
        Ok(())
    }

    async fn finish_delegate(
        &self,
        office: Office,
        number: i64,
        csca: &crate::csca::Csca,
        now: Timestamp,
        rng: &mut (dyn Random + Send),
    ) -> Result<()> {
        let label = format!("{}-{number}", office.as_str());
        let csca_signer = self.csca_signer(csca)?;
        if self.stored(&TBS, number).await?.is_none() {
            let key = self.keys.generate(&label, self.config.signer_key, office.purpose())?;
            let (signs, valid) = self.config.delegate_periods(office, now)?;
            let tbs = office.profile(&Delegate {
                serial: Serial::random(rng),
                issuer: &Issuer::new(&csca.certificate, &csca_signer)?,
                subject: &self.config.delegate_name(office, number)?,
                validity: valid,
                private_key_usage: signs,
                spki: &key.spki,
                authority: &self.config.authority(csca.generation),
            })?;
            tbs.inspect()?;
            let until = Some(signs.not_after());
            self.keep_first(&TBS, number, tbs.tbs_der(), until, ("delegate-prepare", &label), now).await?;
        }
        let event = ("delegate-issue", label.as_str());
        self.certify(&TBS, &CERTIFICATE, number, office.kind(), &csca_signer, event, now).await?;
        Ok(())
    }
}

impl Delegated {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            number: row.read("number")?,
            label: row.read("key_label")?,
            certificate: Certificate::parse(&row.read::<Vec<u8>>("certificate")?)?,
        })
    }
}
