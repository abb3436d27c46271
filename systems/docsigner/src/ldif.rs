//! The directory as LDIF (RFC 2849), in the tree of the ICAO public key directory: any LDAP server takes it.
//!
//! `c=TW,dc=data,dc=download,dc=pkd,...` with one entry per object below `o=dsc`, `o=crl` and `o=ml`. Certificates and lists
//! stand as `;binary` values (RFC 4523), the master list in the attribute of the ICAO PKD.

use base64ct::{Base64, Encoding};
use x509::Certificate;

use crate::once::hex;
use crate::publication::{Published, PublishedKind};
use crate::{DocSignerError, Result};

const BASE: &str = "dc=data,dc=download,dc=pkd,dc=neweid,dc=test";

/// All files as entries below the country's.
pub(crate) fn directory(country: &str, files: &[Published]) -> Result<String> {
    let mut out = String::from("version: 1\n");
    let top = format!("c={country},{BASE}");
    entry(&mut out, &top, &["country"], &[("c", country.as_bytes())]);
    for unit in ["dsc", "csca", "crl", "ml"] {
        entry(&mut out, &format!("o={unit},{top}"), &["organization"], &[("o", unit.as_bytes())]);
    }
    for file in files {
        let stem = file.name.split('.').next().unwrap_or_default();
        match file.kind {
            PublishedKind::RevocationList => entry(
                &mut out,
                &format!("cn={stem},o=crl,{top}"),
                &["cRLDistributionPoint"],
                &[("cn", stem.as_bytes()), ("certificateRevocationList;binary", &file.content)],
            ),
            PublishedKind::MasterList => entry(
                &mut out,
                &format!("cn={stem},o=ml,{top}"),
                &["applicationProcess", "pkdMasterList"],
                &[("cn", stem.as_bytes()), ("pkdMasterListContent", &file.content)],
            ),
            PublishedKind::Ldif => {}
            kind => {
                let certificate = Certificate::parse(&file.content)?;
                let serial = hex(certificate.serial_octets());
                let name = certificate.subject_name()?;
                let name = name.common_name().ok_or(DocSignerError::Inconsistent("a name without CN"))?;
                let unit = if kind == PublishedKind::DocumentSigner { "dsc" } else { "csca" };
                entry(
                    &mut out,
                    &format!("sn={serial},o={unit},{top}"),
                    &["inetOrgPerson"],
                    &[
                        ("cn", name.as_bytes()),
                        ("sn", serial.as_bytes()),
                        ("userCertificate;binary", &file.content),
                    ],
                );
            }
        }
    }
    Ok(out)
}

fn entry(out: &mut String, dn: &str, classes: &[&str], attributes: &[(&str, &[u8])]) {
    out.push('\n');
    line(out, &format!("dn: {dn}"));
    for class in classes {
        line(out, &format!("objectClass: {class}"));
    }
    for (name, value) in attributes {
        // RFC 2849: what is no SAFE-STRING stands in base64 behind two colons.
        let plain = value.iter().all(|b| (0x20..0x7F).contains(b))
            && value.first().is_some_and(|b| !matches!(b, b' ' | b':' | b'<'))
            && !name.contains(";binary");
        match std::str::from_utf8(value) {
            Ok(text) if plain => line(out, &format!("{name}: {text}")),
            _ => line(out, &format!("{name}:: {}", Base64::encode_string(value))),
        }
    }
}

// RFC 2849: a long line goes on behind a newline and one space.
fn line(out: &mut String, text: &str) {
    const WIDTH: usize = 76;
    let mut rest = text;
    let mut first = true;
    while !rest.is_empty() {
        let room = if first { WIDTH } else { WIDTH - 1 };
        let (now, later) = rest.split_at(rest.len().min(room));
        if !first {
            out.push(' ');
        }
        out.push_str(now);
        out.push('\n');
        (rest, first) = (later, false);
    }
}
