"""The closed formulas equal torch.distributions, value and gradient."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from surefoot.controllers.gaussian import Gaussian


@given(st.integers(0, 2**31), st.integers(1, 12), st.floats(-3, 1))
def test_equals_torch(seed: int, size: int, scale: float) -> None:
    torch.manual_seed(seed)
    mean = torch.randn(5, size, dtype=torch.float64, requires_grad=True)
    log_std = (scale + 0.3 * torch.randn(size, dtype=torch.float64)).requires_grad_()
    actions = torch.randn(5, size, dtype=torch.float64)
    ours = Gaussian(size).proba_distribution(mean, log_std)
    theirs = torch.distributions.Normal(mean, log_std.exp())
    for a, b in ((ours.log_prob(actions), theirs.log_prob(actions).sum(1)), (ours.entropy(), theirs.entropy().sum(1))):
        torch.testing.assert_close(a, b)
        wanted = [torch.zeros_like(p) if g is None else g for p, g in _gradients(b, mean, log_std)]
        for (p, x), y in zip(_gradients(a, mean, log_std), wanted, strict=True):
            torch.testing.assert_close(torch.zeros_like(p) if x is None else x, y)


def _gradients(out: torch.Tensor, *parameters: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    found = torch.autograd.grad(out.sum(), parameters, allow_unused=True, retain_graph=True)
    return list(zip(parameters, found, strict=True))


def test_samples_have_the_moments() -> None:
    torch.manual_seed(0)
    distribution = Gaussian(2).proba_distribution(
        torch.tensor([[1.0, -2.0]]).expand(200_000, 2), torch.tensor([0.0, -1.0])
    )
    sample = distribution.sample()
    torch.testing.assert_close(sample.mean(0), torch.tensor([1.0, -2.0]), atol=0.02, rtol=0)
    torch.testing.assert_close(sample.std(0), torch.tensor([0.0, -1.0]).exp(), atol=0.02, rtol=0)
    assert torch.equal(distribution.get_actions(deterministic=True), distribution.mean)


@given(st.integers(0, 2**31), st.integers(1, 6))
def test_divergence_equals_torch(seed: int, size: int) -> None:
    torch.manual_seed(seed)
    one, two = ((torch.randn(5, size), 0.5 * torch.randn(size)) for _ in range(2))
    ours = Gaussian(size).proba_distribution(*one).divergence(Gaussian(size).proba_distribution(*two))
    normals = [torch.distributions.Normal(mean, log_std.exp()) for mean, log_std in (one, two)]
    torch.testing.assert_close(ours, torch.distributions.kl_divergence(*normals).sum(1), rtol=1e-4, atol=1e-5)
