"""The torch layer's tests need torch, and run beside each other, so one thread each."""

import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
