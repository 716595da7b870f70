"""A live page over one study or a folder of them; it reads journals only. It needs starlette, uvicorn and plotly."""

from poptrain.dashboard.app import make_app
from poptrain.dashboard.guard import Guard
from poptrain.dashboard.shelf import Shelf

__all__ = ["Guard", "Shelf", "make_app"]
