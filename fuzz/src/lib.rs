//! One function per decoder: it takes arbitrary bytes, must not panic, and must keep the promise it names.
//!
//! libFuzzer calls these functions (`fuzz_targets/`), and so does the smoke test on a stable compiler
//! (`tests/smoke.rs`). What a target checks beyond "no panic" is nearly always that what was understood is written back
//! as it was read, or that nothing unauthentic is accepted.

mod chip;
pub mod corpus;
mod cvc;
mod eac;
mod lds;
pub mod mutate;
mod photo;
mod scp;
mod sessions;
mod standards;
mod x509;

/// A target: its name, which is also that of its folder under `corpus/`, and its function.
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// What is run on each input.
    pub run: fn(&[u8]),
    /// Changed inputs in the smoke test.
    pub rounds: usize,
}

macro_rules! targets {
    ($($name:ident: $run:path, $rounds:literal;)*) => {
        $(
            /// Runs this target on one input.
            pub fn $name(data: &[u8]) {
                $run(data)
            }
        )*

        /// All targets.
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), run: $run, rounds: $rounds },)*];
    };
}

targets! {
    tlv: standards::tlv, 8_000;
    command: standards::command, 8_000;
    chaining: standards::chaining, 8_000;
    point: standards::point, 8_000;
    spki: standards::spki, 8_000;
    signature: standards::signature, 8_000;
    private_key: standards::private_key, 4_000;
    security_infos: eac::security_infos, 8_000;
    pace_chip: eac::pace_chip, 1_000;
    pace_terminal: eac::pace_terminal, 1_000;
    pace_mapping: eac::pace_mapping, 1_000;
    bac: eac::bac, 8_000;
    secure_messaging: eac::secure_messaging, 8_000;
    cv_certificate: cvc::certificate, 4_000;
    cv_request: cvc::request, 2_000;
    cv_rights: cvc::rights, 8_000;
    cv_description: cvc::description, 8_000;
    terminal_authentication: cvc::terminal_authentication, 1_000;
    restricted_identification: eac::restricted_identification, 2_000;
    scp_card: scp::card, 8_000;
    scp_host: scp::host, 8_000;
    mrz: lds::mrz, 8_000;
    data_group: lds::data_group, 8_000;
    security_object: lds::security_object, 8_000;
    household: lds::household, 8_000;
    field_security: lds::field_security, 8_000;
    chip_update: lds::chip_update, 8_000;
    update_receipt: lds::update_receipt, 8_000;
    photo_metadata: photo::metadata, 8_000;
    encrypted_zone: lds::encrypted_zone, 8_000;
    certificate: x509::certificate, 8_000;
    path: x509::path, 1_500;
    csr: x509::csr, 8_000;
    crl: x509::crl, 8_000;
    cmp: x509::cmp, 8_000;
    ocsp_request: x509::ocsp_request, 8_000;
    ocsp_response: x509::ocsp_response, 8_000;
    time_stamp_request: x509::time_stamp_request, 8_000;
    time_stamp_response: x509::time_stamp_response, 4_000;
    revocation_filter: x509::revocation_filter, 4_000;
    card_list: x509::card_list, 8_000;
    cms: x509::cms, 8_000;
    master_list: x509::master_list, 8_000;
    pem: x509::pem, 8_000;
    chip: chip::sequence, 1_500;
    card_file: chip::card_file, 100;
    sessions: sessions::dialogue, 200;
    profile: chip::profile, 8_000;
}
