//! The life of a certificate. A suspension remembers every cause, so that the end of one cause does not end another: a
//! certificate its holder had suspended stays so when a loss report is withdrawn (LOSS-10).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::lifecycle::{Event, Stamp};
use crate::text::text_enum;

text_enum! {
    /// Who or what suspended a certificate.
    SuspensionCause ("cause of suspension") {
        /// The holder's own wish.
        Holder = "holder",
        /// The loss report of its card.
        Loss = "loss",
        /// The authority: recall, guardianship under examination.
        Authority = "authority",
        /// An incident that two persons approved (NPC-55): a recall of the card that is over does not end it.
        Incident = "incident",
        /// The card it rests on does not hold at the moment (LOSS-07).
        Primary = "primary",
        /// The registration authority that enrolled it, by a message of its own (NPC-08). Apart from [`Self::Incident`]: one
        /// delegated party neither ends what two persons decided nor has its hold ended by them.
        RegistrationAuthority = "registration_authority",
    }
}

text_enum! {
    /// The reason of a revocation, the CRLReason of RFC 5280 §5.3.1 that a citizen's certificate can have.
    RevocationReason ("reason of revocation") {
        /// unspecified (0)
        Unspecified = "unspecified",
        /// keyCompromise (1)
        KeyCompromise = "key_compromise",
        /// cACompromise (2)
        CaCompromise = "ca_compromise",
        /// affiliationChanged (3): name or other content changed.
        AffiliationChanged = "affiliation_changed",
        /// superseded (4)
        Superseded = "superseded",
        /// cessationOfOperation (5): the card is void, the holder wants no certificate any more.
        CessationOfOperation = "cessation_of_operation",
        /// privilegeWithdrawn (9): guardianship, no longer entitled.
        PrivilegeWithdrawn = "privilege_withdrawn",
    }
}

impl RevocationReason {
    // RFC 5280 §5.3.1: the values of CRLReason.
    /// The code in CRL and OCSP.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::PrivilegeWithdrawn => 9,
        }
    }
}

/// A certificate in its present state. (`certificateHold` in CRL and OCSP is [`CertificateState::Suspended`].)
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CertificateState {
    /// Usable.
    #[default]
    Good,
    /// 停用: on hold for at least one cause.
    Suspended {
        /// Each cause with the moment since when it holds.
        causes: BTreeMap<SuspensionCause, Timestamp>,
    },
    /// 廢止: for good.
    Revoked {
        /// Why.
        reason: RevocationReason,
        /// Since when.
        at: Timestamp,
    },
    /// Past its last day.
    Expired,
}

/// A change of a certificate's state.
pub type CertificateEvent = Event<CertificateState>;

type Step = Result<(CertificateState, CertificateEvent), Error>;

impl CertificateState {
    /// The text form of the state.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Suspended { .. } => "suspended",
            Self::Revoked { .. } => "revoked",
            Self::Expired => "expired",
        }
    }

    /// Since when the certificate is on hold: the earliest cause.
    pub fn suspended_since(&self) -> Option<Timestamp> {
        match self {
            Self::Suspended { causes } => causes.values().min().copied(),
            _ => None,
        }
    }

    /// Suspends for a cause. A second cause adds to the first; the same cause twice is refused.
    pub fn suspend(self, cause: SuspensionCause, stamp: Stamp) -> Step {
        let mut causes = match &self {
            Self::Good => BTreeMap::new(),
            Self::Suspended { causes } if !causes.contains_key(&cause) => causes.clone(),
            _ => return Err(self.refuse("suspended")),
        };
        causes.insert(cause, stamp.at);
        self.to(Self::Suspended { causes }, stamp)
    }

    /// Ends one cause; the certificate is good again when no other cause is left.
    pub fn resume(self, cause: SuspensionCause, stamp: Stamp) -> Step {
        let Self::Suspended { causes } = &self else { return Err(self.refuse("good")) };
        let mut causes = causes.clone();
        if causes.remove(&cause).is_none() {
            return Err(self.refuse("good"));
        }
        let after = if causes.is_empty() { Self::Good } else { Self::Suspended { causes } };
        self.to(after, stamp)
    }

    /// Revokes a good or suspended certificate, for good.
    pub fn revoke(self, reason: RevocationReason, stamp: Stamp) -> Step {
        match self {
            Self::Good | Self::Suspended { .. } => {
                let at = stamp.at;
                self.to(Self::Revoked { reason, at }, stamp)
            }
            _ => Err(self.refuse("revoked")),
        }
    }

    /// The last day has passed. A revoked certificate stays revoked.
    pub fn expire(self, stamp: Stamp) -> Step {
        match self {
            Self::Good | Self::Suspended { .. } => self.to(Self::Expired, stamp),
            _ => Err(self.refuse("expired")),
        }
    }

    fn to(self, to: Self, stamp: Stamp) -> Step {
        let event = Event { stamp, from: self.as_str().to_owned(), to: to.clone() };
        Ok((to, event))
    }

    const fn refuse(&self, to: &'static str) -> Error {
        Error::Transition { life: "certificate", from: self.as_str(), to }
    }
}
