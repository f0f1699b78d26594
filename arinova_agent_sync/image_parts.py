"""The files of a message in the form of chat-completion clients: images as parts of the content, others by name."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from .attachments import Attachment

ImageForm = Literal["openai", "anthropic"]

# What both providers take, and how such a file begins: the type that came along is what its sender said.
_BEGINNINGS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


class _Form(NamedTuple):
    most: int  # bytes of one image that the provider takes
    together: int  # bytes of all images of a request, of which base64 makes a third more
    part: Callable[[str, str], Mapping[str, Any]]


def _openai_part(media_type: str, data: str) -> Mapping[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{data}"}}


def _anthropic_part(media_type: str, data: str) -> Mapping[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


_FORMS = {
    "openai": _Form(20 * 1024 * 1024, 36 * 1024 * 1024, _openai_part),
    # It counts the characters of the base64 form.
    "anthropic": _Form(5 * 1024 * 1024 // 4 * 3, 23 * 1024 * 1024, _anthropic_part),
}


def check_form(form: ImageForm | None) -> None:
    """Raise ValueError for a form that is unknown."""
    if form is not None and (not isinstance(form, str) or form not in _FORMS):
        raise ValueError(f'attachments must be "openai", "anthropic" or None, not {form!r}')


def with_attachments(
    messages: list[dict[str, Any]], attachments: Sequence[Attachment], form: ImageForm
) -> list[dict[str, Any]]:
    """Return messages with the files of the last one, which a user wrote.

    Images that the provider takes, each for itself and all together, become parts of its content, before the text;
    other files are named behind it.

    Args:
        messages: of a chat.
        attachments: the files; images are fetched.
        form: whose parts.

    Raises ApiError if an image cannot be fetched.
    """
    if not attachments:
        return messages
    last = messages[-1] if messages and messages[-1]["role"] == "user" else {"role": "user", "content": ""}
    before = messages[:-1] if messages and last is messages[-1] else messages
    parts: list[Mapping[str, Any]] = []
    named: list[str] = []
    left = _FORMS[form].together
    for attachment in attachments:
        image = _image(attachment, min(_FORMS[form].most, left))
        if image is not None:
            media_type, content = image
            left -= len(content)
            parts.append(_FORMS[form].part(media_type, b64encode(content).decode()))
        elif (
            f"[Attachment: {attachment.file_name}](" not in last["content"]
        ):  # as the March 2026 server names it
            named.append(
                f"[Attachment: {_one_line(attachment.file_name)} ({_one_line(attachment.file_type)})]"
            )
    text = "\n".join([last["content"], *named]) if last["content"].strip() else "\n".join(named)
    if not parts:
        return [*before, {**last, "content": text}]
    if text:  # an empty one is refused
        parts.append({"type": "text", "text": text})
    return [*before, {**last, "content": parts}]


def _one_line(name: str) -> str:
    """Return what a user has called a file, so that it cannot read as more than that."""
    return " ".join(name.split())


def _image(attachment: Attachment, most: int) -> tuple[str, bytes] | None:
    """Return an image of at most so many bytes, and its type; None if it is none that the provider takes."""
    if not attachment.file_type.lower().startswith("image/") or attachment.file_size > most:
        return None
    content = attachment.read()
    media_type = _media_type(content)
    # The size that came along may be missing, or wrong.
    return None if media_type is None or len(content) > most else (media_type, content)


def _media_type(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for beginning, kind in _BEGINNINGS if content.startswith(beginning)), None)
