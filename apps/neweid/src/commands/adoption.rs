//! What an authority that exists is brought in with: the document of `neweid ceremony propose adoption`, and the files of the
//! ceremony itself.

use super::ceremony::{certificate, wrong};
use crate::cli::ceremony::Run;
use crate::failure::Failure;
use keys::ForeignKey;
use npc::{Adopted, Adoption, Belongings, KeySource, Serves, certificates_in};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// The document. Paths in it start at its own directory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    generations: Vec<Generation>,
    chain: Vec<PathBuf>,
    certificates: u64,
    next_crl_number: Option<u64>,
    #[serde(default)]
    addresses: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Generation {
    certificate: PathBuf,
    list: PathBuf,
    /// Its label in the token; without it the key is in a file that is brought to the ceremony.
    token_label: Option<String>,
}

impl Document {
    /// Reads the document.
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let document: Self = serde_json::from_slice(bytes).ok()?;
        document.addresses.values().all(|serves| Serves::from_name(serves).is_some()).then_some(document)
    }
}

/// The authority that a document names, with its certificates and lists.
pub fn read(path: &Path) -> Result<Adoption, Failure> {
    let document =
        Document::from_json(&std::fs::read(path)?).ok_or_else(|| wrong(&path.display().to_string()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut generations = Vec::new();
    for Generation { certificate: paper, list, token_label } in document.generations {
        generations.push(Adopted {
            certificate: certificate(&folder.join(paper))?,
            key: token_label.map_or(KeySource::File, KeySource::Token),
            list: revocation_list(&folder.join(list))?,
        });
    }
    let chain = document.chain.iter().map(|path| certificate(&folder.join(path)));
    let addresses = document.addresses.into_iter();
    Ok(Adoption {
        generations,
        chain: chain.collect::<Result<_, _>>()?,
        certificates: document.certificates,
        next_crl_number: document.next_crl_number,
        addresses: addresses
            .filter_map(|(address, serves)| Some((address, Serves::from_name(&serves)?)))
            .collect(),
    })
}

/// The files of a ceremony, opened for one step.
pub struct Files {
    keys: Vec<(u32, ForeignKey)>,
    lists: Vec<Vec<u8>>,
    certificates: Option<Box<dyn Iterator<Item = std::io::Result<Vec<u8>>> + Send>>,
}

impl Files {
    /// Opens what the command names. Keys and their passphrase are in files that nobody else can read.
    pub fn open(run: &Run) -> Result<Self, Failure> {
        let mut keys = Vec::new();
        for named in &run.private_key {
            let (number, path) = named.split_once('=').ok_or_else(|| wrong("--private-key"))?;
            let number = number.parse().map_err(|_| wrong("--private-key"))?;
            let word = run.passphrase_file.as_deref().ok_or_else(|| wrong("--passphrase-file"))?;
            let word = keys::read_secret_file(word).map_err(Failure::from_system)?;
            let file = keys::read_secret_file(Path::new(path)).map_err(Failure::from_system)?;
            keys.push((number, ForeignKey::open(&file, &word).map_err(Failure::from_system)?));
        }
        let lists = run.list.iter().map(|path| revocation_list(path)).collect::<Result<_, _>>()?;
        let certificates = run.certificates.as_deref().map(population).transpose()?;
        Ok(Self { keys, lists, certificates })
    }

    /// As the step takes them.
    pub fn belongings(&mut self) -> Belongings<'_> {
        Belongings {
            keys: std::mem::take(&mut self.keys),
            lists: &self.lists,
            certificates: self.certificates.as_mut().map(|all| all as &mut (dyn Iterator<Item = _> + Send)),
        }
    }
}

/// All certificates of a file, or of the files of a directory by name.
fn population(path: &Path) -> Result<Box<dyn Iterator<Item = std::io::Result<Vec<u8>>> + Send>, Failure> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        files = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        files.retain(|path| path.is_file());
        files.sort();
    }
    // One file is open at a time, however many there are.
    Ok(Box::new(files.into_iter().flat_map(|path| {
        let all: Box<dyn Iterator<Item = std::io::Result<Vec<u8>>> + Send> = match File::open(&path) {
            Ok(file) => Box::new(certificates_in(BufReader::with_capacity(1 << 20, file))),
            Err(error) => Box::new(std::iter::once(Err(error))),
        };
        all
    })))
}

/// A list as PEM or DER.
fn revocation_list(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = std::fs::read(path)?;
    if !bytes.starts_with(b"-----BEGIN") {
        return Ok(bytes);
    }
    let decoded = std::str::from_utf8(&bytes).ok().and_then(|text| x509::pem::decode("X509 CRL", text).ok());
    decoded.ok_or_else(|| wrong(&path.display().to_string()))
}
