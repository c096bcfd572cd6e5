"""Requests: what is refused, what is filled in, and what a model can serve."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest

from ddpm_core import Model, checkpoints
from ddpm_core.errors import InvalidInput
from ddpm_core.guidance import GUIDANCE
from ddpm_core.request import Request
from tests.support.toys import save_tiny_checkpoint, tiny_classifier

GUIDED = [method for method in list(GUIDANCE) if method != "none"]
every_method = pytest.mark.parametrize("method", GUIDED)
by_classifier = pytest.mark.parametrize("method", ["classifier", "classifier-noisy"])


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Three classes and no null class."""
    folder = tmp_path_factory.mktemp("labelled") / "labelled"
    return checkpoints.load(save_tiny_checkpoint(folder, classes=3, null_class=False))


# --- what is refused, and what is accepted ---

WRONG = {
    int: [2.5, True, "5", math.nan, -1, 10**400],
    float: ["1", math.inf, [0], 10**5],
    bool: [1],
    str: ["²", []],
}
UNREADABLE = {int: ["five", "9" * 5000], float: ["None", "nan"], bool: ["yes"], str: ["²"]}
# Where the message names a field in words.
WORDS = {"at": "place of the classifier", "label": "class|label"}


@pytest.mark.parametrize("spec", fields(Request), ids=lambda spec: spec.name)
def test_what_a_field_cannot_be_is_refused_by_its_name(spec):
    kind, base = spec.metadata["kind"], Request(guidance="cfg")
    for value in [*WRONG[kind], *([] if spec.default is None else [None])]:
        with pytest.raises(InvalidInput, match=WORDS.get(spec.name, spec.name)):
            replace(base, **{spec.name: value})
    for text in UNREADABLE[kind]:
        if text == "None" and spec.default is None:
            text = "nothing"
        with pytest.raises(InvalidInput, match=WORDS.get(spec.name, spec.name)):
            base.with_texts({spec.name: text})


def test_labels_are_accepted_as_people_write_them():
    for value, label in (("3", 3), (" ALL ", "all"), ("None", "none"), (3.0, 3), (np.int64(3), 3)):
        assert Request(label=value).label == label
    for label in (1.5, -1, "", "²", "1" * 5000):
        with pytest.raises(InvalidInput, match="class|label"):
            Request(label=label)


def test_whole_numbers_of_any_kind_are_kept_exactly():
    request = Request(n=np.int64(4), steps=20.0, seed=2**53 - 3)
    assert (request.n, request.steps, request.seed) == (4, 20, 2**53 - 3)
    assert type(request.n) is type(request.steps) is int


@every_method
def test_a_method_has_a_scale_of_its_own_which_none_has(method):
    assert Request(guidance=method).guidance_scale == GUIDANCE[method].default
    assert Request(guidance=method, guidance_scale=0).guidance_scale == 0.0
    assert replace(Request(guidance=method, guidance_scale=7), guidance="none") == Request()
    base = Request(guidance="none" if method == "cfg" else "cfg", guidance_scale=5)
    request = base.with_texts({"guidance": method})
    assert request.guidance_scale == GUIDANCE[method].default
    assert base.with_texts({"guidance": method, "guidance_scale": "3"}).guidance_scale == 3


# --- what a model can serve ---


def test_labels_are_those_that_a_model_knows(model, plain, labelled):
    assert Request(label="all").labels(model, [0, 9, 10, 23]) == [0, 9, 0, 3]
    assert Request(label=7).labels(model, [0, 5]) == [7, 7]
    assert Request(label="none").labels(model, [0, 5]) == [None, None]
    assert Request().for_model(plain).label == "none"
    photographs = checkpoints.load("cifar10-conditional")
    assert Request(label=" Dog ").for_model(photographs).label == photographs.classes.index("dog")
    for label, target, message in (
        (11, model, "between 0 and 9, not 11"),
        (3, plain, "knows no classes"),
        ("cat", plain, "knows no classes"),
        ("cat", model, "no class is called 'cat': 0, 1, 2"),
        ("none", labelled, "no null class"),
    ):
        with pytest.raises(InvalidInput, match=message):
            Request(label=label).for_model(target)


def test_classifier_free_guidance_needs_classes_and_a_null_class(
    classifiers, model, plain, labelled
):
    request = Request(guidance="cfg", label=1)
    assert request.for_model(model) == request
    for label in (1, "none"):  # whatever else is wrong: no label would help
        with pytest.raises(InvalidInput, match="plain knows no classes: only a classifier"):
            replace(request, label=label).for_model(plain)
    with pytest.raises(InvalidInput, match="labelled has no null class, which classifier-free"):
        request.for_model(labelled)
    assert replace(request, guidance="classifier").for_model(labelled).label == 1


STEERS = [k for k, entry in GUIDANCE.items() if entry.null_class or entry.classifier]


@pytest.mark.parametrize("method", STEERS)
def test_guidance_by_class_needs_a_class(classifiers, model, method):
    with pytest.raises(InvalidInput, match="choose"):
        Request(guidance=method, label="none").for_model(model)


@by_classifier
def test_a_classifier_lends_its_classes_to_a_model_without_any(classifiers, plain, method):
    request = Request(guidance=method, label="all").for_model(plain)
    assert request.classes(plain) == [str(i) for i in range(10)]
    assert request.labels(plain, [0, 9, 12]) == [0, 9, 2]
    with pytest.raises(InvalidInput, match="between 0 and 9, not 10"):
        Request(guidance=method, label=10).for_model(plain)


def test_a_classifier_of_other_images_or_classes_is_refused(classifiers, model):
    with pytest.raises(InvalidInput, match="in this order"):
        other = replace(model.config, classes=model.classes[::-1])
        Request(guidance="classifier").for_model(Model("odd", other, *other.build(), {}))
    config = classifiers["mnist-classifier"].config
    classifiers["mnist-classifier"].config = replace(config, classes=config.classes[:4])
    with pytest.raises(InvalidInput, match="4 of 10 classes"):
        Request(guidance="classifier").for_model(model)
    classifiers["mnist-classifier"] = tiny_classifier("conv", 12)
    with pytest.raises(InvalidInput, match=r"\(1, 12, 12\), tiny makes \(1, 8, 8\)"):
        Request(guidance="classifier").for_model(model)


@pytest.mark.parametrize(("t_high", "expected"), [(None, None), (49, None), (5000, None), (48, 48)])
def test_an_interval_ends_with_the_model(model, t_high, expected):
    request = Request(guidance="cfg", t_high=t_high).for_model(model)
    assert request.t_high == expected
    assert request.for_model(model) == request
    with pytest.raises(InvalidInput, match="t_low must be between 0 and 49"):
        Request(guidance="cfg", t_low=50).for_model(model)
    with pytest.raises(InvalidInput, match="t_high must be between 21 and"):
        Request(guidance="cfg", t_low=21, t_high=20)


# --- mixtures ---


def test_labels_of_a_mixture(model):
    request = Request(label=3, mix=7, share=0.25)
    assert request.labels(model, [0, 5]) == [{3: 0.75, 7: 0.25}] * 2
    assert Request(label=7, mix=7).labels(model, [0]) == [7]
    assert Request(label=3, mix=7, share=0).labels(model, [0]) == [3]
    labels = Request(label="all", mix=1, share=0.5).labels(model, [0, 1])
    assert labels == [{0: 0.5, 1: 0.5}, 1]


def test_a_mixture_needs_two_classes_that_there_are(classifiers, model, plain):
    assert Request(label=3, mix=9).for_model(model).mix == 9
    with pytest.raises(InvalidInput, match="mix must be between 0 and 9"):
        Request(label=3, mix=10).for_model(model)
    with pytest.raises(InvalidInput, match="mixed into a first one"):
        Request(label="all", mix=3).for_model(plain)
    assert Request(guidance="classifier", mix=3).for_model(plain).mix == 3


# --- from one seed, and one class, to another ---


def test_on_the_way_to_a_second_seed_classes_are_mixed_as_far_as_it_went(model):
    request = Request(n=5, first=10, label=4, mix=9, toward=1)
    halfway = [{4: 0.75, 9: 0.25}, {4: 0.5, 9: 0.5}, {4: 0.25, 9: 0.75}]
    assert request.labels(model, request.images) == [4, *halfway, 9]
    assert replace(request, mix=None).labels(model, [10, 14]) == [4, 4]
    assert replace(request, label="none", mix=None).labels(model, [10]) == [None]
    assert replace(request, along=0.5).labels(model, [10, 14]) == [{4: 0.5, 9: 0.5}] * 2
    every_class = Request(n=19, label="all", toward=0)
    assert every_class.labels(model, [0, 1, 2, 18]) == [0, {0: 0.5, 1: 0.5}, 1, 9]
    assert Request(n=1, toward=3).labels(model, [0]) == [0]


# --- as it is typed, or stands in a link ---


def test_fields_that_are_not_typed_stay_as_they_are():
    base = Request(guidance="cfg", guidance_scale=5, mix=3, t_high=9)
    assert base.with_texts({}) == base
    assert base.with_texts({"share": "0.25", "colour": "red"}) == replace(base, share=0.25)
    assert base.with_texts({"mix": "", "t_high": ""}) == replace(base, mix=None, t_high=None)


def test_a_request_takes_over_how_a_model_is_meant_to_be_sampled(checkpoint):
    model = checkpoints.load(checkpoint)
    assert Request(n=3).as_meant(model) == Request(n=3)
    model.config.sampling.update(variance="posterior", clip=False)
    expected = Request(n=3, variance="posterior", clip=False)
    assert Request(n=3).as_meant(model) == expected
