//! The registration authorities' door: CMP (RFC 9810) over HTTP (RFC 9811).
//!
//! A registration authority is known by its certificate and signs every message (NPC-08, NPC-54). What it wants certified
//! has been enrolled before ([`Enrolment`]): the message brings the key with its proof of possession and names card and
//! key, never a person, so a name or a number in a message changes nothing. Answers are signed with a key of their own (NPC-06).
//!
//! Anybody can send something, and say that it is from a registration authority. So messages are admitted before they cost more than
//! their reading and one verification: what a registration authority has signed takes its turn and nobody else's, everything else
//! that of strangers, who have no more than so many refusals signed in a second (ADR 37). A message takes one turn, however often it
//! is sent: the same again waits apart. Until it is known who has signed a message, where it comes from counts, and nothing it says.
//! Whoever is not admitted hears 503 and comes again.
//!
//! Each transaction happens once. Its answer is stored; the same message again gets the same answer, another one under its
//! number is refused, and a message older than five minutes is not looked at.

mod answer;
mod enrolment;
mod registration;
pub(crate) mod rejected;
mod seen;
mod transaction;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use x509::cmp::{Body, FailureInfo, Header, Message, Reply, ReplyBody, body_tag};

use crate::authority::off_thread;
use crate::ocsp::{Admission, AdmissionOfEach};
use crate::{Npc, NpcConfig, NpcError, Result};

pub use enrolment::{Enrolment, RegistrationAuthority};
pub use registration::RaProposal;

use seen::{Mark, Seen};

pub(crate) use registration::MIGRATION as REGISTRATION;
pub(crate) use transaction::MIGRATION as CERT_REQ_ID;

/// Who is at the other end of a connection. An application that knows it gives it to [`crate::router`] as an extension of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// What one user of the network has: with IPv6 a network of 64 bits.
    fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address => address,
        }
    }
}

/// How many messages have come, and who was known when somebody was last looked up.
#[derive(Default)]
pub(crate) struct Door {
    // What is verified to find out who has sent it, from each network and in all.
    networks: AdmissionOfEach<IpAddr>,
    verified: Admission,
    // What registration authorities have signed, by their names: what is new, and what was let in before.
    known: AdmissionOfEach<String>,
    again: AdmissionOfEach<String>,
    seen: Mutex<Seen>,
    strangers: Admission,
    ras: Mutex<Arc<[RegistrationAuthority]>>,
}

impl Door {
    /// Whether a message is to be looked at. Whom it says it is from decides nothing before that one is found to have signed it, and
    /// then no more than whose turn it takes.
    fn admits(&self, message: &Message, peer: Option<Peer>, config: &NpcConfig, now: Timestamp) -> bool {
        let ras = self.ras.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let named = ras.iter().find(|ra| message.is_signed() && ra.says_it_sent(message));
        if let Some(ra) = named {
            // Whoever has seen a message of the authority's can send it again, and takes no turn of its new ones.
            let mark = Mark::of(message).filter(|_| is_of_now(message, now));
            if mark.is_some_and(|mark| self.seen().contains(&mark)) {
                return self.again.enter(ra.name.clone(), now, config.cmp_per_second);
            }
            // One sender does not keep all others from being found out.
            let most = config.cmp_verified_per_second.div_ceil(2);
            let of_network = peer.is_none_or(|peer| self.networks.enter(peer.network(), now, most));
            if !of_network || !self.verified.enter(now, config.cmp_verified_per_second) {
                return false;
            }
            // An old message is anybody's who has seen it.
            if let Some(mark) = mark
                && message.verify(ra.certificate.spki()).is_ok()
            {
                let mut seen = self.seen();
                if seen.contains(&mark) {
                    return self.again.enter(ra.name.clone(), now, config.cmp_per_second);
                }
                let admitted = self.known.enter(ra.name.clone(), now, config.cmp_per_second);
                if admitted {
                    seen.note(mark, now - WINDOW);
                }
                return admitted;
            }
        }
        self.strangers.enter(now, config.cmp_strangers_per_second)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes who is known.
    fn know(&self, ras: &[RegistrationAuthority]) {
        *self.ras.lock().unwrap_or_else(PoisonError::into_inner) = ras.into();
    }
}

/// Why a message is answered with an error: for the header of the answer, and for people.
pub(crate) struct Refused(FailureInfo, String);

impl Refused {
    fn new(failure: FailureInfo, text: &str) -> Self {
        Self(failure, text.to_owned())
    }
}

impl From<NpcError> for Refused {
    fn from(error: NpcError) -> Self {
        let failure = match &error {
            NpcError::Csr(_) => FailureInfo::BadPop,
            NpcError::KeyType { .. } | NpcError::WeakKey(_) | NpcError::Request(_) => {
                FailureInfo::BadCertTemplate
            }
            NpcError::DuplicateKey | NpcError::SlotTaken { .. } | NpcError::Conflict(_) => {
                FailureInfo::DuplicateCertReq
            }
            NpcError::NoPeriod | NpcError::NothingToReissue => FailureInfo::NotAuthorized,
            NpcError::NoCertificate(_) => FailureInfo::BadCertId,
            NpcError::Revoked(_) => FailureInfo::CertRevoked,
            NpcError::Store(_) | NpcError::Keys(_) | NpcError::Stopped | NpcError::Ended | NpcError::Busy => {
                FailureInfo::SystemUnavail
            }
            _ => FailureInfo::SystemFailure,
        };
        if error.is_refusal() {
            return Self(failure, format!("{} {error}", error.code()));
        }
        // What is our own fault is in our log; outside nobody needs more than the code.
        tracing::error!(code = error.code(), %error, "a CMP message could not be answered");
        Self(failure, error.code().to_owned())
    }
}

/// An answer before its protection.
struct Answer {
    body: ReplyBody,
    implicit_confirm: bool,
    // Stored with the answer to a transaction that is over, or waits for confirmation.
    keep: Option<transaction::Keep>,
}

impl From<ReplyBody> for Answer {
    fn from(body: ReplyBody) -> Self {
        Self { body, implicit_confirm: false, keep: None }
    }
}

impl Npc {
    /// Answers a PKIMessage of whoever it is from ([`Npc::cmp_of`]).
    pub async fn cmp(&self, bytes: &[u8], now: Timestamp) -> Result<Option<Vec<u8>>> {
        self.cmp_of(bytes, None, now).await
    }

    /// Answers a PKIMessage that came from `peer`. `None` if the bytes are none, so that there is nobody to answer.
    ///
    /// # Errors
    /// [`NpcError::Busy`] if too many have come in this second; [`NpcError::Ended`] if the CA has ended, so that nobody is left to
    /// sign an answer, and nothing is done; other errors if no answer can be signed.
    pub async fn cmp_of(&self, bytes: &[u8], peer: Option<Peer>, now: Timestamp) -> Result<Option<Vec<u8>>> {
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(%error, "not a CMP message");
                return Ok(None);
            }
        };
        if !self.cmp_door.admits(&message, peer, &self.config, now) {
            return Err(NpcError::Busy);
        }
        // Before anything is done whose answer nobody could sign.
        self.to_sign_with(|authority| &authority.cmp, now).await?;
        let mut nonce = [0; 16];
        self.random().fill(&mut nonce);
        let mut kept = Ok(());
        for _ in 0..ATTEMPTS {
            let answer = match self.cmp_answer(&message, now).await {
                // The same message again: the same answer.
                Ok(Outcome::Again(reply)) => return Ok(Some(reply)),
                Ok(Outcome::Fresh(answer)) => *answer,
                Err(Refused(failure, text)) => ReplyBody::Error(failure, text).into(),
            };
            let reply = self.protect(&message.header, nonce, &answer, now).await?;
            let Some(keep) = answer.keep else { return Ok(Some(reply)) };
            kept = self.keep_transaction(&message, keep, nonce, &reply, now).await;
            if kept.is_ok() {
                return Ok(Some(reply));
            }
            // Two processes were asked the same at the same moment, and the answer stored first counts; or what was enrolled was taken
            // back meanwhile: what holds now is the answer.
        }
        let Err(error) = kept else { return Err(NpcError::Died) };
        let Refused(failure, text) = error.into();
        let error = ReplyBody::Error(failure, text).into();
        Ok(Some(self.protect(&message.header, nonce, &error, now).await?))
    }

    async fn protect(
        &self,
        to: &Header,
        nonce: [u8; 16],
        answer: &Answer,
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        let authority = self.authority();
        let (to, body, implicit_confirm) = (to.clone(), answer.body.clone(), answer.implicit_confirm);
        Ok(off_thread(move || {
            let reply = Reply { to: Some(&to), nonce, now, implicit_confirm, body: &body };
            let signer = &authority.cmp;
            reply.protect(&signer.certificate, &signer.signer, &[&signer.issuer])
        })
        .await??)
    }

    async fn cmp_answer(&self, message: &Message, now: Timestamp) -> Result<Outcome, Refused> {
        let header = &message.header;
        if !(2..=3).contains(&header.version) {
            return Err(Refused::new(FailureInfo::UnsupportedVersion, "pvno is 2 or 3"));
        }
        if !message.is_signed() {
            return Err(Refused::new(FailureInfo::WrongIntegrity, "訊息須以憑證簽章 / messages are signed"));
        }
        let ra = self.sender_of(message, now).await?;
        if message.verify(ra.certificate.spki()).is_err() {
            return Err(Refused::new(FailureInfo::BadMessageCheck, "the protection does not verify"));
        }
        if !is_of_now(message, now) {
            return Err(Refused::new(FailureInfo::BadTime, "messageTime is missing or five minutes off"));
        }
        // RFC 9483 §3.1: 128 bits each.
        if header.transaction.as_ref().is_none_or(|id| !(16..=64).contains(&id.len())) {
            return Err(Refused::new(FailureInfo::BadDataFormat, "transactionID has 16 to 64 octets"));
        }
        if header.sender_nonce.as_ref().is_none_or(|nonce| !(16..=64).contains(&nonce.len())) {
            return Err(Refused::new(FailureInfo::BadSenderNonce, "senderNonce has 16 to 64 octets"));
        }
        if let Body::Confirmations(confirmations) = &message.body {
            return Ok(Outcome::Fresh(Box::new(self.confirmed(&ra, message, confirmations, now).await?)));
        }
        if let Some(reply) = self.known_transaction(&ra, message).await? {
            return Ok(Outcome::Again(reply));
        }
        let answer = match &message.body {
            Body::Requests(requests) => match requests.as_slice() {
                [request] => self.certify_request(&ra, message, request, now).await?,
                _ => return Err(Refused::new(FailureInfo::BadRequest, "one certificate for each message")),
            },
            Body::Pkcs10(request) => self.certify_pkcs10(&ra, message, request, now).await?,
            Body::Revocations(requests) => self.revocations(&ra, message, requests, now).await?,
            Body::General(asked) => self.general(asked, now).await?.into(),
            _ => return Err(Refused::new(FailureInfo::BadRequest, "this kind of message is not served")),
        };
        Ok(Outcome::Fresh(Box::new(answer)))
    }
}

/// What is to be sent.
enum Outcome {
    Fresh(Box<Answer>),
    Again(Vec<u8>),
}

/// How often an answer is made that something else was quicker than.
const ATTEMPTS: usize = 2;

/// How far a message's time may be from ours. What is older is no replay that could do anything.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// Whether a message was made at this moment, more or less.
fn is_of_now(message: &Message, now: Timestamp) -> bool {
    message.header.time.is_some_and(|time| time.duration_since(now).abs() <= WINDOW)
}

/// The request's kind in words, for events.
fn kind(tag: u32) -> &'static str {
    match tag {
        body_tag::IR => "ir",
        body_tag::CR => "cr",
        body_tag::P10CR => "p10cr",
        body_tag::KUR => "kur",
        body_tag::RR => "rr",
        _ => "other",
    }
}
