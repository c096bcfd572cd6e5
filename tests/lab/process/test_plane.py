"""Points in the plane: what is exact, what is learned, and the way from noise to either."""

import numpy as np
import pytest
import torch

from ddpm_core.errors import InvalidInput
from ddpm_core.samplers import SAMPLERS
from lab.process.plane import SHAPES, Flow, Task, Training, Walk, exact, packed, picture, unpacked

DRAWN = tuple((x / 10, (-1) ** x / 2, x % 2) for x in range(-5, 6))


@pytest.fixture(scope="module")
def trained():
    training = Training(Task())
    training.advance(400)
    return training


def flow_of(training, walk):
    flow = Flow(training.network, training.task, walk)
    list(flow.making())
    return flow


@pytest.mark.parametrize("t", (0, 300, 999))
def test_the_exact_prediction_is_the_mean_over_what_each_point_may_have_been(t):
    task = Task("spiral")
    schedule, x = task.noise_schedule, torch.randn(7, 2)
    predicted = exact(schedule, task.points)(x, t)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    for point, eps in zip(x.double(), predicted.double(), strict=True):
        noises = (point - alpha * task.points.double()) / sigma  # that would have led here
        densities = -noises.square().sum(1) / 2
        weights = (densities - densities.max()).exp()
        expected = (weights[:, None] * noises).sum(0) / weights.sum()
        torch.testing.assert_close(eps, expected, rtol=1e-3, atol=1e-3)


def test_training_brings_the_network_closer_to_the_exact_field(trained):
    def distance(training):
        return np.mean(flow_of(training, Walk(steps=10)).distance[:8])

    before = distance(Training(Task()))
    assert distance(trained) < 0.1 * before
    assert np.mean(trained.losses[-50:]) < 0.6 * np.mean(trained.losses[:20])


def test_equal_tasks_give_equal_networks_whatever_else_draws_random_numbers():
    first, second = Training(Task("rings")), Training(Task("rings"))
    first.advance(4)
    for _ in range(4):
        torch.manual_seed(5)
        second.advance(1)
    assert first.losses == second.losses
    assert torch.equal(first.sample(), second.sample())


def test_the_exact_prediction_gives_the_training_points_back(trained):
    flow = flow_of(trained, Walk("dpm_solver_pp", steps=50))
    copies = flow.copies()
    assert copies["exact"] > 0.9 > copies["learned"]
    assert flow.t[0] == 1000 and flow.t[-1] == 0
    assert torch.equal(flow.points["exact"][0], flow.points["learned"][0])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_leads_to_the_points(trained, sampler):
    flow = flow_of(trained, Walk(sampler, steps=100))
    assert len(flow.t) == len(flow.points["exact"]) == len(flow.fields["learned"]) <= 61
    assert torch.cdist(flow.points["exact"][-1], trained.task.points).amin(1).mean() < 0.05
    assert picture(flow, len(flow.t) - 1).dtype == np.uint8


def test_guidance_leads_to_its_class(trained):
    task = trained.task

    def share(label, scale):
        points = flow_of(trained, Walk(steps=20, label=label, scale=scale)).points["learned"][-1]
        nearest = task.labels[torch.cdist(points, task.points).argmin(1)]
        return (nearest == 1).float().mean().item()

    assert share("none", 1) < 0.7 and share("1", 1) > 0.8 and share("1", 3) > 0.9


def test_a_drawing_survives_its_text_and_is_bounded():
    restored = unpacked(packed(DRAWN))
    np.testing.assert_allclose(restored, DRAWN, atol=0.005)
    assert Task("drawn", drawn=restored).labels.tolist() == [label for *_, label in DRAWN]
    for text in (None, "????", "A" * 1300):
        with pytest.raises(InvalidInput, match="what was drawn"):
            unpacked(text)
    for drawn in (DRAWN[:4], DRAWN * 40, [(2, 0, 0)] * 9, [(float("nan"), 0, 0)] * 9):
        with pytest.raises(InvalidInput):
            Task("drawn", drawn=drawn)


def test_what_is_out_of_bounds_is_refused_by_name(trained):
    with pytest.raises(InvalidInput, match="data"):
        Task("circle")
    with pytest.raises(InvalidInput, match="steps"):
        Walk(steps=100_000)
    of_one_class = Task("drawn", drawn=[(x, y, 0) for x, y, _ in DRAWN])
    with pytest.raises(InvalidInput, match="second class"):
        Flow(trained.network, of_one_class, Walk(label="1"))
    assert all(Task(name).points.abs().max() <= 1 for name in SHAPES)
