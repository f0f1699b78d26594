"""What an action call gives back: values of the wrong type count as absent."""

from __future__ import annotations

import pytest

from arinova_agent_sync.action_results import (
    ActionCallResult,
    ActionConfirmation,
    ActionFailure,
    action_result,
)

ODD = [None, True, 0, 5, -1.5, 10**400, [], ["a"], {}, {"a": {}}]  # no string among them


class TestActionResult:
    def test_success(self) -> None:
        frame = {
            "id": "call_1",
            "action": "notes.create",
            "status": "success",
            "result": {"id": "n1"},
            "error": None,
            "traceId": "tr",
            "actionVersion": "2",
            "dryRun": False,
        }
        result = action_result(frame, "asked")
        assert result == ActionCallResult(
            "call_1", "notes.create", "success", {"id": "n1"}, None, None, "tr", "2", False, frame
        )
        assert result.raw is frame

    def test_error(self) -> None:
        frame = {"id": "c", "status": "error", "error": {"code": "denied", "message": "no", "details": [1]}}
        result = action_result(frame, "notes.create")
        assert result.action == "notes.create"
        assert result.error == ActionFailure("denied", "no", [1])
        assert result.result is None

    def test_confirmation(self) -> None:
        confirmation = {
            "confirmationId": "k",
            "title": "Sure?",
            "summary": "It deletes",
            "expiresAt": "later",
        }
        result = action_result(
            {"id": "c", "status": "requires_confirmation", "confirmation": confirmation}, "a"
        )
        assert result.confirmation == ActionConfirmation("k", "Sure?", "It deletes", "later")

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            ("denied", ActionFailure("", "denied")),
            ({}, ActionFailure("", "")),
            ({"code": 5, "message": ["no"]}, ActionFailure("", "")),
            (None, None),
            (5, None),
            (["denied"], None),
        ],
    )
    def test_forms_of_an_error(self, error: object, expected: object) -> None:
        assert action_result({"error": error}, "a").error == expected

    @pytest.mark.parametrize("value", ODD, ids=repr)
    def test_odd_values(self, value: object) -> None:
        keys = ["id", "action", "status", "result", "error", "confirmation", "traceId", "actionVersion"]
        result = action_result(dict.fromkeys(keys, value), "asked")
        assert (result.call_id, result.action, result.status) == ("", "asked", "error")
        assert (result.trace_id, result.action_version, result.dry_run) == (None, None, None)
        if not isinstance(value, dict):
            assert (result.result, result.error, result.confirmation) == (None, None, None)

    @pytest.mark.parametrize("value", [None, 0, 1, "true"], ids=repr)
    def test_dry_run_is_a_flag_or_absent(self, value: object) -> None:
        assert action_result({"dryRun": value}, "a").dry_run is None
        assert action_result({"dryRun": True}, "a").dry_run is True
