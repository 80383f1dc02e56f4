"""A KIE.AI of our own: an address in KIE_API_BASE_URL, never an if in the product's code."""

from collections.abc import Mapping
from typing import Any

from generation.kie.sandbox.books import RequestBook, RequestSeen
from generation.kie.sandbox.catalogue import ModelOnOffer
from generation.kie.sandbox.faults import CALLBACK, CREATION, FILE, QUESTION, Fault, Faults
from generation.kie.sandbox.orders import Creation
from generation.kie.sandbox.server import Sandbox, accept_everything
from generation.kie.sandbox.tasks import SandboxTask
from generation.kie.sandbox.words import WORDS

# What can go wrong by chance, by the kind of call.
FAULTS: Mapping[str, Mapping[str, Fault[Any]]] = {
    "creation": CREATION,
    "question": QUESTION,
    "file": FILE,
    "callback": CALLBACK,
}

__all__ = [
    "FAULTS",
    "WORDS",
    "Creation",
    "Faults",
    "ModelOnOffer",
    "RequestBook",
    "RequestSeen",
    "Sandbox",
    "SandboxTask",
    "accept_everything",
]
