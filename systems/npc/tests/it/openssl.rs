//! OpenSSL as judge of chains, lists and answers.

use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use model::{KeySlot, RevocationReason, SuspensionCause};
use npc::{CertificateAuthority, Scope};
use store::testkit::each_engine;
use tempfile::TempDir;

use crate::support::*;

pub(crate) struct Judge(TempDir);

impl Judge {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(name)).unwrap()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) async fn openssl(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(self.0.path());
        // The server runs on this runtime: waiting for its client must not stop it.
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
        let output = output.expect("openssl is missing: apt-get install -y --no-install-recommends openssl");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), text)
    }

    pub(crate) async fn accepts(&self, arguments: &[&str]) -> String {
        let (ok, text) = self.openssl(arguments).await;
        assert!(ok, "openssl {arguments:?}\n{text}");
        text
    }

    pub(crate) async fn refuses(&self, arguments: &[&str], because: &str) {
        let (ok, text) = self.openssl(arguments).await;
        assert!(!ok && text.contains(because), "openssl {arguments:?}\n{text}");
    }
}

/// OpenSSL's OCSP client knows no other time than the present.
#[allow(clippy::disallowed_methods, reason = "the judge reads the clock")]
pub(crate) fn present() -> Timestamp {
    Timestamp::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_agrees_about_chains_lists_and_answers() {
    each_engine("npc", async |db| {
        let judge = Judge::new();
        let (npc, address) = served(&db, Arc::new(present)).await;
        let mut certificates = Vec::new();
        for (n, slot) in [
            (1, KeySlot::SigningRsa),
            (2, KeySlot::SigningRsa),
            (3, KeySlot::EncryptionRsa),
            (4, KeySlot::SigningEc),
        ] {
            let issued = issued(&npc, n, slot, n as usize).await;
            let pem = x509::Certificate::parse(&issued.der).unwrap().to_pem();
            certificates.push((issued, judge.file(&format!("{n}.pem"), pem)));
        }
        npc.suspend(card(2), SuspensionCause::Loss, "hotline", present()).await.unwrap();
        npc.revoke(card(3), RevocationReason::KeyCompromise, "clerk", present()).await.unwrap();
        let made = npc.ca_certificates();
        let root = judge.file("root.pem", made.root.to_pem());
        let ca = judge.file("ca.pem", made.ca.to_pem());
        judge.file("ocsp.pem", made.ocsp.to_pem());
        let complete = judge.file("npc.crl", &fetch(address, "/crl/npc.crl").await.body);

        judge.accepts(&["verify", "-x509_strict", "-check_ss_sig", "-CAfile", &root, &root]).await;
        judge.accepts(&["verify", "-x509_strict", "-CAfile", &root, &ca]).await;
        judge
            .accepts(&[
                "verify",
                "-x509_strict",
                "-purpose",
                "ocsphelper",
                "-CAfile",
                &root,
                "-untrusted",
                &ca,
                "ocsp.pem",
            ])
            .await;
        let verified = judge
            .accepts(&["crl", "-inform", "DER", "-in", &complete, "-CAfile", &ca, "-noout", "-text"])
            .await;
        assert!(
            verified.contains("verify OK")
                && verified.contains("Certificate Hold")
                && verified.contains("Key Compromise")
        );
        let chain = ["verify", "-x509_strict", "-CAfile", &root, "-untrusted", &ca];
        for (n, (issued, pem)) in certificates.iter().enumerate() {
            let partition = u16::from(*issued.serial.octets().last().unwrap()) & 15;
            let own = judge
                .file(&format!("p{n}.crl"), &fetch(address, &format!("/crl/npc-{partition}.crl")).await.body);
            let other = npc.crl(Scope::Partition(partition ^ 1), present()).await.unwrap();
            let other = judge.file(&format!("o{n}.crl"), &other.der);
            let with = |list: &str| {
                [&chain[..], &["-crl_check", "-CRLfile", list, pem]]
                    .concat()
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
            };
            judge.accepts(&[&chain[..], &[pem]].concat()).await;
            for list in [&complete, &own] {
                let arguments = with(list);
                let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
                match n {
                    0 | 3 => drop(judge.accepts(&arguments).await),
                    _ => judge.refuses(&arguments, "certificate revoked").await,
                }
            }
            // Another partition says nothing about this certificate.
            let arguments = with(&other);
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            judge.refuses(&arguments, "ifferent CRL scope").await;
        }

        let url = format!("http://{address}/ocsp");
        let client = ["ocsp", "-url", &url, "-CAfile", &root, "-verify_other", &ca];
        for (hash, nonce) in [("-sha1", "-nonce"), ("-sha256", "-no_nonce")] {
            for (n, said) in ["good", "revoked", "revoked", "good"].into_iter().enumerate() {
                // The hash stands before the certificate it is used for.
                let asked = ["-issuer", &ca, hash, "-cert", &certificates[n].1, nonce];
                let text = judge.accepts(&[&client[..], &asked].concat()).await;
                assert!(text.contains("Response verify OK") && text.contains(&format!(": {said}")), "{text}");
                assert!(!text.contains("WARNING"), "{text}");
                let reason = ["", "certificateHold", "keyCompromise", ""][n];
                assert!(text.contains(reason), "{text}");
            }
            let never = judge
                .accepts(&[&client[..], &["-issuer", &ca, hash, "-serial", "0x1234567890", nonce]].concat())
                .await;
            assert!(never.contains("Response verify OK") && never.contains(": unknown"), "{never}");
            let foreign =
                [&client[..], &["-issuer", &root, hash, "-cert", &certificates[0].1, nonce]].concat();
            let (_, text) = judge.openssl(&foreign).await;
            assert!(text.contains("unauthorized (6)"), "{text}");
        }

        let bundle = judge.file("ca.p7b", &fetch(address, "/certs/issued-to-this-ca.p7b").await.body);
        let printed = judge.accepts(&["pkcs7", "-inform", "DER", "-in", &bundle, "-print_certs"]).await;
        let body: String = made.ca.to_pem().lines().filter(|line| !line.starts_with('-')).collect();
        assert!(printed.lines().filter(|line| !line.starts_with('-')).collect::<String>().contains(&body));
    })
    .await;
}
