//! RSA encodings the card makes itself: EMSA-PKCS1-v1_5 around a DigestInfo, and EMSA-PSS (RFC 8017 §9).

use curve::{Hash, Random};

/// EMSA-PKCS1-v1_5 of a DigestInfo that the host has made; `None` if it is too long.
// RFC 8017 §9.2: 00 01 FF.. 00 T, at least eight FF.
pub(crate) fn pkcs1(digest_info: &[u8], size: usize) -> Option<Vec<u8>> {
    let padding = size.checked_sub(digest_info.len() + 3).filter(|n| *n >= 8 && !digest_info.is_empty())?;
    let mut block = vec![0x00, 0x01];
    block.resize(2 + padding, 0xFF);
    block.push(0x00);
    block.extend_from_slice(digest_info);
    Some(block)
}

/// The hash a host wants an EMSA-PSS of: the hash value alone or, as OpenSC 0.23 sends it, inside a DigestInfo.
pub(crate) fn pss_input(data: &[u8]) -> Option<(Hash, &[u8])> {
    [Hash::Sha256, Hash::Sha384, Hash::Sha512].into_iter().find_map(|hash| {
        let digest = match data.len().checked_sub(hash.len())? {
            0 => data,
            head if data[..head] == digest_info_head(hash) => &data[head..],
            _ => return None,
        };
        Some((hash, digest))
    })
}

// RFC 8017 §9.2, note 1: what stands before the hash value in a DigestInfo.
fn digest_info_head(hash: Hash) -> Vec<u8> {
    let algorithm = tlv::sequence(&[&tlv::encode_oid(hash.oid()), &[0x05, 0x00]]);
    let mut info = tlv::sequence(&[&algorithm, &tlv::encode(0x04, &vec![0; hash.len()])]);
    info.truncate(info.len() - hash.len());
    info
}

/// EMSA-PSS with MGF1 over the same hash and a salt as long as the hash, for a modulus of `size` whole bytes.
// RFC 8017 §9.1.1.
pub(crate) fn pss(hash: Hash, digest: &[u8], size: usize, rng: &mut dyn Random) -> Vec<u8> {
    let mut salt = vec![0; hash.len()];
    rng.fill(&mut salt);
    let h = hash.digest_parts(&[&[0; 8], digest, &salt]);
    let mut block = vec![0; size - hash.len() - 1 - salt.len() - 1];
    block.push(0x01);
    block.extend_from_slice(&salt);
    for (b, m) in block.iter_mut().zip(mgf1(hash, &h, size - hash.len() - 1)) {
        *b ^= m;
    }
    // The modulus has a multiple of eight bits, the encoded message one bit less.
    block[0] &= 0x7F;
    block.extend_from_slice(&h);
    block.push(0xBC);
    block
}

// RFC 8017 §B.2.1.
fn mgf1(hash: Hash, seed: &[u8], len: usize) -> Vec<u8> {
    let mut mask: Vec<u8> = (0u32..)
        .take(len.div_ceil(hash.len()))
        .flat_map(|i| hash.digest_parts(&[seed, &i.to_be_bytes()]))
        .collect();
    mask.truncate(len);
    mask
}
