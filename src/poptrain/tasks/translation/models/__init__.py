"""Translators: networks from source subwords to a distribution over the next target subword."""

from poptrain.tasks.translation.models.base import Memory, Translation
from poptrain.tasks.translation.models.lstm import LSTMTranslation
from poptrain.tasks.translation.models.transformer import TransformerTranslation

__all__ = ["LSTMTranslation", "Memory", "TransformerTranslation", "Translation"]
