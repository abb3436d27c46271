//! Terminal certificates.

use curve::Hash;
use eac::cvc::{Body, Certificate, Chat, Extension, Extensions, PublicKey, Request, Role};
use jiff::Timestamp;
use serde_json::json;
use store::{params, transaction};

use crate::authority::{Authority, from_text, text};
use crate::config::{day, last_day};
use crate::{EacPki, EacPkiError, Result, Service, ServiceState};

/// A terminal certificate and what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalCertificate {
    /// The service.
    pub service: String,
    /// The certificate.
    pub certificate: Certificate,
}

/// A certificate that was prepared and perhaps not signed yet.
struct Prepared {
    body: Vec<u8>,
    certificate: Option<Vec<u8>>,
    authority: (Role, i64),
}

impl EacPki {
    pub(crate) async fn issue_terminal(
        &self,
        service: &str,
        request: &[u8],
        actor: &str,
        now: Timestamp,
    ) -> Result<Certificate> {
        let hash = Hash::Sha256.digest(request);
        let parsed = Request::parse(request)?;
        let reference = parsed.holder().to_string();
        let (service, state) = self.service(service).await?;
        let today = day(now)?;
        if state != ServiceState::Approved || service.until < today {
            return Err(EacPkiError::NotAuthorised);
        }
        let prepared = match self.prepared(&hash).await? {
            Some(prepared) => prepared,
            None => {
                let verifier = self.latest(service.verifier()).await?;
                let body = self.terminal_body(&service, &verifier, &parsed, now)?.encode();
                self.prepare(&service, &verifier, &parsed, (request, &hash), body, actor, now).await?
            }
        };
        if let Some(certificate) = prepared.certificate {
            return Ok(Certificate::parse(&certificate)?);
        }
        let (role, sequence) = prepared.authority;
        let label = self.authority(role, sequence).await?.label;
        let certificate = Body::parse(&prepared.body)?.issue(|message| self.sign(&label, message))?;
        transaction!(self.db, |tx| {
            let sql = "UPDATE terminal SET certificate = $2 WHERE reference = $1 AND certificate IS NULL";
            if tx.execute(sql, params![&reference, certificate.encode()]).await? == 1 {
                let detail =
                    json!({"service": &service.name, "until": certificate.body().expiration.to_string()});
                self.audit(tx, now, actor, "terminal-issue", &reference, detail).await?;
            }
            let sql = "SELECT certificate FROM terminal WHERE reference = $1";
            let first = tx.one(sql, params![&reference]).await?.read::<Vec<u8>>(0)?;
            Ok::<_, EacPkiError>(Certificate::parse(&first)?)
        })
    }

    async fn prepared(&self, request_hash: &[u8]) -> Result<Option<Prepared>> {
        let sql = "SELECT body, certificate, role, sequence FROM terminal WHERE request_hash = $1";
        let row = self.db.optional(sql, params![request_hash]).await?;
        row.map(|row| {
            Ok(Prepared {
                body: row.read("body")?,
                certificate: row.read("certificate")?,
                authority: (from_text(&row.read::<String>("role")?)?, row.read("sequence")?),
            })
        })
        .transpose()
    }

    /// Stores the bytes to be signed, if the request may be granted.
    #[expect(clippy::too_many_arguments, reason = "one row of the table, each column once")]
    async fn prepare(
        &self,
        service: &Service,
        verifier: &Authority,
        request: &Request,
        (raw, hash): (&[u8], &[u8]),
        body: Vec<u8>,
        actor: &str,
        now: Timestamp,
    ) -> Result<Prepared> {
        let today = day(now)?;
        let reference = request.holder().to_string();
        let key_hash = Hash::Sha256.digest(request.key().point().as_uncompressed());
        transaction!(self.db, |tx| {
            let sql = "SELECT count(*) FROM terminal WHERE reference = $1 OR key_hash = $2";
            if tx.one(sql, params![&reference, key_hash.clone()]).await?.read::<i64>(0)? > 0 {
                return Err(EacPkiError::Conflict);
            }
            let sql =
                "SELECT number, certificate FROM terminal WHERE service = $1 ORDER BY number DESC LIMIT 1";
            let last = tx.optional(sql, params![&service.name]).await?;
            let mut number = 1;
            if let Some(row) = last {
                number = row.read::<i64>("number")? + 1;
                if let Some(bytes) = row.read::<Option<Vec<u8>>>("certificate")? {
                    let present = Certificate::parse(&bytes)?;
                    // TR-03110-3 §C.2.3: who has a valid certificate authenticates the next request with it.
                    if present.body().expiration >= today {
                        let key = present.key(Some(self.config.curve))?;
                        let by = request.authenticated_by() == Some(&present.body().holder);
                        if !by || request.verify_authentication(&key).is_err() {
                            return Err(EacPkiError::NotAuthenticated);
                        }
                    }
                }
            }
            tx.execute_one(
                "INSERT INTO terminal (reference, service, number, request, request_hash, key_hash, role, \
                 sequence, body, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                params![
                    &reference,
                    &service.name,
                    number,
                    raw,
                    hash,
                    key_hash.clone(),
                    text(verifier.role),
                    verifier.sequence,
                    body.clone(),
                    now,
                ],
            )
            .await?;
            self.audit(tx, now, actor, "terminal-prepare", &reference, json!({"service": &service.name}))
                .await?;
            Ok(Prepared {
                body: body.clone(),
                certificate: None,
                authority: (verifier.role, verifier.sequence),
            })
        })
    }

    fn terminal_body(
        &self,
        service: &Service,
        verifier: &Authority,
        request: &Request,
        now: Timestamp,
    ) -> Result<Body> {
        let key = request.key();
        if key.curve() != self.config.curve || key.hash() != self.config.curve.hash() {
            return Err(EacPkiError::Refused("a key on another curve, or with another hash"));
        }
        if request.holder().country() != self.config.country {
            return Err(EacPkiError::Refused("a terminal of another country"));
        }
        let today = day(now)?;
        if self.limit(verifier)? < today {
            return Err(EacPkiError::VerifierExpired);
        }
        let mut extensions = vec![Extension::description(service.description_hash(key.hash()))];
        if !service.updates.is_empty() {
            extensions.push(Extension::updates(service.updates));
        }
        let mut sectors = service.sectors.iter().map(|sector| key.hash().digest(sector.raw()));
        if let Some(first) = sectors.next() {
            extensions.push(Extension::sectors(first, sectors.next()));
        }
        // EACPKI-05: short, and never longer than the approval or the verifier.
        let expiration =
            last_day(now, self.config.terminal_days)?.min(service.until).min(self.limit(verifier)?);
        Ok(Body {
            authority: verifier.said()?.holder.clone(),
            public_key: PublicKey::inheriting(key.point()),
            holder: request.holder().clone(),
            chat: Chat::authentication(Role::Terminal, service.rights),
            effective: today,
            expiration,
            extensions: Extensions::new(extensions)?,
        })
    }

    /// The newest certificate of every service, by the service's name.
    pub async fn terminals(&self) -> Result<Vec<TerminalCertificate>> {
        let sql = "SELECT t.service AS service, t.certificate AS certificate FROM terminal t \
            WHERE t.certificate IS NOT NULL AND t.number = (SELECT max(n.number) FROM terminal n \
            WHERE n.service = t.service AND n.certificate IS NOT NULL) ORDER BY t.service";
        let rows = self.db.all(sql, params![]).await?;
        rows.iter()
            .map(|row| {
                let certificate = Certificate::parse(&row.read::<Vec<u8>>("certificate")?)?;
                Ok(TerminalCertificate { service: row.read("service")?, certificate })
            })
            .collect()
    }

    /// How many terminal certificates a service has had.
    pub async fn issued(&self, service: &str) -> Result<i64> {
        let sql = "SELECT count(*) FROM terminal WHERE service = $1";
        Ok(self.db.one(sql, params![service]).await?.read(0)?)
    }
}
