//! A centre, a manufacturer, a document signer, and packages for the cards.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use cardface::FontSet;
use curve::{Curve, SecretBytes, SecretKey, SeedRandom, SystemRandom};
use docsigner::{DocSigner, DocumentSigning};
use eac::Cipher;
use eac::cvc::{Body, Chat, Date as CvcDate, Extensions, PublicKey, Reference, Rights, Role, TrustPoint};
use eac::pace::Parameters;
use eac::security_infos::{SecurityInfo, encode_set, encode_set_in_order};
use jiff::Timestamp;
use keys::{SoftwareKeyStore, WrappingKey};
use lds::dg13::Term;
use lds::eid::{EncryptedZone, Placement, Sex};
use lds::field_security::{SALT_LEN, with_salt};
use lds::household::HouseholdData;
use lds::public_zone::Address;
use lds::{DataGroup, Date, FieldSecurityObject, PublicZone};
use model::{CardProfile, OfficeCode};
use production::{
    CardCentre, Centre, CentreConfig, LotOrder, Manufacturer, Order, OrderClass, OrderNo, Package, PairedCard,
};
use sealed::{MasterKey, SharedRandom};
use store::Db;
use terminal::TrustStore;
use tlv::oid;

pub(crate) const CLERK: &str = "stock";

pub(crate) struct Hall {
    pub(crate) centre: Centre,
    pub(crate) signer: DocSigner,
    pub(crate) db: Db,
    pub(crate) now: Timestamp,
    pub(crate) random: SharedRandom,
}

pub(crate) fn start() -> Timestamp {
    "2026-07-01T02:00:00Z".parse().expect("a time")
}

pub(crate) fn later(now: Timestamp, minutes: i64) -> Timestamp {
    now.checked_add(jiff::SignedDuration::from_mins(minutes)).expect("in range")
}

pub(crate) fn key(name: &str) -> MasterKey {
    MasterKey::generate(&mut SeedRandom::new(name.as_bytes()))
}

pub(crate) fn manufacturer() -> Manufacturer {
    Manufacturer::new(key("manufacturer"))
}

pub(crate) fn lot(quantity: u32) -> LotOrder {
    LotOrder { lot: "L1".into(), card_type: "NE-0144".into(), series: "N5A".into(), first: 0, quantity }
}

pub(crate) fn directory() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_owned();
    (dir, path)
}

fn fonts() -> Arc<FontSet> {
    static FONTS: OnceLock<Arc<FontSet>> = OnceLock::new();
    FONTS
        .get_or_init(|| Arc::new(FontSet::system().expect("the fonts of the card face are installed")))
        .clone()
}

/// A document signer with a CSCA of its own.
pub(crate) async fn signer(url: &str, dir: &Path, name: &str) -> DocSigner {
    let db = Db::open(url, name).await.expect("opens");
    let wrapping = WrappingKey::new(&key(name).derive_bytes::<32>("wrapping")).expect("32 bytes");
    let keys = SoftwareKeyStore::open(&dir.join(name), wrapping, Box::new(SystemRandom)).expect("opens");
    let config = docsigner::Config { parallel_signers: 1, ..docsigner::Config::default() };
    DocSigner::open(db, Arc::new(keys), config, start(), &mut SystemRandom).await.expect("opens")
}

impl Hall {
    pub(crate) async fn open(url: &str, dir: &Path) -> Self {
        Self::open_with(url, dir, |_| {}).await
    }

    /// A hall whose centre works otherwise.
    pub(crate) async fn open_with(url: &str, dir: &Path, change: impl FnOnce(&mut CentreConfig)) -> Self {
        let db = Db::open(url, "production").await.expect("opens");
        let signer = signer(url, dir, "docsigner").await;
        let mut trust = TrustStore::new();
        assert!(trust.add_certificate(signer.csca_certificate().await.expect("a CSCA")));
        let mut config = CentreConfig {
            proof_dpi: 72,
            box_size: 2,
            ..CentreConfig::new(dir.join("cards"), trust, fonts())
        };
        change(&mut config);
        let random = SharedRandom::new(SystemRandom);
        let centre = Centre::open(db.clone(), &key("centre"), config, random.clone()).await.expect("opens");
        Self { centre, signer, db, now: start(), random }
    }

    pub(crate) async fn restock(&self, cards: u32) {
        self.centre
            .restock(&manufacturer(), "N5A", cards, CLERK, self.now)
            .await
            .expect("the lot is received");
    }

    /// An order placed and paired.
    pub(crate) async fn paired(&self, number: u32) -> (OrderNo, PairedCard) {
        let order = order(number, CardProfile::National, "6300001000");
        self.centre.place(&[order], self.now).await.expect("places");
        self.centre.work(self.now).await.expect("works");
        let card = self.centre.pair(order.order, self.now).await.expect("pairs").expect("in stock");
        (order.order, card)
    }

    /// A package for a card, its zones signed by `signer`. `change` spoils it before it is sealed.
    pub(crate) async fn package(
        &self,
        card: &PairedCard,
        signer: &DocSigner,
        change: impl FnOnce(&mut Package),
    ) -> Package {
        let zone = public_zone(card);
        let mut files = zone.data_groups().expect("encodes");
        let object = PublicZone::security_object(curve::Hash::Sha512, &files);
        let sod = signer.sign_public_zone(&card.serial, &object, self.now).await.expect("signs");
        files.insert(DataGroup::Sod, sod);
        let household = signer.sign_household(&household(), self.now).await.expect("signs");
        let chip = curve::point_from_spki(&card.chip_authentication).expect("a key");
        let infos = encode_set(&[
            PACE[0].info(),
            PACE[1].info(),
            SecurityInfo::chip_authentication(Cipher::Aes256, None),
            SecurityInfo::chip_authentication_public_key(&chip, None),
        ]);
        let encrypted = encrypted_zone(card);
        let salted = encrypted.iter().map(|(group, file)| (*group, file.as_slice()));
        let object = FieldSecurityObject::over(curve::Hash::Sha512, chip.as_uncompressed(), 0, salted);
        let object = object.expect("salted");
        let encrypted_object =
            signer.sign_encrypted_zone(&card.serial, &object, self.now).await.expect("signs");
        let pin_key = |n: u8| SecretBytes::from(vec![n; 32]);
        let mut package = Package {
            serial: card.serial,
            mrz_information: zone.td1().expect("an MRZ").information(),
            household,
            public: files.into_iter().map(|(group, file)| (group.fid(), file)).collect(),
            encrypted,
            encrypted_object,
            trust_point: trust_point(),
            document_anchor: signer.csca_certificate().await.expect("a CSCA").der().to_vec(),
            card_access: encode_set_in_order(&PACE.map(Parameters::info)),
            card_security: signer.sign_card_security(&infos, self.now).await.expect("signs"),
            certificates: Vec::new(),
            pin_management_keys: [pin_key(1), pin_key(2), pin_key(3)],
            photo: Some(portrait(70)),
        };
        change(&mut package);
        package
    }

    /// Seals and delivers a package.
    pub(crate) async fn deliver(
        &self,
        order: OrderNo,
        package: &Package,
    ) -> Result<(), production::ProductionError> {
        let sealed =
            package.seal(&self.centre.package_key(), order, &mut self.random.clone()).expect("seals");
        self.centre.deliver(order, &sealed, self.now).await
    }
}

/// The files of the encrypted zone, each with its salt.
fn encrypted_zone(card: &PairedCard) -> Vec<(u8, Vec<u8>)> {
    let day = lds::Date::new(1990, 1, 1).expect("a day");
    let zone = EncryptedZone {
        placement: Placement::NATIONAL,
        state: "TWN".into(),
        expiry: None,
        given_names: "MEI".into(),
        family_names: "LIN".into(),
        birth: day,
        spouse: None,
        father: None,
        mother: None,
        birthplace: "臺北市".into(),
        sex: Sex::Female,
        access_number: card.serial.can().as_str().into(),
    };
    let files = zone.files().expect("encodes").into_iter();
    files.map(|(group, file)| (group, with_salt(&file, &[group; SALT_LEN]))).collect()
}

/// A picture of 35 to 45 with something in it that is `width` pixels wide.
pub(crate) fn portrait(width: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(140, 180, |x, y| {
        image::Rgb(if x.abs_diff(70) * 2 < width && y > 40 { [90, 60, 50] } else { [210, 210, 215] })
    });
    let mut out = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut out, image::ImageFormat::Jpeg).expect("encodes");
    out.into_inner()
}

/// The root of an authorisation PKI.
fn trust_point() -> Vec<u8> {
    let key = SecretKey::generate(Curve::P521, &mut curve::SeedRandom::new(b"cvca"));
    let name: Reference = "TWCVCA00001".parse().expect("a reference");
    let body = Body {
        authority: name.clone(),
        public_key: PublicKey::explicit(&key.public_key()),
        holder: name,
        chat: Chat::authentication(Role::Cvca, !Rights::NONE),
        effective: CvcDate::new(2026, 1, 1).expect("a day"),
        expiration: CvcDate::new(2046, 1, 1).expect("a day"),
        extensions: Extensions::default(),
    };
    let sign = |bytes: &[u8]| Ok::<_, std::fmt::Error>(key.sign_digest(&curve::Hash::Sha512.digest(bytes)));
    let root = body.issue(sign).expect("signs");
    TrustPoint::from_root(&root).expect("a root").encode()
}

const PACE: [Parameters; 2] = [
    Parameters::generic(Curve::P521, Cipher::Aes256),
    Parameters::generic(Curve::BrainpoolP256r1, Cipher::Aes128),
];

pub(crate) fn order(number: u32, profile: CardProfile, office: &str) -> Order {
    let case = model::CaseNo::new(115, number).expect("a case");
    let office: OfficeCode = office.parse().expect("an office");
    Order { order: OrderNo { case, attempt: 0 }, profile, office, class: OrderClass::Ordinary }
}

fn household() -> HouseholdData {
    HouseholdData {
        county: "臺北市".into(),
        district: "中正區".into(),
        village: "黎明里".into(),
        village_code: "63000050013".into(),
        neighbourhood: 3,
    }
}

fn public_zone(card: &PairedCard) -> PublicZone {
    let place = household();
    PublicZone {
        chinese_name: "陳玲".into(),
        cns: vec![None, None],
        romanised_name: Some("CHEN, LING".into()),
        foreign_name: None,
        mrz_name: "CHEN, LING".into(),
        id_number: "A223456781".into(),
        birth: Date::new(1990, 8, 5).expect("a date"),
        address: Address {
            county: place.county,
            district: place.district,
            village: place.village,
            village_code: place.village_code,
            neighbourhood: place.neighbourhood,
            rest: "徐州路5號".into(),
        },
        marital_status: Term::new("single", "無", "Single"),
        military_service: Term::new("none", "無", "None"),
        card_serial: card.serial.to_string(),
        renewal: Some(Date::new(2036, 7, 1).expect("a date")),
        issue: Date::new(2026, 7, 1).expect("a date"),
        portrait: Some(portrait(70)),
        issuing_authority: "內政部（測試用）".into(),
        security_infos: encode_set(&[
            SecurityInfo::active_authentication(oid::ECDSA_PLAIN_SHA512),
            PACE[0].info(),
            PACE[1].info(),
        ]),
        active_authentication_key: card.active_authentication.clone(),
    }
}
