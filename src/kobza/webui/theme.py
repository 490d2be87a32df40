"""The Space's Gradio theme: its colours and fonts. The rest of the styling is in `static/style.css`."""

import gradio as gr
from gradio.themes.utils import fonts
from gradio.themes.utils.colors import Color

WALNUT = Color(
    name="walnut",
    **dict(c50="#fbf3ea", c100="#f5e3d0", c200="#e9c7a3", c300="#d9a573", c400="#c5834b", c500="#a9652f"),
    **dict(c600="#8c4f22", c700="#71401d", c800="#58331b", c900="#432818", c950="#2c1a10"),
)
PAPER = Color(
    name="paper",
    **dict(c50="#fdfbf6", c100="#f8f2e7", c200="#ece2d1", c300="#d8cab4", c400="#a8977f", c500="#7d6e5b"),
    **dict(c600="#5f5244", c700="#463b30", c800="#2f2720", c900="#221c17", c950="#191410"),
)


def theme() -> gr.themes.Base:
    """With fonts that come with Gradio, so that nothing is fetched from other servers."""
    base = gr.themes.Base(
        primary_hue=WALNUT,
        secondary_hue=WALNUT,
        neutral_hue=PAPER,
        radius_size=gr.themes.sizes.radius_lg,
        font=[fonts.LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return base.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary="#fffdf9",
        background_fill_primary_dark="*neutral_900",
        block_background_fill="#fffdf9",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_500",
        block_label_text_color_dark="*neutral_400",
        block_title_text_color="*neutral_600",
        block_title_text_color_dark="*neutral_300",
        input_background_fill="#fffdf9",
        input_background_fill_dark="*neutral_900",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_400",
        button_primary_text_color="#fffdf9",
        button_primary_text_color_dark="#fffdf9",
        button_secondary_background_fill="*neutral_100",
        button_secondary_background_fill_hover="*neutral_200",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_200",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
    )
