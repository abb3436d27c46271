//! What goes to a card in production, and what comes back.

use std::borrow::Cow;

use curve::Hash;
use scp::KeySet;

/// What a washed card is told to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialisationRequest {
    /// Card serial number, nine characters.
    pub serial: String,
    /// Card profile: `national` or `interop`.
    pub profile: String,
}

/// What an initialised card reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialisedCard {
    /// The chip identifier of the CPLC data.
    pub chip_id: [u8; 8],
    /// Certification requests (PKCS #10) by key slot: 1 RSA signature, 2 RSA encryption, 3 EC signature, 4 EC key agreement.
    pub csrs: Vec<(u8, Vec<u8>)>,
    /// Public key of active authentication, as SubjectPublicKeyInfo.
    pub aa_spki: Vec<u8>,
    /// Public key of chip authentication, as SubjectPublicKeyInfo.
    pub ca_spki: Vec<u8>,
}

/// Everything that is written to one card.
#[derive(Clone)]
pub struct PersonalisationFiles {
    /// Card serial number: must be the one the card was initialised with.
    pub serial: String,
    /// Card access number: the last six digits of the serial number.
    pub can: String,
    /// MRZ information: document number, date of birth, date of expiry, each with its check digit.
    pub mrz_information: String,
    /// The household file, signature included.
    pub household: Vec<u8>,
    /// EF.COM (011E), data groups (0101 to 0110) and EF.SOD (011D) of the public zone.
    pub public: Vec<(u16, Vec<u8>)>,
    /// The encrypted zone.
    pub encrypted: EncryptedZoneFiles,
    /// The trust point of the authorisation PKI in its persisted form (`eac::cvc::TrustPoint`): whose terminals the card trusts.
    pub trust_point: Vec<u8>,
    /// The certificate of the country signing CA (DER): whose signers' updates the card takes.
    pub document_anchor: Vec<u8>,
    /// EF.CardAccess.
    pub card_access: Vec<u8>,
    /// EF.CardSecurity.
    pub card_security: Vec<u8>,
    /// Certificates by slot: 1 to 4 of the card's keys, 5 root, 6 intermediate. None at all closes the certificate zone.
    pub certificates: Vec<(u8, Vec<u8>)>,
    /// The keys the ministry manages the PINs of this card with.
    pub pin_management_keys: KeySet,
}

impl PersonalisationFiles {
    /// The objects of STORE DATA, in ascending order of their identifiers.
    pub(super) fn objects(&self) -> Vec<(u16, Cow<'_, [u8]>)> {
        let mut objects: Vec<(u16, Cow<'_, [u8]>)> = vec![
            (0x0201, (&self.household).into()),
            (0x051C, (&self.card_access).into()),
            (0x051D, (&self.card_security).into()),
            (EID_SECURITY_OBJECT, (&self.encrypted.security_object).into()),
            (0x0701, (&self.trust_point).into()),
            (0x0704, (&self.document_anchor).into()),
            (0x1001, self.can.as_bytes().into()),
            (0x1002, self.mrz_information.as_bytes().into()),
        ];
        objects.extend(self.public.iter().map(|(fid, content)| (*fid, content.into())));
        let groups = self.encrypted.groups.iter();
        objects.extend(groups.map(|(group, file)| (eid_group_object(*group), file.into())));
        objects.extend(self.certificates.iter().map(|(slot, der)| (0x0400 | u16::from(*slot), der.into())));
        objects.sort_by_key(|(object, _)| *object);
        objects
    }
}

/// The files of the encrypted zone.
#[derive(Clone, Default)]
pub struct EncryptedZoneFiles {
    /// Number and file of each data group, with its salt behind it.
    pub groups: Vec<(u8, Vec<u8>)>,
    /// The signed security object over them (EF.SOD of the zone).
    pub security_object: Vec<u8>,
}

impl std::fmt::Debug for EncryptedZoneFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncryptedZoneFiles({} data groups)", self.groups.len())
    }
}

impl std::fmt::Debug for PersonalisationFiles {
    /// Names the card and counts the files; they are personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PersonalisationFiles({} objects)", self.objects().len())
    }
}

/// The object of the encrypted zone's security object.
const EID_SECURITY_OBJECT: u16 = 0x0618;

/// The object of a data group of the encrypted zone.
const fn eid_group_object(group: u8) -> u16 {
    0x0600 | group as u16
}

/// The hash COMMIT compares: over identifier, length and content of each object.
pub(crate) fn manifest(objects: &[(u16, Cow<'_, [u8]>)]) -> Vec<u8> {
    let mut hasher = Hash::Sha256.hasher();
    for (object, content) in objects {
        hasher.update(&object.to_be_bytes());
        hasher.update(&(content.len() as u32).to_be_bytes());
        hasher.update(content);
    }
    hasher.finish()
}
