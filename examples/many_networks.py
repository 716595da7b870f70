"""Thirty-two networks trained as one computation: python examples/many_networks.py"""

import torch
from sklearn.datasets import load_digits
from torch import nn

import poptrain as pt
import poptrain.torch as ptt

x, y = load_digits(return_X_y=True)
X, Y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)

form = ptt.population(
    net=lambda: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(), nn.Linear(128, 10)),
    loss=ptt.CrossEntropy(label_smoothing="smoothing"),
    data=ptt.Batches((X[:1200], Y[:1200])),
    optimiser=ptt.AdamW(lr="lr", weight_decay="decay"),
    dropout="dropout",
    evaluate=ptt.Accuracy(X[1200:1500], Y[1200:1500]),
)

if __name__ == "__main__":
    space = {
        "lr": pt.Float(1e-4, 1e-1, log=True),
        "decay": pt.Float(1e-4, 1.0, log=True),
        "dropout": pt.Float(0.0, 0.6),
        "smoothing": pt.Float(0.0, 0.2),
    }
    study = pt.tune(form, space, metric="accuracy", population=32, intervals=20, interval_steps=20, directory="runs/many")
    print(study.best, study.config.arrangement, study.schedule.to_csv(), sep="\n")
