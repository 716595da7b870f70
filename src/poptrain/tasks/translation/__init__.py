"""Neural machine translation, selected by BLEU: a Transformer or an LSTM on parallel text.

`training.py` shows how a member trains; `settings.py` what can be set and what is tuned.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poptrain.core.errors import MissingExtra
from poptrain.core.values import Hparams
from poptrain.strategies import PBT, exploit, explore
from poptrain.tasks.base import HeldOutScores, TaskStudy
from poptrain.tasks.translation.settings import Settings, by_hand, search_space

if TYPE_CHECKING:
    from poptrain.tasks.translation.corpora import Corpus

__all__ = ["SUMMARY", "Settings", "make_study"]

SUMMARY = "neural machine translation (BLEU): built-in phrases, aligned files or a file with tabs"

_FOLDER = "data"


def make_study(settings: Settings, folder: Path) -> TaskStudy:
    """Prepare the text in the study's folder, unless that was done before, and return the study.

    Raises:
        DataError: the text is malformed; the message names file and line.
        MissingExtra: torch, SentencePiece, sacreBLEU or Babel are not installed.
    """
    try:
        import sacrebleu  # noqa: F401
        import torch  # noqa: F401

        from poptrain.tasks.translation import prepared
        from poptrain.tasks.translation.training import TrainTranslator
    except ImportError:
        raise MissingExtra("the translation task", "translation") from None
    place = (folder / _FOLDER).absolute()
    if not prepared.saved(place):
        prepared.save(read_corpus(settings), place, subwords=settings.subwords)
    data = prepared.load(place)
    corpus = data.corpus
    about = (
        f"{corpus.source} to {corpus.target}: {corpus.origin}",
        f"{len(corpus.train)} training pairs, {len(corpus.validation)} validation, {len(corpus.test)} held out, "
        f"{len(data.vocabulary)} subwords",
        *corpus.notes,
    )
    return TaskStudy(
        train=TrainTranslator(settings, place),
        space=search_space(settings),
        metric="bleu",
        mode="max",
        population=8,
        intervals=12,
        interval_steps=100,
        # Until somebody has begun to translate, BLEU is noise: whoever leads then does so by chance, and must not be copied.
        algorithm=PBT(exploit=exploit.dead_band(margin=1.0, quantile=0.25), explore=explore.perturb((0.8, 1.2))),
        held_out=partial(held_out, settings, place),
        manual=by_hand(settings),
        about=about,
    )


def read_corpus(settings: Settings) -> Corpus:
    """Return the text that the settings name."""
    from poptrain.tasks.translation.corpora import compose, read_aligned, read_tsv

    sizes = {"validation": settings.validation, "test": settings.test, "seed": settings.data_seed}
    if settings.data == "composed":
        return compose(settings.source, settings.target, pairs=settings.pairs, **sizes)
    path = Path(settings.data).expanduser()
    limit = settings.pairs or None
    if path.is_file() and path.name.removesuffix(".gz").endswith((".tsv", ".txt")):
        return read_tsv(path, source=settings.source, target=settings.target, limit=limit, swap=settings.swap, **sizes)
    return read_aligned(path, source=settings.source, target=settings.target, limit=limit, **sizes)


_EXAMPLES = 20


def _save_examples(folder: Path, pairs: Sequence[tuple[str, str]], hypotheses: Sequence[str]) -> None:
    """Write some translations where the report finds them."""
    lines = [("source", "translation", "reference")]
    lines += [(source, found, target) for (source, target), found in zip(pairs[:_EXAMPLES], hypotheses, strict=False)]
    text = "".join("\t".join(" ".join(cell.split()) for cell in line) + "\n" for line in lines)
    (folder / "examples.tsv").write_text(text, encoding="utf-8")


def held_out(settings: Settings, place: Path, state: Any, hparams: Hparams) -> HeldOutScores:
    """Return BLEU and chrF of a state on the test part, by beam search, with their signatures."""
    from poptrain.tasks.translation.scoring import bleu, chrf
    from poptrain.tasks.translation.translator import Translator

    translator = Translator.of(settings, place, state)
    pairs = translator.prepared.corpus.test
    hypotheses = translator.translate([source for source, _ in pairs])
    references = [target for _, target in pairs]
    _save_examples(place.parent, pairs, hypotheses)
    scores = {"bleu": bleu(hypotheses, references, tokenize=settings.tokenize), "chrf": chrf(hypotheses, references)}
    return HeldOutScores(
        {name: one.value for name, one in scores.items()}, {f"{name} signature": one.signature for name, one in scores.items()}
    )
