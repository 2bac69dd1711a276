"""The text of a GeoJSON file, one feature after the other: a big file never stands in memory twice."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator, Iterator
from itertools import count
from typing import Any

from qpgis.findings import Severity
from qpgis.sources import Request
from qpgis.sources.jsonshapes import GEOMETRIES
from qpgis.sources.signatures import true_format

_SPACE = re.compile(r"[ \t\n\r]*")
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_HALF = re.compile(
    r"(?<!\\)(?:\\\\)*(?:\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)
"""Half of a character that JSON writes as two escapes; no text can hold it."""


class Document:
    """A GeoJSON file as it is read: first :meth:`features`, then :attr:`members` of the outermost object are whole.

    Attributes
    ----------
    encoding : str
        The encoding of its text and how it was found.
    members : dict
        Members of the outermost object; ``features`` is empty there where it was a list.
    listed : int
        How many features stood in that list.
    """

    def __init__(self, request: Request) -> None:
        self.members: dict[str, Any] = {}
        self.listed = 0
        self._request = request
        self._text, self.encoding = _decoded(request)
        decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=self._constant, parse_int=_whole_number
        )
        self._scan = decoder.scan_once  # type: ignore[attr-defined]  # raw_decode without its call of its own

    def features(self) -> Iterator[Any]:
        """Each feature as JSON has it: of the collection, of a sequence of features, or the one that the file is."""
        at = self._past_space(0)
        if not self._text.startswith("{", at):
            self._value(at)
            raise self._request.refusal("can't be read as GeoJSON: a JSON object '{...}' has to be outermost")
        at = self._past_space((yield from self._outermost(at)))
        if self.members.get("type") in ("Feature", *GEOMETRIES):
            yield as_feature(self.members)
            if at < len(self._text):
                self._request.note(Severity.INFO, "geojson_sequence")
            while at < len(self._text):
                feature, at = self._value(at)
                yield as_feature(feature)
                at = self._past_space(at)
        if at < len(self._text):
            raise self._broken("there is more after the end of the JSON object", at)

    def _outermost(self, at: int) -> Generator[Any, None, int]:
        """The outermost object: its features one by one, the other members kept. Returns where it ends."""
        at = self._past_space(at + 1)
        while not self._text.startswith("}", at):
            name, at = self._value(at)
            if not isinstance(name, str):
                raise self._broken("a name in double quotes is wanted", at)
            at = self._past_space(self._expect(":", at))
            if name in self.members:
                raise self._request.refusal(f"the name {name!r} stands twice in the outermost object; take one out")
            if name == "features" and self._text.startswith("[", at):
                self.members[name] = []
                at = yield from self._items(at)
            else:
                self.members[name], at = self._value(at)
            comma = _COMMA.match(self._text, at)
            at = comma.end() if comma else self._past_space(at)
            if bool(comma) == self._text.startswith("}", at):
                raise self._broken("a comma before '}'" if comma else "',' or '}' is wanted", at)
        if not isinstance(self.members.get("features", []), list):
            raise self._request.refusal("can't be read as GeoJSON: its 'features' are no list; export it again")
        return at + 1

    def _items(self, at: int) -> Generator[Any, None, int]:
        """The items of a list, one by one. Returns where it ends."""
        at = self._past_space(at + 1)
        if self._text.startswith("]", at):
            return at + 1
        for number in count():
            item, at = self._value(at, number)
            self.listed += 1
            yield item
            comma = _COMMA.match(self._text, at)
            if comma is None:
                break
            at = comma.end()
        return self._expect("]", at, "',' or ']'")

    def _value(self, at: int, number: int | None = None) -> tuple[Any, int]:
        try:
            return self._scan(self._text, at)
        except StopIteration as end:
            raise self._broken("a value is wanted", end.value) from None
        except json.JSONDecodeError as error:
            raise self._broken(error.msg.removesuffix(" at"), error.pos) from None
        except _Unfit as why:
            place = f"feature {number}: " if number is not None else ""
            raise self._request.refusal(f"{place}{why}") from None

    def _expect(self, mark: str, at: int, what: str = "") -> int:
        """Past a mark, and the blanks before it."""
        at = self._past_space(at)
        if not self._text.startswith(mark, at):
            raise self._broken(f"{what or repr(mark)} is wanted", at)
        return at + 1

    def _past_space(self, at: int) -> int:
        return _SPACE.match(self._text, at).end()  # type: ignore[union-attr]

    def _broken(self, why: str, at: int) -> Exception:
        line, before = self._text.count("\n", 0, at) + 1, self._text.rfind("\n", 0, at)
        cut = why.startswith("Unterminated string") or not self._text[at:].strip()
        ends = "; it ends too early: copy or export it again" if cut else ""
        return self._request.refusal(f"no valid JSON: {why} at line {line}, column {at - before}{ends}")

    @staticmethod
    def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            for name, value in pairs:
                if value != made[name]:
                    raise _Unfit(f"the name {name!r} stands twice in one object, with different values; take one out")
        return made

    @staticmethod
    def _constant(word: str) -> Any:
        raise _Unfit(f"{word} is no JSON and no number to count with; write null")


class _Unfit(Exception):
    """JSON that Python's decoder would take but that nobody can count with."""


def _whole_number(digits: str) -> int:
    if len(digits) > 1000:
        raise _Unfit(f"a number of {len(digits)} digits; write it as text")
    return int(digits)


def as_feature(said: Any) -> Any:
    """What stands where a feature may: itself, or a bare geometry as the feature that it is."""
    if isinstance(said, dict) and said.get("type") in GEOMETRIES:
        return {"type": "Feature", "properties": None, "geometry": said}
    return said


def _decoded(request: Request) -> tuple[str, str]:
    """The text of the file and its encoding. JSON is UTF-8; anything else is said or refused."""
    data = request.path.read_bytes()
    if (found := true_format(data[:1000])) not in ("JSON", ""):
        raise request.refusal(f"it is no GeoJSON file but {found}; give it its true suffix")
    text, encoding = _text(request, data)
    if not text.strip():
        raise request.refusal("it holds nothing but blanks; export it again")
    if ("\\ud" in text or "\\uD" in text) and (half := _HALF.search(text)):
        line = text.count("\n", 0, half.start()) + 1
        raise request.refusal(f"half a character {half[0]!r} at line {line}; write it whole")
    return text.replace("\x1e", " ") if "\x1e" in text else text, encoding


def _text(request: Request, data: bytes) -> tuple[str, str]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _other(request, data, encoding), f"{encoding} (byte-order mark)"
    if b"\0" in data[:4]:
        raise request.refusal("it looks like UTF-16 without a byte-order mark; save it as UTF-8")
    try:
        return data.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError as error:
        if request.encoding is not None:
            return _other(request, data, request.encoding), f"{request.encoding} (declared)"
        raise request.refusal(_no_utf8(data, error.start)) from None


def _other(request: Request, data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except LookupError:
        raise request.refusal(f'no encoding {encoding!r}; e.g. encoding = "GB18030"') from None
    except ValueError as error:
        raise request.refusal(f"its text isn't {encoding}: {error}; save it as UTF-8") from None
    request.note(Severity.WARNING, "geojson_not_utf8", value=encoding)
    return text


def _no_utf8(data: bytes, at: int) -> str:
    """Why the bytes are refused, and what to do."""
    line = data.count(b"\n", 0, at) + 1
    try:
        data.decode("gb18030")
        likely = '; they look like GBK: declare encoding = "GB18030"'
    except UnicodeDecodeError:
        likely = ""
    return f"JSON has to be UTF-8, but byte {at} (line {line}) is none (0x{data[at]:02X}); save it as UTF-8{likely}"
