//! The holder's side of the certificate zone: PIN2, certificates, signing and deciphering with the keys of the card, over the
//! SmartCard-HSM profile (docs/card-commands.md, certificate zone).
//!
//! On a card of profile `national` every command travels in a PACE channel ([`NpcCard::open`]); a card of profile `interop`
//! also takes them in the clear on the contact interface ([`NpcCard::open_in_clear`]).

use apdu::{CardChannel, Command, StatusWord};
use curve::{Hash, Point, Random, SecretBytes, SecretKey, Signature, rsa};
use eac::Password;
use jiff::Timestamp;
use model::KeySlot;
use tlv::oid;
use x509::cms::{self, EnvelopedData, Recipient};
use x509::{Certificate, SignatureAlgorithm};

use crate::card::{Card, CardError, FileRef};
use crate::{Refusal, commands};

/// Reference of PIN2.
const PIN2: u8 = 0x81;

/// The certificates of the zone; the number is the identifier on the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CertificateId {
    /// Of [`KeySlot::SigningRsa`].
    SigningRsa = 1,
    /// Of [`KeySlot::EncryptionRsa`].
    EncryptionRsa = 2,
    /// Of [`KeySlot::SigningEc`].
    SigningEc = 3,
    /// Of [`KeySlot::EncryptionEc`].
    EncryptionEc = 4,
    /// The root CA.
    Root = 5,
    /// The intermediate CA.
    Intermediate = 6,
}

impl CertificateId {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::SigningRsa,
        Self::EncryptionRsa,
        Self::SigningEc,
        Self::EncryptionEc,
        Self::Root,
        Self::Intermediate,
    ];

    /// The file: CE.. for the holder's, CA.. for those of a CA.
    const fn file(self) -> FileRef {
        let number = self as u16;
        let prefix = match self {
            Self::Root | Self::Intermediate => 0xCA00,
            _ => 0xCE00,
        };
        FileRef { fid: prefix | number, sfi: None }
    }
}

impl From<KeySlot> for CertificateId {
    fn from(key: KeySlot) -> Self {
        match key {
            KeySlot::SigningRsa => Self::SigningRsa,
            KeySlot::EncryptionRsa => Self::EncryptionRsa,
            KeySlot::SigningEc => Self::SigningEc,
            KeySlot::EncryptionEc => Self::EncryptionEc,
        }
    }
}

/// Where PIN2 stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin2Status {
    /// Not set yet: the zone is closed.
    NotSet,
    /// Must be verified; this many tries are left.
    Required {
        /// Tries left.
        tries_left: u8,
    },
    /// Verified in this session.
    Verified,
    /// No tries left.
    Blocked,
}

/// Why the certificate zone did not do what it was asked to. The words for people are [`NpcError::refusal`]'s.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NpcError {
    // The holder's.
    /// Wrong PIN2.
    #[error("{}（剩餘 {tries_left} 次 {tries_left} tries left）", Refusal::Pin2Wrong)]
    WrongPin {
        /// Tries left.
        tries_left: u8,
    },
    /// PIN2 is blocked.
    #[error("{}", Refusal::Pin2Blocked)]
    PinBlocked,
    /// PIN2 is not set.
    #[error("{}", Refusal::Pin2NotSet)]
    PinNotSet,
    /// Not a possible PIN2.
    #[error("{}", Refusal::Pin2Form)]
    PinForm,
    /// PIN2 must be verified first.
    #[error("{}", Refusal::Pin2Required)]
    PinRequired,

    // The caller's.
    /// The certificate zone is closed, absent on this interface, or needs the secure channel.
    #[error("{refusal} ({0})", refusal = Refusal::ZoneClosed)]
    ZoneClosed(StatusWord),
    /// The card has no such key or certificate.
    #[error("{}", Refusal::KeyAbsent)]
    Absent,
    /// The input does not fit the key.
    #[error("{}", Refusal::KeyInput)]
    Input,

    // The card's.
    /// The card gave what no key of this kind gives.
    #[error("{}", Refusal::KeyOutput)]
    Output,
    /// Anything else the card or channel said.
    #[error("{refusal} ({0})", refusal = .0.refusal())]
    Card(#[from] CardError),
}

impl NpcError {
    /// The stable code, whose fault it is, and the words for people.
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::WrongPin { .. } => Refusal::Pin2Wrong,
            Self::PinBlocked => Refusal::Pin2Blocked,
            Self::PinNotSet => Refusal::Pin2NotSet,
            Self::PinForm => Refusal::Pin2Form,
            Self::PinRequired => Refusal::Pin2Required,
            Self::ZoneClosed(_) => Refusal::ZoneClosed,
            Self::Absent => Refusal::KeyAbsent,
            Self::Input => Refusal::KeyInput,
            Self::Output => Refusal::KeyOutput,
            Self::Card(error) => error.refusal(),
        }
    }
}

// ---- the commands ---------------------------------------------------------------------------------------------------

/// VERIFY with PIN2 (ISO/IEC 7816-4 §11.6.6).
pub fn verify_pin2(pin: &[u8]) -> Command {
    Command::new(0x00, 0x20, 0x00, PIN2).with_data(pin)
}

/// VERIFY without data: asks where PIN2 stands.
pub const fn pin2_status() -> Command {
    Command::new(0x00, 0x20, 0x00, PIN2)
}

/// CHANGE REFERENCE DATA: the old PIN2, then the new one (ISO/IEC 7816-4 §11.6.7).
pub fn change_pin2(old: &[u8], new: &[u8]) -> Command {
    Command::new(0x00, 0x24, 0x00, PIN2).with_data([old, new].concat())
}

/// ENUMERATE OBJECTS.
pub const fn enumerate_objects() -> Command {
    Command::new(0x80, 0x58, 0x00, 0x00).with_le(65_536)
}

/// SIGN over a whole block: RSASP1 (20).
pub fn sign_rsa_raw(key: KeySlot, block: &[u8]) -> Command {
    Command::new(0x80, 0x68, key.id(), 0x20).with_data(block).with_le(65_536)
}

/// SIGN over a hash: ECDSA (70).
pub fn sign_ecdsa(key: KeySlot, hash: &[u8]) -> Command {
    Command::new(0x80, 0x68, key.id(), 0x70).with_data(hash).with_le(256)
}

/// DECIPHER, raw RSA (21).
pub fn decipher_rsa_raw(key: KeySlot, cryptogram: &[u8]) -> Command {
    Command::new(0x80, 0x62, key.id(), 0x21).with_data(cryptogram).with_le(65_536)
}

/// DECIPHER, ECDH (80) with the point 04 x y.
pub fn decipher_ecdh(key: KeySlot, point: &[u8]) -> Command {
    Command::new(0x80, 0x62, key.id(), 0x80).with_data(point).with_le(256)
}

// ---- the zone -------------------------------------------------------------------------------------------------------

/// A card whose certificate zone is selected.
pub struct NpcCard<C> {
    card: Card<C>,
}

impl<C: CardChannel> NpcCard<C> {
    /// Resets the card, opens the secure channel with `password`, and selects the certificate zone in it.
    pub fn open(channel: C, password: &Password, rng: &mut dyn Random) -> Result<Self, NpcError> {
        let mut card = Card::new(channel);
        let parameters = card.connect_for_pace()?;
        card.open_channel(parameters, password, rng)?;
        Self::select(card)
    }

    /// Resets the card and selects the certificate zone without a secure channel (profile `interop`, contact). PINs then travel
    /// in the clear, to any card that says it takes them so.
    pub fn open_in_clear(channel: C) -> Result<Self, NpcError> {
        let mut card = Card::new(channel);
        // What is read first tells what lengths the reader takes; PACE itself need not be offered.
        if let Err(error @ CardError::Channel(_)) = card.connect_for_pace() {
            return Err(error.into());
        }
        Self::select(card)
    }

    /// Selects the certificate zone of a card as it is.
    pub fn select(mut card: Card<C>) -> Result<Self, NpcError> {
        match card.select_application(commands::AID_CERTIFICATE) {
            Ok(()) => Ok(Self { card }),
            Err(CardError::Refused { sw, .. }) => Err(NpcError::ZoneClosed(sw)),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the card back.
    pub fn into_card(self) -> Card<C> {
        self.card
    }

    /// The file identifiers of everything in the zone.
    pub fn objects(&mut self) -> Result<Vec<u16>, NpcError> {
        let list = self.zone_command("ENUMERATE OBJECTS", &enumerate_objects())?;
        Ok(list.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
    }

    /// One certificate, DER.
    pub fn certificate(&mut self, id: CertificateId) -> Result<Vec<u8>, NpcError> {
        self.card.read_by_odd_instruction(id.file()).map_err(|error| match error.status_word() {
            Some(StatusWord::FILE_NOT_FOUND) => NpcError::Absent,
            _ => zone_error(error),
        })
    }

    /// All certificates the zone has.
    pub fn certificates(&mut self) -> Result<Vec<(CertificateId, Vec<u8>)>, NpcError> {
        let mut certificates = Vec::new();
        for id in CertificateId::ALL {
            match self.certificate(id) {
                Ok(der) => certificates.push((id, der)),
                Err(NpcError::Absent) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(certificates)
    }

    /// Where PIN2 stands.
    pub fn pin2_status(&mut self) -> Result<Pin2Status, NpcError> {
        let sw = self.card.send(&pin2_status())?.sw;
        match (sw, sw.remaining_tries()) {
            (StatusWord::OK, _) => Ok(Pin2Status::Verified),
            (StatusWord::AUTHENTICATION_BLOCKED, _) | (_, Some(0)) => Ok(Pin2Status::Blocked),
            (StatusWord::REFERENCE_DATA_NOT_USABLE, _) => Ok(Pin2Status::NotSet),
            (_, Some(tries_left)) => Ok(Pin2Status::Required { tries_left }),
            _ => Err(NpcError::ZoneClosed(sw)),
        }
    }

    /// Proves PIN2 for this session.
    pub fn verify_pin2(&mut self, pin: &SecretBytes) -> Result<(), NpcError> {
        check_form(pin)?;
        self.expect_pin2()?;
        let sw = self.card.send(&verify_pin2(pin.expose()))?.sw;
        pin_answer(sw)
    }

    /// Changes PIN2; the old one is proved by the same command.
    pub fn change_pin2(&mut self, old: &SecretBytes, new: &SecretBytes) -> Result<(), NpcError> {
        check_form(old)?;
        check_form(new)?;
        self.expect_pin2()?;
        let sw = self.card.send(&change_pin2(old.expose(), new.expose()))?.sw;
        pin_answer(sw)
    }

    /// In the clear: asks first whether the card takes PIN2 so, without sending it.
    // CARD-43: a national card refuses PIN2 outside of the channel, but only after it has crossed the wire.
    fn expect_pin2(&mut self) -> Result<(), NpcError> {
        if self.card.is_secure() {
            return Ok(());
        }
        match self.pin2_status()? {
            Pin2Status::Required { .. } | Pin2Status::Verified => Ok(()),
            Pin2Status::Blocked => Err(NpcError::PinBlocked),
            Pin2Status::NotSet => Err(NpcError::PinNotSet),
        }
    }

    /// RSASSA-PKCS1-v1_5 over a message; the message is hashed and padded here.
    pub fn sign_rsa(&mut self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, NpcError> {
        let key = self.rsa_key(KeySlot::SigningRsa)?;
        let block = pkcs1_block(hash, &hash.digest(message), key.modulus().len()).ok_or(NpcError::Input)?;
        let signature = self.key_command("SIGN", &sign_rsa_raw(KeySlot::SigningRsa, &block))?;
        // A fault in the chip must not leave the house as a signature.
        key.verify_pkcs1(hash, &hash.digest(message), &signature).map_err(|_| NpcError::Output)?;
        Ok(signature)
    }

    /// ECDSA over a message; the message is hashed here.
    pub fn sign_ec(&mut self, hash: Hash, message: &[u8]) -> Result<Signature, NpcError> {
        let key = self.ec_key(KeySlot::SigningEc)?;
        let digest = hash.digest(message);
        let der = self.key_command("SIGN", &sign_ecdsa(KeySlot::SigningEc, &digest))?;
        let signature = Signature::from_der(key.curve(), &der).map_err(|_| NpcError::Output)?;
        curve::verify_digest(&key, &digest, &signature).map_err(|_| NpcError::Output)?;
        Ok(signature)
    }

    /// A detached CMS SignedData over `content` (RFC 5652): signed attributes with content type and digest, with the time
    /// if `at` is given; the signer's certificate and the intermediate of the card are inside.
    pub fn sign_cms(
        &mut self,
        key: KeySlot,
        hash: Hash,
        content: &[u8],
        at: Option<Timestamp>,
    ) -> Result<Vec<u8>, NpcError> {
        let signer = self.parsed_certificate(key.into())?;
        let intermediate = match self.parsed_certificate(CertificateId::Intermediate) {
            Err(NpcError::Absent) => None,
            other => Some(other?),
        };
        let algorithm = SignatureAlgorithm::new(key.is_rsa(), hash).ok_or(NpcError::Input)?;
        let more: Vec<&Certificate> = intermediate.iter().collect();
        let spec = cms::Spec {
            detached: true,
            signing_time: at,
            more_certificates: &more,
            ..cms::Spec::new(oid::CMS_DATA, content, &signer, algorithm)
        };
        let prepared = cms::prepare(&spec).map_err(|_| NpcError::Output)?;
        let signature = match key {
            KeySlot::SigningRsa => self.sign_rsa(hash, prepared.to_be_signed())?,
            KeySlot::SigningEc => self.sign_ec(hash, prepared.to_be_signed())?.to_der(),
            // CARD-37: the others do not sign.
            KeySlot::EncryptionRsa | KeySlot::EncryptionEc => return Err(NpcError::Input),
        };
        prepared.finish(&signature).map_err(|_| NpcError::Output)
    }

    /// Opens a CMS EnvelopedData (RFC 5652 §6) that was made for one of the holder's encryption certificates; says which.
    /// For the holder's own terminal only, as [`Self::decipher_rsa`] is.
    pub fn open_cms(&mut self, envelope: &EnvelopedData) -> Result<(KeySlot, SecretBytes), NpcError> {
        for slot in [KeySlot::EncryptionRsa, KeySlot::EncryptionEc] {
            let certificate = match self.parsed_certificate(slot.into()) {
                Err(NpcError::Absent) => continue,
                other => other?,
            };
            let key = match (slot, envelope.recipient(&certificate)) {
                (KeySlot::EncryptionRsa, Some(Recipient::KeyTransport(transport))) => {
                    self.decipher_rsa(transport.encrypted_key())?
                }
                (KeySlot::EncryptionEc, Some(Recipient::KeyAgreement(agreement))) => {
                    let own = curve::point_from_spki(certificate.spki()).map_err(|_| NpcError::Output)?;
                    let peer = Point::from_uncompressed(own.curve(), agreement.originator())
                        .map_err(|_| NpcError::Input)?;
                    let shared = self.agree_ec(&peer)?;
                    agreement.unwrap_key(&shared).map_err(|_| NpcError::Input)?
                }
                _ => continue,
            };
            return Ok((slot, envelope.open(&key).map_err(|_| NpcError::Input)?));
        }
        Err(NpcError::Input)
    }

    /// Whether the private key on the card belongs to the certificate in its slot: it signs or deciphers something random,
    /// and the certificate's key is the judge. Needs PIN2.
    pub fn key_fits(&mut self, key: KeySlot, rng: &mut dyn Random) -> Result<bool, NpcError> {
        let challenge = SecretBytes::random(32, rng);
        let outcome = match key {
            KeySlot::SigningRsa => self.sign_rsa(Hash::Sha256, challenge.expose()).map(|_| true),
            KeySlot::SigningEc => self.sign_ec(Hash::Sha512, challenge.expose()).map(|_| true),
            KeySlot::EncryptionRsa => {
                let public = self.rsa_key(key)?;
                let cryptogram = public.encrypt_pkcs1(challenge.expose()).map_err(|_| NpcError::Output)?;
                self.decipher_rsa(&cryptogram).map(|plain| plain.expose() == challenge.expose())
            }
            KeySlot::EncryptionEc => {
                let public = self.ec_key(key)?;
                let own = SecretKey::generate(public.curve(), rng);
                let expected = own.agree(&public).map_err(|_| NpcError::Output)?;
                self.agree_ec(&own.public_key()).map(|shared| shared.expose() == expected.expose())
            }
        };
        match outcome {
            // What the certificate's key does not verify, another key made.
            Err(NpcError::Output) => Ok(false),
            // Another key finds no padding.
            Err(NpcError::Input) if key == KeySlot::EncryptionRsa => Ok(false),
            other => other,
        }
    }

    /// Deciphers what was enciphered to the holder with RSAES-PKCS1-v1_5. For the holder's own terminal only: whoever
    /// answers strangers with the difference between right and wrong padding gives them the message.
    pub fn decipher_rsa(&mut self, cryptogram: &[u8]) -> Result<SecretBytes, NpcError> {
        let command = decipher_rsa_raw(KeySlot::EncryptionRsa, cryptogram);
        let block: SecretBytes = self.key_command("DECIPHER", &command)?.into();
        rsa::remove_encryption_padding(block.expose()).map_err(|_| NpcError::Input)
    }

    /// The x-coordinate that ECDH with `peer` gives.
    pub fn agree_ec(&mut self, peer: &Point) -> Result<SecretBytes, NpcError> {
        let key = self.ec_key(KeySlot::EncryptionEc)?;
        if key.curve() != peer.curve() {
            return Err(NpcError::Input);
        }
        let command = decipher_ecdh(KeySlot::EncryptionEc, peer.as_uncompressed());
        let shared: SecretBytes = self.key_command("DECIPHER", &command)?.into();
        let shared = Point::from_uncompressed(key.curve(), shared.expose()).map_err(|_| NpcError::Output)?;
        Ok(shared.x().into())
    }

    fn parsed_certificate(&mut self, id: CertificateId) -> Result<Certificate, NpcError> {
        Certificate::parse(&self.certificate(id)?).map_err(|_| NpcError::Output)
    }

    fn spki(&mut self, key: KeySlot) -> Result<Vec<u8>, NpcError> {
        Ok(self.parsed_certificate(key.into())?.spki().to_vec())
    }

    fn rsa_key(&mut self, key: KeySlot) -> Result<rsa::RsaPublicKey, NpcError> {
        rsa::RsaPublicKey::from_spki(&self.spki(key)?).map_err(|_| NpcError::Output)
    }

    fn ec_key(&mut self, key: KeySlot) -> Result<Point, NpcError> {
        curve::point_from_spki(&self.spki(key)?).map_err(|_| NpcError::Output)
    }

    fn zone_command(&mut self, what: &'static str, command: &Command) -> Result<Vec<u8>, NpcError> {
        self.card.require(what, command).map_err(zone_error)
    }

    fn key_command(&mut self, what: &'static str, command: &Command) -> Result<Vec<u8>, NpcError> {
        self.card.require(what, command).map_err(|error| match error.status_word() {
            Some(StatusWord::SECURITY_STATUS_NOT_SATISFIED) => NpcError::PinRequired,
            Some(StatusWord::AUTHENTICATION_BLOCKED) => NpcError::PinBlocked,
            Some(StatusWord::REFERENCED_DATA_NOT_FOUND) => NpcError::Absent,
            Some(StatusWord::WRONG_DATA) => NpcError::Input,
            _ => error.into(),
        })
    }
}

fn zone_error(error: CardError) -> NpcError {
    match error.status_word() {
        Some(StatusWord::CONDITIONS_NOT_SATISFIED) => NpcError::PinNotSet,
        Some(sw @ StatusWord::SECURITY_STATUS_NOT_SATISFIED) => NpcError::ZoneClosed(sw),
        _ => error.into(),
    }
}

fn pin_answer(sw: StatusWord) -> Result<(), NpcError> {
    match (sw, sw.remaining_tries()) {
        (StatusWord::OK, _) => Ok(()),
        (StatusWord::AUTHENTICATION_BLOCKED, _) | (_, Some(0)) => Err(NpcError::PinBlocked),
        (_, Some(tries_left)) => Err(NpcError::WrongPin { tries_left }),
        (StatusWord::REFERENCE_DATA_NOT_USABLE, _) => Err(NpcError::PinNotSet),
        (StatusWord::WRONG_DATA, _) => Err(NpcError::PinForm),
        (StatusWord::SECURITY_STATUS_NOT_SATISFIED, _) => Err(NpcError::ZoneClosed(sw)),
        _ => Err(CardError::Refused { what: "PIN2", sw }.into()),
    }
}

/// PIN2 has eight to twelve digits; one that has not never reaches the card and costs no try.
fn check_form(pin: &SecretBytes) -> Result<(), NpcError> {
    let digits = pin.expose();
    if (8..=12).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
        Ok(())
    } else {
        Err(NpcError::PinForm)
    }
}

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2): 00 01 FF.. 00 DigestInfo.
fn pkcs1_block(hash: Hash, digest: &[u8], len: usize) -> Option<Vec<u8>> {
    let algorithm = tlv::sequence(&[&tlv::encode_oid(hash.oid()), &[0x05, 0x00]]);
    let info = tlv::sequence(&[&algorithm, &tlv::encode(0x04, digest)]);
    // At least eight bytes of FF.
    let padding = len.checked_sub(info.len() + 3).filter(|n| *n >= 8)?;
    Some([&[0x00, 0x01][..], &vec![0xFF; padding], &[0x00], &info].concat())
}
