"""The HTTP side of Arinova: ArinovaClient, usable alone or as an agent's ``api``."""

from .client import ArinovaClient
from .fetch import Budget
from .multipart import FilePart
from .pages import Page, Pages

__all__ = ["ArinovaClient", "Budget", "FilePart", "Page", "Pages"]
