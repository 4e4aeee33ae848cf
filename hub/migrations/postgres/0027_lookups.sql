-- Budgets for look-ups of people by their number. Times are UTC microseconds.

CREATE TABLE lookup_budgets (
    -- The scope and who it is, as 'TERMINAL till-1'. A budget from which nothing was ever drawn is full and has no row.
    budget TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    -- When it is full again, from which follows what is left.
    full_at BIGINT NOT NULL,
    -- Since when it is dry; until it is half full again it is the same dry time.
    dry_since BIGINT,
    dry_times BIGINT NOT NULL,
    drawn_at BIGINT NOT NULL
);

-- Those that are dry are few, and listed first.
CREATE INDEX lookup_budgets_dry ON lookup_budgets (budget) WHERE dry_since IS NOT NULL;
