//! `neweid decipher`: opens with a key of the card what was enciphered to its holder: CMS EnvelopedData, one RSA block, or the
//! shared secret of an EC key agreement.

use crate::cli::{Decipher, DecipherFormat};
use crate::directory::write_atomically;
use crate::failure::{Failure, Fault};
use crate::hand::work;
use crate::secrets;
use curve::Point;
use model::KeySlot;
use std::process::ExitCode;
use x509::cms::EnvelopedData;

/// What the input is.
enum Input {
    Envelope(Box<EnvelopedData>),
    Block(Vec<u8>),
    Peer(Point),
}

/// Runs the command.
pub async fn run(arguments: Decipher) -> Result<ExitCode, Failure> {
    work(move |stop| {
        let bytes = super::input(&arguments.input)?;
        let input = recognise(&bytes, arguments.format)?;
        let access_number = super::access_number_for_pin2(&arguments.card, arguments.way.in_clear)?;
        let pin2 = secrets::pin(arguments.pin2.as_deref(), "PIN2", "(8-12 digits)")?;
        let (slot, format, plain) = {
            let mut zone = super::zone(arguments.card.take(stop)?, access_number.as_ref())?;
            zone.verify_pin2(&pin2)?;
            match &input {
                Input::Envelope(envelope) => zone
                    .open_cms(envelope)
                    .map(|(slot, content)| (slot, "cms", content))
                    .map_err(Failure::from)?,
                Input::Block(block) => {
                    let slot = KeySlot::EncryptionRsa;
                    let plain = zone.decipher_rsa(block).map_err(|error| super::with_key(error, slot))?;
                    (slot, "rsa", plain)
                }
                Input::Peer(peer) => {
                    let slot = KeySlot::EncryptionEc;
                    let shared = zone.agree_ec(peer).map_err(|error| super::with_key(error, slot))?;
                    (slot, "ecdh", shared)
                }
            }
        };
        write_atomically(&arguments.out, plain.expose())?;
        let key = super::key_name(slot);
        if arguments.card.json {
            let document = serde_json::json!({
                "key": key, "slot": slot.id(), "format": format, "bytes": plain.len(), "out": arguments.out,
            });
            say!("{document:#}");
        } else {
            say!("已解密 Deciphered: {key} ({format}) → {}", arguments.out.display());
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

// The formats do not overlap: a ContentInfo begins with its content type, a public key with its algorithm, and a cryptogram of
// RSA-2048 has 256 bytes of no form.
fn recognise(bytes: &[u8], format: DecipherFormat) -> Result<Input, Failure> {
    let der = super::der(bytes, &["CMS", "PKCS7", "PUBLIC KEY"]);
    let envelope = || EnvelopedData::parse(&der).map(|envelope| Input::Envelope(Box::new(envelope)));
    let peer = || curve::point_from_spki(&der).map(Input::Peer);
    let input = match format {
        DecipherFormat::Cms => envelope().map_err(|error| error.to_string()),
        DecipherFormat::Ecdh => peer().map_err(|error| error.to_string()),
        DecipherFormat::Rsa => Ok(Input::Block(bytes.to_vec())),
        DecipherFormat::Auto => match (envelope(), peer()) {
            (Ok(input), _) | (_, Ok(input)) => Ok(input),
            _ if bytes.len() == 256 => Ok(Input::Block(bytes.to_vec())),
            (Err(error), _) => Err(error.to_string()),
        },
    };
    input.map_err(|error| {
        Failure::new(
            "NEWEID-E-DECIPHER-INPUT",
            Fault::Caller,
            format!("輸入檔案不是可以解密的格式：{error}"),
            format!("The input is in no format that can be deciphered: {error}"),
            "CMS EnvelopedData（openssl cms -encrypt -outform DER -aes256）、256 位元組的 RSA 密文，或對方的 EC 公鑰 \
             CMS EnvelopedData, 256 bytes of RSA cryptogram, or the other side's EC public key",
        )
        .exit(2)
    })
}
