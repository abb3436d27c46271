//! The tables. Times are microseconds.

use store::Migration;

pub(crate) const INIT: Migration = Migration::new(
    1,
    "init",
    "CREATE TABLE operator (
        name TEXT PRIMARY KEY,
        -- none: the person has left the office and may see nothing
        role TEXT,
        enabled BOOLEAN NOT NULL,
        added_by TEXT NOT NULL,
        added_at BIGINT NOT NULL,
        -- a one-time code that lets the person set a password: its hash, and until when
        code BYTEA,
        code_until BIGINT,
        failures BIGINT NOT NULL,
        locked_until BIGINT,
        last_sign_in BIGINT
    );

    -- the newest has the highest number; older ones stay for the rule against using them again
    CREATE TABLE password (
        name TEXT NOT NULL REFERENCES operator (name),
        number BIGINT NOT NULL,
        salt BYTEA NOT NULL,
        hash BYTEA NOT NULL,
        memory BIGINT NOT NULL,
        passes BIGINT NOT NULL,
        set_at BIGINT NOT NULL,
        PRIMARY KEY (name, number)
    );

    -- id: SHA-256 of the token
    CREATE TABLE session (
        id BYTEA PRIMARY KEY,
        name TEXT NOT NULL REFERENCES operator (name),
        form_token TEXT NOT NULL,
        began_at BIGINT NOT NULL,
        seen_at BIGINT NOT NULL
    );
    CREATE INDEX session_name ON session (name);",
);
