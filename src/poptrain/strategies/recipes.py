"""Settings of published experiments, by name."""

from __future__ import annotations

from poptrain.strategies.exploit import t_test, truncation
from poptrain.strategies.explore import perturb
from poptrain.strategies.pbt import PBT

__all__ = ["gan_2017", "reinforcement_learning_2017", "translation_2017"]


def translation_2017() -> PBT:
    """Return the settings for machine translation: t-test selection, factors 1.2 and 0.8.

    The paper trained 32 Transformers on WMT 2014 English-German, ready every 2,000 steps, judged by BLEU; tuned were the
    learning rate and the dropouts of attention, layers and ReLU.

    References:
        Jaderberg et al. (2017), Population Based Training of Neural Networks, section 4.2.
    """
    return PBT(exploit=t_test(window=10, p=0.05), explore=perturb((0.8, 1.2)))


def reinforcement_learning_2017() -> PBT:
    """Return the settings for reinforcement learning: truncation selection of 20 %, factors 1.2 and 0.8.

    The paper tuned learning rate, entropy cost and unroll length of 30 to 80 agents, judged by their last ten episodes.

    References:
        Jaderberg et al. (2017), Population Based Training of Neural Networks, section 4.1.
    """
    return PBT(exploit=truncation(0.2), explore=perturb((0.8, 1.2)))


def gan_2017() -> PBT:
    """Return the settings for generative adversarial networks: truncation selection of 20 %, factors 2.0 and 0.5.

    The paper tuned the two learning rates of 45 pairs of networks on CIFAR-10, ready every 5,000 steps, judged by Inception
    score.

    References:
        Jaderberg et al. (2017), Population Based Training of Neural Networks, section 4.3.
    """
    return PBT(exploit=truncation(0.2), explore=perturb((0.5, 2.0)))
