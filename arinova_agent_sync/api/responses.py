"""An answer's JSON, and the shapes that the two server generations give it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from ..errors import ApiError
from ..redacted_json import redact_json
from ..redaction import redact, redact_error
from .records import Model, Unfit, parse
from .values import JSON, JSONObject

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class ApiResponse:
    """The JSON of a successful answer (None for an empty one), what it answers, and with which token."""

    request: str
    status: int
    value: JSON
    token: str = field(default="", repr=False)

    def object(self) -> JSONObject:
        """Return the answer's object; an empty answer counts as an empty object."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise self.unexpected(f"a JSON object was expected, not {type(self.value).__name__}")
        return self.value

    def model(self, kind: type[M]) -> M:
        """Return the answer as a model."""
        return self._parse(kind, self.value)

    def model_if_sent(self, kind: type[M]) -> M | None:
        """Return the answer as a model, None for an empty answer or one like {"ok": true}."""
        if isinstance(self.value, dict) and "id" in self.value:
            return self._parse(kind, self.value)
        return None

    def made(self, kind: type[M]) -> M:
        """Return what was made, as a model; raise an error that says it was made if the server does not show it."""
        model = self.model_if_sent(kind)
        if model is None:
            raise self.unshown(kind.__name__.lower())
        return model

    def objects(self, key: str) -> list[JSONObject]:
        """Return the objects of an answer that is a list, or an object with a list under this key.

        Where the documents show no key, the only list of the object is taken.
        """
        items = self.value
        if isinstance(items, dict):
            lists = [value for value in items.values() if isinstance(value, list)]
            items = items.get(key, lists[0] if len(lists) == 1 else None)
        if not isinstance(items, list):
            raise self.unexpected(f"a list of {key} was expected")
        objects = [item for item in items if isinstance(item, dict)]
        if len(objects) != len(items):
            raise self.unexpected(f"the list of {key} must hold JSON objects alone")
        return objects

    def models(self, kind: type[M], key: str) -> list[M]:
        """Return the models of an answer that is a list, or an object with a list under this key."""
        return [self._parse(kind, item) for item in self.objects(key)]

    def unexpected(self, what: str) -> ApiError:
        """Return the error for an answer of another shape."""
        return ApiError(
            f"{self.request} returned an unexpected answer: {what}",
            status=self.status,
            body=redact_json(self.value, self.token),
            request=self.request,
        )

    def unshown(self, what: str, more: str = "") -> ApiError:
        """Return the error for a change that was made, of which the server does not show the outcome."""
        return ApiError(
            f"{self.request} was done, but the server sent no {what} back{more}",
            status=self.status,
            body=redact_json(self.value, self.token),
            request=self.request,
        )

    def _parse(self, kind: type[M], value: JSON) -> M:
        try:
            return parse(kind, value)
        except Unfit as error:
            raise self.unexpected(redact(str(error), self.token)) from redact_error(error, self.token)
