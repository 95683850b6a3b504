"""The catalog: the SQLite database that holds the truth of an index.

`place` knows its name, `file` its format, `schema` declares the tables, `catalog` writes
(SQLAlchemy), `reader` answers queries on plain ``sqlite3``: importing SQLAlchemy takes longer than
a whole cold query may, and a query only reads.
"""
