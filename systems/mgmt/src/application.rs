//! What an applicant hands in, and the rules that decide whether a card may be made.

use model::{ApplicationKind, CardProfile, Channel, NationalIdNo, OfficeCode, PortraitExemption, RocDate};
use registry::{Person, Status};
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// An application as it arrives (MGMT-25).
#[derive(Clone)]
pub struct NewApplication {
    /// Whose card.
    pub id: NationalIdNo,
    /// First issue, replacement or renewal.
    pub kind: ApplicationKind,
    /// How it arrived.
    pub channel: Channel,
    /// The photo file as handed in.
    pub photo: Vec<u8>,
    /// The day it was taken on, as the applicant declares (CARDFACE-19).
    pub photo_taken: RocDate,
    /// Whether the natural-person certificate is wanted; the form's box 不申請自然人憑證 says no (MGMT-24, OPEN-46).
    pub wants_certificate: bool,
    /// Whether the foreign name is to be printed (CARDFACE-04).
    pub foreign_name: bool,
    /// Why the portrait is not to be printed, where the applicant asks for that (CARDFACE-23). Approving the case is the
    /// office's approval of it; the photo is handed in all the same.
    pub portrait_exemption: Option<PortraitExemption>,
    /// The office of collection.
    pub office: OfficeCode,
    /// How to reach the applicant.
    pub contact: Contact,
    /// `national` for citizens; `interop` makes a sample card for developers.
    pub profile: CardProfile,
}

impl std::fmt::Debug for NewApplication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewApplication({}, {}, {} bytes of photo)", self.kind, self.channel, self.photo.len())
    }
}

/// How the applicant is reached and notified.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Mobile number: 09 and eight digits.
    pub mobile: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// The way chosen for notices.
    pub way: NoticeWay,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Contact(by {})", self.way.as_str())
    }
}

/// Ways of notification: 簡訊, 電子郵件, 郵寄.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeWay {
    /// Text message.
    Sms,
    /// E-mail.
    Email,
    /// Letter.
    Post,
}

impl NoticeWay {
    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Post => "post",
        }
    }

    /// The mission's word.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Sms => "簡訊",
            Self::Email => "電子郵件",
            Self::Post => "郵寄",
        }
    }

    /// The way with this text form.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sms, Self::Email, Self::Post].into_iter().find(|way| way.as_str() == name)
    }
}

impl Contact {
    /// Notices by letter to the registered address.
    pub const fn by_post() -> Self {
        Self { mobile: None, email: None, way: NoticeWay::Post }
    }

    /// Whether number and address have the form they must have, and the way chosen is one of them.
    pub fn check(&self) -> Result<(), Refusal> {
        let mobile = self
            .mobile
            .as_deref()
            .is_none_or(|m| m.len() == 10 && m.starts_with("09") && m.bytes().all(|b| b.is_ascii_digit()));
        // RFC 5321 §4.5.3.1: at most 254 characters; what stands before the last @ is the receiving system's business.
        let email = self.email.as_deref().is_none_or(|e| {
            e.len() <= 254
                && e.is_ascii()
                && !e.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control())
                && e.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
        });
        let chosen = match self.way {
            NoticeWay::Sms => self.mobile.is_some(),
            NoticeWay::Email => self.email.is_some(),
            NoticeWay::Post => true,
        };
        if mobile && email && chosen { Ok(()) } else { Err(Refusal::ContactMissing) }
    }
}

/// Whether a person may have a card at all (MGMT-03, MGMT-04).
pub(crate) fn entitled(person: Option<&Person>) -> Result<&Person, Refusal> {
    let person = person.ok_or(Refusal::PersonUnknown)?;
    match person.status {
        Status::Living => Ok(person),
        Status::Deceased(_) => Err(Refusal::PersonDeceased),
        Status::Abroad(_) => Err(Refusal::PersonAbroad),
        Status::Missing(_) => Err(Refusal::PersonMissing),
    }
}

/// Whether a person may have the certificate (NPC-31, NPC-32). The age counts on the day of application.
pub(crate) fn certificate_allowed(
    person: &Person,
    application: RocDate,
    least_age: i16,
) -> Result<(), Refusal> {
    if person.guardianship {
        return Err(Refusal::GuardianshipNoCertificate);
    }
    if person.age_on(application) < least_age {
        return Err(Refusal::TooYoungForCertificate);
    }
    Ok(())
}

/// Whether the names a card needs are registered.
pub(crate) fn names_complete(person: &Person, foreign_name: bool) -> Result<(), Refusal> {
    if foreign_name && person.name.foreign().is_none() {
        return Err(Refusal::NoForeignName);
    }
    if person.name.latin().is_none() {
        return Err(Refusal::NoLatinName);
    }
    Ok(())
}

/// The fields that are printed and stand in the register: a change of one of them means a new card (CARDFACE-24).
///
/// The fifth, the portrait, is none of them: no register event changes it. A new one comes with an application alone, which is
/// for a new card, and the chip takes no update of the data group that has it.
pub(crate) fn printed_fields(person: &Person, foreign_name: bool) -> [String; 6] {
    let foreign = if foreign_name { person.name.foreign() } else { None };
    [
        person.name.chinese().to_owned(),
        person.name.romanised().unwrap_or_default().to_owned(),
        foreign.unwrap_or_default().to_owned(),
        person.id.as_str().to_owned(),
        person.birth.iso(),
        person.marital.as_str().to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: CARDFACE-24
    #[test]
    fn each_printed_field_counts_and_no_other() {
        let person = registry::sample_persons().swap_remove(3).person;
        let printed = |change: &dyn Fn(&mut Person)| {
            let mut changed = person.clone();
            change(&mut changed);
            printed_fields(&changed, true) != printed_fields(&person, true)
        };
        let other = registry::sample_persons().swap_remove(0).person;
        assert!(printed(&|person| person.name = other.name.clone()), "name");
        assert!(printed(&|person| person.id = other.id), "identification number");
        assert!(printed(&|person| person.birth = other.birth), "date of birth");
        let status = [model::MaritalStatus::Single, model::MaritalStatus::Married];
        let status = status.into_iter().find(|status| *status != person.marital).expect("one of two");
        assert!(printed(&|person| person.marital = status), "marital status");
        assert!(!printed(&|person| person.address = other.address.clone()), "the address is not printed");
    }

    fn contact(mobile: Option<&str>, email: Option<&str>, way: NoticeWay) -> Contact {
        Contact { mobile: mobile.map(Into::into), email: email.map(Into::into), way }
    }

    #[test]
    fn a_contact_can_be_used_in_the_way_chosen() {
        for good in [
            contact(None, None, NoticeWay::Post),
            contact(Some("0912345678"), None, NoticeWay::Sms),
            contact(None, Some("a.b@example.test"), NoticeWay::Email),
        ] {
            assert_eq!(good.check(), Ok(()));
        }
        for bad in [
            contact(None, Some("a@example.test"), NoticeWay::Sms),
            contact(Some("0912345678"), None, NoticeWay::Email),
            contact(Some("0212345678"), None, NoticeWay::Sms),
            contact(Some("091234567"), None, NoticeWay::Post),
            contact(None, Some("a b@example.test"), NoticeWay::Email),
            contact(None, Some("@example.test"), NoticeWay::Email),
            contact(None, Some("a@localhost"), NoticeWay::Email),
            contact(None, Some("a@example.test\r\nBcc: x@y.test"), NoticeWay::Email),
        ] {
            assert_eq!(bad.check(), Err(Refusal::ContactMissing), "{:?} {:?}", bad.mobile, bad.email);
        }
    }
}
