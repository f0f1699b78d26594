"""What is to be said about a server's certificate, and about whom this machine trusts. Pure but for ``trusted``."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

__all__ = ["accepted", "refused", "trusted"]

_SOON = 14 * 86_400.0  # seconds before its end at which a certificate should have been renewed
_NOT_YET_VALID, _EXPIRED, _UNKNOWN_ISSUER, _HOSTNAME, _ADDRESS = 9, 10, (18, 19, 20, 21), 62, 64  # of OpenSSL


def accepted(certificate: Mapping[str, Any], now: float) -> tuple[Literal["ok", "warn"], str, str]:
    """Return status, description and advice for a certificate that was accepted.

    Args:
        certificate: as ``SSLSocket.getpeercert()`` has it.
        now: seconds since the epoch.
    """
    issuer = {key: value for part in certificate.get("issuer", ()) for key, value in part}
    who = issuer.get("organizationName") or issuer.get("commonName") or "an unnamed authority"
    if "notAfter" not in certificate:
        return "ok", f"certificate of {who}", ""
    end = ssl.cert_time_to_seconds(certificate["notAfter"])
    date = datetime.fromtimestamp(end, timezone.utc).date().isoformat()
    days = int((end - now) // 86_400)
    about = f"certificate of {who}, valid until {date} ({days} {'day' if days == 1 else 'days'})"
    if end - now < _SOON:
        return "warn", about, "it ends soon: the server's operator has to renew it"
    return "ok", about, ""


def refused(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    """Return description and advice for a certificate that was not accepted."""
    code = error.verify_code
    detail = f"the server's certificate was not accepted: {error.verify_message}; trusted: {trusted()}"
    if code in (_NOT_YET_VALID, _EXPIRED):
        return detail, "check this machine's clock; if it is right, the server's certificate is out of date"
    if code in (_HOSTNAME, _ADDRESS):
        return detail, "check the host in server_url: the certificate is for another server"
    if code in _UNKNOWN_ISSUER:
        return detail, (
            "if your network has its own certificate authority, put its certificate into a file and name it in "
            "SSL_CERT_FILE, or pass an ssl_context to the agent; if not, the connection may be intercepted"
        )
    return detail, "check server_url, or pass an ssl_context to the agent"


def trusted() -> str:
    """Say where this machine's trusted authorities stand."""
    paths = ssl.get_default_verify_paths()
    given = os.environ.get(paths.openssl_cafile_env)
    if given and not Path(given).is_file():
        return f"{given} ({paths.openssl_cafile_env}), which does not exist"
    if paths.cafile:
        return f"{paths.cafile} ({paths.openssl_cafile_env})" if given else paths.cafile
    return paths.capath or "the system's authorities"
