"""Whisper models in the Hugging Face cache and on its hub.

Everything goes through huggingface_hub and so respects ``HF_ENDPOINT``, ``HF_HOME``,
``HF_HUB_OFFLINE``, proxies and tokens. What is cached is used without asking the network.
"""

from __future__ import annotations

import logging
from pathlib import Path

from mmsearch.errors import SpeechModelError
from mmsearch.hub import PATIENCE, trouble_with_hub

_log = logging.getLogger("mmsearch.media.speech")

_WEIGHTS = "model.bin"
_REQUIRED = (_WEIGHTS, "config.json", "tokenizer.json")
_FILES = (*_REQUIRED, "preprocessor_config.json", "vocabulary.*")


def cached(repo: str) -> Path | None:
    """The folder of a whole model in the local cache; never asks the network.

    Raises:
        SpeechModelError: ``repo`` is no name that a repository can have.
    """
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        paths = [
            try_to_load_from_cache(repo, name, cache_dir=constants.HF_HUB_CACHE)
            for name in _REQUIRED
        ]
    except HFValidationError as error:
        raise SpeechModelError(
            f"{repo!r} is no name of a repository on the hub: {error}"
        ) from error
    found = [Path(path) for path in paths if isinstance(path, str)]
    return found[0].parent if len(found) == len(_REQUIRED) else None


def fetch(repo: str) -> Path:
    """Returns the folder of a model from the cache, or downloads it.

    The folder's name is the repository's commit hash.

    Raises:
        SpeechModelError: it is not cached, and the hub does not answer within 3 seconds, breaks
            off, or has no such speech model.
    """
    if (folder := cached(repo)) is not None:
        return folder
    _require_hub(repo)
    return _download(repo)


def _require_hub(repo: str) -> None:
    """Raises SpeechModelError unless the hub answers soon."""
    if (trouble := trouble_with_hub(repo, _WEIGHTS)) is not None:
        raise _unreachable(repo, trouble)


def _download(repo: str) -> Path:
    from huggingface_hub import constants, errors, snapshot_download

    _log.info("Downloading the speech model %s", repo)
    try:
        folder = Path(
            snapshot_download(
                repo,
                allow_patterns=list(_FILES),
                cache_dir=constants.HF_HUB_CACHE,
                etag_timeout=PATIENCE,
            )
        )
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        raise SpeechModelError(
            f"The hub at {constants.ENDPOINT} does not give {repo} to you (HTTP status {status}); "
            "check the name. If it is right, log in with `hf auth login` or set HF_TOKEN."
        ) from error
    except Exception as error:
        raise SpeechModelError(
            f"The download of the speech model {repo} broke off "
            f"({str(error) or type(error).__name__}). Run the same command again to go on; files "
            "that came whole are kept."
        ) from error
    if missing := [name for name in _REQUIRED if not (folder / name).is_file()]:
        raise SpeechModelError(
            f"{repo} on the hub is no Whisper model in CTranslate2's format: it has no "
            f"{' and no '.join(missing)}. Convert it with `ct2-transformers-converter`, or name "
            "another one."
        )
    return folder


def _unreachable(repo: str, why: str) -> SpeechModelError:
    return SpeechModelError(
        f"The speech model {repo} is not cached, and {why}. Use `--speech-model auto` with `pip "
        "install 'mmsearch[speech]'`, which brings a small English model; or download the model "
        "on another machine and give its folder."
    )
