//! The tables of the document signer.

use store::Migration;

/// Every version of the tables.
pub const MIGRATIONS: &[Migration] = &[
    audit::MIGRATION,
    Migration::new(
        1,
        "signers, signatures, lists",
        "CREATE TABLE country_signer (
            generation BIGINT PRIMARY KEY,
            key_label TEXT NOT NULL UNIQUE,
            made_at BIGINT NOT NULL,
            sign_until BIGINT NOT NULL,
            tbs BYTEA,
            certificate BYTEA
        );
        CREATE TABLE document_signer (
            number BIGINT PRIMARY KEY,
            generation BIGINT NOT NULL REFERENCES country_signer (generation),
            key_label TEXT NOT NULL UNIQUE,
            state TEXT NOT NULL,
            made_at BIGINT NOT NULL,
            sign_until BIGINT NOT NULL,
            tbs BYTEA,
            certificate BYTEA,
            revoked_at BIGINT,
            revoked_reason BIGINT
        );
        CREATE TABLE signature (
            purpose TEXT NOT NULL,
            subject TEXT NOT NULL,
            content_hash BYTEA NOT NULL,
            signer BIGINT NOT NULL REFERENCES document_signer (number),
            asked_at BIGINT NOT NULL,
            signed_at BIGINT,
            signature BYTEA,
            PRIMARY KEY (purpose, subject, content_hash, signer)
        );
        CREATE INDEX signature_signer ON signature (signer, purpose, subject);
        CREATE TABLE revocation_list (
            generation BIGINT NOT NULL REFERENCES country_signer (generation),
            number BIGINT NOT NULL,
            this_update BIGINT NOT NULL,
            next_update BIGINT NOT NULL,
            entries BIGINT NOT NULL,
            tbs BYTEA NOT NULL,
            list BYTEA,
            PRIMARY KEY (generation, number)
        );",
    ),
];
