//! `neweid pki export`: the certificates and revocation lists a relying party needs, and the sample terminals, under telling
//! names.

use crate::clock;
use crate::country::Country;
use crate::directory::write_atomically;
use crate::failure::Failure;
use docsigner::{DocumentSigning, PublishedKind};
use eac::cvc::Role;
use eacpki::TerminalAuthorisation;
use model::{CardSerial, CardState, KeySlot};
use npc::{List, Scope};
use std::path::Path;
use std::process::ExitCode;

/// Runs the command.
pub async fn run(dir: &Path, out: &Path) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    for name in export(&country, out).await? {
        say!("{}", out.join(name).display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes everything to `out` and returns the names of the files.
pub async fn export(country: &Country, out: &Path) -> Result<Vec<String>, Failure> {
    std::fs::create_dir_all(out)?;
    let mut files = authorities(country).await?;
    files.extend(terminals(country).await?);
    for card in super::card_list::all(country).await? {
        if card.state == CardState::Active && card.sample.is_some() {
            files.extend(citizen(country, card.serial).await?);
        }
    }
    for (name, content) in &files {
        write_atomically(&out.join(name), content)?;
    }
    Ok(files.into_iter().map(|(name, _)| name).collect())
}

async fn authorities(country: &Country) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let now = clock::now();
    let certificates = country.npc.ca_certificates();
    let csca = country.docsigner.csca_certificate().await.map_err(Failure::from_system)?;
    let mut files = vec![
        ("csca.pem".to_owned(), csca.to_pem().into_bytes()),
        ("npc-root.pem".to_owned(), certificates.root.to_pem().into_bytes()),
        ("npc-ca.pem".to_owned(), certificates.ca.to_pem().into_bytes()),
        ("ocsp.pem".to_owned(), certificates.ocsp.to_pem().into_bytes()),
        ("tsa.pem".to_owned(), certificates.tsa.to_pem().into_bytes()),
        ("status.pem".to_owned(), certificates.status.to_pem().into_bytes()),
        ("cmp.pem".to_owned(), certificates.cmp.to_pem().into_bytes()),
        ("csca.crl".to_owned(), country.docsigner.csca_crl(now).await.map_err(Failure::from_system)?),
    ];
    files.extend(directory(country).await?);
    // Later roots and generations, links, cross certificates: under the names they are published by.
    for (name, certificate) in &certificates.published {
        let name = format!("{name}.pem");
        match files.iter_mut().find(|(there, _)| *there == name) {
            Some(there) => there.1 = certificate.to_pem().into_bytes(),
            None => files.push((name, certificate.to_pem().into_bytes())),
        }
    }
    for list in country.npc.lists() {
        let mut lists = vec![list];
        if let Scope::Partition(n) = list.scope {
            lists.push(List { scope: Scope::Delta(n), ..list });
        }
        for list in lists {
            let made = country.npc.list(list, now).await.map_err(Failure::from_system)?;
            files.push((list.file(), made.der.to_vec()));
        }
    }
    Ok(files)
}

// The public key directory: certificates as PEM, for tools that take nothing else. What `csca.pem` and `csca.crl` are
// already is not written twice.
async fn directory(country: &Country) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let published = country.docsigner.publication(clock::now()).await.map_err(Failure::from_system)?;
    let newest = published.iter().filter(|file| file.kind == PublishedKind::Csca).count();
    let own = [format!("csca-{newest}.cer"), format!("csca-{newest}.crl")];
    let files = published.into_iter().filter(|file| !own.contains(&file.name));
    Ok(files
        .map(|file| match file.name.strip_suffix(".cer") {
            Some(stem) => {
                (format!("{stem}.pem"), x509::pem::encode("CERTIFICATE", &file.content).into_bytes())
            }
            None => (file.name, file.content),
        })
        .collect())
}

/// What readers of the Encrypted Zone need: the authorities of terminals, and the sample terminals with their keys.
async fn terminals(country: &Country) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let now = clock::now();
    crate::terminals::renew(country, now).await?;
    let root = country.eacpki.root().await.map_err(Failure::from_system)?;
    let mut files = vec![("cvca.cvcert".to_owned(), root.encode())];
    for certificate in country.eacpki.certificates().await.map_err(Failure::from_system)? {
        let body = certificate.body();
        let name = match body.chat.role() {
            Role::Cvca => format!("cvca-link-{}.cvcert", body.holder.sequence()),
            // The newest comes last and keeps the name.
            Role::OfficialVerifier => "dv.cvcert".to_owned(),
            _ => "dv-non-official.cvcert".to_owned(),
        };
        files.retain(|(present, _)| *present != name);
        files.push((name, certificate.encode()));
    }
    files.extend(crate::terminals::files(country).await?);
    Ok(files)
}

/// The certificates of one card: `sample-citizen-SERIAL-sign.pem` and so on.
pub async fn citizen(country: &Country, serial: CardSerial) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let certificates = country.mgmt.certificates(serial).await.map_err(Failure::from_system)?;
    let mut files = Vec::with_capacity(certificates.len());
    for (slot, der) in certificates {
        let use_ = match slot {
            KeySlot::SigningRsa => "sign",
            KeySlot::EncryptionRsa => "encrypt",
            KeySlot::SigningEc => "sign-ec",
            KeySlot::EncryptionEc => "encrypt-ec",
        };
        let pem = x509::pem::encode("CERTIFICATE", &der);
        files.push((format!("sample-citizen-{serial}-{use_}.pem"), pem.into_bytes()));
    }
    Ok(files)
}
