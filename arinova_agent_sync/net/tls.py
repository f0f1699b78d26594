"""The one TLS context for users who pass none: what the system trusts, or what the environment names instead."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

from .unusable import UnusableSetting

__all__ = ["authorities", "default_context", "own_context"]

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # in place of everything else; a file or a directory
_CERT_FILE, _CERT_DIR = "SSL_CERT_FILE", "SSL_CERT_DIR"  # OpenSSL's own; it passes over what it cannot read
_KEY_LOG = "SSLKEYLOGFILE"


def default_context() -> ssl.SSLContext:
    """Return the context that trusts what the environment names, else what the system trusts. Thread-safe.

    The variables are those of requests, curl and OpenSSL: REQUESTS_CA_BUNDLE, else CURL_CA_BUNDLE, else
    SSL_CERT_FILE and SSL_CERT_DIR. SSLKEYLOGFILE is honoured. The context is shared; when a variable changes,
    another one is made.

    Raises UnusableSetting, which names the variable and the file.
    """
    return _context(_variables())


def own_context() -> ssl.SSLContext:
    """Return a context that trusts the same, for the caller alone to change; see default_context()."""
    return _made(_variables())


def authorities() -> str:
    """Say whom default_context() trusts: the file or directory, and the variable that names it."""
    *bundles, file, directory, _ = _variables()
    for name, bundle in zip(_BUNDLES, bundles, strict=True):
        if bundle:
            return f"{bundle} ({name})"
    paths = ssl.get_default_verify_paths()
    places = (
        f"{file} ({_CERT_FILE})" if file else paths.cafile,
        f"{directory} ({_CERT_DIR})" if directory else paths.capath,
    )
    return " and ".join(place for place in places if place) or "the system's authorities"


def _variables() -> tuple[str | None, ...]:
    return tuple(os.environ.get(name) for name in (*_BUNDLES, _CERT_FILE, _CERT_DIR, _KEY_LOG))


@lru_cache(maxsize=2)  # reading all certificates of a system takes a while
def _context(variables: tuple[str | None, ...]) -> ssl.SSLContext:
    return _made(variables)


def _made(variables: tuple[str | None, ...]) -> ssl.SSLContext:
    *bundles, file, directory, key_log = variables
    if key_log:
        _check_key_log(key_log)
    for name, bundle in zip(_BUNDLES, bundles, strict=True):
        if bundle:
            return _trusting(name, bundle)
    if file:
        _trusting(_CERT_FILE, file)  # refused here; OpenSSL would trust nobody, without a word
    if directory and not any(map(os.path.isdir, directory.split(os.pathsep))):
        raise UnusableSetting(f"{_CERT_DIR} is not a directory: {directory}")
    return ssl.create_default_context()


def _trusting(name: str, path: str) -> ssl.SSLContext:
    try:
        if os.path.isdir(path):
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise UnusableSetting(f"{name} names a file without CA certificates: {path}") from error
    except OSError as error:
        raise UnusableSetting(f"{name} names a file that cannot be read: {path}: {error.strerror}") from error


def _check_key_log(path: str) -> None:
    try:
        with open(path, "ab"):
            pass
    except OSError as error:
        raise UnusableSetting(
            f"{_KEY_LOG} names a file that cannot be written: {path}: {error.strerror}"
        ) from error
