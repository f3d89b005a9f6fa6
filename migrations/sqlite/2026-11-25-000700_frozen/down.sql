ALTER TABLE break_glass DROP COLUMN freezes;
