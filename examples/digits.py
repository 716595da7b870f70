"""Handwritten digits with a plain PyTorch loop: python examples/digits.py"""

import torch
from sklearn.datasets import load_digits

import poptrain as pt

X, Y = (torch.tensor(a) for a in load_digits(return_X_y=True))

def train(member: pt.Member) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    member.register(net=net, opt=opt)
    member.bind(opt, lr="lr", momentum="momentum")
    for interval in member.intervals():
        for _ in range(interval.steps):
            pick = torch.randint(1200, (member["batch_size"],))
            loss = torch.nn.functional.cross_entropy(net(X[pick].float() / 16), Y[pick])
            opt.zero_grad(), loss.backward(), opt.step()
        member.report(accuracy=(net(X[1200:1500].float() / 16).argmax(1) == Y[1200:1500]).float().mean())

if __name__ == "__main__":
    space = {"lr": pt.Float(1e-4, 1.0, log=True), "momentum": pt.Float(0.0, 0.99), "batch_size": pt.Choice([16, 32, 64], ordered=True)}
    study = pt.tune(train, space, metric="accuracy", population=8, intervals=10, interval_steps=20, directory="runs/digits")
    print(study.best, study.schedule.to_csv(), sep="\n")
