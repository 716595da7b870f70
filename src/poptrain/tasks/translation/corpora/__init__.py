"""Parallel text: built in, from two aligned files, or from one file with tabs."""

from poptrain.tasks.translation.corpora.aligned import read_aligned
from poptrain.tasks.translation.corpora.base import Corpus, Pair
from poptrain.tasks.translation.corpora.composed import compose
from poptrain.tasks.translation.corpora.tsv import read_tsv

__all__ = ["Corpus", "Pair", "compose", "read_aligned", "read_tsv"]
