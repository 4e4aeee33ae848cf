-- Whether a limit of one who is named holds where it is above that of everybody, to which a second person has agreed. Of what was set before it
-- is not known by how many, and it holds as it did.
ALTER TABLE limits ADD COLUMN may_exceed BIGINT NOT NULL DEFAULT 1;
