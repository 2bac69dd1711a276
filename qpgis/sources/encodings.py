"""Which encoding the text of a file is in, and how that is known: said by the user, by the file, or shown by its bytes.

What a file says is believed unless its bytes show otherwise; what nothing says is taken for UTF-8, then for GB18030,
only where the bytes bear it out; else the user is asked. GB18030 stands for GBK and GB2312 too, which it contains.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from qpgis.findings import Severity
from qpgis.sources import Request

UTF8 = "utf-8"
GB18030 = "gb18030"
_CODE_PAGES = {
    936: GB18030,
    54936: GB18030,
    65001: UTF8,
    10000: "mac-roman",
    10006: "mac-greek",
    10007: "mac-cyrillic",
    10029: "mac-latin2",
    20127: "ascii",
    20866: "koi8-r",
    21866: "koi8-u",
    51932: "euc-jp",
    51936: GB18030,
    51949: "euc-kr",
}
_NAMES = {
    **dict.fromkeys(["gbk", "gb", "gb2312", "gb231280", "gb18030", "euccn"], GB18030),
    **{"big5": "cp950", "sjis": "cp932", "shiftjis": "cp932", "utf8sig": UTF8},
}
_NO_TABLE = re.compile(r"utf.?(7|16|32)|ucs|unicode|escape|idna|punycode|iso2022|hz|undefined", re.IGNORECASE)
"""Names of encodings that a table can't be in, its padding and separators being ASCII."""
_NO_NAME = frozenset(["ansi", "oem"])
"""What a .cpg says that means no more than the encoding of whichever system wrote it."""
_PRIVATE = re.compile("[\ue000-\uf8ff]")
"""Characters without a meaning: where GB18030 reads them, the text is in another encoding, mostly Big5."""
_HAN_OR_LATIN = re.compile("[\u0080-\u024f\u3400-\u9fff\uf900-\ufaff]")
CLEARLY = 0.3
"""By how much more of a text must be everyday Chinese for another encoding to be the likelier one."""
_ANSI_DRIVER = 0x57
"""Says only that the text is in the encoding of whichever system wrote it."""
_ANSI = "cp1252"
_WESTERN = frozenset(["cp437", "cp850", "cp1252", "iso8859-1", "iso8859-15", "mac-roman", "cp858", "cp865"])
_DRIVERS: Mapping[int, int] = MappingProxyType(
    {
        **dict.fromkeys([0x01, 0x09, 0x0B, 0x0D, 0x0F, 0x11, 0x15, 0x18, 0x19, 0x1B], 437),
        **dict.fromkeys([0x02, 0x0A, 0x0E, 0x10, 0x12, 0x14, 0x16, 0x1A, 0x1D, 0x25, 0x37], 850),
        **dict.fromkeys([0x1F, 0x22, 0x23, 0x40, 0x64, 0x87], 852),
        **dict.fromkeys([0x03, 0x58, 0x59], 1252),
        **dict.fromkeys([0x08, 0x17, 0x66], 865),
        **dict.fromkeys([0x1C, 0x6C], 863),
        **dict.fromkeys([0x26, 0x65], 866),
        **dict.fromkeys([0x13, 0x7B], 932),
        **dict.fromkeys([0x4D, 0x7A], 936),
        **dict.fromkeys([0x4E, 0x79], 949),
        **dict.fromkeys([0x4F, 0x78], 950),
        **dict.fromkeys([0x50, 0x7C], 874),
        **dict.fromkeys([0x6A, 0x86], 737),
        **dict.fromkeys([0x6B, 0x88], 857),
        **{0x24: 860, 0x67: 861, 0x7D: 1255, 0x7E: 1256, 0xC8: 1250, 0xC9: 1251, 0xCA: 1254, 0xCB: 1253, 0xCC: 1257},
        **{0x04: 10000, 0x96: 10007, 0x97: 10029, 0x98: 10006},
    }
)
"""Code page of each language driver byte of a dBASE or FoxPro table, where Python knows it."""


@dataclass(frozen=True)
class Encoding:
    """An encoding and how it was found.

    >>> str(Encoding("gb18030", "DBF language driver 0x4D"))
    'GB18030 (DBF language driver 0x4D)'
    """

    codec: str
    how: str

    def __str__(self) -> str:
        return f"{self.codec.upper()} ({self.how})"


@dataclass(frozen=True)
class Bytes:
    """The texts of a file that aren't ASCII, each once.

    Attributes
    ----------
    whole : collection of bytes
    cut : collection of bytes
        Texts that fill their field to the brim, so their last character may be cut.
    """

    whole: Collection[bytes] = ()
    cut: Collection[bytes] = ()

    def __bool__(self) -> bool:
        return bool(self.whole) or bool(self.cut)

    def misfit(self, codec: str) -> bytes | None:
        """A text that isn't legal in an encoding; None if all are."""
        return next(self._misfits(codec), None)

    def texts(self, codec: str) -> str:
        """All in one, what isn't legal left out."""
        return "".join(one.decode(codec, "ignore") for one in (*self.whole, *self.cut))

    def share_legal(self, codec: str) -> float:
        """Which share of the texts is legal in an encoding."""
        return 1 - sum(1 for _ in self._misfits(codec)) / (len(self.whole) + len(self.cut))

    def _misfits(self, codec: str) -> Iterator[bytes]:
        for group, may_be_cut in ((self.whole, False), (self.cut, True)):
            for one in group:
                if text_or_none(one, codec, may_be_cut=may_be_cut) is None:
                    yield one


def text_or_none(data: bytes, codec: str, *, may_be_cut: bool = False) -> str | None:
    """The text in some bytes, without its last character where that may be cut and is; None if it isn't legal."""
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        tail = error.reason in ("unexpected end of data", "incomplete multibyte sequence")
        return data[: error.start].decode(codec) if may_be_cut and tail else None


def codec_of(name: str) -> str | None:
    """Python's name of an encoding as files and people write it; None for one that is unknown or can't be a table's.

    >>> [codec_of(name) for name in ("ANSI 936", "win1251", "8859_15", "OEM 437", "UTF8", "UTF-16", "KLINGON")]
    ['gb18030', 'cp1251', 'iso8859-15', 'cp437', 'utf-8', None, None]
    """
    plain = re.sub(r"[\s\"'\ufeff\0_\-:./]", "", name).lower()
    number = re.fullmatch(r"(?:ansi|oem|cp|codepage|windows|win|ibm|ms|dos|x|xcp)*(\d+)", plain)
    iso = re.fullmatch(r"(?:iso)?8859(\d{1,2})|28(?:59|60)(\d{1,2})", plain)
    if iso:
        guess = f"iso8859-{int(iso[1] or iso[2]) + (10 if plain.startswith('2860') else 0)}"
    elif number:
        guess = _CODE_PAGES.get(int(number[1]), f"cp{int(number[1])}")
    else:
        guess = _NAMES.get(plain, plain)
    return next((codec for one in (guess, name.strip()) if (codec := _known(one))), None)


def _known(name: str) -> str | None:
    """Python's own name of an encoding that writes ASCII as ASCII, which a table's has to."""
    if _NO_TABLE.search(name):
        return None
    try:
        codec = codecs.lookup(name).name
        return codec if b"A1 ".decode(codec) == "A1 " else None
    except (LookupError, ValueError):
        return None


def driver_codec(byte: int) -> str | None:
    """The encoding that the language driver byte of a .dbf stands for; None where it says nothing.

    >>> driver_codec(0x4D), driver_codec(0xC9), driver_codec(0x57)
    ('gb18030', 'cp1251', None)
    """
    return codec_of(str(_DRIVERS[byte])) if byte in _DRIVERS else None


def table_claims(request: Request, cpg: str | None, driver: int) -> list[Encoding]:
    """What a .dbf and its .cpg say of the encoding, the .cpg first.

    Raises
    ------
    SourceError
        If the .cpg names an encoding that is unknown or can't be.
    """
    claims = []
    said = (cpg or "").strip("\ufeff\0 \r\n\t")
    if said.lower() in _NO_NAME:
        request.note(Severity.WARNING, "cpg_says_nothing", value=said)
    elif cpg is not None and said:
        codec = codec_of(cpg)
        if codec is None:
            why = "a .dbf can't be in" if _NO_TABLE.search(cpg) or cpg.strip() in ("1200", "1201") else "isn't known"
            raise request.refusal(
                f"the .cpg names {cpg.strip()!r}, an encoding that {why}; correct it, or write "
                'encoding = "gbk", "utf-8" or another'
            )
        claims.append(Encoding(codec, f".cpg: {cpg.strip()}"))
    of_driver = driver_codec(driver)
    if of_driver:
        claims.append(Encoding(of_driver, f"DBF language driver 0x{driver:02X}"))
    return claims


def decide(
    request: Request, text: Bytes, claims: Callable[[], Sequence[Encoding]] = tuple, *, driver: int = 0
) -> Encoding:
    """The encoding of a file's text.

    Parameters
    ----------
    request : Request
        Its ``encoding``, if declared, is taken.
    text : Bytes
        Every text of the file that isn't ASCII.
    claims : function returning a sequence of Encoding
        What the file says, most trustworthy first; not asked where the user says it.
    driver : int
        The language driver of a .dbf.

    Raises
    ------
    SourceError
        If the declared encoding is unknown or doesn't fit, or if none is found that does.
    """
    if request.encoding:
        return _declared(request, text, request.encoding)
    found = _found(request, text, claims(), driver)
    if text and found.codec == GB18030 and _common_chinese(text) < 0.5:
        request.note(Severity.WARNING, "encoding_doubtful", value=str(found), sample=text.texts(GB18030)[:20])
    return found


def _found(request: Request, text: Bytes, claims: Sequence[Encoding], driver: int) -> Encoding:
    if not text:
        return claims[0] if claims else Encoding("ascii", "no other characters")
    for n, claim in enumerate(claims):
        if not _contradicted(claim.codec, text):
            return _after(request, claims[:n], claim)
    by_bytes = shown(text)
    if by_bytes is not None:
        return _after(request, claims, by_bytes)
    if not claims and driver == _ANSI_DRIVER and text.misfit(_ANSI) is None:
        request.note(Severity.WARNING, "encoding_guessed", value=_ANSI.upper())
        return Encoding(_ANSI, "DBF language driver 0x57: the writer's own, taken for Western European")
    said = f" (said: {', '.join(map(str, claims))})" if claims else ""
    raise request.refusal(f'the encoding of its text can\'t be told{said}; write encoding = "gbk", "utf-8" or another')


def _declared(request: Request, text: Bytes, name: str) -> Encoding:
    codec = codec_of(name)
    if codec is None:
        raise request.refusal(f'encoding = "{name}" isn\'t known; write for instance "gbk", "utf-8" or "big5"')
    misfit = text.misfit(codec)
    if misfit is not None:
        raise request.refusal(f"encoding = \"{name}\" doesn't fit: the text {misfit[:40]!r} isn't legal in it")
    seen = shown(text)
    if seen is not None and seen.codec != codec and _everyday(text, seen.codec) > _everyday(text, codec) + CLEARLY:
        words = {"value": codec.upper(), "sample": text.texts(codec)[:20]}
        request.note(
            Severity.WARNING, "encoding_unlike", **words, seen=str(seen), seen_sample=text.texts(seen.codec)[:20]
        )
    return Encoding(codec, "declared")


def _after(request: Request, refuted: Sequence[Encoding], chosen: Encoding) -> Encoding:
    """The chosen encoding; what the file says and its bytes refute is named."""
    for claim in refuted:
        request.note(Severity.WARNING, "encoding_claim_wrong", value=str(claim), chosen=str(chosen))
    return chosen


def shown(text: Bytes) -> Encoding | None:
    """The encoding that the bytes alone show."""
    if text.misfit(UTF8) is None:
        return Encoding(UTF8, "strict UTF-8")
    if text.misfit(GB18030) is None and text.share_legal(UTF8) < 0.5 and _common_chinese(text) >= 0.5:
        return None if _PRIVATE.search(text.texts(GB18030)) else Encoding(GB18030, "strict GB18030")
    return None


def _contradicted(codec: str, text: Bytes) -> bool:
    """True where the bytes show that the text isn't in the encoding that a file names.

    Hardly any text of another encoding is legal UTF-8 by chance; two Chinese characters of GBK may be, as two letters,
    so against a multi-byte encoding it takes a character of three bytes. Chinese read as a Western encoding is legal
    too, but there accented letters come alone, not always in pairs.
    """
    if text.misfit(codec) is not None:
        return True
    if codec == UTF8:
        return False
    if text.misfit(UTF8) is None:
        return _single_byte(codec) or max(text.texts(UTF8), default="") > "\u07ff"
    return codec in _WESTERN and text.misfit(GB18030) is None and _common_chinese(text) > 0.75


def _single_byte(codec: str) -> bool:
    return not "中".encode(codec, "ignore")


def _everyday(text: Bytes, codec: str) -> float:
    """Which share of the characters outside ASCII are Chinese of every day, or letters of a script of their own."""
    beyond = [c for c in text.texts(codec) if c > "\x7f"]
    return sum(1 for c in beyond if _is_everyday(c)) / max(len(beyond), 1)


def _is_everyday(character: str) -> bool:
    """True for the 3,755 characters of the first level of GB 2312, the 5,401 of Big5's, and what isn't Han or Latin."""
    if not _HAN_OR_LATIN.match(character):
        return character.isalpha()
    simplified, traditional = (character.encode(codec, "ignore")[:1] for codec in ("gb2312", "big5"))
    return b"\xb0" <= simplified <= b"\xd7" or b"\xa4" <= traditional <= b"\xc6"


def _common_chinese(text: Bytes) -> float:
    """Which share of the characters outside ASCII is in GB2312: nearly all of real Chinese, nearly none of the rest."""
    beyond = [c for c in text.texts(GB18030) if c > "\x7f"]
    return sum(1 for c in beyond if c.encode("gb2312", "ignore")) / max(len(beyond), 1)
