"""Captioned data sets, and how well encoders, rerankers and indexes do on them.

Data: `captions` parses caption files, `datasets` joins them with their photos, `embedding` embeds
them, `indexed` takes both from an index.

Measures: `ranking` ranks every answer for every query, `second_stage` lets a reranker look again,
`metrics` and `figures` say how good a ranking is, `figures` also how sure that is.

Results: `evaluate` puts an encoder through all of it and makes a `report`; `per_query` writes every
query, `misses` draws the worst. numpy only: nothing here imports torch.
"""
