//! Names, periods and keys of the document PKI.

use curve::Curve;
use jiff::Timestamp;
use keys::KeyKind;
use x509::certificate::profiles::Authority;
use x509::{Name, Validity};

use crate::delegates::Office;
use crate::{DocSignerError, Result};

/// What can be chosen. The default is a test country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The country in names: two upper-case letters.
    pub country: String,
    /// The country as in the MRZ: three upper-case letters.
    pub icao_country: String,
    /// The organisation in names.
    pub organization: String,
    /// The unit in names.
    pub organizational_unit: String,
    /// The common name of the CSCA, the same for every generation (ICAO Doc 9303-12 §7.1.1).
    pub csca_common_name: String,
    /// The common name of a document signer; its number is appended.
    pub signer_common_name: String,
    /// Where to write to, in the alternative names.
    pub contact: String,
    /// Where the public key directory is, with a slash at the end; `csca-1.crl` and so on stand below it.
    pub publication: String,
    /// The keys of the CSCA.
    pub csca_key: KeyKind,
    /// The keys of the document signers, and of the signers of lists and files.
    pub signer_key: KeyKind,
    /// How many document signers sign at the same time.
    pub parallel_signers: u16,
    /// For how many days the CSCA signs.
    pub csca_signs_days: u32,
    /// For how many days a document signer signs.
    pub signer_signs_days: u32,
    /// How many signatures a document signer makes at most.
    pub signer_signatures: u32,
    /// For how many days a card is verified at most (decision 16).
    pub card_days: u32,
    /// For how many days signers of lists and files sign.
    pub delegate_signs_days: u32,
    /// For how many days the electronic file of a paper document is verified.
    pub file_days: u32,
    /// How far ahead the next revocation list is promised.
    pub crl_days: u32,
    /// The document codes of the MRZ the signers sign for.
    pub document_types: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            country: "TW".into(),
            icao_country: "TWN".into(),
            organization: "測試用 New eID".into(),
            organizational_unit: "(測試用) 國民身分證文件簽章".into(),
            csca_common_name: "(測試用) Country Signing CA".into(),
            signer_common_name: "(測試用) Document Signer".into(),
            contact: "csca@neweid.test".into(),
            publication: "http://pkd.neweid.test/pkd/".into(),
            csca_key: KeyKind::Ec(Curve::P521),
            signer_key: KeyKind::Ec(Curve::P521),
            parallel_signers: 2,
            // ICAO Doc 9303-12 §5.3: CSCA keys sign for three to five years, DS keys for up to three months.
            csca_signs_days: 5 * 365,
            signer_signs_days: 90,
            // ICAO Doc 9303-12 §5.2: a signer that makes many documents a day ends by their number.
            signer_signatures: 100_000,
            // Cards issued from 65 on have no date of renewal (OPEN-09): sixty years cover every one of them.
            card_days: 60 * 366,
            delegate_signs_days: 365,
            file_days: 10 * 366,
            // ICAO Doc 9303-12 §5.4: a list at least every 90 days.
            crl_days: 90,
            document_types: vec!["ID".into()],
        }
    }
}

/// Room between the last signature and the end of a certificate, for cards that are posted later.
const MARGIN_DAYS: u32 = 31;

impl Config {
    pub(crate) fn check(&self) -> Result<()> {
        if self.parallel_signers == 0 || self.signer_signs_days == 0 || self.crl_days < 3 {
            return Err(DocSignerError::Refused("configuration: signers, their days and the list's days"));
        }
        if self.signer_signatures < 10 || self.delegate_signs_days == 0 {
            return Err(DocSignerError::Refused("configuration: signatures of a signer, days of a delegate"));
        }
        if !self.publication.ends_with('/') {
            return Err(DocSignerError::Refused("configuration: the directory's address ends with a slash"));
        }
        if self.signer_signs_days > self.csca_signs_days {
            return Err(DocSignerError::Refused("configuration: a signer outlives its CSCA"));
        }
        Ok(())
    }

    /// What certificates say that a generation of the CSCA signs.
    pub(crate) fn authority(&self, generation: i64) -> Authority {
        Authority {
            icao_country: self.icao_country.clone(),
            contact: self.contact.clone(),
            crl_uri: format!("{}csca-{generation}.crl", self.publication),
        }
    }

    pub(crate) fn csca_name(&self) -> Result<Name> {
        self.name(&self.csca_common_name)
    }

    pub(crate) fn signer_name(&self, number: i64) -> Result<Name> {
        self.name(&format!("{} {number:04}", self.signer_common_name))
    }

    pub(crate) fn delegate_name(&self, office: Office, number: i64) -> Result<Name> {
        let office = match office {
            Office::MasterLists => "(測試用) Master List Signer",
            Office::Files => "(測試用) Document File Signer",
        };
        self.name(&format!("{office} {number:04}"))
    }

    /// When the CSCA signs, and when what it signed can be verified.
    pub(crate) fn csca_periods(&self, now: Timestamp) -> Result<(Validity, Validity)> {
        let longest =
            (self.signer_signs_days + self.card_days).max(self.delegate_signs_days + self.file_days);
        let valid = self.csca_signs_days + longest + 2 * MARGIN_DAYS;
        Ok((period(now, self.csca_signs_days)?, period(now, valid)?))
    }

    /// When a document signer signs, and when what it signed can be verified.
    pub(crate) fn signer_periods(&self, now: Timestamp) -> Result<(Validity, Validity)> {
        let valid = self.signer_signs_days + self.card_days + MARGIN_DAYS;
        Ok((period(now, self.signer_signs_days)?, period(now, valid)?))
    }

    /// When a delegate signs, and when what it signed can be verified.
    pub(crate) fn delegate_periods(&self, office: Office, now: Timestamp) -> Result<(Validity, Validity)> {
        let after = match office {
            Office::MasterLists => self.crl_days,
            Office::Files => self.file_days,
        };
        let valid = self.delegate_signs_days + after + MARGIN_DAYS;
        Ok((period(now, self.delegate_signs_days)?, period(now, valid)?))
    }

    fn name(&self, common_name: &str) -> Result<Name> {
        Ok(Name::builder()
            .country(&self.country)
            .organization(&self.organization)
            .organizational_unit(&self.organizational_unit)
            .common_name(common_name)
            .build()?)
    }
}

/// `days` after `t`.
pub(crate) fn later(t: Timestamp, days: u32) -> Result<Timestamp> {
    Timestamp::from_second(t.as_second() + i64::from(days) * 86_400)
        .map_err(|_| DocSignerError::Refused("configuration: a period ends out of range"))
}

fn period(from: Timestamp, days: u32) -> Result<Validity> {
    Ok(Validity::new(from, later(from, days)?)?)
}
