"""How the documents become a site: ``make docs``."""

import ast
import re
import textwrap
from importlib.metadata import version as version_of

from sphinx.application import Sphinx

project = "arinova_agent_sync"
author = copyright = "The arinova_agent_sync authors"
version = release = version_of("arinova-agent-sync")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

# Each heading can be linked to, as on the pages of the repository.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
# Types by their names alone: with their modules, signatures would not be read.
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"arinova_agent_sync {version}"


def setup(app: Sphinx) -> None:
    """Show the examples of docstrings, which stand there as plain lines of Python, as code."""
    app.connect("autodoc-process-docstring", _mark_examples, priority=400)  # before napoleon


def _mark_examples(*event: object) -> None:
    lines = event[-1]
    assert isinstance(lines, list)
    paragraphs = re.split(r"\n\n+(?! )", "\n".join(lines))
    marked = [paragraphs[0], *(_as_code(text) if _is_python(text) else text for text in paragraphs[1:])]
    lines[:] = "\n\n".join(marked).split("\n")


def _is_python(text: str) -> bool:
    try:
        return bool(ast.parse(text).body)
    except SyntaxError:
        return False


def _as_code(text: str) -> str:
    return ".. code-block:: python\n\n" + textwrap.indent(text, "    ") + "\n"
