"""Captioned data sets and the retrieval metrics of an encoder on them.

``captions`` parses caption files, ``datasets`` joins them with their photos, ``metrics`` ranks,
``evaluate`` puts an encoder through all of it. numpy only: nothing here imports torch.
"""
