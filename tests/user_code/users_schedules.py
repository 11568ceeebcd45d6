"""Right and wrong schedules of a user."""

import math


def ramp(step, steps, power=1.0):
    return ((step + 1) / steps) ** power


def halving(epoch):
    return 0.5**epoch


def cosine(step, epochs, steps_per_epoch, floor=0.0):
    return floor + (1 - floor) * (1 + math.cos(math.pi * step / (epochs * steps_per_epoch))) / 2


def broken(step):
    return "half" if step == 3 else 1.0


def negative(steps):
    return -steps
