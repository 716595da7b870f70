"""A JAX loop whose state is a tree of arrays: python examples/jax_loop.py"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

import poptrain as pt

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)


def logits(net: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    return jax.nn.relu(x @ net["in"]) @ net["out"]


@jax.jit
def update(net, moments, key, lr, decay):
    pick = jax.random.randint(key, (64,), 0, 1200)

    def loss(net):
        return optax.softmax_cross_entropy_with_integer_labels(logits(net, jnp.asarray(X)[pick]), jnp.asarray(Y)[pick]).mean()

    gradient = jax.grad(loss)(net)
    step, moments = optax.scale_by_adam().update(gradient, moments)
    return jax.tree.map(lambda w, d: w - lr * (d + decay * w), net, step), moments


def begin(seed: int):
    first, second = jax.random.split(jax.random.key(seed))
    net = {"in": 0.1 * jax.random.normal(first, (64, 64)), "out": 0.1 * jax.random.normal(second, (64, 10))}
    return net, optax.scale_by_adam().init(net)


def train(member: pt.Member) -> None:
    structure = jax.tree.structure(begin(0))
    for interval in member.intervals():
        leaves = member.restore([np.asarray(leaf) for leaf in jax.tree.leaves(begin(interval.seed % 2**31))])
        net, moments = jax.tree.unflatten(structure, leaves)  # hyperparameters are arguments: nothing remembers old ones
        for key in jax.random.split(jax.random.key(interval.seed % 2**31), interval.steps):
            net, moments = update(net, moments, key, member["lr"], member["decay"])
        accuracy = (logits(net, X[1200:1500]).argmax(1) == Y[1200:1500]).mean()
        member.report(accuracy=float(accuracy), state=[np.asarray(leaf) for leaf in jax.tree.leaves((net, moments))])


if __name__ == "__main__":
    space = {"lr": pt.Float(1e-5, 1e-1, log=True), "decay": pt.Float(1e-6, 1e-1, log=True)}
    options = {"population": 8, "intervals": 8, "interval_steps": 20, "directory": "runs/jax_loop", "executor": "inline"}
    study = pt.tune(train, space, metric="accuracy", **options)
    print(study.best, study.schedule.render(["lr", "decay"]), sep="\n")
