"""Styles, fonts and scripts of the pages, put inline, and the policy that lets nothing else in."""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
from collections.abc import Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from markupsafe import Markup

from fidgety.errors import FileError

__all__ = ["FONTS", "asset", "font_faces", "packed_plotly", "policy", "stylesheet"]

FONTS = {"Source Sans 3": "source-sans-3.woff2", "Source Serif 4": "source-serif-4.woff2"}


@cache
def asset(name: str) -> str:
    """Text of one of the files in ``templates``: a style sheet or a script."""
    return _folder().joinpath(name).read_text("utf-8")


def font_faces(url: str | None = None) -> str:
    """CSS that declares the two fonts of the pages.

    Parameters
    ----------
    url : str, optional
        Folder they are served from, such as ``"/static/fonts"``; left out, they stand in the text.
    """
    faces = [
        f'@font-face {{ font-family: "{name}"; font-weight: 200 900; font-display: swap; '
        f'src: url({_inline(file) if url is None else f"{url}/{file}"}) format("woff2"); }}'
        for name, file in FONTS.items()
    ]
    return "\n".join(faces) + "\n"


@cache
def stylesheet(*names: str) -> str:
    """The tokens, the fonts, the common pieces and these further style sheets as one text."""
    sheets = ("tokens.css", "base.css", *names)
    return "\n" + font_faces() + "\n".join(asset(name) for name in sheets)


@cache
def packed_plotly() -> tuple[str, str]:
    """Plotly's own packaged script, and how a page's policy knows it.

    The installed package's ``plotly.min.js`` (4.8 MB), compressed to 2 MB of base64: the page
    unpacks it when a chart is first asked for.

    Returns
    -------
    str
        The script, gzip and base64.
    str
        ``sha256-...`` of the script itself.

    Raises
    ------
    FileError
        E512 if plotly is not installed.
    """
    found = importlib.util.find_spec("plotly")  # finds it without importing it
    places = list(found.submodule_search_locations or ()) if found else []
    scripts = [Path(place) / "package_data" / "plotly.min.js" for place in places]
    script = next((path for path in scripts if path.is_file()), None)
    if script is None:
        raise FileError(
            "E512",
            "The plot library for interactive charts is not installed",
            why="the package plotly with its plotly.min.js was not found",
            remedy="pip install plotly, or choose --static: the page then has every chart, still",
        )
    content = script.read_text("utf-8")
    packed = gzip.compress(content.encode(), 4, mtime=0)  # 9: 4 % smaller, 0.1 s more
    return base64.b64encode(packed).decode(), _digest(content)


def policy(styles: Sequence[str], scripts: Sequence[str], known: Sequence[str] = ()) -> Markup:
    """Content security policy as a ``<meta>``: nothing is loaded; these styles and scripts apply.

    Parameters
    ----------
    styles, scripts : sequence of str
        Content of each inline ``<style>`` and ``<script>``.
    known : sequence of str
        ``sha256-...`` of scripts that these scripts unpack, and that may then set styles.
    """
    # A chart library writes styles of its own. With nothing to load, a style can reach nobody.
    style = "'unsafe-inline'" if known else " ".join(f"'{_digest(text)}'" for text in styles)
    script = " ".join(f"'{digest}'" for digest in (*map(_digest, scripts), *known))
    content = (
        f"default-src 'none'; style-src {style}; script-src {script}; "
        "img-src data:; font-src data:; base-uri 'none'; form-action 'none'"
    )
    return Markup('<meta http-equiv="Content-Security-Policy" content="{}">').format(
        Markup(content)  # nosec B704 - hashes and constants
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _inline(file: str) -> str:
    content = _folder().joinpath("fonts", file).read_bytes()
    return "data:font/woff2;base64," + base64.b64encode(content).decode()


def _folder() -> Traversable:
    return resources.files("fidgety.report").joinpath("templates")
