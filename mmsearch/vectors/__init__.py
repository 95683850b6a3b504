"""Vector stores: nearest neighbours by inner product.

A store is a cache of the catalog's embeddings. Losing its file loses nothing.
"""
