"""KIE.AI's API as it documents it (tests/data/kie/openapi.json), to hold answers and calls against.

Where the pages are silent or contradict each other, the document says what clients have seen.
"""

import json
import re
from functools import cache

import fastjsonschema

from tests.conftest import EXAMPLES

CONTENT = ("content", "application/json", "schema")
CALLBACK = ("callbacks", "completed", "{$request.body#/callBackUrl}", "post", "requestBody")


@cache
def document():
    return json.loads((EXAMPLES / "openapi.json").read_text())


def assert_documented_answer(method, path, answer):
    """This may be the answer to such a call."""
    _validator(_template(path), method.lower(), "responses", "200", *CONTENT)(answer)


def assert_documented_request(path, body):
    """This may be the body of such a call."""
    _validator(_template(path), "post", "requestBody", *CONTENT)(body)


def assert_documented_callback(create_path, body):
    """This may be what is posted back about a task that was made there."""
    _validator(create_path, "post", *CALLBACK, *CONTENT)(body)


def _template(path):
    return next(x for x in document()["paths"] if re.fullmatch(re.sub(r"{\w+}", ".+", x), path))


@cache
def _validator(*steps):
    schema = document()["paths"]
    for step in steps:
        schema = _followed(schema[step])
    # Its references lead into the document, so it has to stand in there.
    return fastjsonschema.compile({**document(), **schema})


def _followed(node):
    if "$ref" not in node:
        return node
    found = document()
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return _followed(found)
