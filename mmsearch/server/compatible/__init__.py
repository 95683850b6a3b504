"""Endpoints that existing clients of other services call unchanged: see ``docs/compatible.md``."""
