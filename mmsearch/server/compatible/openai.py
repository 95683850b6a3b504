"""What OpenAI's clients call for embeddings: of texts, and of images as data URLs.

After the reference of ``POST /v1/embeddings`` and ``GET /v1/models``. A model is the encoder of a
served index, so that what is embedded here can be compared with what the index holds.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

import anyio
import numpy as np
from fastapi import APIRouter, Body, Response
from fastapi import Path as PathParameter
from pydantic import BaseModel, Field

from mmsearch.encoders.base import DualEncoder, Embeddings
from mmsearch.errors import EncoderError, QueryError
from mmsearch.library import Index
from mmsearch.media.text import without_surrogates
from mmsearch.server.compatible.embedding import content_of, embed_image, encoder_of, is_data_url
from mmsearch.server.compatible.route import route_with_errors
from mmsearch.server.errors import refusals
from mmsearch.server.results import json_answer
from mmsearch.server.schemas import answers
from mmsearch.server.state import ServerState, State

MOST_INPUTS = 2048
"""As many as OpenAI takes in one request."""

_LONGEST_TEXT = 1_000_000  # characters; encoders cut far shorter ones

Input = Annotated[
    str | list[str] | list[int] | list[list[int]],
    Field(
        description="A text or several; an image as a data URL: `data:image/jpeg;base64,...`. "
        "Token ids are refused.",
        examples=["a dog on a beach"],
    ),
]


class EmbeddingRequest(BaseModel):
    """What is to be embedded."""

    model: str = Field(description="A model of `/v1/models`, or the name of an index.")
    input: Input
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="Numbers, or little-endian float32 in Base64."
    )
    dimensions: int | None = Field(
        default=None, description="Only as many as the model has; embeddings are not shortened."
    )
    user: str | None = Field(default=None, description="Accepted and ignored.")


class Embedding(BaseModel):
    """One embedding, of unit length."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """Words that were embedded; nothing is billed."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingAnswer(BaseModel):
    """The embeddings, in the order of the input."""

    object: Literal["list"] = "list"
    model: str
    data: list[Embedding]
    usage: Usage


class Model(BaseModel):
    """An encoder."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="When the first index of it was made, in seconds since 1970.")
    owned_by: str = "mmsearch"


class ModelList(BaseModel):
    """The encoders of the served indexes, that of the default index first."""

    object: Literal["list"] = "list"
    data: list[Model]


class InputError(QueryError):
    """A parameter cannot be taken as it is.

    Attributes:
        param: its name.
        code: what OpenAI calls the case.
    """

    def __init__(self, message: str, *, param: str, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", tags=["openai"], route_class=route_with_errors(_refused))
    routes.post(
        "/embeddings",
        operation_id="openai_embeddings",
        responses=answers(EmbeddingAnswer, "The embeddings.")
        | refusals(400, 404, 408, 413, 415, 422),
    )(embed)
    routes.get(
        "/models",
        operation_id="openai_models",
        responses=answers(ModelList, "The models.") | refusals(),
    )(list_models)
    routes.get(
        "/models/{model:path}",
        operation_id="openai_model",
        responses=answers(Model, "The model.") | refusals(404),
    )(get_model)
    return routes


async def embed(state: State, asked: Annotated[EmbeddingRequest, Body()]) -> Response:
    """Embeds texts and images, as OpenAI's clients ask for it.

    Texts and images are embedded into one space, that of the index whose encoder is named. A text
    that is longer than the encoder takes is cut.
    """
    inputs = _inputs(asked.input)
    work = partial(_answer, state, asked, inputs)
    is_slow = len(inputs) > 1
    return await (state.slow.run(work) if is_slow else anyio.to_thread.run_sync(work))


def list_models(state: State) -> Response:
    """The models that `/v1/embeddings` takes."""
    return json_answer({"object": "list", "data": list(_models(state).values())})


def get_model(
    state: State, model: Annotated[str, PathParameter(description="Id of a model.")]
) -> Response:
    """One of them."""
    index = _index_of(state, model)
    return json_answer(_models(state)[index.encoder_id])


def _answer(state: ServerState, asked: EmbeddingRequest, inputs: list[str]) -> Response:
    encoder = encoder_of(_index_of(state, asked.model))
    if asked.dimensions not in (None, encoder.dim):
        raise InputError(
            f"{encoder.id} makes embeddings of {encoder.dim} numbers, which are not shortened; "
            f"leave dimensions out, or give {encoder.dim}.",
            param="dimensions",
        )
    rows = _embedded(encoder, inputs, state.options.max_megapixels)
    tokens = sum(len(one.split()) for one in inputs if not is_data_url(one))
    return json_answer(
        {
            "object": "list",
            "model": encoder.id,
            "data": [
                {
                    "object": "embedding",
                    "index": number,
                    "embedding": _encoded(row) if asked.encoding_format == "base64" else row,
                }
                for number, row in enumerate(
                    rows if asked.encoding_format == "base64" else rows.tolist()
                )
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _models(state: ServerState) -> dict[str, dict[str, Any]]:
    """Encoders by their ids."""
    models: dict[str, dict[str, Any]] = {}
    for index in state.indexes.values():
        with index.reading() as reader:
            identity, made = reader.encoder().id, reader.created_at()
        created = int(datetime.fromisoformat(made).replace(tzinfo=UTC).timestamp())
        model = models.setdefault(
            identity,
            {"id": identity, "object": "model", "created": created, "owned_by": "mmsearch"},
        )
        model["created"] = min(model["created"], created)
    return models


def _index_of(state: ServerState, model: str) -> Index:
    """An index that is served under a name, or whose encoder has it, with or without revision."""
    if model in state.indexes:
        return state.indexes[model]
    known = {name: index.encoder_id for name, index in state.indexes.items()}
    for name, identity in known.items():
        if model in (identity, identity.rpartition("@")[0]):
            return state.indexes[name]
    raise UnknownModelError(
        f"The model {model!r} is not served here. Embeddings of different models cannot be "
        f"compared; these are served: {', '.join(dict.fromkeys(known.values()))}.",
        param="model",
        code="model_not_found",
    )


class UnknownModelError(InputError):
    """No served index has an encoder of this name."""


def _inputs(given: str | list[str] | list[int] | list[list[int]]) -> list[str]:
    """The texts and data URLs of a request.

    Raises:
        InputError: there are none, too many, or some that are no texts.
    """
    inputs = [given] if isinstance(given, str) else given
    if not inputs:
        raise InputError("input is empty: give at least one text.", param="input")
    if len(inputs) > MOST_INPUTS:
        raise InputError(
            f"input has {len(inputs):,} texts; give at most {MOST_INPUTS:,} in one request.",
            param="input",
        )
    texts = [one for one in inputs if isinstance(one, str)]
    if len(texts) < len(inputs):
        raise InputError(
            "Token ids are those of another model: send the texts themselves (with LangChain's "
            "OpenAIEmbeddings, set check_embedding_ctx_length=False).",
            param="input",
        )
    for number, text in enumerate(texts):
        if not text.strip():
            raise InputError(f"input[{number}] is empty.", param="input")
        if len(text) > _LONGEST_TEXT and not is_data_url(text):
            raise InputError(f"input[{number}] is too long to be one text.", param="input")
    return [one if is_data_url(one) else without_surrogates(one) for one in texts]


def _embedded(encoder: DualEncoder, inputs: list[str], max_megapixels: float) -> Embeddings:
    """A row for each input: float32, shape (n, dim)."""
    rows = np.empty((len(inputs), encoder.dim), dtype=np.float32)
    texts = [at for at, one in enumerate(inputs) if not is_data_url(one)]
    if texts:
        rows[texts] = encoder.encode_texts([inputs[at] for at in texts])
    for at in sorted(set(range(len(inputs))) - set(texts)):
        rows[at] = embed_image(encoder, content_of(inputs[at]), max_megapixels=max_megapixels)
    return rows


def _encoded(row: Embeddings) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")


def _refused(error: Exception, status: int, message: str) -> Response:
    """An error in OpenAI's shape."""
    param, code = None, None
    if isinstance(error, InputError):
        param, code = error.param, error.code
    if isinstance(error, UnknownModelError):
        status = 404
    kind = "server_error" if isinstance(error, EncoderError) else "invalid_request_error"
    detail = {"message": message, "type": kind, "param": param, "code": code}
    return json_answer({"error": detail}, status)
