-- Charges that other networks carried, and what the hub is told of them. Amounts are whole minor units, times are UTC microseconds.

-- Who has a leg made: HUB or NETWORK. The hub does not know a network's.
ALTER TABLE legs ADD COLUMN origin TEXT NOT NULL DEFAULT 'HUB';
-- When, where and what was bought, of a network's CHARGE: a bankhub.counter.v1.NetworkCharge without what has columns of its own.
ALTER TABLE legs ADD COLUMN sale BLOB;
-- What the hub lists and what it is asked about are its own legs, however many of other networks there are.
DROP INDEX legs_changed;
CREATE INDEX legs_changed ON legs (changed_at, leg_id) WHERE origin = 'HUB';
DROP INDEX legs_held;
CREATE INDEX legs_held ON legs (changed_at, leg_id) WHERE state = 'HELD' AND origin = 'HUB';

-- Accounts and cards that somebody has bound at the hub. Of no others anything is reported.
CREATE TABLE followed_instruments (
    instrument_id BLOB NOT NULL PRIMARY KEY,
    -- ACCOUNT or CARD.
    kind TEXT NOT NULL,
    followed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the hub is told, numbered from 1 without a gap. Rows stay, for a hub that comes back from a backup.
CREATE TABLE reports (
    sequence INTEGER NOT NULL PRIMARY KEY CHECK (sequence > 0),
    purchase_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    -- A bankhub.federation.v1.PurchaseReport without its sequence: sent again it says the same to the byte.
    content BLOB NOT NULL,
    made_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX reports_of_purchase ON reports (purchase_id, version);
CREATE TRIGGER reports_are_not_changed BEFORE UPDATE ON reports
BEGIN SELECT RAISE(ABORT, 'reports are append-only'); END;
CREATE TRIGGER reports_are_not_removed BEFORE DELETE ON reports
BEGIN SELECT RAISE(ABORT, 'reports are append-only'); END;

-- How far the hub has taken them in: one row.
CREATE TABLE reporting (
    place INTEGER NOT NULL PRIMARY KEY CHECK (place = 1),
    version INTEGER NOT NULL,
    acknowledged_sequence INTEGER NOT NULL CHECK (acknowledged_sequence >= 0),
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Those that the hub has refused, by its own reason.
CREATE TABLE refused_reports (
    sequence INTEGER NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    refused_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
