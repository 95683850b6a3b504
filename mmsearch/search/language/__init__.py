"""The query language: what may be typed, and what it asks for."""
