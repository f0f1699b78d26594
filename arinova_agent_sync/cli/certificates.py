"""What is to be said about a server's certificate. Pure."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Literal

__all__ = ["accepted", "refused"]

_SOON = 14 * 86_400.0  # seconds before its end at which a certificate should have been renewed
_NOT_YET_VALID, _EXPIRED, _UNKNOWN_ISSUER, _HOSTNAME, _ADDRESS = 9, 10, (18, 19, 20, 21), 62, 64  # of OpenSSL
_STRICT = (
    "whoever issues your network's certificates has to add what is missing; until then pass an ssl_context whose "
    "verify_flags leave out ssl.VERIFY_X509_STRICT"
)


def accepted(
    certificate: Mapping[str, Any], strictly: ssl.SSLCertVerificationError | None, now: float
) -> tuple[Literal["ok", "warn"], str, str]:
    """Return status, description and advice for a certificate that was accepted.

    Args:
        certificate: as ``SSLSocket.getpeercert()`` has it.
        strictly: what the strict checks of Python 3.13 say against it; None for nothing.
        now: seconds since the epoch.
    """
    issuer = {key: value for part in certificate.get("issuer", ()) for key, value in part}
    who = issuer.get("organizationName") or issuer.get("commonName") or "an unnamed authority"
    about = f"certificate of {who}"
    advice = ""
    if "notAfter" in certificate:
        end = ssl.cert_time_to_seconds(certificate["notAfter"])
        date = datetime.fromtimestamp(end, timezone.utc).date().isoformat()
        days = int((end - now) // 86_400)
        about += f", valid until {date} ({days} {'day' if days == 1 else 'days'})"
        if end - now < _SOON:
            advice = "it ends soon: the server's operator has to renew it"
    if strictly is not None:
        about += f", which Python 3.13 and later refuse by default: {strictly.verify_message}"
        advice = _STRICT
    return "warn" if advice else "ok", about, advice


def refused(
    error: ssl.SSLCertVerificationError, trusted: str, *, only_strictly: bool = False
) -> tuple[str, str]:
    """Return description and advice for a certificate that was not accepted.

    Args:
        error: the reason.
        trusted: where the trusted authorities stand.
        only_strictly: whether it is accepted without the strict checks of Python 3.13.
    """
    code = error.verify_code
    detail = f"the server's certificate was not accepted: {error.verify_message}; trusted: {trusted}"
    if only_strictly:
        return f"{detail}; without the strict checks of Python 3.13 it is accepted", _STRICT
    if code in (_NOT_YET_VALID, _EXPIRED):
        return detail, "check this machine's clock; if it is right, the server's certificate is out of date"
    if code in (_HOSTNAME, _ADDRESS):
        return detail, "check the host in server_url: the certificate is for another server"
    if code in _UNKNOWN_ISSUER:
        return detail, (
            "if your network has its own certificate authority, put its certificate into a file and name it in "
            "REQUESTS_CA_BUNDLE or SSL_CERT_FILE, or pass an ssl_context to the agent; if not, the connection may "
            "be intercepted"
        )
    return detail, "check server_url, or pass an ssl_context to the agent"
