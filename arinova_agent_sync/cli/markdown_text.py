"""Markdown for a terminal: a text that grows, cut into blocks that are done; blocks and notes with colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console
from rich.markdown import Markdown
from rich.segment import Segment, Segments
from rich.text import Text

__all__ = ["GrowingMarkdown", "Painter"]

# HTML stays text: rich would leave it out, and with it what an agent says about it.
_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
_LONGEST = 4_000  # characters of one block that is waited for
_AT_ONCE = (
    4 * _LONGEST
)  # characters that are looked at in one go, so that a long text does not hold the keyboard up


@dataclass(frozen=True)
class _Block:
    start: int  # its place in the text
    tokens: list[Token]


class GrowingMarkdown:
    """Cut a text that grows. Not thread-safe.

    A block is done when the next one has begun. One that grows very long is cut, so that it can be seen from its
    beginning.

    Attributes:
        behind: whether a part of the text is left for the next time, since there is so much of it.
    """

    def __init__(self) -> None:
        self.behind = False
        self._done = 0  # characters of the text
        self._opening = ""  # the first line of the code block that was cut there

    def feed(self, text: str, ended: bool) -> tuple[list[Token], list[Token]]:
        """Return the blocks that are done since the last time, and the one that may still change.

        Args:
            text: the whole of it so far, with visible characters only.
            ended: whether it grows no more.
        """
        whole = self._opening + text[self._done :]
        pending = whole[:_AT_ONCE]
        self.behind = len(pending) < len(whole)
        blocks = _blocks(pending)
        if ended and not self.behind:
            self._done, self._opening = len(text), ""
            return [token for block in blocks for token in block.tokens], []
        if not blocks:
            return [], []
        *finished, last = blocks
        done = [token for block in finished for token in block.tokens]
        cut, opening, live = last.start, "", last.tokens
        if len(pending) - cut > _LONGEST:
            end = _place_to_cut(pending, cut + _LONGEST // 2, cut + _LONGEST)
            head = [token for block in _blocks(pending[cut:end]) for token in block.tokens]
            if len(head) == 1 and head[0].type == "fence":
                opening = f"{head[0].markup}{head[0].info}\n"
            done, cut, live = done + head, end, []
            self.behind = True
        if cut or opening:
            self._done += cut - len(self._opening)
            self._opening = opening
        return done, live


class Painter:
    """Write what a chat shows, as text with a terminal's codes in it.

    Args:
        width: of the terminal, in characters.
        colours: "auto" for those that the terminal has, None for none.
    """

    def __init__(self, width: int, colours: str | None = "auto") -> None:
        self._file = StringIO()
        self._console = Console(
            file=self._file,
            force_terminal=True,
            width=width,
            color_system=colours,  # type: ignore[arg-type]
            highlight=False,
            legacy_windows=False,
        )

    def blocks(self, tokens: Sequence[Token], label: str) -> str:
        """Return blocks of Markdown, with a label in front of the first one; each line ends with a newline."""
        if not tokens:
            return ""
        first, *_ = tokens
        if label and first.type == "paragraph_open":
            tokens = [*tokens[:1], _labelled(tokens[1], label), *tokens[2:]]
        elif label:
            self._console.print(Text(label.rstrip(), "bold"))
        for place, block in enumerate(_split(tokens)):
            if place:
                self._console.print()
            self._print(block)
        return self._written()

    def said(self, label: str, text: str) -> str:
        """Return what the user has said, with a label in front; it ends with a newline."""
        indented = text.replace("\n", "\n" + " " * len(label))
        self._console.print(Text.assemble((label, "bold green"), indented), soft_wrap=True)
        return self._written()

    def note(self, text: str, style: str = "dim") -> str:
        """Return a remark; it ends with a newline."""
        self._console.print(Text(text, style), soft_wrap=True)
        return self._written()

    def line(self, text: str) -> str:
        """Return a remark of one line, the rest of which is cut off; it ends with a newline."""
        self._console.print(Text(" ".join(text.split("\n")), "dim"), no_wrap=True, overflow="ellipsis")
        return self._written()

    def _print(self, block: Sequence[Token]) -> None:
        markdown = Markdown("", code_theme="ansi_dark", hyperlinks=False)
        markdown.parsed = [_with_line_breaks(token) for token in block]
        lines = self._console.render_lines(markdown, pad=False)
        # rich leaves lines free around some blocks; how far they stand apart is decided above.
        while lines and _is_blank(lines[0]):
            del lines[0]
        while lines and _is_blank(lines[-1]):
            del lines[-1]
        ended = [segment for line in lines for segment in [*_without_end(line), Segment.line()]]
        self._console.print(Segments(ended), end="", soft_wrap=True)

    def _written(self) -> str:
        text = self._file.getvalue()
        self._file.seek(0)
        self._file.truncate()
        return text


def _is_blank(line: Sequence[Segment]) -> bool:
    return not any(segment.text.strip() for segment in line)


def _without_end(line: Sequence[Segment]) -> list[Segment]:
    """Return a line without the spaces that fill it up: whoever copies it has no use for them."""
    *kept, last = line or [Segment("")]
    while kept and not last.text.strip():
        *kept, last = kept
    return [*kept, Segment(last.text.rstrip(" "), last.style, last.control)]


def _blocks(text: str) -> list[_Block]:
    """Return the blocks of the highest level. A text of nothing but definitions of links is one, as it stands."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    blocks: list[_Block] = []
    for token in _PARSER.parse(text):
        if token.level == 0 and token.nesting >= 0 and token.map is not None:
            blocks.append(_Block(starts[token.map[0]], []))
        if blocks:
            blocks[-1].tokens.append(token)
    if not blocks and text.strip():
        inline = Token("inline", "", 0, level=1, children=[Token("text", "", 0, content=text.strip())])
        return [_Block(0, [Token("paragraph_open", "p", 1), inline, Token("paragraph_close", "p", -1)])]
    return blocks


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    """Return the tokens of each block of the highest level, paragraphs that follow each other together."""
    blocks: list[list[Token]] = []
    for token in tokens:
        if token.level == 0 and token.nesting >= 0:
            follows = bool(blocks) and token.type == blocks[-1][0].type == "paragraph_open"
            if not follows:
                blocks.append([])
        blocks[-1].append(token)
    return blocks


def _place_to_cut(text: str, least: int, most: int) -> int:
    for separator in ("\n", " "):
        place = text.rfind(separator, least, most)
        if place >= 0:
            return place + 1
    return most


def _labelled(paragraph: Token, label: str) -> Token:
    strong = [
        Token("strong_open", "strong", 1),
        Token("text", "", 0, content=label),
        Token("strong_close", "strong", -1),
    ]
    return paragraph.copy(children=[*strong, *(paragraph.children or ())])


def _with_line_breaks(token: Token) -> Token:
    """Return a token in which the lines of a text stay lines, as chats have it."""
    if not token.children or not any(child.type == "softbreak" for child in token.children):
        return token
    children = [
        child.copy(type="hardbreak") if child.type == "softbreak" else child for child in token.children
    ]
    return token.copy(children=children)
