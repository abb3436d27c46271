//! PACE, secure messaging, active and passive authentication: chip side and terminal side.
//!
//! Editions: ICAO Doc 9303-11 (8th edition, 2021) and BSI TR-03110-3 v2.21. Both sides of each protocol live here side by
//! side and are tested against each other and against published vectors.
//!
//! What is here: key derivation and passwords, PACE with all three mappings over elliptic curves and AES, Basic Access
//! Control, secure messaging with AES and 3DES, the SecurityInfos of EF.CardAccess, DG14 and EF.CardSecurity,
//! card-verifiable certificates, Terminal and Chip Authentication of version 2, Restricted Identification, auxiliary data,
//! active authentication with ECDSA, and the comparison of data groups with their hashes. What is not: transport, files,
//! X.509 certificates (`x509`), PACE over integers or with 3DES, version 1 of Terminal and Chip Authentication.

pub mod active_authentication;
pub mod auxiliary_data;
pub mod bac;
pub mod chip_authentication;
mod cipher;
pub mod cvc;
mod error;
pub mod kdf;
pub mod pace;
pub mod passive_authentication;
mod password;
pub mod restricted_identification;
pub mod security_infos;
pub mod sm;
pub mod terminal_authentication;

pub use cipher::Cipher;
pub use error::{Error, Step};
pub use password::{Password, PasswordReference, mrz_information};
