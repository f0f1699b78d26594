"""What a server asks for in the header Retry-After. Nothing is imported late: a recovery may rest on it."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone

__all__ = ["retry_after"]

_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]*)?|\.[0-9]+")
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_MONTH = r"(?P<month>[a-z]{3})"
_DATES = (  # RFC 9110, section 5.6.7
    re.compile(
        rf"[a-z]{{3,9}}, (?P<day>\d\d?)[ -]{_MONTH}[ -](?P<year>\d{{4}}|\d\d) {_TIME} (GMT|UTC)", re.I
    ),
    re.compile(rf"[a-z]{{3}} {_MONTH} +(?P<day>\d\d?) {_TIME} (?P<year>\d{{4}})", re.I),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def retry_after(value: str) -> float | None:
    """Return the seconds that the server asks to wait, from a number or any of HTTP's three dates, else None."""
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    for form in _DATES:
        if found := form.fullmatch(value):
            return _until(found)
    return None


def _until(date: re.Match[str]) -> float | None:
    month, year = date["month"].lower(), int(date["year"])
    if month not in _MONTHS:
        return None
    if len(date["year"]) == 2:
        year += 2000 if year < 70 else 1900
    day, hour, minute, second = (int(date[part]) for part in ("day", "hour", "minute", "second"))
    try:
        moment = datetime(year, _MONTHS.index(month) + 1, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError:  # there is no such day or time
        return None
    return max(0.0, moment.timestamp() - time.time())
