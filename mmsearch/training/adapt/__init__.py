"""Adapts any dual encoder to somebody's own captioned photos: ``mmsearch train``.

    captioned photos ── dataset ──> a training and a held-out part, split by photo
                        encoded ──> embeddings and pooled features, kept on disk
    heads, closed_form ────────────> residual heads on both towers
                        choose ───> how far to go from the base, by retrieval on the held-out part
                        store ────> a named encoder: heads, card, curves

``train`` in :mod:`mmsearch.training.adapt.train` joins them.
"""
