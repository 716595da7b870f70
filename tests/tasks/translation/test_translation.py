"""Vocabulary, batches, networks and decoding, and the task as a whole."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import poptrain as pt
from poptrain.core.errors import ConfigError, DataError
from poptrain.tasks.run import make_settings, run_task
from poptrain.tasks.translation import Settings, make_study, prepared
from poptrain.tasks.translation.batching import Batch, batches, collate, pad, stream
from poptrain.tasks.translation.corpora import compose
from poptrain.tasks.translation.decoding import beam, greedy, translate
from poptrain.tasks.translation.models import LSTMTranslation, TransformerTranslation, Translation
from poptrain.tasks.translation.scoring import bleu, chrf
from poptrain.tasks.translation.training import make_net, smoothed_loss
from poptrain.tasks.translation.translator import Translator
from poptrain.tasks.translation.vocabulary import EOS, PAD, Vocabulary

WORDS = 40
PAIRS = [([4 + i % 30, 5 + i % 20, 6][: 1 + i % 3], [7 + i % 25, 8][: 1 + i % 2]) for i in range(100)]


def nets() -> list[Translation]:
    torch.manual_seed(0)
    return [TransformerTranslation(WORDS, width=16, layers=2, heads=2, inner=32), LSTMTranslation(WORDS, width=16)]


both = pytest.mark.parametrize("which", [0, 1], ids=["transformer", "lstm"])


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.train(compose(pairs=600, validation=50, test=50).train, 300)


def test_the_vocabulary_returns_what_it_was_given(vocabulary: Vocabulary) -> None:
    for source, target in compose(pairs=600, validation=50, test=50).train:
        assert vocabulary.decode(vocabulary.encode(source)) == source
        assert vocabulary.decode([*vocabulary.encode(target), EOS]) == target
    assert Vocabulary(vocabulary.model).encode("3 hours") == vocabulary.encode("3 hours")


def test_a_vocabulary_that_is_too_small_is_refused() -> None:
    with pytest.raises(DataError, match="no vocabulary of 10 subwords"):
        Vocabulary.train([("abcdefghijklmnop", "qrstuvwxyz")], 10)


@pytest.mark.parametrize("tokens", [1, 8, 64, 10_000])
def test_batches_hold_every_pair_once_and_no_more_than_their_tokens(tokens: int) -> None:
    plan = batches(PAIRS, tokens=tokens, rng=np.random.default_rng(0))
    assert sorted(i for batch in plan for i in batch) == list(range(len(PAIRS)))
    for batch in plan:
        padded = collate([PAIRS[i] for i in batch])
        assert len(batch) == 1 or max(padded.source.numel(), padded.targets.numel()) <= tokens


def test_a_stream_goes_on_where_it_stopped() -> None:
    whole = list(stream(PAIRS, tokens=16, start=0, steps=60, seed=3))
    parts = [b for start in range(0, 60, 20) for b in stream(PAIRS, tokens=16, start=start, steps=20, seed=3)]
    assert len(whole) == 60
    assert all(torch.equal(a.source, b.source) and torch.equal(a.targets, b.targets) for a, b in zip(whole, parts, strict=True))


@both
def test_later_subwords_do_not_change_earlier_logits(which: int) -> None:
    net = nets()[which].eval()
    source, inputs = torch.randint(4, WORDS, (3, 5)), torch.randint(4, WORDS, (3, 6))
    other = inputs.clone()
    other[:, 4:] = torch.randint(4, WORDS, (3, 2))
    torch.testing.assert_close(net(source, inputs)[:, :4], net(source, other)[:, :4])
    assert not torch.allclose(net(source, inputs)[:, 5], net(source, other)[:, 5])


@both
def test_padding_changes_nothing(which: int) -> None:
    net = nets()[which].eval()
    source, inputs = torch.randint(4, WORDS, (2, 5)), torch.randint(4, WORDS, (2, 6))
    wider = torch.cat([source, torch.full((2, 4), PAD)], 1)
    torch.testing.assert_close(net(source, inputs), net(wider, inputs), rtol=1e-4, atol=1e-5)


@both
def test_step_by_step_equals_all_at_once(which: int) -> None:
    net = nets()[which].eval()
    source, inputs = torch.randint(4, WORDS, (3, 5)), torch.randint(4, WORDS, (3, 6))
    memory = net.begin(source)
    steps = []
    for position in range(6):
        logits, memory = net.advance(inputs[:, position], memory)
        steps.append(logits)
    torch.testing.assert_close(torch.stack(steps, 1), net(source, inputs), rtol=1e-4, atol=1e-5)


def rates(net: Translation) -> dict[str, list[Any]]:
    if isinstance(net, TransformerTranslation):
        return {"residual": net.residual(), "attention": net.attentions(), "activation": net.activations()}
    assert isinstance(net, LSTMTranslation)
    return {"all": [net], "recurrent": net.recurrent()}


@both
def test_every_dropout_takes_effect_in_training_only(which: int) -> None:
    net = nets()[which]
    source, inputs = torch.randint(4, WORDS, (3, 5)), torch.randint(4, WORDS, (3, 6))
    plain = net.train()(source, inputs)
    for name, parts in rates(net).items():
        assert parts, name
        for part in parts:
            part.rate = 0.5
        assert not torch.allclose(net.train()(source, inputs), plain), name
        torch.testing.assert_close(net.eval()(source, inputs), plain)
        for part in parts:
            part.rate = 0.0
    torch.testing.assert_close(net.train()(source, inputs), plain)


@both
def test_a_beam_of_one_is_greedy_and_sentences_do_not_influence_each_other(which: int) -> None:
    net = nets()[which].eval()
    sentences = [[5, 6, 7, EOS], [9, EOS], [11, 12, EOS], [4, 5, 6, 7, 8, 9, EOS]]
    together = greedy(net, pad(sentences))
    assert together == [greedy(net, pad([one]))[0] for one in sentences]
    assert together == beam(net, pad(sentences), size=1)
    five = beam(net, pad(sentences), size=5)
    assert five == [beam(net, pad([one]), size=5)[0] for one in sentences]


class Table(Translation):
    """A translator whose next subword depends on the last one only, by a table of probabilities."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = table

    def forward(self, source: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        return self.table.log()[inputs]

    def begin(self, source: torch.Tensor) -> dict[str, Any]:
        return {"source": source}

    def advance(self, tokens: torch.Tensor, memory: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        return self.table.log()[tokens], memory


def test_a_beam_finds_what_greedy_search_misses() -> None:
    table = torch.full((8, 8), 1e-9)
    table[2, 4], table[2, 5] = 0.6, 0.4  # greedy search begins with 4, behind which everything is unlikely
    table[4, 4:], table[5, EOS] = 0.25, 1.0
    table[6, [EOS, 4, 5, 6]] = table[7, [EOS, 4, 5, 6]] = 0.25
    net = Table(table)
    source = torch.tensor([[4, EOS]])
    assert greedy(net, source)[0][0] == 4
    assert beam(net, source, size=3) == [[5]]


def test_logits_that_are_not_finite_end_a_sentence() -> None:
    net = Table(torch.full((8, 8), math.nan))
    assert greedy(net, torch.tensor([[4, EOS]])) == [[]]
    assert beam(net, torch.tensor([[4, EOS]]), size=3) == [[]]


def test_smoothing_and_padding_in_the_loss() -> None:
    net = nets()[0].eval()
    batch = collate([([4, 5], [6, 7, 8]), ([9], [10])])
    logits = net(batch.source, batch.inputs)
    rows = [(logits[0], batch.targets[0]), (logits[1, :2], batch.targets[1, :2])]
    by_hand = sum(F.cross_entropy(row, want, reduction="sum") for row, want in rows) / torch.tensor(6.0)
    torch.testing.assert_close(smoothed_loss(net, batch, 0.0), by_hand)
    assert float(smoothed_loss(net, batch, 0.2).detach()) != pytest.approx(float(by_hand.detach()))


def test_scores_carry_their_signature() -> None:
    found = bleu(["a b c d e"], ["a b c d e"])
    assert found.value == pytest.approx(100.0)
    assert "tok:13a" in found.signature
    assert "version:" in chrf(["a"], ["a"]).signature


@both
def test_a_few_pairs_are_learnt_by_heart(which: int, vocabulary: Vocabulary) -> None:
    torch.manual_seed(1)
    pairs = compose(pairs=600, validation=50, test=50).train[:20]
    net: Translation = [
        TransformerTranslation(len(vocabulary), width=32, layers=1, heads=2, inner=64),
        LSTMTranslation(len(vocabulary), width=48),
    ][which]
    batch = collate([(vocabulary.encode(s), vocabulary.encode(t)) for s, t in pairs])
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(200):
        optimiser.zero_grad()
        torch.autograd.backward(smoothed_loss(net, batch, 0.0))
        optimiser.step()
    for size in (1, 4):
        found = translate(net, vocabulary, [source for source, _ in pairs], size=size)
        assert bleu(found, [target for _, target in pairs]).value > 90


def test_empty_sentences_stay_empty_and_order_is_kept(vocabulary: Vocabulary) -> None:
    net = make_net(Settings(width=16, heads=2, inner=16, layers=1), len(vocabulary)).eval()
    found = translate(net, vocabulary, ["3 hours", "", "1 day"])
    assert found[1] == ""
    assert found[0] == translate(net, vocabulary, ["3 hours"])[0]


SMALL: dict[str, Any] = {
    "pairs": 400,
    "validation": 20,
    "test": 20,
    "subwords": 200,
    "width": 16,
    "heads": 2,
    "inner": 32,
    "layers": 1,
    "validate_on": 10,
}


@pytest.mark.parametrize("model", ["transformer", "lstm"])
def test_the_task_trains_scores_and_translates(model: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"population": 4, "intervals": 2, "interval_steps": 3, "executor": "inline"}
    study = run_task("translation", {**SMALL, "model": model}, directory=tmp_path / "study", **options)
    assert study.status == "finished"
    assert study.held_out is not None
    assert set(study.held_out.metrics) == {"bleu", "chrf"}
    assert "tok:13a" in study.held_out.notes["bleu signature"]
    assert len(Translator.best(study).translate(["3 hours", "Germany"])) == 2


def test_the_task_is_the_same_in_processes(tmp_path: Path) -> None:
    options: dict[str, Any] = {"population": 4, "intervals": 3, "interval_steps": 4}
    here = run_task("translation", SMALL, directory=tmp_path / "a", executor="inline", **options)
    there = run_task("translation", SMALL, directory=tmp_path / "b", executor="processes", workers=2, **options)
    assert here.digest() == there.digest()


def test_preparing_again_changes_nothing(tmp_path: Path) -> None:
    made = Settings(**SMALL)
    make_study(made, tmp_path)
    before = (tmp_path / "data" / "corpus.json").read_bytes()
    make_study(made, tmp_path)
    assert (tmp_path / "data" / "corpus.json").read_bytes() == before


def test_a_diverged_member_reports_nan(tmp_path: Path) -> None:
    study = run_task(
        "translation",
        SMALL,
        directory=tmp_path / "study",
        executor="inline",
        preflight=False,
        population=2,
        intervals=1,
        interval_steps=2,
        algorithm=pt.RandomSearch(),
    )
    train: Any = make_study(Settings(**SMALL), study.directory).train
    data = prepared.load((study.directory / "data").absolute())
    net = make_net(train.settings, len(data.vocabulary))
    with torch.no_grad():
        net.embedding.weight.fill_(math.nan)  # type: ignore[union-attr, operator]
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    member: Any = {"label_smoothing": 0.0}
    interval = pt.Interval(0, 3, 0, 1)
    assert math.isnan(train._train(member, interval, net, optimiser, data, torch.device("cpu")))


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="did you mean 'width'"):
        make_settings("translation", {"widht": 12})
    with pytest.raises(ConfigError, match="multiple of heads"):
        make_settings("translation", {"width": 10, "heads": 4})
    with pytest.raises(ConfigError, match="model"):
        make_settings("translation", {"model": "rnn"})
    assert make_settings("translation", {"width": "64", "swap": "true"}) == Settings(width=64, swap=True)


def test_batches_move_to_a_device() -> None:
    batch = collate([([4], [5])]).to(torch.device("cpu"))
    assert isinstance(batch, Batch)
