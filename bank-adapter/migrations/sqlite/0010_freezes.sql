-- What holders have frozen, by their orders at the hub. Times are UTC microseconds.

-- The column frozen of accounts and cards is 0, or the sum of 1 (frozen by the bank) and 2 (frozen by the holder).

CREATE TABLE holder_freezes (
    -- Of an account or a card; with a row for each that there was ever an order about.
    instrument_id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    -- ACCOUNT or CARD.
    kind TEXT NOT NULL,
    -- The last order that was followed, as the hub counts them.
    order_number INTEGER NOT NULL CHECK (order_number > 0),
    frozen INTEGER NOT NULL,
    -- Since when it is so.
    effective_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
