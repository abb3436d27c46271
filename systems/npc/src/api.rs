//! What other systems ask of the CA.

use async_trait::async_trait;
use jiff::Timestamp;
use model::validity::{self, Validity};
use model::{CardSerial, CertificateState, KeySlot, RevocationReason, RocDate, SuspensionCause};
use uuid::Uuid;
use x509::Serial;

use crate::{NpcError, Result};

/// The CA as the management system sees it.
#[async_trait]
pub trait CertificateAuthority: Send + Sync {
    /// The holder number of a person: 16 digits, always the same for the same `person`, a keyed hash that only the caller
    /// can compute. Stands in all certificates of the person instead of the identification number.
    async fn holder_number(&self, person: &[u8; 32], now: Timestamp) -> Result<String>;

    /// Issues the certificate of one slot of a card. The same request gives the same certificate, however often it is sent;
    /// so does the same content under another request number.
    async fn issue(&self, request: &IssueRequest, now: Timestamp) -> Result<IssuedCertificate>;

    /// Issues several certificates, those of a card or of many cards, and gives one answer for each request in their order.
    /// Every request is one of its own, as if it had been sent alone after those before it: what is wrong with one says nothing
    /// about the others. Several sent together share their commits and are answered sooner than one after the other.
    async fn issue_many(&self, requests: &[IssueRequest], now: Timestamp) -> Vec<Result<IssuedCertificate>> {
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            answers.push(self.issue(request, now).await);
        }
        answers
    }

    /// What [`Self::issue_many`] would answer these requests at this moment, each knowing those before it. Nothing is stored: it is
    /// for whoever wants all of them or none. A request that was granted before is granted again.
    async fn check_many(&self, requests: &[IssueRequest], now: Timestamp) -> Vec<Result<()>>;

    /// Suspends (停用) all certificates of a card for one cause. Causes add up; the same cause twice changes nothing, nor does
    /// suspending what is revoked.
    async fn suspend(
        &self,
        card: CardSerial,
        cause: SuspensionCause,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt>;

    /// Ends one cause of suspension (復用). Certificates with another cause stay suspended (LOSS-10). Refused if all
    /// certificates of the card are revoked.
    async fn resume(
        &self,
        card: CardSerial,
        cause: SuspensionCause,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt>;

    /// Revokes (廢止) all certificates of a card, for good. The first reason stays.
    async fn revoke(
        &self,
        card: CardSerial,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt>;

    /// Revokes one certificate, for good; the others of its card stay as they are. The first reason stays.
    async fn revoke_certificate(
        &self,
        serial: &Serial,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt>;

    /// All certificates issued for a card, by slot.
    async fn certificates_of(&self, card: CardSerial, now: Timestamp) -> Result<Vec<IssuedCertificate>>;

    /// Publishes the certificates of a card in the repository, or takes them out (NPC-50). Holds for later ones too.
    async fn publish(
        &self,
        card: CardSerial,
        published: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt>;

    /// Whether the certificates of a card are published.
    async fn is_published(&self, card: CardSerial) -> Result<bool>;

    /// The certificate with this serial number; `None` if it was never issued.
    async fn certificate(&self, serial: &Serial, now: Timestamp) -> Result<Option<IssuedCertificate>>;

    /// The state of one certificate; `None` if it was never issued.
    async fn status(&self, serial: &Serial, now: Timestamp) -> Result<Option<CertificateState>>;

    /// Writes down, once and for all, that a virtual smart card (NPC-63) rests on a card of the same holder, before its certificates
    /// are asked for. Gives the last day that these may have. Refused unless that card signs and is in force.
    async fn rest_on(
        &self,
        device: CardSerial,
        primary: CardSerial,
        holder_no: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<RocDate>;

    /// Whether the issuing of certificates is stopped, by one person in an incident (NPC-55). Whoever takes applications for
    /// them asks this first.
    async fn issuing_is_stopped(&self) -> Result<bool>;

    /// What the carrier of certificates costs in new Taiwan dollars, by the policy in force. A certificate costs nothing (NPC-12).
    async fn carrier_fee(&self, carrier: Carrier) -> Result<u32>;

    /// The certificate of the generation that issued this one, and that of its root; DER. What a card carries beside its
    /// own. `None` if it was not issued here.
    async fn chain_of(&self, certificate: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>>;
}

/// A request for one certificate. Has no `Debug`: it names a person.
#[derive(Clone, PartialEq, Eq)]
pub struct IssueRequest {
    /// The caller's number of this request; sending it again is harmless.
    pub request_id: Uuid,
    /// What the card is.
    pub carrier: Carrier,
    /// The card.
    pub card: CardSerial,
    /// The model of its chip, as the register of chip types names it (`NE-0144`), if it is known: an incident may concern
    /// the certificates of one model. Where it is not, that of the card's other certificates counts.
    pub chip_model: Option<String>,
    /// Which of its keys.
    pub slot: KeySlot,
    /// The request that the card's key has signed, DER: PKCS #10 (RFC 2986) or CertReqMsg (RFC 4211).
    pub csr: Vec<u8>,
    /// The holder's name, Chinese or English (NPC-15).
    pub subject_name: String,
    /// The last four characters of the identification number (NPC-15).
    pub id_tail: String,
    /// The holder number, from [`CertificateAuthority::holder_number`].
    pub holder_no: String,
    /// The date of issue of the card.
    pub issue_date: RocDate,
    /// Its date of renewal, if it has one.
    pub renewal_date: Option<RocDate>,
    /// The first certificate or its reissue.
    pub period: Period,
}

/// What carries a certificate. A person may have several at a time, each with a life of its own (NPC-02, NPC-03, OPEN-60).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Carrier {
    /// New eID.
    NewEid,
    /// The card that carries certificates and nothing else (自然人憑證 IC 卡).
    CertificateCard,
    /// The same for a foreign resident (外來人口自然人憑證, NPC-34): the tail is that of the residence permit's number.
    ForeignResidentCard,
    /// What a device holds instead of a card, because it can read none (自然人憑證虛擬智慧卡, NPC-63). It rests on one of the other
    /// carriers, whose state it follows (LOSS-07).
    VirtualSmartCard,
}

impl Carrier {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::NewEid, Self::CertificateCard, Self::ForeignResidentCard, Self::VirtualSmartCard];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewEid => "new-eid",
            Self::CertificateCard => "certificate-card",
            Self::ForeignResidentCard => "foreign-resident-card",
            Self::VirtualSmartCard => "virtual-smart-card",
        }
    }

    /// HolderRank (正附卡別, NPC-17) of its certificates: a virtual smart card is the secondary one under its card (MOBILE-16);
    /// where nothing is said, it is the primary.
    pub const fn holder_rank(self) -> Option<&'static str> {
        match self {
            Self::VirtualSmartCard => Some("secondary"),
            Self::NewEid | Self::CertificateCard | Self::ForeignResidentCard => None,
        }
    }

    /// The carrier with this text form.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|carrier| carrier.as_str() == name)
    }
}

/// Which of the two periods of a card a certificate is for (NPC-22 to NPC-26).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From the day of issue, five years.
    First,
    /// The one reissue, made on this day.
    Reissue {
        /// The day, in Taipei.
        day: RocDate,
    },
}

impl IssueRequest {
    /// The period the certificate will have.
    pub fn validity(&self) -> Result<Validity> {
        let validity = match self.period {
            Period::First => validity::first_certificate(self.issue_date, self.renewal_date),
            Period::Reissue { day } => {
                validity::reissued_certificate(self.issue_date, self.renewal_date, day)
            }
        };
        validity.ok_or(NpcError::NoPeriod)
    }
}

/// A certificate of a card.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// Its serial number.
    pub serial: Serial,
    /// The card.
    pub card: CardSerial,
    /// Which of its keys.
    pub slot: KeySlot,
    /// The holder number.
    pub holder_no: String,
    /// The certificate.
    pub der: Vec<u8>,
    /// From when to when.
    pub validity: Validity,
    /// Its state.
    pub state: CertificateState,
}

/// The answer to a change of state (NPC-54).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The receipt number: `NPC-` and the number of the audit entry.
    pub number: String,
    /// The certificates whose state changed; none if it was so already.
    pub changed: Vec<Serial>,
}
