//! OpenSSL's command line as a foreign judge: every verdict printed by the demonstration comes from a program that
//! knows nothing of ours.

use serde::Serialize;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One verdict of a foreign program.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// What was to be shown.
    pub check: String,
    /// The program and its arguments, as one could type them.
    pub command: String,
    /// Whether the program said what it should.
    pub passed: bool,
    /// The telling line of its output.
    pub said: String,
}

/// The `openssl` program and a directory for the files it is given.
pub struct OpenSsl {
    program: PathBuf,
    /// Files handed to the program.
    pub files: PathBuf,
}

/// A certificate status that `openssl ocsp` reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Good,
    Revoked,
}

impl OpenSsl {
    /// Finds the program; `None` where it is not installed.
    pub fn find(files: &Path) -> Option<Self> {
        let program = crate::commands::doctor::find_program("openssl")?;
        Some(Self { program, files: files.to_path_buf() })
    }

    /// `openssl version`.
    pub fn version(&self) -> String {
        Command::new(&self.program)
            .arg("version")
            .output()
            .map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
            .unwrap_or_default()
    }

    /// Verifies a CMS object (DER) with its signer chained to `ca`, and compares what it encapsulates.
    pub fn cms(&self, check: &str, cms: &str, ca: &str) -> Verdict {
        // 9303-12 gives document signers no S/MIME purpose, hence `-purpose any`.
        let args = [
            "cms",
            "-verify",
            "-inform",
            "DER",
            "-in",
            cms,
            "-CAfile",
            ca,
            "-purpose",
            "any",
            "-out",
            "/dev/null",
        ];
        self.run(check, &args, |ok, out| ok && out.to_lowercase().contains("verification successful"))
    }

    /// Verifies a citizen certificate with both CA certificates and the CRL; `expected` says whether it should pass.
    pub fn chain(&self, check: &str, certificate: &str, crl: Option<&str>, expected: bool) -> Verdict {
        let mut args = vec!["verify", "-CAfile", "npc-root.pem", "-untrusted", "npc-ca.pem"];
        if let Some(crl) = crl {
            args.extend(["-crl_check", "-CRLfile", crl]);
        }
        args.push(certificate);
        self.run(check, &args, move |ok, out| if expected { ok } else { !ok && out.contains("revoked") })
    }

    /// Verifies the signature of a CRL (DER) by the CA.
    pub fn crl(&self, check: &str, crl: &str, ca: &str) -> Verdict {
        self.run(check, &["crl", "-inform", "DER", "-in", crl, "-CAfile", ca, "-noout"], |ok, out| {
            ok && out.contains("verify OK")
        })
    }

    /// Asks the responder about a certificate.
    pub fn ocsp(&self, check: &str, certificate: &str, url: &str, expected: Status) -> Verdict {
        let word = match expected {
            Status::Good => ": good",
            Status::Revoked => ": revoked",
        };
        let args = [
            "ocsp",
            "-issuer",
            "npc-ca.pem",
            "-cert",
            certificate,
            "-url",
            url,
            "-CAfile",
            "npc-root.pem",
            "-verify_other",
            "npc-ca.pem",
            "-timeout",
            "10",
        ];
        self.run(check, &args, move |ok, out| ok && out.contains(word) && out.contains("Response verify OK"))
    }

    /// Verifies a signature over a file with the public key of a certificate.
    pub fn signature(
        &self,
        check: &str,
        certificate: &str,
        digest: &str,
        signature: &str,
        file: &str,
    ) -> Verdict {
        let key = format!("{certificate}.pub");
        let extracted = Command::new(&self.program)
            .current_dir(&self.files)
            .args(["x509", "-in", certificate, "-pubkey", "-noout", "-out", &key])
            .output();
        if !extracted.is_ok_and(|out| out.status.success()) {
            return Verdict {
                check: check.into(),
                command: "openssl x509 -pubkey".into(),
                passed: false,
                said: "no key".into(),
            };
        }
        self.run(check, &["dgst", digest, "-verify", &key, "-signature", signature, file], |ok, out| {
            ok && out.contains("Verified OK")
        })
    }

    fn run<S: AsRef<OsStr>>(&self, check: &str, args: &[S], judge: impl Fn(bool, &str) -> bool) -> Verdict {
        let words: Vec<_> = args.iter().map(|a| a.as_ref().to_string_lossy()).collect();
        let command = format!("openssl {}", words.join(" "));
        match Command::new(&self.program).current_dir(&self.files).args(args).output() {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout).into_owned()
                    + &String::from_utf8_lossy(&output.stderr);
                let passed = judge(output.status.success(), &text);
                Verdict { check: check.into(), command, passed, said: telling_line(&text) }
            }
            Err(error) => Verdict { check: check.into(), command, passed: false, said: error.to_string() },
        }
    }
}

// The line that carries the verdict: the last that is not a hint about dates.
fn telling_line(text: &str) -> String {
    let verdict = ["good", "revoked", "unknown", "erif", "OK", "error"];
    text.lines()
        .map(str::trim)
        .filter(|line| verdict.iter().any(|word| line.contains(word)) && !line.starts_with("Revocation"))
        .collect::<Vec<_>>()
        .join("; ")
}
