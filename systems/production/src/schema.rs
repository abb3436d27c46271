//! The centre's tables. None holds personal data in the clear: packages and proof images are sealed under the data
//! encryption key of their order, which is deleted when the order is complete (PRODUCTION-36).

use store::Migration;

/// Audit, job queue, then the centre's own tables.
pub(crate) const MIGRATIONS: &[Migration] = &[
    audit::MIGRATION,
    store::jobs::MIGRATION,
    Migration::new(
        1,
        "stock, orders, boxes, reports",
        "CREATE TABLE lot (
            lot TEXT PRIMARY KEY,
            card_type TEXT NOT NULL,
            quantity BIGINT NOT NULL,
            transport BYTEA,
            received_at BIGINT NOT NULL
        );
        CREATE TABLE centre_secret (name TEXT PRIMARY KEY, sealed BYTEA NOT NULL);
        CREATE TABLE card (
            serial TEXT PRIMARY KEY,
            chip_id BYTEA NOT NULL UNIQUE,
            lot TEXT NOT NULL REFERENCES lot (lot),
            state TEXT NOT NULL,
            profile TEXT,
            order_no TEXT,
            public_data TEXT,
            changed_at BIGINT NOT NULL
        );
        CREATE INDEX card_state ON card (state, profile, serial);
        CREATE TABLE card_event (
            serial TEXT NOT NULL,
            step BIGINT NOT NULL,
            at BIGINT NOT NULL,
            actor TEXT NOT NULL,
            from_state TEXT NOT NULL,
            to_state TEXT NOT NULL,
            reason TEXT,
            PRIMARY KEY (serial, step)
        );
        CREATE TABLE card_order (
            order_no TEXT PRIMARY KEY,
            case_no TEXT NOT NULL,
            office TEXT NOT NULL,
            profile TEXT NOT NULL,
            state TEXT NOT NULL,
            serial TEXT UNIQUE,
            package_digest BYTEA,
            wrapped_dek BYTEA,
            package BYTEA,
            proof BYTEA,
            box_no TEXT,
            placed_at BIGINT NOT NULL,
            changed_at BIGINT NOT NULL
        );
        CREATE INDEX card_order_state ON card_order (state, profile, placed_at);
        CREATE TABLE box (
            box_no TEXT PRIMARY KEY,
            office TEXT NOT NULL,
            cards BIGINT NOT NULL,
            packed_at BIGINT NOT NULL,
            shipped_at BIGINT
        );
        CREATE TABLE report (
            sequence BIGINT PRIMARY KEY,
            at BIGINT NOT NULL,
            order_no TEXT NOT NULL,
            serial TEXT NOT NULL,
            kind TEXT NOT NULL,
            detail TEXT
        );
        CREATE TABLE stock_movement (
            movement BIGINT PRIMARY KEY,
            at BIGINT NOT NULL,
            serial TEXT NOT NULL,
            from_kind TEXT,
            to_kind TEXT
        );",
    ),
    Migration::new(
        2,
        "chip types by their registered name",
        // Until now every lot was of the planned type, under whatever name.
        "UPDATE lot SET card_type = 'NE-0144';",
    ),
    Migration::new(
        3,
        "chip-type register, inspection of the face",
        "CREATE TABLE chip_type (
            name TEXT PRIMARY KEY,
            entry TEXT NOT NULL,
            risk TEXT NOT NULL,
            reason TEXT,
            since BIGINT NOT NULL
        );
        CREATE TABLE chip_risk_proposal (
            number BIGINT PRIMARY KEY,
            name TEXT NOT NULL REFERENCES chip_type (name),
            risk TEXT NOT NULL,
            reason TEXT NOT NULL,
            proposed_by TEXT NOT NULL,
            proposed_at BIGINT NOT NULL,
            approved_by TEXT,
            approved_at BIGINT
        );
        ALTER TABLE card ADD COLUMN applets TEXT;
        ALTER TABLE card ADD COLUMN algorithms TEXT;
        ALTER TABLE lot ADD COLUMN face_passed_at BIGINT;
        ALTER TABLE lot ADD COLUMN face_fault TEXT;",
    ),
    Migration::new(4, "cards by their batch", "CREATE INDEX card_lot ON card (lot, serial);"),
    Migration::new(
        5,
        "assessments of key risk",
        "CREATE TABLE key_assessment (
            number BIGINT PRIMARY KEY,
            name TEXT NOT NULL REFERENCES chip_type (name),
            algorithm TEXT NOT NULL,
            result TEXT NOT NULL,
            findings TEXT NOT NULL,
            assessed_by TEXT NOT NULL,
            assessed_at BIGINT NOT NULL,
            approved_by TEXT,
            approved_at BIGINT
        );",
    ),
    // RECALL-13.
    Migration::new(
        6,
        "classes of orders",
        "ALTER TABLE card_order ADD COLUMN class TEXT NOT NULL DEFAULT 'ordinary';
        CREATE INDEX card_order_recall ON card_order (profile) WHERE state = 'placed' AND class = 'recall';",
    ),
    store::jobs::failures_apart(7),
];
