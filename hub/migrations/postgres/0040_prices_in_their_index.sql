-- SQLite alone has all that is asked of prices in their index. Here the rows of an index are read from it alone only after a VACUUM, and what is
-- published is written often.
SELECT 1;
