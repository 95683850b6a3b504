"""OpenAI's official client, against a real server."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest

import mmsearch
from mmsearch.encoders.base import Embeddings
from mmsearch.testing import TinyEncoder
from tests.server.calls import calling


@pytest.fixture(scope="module")
def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none is needed", max_retries=0)


@pytest.fixture(scope="module")
def model(colours: mmsearch.Index) -> str:
    return colours.encoder_id


def _rows(answer: openai.types.CreateEmbeddingResponse) -> np.ndarray:
    return np.array([one.embedding for one in answer.data], dtype=np.float32)


def test_the_client_gets_the_embeddings_that_the_index_holds(
    client: openai.OpenAI, model: str, colours: mmsearch.Index
) -> None:
    texts = ["a red wall", "blue", "a red wall"]
    answer = client.embeddings.create(model=model, input=texts)  # asks for base64 by itself
    assert answer.model == model
    assert [one.index for one in answer.data] == [0, 1, 2]
    np.testing.assert_allclose(_rows(answer), colours.encoder.encode_texts(texts), atol=1e-6)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 7


def test_numbers_and_base64_are_the_same(client: openai.OpenAI, model: str, url: str) -> None:
    numbers = client.embeddings.create(model=model, input="green", encoding_format="float")
    raw = httpx.post(
        f"{url}/v1/embeddings",
        json={"model": model, "input": "green", "encoding_format": "base64"},
    ).json()["data"][0]["embedding"]
    row = np.frombuffer(base64.b64decode(raw), dtype="<f4")
    np.testing.assert_allclose(_rows(numbers)[0], row, atol=1e-7)


def test_an_image_comes_as_a_data_url_among_texts(
    client: openai.OpenAI, model: str, red: Path
) -> None:
    image = "data:image/jpeg;base64," + base64.b64encode(red.read_bytes()).decode()
    rows = _rows(client.embeddings.create(model=model, input=["green", image, "red"]))
    assert rows[1] @ rows[2] > 0.5 > rows[1] @ rows[0]


def test_a_model_is_an_encoder_with_or_without_revision_or_an_index(
    client: openai.OpenAI, model: str
) -> None:
    for name in (model, model.partition("@")[0], "colours", "second"):
        assert client.embeddings.create(model=name, input="red").model == model


def test_models_are_the_encoders_of_the_served_indexes(client: openai.OpenAI, model: str) -> None:
    assert [one.id for one in client.models.list()] == [model]
    found = client.models.retrieve(model)
    assert (found.id, found.owned_by) == (model, "mmsearch")
    assert found.created > 1_700_000_000


def test_another_model_is_not_taken_for_ours(client: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError, match="not served here") as told:
        client.embeddings.create(model="text-embedding-3-small", input="red")
    assert told.value.code == "model_not_found"
    assert told.value.param == "model"
    assert model in str(told.value)
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("text-embedding-3-small")


def test_only_the_models_own_dimensions_are_taken(
    client: openai.OpenAI, model: str, colours: mmsearch.Index
) -> None:
    dim = colours.encoder.dim
    assert _rows(client.embeddings.create(model=model, input="red", dimensions=dim)).shape == (
        1,
        dim,
    )
    with pytest.raises(openai.BadRequestError, match="not shortened") as told:
        client.embeddings.create(model=model, input="red", dimensions=dim - 1)
    assert told.value.param == "dimensions"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "empty"),
        ("", "empty"),
        (["red", "  "], r"input\[1\] is empty"),
        ([1, 2, 3], "Token ids"),
        ([[1, 2], [3]], "Token ids"),
        (["red"] * 2049, "2,049"),
        ("data:image/png;base64,???", "Base64"),
        ("data:image/png,raw", "Base64"),
    ],
)
def test_inputs_that_cannot_be_embedded_are_told(
    client: openai.OpenAI, model: str, given: object, told: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=told) as error:
        client.embeddings.create(model=model, input=given)  # type: ignore[arg-type]
    assert error.value.type == "invalid_request_error"


def test_a_data_url_that_is_no_image_is_told(client: openai.OpenAI, model: str) -> None:
    text = base64.b64encode(b"no photo at all").decode()
    with pytest.raises(openai.UnprocessableEntityError):
        client.embeddings.create(model=model, input=f"data:image/png;base64,{text}")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"input": "red"}', b'{"model": 3}'])
def test_a_body_that_is_no_request_is_told_in_openais_shape(url: str, body: bytes) -> None:
    answer = httpx.post(
        f"{url}/v1/embeddings", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_long_text_is_cut_as_everywhere(client: openai.OpenAI, model: str) -> None:
    assert len(client.embeddings.create(model=model, input="red " * 5000).data) == 1


class Strict(TinyEncoder):
    """Takes no halves of characters, as most tokenizers."""

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        for text in texts:
            text.encode()
        return super().encode_texts(texts)


def test_halves_of_characters_reach_no_encoder(colours: mmsearch.Index) -> None:
    body = r'{"model": "photos", "input": "red \ud800"}'
    with mmsearch.open(colours.path, encoder=Strict()) as index, calling(index) as client:
        headers = {"Content-Type": "application/json"}
        assert client.post("/v1/embeddings", content=body, headers=headers).status_code == 200
