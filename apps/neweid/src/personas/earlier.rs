//! The authorisation system as it was before the present CVCA: for a card that was issued then and has met no terminal since.

use crate::country::Country;
use crate::failure::{Failure, Fault};
use async_trait::async_trait;
use eac::cvc::{Certificate, TrustPoint};
use eacpki::{EacPki, Result, TerminalAuthorisation};
use jiff::Timestamp;
use std::sync::Arc;

/// The country's authorisation system with the trust point of then.
pub struct EarlierAuthorisation {
    present: Arc<EacPki>,
    trust_point: TrustPoint,
}

impl EarlierAuthorisation {
    /// Fails in a country whose first CVCA is still the present one.
    pub async fn of(country: &Country) -> std::result::Result<Self, Failure> {
        let present = country.eacpki.clone();
        let trust_point = present.earlier_trust_point().await.map_err(Failure::from_system)?;
        let trust_point = trust_point.ok_or_else(|| {
            Failure::new(
                "NEWEID-E-PERSONA-EARLIER-CVCA",
                Fault::Caller,
                "此目錄的國家只有一代 CVCA，沒有信任前一代的卡片。",
                "The country in this directory has had one CVCA only: no card can trust the one before.",
                "以新目錄重新建立 Create the country anew: neweid up --dir NEW",
            )
        })?;
        Ok(Self { present, trust_point })
    }
}

#[async_trait]
impl TerminalAuthorisation for EarlierAuthorisation {
    async fn trust_point(&self) -> Result<TrustPoint> {
        Ok(self.trust_point.clone())
    }

    async fn certificates(&self) -> Result<Vec<Certificate>> {
        self.present.certificates().await
    }

    async fn issue(&self, service: &str, request: &[u8], actor: &str, now: Timestamp) -> Result<Certificate> {
        self.present.issue(service, request, actor, now).await
    }
}
