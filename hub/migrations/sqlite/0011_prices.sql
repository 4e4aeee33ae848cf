-- What shops ask for their goods, each where the terminal stands that has published it. With a rowid, since SQLite then looks at the place in
-- the index before it goes to the row; a table without one is gone to first.
CREATE TABLE prices (
    terminal_id TEXT NOT NULL,
    -- What the goods are known by in this shop: their code, or else their name and unit.
    goods TEXT NOT NULL,
    version INTEGER NOT NULL,
    merchant_id TEXT NOT NULL,
    merchant_name TEXT NOT NULL,
    category TEXT NOT NULL,
    latitude REAL NOT NULL,
    longitude REAL NOT NULL,
    -- By which the same goods are found elsewhere.
    gtin TEXT,
    name_key TEXT NOT NULL,
    name TEXT NOT NULL,
    code TEXT,
    unit TEXT,
    currency TEXT NOT NULL,
    -- For one unit; zero when the shop has it no more.
    price_minor INTEGER NOT NULL,
    published_at INTEGER NOT NULL,
    PRIMARY KEY (terminal_id, goods)
) STRICT;
CREATE INDEX prices_gtin ON prices (gtin, category, currency, latitude, longitude, merchant_id) WHERE gtin IS NOT NULL AND price_minor > 0;
CREATE INDEX prices_name ON prices (name_key, category, currency, latitude, longitude, merchant_id) WHERE price_minor > 0;
