"""The ledger's tables. `PRAGMA user_version` holds VERSION.

A file of an earlier version is brought up to date when a crawl opens it; one of a later version is refused, never
guessed at. Readers take every version from OLDEST on, since no migration has touched what they read.
"""

from __future__ import annotations

import re
import sqlite3

from ..errors import StorageError

VERSION = 7
APPLICATION_ID = 0x61637277  # "acrw", which file(1) and SQLite tools show

_TABLES = """
CREATE TABLE runs (
    run         INTEGER PRIMARY KEY,
    started     REAL NOT NULL,          -- seconds since 1970
    deciding    TEXT NOT NULL           -- JSON: reason -> the setting that decides it
);
CREATE TABLE records (
    id          INTEGER PRIMARY KEY,
    ordinal     INTEGER UNIQUE,         -- place in the list, from 0; NULL once the record has left it
    line        INTEGER,                -- 1-based
    ident       INTEGER NOT NULL,       -- 64 bits of a hash of key and URL
    key         TEXT,
    url         TEXT NOT NULL,
    extra       TEXT,                   -- JSON object
    name        TEXT,
    folded      TEXT UNIQUE,            -- the name in lower case, if this row owns it
    label       TEXT,
    host        TEXT NOT NULL,          -- '' for what cannot be requested
    status      TEXT NOT NULL,          -- pending, saved, failed, skipped
    reason      TEXT,
    retryable   INTEGER NOT NULL DEFAULT 0,
    detail      TEXT,
    http_status INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,
    final_url   TEXT,
    path        TEXT,                   -- relative to the destination
    format      TEXT,
    width       INTEGER,
    height      INTEGER,
    mode        TEXT,
    bytes       INTEGER,
    sha256      TEXT,
    elapsed     REAL NOT NULL DEFAULT 0,
    meta        TEXT,                   -- JSON object: frames, orientation, icc, exif
    not_before  REAL,                   -- seconds since 1970; a pending row is not fetched earlier
    suspect     INTEGER NOT NULL DEFAULT 0,
    run         INTEGER NOT NULL,       -- the run that entered or decided the row
    placeholder INTEGER,                -- id of the placeholder that came in place of the picture
    expected    TEXT,                   -- the hashes that the list demands: 'sha256:... md5:...'
    shard       INTEGER,                -- number of the directory without label, if the ordinal does not decide it
    same        INTEGER,                -- 64 bits of a hash of what is requested, if requests are compared
    copy_of     INTEGER                 -- id of the record whose picture this one has, or waits for
);
CREATE TABLE holds (
    host        TEXT PRIMARY KEY,
    since       REAL NOT NULL,          -- seconds since 1970: when its server asked
    until       REAL NOT NULL           -- seconds since 1970: no request earlier
);
CREATE TABLE unsynced (
    record      INTEGER PRIMARY KEY,    -- id of a saved row that may not be on the disk yet
    mark        INTEGER NOT NULL        -- number of the checkpoint that will settle that
);
CREATE TABLE placeholders (
    id          INTEGER PRIMARY KEY,
    sha256      TEXT UNIQUE NOT NULL,   -- of the content
    verdict     TEXT NOT NULL,          -- placeholder, or good: a person wants it kept
    found       TEXT NOT NULL,          -- signature, rule, person
    detail      TEXT NOT NULL,          -- why, in words
    url         TEXT NOT NULL,          -- an example
    format      TEXT,
    width       INTEGER,
    height      INTEGER,
    mode        TEXT,
    bytes       INTEGER,
    data        BLOB                    -- the one copy that is kept
);
CREATE TABLE retractions (
    record      INTEGER PRIMARY KEY,    -- id of a row that was saved, and whose copy the sink is to take back
    before      TEXT NOT NULL,          -- JSON object: what the row said then
    mark        INTEGER                 -- NULL until it has; then the checkpoint that brings that to the disk
);
CREATE TABLE lists (
    digest      TEXT PRIMARY KEY,       -- of the list that was read to its end, and of how it was read
    bytes       INTEGER NOT NULL,       -- its size
    records     INTEGER NOT NULL        -- its entries
);
CREATE TABLE near (
    record      INTEGER PRIMARY KEY,    -- id of a saved row
    sha256      TEXT NOT NULL,          -- of the file that was looked at
    hash        TEXT,                   -- perceptual hash, hexadecimal; NULL where the file could not be opened
    cluster     INTEGER                 -- the least record of its group of near-duplicates; NULL where it is alone
);
CREATE INDEX records_by_ident ON records (ident);
CREATE INDEX records_pending ON records (host, ordinal) WHERE status = 'pending';
CREATE INDEX records_by_content ON records (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX records_by_placeholder ON records (placeholder) WHERE placeholder IS NOT NULL;
CREATE INDEX records_by_same ON records (same, copy_of) WHERE same IS NOT NULL;
CREATE INDEX records_by_copy ON records (copy_of) WHERE copy_of IS NOT NULL;
"""


def _made(*names: str) -> str:
    """What makes these tables and indexes."""
    found = [re.search(rf"CREATE (TABLE {name} \(.*?\n\);|INDEX {name} .*?;\n)", _TABLES, re.S) for name in names]
    return "\n".join(statement[0] for statement in found if statement)


_MIGRATIONS = {
    1: _made("holds"),
    2: _made("unsynced"),
    3: "ALTER TABLE records ADD COLUMN placeholder INTEGER;"
    + _made("placeholders", "retractions", "records_by_content", "records_by_placeholder"),
    4: _made("lists"),
    5: "ALTER TABLE records ADD COLUMN expected TEXT; ALTER TABLE records ADD COLUMN shard INTEGER;"
    "ALTER TABLE records ADD COLUMN same INTEGER; ALTER TABLE records ADD COLUMN copy_of INTEGER;"
    + _made("near", "records_by_same", "records_by_copy"),
    6: "ALTER TABLE records ADD COLUMN meta TEXT;",
}
"""From each earlier version to the next."""
OLDEST = min(_MIGRATIONS)


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables in a new file, or bring an old one of ours up to this version."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version == 0 and not tables:
        connection.executescript(
            f"BEGIN IMMEDIATE; {_TABLES}"
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
        )
        return
    check(connection)
    for step in range(version, VERSION):
        connection.executescript(f"BEGIN IMMEDIATE; {_MIGRATIONS[step]} PRAGMA user_version = {step + 1}; COMMIT;")


def check(connection: sqlite3.Connection) -> None:
    """Raise StorageError unless the file is a ledger of a version that can be read."""
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    if found != APPLICATION_ID:
        raise StorageError("the file is an SQLite database, but no ledger of asynccrawl; move it away")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not OLDEST <= version <= VERSION:
        raise StorageError(f"the ledger has schema version {version}, this program reads {VERSION}; upgrade asynccrawl")
