"""Published UNets: equal to the reference library's outputs, or refused by name."""

import inspect
import json

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, PNDMScheduler, UNet2DModel
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from ddpm_core import diffusers_format
from ddpm_core.denoiser import ModelDenoiser
from ddpm_core.diffusers_format import SCHEDULER, WEIGHTS, config_from, convert, is_unet
from ddpm_core.errors import CheckpointError
from ddpm_core.fast import Prepared
from ddpm_core.samplers import ddim
from ddpm_core.schedules import NoiseSchedule
from ddpm_core.unet import UNet
from tests.core.test_unet import DEFAULT, GOOGLE, assert_same_outputs, reference_and_ours

# A NumPy 2 matter inside the reference library.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

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
    "attention everywhere": layout((8, 16), [True, True], [True, True], layers_per_block=1),
    "down only": layout((8, 16, 24), [True, False, True], [False] * 3),
    "up only": layout((8, 16, 24), [False] * 3, [False, True, True]),
    "crossed": layout((8, 16, 24), [False, True, False], [True, False, True]),
    "no attention in the middle": SMALL | {"add_attention": False},
    "all without": layout((8, 16), [False] * 2, [False] * 2, add_attention=False),
    "one head": SMALL | {"attention_head_dim": None},
    "other conventions": SMALL | {"downsample_padding": 0, "flip_sin_to_cos": False},
    "frequencies": SMALL | {"freq_shift": 1, "norm_eps": 1e-3, "act_fn": "swish"},
    "size as a pair": SMALL | {"sample_size": [8, 8]},
    "everything said twice": SMALL | {"time_embedding_dim": 32, "attn_norm_num_groups": 4},
    "defaults": {"sample_size": 8, "block_out_channels": (32, 32, 64, 64)},
}


@pytest.mark.parametrize("config", LAYOUTS.values(), ids=LAYOUTS)
def test_equals_the_reference_in_every_layout(config):
    assert_same_outputs(*reference_and_ours(config))


def test_equals_the_reference_in_the_shape_of_ddpm_cifar10_32():
    config = GOOGLE | {"sample_size": 32, "block_out_channels": (128, 256, 256, 256)}
    reference, unet = reference_and_ours(config)
    assert sum(p.numel() for p in unet.parameters()) == 35_746_307
    assert_same_outputs(reference, unet, batch=1)


def test_equals_the_reference_with_classes():
    reference, unet = reference_and_ours(SMALL | {"num_class_embeds": 5})
    assert unet.num_classes == 5
    assert unet.null_index is None
    assert_same_outputs(reference, unet, labels=torch.tensor([0, 4]))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_whole_ddim_trajectory_equals_the_references(prediction):
    reference, unet = reference_and_ours(GOOGLE)
    scheduler = DDIMScheduler(clip_sample=True, prediction_type=prediction)
    scheduler.set_timesteps(50)
    timesteps = scheduler.timesteps.tolist()
    config = config_from(GOOGLE, dict(scheduler.config))
    schedule = NoiseSchedule.make(**config["schedule"])
    denoiser = ModelDenoiser(Prepared(unet, 1000), schedule, config["prediction_type"])
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


@pytest.mark.parametrize("name", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_schedules_equal_the_references(name):
    theirs = DDPMScheduler(400, beta_schedule=name, beta_start=0.001, beta_end=0.012)
    config = config_from(SMALL, dict(theirs.config))
    ours = NoiseSchedule.make(**config["schedule"])
    np.testing.assert_allclose(ours.betas, theirs.betas.numpy(), rtol=1e-4)
    # Its 1 - beta loses up to 6e-5 of 1 - 0.999 in float32.
    np.testing.assert_allclose(ours.alphas_cumprod, theirs.alphas_cumprod.numpy(), rtol=2e-4)


@pytest.mark.parametrize(
    "variance, ours", [("fixed_small_log", "posterior"), ("fixed_large", "beta")]
)
@pytest.mark.parametrize("clip", [True, False])
def test_variance_and_clipping_are_read(variance, ours, clip):
    scheduler = {"variance_type": variance, "clip_sample": clip}
    assert config_from(SMALL, scheduler)["sampling"] == {"variance": ours, "clip": clip}
    unclipped = {"clip_sample": False, "clip_sample_range": 3.0}
    assert config_from(SMALL, unclipped)["sampling"]["clip"] is False


@pytest.mark.parametrize("clip", [True, False])
def test_the_oldest_form_of_a_scheduler_is_read_as_todays(clip):
    older = {
        "_class_name": "GaussianDDPMScheduler",
        "timesteps": 400,
        "beta_start": 0.0002,
        "beta_end": 0.03,
        "beta_schedule": "linear",
        "variance_type": "fixed_large",
        "clip_predicted_image": clip,
    }
    newer = {"num_train_timesteps": 400, "clip_sample": clip, "_class_name": "DDPMScheduler"}
    same = {k: v for k, v in older.items() if k not in ("timesteps", "clip_predicted_image")}
    found = config_from(SMALL, older)
    assert found == config_from(SMALL, same | newer)
    assert found["schedule"]["num_timesteps"] == 400 and found["sampling"]["clip"] is clip


def test_classes_are_numbered_and_the_rest_is_said():
    config = config_from(SMALL | {"num_class_embeds": 3}, {"prediction_type": "v_prediction"})
    assert config["classes"] == ["0", "1", "2"]
    assert config_from(SMALL, {})["classes"] == []
    assert config["prediction_type"] == "v_prediction"
    assert config["dataset"] == "unknown"
    assert config["preprocessing"] == {"range": [-1, 1]}


# --- the files ---


@pytest.mark.parametrize("solver", [DDIMScheduler, PNDMScheduler])
def test_saved_files_are_read_back(tmp_path, solver):
    reference, _ = reference_and_ours(SMALL)
    reference.save_pretrained(tmp_path)
    solver(500, beta_schedule="scaled_linear", beta_start=0.001).save_pretrained(tmp_path)
    unet_json, scheduler_json = (
        json.loads((tmp_path / name).read_text()) for name in ("config.json", SCHEDULER)
    )
    assert is_unet(unet_json)
    config = config_from(unet_json, scheduler_json)
    assert config == json.loads(json.dumps(config))
    assert config["schedule"] == {
        "kind": "scaled_linear",
        "num_timesteps": 500,
        "start": 0.001,
        "end": 0.02,
    }
    unet = UNet(**config["model"]).eval()
    unet.load_state_dict(convert(load_file(tmp_path / WEIGHTS), config["model"]))
    assert_same_outputs(reference, unet)


def test_this_projects_configs_are_told_apart():
    assert not is_unet({"model": {}, "schedule": {}, "prediction_type": "epsilon"})
    assert not is_unet([])
    for key in ("_class_name", "block_out_channels", "down_block_types"):
        assert is_unet({key: None})


@pytest.mark.parametrize(
    ("rules", "theirs", "own"),
    [
        (diffusers_format.UNET, UNet2DModel, {"_class_name"}),
        (diffusers_format.PROCESS, DDPMScheduler, {"_class_name", "predict_epsilon"}),
    ],
)
def test_a_missing_key_means_what_the_reference_takes_it_for(rules, theirs, own):
    parameters = inspect.signature(theirs.__init__).parameters
    for key in rules.keys() - own - {"use_flow_sigmas"}:
        default = parameters[key].default
        assert rules[key][0] == (list(default) if isinstance(default, tuple) else default), key


@pytest.mark.parametrize("name", diffusers_format.SOLVERS)
def test_every_solver_has_the_defaults_of_ddpm(name):
    parameters = inspect.signature(getattr(diffusers, name).__init__).parameters
    for key in diffusers_format.PROCESS.keys() & parameters.keys() - {"variance_type"}:
        assert parameters[key].default == diffusers_format.PROCESS[key][0], key


# --- the tensors ---


@pytest.fixture(scope="module")
def tensors():
    return dict(UNet2DModel(**SMALL).state_dict())


MODEL = config_from(SMALL, {})["model"]
ATTENTION = "mid_block.attentions.0"


def test_older_names_of_attention_are_the_same(tensors):
    newer = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    older = {}
    for key, tensor in tensors.items():
        for name, old in newer.items():
            key = key.replace(f".{name}.", f".{old}.")
        older[key] = tensor
    assert f"{ATTENTION}.proj_attn.bias" in older
    wanted, got = convert(tensors, MODEL), convert(older, MODEL)
    assert wanted.keys() == got.keys()
    assert all(torch.equal(wanted[key], got[key]) for key in wanted)


@pytest.mark.parametrize(
    "key",
    [
        "down_blocks.7.resnets.0.conv1.weight",
        "down_blocks.0.attentions.0.to_q.weight",  # a level without attention
        "mid_block.resnets.2.conv1.weight",
        "conv_in.scale",
        "time_proj.weight",
        "query.weight",
        "conv_in",
        "",
    ],
)
def test_a_tensor_without_a_place_is_named(tensors, key):
    with pytest.raises(CheckpointError, match=f"no place for '{key}'"):
        convert(tensors | {key: torch.zeros(2)}, MODEL)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"to_k.weight": None}, "to_k.weight is missing"),
        ({"to_k.weight": torch.zeros(8, 24)}, "to_q.weight.*partners"),
        ({"to_k.weight": torch.zeros(24)}, "to_q.weight.*partners"),
        ({f"to_{x}.weight": torch.zeros(()) for x in "qkv"}, "partners"),
        ({"query.weight": torch.zeros(24, 24)}, "to_q.weight is there twice"),
    ],
)
def test_partners_that_are_missing_twice_there_or_of_other_shapes_are_named(
    tensors, changes, words
):
    changed = tensors | {f"{ATTENTION}.{name}": value for name, value in changes.items()}
    changed = {name: value for name, value in changed.items() if value is not None}
    with pytest.raises(CheckpointError, match=words):
        convert(changed, MODEL)


# --- refusals ---

UNET_REFUSED = [
    ("_class_name", "UNet2DConditionModel"),
    ("_class_name", None),
    ("sample_size", None),
    ("sample_size", [8, 16]),
    ("sample_size", 0),
    ("in_channels", 0),
    ("out_channels", 2),
    ("center_input_sample", True),
    ("time_embedding_type", "fourier"),
    ("time_embedding_dim", 64),
    ("freq_shift", 2),
    ("flip_sin_to_cos", None),
    ("down_block_types", [DOWN, DOWN, "SkipDownBlock2D"]),
    ("down_block_types", [DOWN, DOWN, UP]),
    ("down_block_types", [DOWN, DOWN]),
    ("up_block_types", [UP, UP, "AttnSkipUpBlock2D"]),
    ("up_block_types", [UP, UP, UP, UP]),
    ("mid_block_type", None),
    ("block_out_channels", [8] * 9),
    ("block_out_channels", [8, 16, -24]),
    ("layers_per_block", 0),
    ("layers_per_block", [1, 2, 2]),
    ("mid_block_scale_factor", 1.414),
    ("downsample_padding", 2),
    ("downsample_type", "resnet"),
    ("upsample_type", "resnet"),
    ("dropout", 2),
    ("act_fn", "gelu"),
    ("attention_head_dim", 5),
    ("attention_head_dim", 32),
    ("norm_num_groups", 3),
    ("attn_norm_num_groups", 2),
    ("norm_eps", float("nan")),
    ("resnet_time_scale_shift", "scale_shift"),
    ("add_attention", "no"),
    ("class_embed_type", "timestep"),
    ("num_class_embeds", 0),
]
SCHEDULER_REFUSED = [
    ("_class_name", "FlowMatchEulerDiscreteScheduler"),
    ("num_train_timesteps", 0),
    ("num_train_timesteps", 10**5),
    ("beta_start", 0),
    ("beta_end", 1),
    ("beta_schedule", "sigmoid"),
    ("trained_betas", [0.1, 0.2]),
    ("rescale_betas_zero_snr", True),
    ("use_flow_sigmas", True),
    ("prediction_type", "sample"),
    ("predict_epsilon", False),
    ("variance_type", "learned"),
    ("variance_type", "fixed_large_log"),
    ("thresholding", True),
    ("clip_sample", "yes"),
    ("clip_sample_range", 2.0),
]


@pytest.mark.parametrize(("key", "value"), UNET_REFUSED)
def test_what_the_unet_cannot_be_is_refused_by_name(key, value):
    with pytest.raises(CheckpointError, match=rf"^config\.json: .*\b{key}\b"):
        config_from(SMALL | {key: value}, {})


@pytest.mark.parametrize(("key", "value"), SCHEDULER_REFUSED)
def test_what_the_process_cannot_be_is_refused_by_name(key, value):
    with pytest.raises(CheckpointError, match=rf"^scheduler_config\.json: .*\b{key}\b"):
        config_from(SMALL, {key: value})


@pytest.mark.parametrize("content", [None, [], "x", 3])
def test_a_file_without_an_object_is_refused(content):
    with pytest.raises(CheckpointError, match=r"^config\.json"):
        config_from(content, {})
    with pytest.raises(CheckpointError, match=r"^scheduler_config\.json"):
        config_from(SMALL, content)


def test_widths_that_cannot_embed_the_time_are_refused_and_switches_may_be_numbers():
    for width in (1, 2, 9):
        widths = layout((width,), [False], [False], norm_num_groups=1)
        with pytest.raises(CheckpointError, match="block_out_channels"):
            config_from(widths, {})
    with pytest.raises(CheckpointError, match="act_fn is 'gelu'; supported: 'silu', 'swish'"):
        config_from(SMALL | {"act_fn": "gelu"}, {})
    model = config_from(SMALL | {"add_attention": 1.0, "downsample_padding": 0.0}, {})["model"]
    assert json.dumps([model["mid_attention"], model["downsample_padding"]]) == "[true, 0]"


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "8", "None", 10**400]),
)
garbage = st.one_of(
    scalars,
    st.sampled_from([1.0, 4, 8, "linear", "epsilon", DOWN, UP, [8, 8], [DOWN] * 3, [8, 8, 8]]),
    st.lists(scalars, max_size=4),
    st.dictionaries(st.just("key"), scalars),
)


def some_of(rules):
    return st.dictionaries(st.sampled_from(sorted(rules)), garbage, max_size=3)


@given(some_of(diffusers_format.UNET), some_of(diffusers_format.PROCESS))
def test_garbage_is_refused_or_makes_a_model(unet, scheduler):
    try:
        config = config_from(SMALL | unet, scheduler)
    except CheckpointError:
        return
    with torch.device("meta"):
        UNet(**config["model"])
    NoiseSchedule.make(**config["schedule"])
