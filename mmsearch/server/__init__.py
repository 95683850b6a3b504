"""The HTTP service: a versioned JSON API, what other clients expect, and the page at ``/``.

`mmsearch.server.app.create_app` makes it from open indexes; ``mmsearch serve`` runs it. A module is
one concern, and gives its routes by a function ``router() -> APIRouter``.
"""
