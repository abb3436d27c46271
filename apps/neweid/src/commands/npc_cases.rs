//! One certificate in each state with every kind of list, to try relying programs with: `neweid npc simulate` writes them to
//! `DIR/cases`.
//!
//! All certificates are in partition 0. Its base list has `revoked`, `held` and `resumed`; the delta adds `late` and takes
//! `resumed` out; `npc-1.crl` is the list of another partition, which says nothing about any of them.

use super::npc_simulate::Authority;
use crate::failure::Failure;
use curve::SystemRandom;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use tlv::oid;
use x509::certificate::issue;
use x509::certificate::profiles::{Citizen, StatusLocations, npc_citizen_signing};
use x509::crl::{self, Lifetime, Pointers, Reason, Revoked, Table};
use x509::{Certificate, Serial, Signer, Validity};

/// Writes all cases.
pub fn write(dir: &Path, authority: &Authority, now: Timestamp) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)?;
    let cases = Cases { authority, now };
    for (name, bytes) in cases.files().map_err(Failure::ours)? {
        std::fs::write(dir.join(name), bytes)?;
    }
    Ok(())
}

struct Cases<'a> {
    authority: &'a Authority,
    now: Timestamp,
}

impl Cases<'_> {
    fn files(&self) -> Result<Vec<(String, Vec<u8>)>, x509::Error> {
        let hours = SignedDuration::from_hours;
        let mut files = vec![
            ("npc-root.pem".to_owned(), self.authority.root.to_pem().into_bytes()),
            ("npc-ca.pem".to_owned(), self.authority.ca.to_pem().into_bytes()),
        ];
        let names = ["good", "revoked", "held", "late", "resumed", "expired"];
        let mut serials = Vec::new();
        for name in names {
            let ends = if name == "expired" { self.now - hours(1) } else { self.now + hours(24) };
            let certificate = self.certificate(ends)?;
            serials.push(certificate.serial()?);
            files.push((format!("{name}.pem"), certificate.to_pem().into_bytes()));
        }
        let entry = |n: usize, reason| Revoked { serial: serials[n], at: self.now - hours(2), reason };
        let listed = [
            entry(1, Reason::KeyCompromise),
            entry(2, Reason::CertificateHold),
            entry(4, Reason::CertificateHold),
        ];
        let issuer = &self.authority.issuer;
        let life =
            |number| Lifetime { number, this_update: self.now - hours(1), next_update: self.now + hours(24) };
        let [here, elsewhere] = [self.uri("npc-0"), self.uri("npc-1")];
        let freshest = self.uri("npc-0-delta");
        let full = Table::new(listed)?;
        let partition = |uri| Pointers { partition: Some(uri), freshest: None, base: None };
        let base = Pointers { freshest: Some(&freshest), ..partition(&here) };
        let changes = [entry(3, Reason::Superseded), entry(4, Reason::RemoveFromCrl)];
        let lists = [
            ("npc", crl::from_table(issuer, life(3), &full, Pointers::default())?),
            ("npc-0", crl::from_table(issuer, life(4), &full, base)?),
            ("npc-1", crl::from_table(issuer, life(5), &Table::default(), partition(&elsewhere))?),
            ("npc-0-delta", crl::delta(issuer, life(6), &here, 4, changes)?),
        ];
        for (name, tbs) in lists {
            let der = crl::issue(&tbs, &self.authority.ca_key)?;
            files.push((format!("{name}.crl.pem"), x509::pem::encode("X509 CRL", &der).into_bytes()));
            files.push((format!("{name}.crl"), der));
        }
        Ok(files)
    }

    fn certificate(&self, ends: Timestamp) -> Result<Certificate, x509::Error> {
        // A number of partition 0.
        let number = Serial::random(&mut SystemRandom).to_u128().unwrap_or(1 << 126) & !1023;
        let citizen = Citizen {
            serial: Serial::from_u128(number).ok_or(x509::Error::Profile("serial"))?,
            issuer: &self.authority.issuer,
            name: "測試用",
            holder_number: "0123456789012345",
            id_tail: "6789",
            card_number: "N5A000001",
            holder_rank: None,
            validity: Validity::new(self.now - SignedDuration::from_hours(20), ends)?,
            spki: self.authority.status_key.spki(),
            policy: oid::GPKI_POLICY_TEST,
            locations: StatusLocations {
                partition_crl: &self.uri("npc-0"),
                complete_crl: &self.uri("npc"),
                ca_issuers: &format!("{}/issued-to-this-ca.p7b", self.authority.urls.certs),
                ocsp: &self.authority.urls.ocsp,
            },
        };
        issue(&npc_citizen_signing(&citizen)?, &self.authority.ca_key)
    }

    fn uri(&self, list: &str) -> String {
        format!("{}/{list}.crl", self.authority.urls.crl)
    }
}
