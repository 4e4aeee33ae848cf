-- What shops ask for their goods, each where the terminal stands that has published it.
CREATE TABLE prices (
    terminal_id TEXT NOT NULL,
    -- What the goods are known by in this shop: their code, or else their name and unit.
    goods TEXT NOT NULL,
    version BIGINT NOT NULL,
    merchant_id TEXT NOT NULL,
    merchant_name TEXT NOT NULL,
    category TEXT NOT NULL,
    latitude DOUBLE PRECISION NOT NULL,
    longitude DOUBLE PRECISION NOT NULL,
    -- By which the same goods are found elsewhere.
    gtin TEXT,
    name_key TEXT NOT NULL,
    name TEXT NOT NULL,
    code TEXT,
    unit TEXT,
    currency TEXT NOT NULL,
    -- For one unit; zero when the shop has it no more.
    price_minor BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    PRIMARY KEY (terminal_id, goods)
);
CREATE INDEX prices_gtin ON prices (gtin, category, currency, latitude, longitude, merchant_id) WHERE gtin IS NOT NULL AND price_minor > 0;
CREATE INDEX prices_name ON prices (name_key, category, currency, latitude, longitude, merchant_id) WHERE price_minor > 0;
