//! The object identifiers of the formats we speak, named as their standards name them.
//!
//! Sources: BSI TR-03110-3 §A.1.1 (id-PACE, id-TA, id-CA), ICAO Doc 9303-10 §4.6 and 9303-11 §9.2, RFC 5280, RFC 5480,
//! RFC 5639, RFC 5652, RFC 6960, RFC 8017; the GPKI attributes as listed in docs/requirements (NPC-18).

use const_oid::ObjectIdentifier as Oid;

macro_rules! oids {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        $($(#[$doc])* pub const $name: Oid = Oid::new_unwrap($value);)*
        /// Every entry of the table with its name, for messages and reverse look-up.
        pub const ALL: &[(&str, Oid)] = &[$((stringify!($name), $name)),*];
    };
}

/// The name of `oid` in this table, lower case, or `None`.
pub fn name(oid: Oid) -> Option<String> {
    ALL.iter().find(|(_, o)| *o == oid).map(|(n, _)| n.to_lowercase())
}

oids! {
    /// bsi-de protocols: id-PACE-ECDH-GM-AES-CBC-CMAC-128 (TR-03110-3 §A.1.1.1).
    PACE_ECDH_GM_AES_CBC_CMAC_128 = "0.4.0.127.0.7.2.2.4.2.2";
    /// id-PACE-ECDH-GM-AES-CBC-CMAC-192.
    PACE_ECDH_GM_AES_CBC_CMAC_192 = "0.4.0.127.0.7.2.2.4.2.3";
    /// id-PACE-ECDH-GM-AES-CBC-CMAC-256.
    PACE_ECDH_GM_AES_CBC_CMAC_256 = "0.4.0.127.0.7.2.2.4.2.4";
    /// id-PACE-ECDH-IM-AES-CBC-CMAC-128.
    PACE_ECDH_IM_AES_CBC_CMAC_128 = "0.4.0.127.0.7.2.2.4.4.2";
    /// id-PACE-ECDH-IM-AES-CBC-CMAC-192.
    PACE_ECDH_IM_AES_CBC_CMAC_192 = "0.4.0.127.0.7.2.2.4.4.3";
    /// id-PACE-ECDH-IM-AES-CBC-CMAC-256.
    PACE_ECDH_IM_AES_CBC_CMAC_256 = "0.4.0.127.0.7.2.2.4.4.4";
    /// id-ml-dsa-65 (FIPS 204, RFC 9881 §2).
    ML_DSA_65 = "2.16.840.1.101.3.4.3.18";
    /// id-PACE-ECDH-CAM-AES-CBC-CMAC-128 (ICAO 9303-11 §9.2.3).
    PACE_ECDH_CAM_AES_CBC_CMAC_128 = "0.4.0.127.0.7.2.2.4.6.2";
    /// id-PACE-ECDH-CAM-AES-CBC-CMAC-192.
    PACE_ECDH_CAM_AES_CBC_CMAC_192 = "0.4.0.127.0.7.2.2.4.6.3";
    /// id-PACE-ECDH-CAM-AES-CBC-CMAC-256.
    PACE_ECDH_CAM_AES_CBC_CMAC_256 = "0.4.0.127.0.7.2.2.4.6.4";
    /// id-TA.
    TERMINAL_AUTHENTICATION = "0.4.0.127.0.7.2.2.2";
    /// id-TA-ECDSA-SHA-1 (TR-03110-3 §A.1.1.3); read, never accepted.
    TA_ECDSA_SHA1 = "0.4.0.127.0.7.2.2.2.2.1";
    /// id-TA-ECDSA-SHA-224.
    TA_ECDSA_SHA224 = "0.4.0.127.0.7.2.2.2.2.2";
    /// id-TA-ECDSA-SHA-256.
    TA_ECDSA_SHA256 = "0.4.0.127.0.7.2.2.2.2.3";
    /// id-TA-ECDSA-SHA-384.
    TA_ECDSA_SHA384 = "0.4.0.127.0.7.2.2.2.2.4";
    /// id-TA-ECDSA-SHA-512.
    TA_ECDSA_SHA512 = "0.4.0.127.0.7.2.2.2.2.5";
    /// id-IS: role of inspection systems (TR-03110-3 §C.4.1).
    ROLE_INSPECTION_SYSTEM = "0.4.0.127.0.7.3.1.2.1";
    /// id-AT: role of authentication terminals.
    ROLE_AUTHENTICATION_TERMINAL = "0.4.0.127.0.7.3.1.2.2";
    /// id-ST: role of signature terminals.
    ROLE_SIGNATURE_TERMINAL = "0.4.0.127.0.7.3.1.2.3";
    /// id-description: hash of the certificate description (TR-03110-3 §C.3.1).
    EXTENSION_DESCRIPTION = "0.4.0.127.0.7.3.1.3.1";
    /// id-sector: hashes of the sector public keys (TR-03110-3 §C.3.2).
    EXTENSION_SECTOR = "0.4.0.127.0.7.3.1.3.2";
    /// id-plainFormat: a certificate description in plain text (TR-03110-3 §C.3.1.1).
    DESCRIPTION_PLAIN = "0.4.0.127.0.7.3.1.3.1.1";
    /// id-DateOfBirth: auxiliary data (TR-03110-3 §A.6.5).
    AUXILIARY_DATE_OF_BIRTH = "0.4.0.127.0.7.3.1.4.1";
    /// id-DateOfExpiry.
    AUXILIARY_DATE_OF_EXPIRY = "0.4.0.127.0.7.3.1.4.2";
    /// id-MunicipalityID.
    AUXILIARY_MUNICIPALITY = "0.4.0.127.0.7.3.1.4.3";
    /// id-RI-ECDH-SHA-256 (TR-03110-3 §A.1.1.5).
    RI_ECDH_SHA256 = "0.4.0.127.0.7.2.2.5.2.3";
    /// id-RI-ECDH-SHA-384.
    RI_ECDH_SHA384 = "0.4.0.127.0.7.2.2.5.2.4";
    /// id-RI-ECDH-SHA-512.
    RI_ECDH_SHA512 = "0.4.0.127.0.7.2.2.5.2.5";
    /// Certificate extension: which updatable fields of a New eID a terminal may write. Below the number that RFC 5612
    /// reserves for examples, as [`HOUSEHOLD_DATA`].
    EXTENSION_UPDATE = "1.3.6.1.4.1.32473.886.2.1";
    /// id-CA-ECDH-AES-CBC-CMAC-128.
    CA_ECDH_AES_CBC_CMAC_128 = "0.4.0.127.0.7.2.2.3.2.2";
    /// id-CA-ECDH-AES-CBC-CMAC-256.
    CA_ECDH_AES_CBC_CMAC_256 = "0.4.0.127.0.7.2.2.3.2.4";
    /// id-CA-ECDH-AES-CBC-CMAC-192.
    CA_ECDH_AES_CBC_CMAC_192 = "0.4.0.127.0.7.2.2.3.2.3";
    /// id-PK-ECDH.
    PK_ECDH = "0.4.0.127.0.7.2.2.1.2";
    /// standardizedDomainParameters (TR-03110-3 §A.2.1.1).
    STANDARDIZED_DOMAIN_PARAMETERS = "0.4.0.127.0.7.1.2";
    /// id-SecurityObject: content type of EF.CardSecurity (TR-03110-3 §A.1.2.5).
    CARD_SECURITY_OBJECT = "0.4.0.127.0.7.3.2.1";
    /// ecdsa-plain-SHA256 (TR-03111 §5.2.1.1).
    ECDSA_PLAIN_SHA256 = "0.4.0.127.0.7.1.1.4.1.3";
    /// ecdsa-plain-SHA384.
    ECDSA_PLAIN_SHA384 = "0.4.0.127.0.7.1.1.4.1.4";
    /// ecdsa-plain-SHA512.
    ECDSA_PLAIN_SHA512 = "0.4.0.127.0.7.1.1.4.1.5";

    /// id-icao-mrtd-security-ldsSecurityObject (ICAO 9303-10 §4.6.2.2).
    LDS_SECURITY_OBJECT = "2.23.136.1.1.1";
    /// id-icao-mrtd-security-cscaMasterList.
    CSCA_MASTER_LIST = "2.23.136.1.1.2";
    /// id-icao-mrtd-security-cscaMasterListSigningKey: extended key usage of a master list signer (ICAO 9303-12 §7.1).
    MASTER_LIST_SIGNING = "2.23.136.1.1.3";
    /// id-icao-mrtd-security-aaProtocolObject (ActiveAuthenticationInfo, ICAO 9303-11 §9.2.6).
    ACTIVE_AUTHENTICATION = "2.23.136.1.1.5";
    /// id-icao-mrtd-security-extensions-documentTypeList (ICAO 9303-12 §7.1.1).
    DOCUMENT_TYPE_LIST = "2.23.136.1.1.6.2";

    /// Content type of the signed Household Zone: below the number that RFC 5612 reserves for examples, as this country
    /// has none of its own.
    HOUSEHOLD_DATA = "1.3.6.1.4.1.32473.886.1.1";
    /// Content type of the security object of the Encrypted Zone (docs/public-zone.md, section 5).
    FIELD_SECURITY_OBJECT = "1.3.6.1.4.1.32473.886.1.2";
    /// Content type of the package that updates a card.
    CHIP_UPDATE = "1.3.6.1.4.1.32473.886.1.3";
    /// What a chip signs for an update that it took.
    UPDATE_RECEIPT = "1.3.6.1.4.1.32473.886.1.4";
    /// Type of the spouse's name in a data group of the Encrypted Zone.
    FIELD_SPOUSE = "1.3.6.1.4.1.32473.886.4.1";
    /// Type of the father's name.
    FIELD_FATHER = "1.3.6.1.4.1.32473.886.4.2";
    /// Type of the mother's name.
    FIELD_MOTHER = "1.3.6.1.4.1.32473.886.4.3";
    /// Type of the card access number.
    FIELD_ACCESS_NUMBER = "1.3.6.1.4.1.32473.886.4.4";

    /// id-ecPublicKey (RFC 5480).
    EC_PUBLIC_KEY = "1.2.840.10045.2.1";
    /// secp256r1.
    SECP256R1 = "1.2.840.10045.3.1.7";
    /// secp384r1.
    SECP384R1 = "1.3.132.0.34";
    /// secp521r1.
    SECP521R1 = "1.3.132.0.35";
    /// brainpoolP256r1 (RFC 5639).
    BRAINPOOL_P256R1 = "1.3.36.3.3.2.8.1.1.7";
    /// brainpoolP384r1.
    BRAINPOOL_P384R1 = "1.3.36.3.3.2.8.1.1.11";
    /// brainpoolP512r1.
    BRAINPOOL_P512R1 = "1.3.36.3.3.2.8.1.1.13";
    /// ecdsa-with-SHA256.
    ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
    /// ecdsa-with-SHA384.
    ECDSA_WITH_SHA384 = "1.2.840.10045.4.3.3";
    /// ecdsa-with-SHA512.
    ECDSA_WITH_SHA512 = "1.2.840.10045.4.3.4";
    /// rsaEncryption.
    RSA_ENCRYPTION = "1.2.840.113549.1.1.1";
    /// sha256WithRSAEncryption.
    SHA256_WITH_RSA = "1.2.840.113549.1.1.11";
    /// sha384WithRSAEncryption.
    SHA384_WITH_RSA = "1.2.840.113549.1.1.12";
    /// sha512WithRSAEncryption.
    SHA512_WITH_RSA = "1.2.840.113549.1.1.13";
    /// id-sha1: only inside OCSP CertID (RFC 6960), never for signatures.
    SHA1 = "1.3.14.3.2.26";
    /// id-sha224.
    SHA224 = "2.16.840.1.101.3.4.2.4";
    /// id-sha256.
    SHA256 = "2.16.840.1.101.3.4.2.1";
    /// id-sha384.
    SHA384 = "2.16.840.1.101.3.4.2.2";
    /// id-sha512.
    SHA512 = "2.16.840.1.101.3.4.2.3";

    /// id-data (RFC 5652).
    CMS_DATA = "1.2.840.113549.1.7.1";
    /// id-signedData.
    CMS_SIGNED_DATA = "1.2.840.113549.1.7.2";
    /// id-envelopedData.
    CMS_ENVELOPED_DATA = "1.2.840.113549.1.7.3";
    /// aes128-CBC (RFC 3565).
    AES128_CBC = "2.16.840.1.101.3.4.1.2";
    /// aes192-CBC.
    AES192_CBC = "2.16.840.1.101.3.4.1.22";
    /// aes256-CBC.
    AES256_CBC = "2.16.840.1.101.3.4.1.42";
    /// id-aes128-wrap (RFC 3565 §2.3.2).
    AES128_WRAP = "2.16.840.1.101.3.4.1.5";
    /// id-aes192-wrap.
    AES192_WRAP = "2.16.840.1.101.3.4.1.25";
    /// id-aes256-wrap.
    AES256_WRAP = "2.16.840.1.101.3.4.1.45";
    /// dhSinglePass-stdDH-sha1kdf-scheme (RFC 5753 §7.1.4).
    ECDH_STD_SHA1_KDF = "1.3.133.16.840.63.0.2";
    /// dhSinglePass-stdDH-sha256kdf-scheme.
    ECDH_STD_SHA256_KDF = "1.3.132.1.11.1";
    /// dhSinglePass-stdDH-sha384kdf-scheme.
    ECDH_STD_SHA384_KDF = "1.3.132.1.11.2";
    /// dhSinglePass-stdDH-sha512kdf-scheme.
    ECDH_STD_SHA512_KDF = "1.3.132.1.11.3";
    /// id-contentType attribute.
    ATTR_CONTENT_TYPE = "1.2.840.113549.1.9.3";
    /// id-messageDigest attribute.
    ATTR_MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
    /// id-signingTime attribute.
    ATTR_SIGNING_TIME = "1.2.840.113549.1.9.5";
    /// extensionRequest attribute of a PKCS #10 request.
    ATTR_EXTENSION_REQUEST = "1.2.840.113549.1.9.14";

    /// id-at-commonName.
    COMMON_NAME = "2.5.4.3";
    /// id-at-serialNumber.
    SERIAL_NUMBER = "2.5.4.5";
    /// id-at-countryName.
    COUNTRY = "2.5.4.6";
    /// id-at-organizationName.
    ORGANIZATION = "2.5.4.10";
    /// id-at-organizationalUnitName.
    ORGANIZATIONAL_UNIT = "2.5.4.11";
    /// id-ce-subjectDirectoryAttributes (RFC 5280 §4.2.1.8).
    SUBJECT_DIRECTORY_ATTRIBUTES = "2.5.29.9";
    /// id-ce-subjectKeyIdentifier.
    SUBJECT_KEY_IDENTIFIER = "2.5.29.14";
    /// id-ce-keyUsage.
    KEY_USAGE = "2.5.29.15";
    /// id-ce-privateKeyUsagePeriod.
    PRIVATE_KEY_USAGE_PERIOD = "2.5.29.16";
    /// id-ce-subjectAltName.
    SUBJECT_ALT_NAME = "2.5.29.17";
    /// id-ce-issuerAltName.
    ISSUER_ALT_NAME = "2.5.29.18";
    /// id-ce-basicConstraints.
    BASIC_CONSTRAINTS = "2.5.29.19";
    /// id-ce-cRLNumber.
    CRL_NUMBER = "2.5.29.20";
    /// id-ce-cRLReasons.
    CRL_REASON = "2.5.29.21";
    /// id-ce-invalidityDate.
    INVALIDITY_DATE = "2.5.29.24";
    /// id-ce-deltaCRLIndicator.
    DELTA_CRL_INDICATOR = "2.5.29.27";
    /// id-ce-issuingDistributionPoint.
    ISSUING_DISTRIBUTION_POINT = "2.5.29.28";
    /// id-ce-nameConstraints.
    NAME_CONSTRAINTS = "2.5.29.30";
    /// id-ce-cRLDistributionPoints.
    CRL_DISTRIBUTION_POINTS = "2.5.29.31";
    /// id-ce-certificatePolicies.
    CERTIFICATE_POLICIES = "2.5.29.32";
    /// anyPolicy (RFC 5280 §4.2.1.4).
    ANY_POLICY = "2.5.29.32.0";
    /// id-ce-policyMappings.
    POLICY_MAPPINGS = "2.5.29.33";
    /// id-ce-authorityKeyIdentifier.
    AUTHORITY_KEY_IDENTIFIER = "2.5.29.35";
    /// id-ce-policyConstraints.
    POLICY_CONSTRAINTS = "2.5.29.36";
    /// id-ce-extKeyUsage.
    EXTENDED_KEY_USAGE = "2.5.29.37";
    /// id-ce-freshestCRL.
    FRESHEST_CRL = "2.5.29.46";
    /// id-ce-inhibitAnyPolicy.
    INHIBIT_ANY_POLICY = "2.5.29.54";
    /// id-pe-authorityInfoAccess.
    AUTHORITY_INFO_ACCESS = "1.3.6.1.5.5.7.1.1";
    /// id-ad-ocsp.
    AD_OCSP = "1.3.6.1.5.5.7.48.1";
    /// id-ad-caIssuers.
    AD_CA_ISSUERS = "1.3.6.1.5.5.7.48.2";
    /// id-kp-OCSPSigning.
    KP_OCSP_SIGNING = "1.3.6.1.5.5.7.3.9";
    /// id-kp-documentSigning (RFC 9336).
    KP_DOCUMENT_SIGNING = "1.3.6.1.5.5.7.3.36";
    /// id-kp-timeStamping.
    KP_TIME_STAMPING = "1.3.6.1.5.5.7.3.8";
    /// id-ct-TSTInfo (RFC 3161).
    TST_INFO = "1.2.840.113549.1.9.16.1.4";
    /// id-aa-signingCertificateV2 (RFC 5035).
    ATTR_SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47";
    /// id-kp-cmcCA: signs the answers of a CA (RFC 6402 §2.10, RFC 9810 §4.5).
    KP_CMC_CA = "1.3.6.1.5.5.7.3.27";
    /// id-regCtrl-oldCertID (RFC 4211 §6.5).
    REG_CTRL_OLD_CERT_ID = "1.3.6.1.5.5.7.5.1.5";
    /// id-it-signKeyPairTypes (RFC 9810 §5.3.19).
    IT_SIGN_KEY_PAIR_TYPES = "1.3.6.1.5.5.7.4.2";
    /// id-it-currentCRL.
    IT_CURRENT_CRL = "1.3.6.1.5.5.7.4.6";
    /// id-it-implicitConfirm.
    IT_IMPLICIT_CONFIRM = "1.3.6.1.5.5.7.4.13";
    /// id-it-caCerts (RFC 9480).
    IT_CA_CERTS = "1.3.6.1.5.5.7.4.17";
    /// extKeyUsage of the signer of revocation filters and card status lists; below the number of RFC 5612.
    KP_STATUS_SIGNING = "1.3.6.1.4.1.32473.886.3.1";
    /// Content type of a revocation filter.
    REVOCATION_FILTER = "1.3.6.1.4.1.32473.886.3.2";
    /// Content type of a card status list.
    CARD_STATUS_LIST = "1.3.6.1.4.1.32473.886.3.3";
    /// Time stamp policy of the test country.
    TIME_STAMP_POLICY = "1.3.6.1.4.1.32473.886.3.4";
    /// id-pkix-ocsp-basic.
    OCSP_BASIC = "1.3.6.1.5.5.7.48.1.1";
    /// id-pkix-ocsp-nonce.
    OCSP_NONCE = "1.3.6.1.5.5.7.48.1.2";
    /// id-pkix-ocsp-nocheck.
    OCSP_NOCHECK = "1.3.6.1.5.5.7.48.1.5";
    /// id-pkix-ocsp-extended-revoke (RFC 6960 §4.4.8).
    OCSP_EXTENDED_REVOKE = "1.3.6.1.5.5.7.48.1.9";

    /// GPKI attribute: subject type (NPC-18).
    GPKI_SUBJECT_TYPE = "2.16.886.1.100.2.1";
    /// GPKI attribute: holder rank.
    GPKI_HOLDER_RANK = "2.16.886.1.100.2.2";
    /// GPKI attribute: last four characters of the national identification number.
    GPKI_TAIL_OF_CITIZEN_ID = "2.16.886.1.100.2.51";
    /// GPKI attribute: uniform organisation number (統一編號), of organisations.
    GPKI_ORGANISATION_NUMBER = "2.16.886.1.100.2.101";
    /// GPKI attribute: OID of the body or unit (機關、單位), of organisations.
    GPKI_ENTITY_OID = "2.16.886.1.100.2.102";
    /// GPKI attribute: group code (群組代號).
    GPKI_GROUP_CODE = "2.16.886.1.100.2.200";
    /// GPKI attribute: certificate type code (憑證類別代號).
    GPKI_CERTIFICATE_TYPE = "2.16.886.1.100.2.201";
    /// GPKI attribute: UID.
    GPKI_UID = "2.16.886.1.100.2.202";
    /// GPKI attribute: card number.
    GPKI_CARD_NUMBER = "2.16.886.1.100.2.204";
    /// GPKI value of the subject type: natural person.
    GPKI_NATURAL_PERSON = "2.16.886.1.100.3.1.1";
    /// GPKI certificate policy: test assurance.
    GPKI_POLICY_TEST = "2.16.886.101.0.3.0";
    /// GPKI certificate policy: assurance class 3.
    GPKI_POLICY_CLASS_3 = "2.16.886.101.0.3.3";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_identifier_stands_twice() {
        for (i, (name, oid)) in ALL.iter().enumerate() {
            assert!(ALL[i + 1..].iter().all(|(_, other)| other != oid), "{name} stands twice");
        }
    }
}
