//! `neweid cert list`: the six certificate slots of the card: subject, validity, whether the private key beside it fits, and
//! whether the certificate is trusted and not revoked.

use crate::cli::CertList;
use crate::failure::{Failure, Fault};
use crate::hand::work;
use crate::{clock, secrets};
use curve::SystemRandom;
use model::KeySlot;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use terminal::npc_card::{CertificateId, NpcCard, NpcError};
use x509::crl::Crl;
use x509::path::{Options, Purpose, Refusal, Revocation, validate};
use x509::{Certificate, Name, PublicKey, SignatureAlgorithm};

/// One slot. The names of the fields are a contract.
#[derive(Serialize)]
struct Slot {
    slot: u8,
    name: &'static str,
    present: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    certificate: Option<Described>,
    /// Whether the private key of the slot was used and fits: only with PIN2.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_fits: Option<bool>,
    /// `good`, or why not: only with `--trust`.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
}

#[derive(Serialize)]
struct Described {
    subject: String,
    issuer: String,
    serial: String,
    not_before: String,
    not_after: String,
    valid_now: bool,
    key: String,
    /// The algorithm it was signed with.
    signed_with: &'static str,
    fingerprint_sha256: String,
}

/// What certificates are checked against.
#[derive(Default)]
struct Trust {
    anchors: Vec<Certificate>,
    others: Vec<Certificate>,
    crls: Vec<Crl>,
}

/// Runs the command.
pub async fn run(arguments: CertList) -> Result<ExitCode, Failure> {
    work(move |stop| {
        let trust = arguments.trust.as_deref().map(Trust::load).transpose()?;
        let access_number = match arguments.pin2 {
            Some(_) => super::access_number_for_pin2(&arguments.card, arguments.way.in_clear)?,
            None => arguments.card.access_number()?,
        };
        let pin2 = match &arguments.pin2 {
            Some(source) => Some(secrets::pin(Some(source), "", "")?),
            None => None,
        };
        let mut zone = super::zone(arguments.card.take(stop)?, access_number.as_ref())?;
        if let Some(pin2) = &pin2 {
            zone.verify_pin2(pin2)?;
        }
        let slots = slots(&mut zone, pin2.is_some(), trust.as_ref())?;
        drop(zone);
        if arguments.card.json {
            say!("{}", serde_json::to_string_pretty(&slots).map_err(Failure::ours)?);
        } else {
            slots.iter().for_each(print);
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

fn slots<C: apdu::CardChannel>(
    zone: &mut NpcCard<C>,
    with_keys: bool,
    trust: Option<&Trust>,
) -> Result<Vec<Slot>, Failure> {
    let now = clock::now();
    let mut certificates = Vec::new();
    for id in CertificateId::ALL {
        let certificate = match zone.certificate(id) {
            Ok(der) => Some(Certificate::parse(&der).map_err(|_| NpcError::Output)?),
            Err(NpcError::Absent) => None,
            Err(error) => return Err(error.into()),
        };
        certificates.push((id, certificate));
    }
    let on_card: Vec<&Certificate> = certificates.iter().filter_map(|(_, c)| c.as_ref()).collect();
    let mut slots = Vec::new();
    for (id, certificate) in &certificates {
        let key = KeySlot::from_id(*id as u8).filter(|_| with_keys && certificate.is_some());
        let key_fits = match key {
            Some(key) => Some(zone.key_fits(key, &mut SystemRandom)?),
            None => None,
        };
        let status = match (trust, certificate) {
            (Some(trust), Some(certificate)) => Some(trust.status(certificate, &on_card)),
            _ => None,
        };
        slots.push(Slot {
            slot: *id as u8,
            name: super::slot_name(*id),
            present: certificate.is_some(),
            certificate: certificate.as_ref().map(|c| describe(c, now)),
            key_fits,
            status,
        });
    }
    Ok(slots)
}

fn describe(certificate: &Certificate, now: jiff::Timestamp) -> Described {
    let name = |name: Result<Name, x509::Error>| match name {
        Ok(name) => name.attributes().iter().map(|a| a.value.clone()).collect::<Vec<_>>().join(", "),
        Err(_) => "?".into(),
    };
    let validity = certificate.validity();
    Described {
        subject: name(certificate.subject_name()),
        issuer: name(certificate.issuer_name()),
        serial: hex::encode_upper(certificate.serial_octets()),
        not_before: validity.not_before().to_string(),
        not_after: validity.not_after().to_string(),
        valid_now: (validity.not_before()..=validity.not_after()).contains(&now),
        key: PublicKey::from_spki(certificate.spki()).map_or_else(|_| "?".into(), |key| key.name()),
        signed_with: certificate.signature_algorithm().map_or("?", algorithm_name),
        fingerprint_sha256: hex::encode_upper(certificate.fingerprint()),
    }
}

/// The name of a signature algorithm as RFC 8017, RFC 5758 and FIPS 204 have it.
const fn algorithm_name(algorithm: SignatureAlgorithm) -> &'static str {
    match algorithm {
        SignatureAlgorithm::RsaSha256 => "sha256WithRSAEncryption",
        SignatureAlgorithm::RsaSha384 => "sha384WithRSAEncryption",
        SignatureAlgorithm::RsaSha512 => "sha512WithRSAEncryption",
        SignatureAlgorithm::EcdsaSha256 => "ecdsa-with-SHA256",
        SignatureAlgorithm::EcdsaSha384 => "ecdsa-with-SHA384",
        SignatureAlgorithm::EcdsaSha512 => "ecdsa-with-SHA512",
        SignatureAlgorithm::MlDsa65 => "ML-DSA-65",
        _ => "?",
    }
}

fn print(slot: &Slot) {
    let Some(certificate) = &slot.certificate else {
        say!("{}  {:<12} (空 empty)", slot.slot, slot.name);
        return;
    };
    say!("{}  {:<12} {}", slot.slot, slot.name, certificate.subject);
    let validity = if certificate.valid_now {
        "有效期內 within validity"
    } else {
        "不在有效期內 OUTSIDE VALIDITY"
    };
    say!("   {:<12} {}  簽署 signed with {}", "", certificate.key, certificate.signed_with);
    say!("   {:<12} {} – {}  {validity}", "", certificate.not_before, certificate.not_after);
    match slot.key_fits {
        Some(true) => say!("   {:<12} 私鑰相符 the private key fits", ""),
        Some(false) => say!("   {:<12} 私鑰不符 THE PRIVATE KEY DOES NOT FIT", ""),
        None => {}
    }
    if let Some(status) = &slot.status {
        say!("   {:<12} 狀態 status: {status}", "");
    }
}

impl Trust {
    /// Certificates (PEM or DER) and lists of a directory: the self-signed ones are trusted.
    fn load(dir: &Path) -> Result<Self, Failure> {
        let refused = |error: &dyn std::fmt::Display| super::read::trust_failure(dir, error);
        let mut trust = Self::default();
        for entry in std::fs::read_dir(dir).map_err(|error| refused(&error))? {
            let path = entry.map_err(|error| refused(&error))?.path();
            let is = |ending: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
            if is("crl") {
                let der = super::der(&std::fs::read(&path)?, &["X509 CRL"]);
                trust.crls.push(Crl::parse(&der).map_err(|error| refused(&error))?);
            } else if is("pem") || is("der") || is("cer") || is("crt") {
                let der = super::der(&std::fs::read(&path)?, &["CERTIFICATE"]);
                let certificate = Certificate::parse(&der).map_err(|error| refused(&error))?;
                let is_root =
                    certificate.is_self_issued() && certificate.verify_signature(certificate.spki()).is_ok();
                if is_root { &mut trust.anchors } else { &mut trust.others }.push(certificate);
            }
        }
        if trust.anchors.is_empty() {
            return Err(Failure::new(
                "NEWEID-E-TRUST",
                Fault::Caller,
                format!("{} 沒有根憑證。", dir.display()),
                format!("There is no root certificate in {}.", dir.display()),
                "neweid pki export --out DIR",
            )
            .exit(2));
        }
        Ok(trust)
    }

    fn status(&self, certificate: &Certificate, on_card: &[&Certificate]) -> String {
        let options = Options::at(clock::now()).purpose(Purpose::Any).crls(&self.crls, Revocation::Required);
        let intermediates: Vec<Certificate> =
            self.others.iter().chain(on_card.iter().copied()).cloned().collect();
        match validate(certificate, &intermediates, &self.anchors, &options) {
            Ok(_) => "good".into(),
            Err(Refusal::NoPath) => "untrusted: no path to a trusted root".into(),
            Err(refusal) => refusal.to_string(),
        }
    }
}
