"""How likely it is that an item answers a query: similarities become probabilities.

`evidence` holds what is known of a query as a whole, `calibration` turns that into probabilities,
`judge` does so for the candidates of a search, `words` for words that match, and `cut` says which
hits are worth showing. ``docs/relevance.md`` has the evidence.
"""
