"""The dashboard's addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from typing import Any

from plotly.offline import get_plotlyjs
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from poptrain.core.errors import PoptrainError
from poptrain.dashboard.pages import PARTS, comparison_figure, index_page, study_page, study_table
from poptrain.dashboard.shelf import Shelf, Signature
from poptrain.report import PLOTS
from poptrain.report.page import asset
from poptrain.report.pictures import pictures
from poptrain.results import Study

__all__ = ["make_app"]

_LOOK_SECONDS = 1.0
_BEAT_SECONDS = 15.0
_KEEP = {"Cache-Control": "private, max-age=3600"}


def make_app(shelf: Shelf, *, closing: Callable[[], bool] = lambda: False) -> Starlette:
    """Return the application over some studies; put a `Guard` before it.

    Args:
        shelf: the studies.
        closing: whether the server is about to end, so that streams end too.
    """
    pages = _Pages(shelf, closing)
    return Starlette(
        routes=[
            Route("/", pages.index),
            Route("/parts/studies", pages.studies),
            Route("/plots/comparison", pages.comparison),
            Route("/changes", pages.all_changes),
            Route("/study/{number:int}/", pages.study),
            Route("/study/{number:int}/parts/{part}", pages.part),
            Route("/study/{number:int}/plots/{plot}", pages.plot),
            Route("/study/{number:int}/pictures/{picture:int}", pages.picture),
            Route("/study/{number:int}/changes", pages.changes),
            Route("/assets/{name}", pages.asset),
        ],
        exception_handlers={PoptrainError: _unreadable},
    )


async def _unreadable(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 503)


class _Pages:
    """One method for each address; those that read a journal run in a thread."""

    def __init__(self, shelf: Shelf, closing: Callable[[], bool]) -> None:
        self._shelf = shelf
        self._closing = closing
        self._assets: dict[str, Callable[[], str]] = {
            "page.css": lambda: asset("page.css"),
            "page.js": lambda: asset("page.js"),
            "live.js": lambda: (files("poptrain.dashboard") / "assets" / "live.js").read_text(encoding="utf-8"),
            "plotly.js": get_plotlyjs,
        }

    def index(self, request: Request) -> Response:
        """The studies, or the only one."""
        return RedirectResponse("/study/0/", 303) if self._shelf.single else HTMLResponse(index_page(self._shelf))

    def studies(self, request: Request) -> Response:
        """The table of studies."""
        self._shelf.search()
        rows: list[tuple[int, str, Study | str]] = []
        for number in range(len(self._shelf)):
            try:
                rows.append((number, self._shelf.name(number), self._shelf.make(number, "study", lambda study: study)))
            except PoptrainError as error:
                rows.append((number, self._shelf.name(number), str(error)))
        return HTMLResponse(study_table(rows))

    def comparison(self, request: Request) -> Response:
        """All studies in one figure."""
        found = []
        for number in range(len(self._shelf)):
            try:
                found.append((self._shelf.name(number), self._shelf.make(number, "study", lambda study: study)))
            except PoptrainError:
                continue  # the table says why
        return Response(comparison_figure(found).to_json(), media_type="application/json")

    def study(self, request: Request) -> Response:
        """One study."""
        number = self._number(request)
        images = len(self._shelf.make(number, "pictures", pictures))
        return HTMLResponse(study_page(number, self._shelf.name(number), alone=self._shelf.single, images=images))

    def part(self, request: Request) -> Response:
        """A part of a study's page."""
        name = request.path_params["part"]
        if name not in PARTS:
            raise HTTPException(404)
        return HTMLResponse(self._shelf.make(self._number(request), f"part {name}", PARTS[name]))

    def plot(self, request: Request) -> Response:
        """A plot of a study, as JSON."""
        name = request.path_params["plot"]
        if name not in PLOTS:
            raise HTTPException(404)
        made = self._shelf.make(self._number(request), f"plot {name}", lambda study: PLOTS[name](study).to_json())
        return Response(made, media_type="application/json")

    def picture(self, request: Request) -> Response:
        """A picture of the task, by its number."""
        number = self._number(request)
        names, place = self._shelf.make(number, "pictures", pictures), request.path_params["picture"]
        if place >= len(names):
            raise HTTPException(404)
        folder = self._shelf.make(number, "study", lambda study: study).directory
        kind = "image/gif" if names[place].endswith(".gif") else "image/png"
        return Response((folder / names[place]).read_bytes(), media_type=kind)

    def asset(self, request: Request) -> Response:
        """A script or the style sheet."""
        name = request.path_params["name"]
        if name not in self._assets:
            raise HTTPException(404)
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return Response(self._assets[name](), media_type=kind, headers=_KEEP if name == "plotly.js" else None)

    async def changes(self, request: Request) -> Response:
        """Says whenever something was committed to a study."""
        number = self._number(request)
        return self._stream(request, lambda: self._shelf.signature(number))

    async def all_changes(self, request: Request) -> Response:
        """Says whenever something was committed to any study."""
        return self._stream(request, self._shelf.signatures)

    def _number(self, request: Request) -> int:
        number: int = request.path_params["number"]
        if number >= len(self._shelf):
            raise HTTPException(404)
        return number

    def _stream(self, request: Request, look: Callable[[], Signature | tuple[Signature, ...]]) -> Response:
        async def messages() -> AsyncIterator[str]:
            seen: Any = await run_in_threadpool(look)
            silent = 0.0
            yield "retry: 2000\n\n"
            while not self._closing() and not await request.is_disconnected():
                await asyncio.sleep(_LOOK_SECONDS)
                found = await run_in_threadpool(look)
                silent += _LOOK_SECONDS
                if found != seen:
                    seen, silent = found, 0.0
                    yield "data: changed\n\n"
                elif silent >= _BEAT_SECONDS:
                    silent = 0.0
                    yield ": still here\n\n"

        return StreamingResponse(messages(), media_type="text/event-stream")
