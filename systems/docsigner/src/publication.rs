//! What the country publishes about its documents (ICAO Doc 9303-12 §8 and §9; DOCPKI-10): the master list, and
//! everything a relying party needs as named files for the public key directory.

use jiff::Timestamp;
use serde_json::json;
use store::{params, transaction};
use x509::SignatureAlgorithm;
use x509::cms;
use x509::master_list::MasterList;

use crate::config::later;
use crate::delegates::Office;
use crate::once::hex;
use crate::service::SYSTEM;
use crate::{DocSigner, DocSignerError, DocumentSigning, Result, SignerState, ldif};

/// One file of the public key directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its name, the last part of its address: `csca-1.cer`.
    pub name: String,
    /// What it is.
    pub kind: PublishedKind,
    /// Its content, DER but for LDIF.
    pub content: Vec<u8>,
}

/// What a published file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedKind {
    /// Certificate of a country signing CA.
    Csca,
    /// Link certificate from one country signing key to the next.
    Link,
    /// Certificate of a document signer.
    DocumentSigner,
    /// Certificate of a signer of master lists or of paper documents' files.
    Delegate,
    /// Revocation list.
    RevocationList,
    /// Master list.
    MasterList,
    /// The whole directory as LDIF.
    Ldif,
}

impl DocSigner {
    /// The master list: every generation of the country signing CA that is still valid, and the links between them. The
    /// same list is given out until its content changes or a third of its time is over.
    pub async fn master_list(&self, now: Timestamp) -> Result<Vec<u8>> {
        let mut certificates = Vec::new();
        for csca in self.generations().await? {
            certificates.extend(csca.link.into_iter().chain([csca.certificate]));
        }
        certificates.retain(|certificate| certificate.not_after() > now);
        let content = MasterList::new(certificates)?.encode();
        let signer = self.delegate(Office::MasterLists, now).await?;
        let (number, made, stored) = transaction!(self.db, |tx| {
            let sql = "SELECT number, signer, content, made_at, list FROM master_list \
                ORDER BY number DESC LIMIT 1";
            let mut number = 1;
            if let Some(last) = tx.optional(sql, params![]).await? {
                number = last.read::<i64>("number")? + 1;
                let made: Timestamp = last.read("made_at")?;
                let fresh = made <= now && now < later(made, self.config.crl_days / 3)?;
                let same = last.read::<Vec<u8>>("content")? == content
                    && last.read::<i64>("signer")? == signer.number;
                if fresh && same {
                    return Ok((number - 1, made, last.read::<Option<Vec<u8>>>("list")?));
                }
            }
            tx.execute_one(
                "INSERT INTO master_list (number, signer, content, made_at) VALUES ($1, $2, $3, $4)",
                params![number, signer.number, &content, now],
            )
            .await?;
            let detail = json!({"number": number, "hash": hex(&curve::Hash::Sha256.digest(&content))});
            self.audit(tx, now, SYSTEM, "master-list-prepare", &signer.label, detail).await?;
            Ok::<_, DocSignerError>((number, now, None))
        })?;
        if let Some(list) = stored {
            return Ok(list);
        }
        let issuer = signer.certificate.authority_key_identifier();
        let generations = self.generations().await?;
        let csca = generations.iter().find(|csca| csca.certificate.subject_key_identifier() == issuer);
        let csca = csca.ok_or(DocSignerError::Inconsistent("the issuer of a list signer"))?;
        let key = self.keys.signer(&signer.label, Office::MasterLists.purpose())?;
        let beside = [&csca.certificate];
        let algorithm: SignatureAlgorithm = key.algorithm();
        let spec = MasterList::spec(&content, &signer.certificate, algorithm, &beside, made);
        let list = cms::sign(&spec, &key)?;
        transaction!(self.db, |tx| {
            let sql = "UPDATE master_list SET list = $2 WHERE number = $1 AND list IS NULL";
            if tx.execute(sql, params![number, &list]).await? == 1 {
                let detail = json!({"number": number});
                self.audit(tx, now, SYSTEM, "master-list-sign", &signer.label, detail).await?;
                return Ok(list.clone());
            }
            let sql = "SELECT list FROM master_list WHERE number = $1";
            Ok::<_, DocSignerError>(tx.one(sql, params![number]).await?.read(0)?)
        })
    }

    /// Every file of the public key directory. `csca.cer` and `csca.crl` are those of the generation that signs now.
    pub async fn publication(&self, now: Timestamp) -> Result<Vec<Published>> {
        let mut files = Vec::new();
        let mut add = |name: String, kind, content: Vec<u8>| files.push(Published { name, kind, content });
        let generations = self.generations().await?;
        for csca in &generations {
            let n = csca.generation;
            add(format!("csca-{n}.cer"), PublishedKind::Csca, csca.certificate.der().to_vec());
            if let Some(link) = &csca.link {
                add(format!("link-{n}.cer"), PublishedKind::Link, link.der().to_vec());
            }
        }
        for signer in self.ds_certificates().await? {
            let name = format!("ds-{}.cer", signer.number);
            add(name, PublishedKind::DocumentSigner, signer.certificate.der().to_vec());
        }
        for delegated in self.delegates().await? {
            let name = format!("{}.cer", delegated.label);
            add(name, PublishedKind::Delegate, delegated.certificate.der().to_vec());
        }
        for (generation, list) in self.csca_crls(now).await? {
            add(format!("csca-{generation}.crl"), PublishedKind::RevocationList, list);
        }
        add("master-list.ml".into(), PublishedKind::MasterList, self.master_list(now).await?);
        let ldif = ldif::directory(&self.config.country, &files)?;
        files.push(Published {
            name: "pkd.ldif".into(),
            kind: PublishedKind::Ldif,
            content: ldif.into_bytes(),
        });
        Ok(files)
    }

    /// Whether a document signer signs now: what operators see.
    pub async fn signing_now(&self, now: Timestamp) -> Result<bool> {
        let sql = "SELECT count(*) FROM document_signer \
            WHERE state = $1 AND certificate IS NOT NULL AND sign_until > $2 AND asked < $3";
        let quota = i64::from(self.config.signer_signatures);
        let values = params![SignerState::Active.as_str(), now, quota];
        Ok(self.db.one(sql, values).await?.read::<i64>(0)? > 0)
    }
}
