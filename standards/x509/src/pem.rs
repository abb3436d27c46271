//! PEM: the textual encoding of RFC 7468, strict in what it writes, lax about line length and surrounding text in what
//! it reads.

use base64ct::{Base64, Encoding};

use crate::Error;

/// One PEM block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// `CERTIFICATE`, `X509 CRL`, `CMS`, ...
    pub label: String,
    /// The bytes.
    pub der: Vec<u8>,
}

/// Writes one block with lines of 64 characters.
pub fn encode(label: &str, der: &[u8]) -> String {
    let base64 = Base64::encode_string(der);
    let mut out = String::with_capacity(base64.len() + base64.len() / 64 + 2 * label.len() + 40);
    out.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// A certificate as PEM.
pub fn certificate(der: &[u8]) -> String {
    encode("CERTIFICATE", der)
}

/// All blocks of a text, in order; text between blocks is skipped.
pub fn decode_all(text: &str) -> Result<Vec<Block>, Error> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in text.lines().map(str::trim) {
        if let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|l| l.strip_suffix("-----")) {
            if open.is_some() {
                return Err(Error::Malformed("PEM: BEGIN inside a block"));
            }
            open = Some((label, String::new()));
        } else if let Some(label) = line.strip_prefix("-----END ").and_then(|l| l.strip_suffix("-----")) {
            match open.take() {
                Some((begun, base64)) if begun == label => {
                    let der = Base64::decode_vec(&base64).map_err(|_| Error::Malformed("PEM: base64"))?;
                    blocks.push(Block { label: label.to_owned(), der });
                }
                _ => return Err(Error::Malformed("PEM: END without its BEGIN")),
            }
        } else if let Some((_, base64)) = &mut open {
            base64.extend(line.chars().filter(|c| !c.is_whitespace()));
        }
    }
    if open.is_some() { Err(Error::Malformed("PEM: block without END")) } else { Ok(blocks) }
}

/// The bytes of the first block with `label`.
pub fn decode(label: &str, text: &str) -> Result<Vec<u8>, Error> {
    decode_all(text)?
        .into_iter()
        .find(|b| b.label == label)
        .map(|b| b.der)
        .ok_or(Error::Malformed("PEM: no block with this label"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn torn_texts_are_refused() {
        let whole = encode("CMS", &[7; 100]);
        assert!(decode_all(&whole[..whole.len() - 5]).is_err());
        assert!(decode_all("-----END CMS-----").is_err());
        assert!(decode_all("-----BEGIN A-----\n-----BEGIN A-----").is_err());
        assert!(decode_all("-----BEGIN A-----\nAAAA\n-----END B-----").is_err());
        assert!(decode_all("-----BEGIN A-----\n!!!!\n-----END A-----").is_err());
        assert_eq!(decode_all("nothing here"), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn blocks_come_back(a in prop::collection::vec(any::<u8>(), 0..300), b in prop::collection::vec(any::<u8>(), 0..300)) {
            let text = format!("before\n{}between\r\n{}", encode("X", &a), encode("Y Z", &b).replace('\n', "\r\n"));
            let blocks = decode_all(&text).expect("own encoding");
            prop_assert_eq!(blocks.len(), 2);
            prop_assert_eq!(decode("Y Z", &text), Ok(b));
            prop_assert_eq!(&blocks[0].der, &a);
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,200}") {
            let _ = decode_all(&text);
        }
    }
}
