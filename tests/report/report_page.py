"""Read a report back: its elements by id, its numbers by the key they stand for."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = {"col", "meta", "link", "input", "br", "hr", "img"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    parts: list[Any] = field(default_factory=list)  # texts and elements in order

    @property
    def text(self) -> str:
        inner = [part if isinstance(part, str) else part.text for part in self.parts]
        return " ".join("".join(inner).split())

    def all(self, tag: str | None = None, **attributes: str) -> list[Element]:
        """Descendants with that tag and those attributes (``class_`` is one word)."""
        found = []
        for child in self.children:
            if (tag is None or child.tag == tag) and child.has(**attributes):
                found.append(child)
            found += child.all(tag, **attributes)
        return found

    def one(self, tag: str | None = None, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of {tag} {attributes}"
        return found[0]

    def has(self, **wanted: str) -> bool:
        for key, value in wanted.items():
            own = self.attributes.get(key.rstrip("_").replace("_", "-"))
            if own is None or (value not in own.split() if key == "class_" else value != own):
                return False
        return True


class _Strict(HTMLParser):
    """A parser that forgives nothing: every start tag has its end tag, in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({key for key, _ in attrs}) == len(attrs), f"repeated attribute in <{tag}>"
        element = Element(tag, {key: value or "" for key, value in attrs})
        self.open[-1].children.append(element)
        self.open[-1].parts.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def parse(text: str) -> Element:
    """The page as a tree; fails on any tag that is not closed or closed out of order."""
    parser = _Strict()
    parser.feed(text)
    parser.close()
    assert parser.open == [parser.root], f"not closed: {[e.tag for e in parser.open[1:]]}"
    return parser.root
