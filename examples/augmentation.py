"""Learning a schedule of data augmentation: python examples/augmentation.py

How far pictures are shifted, how much noise they get, and how much of them is erased is tuned while the network trains. What the
population finds is a schedule that can be used again, without poptrain: `study.schedule.at(step)`.
"""

import torch
from sklearn.datasets import load_digits

import poptrain as pt

X, Y = (torch.tensor(part) for part in load_digits(return_X_y=True))
X = X.float().reshape(-1, 1, 8, 8) / 16
TRAIN, VALID, TEST = slice(0, 400), slice(400, 1000), slice(1000, None)  # few pictures: augmentation matters


def augmented(pictures: torch.Tensor, shift: float, noise: float, erase: float) -> torch.Tensor:
    """Return pictures that are moved by up to `shift` pixels, with noise, and with a part `erase` of their pixels blank."""
    count = len(pictures)
    moves = (torch.rand(count, 2) * 2 - 1) * shift / 4
    turn = torch.eye(2, 3).repeat(count, 1, 1)
    turn[:, :, 2] = moves
    grid = torch.nn.functional.affine_grid(turn, [*pictures.shape], align_corners=False)
    moved = torch.nn.functional.grid_sample(pictures, grid, align_corners=False)
    return (moved + noise * torch.randn_like(moved)) * (torch.rand_like(moved) >= erase)


def train(member: pt.Member) -> None:
    net = torch.nn.Sequential(
        *(torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        *(torch.nn.Flatten(), torch.nn.Linear(256, 10)),
    )
    opt = torch.optim.Adam(net.parameters())
    member.register(net=net, opt=opt)
    member.bind(opt, lr="lr")
    for interval in member.intervals():
        for _ in range(interval.steps):
            pick = torch.randint(400, (50,))
            pictures = augmented(X[TRAIN][pick], member["shift"], member["noise"], member["erase"])
            loss = torch.nn.functional.cross_entropy(net(pictures), Y[TRAIN][pick])
            opt.zero_grad(), loss.backward(), opt.step()
        member.report(accuracy=accuracy(net, VALID))


def accuracy(net: torch.nn.Module, part: slice) -> float:
    with torch.no_grad():
        return float((net(X[part]).argmax(1) == Y[part]).float().mean())


if __name__ == "__main__":
    space = {
        "lr": pt.Float(1e-4, 1e-1, log=True),
        "shift": pt.Float(0.0, 2.0),
        "noise": pt.Float(0.0, 0.5),
        "erase": pt.Float(0.0, 0.5),
    }
    options = {"population": 8, "intervals": 10, "interval_steps": 30, "directory": "runs/augmentation", "workers": 2}
    study = pt.tune(train, space, metric="accuracy", **options)
    print(study.best, study.schedule.render(["lr"]), sep="\n")
    print("halfway, pictures were augmented by", study.schedule.at(study.schedule.steps // 2))
