"""Holds the write lock of an SQLite database until told to give it back.

lock.py FILE

Orders: unlock. Events: locked, unlocked.
"""

import sqlite3
import sys

import lines

database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
database.execute("BEGIN IMMEDIATE")
lines.event("locked")
for _order in lines.orders():
    database.execute("ROLLBACK")
    lines.event("unlocked")
