"""Whether the Hugging Face hub can be reached, asked once and answered soon.

Encoders and speech models both come from there; huggingface_hub alone takes a minute to notice
that it does not answer.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Thread

PATIENCE = 3.0
"""Seconds within which the hub has to answer."""


def trouble_with_hub(repo: str, filename: str, revision: str | None = None) -> str | None:
    """Asks the hub for a file; nothing is fetched.

    Args:
        repo: ``owner/name``.
        filename: path inside the repository.
        revision: branch, tag or full commit hash; None is the default branch.

    Returns:
        What stands in the way, in words; None where the hub answers, be it that it has no such
        file.
    """
    from huggingface_hub import constants, hf_hub_url

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    url = hf_hub_url(repo, filename, revision=revision)
    # A name server that hangs cannot be given a time limit, so the thread is left behind.
    answer: SimpleQueue[str | None] = SimpleQueue()
    Thread(target=lambda: answer.put(_probe(url)), daemon=True).start()
    try:
        trouble = answer.get(timeout=PATIENCE)
    except Empty:
        trouble = f"it did not answer within {PATIENCE:.0f} seconds"
    return trouble and f"the hub at {constants.ENDPOINT} cannot be reached: {trouble}"


def _probe(url: str) -> str | None:
    """Asks for a file; returns what is wrong, None where there is an answer."""
    from huggingface_hub import get_session

    try:
        # the client that downloads use as well, so that proxies and certificates are the same
        status = get_session().head(url, timeout=PATIENCE).status_code
    except Exception as error:  # of whichever HTTP client this huggingface_hub stands on
        return str(error) or type(error).__name__
    return f"it answers with HTTP status {status}" if status >= 500 or status == 407 else None
