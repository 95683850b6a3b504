"""Hits for people to look at: in notebooks, on pages, in terminals."""
