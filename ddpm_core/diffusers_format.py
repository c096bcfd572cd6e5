"""Published UNets: a diffusers ``UNet2DModel`` repository as settings of this project's UNet.

``config_from`` reads its two JSON files and ``convert`` its tensors. A key whose
value asks for another network or process than ours is refused by name; values that make no network
are refused when it is built. A missing key has diffusers' default (of ``DDPMScheduler``, for the
process); unknown keys are not read. ``export`` goes the other way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from .errors import CheckpointError, InvalidInput, check_choice, check_int
from .files import write
from .schedules import SCHEDULES, NoiseSchedule

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
SCHEDULER = "scheduler_config.json"

# --- what the configs may say: of a tuple one, the first by default; else anything ---

DOWN = {"DownBlock2D": False, "AttnDownBlock2D": True}
UP = {"UpBlock2D": False, "AttnUpBlock2D": True}
UNET = {
    "_class_name": ("UNet2DModel",),
    "sample_size": None,
    "in_channels": 3,
    "out_channels": 3,
    "center_input_sample": (False,),
    "time_embedding_type": ("positional",),
    "time_embedding_dim": None,
    "freq_shift": 0,
    "flip_sin_to_cos": (True, False),
    "down_block_types": ["DownBlock2D", *["AttnDownBlock2D"] * 3],
    "mid_block_type": ("UNetMidBlock2D",),
    "up_block_types": [*["AttnUpBlock2D"] * 3, "UpBlock2D"],
    "block_out_channels": [224, 448, 672, 896],
    "layers_per_block": 2,
    "mid_block_scale_factor": (1,),
    "downsample_padding": (1, 0),
    "downsample_type": ("conv",),
    "upsample_type": ("conv",),
    "dropout": 0.0,
    "act_fn": ("silu", "swish"),
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "attn_norm_num_groups": None,
    "norm_eps": 1e-5,
    "resnet_time_scale_shift": ("default", "scale_shift"),
    "add_attention": (True, False),
    "class_embed_type": (None,),
    "num_class_embeds": None,
}

# The solvers of the variance-preserving process; others (flow matching, say) have another.
SOLVERS = """DDPM DDPMParallel DDIM DDIMParallel PNDM DEISMultistep DPMSolverMultistep
    DPMSolverSinglestep UniPCMultistep EulerDiscrete EulerAncestralDiscrete"""
SOLVERS = tuple(f"{name}Scheduler" for name in SOLVERS.split())
BETA_SCHEDULES = {
    "linear": "linear",
    "scaled_linear": "scaled_linear",
    "squaredcos_cap_v2": "cosine",
}
VARIANCES = {
    "fixed_small": "posterior",
    "fixed_small_log": "posterior",
    "fixed_large": "beta",
    "learned_range": "learned",
    None: "posterior",  # of solvers that add no noise
}
PROCESS = {
    "_class_name": SOLVERS,
    "num_train_timesteps": 1000,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": tuple(BETA_SCHEDULES),
    "trained_betas": (None,),
    "rescale_betas_zero_snr": (False,),
    "use_flow_sigmas": (False,),
    "prediction_type": ("epsilon", "v_prediction"),
    "predict_epsilon": (True,),  # an older form of it
    "variance_type": tuple(VARIANCES),
    "thresholding": (False,),
    "clip_sample": (True, False),
    "clip_sample_range": 1.0,
}

# What both UNets take alike: diffusers' keys, and the names of our arguments.
ALIKE = "in_channels out_channels dropout norm_eps downsample_padding flip_sin_to_cos freq_shift"
SAME = {
    "sample_size": "image_size",
    "block_out_channels": "channels",
    "layers_per_block": "blocks",
    "add_attention": "mid_attention",
    "attention_head_dim": "head_width",
    "norm_num_groups": "groups",
    **{name: name for name in ALIKE.split()},
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
    """The keyword arguments of ``model.Config``.

    Args:
        unet, scheduler: the content of ``config.json`` and of ``scheduler_config.json``.

    Raises:
        CheckpointError: naming the file and the key that is malformed or not supported.
    """
    with _reading(CONFIG):
        model = _model(_values(unet, UNET))
    with _reading(SCHEDULER):
        process = _process(_values(scheduler, PROCESS))
    return process | {
        "model": model,
        "dataset": "unknown",
        "classes": [str(label) for label in range(model["num_classes"])],
    }


def convert(tensors: dict[str, Tensor], model: dict) -> dict[str, Tensor]:
    """The file's tensors under the names of our UNet, ``model``, with q, k and v joined.

    Raises:
        CheckpointError: naming a tensor that has no place in the UNet, or that its partners
            lack. Whether all others are there, and in the right shape, is left to the loader.
    """
    left = {_newer_name(key): tensor for key, tensor in tensors.items()}
    ours = {}
    for module, sources in _modules(model):
        for part in ("weight", "bias"):
            keys = [f"{source}.{part}" for source in sources]
            parts = [left.pop(key) for key in keys if key in left]
            if len(parts) not in (0, len(keys)):
                raise CheckpointError(f"{WEIGHTS}: of {', '.join(keys)} not all are there")
            if parts:
                ours[f"{module}.{part}"] = parts[0] if len(parts) == 1 else torch.cat(parts)
    if left:
        raise CheckpointError(f"{WEIGHTS}: the UNet of {CONFIG} has no place for {min(left)!r}")
    return ours


def export(model, folder: str | Path) -> None:
    """Write a ``model.Model`` as a pipeline of diffusers, ``unet/`` and ``scheduler/``.

    The null class of a conditional model becomes one more class, the last. What diffusers has no
    place for, the names of the classes and how the weights came to be, stays behind.

    Raises:
        InvalidInput: naming what diffusers' ``UNet2DModel`` or ``DDPMScheduler`` cannot be.
    """
    unet, scheduler = _unet_json(model.unet), _scheduler_json(model)
    # Whatever it cannot say comes back as something else.
    given, back = _as_theirs(model.unet), config_from(unet, scheduler)
    for name, value in back["model"].items():
        if given[name] != value:
            raise InvalidInput(f"diffusers has no UNet with {name} = {given[name]}, only {value}")
    betas = (model.schedule.betas, NoiseSchedule.make(**back["schedule"]).betas)
    if betas[0].shape != betas[1].shape or not np.allclose(*betas, rtol=1e-5, atol=0):
        raise InvalidInput(f"diffusers has no schedule {model.config.schedule}")
    tensors, weights = model.unet.state_dict(), {}
    for module, sources in _modules(given):
        for part in ("weight", "bias"):
            if f"{module}.{part}" in tensors:
                parts = tensors[f"{module}.{part}"].chunk(len(sources))
                weights |= {f"{s}.{part}": p for s, p in zip(sources, parts, strict=True)}
    weights = {name: value.cpu().contiguous() for name, value in weights.items()}
    index = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDPMScheduler"]}
    files = {
        f"unet/{WEIGHTS}": save(weights, metadata={"format": "pt"}),
        f"unet/{CONFIG}": json.dumps(unet, indent=2),
        f"scheduler/{SCHEDULER}": json.dumps(scheduler, indent=2),
        "model_index.json": json.dumps({"_class_name": "DDPMPipeline"} | index, indent=2),
    }
    for name, content in files.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)


def _as_theirs(unet) -> dict:
    """The arguments of our UNet, as ``config_from`` tells those of an equal one."""
    config = dict(unet.config)
    config["attention"] = config["attention"] or [False] * len(config["channels"])
    config["up_attention"] = config["up_attention"] or config["attention"]
    classes = unet.class_embedding.num_embeddings if unet.num_classes else 0
    return config | {"out_channels": unet.out_channels, "num_classes": classes, "null_class": False}


def _unet_json(unet) -> dict:
    """``config.json``, as near as diffusers comes to it."""
    ours = _as_theirs(unet)
    levels, groups = len(ours["channels"]), ours["groups"]
    if not isinstance(ours["blocks"], int):
        raise InvalidInput(f"diffusers has as many blocks at every level, not {ours['blocks']}")
    if ours["image_size"] % 2 ** (levels - 1):
        raise InvalidInput(
            f"diffusers doubles sizes on the way up: {ours['image_size']} pixels cannot be halved "
            f"{levels - 1} times"
        )
    for name, module in unet.named_modules():
        if isinstance(module, torch.nn.GroupNorm) and module.num_groups != groups:
            raise InvalidInput(
                f"diffusers normalises over {groups} groups everywhere, which do not divide the "
                f"{module.num_channels} channels of {name}"
            )
    down, up = ({attends: name for name, attends in names.items()} for names in (DOWN, UP))
    return {
        "_class_name": "UNet2DModel",
        **{key: ours[name] for key, name in SAME.items()},
        "down_block_types": [down[bool(attends)] for attends in ours["attention"]],
        "up_block_types": [up[bool(attends)] for attends in reversed(ours["up_attention"])],
        "num_class_embeds": ours["num_classes"] or None,
        "attn_norm_num_groups": groups,
        "resnet_time_scale_shift": "scale_shift" if ours["scale_shift"] else "default",
    }


def _scheduler_json(model) -> dict:
    """``scheduler_config.json``, as near as diffusers comes to it."""
    schedule, sampling = model.config.schedule, model.config.sampling
    theirs = {ours: name for name, ours in BETA_SCHEDULES.items()}
    kind = check_choice("schedule of diffusers", model.schedule.kind, theirs)
    ends = {f"beta_{end}": schedule[end] for end in ("start", "end") if end in schedule}
    variances = {"beta": "fixed_large", "posterior": "fixed_small", "learned": "learned_range"}
    # Its scheduler must know of the channels that tell one.
    variance = "learned" if model.learned_variance else sampling.get("variance", "beta")
    return ends | {
        "_class_name": "DDPMScheduler",
        "num_train_timesteps": model.schedule.num_timesteps,
        "beta_schedule": theirs[kind],
        "prediction_type": model.config.prediction_type,
        "variance_type": variances[variance],
        "clip_sample": sampling.get("clip", True),
    }


# --- the two configs ---


@contextmanager
def _reading(file: str) -> Iterator[None]:
    try:
        yield
    except (InvalidInput, TypeError, LookupError) as error:
        raise CheckpointError(f"{file}: {error}") from error


def _values(content: dict, rules: dict) -> dict:
    """A value for every key that has a rule, and an allowed one where the rule is a tuple."""
    if not isinstance(content, dict):
        raise InvalidInput("there is no JSON object in it")
    return {
        key: check_choice(key, content.get(key, rule[0]), rule)
        if isinstance(rule, tuple)
        else content.get(key, rule)
        for key, rule in rules.items()
    }


def _model(unet: dict) -> dict:
    """Keyword arguments of our ``UNet``."""
    widths, groups, size = (
        unet[key] for key in ("block_out_channels", "norm_num_groups", "sample_size")
    )
    if isinstance(size, list | tuple):
        size = check_choice("height in sample_size", size[0], size[1:])
    check_choice("time_embedding_dim", unet["time_embedding_dim"], [None, 4 * widths[0]])
    scale_shift = unet["resnet_time_scale_shift"] == "scale_shift"
    # There, if this is not given, the attention in the middle has no norm.
    attends = scale_shift and unet["add_attention"]
    allowed = [groups] if attends else [None, groups]
    check_choice("attn_norm_num_groups", unet["attn_norm_num_groups"], allowed)
    for key, types in (("down_block_types", DOWN), ("up_block_types", UP)):
        for name in unet[key]:
            check_choice(f"block in {key}", name, types)
    return {
        **{name: unet[key] for key, name in SAME.items()},
        "image_size": check_int("sample_size", size, 1, 4096),
        "blocks": check_int("layers_per_block", unet["layers_per_block"], 1, 16),
        "attention": [DOWN[name] for name in unet["down_block_types"]],
        # Ours is the finest level first.
        "up_attention": [UP[name] for name in reversed(unet["up_block_types"])],
        "skips": "all",
        "scale_shift": scale_shift,
        "time_channels": widths[0],
        "num_classes": check_int("num_class_embeds", unet["num_class_embeds"] or 0, 0, 1_000_000),
        "null_class": False,
    }


def _process(scheduler: dict) -> dict:
    """What ``Config`` tells of the process: the schedule, what is predicted, how to sample."""
    kind = BETA_SCHEDULES[scheduler["beta_schedule"]]
    schedule = {"kind": kind, "num_timesteps": scheduler["num_train_timesteps"]}
    if "start" in SCHEDULES[kind].options:
        schedule |= {"start": scheduler["beta_start"], "end": scheduler["beta_end"]}
    if scheduler["clip_sample"]:
        check_choice("clip_sample_range", scheduler["clip_sample_range"], [1])
    return {
        "schedule": schedule,
        "prediction_type": scheduler["prediction_type"],
        "sampling": {
            "variance": VARIANCES[scheduler["variance_type"]],
            "clip": bool(scheduler["clip_sample"]),
        },
    }


# --- the tensors ---


def _newer_name(key: str) -> str:
    """What a layer of an older file's attention is called in newer ones."""
    parent, _, layer = key.rpartition(".")[0].rpartition(".")
    return f"{parent}.{OLDER[layer]}.{key.rpartition('.')[2]}" if layer in OLDER else key


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
