//! The copy of a software key for the day its store is lost: the key encrypted under a key of its own (AES-256-GCM), which
//! is divided among custodians ([`crate::shares`]).
//!
//! Copy and shares are JSON files. The copy is worth nothing without the shares, and may lie anywhere; a share is worth
//! nothing without enough others. The copy names the hash of each share, so that a wrong one is known by its custodian.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64ct::{Base64, Encoding};
use curve::{Hash, Random, SecretBytes};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::shares::{Point, combine, divide};
use crate::{KeyError, KeyInfo, KeyKind, Purpose, Result};

/// A key's copy, and what its custodians get.
pub struct Backup {
    /// The copy, a JSON file.
    pub copy: Vec<u8>,
    /// One JSON file for each custodian: secrets, to be handed over and forgotten.
    pub shares: Vec<SecretBytes>,
}

/// The label of the key that a copy is of.
pub fn backup_label(copy: &[u8]) -> Result<String> {
    Ok(read(copy)?.label)
}

/// Encrypts the key and divides what opens it.
pub(crate) fn make(
    info: &KeyInfo,
    pkcs8: &[u8],
    threshold: u8,
    shares: u8,
    random: &mut dyn Random,
) -> Result<Backup> {
    if threshold < 2 || threshold > shares {
        return Err(KeyError::Shares("at least two custodians, and not more than there are"));
    }
    let mut key = Zeroizing::new([0; 32]);
    random.fill(key.as_mut());
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut nonce);
    let points = divide(key.as_ref(), threshold, shares, random);
    let mut copy = Copy {
        format: FORMAT.to_owned(),
        label: info.label.clone(),
        kind: info.kind.name(),
        purpose: info.purpose.as_str().to_owned(),
        spki: Base64::encode_string(&info.spki),
        threshold,
        shares: points.iter().map(share_hash).collect(),
        nonce: Base64::encode_string(&nonce),
        sealed: String::new(),
    };
    let mut sealed = Zeroizing::new(pkcs8.to_vec());
    let crypto = |_| KeyError::Crypto("AES-GCM".into());
    cipher(key.as_ref())?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), copy.bound(), &mut *sealed)
        .map_err(crypto)?;
    copy.sealed = Base64::encode_string(&sealed);
    let mut files = Vec::with_capacity(points.len());
    for point in &points {
        let value = Zeroizing::new(Base64::encode_string(point.y.expose()));
        let share = Share {
            format: SHARE.to_owned(),
            label: info.label.clone(),
            threshold,
            custodian: point.x,
            value: value.as_str(),
        };
        let text = Zeroizing::new(
            serde_json::to_vec_pretty(&share).map_err(|error| KeyError::Crypto(error.to_string()))?,
        );
        files.push(SecretBytes::new(&text));
    }
    let copy = serde_json::to_vec_pretty(&copy).map_err(|error| KeyError::Crypto(error.to_string()))?;
    Ok(Backup { copy, shares: files })
}

/// Opens a copy with the shares of enough custodians: what is known about the key, and the key.
pub(crate) fn open(copy: &[u8], shares: &[SecretBytes]) -> Result<(KeyInfo, Zeroizing<Vec<u8>>)> {
    let copy = read(copy)?;
    let mut points = Vec::with_capacity(shares.len());
    for share in shares {
        let share: Share<'_> = serde_json::from_slice(share.expose())
            .map_err(|_| KeyError::Shares("a share is not what this program writes"))?;
        if share.format != SHARE || share.label != copy.label {
            return Err(KeyError::Shares("a share is of another key"));
        }
        let value = Base64::decode_vec(share.value).map(Zeroizing::new);
        let value = value.map_err(|_| KeyError::Shares("a share is damaged"))?;
        let point = Point { x: share.custodian, y: SecretBytes::new(&value) };
        let known = usize::from(point.x).checked_sub(1).and_then(|place| copy.shares.get(place));
        if known != Some(&share_hash(&point)) {
            return Err(KeyError::Shares("a share is of another copy, or damaged"));
        }
        points.push(point);
    }
    if points.len() < usize::from(copy.threshold) {
        return Err(KeyError::Shares("not enough custodians"));
    }
    let key = combine(&points).ok_or(KeyError::Shares("the same share twice"))?;
    let sealed = || KeyError::Sealed(copy.label.clone());
    let nonce = Base64::decode_vec(&copy.nonce).map_err(|_| sealed())?;
    let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| sealed())?;
    let mut bytes = Zeroizing::new(Base64::decode_vec(&copy.sealed).map_err(|_| sealed())?);
    let length =
        cipher(key.expose())?.open_in_place(nonce, copy.bound(), &mut bytes).map_err(|_| sealed())?.len();
    bytes.truncate(length);
    let info = KeyInfo {
        kind: KeyKind::from_name(&copy.kind).ok_or_else(sealed)?,
        purpose: Purpose::from_str(&copy.purpose).ok_or_else(sealed)?,
        spki: Base64::decode_vec(&copy.spki).map_err(|_| sealed())?,
        label: copy.label.clone(),
    };
    Ok((info, bytes))
}

fn read(copy: &[u8]) -> Result<Copy> {
    let copy: Copy = serde_json::from_slice(copy)
        .map_err(|_| KeyError::Shares("the copy is not what this program writes"))?;
    if copy.format == FORMAT { Ok(copy) } else { Err(KeyError::Shares("a copy of another version")) }
}

fn cipher(key: &[u8]) -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| KeyError::Crypto("AES-GCM".into()))?;
    Ok(LessSafeKey::new(key))
}

// 32 random bytes cannot be guessed from their hash.
fn share_hash(point: &Point) -> String {
    let bytes = Zeroizing::new([&[point.x], point.y.expose()].concat());
    Base64::encode_string(&Hash::Sha256.digest(&bytes))
}

/// The persisted form. Fields are only ever added.
#[derive(Serialize, Deserialize)]
struct Copy {
    format: String,
    label: String,
    kind: String,
    purpose: String,
    spki: String,
    threshold: u8,
    shares: Vec<String>,
    nonce: String,
    sealed: String,
}

impl Copy {
    /// What the ciphertext is bound to. None of the texts can contain a line feed.
    fn bound(&self) -> Aad<Vec<u8>> {
        Aad::from([FORMAT, &self.label, &self.kind, &self.purpose, &self.spki].join("\n").into_bytes())
    }
}

/// A custodian's file. It borrows, so that no copy of the value is left behind.
#[derive(Serialize, Deserialize)]
struct Share<'a> {
    format: String,
    label: String,
    threshold: u8,
    custodian: u8,
    value: &'a str,
}

const FORMAT: &str = "neweid key copy 1";
const SHARE: &str = "neweid key share 1";
