-- Format 1. One row of `store`; a lane's clock and marks in `lane`; of each task its place in life in `task` (small,
-- written often), what it is in `body` (written once), what it said and left in `said` (written now and then).
-- Moments: `*_at`, `not_before`, `deadline`, `due`, `keep`, `until` by the wall clock, all others by the steady one.

CREATE TABLE store (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    times         TEXT    NOT NULL,
    numbers       INTEGER NOT NULL DEFAULT 0,
    fences        INTEGER NOT NULL DEFAULT 0,
    calls         INTEGER NOT NULL DEFAULT 0,
    reach         INTEGER NOT NULL DEFAULT 0,
    live          INTEGER NOT NULL DEFAULT 0,
    catalog       INTEGER NOT NULL DEFAULT 1,
    next_sweep    INTEGER NOT NULL DEFAULT 0,
    next_unserved INTEGER NOT NULL DEFAULT 0,
    called        INTEGER,
    pause         INTEGER,
    before        INTEGER,
    boot          TEXT    NOT NULL DEFAULT '',
    shift         INTEGER NOT NULL DEFAULT 0,
    steady        INTEGER NOT NULL DEFAULT 0,
    wall          INTEGER NOT NULL DEFAULT 0,
    largest       BLOB
) STRICT;

CREATE TABLE lane (
    lane         INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL UNIQUE,
    tasks        INTEGER NOT NULL DEFAULT 0,
    waiting      INTEGER NOT NULL DEFAULT 0,
    delayed      INTEGER NOT NULL DEFAULT 0,
    running      INTEGER NOT NULL DEFAULT 0,
    ready        INTEGER NOT NULL DEFAULT 0,
    virtual_time INTEGER NOT NULL DEFAULT 0,
    shift        INTEGER NOT NULL DEFAULT 0,
    flows        INTEGER NOT NULL DEFAULT 0,
    paused       INTEGER NOT NULL DEFAULT 0,
    passed       INTEGER,
    drainer      TEXT,
    drains_until INTEGER,
    outsized     INTEGER
) STRICT;

-- The last tag of each flow of a lane whose clock runs; tenant '' is nobody.
CREATE TABLE flow (
    lane     INTEGER NOT NULL,
    tenant   TEXT    NOT NULL,
    priority INTEGER NOT NULL,
    tag      INTEGER NOT NULL,
    PRIMARY KEY (lane, tenant, priority)
) STRICT, WITHOUT ROWID;
CREATE INDEX flow_tag ON flow (lane, tag);

CREATE TABLE task (
    number      INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL,
    lane        INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    marks       INTEGER NOT NULL,
    turns       INTEGER NOT NULL,
    heard       INTEGER NOT NULL,
    shown       INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    crashes     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    queued_at   INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER,
    not_before  INTEGER,
    deadline    INTEGER,
    due         INTEGER,
    keep        INTEGER,
    tag         INTEGER,
    ends        INTEGER,
    fence       INTEGER NOT NULL,
    worker      INTEGER NOT NULL,
    ask         INTEGER NOT NULL,
    renewed     INTEGER NOT NULL,
    tenant      TEXT,
    priority    INTEGER NOT NULL,
    increment   INTEGER NOT NULL,
    keep_result INTEGER NOT NULL,
    keep_dead   INTEGER NOT NULL,
    max_crashes INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX task_id ON task (id);
CREATE INDEX task_ready ON task (lane, tag, id) WHERE tag IS NOT NULL;
CREATE INDEX task_ends ON task (ends) WHERE ends IS NOT NULL;
CREATE INDEX task_due ON task (due) WHERE due IS NOT NULL;
CREATE INDEX task_keep ON task (keep) WHERE keep IS NOT NULL;

CREATE TABLE body (
    number  INTEGER PRIMARY KEY,
    content BLOB NOT NULL,
    task    BLOB NOT NULL,
    input   BLOB NOT NULL
) STRICT;

CREATE TABLE said (
    number     INTEGER PRIMARY KEY,
    progress   BLOB,
    checkpoint BLOB,
    failure    BLOB,
    attempts   BLOB,
    usage      BLOB,
    output     BLOB
) STRICT;

CREATE TABLE part (
    number INTEGER NOT NULL,
    place  INTEGER NOT NULL,
    part   BLOB    NOT NULL,
    PRIMARY KEY (number, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE dedupe (
    tenant   TEXT    NOT NULL,
    function TEXT    NOT NULL,
    key      TEXT    NOT NULL,
    number   INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    PRIMARY KEY (tenant, function, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX dedupe_number ON dedupe (number);

CREATE TABLE worker (
    worker     INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    joined     INTEGER NOT NULL,
    capacity   BLOB    NOT NULL,
    load       BLOB    NOT NULL,
    own        BLOB    NOT NULL,
    counted    INTEGER,
    seen_at    INTEGER NOT NULL,
    seen       INTEGER NOT NULL,
    alive      INTEGER NOT NULL,
    beat       INTEGER NOT NULL,
    ended      INTEGER NOT NULL,
    held       INTEGER NOT NULL,
    untold     INTEGER NOT NULL,
    draining   INTEGER NOT NULL,
    drain_told INTEGER NOT NULL,
    drains_for TEXT,
    told       TEXT
) STRICT;

CREATE TABLE template (
    name      TEXT    NOT NULL,
    version   TEXT    NOT NULL,
    template  BLOB    NOT NULL,
    content   BLOB    NOT NULL,
    served_at INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE weight (
    tenant TEXT    PRIMARY KEY,
    weight INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The processes that have the file open, where each is rung, and whether it watches tasks.
CREATE TABLE process (
    process  INTEGER PRIMARY KEY,
    bell     TEXT    NOT NULL,
    watching INTEGER NOT NULL
) STRICT;

-- Their lease calls asleep, while more than one process has the file open.
CREATE TABLE sleeper (
    process INTEGER NOT NULL,
    call    INTEGER NOT NULL,
    serial  INTEGER NOT NULL,
    worker  INTEGER NOT NULL,
    drains  INTEGER,
    beds    BLOB    NOT NULL,
    PRIMARY KEY (process, call)
) STRICT, WITHOUT ROWID;
