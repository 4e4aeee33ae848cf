-- Of a reversal that stands open while what it takes back is approved after all: what is answered to it may have been said before, so that it
-- is told once more then.
ALTER TABLE network_orders ADD COLUMN told_again INTEGER NOT NULL DEFAULT 0;
