"""The workbench: a local web application to look through coded ads and see why they are coded so.

Pages are rendered here and need no JavaScript to be read. Nothing is taken from elsewhere, ad texts are escaped, and
only requests that name this machine as their host, and come from a page of ours, are answered.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import URL, QueryParams
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from embedcode.book import LANGUAGES
from embedcode.corpus import ORDERS, Corpus, Filter
from embedcode.difference import Figure
from embedcode.errors import EmbedcodeError, InputError
from embedcode.explain import Explanation, NamedTool, Segment, explain
from embedcode.review import MODES, SAMPLES, Design, Review, ReviewedAd
from embedcode.review import reviews as review_keys
from embedcode.types import NEGATIVE, Tool
from embedcode.workbench import Workbench

PAGE = 25
"""Ads on a page of the corpus."""

MOST_ANCHORS = 200
"""Anchors on a page."""

LONGEST_FORM = 2_000_000
"""Bytes of a pasted ad."""

FEATURES = 8
"""Features shown for and against."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_OURS = re.compile(r"/(?:ad/\d+|anchors)(?:[?#][^/\\\r\n]*)?")
"""Pages of ours to go back to."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a text: one of a segment where `segment` is its number, within it a tool where `tool` names one."""

    text: str
    segment: int | None
    tool: str | None
    code: str | None


@dataclass(frozen=True)
class Form:
    """The fields of a posted form, each with all of its values."""

    lists: Mapping[str, list[str]]

    def get(self, name: str, otherwise: str) -> str:
        """The last value of a field."""
        return self.lists[name][-1] if name in self.lists else otherwise


class Guard(BaseHTTPMiddleware):
    """Refuses requests for other hosts (DNS rebinding) and posts from other pages (cross-site requests)."""

    def __init__(self, app: Any, hosts: Sequence[str]) -> None:
        super().__init__(app)
        self._hosts = frozenset(hosts)

    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        host = request.headers.get("host", "")
        if _name(host) not in self._hosts:
            return PlainTextResponse(f"Found the host {host!r}; expected {', '.join(sorted(self._hosts))}.\n", 421)
        if request.method not in ("GET", "HEAD"):
            origin = request.headers.get("origin", "")
            if URL(origin).netloc != host:
                return PlainTextResponse(f"Found a post from {origin or 'nowhere'!r}; expected one from {host}.\n", 403)
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response


def application(bench: Workbench, hosts: Sequence[str] = (), reviews: Path | None = None) -> Starlette:
    """The web application.

    Args:
        bench: What codes pasted ads and explains those of the corpus, and the anchors that are edited.
        hosts: Names beside those of this machine under which it may be reached.
        reviews: Folder in which reviews are kept; None: `reviews` beside the corpus.
    """
    views = _Views(bench, reviews)
    return Starlette(
        routes=[
            Route("/", views.start),
            Route("/corpus", views.corpus),
            Route("/ad/{row:int}", views.ad),
            Route("/paste", views.paste, methods=["GET", "POST"]),
            Route("/anchors", views.anchors, methods=["GET", "POST"]),
            Route("/rebuild", views.rebuild, methods=["GET", "POST"]),
            Route("/review", views.reviews, methods=["GET", "POST"]),
            Route("/review/{key}", views.review),
            Route("/review/{key}/{row:int}", views.reviewed, methods=["GET", "POST"]),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        middleware=[Middleware(Guard, hosts=("127.0.0.1", "localhost", "[::1]", *hosts))],
        exception_handlers={EmbedcodeError: views.error, 404: views.missing},
    )


class _Views:
    def __init__(self, bench: Workbench, reviews: Path | None) -> None:
        self._bench = bench
        self._corpus = corpus = bench.corpus
        self._reviews = reviews or (corpus.folder.absolute().parent / "reviews" if corpus else Path())
        book = bench.coder.bundle.book
        self._codes = {c.code: c.name for c in book.codes}
        self._tools = {s.casefold(): t for t in book.tools for s in (t.name, *t.aliases)}
        self._templates = Environment(
            loader=PackageLoader("embedcode"), autoescape=select_autoescape(), undefined=StrictUndefined
        )
        self._templates.filters["percent"] = lambda x: "–" if x is None else f"{x:.0%}"
        self._templates.filters["figure"] = lambda x: "–" if x is None else f"{x:.3f}"
        self._templates.filters["change"] = _change
        self._templates.filters["signed"] = lambda x: f"{round(x, 3) + 0.0:+.3f}"  # no -0.000
        self._templates.globals.update(group=_group, code_names=self._codes, has_corpus=corpus is not None, bench=bench)

    async def start(self, request: Request) -> Response:
        return RedirectResponse("/corpus" if self._corpus else "/paste")

    async def corpus(self, request: Request) -> Response:
        if self._corpus is None:
            return self._page("error.html", 404, message="No corpus is open. Start with: embedcode serve FOLDER")
        wanted = _filter(request.query_params)
        page = _whole(request.query_params.get("page", ""), 1)
        return await run_in_threadpool(self._corpus_page, self._corpus, wanted, page)

    def _corpus_page(self, corpus: Corpus, wanted: Filter, page: int) -> Response:
        rows = corpus.find(wanted)
        pages = max(1, -(-len(rows) // PAGE))
        page = min(page, pages)
        shown = rows[(page - 1) * PAGE : page * PAGE].tolist()
        given = {k: v for k, v in asdict(wanted).items() if v != getattr(Filter(), k)}
        return self._page(
            "corpus.html",
            corpus=corpus,
            wanted=wanted,
            orders=ORDERS,
            found=len(rows),
            ads=list(zip(shown, corpus.coded(shown), corpus.names(shown), strict=True)),
            all_profiles=corpus.profiles(),
            profiles=corpus.profiles(rows),
            confidences=corpus.confidences(rows),
            page=page,
            pages=pages,
            link=lambda **values: f"/corpus?{QueryParams({**given, **values})}",
        )

    async def ad(self, request: Request) -> Response:
        row = int(request.path_params["row"])
        if self._corpus is None or row >= len(self._corpus):
            return await self.missing(request, KeyError(row))
        return await run_in_threadpool(self._ad_page, self._corpus, row)

    def _ad_page(self, corpus: Corpus, row: int) -> Response:
        id, error = (corpus.ads[name][row].as_py() for name in ("id", "error"))
        document = corpus.document(row)
        if error is not None:
            return self._page("error.html", message=f"This ad could not be coded: {error}.", id=id, text=document.text)
        return self._explained(document.text, document.title, id=id, row=row, last=len(corpus) - 1)

    async def paste(self, request: Request) -> Response:
        if request.method == "GET":
            return self._page("paste.html", text="", title="")
        form = await self._form(request)
        # Browsers send line ends as CR LF; the offsets shown are those of the text as pasted.
        text, title = (form.get(name, "").replace("\r\n", "\n") for name in ("text", "title"))
        return await run_in_threadpool(self._explained, text, title or None)

    def _explained(self, text: str, title: str | None, **more: Any) -> Response:
        found = explain(self._bench.coder, text, title)
        coded = {i for i, s in enumerate(found.segments) if s.codes}
        return self._page(
            "ad.html",
            found=found,
            parts=[(n, pieces(t, n, found)) for n, t in (("title", title or ""), ("text", text)) if t],
            coded=coded,
            tools=_by_code(found.tools, list(self._codes)),
            spoke=[f for f in found.features if f.contribution > 0][:FEATURES],
            against=[f for f in found.features if f.contribution < 0][:FEATURES],
            id=more.get("id"),
            row=more.get("row"),
            last=more.get("last"),
            phrase_codes=[c for c in self._codes if c in self._bench.coder.scorer.pools.codes],
            likeliest=[next(iter(s.codes), max(s.scores, key=s.scores.__getitem__)) for s in found.segments],
            language=found.language if found.language in LANGUAGES else LANGUAGES[0],
        )

    async def anchors(self, request: Request) -> Response:
        if request.method == "POST":
            form = await self._form(request)
            await run_in_threadpool(self._edit, form)
            back = form.get("back", "")
            return RedirectResponse(back if _OURS.fullmatch(back) else "/anchors", 303)
        query = request.query_params
        wanted = {name: query.get(name, "").strip() for name in ("code", "facet", "words", "edit")}
        return await run_in_threadpool(self._anchors_page, wanted, query.get("stray") == "on")

    def _anchors_page(self, wanted: Mapping[str, str], stray: bool) -> Response:
        found = self._bench.anchors(wanted["code"], wanted["facet"], wanted["words"], stray)
        shown = found[:MOST_ANCHORS]
        book = self._bench.draft.book
        return self._page(
            "anchors.html",
            anchors=shown,
            found=len(found),
            wanted=wanted,
            stray=stray,
            codes=[c for c in (*self._codes, NEGATIVE) if c == NEGATIVE or not c.startswith("TECH")],
            facets=sorted({a.facet for a in book.anchors if wanted["code"] in ("", a.code)}),
            total=len(book.anchors),
        )

    def _edit(self, form: Form) -> None:
        """Do what a form asks for.

        Raises:
            BookError: It cannot be done; nothing is changed then.
        """
        code, phrase, language = (form.get(n, "").strip() for n in ("code", "phrase", "language"))
        facet = form.get("facet", "").strip() or None
        with self._bench.editing() as draft:
            match form.get("do", ""):
                case "add":
                    draft.add(code, phrase, facet, language)
                case "boilerplate":
                    kinds = Counter(a.facet for a in draft.book.anchors if a.code == NEGATIVE)
                    draft.add(NEGATIVE, phrase, facet or kinds.most_common(1)[0][0], language)
                case "change":
                    draft.change(form.get("id", ""), code, phrase, facet, language)
                case "remove":
                    draft.remove(form.get("id", ""))
                case "undo":
                    draft.undo()
                case other:
                    raise InputError(f"Found the request {other!r:.80}; expected add, change, remove or undo.")

    async def rebuild(self, request: Request) -> Response:
        if request.method == "POST":
            act = (await self._form(request)).get("do", "")
            acts = {"try": self._bench.try_out, "keep": self._bench.keep, "back": self._bench.take_back}
            if act not in acts:
                raise InputError(f"Found the request {act!r:.80}; expected try, keep or back.")
            await run_in_threadpool(acts[act])
            return RedirectResponse("/rebuild", 303)
        return self._page("rebuild.html", trial=self._bench.trial, draft=self._bench.draft)

    async def reviews(self, request: Request) -> Response:
        if self._corpus is None:
            return await self.corpus(request)
        if request.method == "GET":
            begun = []
            for key in review_keys(self._reviews):
                with suppress(InputError):  # those of other corpora
                    begun.append(Review(self._reviews, self._corpus, Design.from_key(key)))
            return self._page("reviews.html", reviews=begun, modes=MODES, samples=SAMPLES, folder=self._reviews)
        form = await self._form(request)
        size, seed = (_whole(form.get(n, ""), -1) if form.get(n, "") != "0" else 0 for n in ("size", "seed"))
        design = Design(form.get("reviewer", "").strip(), form.get("sample", ""), form.get("mode", ""), size, seed)
        return RedirectResponse(f"/review/{design.key}", 303)

    async def review(self, request: Request) -> Response:
        if self._corpus is None:
            return await self.corpus(request)
        review = self._review(request)
        if review.next is not None:
            return RedirectResponse(f"/review/{review.design.key}/{review.next}", 303)
        return self._page("reviewed.html", review=review, shown=None)

    async def reviewed(self, request: Request) -> Response:
        row = int(request.path_params["row"])
        if self._corpus is None or row not in (review := self._review(request)).rows:
            return await self.missing(request, KeyError(row))
        if request.method == "GET":
            return await run_in_threadpool(self._review_page, review, self._corpus, row)
        form = await self._form(request)
        await run_in_threadpool(self._save, review, self._corpus, row, form)
        return RedirectResponse(f"/review/{review.design.key}", 303)

    def _review(self, request: Request) -> Review:
        assert self._corpus is not None
        return Review(self._reviews, self._corpus, Design.from_key(request.path_params["key"]))

    def _review_page(self, review: Review, corpus: Corpus, row: int) -> Response:
        document = corpus.document(row)
        found = explain(self._bench.coder, document.text, document.title)
        segments = [s for s in found.segments if s.field == "text"]
        before = review.done.get(row)
        if before:
            codes = set(before.codes)
            profile, confidence, tools = before.profile, before.confidence, [n for n, _ in before.tools]
        elif review.design.mode == "checking":
            codes = {(s.start, s.end, c) for s in segments for c in s.codes}
            profile, confidence, tools = found.profile, 0.0, [t.name for t in found.tools]
        else:
            codes, profile, confidence, tools = set(), "", 0.0, []
        return self._page(
            "reviewed.html",
            review=review,
            shown=row,
            at=review.rows.index(row),
            title=document.title,
            segments=segments,
            codes=codes,
            phrase_codes=[c for c in self._codes if c in self._bench.coder.scorer.pools.codes],
            profiles=[p.name for p in self._bench.coder.bundle.book.profiles],
            profile=profile,
            confidence=confidence,
            tools=", ".join(tools),
        )

    def _save(self, review: Review, corpus: Corpus, row: int, form: Form) -> None:
        document = corpus.document(row)
        found = explain(self._bench.coder, document.text, document.title)
        spans = tuple((s.start, s.end) for s in found.segments if s.field == "text")
        profile, sure = form.get("profile", ""), form.get("confidence", "")
        if profile not in {p.name for p in self._bench.coder.bundle.book.profiles} or sure not in ("1", "2", "3"):
            raise InputError("Found no profile or no confidence; expected one of each. Go back and choose them.")
        known = {f"{a}:{b}:{c}": (a, b, c) for a, b in spans for c in self._bench.coder.scorer.pools.codes}
        if unknown := [v for v in form.lists.get("code", []) if v not in known]:
            raise InputError(f"Found the code {unknown[0]!r:.80} at no segment of the ad. Open the ad anew.")
        codes = tuple(known[v] for v in dict.fromkeys(form.lists.get("code", [])))
        names = dict.fromkeys(n.strip() for n in re.split(r"[,;\n]", form.get("tools", "")) if n.strip())
        tools = {t.name: t.code for t in map(self._tool, names)}
        review.save(ReviewedAd(row, profile, float(sure), spans, codes, tuple(tools.items())))

    def _tool(self, name: str) -> Tool:
        return self._tools.get(name.casefold()) or Tool(name[:100], "OTHER", (), "any")

    async def _form(self, request: Request) -> Form:
        """The fields of a posted form.

        Raises:
            InputError: It is too long.
        """
        if _whole(request.headers.get("content-length", ""), LONGEST_FORM + 1) > LONGEST_FORM:
            raise InputError(f"The pasted text is too long. Expected an ad of at most {LONGEST_FORM:,} bytes.")
        form = await request.form(max_part_size=LONGEST_FORM)
        lists: dict[str, list[str]] = {}
        for name, value in form.multi_items():
            lists.setdefault(name, []).append(str(value))
        return Form(lists)

    async def error(self, request: Request, error: Exception) -> Response:
        return self._page("error.html", 400, message=str(error))

    async def missing(self, request: Request, error: Exception) -> Response:
        return self._page("error.html", 404, message=f"There is no page {request.url.path}.")

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(**values), status)


def pieces(text: str, field: str, found: Explanation) -> list[Piece]:
    """Cut a text at its segments and tools.

    Args:
        text: The text of a field, as given.
        field: `title` or `text`.
        found: How it is coded.

    Returns:
        Pieces that make up the text.
    """
    segments: list[tuple[int, Segment]] = [(i, s) for i, s in enumerate(found.segments) if s.field == field]
    tools = [t for t in found.tools if t.field == field]
    number: dict[int, int | None] = {}  # what begins where
    for i, s in segments:
        number.setdefault(s.end, None)
        number[s.start] = i
    named: dict[int, NamedTool | None] = {}
    for t in tools:
        named.setdefault(t.end, None)
        named[t.start] = t
    cuts = sorted({0, len(text), *number, *named})
    out = []
    segment: int | None = None
    tool: NamedTool | None = None
    for start, end in zip(cuts, cuts[1:], strict=False):
        segment = number.get(start, segment)
        tool = named.get(start, tool)
        out.append(Piece(text[start:end], segment, tool.name if tool else None, tool.code if tool else None))
    return out


def _filter(query: Mapping[str, str]) -> Filter:
    """The filter that a query asks for; what makes no sense is left out."""
    given: dict[str, Any] = {f.name: v for f in fields(Filter) if (v := query.get(f.name, "").strip())}
    for name in ("least", "most"):
        with suppress(ValueError):
            given[name] = min(max(float(given.pop(name, "")), 0.0), 1.0)
    if given.get("order") not in ORDERS:
        given.pop("order", None)
    return Filter(**given)


def _change(figure: Figure) -> str:
    """The change of a figure, with its 95 % interval."""
    if figure.before is None or figure.after is None:
        return "–"
    interval = f" ({figure.change_95[0]:+.3f} to {figure.change_95[1]:+.3f})" if figure.change_95 else ""
    return f"{figure.after - figure.before:+.3f}{interval}"


def _by_code(tools: Sequence[NamedTool], order: Sequence[str]) -> list[tuple[str, list[NamedTool]]]:
    codes = sorted({t.code for t in tools}, key=order.index)
    return [(code, [t for t in tools if t.code == code]) for code in codes]


def _group(code: str) -> str:
    """The group of a code, as a class of the style sheet."""
    return code.rstrip("0123456789").lower()


def _whole(value: str, otherwise: int) -> int:
    return int(value) if value.isascii() and value.isdigit() and 0 < int(value) < 10**12 else otherwise


def _name(host: str) -> str:
    """A host without its port."""
    return host.rsplit(":", 1)[0] if host.rsplit(":", 1)[-1].isdigit() and not host.endswith("]") else host
