//! The files of a card's zones between being written and being signed: each field is read back and compared with what it was
//! written from, and nothing at all is signed where one of them is not so (DOCPKI-05). What comes back signed is read once more:
//! the document signer writes the household file anew, and may give out a signature that it has made before. A card at
//! personalisation and an update of one go the same way, and there is no other to the document signer.

use const_oid::ObjectIdentifier;
use docsigner::DocumentSigning;
use jiff::Timestamp;
use lds::eid::EncryptedZone;
use lds::field_security::{FieldCheck, without_salt};
use lds::household::HouseholdData;
use lds::public_zone::Files;
use lds::{DataGroup, FieldSecurityObject, PublicZone};
use model::CardSerial;
use terminal::perso::EncryptedZoneFiles;
use tlv::oid;
use x509::cms::SignedData;

use crate::{MgmtError, zones};

/// Files of a card's zones that nobody has looked at yet, each zone beside what it was written from. A zone that is not to be
/// written is not there.
pub(crate) struct WrittenZones {
    pub(crate) household: Option<(Vec<u8>, HouseholdData)>,
    pub(crate) public: Option<(Files, PublicZone)>,
    pub(crate) encrypted: Option<WrittenFields>,
}

/// Data groups of the Encrypted Zone with their salts, the security object over all of the zone, and what they were written from.
pub(crate) struct WrittenFields {
    pub(crate) groups: Vec<(u8, Vec<u8>)>,
    pub(crate) object: FieldSecurityObject,
    pub(crate) zone: EncryptedZone,
}

/// The same zones as they are written into a card.
pub(crate) struct SignedZones {
    /// The signed file.
    pub(crate) household: Option<Vec<u8>>,
    /// The data groups with EF.SOD.
    pub(crate) public: Option<Files>,
    /// The data groups with their salts, and the signed security object.
    pub(crate) encrypted: Option<EncryptedZoneFiles>,
}

impl WrittenZones {
    /// Reads every field of every zone back, and then has the zones signed.
    pub(crate) async fn sign(
        self,
        signing: &dyn DocumentSigning,
        serial: &CardSerial,
        now: Timestamp,
    ) -> Result<SignedZones, MgmtError> {
        self.read_back()?;
        let mut signed = SignedZones { household: None, public: None, encrypted: None };
        if let Some((mut files, _)) = self.public {
            let object = zones::security_object(&files);
            let file = signing.sign_public_zone(serial, &object, now).await?;
            signs(lds::sod::unwrap(&file).map_err(zones_error)?, oid::LDS_SECURITY_OBJECT, &object.encode())?;
            files.insert(DataGroup::Sod, file);
            signed.public = Some(files);
        }
        if let Some((_, zone)) = &self.household {
            let file = signing.sign_household(zone, now).await?;
            signs(&file, oid::HOUSEHOLD_DATA, &zone.encode().map_err(zones_error)?)?;
            signed.household = Some(file);
        }
        if let Some(WrittenFields { groups, object, .. }) = self.encrypted {
            let security_object = signing.sign_encrypted_zone(serial, &object, now).await?;
            signs(&security_object, oid::FIELD_SECURITY_OBJECT, &object.encode())?;
            signed.encrypted = Some(EncryptedZoneFiles { groups, security_object });
        }
        Ok(signed)
    }

    fn read_back(&self) -> Result<(), MgmtError> {
        if let Some((file, zone)) = &self.household {
            compared(HouseholdData::decode(file).map(|read| read == *zone))?;
        }
        if let Some((files, zone)) = &self.public {
            compared(PublicZone::from_data_groups(files).map(|read| read == *zone))?;
        }
        if let (Some((_, household)), Some((_, public))) = (&self.household, &self.public) {
            compared(Ok(household.is_of(&public.address)))?;
        }
        if let Some(fields) = &self.encrypted {
            fields.read_back()?;
        }
        Ok(())
    }
}

impl WrittenFields {
    fn read_back(&self) -> Result<(), MgmtError> {
        for (group, file) in &self.groups {
            compared(without_salt(file).and_then(|data_group| self.zone.is_in(*group, data_group)))?;
            // What is signed is the hash: it has to be that of this file.
            compared(Ok(self.object.check(*group, file) == FieldCheck::Unaltered))?;
        }
        // At personalisation no field is left out; an update brings those that changed.
        let listed = self.object.hashes.keys().copied().eq(self.zone.placement.groups());
        compared(Ok(listed && (self.object.sequence > 0 || self.groups.len() == self.object.hashes.len())))
    }
}

/// Whether a signed message is of this content and type, with a signature that verifies. Whose it is the readers ask.
fn signs(message: &[u8], content_type: ObjectIdentifier, content: &[u8]) -> Result<(), MgmtError> {
    let not_so = |detail: String| MgmtError::Zones(format!("what was signed: {detail}"));
    let message = SignedData::parse(message).map_err(|error| not_so(error.to_string()))?;
    if message.content_type() != content_type || message.content() != Some(content) {
        return Err(not_so("it is not what was given to be signed".into()));
    }
    message.verify().map(drop).map_err(|error| not_so(error.to_string()))
}

fn zones_error(error: lds::Error) -> MgmtError {
    MgmtError::Zones(error.to_string())
}

fn compared(same: Result<bool, lds::Error>) -> Result<(), MgmtError> {
    match same {
        Ok(true) => Ok(()),
        Ok(false) => Err(MgmtError::Zones("a field is not what it was made from".into())),
        Err(error) => Err(zones_error(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use curve::{Curve, SecretKey, SeedRandom};
    use docsigner::SignerCertificate;
    use lds::eid::{PersonName, Placement, Sex};
    use lds::field_security::with_salt;
    use lds::public_zone::Address;
    use lds::{ChipUpdate, DataGroup, Date, LdsSecurityObject, dg13::Term};
    use x509::cms::Spec;
    use x509::{Certificate, EcSigner, Name, SignatureAlgorithm};

    use super::*;

    /// A document signer that counts what it is asked to sign, and says what it is told to in place of one of the files.
    #[derive(Default)]
    struct Counter {
        asked: AtomicUsize,
        instead: Option<(ObjectIdentifier, Vec<u8>)>,
    }

    impl Counter {
        fn sign(&self, content_type: ObjectIdentifier, content: Vec<u8>) -> Vec<u8> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let instead = self.instead.as_ref().filter(|(instead, _)| *instead == content_type);
            signed(content_type, instead.map_or(&content, |(_, other)| other))
        }
    }

    /// CMS by a key of the test's.
    fn signed(content_type: ObjectIdentifier, content: &[u8]) -> Vec<u8> {
        let key = SecretKey::generate(Curve::P256, &mut SeedRandom::new(b"document signer"));
        let algorithm = SignatureAlgorithm::EcdsaSha256;
        let name = Name::builder().common_name("signer").build().expect("a name").der().to_vec();
        let time = |text: &str| tlv::encode(0x17, text.as_bytes());
        let tbs = tlv::sequence(&[
            &tlv::encode(0xA0, &[0x02, 0x01, 0x02]),
            &tlv::integer_unsigned(&[1]),
            &algorithm.identifier(),
            &name,
            &tlv::sequence(&[&time("260101000000Z"), &time("360101000000Z")]),
            &name,
            &curve::spki_from_point(&key.public_key()),
        ]);
        let signature = key.sign_digest(&curve::Hash::Sha256.digest(&tbs)).to_der();
        let certificate = x509::certificate::assemble(&tbs, algorithm, &signature);
        let certificate = Certificate::parse(&certificate).expect("a certificate");
        let spec = Spec::new(content_type, content, &certificate, algorithm);
        x509::cms::sign(&spec, &EcSigner::new(key)).expect("signed")
    }

    #[async_trait]
    impl DocumentSigning for Counter {
        async fn sign_public_zone(
            &self,
            _: &CardSerial,
            object: &LdsSecurityObject,
            _: Timestamp,
        ) -> docsigner::Result<Vec<u8>> {
            Ok(lds::sod::wrap(&self.sign(oid::LDS_SECURITY_OBJECT, object.encode())))
        }

        async fn sign_household(&self, zone: &HouseholdData, _: Timestamp) -> docsigner::Result<Vec<u8>> {
            Ok(self.sign(oid::HOUSEHOLD_DATA, zone.encode()?))
        }

        async fn sign_card_security(&self, _: &[u8], _: Timestamp) -> docsigner::Result<Vec<u8>> {
            unreachable!("nobody asks for it here")
        }

        async fn sign_encrypted_zone(
            &self,
            _: &CardSerial,
            object: &FieldSecurityObject,
            _: Timestamp,
        ) -> docsigner::Result<Vec<u8>> {
            Ok(self.sign(oid::FIELD_SECURITY_OBJECT, object.encode()))
        }

        async fn sign_chip_update(
            &self,
            _: &CardSerial,
            _: &ChipUpdate,
            _: Timestamp,
        ) -> docsigner::Result<Vec<u8>> {
            unreachable!("nobody asks for it here")
        }

        async fn sign_paper(&self, _: &str, _: &[u8], _: &str, _: Timestamp) -> docsigner::Result<Vec<u8>> {
            unreachable!("nobody asks for it here")
        }

        async fn csca_certificate(&self) -> docsigner::Result<Certificate> {
            unreachable!("nobody asks for it here")
        }

        async fn csca_certificates(&self) -> docsigner::Result<Vec<Certificate>> {
            unreachable!("nobody asks for them here")
        }

        async fn ds_certificates(&self) -> docsigner::Result<Vec<SignerCertificate>> {
            unreachable!("nobody asks for them here")
        }

        async fn csca_crl(&self, _: Timestamp) -> docsigner::Result<Vec<u8>> {
            unreachable!("nobody asks for it here")
        }

        async fn cards_signed_by(&self, _: u32) -> docsigner::Result<Vec<CardSerial>> {
            unreachable!("nobody asks for them here")
        }
    }

    fn public() -> PublicZone {
        let term = |code: &str, zh: &str, en: &str| Term { code: code.into(), zh: zh.into(), en: en.into() };
        PublicZone {
            chinese_name: "王小明".into(),
            cns: vec![Some([1, 0x47, 0x3C]), Some([1, 0x44, 0x21]), Some([1, 0x4F, 0x60])],
            romanised_name: None,
            foreign_name: None,
            mrz_name: "WANG, HSIAO-MING".into(),
            id_number: "A123456789".into(),
            birth: Date::new(1994, 3, 14).expect("a date"),
            address: Address {
                county: "臺北市".into(),
                district: "中正區".into(),
                village: "黎明里".into(),
                village_code: "63000050001".into(),
                neighbourhood: 3,
                rest: "徐州路5號".into(),
            },
            marital_status: term("single", "無", "Single"),
            military_service: term("none", "無", "None"),
            card_serial: "N5A000001".into(),
            renewal: None,
            issue: Date::new(2026, 7, 1).expect("a date"),
            portrait: None,
            issuing_authority: "內政部 (測試用)".into(),
            security_infos: tlv::set(&[]),
            active_authentication_key: tlv::sequence(&[]),
        }
    }

    fn household() -> HouseholdData {
        HouseholdData {
            county: "臺北市".into(),
            district: "中正區".into(),
            village: "黎明里".into(),
            village_code: "63000050001".into(),
            neighbourhood: 3,
        }
    }

    fn encrypted(placement: Placement) -> EncryptedZone {
        let name = |text: &str| Some(PersonName { text: text.into(), cns: vec![Some([1, 0x47, 0x3C]); 3] });
        EncryptedZone {
            placement,
            state: "TWN".into(),
            expiry: None,
            given_names: "HSIAO-MING".into(),
            family_names: "WANG".into(),
            birth: Date::new(1994, 3, 14).expect("a date"),
            spouse: None,
            father: name("王大明"),
            mother: name("李小美"),
            birthplace: "臺灣省桃園縣".into(),
            sex: Sex::Male,
            access_number: "000001".into(),
        }
    }

    fn fields(zone: EncryptedZone, sequence: u16) -> WrittenFields {
        let files = zone.files().expect("encodes").into_iter();
        let groups: Vec<_> = files.map(|(group, file)| (group, with_salt(&file, &[group; 32]))).collect();
        let object = object(&groups, sequence);
        WrittenFields { groups, object, zone }
    }

    fn object(groups: &[(u8, Vec<u8>)], sequence: u16) -> FieldSecurityObject {
        let files = groups.iter().map(|(group, file)| (*group, file.as_slice()));
        FieldSecurityObject::over(zones::HASH, b"a key", sequence, files).expect("an object")
    }

    fn written() -> WrittenZones {
        WrittenZones {
            household: Some((household().encode().expect("encodes"), household())),
            public: Some((public().data_groups().expect("encodes"), public())),
            encrypted: Some(fields(encrypted(Placement::NATIONAL), 0)),
        }
    }

    /// How many signatures there were, or `None` where the files were refused; then there was none.
    async fn signatures(zones: WrittenZones) -> Option<usize> {
        let signer = Counter::default();
        let serial = "N5A000001".parse().expect("a serial number");
        let done = zones.sign(&signer, &serial, Timestamp::UNIX_EPOCH).await;
        let count = signer.asked.load(Ordering::Relaxed);
        assert!(done.is_ok() || count == 0, "nothing is signed of a card of which one field is wrong");
        done.is_ok().then_some(count)
    }

    // proves: DOCPKI-05
    #[tokio::test]
    async fn a_file_that_is_spoiled_before_it_is_signed_is_not_signed() {
        assert_eq!(signatures(written()).await, Some(3));
        for placement in Placement::ALL {
            let mut zones = written();
            zones.encrypted = Some(fields(encrypted(placement), 0));
            assert_eq!(signatures(zones).await, Some(3));
        }

        // Any byte of the household file, and any of its fields that is another's.
        let file = household().encode().expect("encodes");
        for place in 0..file.len() {
            let mut zones = written();
            zones.household.as_mut().expect("there").0[place] ^= 1;
            assert_eq!(signatures(zones).await, None, "byte {place} of the household file");
        }
        let mut moved = written();
        let next_door = HouseholdData { neighbourhood: 4, ..household() };
        moved.household = Some((next_door.encode().expect("encodes"), next_door));
        assert_eq!(signatures(moved).await, None, "a neighbourhood that is not that of the address");

        // Every field of the encrypted zone, with a hash that fits the wrong file.
        let mut other = encrypted(Placement::NATIONAL);
        (other.state, other.expiry) = ("XXX".into(), Some(Date::new(2036, 7, 1).expect("a date")));
        (other.given_names, other.family_names) = ("HSIAO-MEI".into(), "LEE".into());
        other.birth = Date::new(1994, 3, 15).expect("a date");
        (other.spouse, other.mother) = (other.mother, other.father);
        other.father = None;
        (other.birthplace, other.sex, other.access_number) = ("臺北市".into(), Sex::Female, "000002".into());
        let foreign = fields(other, 0).groups;
        let mut refused = 0;
        for (place, (group, file)) in foreign.iter().enumerate() {
            let mut zones = written();
            let encrypted = zones.encrypted.as_mut().expect("there");
            if encrypted.groups[place].1 == *file {
                assert_eq!(*group, 1, "the document type alone is the same on every card");
                continue;
            }
            encrypted.groups[place].1.clone_from(file);
            encrypted.object = object(&encrypted.groups, 0);
            assert_eq!(signatures(zones).await, None, "DG{group}");
            refused += 1;
        }
        assert_eq!(refused, 12);

        // A hash of another file; a field left out; an update may leave fields out, but sign no wrong one.
        let mut hashed = written();
        let encrypted_fields = hashed.encrypted.as_mut().expect("there");
        encrypted_fields.object = object(&foreign, 0);
        assert_eq!(signatures(hashed).await, None);
        for (sequence, expected) in [(0, None), (1, Some(3))] {
            let mut fewer = written();
            let mut all = fields(encrypted(Placement::NATIONAL), sequence);
            all.groups.truncate(1);
            fewer.encrypted = Some(all);
            assert_eq!(signatures(fewer).await, expected, "update {sequence}");
        }
        let mut update = written();
        let mut wrong = fields(encrypted(Placement::NATIONAL), 1);
        wrong.zone.birthplace = "臺北市".into();
        update.encrypted = Some(wrong);
        assert_eq!(signatures(update).await, None);
    }

    // proves: DOCPKI-05
    #[tokio::test]
    async fn what_comes_back_signed_is_what_was_given_to_be_signed() {
        let sign = async |instead| {
            let signer = Counter { instead, ..Counter::default() };
            let serial = "N5A000001".parse().expect("a serial number");
            written().sign(&signer, &serial, Timestamp::UNIX_EPOCH).await
        };
        let good = sign(None).await.unwrap_or_else(|error| panic!("{error}"));
        let file = good.household.expect("a household file");
        let read = SignedData::parse(&file).expect("CMS").content().map(HouseholdData::decode);
        assert!(read.expect("content").is_ok_and(|read| read == household()));
        // A neighbourhood next door, whose signature the document signer has already; and objects of another card.
        let next_door = HouseholdData { neighbourhood: 4, ..household() }.encode().expect("encodes");
        let mut other = public();
        other.id_number = "A223456781".into();
        let other = zones::security_object(&other.data_groups().expect("encodes")).encode();
        let later = fields(encrypted(Placement::NATIONAL), 1).object.encode();
        for (content_type, content) in [
            (oid::HOUSEHOLD_DATA, next_door),
            (oid::HOUSEHOLD_DATA, b"nothing that decodes".to_vec()),
            (oid::LDS_SECURITY_OBJECT, other),
            (oid::FIELD_SECURITY_OBJECT, later),
        ] {
            let refused = sign(Some((content_type, content))).await.err();
            assert!(matches!(refused, Some(MgmtError::Zones(_))), "{content_type}: {refused:?}");
        }
        // The right content, signed as something else or by nobody.
        let content = household().encode().expect("encodes");
        assert!(signs(&signed(oid::HOUSEHOLD_DATA, &content), oid::HOUSEHOLD_DATA, &content).is_ok());
        assert!(signs(&signed(oid::CMS_DATA, &content), oid::HOUSEHOLD_DATA, &content).is_err());
        let mut forged = signed(oid::HOUSEHOLD_DATA, &content);
        *forged.last_mut().expect("bytes") ^= 1;
        assert!(signs(&forged, oid::HOUSEHOLD_DATA, &content).is_err());
    }

    #[tokio::test]
    async fn a_field_of_the_public_zone_that_is_not_what_it_was_made_from_is_not_signed() {
        let files = public().data_groups().expect("encodes");
        let with = |files: &Files| {
            let mut zones = written();
            zones.public = Some((files.clone(), public()));
            signatures(zones)
        };
        let mut others = vec![public(); 5];
        others[0].chinese_name = "王大明".into();
        others[1].id_number = "A223456781".into();
        others[2].address.rest = "徐州路6號".into();
        others[3].marital_status.code = "married".into();
        others[4].portrait = Some(vec![
            0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0, 0, 0xFF, 0xC0, 0, 11, 8, 2, 19, 1, 157, 1, 1, 0x11, 0,
        ]);
        for (number, other) in others.iter().enumerate() {
            let foreign = other.data_groups().expect("encodes");
            assert_eq!(with(&foreign).await, None, "the files of another {number}");
            for group in DataGroup::ALL {
                let Some(file) = foreign.get(&group).filter(|file| files.get(&group) != Some(file)) else {
                    continue;
                };
                let mut mixed = files.clone();
                mixed.insert(group, file.clone());
                assert_eq!(with(&mixed).await, None, "{number}: {}", group.name());
            }
        }
        let mut without = files;
        without.remove(&DataGroup::Dg13);
        assert_eq!(with(&without).await, None);
    }
}
