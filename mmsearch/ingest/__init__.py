"""Folders become searchable here: discover -> read -> encode -> commit, overlapped.

`sources` finds what a path means to an index, `plan` tells what changed, `read` turns one file
into pixels in a worker, `pipeline` runs it all, `reencode` changes an index's encoder.
"""
