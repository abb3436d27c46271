//! `neweid sign`: signs a file with a key of the card, raw or as detached CMS.

use crate::cli::{HashChoice, Sign, SignFormat, SigningKey};
use crate::clock;
use crate::directory::write_atomically;
use crate::failure::Failure;
use crate::hand::work;
use crate::secrets;
use curve::Hash;
use model::KeySlot;
use std::process::ExitCode;

/// Runs the command.
pub async fn run(arguments: Sign) -> Result<ExitCode, Failure> {
    work(move |stop| {
        let content = super::input(&arguments.input)?;
        let access_number = super::access_number_for_pin2(&arguments.card, arguments.way.in_clear)?;
        let pin2 = secrets::pin(arguments.pin2.as_deref(), "PIN2", "(8-12 digits)")?;
        let (slot, hash) = (KeySlot::from(arguments.key), arguments.key.hash(arguments.hash));
        // The card is back before anything is written.
        let signature = {
            let mut zone = super::zone(arguments.card.take(stop)?, access_number.as_ref())?;
            zone.verify_pin2(&pin2)?;
            match (arguments.format, arguments.key) {
                (SignFormat::Cms, _) => zone.sign_cms(slot, hash, &content, Some(clock::now())),
                (SignFormat::Raw, SigningKey::RsaSign) => zone.sign_rsa(hash, &content),
                (SignFormat::Raw, SigningKey::EcSign) => zone.sign_ec(hash, &content).map(|s| s.to_der()),
            }
            .map_err(|error| super::with_key(error, slot))?
        };
        write_atomically(&arguments.out, &signature)?;
        let (algorithm, out) = (arguments.key.algorithm(hash), arguments.out.display());
        if arguments.card.json {
            let document = serde_json::json!({
                "key": arguments.key.name(),
                "slot": slot.id(),
                "algorithm": algorithm,
                "format": arguments.format.name(),
                "bytes": signature.len(),
                "out": arguments.out,
            });
            say!("{document:#}");
        } else {
            say!(
                "已簽章 Signed: {} ({algorithm}, {}) → {out}",
                arguments.key.name(),
                arguments.format.name()
            );
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

impl SigningKey {
    const fn name(self) -> &'static str {
        match self {
            Self::RsaSign => "rsa-sign",
            Self::EcSign => "ec-sign",
        }
    }

    fn hash(self, choice: Option<HashChoice>) -> Hash {
        match (choice, self) {
            (Some(HashChoice::Sha256), _) | (None, Self::RsaSign) => Hash::Sha256,
            (Some(HashChoice::Sha384), _) => Hash::Sha384,
            // As strong as P-521.
            (Some(HashChoice::Sha512), _) | (None, Self::EcSign) => Hash::Sha512,
        }
    }

    fn algorithm(self, hash: Hash) -> String {
        match self {
            Self::RsaSign => format!("RSASSA-PKCS1-v1_5, {hash:?}"),
            Self::EcSign => format!("ECDSA P-521, {hash:?}"),
        }
    }
}

impl From<SigningKey> for KeySlot {
    fn from(key: SigningKey) -> Self {
        match key {
            SigningKey::RsaSign => Self::SigningRsa,
            SigningKey::EcSign => Self::SigningEc,
        }
    }
}

impl SignFormat {
    const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Cms => "cms",
        }
    }
}
