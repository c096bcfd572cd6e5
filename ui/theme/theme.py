"""Colours, type and page layout: a Gradio theme and the style sheet that completes it."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors, sizes

__all__ = ["css", "theme"]

SERIF = (
    "Iowan Old Style",
    "Charter",
    "Bitstream Charter",
    "Source Serif 4",
    "Cambria",
    "Georgia",
    "DejaVu Serif",
    "serif",
)
MONO = (
    "ui-monospace",
    "SF Mono",
    "Cascadia Mono",
    "Menlo",
    "Consolas",
    "DejaVu Sans Mono",
    "monospace",
)
STONE = colors.Color(
    name="stone",
    c50="#f4f5f2",
    c100="#e4e7e2",
    c200="#d3d8d3",
    c300="#c3c9c4",
    c400="#98a19e",
    c500="#6b7472",
    c600="#50585b",
    c700="#353c3f",
    c800="#1e2326",
    c900="#181c1e",
    c950="#121517",
)
# Every colour is a variable of layout.css, so that light, dark and the player agree for good.
COLOURS = {
    "body_background_fill": "paper",
    "body_text_color": "ink",
    "body_text_color_subdued": "ink-soft",
    "background_fill_primary": "paper",
    "background_fill_secondary": "mat-fill",
    "border_color_accent": "ink",
    "border_color_primary": "rule",
    "color_accent_soft": "mat-fill",
    "link_text_color": "ink",
    "link_text_color_active": "ink",
    "link_text_color_hover": "ink",
    "link_text_color_visited": "ink",
    "block_background_fill": "paper",
    "block_border_color": "rule",
    "block_info_text_color": "ink-soft",
    "block_label_background_fill": "paper",
    "block_label_text_color": "ink",
    "block_title_text_color": "ink",
    "panel_background_fill": "paper",
    "input_background_fill": "paper",
    "input_background_fill_focus": "paper",
    "input_background_fill_hover": "paper",
    "input_border_color": "rule-strong",
    "input_border_color_focus": "ink",
    "input_border_color_hover": "ink",
    "input_placeholder_color": "ink-soft",
    "slider_color": "ink",
    "loader_color": "mid",
    "checkbox_background_color": "paper",
    "checkbox_background_color_focus": "paper",
    "checkbox_background_color_hover": "paper",
    "checkbox_background_color_selected": "ink",
    "checkbox_border_color": "rule-strong",
    "checkbox_border_color_focus": "ink",
    "checkbox_border_color_hover": "ink",
    "checkbox_border_color_selected": "ink",
    "checkbox_label_background_fill": "paper",
    "checkbox_label_background_fill_hover": "mat-fill",
    "checkbox_label_background_fill_selected": "paper",
    "checkbox_label_border_color": "rule",
    "checkbox_label_border_color_hover": "rule-strong",
    "checkbox_label_border_color_selected": "ink",
    "checkbox_label_text_color": "ink",
    "checkbox_label_text_color_selected": "ink",
    "button_primary_background_fill": "ink",
    "button_primary_background_fill_hover": "ink-soft",
    "button_primary_border_color": "ink",
    "button_primary_border_color_hover": "ink-soft",
    "button_primary_text_color": "paper",
    "button_primary_text_color_hover": "paper",
    "button_secondary_background_fill": "paper",
    "button_secondary_background_fill_hover": "mat-fill",
    "button_secondary_border_color": "rule-strong",
    "button_secondary_border_color_hover": "ink",
    "button_secondary_text_color": "ink",
    "button_secondary_text_color_hover": "ink",
    "button_cancel_background_fill": "paper",
    "button_cancel_background_fill_hover": "mat-fill",
    "button_cancel_border_color": "rule-strong",
    "button_cancel_border_color_hover": "ink",
    "button_cancel_text_color": "ink",
    "button_cancel_text_color_hover": "ink",
    "error_background_fill": "paper",
    "error_border_color": "ink",
    "error_text_color": "ink",
    "error_icon_color": "ink",
    "table_border_color": "rule",
    "table_even_background_fill": "paper",
    "table_odd_background_fill": "paper",
    "table_row_focus": "mat-fill",
    "code_background_fill": "mat-fill",
    "accordion_text_color": "ink",
    "table_text_color": "ink",
    "stat_background_fill": "mid",
}


def theme() -> gr.themes.Base:
    """System fonts, square corners, hairlines; light and dark from the variables of `css`."""
    both = {}
    for name, variable in COLOURS.items():
        # Gradio resolves a variable where it is declared, so dark has to declare it again.
        both[name] = both[f"{name}_dark"] = f"var(--{variable})"
    base = gr.themes.Base(
        primary_hue=STONE,
        secondary_hue=STONE,
        neutral_hue=STONE,
        radius_size=sizes.radius_none,
        text_size=sizes.text_md,
        font=SERIF,
        font_mono=MONO,
    )
    return base.set(
        **both,
        color_accent="var(--ink)",
        body_text_size="15px",
        block_border_width="0px",
        block_label_border_width="0px",
        block_padding="0px",
        block_shadow="none",
        block_title_text_size="15px",
        block_info_text_size="13px",
        panel_border_width="0px",
        layout_gap="20px",
        form_gap_width="20px",
        input_border_width="1px",
        input_padding="8px 10px",
        input_text_size="15px",
        checkbox_label_padding="7px 11px",
        checkbox_label_gap="6px",
        checkbox_label_text_size="15px",
        button_border_width="1px",
        button_large_radius="0px",
        button_large_text_size="16px",
        button_large_text_weight="400",
        button_medium_text_weight="400",
        button_medium_radius="0px",
        button_small_radius="0px",
        button_large_padding="11px 18px",
        shadow_drop="none",
        shadow_drop_lg="none",
    )


def css() -> str:
    """The style for `launch(css=...)`: the page's colours and layout, and Gradio's markup."""
    sheets = [Path(__file__).with_name(name) for name in ("gradio.css", "layout.css")]
    return "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
