-- Numbers below the highest that have not come yet: JSON, [[first, last], ...], both included.
ALTER TABLE mark ADD COLUMN gaps TEXT NOT NULL DEFAULT '[]';
