"""Published UNets: a diffusers ``UNet2DModel`` repository as settings of this project's UNet.

``config_from`` reads its two JSON files and ``convert`` its tensors. Whatever would make
another network or another process of it is refused by the name of its key. A key that is
missing has diffusers' default (of ``DDPMScheduler``, for the process); others are not read.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from .diffusion import PREDICTION_TYPES
from .errors import CheckpointError, InvalidInput, check_float, check_int
from .schedules import SCHEDULES

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
SCHEDULER = "scheduler_config.json"

# --- what the configs may say: each rule is a default and a check that returns the value ---


def _one_of(*supported):
    return supported[0], lambda key, value: _check(key, value, supported)


def _whole(default, low: int, high: int):
    return default, lambda key, value: check_int(key, value, low, high)


def _whole_or_none(default, low: int, high: int):
    return default, lambda key, value: value if value is None else check_int(key, value, low, high)


def _real(default, low: float, high: float):
    return default, lambda key, value: check_float(key, value, low, high)


def _per_level(default, rule):
    def check(key, value):
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= 8:
            raise InvalidInput(f"{key} must list 1 to 8 levels, not {reprlib.repr(value)}")
        return [rule[1](key, entry) for entry in value]

    return default, check


def _square(key, value):
    if value is None:
        raise InvalidInput(f"{key} is missing: the height and width of the images")
    if isinstance(value, list | tuple):
        if len(value) != 2 or value[0] != value[1]:
            raise InvalidInput(f"{key} is {reprlib.repr(value)}; supported: squares")
        value = value[0]
    return check_int(key, value, 1, 4096)


def _check(key: str, value, supported):
    if value not in supported:
        known = ", ".join(map(repr, supported))
        raise InvalidInput(f"{key} is {reprlib.repr(value)}; supported: {known}")
    return supported[supported.index(value)]  # so that 1.0 is True where True is meant


DOWN = {"DownBlock2D": False, "AttnDownBlock2D": True}
UP = {"UpBlock2D": False, "AttnUpBlock2D": True}
UNET = {
    "_class_name": _one_of("UNet2DModel"),
    "sample_size": (None, _square),
    "in_channels": _whole(3, 1, 4096),
    "out_channels": _whole(3, 1, 4096),
    "center_input_sample": _one_of(False),
    "time_embedding_type": _one_of("positional"),
    "time_embedding_dim": _whole_or_none(None, 1, 16384),
    "freq_shift": _real(0, 0, 1),
    "flip_sin_to_cos": _one_of(True, False),
    "down_block_types": _per_level(["DownBlock2D", *["AttnDownBlock2D"] * 3], _one_of(*DOWN)),
    "mid_block_type": _one_of("UNetMidBlock2D"),
    "up_block_types": _per_level([*["AttnUpBlock2D"] * 3, "UpBlock2D"], _one_of(*UP)),
    "block_out_channels": _per_level([224, 448, 672, 896], _whole(None, 1, 4096)),
    "layers_per_block": _whole(2, 1, 16),
    "mid_block_scale_factor": _one_of(1),
    "downsample_padding": _one_of(1, 0),
    "downsample_type": _one_of("conv"),
    "upsample_type": _one_of("conv"),
    "dropout": _real(0, 0, 1),
    "act_fn": _one_of("silu", "swish"),
    "attention_head_dim": _whole_or_none(8, 1, 4096),
    "norm_num_groups": _whole(32, 1, 4096),
    "attn_norm_num_groups": _whole_or_none(None, 1, 4096),
    "norm_eps": _real(1e-5, 0, 1),
    "resnet_time_scale_shift": _one_of("default"),
    "add_attention": _one_of(True, False),
    "class_embed_type": _one_of(None),
    "num_class_embeds": _whole_or_none(None, 1, 1_000_000),
}

# The solvers of the variance-preserving process; others (flow matching, say) have another.
SOLVERS = """
    DDPMScheduler DDPMParallelScheduler DDIMScheduler DDIMParallelScheduler PNDMScheduler
    DEISMultistepScheduler DPMSolverMultistepScheduler DPMSolverSinglestepScheduler
    UniPCMultistepScheduler EulerDiscreteScheduler EulerAncestralDiscreteScheduler
""".split()
# What some of the process's keys were called in the first versions.
OLDER_KEYS = {"timesteps": "num_train_timesteps", "clip_predicted_image": "clip_sample"}
BETA_SCHEDULES = {"linear": "linear", "scaled_linear": "scaled_linear"}
BETA_SCHEDULES["squaredcos_cap_v2"] = "cosine"
VARIANCES = {
    "fixed_small": "posterior",
    "fixed_small_log": "posterior",
    "fixed_large": "beta",
    None: "posterior",  # of solvers that add no noise
}
PROCESS = {
    "_class_name": _one_of(*SOLVERS),
    "num_train_timesteps": _whole(1000, 1, 10_000),
    "beta_start": _real(1e-4, 1e-9, 0.9999),
    "beta_end": _real(0.02, 1e-9, 0.9999),
    "beta_schedule": _one_of(*BETA_SCHEDULES),
    "trained_betas": _one_of(None),
    "rescale_betas_zero_snr": _one_of(False),
    "use_flow_sigmas": _one_of(False),
    "prediction_type": _one_of(*PREDICTION_TYPES),
    "predict_epsilon": _one_of(True),  # an older form of it
    "variance_type": _one_of(*VARIANCES),
    "thresholding": _one_of(False),
    "clip_sample": _one_of(True, False),
    "clip_sample_range": _real(1, 0, 1e9),
}

# --- the names of modules, ours first: of a block, of an attention, and outside of both ---

BLOCK = {name: name for name in ("norm1", "conv1", "norm2", "conv2")}
BLOCK |= {"time_proj": "time_emb_proj", "shortcut": "conv_shortcut"}
ATTENTION = {"norm": ["group_norm"], "qkv": ["to_q", "to_k", "to_v"], "out": ["to_out.0"]}
OLDER = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
OUTSIDE = {
    "conv_in": "conv_in",
    "time_mlp.0": "time_embedding.linear_1",
    "time_mlp.2": "time_embedding.linear_2",
    "class_embedding": "class_embedding",
    "norm_out": "conv_norm_out",
    "conv_out": "conv_out",
}


def is_unet(config: dict) -> bool:
    """Whether the content of a ``config.json`` is diffusers' rather than this project's."""
    theirs = {"_class_name", "block_out_channels", "down_block_types"}
    return isinstance(config, dict) and not theirs.isdisjoint(config)


def config_from(unet: dict, scheduler: dict) -> dict:
    """The keyword arguments of ``checkpoints.Config``.

    Args:
        unet: the content of ``config.json``.
        scheduler: the content of ``scheduler_config.json``, whichever solver it is meant for.

    Raises:
        CheckpointError: naming the file and the key that is malformed or not supported.
    """
    with _reading(CONFIG):
        model = _model(_values(unet, UNET))
    with _reading(SCHEDULER):
        process = _process(_values(_newer_keys(scheduler), PROCESS))
    return process | {
        "model": model,
        "dataset": "unknown",
        "classes": [str(label) for label in range(model["num_classes"])],
        "preprocessing": {"range": [-1, 1]},
    }


def convert(tensors: dict[str, Tensor], model: dict) -> dict[str, Tensor]:
    """The file's tensors under the names of our UNet, with q, k and v joined.

    Args:
        model: as ``config_from`` returns it.

    Raises:
        CheckpointError: naming a tensor that has no place in the UNet, or that its partners
            lack. Whether all others are there, and in the right shape, is left to the loader.
    """
    left = _newer_names(tensors)
    ours = {}
    for module, sources in _modules(model):
        for part in ("weight", "bias"):
            keys = [f"{source}.{part}" for source in sources]
            if not left.keys().isdisjoint(keys):
                ours[f"{module}.{part}"] = _join(keys, left)
    if left:
        raise CheckpointError(f"{WEIGHTS}: the UNet of {CONFIG} has no place for {min(left)!r}")
    return ours


# --- the two configs ---


@contextmanager
def _reading(file: str) -> Iterator[None]:
    try:
        yield
    except InvalidInput as error:
        raise CheckpointError(f"{file}: {error}") from error


def _newer_keys(scheduler: dict) -> dict:
    """The same in today's words, which count where both are there."""
    if not isinstance(scheduler, dict):
        return scheduler
    older = {new: scheduler[old] for old, new in OLDER_KEYS.items() if old in scheduler}
    newer = older | scheduler
    if newer.get("_class_name") == "GaussianDDPMScheduler":
        newer["_class_name"] = "DDPMScheduler"
    return newer


def _values(content: dict, rules: dict) -> dict:
    """A valid value for every key that has a rule."""
    if not isinstance(content, dict):
        raise InvalidInput(f"expected a JSON object, not {reprlib.repr(content)}")
    return {key: check(key, content.get(key, default)) for key, (default, check) in rules.items()}


def _model(unet: dict) -> dict:
    """Keyword arguments of our ``UNet``, where the values fit each other."""
    widths, groups, head = (
        unet[key] for key in ("block_out_channels", "norm_num_groups", "attention_head_dim")
    )
    for key in ("down_block_types", "up_block_types"):
        if len(unet[key]) != len(widths):
            raise InvalidInput(f"{key} lists {len(unet[key])} levels; supported: {len(widths)}")
    down = [DOWN[name] for name in unet["down_block_types"]]
    up = [UP[name] for name in reversed(unet["up_block_types"])]  # ours is the finest first
    check_int("half of block_out_channels[0]", widths[0] / 2, 2, 2048)
    _check("out_channels", unet["out_channels"], [unet["in_channels"]])
    _check("time_embedding_dim", unet["time_embedding_dim"], [None, 4 * widths[0]])
    _check("attn_norm_num_groups", unet["attn_norm_num_groups"], [None, groups])
    _check_divides("norm_num_groups", groups, widths)
    attended = [w for w, *switches in zip(widths, down, up, strict=True) if any(switches)]
    _check_divides("attention_head_dim", head or 1, attended + widths[-1:] * unet["add_attention"])
    return {
        "image_size": unet["sample_size"],
        "in_channels": unet["in_channels"],
        "out_channels": unet["out_channels"],
        "channels": widths,
        "blocks": unet["layers_per_block"],
        "attention": down,
        "up_attention": up,
        "mid_attention": unet["add_attention"],
        "head_width": head,
        "skips": "all",
        "time_channels": widths[0],
        "num_classes": unet["num_class_embeds"] or 0,
        "null_class": False,
        "dropout": unet["dropout"],
        "groups": groups,
        "norm_eps": unet["norm_eps"],
        "downsample_padding": unet["downsample_padding"],
        "flip_sin_to_cos": unet["flip_sin_to_cos"],
        "freq_shift": unet["freq_shift"],
    }


def _check_divides(key: str, value: int, widths: list[int]) -> None:
    for width in widths:
        if width % value:
            raise InvalidInput(f"{key} {value} does not divide {width} channels")


def _process(scheduler: dict) -> dict:
    """What ``Config`` tells of the process: the schedule, what is predicted, how to sample."""
    kind = BETA_SCHEDULES[scheduler["beta_schedule"]]
    schedule = {"kind": kind, "num_timesteps": scheduler["num_train_timesteps"]}
    if "start" in SCHEDULES[kind].options:
        schedule |= {"start": scheduler["beta_start"], "end": scheduler["beta_end"]}
    if scheduler["clip_sample"]:
        _check("clip_sample_range", scheduler["clip_sample_range"], [1])
    return {
        "schedule": schedule,
        "prediction_type": scheduler["prediction_type"],
        "sampling": {
            "variance": VARIANCES[scheduler["variance_type"]],
            "clip": scheduler["clip_sample"],
        },
    }


# --- the tensors ---


def _newer_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same, with the layers of older files' attention called as in newer ones."""
    renamed = {}
    for key, tensor in tensors.items():
        module, _, part = key.rpartition(".")
        parent, _, name = module.rpartition(".")
        newer = f"{parent}.{OLDER[name]}.{part}" if parent and name in OLDER else key
        if newer in renamed:
            raise CheckpointError(f"{WEIGHTS}: {newer} is there twice, also by its older name")
        renamed[newer] = tensor
    return renamed


def _modules(model: dict) -> Iterator[tuple[str, list[str]]]:
    """Each module of our UNet, with those of the file that make it up."""
    for ours, theirs in OUTSIDE.items():
        yield ours, [theirs]
    levels, blocks = len(model["channels"]), model["blocks"]
    for i in range(levels):
        down, up = model["attention"][i], model["up_attention"][levels - 1 - i]
        yield from _stage(f"down.{i}", f"down_blocks.{i}", blocks, blocks * down)
        yield f"down.{i}.resample.conv", [f"down_blocks.{i}.downsamplers.0.conv"]
        yield from _stage(f"up.{i}", f"up_blocks.{i}", blocks + 1, (blocks + 1) * up)
        yield f"up.{i}.resample.conv", [f"up_blocks.{i}.upsamplers.0.conv"]
    yield from _stage("mid", "mid_block", 2, int(model["mid_attention"]))


def _stage(ours: str, theirs: str, blocks: int, attentions: int) -> Iterator[tuple[str, list[str]]]:
    for i in range(blocks):
        for name, source in BLOCK.items():
            yield f"{ours}.blocks.{i}.{name}", [f"{theirs}.resnets.{i}.{source}"]
    for i in range(attentions):
        for name, sources in ATTENTION.items():
            yield f"{ours}.attentions.{i}.{name}", [f"{theirs}.attentions.{i}.{s}" for s in sources]


def _join(keys: list[str], left: dict[str, Tensor]) -> Tensor:
    """Take these out of ``left``, as one."""
    for key in keys:
        if key not in left:
            raise CheckpointError(f"{WEIGHTS}: {key} is missing")
    parts = [left.pop(key) for key in keys]
    if len(parts) == 1:
        return parts[0]
    shapes = [tuple(part.shape) for part in parts]
    if len(set(shapes)) > 1 or not shapes[0]:
        raise CheckpointError(f"{WEIGHTS}: {keys[0]} and its partners are of shapes {shapes}")
    return torch.cat(parts)
