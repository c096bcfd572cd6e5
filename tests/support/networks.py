"""UNets whose parts differ: for the outline, and for what draws it."""

# In the layout of google/ddpm-cifar10-32, narrower: skips of all feature maps, padding at one edge.
GOOGLE = {
    "image_size": 32,
    "in_channels": 3,
    "channels": (8, 16, 16, 16),
    "blocks": 2,
    "attention": (False, True, False, False),
    "skips": "all",
    "time_channels": 8,
    "downsample_padding": 0,
    "groups": 4,
}
NETWORKS = {
    "google": GOOGLE,
    "other attention on the way up": GOOGLE
    | {"up_attention": (True, False, False, True), "head_width": 4, "num_classes": 3},
    "odd sides": {"image_size": 27, "channels": (4, 8, 8), "groups": 2, "out_channels": 2},
    "odd sides, padded at one edge": {
        "image_size": 30,
        "channels": (4, 8, 8),
        "downsample_padding": 0,
    },
    "one level": {"image_size": 8, "channels": (4,), "mid_attention": False, "skips": "blocks"},
    "no null class": {"image_size": 8, "channels": (4, 8), "num_classes": 2, "null_class": False},
}
