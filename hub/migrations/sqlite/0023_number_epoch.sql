-- How often the numbers of somebody have changed SIM card or owner, where every payment looks; and since which change a code counts.

ALTER TABLE payers ADD COLUMN number_epoch INTEGER NOT NULL DEFAULT 0;
-- UNPROVED until the person has proved who it is, ENDED for somebody who has no number any more; then nothing is sent by SMS.
ALTER TABLE payers ADD COLUMN number_closed TEXT;
-- The payer's epoch for which the code was made.
ALTER TABLE payments ADD COLUMN code_epoch INTEGER NOT NULL DEFAULT 0;
