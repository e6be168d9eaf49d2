"""Two wordings that ask for a category: by its name, and without. Reports and protocols need both, so it lies below."""

DESCRIPTIONS = {
    "consolidation": "Patchy airspace opacity.",
    "ground-glass opacity": "Hazy opacity in the lung.",
    "nodule": "Small rounded mass.",
    "mass": "Large rounded nodule.",
    "pleural effusion": "Fluid above the diaphragm.",
    "pneumothorax": "Air in the pleural spaces.",
    "atelectasis": "Thin opacity in the lung.",
    "edema": "Hazy opacities in both lungs and congested vessels.",
    "cardiomegaly": "The heart is large.",
    "viral pneumonia": "Bilateral peripheral ground-glass opacities.",
    "cavity": "Rounded mass that contains air.",
}
"""What a finding looks like, in words that reports use without it too. The wording is ours."""


def simple_prompt(name: str) -> str:
    """The prompt that knows the finding's name only, as AFLoc's evaluation words it."""
    return f"Findings suggesting {name}."
