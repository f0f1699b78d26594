"""Retry-After, in seconds and as a date."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.net.retry_after import retry_after

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1e9, allow_nan=False))
def test_retry_after_in_seconds(seconds: float) -> None:
    text = f"{seconds:.3f}"
    assert retry_after(text) == float(text)


@settings(max_examples=60, deadline=None)
@given(st.datetimes(datetime(1970, 1, 2), datetime(2037, 1, 1), timezones=st.just(timezone.utc)))
def test_retry_after_as_any_of_the_three_dates(date: datetime) -> None:
    date = date.replace(microsecond=0)
    imf = format_datetime(date, usegmt=True)
    rfc850 = f"{DAYS[date.weekday()]}, {date:%d-%b-%y %H:%M:%S} GMT"
    asctime = f"{date:%a %b} {date.day:2d} {date:%H:%M:%S %Y}"
    for text in (imf, asctime, rfc850):
        expected = max(0.0, date.timestamp() - time.time())
        found = retry_after(text)
        assert found is not None
        assert found == pytest.approx(expected, abs=5)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs tzset")
def test_a_date_without_a_zone_is_in_utc_wherever_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    date = datetime.now(timezone.utc) + timedelta(minutes=10)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "America/New_York")
        time.tzset()
        found = retry_after(f"{date:%a %b} {date.day:2d} {date:%H:%M:%S %Y}")
    time.tzset()
    assert found == pytest.approx(600, abs=5)


def test_retry_after_in_the_past_means_now() -> None:
    past = format_datetime(datetime.now(timezone.utc) - timedelta(days=1), usegmt=True)
    assert retry_after(past) == 0.0


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_odd_retry_afters_are_no_advice(text: str) -> None:
    found = retry_after(text)
    assert found is None or found >= 0


@pytest.mark.parametrize("text", ["", "-1", "inf", "nan", "1e3", "soon", "Thu, 99 Foo 2026 99:99:99 GMT"])
def test_wrong_retry_afters(text: str) -> None:
    assert retry_after(text) is None
