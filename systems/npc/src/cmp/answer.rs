//! What each kind of message leads to.

use curve::Hash;
use jiff::Timestamp;
use model::{CertificateState, RevocationReason, SuspensionCause};
use tlv::{encode, encode_oid, oid};
use x509::cmp::{
    CertificateReply, CertificateRequest, Confirmation, FailureInfo, General, Message, ReplyBody,
    RevocationRequest, Status, body_tag,
};
use x509::crl::Reason;
use x509::csr::Csr;
use x509::{Certificate, Serial};

use super::enrolment::RegistrationAuthority;
use super::transaction::{Issued, Keep, actor};
use super::{Answer, Refused};
use crate::status::Which;
use crate::{CertificateAuthority, IssueRequest, Npc, NpcError, Period, Scope};

impl Npc {
    /// ir, cr, kur: one CertReqMsg.
    pub(super) async fn certify_request(
        &self,
        ra: &RegistrationAuthority,
        message: &Message,
        asked: &CertificateRequest,
        now: Timestamp,
    ) -> Result<Answer, Refused> {
        let (Some(subject), Some(spki)) = (&asked.subject, &asked.spki) else {
            return Err(Refused::new(FailureInfo::BadCertTemplate, "the template names subject and key"));
        };
        let request = self.enrolment_of(ra, subject, spki, asked.der().to_vec()).await?;
        // A key update is the reissue of the certificate it names, and nothing else is.
        match (message.tag == body_tag::KUR, request.period) {
            (true, Period::Reissue { .. }) => self.replaces(asked, &request).await?,
            (false, Period::First) => {}
            _ => {
                return Err(Refused::new(FailureInfo::BadRequest, "a reissue is a kur, and a kur a reissue"));
            }
        }
        self.certify(ra, message, Some(asked.id), &request, now).await
    }

    /// p10cr: one PKCS #10 request, as the card has made it.
    pub(super) async fn certify_pkcs10(
        &self,
        ra: &RegistrationAuthority,
        message: &Message,
        der: &[u8],
        now: Timestamp,
    ) -> Result<Answer, Refused> {
        let csr = Csr::parse(der).map_err(NpcError::Csr)?;
        let request = self.enrolment_of(ra, csr.subject(), csr.spki(), der.to_vec()).await?;
        self.certify(ra, message, None, &request, now).await
    }

    async fn certify(
        &self,
        ra: &RegistrationAuthority,
        message: &Message,
        id: Option<u32>,
        request: &IssueRequest,
        now: Timestamp,
    ) -> Result<Answer, Refused> {
        let issued = self.issue(request, now).await?;
        let status = match &issued.state {
            CertificateState::Revoked { .. } => {
                return Err(NpcError::Revoked(issued.card.as_str().to_owned()).into());
            }
            CertificateState::Suspended { .. } => {
                let held = "the certificate is on hold, as others of its card are";
                Status::GrantedWithMods(held.to_owned())
            }
            _ => Status::Accepted,
        };
        let implicit_confirm = message.header.implicit_confirm;
        let certificate = Certificate::parse(&issued.der).map_err(NpcError::X509)?;
        let ca_certificates = match message.tag {
            body_tag::IR => vec![self.ca_certificates().root.der().to_vec()],
            _ => Vec::new(),
        };
        let reply = CertificateReply { id, status, certificate: Some(issued.der) };
        Ok(Answer {
            body: ReplyBody::Certificates { request: message.tag, ca_certificates, replies: vec![reply] },
            implicit_confirm,
            keep: Some(Keep {
                ra: ra.name.clone(),
                issued: Some(Issued {
                    certificate,
                    request: request.request_id,
                    card: issued.card,
                    slot: issued.slot,
                    asked: id,
                    waits: !implicit_confirm,
                }),
            }),
        })
    }

    /// oldCertID names a certificate of the same card.
    async fn replaces(&self, asked: &CertificateRequest, request: &IssueRequest) -> Result<(), Refused> {
        let Some((issuer, serial)) = &asked.old_certificate else {
            return Err(Refused::new(FailureInfo::BadCertTemplate, "a kur names the old certificate"));
        };
        self.own(issuer)?;
        let sql = "SELECT 1 FROM certificate WHERE serial = $1 AND card = $2 AND der IS NOT NULL";
        let found = self.db.optional(sql, store::params![serial.octets(), request.card.as_str()]).await;
        match found.map_err(NpcError::from)? {
            Some(_) => Ok(()),
            None => Err(Refused::new(FailureInfo::BadCertId, "the old certificate is not of this card")),
        }
    }

    fn own(&self, issuer: &[u8]) -> Result<(), Refused> {
        if x509::name::same(issuer, self.authority().issuing.ca.issuer.name().der()) {
            Ok(())
        } else {
            Err(Refused::new(FailureInfo::WrongAuthority, "a certificate of another issuer"))
        }
    }

    /// certConf
    pub(super) async fn confirmed(
        &self,
        ra: &RegistrationAuthority,
        message: &Message,
        confirmations: &[Confirmation],
        now: Timestamp,
    ) -> Result<Answer, Refused> {
        let awaited = self.awaited(ra, message).await?;
        let serial = awaited.serial;
        // RFC 9810 §5.3.18: a confirmation without entries refuses all.
        let accepted = match confirmations {
            [] => false,
            [confirmation] => {
                // RFC 9810 §5.3.18: certReqId matches the confirmation to its request.
                if !awaited.is_named(confirmation.id) {
                    return Err(Refused::new(FailureInfo::BadCertId, "certReqId is of another request"));
                }
                let sql = "SELECT der FROM certificate WHERE serial = $1";
                let row = self.db.one(sql, store::params![serial.octets()]).await.map_err(NpcError::from)?;
                let der: Vec<u8> = row.read(0).map_err(NpcError::from)?;
                let certificate = Certificate::parse(&der).map_err(NpcError::X509)?;
                let signed_with = certificate.signature_algorithm().map_or(Hash::Sha256, |a| a.hash());
                let hash = confirmation.algorithm.unwrap_or(signed_with);
                if confirmation.hash != hash.digest(&der) {
                    return Err(Refused::new(FailureInfo::BadCertId, "certHash is of another certificate"));
                }
                confirmation.accepted
            }
            _ => return Err(Refused::new(FailureInfo::BadRequest, "one certificate for each message")),
        };
        // RFC 9810 §5.3.18: what was taken back meanwhile is confirmed to nobody as good.
        if accepted {
            self.expect_not_revoked(&serial, now).await?;
        }
        let settled = self.settle(ra, message, (!accepted).then_some(&serial), now).await?;
        if !settled && accepted {
            self.expect_not_revoked(&serial, now).await?;
        }
        // One that was confirmed before is taken back by an rr alone; whoever refuses it is not to believe that it is gone.
        let state = if accepted { None } else { self.status(&serial, now).await? };
        if state.is_some_and(|state| !matches!(state, CertificateState::Revoked { .. })) {
            return Err(Refused::new(FailureInfo::CertConfirmed, "the certificate is confirmed already"));
        }
        Ok(ReplyBody::Confirmed.into())
    }

    async fn expect_not_revoked(&self, serial: &Serial, now: Timestamp) -> Result<(), Refused> {
        let not_revoked = |state: &CertificateState| !matches!(state, CertificateState::Revoked { .. });
        self.expect(serial, now, not_revoked).await
    }

    /// rr: each certificate by itself, and only what the registration authority has enrolled.
    pub(super) async fn revocations(
        &self,
        ra: &RegistrationAuthority,
        message: &Message,
        requests: &[RevocationRequest],
        now: Timestamp,
    ) -> Result<Answer, Refused> {
        let mut statuses = Vec::with_capacity(requests.len());
        for request in requests {
            statuses.push(match self.change_one(ra, request, now).await {
                Ok(status) => status,
                // Nothing of the answer counts if the system cannot answer: it is asked again.
                Err(refused @ Refused(FailureInfo::SystemUnavail | FailureInfo::SystemFailure, _)) => {
                    return Err(refused);
                }
                Err(Refused(failure, text)) => Status::Rejected(failure, text),
            });
        }
        debug_assert_eq!(message.tag, body_tag::RR);
        Ok(Answer {
            body: ReplyBody::Revocations(statuses),
            implicit_confirm: false,
            keep: Some(Keep { ra: ra.name.clone(), issued: None }),
        })
    }

    async fn change_one(
        &self,
        ra: &RegistrationAuthority,
        request: &RevocationRequest,
        now: Timestamp,
    ) -> Result<Status, Refused> {
        self.own(&request.issuer)?;
        self.enrolled_by(ra, &request.serial).await?;
        let cause = SuspensionCause::RegistrationAuthority;
        let which = Which::One(request.serial);
        let by = actor(&ra.name);
        let reason = match request.reason.unwrap_or(Reason::Unspecified) {
            // RFC 5280 §5.3.1: on hold and off it again.
            Reason::CertificateHold => {
                self.suspend_which(which, cause, &by, now).await?;
                let held = |state: &CertificateState| matches!(state, CertificateState::Suspended { .. });
                self.expect(&request.serial, now, held).await?;
                return Ok(Status::Accepted);
            }
            Reason::RemoveFromCrl => {
                self.resume_which(which, cause, &by, now).await?;
                // What others have suspended stays so, and whoever asked hears it (LOSS-10).
                let other = "the certificate stays suspended for causes that are not yours to end";
                return Ok(match self.status(&request.serial, now).await? {
                    Some(CertificateState::Suspended { .. }) => Status::GrantedWithMods(other.to_owned()),
                    _ => Status::Accepted,
                });
            }
            Reason::Unspecified => RevocationReason::Unspecified,
            Reason::KeyCompromise => RevocationReason::KeyCompromise,
            Reason::AffiliationChanged => RevocationReason::AffiliationChanged,
            Reason::Superseded => RevocationReason::Superseded,
            Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
            Reason::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
            // That the CA's own key is known to others is not for a registration authority to say.
            _ => return Err(Refused::new(FailureInfo::NotAuthorized, "this reason is not yours to give")),
        };
        self.revoke_which(which, reason, &by, now).await?;
        self.expect(
            &request.serial,
            now,
            |state| matches!(state, CertificateState::Revoked { reason: first, .. } if *first == reason),
        )
        .await?;
        Ok(Status::Accepted)
    }

    /// The state is the one that was asked for; a revocation for another reason has come before, or the end.
    async fn expect(
        &self,
        serial: &Serial,
        now: Timestamp,
        wanted: impl Fn(&CertificateState) -> bool,
    ) -> Result<(), Refused> {
        match self.status(serial, now).await? {
            Some(state) if wanted(&state) => Ok(()),
            Some(state) => {
                let text = format!("the certificate is {}", state.as_str());
                Err(Refused(FailureInfo::CertRevoked, text))
            }
            None => Err(Refused::new(FailureInfo::BadCertId, "no such certificate")),
        }
    }

    /// genm: what is known is answered, what is not is left out.
    pub(super) async fn general(&self, asked: &[General], now: Timestamp) -> Result<ReplyBody, Refused> {
        let mut all = Vec::new();
        for General { oid: kind, .. } in asked {
            let value = match *kind {
                oid::IT_CA_CERTS => {
                    let own = self.ca_certificates();
                    tlv::sequence(&[own.ca.der(), own.root.der()])
                }
                oid::IT_CURRENT_CRL => self.crl(Scope::Complete, now).await?.der.to_vec(),
                oid::IT_SIGN_KEY_PAIR_TYPES => {
                    // What the cards' keys are: RSA, and P-521; of the reserve chip, P-384.
                    let rsa = tlv::sequence(&[&encode_oid(oid::RSA_ENCRYPTION), &encode(0x05, &[])]);
                    let ec = |curve: curve::Curve| {
                        tlv::sequence(&[&encode_oid(oid::EC_PUBLIC_KEY), &encode_oid(curve.oid())])
                    };
                    tlv::sequence(&[&rsa, &ec(curve::Curve::P521), &ec(curve::Curve::P384)])
                }
                _ => continue,
            };
            all.push(General { oid: *kind, value: Some(value) });
        }
        Ok(ReplyBody::General(all))
    }
}
