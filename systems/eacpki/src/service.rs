//! Services: what was approved for whom, and until when.

use curve::Hash;
use eac::cvc::{CertificateDescription, Date, Rights, Role, UpdateRights};
use eac::restricted_identification::SectorKey;
use jiff::Timestamp;
use serde_json::json;
use store::{Row, params, transaction};

use crate::authority::bounds;
use crate::{EacPki, EacPkiError, Result};

/// A service of an agency with the rights that were approved for it (EACPKI-06).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name: lower-case letters, digits and hyphens.
    pub name: String,
    /// Whether its terminals are the government's: their certificates come from the official verifier and move the date of
    /// a card forward.
    pub official: bool,
    /// What its terminals may do.
    pub rights: Rights,
    /// Which fields they may write.
    pub updates: UpdateRights,
    /// What the holder is told before consenting.
    pub description: CertificateDescription,
    /// The public keys of the sectors in which its terminals may ask for the identifier of a card: none, one, or two while
    /// the service moves from one to the other. Who has the private half could connect sectors; it is not kept here.
    pub sectors: Vec<SectorKey>,
    /// Last day of the approval.
    pub until: Date,
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// Certificates are issued.
    Approved,
    /// None for now.
    Suspended,
    /// None any more.
    Revoked,
}

impl ServiceState {
    const ALL: [Self; 3] = [Self::Approved, Self::Suspended, Self::Revoked];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }
}

impl Service {
    pub(crate) const fn verifier(&self) -> Role {
        if self.official { Role::OfficialVerifier } else { Role::NonOfficialVerifier }
    }

    pub(crate) fn description_hash(&self, hash: Hash) -> Vec<u8> {
        self.description.hash(hash)
    }

    /// The public keys of its sectors, one after the other (data objects 7F49).
    pub fn sector_keys(&self) -> Vec<u8> {
        self.sectors.iter().flat_map(SectorKey::raw).copied().collect()
    }

    fn check(&self) -> Result<()> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=40).contains(&self.name.len()) || !self.name.bytes().all(plain) {
            return Err(EacPkiError::Refused("the name of a service"));
        }
        let (rights, updates) = bounds(self.verifier());
        if !rights.contains(self.rights) || !updates.contains(self.updates) {
            return Err(EacPkiError::Refused("rights that the verifier of this service cannot give"));
        }
        // TR-03110-3 §C.3.2: at most two; each a point of a curve that cards know, spelled out.
        let sound = self.sectors.len() <= 2 && self.sectors.iter().all(|key| key.point().is_ok());
        let entitled = self.sectors.is_empty() || self.rights.contains(Rights::RESTRICTED_IDENTIFICATION);
        if !sound || !entitled || matches!(self.sectors.as_slice(), [first, second] if first == second) {
            return Err(EacPkiError::Refused("the sectors of a service"));
        }
        // What people are shown must come back as it was written.
        let der = self.description.encode();
        if CertificateDescription::parse(&der).as_ref() != Ok(&self.description) {
            return Err(EacPkiError::Refused("the description of a service"));
        }
        Ok(())
    }

    fn read(row: &Row) -> Result<(Self, ServiceState)> {
        let state = row.read::<String>("state")?;
        let state = ServiceState::ALL.into_iter().find(|s| s.as_str() == state);
        let sectors = row.read::<Option<Vec<u8>>>("sectors")?.unwrap_or_default();
        let sectors = SectorKey::parse_all(&sectors);
        let sectors = sectors.map_err(|_| EacPkiError::Inconsistent("the sectors of a service"))?;
        let service = Self {
            name: row.read("name")?,
            official: row.read("official")?,
            rights: Rights::from_bits(row.read::<i64>("rights")?.cast_unsigned()),
            updates: UpdateRights::from_bits(row.read("updates")?),
            description: CertificateDescription::parse(&row.read::<Vec<u8>>("description")?)?,
            sectors,
            until: read_date(&row.read::<String>("until")?)?,
        };
        Ok((service, state.ok_or(EacPkiError::Inconsistent("the state of a service"))?))
    }
}

impl EacPki {
    /// Records that a service was approved. Again with the same content: nothing changes; with other content it is refused,
    /// since a change needs an approval of its own.
    pub async fn approve_service(&self, service: &Service, actor: &str, now: Timestamp) -> Result<()> {
        service.check()?;
        if !self.config.verifiers().contains(&service.verifier()) {
            return Err(EacPkiError::Refused("there is no verifier for this kind of service"));
        }
        transaction!(self.db, |tx| {
            if let Some(row) = tx.optional(SELECT, params![&service.name]).await? {
                let (present, _) = Service::read(&row)?;
                return if present == *service { Ok(()) } else { Err(EacPkiError::Conflict) };
            }
            tx.execute_one(
                "INSERT INTO service (name, official, rights, updates, description, until, state, approved_at, sectors) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                params![
                    &service.name,
                    service.official,
                    service.rights.bits().cast_signed(),
                    i64::from(service.updates.bits()),
                    service.description.encode(),
                    service.until.to_string(),
                    ServiceState::Approved.as_str(),
                    now,
                    service.sector_keys(),
                ],
            )
            .await?;
            let names: Vec<&str> = service.rights.names().chain(service.updates.names()).collect();
            let sectors = service.sectors.len();
            let detail = json!({"rights": names, "sectors": sectors, "until": service.until.to_string()});
            self.audit(tx, now, actor, "service-approve", &service.name, detail).await
        })
    }

    /// As [`Self::approve_service`], unless a service of this name was approved before, whatever became of it since.
    pub async fn ensure_service(&self, service: &Service, actor: &str, now: Timestamp) -> Result<()> {
        match self.service(&service.name).await {
            Ok(_) => Ok(()),
            Err(EacPkiError::NoSuchService(_)) => self.approve_service(service, actor, now).await,
            Err(error) => Err(error),
        }
    }

    /// Suspends, resumes or revokes a service. From then on its certificates are not renewed (EACPKI-24); a revoked one
    /// stays revoked.
    pub async fn set_service_state(
        &self,
        name: &str,
        state: ServiceState,
        actor: &str,
        now: Timestamp,
    ) -> Result<()> {
        transaction!(self.db, |tx| {
            let row = tx.optional(SELECT, params![name]).await?;
            let row = row.ok_or_else(|| EacPkiError::NoSuchService(name.to_owned()))?;
            let (_, present) = Service::read(&row)?;
            if present == state {
                return Ok(());
            }
            if present == ServiceState::Revoked {
                return Err(EacPkiError::NotAuthorised);
            }
            tx.execute_one("UPDATE service SET state = $2 WHERE name = $1", params![name, state.as_str()])
                .await?;
            self.audit(tx, now, actor, "service-state", name, json!({"state": state.as_str()})).await
        })
    }

    /// A service and where its approval stands (EACPKI-11).
    pub async fn service(&self, name: &str) -> Result<(Service, ServiceState)> {
        let row = self.db.optional(SELECT, params![name]).await?;
        Service::read(&row.ok_or_else(|| EacPkiError::NoSuchService(name.to_owned()))?)
    }
}

const SELECT: &str =
    "SELECT name, official, rights, updates, description, until, state, sectors FROM service WHERE name = $1";

fn read_date(text: &str) -> Result<Date> {
    const WRONG: EacPkiError = EacPkiError::Inconsistent("the end of an approval");
    let parts: Vec<u16> = text.split('-').map(|part| part.parse().unwrap_or(0)).collect();
    let &[year, month, day] = parts.as_slice() else { return Err(WRONG) };
    Date::new(year, month as u8, day as u8).map_err(|_| WRONG)
}
