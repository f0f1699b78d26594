from __future__ import annotations

import os
import subprocess
import sys
import urllib.request

import pytest

from arinova_agent_sync.net.proxies import Proxy, proxy_for

WSS = "wss://chat.example.com/ws/agent"
WS = "ws://chat.example.com:3501/ws/agent"
PROXY = Proxy("proxy.test", 3128)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "REQUEST_METHOD":
            monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "platform", "linux")
    return monkeypatch


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("", None),
        ("http://proxy.test:3128", PROXY),
        ("http://proxy.test", Proxy("proxy.test", 80)),
        ("HTTP://u%40x:p%3Aw@proxy.test:3128/", Proxy("proxy.test", 3128, "u@x", "p:w")),
        ("http://u@[::1]:3128", Proxy("::1", 3128, "u", None)),
        ("socks5://u:p@proxy.test", Proxy("proxy.test", 1080, "u", "p", "socks5")),
        ("SOCKS4a://proxy.test:9", Proxy("proxy.test", 9, scheme="socks4a")),
    ],
)
def test_the_setting_comes_first(
    environment: pytest.MonkeyPatch, setting: str, expected: Proxy | None
) -> None:
    environment.setenv("https_proxy", "http://other.test:1")
    environment.setenv("no_proxy", "*")
    assert proxy_for(WSS, setting) == expected


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({}, WSS, None),
        ({"https_proxy": "http://proxy.test:3128"}, WSS, PROXY),
        ({"https_proxy": "http://proxy.test:3128"}, "https://chat.example.com", PROXY),
        ({"https_proxy": "http://proxy.test:3128"}, WS, None),
        ({"http_proxy": "http://proxy.test:3128"}, WS, PROXY),
        ({"http_proxy": "http://proxy.test:3128"}, "http://chat.example.com", PROXY),
        ({"http_proxy": "http://proxy.test:3128"}, WSS, None),
        ({"HTTPS_PROXY": "proxy.test:3128"}, WSS, PROXY),
        ({"all_proxy": "http://proxy.test:3128"}, WS, PROXY),
        ({"ALL_PROXY": "http://proxy.test:3128"}, WSS, PROXY),
        ({"ALL_PROXY": "http://other.test:1", "HTTPS_PROXY": "http://proxy.test:3128"}, WSS, PROXY),
        ({"HTTPS_PROXY": "http://other.test:1", "https_proxy": "http://proxy.test:3128"}, WSS, PROXY),
        ({"HTTPS_PROXY": "http://other.test:1", "https_proxy": ""}, WSS, None),
        ({"HTTP_PROXY": "http://proxy.test:3128"}, WS, PROXY),
        ({"HTTP_PROXY": "http://proxy.test:3128", "REQUEST_METHOD": "GET"}, WS, None),
    ],
)
def test_the_environment(
    environment: pytest.MonkeyPatch, variables: dict[str, str], url: str, expected: Proxy | None
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    assert proxy_for(url, None) == expected


@pytest.mark.parametrize(
    ("no_proxy", "url", "straight"),
    [
        ("", "https://example.com", False),
        ("*", "https://example.com", True),
        ("other.test, *", "https://example.com", True),
        ("example.com", "https://example.com", True),
        ("example.com", "https://Chat.Example.com.", True),
        ("EXAMPLE.com.", "https://chat.example.com", True),
        (".example.com", "https://chat.example.com", True),
        (".example.com", "https://example.com", True),
        (".example.com", "https://evilexample.com", False),
        ("example.com", "https://evilexample.com", False),
        ("*.example.com", "https://chat.example.com", True),
        ("chat.example.com", "https://example.com", False),
        ("a.test b.test,example.com", "https://example.com", True),
        (" , .", "https://example.com", False),
        ("example.com:443", "https://example.com", True),
        ("example.com:443", "wss://example.com", True),
        ("example.com:8443", "https://example.com", False),
        ("example.com:8443", "https://example.com:8443", True),
        ("example.com:80", "ws://example.com", True),
        ("10.1.2.3", "http://10.1.2.3:3501", True),
        ("10.1.2.3", "http://10.1.2.4:3501", False),
        ("fd00::1", "http://[fd00::1]:3501", True),
        ("[fd00::1]:3501", "http://[fd00::1]:3501", True),
        ("[fd00::1]:3502", "http://[fd00::1]:3501", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.1.2.3/8", "https://10.200.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("fe80::/10", "https://[fe80::1]", True),
        ("10.0.0.0/8", "https://example.com", False),
        ("10.0.0.0/99", "https://10.1.2.3", False),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_no_proxy(
    environment: pytest.MonkeyPatch, name: str, no_proxy: str, url: str, straight: bool
) -> None:
    environment.setenv("all_proxy", "http://proxy.test:3128")
    environment.setenv(name, no_proxy)
    assert proxy_for(url, None) == (None if straight else PROXY)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("chat.localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("[::1]", True),
        ("localhost.example.com", False),
        ("notlocalhost", False),
        ("127.0.0.1.example.com", False),
        ("128.0.0.1", False),
        ("[::2]", False),
    ],
)
@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
def test_a_server_on_this_machine_needs_no_proxy(
    environment: pytest.MonkeyPatch, name: str, host: str, loopback: bool
) -> None:
    environment.setenv(name, "http://proxy.test:3128")
    assert proxy_for(f"http://{host}:3501", None) == (None if loopback else PROXY)
    assert proxy_for(f"http://{host}:3501", "http://proxy.test:3128") == PROXY


@pytest.mark.parametrize(
    "value",
    [
        "socks6://user:secret@proxy.test:1080",
        "https://user:secret@proxy.test",
        "http://user:secret@proxy.test:port",
        "http://user:secret@proxy.test:0",
        "http://user:secret@[::1",
        "http://user:secret@",
    ],
)
def test_an_unusable_proxy_is_named_without_its_credentials(
    environment: pytest.MonkeyPatch, value: str
) -> None:
    environment.setenv("HTTPS_PROXY", value)
    for setting, name in ((None, "HTTPS_PROXY"), (value, "proxy")):
        with pytest.raises(ValueError, match=f"^{name} must be http://") as caught:
            proxy_for(WSS, setting)
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_the_system_comes_last(environment: pytest.MonkeyPatch, platform: str) -> None:
    environment.setattr(sys, "platform", platform)
    environment.setattr(urllib.request, "getproxies", lambda: {"https": "http://proxy.test:3128"})
    environment.setattr(urllib.request, "proxy_bypass", lambda host: host == "inside.test")
    assert proxy_for(WSS, None) == PROXY
    assert proxy_for(WS, None) is None
    assert proxy_for("wss://inside.test", None) is None
    environment.setenv("no_proxy", "example.com")
    assert proxy_for(WSS, None) is None
    environment.setenv("https_proxy", "http://other.test:1")
    assert proxy_for("wss://elsewhere.test", None) == Proxy("other.test", 1)


def test_a_proxy_keeps_its_credentials_to_itself() -> None:
    proxy = Proxy("proxy.test", 3128, "user", "secret")
    assert "user" not in repr(proxy)
    assert "secret" not in repr(proxy)
    assert proxy.url == "http://proxy.test:3128"
    assert proxy.authorization == "Basic dXNlcjpzZWNyZXQ="
    assert Proxy("::1", 3128, "user").url == "http://[::1]:3128"
    assert Proxy("::1", 3128, "user").authorization == "Basic dXNlcjo="
    assert PROXY.authorization is None


def test_socks_without_its_package(environment: pytest.MonkeyPatch) -> None:
    environment.setattr("arinova_agent_sync.net.proxies.find_spec", lambda _: None)
    environment.setenv("all_proxy", "socks5://user:secret@127.0.0.1:1080")
    with pytest.raises(ValueError, match=r"^all_proxy is a SOCKS proxy, .*: pip install python-socks$"):
        proxy_for(WSS, None)


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, arinova_agent_sync; before = set(sys.modules);"
        "from arinova_agent_sync.net.proxies import proxy_for; proxy_for('wss://a.test', None);"
        "print(sorted({'urllib.request', 'http.client', 'ipaddress', 'ssl'} & (set(sys.modules) - before)))"
    )
    environment = {**os.environ, "HTTPS_PROXY": "http://proxy.test:1", "NO_PROXY": "b.test"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() in ("[]", "['ipaddress']")  # newer versions of urllib.parse import ipaddress
