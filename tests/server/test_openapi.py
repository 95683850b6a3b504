"""What the OpenAPI document promises, asked by schemathesis: no server error, no surprise."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

import mmsearch
from mmsearch.server.app import create_app
from mmsearch.server.options import ServerOptions
from tests.server.calls import HOME

schemathesis = pytest.importorskip("schemathesis")


@pytest.fixture
def api(photo_index: mmsearch.Index):
    app = create_app({"photos": photo_index}, options=ServerOptions())
    loaded = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, base_url=HOME)
    # What is done there is done for as long as the server runs, or is asked for minutes.
    return loaded.exclude(path_regex="/jobs|^/mcp")


schema = schemathesis.pytest.from_fixture("api")


def test_every_operation_is_named_and_described(photo_index: mmsearch.Index) -> None:
    document = create_app({"photos": photo_index}).openapi()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    identities = [operation["operationId"] for operation in operations]
    assert len(identities) == len(set(identities))
    for operation in operations:
        assert operation["description"], operation["operationId"]
        assert (
            "200" in operation["responses"]
            or "204" in operation["responses"]
            or any(status.startswith("2") for status in operation["responses"])
        )


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_documented(case) -> None:
    case.path_parameters["index"] = "photos" if "index" in case.path_parameters else None
    case.call_and_validate()
