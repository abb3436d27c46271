//! The certificate zone: both views, signatures and decipherment with all four keys.

use apdu::Command;
use chip::Interface;
use curve::rsa::{RsaPublicKey, remove_encryption_padding};
use curve::{Curve, Hash, SecretKey, Signature, verify_digest};
use x509::Certificate;

use crate::support::*;

/// A reader that may use the keys: PIN2 verified, and in a channel where the profile wants one.
fn logged_in(profile: &'static str) -> Reader {
    let mut reader = Reader::contact(Stage::InUse(profile));
    if profile == "national" {
        reader.pace(&can()).unwrap();
    }
    assert_eq!(reader.select(SC_HSM), 0x9000);
    assert_eq!(reader.verify(PIN2), 0x9000);
    reader
}

fn sign(reader: &mut Reader, key: u8, algorithm: u8, data: &[u8]) -> Result<Vec<u8>, u16> {
    let command = Command::new(0x80, 0x68, key, algorithm).with_data(data).with_le(512);
    reader.send(&command).into_ok().map_err(|sw| sw.0)
}

fn decipher(reader: &mut Reader, key: u8, algorithm: u8, data: &[u8]) -> Result<Vec<u8>, u16> {
    let command = Command::new(0x80, 0x62, key, algorithm).with_data(data).with_le(512);
    reader.send(&command).into_ok().map_err(|sw| sw.0)
}

fn read_odd(reader: &mut Reader, fid: u16) -> Vec<u8> {
    let [hi, lo] = fid.to_be_bytes();
    let command = Command::new(0, 0xB1, hi, lo).with_data([0x54, 0x02, 0x00, 0x00]).with_le(65_536);
    reader.send(&command).into_ok().unwrap()
}

fn public_key(reader: &mut Reader, slot: u16) -> Vec<u8> {
    Certificate::parse(&read_odd(reader, 0xCE00 | slot)).unwrap().spki().to_vec()
}

// proves: CARD-35, CARD-37, CARD-39
#[test]
fn both_signature_keys_sign_and_both_encryption_keys_decipher() {
    for profile in ["national", "interop"] {
        let mut reader = logged_in(profile);
        let message = "電子簽章法".as_bytes();

        let rsa = RsaPublicKey::from_spki(&public_key(&mut reader, 1)).unwrap();
        assert_eq!(rsa.bits(), 2048);
        for (algorithm, hash) in [(0x33, Hash::Sha256), (0x34, Hash::Sha384), (0x35, Hash::Sha512)] {
            let signature = sign(&mut reader, 1, algorithm, message).unwrap();
            rsa.verify_pkcs1(hash, &hash.digest(message), &signature).unwrap();
        }
        // A DigestInfo made by the host, then the whole block made by the host.
        let digest = Hash::Sha256.digest(message);
        let info = tlv::sequence(&[
            &tlv::sequence(&[&tlv::encode_oid(Hash::Sha256.oid()), &[5, 0]]),
            &tlv::encode(4, &digest),
        ]);
        let signature = sign(&mut reader, 1, 0x30, &info).unwrap();
        rsa.verify_pkcs1(Hash::Sha256, &digest, &signature).unwrap();
        let mut block = vec![0xFF; 256];
        (block[0], block[1]) = (0x00, 0x01);
        let start = 256 - info.len();
        block[start - 1] = 0x00;
        block[start..].copy_from_slice(&info);
        assert_eq!(sign(&mut reader, 1, 0x20, &block).unwrap(), signature);

        let point = curve::point_from_spki(&public_key(&mut reader, 3)).unwrap();
        assert_eq!(point.curve(), Curve::P521);
        for (algorithm, hash) in
            [(0x72, Hash::Sha224), (0x73, Hash::Sha256), (0x74, Hash::Sha384), (0x75, Hash::Sha512)]
        {
            let signature = sign(&mut reader, 3, algorithm, message).unwrap();
            let signature = Signature::from_der(Curve::P521, &signature).unwrap();
            verify_digest(&point, &hash.digest(message), &signature).unwrap();
            let prepared = sign(&mut reader, 3, 0x70, &hash.digest(message)).unwrap();
            let prepared = Signature::from_der(Curve::P521, &prepared).unwrap();
            verify_digest(&point, &hash.digest(message), &prepared).unwrap();
        }

        let rsa = RsaPublicKey::from_spki(&public_key(&mut reader, 2)).unwrap();
        let cryptogram = rsa.encrypt_pkcs1(b"session key").unwrap();
        let plain = decipher(&mut reader, 2, 0x21, &cryptogram).unwrap();
        assert_eq!(remove_encryption_padding(&plain).unwrap().expose(), b"session key");

        let point = curve::point_from_spki(&public_key(&mut reader, 4)).unwrap();
        let ephemeral = SecretKey::generate(Curve::P521, &mut rng("ephemeral"));
        let shared = decipher(&mut reader, 4, 0x80, ephemeral.public_key().as_uncompressed()).unwrap();
        assert_eq!(shared.len(), 133);
        assert_eq!(&shared[1..67], ephemeral.agree(&point).unwrap().expose());
    }
}

// RFC 8017 §9.1.2, written down from the verifier's side.
fn verify_pss(key: &RsaPublicKey, hash: Hash, digest: &[u8], signature: &[u8]) -> bool {
    let block = key.public_raw(signature).unwrap();
    let (masked, rest) = block.split_at(256 - hash.len() - 1);
    let (h, trailer) = rest.split_at(hash.len());
    let mut mask = Vec::new();
    for i in 0u32..8 {
        mask.extend(hash.digest_parts(&[h, &i.to_be_bytes()]));
    }
    let mut db: Vec<u8> = masked.iter().zip(mask).map(|(a, b)| a ^ b).collect();
    db[0] &= 0x7F;
    let salt = db.split_off(db.len() - hash.len());
    let padding = db.split_last() == Some((&1, &vec![0; db.len() - 1]));
    trailer == [0xBC] && masked[0] & 0x80 == 0 && padding && hash.digest_parts(&[&[0; 8], digest, &salt]) == h
}

#[test]
fn pss_signatures_verify() {
    let mut reader = logged_in("interop");
    let rsa = RsaPublicKey::from_spki(&public_key(&mut reader, 1)).unwrap();
    for (prepared, whole, hash) in
        [(0x40, 0x43, Hash::Sha256), (0x40, 0x44, Hash::Sha384), (0x40, 0x45, Hash::Sha512)]
    {
        let digest = hash.digest(b"message");
        let signature = sign(&mut reader, 1, prepared, &digest).unwrap();
        assert!(verify_pss(&rsa, hash, &digest, &signature));
        // OpenSC 0.23 sends a DigestInfo where it hashes and the card pads.
        let info = tlv::sequence(&[
            &tlv::sequence(&[&tlv::encode_oid(hash.oid()), &[5, 0]]),
            &tlv::encode(4, &digest),
        ]);
        let signature = sign(&mut reader, 1, prepared, &info).unwrap();
        assert!(verify_pss(&rsa, hash, &digest, &signature));
        let mut other = info;
        other[10] ^= 1;
        assert_eq!(sign(&mut reader, 1, prepared, &other), Err(0x6A80));
        let signature = sign(&mut reader, 1, whole, b"message").unwrap();
        assert!(verify_pss(&rsa, hash, &digest, &signature));
        assert!(!verify_pss(&rsa, hash, &hash.digest(b"another"), &signature));
    }
}

// OpenSC 0.23 takes a signature of at most 137 bytes for one of a 512-bit curve. Chance makes about one in twenty so short.
#[test]
fn signatures_on_p521_are_never_too_short_for_clients() {
    let mut reader = logged_in("interop");
    for i in 0..200u8 {
        let signature = sign(&mut reader, 3, 0x70, &Hash::Sha512.digest(&[i])).unwrap();
        assert!(signature.len() >= 138, "{}", signature.len());
    }
}

// proves: CARD-37
#[test]
fn no_key_does_the_work_of_another() {
    let mut reader = logged_in("interop");
    let digest = Hash::Sha512.digest(b"x");
    for (result, sw) in [
        // The encryption keys do not sign, the signature keys do not decipher.
        (sign(&mut reader, 2, 0x20, &[0; 256]), 0x6985),
        (sign(&mut reader, 4, 0x70, &digest), 0x6985),
        (decipher(&mut reader, 1, 0x21, &[0; 256]), 0x6985),
        (decipher(&mut reader, 3, 0x80, &[4; 133]), 0x6985),
        // Algorithms of the other kind of key.
        (sign(&mut reader, 1, 0x70, &digest), 0x6985),
        (sign(&mut reader, 3, 0x20, &[0; 256]), 0x6985),
        (decipher(&mut reader, 2, 0x80, &[4; 133]), 0x6985),
        (decipher(&mut reader, 4, 0x21, &[0; 256]), 0x6985),
        // Active and chip authentication are not of this zone; other keys do not exist.
        (sign(&mut reader, 5, 0x70, &digest), 0x6A88),
        (sign(&mut reader, 6, 0x70, &digest), 0x6A88),
        (sign(&mut reader, 0, 0x20, &[0; 256]), 0x6A88),
        (decipher(&mut reader, 255, 0x21, &[0; 256]), 0x6A88),
        // SHA-1, and codes that mean nothing.
        (sign(&mut reader, 1, 0x31, b"x"), 0x6A81),
        (sign(&mut reader, 3, 0x71, b"x"), 0x6A81),
        (sign(&mut reader, 3, 0x00, b"x"), 0x6A86),
        (decipher(&mut reader, 2, 0x20, &[0; 256]), 0x6A86),
        // Input that does not fit.
        (sign(&mut reader, 1, 0x20, &[0; 255]), 0x6A80),
        (sign(&mut reader, 1, 0x20, &[0xFF; 256]), 0x6A80),
        (sign(&mut reader, 1, 0x30, &[0; 250]), 0x6A80),
        (sign(&mut reader, 1, 0x40, &[0; 20]), 0x6A80),
        (sign(&mut reader, 3, 0x70, &[0; 20]), 0x6A80),
        (sign(&mut reader, 3, 0x70, &[0; 67]), 0x6A80),
        (decipher(&mut reader, 2, 0x21, &[0; 300]), 0x6A80),
        (decipher(&mut reader, 4, 0x80, &[4; 133]), 0x6A80),
        (decipher(&mut reader, 4, 0x80, &[]), 0x6A80),
    ] {
        assert_eq!(result, Err(sw));
    }
}

// proves: CARD-35, CARD-42, CARD-43, PRIVACY-10
#[test]
fn keys_need_pin2_and_on_a_citizens_card_the_channel_too() {
    for profile in ["national", "interop"] {
        let mut reader = Reader::contact(Stage::InUse(profile));
        let national = profile == "national";
        reader.select(SC_HSM);
        // In the clear.
        assert_eq!(reader.verify(PIN2), if national { 0x6982 } else { 0x9000 });
        let outcome = sign(&mut reader, 1, 0x33, b"x");
        assert_eq!(outcome.is_ok(), !national, "{profile}");
        // In the channel, before and after PIN2.
        reader.pace(&can()).unwrap();
        reader.select(SC_HSM);
        assert_eq!(sign(&mut reader, 1, 0x33, b"x"), Err(0x6982));
        assert_eq!(reader.verify(PIN2), 0x9000);
        assert!(sign(&mut reader, 1, 0x33, b"x").is_ok());
        // A verified PIN2 does not outlive the channel.
        reader.sm = None;
        reader.select(SC_HSM);
        assert_eq!(sign(&mut reader, 1, 0x33, b"x"), Err(0x6982));
    }
    // Nor does the zone exist on the other interface.
    let mut reader = Reader::contactless(Stage::InUse("interop"));
    reader.pace(&can()).unwrap();
    assert_eq!(reader.select(SC_HSM), 0x6A82);
    assert_eq!(reader.verify(PIN2), 0x6A88);
    assert_eq!(sign(&mut reader, 1, 0x33, b"x"), Err(0x6985));
}

// proves: CARD-38
#[test]
fn six_certificates_and_their_descriptions_in_both_views() {
    let mut reader = logged_in("interop");
    let list = reader.send(&Command::new(0x80, 0x58, 0, 0).with_le(65_536)).data;
    let (fids, []) = list.as_chunks::<2>() else { panic!("two bytes each") };
    let fids: Vec<u16> = fids.iter().map(|f| u16::from_be_bytes(*f)).collect();
    assert_eq!(
        fids,
        [
            0x2F02, 0x2F03, 0xCC01, 0xCC02, 0xCC03, 0xCC04, 0xC401, 0xC402, 0xC403, 0xC404, 0xCE01, 0xCE02,
            0xCE03, 0xCE04, 0xC805, 0xC806, 0xCA05, 0xCA06
        ]
    );
    let first: Vec<Vec<u8>> =
        [0xCE01, 0xCE02, 0xCE03, 0xCE04, 0xCA05, 0xCA06].map(|fid| read_odd(&mut reader, fid)).to_vec();
    assert!(first.iter().all(|der| Certificate::parse(der).is_ok()));
    // The device certificate: a holder reference that says nothing about the card, and a signature of its own key.
    let device = read_odd(&mut reader, 0x2F02);
    let certificate = tlv::expect(&device, 0x7F21).unwrap();
    let body = certificate.child(0x7F4E).unwrap();
    let holder = String::from_utf8(body.child(0x5F20).unwrap().value.to_vec()).unwrap();
    assert_eq!(holder.len(), 16);
    assert!(!holder.contains(CAN), "the access number cannot be read from it");
    let point = body.child(0x7F49).unwrap().child(0x86).unwrap().value.to_vec();
    let point = curve::Point::from_uncompressed(Curve::P521, &point).unwrap();
    let signature = Signature::from_plain(Curve::P521, certificate.child(0x5F37).unwrap().value).unwrap();
    verify_digest(&point, &Hash::Sha512.digest(body.raw), &signature).unwrap();

    // PKCS #15: from the object directory to the same six certificates.
    reader.select(PKCS15);
    let path_of = |entry: &[u8]| tlv::find(entry, 0x04).unwrap().value.to_vec();
    let odf = reader.read_sfi(0x11).data;
    let odf = tlv::read_all(&odf).unwrap();
    assert_eq!(odf.iter().map(|o| o.tag).collect::<Vec<_>>(), [0xA0, 0xA4, 0xA8]);
    let cdf_path = path_of(odf[1].child(0x30).unwrap().value);
    let by_path = |reader: &mut Reader, path: &[u8]| {
        let path = path.strip_prefix(&[0x3F, 0x00]).unwrap();
        assert_eq!(reader.sw(&Command::new(0, 0xA4, 8, 0x0C).with_data(path)), 0x9000);
        reader.send(&Command::new(0, 0xB0, 0, 0).with_le(65_536)).into_ok().unwrap()
    };
    let cdf = by_path(&mut reader, &cdf_path);
    let certificates: Vec<Vec<u8>> = tlv::read_all(&cdf)
        .unwrap()
        .iter()
        .map(|entry| {
            let path = path_of(entry.child(0xA1).unwrap().child(0x30).unwrap().child(0x30).unwrap().value);
            by_path(&mut reader, &path)
        })
        .collect();
    assert_eq!(certificates, first);
}

/// A built-in profile with rights of its own for the certificates.
fn with_rights(base: &str, rights: &str) -> &'static str {
    let text = chip::Profile::without_comments(chip::Profile::text(base).unwrap());
    let text = text
        .replacen(&format!("name = \"{base}\""), "name = \"own\"", 1)
        .replacen("sample = false", "sample = true", 1)
        .replacen("[use]", &format!("[certificates]\n{rights}\n[use]"), 1);
    chip::Profile::own(&text).unwrap();
    Box::leak(text.into_boxed_str())
}

/// What a reader must have shown for each certificate, in both views, on both interfaces, and what the descriptions say: of a
/// sample card that shows certificates to anybody, and of one that shows nothing outside a channel.
// proves: CARD-38
#[test]
fn each_certificate_has_a_right_of_its_own_in_both_views() {
    let loose = "signing-rsa = \"pin2\"\nencryption-rsa = \"channel\"\nsigning-ec = \"pin2-in-channel\"";
    let strict = "signing-rsa = \"pin2-in-channel\"\nencryption-ec = \"pin2-in-channel\"\nroot = \"channel\"";
    // Whether slots 1 to 6 are read with: nothing, a channel, PIN2, both.
    let (free, channel, pin2) = ([true; 4], [false, true, false, true], [false, false, true, true]);
    let both = [false, false, false, true];
    for (profile, expected) in [
        (with_rights("interop", loose), [pin2, channel, both, free, free, free]),
        (with_rights("national", strict), [both, channel, channel, both, channel, channel]),
        ("interop", [free; 6]),
        ("national", [channel; 6]),
    ] {
        let of = chip::Profile::given(profile).unwrap();
        let pin2_in_channel = of.use_certificate == chip::Condition::Pin2InChannel;
        for (shown, (in_channel, with_pin2)) in
            [(false, false), (true, false), (false, true), (true, true)].into_iter().enumerate()
        {
            for (view, numbers) in [
                (SC_HSM, [0xCE01, 0xCE02, 0xCE03, 0xCE04, 0xCA05, 0xCA06]),
                (PKCS15, [0x4301, 0x4302, 0x4303, 0x4304, 0x4305, 0x4306]),
            ] {
                let mut reader = Reader::contact(Stage::InUse(profile));
                if in_channel {
                    reader.pace(&can()).unwrap();
                }
                assert_eq!(reader.select(view), 0x9000);
                if with_pin2 {
                    let verified = if pin2_in_channel && !in_channel { 0x6982 } else { 0x9000 };
                    assert_eq!(reader.verify(PIN2), verified);
                }
                for (slot, fid) in numbers.into_iter().enumerate() {
                    let may = expected[slot][shown];
                    let [hi, lo] = u16::to_be_bytes(fid);
                    let odd = Command::new(0, 0xB1, hi, lo).with_data([0x54, 0x01, 0x00]).with_le(256);
                    let selected = match reader.select_file(fid) {
                        0x9000 => reader.sw(&Command::new(0, 0xB0, 0, 0).with_le(256)),
                        sw => sw,
                    };
                    for sw in [selected, reader.sw(&odd)] {
                        assert_eq!(sw, if may { 0x9000 } else { 0x6982 }, "{} {shown} {fid:04X}", of.name);
                    }
                }
            }
        }
        // The other interface has neither view, whatever the rights say.
        let mut reader = Reader::contactless(Stage::InUse(profile));
        reader.pace(&can()).unwrap();
        assert_eq!([reader.select(SC_HSM), reader.select(PKCS15)], [0x6A82; 2]);

        // EF.CDF, and the descriptions of the CA certificates in the other view: private and behind PIN2, or neither.
        let mut reader = Reader::contact(Stage::InUse(profile));
        reader.pace(&can()).unwrap();
        reader.select(PKCS15);
        let cdf = reader.read_sfi(0x03).data;
        let mut descriptions: Vec<Vec<u8>> =
            tlv::read_all(&cdf).unwrap().iter().map(|entry| entry.raw.to_vec()).collect();
        assert_eq!(descriptions.len(), 6);
        reader.select(SC_HSM);
        descriptions.extend([read_odd(&mut reader, 0xC805), read_odd(&mut reader, 0xC806)]);
        for (entry, slot) in descriptions.iter().zip([0, 1, 2, 3, 4, 5, 4, 5]) {
            let object = tlv::expect(entry, 0x30).unwrap();
            let common = tlv::read_all(object.child(0x30).unwrap().value).unwrap();
            let (flags, pin): (&[u8], Option<&[u8]>) = match expected[slot][1] {
                // A channel alone does not do.
                false => (&[0x07, 0x80], Some(&[0x01])),
                true => (&[0x00], None),
            };
            assert_eq!(common[1].value, flags, "{} {slot}", of.name);
            assert_eq!(common.get(2).map(|auth| auth.value), pin, "{} {slot}", of.name);
        }
    }
}

// proves: OPEN-18
#[test]
fn a_certificate_is_replaced_by_one_for_the_same_key_only() {
    let flash = Stage::InUse("national").flash();
    let certificate_of = |flash: &chip::Flash| {
        let mut reader = Reader::new(open(flash), Interface::Contact);
        reader.pace(&can()).unwrap();
        reader.select(SC_HSM);
        read_odd(&mut reader, 0xCE01)
    };
    let old = certificate_of(&flash);
    let spki = Certificate::parse(&old).unwrap().spki().to_vec();
    let authority = SecretKey::generate(Curve::P256, &mut rng("another authority"));
    let new = certificate(&authority, "holder, modified", &spki, 77);
    let foreign = certificate(&authority, "holder", &curve::spki_from_point(&authority.public_key()), 78);
    let mut session = management(&flash);
    for wrong in [&foreign[..], &new[..100], b"no certificate"] {
        assert_eq!(session.replace_certificate(1, wrong).unwrap_err().status_word().unwrap().0, 0x6A80);
    }
    drop(session);
    assert_eq!(certificate_of(&flash), old);
    // The whole of it or nothing: cut the power in the middle.
    for (cut, expected) in [(chip::Cut::Before, &old), (chip::Cut::Torn, &old), (chip::Cut::After, &new)] {
        let copy = chip::Flash::from_image(flash.image());
        let mut session = management(&copy);
        copy.cut_power(1, cut);
        session.replace_certificate(1, &new).unwrap_err();
        copy.restore_power();
        assert_eq!(&certificate_of(&copy), expected, "{cut:?}");
    }
    management(&flash).replace_certificate(1, &new).unwrap();
    assert_eq!(certificate_of(&flash), new);
}
