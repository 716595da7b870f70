"""A joint subword vocabulary for both languages."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

from poptrain.core.errors import DataError, MissingExtra
from poptrain.tasks.translation.corpora import Pair

__all__ = ["BOS", "EOS", "PAD", "UNK", "Vocabulary"]

PAD, UNK, BOS, EOS = 0, 1, 2, 3
"""Numbers of the special tokens: padding, unknown, beginning and end of a sentence."""


class Vocabulary:
    """Subwords of a SentencePiece model.

    Args:
        model: the serialised model.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._processor = _sentencepiece().SentencePieceProcessor(model_proto=model)

    @classmethod
    def train(cls, pairs: Iterable[Pair], size: int) -> Vocabulary:
        """Return a vocabulary of at most `size` subwords (byte-pair encoding) of both sides of the training text.

        The same text gives the same vocabulary. A text with fewer different subwords gives a smaller one.

        Raises:
            DataError: the text has more characters than `size` leaves room for.
        """
        spm = _sentencepiece()
        sentences = [sentence for pair in pairs for sentence in pair]
        out = io.BytesIO()
        try:
            spm.SentencePieceTrainer.train(
                sentence_iterator=iter(sentences),
                model_writer=out,
                vocab_size=size,
                model_type="bpe",
                character_coverage=1.0,
                hard_vocab_limit=False,
                pad_id=PAD,
                unk_id=UNK,
                bos_id=BOS,
                eos_id=EOS,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            reason = str(error).splitlines()[-1]
            raise DataError(f"no vocabulary of {size} subwords can be made of this text: {reason}") from error
        return cls(out.getvalue())

    def __len__(self) -> int:
        return int(self._processor.get_piece_size())

    def encode(self, sentence: str) -> list[int]:
        """Return the numbers of a sentence's subwords, without beginning and end."""
        return list(self._processor.encode(sentence))

    def encode_all(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return `encode` of each sentence."""
        return [list(numbers) for numbers in self._processor.encode(list(sentences))]

    def decode(self, numbers: Sequence[int]) -> str:
        """Return the text of subwords; special tokens leave no trace."""
        return str(self._processor.decode([n for n in numbers if n > EOS]))


def _sentencepiece() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise MissingExtra("the translation task", "translation") from None
    return sentencepiece
