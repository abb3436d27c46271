//! The tables of the registration authority. What was asked is kept without the words of it: function, card, who, when.

use store::Migration;

pub(crate) const MIGRATIONS: &[Migration] = &[
    audit::MIGRATION,
    Migration::new(
        1,
        "requests, reissues, contacts, messages",
        "CREATE TABLE request (
            id BYTEA PRIMARY KEY,
            hash BYTEA NOT NULL,
            function TEXT NOT NULL,
            channel TEXT NOT NULL,
            authorised_by TEXT NOT NULL,
            card TEXT NOT NULL,
            actor TEXT NOT NULL,
            office TEXT,
            case_no TEXT,
            at BIGINT NOT NULL,
            -- null until it is done
            receipt TEXT,
            outcome TEXT
        );
        CREATE INDEX request_card ON request (card, at);
        -- the one reissue of a card: begun on a day, written to the card later
        CREATE TABLE reissue (
            card TEXT PRIMARY KEY,
            day TEXT NOT NULL,
            signing BYTEA NOT NULL,
            encryption BYTEA NOT NULL,
            written_at BIGINT
        );
        CREATE TABLE contact_change (card TEXT PRIMARY KEY, at BIGINT NOT NULL);
        CREATE TABLE one_time_code (
            card TEXT PRIMARY KEY,
            hash BYTEA NOT NULL,
            until BIGINT NOT NULL,
            failures BIGINT NOT NULL
        );
        -- messages that wait for the mail or SMS gateway; gone once taken
        CREATE TABLE outbox (
            id BYTEA PRIMARY KEY,
            way TEXT NOT NULL,
            kind TEXT NOT NULL,
            sealed BYTEA NOT NULL,
            at BIGINT NOT NULL,
            until BIGINT NOT NULL
        );
        CREATE INDEX outbox_at ON outbox (at);
        CREATE TABLE sms_count (month TEXT PRIMARY KEY, messages BIGINT NOT NULL);
        CREATE TABLE certificate_card (card TEXT PRIMARY KEY, carrier TEXT NOT NULL, person BYTEA NOT NULL,
            issued_at BIGINT NOT NULL);
        CREATE INDEX certificate_card_person ON certificate_card (person);
        CREATE TABLE bookmark (name TEXT PRIMARY KEY, position BIGINT NOT NULL);
        CREATE TABLE peer (name TEXT PRIMARY KEY, spki BYTEA NOT NULL);",
    ),
    Migration::new(
        2,
        "identity confirmation service",
        "CREATE TABLE firm (
            name TEXT PRIMARY KEY,
            certificate BYTEA NOT NULL,
            classes TEXT NOT NULL,
            until TEXT NOT NULL,
            per_minute BIGINT NOT NULL
        );
        CREATE TABLE ics_nonce (firm TEXT NOT NULL, nonce BYTEA NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (firm, nonce));
        CREATE INDEX ics_nonce_until ON ics_nonce (until);
        CREATE TABLE ics_rate (firm TEXT PRIMARY KEY, minute BIGINT NOT NULL, asked BIGINT NOT NULL);
        -- under a key of the day, and gone with it
        CREATE TABLE ics_wrong (mark BYTEA PRIMARY KEY, day TEXT NOT NULL, tries BIGINT NOT NULL);
        CREATE INDEX ics_wrong_day ON ics_wrong (day);
        CREATE TABLE ics_tally (
            firm TEXT NOT NULL,
            day TEXT NOT NULL,
            class TEXT NOT NULL,
            answered BIGINT NOT NULL,
            PRIMARY KEY (firm, day, class)
        );",
    ),
    Migration::new(
        3,
        "holders of certificate-only cards",
        "ALTER TABLE certificate_card ADD COLUMN contact BYTEA;
        -- Argon2id, with its parameters and its salt
        ALTER TABLE certificate_card ADD COLUMN user_code TEXT;
        ALTER TABLE certificate_card ADD COLUMN user_code_own BOOLEAN NOT NULL DEFAULT FALSE;
        ALTER TABLE certificate_card ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE certificate_card ADD COLUMN locked_until BIGINT;",
    ),
    Migration::new(
        4,
        "certificate barcodes, carriers of invoices, fees",
        "CREATE TABLE barcode (
            barcode TEXT PRIMARY KEY,
            card TEXT NOT NULL UNIQUE,
            -- keyed hash of the holder number
            holder BYTEA NOT NULL,
            given_at BIGINT NOT NULL
        );
        CREATE INDEX barcode_holder ON barcode (holder, given_at);
        CREATE TABLE aggregation (
            firm TEXT NOT NULL,
            -- keyed hash of firm and carrier
            carrier BYTEA NOT NULL,
            barcode TEXT NOT NULL,
            at BIGINT NOT NULL,
            PRIMARY KEY (firm, carrier)
        );
        -- second pairs that are being certified, and have to follow what befalls the first meanwhile
        CREATE TABLE next_pair (card TEXT PRIMARY KEY, at BIGINT NOT NULL);
        -- new Taiwan dollars for the carrier; a certificate has no price
        ALTER TABLE request ADD COLUMN carrier_fee BIGINT NOT NULL DEFAULT 0;",
    ),
    Migration::new(
        5,
        "ends of certificate-only cards",
        "-- when the register ended it; its certificates are revoked then, and those that come later too
        ALTER TABLE certificate_card ADD COLUMN ended_at BIGINT;
        CREATE INDEX request_open ON request (card) WHERE receipt IS NULL;",
    ),
    Migration::new(
        6,
        "one-time codes of requests, refused requests",
        "-- the request a code was used for; it may be sent again with the code, and no other
        ALTER TABLE one_time_code ADD COLUMN used_for BYTEA;
        -- what was refused in this hour: in all ('') and for each card that stands in the audit log
        CREATE TABLE refused (
            card TEXT PRIMARY KEY,
            hour BIGINT NOT NULL,
            noted BIGINT NOT NULL,
            counted BIGINT NOT NULL
        );",
    ),
    Migration::new(
        7,
        "numbers of virtual smart cards",
        "-- what a request for one has drawn, before anything is issued under it
        CREATE TABLE device (request BYTEA PRIMARY KEY, card TEXT NOT NULL UNIQUE, rests_on TEXT NOT NULL, at BIGINT NOT NULL);",
    ),
    Migration::new(
        8,
        "refused requests are over",
        "-- of one that a neighbour refused after it was begun
        ALTER TABLE request ADD COLUMN refused_at BIGINT;",
    ),
    Migration::new(
        11,
        "second pairs with changed content",
        "-- the first pair ends once both certificates of the second are there
        ALTER TABLE next_pair ADD COLUMN modify BOOLEAN NOT NULL DEFAULT FALSE;",
    ),
    Migration::new(
        12,
        "certificates of ended cards that are still to be revoked",
        "CREATE TABLE to_revoke (card TEXT PRIMARY KEY);",
    ),
];
