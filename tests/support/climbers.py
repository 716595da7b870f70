"""A user's file with training code, as text: loop form, NumPy only."""

CLIMB = """
import time
import numpy as np
import poptrain as pt

SPACE = {"pace": pt.Float(0.01, 1.0, log=True), "noise": pt.Float(0.0, 0.5)}
METRIC = "height"


class Climber:
    def __init__(self):
        self.position = np.zeros(2)

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"].copy()


def train(member, pause=0.0):
    climber = Climber()
    member.register(climber=climber)
    for interval in member.intervals():
        for _ in range(interval.steps):
            time.sleep(pause)
            climber.position = climber.position + member["pace"] * (np.random.random(2) - member["noise"])
        member.report(height=float(climber.position.sum()))


def slow(member):
    train(member, pause=0.02)


def broken(member):
    for interval in member.intervals():
        steps = member.restore(0)
        if interval.index == 1 and member.index == 2:
            raise ValueError("the [bold]third[/bold] member stumbled")
        member.report(steps + member["pace"] + member["noise"], state=steps + interval.steps)


def hopeless(member):
    for interval in member.intervals():
        member["pace"], member["noise"]
        member.report(float("nan"))


def HELD_OUT(state, hparams):
    return {"height elsewhere": 0.25}
"""
