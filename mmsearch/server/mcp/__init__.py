"""The Model Context Protocol server: agents search the indexes, and look at what they find.

`mmsearch.server.mcp.tools.build_server` puts the tools together on the official SDK, which is the
extra ``mcp``; ``mmsearch mcp`` runs them over standard input and output (`stdio`), ``mmsearch
serve`` over streamable HTTP (`http`).
"""
