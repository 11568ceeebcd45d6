"""Right and wrong optimizers of a user."""

import torch


class Momentum(torch.optim.Optimizer):
    """Heavy ball with a counter that is no tensor."""

    def __init__(self, params, lr, mu=0.9, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "mu": mu, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            group["steps"] = group.get("steps", 0) + 1
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state.update(calls=0, velocity=torch.zeros_like(parameter))
                state["calls"] += 1
                assert state["calls"] == group["steps"]
                gradient = parameter.grad + group["weight_decay"] * parameter
                state["velocity"].mul_(group["mu"]).add_(gradient)
                parameter.sub_(group["lr"] * state["velocity"])


class Plain(torch.optim.Optimizer):
    """Has no weight decay."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})


class Hoarder(Momentum):
    """Keeps something that cannot be stored."""

    def step(self):
        super().step()
        for state in self.state.values():
            state["seen"] = [1, 2]


def nothing(params, lr):
    return (params, lr)
