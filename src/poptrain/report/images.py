"""Plots as files for papers and slides."""

from __future__ import annotations

from typing import Literal, TypeAlias

import plotly.graph_objects as go

from poptrain.core.errors import ConfigError, MissingExtra
from poptrain.report.drawing import alone

__all__ = ["ImageFormat", "image"]

ImageFormat: TypeAlias = Literal["png", "svg", "pdf"]


def image(figure: go.Figure, kind: ImageFormat) -> bytes:
    """Return a figure as an image on white, 1100 pixels wide (PNG twice as many).

    Raises:
        MissingExtra: kaleido is not installed.
        ConfigError: kaleido finds no Chrome or Chromium, which it draws with.
    """
    try:
        import kaleido  # noqa: F401
    except ImportError:
        raise MissingExtra("images of plots", "report") from None
    figure = alone(figure)
    try:
        return bytes(figure.to_image(format=kind, width=1100, height=figure.layout.height, scale=2 if kind == "png" else 1))
    except (RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()
        raise ConfigError(
            f"images are drawn with Chrome or Chromium, which did not work ({reason[0] if reason else type(error).__name__}): "
            "install one (plotly_get_chrome does), or save an image from the HTML report"
        ) from error
