"""The kinds of things that agents keep on the server, described as data, and the routes that they share.

What is special about a kind is a function that its description names, or a route of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from msgspec import Struct
from starlette.responses import Response

from ..records import new_id
from .exchange import ApiRequest, Body, Values, answer, done, empty, refuse
from .store import Row, now

# What SQLite has no type for, by the keys in answers.
_JSON = ("labels", "tags", "parameters", "config")
_FLAGS = ("archived", "isDefault", "isEnabled", "isPinned")


@dataclass(frozen=True, eq=False)
class Kind:
    """Describe one kind of thing.

    Attributes:
        table: where it is kept.
        noun: what refusals call it.
        shown: the columns that answers show, in camel case.
        also: what they show besides: SQL expressions by key.
        august: the same for answers of August 2026 only.
        source: what the expressions are over; the table by default.
        only: SQL condition for those that are there.
        order: how they stand in lists; as they were made by default.
        key: what a list is wrapped in; an array by default.
        parent: what it is a part of, and the path of its list names.
        grants: whose grants decide who may use it, those of its notebook or board; no one's by default.
        place: SQL expression for the id of that.
        permit: decides in the place of grants; is given the thing's id and whether it would change.
        missing: the status for one that is not there.
        new: the body that creates one.
        edit: the body that changes one.
        edit_august: the same in August 2026, if it is another.
        empty_edit: whether a change of nothing is taken.
        ok: whether the March 2026 server says no more than "ok" to a change or deletion.
        stamps: the columns for the times of its making and of its latest change.
        adding: completes or refuses a new one; is given its parent's id and its values.
        changing: completes or refuses a change; is given the thing's id and the values.
        removing: refuses or prepares a deletion; is given the thing's id.
    """

    table: str
    noun: str
    shown: str
    also: Mapping[str, str] = field(default_factory=dict)
    august: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    only: str = "1"
    order: str = ""
    key: str = ""
    parent: Kind | None = None
    grants: Literal["", "board", "notebook"] = ""
    place: str = ""
    permit: Callable[[ApiRequest, str, bool], object] | None = None
    missing: int = 404
    new: Body = Struct
    edit: Body = Struct
    edit_august: Body | None = None
    empty_edit: bool = False
    ok: bool = False
    stamps: str = "created_at updated_at"
    adding: Callable[[ApiRequest, str, Values], None] | None = None
    changing: Callable[[ApiRequest, str, Values], None] | None = None
    removing: Callable[[ApiRequest, str], None] | None = None

    @cached_property
    def _decoders(self) -> list[tuple[str, Callable[[Any], object]]]:
        keys = [*map(_camel, self.shown.split()), *self.also, *self.august]
        lists = [(key, json.loads) for key in keys if key in _JSON]
        return [*lists, *((key, bool) for key in keys if key in _FLAGS)]

    @cached_property
    def _selects(self) -> Mapping[bool, str]:
        plain = {_camel(column): f"{self.table}.{column}" for column in self.shown.split()}
        shapes = {False: {**plain, **self.also}, True: {**plain, **self.also, **self.august}}
        return {
            august: f"SELECT {', '.join(f'{sql} AS {key}' for key, sql in shape.items())} FROM {self._from}"
            for august, shape in shapes.items()
        }

    @property
    def granted(self) -> str:
        """SQL condition for those that the agent in its parameter may use."""
        place = self.place or f"{self.grants}_id"
        return f"{place} IN (SELECT {self.grants}_id FROM {self.grants}_grants WHERE agent_id = ?)"

    @property
    def _link(self) -> str:
        return f"{self.noun.lower()}_id"  # the column that its parts have for it

    @property
    def _from(self) -> str:
        return f"{self.source or self.table} WHERE {self.only}"

    def rows(
        self,
        request: ApiRequest,
        where: str,
        *values: object,
        page: tuple[int, int] = (-1, 0),
        order: str = "",
    ) -> list[Row]:
        """Return things as they are shown, or a page of them, in their own order by default."""
        order = order or self.order or f"{self.table}.rowid"
        sql = f"{self._selects[request.august]} AND {where} ORDER BY {order} LIMIT ? OFFSET ?"
        found = request.store.rows(sql, *values, *page)
        for row in found:
            row.update((key, decode(row[key])) for key, decode in self._decoders if key in row)
        return found

    def get(self, request: ApiRequest, thing_id: str) -> Row:
        """Return one thing as it is shown; nobody is asked for a permission."""
        return self.rows(request, f"{self.table}.id = ?", thing_id)[0]

    def check(self, request: ApiRequest, thing_id: str, write: bool = False) -> str:
        """Return the id of the notebook or board that a thing is in; refuse what is not there or not allowed."""
        column = self.place or (f"{self.grants}_id" if self.grants else "1")
        place = request.store.value(f"SELECT {column} FROM {self._from} AND {self.table}.id = ?", thing_id)
        if place is None:
            refuse(self.missing, f"{self.noun} not found")
        if self.permit is not None:
            self.permit(request, thing_id, write)
        # In March 2026, who owns a board may change it through any agent.
        if self.grants == "notebook" or (self.grants and (request.august or not write)):
            sql = f"SELECT 1 FROM {self.grants}_grants WHERE {self.grants}_id = ? AND agent_id = ?"
            if request.store.value(sql, place, request.agent_id) is None:
                refuse(403, f"No access to this {self.grants}")
        return str(place)

    def add(self, request: ApiRequest, values: Values) -> str:
        """Add a thing and return its id."""
        thing_id = new_id()
        stamps = dict.fromkeys(self.stamps.split(), now())
        request.store.insert(self.table, id=thing_id, **_kept(values), **stamps)
        return thing_id

    def change(self, request: ApiRequest, thing_id: str, values: Values) -> None:
        """Change columns of a thing."""
        stamps = dict.fromkeys(self.stamps.split()[1:], now())
        if values:
            request.store.update(self.table, thing_id, **_kept(values), **stamps)

    # Routes

    def lists(self, request: ApiRequest) -> Response:
        """Answer with what its parent has of it; without a parent, with what the agent may use."""
        where, value = self.granted, request.agent_id
        if self.parent is not None:
            where, value = f"{self.parent._link} = ?", request.id()
            self.parent.check(request, value)
        found = self.rows(request, where, value)
        return answer({self.key: found} if self.key else found)

    def creates(self, request: ApiRequest) -> Response:
        """Make one in its parent."""
        assert self.parent is not None
        parent_id, values = request.id(), request.read(self.new)
        self.parent.check(request, parent_id, write=True)
        if self.adding is not None:
            self.adding(request, parent_id, values)
        return answer(self.get(request, self.add(request, {**values, self.parent._link: parent_id})), 201)

    def shows(self, request: ApiRequest) -> Response:
        """Answer with one."""
        self.check(request, request.id())
        return answer(self.get(request, request.id()))

    def updates(self, request: ApiRequest) -> Response:
        """Change one."""
        edit = (self.edit_august if request.august else None) or self.edit
        thing_id, values = request.id(), request.read(edit)
        self.check(request, thing_id, write=True)
        if not values and not self.empty_edit:
            refuse(400, "No fields to update")
        if self.changing is not None:
            self.changing(request, thing_id, values)
        self.change(request, thing_id, values)
        return done() if self.ok and not request.august else answer(self.get(request, thing_id))

    def deletes(self, request: ApiRequest) -> Response:
        """Delete one."""
        thing_id = request.id()
        self.check(request, thing_id, write=True)
        if self.removing is not None:
            self.removing(request, thing_id)
        request.store.run(f"DELETE FROM {self.table} WHERE id = ?", thing_id)
        return done() if self.ok and not request.august else empty()


def utc(column: str) -> str:
    """Return SQL for a time that ends with Z, as only some of the server's do."""
    return f"replace({column}, '+00:00', 'Z')"


def _camel(column: str) -> str:
    first, *rest = column.split("_")
    return first + "".join(map(str.capitalize, rest))


def _kept(values: Values) -> Values:
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in values.items()}
