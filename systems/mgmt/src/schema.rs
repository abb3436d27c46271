//! The tables of management. Persons are linked by keyed hash; names, numbers and contacts stand only in sealed columns.
//!
//! `open_person` repeats `person` while a case is open and is null afterwards; being unique, it is the database that
//! refuses a second open case (MGMT-02), also between two programs. `holder_card` does the same for the card in a
//! person's hands (MGMT-73).

use store::Migration;

/// Audit, job queue, then management's own tables.
pub(crate) const MIGRATIONS: &[Migration] = &[
    audit::MIGRATION,
    store::jobs::MIGRATION,
    Migration::new(
        1,
        "cases, cards, certificates, notices",
        "CREATE TABLE case_counter (roc_year BIGINT PRIMARY KEY, last BIGINT NOT NULL);
        CREATE TABLE application (
            case_no TEXT PRIMARY KEY,
            person BYTEA NOT NULL,
            open_person BYTEA UNIQUE,
            kind TEXT NOT NULL,
            channel TEXT NOT NULL,
            profile TEXT NOT NULL,
            office TEXT NOT NULL,
            certificate BOOLEAN NOT NULL,
            state TEXT NOT NULL,
            content TEXT NOT NULL,
            stage TEXT NOT NULL,
            serial TEXT,
            issue_date TEXT,
            renewal_date TEXT,
            box_no TEXT,
            wrapped_key BYTEA,
            submitted_at BIGINT NOT NULL,
            changed_at BIGINT NOT NULL
        );
        CREATE INDEX application_state ON application (state, submitted_at);
        CREATE INDEX application_person ON application (person);
        CREATE INDEX application_box ON application (box_no);
        CREATE TABLE case_data (
            case_no TEXT NOT NULL REFERENCES application (case_no),
            what TEXT NOT NULL,
            sealed BYTEA NOT NULL,
            PRIMARY KEY (case_no, what)
        );
        CREATE TABLE case_event (
            case_no TEXT NOT NULL,
            step BIGINT NOT NULL,
            content TEXT NOT NULL,
            PRIMARY KEY (case_no, step)
        );
        CREATE TABLE card (
            serial TEXT PRIMARY KEY,
            case_no TEXT NOT NULL,
            attempt BIGINT NOT NULL,
            person BYTEA NOT NULL,
            holder_card BYTEA UNIQUE,
            profile TEXT NOT NULL,
            state TEXT NOT NULL,
            content TEXT NOT NULL,
            issue_date TEXT NOT NULL,
            renewal_date TEXT,
            certificate BOOLEAN NOT NULL,
            face BYTEA NOT NULL,
            wrapped_key BYTEA NOT NULL,
            holder BYTEA NOT NULL,
            held_by_holder BOOLEAN NOT NULL,
            revoked TEXT,
            told TEXT NOT NULL,
            user_code TEXT,
            user_code_state TEXT NOT NULL,
            failures BIGINT NOT NULL,
            locked_until BIGINT,
            pins_set_at BIGINT,
            changed_at BIGINT NOT NULL,
            UNIQUE (case_no, attempt)
        );
        CREATE INDEX card_person ON card (person);
        CREATE TABLE card_event (
            serial TEXT NOT NULL,
            step BIGINT NOT NULL,
            content TEXT NOT NULL,
            PRIMARY KEY (serial, step)
        );
        CREATE TABLE card_certificate (
            serial TEXT NOT NULL REFERENCES card (serial),
            slot TEXT NOT NULL,
            request_id BYTEA NOT NULL UNIQUE,
            certificate BYTEA,
            PRIMARY KEY (serial, slot)
        );
        CREATE TABLE notice (
            id BYTEA PRIMARY KEY,
            case_no TEXT NOT NULL,
            serial TEXT NOT NULL,
            kind TEXT NOT NULL,
            way TEXT NOT NULL,
            at BIGINT NOT NULL
        );
        CREATE TABLE bookmark (name TEXT PRIMARY KEY, position BIGINT NOT NULL);
        CREATE TABLE sample (
            persona TEXT PRIMARY KEY,
            case_no TEXT NOT NULL,
            user_code TEXT,
            pin1 TEXT,
            pin2 TEXT
        );",
    ),
    Migration::new(
        2,
        "cases on hold",
        "ALTER TABLE application ADD COLUMN held BOOLEAN NOT NULL DEFAULT FALSE;",
    ),
    // UPDATE-12: which fields, never what they say.
    Migration::new(
        3,
        "the terminal of the offices, chips and their updates",
        "ALTER TABLE card ADD COLUMN chip_key BYTEA;
        CREATE TABLE terminal (number BIGINT PRIMARY KEY, request BYTEA NOT NULL, certificate BYTEA);
        CREATE TABLE card_update (
            serial TEXT NOT NULL REFERENCES card (serial),
            number BIGINT NOT NULL,
            fields TEXT NOT NULL,
            package_hash BYTEA NOT NULL,
            office TEXT NOT NULL,
            clerk TEXT NOT NULL,
            result TEXT NOT NULL,
            at BIGINT NOT NULL,
            PRIMARY KEY (serial, number)
        );",
    ),
    // UPDATE-14: a mark on a card that stays valid.
    Migration::new(
        4,
        "cards whose content is out of date",
        "ALTER TABLE card ADD COLUMN outdated_at BIGINT;
        ALTER TABLE card ADD COLUMN outdated_by TEXT;
        CREATE INDEX card_outdated ON card (serial) WHERE outdated_at IS NOT NULL;",
    ),
    // UPDATE-08, UPDATE-12: who asked for an update, and what the chip signed for it.
    Migration::new(
        5,
        "requests and receipts of updates",
        "CREATE TABLE clerk (account TEXT PRIMARY KEY, office TEXT NOT NULL, certificate BYTEA NOT NULL);
        CREATE TABLE update_request (
            request TEXT PRIMARY KEY,
            serial TEXT NOT NULL REFERENCES card (serial),
            content BYTEA NOT NULL,
            signature BYTEA NOT NULL,
            at BIGINT NOT NULL
        );
        ALTER TABLE card_update ADD COLUMN request TEXT;
        ALTER TABLE card_update ADD COLUMN receipt BYTEA;
        ALTER TABLE card_update ADD COLUMN receipt_key BYTEA;
        CREATE INDEX card_update_request ON card_update (request);",
    ),
    Migration::new(
        6,
        "the systems that this one has met",
        "CREATE TABLE peer (name TEXT PRIMARY KEY, spki BYTEA NOT NULL);",
    ),
    // RECALL-12: nothing of it is ever deleted.
    Migration::new(
        7,
        "recalls",
        "CREATE TABLE recall (
            number BIGINT PRIMARY KEY,
            criteria TEXT NOT NULL,
            level TEXT NOT NULL,
            treatment TEXT NOT NULL,
            reason TEXT NOT NULL,
            cost BIGINT,
            cards BIGINT NOT NULL,
            proposed_by TEXT NOT NULL,
            proposed_at BIGINT NOT NULL,
            -- null until the list is whole
            listed_at BIGINT,
            approved_by TEXT,
            approved_at BIGINT,
            closed_at BIGINT
        );
        CREATE TABLE recall_card (
            recall BIGINT NOT NULL REFERENCES recall (number),
            serial TEXT NOT NULL REFERENCES card (serial),
            office TEXT NOT NULL,
            called_at BIGINT,
            updated_to TEXT,
            updated_at BIGINT,
            updated_by TEXT,
            updated_office TEXT,
            PRIMARY KEY (recall, serial)
        );
        CREATE INDEX recall_card_uncalled ON recall_card (recall, serial) WHERE called_at IS NULL;
        CREATE TABLE recall_report (
            recall BIGINT NOT NULL REFERENCES recall (number),
            day TEXT NOT NULL,
            office TEXT NOT NULL,
            cards BIGINT NOT NULL,
            updated BIGINT NOT NULL,
            exchanged BIGINT NOT NULL,
            at BIGINT NOT NULL,
            PRIMARY KEY (recall, day, office)
        );",
    ),
    // NPC-39: no answer of the holder's means that nothing was said against them.
    Migration::new(
        8,
        "acceptance of certificates",
        "CREATE TABLE certificate_acceptance (
            serial TEXT PRIMARY KEY REFERENCES card (serial),
            answer TEXT NOT NULL,
            received_at BIGINT NOT NULL,
            received_by TEXT NOT NULL,
            answered_at BIGINT,
            answered_by TEXT
        );",
    ),
    Migration::new(
        9,
        "paper cards that were lost",
        "CREATE TABLE paper_loss (person BYTEA PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL);",
    ),
    // The card status list and the counts of the first page are made each minute.
    Migration::new(10, "cards by their state", "CREATE INDEX card_state ON card (state, serial);"),
    Migration::new(
        11,
        "cases of counters",
        "CREATE TABLE counter_case (
            case_no TEXT PRIMARY KEY,
            -- also of cards that are not known here
            card TEXT NOT NULL,
            person BYTEA NOT NULL,
            -- what for, by name
            services TEXT NOT NULL,
            office TEXT NOT NULL,
            opened_by TEXT NOT NULL,
            opened_at BIGINT NOT NULL,
            closed_by TEXT,
            closed_at BIGINT
        );",
    ),
    Migration::new(
        12,
        "chip data lists",
        "CREATE TABLE data_list (
            number TEXT PRIMARY KEY,
            serial TEXT NOT NULL REFERENCES card (serial),
            content_hash BYTEA NOT NULL,
            -- the update of the chip that it shows
            chip_content BIGINT NOT NULL,
            fields TEXT NOT NULL,
            office TEXT NOT NULL,
            clerk TEXT NOT NULL,
            at BIGINT NOT NULL
        );",
    ),
    // RECALL-04, RECALL-07.
    Migration::new(
        13,
        "revocations of recalls, notices that reached their holders",
        "CREATE TABLE recall_revocation (
            recall BIGINT PRIMARY KEY REFERENCES recall (number),
            reason TEXT NOT NULL,
            proposed_by TEXT NOT NULL,
            proposed_at BIGINT NOT NULL,
            approved_by TEXT,
            approved_at BIGINT
        );
        ALTER TABLE recall_card ADD COLUMN revoked_at BIGINT;
        ALTER TABLE notice ADD COLUMN told_at BIGINT;
        ALTER TABLE notice ADD COLUMN told_way TEXT;
        ALTER TABLE notice ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
        CREATE INDEX notice_waiting ON notice (at, id) WHERE told_at IS NULL;
        CREATE INDEX notice_card ON notice (serial, at);",
    ),
    // UPDATE-11.
    Migration::new(
        14,
        "outings",
        "CREATE TABLE outing (
            number BIGINT PRIMARY KEY,
            office TEXT NOT NULL,
            place TEXT NOT NULL,
            begins BIGINT NOT NULL,
            ends BIGINT NOT NULL,
            devices TEXT NOT NULL,
            clerk TEXT NOT NULL,
            at BIGINT NOT NULL
        );
        -- where it was asked for, if not at the counter
        ALTER TABLE update_request ADD COLUMN outing BIGINT;
        CREATE INDEX update_request_outing ON update_request (outing) WHERE outing IS NOT NULL;",
    ),
    // OPEN-13: cards that go on with their other keys.
    Migration::new(
        15,
        "recalls by other keys",
        "-- with which reason the certificates on the old keys are revoked
        ALTER TABLE recall ADD COLUMN revocation TEXT NOT NULL DEFAULT 'superseded';
        -- rsa or ec: the keys a card can go on with; null if it has none, or another treatment
        ALTER TABLE recall_card ADD COLUMN other_pair TEXT;
        ALTER TABLE recall_card ADD COLUMN rekeyed_at BIGINT;
        ALTER TABLE recall_card ADD COLUMN rekeyed_by TEXT;
        CREATE INDEX recall_card_serial ON recall_card (serial);
        ALTER TABLE recall_report ADD COLUMN rekeyed BIGINT NOT NULL DEFAULT 0;",
    ),
    // RECALL-04, RECALL-07: what is approved is the proposal that was looked at; a notice says of which recall it is.
    Migration::new(
        16,
        "numbers of revocations of recalls, recalls of notices",
        "ALTER TABLE recall_revocation ADD COLUMN proposal BIGINT NOT NULL DEFAULT 1;
        ALTER TABLE notice ADD COLUMN recall BIGINT;
        -- notices and calls of a card at the same moment are paired in their order
        UPDATE notice SET recall = (SELECT listed.recall FROM recall_card AS listed
            WHERE listed.serial = notice.serial AND listed.called_at = notice.at
            AND (SELECT count(*) FROM recall_card AS lower WHERE lower.serial = listed.serial
                AND lower.called_at = listed.called_at AND lower.recall < listed.recall)
            = (SELECT count(*) FROM notice AS earlier WHERE earlier.serial = notice.serial
                AND earlier.at = notice.at AND earlier.kind LIKE 'recall-%' AND earlier.id < notice.id))
            WHERE kind LIKE 'recall-%';
        CREATE UNIQUE INDEX notice_recall ON notice (recall, serial) WHERE recall IS NOT NULL;",
    ),
    // RECALL-13.
    Migration::new(
        17,
        "exchanges of recalled cards",
        "-- the profile that new cards get; null: the one that was applied for
        ALTER TABLE recall ADD COLUMN replacement TEXT;
        -- the recall for which a card is exchanged, from the batch on
        ALTER TABLE application ADD COLUMN recall BIGINT;",
    ),
    store::jobs::failures_apart(18),
];
