//! The certificate zone described in the words of PKCS #15 (v1.1, ISO/IEC 7816-15): what the token is, and which keys and
//! certificates it has. Both views of the zone use the same descriptions.

use curve::Hash;
use tlv::{encode, sequence};

use crate::chip::Chip;
use crate::files::Pkcs15;
use crate::keys::{CERTIFIED, ENCRYPTION_EC, ENCRYPTION_RSA, PrivateKey, SIGNING_EC, SIGNING_RSA};
use crate::nvm::key;

const OCTET_STRING: u32 = 0x04;
const BIT_STRING: u32 = 0x03;
const INTEGER: u32 = 0x02;
const UTF8_STRING: u32 = 0x0C;

/// Identifier of PIN2 as an authentication object.
const PIN2_ID: &[u8] = &[0x01];

/// What people see as the name of the token.
const LABEL: &str = "New eID 憑證";

/// The content of a description, or `None` if what it would describe is not there.
pub(crate) fn description(chip: &Chip, which: Pkcs15) -> Option<Vec<u8>> {
    Some(match which {
        Pkcs15::TokenInfo => token_info(chip),
        Pkcs15::Objects => objects(),
        Pkcs15::Authentication => authentication(),
        Pkcs15::PrivateKeys => CERTIFIED
            .into_iter()
            .filter(|s| chip.has_certificate(*s))
            .flat_map(|s| private_key(chip, s))
            .collect(),
        Pkcs15::Certificates => (1..=6)
            .filter(|s| chip.has_certificate(*s))
            .flat_map(|s| certificate(chip, s, &path(0x4300 | u16::from(s))))
            .collect(),
        Pkcs15::PrivateKey(slot) => chip.has_certificate(slot).then(|| private_key(chip, slot))?,
        Pkcs15::CaCertificate(slot) => {
            chip.has_certificate(slot).then(|| certificate(chip, slot, &[0xCA, slot]))?
        }
    })
}

/// The name of a token in its device certificate: tells tokens apart, says nothing about card or holder.
// It is made from the active authentication key, so that it cannot be used to guess the card access number.
pub(crate) fn token_name(active_authentication_spki: &[u8]) -> String {
    let hash = Hash::Sha256.digest_parts(&[b"New eID token name", active_authentication_spki]);
    format!("TWN{:02X}{:02X}{:02X}{:02X}", hash[0], hash[1], hash[2], hash[3])
}

/// The device certificate: a self-signed card-verifiable certificate over the chip authentication key.
// TR-03110-3 §C.1; clients of the SmartCard-HSM profile take the token's serial number from the holder reference.
pub(crate) fn device_certificate(name: &str, private: &PrivateKey) -> Option<Vec<u8>> {
    let secret = private.ec()?;
    let hash = secret.curve().hash();
    // id-TA-ECDSA-SHA-256, -384 or -512.
    let algorithm = match hash {
        Hash::Sha384 => [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x04],
        Hash::Sha512 => [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x05],
        _ => [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03],
    };
    let reference = format!("{name}00001");
    let public = [encode(0x06, &algorithm), encode(0x86, secret.public_key().as_uncompressed())].concat();
    let body = [
        encode(0x5F29, &[0x00]),
        encode(0x42, reference.as_bytes()),
        encode(0x7F49, &public),
        encode(0x5F20, reference.as_bytes()),
    ];
    let body = encode(0x7F4E, &body.concat());
    let signature = encode(0x5F37, &secret.sign_digest(&hash.digest(&body)).to_plain());
    Some(encode(0x7F21, &[body, signature].concat()))
}

// PKCS #15 §6.8.
fn token_info(chip: &Chip) -> Vec<u8> {
    // The name without its running number, as the device certificate has it.
    let serial = chip
        .nvm
        .load(key::DEVICE_CERTIFICATE)
        .and_then(|c| tlv::find(c, 0x7F21)?.child(0x7F4E)?.child(0x5F20))
        .map_or(&[][..], |holder| &holder.value[..holder.value.len().saturating_sub(5)]);
    sequence(&[
        &encode(INTEGER, &[0]),
        &encode(OCTET_STRING, serial),
        &encode(UTF8_STRING, "New eID".as_bytes()),
        &encode(0x80, LABEL.as_bytes()),
        // readonly, loginRequired, prnGeneration.
        &encode(BIT_STRING, &[0x05, 0xE0]),
    ])
}

// PKCS #15 §6.2: [0] private keys, [4] certificates, [8] authentication objects.
fn objects() -> Vec<u8> {
    [(0xA0, 0x4402), (0xA4, 0x4403), (0xA8, 0x4401)]
        .into_iter()
        .flat_map(|(tag, fid)| encode(tag, &sequence(&[&encode(OCTET_STRING, &path(fid))])))
        .collect()
}

// PKCS #15 §6.9.1.
fn authentication() -> Vec<u8> {
    // case-sensitive no, local, unblocking disabled, initialized.
    let attributes = sequence(&[
        &encode(BIT_STRING, &[0x03, 0x58]),
        &encode(0x0A, &[0x01]),
        &encode(INTEGER, &[8]),
        &encode(INTEGER, &[12]),
        &encode(INTEGER, &[12]),
        &encode(0x80, &[0x00, 0x81]),
        &sequence(&[&encode(OCTET_STRING, &[0x3F, 0x00, 0x50, 0x15])]),
    ]);
    sequence(&[
        &common("PIN2", &[0x06, 0x40], None),
        &sequence(&[&encode(OCTET_STRING, PIN2_ID)]),
        &encode(0xA1, &attributes),
    ])
}

// PKCS #15 §6.3.
fn private_key(chip: &Chip, slot: u8) -> Vec<u8> {
    // Bits: sign 2, non-repudiation 9; decrypt 1, unwrap 5; derive 8.
    let usage: &[u8] = match slot {
        SIGNING_RSA | SIGNING_EC => &[0x06, 0x20, 0x40],
        ENCRYPTION_RSA => &[0x02, 0x44],
        _ => &[0x07, 0x00, 0x80],
    };
    let attributes = sequence(&[
        &encode(OCTET_STRING, &[slot]),
        &encode(BIT_STRING, usage),
        // sensitive, alwaysSensitive, neverExtractable, local.
        &encode(BIT_STRING, &[0x03, 0xB8]),
        &encode(INTEGER, &[slot]),
    ]);
    let bits = chip.profile.map_or(0, |p| match slot {
        SIGNING_RSA | ENCRYPTION_RSA => p.rsa_bits,
        _ => match p.curve.field_len() {
            66 => 521,
            len => len as u16 * 8,
        },
    });
    let value = sequence(&[
        // An empty path: the key has no file to select, its reference is enough.
        &sequence(&[&encode(OCTET_STRING, &[])]),
        &tlv::integer_unsigned(&bits.to_be_bytes()),
    ]);
    // private, not modifiable; protected by PIN2.
    let object =
        [common(label(slot), &[0x07, 0x80], Some(PIN2_ID)), attributes, encode(0xA1, &value)].concat();
    match slot {
        SIGNING_EC | ENCRYPTION_EC => encode(0xA0, &object),
        _ => encode(0x30, &object),
    }
}

// PKCS #15 §6.6.
fn certificate(chip: &Chip, slot: u8, path: &[u8]) -> Vec<u8> {
    let identifier = encode(OCTET_STRING, &[slot]);
    let attributes = match slot {
        5 | 6 => sequence(&[&identifier, &encode(0x01, &[0xFF])]),
        _ => sequence(&[&identifier]),
    };
    let value = sequence(&[&sequence(&[&encode(OCTET_STRING, path)])]);
    // CARD-38: what the file asks for before it is read is what its description says: private, and behind which PIN.
    let (flags, pin): (&[u8], _) =
        match chip.profile.is_some_and(|p| p.read_certificate_in(slot).needs_pin2()) {
            true => (&[0x07, 0x80], Some(PIN2_ID)),
            false => (&[0x00], None),
        };
    sequence(&[&common(label(slot), flags, pin), &attributes, &encode(0xA1, &value)])
}

// PKCS #15 §6.1.8: CommonObjectAttributes.
fn common(label: &str, flags: &[u8], pin: Option<&[u8]>) -> Vec<u8> {
    let pin = pin.map_or_else(Vec::new, |id| encode(OCTET_STRING, id));
    sequence(&[&encode(UTF8_STRING, label.as_bytes()), &encode(BIT_STRING, flags), &pin])
}

/// The path of a file in the PKCS #15 view.
fn path(fid: u16) -> [u8; 6] {
    let [hi, lo] = fid.to_be_bytes();
    [0x3F, 0x00, 0x50, 0x15, hi, lo]
}

const fn label(slot: u8) -> &'static str {
    match slot {
        SIGNING_RSA => "簽章 Signature RSA",
        ENCRYPTION_RSA => "加密 Encryption RSA",
        SIGNING_EC => "簽章 Signature EC",
        ENCRYPTION_EC => "加密 Key agreement EC",
        5 => "根憑證 Root",
        _ => "中繼憑證 Intermediate",
    }
}
