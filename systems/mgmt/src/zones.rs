//! From a registered person and a paired card to what the chip gets: Public, Household and Encrypted Zone, security infos.

use chip::Profile;
use curve::{Hash, Point};
use eac::Cipher;
use eac::chip_authentication::Parameters as ChipParameters;
use eac::security_infos::{SecurityInfo, encode_set, encode_set_in_order};
use lds::dg13::Term;
use lds::eid::{EncryptedZone, PersonName, Sex};
use lds::household::HouseholdData;
use lds::public_zone::Address;
use lds::{Date, LdsSecurityObject, PublicZone};
use model::{CardProfile, CardSerial, RocDate};
use registry::Person;
use tlv::oid;

use crate::{Config, MgmtError};

/// What the chip of a card with this profile can do, and where the fields of its encrypted zone stand.
fn facts(config: &Config, profile: CardProfile) -> Result<&'static Profile, MgmtError> {
    config.own_profile.or_else(|| Profile::by_name(profile.as_str())).ok_or(MgmtError::Data("card profile"))
}

/// The PACEInfos of a card, preferred first: what EF.CardAccess announces, and DG14 and EF.CardSecurity repeat.
fn pace(profile: &Profile) -> Vec<SecurityInfo> {
    profile.pace.iter().map(|parameters| parameters.info()).collect()
}

/// How the chip answers active authentication, as DG14 announces it.
fn active_authentication(profile: &Profile) -> Result<SecurityInfo, MgmtError> {
    let algorithm = match profile.active_authentication {
        Hash::Sha256 => oid::ECDSA_PLAIN_SHA256,
        Hash::Sha384 => oid::ECDSA_PLAIN_SHA384,
        Hash::Sha512 => oid::ECDSA_PLAIN_SHA512,
        _ => return Err(MgmtError::Data("active authentication of the card profile")),
    };
    Ok(SecurityInfo::active_authentication(algorithm))
}

/// What DG14 announces: active authentication, PACE, and on sample cards Chip Authentication as passports have it.
fn public_security_infos(
    profile: &Profile,
    chip_authentication: &[u8],
) -> Result<Vec<SecurityInfo>, MgmtError> {
    let mut infos = vec![active_authentication(profile)?];
    infos.extend(pace(profile));
    if profile.chip_authentication {
        let key = chip_key(profile, chip_authentication)?;
        let parameters = ChipParameters { curve: key.curve(), cipher: Cipher::Aes256, key_id: None };
        infos.extend([
            SecurityInfo::chip_authentication_version_1(parameters),
            SecurityInfo::chip_authentication_named_key(&key, None),
        ]);
    }
    Ok(infos)
}

/// The chip's key of Chip Authentication.
fn chip_key(profile: &Profile, spki: &[u8]) -> Result<Point, MgmtError> {
    let key = curve::point_from_spki(spki)
        .map_err(|_| MgmtError::Zones("the chip authentication key is no key".into()))?;
    if key.curve() == profile.curve {
        return Ok(key);
    }
    Err(MgmtError::Zones("the chip authentication key is on another curve than the profile's".into()))
}

/// The hash of the security object.
pub(crate) const HASH: Hash = Hash::Sha512;

/// What a card needs beside the person.
pub(crate) struct CardData<'a> {
    pub(crate) serial: CardSerial,
    pub(crate) profile: CardProfile,
    pub(crate) issue: RocDate,
    pub(crate) renewal: Option<RocDate>,
    pub(crate) foreign_name: bool,
    pub(crate) active_authentication: &'a [u8],
    pub(crate) chip_authentication: &'a [u8],
}

/// The Public Zone with its ten fields (CARD-23), without a portrait yet.
pub(crate) fn public_zone(
    person: &Person,
    card: &CardData<'_>,
    config: &Config,
) -> Result<PublicZone, MgmtError> {
    let place = person.address.place().ok_or(MgmtError::Data("address"))?;
    let profile = facts(config, card.profile)?;
    Ok(PublicZone {
        chinese_name: person.name.chinese().to_owned(),
        cns: person.name.codes().iter().map(|code| code.map(|code| code.to_bytes())).collect(),
        romanised_name: person.name.romanised().map(str::to_owned),
        // CARDFACE-04: the foreign name stands there at the applicant's choice only.
        foreign_name: person.name.foreign().filter(|_| card.foreign_name).map(str::to_owned),
        mrz_name: latin_name(person, card.foreign_name)?.to_owned(),
        id_number: person.id.as_str().to_owned(),
        birth: date(person.birth)?,
        address: Address {
            county: place.county.name.to_owned(),
            district: place.district.name.to_owned(),
            village: place.village.name.to_owned(),
            village_code: place.village.code.to_string(),
            neighbourhood: person.address.neighbourhood(),
            rest: person.address.rest().to_owned(),
        },
        marital_status: Term::new(person.marital.as_str(), person.marital.zh(), person.marital.en()),
        military_service: Term::new(person.military.as_str(), person.military.zh(), person.military.en()),
        card_serial: card.serial.to_string(),
        renewal: card.renewal.map(date).transpose()?,
        issue: date(card.issue)?,
        portrait: None,
        issuing_authority: config.issuing_authority.clone(),
        security_infos: encode_set(&public_security_infos(profile, card.chip_authentication)?),
        active_authentication_key: card.active_authentication.to_vec(),
    })
}

/// The name of the machine readable zone and of certificates in Latin letters.
fn latin_name(person: &Person, foreign_name: bool) -> Result<&str, MgmtError> {
    let foreign = person.name.foreign().filter(|_| foreign_name);
    foreign.or(person.name.romanised()).or(person.name.foreign()).ok_or(MgmtError::Data("Latin name"))
}

/// The Household Zone: the neighbourhood and nothing of the person (OPEN-03).
pub(crate) fn household(person: &Person) -> Result<HouseholdData, MgmtError> {
    let place = person.address.place().ok_or(MgmtError::Data("address"))?;
    Ok(HouseholdData {
        county: place.county.name.to_owned(),
        district: place.district.name.to_owned(),
        village: place.village.name.to_owned(),
        village_code: place.village.code.to_string(),
        neighbourhood: person.address.neighbourhood(),
    })
}

/// The Encrypted Zone with its six fields (CARD-28), placed as the profile wants it.
pub(crate) fn encrypted_zone(
    person: &Person,
    card: &CardData<'_>,
    config: &Config,
) -> Result<EncryptedZone, MgmtError> {
    let latin = latin_name(person, card.foreign_name)?;
    let (family, given) = latin.split_once(',').unwrap_or((latin, ""));
    Ok(EncryptedZone {
        placement: facts(config, card.profile)?.fields,
        state: "TWN".into(),
        expiry: card.renewal.map(date).transpose()?,
        given_names: given.trim().to_owned(),
        family_names: family.trim().to_owned(),
        birth: date(person.birth)?,
        spouse: person.spouse.as_ref().map(name),
        father: person.father.as_ref().map(name),
        mother: person.mother.as_ref().map(name),
        birthplace: person.birthplace.clone(),
        sex: match person.sex {
            model::Sex::Male => Sex::Male,
            model::Sex::Female => Sex::Female,
        },
        access_number: card.serial.can().as_str().to_owned(),
    })
}

fn name(name: &model::PersonName) -> PersonName {
    PersonName {
        text: name.chinese().to_owned(),
        cns: name.codes().iter().map(|code| code.map(|code| code.to_bytes())).collect(),
    }
}

/// EF.CardAccess: the order is the preference.
pub(crate) fn card_access(config: &Config, profile: CardProfile) -> Result<Vec<u8>, MgmtError> {
    let profile = facts(config, profile)?;
    let mut infos = pace(profile);
    infos.extend([
        SecurityInfo::terminal_authentication(),
        SecurityInfo::chip_authentication(Cipher::Aes256, None),
        SecurityInfo::chip_authentication_domain(profile.curve, None),
    ]);
    Ok(encode_set_in_order(&infos))
}

/// The SecurityInfos that EF.CardSecurity signs: those of EF.CardAccess and the chip's authentication key.
pub(crate) fn card_security_infos(
    config: &Config,
    profile: CardProfile,
    chip_authentication: &[u8],
) -> Result<Vec<u8>, MgmtError> {
    let profile = facts(config, profile)?;
    let key = chip_key(profile, chip_authentication)?;
    let mut infos = pace(profile);
    infos.extend([
        SecurityInfo::terminal_authentication(),
        SecurityInfo::chip_authentication(Cipher::Aes256, None),
        SecurityInfo::chip_authentication_domain(key.curve(), None),
        SecurityInfo::chip_authentication_public_key(&key, None),
    ]);
    infos.extend(profile.restricted_identification_infos());
    Ok(encode_set(&infos))
}

/// The security object over the files.
pub(crate) fn security_object(files: &lds::public_zone::Files) -> LdsSecurityObject {
    PublicZone::security_object(HASH, files)
}

fn date(date: RocDate) -> Result<Date, MgmtError> {
    let date = date.date();
    let part = |n: i8| u8::try_from(n).map_err(|_| MgmtError::Data("date"));
    let year = u16::try_from(date.year()).map_err(|_| MgmtError::Data("date"))?;
    Date::new(year, part(date.month())?, part(date.day())?).map_err(|_| MgmtError::Data("date"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // What a card announces for PACE is what its chip does, in the chip's order; what follows serves terminals with a right.
    #[test]
    fn a_card_announces_what_its_chip_offers() {
        for profile in CardProfile::ALL {
            let config = Config::default();
            let chip = facts(&config, *profile).expect("a profile of the chip");
            assert_eq!(encode_set_in_order(&pace(chip)), chip.card_access(), "{profile}");
            let announced = card_access(&config, *profile).expect("encodes");
            let whole = eac::security_infos::parse_file(&announced).expect("decodes");
            assert!(whole.starts_with(&pace(chip)), "{profile}");
            assert!(whole.contains(&SecurityInfo::chip_authentication_domain(chip.curve, None)), "{profile}");
            active_authentication(chip).expect("announced");
            assert_eq!(profile.is_sample(), chip.sample, "{profile}");
            let key = curve::SecretKey::generate(chip.curve, &mut curve::SystemRandom).public_key();
            let infos = public_security_infos(chip, &curve::spki_from_point(&key)).expect("infos");
            let announced = ChipParameters::choose_version_1(&infos);
            assert_eq!(announced.is_some(), chip.chip_authentication, "{profile}");
            assert!(announced.is_none_or(|(_, found)| found == key), "{profile}");
        }
        assert_eq!(CardProfile::ALL.len(), Profile::built_in().len());
    }
}
