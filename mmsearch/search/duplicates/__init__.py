"""Copies of photos: told by their looks, folded in answers, listed over a whole index.

An embedding says what a photo is of, and two dogs on a lawn are the same to it. So embeddings only
propose (`listing`); what decides is the photos' own pixels, which are laid over each other
(`align`) and compared edge by edge (`compare`). ``docs/duplicates.md`` has the evidence.
"""
