"""Folders become searchable here: discover -> read -> encode -> commit, overlapped.

`sources` finds what a path means to an index, `plan` tells what changed and makes `jobs` of it.
`read` turns a photo or a text into `drafts` of items in a worker, `timed` reads recordings and
videos; `companions` and `collection` read what other files say of them. `ledger` decides what
that means to the catalog and commits it; `run` ties them together, `pipeline` is the way in.
`reencode` changes an index's encoder, `remove` takes files out.
"""
