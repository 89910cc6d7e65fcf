"""Blanking of HTML and Markdown in ad texts without moving a single character.

Offsets into the masked text are offsets into the text as given, so nothing has to be mapped back.
"""

from __future__ import annotations

import re
from html.entities import html5

FILLER = "\x00"
"""Stands where markup stood inside a word; it is dropped when words are split, so `<b>R</b>AG` reads RAG."""

_BLOCK_TAGS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "br",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "li",
        "link",
        "main",
        "menu",
        "meta",
        "nav",
        "ol",
        "option",
        "p",
        "pre",
        "section",
        "select",
        "summary",
        "table",
        "tbody",
        "td",
        "textarea",
        "tfoot",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
    ]
)
_INLINE_TAGS = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "button",
        "cite",
        "code",
        "del",
        "dfn",
        "em",
        "embed",
        "font",
        "i",
        "iframe",
        "img",
        "input",
        "ins",
        "kbd",
        "label",
        "mark",
        "nobr",
        "object",
        "q",
        "s",
        "samp",
        "script",
        "small",
        "source",
        "span",
        "strike",
        "strong",
        "style",
        "sub",
        "sup",
        "svg",
        "time",
        "tt",
        "u",
        "var",
        "video",
        "wbr",
    ]
)
_ITEM = "\u2022"

# One character class first in every pattern: the search for it is what makes plain text cheap.
_SPECIAL = re.compile(r"[<&*_`#\[\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b-\u200d\u2060\ufeff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b-\u200d\u2060\ufeff]")
_HIDDEN = re.compile(r"<(?:!--|(script|style)(?=[\s/>]))", re.IGNORECASE)
_CLOSERS = {
    "": re.compile(r"-->"),
    "script": re.compile(r"</script\s*+>", re.IGNORECASE),
    "style": re.compile(r"</style\s*+>", re.IGNORECASE),
}
_ENTITY = re.compile(r"&(amp;)?(#[0-9]{1,7}+|#[xX][0-9a-fA-F]{1,6}+|[a-zA-Z][a-zA-Z0-9]{1,31}+);")
# Fillers may follow `<`: escaped HTML (`&lt;p&gt;`) has been decoded before tags are looked for.
_TAG = re.compile(r"<\x00*+(?:([!?])|(/?)([a-zA-Z][a-zA-Z0-9:-]*+))([^<>]*+)>")
_LINK = re.compile(r"(!?)\[([^\[\]\n]*+)(\]\([^()\n]*+(?:\([^()\n]*+\)[^()\n]*+)?\))")
_INLINE = re.compile(
    r"[*_`\\](?:"
    # escaped characters, and the escapes of JSON and Python strings that were never decoded
    r"(?<=\\)(?:([\\`*_{}\[\]()#+.!|>~<&'\"-])|x([0-9a-f]{2})|u([0-9a-f]{4})|([nrt])(?![a-z]))"
    # two or more asterisks, but not as a bullet
    r"|(?:(?<=[^*]\*)|(?<=\A\*))\*++(?!(?<=\n\*\*)[ \t])"
    # *text*
    r"|(?:(?<=[^\w*]\*)|(?<=\A\*))([^\s*](?:[^*\n]*+(?<!\s))?)\*(?![\w*])"
    # two or more underscores, but not inside a name
    r"|(?:(?<=\W_)|(?<=\A_))_++|(?<=[^\W_]_)_++(?!\w)"
    # _text_
    r"|(?:(?<=\W_)|(?<=\A_))([^\s_](?:[^_\n]*+(?<!\s))?)_(?!\w)"
    # backticks, but not as an apostrophe
    r"|(?:(?<=[^`]`)|(?<=\A`))`*+(?:(?<![^\W\d_]`)|(?![^\W\d_]))"
    r")"
)
_HEADING = re.compile(
    r"#(?:(?:(?<=\n#)|(?<=\n[ \t]#)|(?<=\n[ \t]{2}#)|(?<=\n[ \t]{3}#)|(?<=\A#))#{0,5}+(?=[ \t])"
    r"|(?<=[ \t]#)#++(?=[ \t\r]*+(?:\n|\Z)))"
)
_TABLE_ROW = re.compile(r"\|(?:(?<=\n\|)|(?<=\A\|))[^\n]*\|(?=[ \t\r]*+(?:\n|\Z))")
_INVISIBLE = frozenset("\xad\u200b\u200c\u200d\u2060\ufeff")


def mask(text: str) -> str:
    """Blank the markup of an ad.

    Inline tags and emphasis become `FILLER`, block tags a line break and spaces (a list item also a bullet),
    entities their character followed by fillers, control characters spaces (vertical tab and form feed, which
    word processors and PDF converters write between lines, become line breaks).

    Args:
        text: An ad as given; HTML, Markdown or plain, any line ending.

    Returns:
        A text of the same length in code points; the same object where there is nothing to blank.
    """
    if not _SPECIAL.search(text) and "\n|" not in text:
        return text
    text = _CONTROL.sub(_control, text)
    if "<" in text:
        text = _without_hidden(text)
    if "&" in text:
        text = _ENTITY.sub(_entity, text)
    if "<" in text:
        text = _TAG.sub(_tag, text)
    if "](" in text:
        text = _LINK.sub(_link, text)
    if "*" in text or "_" in text or "`" in text or "\\" in text:
        text = _INLINE.sub(_inline, text)
    if "#" in text:
        text = _HEADING.sub(_spaces, text)
    if "|" in text:
        text = _TABLE_ROW.sub(_table_row, text)
    return text


def _spaces(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _fillers(match: re.Match[str]) -> str:
    return FILLER * len(match[0])


def _control(match: re.Match[str]) -> str:
    found = match[0]
    if found in _INVISIBLE:
        return FILLER
    if found in "\x0b\x0c\x85":
        return "\n"
    # Windows-1252 text read as Latin-1: the bullet and the dashes are worth keeping.
    return {"\x95": _ITEM, "\x96": "\u2013", "\x97": "\u2014", "\x91": "'", "\x92": "'"}.get(found, " ")


def _without_hidden(text: str) -> str:
    """Blank comments, scripts and style sheets; of one that is never closed only the opening mark."""
    parts: list[str] = []
    done = 0
    unclosed = set()
    at = 0
    while opening := _HIDDEN.search(text, at):
        kind = (opening[1] or "").lower()
        # A closing mark that is missing after one opening is missing after all later ones: looked for once.
        closing = None if kind in unclosed else _CLOSERS[kind].search(text, opening.end())
        if closing:
            end = closing.end()
        else:
            unclosed.add(kind)
            end = opening.end()
        if closing or not kind:
            parts += text[done : opening.start()], "\n", " " * (end - opening.start() - 1)
            done = end
        at = end
    return "".join(parts) + text[done:] if parts else text


def _decoded(name: str) -> str | None:
    """The character of an entity without `&` and `;`, None where there is no such entity."""
    if name[0] != "#":
        return html5.get(name + ";")
    number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    if number > 0x10FFFF or 0xD800 <= number < 0xE000:
        return " "
    return bytes([number]).decode("cp1252", "replace") if 0x80 <= number < 0xA0 else chr(number)


def _entity(match: re.Match[str]) -> str:
    character = _decoded(match[2])
    if character is None:
        return "&" + FILLER * 4 + match[2] + ";" if match[1] else match[0]
    if character in _INVISIBLE:
        return _fillers(match)
    if character < " " or "\x7f" <= character < "\xa0":
        character = "\n" if character in "\n\r" else " "
    return character.ljust(len(match[0]), FILLER)


def _tag(match: re.Match[str]) -> str:
    declaration, closing, name, attributes = match.groups()
    length = len(match[0])
    if declaration:
        return "\n" + " " * (length - 1)
    name = name.lower()
    attributes = attributes.strip(" \t\r\n\x00/")
    if attributes and (closing or ("=" not in attributes and name not in _BLOCK_TAGS)):
        return match[0]  # "if a <b and b> c" is no tag
    if name in _BLOCK_TAGS:
        return ("\n" + _ITEM if name == "li" and not closing else "\n").ljust(length)
    if name in _INLINE_TAGS or ":" in name or "-" in name or "=" in attributes:
        return FILLER * length
    return match[0]


def _link(match: re.Match[str]) -> str:
    if match[1]:
        return _fillers(match)
    return FILLER + match[2] + FILLER * len(match[3])


def _inline(match: re.Match[str]) -> str:
    escaped, byte, unit, control, emphasised, underlined = match.groups()
    if escaped:
        return FILLER + str(escaped)
    if byte or unit:
        character = chr(int(byte or unit, 16))
        if character in _INVISIBLE:
            return _fillers(match)
        return (character if character.isprintable() else " ").ljust(len(match[0]), FILLER)
    if control:
        return "  " if control == "t" else "\n "
    inner = emphasised or underlined
    return FILLER + inner + FILLER if inner else _fillers(match)


def _table_row(match: re.Match[str]) -> str:
    return match[0].replace("|", " ")
