//! The tables of the CA. Times are microseconds; a certificate whose `der` is null is stored but not signed yet.
//!
//! What a certificate is and what its state is are two tables: the first is written twice in its life, the second at every
//! change, and a narrow row with two indexes takes a change of 1.5 million certificates in a fraction of the time.

use store::Migration;

pub(crate) const INIT: Migration = Migration::new(
    1,
    "init",
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);

    -- root, issuing CA, responders: the CA's own certificates
    CREATE TABLE authority (
        label TEXT PRIMARY KEY,
        profile TEXT NOT NULL,
        not_after BIGINT NOT NULL,
        tbs BYTEA NOT NULL,
        der BYTEA
    );

    CREATE TABLE holder (person BYTEA PRIMARY KEY, number TEXT NOT NULL UNIQUE);

    CREATE TABLE certificate (
        serial BYTEA PRIMARY KEY,
        request_id BYTEA NOT NULL UNIQUE,
        request_hash BYTEA NOT NULL,
        card TEXT NOT NULL,
        slot BIGINT NOT NULL,
        holder TEXT NOT NULL REFERENCES holder (number),
        profile TEXT NOT NULL,
        not_before BIGINT NOT NULL,
        not_after BIGINT NOT NULL,
        partition_no BIGINT NOT NULL,
        spki_hash BYTEA NOT NULL UNIQUE,
        tbs BYTEA NOT NULL,
        der BYTEA,
        state TEXT NOT NULL,
        -- what lists and OCSP need of the state: 0 good, 1 suspended, 2 revoked; since when; CRLReason
        status BIGINT NOT NULL,
        status_at BIGINT NOT NULL,
        reason BIGINT NOT NULL,
        UNIQUE (card, slot)
    );
    CREATE INDEX certificate_listed ON certificate (status, partition_no, serial);
    CREATE INDEX certificate_holder ON certificate (holder);

    -- append-only: the state of a certificate is what its events make of it
    CREATE TABLE event (
        id BYTEA PRIMARY KEY,
        serial BYTEA NOT NULL REFERENCES certificate (serial),
        at BIGINT NOT NULL,
        actor TEXT NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL
    );
    CREATE INDEX event_serial ON event (serial, id);

    -- every change of a state raises the counters of the lists it belongs to
    CREATE TABLE crl_scope (scope BIGINT PRIMARY KEY, change BIGINT NOT NULL);
    CREATE TABLE crl (
        scope BIGINT NOT NULL,
        number BIGINT NOT NULL,
        change BIGINT NOT NULL,
        this_update BIGINT NOT NULL,
        next_update BIGINT NOT NULL,
        tbs BYTEA,
        der BYTEA,
        PRIMARY KEY (scope, number)
    );",
);

/// Sequences that all processes share; the number of its last change for every certificate; documents for everybody.
pub(crate) const STATUS: Migration = Migration::new(
    2,
    "status",
    "CREATE TABLE counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
    INSERT INTO counter (name, value) VALUES ('state', 1), ('filter', 0), ('cards', 0), ('timestamp', 0),
        ('timestamp-clock', 0);
    INSERT INTO counter (name, value) SELECT 'crl', COALESCE(MAX(number), 0) FROM crl;

    -- 0 until the certificate is signed; then the number of its last change
    ALTER TABLE certificate ADD COLUMN state_seq BIGINT NOT NULL DEFAULT 0;
    UPDATE certificate SET state_seq = 1 WHERE der IS NOT NULL;
    CREATE INDEX certificate_changed ON certificate (state_seq);

    -- a list covers the changes up to its `change`; those of before are made anew
    UPDATE crl SET change = -1;
    DROP TABLE crl_scope;

    CREATE TABLE status_document (
        kind TEXT NOT NULL,
        number BIGINT NOT NULL,
        this_update BIGINT NOT NULL,
        next_update BIGINT NOT NULL,
        der BYTEA NOT NULL,
        PRIMARY KEY (kind, number)
    );",
);

/// What a cohort of certificates is chosen by.
pub(crate) const COHORT: Migration = Migration::new(
    3,
    "cohort",
    "ALTER TABLE certificate ADD COLUMN carrier TEXT NOT NULL DEFAULT 'new-eid';
    ALTER TABLE certificate ADD COLUMN key_class TEXT NOT NULL DEFAULT 'RSA-2048';
    UPDATE certificate SET key_class = 'secp521r1' WHERE slot > 2;
    CREATE INDEX certificate_card ON certificate (card);",
);

/// Registration authorities, what they may ask certificates for, and their transactions.
pub(crate) const REGISTRATION: Migration = Migration::new(
    4,
    "registration",
    "CREATE TABLE registration_authority (
        name TEXT PRIMARY KEY,
        der BYTEA NOT NULL,
        added_by TEXT NOT NULL,
        added_at BIGINT NOT NULL
    );

    -- gone once the certificate is issued
    CREATE TABLE enrolment (
        card TEXT NOT NULL,
        slot BIGINT NOT NULL,
        request_id BYTEA NOT NULL,
        ra TEXT NOT NULL,
        carrier TEXT NOT NULL,
        holder TEXT NOT NULL REFERENCES holder (number),
        subject_name TEXT NOT NULL,
        id_tail TEXT NOT NULL,
        issue_date TEXT NOT NULL,
        renewal_date TEXT,
        reissue TEXT,
        PRIMARY KEY (card, slot)
    );

    -- id: hash of sender and transactionID; waits: 1 until the certificate is confirmed
    CREATE TABLE cmp_transaction (
        id BYTEA PRIMARY KEY,
        ra TEXT NOT NULL,
        request_hash BYTEA NOT NULL,
        nonce BYTEA NOT NULL,
        serial BYTEA,
        waits BIGINT NOT NULL,
        reply BYTEA NOT NULL,
        at BIGINT NOT NULL
    );
    CREATE INDEX cmp_transaction_waits ON cmp_transaction (waits, at);",
);

/// Many certificates changed at once: who proposed and approved it, and how far it came.
pub(crate) const INCIDENT: Migration = Migration::new(
    5,
    "incident",
    "CREATE TABLE incident (
        number BIGINT PRIMARY KEY,
        what TEXT NOT NULL,
        concerned BIGINT NOT NULL,
        proposed_by TEXT NOT NULL,
        proposed_at BIGINT NOT NULL,
        approved_by TEXT,
        -- the last serial number looked at, empty at first
        after BYTEA NOT NULL,
        looked_at BIGINT NOT NULL,
        changed BIGINT NOT NULL,
        finished_at BIGINT
    );
    INSERT INTO counter (name, value) VALUES ('incident', 0);",
);

/// Several keys of the issuing CA and of the root: who issued a certificate, and how far each key's work goes.
pub(crate) const GENERATION: Migration = Migration::new(
    6,
    "generation",
    "-- the generation that issued it, for ever
    ALTER TABLE certificate ADD COLUMN issuer BIGINT NOT NULL DEFAULT 1;
    -- the generation that certified a service; the root that certified a CA
    ALTER TABLE authority ADD COLUMN issuer BIGINT NOT NULL DEFAULT 1;
    -- of certificates of CAs: CRLReason and since when
    ALTER TABLE authority ADD COLUMN revoked_at BIGINT;
    ALTER TABLE authority ADD COLUMN reason BIGINT;

    -- ended_at: since when its key is gone
    CREATE TABLE root_ca (number BIGINT PRIMARY KEY, key_kind TEXT NOT NULL, ended_at BIGINT);

    CREATE TABLE generation (
        number BIGINT PRIMARY KEY,
        root BIGINT NOT NULL REFERENCES root_ca (number),
        key_kind TEXT NOT NULL,
        partitions BIGINT NOT NULL,
        -- 1 for the one that issues
        issues BIGINT NOT NULL,
        -- the end of its last certificate, known once it issues no more
        last_end BIGINT
    );
    INSERT INTO counter (name, value) VALUES ('authority', 1), ('ceremony', 0);

    -- script: what was approved; record: what came of it, once all is done
    CREATE TABLE ceremony (
        number BIGINT PRIMARY KEY,
        kind TEXT NOT NULL,
        script TEXT NOT NULL,
        script_hash BYTEA NOT NULL,
        proposed_by TEXT NOT NULL,
        proposed_at BIGINT NOT NULL,
        approved_by TEXT,
        approved_at BIGINT,
        finished_at BIGINT,
        record TEXT,
        time_stamp BYTEA
    );
    CREATE TABLE ceremony_step (
        ceremony BIGINT NOT NULL REFERENCES ceremony (number),
        step BIGINT NOT NULL,
        done_by TEXT NOT NULL,
        witnessed_by TEXT NOT NULL,
        done_at BIGINT NOT NULL,
        found TEXT NOT NULL,
        PRIMARY KEY (ceremony, step)
    );",
);

/// States in a table of their own; what a cohort can be chosen by beyond the kind of key.
pub(crate) const STATE: Migration = Migration::new(
    11,
    "state",
    "CREATE TABLE certificate_state (
        serial BYTEA PRIMARY KEY,
        -- the certificate's issuer again
        generation BIGINT NOT NULL,
        -- false until the certificate is signed
        signed BOOLEAN NOT NULL,
        -- 0 until the certificate is signed or changed; then the number of its last change
        state_seq BIGINT NOT NULL,
        -- 0 good, 1 suspended, 2 revoked; since when, and of a good one since when again (0: always); CRLReason
        status BIGINT NOT NULL,
        status_at BIGINT NOT NULL,
        reason BIGINT NOT NULL,
        -- the certificate's not_after again, so that a change is told from here alone
        ends BIGINT NOT NULL,
        state TEXT NOT NULL
    );
    INSERT INTO certificate_state (serial, generation, signed, state_seq, status, status_at, reason, ends, state)
        SELECT serial, issuer, der IS NOT NULL, state_seq, status, status_at, reason, not_after, state FROM certificate;
    CREATE INDEX certificate_state_changed ON certificate_state (state_seq);
    DROP INDEX certificate_listed;
    DROP INDEX certificate_changed;
    -- (card, slot) is unique and serves as well
    DROP INDEX certificate_card;
    ALTER TABLE certificate DROP COLUMN state;
    ALTER TABLE certificate DROP COLUMN status;
    ALTER TABLE certificate DROP COLUMN status_at;
    ALTER TABLE certificate DROP COLUMN reason;
    ALTER TABLE certificate DROP COLUMN state_seq;

    ALTER TABLE certificate ADD COLUMN chip_model TEXT NOT NULL DEFAULT '';
    ALTER TABLE certificate ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
    CREATE INDEX certificate_chip ON certificate (chip_model, serial);
    ALTER TABLE enrolment ADD COLUMN chip_model TEXT;

    -- false until lists and filter tell what the incident has changed
    ALTER TABLE incident ADD COLUMN published BOOLEAN NOT NULL DEFAULT TRUE;

    -- an event is written beside the change it tells of; looking the certificate up for each costs more than both
    CREATE TABLE happened (
        id BYTEA PRIMARY KEY,
        serial BYTEA NOT NULL,
        at BIGINT NOT NULL,
        actor TEXT NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL
    );
    INSERT INTO happened SELECT id, serial, at, actor, kind, state FROM event;
    DROP TABLE event;
    ALTER TABLE happened RENAME TO event;
    CREATE INDEX event_serial ON event (serial, id);
    CREATE INDEX event_issued ON event (id) WHERE kind = 'issue';",
);

/// The queue of a mass reissue: a plan for each incident, a row for each card.
pub(crate) const QUEUE: Migration = Migration::new(
    12,
    "queue",
    "CREATE TABLE reissue_queue (
        incident BIGINT PRIMARY KEY REFERENCES incident (number),
        plan TEXT NOT NULL,
        opened_by TEXT NOT NULL,
        opened_at BIGINT NOT NULL,
        -- the last card that was taken in, empty at first
        after TEXT NOT NULL,
        filled_at BIGINT
    );

    -- needs: certificates on the next keys; class: place in the plan; state: waiting, done, failed (waits for a person)
    CREATE TABLE reissue (
        incident BIGINT NOT NULL,
        card TEXT NOT NULL,
        holder TEXT NOT NULL,
        needs BIGINT NOT NULL,
        class BIGINT NOT NULL,
        office TEXT NOT NULL,
        day TEXT,
        new_card BOOLEAN NOT NULL,
        state TEXT NOT NULL,
        failures BIGINT NOT NULL,
        problem TEXT,
        changed_at BIGINT NOT NULL,
        PRIMARY KEY (incident, card)
    );
    CREATE INDEX reissue_card ON reissue (card);
    CREATE INDEX reissue_due ON reissue (incident, office, state, class, card);",
);

/// Certificates of a ceremony that is not finished stand apart; what became of ceremonies that were given up.
pub(crate) const WITHHELD: Migration = Migration::new(
    14,
    "withheld",
    "-- 1 until the ceremony that made it publishes it; for ever, if that was given up
    ALTER TABLE authority ADD COLUMN withheld BIGINT NOT NULL DEFAULT 0;
    -- who gave it up, before whom, why, and what was found, JSON
    ALTER TABLE ceremony ADD COLUMN abandonment TEXT;",
);

/// Cards that an incident names one by one.
pub(crate) const LISTED: Migration = Migration::new(
    16,
    "listed cards",
    "CREATE TABLE incident_card (
        incident BIGINT NOT NULL,
        card TEXT NOT NULL,
        PRIMARY KEY (incident, card)
    );",
);

/// What was brought in with an authority that exists.
pub(crate) const ADOPTED: Migration = Migration::new(
    17,
    "adopted",
    "-- every certificate brought in (citizen, service), and what only a list names (listed)
    CREATE TABLE adopted (serial BYTEA PRIMARY KEY, kind TEXT NOT NULL, hash BYTEA);
    -- the number a card stands under here, by the number its certificates name
    CREATE TABLE adopted_card (name TEXT PRIMARY KEY, card TEXT NOT NULL);
    -- addresses that stand in certificates brought in, and what is served there
    CREATE TABLE address (path TEXT PRIMARY KEY, serves TEXT NOT NULL);
    INSERT INTO counter (name, value) VALUES ('adopted-card', 0);",
);

/// Complete lists of an earlier version had the certificates of their own generation alone: they are made anew.
pub(crate) const COMPLETE: Migration = Migration::new(
    18,
    "complete lists",
    "-- the complete list of generation G has the key (G - 1) * 100000 - 1
    UPDATE crl SET change = 0 WHERE scope = -1 OR scope % 100000 = 99999;",
);

/// Whose turn comes in an incident.
pub(crate) const SELECTED: Migration = Migration::new(
    20,
    "certificates of an incident",
    "ALTER TABLE incident ADD COLUMN selected BOOLEAN NOT NULL DEFAULT FALSE;
    CREATE TABLE incident_certificate (
        incident BIGINT NOT NULL,
        serial BYTEA NOT NULL,
        PRIMARY KEY (incident, serial)
    );",
);

/// Which incident changed a certificate, and which certificates an incident concerned: both stay.
pub(crate) const CONCERNED: Migration = Migration::new(
    22,
    "events of incidents",
    "ALTER TABLE event ADD COLUMN incident BIGINT;
    -- the certificates of incidents that are over are noted down again when a queue asks for them
    UPDATE incident SET selected = FALSE WHERE published = TRUE;

    -- the last certificate whose card was taken in; what an earlier version has begun to fill is begun anew
    ALTER TABLE reissue_queue DROP COLUMN after;
    ALTER TABLE reissue_queue ADD COLUMN taken BYTEA;
    DELETE FROM reissue WHERE incident IN (SELECT incident FROM reissue_queue WHERE filled_at IS NULL);",
);

/// Whose enrolment a certificate comes from. The enrolment itself goes with its names when the certificate is there.
pub(crate) const ENROLLED: Migration = Migration::new(
    26,
    "registration authorities of certificates",
    "CREATE TABLE enrolled (request_id BYTEA PRIMARY KEY, ra TEXT NOT NULL);
    INSERT INTO enrolled (request_id, ra)
        SELECT request_id, ra FROM enrolment
        UNION
        SELECT certificate.request_id, cmp_transaction.ra FROM cmp_transaction JOIN certificate USING (serial)
            WHERE TRUE
        ON CONFLICT DO NOTHING;",
);

/// What the end of a suspension would end beside the one it is meant for.
pub(crate) const HELD: Migration = Migration::new(
    29,
    "certificates that several incidents hold",
    "ALTER TABLE incident ADD COLUMN also_held BIGINT NOT NULL DEFAULT 0;",
);

/// A good certificate says since when it is good again. Of those resumed by an earlier version nothing says it: every list is
/// made anew once.
pub(crate) const RESUMED: Migration =
    Migration::new(34, "resumed certificates", "UPDATE crl SET change = -1;");

/// Each incident's hold is ended by itself: a certificate that began on hold with others of its card stands in the list of every
/// incident that holds one of those. An earlier version ended the holds of all incidents at once, and left it out.
pub(crate) const HELD_APART: Migration = Migration::new(
    30,
    "certificates on hold with their card",
    "INSERT INTO incident_certificate (incident, serial)
        SELECT DISTINCT held.incident, certificate.serial FROM certificate_state
        JOIN certificate ON certificate.serial = certificate_state.serial
        JOIN certificate AS sibling ON sibling.card = certificate.card
        JOIN incident_certificate AS held ON held.serial = sibling.serial
        WHERE certificate_state.status = 1 AND certificate_state.state LIKE '%\"incident\"%'
        AND certificate.serial NOT IN (SELECT serial FROM incident_certificate);",
);

/// The way to what is stored and not signed: its number of the last change does not tell, for a suspension takes one too. And
/// what there was of a cohort when an incident was proposed.
pub(crate) const UNSIGNED: Migration = Migration::new(
    28,
    "unsigned certificates",
    "CREATE INDEX certificate_state_unsigned ON certificate_state (serial) WHERE signed = FALSE;
    -- with those that were revoked already
    ALTER TABLE incident ADD COLUMN in_all BIGINT;",
);

/// What is made of millions of rows in steps that keep nobody waiting: the queue of a reissue and its counts, and the comparison of
/// all keys.
pub(crate) const IN_STEPS: Migration = Migration::new(
    38,
    "in steps",
    "-- every certificate was looked at; the last card that was looked at for certificates on its next keys
    ALTER TABLE reissue_queue ADD COLUMN all_taken BOOLEAN NOT NULL DEFAULT FALSE;
    ALTER TABLE reissue_queue ADD COLUMN checked TEXT NOT NULL DEFAULT '';
    UPDATE reissue_queue SET all_taken = TRUE WHERE filled_at IS NOT NULL;
    CREATE TABLE reissue_count (
        incident BIGINT NOT NULL,
        class BIGINT NOT NULL,
        waiting BIGINT NOT NULL,
        need_new_card BIGINT NOT NULL,
        done BIGINT NOT NULL,
        failed BIGINT NOT NULL,
        until TEXT,
        counted_at BIGINT NOT NULL,
        PRIMARY KEY (incident, class)
    );
    -- groups of moduli up to this one are of before all were compared anew; how many certificates have to be issued before it is
    -- worth counting new keys
    INSERT INTO counter (name, value) VALUES ('modulus-before', 0), ('modulus-look', 0);",
);
