"""A KIE.AI of our own: an address in KIE_API_BASE_URL, never an if in the product's code."""

from generation.kie.sandbox.server import RequestSeen, Sandbox, accept_everything
from generation.kie.sandbox.tasks import SandboxTask
from generation.kie.sandbox.words import WORDS

__all__ = ["WORDS", "RequestSeen", "Sandbox", "SandboxTask", "accept_everything"]
