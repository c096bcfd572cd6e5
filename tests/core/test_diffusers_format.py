"""Published UNets: equal to the reference library's outputs, or refused by name."""

import inspect
from contextlib import suppress
from itertools import product

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel

from ddpm_core import diffusers_format, load
from ddpm_core.__main__ import main
from ddpm_core.checkpoints import Config, Model, write_folder
from ddpm_core.data import DIGITS, Images
from ddpm_core.diffusers_format import config_from, convert, export
from ddpm_core.errors import CheckpointError, InvalidInput
from ddpm_core.recipes import recipe_from
from ddpm_core.samplers import ddim
from ddpm_core.schedules import NoiseSchedule
from tests.core.test_unet import DEFAULT, GOOGLE, assert_same_outputs, reference_and_ours

SMALL = DEFAULT | {"sample_size": 8, "block_out_channels": (8, 16, 24), "norm_num_groups": 4}
DOWN, ATTN_DOWN, UP, ATTN_UP = "DownBlock2D", "AttnDownBlock2D", "UpBlock2D", "AttnUpBlock2D"


def layout(widths, down, up, **options):
    """A config with attention at these levels, the finest first, on the way down and up."""
    return SMALL | {
        "block_out_channels": widths,
        "down_block_types": [ATTN_DOWN if attends else DOWN for attends in down],
        "up_block_types": [ATTN_UP if attends else UP for attends in reversed(up)],
        **options,
    }


# --- equality with diffusers.UNet2DModel; two more layouts are in test_unet ---

LAYOUTS = {
    "one level": layout((16,), [True], [True]),
    "one layer": layout((8, 16), [True, True], [True, True], layers_per_block=1),
    "crossed": layout((8, 16, 24), [False, True, False], [True, False, True]),
    "no attention": layout((8, 16), [False] * 2, [False] * 2, add_attention=False),
    "one head": SMALL | {"attention_head_dim": None},
    "other conventions": SMALL | {"downsample_padding": 0, "flip_sin_to_cos": False},
    "frequencies": SMALL | {"freq_shift": 1, "norm_eps": 1e-3, "act_fn": "swish"},
    "scaled by time": SMALL | {"resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 4},
    "a variance too": SMALL | {"out_channels": 6},
    "size as a pair": SMALL | {"sample_size": [8, 8]},
    "everything said twice": SMALL | {"time_embedding_dim": 32, "attn_norm_num_groups": 4},
    "defaults": {"sample_size": 8, "block_out_channels": (32, 32, 64, 64)},
}


@pytest.mark.parametrize("config", LAYOUTS.values(), ids=LAYOUTS)
def test_equals_the_reference_in_every_layout(config):
    assert_same_outputs(*reference_and_ours(config))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_whole_ddim_trajectory_equals_the_references(prediction):
    reference, unet = reference_and_ours(GOOGLE)
    scheduler = DDIMScheduler(clip_sample=True, prediction_type=prediction)
    scheduler.set_timesteps(10)
    timesteps = scheduler.timesteps.tolist()
    config = config_from(GOOGLE, dict(scheduler.config))
    schedule = NoiseSchedule.make(**config["schedule"])
    denoiser = Model("theirs", Config(**config), unet, schedule, {}).denoiser(dtype="float32")
    x = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        for step in ddim(denoiser, schedule, x.clone(), timesteps, clip=config["sampling"]["clip"]):
            output = reference(x, step.t).sample
            # Our noise is the one that the clipped image implies.
            x = scheduler.step(output, step.t, x, use_clipped_model_output=True).prev_sample
            torch.testing.assert_close(step.x, x, rtol=0, atol=1e-4)
    assert step.t == 0
    assert step.x.std() > 0.1


# --- the process ---


def test_variance_and_clipping_are_read():
    names = ("fixed_small_log", "posterior"), ("fixed_large", "beta"), ("learned_range", "learned")
    for theirs, ours in names:
        scheduler = {"variance_type": theirs, "clip_sample": False, "clip_sample_range": 3.0}
        assert config_from(SMALL, scheduler)["sampling"] == {"variance": ours, "clip": False}


@pytest.mark.parametrize("name", ["UNet2DModel", *diffusers_format.SOLVERS])
def test_a_missing_key_means_what_the_reference_takes_it_for(name):
    parameters = inspect.signature(getattr(diffusers, name).__init__).parameters
    is_unet = name == "UNet2DModel"
    rules = diffusers_format.UNET if is_unet else diffusers_format.PROCESS
    # Solvers that add no noise have no variance; that of DDPM is the default.
    excluded = set() if is_unet or name == "DDPMScheduler" else {"variance_type"}
    for key in rules.keys() & parameters.keys() - excluded:
        theirs, ours = parameters[key].default, rules[key]
        ours = ours[0] if isinstance(ours, tuple) else ours
        assert ours == (list(theirs) if isinstance(theirs, tuple) else theirs), key


# --- the tensors ---


MODEL = config_from(SMALL, {})["model"]
ATTENTION = "mid_block.attentions.0"


@pytest.fixture(scope="module")
def tensors():
    return dict(UNet2DModel(**SMALL).state_dict())


def test_older_names_of_attention_are_the_same(tensors):
    newer = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    older = {}
    for key, tensor in tensors.items():
        for name, old in newer.items():
            key = key.replace(f".{name}.", f".{old}.")
        older[key] = tensor
    assert f"{ATTENTION}.proj_attn.bias" in older
    expected, result = convert(tensors, MODEL), convert(older, MODEL)
    assert expected.keys() == result.keys()
    assert all(torch.equal(expected[key], result[key]) for key in expected)


def test_a_tensor_without_a_place_and_one_without_its_partners_are_named(tensors):
    key = "down_blocks.0.attentions.0.to_q.weight"  # a level without attention
    with pytest.raises(CheckpointError, match=f"no place for '{key}'"):
        convert(tensors | {key: torch.zeros(2)}, MODEL)
    changed = {k: v for k, v in tensors.items() if k != f"{ATTENTION}.to_k.weight"}
    with pytest.raises(CheckpointError, match="to_q.weight, .*to_k.weight, .* not all are there"):
        convert(changed, MODEL)


# --- refusals ---

# Keys that accept many values, and for each one that makes another network or process.
REFUSED = {
    "sample_size": [8, 16],
    "time_embedding_dim": 64,
    "down_block_types": [DOWN, DOWN, "SkipDownBlock2D"],
    "up_block_types": [UP, UP, "AttnSkipUpBlock2D"],
    "attn_norm_num_groups": 2,
    "num_class_embeds": 10**9,
    "clip_sample_range": 2.0,
}


@pytest.mark.parametrize("file", ["config.json", "scheduler_config.json"])
def test_what_cannot_be_read_is_refused_by_the_name_of_its_key(file):
    is_unet = file == "config.json"
    rules = diffusers_format.UNET if is_unet else diffusers_format.PROCESS
    for key, rule in rules.items():
        if isinstance(rule, tuple) or key in REFUSED:
            changed = {key: REFUSED.get(key, "other")}
            with pytest.raises(CheckpointError, match=rf"^{file}: .*\b{key}\b"):
                config_from(*((SMALL | changed, {}) if is_unet else (SMALL, changed)))
    for key, value in product(rules, (None, "", [], {}, True, -1, float("nan"), 10**400)):
        changed = {key: value}  # a stranger's value leads to nothing worse than a refusal
        with suppress(CheckpointError):
            config_from(*((SMALL | changed, {}) if is_unet else (SMALL, changed)))
    with pytest.raises(CheckpointError, match=f"^{file}"):
        config_from(*(([], {}) if is_unet else (SMALL, [])))


# --- the other way ---


def exportable(**options):
    """A network of the preset, small, with random weights."""
    options = {"channels": [8, 16, 24], "timesteps": 40} | options
    images = Images(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), torch.zeros(1).long(), DIGITS)
    config = recipe_from("exportable", options).config(images).complete()
    unet, schedule = config.build()
    return Model("mine", config, unet.eval(), schedule, {})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"attention": [0, 2], "blocks": 2, "prediction": "v_prediction"},
        {"attention": [], "schedule": "cosine", "dropout": 0.1},
        {"conditional": True, "schedule": "scaled_linear"},
        {"scale_shift": True},
    ],
    ids=lambda options: " ".join(options),
)
def test_what_is_exported_predicts_the_same_in_diffusers_and_read_back(tmp_path, options):
    model = exportable(**options)
    export(model, tmp_path)
    theirs = UNet2DModel.from_pretrained(tmp_path, subfolder="unet").eval()
    scheduler = DDPMScheduler.from_pretrained(tmp_path, subfolder="scheduler")
    loaded = load(tmp_path)
    # The null class, if there is one, is a class of the exported network: the last.
    labels = torch.tensor([0, 10]) if model.classes else None
    assert_same_outputs(theirs, model.unet, labels=labels)
    assert_same_outputs(theirs, loaded.unet, labels=labels)
    np.testing.assert_allclose(scheduler.betas, model.schedule.betas, rtol=1e-4)
    for config in (scheduler.config, loaded.config):
        assert config.prediction_type == model.config.prediction_type
    assert loaded.config.sampling == {"variance": "beta", "clip": True}
    assert len(loaded.classes) == (11 if model.classes else 0)


def test_an_exported_pipeline_makes_pictures(tmp_path):
    export(exportable(), tmp_path)
    pipeline = diffusers.DDPMPipeline.from_pretrained(tmp_path)
    pipeline.set_progress_bar_config(disable=True)
    pictures = pipeline(batch_size=2, num_inference_steps=3, output_type="np").images
    assert pictures.shape == (2, 8, 8, 1) and np.isfinite(pictures).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "sigmoid"}, "schedule of diffusers 'sigmoid'"),
        ({"channels": [8, 16, 20]}, "8 groups everywhere, which do not divide the 20 channels"),
        ({"blocks": [1, 2, 1]}, "as many blocks at every level"),
        ({"channels": [8] * 5}, "8 pixels cannot be halved 4 times"),
    ],
)
def test_what_diffusers_does_not_have_is_refused_in_words(tmp_path, options, message):
    with pytest.raises(InvalidInput, match=message):
        export(exportable(**options), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_exports_or_says_why_not(tmp_path, capsys):
    model = exportable()
    write_folder(tmp_path / "mine", model.config, model.unet.state_dict())
    assert main(["export", str(tmp_path / "mine"), "--out", str(tmp_path / "theirs")]) == 0
    assert load(tmp_path / "theirs").parameters == model.parameters
    assert main(["export", "mnist-linear", "--out", str(tmp_path / "other")]) == 2
    assert "diffusers has no UNet with skips = blocks" in capsys.readouterr().err
