"""The rows of the table, in its order: what is measured, beside whom, and how good it has to be."""

from ..row import Row
from . import (
    agents,
    conversations,
    dispatch,
    endurance,
    executors,
    idle,
    imports,
    inbound,
    pace,
    stream,
    threads,
    tls,
)

ROWS: list[Row] = [
    *stream.ROWS,
    *pace.ROWS,
    *threads.ROWS,
    *tls.ROWS,
    *inbound.ROWS,
    *dispatch.ROWS,
    *conversations.ROWS,
    *idle.ROWS,
    *agents.ROWS,
    *executors.ROWS,
    *imports.ROWS,
    *endurance.ROWS,
]
