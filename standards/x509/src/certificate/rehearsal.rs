//! The rehearsal of a signature: a certificate is made whole with a key that nobody keeps and looked at as its readers will
//! see it, before the key that counts is asked.
//!
//! The lint over the bytes to be signed cannot see what belongs to the whole certificate, or what ties it to its issuer.
//! A certificate that was signed exists, even if it never leaves the CA; so the mistake has to be found before.

use curve::rsa::RsaPrivateKey;
use curve::{Curve, Hash, Random, SecretKey, mldsa};

use super::lint::{self, Finding};
use super::{Certificate, Issuer, TbsCertificate, assemble};
use crate::{EcSigner, Error, MlDsaSigner, RsaSigner, SignatureAlgorithm, Signer, name};

/// A throw-away key of the issuer's algorithm.
pub struct Rehearsal {
    signer: Box<dyn Signer>,
}

impl Rehearsal {
    /// Draws a key that signs with `algorithm`. An RSA key has 2048 bits whatever the issuer's has: what the signature is
    /// worth does not matter here, and it is quick.
    pub fn draw(algorithm: SignatureAlgorithm, random: &mut dyn Random) -> Result<Self, Error> {
        let signer: Box<dyn Signer> = match algorithm {
            SignatureAlgorithm::MlDsa65 => Box::new(MlDsaSigner::new(mldsa::PrivateKey::generate(random))),
            _ if algorithm.is_rsa() => {
                let key = RsaPrivateKey::generate(2048)
                    .map_err(|error| crate::SignError::Crypto(error.to_string()))?;
                Box::new(RsaSigner::with_hash(key, algorithm.hash()))
            }
            _ => {
                let curve = match algorithm.hash() {
                    Hash::Sha384 => Curve::P384,
                    Hash::Sha512 => Curve::P521,
                    _ => Curve::P256,
                };
                Box::new(EcSigner::new(SecretKey::generate(curve, random)))
            }
        };
        Ok(Self { signer })
    }

    /// The algorithm of the key.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.signer.algorithm()
    }

    /// Makes the certificate whole, and applies every rule to it: those of its profile, and those between it and its
    /// issuer (`None`: it is its own). Findings are [`Error::Lint`].
    pub fn inspect(&self, tbs: &TbsCertificate, issuer: Option<&Issuer>) -> Result<(), Error> {
        if self.signer.algorithm() != tbs.algorithm() {
            return Err(Error::WrongSigner("a rehearsal with another signature algorithm"));
        }
        let signature = self.signer.sign(tbs.tbs_der())?;
        let whole = assemble(tbs.tbs_der(), tbs.algorithm(), &signature);
        let certificate = Certificate::parse(&whole)?;
        let mut findings = lint::inspect(&certificate, tbs.kind());
        let mut require = |holds: bool, rule: &'static str, what: &'static str| {
            if !holds {
                findings.push(Finding { rule, what });
            }
        };
        // RFC 5280 §4.1.1.2: the outer algorithm MUST be the inner one; here also the issuer's.
        require(
            certificate.signature_algorithm() == Some(tbs.algorithm()),
            "RFC 5280 §4.1.1.2",
            "the signature algorithm is not the issuer's",
        );
        require(
            certificate.tbs() == tbs.tbs_der(),
            "RFC 5280 §4.1.1.1",
            "other bytes than those to be signed",
        );
        require(
            certificate.verify_signature(self.signer.spki()).is_ok(),
            "RFC 5280 §4.1.1.3",
            "the signature is not over these bytes",
        );
        match issuer {
            Some(issuer) => {
                let rule = "RFC 5280 §4.1.2.4";
                // Byte for byte, as quick readers compare.
                require(certificate.issuer() == issuer.name().der(), rule, "the issuer's name is another");
                require(
                    certificate.authority_key_identifier() == Some(issuer.key_identifier()),
                    "RFC 5280 §4.2.1.1",
                    "authorityKeyIdentifier is not the issuer's subjectKeyIdentifier",
                );
                require(
                    issuer.must_outlive(&certificate.validity()).is_ok(),
                    "X.509 shell model",
                    "the period does not lie within the issuer's",
                );
            }
            None => {
                let same = name::same(certificate.issuer(), certificate.subject());
                require(same, "RFC 5280 §3.2", "not self-issued, and without issuer");
            }
        }
        if findings.is_empty() { Ok(()) } else { Err(Error::Lint(findings)) }
    }
}

impl std::fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rehearsal({:?})", self.signer.algorithm())
    }
}
