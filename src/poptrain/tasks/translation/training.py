"""How one member trains: read this file first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F  # noqa: N812

from poptrain.tasks.translation import prepared
from poptrain.tasks.translation.batching import Batch, stream
from poptrain.tasks.translation.corpora import Pair
from poptrain.tasks.translation.decoding import translate
from poptrain.tasks.translation.models import LSTMTranslation, TransformerTranslation, Translation
from poptrain.tasks.translation.scoring import bleu
from poptrain.tasks.translation.settings import Settings
from poptrain.tasks.translation.vocabulary import PAD
from poptrain.trainable import Interval, Member

__all__ = ["TrainTranslator", "make_net", "smoothed_loss"]


@dataclass(frozen=True)
class TrainTranslator:
    """The loop form of the task; workers get this object and read the prepared text themselves.

    Args:
        settings: the task's settings.
        folder: where the text was prepared.
    """

    settings: Settings
    folder: Path

    def __call__(self, member: Member) -> None:
        """Train `member` and whoever takes its place."""
        data = prepared.load(self.folder)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        net = make_net(self.settings, len(data.vocabulary)).to(device)
        optimiser = torch.optim.AdamW(net.parameters(), betas=(0.9, 0.98))
        member.register(net=net, optimiser=optimiser)
        self._bind(member, net, optimiser)
        held = data.corpus.validation[: self.settings.validate_on]
        for interval in member.intervals():
            loss = self._train(member, interval, net, optimiser, data, device)
            quality = score(net, data, held, self.settings.tokenize) if loss == loss else float("nan")
            member.report(bleu=quality, loss=loss)

    def _bind(self, member: Member, net: Translation, optimiser: torch.optim.Optimizer) -> None:
        member.bind(optimiser, lr="lr")
        if isinstance(net, TransformerTranslation):
            member.bind(optimiser, weight_decay="weight_decay")
            member.bind(net, embed_rate="dropout")
            member.bind(net.residual(), rate="dropout")
            member.bind(net.attentions(), rate="attention_dropout")
            member.bind(net.activations(), rate="activation_dropout")
        elif isinstance(net, LSTMTranslation):
            member.bind(net, rate="dropout")
            member.bind(net.recurrent(), rate="recurrent_dropout")

    def _train(
        self,
        member: Member,
        interval: Interval,
        net: Translation,
        optimiser: torch.optim.Optimizer,
        data: prepared.Prepared,
        device: torch.device,
    ) -> float:
        """Train the interval's steps and return their mean loss; NaN as soon as one of them is."""
        transformer = self.settings.model == "transformer"
        smoothing = _number(member["label_smoothing"]) if transformer else 0.0
        clip = self.settings.clip_norm if transformer else _number(member["clip_norm"])
        tokens = self.settings.batch_tokens if transformer else int(_number(member["batch_size"]))
        net.train()
        total = torch.zeros((), device=device)
        # The order of the batches is one for the whole study: members differ by their hyperparameters, not by their luck.
        for batch in stream(
            data.train, tokens=tokens, start=interval.start, steps=interval.steps, seed=self.settings.data_seed
        ):
            optimiser.zero_grad()
            loss = smoothed_loss(net, batch.to(device), smoothing)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimiser.step()
            total += loss.detach()
            if not torch.isfinite(total):
                return float("nan")
        return float(total) / interval.steps


def make_net(settings: Settings, subwords: int) -> Translation:
    """Return an untrained translator."""
    if settings.model == "lstm":
        return LSTMTranslation(subwords, width=settings.width)
    return TransformerTranslation(
        subwords, width=settings.width, layers=settings.layers, heads=settings.heads, inner=settings.inner
    )


def smoothed_loss(net: Translation, batch: Batch, smoothing: float) -> torch.Tensor:
    """Return the cross-entropy of every target subword, with `smoothing` of the weight spread over the vocabulary."""
    logits = net(batch.source, batch.inputs)  # (batch, target length, vocabulary)
    return F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=PAD, label_smoothing=smoothing)


def score(net: Translation, data: prepared.Prepared, pairs: Sequence[Pair], tokenize: str) -> float:
    """Return the greedy BLEU of some pairs: what members are selected by."""
    device = next(net.parameters()).device
    hypotheses = translate(net, data.vocabulary, [source for source, _ in pairs], device=device)
    return bleu(hypotheses, [target for _, target in pairs], tokenize=tokenize).value


def _number(value: object) -> float:
    assert isinstance(value, (int, float))
    return float(value)
