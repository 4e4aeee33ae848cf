-- The shops around that sell the same goods stand beside each other in the index, and each of their rows somewhere else: all that is asked of
-- them stands in the index.
DROP INDEX prices_gtin;
CREATE INDEX prices_gtin ON prices (gtin, category, currency, latitude, longitude, merchant_id, price_minor, terminal_id, merchant_name, name, code,
    unit) WHERE gtin IS NOT NULL AND price_minor > 0;
