"""The second stage: rerankers look at the best candidates again, with more work for each.

`base` holds the protocol, `registry` the names, `reorder` what becomes of scores, `hits` the way
from hits to candidates and back.
"""
