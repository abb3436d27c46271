//! What a reader trusts: country signing CA certificates, link certificates and revocation lists (ICAO Doc 9303-12 §3).

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use x509::crl::Crl;
use x509::master_list::MasterList;
use x509::path::{self, Options, Purpose, Revocation};
use x509::{Certificate, pem};

use crate::Refusal;

/// Trust anchors and revocation lists. Nothing is trusted that was not put here.
#[derive(Debug, Clone, Default)]
pub struct TrustStore {
    anchors: Vec<Certificate>,
    links: Vec<Certificate>,
    crls: Vec<Crl>,
    master_lists: Vec<(String, Vec<u8>)>,
    skipped: Vec<String>,
}

/// Why a directory could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The directory or a file in it.
    #[error("TERMINAL-E-TRUST-READ: 無法讀取信任清單 cannot read {path}: {source}", path = path.display())]
    Read {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The files of a trust directory are small; larger ones are no certificates of a CSCA.
const MAX_FILE: u64 = 64 * 1024 * 1024;

impl TrustStore {
    /// Trusts nothing.
    pub const fn new() -> Self {
        Self {
            anchors: Vec::new(),
            links: Vec::new(),
            crls: Vec::new(),
            master_lists: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Reads every `*.pem`, `*.crt`, `*.cer`, `*.der`, `*.crl` and `*.ml` of a directory, PEM or DER. Country signing CA
    /// certificates become trust anchors; certificates of other kinds lying beside them are passed over (see
    /// [`Self::skipped`]), so that the export of a whole PKI can serve as it is. Master lists wait for
    /// [`Self::open_master_lists`], as their signatures are verified for a time.
    pub fn from_dir(dir: &Path) -> Result<Self, TrustError> {
        let error = |path: &Path| {
            let path = path.to_owned();
            move |source| TrustError::Read { path, source }
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(error(dir))? {
            files.push(entry.map_err(error(dir))?.path());
        }
        files.sort();
        let mut store = Self::new();
        for path in files {
            let extension =
                path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
            if !matches!(extension.as_str(), "pem" | "crt" | "cer" | "der" | "crl" | "ml") || !path.is_file()
            {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if std::fs::metadata(&path).map_err(error(&path))?.len() > MAX_FILE {
                store.skipped.push(name);
                continue;
            }
            let content = std::fs::read(&path).map_err(error(&path))?;
            if extension == "ml" {
                store.master_lists.push((name, content));
                continue;
            }
            if !store.add_file(&content) {
                store.skipped.push(name);
            }
        }
        Ok(store)
    }

    /// Adds what a file holds; `false` if nothing in it was of use.
    fn add_file(&mut self, content: &[u8]) -> bool {
        let text = std::str::from_utf8(content).ok().filter(|text| text.contains("-----BEGIN "));
        let blocks = match text.map(pem::decode_all) {
            Some(Ok(blocks)) => blocks.into_iter().map(|block| block.der).collect(),
            Some(Err(_)) => return false,
            None => vec![content.to_vec()],
        };
        // `|`, not `||`: every block is looked at.
        blocks.iter().fold(false, |used, der| used | self.add_der(der))
    }

    fn add_der(&mut self, der: &[u8]) -> bool {
        if let Ok(certificate) = Certificate::parse(der) {
            return self.add_certificate(certificate);
        }
        match Crl::parse(der) {
            Ok(crl) => {
                self.crls.push(crl);
                true
            }
            Err(_) => false,
        }
    }

    /// Adds a country signing CA certificate or link certificate; `false` if it is neither.
    // ICAO Doc 9303-12 §7.1.1: a CSCA has keyCertSign and pathLenConstraint 0, which roots of other PKIs do not have.
    pub fn add_certificate(&mut self, certificate: Certificate) -> bool {
        let is_csca = certificate.basic_constraints().is_some_and(|b| b.ca && b.path_len == Some(0));
        if !is_csca || !certificate.is_self_issued() {
            return false;
        }
        if certificate.verify_signature(certificate.spki()).is_ok() {
            self.anchors.push(certificate);
        } else {
            // Self-issued but signed by another key of the same country: trusted only through the older anchor.
            self.links.push(certificate);
        }
        true
    }

    /// Adds a master list, to be opened by [`Self::open_master_lists`] under this name.
    pub fn add_master_list(&mut self, name: &str, der: Vec<u8>) {
        self.master_lists.push((name.to_owned(), der));
    }

    /// Verifies the master lists and takes the country signing CAs they hold (ICAO Doc 9303-12 §9). A list counts if its
    /// signer was issued below a CSCA that is trusted already, is valid at `now` and not known to be revoked; what a list
    /// brings does not vouch for another list. Gives the names of the lists that were refused, which are also [`Self::skipped`].
    pub fn open_master_lists(&mut self, now: Timestamp) -> Vec<String> {
        let (mut refused, mut accepted) = (Vec::new(), Vec::new());
        for (name, der) in std::mem::take(&mut self.master_lists) {
            let options = Options::at(now).crls(&self.crls, Revocation::IfListed);
            match MasterList::verify(&der, &self.links, &self.anchors, &options) {
                Ok(list) => accepted.extend(list.certificates),
                Err(_) => refused.push(name),
            }
        }
        for certificate in accepted {
            let known = |all: &[Certificate]| all.iter().any(|c| c.der() == certificate.der());
            if !known(&self.anchors) && !known(&self.links) {
                self.add_certificate(certificate);
            }
        }
        self.skipped.extend(refused.iter().cloned());
        refused
    }

    /// Adds a revocation list. Whose it is is checked when it is used.
    pub fn add_crl(&mut self, crl: Crl) {
        self.crls.push(crl);
    }

    /// The trust anchors.
    pub fn anchors(&self) -> &[Certificate] {
        &self.anchors
    }

    /// The revocation lists.
    pub fn crls(&self) -> &[Crl] {
        &self.crls
    }

    /// The names of the files that held nothing of use.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Checks a document signer's certificate: issued by a trusted CSCA, both valid now, fit for signing documents; and looks
    /// it up in the revocation lists of its CSCA. The two answers are separate, the work is done once.
    pub fn check_signer(&self, signer: &Certificate, now: Timestamp) -> SignerCheck {
        let options =
            |revocation| Options::at(now).purpose(Purpose::DocumentSigner).crls(&self.crls, revocation);
        let validate = |revocation| path::validate(signer, &self.links, &self.anchors, &options(revocation));
        let (chain, revocation) = match validate(Revocation::Required) {
            Ok(_) => (same_country(signer), Ok(())),
            // Revocation is the last question asked of a path: the rest of it is good.
            Err(path::Refusal::StatusUnknown) => (same_country(signer), Err(self.unknown(signer, now))),
            Err(refusal @ path::Refusal::Revoked { .. }) => {
                (same_country(signer), Err(self::refusal(refusal)))
            }
            // Where several paths were tried, one that only lacked a list may hide behind another's fault.
            Err(_) => {
                let chain =
                    validate(Revocation::Unchecked).map_err(refusal).and_then(|_| same_country(signer));
                (chain, Err(Refusal::RevocationUnknown))
            }
        };
        SignerCheck { chain, revocation }
    }

    /// Why nothing is known: there is no list of the country, or only one that is overdue.
    fn unknown(&self, signer: &Certificate, now: Timestamp) -> Refusal {
        let overdue = self.crls.iter().any(|crl| {
            crl.is_issued_by(signer.issuer(), None) && crl.next_update().is_some_and(|next| next < now)
        });
        if overdue { Refusal::RevocationOverdue } else { Refusal::RevocationUnknown }
    }
}

/// What was found about a document signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignerCheck {
    /// Chain to a trusted CSCA, validity, purpose.
    pub chain: Result<(), Refusal>,
    /// Not on a list; [`Refusal::RevocationUnknown`] where there is none, [`Refusal::RevocationOverdue`] where the one at
    /// hand is too old.
    pub revocation: Result<(), Refusal>,
}

impl SignerCheck {
    /// Whether what it signed may be relied on: the chain is good, and it is not known to be revoked.
    pub fn is_trusted(&self) -> Result<(), Refusal> {
        self.chain?;
        match self.revocation {
            Err(Refusal::RevocationUnknown | Refusal::RevocationOverdue) => Ok(()),
            revocation => revocation,
        }
    }
}

// ICAO Doc 9303-12 §7.1.1: the country of the signer is that of its CSCA.
fn same_country(signer: &Certificate) -> Result<(), Refusal> {
    let country =
        |name: Result<x509::Name, _>| name.ok().and_then(|n| n.country().map(str::to_ascii_uppercase));
    match (country(signer.subject_name()), country(signer.issuer_name())) {
        (Some(own), Some(issuer)) if own == issuer => Ok(()),
        _ => Err(Refusal::SignerProfile),
    }
}

fn refusal(refusal: path::Refusal) -> Refusal {
    match refusal {
        path::Refusal::NotYetValid | path::Refusal::Expired => Refusal::SignerExpired,
        path::Refusal::Revoked { .. } => Refusal::SignerRevoked,
        path::Refusal::StatusUnknown => Refusal::RevocationUnknown,
        path::Refusal::KeyUsage
        | path::Refusal::NotCa
        | path::Refusal::PathLength
        | path::Refusal::CriticalExtension(_)
        | path::Refusal::Malformed(_) => Refusal::SignerProfile,
        _ => Refusal::SignerUntrusted,
    }
}
