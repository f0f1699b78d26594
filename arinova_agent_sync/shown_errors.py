"""What the user is shown when a handler raises."""

from __future__ import annotations

from .log import logger
from .protocol.json_values import clean
from .settings import ErrorText

_LONGEST = 64 * 1024  # characters of an error's text, which nobody reads to its end


def shortened(message: str) -> str:
    """Return an error's text, cut if it is long: a frame that the server does not take breaks the connection."""
    if len(message) <= _LONGEST:
        return message
    return f"{message[: _LONGEST - 40]}… ({len(message):,} characters)"


def shown_error(error: BaseException, error_text: ErrorText) -> str:
    """Return the text for an exception: the agent's ``error_text``, or what that makes of it."""
    try:
        shown = str(error_text if isinstance(error_text, str) else error_text(error))
    except BaseException as failure:  # the task must end whatever the user's function raises
        logger.error("error_text failed", exc_info=failure)
        shown = str(failure)
    return shortened(clean(shown)) or type(error).__name__
