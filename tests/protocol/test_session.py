"""What each received frame means, given what came before."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.protocol.session import (
    ActionProgressed,
    ActionSettled,
    Authenticated,
    Event,
    Ignored,
    JSONObject,
    OnboardingSeed,
    Ponged,
    Refused,
    Session,
    TaskArrived,
    TaskMalformed,
    TaskStopped,
    TokenClaim,
    refusal,
)

AUTH_OK: JSONObject = {"type": "auth_ok", "agentName": "Ann"}
NOBODY = Authenticated(None, None, None, None)
SEED = {
    "kind": "first_touch_opening",
    "seedId": "s1",
    "agentId": "a1",
    "action": "greet",
    "prompt": "Say hello",
}
ODD = [None, True, 0, 5, -1.5, 10**400, [], ["a"], {}, {"a": {}}, [[{}]]]  # no string among them


def task(task_id: str, **fields: object) -> JSONObject:
    return {"type": "task", "taskId": task_id, "conversationId": "c1", "content": "hello", **fields}


def task_arrived(task_id: str, payload: JSONObject, size: int = 0, connection: int = 0) -> TaskArrived:
    conversation_id = payload.get("conversationId")
    known = conversation_id if isinstance(conversation_id, str) else None
    return TaskArrived(task_id, payload, size, known, connection)


def online() -> Session:
    session = Session(most_early_tasks=2)
    session.received(AUTH_OK)
    return session


def meaning(message: JSONObject) -> Event:
    """Return the one thing that a frame means on an authenticated connection."""
    (event,) = online().received(message)
    return event


class TestAuthentication:
    def test_the_march_server_tells_the_name_alone(self) -> None:
        session = Session(2)
        assert not session.authenticated
        assert session.received(AUTH_OK) == [Authenticated(None, "Ann", None, None)]
        assert session.authenticated

    def test_the_august_server_tells_more(self) -> None:
        message = {
            "type": "auth_ok",
            "agentId": "a1",
            "permanentToken": "ari_new",
            "onboardingSeed": SEED,
            "unknown": 1,
        }
        seed = OnboardingSeed("s1", "a1", "greet", "Say hello")
        assert Session(2).received(message) == [Authenticated("a1", None, "ari_new", seed)]

    @pytest.mark.parametrize("key", ["agentId", "agentName", "permanentToken", "onboardingSeed"])
    @pytest.mark.parametrize("value", [*ODD, ""], ids=repr)
    def test_odd_values_count_as_absent(self, key: str, value: object) -> None:
        assert meaning({"type": "auth_ok", key: value}) == NOBODY

    @pytest.mark.parametrize("key", SEED)
    @pytest.mark.parametrize("value", [*ODD, "", "other"], ids=repr)
    def test_an_ill_typed_seed_is_dropped(self, key: str, value: object) -> None:
        event = meaning({"type": "auth_ok", "onboardingSeed": {**SEED, key: value}})
        assert isinstance(event, Authenticated)
        if value == "other" and key != "kind":
            assert event.onboarding_seed is not None
        else:
            assert event == NOBODY

    @pytest.mark.parametrize("key", SEED)
    def test_an_incomplete_seed_is_dropped(self, key: str) -> None:
        seed = {name: value for name, value in SEED.items() if name != key}
        assert meaning({"type": "auth_ok", "onboardingSeed": seed}) == NOBODY

    def test_a_second_auth_ok_counts_again(self) -> None:
        session = online()
        assert session.received({"type": "auth_ok", "agentName": "Bob"}) == [
            Authenticated(None, "Bob", None, None)
        ]
        assert session.received(task("t1")) == [task_arrived("t1", task("t1"))]

    def test_the_token_is_not_shown(self) -> None:
        event = Authenticated("a1", "Ann", "ari_secret", None)
        assert repr(event) == (
            "Authenticated(agent_id='a1', agent_name='Ann', permanent_token='***', onboarding_seed=None)"
        )
        assert "permanent_token=None" in repr(NOBODY)
        assert "ari_secret" not in f"{event} {event!r} {[event]}"


class TestRefusal:
    @pytest.mark.parametrize(
        ("message", "refused"),
        [
            # The March 2026 server's three texts, never with a code.
            ({"error": "Invalid bot token"}, Refused("Invalid bot token", None, False)),
            ({"error": "IP address not in whitelist"}, Refused("IP address not in whitelist", None, False)),
            ({"error": "Authentication timeout"}, Refused("Authentication timeout", None, True)),
            # The August 2026 forms: flat or nested, a flag or not.
            ({"message": "no", "code": "REVOKED"}, Refused("no", "REVOKED", False)),
            ({"error": {"message": "no", "code": "REVOKED"}}, Refused("no", "REVOKED", False)),
            ({"error": {"message": "later", "code": "503"}}, Refused("later", "503", True)),
            ({"error": {"message": "later", "code": 503}}, Refused("later", "503", True)),
            ({"error": "later", "code": "auth_timeout"}, Refused("later", "auth_timeout", True)),
            ({"error": "a", "message": "b"}, Refused("a", None, False)),
            ({"error": {"message": "a"}, "message": "b"}, Refused("a", None, False)),
            ({"error": {}, "message": "b"}, Refused("b", None, False)),
            ({"error": "", "message": "b"}, Refused("b", None, False)),
            ({"error": {"code": "x"}, "code": "y"}, Refused("the server gave no reason", "y", False)),
            # The flag wins over the code and the text.
            ({"error": "no", "retryable": True}, Refused("no", None, True)),
            ({"error": "no", "code": "503", "retryable": False}, Refused("no", "503", False)),
            ({"error": "Authentication timeout", "retryable": False},
             Refused("Authentication timeout", None, False)),
            ({"error": {"message": "no", "retryable": True}}, Refused("no", None, False)),
            ({"error": "no", "retryable": "true"}, Refused("no", None, False)),
            # The text alone decides nothing.
            ({"error": "SERVICE_UNAVAILABLE"}, Refused("SERVICE_UNAVAILABLE", None, False)),
            ({"error": "authentication timeout"}, Refused("authentication timeout", None, False)),
            ({}, Refused("the server gave no reason", None, False)),
        ],
    )  # fmt: skip
    def test_forms(self, message: JSONObject, refused: Refused) -> None:
        assert refusal(message) == refused
        assert Session(2).received({"type": "auth_error", **message}) == [refused]
        assert meaning({"type": "auth_error", **message}) == refused

    @pytest.mark.parametrize(
        ("code", "retryable"),
        [
            *[
                (code, True)
                for code in (
                    "AUTH_TIMEOUT",
                    "AUTH_SERVICE_UNAVAILABLE",
                    "CONNECTION_UNAVAILABLE",
                    "GATEWAY_TIMEOUT",
                    "NETWORK_ERROR",
                    "SERVICE_UNAVAILABLE",
                    "TEMPORARILY_UNAVAILABLE",
                    "502",
                    "503",
                    "504",
                )
            ],
            ("Network_Error", True),
            (502, True),
            (504, True),
            ("500", False),
            (500, False),
            (503.0, False),
            (True, False),
            ("INVALID_TOKEN", False),
            ("AUTH_TIMEOUT ", False),
            ("", False),
            (None, False),
        ],
    )
    def test_which_codes_are_retried(self, code: object, retryable: bool) -> None:
        assert refusal({"code": code}).retryable is retryable
        assert refusal({"error": {"code": code}}).retryable is retryable

    @pytest.mark.parametrize("key", ["error", "message"])
    @pytest.mark.parametrize("value", [*ODD, ""], ids=repr)
    def test_odd_values(self, key: str, value: object) -> None:
        assert refusal({key: value}) == Refused("the server gave no reason", None, False)

    def test_it_does_not_end_the_session(self) -> None:
        session = online()
        session.received({"type": "auth_error", "error": "Invalid bot token"})
        assert session.received(task("t1")) == [task_arrived("t1", task("t1"))]


class TestClaim:
    def test_claim(self) -> None:
        message = {"type": "claim_ok", "agentId": "a1", "permanentToken": "ari_new", "tokenId": "k1"}
        session = Session(2)
        assert session.received(message) == [TokenClaim("a1", "ari_new", "k1")]
        assert not session.authenticated

    @pytest.mark.parametrize("value", [*ODD, ""], ids=repr)
    def test_without_a_token_it_is_nothing(self, value: object) -> None:
        assert meaning({"type": "claim_ok", "agentId": "a1", "permanentToken": value}) == Ignored("claim_ok")
        odd = {"type": "claim_ok", "permanentToken": "ari_new", "agentId": value, "tokenId": value}
        assert meaning(odd) == TokenClaim(None, "ari_new", None)

    def test_the_token_is_not_shown(self) -> None:
        claim = TokenClaim("a1", "ari_secret", "k1")
        assert repr(claim) == str(claim) == "TokenClaim(agent_id='a1', permanent_token='***', token_id='k1')"
        assert claim.permanent_token == "ari_secret"


class TestTasks:
    def test_a_task(self) -> None:
        assert meaning(task("t1")) == task_arrived("t1", task("t1"))

    def test_a_task_knows_its_connection(self) -> None:
        session = Session(2, connection=7)
        early = session.received(task("t1")) or session.received(AUTH_OK)[1:]
        assert early + session.received(task("t2")) == [
            task_arrived("t1", task("t1"), connection=7),
            task_arrived("t2", task("t2"), connection=7),
        ]

    @pytest.mark.parametrize(
        "fields",
        [
            {"content": ""},  # to an agent that another agent's answer triggered
            {"conversationId": None},
            {"conversationId": ["c1"]},
            {"members": 5, "history": {}, "attachments": "none"},
            {"taskKind": ["unhashable"]},
            {"content": None, "taskKind": "cron_wakeup"},
            {"content": None, "taskKind": "trigger"},
        ],
    )
    def test_what_still_is_one(self, fields: dict[str, object]) -> None:
        assert meaning(task("t1", **fields)) == task_arrived("t1", task("t1", **fields))

    @pytest.mark.parametrize(
        ("message", "malformed"),
        [
            ({}, TaskMalformed(None, "missing_task_id")),
            *[({"taskId": odd, "content": "a"}, TaskMalformed(None, "missing_task_id")) for odd in [*ODD, ""]],
            ({"taskId": "t1"}, TaskMalformed("t1", "missing_content")),
            ({"taskId": "t1", "content": None}, TaskMalformed("t1", "missing_content")),
            ({"taskId": "t1", "taskKind": "chat"}, TaskMalformed("t1", "missing_content")),
            ({"taskId": "t1", "taskKind": {"a": []}}, TaskMalformed("t1", "missing_content")),
            *[({"taskId": "t1", "content": odd}, TaskMalformed("t1", "invalid_content")) for odd in ODD[1:]],
            ({"taskId": "t1", "content": 5, "taskKind": "trigger"}, TaskMalformed("t1", "invalid_content")),
        ],
        ids=repr,
    )  # fmt: skip
    def test_what_is_none(self, message: JSONObject, malformed: TaskMalformed) -> None:
        assert meaning({"type": "task", **message}) == malformed
        assert Session(2).received({"type": "task", **message}) == [malformed]

    def test_a_wakeup_without_anything_else(self) -> None:
        message = {"type": "task", "taskId": "t1", "taskKind": "cron_wakeup"}
        assert meaning(message) == task_arrived("t1", message)

    def test_cancel(self) -> None:
        assert meaning({"type": "cancel_task", "taskId": "t1"}) == TaskStopped("t1")

    @pytest.mark.parametrize("value", [*ODD, ""], ids=repr)
    def test_cancel_without_an_id_is_nothing(self, value: object) -> None:
        assert meaning({"type": "cancel_task", "taskId": value}) == Ignored("cancel_task")


class TestTasksBeforeAuthOk:
    def test_they_follow_it_in_order(self) -> None:
        session = Session(3)
        for name in ("t2", "t1", "t3"):
            assert session.received(task(name)) == []
        assert session.received(AUTH_OK) == [
            Authenticated(None, "Ann", None, None),
            task_arrived("t2", task("t2")),
            task_arrived("t1", task("t1")),
            task_arrived("t3", task("t3")),
        ]
        assert session.received(AUTH_OK) == [Authenticated(None, "Ann", None, None)]

    def test_a_cancelled_one_is_forgotten(self) -> None:
        session = Session(3)
        session.received(task("t1"))
        session.received(task("t2"))
        assert session.received({"type": "cancel_task", "taskId": "t1"}) == []
        assert session.received({"type": "cancel_task", "taskId": "t1"}) == [TaskStopped("t1")]
        assert session.received(AUTH_OK)[1:] == [task_arrived("t2", task("t2"))]

    def test_a_cancel_may_be_about_a_task_of_the_last_connection(self) -> None:
        assert Session(3).received({"type": "cancel_task", "taskId": "t1"}) == [TaskStopped("t1")]

    def test_a_repeated_one_counts_once(self) -> None:
        session = Session(2)
        session.received(task("t1", content="first"))
        assert session.received(task("t1", content="again")) == []
        assert session.received(AUTH_OK)[1:] == [task_arrived("t1", task("t1", content="first"))]

    def test_too_many_are_refused_and_a_repeated_one_is_none_of_them(self) -> None:
        session = Session(2)
        session.received(task("t1"))
        session.received(task("t2"))
        assert session.received(task("t3")) == [TaskMalformed("t3", "queue_overflow")]
        assert session.received(task("t2")) == []
        early = [task_arrived("t1", task("t1")), task_arrived("t2", task("t2"))]
        assert session.received(AUTH_OK)[1:] == early

    def test_too_long_ones_are_refused(self) -> None:
        session = Session(9, most_early_bytes=100)
        assert session.received(task("t1"), 60) == session.received(task("t2"), 40) == []
        assert session.received(task("t3"), 1) == [TaskMalformed("t3", "queue_overflow")]
        assert session.received(AUTH_OK)[1:] == [
            task_arrived("t1", task("t1"), 60),
            task_arrived("t2", task("t2"), 40),
        ]
        assert session.received(task("t4"), 1_000) == [task_arrived("t4", task("t4"), 1_000)]

    def test_a_refusal_comes_before_them(self) -> None:
        session = Session(2)
        session.received(task("t1"))
        assert session.received({"type": "auth_error", "error": "no"}) == [Refused("no", None, False)]
        assert not session.authenticated


class TestOtherFrames:
    @pytest.mark.parametrize("session", [Session(2), online()], ids=["early", "online"])
    def test_pong(self, session: Session) -> None:
        assert session.received({"type": "pong"}) == [Ponged()]

    @pytest.mark.parametrize("status", ["success", "error", "requires_confirmation", "cancelled"])
    def test_an_action_is_settled(self, status: str) -> None:
        message = {"type": "action_result", "id": "call_1", "status": status, "result": {"a": 1}}
        assert meaning(message) == ActionSettled("call_1", message)

    @pytest.mark.parametrize("status", ["processing", "received", "validating", "Success", "new"])
    def test_an_action_progresses(self, status: str) -> None:
        message = {"type": "action_result", "id": "call_1", "status": status}
        assert meaning(message) == ActionProgressed("call_1", status)

    @pytest.mark.parametrize("key", ["id", "status"])
    @pytest.mark.parametrize("value", [*ODD, ""], ids=repr)
    def test_an_action_result_of_nothing(self, key: str, value: object) -> None:
        message = {"type": "action_result", "id": "call_1", "status": "success", key: value}
        assert meaning(message) == Ignored("action_result")

    @pytest.mark.parametrize(
        "message",
        [
            {"type": "voice_offer", "sdp": "v=0", "sessionId": "s", "callerId": "u", "conversationId": "c"},
            {"type": "voice_ice_candidate", "sessionId": "s", "candidate": "x"},
            {"type": "voice_call_end", "sessionId": "s", "reason": "bye"},
            {"type": "Task", "taskId": "t1", "content": "a"},
            {"type": "ping"},
            {"type": ""},
        ],
        ids=lambda message: message["type"],
    )
    def test_frames_without_use(self, message: JSONObject) -> None:
        assert meaning(message) == Ignored(str(message["type"]))

    @pytest.mark.parametrize("value", ODD, ids=repr)
    def test_frames_without_a_type(self, value: object) -> None:
        assert meaning({"type": value}) == Ignored("")
        assert meaning({}) == Ignored("")


TEXT_KEYS = ["taskId", "conversationId", "content", "taskKind", "id", "status", "action", "prompt", "kind"]
AUTH_KEYS = ["error", "code", "message", "retryable", "agentId", "agentName", "permanentToken", "tokenId"]
KEYS = st.sampled_from([*TEXT_KEYS, *AUTH_KEYS, "onboardingSeed", "seedId"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "t1", "trigger", "success"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)
TYPES = ["task", "cancel_task", "auth_ok", "auth_error", "claim_ok", "pong", "action_result", "other"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TYPES), st.dictionaries(KEYS, VALUES, max_size=4)), max_size=6))
def test_no_frame_breaks_a_session(messages: list[tuple[str, dict[str, object]]]) -> None:
    session = Session(2)
    for kind, fields in messages:
        for event in session.received({**fields, "type": kind}):
            assert repr(event)
