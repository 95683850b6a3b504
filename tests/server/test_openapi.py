"""What the OpenAPI document promises, asked by schemathesis: no server error, no surprise."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

import mmsearch
from mmsearch.server.app import create_app
from mmsearch.server.options import ServerOptions
from tests.server.calls import HOME

HOST = {"Host": HOME.removeprefix("http://")}


def test_every_operation_is_named_and_described(photo_index: mmsearch.Index) -> None:
    document = create_app({"photos": photo_index}).openapi()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    identities = [operation["operationId"] for operation in operations]
    assert len(identities) == len(set(identities))
    for operation in operations:
        assert operation["description"], operation["operationId"]
        assert any(status.startswith("2") for status in operation["responses"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_answers_are_as_documented(photo_index: mmsearch.Index) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    app = create_app({"photos": photo_index}, options=ServerOptions())
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers=HOST)
    # What indexes or streams does so for as long as the server runs.
    for result in schema.exclude(path_regex="/jobs|^/mcp").get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        def ask(case) -> None:
            if "index" in case.path_parameters:  # any other is a 404
                case.path_parameters["index"] = "photos"
            case.call_and_validate(headers=HOST, checks=checks)

        ask()
