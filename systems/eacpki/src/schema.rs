//! The tables of the authorisation system.

use store::Migration;

/// Every version of the tables.
pub const MIGRATIONS: &[Migration] = &[
    audit::MIGRATION,
    Migration::new(
        1,
        "authorities, services, terminals",
        "CREATE TABLE authority (
            role TEXT NOT NULL,
            sequence BIGINT NOT NULL,
            key_label TEXT NOT NULL UNIQUE,
            made_at BIGINT NOT NULL,
            body BYTEA,
            link_body BYTEA,
            certificate BYTEA,
            link BYTEA,
            PRIMARY KEY (role, sequence)
        );
        CREATE TABLE service (
            name TEXT PRIMARY KEY,
            official BOOLEAN NOT NULL,
            rights BIGINT NOT NULL,
            updates BIGINT NOT NULL,
            description BYTEA NOT NULL,
            until TEXT NOT NULL,
            state TEXT NOT NULL,
            approved_at BIGINT NOT NULL
        );
        CREATE TABLE terminal (
            reference TEXT PRIMARY KEY,
            service TEXT NOT NULL REFERENCES service (name),
            number BIGINT NOT NULL,
            request BYTEA NOT NULL,
            request_hash BYTEA NOT NULL UNIQUE,
            key_hash BYTEA NOT NULL UNIQUE,
            role TEXT NOT NULL,
            sequence BIGINT NOT NULL,
            body BYTEA NOT NULL,
            certificate BYTEA,
            made_at BIGINT NOT NULL,
            UNIQUE (service, number),
            FOREIGN KEY (role, sequence) REFERENCES authority (role, sequence)
        );",
    ),
    Migration::new(2, "sectors of services", "ALTER TABLE service ADD COLUMN sectors BYTEA;"),
];
