//! PACE, secure messaging, active and passive authentication: chip side and terminal side.
//!
//! Editions: ICAO Doc 9303-11 (8th edition, 2021) and BSI TR-03110-3 v2.21. Both sides of each protocol live here side by
//! side and are tested against each other and against published vectors.
//!
//! What is here: key derivation and passwords, PACE with all three mappings over elliptic curves and AES, Basic Access
//! Control, secure messaging with AES and 3DES, the SecurityInfos of EF.CardAccess, DG14 and EF.CardSecurity, active
//! authentication with ECDSA, and the comparison of data groups with their hashes. What is not: transport, files,
//! certificates (`x509`), Terminal and Chip Authentication, PACE over integers or with 3DES.

pub mod active_authentication;
pub mod bac;
mod cipher;
mod error;
pub mod kdf;
pub mod pace;
pub mod passive_authentication;
mod password;
pub mod security_infos;
pub mod sm;

pub use cipher::Cipher;
pub use error::{Error, Step};
pub use password::{Password, PasswordReference, mrz_information};
