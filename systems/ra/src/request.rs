//! A request as it arrives: what is asked for which card, and what authorises it.
//!
//! A holder who authorises with PIN2 signs the text that [`Request::text`] gives, so that what is shown to the holder is what
//! is signed. The number makes a request idempotent: sent again, with the same content, it gets the same receipt.

use curve::Hash;
use jiff::Timestamp;
use mgmt::CallerAnswers;
use model::{CardSerial, CaseNo, KeySlot, NationalIdNo, OfficeCode, Pin2, RevocationReason, UserCode};
use npc::Carrier;
use terminal::perso::PinReference;
use uuid::Uuid;

use crate::functions::{Authorisation, Channel, Function};

/// What is asked.
#[derive(Clone)]
pub struct Request {
    /// The number of the request, drawn by whoever asks.
    pub id: Uuid,
    /// What.
    pub function: Function,
    /// For which card.
    pub card: CardSerial,
    /// When it was made.
    pub at: Timestamp,
    /// What else the function needs.
    pub detail: Detail,
}

/// What a function needs beside the card. Holds personal data: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// Nothing.
    Nothing,
    /// The new e-mail address, or none.
    Email(Option<String>),
    /// The new mobile number, or none.
    Mobile(Option<String>),
    /// Whether the certificates are to be published.
    Published(bool),
    /// Why they are revoked.
    Reason(RevocationReason),
    /// Which PINs get their tries back.
    Pins(Vec<PinReference>),
    /// A card that carries certificates and nothing else.
    NewCard(Box<NewCard>),
    /// The second pair of keys of such a card.
    NextKeys(Box<NextKeys>),
    /// A device that is to be a virtual smart card under the card.
    Device(Box<Device>),
}

impl Detail {
    /// Whether it asks for a certificate of this key.
    pub(crate) fn asks_for(&self, slot: KeySlot) -> bool {
        let requests = match self {
            Self::NewCard(card) => &card.requests,
            Self::NextKeys(keys) => &keys.requests,
            Self::Device(device) => &device.requests,
            _ => return false,
        };
        requests.iter().any(|(asked, _)| *asked == slot)
    }
}

/// A device whose certificates rest on the card that asks (NPC-63). Names a person: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Device {
    /// Whose card and device it is.
    pub person: NationalIdNo,
    /// The requests that the device's keys have signed, slots 1 and 2.
    pub requests: Vec<(KeySlot, Vec<u8>)>,
}

/// The second pair of keys of a certificate-only card, for its reissue or for changed content. Names a person: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct NextKeys {
    /// Whose card it is.
    pub person: NationalIdNo,
    /// The name on the residence permit, which the clerk has seen; a citizen's comes from the register.
    pub resident_name: Option<String>,
    /// The requests that the card's keys have signed, slots 3 and 4.
    pub requests: Vec<(KeySlot, Vec<u8>)>,
}

/// A certificate-only card for which certificates are asked (NPC-02, NPC-34, NPC-42). Names a person: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct NewCard {
    /// For a citizen or a foreign resident.
    pub carrier: Carrier,
    /// Whose.
    pub person: NationalIdNo,
    /// The name on the residence permit, which the clerk has seen; a citizen's comes from the register.
    pub resident_name: Option<String>,
    /// The requests that the card's keys have signed, slots 1 and 2.
    pub requests: Vec<(KeySlot, Vec<u8>)>,
}

/// What authorises a request. Holds secrets: no `Debug`.
#[derive(Clone)]
pub enum Proof {
    /// A clerk identified the person.
    Clerk {
        /// The clerk's account.
        clerk: String,
        /// Where.
        office: OfficeCode,
        /// In which case.
        case: CaseNo,
        /// The holder's consent, where the function needs it (UPDATE-20).
        consent: Option<Consent>,
    },
    /// A CMS signature, detached, over the text of the request.
    Signature(Vec<u8>),
    /// The user code.
    UserCode(UserCode),
    /// The user code with the code that was sent.
    OneTimeCode(UserCode, String),
    /// The present PIN2 and the new one, for the card.
    Pin2Change(Pin2, Pin2),
    /// The present user code and the new one, for whoever keeps it.
    UserCodeChange(UserCode, UserCode),
    /// What a caller answered.
    Caller {
        /// The operator's account.
        operator: String,
        /// The answers.
        answers: CallerAnswers,
    },
    /// The user code as a caller said it to an operator.
    CallerUserCode {
        /// The operator's account.
        operator: String,
        /// The code.
        code: UserCode,
    },
}

/// How a holder at a counter consents. Holds secrets: no `Debug`.
#[derive(Clone)]
pub enum Consent {
    /// A CMS signature, detached, over the text of the request.
    Signature(Vec<u8>),
    /// The user code.
    UserCode(UserCode),
}

impl Request {
    /// The text of the request, as it is shown and signed.
    pub fn text(&self) -> String {
        format!(
            "New eID 註冊中心申請 registration authority request\nnumber: {}\nfunction: {} {}\ncard: {}\ntime: {}\ndetail: {}\n",
            self.id.hyphenated(),
            self.function.as_str(),
            self.function.zh(),
            self.card,
            self.at,
            self.detail.text(),
        )
    }

    /// What makes two requests the same.
    pub(crate) fn hash(&self, channel: Channel) -> Vec<u8> {
        Hash::Sha256.digest(format!("{}channel: {}\n", self.text(), channel.as_str()).as_bytes())
    }
}

impl Detail {
    fn text(&self) -> String {
        // A value that breaks the line would say something else below it.
        let value = |value: &Option<String>| value.as_deref().unwrap_or("none").replace(['\r', '\n'], " ");
        match self {
            Self::Nothing => "none".into(),
            Self::Email(address) => format!("e-mail {}", value(address)),
            Self::Mobile(number) => format!("mobile {}", value(number)),
            Self::Published(true) => "published".into(),
            Self::Published(false) => "not published".into(),
            Self::Reason(reason) => format!("reason {reason}"),
            Self::NewCard(card) => format!(
                "{} {} {} {}",
                card.carrier.as_str(),
                card.person.as_str(),
                value(&card.resident_name),
                fingerprints(&card.requests)
            ),
            Self::NextKeys(keys) => format!(
                "{} {} {}",
                keys.person.as_str(),
                value(&keys.resident_name),
                fingerprints(&keys.requests)
            ),
            Self::Device(device) => {
                format!("device {} {}", device.person.as_str(), fingerprints(&device.requests))
            }
            Self::Pins(pins) => {
                pins.iter().map(|pin| format!("{pin:?}")).collect::<Vec<_>>().join(" ").to_lowercase()
            }
        }
    }

    /// Whether it is what the function needs.
    pub(crate) fn fits(&self, function: Function) -> bool {
        match self {
            Self::Nothing => !matches!(
                function,
                Function::ChangeEmail
                    | Function::ChangeMobile
                    | Function::ChangePublication
                    | Function::Revoke
                    | Function::Unblock
                    | Function::Issue
                    | Function::VirtualCard
                    | Function::MutualVerification
            ),
            Self::NewCard(_) => function == Function::Issue,
            Self::Device(_) => function == Function::VirtualCard,
            Self::NextKeys(_) => matches!(function, Function::Extend | Function::Modify),
            Self::Email(_) => function == Function::ChangeEmail,
            Self::Mobile(_) => function == Function::ChangeMobile,
            Self::Published(_) => function == Function::ChangePublication,
            Self::Reason(_) => function == Function::Revoke,
            Self::Pins(pins) => function == Function::Unblock && !pins.is_empty(),
        }
    }
}

impl Proof {
    /// Which kind it is.
    pub const fn kind(&self) -> Authorisation {
        match self {
            Self::Clerk { consent: None, .. } => Authorisation::ClerkAndCase,
            Self::Clerk { consent: Some(Consent::Signature(_)), .. } => Authorisation::ClerkAndPin2,
            Self::Clerk { consent: Some(Consent::UserCode(_)), .. } => Authorisation::ClerkAndUserCode,
            Self::Signature(_) => Authorisation::Pin2,
            Self::UserCode(_) => Authorisation::UserCode,
            Self::OneTimeCode(..) => Authorisation::UserCodeAndOneTimeCode,
            Self::Pin2Change(..) => Authorisation::PresentPin,
            Self::UserCodeChange(..) => Authorisation::PresentUserCode,
            Self::Caller { .. } => Authorisation::CallerAnswers,
            Self::CallerUserCode { .. } => Authorisation::CallerUserCode,
        }
    }

    /// The account under which it is done.
    pub(crate) fn actor(&self) -> &str {
        match self {
            Self::Clerk { clerk, .. } => clerk,
            Self::Caller { operator, .. } | Self::CallerUserCode { operator, .. } => operator,
            _ => HOLDER,
        }
    }
}

/// Which requests they are, by their hashes.
fn fingerprints(requests: &[(KeySlot, Vec<u8>)]) -> String {
    let each = requests.iter().map(|(slot, der)| format!("{slot} {}", hex(&Hash::Sha256.digest(der))));
    each.collect::<Vec<_>>().join(" ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The account of a holder who acts online.
pub(crate) const HOLDER: &str = "holder";
