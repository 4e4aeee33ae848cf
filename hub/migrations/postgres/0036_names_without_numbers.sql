-- Of what has a number, names are asked of goods that have none: the index says which those are, so that no other row is read for it.
DROP INDEX prices_name;
CREATE INDEX prices_name ON prices (name_key, category, currency, latitude, longitude, merchant_id, gtin) WHERE price_minor > 0;
