-- Why a node started, as it told: power, button, watchdog, fault, software, other.
ALTER TABLE node ADD COLUMN started_by TEXT;
