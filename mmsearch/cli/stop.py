"""``mmsearch stop``: ends what ``mmsearch serve --background`` has started."""

from __future__ import annotations

from mmsearch.cli.options import JsonOption
from mmsearch.cli.output import note, show, show_json


def stop(json: JsonOption = False) -> None:
    """End the servers that run in the background.

    One that runs in a terminal ends there, with Ctrl-C.
    """
    from mmsearch.background.start import stop_all

    stopped = stop_all()
    if json:
        show_json({"stopped": [{"url": server.url, "pid": server.pid} for server in stopped]})
        return
    for server in stopped:
        show(f"Stopped {server.url}/")
    if not stopped:
        note("No server runs in the background.")
