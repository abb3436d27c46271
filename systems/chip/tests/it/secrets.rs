//! No answer of the chip contains any part of a private key, PIN or symmetric key: everything that can be asked is asked.

use apdu::{CardChannel, Command};
use chip::files::{Content, Directory, FILES};
use chip::{Flash, Interface, Memory, RamMemory};
use terminal::perso::Session;

use crate::support::*;

/// The secret numbers of the seven private keys of a sample card, taken from its memory.
fn secrets(flash: &Flash) -> Vec<Vec<u8>> {
    let memory = RamMemory::open(Flash::from_image(flash.image())).unwrap();
    let mut out = Vec::new();
    for slot in 1..=7u16 {
        let record = memory.load(0x0030 + slot).expect("a private key").to_vec();
        let info: Vec<_> = tlv::expect(&record, 0x30).unwrap().children().map(Result::unwrap).collect();
        let key = tlv::expect(info[2].value, 0x30).unwrap();
        let parts: Vec<_> = key.children().map(Result::unwrap).collect();
        match slot {
            // RSAPrivateKey: version, modulus, public exponent, then the secrets.
            1 | 2 => out.extend(parts[3..9].iter().map(|p| p.value.to_vec())),
            // ECPrivateKey: version, then the scalar.
            _ => out.push(parts[1].value.to_vec()),
        }
    }
    assert_eq!(out.len(), 2 * 6 + 5);
    out.push(management_keys().enc.expose().to_vec());
    out.push(centre_keys().enc.expose().to_vec());
    out
}

/// Collects what the chip said.
struct Listener {
    secrets: Vec<Vec<u8>>,
    heard: usize,
}

impl Listener {
    fn hear(&mut self, data: &[u8]) {
        self.heard += data.len();
        for secret in &self.secrets {
            // Sixteen bytes anywhere in an answer would be a quarter of a scalar.
            for part in secret.chunks_exact(16) {
                assert!(!data.windows(16).any(|w| w == part), "a part of a private key was said");
            }
        }
    }
}

// proves: CARD-07, CARD-48
#[test]
fn no_answer_contains_any_part_of_a_private_key() {
    let flash = Stage::InUse("interop").flash();
    let mut listener = Listener { secrets: secrets(&flash), heard: 0 };

    // The holder with everything the holder has: every file identifier there can be, in every application.
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    reader.pace(&can()).unwrap();
    reader.pace(&pin1()).unwrap();
    for (aid, directory) in [
        (HOUSEHOLD, Directory::Household),
        (PUBLIC, Directory::Public),
        (EID, Directory::Eid),
        (SC_HSM, Directory::SmartCardHsm),
        (PKCS15, Directory::Pkcs15),
    ] {
        assert_eq!(reader.select(aid), 0x9000);
        if matches!(directory, Directory::SmartCardHsm | Directory::Pkcs15) {
            assert_eq!(reader.verify(PIN2), 0x9000);
        }
        for fid in 0..=0xFFFFu16 {
            let [hi, lo] = fid.to_be_bytes();
            // 0001 to 001E are short identifiers in this command, and 0000 is the current file.
            let read = Command::new(0, 0xB1, hi, lo).with_data([0x54, 0x01, 0x00]).with_le(65_536);
            let response = reader.send(&read);
            if response.sw.is_ok() && fid > 0x1E {
                let file = FILES.iter().find(|f| f.directory == directory && f.fid == fid);
                let file = file.unwrap_or_else(|| panic!("{fid:04X} is in no table"));
                assert!(!matches!(file.content, Content::PrivateKey(_)));
            }
            listener.hear(&response.data);
        }
        if directory == Directory::SmartCardHsm {
            for ins in 0..=0xFFu8 {
                for key in 0..=6 {
                    let command = Command::new(0x80, ins, key, 0).with_data([0; 4]).with_le(65_536);
                    if !matches!(ins, 0x50 | 0x82) {
                        listener.hear(&reader.send(&command).data);
                    }
                }
            }
        }
    }
    drop(reader);

    // The ministry and the card centre, with every tag of GET DATA.
    for (stage, version, keys) in [
        (Stage::InUse("interop"), 0x31, management_keys()),
        (Stage::Initialised("interop"), 0x20, centre_keys()),
    ] {
        let flash = stage.flash();
        listener.secrets = secrets(&flash);
        let mut channel = contact(open(&flash));
        channel.exchange(&Command::new(0, 0xA4, 4, 0x0C).with_data(ISSUER)).unwrap();
        let (command, host) = scp::Host::initialize_update(version, &[7; 8]).unwrap();
        let pending = host.on_response(&channel.exchange(&command).unwrap(), &keys).unwrap();
        let (command, done) = pending.external_authenticate(scp::SecurityLevel::Full).unwrap();
        let mut session = done.on_response(&channel.exchange(&command).unwrap()).unwrap();
        for tag in 0..=0xFFFFu16 {
            let [p1, p2] = tag.to_be_bytes();
            let get = session.wrap(&Command::new(0x80, 0xCA, p1, p2).with_le(65_536)).unwrap();
            let response = channel.exchange(&get).unwrap();
            let plain = session.unwrap(&response).unwrap();
            listener.hear(&plain.data);
        }
        drop(Session::open(channel, version, &keys, &mut rng("host")).unwrap());
    }
    assert!(listener.heard > 20_000, "something was said: {} bytes", listener.heard);
}
