"""The running server that `mmsearch query` asks where there is one, instead of loading an index.

`asked` is what is asked and answered, `presence` the file by which a server is found, `client` asks
it, `start` starts one in the background; what it does then is `mmsearch.server.local`. Nothing here
imports more than the standard library and plain types, so that a command that finds a server takes
no longer than to start Python.
"""
