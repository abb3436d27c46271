//! Valid inputs for every target, made with our own encoders: what fuzzing starts from.
//!
//! `cargo run --bin make-corpus` writes them to `corpus/TARGET/seed-NN`. They are kept in the repository together with
//! every input that once broke something (`corpus/TARGET/found-WHAT`).

use apdu::{Command, Response};
use curve::rsa::RsaPrivateKey;
use curve::{Curve, Hash, SecretBytes, SecretKey, SeedRandom, spki_from_point};
use eac::auxiliary_data::AuxiliaryData;
use eac::cvc::{
    self, CertificateDescription, Chat, Extension, Extensions, PublicKey, Rights, Role, TerminalType,
    UpdateRights,
};
use eac::pace::{Mapping, Parameters, SetAuthenticationTemplate, chip, terminal};
use eac::restricted_identification::{self, SectorKey};
use eac::{Cipher, Password, security_infos, terminal_authentication};
use jiff::Timestamp;
use lds::dg13::Term;
use lds::eid::{EncryptedZone, PersonName, Placement, Sex};
use lds::household::HouseholdData;
use lds::{Date, PublicZone, com, dg1};
use scp::{Card, CardChallenge, CardData, Host, KeySet, Options, SecurityLevel};
use tlv::oid;
use x509::certificate::profiles::{self, Authority, Issuer};
use x509::certificate::{Certificate, issue};
use x509::{EcSigner, Name, Serial, Signer, Validity, cms, crl, csr, ocsp, pem, tsp};

/// The seeds of one target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "tlv" => vec![files().concat(), infos(), vec![0x7F, 0x49, 0x81, 0x01, 0x00], spkis().remove(0)],
        "command" => commands().iter().map(Command::to_bytes).collect(),
        "chaining" => vec![joined(&chained())],
        "point" => each_curve(|key| key.public_key().to_uncompressed()),
        "spki" => spkis(),
        "signature" => {
            let mut seeds = each_curve(|key| key.sign_digest(&[0; 64]).to_der());
            seeds.extend(each_curve(|key| key.sign_digest(&[0; 64]).to_plain()));
            seeds
        }
        "private_key" => private_keys(),
        "security_infos" => vec![infos(), set_at().data],
        "pace_chip" => vec![joined(&pace(Side::Terminal))],
        "pace_terminal" => vec![joined(&pace(Side::Chip))],
        "pace_mapping" => mappings(),
        "bac" => basic(),
        "profile" => profiles(),
        "secure_messaging" => secured(),
        "cv_certificate" => {
            let (_, root) = cvca();
            vec![root.encode(), verifier(Curve::P256).1.encode(), verifier(Curve::P521).1.encode()]
        }
        "cv_request" => vec![cv_request(false), cv_request(true)],
        "cv_rights" => cv_rights(),
        "cv_description" => vec![cv_description().encode()],
        "terminal_authentication" => vec![joined(&authentication())],
        "restricted_identification" => restricted(),
        "scp_card" => vec![joined(&scp_host())],
        "scp_host" => scp_card(),
        "mrz" => vec![zone().td1().expect("sample").lines().concat().into_bytes()],
        "data_group" => files(),
        "security_object" => vec![security_object()],
        "household" => vec![household()],
        "field_security" => vec![field_security(), field_file()],
        "chip_update" => vec![chip_update()],
        "update_receipt" => vec![update_receipt()],
        "photo_metadata" => photos(),
        "encrypted_zone" => encrypted_zone(),
        "certificate" => vec![Country::new().csca.der().to_vec(), Country::new().signer.der().to_vec()],
        "path" => paths(),
        "csr" => vec![request()],
        "crl" => vec![Country::new().list()],
        "ocsp_request" => vec![Country::new().ask()],
        "ocsp_response" => vec![Country::new().answer()],
        "time_stamp_request" => vec![stamp_request(Some(7)), stamp_request(None)],
        "time_stamp_response" => {
            vec![Country::new().stamped(), tsp::rejection(tsp::Failure::BadAlgorithm, "no")]
        }
        "revocation_filter" => vec![Country::new().filter()],
        "card_list" => card_lists(),
        "cms" => vec![Country::new().sign(&security_object())],
        "master_list" => {
            let list = x509::master_list::MasterList::new([Country::new().csca]);
            vec![list.expect("a CSCA").encode()]
        }
        "chip" => chip(),
        "card_file" => card_files(),
        "sessions" => sessions(),
        "pem" => vec![pem::certificate(Country::new().csca.der()).into_bytes()],
        _ => Vec::new(),
    }
}

/// Two sectors, what asks for both, what announces them, and an answer.
fn restricted() -> Vec<Vec<u8>> {
    let sector = |hash| SectorKey::new(&key(Curve::P256).public_key(), hash).expect("a sector");
    let (first, second) = (sector(Hash::Sha256), sector(Hash::Sha512));
    let command = restricted_identification::command(&first, Some(&second)).expect("a command");
    let one = restricted_identification::command(&first, None).expect("a command");
    let infos = restricted_identification::infos(Hash::Sha256, 1, Curve::P256).expect("a protocol");
    let answer = [tlv::encode(0x81, &[1; 32]), tlv::encode(0x83, &[2; 32])].concat();
    vec![
        [first.raw(), second.raw()].concat(),
        command.data,
        one.data,
        security_infos::encode_set(&infos),
        tlv::encode(0x7C, &answer),
    ]
}

fn key(curve: Curve) -> SecretKey {
    SecretKey::generate(curve, &mut SeedRandom::new(curve.name().as_bytes()))
}

fn each_curve(make: impl Fn(&SecretKey) -> Vec<u8>) -> Vec<Vec<u8>> {
    let one = |(n, curve)| [vec![n], make(&key(curve))].concat();
    (0u8..).zip(Curve::ALL).map(one).collect()
}

fn rsa() -> RsaPrivateKey {
    RsaPrivateKey::generate(2048).expect("generates")
}

fn spkis() -> Vec<Vec<u8>> {
    let mut all: Vec<_> = Curve::ALL.iter().map(|c| spki_from_point(&key(*c).public_key())).collect();
    all.push(rsa().public().spki());
    all
}

fn private_keys() -> Vec<Vec<u8>> {
    let mut all: Vec<_> = Curve::ALL.iter().map(|c| key(*c).to_pkcs8().expose().to_vec()).collect();
    all.push(rsa().to_pkcs8().expose().to_vec());
    all
}

fn commands() -> Vec<Command> {
    vec![
        Command::new(0x00, 0xA4, 0x04, 0x0C).with_data([0xA0, 0, 0, 0x02, 0x47, 0x10, 0x01]),
        Command::new(0x00, 0xB0, 0x9C, 0x00).with_le(256),
        Command::new(0x00, 0x84, 0x00, 0x00).with_le(8),
        Command::new(0x80, 0xE6, 0x00, 0x00),
        Command::new(0x0C, 0xB0, 0x00, 0x00).with_data([7; 30]).with_le(65_536),
        set_at(),
    ]
}

fn set_at() -> Command {
    let protocol = oid::PACE_ECDH_GM_AES_CBC_CMAC_256;
    SetAuthenticationTemplate { protocol, password: 2, parameter_id: Some(18), chat: Some(vec![1; 4]) }
        .command()
}

fn chained() -> Vec<Vec<u8>> {
    let command = Command::new(0x00, 0x2A, 0x00, 0xBE).with_data([9; 80]).with_le(256);
    apdu::split(&command, 30).iter().map(Command::to_bytes).collect()
}

/// A chip as it leaves the factory; then records of a card in use that say something else: its access number, its PIN1, its
/// profile, a private key, a trust point.
fn card_files() -> Vec<Vec<u8>> {
    let record = |key: u16, value: &[u8]| [&key.to_be_bytes()[..], value].concat();
    let records = [record(0x1001, b"234567"), record(0x0021, &[200]), record(0x0003, b"interop")];
    let secret = key(Curve::P521).to_pkcs8();
    let others = [record(0x0036, secret.expose()), record(0x0702, &[0x7F, 0x4E, 0x00]), record(0x0001, &[])];
    vec![
        crate::chip::states()[0].clone(),
        [&[4], &joined(&records)[..]].concat(),
        [&[7], &joined(&others)[..]].concat(),
    ]
}

/// A reader's ways through a card: each in every state, on both sides, without and with a channel.
fn chip() -> Vec<Vec<u8>> {
    let select = |aid: &[u8]| Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(aid);
    let public = [0xF0, 0x4E, 0x45, 0x49, 0x44, 0x50, 0x01];
    let household = [0xF0, 0x4E, 0x45, 0x49, 0x44, 0x48, 0x01];
    let certificates = [0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x01];
    let issuer = [0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00];
    let read = |sfi: u8| Command::new(0x00, 0xB0, 0x80 | sfi, 0).with_le(256);
    let ways = [
        vec![select(&household), read(1), read(2), Command::new(0x00, 0xB0, 0x01, 0x00).with_le(65_536)],
        vec![
            select(&public),
            read(0x1E),
            read(1),
            read(2),
            Command::new(0x00, 0xB1, 0x00, 0x02).with_data([0x54, 0x01, 0x10]).with_le(256),
            Command::new(0x00, 0x88, 0, 0).with_data([1; 8]).with_le(256),
        ],
        vec![
            select(&certificates),
            Command::new(0x80, 0x58, 0, 0).with_le(256),
            Command::new(0x00, 0x20, 0, 0x81).with_data(crate::chip::PIN2),
            Command::new(0x80, 0x68, 3, 0x70).with_data([5; 64]).with_le(256),
            Command::new(0x80, 0x68, 1, 0x33).with_data([5; 20]).with_le(256),
            Command::new(0x00, 0xB1, 0xCE, 0x01).with_data([0x54, 0x02, 0, 0]).with_le(256),
            Command::new(0x00, 0x24, 0, 0x81).with_data([crate::chip::PIN2, b"11223344"].concat()),
        ],
        vec![
            set_at(),
            Command::new(0x10, 0x86, 0, 0).with_data([0x7C, 0]).with_le(256),
            Command::new(0x10, 0x86, 0, 0).with_data([0x7C, 2, 0x81, 0]).with_le(256),
        ],
        vec![
            select(&issuer),
            Command::new(0x80, 0xCA, 0x9F, 0x7F).with_le(256),
            Command::new(0x80, 0x50, 0x00, 0).with_data([7; 8]).with_le(256),
            Command::new(0x84, 0x82, 0x33, 0).with_data([7; 16]),
            Command::new(0x80, 0x30, 0, 0).with_data(b"\xC0\x09AB1234567\xC1\x08national".as_slice()),
        ],
    ];
    let mut seeds = Vec::new();
    for (n, way) in ways.iter().enumerate() {
        let commands: Vec<_> = way.iter().map(Command::to_bytes).collect();
        for state in 0..crate::chip::STATES {
            let side = if (n + usize::from(state)) % 2 == 0 { 0x00 } else { 0x40 };
            // Only a personalised card has an access number.
            let channel = if matches!(state, 3 | 4 | 6 | 7) && n < 3 { 0x80 } else { 0x00 };
            seeds.push([vec![state | side | channel], joined(&commands)].concat());
        }
    }
    seeds
}

/// What `standards::pieces` takes apart.
pub(crate) fn joined(pieces: &[Vec<u8>]) -> Vec<u8> {
    pieces.iter().flat_map(|piece| [vec![piece.len() as u8], piece.clone()].concat()).collect()
}

fn infos() -> Vec<u8> {
    security_infos::encode_set_in_order(&[
        Parameters::generic(Curve::P521, Cipher::Aes256).info(),
        Parameters::generic(Curve::BrainpoolP256r1, Cipher::Aes128).info(),
        security_infos::SecurityInfo::chip_authentication_domain(Curve::P521, Some(1)),
        security_infos::SecurityInfo::chip_authentication_public_key(&key(Curve::P521).public_key(), Some(1)),
        security_infos::SecurityInfo::terminal_authentication(),
    ])
}

/// A root for terminals, with its key.
pub(crate) fn cvca() -> (SecretKey, cvc::Certificate) {
    let key = key(Curve::P256);
    let body =
        cv_body("TWCVCATEST00001", "TWCVCATEST00001", Role::Cvca, PublicKey::explicit(&key.public_key()));
    let certificate = body.issue(|message| cv_sign(&key, message)).expect("signed");
    (key, certificate)
}

fn verifier(curve: Curve) -> (SecretKey, cvc::Certificate) {
    let own = key(curve);
    let public = PublicKey::inheriting(&own.public_key());
    let body = cv_body("TWCVCATEST00001", "TWDVTEST00001", Role::OfficialVerifier, public);
    let (root, _) = cvca();
    let certificate = body.issue(|message| cv_sign(&root, message)).expect("signed");
    (own, certificate)
}

fn cv_body(authority: &str, holder: &str, role: Role, public_key: PublicKey) -> cvc::Body {
    cvc::Body {
        authority: authority.parse().expect("a reference"),
        public_key,
        holder: holder.parse().expect("a reference"),
        chat: Chat::authentication(role, Rights::ALL),
        effective: cvc::Date::new(2026, 1, 1).expect("a date"),
        expiration: cvc::Date::new(2028, 12, 31).expect("a date"),
        extensions: cv_extensions(),
    }
}

fn cv_extensions() -> Extensions {
    let description = Extension::description(cv_description().hash(Hash::Sha256));
    Extensions::new(vec![description, Extension::updates(UpdateRights::ALL)]).expect("two")
}

fn cv_sign(key: &SecretKey, message: &[u8]) -> Result<curve::Signature, cvc::CvcError> {
    Ok(key.sign_digest(&key.curve().hash().digest(message)))
}

fn cv_request(authenticated: bool) -> Vec<u8> {
    let own = key(Curve::P256);
    let holder: cvc::Reference = "TWTERM00002".parse().expect("a reference");
    let request =
        cvc::Request::create(None, holder.clone(), &own.public_key(), cv_extensions(), |m| cv_sign(&own, m));
    let request = request.expect("signed by itself");
    if authenticated {
        request.authenticate(holder, |m| cv_sign(&own, m)).expect("signed").encode()
    } else {
        request.encode()
    }
}

fn cv_rights() -> Vec<Vec<u8>> {
    let questions = AuxiliaryData::new().born_on_or_before("20080101").valid_on("20261121").lives_in(b"63");
    vec![
        Chat::authentication(Role::Terminal, Rights::ALL).encode(),
        Chat::new(TerminalType::InspectionSystem, Role::Cvca, Rights::ALL).encode(),
        cv_extensions().encode(),
        questions.encode(),
        terminal_template().data,
        tlv::encode(0x7C, &tlv::encode(0x80, key(Curve::P256).public_key().as_uncompressed())),
    ]
}

fn terminal_template() -> Command {
    terminal_authentication::SetAuthenticationTemplate {
        protocol: oid::TA_ECDSA_SHA256,
        holder: "TWTERM00001".parse().expect("a reference"),
        auxiliary_data: AuxiliaryData::new().valid_on("20261121").encode(),
        compressed_key: key(Curve::P256).public_key().x(),
    }
    .command()
}

fn cv_description() -> CertificateDescription {
    CertificateDescription {
        issuer_name: "測試用".into(),
        issuer_url: Some("https://eacpki.neweid.test".into()),
        subject_name: "測試用機關".into(),
        subject_url: Some("https://agency.neweid.test".into()),
        terms_of_usage: "測試 Test".into(),
        redirect_url: None,
        communication_hashes: vec![vec![7; 32], vec![9; 32]],
    }
}

/// The data fields of a terminal whose chain is valid and whose signature is not. Small enough for pieces of one length byte:
/// the certificates are on the shortest curve.
fn authentication() -> Vec<Vec<u8>> {
    let (_, verifier) = verifier(Curve::P256);
    let set_dst = terminal_authentication::set_dst(&verifier.body().authority).data;
    let signature = key(Curve::P256).sign_digest(&[1; 32]).to_plain();
    let mut parts = verifier.to_parts();
    parts.truncate(255);
    vec![set_dst, parts, terminal_template().data, signature]
}

enum Side {
    Terminal,
    Chip,
}

/// Both sides' messages with each mapping, as `eac::pace_mapping` takes them.
fn mappings() -> Vec<Vec<u8>> {
    let seed = |(number, mapping): (u8, Mapping)| {
        [(0, Side::Terminal), (1, Side::Chip)].map(|(side, messages)| {
            [vec![number << 1 | side], joined(&pace_with(mapping, messages))].concat()
        })
    };
    (0u8..).zip(Mapping::ALL).flat_map(seed).collect()
}

/// The message of a terminal that believes in another MRZ, and the answer of such a chip.
fn basic() -> Vec<Vec<u8>> {
    use eac::bac::{self, AccessKeys};
    let keys = || AccessKeys::from_mrz_information(b"D23145890734934071279507122").expect("not empty");
    let mut rng = SeedRandom::new(b"other");
    let (command, _) = bac::Start::new(keys()).step(&Response::ok([7; 8]), &mut rng).expect("a challenge");
    let (answer, _) = bac::answer(&keys(), &[7; 8], &command.data, &mut rng).expect("its own keys");
    vec![command.data, Response::ok(answer).to_bytes(), Response::ok([7; 8]).to_bytes()]
}

fn profiles() -> Vec<Vec<u8>> {
    let all = ::chip::Profile::built_in().iter();
    all.filter_map(|profile| ::chip::Profile::text(&profile.name))
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// One side's messages of a run of PACE in which the two believe in different passwords.
fn pace(side: Side) -> Vec<Vec<u8>> {
    pace_with(Mapping::Generic, side)
}

fn pace_with(mapping: Mapping, side: Side) -> Vec<Vec<u8>> {
    let parameters = Parameters { mapping, ..Parameters::generic(Curve::P256, Cipher::Aes128) };
    let (mut mine, mut other) = (SeedRandom::new(b"fuzz"), SeedRandom::new(b"other"));
    let (right, wrong) = (Password::can("123456"), Password::can("654321"));
    let (chip_password, password) = match side {
        Side::Terminal => (&right, &wrong),
        Side::Chip => (&wrong, &right),
    };
    let (chip_rng, rng) = match side {
        Side::Terminal => (&mut mine, &mut other),
        Side::Chip => (&mut other, &mut mine),
    };
    let run = chip::Pace::start(parameters, chip_password.key(parameters.cipher).expect("a key"));
    let mut chip = Some(run.with_chip_key(key(Curve::P256)));
    let (mut sent, mut answers) = (Vec::new(), vec![Response::ok([]).to_bytes()]);
    let mut ask = |command: Command| {
        sent.push(command.data.clone());
        let response = match chip.take().expect("a run").step(&command.data, chip_rng) {
            Ok((data, chip::Next::Continue(next))) => {
                chip = Some(next);
                Response::ok(data)
            }
            Ok((data, chip::Next::Done(_))) => Response::ok(data),
            Err(error) => Response::from(error.status_word()),
        };
        answers.push(response.to_bytes());
        response
    };
    let start = terminal::Start::new(parameters, password).expect("a password");
    let (command, state) = start.step(&Response::ok([])).expect("starts");
    let (command, state) = state.step(&ask(command), rng).expect("nonce");
    let (command, state) = state.step(&ask(command), rng).expect("mapping");
    let (command, _) = state.step(&ask(command)).expect("key agreement");
    ask(command);
    match side {
        Side::Terminal => sent,
        Side::Chip => answers,
    }
}

fn secured() -> Vec<Vec<u8>> {
    let (enc, mac) = (SecretBytes::new(&[3; 16]), SecretBytes::new(&[4; 16]));
    let mut terminal = eac::sm::Terminal::new(&enc, &mac).expect("keys");
    let mut chip = eac::sm::Chip::new(&enc, &mac).expect("keys");
    let command = Command::new(0, 0xD6, 0, 0).with_data([1; 20]).with_le(256);
    let command = terminal.wrap(&command).expect("wraps");
    chip.unwrap(&command).expect("its own channel");
    vec![command.to_bytes(), chip.wrap(&Response::ok([5; 20])).to_bytes()]
}

const IDENTITY: CardData = CardData { diversification_data: [0; 10], key_version: 0x20 };

fn scp_host() -> Vec<Vec<u8>> {
    let keys = KeySet::new(&[4; 16], &[5; 16], &[6; 16]).expect("three keys");
    let (initialize, host) = Host::initialize_update(0x20, &[0; 8]).expect("8 bytes");
    let challenge = CardChallenge::PseudoRandom { sequence_counter: 0, aid: b"fuzz" };
    let (response, _) =
        Card::initialize_update(&initialize, &keys, IDENTITY, Options::I70, challenge).expect("answers");
    let host = host.on_response(&response, &keys).expect("same keys");
    let (external, _) = host.external_authenticate(SecurityLevel::Full).expect("allowed");
    vec![initialize.to_bytes(), external.to_bytes()]
}

fn scp_card() -> Vec<Vec<u8>> {
    let keys = KeySet::new(&[4; 16], &[5; 16], &[6; 16]).expect("three keys");
    let answer = |len: usize| {
        let (initialize, _) = Host::initialize_update(0x20, &vec![0; len]).expect("a challenge");
        let challenge = CardChallenge::PseudoRandom { sequence_counter: 0, aid: b"fuzz" };
        Card::initialize_update(&initialize, &keys, IDENTITY, Options::I70, challenge)
            .expect("answers")
            .0
            .to_bytes()
    };
    vec![answer(8), answer(16)]
}

fn zone() -> PublicZone {
    PublicZone {
        chinese_name: "陳筱玲".into(),
        cns: vec![Some([1, 0x61, 0x45]), None, Some([1, 0x23, 0x4F])],
        romanised_name: Some("Tân Siáu-lîng".into()),
        foreign_name: None,
        mrz_name: "CHEN, HSIAO-LING".into(),
        id_number: "A234567893".into(),
        birth: Date::new(1968, 6, 5).expect("a day"),
        address: lds::public_zone::Address {
            county: "臺北市".into(),
            district: "中正區".into(),
            village: "黎明里".into(),
            village_code: "63000050013".into(),
            neighbourhood: 13,
            rest: "徐州路5號".into(),
        },
        marital_status: Term::new("married", "有", "Married"),
        military_service: Term::new("none", "無", "None"),
        card_serial: "TWA000123".into(),
        renewal: Some(Date::new(2036, 11, 20).expect("a day")),
        issue: Date::new(2026, 11, 20).expect("a day"),
        portrait: Some(jpeg()),
        issuing_authority: "測試用 SPECIMEN".into(),
        security_infos: infos(),
        active_authentication_key: spki_from_point(&key(Curve::P521).public_key()),
    }
}

/// A frame header with 413 x 531 pixels and nothing to show.
fn jpeg() -> Vec<u8> {
    let mut out =
        vec![0xFF, 0xD8, 0xFF, 0xC0, 0x00, 0x0B, 0x08, 0x02, 0x13, 0x01, 0x9D, 0x01, 0x01, 0x11, 0x00];
    out.extend_from_slice(&[0xFF, 0xD9]);
    out
}

fn files() -> Vec<Vec<u8>> {
    let zone = zone();
    let files = zone.data_groups().expect("sample");
    let mut all: Vec<_> = files.values().cloned().collect();
    all.push(com::Com::new(files.keys().copied()).encode());
    all.push(dg1::encode(&zone.td1().expect("sample")));
    all.push(lds::sod::wrap(&Country::new().sign(&security_object())));
    all
}

fn security_object() -> Vec<u8> {
    let files = zone().data_groups().expect("sample");
    PublicZone::security_object(Hash::Sha512, &files).encode()
}

fn field_file() -> Vec<u8> {
    let salt = lds::field_security::salt(&curve::SecretBytes::new(&[7; 32]), "N5A000001", 9, 0);
    lds::field_security::with_salt(&tlv::encode(0x69, &[0x0C, 1, b'A']), &salt)
}

fn field_security() -> Vec<u8> {
    let file = field_file();
    let object = lds::FieldSecurityObject::over(Hash::Sha512, &[4; 133], 300, [(9, file.as_slice())]);
    object.expect("salted").encode()
}

fn chip_update() -> Vec<u8> {
    let file = lds::chip_update::UpdatedFile {
        application: vec![0xF0, 0x4E, 0x45, 0x49, 0x44, 0x48, 0x01],
        file: [1, 1],
        content: household(),
    };
    lds::ChipUpdate::new(&[4; 133], 127, vec![file]).expect("sample").encode()
}

fn update_receipt() -> Vec<u8> {
    lds::UpdateReceipt { number: 300, package: vec![7; 32], signature: vec![9; 132] }.encode()
}

/// Exif in both orders of bytes, XMP, and Photoshop's segment, each before a picture without content.
fn photos() -> Vec<Vec<u8>> {
    let segment = |marker: u8, content: &[u8]| -> Vec<u8> {
        let length = (content.len() as u16 + 2).to_be_bytes();
        [&[0xFF, marker][..], &length, content].concat()
    };
    let exif = |little: bool| -> Vec<u8> {
        let short = |n: u16| if little { n.to_le_bytes() } else { n.to_be_bytes() };
        let long = |n: u32| if little { n.to_le_bytes() } else { n.to_be_bytes() };
        let entry = |tag, count, value| [&short(tag)[..], &short(2), &long(count), &long(value)].concat();
        let head = if little { b"II\x2a\0" } else { b"MM\0\x2a" };
        let texts = 8 + 2 + 24 + 4 + 2 + 12 + 4;
        let directories = [&short(2)[..], &entry(0x0131, 5, texts), &entry(0x8769, 1, 38), &long(0)].concat();
        let exif = [&short(1)[..], &entry(0x9003, 20, texts + 5), &long(0)].concat();
        let tiff = [head, &long(8)[..], &directories, &exif, b"GIMP\0", b"2026:07:01 10:00:00\0"].concat();
        segment(0xE1, &[b"Exif\0\0", tiff.as_slice()].concat())
    };
    let xmp =
        b"http://ns.adobe.com/xap/1.0/\0<x xmp:CreatorTool=\"GIMP 3.0\"><softwareAgent>Face</softwareAgent>";
    let all = [exif(true), exif(false), segment(0xE1, xmp), segment(0xED, b"Photoshop 3.0\08BIM")];
    let picture =
        |segments: &[u8]| [&[0xFF, 0xD8][..], segments, &[0xFF, 0xDA, 0, 2, 0, 0xFF, 0xD9]].concat();
    all.iter().map(|one| picture(one)).chain([picture(&all.concat())]).collect()
}

fn encrypted_zone() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for placement in Placement::ALL {
        let name = |text: &str| Some(PersonName { text: text.into(), cns: Vec::new() });
        let day = Date::new(2000, 2, 29).expect("a day");
        let zone = EncryptedZone {
            placement,
            state: "TWN".into(),
            expiry: Some(day),
            given_names: "HSIAO-LING".into(),
            family_names: "CHEN".into(),
            birth: day,
            spouse: None,
            father: name("陳大明"),
            mother: name("林美"),
            birthplace: "臺南市".into(),
            sex: Sex::Female,
            access_number: "234567".into(),
        };
        all.extend(zone.files().expect("sample").into_values());
    }
    all
}

fn household() -> Vec<u8> {
    let zone = zone().address;
    HouseholdData {
        county: zone.county,
        district: zone.district,
        village: zone.village,
        village_code: zone.village_code,
        neighbourhood: zone.neighbourhood,
    }
    .encode()
    .expect("sample")
}

/// What `x509::path` puts into the certificates of a path.
fn paths() -> Vec<Vec<u8>> {
    let (ours, theirs) = (oid::GPKI_POLICY_TEST, oid::GPKI_POLICY_CLASS_3);
    let list = |policies: &[Vec<u8>]| tlv::sequence(&[&policies.concat()]);
    let policy = |policy| tlv::sequence(&[&tlv::encode_oid(policy)]);
    let pair = |a, b| tlv::sequence(&[&tlv::encode_oid(a), &tlv::encode_oid(b)]);
    let of = |tag, text: &str| tlv::encode(tag, text.as_bytes());
    let subtrees = |tag, bases: &[Vec<u8>]| {
        tlv::encode(tag, &bases.iter().flat_map(|base| tlv::sequence(&[base])).collect::<Vec<_>>())
    };
    let holder = Name::builder().country("TW").build().expect("a name");
    let directory = tlv::encode(0xA4, holder.der());
    let (address, network) =
        (tlv::encode(0x87, &[192, 0, 2, 7]), tlv::encode(0x87, &[192, 0, 2, 0, 255, 255, 255, 0]));
    let names = list(&[
        of(0x81, "clerk@office.neweid.test"),
        of(0x82, "www.neweid.test"),
        of(0x86, "http://www.neweid.test/a"),
        address,
    ]);
    let permitted = subtrees(
        0xA0,
        &[of(0x81, ".neweid.test"), of(0x82, "neweid.test"), directory, of(0x86, ".neweid.test"), network],
    );
    let excluded = subtrees(0xA1, &[of(0x82, "secret.neweid.test"), of(0x81, "nobody@office.neweid.test")]);
    let constraints = tlv::sequence(&[&permitted, &excluded]);
    vec![
        // One policy for the whole path, demanded at once; names permitted and excluded by both CAs.
        joined(&[
            tlv::sequence(&[&permitted]),
            constraints,
            list(&[policy(ours)]),
            Vec::new(),
            tlv::sequence(&[&[0x80, 1, 0, 0x81, 1, 0]]),
            vec![2, 1, 0],
            list(&[policy(ours)]),
            names,
        ]),
        // Theirs counts as ours; anyPolicy goes on for one certificate more.
        joined(&[
            Vec::new(),
            Vec::new(),
            list(&[policy(ours), policy(oid::ANY_POLICY)]),
            list(&[pair(ours, theirs)]),
            tlv::sequence(&[&[0x80, 1, 0]]),
            vec![2, 1, 1],
            list(&[policy(theirs)]),
        ]),
    ]
}

fn request() -> Vec<u8> {
    let signer = EcSigner::new(key(Curve::P256));
    let name = Name::builder().country("TW").common_name("測試").build().expect("a name");
    csr::build(&name, signer.spki(), signer.algorithm(), |message| signer.sign(message)).expect("signs")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A country signing CA and its document signer, which here also answers OCSP and makes lists.
struct Country {
    csca_key: EcSigner,
    csca: Certificate,
    signer_key: EcSigner,
    signer: Certificate,
}

impl Country {
    fn new() -> Self {
        let name = |cn: &str| Name::builder().country("TW").organization("測試用").common_name(cn).build();
        let authority = Authority {
            icao_country: "TWN".into(),
            contact: "csca@neweid.test".into(),
            crl_uri: "http://pkd.neweid.test/csca.crl".into(),
        };
        let (from, to) = (at("2026-01-01T00:00:00Z"), at("2031-01-01T00:00:00Z"));
        let csca_key = EcSigner::new(key(Curve::P521));
        let csca = profiles::csca_root(&profiles::CscaRoot {
            serial: serial("csca"),
            subject: &name("CSCA").expect("a name"),
            validity: Validity::new(from, at("2052-01-01T00:00:00Z")).expect("in order"),
            private_key_usage: Validity::new(from, to).expect("in order"),
            spki: csca_key.spki(),
            algorithm: csca_key.algorithm(),
            authority: &authority,
        })
        .expect("profile");
        let csca = issue(&csca, &csca_key).expect("signs");
        let signer_key = EcSigner::new(key(Curve::P384));
        let issuer = Issuer::new(&csca, &csca_key).expect("issuer");
        let signer = profiles::ocsp_responder(&profiles::OcspResponder {
            serial: serial("signer"),
            issuer: &issuer,
            subject: &name("Signer").expect("a name"),
            validity: Validity::new(from, at("2026-12-31T00:00:00Z")).expect("in order"),
            spki: signer_key.spki(),
        })
        .expect("profile");
        let signer = issue(&signer, &csca_key).expect("signs");
        Self { csca_key, csca, signer_key, signer }
    }

    fn sign(&self, content: &[u8]) -> Vec<u8> {
        let algorithm = self.signer_key.algorithm();
        let spec = cms::Spec::new(oid::LDS_SECURITY_OBJECT, content, &self.signer, algorithm);
        cms::sign(&spec, &self.signer_key).expect("signs")
    }

    fn list(&self) -> Vec<u8> {
        let issuer = Issuer::new(&self.csca, &self.csca_key).expect("issuer");
        let this_update = at("2026-06-01T00:00:00Z");
        let life = crl::Lifetime { number: 7, this_update, next_update: at("2026-06-02T00:00:00Z") };
        let revoked = (0..3).map(|n| crl::Revoked {
            serial: serial(&format!("revoked {n}")),
            at: this_update,
            reason: crl::Reason::KeyCompromise,
        });
        let list = crl::partition(&issuer, life, "http://crl.neweid.test/1.crl", revoked).expect("builds");
        crl::issue(&list, &self.csca_key).expect("signs")
    }

    fn stamped(&self) -> Vec<u8> {
        let issuer = Issuer::new(&self.csca, &self.csca_key).expect("issuer");
        let uri = "http://npc.neweid.test/npc.crl";
        let tbs = profiles::timestamp_authority(&profiles::StatusService {
            serial: serial("stamps"),
            issuer: &issuer,
            subject: &Name::builder().country("TW").common_name("Stamps").build().expect("a name"),
            validity: Validity::new(at("2026-01-01T00:00:00Z"), at("2026-12-31T00:00:00Z"))
                .expect("in order"),
            spki: self.signer_key.spki(),
            policy: oid::GPKI_POLICY_TEST,
            locations: profiles::StatusLocations {
                partition_crl: uri,
                complete_crl: uri,
                ca_issuers: uri,
                ocsp: uri,
            },
        });
        let certificate = issue(&tbs.expect("profile"), &self.csca_key).expect("signs");
        let algorithm = self.signer_key.algorithm();
        let authority = tsp::Authority::new(&certificate, algorithm, oid::TIME_STAMP_POLICY).expect("stamps");
        let request = tsp::Request::parse(&stamp_request(Some(7))).expect("own request");
        let stamp = tsp::Stamp { serial: 7, at: at("2026-06-01T00:00:00Z"), accuracy: 1 };
        authority.stamp(&request, stamp, &self.signer_key).expect("signs")
    }

    fn filter(&self) -> Vec<u8> {
        let population = status::filter::Population {
            issuer: &self.csca,
            size: 40,
            all: &|f| (1..=40).for_each(f),
            revoked: &[3, 4, 5],
            suspended: &[6],
        };
        let day = jiff::SignedDuration::from_hours(24);
        let filter = status::filter::Filter::build(1, at("2026-06-01T00:00:00Z"), day, &[population], 1);
        filter.expect("solved").write()
    }

    fn ask(&self) -> Vec<u8> {
        let hashes = ocsp::IssuerHashes::new(&self.csca).expect("issuer");
        let ids =
            [Hash::Sha1, Hash::Sha256].map(|h| ocsp::CertId::new(&hashes, h, &serial("one")).expect("id"));
        ocsp::build_request(&ids, Some(&[7; 32]))
    }

    fn answer(&self) -> Vec<u8> {
        let algorithm = self.signer_key.algorithm();
        let responder = ocsp::Responder::new(&self.signer, &self.csca, algorithm).expect("delegated");
        let this_update = at("2026-06-01T00:00:00Z");
        let answer = ocsp::Answer { this_update, next_update: at("2026-06-02T00:00:00Z") };
        ocsp::respond(&responder, &self.ask(), answer, this_update, &self.signer_key, |_| {
            Some(ocsp::Status::Good)
        })
        .expect("signs")
    }
}

fn serial(seed: &str) -> Serial {
    Serial::random(&mut SeedRandom::new(seed.as_bytes()))
}

fn stamp_request(nonce: Option<u64>) -> Vec<u8> {
    let imprint = tsp::Imprint::of(Hash::Sha256, b"document");
    tsp::build_request(&imprint, nonce.map(|_| oid::TIME_STAMP_POLICY), nonce)
}

fn card_lists() -> Vec<Vec<u8>> {
    use status::cards::{CardList, Listed};
    let card = |n| model::CardSerial::new("N5A", n).expect("a serial number");
    let (now, day) = (at("2026-06-01T00:00:00Z"), jiff::SignedDuration::from_hours(24));
    let before = [(card(1), Listed::Suspended), (card(2), Listed::Void)];
    let full = CardList::full(1, now, day, [7; 32], before).expect("a list");
    let delta = CardList::delta(2, now, day, &full, [(card(2), Listed::Void), (card(3), Listed::Void)]);
    vec![full.write(), delta.expect("a delta").write()]
}

/// Dialogues as pairs of action and argument (`src/sessions.rs`); the first byte chooses card and interface.
fn sessions() -> Vec<Vec<u8>> {
    // Applications by their place in `Application::ALL`: 0 household, 1 public, 4 SmartCard-HSM, 5 PKCS #15.
    vec![
        // Read the public zone with the access number; then forge, then replay.
        [&[1][..], &[1, 0, 0, 1, 2, 1, 2, 2, 6, 9, 1, 0, 0, 1, 2, 1, 7, 0, 2, 1]].concat(),
        // The same on contactless with the MRZ, and what is not there.
        [&[0x81][..], &[1, 1, 0, 1, 2, 1, 0, 3, 0, 4, 1, 2, 4, 0, 5, 0]].concat(),
        // Sign on a citizen's card: channel, application, PIN2; another application; once more without.
        [&[1][..], &[1, 0, 0, 4, 4, 0, 5, 0, 0, 1, 0, 4, 5, 0]].concat(),
        // Sign on a sample card in the clear, after two wrong PINs.
        [&[3][..], &[0, 4, 4, 1, 4, 1, 4, 0, 5, 0, 0, 5, 5, 0]].concat(),
        // Guess with power cuts at the first write and at the second.
        [&[3][..], &[0, 4, 9, 0, 4, 1, 0, 4, 9, 2, 4, 1, 0, 4, 9, 3, 4, 0, 0, 4, 4, 0, 5, 0]].concat(),
        // PIN1 wrong twice, suspended, CAN first; PIN management.
        [&[1][..], &[1, 4, 1, 4, 1, 2, 1, 0, 1, 2, 11, 0, 11, 3, 0, 4, 11, 4, 1, 0, 0, 4]].concat(),
        // First PINs of a card that has none.
        [&[2][..], &[0, 4, 4, 0, 11, 1, 0, 4, 4, 0, 5, 0, 11, 0, 1, 2, 3, 40]].concat(),
        // Heard in a session, said again at the same place of the next, after the chip's power was gone.
        [&[1][..], &[1, 2, 0, 1, 8, 0, 1, 0, 7, 0, 2, 1]].concat(),
        // An application that the card has not does not end what was proved in the one that is selected.
        [&[1][..], &[1, 0, 0, 4, 4, 0, 0, 2, 5, 0]].concat(),
    ]
}
