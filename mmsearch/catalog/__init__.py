"""The catalog: the SQLite database that holds the truth of an index.

`file` knows its name and format, `schema` declares the tables, `catalog` writes (SQLAlchemy),
`reader` answers queries on plain ``sqlite3``: importing SQLAlchemy takes longer than a whole cold
query may, and a query only reads.
"""
