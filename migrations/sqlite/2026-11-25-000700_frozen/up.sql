-- The change freezes that a run did not wait for either, by name.
ALTER TABLE break_glass ADD COLUMN freezes TEXT NOT NULL DEFAULT '[]';
