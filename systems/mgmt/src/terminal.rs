//! Management as a terminal of the authorisation PKI: a certificate of the household offices' own (EACPKI-20), whose key lies
//! in a key store, with the right to manage PINs and to write the fields that may change, and with none to read.

use std::sync::Arc;

use curve::{Curve, Signature};
use eac::cvc::{
    Certificate, CertificateDescription, Date, Extensions, Reference, Request, Rights, UpdateRights,
};
use eacpki::{Service, TerminalAuthorisation};
use jiff::Timestamp;
use keys::{KeyKind, KeyStore, Purpose};
use store::{Db, params};
use terminal::eid::TerminalIdentity;
use x509::Signer;

use crate::MgmtError;
use crate::schema::MIGRATIONS;

/// The name under which the ministry approves the household offices as a terminal.
const SERVICE: &str = "household-office";
/// The offices in the references of their certificates.
const MNEMONIC: &str = "HHOFFICE";
/// For how many years the approval is asked.
const YEARS: u16 = 10;
/// Days of a certificate's life that are left when the next one is asked for.
const RENEW_BEFORE: i64 = 5;

/// The terminal of the household offices.
pub struct OfficeTerminal {
    db: Db,
    authorisation: Arc<dyn TerminalAuthorisation>,
    keys: Arc<dyn KeyStore>,
    country: String,
    curve: Curve,
    /// One renewal at a time; what another program began at the same time is found by asking again.
    renewing: tokio::sync::Mutex<()>,
}

impl OfficeTerminal {
    /// What the ministry has to approve before the offices can act: what they may do, and the words for the holder.
    pub fn service(now: Timestamp) -> Result<Service, MgmtError> {
        let today = day(now)?;
        Ok(Service {
            name: SERVICE.into(),
            official: true,
            rights: Rights::PIN_MANAGEMENT | Rights::CAN_ALLOWED,
            updates: UpdateRights::ALL,
            description: CertificateDescription {
                issuer_name: "測試用 New eID 授權驗證系統 (sample authorisation system)".into(),
                issuer_url: Some("https://eacpki.neweid.test".into()),
                subject_name: "測試用 戶政事務所 (sample household offices)".into(),
                subject_url: Some("https://office.neweid.test".into()),
                terms_of_usage: "設定與解鎖密碼、更新晶片可變更欄位；不讀取。Sets and unblocks PINs, writes the fields that may \
                    change; reads nothing."
                    .into(),
                ..CertificateDescription::default()
            },
            sectors: Vec::new(),
            until: Date::new(today.year() + YEARS, 1, 1).map_err(|_| MgmtError::Data("date"))?,
        })
    }

    /// Opens the terminal on the database of management. Its keys are made in `keys`, on the curve of the authorities.
    pub async fn open(
        db: Db,
        authorisation: Arc<dyn TerminalAuthorisation>,
        keys: Arc<dyn KeyStore>,
        config: &eacpki::Config,
    ) -> Result<Self, MgmtError> {
        db.migrate(MIGRATIONS).await?;
        Ok(Self {
            db,
            authorisation,
            keys,
            country: config.country.clone(),
            curve: config.curve,
            renewing: Default::default(),
        })
    }

    /// Certificates and signer, renewed where that is due. The order is that of every authority here: key, request, and only
    /// then the certificate, each stored before the next; what was interrupted ends with the same bytes.
    pub(crate) async fn identity(&self, now: Timestamp) -> Result<TerminalIdentity, MgmtError> {
        let _one = self.renewing.lock().await;
        let newest = self.newest().await?;
        let soon = day(now + jiff::SignedDuration::from_hours(24 * RENEW_BEFORE))?;
        let (number, certificate) = match newest {
            Some((number, certificate)) if certificate.body().expiration > soon => (number, certificate),
            newest => self.renew(newest, now).await?,
        };
        let mut certificates = self.authorisation.certificates().await?;
        certificates.push(certificate);
        TerminalIdentity::from_certificates(certificates, self.signer(number).await?)
            .map_err(|_| MgmtError::Data("the terminal's key"))
    }

    async fn newest(&self) -> Result<Option<(u32, Certificate)>, MgmtError> {
        let sql = "SELECT number, certificate FROM terminal WHERE certificate IS NOT NULL ORDER BY number DESC LIMIT 1";
        let Some(row) = self.db.optional(sql, params![]).await? else { return Ok(None) };
        let certificate = Certificate::parse(&row.read::<Vec<u8>>("certificate")?)
            .map_err(|_| MgmtError::Data("terminal certificate"))?;
        Ok(Some((row.read("number")?, certificate)))
    }

    async fn renew(
        &self,
        present: Option<(u32, Certificate)>,
        now: Timestamp,
    ) -> Result<(u32, Certificate), MgmtError> {
        let number = present.as_ref().map_or(0, |(number, _)| *number) + 1;
        let request = self.request(number, present).await?;
        self.db
            .execute(
                "INSERT INTO terminal (number, request) VALUES ($1, $2) ON CONFLICT (number) DO NOTHING",
                params![number, request],
            )
            .await?;
        let sql = "SELECT request FROM terminal WHERE number = $1";
        let first: Vec<u8> = self.db.one(sql, params![number]).await?.read("request")?;
        let certificate = match self.authorisation.issue(SERVICE, &first, ACTOR, now).await {
            // Another program asks for the same at this moment; the same request gets the same certificate.
            Err(eacpki::EacPkiError::Conflict) => {
                self.authorisation.issue(SERVICE, &first, ACTOR, now).await?
            }
            issued => issued?,
        };
        self.db
            .execute(
                "UPDATE terminal SET certificate = $2 WHERE number = $1",
                params![number, certificate.encode()],
            )
            .await?;
        Ok((number, certificate))
    }

    async fn request(&self, number: u32, present: Option<(u32, Certificate)>) -> Result<Vec<u8>, MgmtError> {
        let signer = self.signer(number).await?;
        let old = match present {
            Some((old, certificate)) => Some((certificate.body().holder.clone(), self.signer(old).await?)),
            None => None,
        };
        let name = Reference::new(&self.country, MNEMONIC, &format!("{number:05}"));
        let name = name.map_err(|_| MgmtError::Data("terminal reference"))?;
        tokio::task::spawn_blocking(move || {
            let point = curve::point_from_spki(signer.spki()).map_err(|_| KEY)?;
            let by = |signer: Arc<dyn Signer>| move |message: &[u8]| sign(&*signer, message);
            let request =
                Request::create::<RequestError>(None, name, &point, Extensions::default(), by(signer));
            let mut request = request.map_err(|_| KEY)?;
            if let Some((holder, old)) = old {
                request = request.authenticate::<RequestError>(holder, by(old)).map_err(|_| KEY)?;
            }
            Ok(request.encode())
        })
        .await
        .map_err(|_| KEY)?
    }

    async fn signer(&self, number: u32) -> Result<Arc<dyn Signer>, MgmtError> {
        let (keys, kind) = (self.keys.clone(), KeyKind::Ec(self.curve));
        tokio::task::spawn_blocking(move || {
            let label = format!("terminal-{number}");
            keys.generate(&label, kind, Purpose::Terminal)?;
            Ok(keys.signer(&label, Purpose::Terminal)?)
        })
        .await
        .map_err(|_| KEY)?
    }
}

impl std::fmt::Debug for OfficeTerminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OfficeTerminal(..)")
    }
}

/// Why a request could not be made.
struct RequestError;

impl From<eac::cvc::CvcError> for RequestError {
    fn from(_: eac::cvc::CvcError) -> Self {
        Self
    }
}

fn sign(signer: &dyn Signer, message: &[u8]) -> Result<Signature, RequestError> {
    let curve = curve::point_from_spki(signer.spki()).map_err(|_| RequestError)?.curve();
    let der = signer.sign(message).map_err(|_| RequestError)?;
    Signature::from_der(curve, &der).map_err(|_| RequestError)
}

fn day(t: Timestamp) -> Result<Date, MgmtError> {
    let date = jiff::tz::Offset::UTC.to_datetime(t).date();
    Date::new(date.year().unsigned_abs(), date.month().unsigned_abs(), date.day().unsigned_abs())
        .map_err(|_| MgmtError::Data("date"))
}

const KEY: MgmtError = MgmtError::Data("the terminal's key");
const ACTOR: &str = "household-office";
