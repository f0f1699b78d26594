"""Who gets in, and what browsers are told."""

import json
import re
from urllib.parse import urlsplit

import pytest
import websocket

from arinova_agent_sync.playground import uploads

from .conftest import Tab


@pytest.fixture
def playground(make_playground):
    return make_playground()


@pytest.mark.parametrize("token", [None, "wrong", "", "é"])
def test_the_page_is_shown_to_nobody_without_the_token(playground, fetch, token):
    cookie = token if token is None or token.isascii() else "wrong"
    for path in ("/playground/", f"/playground/?token={'%C3%A9' if token == 'é' else token or ''}"):
        answer = fetch(playground, path, token=cookie)
        assert answer.status == 403
        assert "set-cookie" not in answer.headers
        assert "<html" not in answer.text


def test_the_token_of_the_url_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(playground, fetch):
    path = playground.url.removeprefix(playground.server.url)
    answer = fetch(playground, path, token=None)
    assert answer.status == 200
    cookie = answer.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/playground", str(playground.server.port)):
        assert part in cookie
    name_and_value = cookie.partition(";")[0]
    assert fetch(playground, "/playground/", token=None, cookie=name_and_value).status == 200


def test_the_policy_forbids_inline_scripts_and_everything_remote(playground, fetch):
    answer = fetch(playground, "/playground/")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["img-src"] == "'self' blob:"
    assert policy["connect-src"] == f"'self' ws://127.0.0.1:{playground.server.port}"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert not re.search(r"unsafe|https?:|\*", answer.headers["content-security-policy"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_the_page_holds_no_inline_script_or_style_and_nothing_remote(playground, fetch):
    page = fetch(playground, "/playground/").text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


@pytest.mark.parametrize(
    "path", ["js/main.js", "css/base.css", "vendor/marked.js", "vendor/marked.LICENSE.txt", "icon.svg"]
)
def test_static_files_come_with_their_type_and_are_kept_by_browsers(playground, fetch, path):
    answer = fetch(playground, f"/playground/static/{path}")
    assert answer.status == 200
    kind = {"js": "javascript", "css": "css", "txt": "plain", "svg": "svg"}[path.rpartition(".")[2]]
    assert kind in answer.headers["content-type"]
    again = fetch(playground, f"/playground/static/{path}", if_none_match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")


def test_every_file_that_the_page_and_its_modules_name_is_there(playground, fetch):
    seen, waiting = set(), ["/playground/static/js/main.js"]
    page = fetch(playground, "/playground/").text
    waiting += [f"/playground/{path}" for path in re.findall(r'(?:src|href)="(static/[^"]+)"', page)]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = fetch(playground, path)
        assert answer.status == 200, path
        if path.endswith(".js"):
            folder = path.rpartition("/")[0]
            for name in re.findall(r'from "(\.\.?/[^"]+)"', answer.text):
                above = name.startswith("../")
                waiting.append(f"{folder.rpartition('/')[0] if above else folder}/{name.lstrip('./')}")
    assert len(seen) > 15


@pytest.mark.parametrize("path", ["..%2fsite.py", "../site.py", "%2e%2e/site.py", "js", "", "nothing.js"])
def test_no_path_leads_out_of_the_static_folder(playground, fetch, path):
    assert fetch(playground, f"/playground/static/{path}").status == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1.evil.example", "127.0.0.1:1"]
)
def test_a_foreign_host_name_is_refused_also_with_the_token(playground, fetch, host):
    for path in ("/playground/", "/playground/static/js/main.js"):
        assert fetch(playground, path, host=host).status == 403
    with pytest.raises(websocket.WebSocketBadStatusException):
        Tab(playground, host=host, origin=f"http://{host}")


def test_localhost_is_a_name_of_this_server(playground, fetch):
    assert fetch(playground, "/playground/", host=f"localhost:{playground.server.port}").status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"])
def test_pages_of_other_origins_open_no_websocket_and_upload_nothing(playground, fetch, origin):
    with pytest.raises(websocket.WebSocketBadStatusException):
        Tab(playground, origin=origin)
    answer = fetch(playground, "/playground/upload?name=a", method="POST", body=b"x", origin=origin)
    assert answer.status == 403


def test_a_websocket_with_a_wrong_token_is_told_so_and_closed(playground):
    tab = Tab(playground, token="wrong")
    opcode, data = tab.socket.recv_data()
    tab.close()
    assert (opcode, int.from_bytes(data[:2], "big")) == (websocket.ABNF.OPCODE_CLOSE, 4403)


def upload(playground, fetch, data, name="note.txt", kind="text/plain", **more):
    origin = playground.server.url
    path = f"/playground/upload?name={name}"
    return fetch(playground, path, method="POST", body=data, content_type=kind, origin=origin, **more)


def send(playground, *uploads, text="look", conversation=0):
    """Send a message with uploaded files; return what it tells of them."""
    playground.say(playground.room.conversation_ids()[conversation], text, uploads=uploads)
    (sent,) = [row for row in playground.server.conversations[conversation].messages if row.content == text]
    return sent.attachments


def test_an_uploaded_file_is_served_so_that_no_browser_runs_it(playground, fetch):
    page = upload(playground, fetch, b"<script>1</script>", "page.html", "text/html")
    assert page.status == 201
    told = json.loads(page.body)
    assert (told["fileName"], told["fileType"], told["fileSize"]) == ("page.html", "text/html", 18)
    (sent,) = send(playground, told["id"])
    assert sent["url"].startswith(playground.server.url)
    served = fetch(playground, urlsplit(sent["url"]).path, token=None)  # as an agent fetches it
    assert served.body == b"<script>1</script>"
    assert served.headers["content-type"] == "text/html"
    assert "sandbox" in served.headers["content-security-policy"]
    assert served.headers["x-content-type-options"] == "nosniff"


def test_odd_names_and_types_are_made_harmless(playground, fetch):
    told = json.loads(upload(playground, fetch, b"x", "..%2F..%2Fetc%0d%0apasswd", "nonsense").body)
    assert told["fileName"] == ".._.._etc_passwd"
    assert told["fileType"] == "application/octet-stream"
    turned = json.loads(upload(playground, fetch, b"x", "a%E2%80%AEtxt.exe").body)
    assert turned["fileName"] == "a_txt.exe"
    for sent in send(playground, told["id"], turned["id"]):
        assert fetch(playground, urlsplit(sent["url"]).path).body == b"x"


def test_uploads_need_the_token_and_have_a_limit(playground, fetch, monkeypatch):
    assert upload(playground, fetch, b"x", token=None).status == 403
    monkeypatch.setattr(uploads, "MAX_BYTES", 10)
    assert upload(playground, fetch, b"x" * 10).status == 201
    too_large = upload(playground, fetch, b"x" * 11)
    assert too_large.status == 413
    assert "MiB" in json.loads(too_large.body)["error"]


def test_every_run_has_a_token_of_its_own(make_playground):
    tokens = {urlsplit(make_playground().url).query for _ in range(2)}
    assert len(tokens) == 2
    assert all(len(token) > 30 for token in tokens)


def test_the_front_door_leads_to_the_page(playground, fetch):
    for path in ("/", "/playground"):
        answer = fetch(playground, path)
        assert (answer.status, answer.headers["location"]) == (307, "/playground/")


def test_a_reverse_proxys_name_is_let_in_when_it_was_allowed(make_playground, fetch, open_tab):
    playground = make_playground(allowed_hosts=["chat.example"])
    answered = fetch(playground, "/playground/", Host="chat.example")
    assert answered.status == 200
    assert "wss://chat.example:*" in answered.headers["content-security-policy"]
    assert fetch(playground, "/playground/", Host="other.example").status == 403
    tab = open_tab(playground, host="chat.example", origin="https://chat.example:8443")
    assert tab.open()
    inward = open_tab(playground, origin="https://chat.example")  # a proxy that passes on its own Host
    assert inward.open()
    with pytest.raises(websocket.WebSocketException):
        open_tab(playground, host="chat.example", origin="https://other.example")
