"""The numbers of a film's steps, checked on films made by hand."""

import numpy as np
import pytest
import torch

from ddpm_core import Film
from ddpm_core.schedules import NoiseSchedule
from lab.process.step_numbers import step_numbers

SCHEDULE = NoiseSchedule.make("linear", 10)
ABAR = SCHEDULE.alphas_cumprod


def film(*x0, t=(10, 6, 3, 0)):
    """A film whose x̂0 are pictures of a left half and a right half, each one grey level."""
    pictures = np.zeros((len(t), len(x0[0]), 4, 4, 1), np.uint8)
    for frame, images in enumerate(x0, 1):
        for image, (left, right) in enumerate(images):
            pictures[frame, image, :, :2], pictures[frame, image, :, 2:] = left, right
    return Film.of(pictures.copy(), pictures, list(t))


def is_bright(x):
    """Class 1 if the left half is brighter than the right one."""
    logits = (x[..., :2].mean((1, 2, 3)) - x[..., 2:].mean((1, 2, 3))) * 10
    return torch.stack([torch.zeros_like(logits), logits], 1).log_softmax(1)


def test_noise_is_what_the_schedule_leaves_of_it_and_none_in_the_picture():
    numbers = step_numbers(film([(9, 99)], [(9, 99)], [(9, 99)]), SCHEDULE)
    assert numbers["noise"] == pytest.approx([1 - ABAR[9], 1 - ABAR[5], 1 - ABAR[2], 0])


def test_what_is_left_falls_from_a_blank_picture_to_the_last_one():
    numbers = step_numbers(film([(100, 100)], [(150, 50)], [(200, 0)]), SCHEDULE)
    assert np.isnan(numbers["left"][0])
    assert numbers["left"][1:] == pytest.approx([1, 0.5, 0])
    assert numbers["contrast"][1:] == pytest.approx([0, 0.5, 1])


def test_the_judge_reads_one_image_and_counts_in_several_those_that_are_settled():
    one = step_numbers(film([(0, 200)], [(200, 0)], [(200, 0)]), SCHEDULE, is_bright)
    assert one["reads"][1:] == [0, 1, 1] and one["agree"][1:] == [0, 1, 1]
    assert all(value > 0.5 for value in one["sure"][1:])
    two = step_numbers(film(*[[(0, 200), (200, 0)]] * 2, [(200, 0)] * 2), SCHEDULE, is_bright)
    assert two["agree"][1:] == [0.5, 0.5, 1] and "reads" not in two


def test_of_a_film_that_goes_on_nothing_is_said_about_its_end():
    unfinished = film([(0, 200)], [(200, 0)], [(200, 0)]).until(2)
    assert set(step_numbers(unfinished, SCHEDULE, is_bright)) == {"noise", "contrast"}


def test_chosen_frames_have_the_numbers_that_they_have_among_all():
    whole = film([(100, 100)], [(150, 50)], [(200, 0)])
    numbers, chosen = step_numbers(whole, SCHEDULE), step_numbers(whole, SCHEDULE, chosen=[0, 2, 3])
    assert chosen["left"][1:] == [numbers["left"][2], numbers["left"][3]]
