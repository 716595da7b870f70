"""A trained translator, from a study's folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from poptrain.core.errors import ConfigError
from poptrain.results import Study
from poptrain.tasks.run import make_settings
from poptrain.tasks.translation import prepared
from poptrain.tasks.translation.decoding import translate
from poptrain.tasks.translation.models import Translation
from poptrain.tasks.translation.settings import Settings
from poptrain.tasks.translation.training import make_net

__all__ = ["Translator"]


@dataclass(frozen=True)
class Translator:
    """A network with its vocabulary.

    Args:
        net: in evaluation mode.
        prepared: the text and vocabulary of its study.
        beam: hypotheses of the search.
    """

    net: Translation
    prepared: prepared.Prepared
    beam: int

    @classmethod
    def of(cls, settings: Settings, place: Path, state: Any) -> Translator:
        """Return the translator in a member's state."""
        data = prepared.load(place)
        net = make_net(settings, len(data.vocabulary))
        net.load_state_dict(state["objects"]["net"])
        return cls(net.eval(), data, settings.beam)

    @classmethod
    def best(cls, study: Study) -> Translator:
        """Return the best translator of a study.

        Raises:
            ConfigError: the study is not one of translation.
            StoreError, CheckpointError: there is no score yet, or the checkpoint is damaged.
        """
        code = study.config.code
        if code.kind != "task" or code.target != "translation":
            raise ConfigError(f"{study.directory} is not a study of the translation task, it trains {study.name!r}")
        settings: Settings = make_settings("translation", code.settings)
        return cls.of(settings, (study.directory / "data").absolute(), study.best.load())

    def translate(self, sentences: Sequence[str]) -> list[str]:
        """Return the translation of each sentence, by beam search."""
        with torch.inference_mode():
            return translate(self.net, self.prepared.vocabulary, sentences, size=self.beam)
