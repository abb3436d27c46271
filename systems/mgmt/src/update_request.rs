//! Who asked for an update of a chip, and which clerk verified that (UPDATE-04, UPDATE-08, UPDATE-09): a document that the
//! clerk signs with the own natural-person certificate before anything happens, and that is kept with the update.
//!
//! The clerk's certificate is registered once, with the office. A request names the card, the occasion, in which capacity
//! somebody asked and what papers the clerk has seen; no person. It is good for the day's work, and for one update.

use jiff::{SignedDuration, Timestamp};
use model::{CardSerial, CertificateState, OfficeCode, RocDate};
use registry::Person;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::params;
use uuid::Uuid;
use x509::Certificate;
use x509::cms::SignedData;
use x509::path::{self, Options, Purpose, Revocation};

use crate::books::{log, parse, stamp};
use crate::outings::OnOuting;
use crate::service::Mgmt;
use crate::updates::request_detail;
use crate::{MgmtError, Refusal};

/// How long after the clerk verified the papers an update may begin.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(8);
/// By how much a clerk's clock may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// From this age a person asks in person (UPDATE-04).
const OF_AGE: i16 = 14;
/// What a request says it is, so that no other document of a clerk is ever taken for one.
const KIND: &str = "new-eid-chip-update-request";

/// Declares an enum of words as they stand in a request.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for it in requests and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| {
                    Self::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", ")
                })
            }
        }
    };
}

words! {
    /// Why the content of a chip changes (UPDATE-01).
    Occasion {
        /// 戶籍登記
        Registration = "registration",
        /// 行政區域調整
        Area = "area",
        /// 門牌整編
        Renumbering = "renumbering",
        /// 縣(市)改制
        CountyStatus = "county-status",
        /// 役別變更
        MilitaryService = "military-service",
    }
}

words! {
    /// In which capacity somebody asks (UPDATE-04).
    Applicant {
        /// 本人
        Holder = "holder",
        /// 法定代理人
        LegalRepresentative = "legal-representative",
        /// 受委託人
        Delegate = "delegate",
        /// 戶長或戶內人口
        HouseholdMember = "household-member",
    }
}

words! {
    /// What the clerk has seen.
    Document {
        /// 當事人國民身分證: the card itself.
        Card = "card",
        /// 法定代理人身分證明文件
        RepresentativeId = "representative-id",
        /// 受委託人身分證明文件
        DelegateId = "delegate-id",
        /// 委託書
        Proxy = "proxy",
        /// 戶長或戶內人口身分證明文件
        MemberId = "member-id",
    }
}

/// A request, as it is before the clerk has signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateRequest {
    document: String,
    /// Its number, a UUID.
    pub request: String,
    /// The card.
    pub card: CardSerial,
    /// The office.
    pub office: OfficeCode,
    /// The clerk's account.
    pub clerk: String,
    /// Why.
    pub occasion: Occasion,
    /// Who asked, in which capacity.
    pub applicant: Applicant,
    /// What the clerk has seen.
    pub documents: Vec<Document>,
    /// When the clerk verified who it was.
    pub at: Timestamp,
    /// On which outing, if not at the counter (UPDATE-11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<OnOuting>,
}

/// A request with the clerk's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// The request, byte for byte as it was signed.
    pub content: Vec<u8>,
    /// Detached CMS SignedData with the clerk's certificate inside.
    pub signature: Vec<u8>,
}

/// A clerk whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clerk {
    /// The account.
    pub account: String,
    /// The office.
    pub office: OfficeCode,
    /// The natural-person certificate, DER.
    pub certificate: Vec<u8>,
}

impl UpdateRequest {
    /// The document that the clerk signs.
    pub fn to_json(&self) -> Vec<u8> {
        // Words, numbers and times: nothing in it can fail to serialise.
        let mut text = serde_json::to_vec_pretty(self).expect("a request serialises");
        text.push(b'\n');
        text
    }

    /// Reads a request.
    pub fn from_json(json: &[u8]) -> Result<Self, Refusal> {
        let request: Self = serde_json::from_slice(json).map_err(|_| Refusal::UpdateRequestMalformed)?;
        let numbered = Uuid::parse_str(&request.request).is_ok_and(|id| id.to_string() == request.request);
        if request.document == KIND && numbered { Ok(request) } else { Err(Refusal::UpdateRequestMalformed) }
    }

    /// Whether the papers are those that somebody in this capacity needs for this person on this occasion.
    // UPDATE-04, UPDATE-09; OPEN-22: an update may be delegated.
    fn check(&self, person: &Person, today: RocDate) -> Result<(), Refusal> {
        let minor = person.age_on(today) < OF_AGE;
        let seen = |needed: &[Document]| needed.iter().all(|document| self.documents.contains(document));
        let papers = match self.applicant {
            Applicant::Holder if minor => return Err(Refusal::RepresentativeNeeded),
            Applicant::Holder => seen(&[Document::Card]),
            Applicant::LegalRepresentative if minor => seen(&[Document::Card, Document::RepresentativeId]),
            Applicant::LegalRepresentative => return Err(Refusal::ApplicantNotEntitled),
            Applicant::Delegate => seen(&[Document::Card, Document::DelegateId, Document::Proxy]),
            Applicant::HouseholdMember => match self.occasion {
                Occasion::Area | Occasion::Renumbering | Occasion::CountyStatus => {
                    seen(&[Document::Card, Document::MemberId])
                }
                Occasion::Registration | Occasion::MilitaryService => {
                    return Err(Refusal::ApplicantNotEntitled);
                }
            },
        };
        if papers { Ok(()) } else { Err(Refusal::IdentityNotVerified) }
    }
}

impl Mgmt {
    /// Registers a clerk by the certificate that the own requests are signed with. Again for another certificate or office.
    pub async fn appoint_clerk(
        &self,
        account: &str,
        office: OfficeCode,
        certificate: &[u8],
        by: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        registry::office(office).ok_or(Refusal::OfficeUnknown)?;
        let parsed = Certificate::parse(certificate).map_err(|_| Refusal::ClerkCertificate)?;
        self.check_clerk_certificate(&parsed, now).await?;
        store::transaction!(self.db, |tx| {
            tx.execute(
                "INSERT INTO clerk (account, office, certificate) VALUES ($1, $2, $3) \
                 ON CONFLICT (account) DO UPDATE SET office = $2, certificate = $3",
                params![account, office.as_str(), certificate],
            )
            .await?;
            let detail = json!({ "office": office.as_str(), "certificate": hex(&parsed.fingerprint()) });
            log(tx, &stamp(now, by), "clerk-appoint", account, detail).await
        })
    }

    /// Forgets a clerk: nothing the clerk signs counts from now on.
    pub async fn dismiss_clerk(&self, account: &str, by: &str, now: Timestamp) -> Result<(), MgmtError> {
        store::transaction!(self.db, |tx| {
            let gone = tx.execute("DELETE FROM clerk WHERE account = $1", params![account]).await?;
            if gone == 0 {
                return Err(Refusal::ClerkUnknown.into());
            }
            log(tx, &stamp(now, by), "clerk-dismiss", account, json!({})).await
        })
    }

    /// The clerks, by account.
    pub async fn clerks(&self) -> Result<Vec<Clerk>, MgmtError> {
        let sql = "SELECT account, office, certificate FROM clerk ORDER BY account";
        self.db.all(sql, params![]).await?.iter().map(clerk).collect()
    }

    /// Makes the document that a clerk signs after having verified who asks. Refused where the papers do not suffice.
    pub async fn request_update(
        &self,
        card: CardSerial,
        account: &str,
        occasion: Occasion,
        applicant: Applicant,
        documents: &[Document],
        now: Timestamp,
    ) -> Result<UpdateRequest, MgmtError> {
        let office = self.clerk(account).await?.office;
        let mut documents = documents.to_vec();
        documents.sort_by_key(|document| document.as_str());
        documents.dedup();
        let request = UpdateRequest {
            document: KIND.into(),
            request: store::new_id(now, &mut self.random()).to_string(),
            card,
            office,
            clerk: account.into(),
            occasion,
            applicant,
            documents,
            at: now,
            on: None,
        };
        request.check(&self.registered_holder(card).await?, RocDate::in_taipei(now))?;
        Ok(request)
    }

    /// Verifies and keeps a signed request; from then on the procedure may begin. The same request again goes on with what was
    /// interrupted, until an update was written by it.
    pub(crate) async fn take_request(
        &self,
        signed: &SignedRequest,
        now: Timestamp,
    ) -> Result<UpdateRequest, MgmtError> {
        let request = UpdateRequest::from_json(&signed.content)?;
        if request.at > now + AHEAD || now > request.at + GOOD_FOR {
            return Err(Refusal::UpdateRequestStale.into());
        }
        let clerk = self.clerk(&request.clerk).await?;
        let signer = signer_of(signed).ok_or(Refusal::UpdateRequestSignature)?;
        if signer.der() != clerk.certificate || clerk.office != request.office {
            return Err(Refusal::UpdateRequestSignature.into());
        }
        self.check_clerk_certificate(&signer, now).await?;
        request.check(&self.registered_holder(request.card).await?, RocDate::in_taipei(now))?;
        self.check_outing(&request, now).await?;
        let id = &request.request;
        store::transaction!(self.db, |tx| {
            let sql = "SELECT content FROM update_request WHERE request = $1";
            if let Some(row) = tx.optional(sql, params![id]).await? {
                let sql = "SELECT COUNT(*) FROM card_update WHERE request = $1 AND result = 'written'";
                let written = tx.one(sql, params![id]).await?.read::<i64>(0)? > 0;
                let same = row.read::<Vec<u8>>("content")? == signed.content;
                return if same && !written { Ok(()) } else { Err(Refusal::UpdateRequestUsed.into()) };
            }
            tx.execute_one(
                "INSERT INTO update_request (request, serial, content, signature, at, outing) VALUES ($1, $2, $3, $4, $5, $6)",
                params![
                    id,
                    request.card.as_str(),
                    &signed.content,
                    &signed.signature,
                    now,
                    request.on.as_ref().map(|on| on.outing as i64)
                ],
            )
            .await?;
            let detail = request_detail(&request, signed);
            let by = stamp(now, &request.clerk);
            log(tx, &by, "card-update-request", request.card.as_str(), detail).await
        })?;
        Ok(request)
    }

    /// The kept request with this number.
    pub(crate) async fn kept_request(&self, request: &str) -> Result<Option<SignedRequest>, MgmtError> {
        let sql = "SELECT content, signature FROM update_request WHERE request = $1";
        let row = self.db.optional(sql, params![request]).await?;
        row.map(|row| Ok(SignedRequest { content: row.read("content")?, signature: row.read("signature")? }))
            .transpose()
    }

    /// Whether a signed request is what a certificate of the country has signed. Later, when the certificate may have ended or
    /// been revoked, what counts is the time of the request.
    pub(crate) fn verify_request(&self, signed: &SignedRequest) -> Option<UpdateRequest> {
        let request = UpdateRequest::from_json(&signed.content).ok()?;
        self.is_of_country(&signer_of(signed)?, request.at).then_some(request)
    }

    pub(crate) async fn clerk(&self, account: &str) -> Result<Clerk, MgmtError> {
        let sql = "SELECT account, office, certificate FROM clerk WHERE account = $1";
        let row = self.db.optional(sql, params![account]).await?.ok_or(Refusal::ClerkUnknown)?;
        clerk(&row)
    }

    async fn registered_holder(&self, card: CardSerial) -> Result<Person, MgmtError> {
        let (_, id) = self.holder_of(card).await?;
        Ok(self.register.person(&id).await?.ok_or(Refusal::PersonUnknown)?)
    }

    /// Whether the certificate is a good one of this country now.
    async fn check_clerk_certificate(
        &self,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let serial = certificate.serial().map_err(|_| Refusal::ClerkCertificate)?;
        let state = self.certificates.status(&serial, now).await?;
        if self.is_of_country(certificate, now) && state == Some(CertificateState::Good) {
            Ok(())
        } else {
            Err(Refusal::ClerkCertificate.into())
        }
    }

    fn is_of_country(&self, certificate: &Certificate, at: Timestamp) -> bool {
        let parsed = [&self.chain.root, &self.chain.intermediate].map(|der| Certificate::parse(der));
        let [Ok(root), Ok(intermediate)] = parsed else { return false };
        let options = Options::at(at).purpose(Purpose::DigitalSignature).crls(&[], Revocation::Unchecked);
        path::validate(certificate, &[intermediate], &[root], &options).is_ok()
    }
}

/// Whose signature it is, if it is good.
fn signer_of(signed: &SignedRequest) -> Option<Certificate> {
    let cms = SignedData::parse(&signed.signature).ok()?;
    cms.verify_detached(&signed.content).ok().cloned()
}

fn clerk(row: &store::Row) -> Result<Clerk, MgmtError> {
    Ok(Clerk {
        account: row.read("account")?,
        office: parse(row, "office")?,
        certificate: row.read("certificate")?,
    })
}

/// SHA-256 in hexadecimal, as the audit log names what is kept beside it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&curve::Hash::Sha256.digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
