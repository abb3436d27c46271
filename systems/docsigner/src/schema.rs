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
    Migration::new(
        2,
        "generations, delegates, ceremonies",
        "ALTER TABLE country_signer ADD COLUMN link_tbs BYTEA;
        ALTER TABLE country_signer ADD COLUMN link BYTEA;
        ALTER TABLE document_signer ADD COLUMN asked BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE document_signer ADD COLUMN key_destroyed_at BIGINT;
        ALTER TABLE revocation_list ADD COLUMN fingerprint BYTEA;
        CREATE TABLE delegate (
            number BIGINT PRIMARY KEY,
            office TEXT NOT NULL,
            generation BIGINT NOT NULL REFERENCES country_signer (generation),
            key_label TEXT NOT NULL UNIQUE,
            made_at BIGINT NOT NULL,
            sign_until BIGINT NOT NULL,
            tbs BYTEA,
            certificate BYTEA,
            key_destroyed_at BIGINT
        );
        CREATE TABLE master_list (
            number BIGINT PRIMARY KEY,
            signer BIGINT NOT NULL REFERENCES delegate (number),
            content BYTEA NOT NULL,
            made_at BIGINT NOT NULL,
            list BYTEA
        );
        CREATE TABLE ceremony (
            number BIGINT PRIMARY KEY,
            act TEXT NOT NULL,
            signer BIGINT,
            reason BIGINT,
            proposed_by TEXT NOT NULL,
            proposed_at BIGINT NOT NULL,
            approved_by TEXT,
            approved_at BIGINT
        );
        CREATE TABLE paper (
            number TEXT PRIMARY KEY,
            content_hash BYTEA NOT NULL,
            signer BIGINT NOT NULL REFERENCES delegate (number),
            asked_at BIGINT NOT NULL,
            signed_at BIGINT,
            signature BYTEA,
            withdrawn_at BIGINT
        );
        CREATE TABLE chip_update (
            card TEXT NOT NULL,
            sequence BIGINT NOT NULL,
            content_hash BYTEA NOT NULL,
            asked_at BIGINT NOT NULL,
            PRIMARY KEY (card, sequence)
        );",
    ),
];
