"""Colours, type and page layout: a Gradio theme and the style sheet that completes it."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors, sizes

STONE = colors.Color(
    *"#f4f5f2 #e4e7e2 #d3d8d3 #c3c9c4 #98a19e #6b7472 #50585b #353c3f #1e2326 #181c1e".split(),
    c950="#121517",
    name="stone",
)
# For each colour variable of layout.css, the properties of Gradio's theme that take it and do not
# follow from another. So light, dark and the player always agree.
COLOURS = {
    "paper": """
        background_fill_primary block_background_fill block_label_background_fill
        input_background_fill checkbox_background_color button_primary_text_color
        button_secondary_background_fill error_background_fill
    """,
    "ink": """
        body_text_color border_color_accent link_text_color link_text_color_active
        link_text_color_hover link_text_color_visited block_label_text_color block_title_text_color
        input_border_color_focus input_border_color_hover slider_color checkbox_border_color_hover
        checkbox_label_border_color_selected button_primary_background_fill
        button_primary_border_color button_secondary_border_color_hover button_secondary_text_color
        error_border_color error_text_color error_icon_color
    """,
    "ink-soft": """
        body_text_color_subdued input_placeholder_color button_primary_background_fill_hover
        button_primary_border_color_hover
    """,
    "mat-fill": """
        background_fill_secondary color_accent_soft button_secondary_background_fill_hover
        code_background_fill
    """,
    "rule": """
        border_color_primary
    """,
    "rule-strong": """
        input_border_color checkbox_border_color checkbox_label_border_color_hover
        button_secondary_border_color
    """,
    "mid": """
        loader_color
    """,
}


def theme() -> gr.themes.Base:
    """Square corners, hairlines; type, light and dark from the variables of `css`."""
    colours = {}
    for variable, names in COLOURS.items():
        for name in names.split():
            # Gradio resolves a variable where it is declared, so dark has to declare it again.
            colours[name] = colours[f"{name}_dark"] = f"var(--{variable})"
    base = gr.themes.Base(
        primary_hue=STONE,
        secondary_hue=STONE,
        neutral_hue=STONE,
        radius_size=sizes.radius_none,
        text_size=sizes.text_md,
        font=["Source Sans", "Segoe UI", "sans-serif"],
        font_mono=["Plex Mono", "Menlo", "Consolas", "monospace"],
    )
    return base.set(
        **colours,
        color_accent="var(--ink)",
        body_text_size="var(--text)",
        block_border_width="0px",
        block_label_border_width="0px",
        block_padding="0px",
        block_title_text_size="var(--text)",
        block_info_text_size="var(--small)",
        panel_border_width="0px",
        layout_gap="20px",
        form_gap_width="20px",
        input_border_width="1px",
        input_padding="8px 10px",
        input_text_size="var(--text)",
        checkbox_label_padding="7px 11px",
        checkbox_label_gap="6px",
        checkbox_label_text_size="var(--text)",
        button_large_text_size="var(--text)",
        button_large_text_weight="400",
        button_medium_text_weight="400",
        button_large_padding="11px 18px",
        shadow_drop="none",
        shadow_drop_lg="none",
    )


def css() -> str:
    """The style for `launch(css=...)`: the page's colours and layout, and Gradio's markup."""
    sheets = [Path(__file__).with_name(name) for name in ("gradio.css", "layout.css")]
    return "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
