"""A DXF file as text: binary ones unpacked, its encoding found, its escapes resolved, its structure checked.

ezdxf reads on from here; it never sees the file itself, so it can neither guess an encoding nor miss an end.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator

from qpgis.errors import SourceError
from qpgis.sources import Request
from qpgis.sources.encodings import Bytes, Encoding, codec_of, decide

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]")
"""What no text drawing holds; byte 1A ends files of DOS."""
BINARY = b"AutoCAD Binary DXF\r\n\x1a\x00"
UTF8_SINCE = "AC1021"
"""From this version (AutoCAD 2007) on, text is UTF-8 whatever the header's code page."""
REMEDY = "export it again as DXF"
_MOST_BYTES = 600_000_000
_TYPE = re.compile(r"\n[ \t]*0[ \t]*\n[ \t]*([0-9]?[A-Za-z_*][^\n]*)")
"""A record's type: letters after a group code 0; a value 0 is followed by another group code, which has no letter."""
_RECORDS = re.compile(r"\n[ \t]*0[ \t]*\n(?=[ \t]*[0-9]?[A-Za-z_*])")
_COMMA = re.compile(r"\n[ \t]*([1-5]\d)[ \t]*\n[ \t]*([-+]?\d+,\d+)[ \t]*(?=\n)")
"""A number, which all groups from 10 to 59 are, with a decimal comma."""
_POINTS = {"10": "20", "11": "21", "12": "22", "13": "23"}
_POINTED = frozenset(
    [
        *("POINT", "LINE", "LWPOLYLINE", "POLYLINE", "VERTEX", "CIRCLE", "ARC", "ELLIPSE", "SPLINE", "HATCH"),
        *("MPOLYGON", "SOLID", "TRACE", "TEXT", "MTEXT", "ATTRIB", "INSERT"),
    ]
)
_OWNED = frozenset(["VERTEX", "ATTRIB", "SEQEND"])
_PARTS = frozenset(["VERTEX", "SEQEND", "ATTRIB", "ENDSEC", "SECTION", "EOF"])
"""Records that are no entities of their own."""
_ESCAPED = re.compile(r"\\U\+([0-9A-Fa-f]{4})|\\M\+([1-5])([0-9A-Fa-f]{4})")
_MIF_CODECS = {"1": "cp932", "2": "cp950", "3": "cp949", "4": "johab", "5": "gb18030"}


def text_of(request: Request) -> tuple[str, Encoding]:
    r"""The whole file as text with ``\n`` between its lines, and the encoding it was in.

    Raises
    ------
    SourceError
        If it is no DXF file, cut short, or in an encoding that can't be told.
    """
    data = request.path.read_bytes()
    _refuse_others(request, data)
    if data.startswith(BINARY):
        data = _unpacked(request, data)
    elif found := _CONTROL.search(data):  # text writes them as ^J and the like
        line = data[: found.start()].count(b"\n") + 1
        raise request.refusal(f"line {line} holds a control character, so the drawing is damaged; {REMEDY}")
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    data = data if b"\n" in data else data.replace(b"\r", b"\n")
    if not re.match(rb"(?:\s*999[ \t]*\n[^\n]*\n)*\s*0[ \t]*\n[ \t]*(?:SECTION|EOF)\b", data):
        raise request.refusal(f"it isn't a DXF drawing (it doesn't begin with a SECTION); {REMEDY}")
    encoding = _encoding(request, data)
    text = "\n" + resolved(data.decode(encoding.codec))
    if not re.search(r"\n[ \t]*0[ \t]*\n[ \t]*EOF[ \t]*(?:\n|$)", text[-100_000:]):
        raise request.refusal(f"the drawing is cut short (no EOF at its end); {REMEDY}")
    if next(_sections(text, "ENTITIES"), None) is None:
        raise request.refusal(f"the drawing has no ENTITIES section; {REMEDY}")
    _refuse_commas(request, text)
    return text, encoding


def resolved(text: str) -> str:
    r"""Text with the escapes ``\U+XXXX`` and ``\M+nXXXX`` as the characters they stand for.

    >>> resolved(r"Tsch\U+00FCss, \M+5C7E0\M+5C6D6")
    'Tschüss, 青浦'
    """
    return _ESCAPED.sub(_character, text) if "\\U+" in text or "\\M+" in text else text


def _character(match: re.Match[str]) -> str:
    unicode, page, code = match.groups()
    if unicode:
        point = int(unicode, 16)
        return chr(point) if point >= 0x20 and not 0xD800 <= point < 0xE000 else match[0]
    try:
        return bytes.fromhex(code).lstrip(b"\0").decode(_MIF_CODECS[page])
    except UnicodeDecodeError:
        return match[0]


def _refuse_commas(request: Request, text: str) -> None:
    """A decimal comma would cut the number off."""
    found = _COMMA.search(text)
    if found is None:
        return
    record = _RECORDS.split(text[max(0, found.start() - 100_000) : found.start() + 1])[-1]
    kind, handle = record.split("\n", 1)[0].strip(), _value(record, "5")
    where = f"{kind} {handle}".strip() + f", line {text.count(chr(10), 0, found.start(2))}"
    raise request.refusal(f"{where}: {found[2]!r} has a decimal comma; export it again with decimal points")


def _value(record: str, code: str) -> str:
    """The first value of a group code in a record; empty where there is none."""
    lines = record.split("\n")
    return next((v.strip() for c, v in zip(lines[1::2], lines[2::2], strict=False) if c.strip() == code), "")


def versioned(text: str) -> str:
    """The text with a version that has subclasses, as versions since R13 do, where it has them but says it is R12.

    Without a version R12 is the default.
    """
    if not re.search(r"\n[ \t]*100[ \t]*\n[ \t]*AcDb", text):
        return text
    said = re.search(r"\n[ \t]*9[ \t]*\n[ \t]*\$ACADVER[ \t]*\n[ \t]*1[ \t]*\n[ \t]*([^\n]*)", text[:100_000])
    if said:
        return text if said[1].strip() != "AC1009" else f"{text[: said.start(1)]}AC1015{text[said.end(1) :]}"
    version = "  9\n$ACADVER\n  1\nAC1015\n"
    header = re.search(r"\n[ \t]*0[ \t]*\n[ \t]*SECTION[ \t]*\n[ \t]*2[ \t]*\n[ \t]*HEADER[ \t]*\n", text)
    if header:
        return text[: header.end()] + version + text[header.end() :]
    return f"\n  0\nSECTION\n  2\nHEADER\n{version}  0\nENDSEC{text}"


def odd_counts(text: str) -> Iterator[tuple[str, str, int]]:
    """Polylines that say that they have another number of vertices than they have: handle, said, and true number."""
    for record in _RECORDS.split(text):
        if record.lstrip(" \t").startswith("LWPOLYLINE"):
            said = _value(record, "90")
            count = sum(code.strip() == "10" for code in record.split("\n")[1::2])
            if said.isdecimal() and int(said) != count:
                yield _value(record, "5"), said, count


def without_broken(text: str) -> tuple[str, list[tuple[str, str, str]]]:
    """The text without entities of which a point has no y, and of each its handle or line, its type and the group."""
    kept: list[list[str]] = []
    broken: list[tuple[str, str, str]] = []
    gone, line = False, 0
    for record in _RECORDS.split(text):
        kind = record.split("\n", 1)[0].strip().upper()
        lacking = _lacking(record) if kind in _POINTED else ""
        if kind not in _OWNED:
            kept.append([])
            gone = False
        if lacking and not gone:
            owner = kept[-1][0] if kept[-1] else record
            broken.append((_value(owner, "5") or f"line {line}", kind, lacking))
            kept[-1], gone = [], True
        if not gone:
            kept[-1].append(record)
        line += record.count("\n") + 2
    return "\n  0\n".join(record for records in kept for record in records), broken


def _lacking(record: str) -> str:
    """The group of a y that fewer points have than have an x; empty where all do."""
    counts = Counter(code.strip() for code in record.split("\n")[1::2])
    return next((y for x, y in _POINTS.items() if counts[y] < counts[x]), "")


def entity_counts(text: str) -> Counter[str]:
    """How many entities of each type the drawing itself holds, as the file has them before anything interprets it."""
    return Counter(kind for section in _sections(text, "ENTITIES") for kind in _types(section))


def defined_blocks(text: str) -> frozenset[str]:
    """The names of the blocks that are defined, in lower case."""
    blocks = re.compile(r"\n[ \t]*0[ \t]*\n[ \t]*BLOCK[ \t]*((?:\n[^\n]*\n[^\n]*)*?)(?=\n[ \t]*0[ \t]*\n)")
    bodies = (body for section in _sections(text, "BLOCKS") for body in blocks.findall(section))
    names = (re.match(r"(?:\n[^\n]*\n[^\n]*)*?\n[ \t]*2[ \t]*\n([^\n]*)", body) for body in bodies)
    return frozenset(name[1].strip().lower() for name in names if name)


def _sections(text: str, name: str) -> Iterator[str]:
    begin = re.compile(rf"\n[ \t]*0[ \t]*\n[ \t]*SECTION[ \t]*\n[ \t]*2[ \t]*\n[ \t]*{name}[ \t]*(?=\n)")
    end = re.compile(r"\n[ \t]*0[ \t]*\n[ \t]*(?:ENDSEC|EOF)[ \t]*(?=\n|$)")
    for start in begin.finditer(text):
        stop = end.search(text, start.end())
        yield text[start.end() : stop.start() if stop else len(text)] + "\n"


def _types(section: str) -> Iterator[str]:
    for match in _TYPE.finditer(section):
        kind = match[1].strip().upper()
        if kind not in _PARTS:
            yield kind


def _refuse_others(request: Request, data: bytes) -> None:
    """What is handed over under the name of a DXF file, and how to make one of it."""
    if re.match(rb"AC(?:1\.\d|2\.\d\d|10\d\d)\x00", data) or request.path.suffix.lower() == ".dwg":
        raise request.refusal("it is a DWG drawing, which only CAD software reads; save it as DXF (另存为 DXF) there")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or data.startswith(b"PK\x03\x04"):
        raise request.refusal(f"it isn't a DXF drawing; {REMEDY}")
    if len(data) > _MOST_BYTES:
        raise request.refusal(
            f"the drawing is too large ({len(data) / 1e6:.0f} MB); export only the layers that are needed"
        )
    if not data.strip(b"\0 \r\n\t"):
        raise request.refusal(f"the file holds nothing but blanks; {REMEDY}")


def _encoding(request: Request, data: bytes) -> Encoding:
    """Decided by the header, and by every line that isn't ASCII."""
    header = data[:100_000]
    version, page = _variable(header, b"ACADVER"), _variable(header, b"DWGCODEPAGE")
    claims = [Encoding("utf-8", f"DXF version {version}")] if version >= UTF8_SINCE else []
    codec = codec_of(page) if page else None
    if codec and not claims:
        claims = [Encoding(codec, f"$DWGCODEPAGE {page}")]
    lines = frozenset(line for line in data.split(b"\n") if not line.isascii()) if not data.isascii() else frozenset()
    return decide(request, Bytes(whole=lines), lambda: claims)


def _variable(header: bytes, name: bytes) -> str:
    """A text variable of the header; empty where it has none."""
    found = re.search(rb"\$" + name + rb"[ \t]*\n[ \t]*\d+[ \t]*\n([^\n]*)", header)
    return found[1].decode("ascii", "replace").strip() if found else ""


def _unpacked(request: Request, data: bytes) -> bytes:
    """A binary file as the text file that says the same."""
    try:
        return b"\n".join(part for tag in _binary_tags(data) for part in tag) + b"\n"
    except (struct.error, IndexError, ValueError) as error:
        raise request.refusal(f"the binary drawing is cut short or damaged ({error}); {REMEDY}") from error


def _binary_tags(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Group codes and values. Codes took one byte up to R12, two since: the first code, 0, shows which."""
    from ezdxf.lldxf.types import BINARY_DATA, BYTES, DOUBLE, INT16, INT32, INT64

    numbers = {
        **{code: struct.Struct("<B") for code in BYTES},
        **{code: struct.Struct("<h") for code in INT16},
        **{code: struct.Struct("<i") for code in INT32},
        **{code: struct.Struct("<q") for code in INT64},
        **{code: struct.Struct("<d") for code in DOUBLE},
    }
    position = len(BINARY)
    wide = data[position + 1] == 0
    while position < len(data):
        code = int.from_bytes(data[position : position + 2], "little") if wide else data[position]
        position += 2 if wide else 1
        if not wide and code == 255:
            code = int.from_bytes(data[position : position + 2], "little")
            position += 2
        if code in BINARY_DATA:
            length = data[position]
            value = data[position + 1 : position + 1 + length].hex().upper().encode()
            position += 1 + length
        elif code in numbers:
            value = repr(numbers[code].unpack_from(data, position)[0]).encode()
            position += numbers[code].size
        else:
            end = data.index(b"\0", position)
            value = data[position:end].replace(b"\n", b" ")
            position = end + 1
        yield str(code).encode(), value
        if code == 0 and value == b"EOF":
            return


def refused_as(request: Request, error: Exception) -> SourceError:
    """The error of a library about the drawing's structure as ours."""
    return request.refusal(f"the drawing's structure is damaged ({error}); open it in CAD, run RECOVER, {REMEDY}")
