"""The default TLS context: which certificates it trusts, and what it says of variables that cannot be used."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from arinova_agent_sync.net.tls import _context, default_context
from arinova_agent_sync.net.unusable import UnusableSetting

VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    yield monkeypatch
    _context.cache_clear()  # a context keeps its key log open


def bundle(path: Path) -> str:
    trustme.CA().cert_pem.write_to_path(path)
    return str(path)


def trusted(context: ssl.SSLContext) -> set[bytes]:
    return set(context.get_ca_certs(binary_form=True))


def of(path: str) -> set[bytes]:
    return trusted(ssl.create_default_context(cafile=path))


def test_it_is_made_once_and_checks_the_server() -> None:
    assert default_context() is default_context()
    assert default_context().check_hostname
    assert default_context().verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_takes_the_place_of_the_systems(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    path = bundle(tmp_path / "company.pem")
    environment.setenv(name, path)
    environment.setenv("SSL_CERT_DIR", str(tmp_path))  # else OpenSSL's own directory is looked at, too
    assert trusted(default_context()) == of(path)


def test_which_comes_first(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in reversed(VARIABLES[:3]):
        path = bundle(tmp_path / name)
        environment.setenv(name, path)
        assert trusted(default_context()) >= of(path)
        assert default_context() is default_context()


def test_a_directory(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"):
        environment.setenv(name, str(tmp_path))
        assert default_context().verify_mode == ssl.CERT_REQUIRED
    assert trusted(default_context()) == set()


def test_an_empty_variable_is_none(environment: pytest.MonkeyPatch) -> None:
    before = len(default_context().get_ca_certs())
    for name in VARIABLES:
        environment.setenv(name, "")
    assert len(default_context().get_ca_certs()) in (before, 0)  # OpenSSL reads its own ones by itself


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_that_cannot_be_used_is_named(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    missing, junk = tmp_path / "missing.pem", tmp_path / "junk.pem"
    junk.write_text("nothing of use")
    for path, why in (
        (missing, "that cannot be read: .*: No such file"),
        (junk, "without CA certificates: "),
    ):
        environment.setenv(name, str(path))
        with pytest.raises(UnusableSetting, match=f"^{name} names a file {why}") as caught:
            default_context()
        assert str(path) in str(caught.value)
        assert isinstance(caught.value.__cause__, OSError)


def test_a_missing_directory_is_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("SSL_CERT_DIR", f"{tmp_path}/a{os.pathsep}{tmp_path}/b")
    with pytest.raises(UnusableSetting, match="SSL_CERT_DIR is not a directory"):
        default_context()
    environment.setenv("SSL_CERT_DIR", f"{tmp_path}/a{os.pathsep}{tmp_path}")
    default_context()


def test_a_key_log(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert default_context().keylog_filename == str(tmp_path / "keys")
    environment.setenv("SSLKEYLOGFILE", str(tmp_path / "missing" / "keys"))
    with pytest.raises(
        UnusableSetting, match=r"^SSLKEYLOGFILE names a file that cannot be written: .*No such"
    ):
        default_context()
