//! Checking a request before anything is stored: proof of possession, kind and strength of the key, period.

use aws_lc_rs::digest::{Context, SHA256, digest};
use curve::Curve;
use model::KeySlot;
use model::validity::Validity;
use x509::cmp::{CertificateRequest, Possession};
use x509::csr::Csr;
use x509::{PublicKey, SignatureAlgorithm};

use crate::weak_key;
use crate::{Carrier, IssueRequest, NpcError, Period, Result};

/// A request that may be stored.
pub(crate) struct Checked {
    pub(crate) spki: Vec<u8>,
    pub(crate) spki_hash: [u8; 32],
    /// The modulus of an RSA key.
    pub(crate) modulus: Option<Vec<u8>>,
    /// Kind and size of the key: `RSA-2048`, `secp521r1`.
    pub(crate) key_class: String,
    /// What the key shows of the program that made it ([`weak_key::fingerprint`]).
    pub(crate) fingerprint: String,
    pub(crate) validity: Validity,
    /// Over everything but the request number.
    pub(crate) hash: [u8; 32],
}

pub(crate) fn check(request: &IssueRequest) -> Result<Checked> {
    let validity = request.validity()?;
    // NPC-28: the RSA keys serve the first five years, the elliptic-curve keys the next.
    if request.slot.is_rsa() && matches!(request.period, Period::Reissue { .. }) {
        return Err(NpcError::Request("a reissue is for the elliptic-curve keys"));
    }
    // NPC-27: five years and five more with other keys, whatever the card; a virtual smart card has no keys but its own.
    if request.carrier == Carrier::VirtualSmartCard && matches!(request.period, Period::Reissue { .. }) {
        return Err(NpcError::Request("a virtual smart card has no second period"));
    }
    check_chip_model(request)?;
    if request.csr.len() > MOST_BYTES {
        return Err(NpcError::Csr(x509::Error::Malformed("longer than a certification request is")));
    }
    let proved = prove(&request.csr).map_err(NpcError::Csr)?;
    let modulus = check_key(request.slot, &proved)?;
    let key = PublicKey::from_spki(&proved.spki).map_err(NpcError::Csr)?;
    Ok(Checked {
        spki_hash: sha256(&proved.spki),
        modulus,
        key_class: key.name(),
        fingerprint: weak_key::fingerprint(&key),
        spki: proved.spki,
        validity,
        hash: hash(request),
    })
}

/// A key, and with what its holder has signed for it.
struct Proved {
    spki: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

/// Proof of possession before anything is believed about the key: a PKCS #10 request or a CertReqMsg (RFC 4211).
fn prove(der: &[u8]) -> Result<Proved, x509::Error> {
    match (Csr::parse(der), CertificateRequest::parse(der)) {
        (Err(_), Ok(request)) => {
            request.verify()?;
            match (request.spki, request.possession) {
                (Some(spki), Possession::Signature { algorithm, .. }) => Ok(Proved { spki, algorithm }),
                _ => Err(x509::Error::Malformed("proof of possession")),
            }
        }
        (csr, _) => {
            let csr = csr?;
            csr.verify()?;
            Ok(Proved { spki: csr.spki().to_vec(), algorithm: csr.algorithm() })
        }
    }
}

fn check_key(slot: KeySlot, proved: &Proved) -> Result<Option<Vec<u8>>> {
    let key = PublicKey::from_spki(&proved.spki).map_err(NpcError::Csr)?;
    let expected = if slot.is_rsa() { "RSA-2048" } else { "P-521 or P-384" };
    match key {
        PublicKey::Rsa(key) if slot.is_rsa() && key.bits() == 2048 => {
            weak_key::inspect(&key).map_err(NpcError::WeakKey)?;
            Ok(Some(key.modulus().to_vec()))
        }
        // The reserve chip has P-384 (CARD-12).
        PublicKey::Ec(point) if !slot.is_rsa() && matches!(point.curve(), Curve::P521 | Curve::P384) => {
            // NPC-59: a hash as strong as the key.
            if proved.algorithm != SignatureAlgorithm::for_curve(point.curve()) {
                return Err(NpcError::Request("a P-521 request is signed with SHA-512, P-384 with SHA-384"));
            }
            Ok(None)
        }
        key => Err(NpcError::KeyType { slot: slot.id(), expected, found: key.name() }),
    }
}

/// A chip model is named in letters, digits and hyphens.
pub(crate) fn check_chip_model(request: &IssueRequest) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match &request.chip_model {
        Some(name) if name.is_empty() || name.len() > 40 || !name.bytes().all(plain) => {
            Err(NpcError::Request("a chip model is named in letters, digits and hyphens"))
        }
        _ => Ok(()),
    }
}

/// What makes two requests the same: everything but their number, and the chip model, which is what the card is and not
/// what is asked for.
fn hash(request: &IssueRequest) -> [u8; 32] {
    let renewal = request.renewal_date.map(|date| date.iso()).unwrap_or_default();
    let period = match request.period {
        Period::First => "first".to_owned(),
        Period::Reissue { day } => format!("reissue {}", day.iso()),
    };
    let mut hash = Context::new(&SHA256);
    let issue = request.issue_date.iso();
    let slot = [request.slot.id()];
    let fields: [&[u8]; 9] = [
        request.card.as_str().as_bytes(),
        &slot,
        &request.csr,
        request.subject_name.as_bytes(),
        request.id_tail.as_bytes(),
        request.holder_no.as_bytes(),
        issue.as_bytes(),
        renewal.as_bytes(),
        period.as_bytes(),
    ];
    for field in fields {
        hash.update(&(field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    // Requests of before there were other carriers keep their hash.
    if request.carrier != Carrier::NewEid {
        hash.update(request.carrier.as_str().as_bytes());
    }
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

/// A request of a card has less than a kilobyte.
const MOST_BYTES: usize = 16 * 1024;

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}
