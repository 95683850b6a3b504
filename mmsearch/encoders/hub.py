"""Weights and tokenizers from the Hugging Face hub.

Everything goes through huggingface_hub and so respects ``HF_ENDPOINT``, ``HF_HOME``,
``HF_HUB_OFFLINE``, proxies and tokens, and shares its cache with other programs. Its progress
bar is drawn on standard error where that is a terminal; ``HF_HUB_DISABLE_PROGRESS_BARS=1``
turns it off. What is cached is used without asking the network.
"""

from __future__ import annotations

import errno
import glob
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mmsearch.errors import EncoderError, HubUnreachableError, WeightsError
from mmsearch.hub import PATIENCE, trouble_with_hub

_log = logging.getLogger("mmsearch.encoders.hub")

WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
"""File names under which open_clip repositories hold safetensors, in order of preference."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository in the local cache.

    Attributes:
        path: where it lies.
        revision: the repository's commit hash that it belongs to.
    """

    path: Path
    revision: str


def cached(repo: str, filename: str, revision: str | None = None) -> HubFile | None:
    """Looks a file up in the local cache; never asks the network.

    Args:
        repo: ``owner/name``.
        filename: path inside the repository.
        revision: branch, tag or full commit hash; None is the default branch as last seen.

    Raises:
        WeightsError: ``repo`` is no name that a repository can have.
    """
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    cache = constants.HF_HUB_CACHE
    try:
        found = try_to_load_from_cache(repo, filename, cache_dir=cache, revision=revision)
    except HFValidationError as error:
        raise WeightsError(f"{repo!r} is no name of a repository on the hub: {error}") from error
    return _file(found, filename) if isinstance(found, str) else None


def fetch(repo: str, filename: str, revision: str | None = None) -> HubFile:
    """Returns a file from the cache, or downloads it.

    Raises:
        HubUnreachableError: it is not cached, and the hub does not answer within 3 seconds or
            breaks off.
        WeightsError: the hub has no such file, or does not give it to this user.
    """
    found = fetch_first(repo, (filename,), revision)
    if found is None:
        raise WeightsError(f"{repo} on the hub at {_endpoint()} has no file {filename}.")
    return found


def fetch_first(repo: str, filenames: Sequence[str], revision: str | None = None) -> HubFile | None:
    """Returns the first of ``filenames`` that the repository has; None where it has none.

    Raises:
        HubUnreachableError: as :func:`fetch`.
        WeightsError: there is no such repository, or it is closed to this user.
    """
    for filename in filenames:
        if (found := cached(repo, filename, revision)) is not None:
            return found
    _require_hub(repo, filenames[0], revision)
    for filename in filenames:
        if (found := _download(repo, filename, revision)) is not None:
            return found
    return None


def require(repo: str, filenames: Sequence[str] = WEIGHTS, revision: str | None = None) -> None:
    """Makes sure that one of ``filenames`` is cached, or that the hub answers; fetches nothing.

    Raises:
        HubUnreachableError: neither is so.
        WeightsError: ``repo`` is no name that a repository can have.
    """
    if all(cached(repo, filename, revision) is None for filename in filenames):
        _require_hub(repo, filenames[0], revision)


def fetch_weights(
    repo: str, revision: str | None = None, *, names: Sequence[str] = WEIGHTS
) -> HubFile:
    """Returns a repository's weights; only safetensors are ever fetched.

    Raises:
        HubUnreachableError: as :func:`fetch`.
        WeightsError: the repository holds no safetensors, does not exist or is closed.
    """
    found = fetch_first(repo, names, revision)
    if found is None:
        raise WeightsError(
            f"{repo} on the hub at {_endpoint()} holds no weights as safetensors "
            f"({' or '.join(names)}), and other formats can carry programs. If you trust its "
            "checkpoint, download it yourself and use `--model ARCH:FILE`."
        )
    return found


def cached_weights(repo: str, *, names: Sequence[str] = WEIGHTS) -> HubFile | None:
    """A repository's weights where they are in the local cache; never asks the network."""
    for name in names:
        if (found := cached(repo, name)) is not None:
            return found
    return None


def cached_repositories(filename: str) -> Iterable[str]:
    """Names the repositories of which ``filename`` is in the local cache."""
    from huggingface_hub import constants

    for folder in sorted(Path(constants.HF_HUB_CACHE).glob("models--*")):
        repo = folder.name.removeprefix("models--").replace("--", "/")
        with suppress(WeightsError):  # a folder of another program
            if cached(repo, filename) is not None:
                yield repo


def holds(commit: str) -> bool:
    """Whether anything of this commit of any repository is in the local cache."""
    from huggingface_hub import constants

    return any(Path(constants.HF_HUB_CACHE).glob(f"models--*/snapshots/{glob.escape(commit)}/*"))


def _file(path: str, filename: str) -> HubFile:
    # .../snapshots/<commit>/<filename>, where the file name may hold folders
    snapshot = Path(path).parents[filename.count("/")]
    return HubFile(Path(path), snapshot.name)


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _require_hub(repo: str, filename: str, revision: str | None) -> None:
    """Raises HubUnreachableError unless the hub answers soon."""
    if (trouble := trouble_with_hub(repo, filename, revision)) is not None:
        raise _unreachable(repo, trouble)


def _download(repo: str, filename: str, revision: str | None) -> HubFile | None:
    from huggingface_hub import constants, errors, hf_hub_download

    _log.info("Downloading %s of %s", filename, repo)
    try:
        path = hf_hub_download(
            repo,
            filename,
            revision=revision,
            cache_dir=constants.HF_HUB_CACHE,
            etag_timeout=PATIENCE,
        )
    except errors.LocalEntryNotFoundError as error:  # how other trouble with the hub is wrapped
        cause = error.__cause__
        if isinstance(cause, errors.HfHubHTTPError):
            raise _refused(repo, revision, cause.response.status_code) from error
        raise _unreachable(repo, f"the hub at {_endpoint()} does not answer: {cause}") from error
    except errors.EntryNotFoundError:
        return None
    except errors.HfHubHTTPError as error:
        raise _refused(repo, revision, error.response.status_code) from error
    except Exception as error:
        raise _broken(repo, filename, error) from error
    return _file(path, filename)


def _refused(repo: str, revision: str | None, status: int) -> EncoderError:
    hub = f"The hub at {_endpoint()}"
    if status in (401, 403):
        return WeightsError(
            f"{hub} does not give {repo} to you (HTTP status {status}): check the name; if it is "
            "right, accept its terms on the hub and log in with `hf auth login` or set HF_TOKEN."
        )
    if status == 404:
        at = f" at revision {revision}" if revision else ""
        return WeightsError(f"{hub} has no repository {repo}{at}; check the name.")
    return _unreachable(repo, f"{hub[0].lower()}{hub[1:]} answers with HTTP status {status}")


def _broken(repo: str, filename: str, error: Exception) -> EncoderError:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS):
        return WeightsError(
            f"{filename} of {repo} cannot be stored: {error}. Make room, or set HF_HOME to a "
            "folder that can be written to."
        )
    why = f"the download of {filename} of {repo} broke off ({str(error) or type(error).__name__})"
    return HubUnreachableError(
        f"{why[0].upper()}{why[1:]}. Run the same command again to go on; files that came whole "
        "are kept.",
        why=why,
    )


def _unreachable(repo: str, why: str) -> HubUnreachableError:
    why = f"{repo} is not cached, and {why}"
    return HubUnreachableError(
        f"{why}. Use `--model embedded`, which needs no download; or download the weights on "
        "another machine and use `--model ARCH:FILE`; or set HF_ENDPOINT or HTTPS_PROXY to reach "
        "the hub another way, or HF_HOME to a folder that has them cached.",
        why=why,
    )
