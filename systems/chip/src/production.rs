//! Initialisation and personalisation by the card centre.
//!
//! *Initialisation* makes six key pairs and four certification requests and writes them, with serial number, profile and
//! state, in one transaction. *Personalisation* first puts each object into the memory, where no reader sees it while the
//! chip is not operational, and then becomes operational in one transaction. So after a loss of power at any moment the
//! chip is either washed or initialised, initialised or personalised, never between.

use apdu::{Command, Response, StatusWord};
use curve::{Hash, Point};
use eac::cvc::{TerminalType, TrustPoint, TrustPoints};
use eac::restricted_identification;
use eac::security_infos::{self, SecurityInfo};
use tlv::Reader;

use crate::chip::Chip;
use crate::commands::{RESTRICTED_HASH, RESTRICTED_KEY_ID};
use crate::error::Reply;
use crate::factory;
use crate::files::{Content, FILES};
use crate::keys::{ACTIVE_AUTHENTICATION, CERTIFIED, CHIP_AUTHENTICATION, PrivateKey, made_by};
use crate::life_cycle::LifeCycle;
use crate::nvm::key;
use crate::pkcs15;
use crate::profile::Profile;

/// The largest object STORE DATA takes. The portrait is the largest there is.
const MAX_OBJECT: usize = 65_535;

/// Objects that must be there before the card can be given to anybody.
const REQUIRED: [u16; 13] = [
    key::CAN,
    key::MRZ,
    key::HOUSEHOLD,
    key::CARD_ACCESS,
    key::CARD_SECURITY,
    key::ROOT,
    key::DOCUMENT_ANCHOR,
    key::KEY_SET_NEXT,
    COM,
    SOD,
    DG1,
    DG14,
    DG15,
];

const DG1: u16 = 0x0101;
const DG14: u16 = 0x010E;
const DG15: u16 = 0x010F;
const SOD: u16 = 0x011D;
const COM: u16 = 0x011E;

/// The object that is arriving in blocks.
pub(crate) struct Staging {
    data: Vec<u8>,
    next_block: u8,
}

impl Staging {
    /// Takes the next block of an object. Gives identifier and content with the last one; any error leaves no half object
    /// behind.
    pub(crate) fn accept(
        arriving: &mut Option<Self>,
        command: &Command,
    ) -> Result<Option<(u16, Vec<u8>)>, StatusWord> {
        let last = match command.p1 {
            0x00 => false,
            0x80 => true,
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        };
        let mut staging = arriving.take().unwrap_or(Self { data: Vec::new(), next_block: 0 });
        if command.p2 != staging.next_block {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        if staging.data.len() + command.data.len() > MAX_OBJECT {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        staging.data.extend_from_slice(&command.data);
        staging.next_block = staging.next_block.wrapping_add(1);
        if !last {
            *arriving = Some(staging);
            return Ok(None);
        }
        let (&object, content) = staging.data.split_first_chunk::<2>().ok_or(StatusWord::WRONG_DATA)?;
        if content.is_empty() {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
        }
        Ok(Some((u16::from_be_bytes(object), content.to_vec())))
    }
}

impl Chip {
    /// INITIALISE: key pairs, certification requests, serial number and profile.
    // PRODUCTION-26, CARD-07: the private keys are made here and stay here.
    pub(crate) fn initialise(&mut self, command: &Command) -> Reply {
        self.session.issuer.centre()?;
        let serial = text(&command.data, 0xC0).filter(|s| is_serial(s)).ok_or(StatusWord::WRONG_DATA)?;
        let name = text(&command.data, 0xC1).ok_or(StatusWord::WRONG_DATA)?;
        // The name of a profile of this program; or the text of one for a sample card, which the chip checks and keeps.
        let profile = Profile::given(name).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        // CARD-12: a profile is for one type of chip.
        if !self.nvm.load(key::FACTORY).is_some_and(|cplc| profile.chip.made(cplc)) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
        }
        if self.state == LifeCycle::Initialised {
            let same = self.nvm.load(key::SERIAL) == Some(serial.as_bytes()) && self.profile == Some(profile);
            return if same {
                Ok(Response::ok([]))
            } else {
                Err(StatusWord::CONDITIONS_NOT_SATISFIED.into())
            };
        }
        let mut changes = vec![
            (key::LIFE_CYCLE, Some(vec![LifeCycle::Initialised.number()])),
            (key::SERIAL, Some(serial.as_bytes().to_vec())),
            (key::PROFILE, Some(name.as_bytes().to_vec())),
        ];
        for slot in made_by(profile) {
            let private =
                PrivateKey::generate(slot, profile, &mut *self.rng).map_err(|_| StatusWord::UNKNOWN)?;
            changes.push((key::PRIVATE_KEY + u16::from(slot), Some(private.to_record().expose().to_vec())));
            if CERTIFIED.contains(&slot) {
                let request = private.request(serial).map_err(|_| StatusWord::UNKNOWN)?;
                changes.push((key::REQUEST + u16::from(slot), Some(request)));
            }
        }
        let written = self.nvm.commit(&changes);
        for (_, value) in &mut changes {
            zeroize::Zeroize::zeroize(value);
        }
        written?;
        self.state = LifeCycle::Initialised;
        self.profile = Some(profile);
        self.forget_keys();
        Ok(Response::ok([]))
    }

    /// BEGIN PERSONALISATION: names the card and drops what an attempt before has left.
    pub(crate) fn begin_personalisation(&mut self, command: &Command) -> Reply {
        self.session.issuer.centre()?.staging = None;
        let serial = text(&command.data, 0xC0).ok_or(StatusWord::WRONG_DATA)?;
        // PRODUCTION-33: a package belongs to one card.
        if self.nvm.load(key::SERIAL) != Some(serial.as_bytes()) {
            return Err(StatusWord::WRONG_DATA.into());
        }
        let left: Vec<_> = self.staged().map(|k| (k, None)).chain([(key::KEY_SET_NEXT, None)]).collect();
        self.nvm.commit(&left)?;
        Ok(Response::ok([]))
    }

    /// STORE DATA: the next block of an object. The object is written when its last block has come.
    pub(crate) fn store_data(&mut self, command: &Command) -> Reply {
        let operational = self.state.is_in_use();
        let open =
            if operational { self.session.issuer.pin_management()? } else { self.session.issuer.centre()? };
        let Some((object, content)) = Staging::accept(&mut open.staging, command)? else {
            return Ok(Response::ok([]));
        };
        if !is_storable(object) {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND.into());
        }
        if operational {
            // OPEN-18: a slot takes another certificate, for the same key, on a card that has certificates.
            let slot = certificate_slot(object).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
            if !self.nvm.certificate_zone_is_open() {
                return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
            }
            self.certificate_fits(slot, &content)?;
            self.nvm.commit(&[(object, Some(content))])?;
        } else {
            self.nvm.commit(&[(object, Some(content))])?;
        }
        Ok(Response::ok([]))
    }

    /// COMMIT: checks that all is there and belongs together, and hands the chip to its holder.
    pub(crate) fn commit_personalisation(&mut self, command: &Command) -> Reply {
        let open = self.session.issuer.centre()?;
        if open.staging.is_some() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
        }
        if !curve::constant_time_eq(&command.data, &self.manifest()) {
            return Err(StatusWord::WRONG_DATA.into());
        }
        self.check_personalisation()?;
        let root = self.nvm.load(key::ROOT).and_then(trust_point).ok_or(StatusWord::WRONG_DATA)?;
        let spki = self.private_key(ACTIVE_AUTHENTICATION)?.spki();
        let device =
            pkcs15::device_certificate(&pkcs15::token_name(&spki), &*self.private_key(CHIP_AUTHENTICATION)?)
                .ok_or(StatusWord::UNKNOWN)?;
        let factory = self.nvm.load(key::FACTORY).map(factory::sealed);
        let keys = self.nvm.load(key::KEY_SET_NEXT).map(<[u8]>::to_vec);
        let mut changes = vec![
            (key::LIFE_CYCLE, Some(vec![LifeCycle::Operational.number()])),
            // PRODUCTION-35, CARD-52: the identifier is sealed by erasing it.
            (key::FACTORY, factory),
            // The centre's keys give way to the ministry's.
            (key::KEY_SET, keys),
            (key::KEY_SET_NEXT, None),
            (key::KEY_SET_FAILURES, None),
            // CARD-57: the chip trusts one root, and knows that it is at least the day that root begins.
            (key::ROOT, None),
            (key::CARD_DATE, Some(root.effective().to_bytes().to_vec())),
            (key::TRUST_POINTS, Some(TrustPoints::new(root).encode())),
            (key::UPDATE_NUMBER, Some(vec![0, 0])),
            // OPEN-11: no PIN of any kind leaves production.
            (key::PIN1, None),
            (key::PIN1_TRIES, None),
            (key::PIN2, None),
            (key::PIN2_TRIES, None),
        ];
        changes.extend(CERTIFIED.map(|slot| (key::REQUEST + u16::from(slot), None)));
        if self.nvm.certificate_zone_is_open() {
            changes.push((key::DEVICE_CERTIFICATE, Some(device)));
        } else {
            // CARD-40: a closed zone has no keys either.
            changes.extend(CERTIFIED.map(|slot| (key::PRIVATE_KEY + u16::from(slot), None)));
        }
        self.nvm.commit(&changes)?;
        self.nvm.forget_erased();
        self.state = LifeCycle::Personalised;
        self.forget_keys();
        self.session.issuer.open()?.last = true;
        Ok(Response::ok([]))
    }

    /// What COMMIT demands beside the manifest.
    fn check_personalisation(&mut self) -> Result<(), StatusWord> {
        let wrong = |holds: bool| if holds { Ok(()) } else { Err(StatusWord::WRONG_DATA) };
        wrong(REQUIRED.iter().all(|object| self.nvm.load(*object).is_some()))?;
        // CARD-25: the access number is the last six digits of the serial number.
        let serial = self.nvm.load(key::SERIAL).unwrap_or_default();
        wrong(serial.len() == 9 && self.nvm.load(key::CAN) == serial.get(3..))?;
        // DOCPKI-07: the key that active authentication proves is the one the document signer vouches for.
        let own = self.private_key(ACTIVE_AUTHENTICATION)?.spki();
        wrong(self.nvm.load(DG15).and_then(|f| tlv::expect(f, 0x6F).ok()).is_some_and(|f| f.value == own))?;
        // DOCPKI-07: and so is the key of chip authentication.
        let chip_key = self.chip_authentication_point()?;
        // Nor does it announce a Restricted Identification that the card's profile lacks.
        let restricted = self.profile.is_some_and(|profile| profile.restricted_identification);
        let restricted = restricted.then_some((RESTRICTED_HASH, u64::from(RESTRICTED_KEY_ID)));
        let card_security = self.nvm.load(key::CARD_SECURITY);
        wrong(card_security.is_some_and(|file| vouches_for(file, &chip_key, restricted)))?;
        // What DG14 announces is this chip's too, and nothing that its profile does not offer.
        let named = self.nvm.load(DG14).and_then(announced_key);
        let offers = self.profile.is_some_and(|profile| profile.chip_authentication);
        wrong(named.is_none_or(|key| offers && key == chip_key))?;
        // ADR 20: updates are the country's that signs documents, and this is where its signatures lead.
        wrong(self.nvm.load(key::DOCUMENT_ANCHOR).is_some_and(is_anchor))?;
        let placement = self.profile.ok_or(StatusWord::WRONG_DATA)?.fields;
        let key = chip_key.as_uncompressed();
        crate::encrypted::inspect(|record| self.nvm.load(record), placement, key)?;
        let infos = security_infos::parse_file(self.nvm.load(key::CARD_ACCESS).unwrap_or_default())
            .map_err(|_| StatusWord::WRONG_DATA)?;
        let announced: Vec<_> = infos.iter().filter_map(eac::pace::Parameters::from_info).collect();
        let offered = self.profile.map_or(&[][..], |p| p.pace.as_slice());
        wrong(!announced.is_empty() && announced.iter().all(|p| offered.contains(p)))?;
        let certificates: Vec<u8> = (1..=6).filter(|slot| self.has_certificate(*slot)).collect();
        if !certificates.is_empty() {
            let (authorities, holders): (Vec<u8>, Vec<u8>) = certificates.iter().partition(|slot| **slot > 4);
            wrong(authorities == [5, 6] && !holders.is_empty())?;
            for slot in holders {
                let der =
                    self.nvm.load(key::CERTIFICATE + u16::from(slot)).map(<[u8]>::to_vec).unwrap_or_default();
                self.certificate_fits(slot, &der)?;
            }
        }
        Ok(())
    }

    /// The public key of chip authentication.
    pub(crate) fn chip_authentication_point(&mut self) -> Result<Point, StatusWord> {
        let private = self.private_key(CHIP_AUTHENTICATION)?;
        Ok(private.ec().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?.public_key())
    }

    /// Whether a certificate is one, and holds the key of its slot.
    fn certificate_fits(&mut self, slot: u8, der: &[u8]) -> Result<(), StatusWord> {
        let certificate = x509::Certificate::parse(der).map_err(|_| StatusWord::WRONG_DATA)?;
        if slot <= 4 && certificate.spki() != self.private_key(slot)?.spki() {
            return Err(StatusWord::WRONG_DATA);
        }
        Ok(())
    }

    /// The hash over all stored objects, in the order of their identifiers.
    fn manifest(&self) -> Vec<u8> {
        let mut hasher = Hash::Sha256.hasher();
        for object in self.staged() {
            let content = self.nvm.load(object).unwrap_or_default();
            hasher.update(&object.to_be_bytes());
            hasher.update(&(content.len() as u32).to_be_bytes());
            hasher.update(content);
        }
        hasher.finish()
    }

    /// The objects of the personalisation that are in the memory.
    fn staged(&self) -> impl Iterator<Item = u16> + '_ {
        self.nvm.keys().into_iter().filter(|k| is_storable(*k))
    }
}

/// Whether the card centre may store an object under this identifier: the stored files of the zones and of the MF, CAN and
/// MRZ.
// CARD-16, CARD-17: there is nowhere to put anything else.
fn is_storable(object: u16) -> bool {
    matches!(object, key::CAN | key::MRZ | key::ROOT | key::DOCUMENT_ANCHOR)
        || FILES.iter().any(|f| f.content == Content::Stored(object) && object != key::DEVICE_CERTIFICATE)
}

/// The trust point for authentication terminals.
fn trust_point(record: &[u8]) -> Option<TrustPoint> {
    let point = TrustPoint::decode(record).ok()?;
    let kind = point.authorisation().chat.terminal_type();
    (kind == TerminalType::AuthenticationTerminal).then_some(point)
}

/// Whether a record is a certificate that signs itself, as that of a country signing CA does.
fn is_anchor(record: &[u8]) -> bool {
    x509::Certificate::parse(record).is_ok_and(|c| c.is_self_issued() && c.verify_signature(c.spki()).is_ok())
}

/// Whether a file is an EF.CardSecurity that names this key for chip authentication, and for Restricted Identification none or
/// this one.
fn vouches_for(card_security: &[u8], own: &Point, restricted: Option<(Hash, u64)>) -> bool {
    let named = || {
        let cms = x509::cms::SignedData::parse(card_security).ok()?;
        (cms.content_type() == tlv::oid::CARD_SECURITY_OBJECT && cms.verify().is_ok()).then_some(())?;
        let infos = security_infos::parse_set(cms.content()?).ok()?;
        let expected = SecurityInfo::chip_authentication_public_key(own, None);
        let announced = restricted_identification::announced(&infos);
        Some(
            (announced.is_none() || announced == restricted)
                && infos.iter().any(|info| match (info, &expected) {
                    (
                        SecurityInfo::ChipAuthenticationPublicKey { spki: found, .. },
                        SecurityInfo::ChipAuthenticationPublicKey { spki, .. },
                    ) => found == spki,
                    _ => false,
                }),
        )
    };
    named().unwrap_or(false)
}

/// The key of Chip Authentication that DG14 names, if it does.
fn announced_key(dg14: &[u8]) -> Option<Point> {
    let infos = security_infos::parse_set(tlv::expect(dg14, 0x6E).ok()?.value).ok()?;
    infos.iter().find_map(SecurityInfo::chip_authentication_key)
}

/// The slot of a certificate object.
fn certificate_slot(object: u16) -> Option<u8> {
    (1..=6).find(|slot| key::CERTIFICATE + u16::from(*slot) == object)
}

fn text(data: &[u8], tag: u32) -> Option<&str> {
    let object = Reader::new(data).map_while(Result::ok).find(|t| t.tag == tag)?;
    std::str::from_utf8(object.value).ok()
}

/// Three letters or digits and six digits (OPEN-45).
fn is_serial(serial: &str) -> bool {
    let bytes = serial.as_bytes();
    bytes.len() == 9
        && bytes[..3].iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && bytes[3..].iter().all(u8::is_ascii_digit)
}
