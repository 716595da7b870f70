"""A population of JAX networks as one computation: vmap over members, optax for the updates.

pip install "poptrain[jax]" scikit-learn
python examples/jax_population.py
"""

import sys

import jax
import numpy as np
import optax
from jax import numpy as jnp
from sklearn.datasets import load_digits

import poptrain as pt

x, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(x))
X, Y = jnp.asarray(x[order] / 16.0, jnp.float32), jnp.asarray(y[order])
TRAIN = 1300


def fresh(key):
    """One network: 64-64-10."""
    first, second = jax.random.split(key)
    return {
        "w1": jax.random.normal(first, (64, 64)) / 8,
        "b1": jnp.zeros(64),
        "w2": jax.random.normal(second, (64, 10)) / 8,
        "b2": jnp.zeros(10),
    }


def scores(net, x):
    return jax.nn.relu(x @ net["w1"] + net["b1"]) @ net["w2"] + net["b2"]


def update(net, moments, h, key):
    """One step of one member; `h` holds its own learning rate and weight decay."""
    pick = jax.random.randint(key, (64,), 0, TRAIN)
    loss = lambda net: optax.softmax_cross_entropy_with_integer_labels(scores(net, X[pick]), Y[pick]).mean()  # noqa: E731
    updates, moments = optax.scale_by_adam().update(jax.grad(loss)(net), moments)
    change = jax.tree.map(lambda u, p: -h["lr"] * (u + h["decay"] * p), updates, net)
    return optax.apply_updates(net, change), moments


@jax.jit
def train(nets, moments, h, keys, steps):
    """All members for an interval: a loop over steps of a map over members."""

    def body(step, state):
        now = jax.vmap(jax.random.fold_in, (0, None))(keys, step)
        return jax.vmap(update)(*state, h, now)

    return jax.lax.fori_loop(0, steps, body, (nets, moments))


class Digits(pt.PopulationTrainable):
    def __init__(self, block):
        keys = jnp.stack([jax.random.key(seed % 2**32) for seed in block.seeds])
        self.nets = jax.vmap(fresh)(keys)
        self.moments = jax.vmap(optax.scale_by_adam().init)(self.nets)

    def configure(self, hparams):
        self.h = {name: jnp.asarray(hparams[name], jnp.float32) for name in ("lr", "decay")}

    def step(self, interval):
        keys = jnp.stack([jax.random.key(seed % 2**32) for seed in interval.seeds])
        self.nets, self.moments = train(self.nets, self.moments, self.h, keys, interval.steps)

    def evaluate(self):
        right = jax.vmap(scores, (0, None))(self.nets, X[TRAIN:]).argmax(-1) == Y[TRAIN:]
        return np.asarray(right.mean(1))

    def copy(self, donors, recipients):
        move = lambda leaf: leaf.at[jnp.asarray(recipients)].set(leaf[jnp.asarray(donors)])  # noqa: E731
        self.nets, self.moments = jax.tree.map(move, (self.nets, self.moments))

    def state_dict(self, row):
        leaves = jax.tree.leaves((self.nets, self.moments))
        return {str(index): np.asarray(leaf[row]) for index, leaf in enumerate(leaves)}

    def load_state_dict(self, row, state):
        leaves, shape = jax.tree.flatten((self.nets, self.moments))
        leaves = [leaf.at[row].set(state[str(index)]) for index, leaf in enumerate(leaves)]
        self.nets, self.moments = jax.tree.unflatten(shape, leaves)

    def effective(self):
        return self.h


if __name__ == "__main__":
    study = pt.tune(
        Digits,
        {"lr": pt.Float(1e-4, 1e-1, log=True), "decay": pt.Float(1e-5, 1e-1, log=True)},
        metric="accuracy",
        population=8,
        intervals=8,
        interval_steps=50,
        directory=sys.argv[1] if len(sys.argv) > 1 else None,
    )
    print(f"accuracy {study.best.score:.3f}, executor {study.config.arrangement}")
    print(study.schedule)
