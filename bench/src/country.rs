//! A small country with keys of real size: what it takes to make one card and to read it.

use crate::Failure;
use chip::{
    Chip, ChipType, DocumentSigner, FactoryData, Flash, InProcessChannel, Interface, Profile, RamMemory,
    factory,
};
use const_oid::ObjectIdentifier;
use curve::rsa::RsaPrivateKey;
use curve::{Curve, Hash, SecretKey, SeedRandom};
use eac::auxiliary_data::AuxiliaryData;
use eac::cvc::{self, Body, Chat, Extensions, PublicKey, Rights, Role, TrustPoint};
use eac::pace::{Mapping, Parameters};
use eac::security_infos::{SecurityInfo, encode_set, encode_set_in_order};
use eac::{Cipher, Password};
use jiff::{Timestamp, ToSpan};
use lds::eid::{EncryptedZone, PersonName, Placement, Sex};
use lds::field_security::{SALT_LEN, with_salt};
use lds::household::HouseholdData;
use lds::public_zone::Address;
use lds::{DataGroup, Date, FieldSecurityObject, LdsSecurityObject, PublicZone, dg13::Term, sod};
use scp::KeySet;
use std::sync::Arc;
use terminal::TrustStore;
use terminal::eid::{Grant, TerminalIdentity};
use terminal::perso::{
    EncryptedZoneFiles, InitialisationRequest, InitialisedCard, PersonalisationFiles, PinReference, Session,
};
use tlv::oid;
use x509::certificate::profiles::{self, Authority, Citizen, Issuer, StatusLocations};
use x509::certificate::{Certificate, issue};
use x509::cms::{self, Spec};
use x509::crl::{self, Crl, Lifetime};
use x509::csr::Csr;
use x509::{EcSigner, MlDsaSigner, Name, RsaSigner, Serial, Signer, Validity};

pub(crate) const SERIAL: &str = "TWA000123";
pub(crate) const CAN: &str = "000123";
pub(crate) const PIN1: &str = "246813";
pub(crate) const PIN2: &str = "24681357";

/// A portrait of the usual size.
const PORTRAIT: usize = 20_000;

const PARAMETERS: [Parameters; 2] = [
    Parameters::generic(Curve::P521, Cipher::Aes256),
    Parameters::generic(Curve::BrainpoolP256r1, Cipher::Aes128),
];

/// A channel to a chip in this process.
pub(crate) type Channel = InProcessChannel<Chip>;

/// The authorities and their keys.
pub(crate) struct Country {
    csca_key: EcSigner,
    csca: Certificate,
    signer_key: EcSigner,
    signer: Certificate,
    /// Of the laboratory's card.
    mldsa_key: MlDsaSigner,
    mldsa: Certificate,
    /// Signed once for all of a neighbourhood (OPEN-03).
    household: Vec<u8>,
    root: Certificate,
    ca: Certificate,
    ca_key: RsaSigner,
    transport: KeySet,
    centre: KeySet,
    management: KeySet,
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_795_147_200).unwrap_or_default()
}

impl Country {
    /// Makes the keys: P-521 for documents, RSA-4096 for certificates.
    pub(crate) fn new() -> Result<Self, Failure> {
        let authority = Authority {
            icao_country: "TWN".into(),
            contact: "csca@neweid.test".into(),
            crl_uri: "http://pkd.neweid.test/csca.crl".into(),
        };
        let csca_key = ec("csca");
        let csca = profiles::csca_root(&profiles::CscaRoot {
            serial: serial("csca"),
            subject: &name("CSCA")?,
            validity: years(20)?,
            private_key_usage: years(5)?,
            spki: csca_key.spki(),
            algorithm: csca_key.algorithm(),
            authority: &authority,
        })?;
        let csca = issue(&csca, &csca_key)?;
        let document_signer = |seed, spki: &[u8]| {
            let tbs = profiles::document_signer(&profiles::DocumentSigner {
                serial: serial(seed),
                issuer: &Issuer::new(&csca, &csca_key)?,
                subject: &name("Document Signer")?,
                validity: years(11)?,
                private_key_usage: years(1)?,
                spki,
                document_types: &["ID"],
                authority: &authority,
            })?;
            Ok::<_, Failure>(issue(&tbs, &csca_key)?)
        };
        let signer_key = ec("signer");
        let signer = document_signer("signer", signer_key.spki())?;
        let mldsa_key = curve::mldsa::PrivateKey::generate(&mut SeedRandom::new(b"laboratory"));
        let mldsa_key = MlDsaSigner::new(mldsa_key);
        let mldsa = document_signer("laboratory", mldsa_key.spki())?;
        let (root_key, ca_key) =
            (RsaSigner::new(RsaPrivateKey::generate(4096)?), RsaSigner::new(RsaPrivateKey::generate(4096)?));
        let root = profiles::npc_root(&profiles::NpcRoot {
            serial: serial("root"),
            subject: &Name::test_authority("政府根憑證管理中心")?,
            validity: years(29)?,
            spki: root_key.spki(),
            algorithm: root_key.algorithm(),
        })?;
        let root = issue(&root, &root_key)?;
        let ca = profiles::npc_intermediate(&profiles::NpcIntermediate {
            serial: serial("ca"),
            issuer: &Issuer::new(&root, &root_key)?,
            subject: &Name::test_authority("內政部憑證管理中心")?,
            validity: years(20)?,
            spki: ca_key.spki(),
            policy: oid::GPKI_POLICY_TEST,
            crl_uri: "http://crl.npc.test/crl/root.crl",
            ca_issuers_uri: "http://npc.test/certs/npc-root.cer",
        })?;
        let ca = issue(&ca, &root_key)?;
        let mut rng = SeedRandom::new(b"key sets");
        let mut country = Self {
            csca_key,
            csca,
            signer_key,
            signer,
            mldsa_key,
            mldsa,
            household: Vec::new(),
            root,
            ca,
            ca_key,
            transport: KeySet::random(16, &mut rng)?,
            centre: KeySet::random(32, &mut rng)?,
            management: KeySet::random(32, &mut rng)?,
        };
        country.household = country.sign(oid::HOUSEHOLD_DATA, &household(&address()).encode()?)?;
        Ok(country)
    }

    /// What a reader trusts.
    pub(crate) fn trust(&self) -> Result<TrustStore, Failure> {
        let mut trust = TrustStore::new();
        trust.add_certificate(self.csca.clone());
        let issuer = Issuer::new(&self.csca, &self.csca_key)?;
        let life = Lifetime { number: 1, this_update: now() - 1.hours(), next_update: now() + 720.hours() };
        trust.add_crl(Crl::parse(&crl::issue(&crl::csca(&issuer, life, &[])?, &self.csca_key)?)?);
        Ok(trust)
    }

    fn sign(&self, content_type: const_oid::ObjectIdentifier, content: &[u8]) -> Result<Vec<u8>, Failure> {
        let spec = Spec::new(content_type, content, &self.signer, self.signer_key.algorithm());
        Ok(cms::sign(&spec, &self.signer_key)?)
    }

    /// By what the profile says its documents are signed with; P-521 serves for every curve.
    fn sign_for(
        &self,
        profile: &Profile,
        content_type: const_oid::ObjectIdentifier,
        content: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        match profile.document_signer {
            DocumentSigner::Ecdsa(_) => self.sign(content_type, content),
            DocumentSigner::MlDsa65 => {
                let spec = Spec::new(content_type, content, &self.mldsa, self.mldsa_key.algorithm());
                Ok(cms::sign(&spec, &self.mldsa_key)?)
            }
        }
    }

    /// A chip as the manufacturer delivers it.
    pub(crate) fn delivered(&self, number: u32) -> Result<Flash, Failure> {
        self.delivered_of(number, ChipType::PLANNED)
    }

    fn delivered_of(&self, number: u32, chip: ChipType) -> Result<Flash, Failure> {
        let memory = RamMemory::new();
        let flash = memory.flash();
        let mut chip_id = [0x63; 8];
        chip_id[4..].copy_from_slice(&number.to_be_bytes());
        let data = FactoryData::new(chip_id, self.transport.clone()).of_type(chip);
        factory::manufacture(Box::new(memory), &data, Box::new(SeedRandom::new(&chip_id)))?;
        Ok(flash)
    }

    /// Changes the transport keys to those of the card centre.
    pub(crate) fn wash(&self, flash: &Flash) -> Result<(), Failure> {
        let mut rng = SeedRandom::new(b"wash");
        let version = terminal::perso::TRANSPORT_KEY_VERSION;
        let mut session = Session::open(open(flash)?, version, &self.transport, &mut rng)?;
        session.put_keys(terminal::perso::CENTRE_KEY_VERSION, &self.centre)?;
        Ok(())
    }

    fn centre_session(&self, flash: &Flash) -> Result<Session<Channel>, Failure> {
        let mut rng = SeedRandom::new(b"centre");
        let version = terminal::perso::CENTRE_KEY_VERSION;
        Ok(Session::open(open(flash)?, version, &self.centre, &mut rng)?)
    }

    /// Lets the chip make its six key pairs.
    pub(crate) fn initialise(&self, flash: &Flash) -> Result<(), Failure> {
        self.initialise_as(flash, "national")
    }

    fn initialise_as(&self, flash: &Flash, profile: &str) -> Result<(), Failure> {
        let request = InitialisationRequest { serial: SERIAL.into(), profile: profile.into() };
        self.centre_session(flash)?.initialise(&request)?;
        Ok(())
    }

    /// What the chip reports after that.
    pub(crate) fn initialised(&self, flash: &Flash) -> Result<InitialisedCard, Failure> {
        Ok(self.centre_session(flash)?.initialised_card()?)
    }

    /// Certificates over the four certification requests, each of which is verified first.
    pub(crate) fn certify(&self, card: &InitialisedCard) -> Result<Vec<(u8, Vec<u8>)>, Failure> {
        let issuer = Issuer::new(&self.ca, &self.ca_key)?;
        let mut out = Vec::with_capacity(6);
        for (slot, der) in &card.csrs {
            let request = Csr::parse(der)?;
            request.verify()?;
            let input = Citizen {
                serial: Serial::random(&mut SeedRandom::new(der)),
                issuer: &issuer,
                name: "陳筱玲",
                holder_number: "0000000112345678",
                id_tail: "6781",
                card_number: SERIAL,
                holder_rank: None,
                validity: years(5)?,
                spki: request.spki(),
                policy: oid::GPKI_POLICY_TEST,
                locations: LOCATIONS,
            };
            let tbs = match slot {
                1 | 3 => profiles::npc_citizen_signing(&input)?,
                _ => profiles::npc_citizen_encryption(&input)?,
            };
            out.push((*slot, issue(&tbs, &self.ca_key)?.der().to_vec()));
        }
        out.push((5, self.root.der().to_vec()));
        out.push((6, self.ca.der().to_vec()));
        Ok(out)
    }

    /// The data groups with their security object, and EF.CardSecurity.
    pub(crate) fn package(
        &self,
        card: &InitialisedCard,
        certificates: Vec<(u8, Vec<u8>)>,
        profile: &str,
    ) -> Result<PersonalisationFiles, Failure> {
        let profile = Profile::by_name(profile).ok_or("no such profile")?;
        let chip_key = curve::point_from_spki(&card.ca_spki)?;
        let generic = profile.pace.iter().filter(|p| p.mapping == Mapping::Generic);
        let pace: Vec<_> = generic.map(|parameters| parameters.info()).collect();
        let mut zone = public_zone(&card.aa_spki);
        let proof = match profile.active_authentication {
            Hash::Sha384 => oid::ECDSA_PLAIN_SHA384,
            _ => oid::ECDSA_PLAIN_SHA512,
        };
        let mut infos = vec![SecurityInfo::active_authentication(proof)];
        infos.extend(pace.iter().cloned());
        if profile.chip_authentication {
            let version_1 = eac::chip_authentication::Parameters {
                curve: profile.curve,
                cipher: Cipher::Aes256,
                key_id: None,
            };
            infos.push(SecurityInfo::chip_authentication_version_1(version_1));
            infos.push(SecurityInfo::chip_authentication_named_key(&chip_key, None));
        }
        zone.security_infos = encode_set(&infos);
        let mut files = zone.data_groups()?;
        let hashes = files.iter().map(|(group, file)| (*group, file.as_slice()));
        let object = LdsSecurityObject::over(Hash::Sha512, hashes).encode();
        files.insert(DataGroup::Sod, sod::wrap(&self.sign_for(profile, oid::LDS_SECURITY_OBJECT, &object)?));
        let mut announced = pace;
        announced.push(SecurityInfo::terminal_authentication());
        let mut infos = announced.clone();
        infos.extend([
            SecurityInfo::chip_authentication(Cipher::Aes256, None),
            SecurityInfo::chip_authentication_domain(profile.curve, None),
            SecurityInfo::chip_authentication_public_key(&chip_key, None),
        ]);
        Ok(PersonalisationFiles {
            serial: SERIAL.into(),
            can: CAN.into(),
            mrz_information: zone.td1()?.information(),
            household: self.household.clone(),
            public: files.into_iter().map(|(group, file)| (group.fid(), file)).collect(),
            card_access: encode_set_in_order(&announced),
            encrypted: encrypted_zone(profile.fields, &card.ca_spki, |content_type, content| {
                self.sign_for(profile, content_type, content).expect("the sample signer signs")
            }),
            trust_point: trust_point()?,
            document_anchor: self.csca.der().to_vec(),
            card_security: self.sign_for(profile, oid::CARD_SECURITY_OBJECT, &encode_set(&infos))?,
            certificates,
            pin_management_keys: self.management.clone(),
        })
    }

    /// Writes the package.
    pub(crate) fn personalise(&self, flash: &Flash, files: &PersonalisationFiles) -> Result<(), Failure> {
        self.centre_session(flash)?.personalise(files)?;
        Ok(())
    }

    /// A terminal with every right.
    pub(crate) fn agency(&self) -> Result<TerminalIdentity, Failure> {
        let [root, verifier, agency] = [ROOT, VERIFIER, AGENCY].map(authority);
        let certificates = vec![
            certify(ROOT, VERIFIER, Role::OfficialVerifier, &verifier, &root)?,
            certify(VERIFIER, AGENCY, Role::Terminal, &agency, &verifier)?,
        ];
        Ok(TerminalIdentity::from_certificates(certificates, Arc::new(EcSigner::new(agency)))?)
    }

    /// Sets PIN1 and PIN2 as an office does.
    pub(crate) fn set_pins(&self, flash: &Flash) -> Result<(), Failure> {
        let (trust, questions) = (self.trust()?, AuxiliaryData::new());
        let mut session = terminal::eid::Session::open(
            open(flash)?,
            &Password::can(CAN),
            None,
            &self.agency()?,
            Grant::ALL,
            &questions,
            &trust,
            now(),
            &mut SeedRandom::new(b"office"),
        )?;
        session.set_pin(PinReference::Pin1, &PIN1.as_bytes().into())?;
        session.set_pin(PinReference::Pin2, &PIN2.as_bytes().into())?;
        Ok(())
    }

    /// A finished card.
    pub(crate) fn card(&self) -> Result<Flash, Failure> {
        self.card_of("national")
    }

    /// A finished card of a profile.
    pub(crate) fn card_of(&self, profile: &str) -> Result<Flash, Failure> {
        let chip = Profile::by_name(profile).ok_or("no such profile")?.chip;
        let flash = self.delivered_of(1, chip)?;
        self.wash(&flash)?;
        self.initialise_as(&flash, profile)?;
        let card = self.initialised(&flash)?;
        let package = self.package(&card, self.certify(&card)?, profile)?;
        self.personalise(&flash, &package)?;
        Ok(flash)
    }
}

/// A channel to the contact side of the chip in `flash`.
pub(crate) fn open(flash: &Flash) -> Result<Channel, Failure> {
    let memory = Box::new(RamMemory::open(flash.clone())?);
    let chip = Chip::open(memory, Box::new(SeedRandom::new(b"chip")))?;
    Ok(InProcessChannel::new(chip, Interface::Contact))
}

const LOCATIONS: StatusLocations<'static> = StatusLocations {
    partition_crl: "http://crl.npc.test/crl/npc-1-37.crl",
    complete_crl: "http://crl.npc.test/crl/npc-complete.crl",
    ca_issuers: "http://npc.test/certs/npc-ca.cer",
    ocsp: "http://ocsp.npc.test/ocsp",
};

fn years(n: i64) -> Result<Validity, Failure> {
    Ok(Validity::new(now() - 24.hours(), now() + (n * 365 * 24).hours())?)
}

fn ec(seed: &str) -> EcSigner {
    EcSigner::new(SecretKey::generate(Curve::P521, &mut SeedRandom::new(seed.as_bytes())))
}

fn serial(seed: &str) -> Serial {
    Serial::random(&mut SeedRandom::new(seed.as_bytes()))
}

fn name(common_name: &str) -> Result<Name, Failure> {
    Ok(Name::builder().country("TW").organization("測試用 SPECIMEN").common_name(common_name).build()?)
}

fn address() -> Address {
    Address {
        county: "臺北市".into(),
        district: "中正區".into(),
        village: "黎明里".into(),
        village_code: "63000050013".into(),
        neighbourhood: 3,
        rest: "徐州路5號".into(),
    }
}

fn household(address: &Address) -> HouseholdData {
    HouseholdData {
        county: address.county.clone(),
        district: address.district.clone(),
        village: address.village.clone(),
        village_code: address.village_code.clone(),
        neighbourhood: address.neighbourhood,
    }
}

pub(crate) fn public_zone(aa_spki: &[u8]) -> PublicZone {
    let day =
        |year, month, day| Date::new(year, month, day).unwrap_or_else(|_| unreachable!("these are days"));
    PublicZone {
        chinese_name: "陳筱玲".into(),
        cns: vec![Some([1, 0x61, 0x45]), Some([2, 0x21, 0x44]), Some([1, 0x51, 0x4F])],
        romanised_name: Some("Tân Siáu-lîng".into()),
        foreign_name: None,
        mrz_name: "CHEN, HSIAO-LING".into(),
        id_number: "A223456781".into(),
        birth: day(1990, 8, 5),
        address: address(),
        marital_status: Term::new("married", "有", "Married"),
        military_service: Term::new("none", "無", "None"),
        card_serial: SERIAL.into(),
        renewal: Some(day(2036, 11, 20)),
        issue: day(2026, 11, 20),
        portrait: Some(jpeg()),
        issuing_authority: "測試用內政部 SPECIMEN".into(),
        security_infos: encode_set(&[
            SecurityInfo::active_authentication(oid::ECDSA_PLAIN_SHA512),
            PARAMETERS[0].info(),
            PARAMETERS[1].info(),
        ]),
        active_authentication_key: aa_spki.to_vec(),
    }
}

/// Bytes with the head of a JPEG of 413 by 531 points.
fn jpeg() -> Vec<u8> {
    let mut out =
        vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0, 0, 0xFF, 0xC0, 0, 11, 8, 2, 19, 1, 157, 1, 1, 0x11, 0];
    out.extend((0..PORTRAIT - out.len()).map(|i| (i * 7 + i / 251) as u8));
    out
}

/// The encrypted zone with its salts, signed by `sign`.
fn encrypted_zone(
    placement: Placement,
    ca_spki: &[u8],
    sign: impl Fn(ObjectIdentifier, &[u8]) -> Vec<u8>,
) -> EncryptedZoneFiles {
    let name = |text: &str| Some(PersonName { text: text.into(), cns: Vec::new() });
    let zone = EncryptedZone {
        placement,
        state: "TWN".into(),
        expiry: None,
        given_names: "MEI".into(),
        family_names: "LIN".into(),
        birth: Date::new(1990, 1, 1).expect("a day"),
        spouse: None,
        father: name("林大明"),
        mother: name("陳美"),
        birthplace: "臺北市".into(),
        sex: Sex::Female,
        access_number: CAN.into(),
    };
    let files = zone.files().expect("encodes").into_iter();
    let groups: Vec<_> = files.map(|(group, file)| (group, with_salt(&file, &[group; SALT_LEN]))).collect();
    let key = curve::point_from_spki(ca_spki).expect("the chip's key");
    let salted = groups.iter().map(|(group, file)| (*group, file.as_slice()));
    let object = FieldSecurityObject::over(Hash::Sha512, key.as_uncompressed(), 0, salted).expect("salted");
    EncryptedZoneFiles { security_object: sign(oid::FIELD_SECURITY_OBJECT, &object.encode()), groups }
}

const ROOT: &str = "TWCVCA00001";
const VERIFIER: &str = "TWDVCA00001";
const AGENCY: &str = "TWAGENCY00001";

/// What a card trusts terminals by: the root of the authorisation PKI.
fn trust_point() -> Result<Vec<u8>, Failure> {
    let root = authority(ROOT);
    Ok(TrustPoint::from_root(&certify(ROOT, ROOT, Role::Cvca, &root, &root)?)?.encode())
}

/// The key of an authority or terminal.
fn authority(name: &str) -> SecretKey {
    SecretKey::generate(Curve::P521, &mut SeedRandom::new(name.as_bytes()))
}

/// A card-verifiable certificate with every right.
pub(crate) fn certify(
    authority: &str,
    holder: &str,
    role: Role,
    key: &SecretKey,
    signer: &SecretKey,
) -> Result<cvc::Certificate, Failure> {
    let point = key.public_key();
    let public_key =
        if role == Role::Cvca { PublicKey::explicit(&point) } else { PublicKey::inheriting(&point) };
    let body = Body {
        authority: authority.parse()?,
        public_key,
        holder: holder.parse()?,
        chat: Chat::authentication(role, !Rights::NONE),
        effective: cvc::Date::new(2026, 1, 1)?,
        expiration: cvc::Date::new(2028, 12, 31)?,
        extensions: Extensions::default(),
    };
    let hash = signer.curve().hash();
    body.issue(|message| Ok(signer.sign_digest(&hash.digest(message))))
}
