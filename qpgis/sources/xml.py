"""XML read safely: no entities, no document types, nothing fetched, and text in the encoding that the file says."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import TreeBuilder
from xml.parsers import expat

from qpgis.findings import Severity
from qpgis.sources import Request
from qpgis.sources.encodings import codec_of
from qpgis.sources.signatures import true_format

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_DEEP = 100
"""How many elements may stand within one another; geometries and folders need a dozen."""
_PROLOG = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_DECLARED = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"']+)[\"']")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0?\0", "utf-16-le"),
    (b"\0<\0?", "utf-16-be"),
)
_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9]\d*)\.\d+")


def safe_text(request: Request, format_: str) -> tuple[str, str]:
    """The text of an XML file that is safe to parse, and its encoding.

    Parameters
    ----------
    request : Request
        Its ``encoding`` is taken where the bytes aren't what the file says.
    format_ : str
        What the file ought to be, for messages.

    Raises
    ------
    SourceError
        If it is no XML, isn't in the encoding that it declares, or has a document type, which can define entities that
        read other files or blow up.
    """
    data = request.path.read_bytes()
    text, encoding = _decoded(request, data)
    start = _PROLOG.match(text).end()  # type: ignore[union-attr]
    if text.startswith("<!", start) and not re.match(r"<!doctype\s+html", text[start : start + 50], re.IGNORECASE):
        line = text.count("\n", 0, start) + 1
        raise request.refusal(
            f"line {line} declares a document type (DOCTYPE), which may pull in other files or blow up without end; "
            f"{format_} needs none: take it out"
        )
    found = true_format(text[start : start + 500].encode("utf-8", "replace")) or true_format(data[:500])
    if found not in ("XML", format_) or found == "":
        raise request.refusal(f"it is no {format_} file" + (f" but {found}; give it its true suffix" if found else ""))
    return text, encoding


def _decoded(request: Request, data: bytes) -> tuple[str, str]:
    marked = next((codec for mark, codec in _MARKS if data.startswith(mark)), None)
    declared = _DECLARED.search(data[:500])
    name = declared[1].decode("ascii", "replace") if declared else "UTF-8"
    codec = marked or codec_of(name)
    if codec is None:
        raise request.refusal(f"it declares the encoding {name!r}, which isn't known or can't be; save it as UTF-8")
    try:
        how = "byte-order mark" if marked else "declared in the file" if declared else "XML without a declaration"
        return data.decode(codec), f"{codec.removesuffix('-sig').upper()} ({how})"
    except UnicodeError as error:
        at = getattr(error, "start", 0)
    if request.encoding is None:
        raise request.refusal(
            f"it says that its text is {name}, but byte {at} is none (0x{data[at]:02X}); save it as UTF-8, or write "
            'its true encoding, e.g. encoding = "gbk"'
        )
    codec = codec_of(request.encoding)
    try:
        text = data.decode(codec or "")
    except (LookupError, UnicodeError):
        raise request.refusal(f"encoding = {request.encoding!r} isn't known or doesn't fit; save it as UTF-8") from None
    request.note(Severity.WARNING, "xml_encoding", value=request.encoding, declared=name)
    return text, f"{request.encoding} (declared)"


def parse(
    request: Request,
    text: str,
    start: Callable[[str, dict[str, str]], Any],
    end: Callable[[str], Any],
    data: Callable[[str], Any],
) -> None:
    """Go through the elements of a safe text; names keep their prefixes, whether these are declared or not.

    Raises
    ------
    SourceError
        If it isn't well-formed, with line and column.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, data
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        cut = error.code in _CUT
        ends = "; it ends too early: copy or export it again" if cut else ""
        what = expat.ErrorString(error.code)
        raise request.refusal(f"no valid XML: {what} at line {error.lineno}, column {error.offset + 1}{ends}") from None


_CUT = (
    expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
    expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
    expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
    expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION],
)


def tree(request: Request, text: str) -> Element:
    """The outermost element of a safe text; elements go by their names without prefix.

    Raises
    ------
    SourceError
        If it isn't well-formed, or if elements stand too deep within one another.
    """
    builder, depth = TreeBuilder(), 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MOST_DEEP:
            raise request.refusal(too_deep())
        builder.start(local(name), attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(local(name))

    parse(request, text, start, end, builder.data)
    return builder.close()


def too_deep() -> str:
    """Why elements that stand too deep within one another are refused."""
    return f"elements within elements, over {MOST_DEEP} deep; no map needs that"


def local(name: str) -> str:
    """An element's name without its prefix.

    >>> local("gml:pos"), local("pos")
    ('pos', 'pos')
    """
    return name.rpartition(":")[2]


def exact_numbers(values: Sequence[Any]) -> Sequence[Any]:
    """The texts of a column as numbers, if all of them are and each would be written the same way again.

    >>> exact_numbers(["12", None, "-3"]), exact_numbers(["12", "0101"]), exact_numbers(["1.5", "2.25"])
    ([12, None, -3], ['12', '0101'], [1.5, 2.25])
    """
    texts = [value for value in values if value is not None]
    if not all(isinstance(value, str) for value in texts):
        return values
    if all(map(_WHOLE.fullmatch, texts)):
        return [None if value is None else int(value) for value in values]
    if all(map(_DECIMAL.fullmatch, texts)) and all(repr(float(value)) == value for value in texts):
        return [None if value is None else float(value) for value in values]
    return values
