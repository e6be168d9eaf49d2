"""The one wording that asks for a category. Reports and protocols both need it, so it lies below both."""


def simple_prompt(name: str) -> str:
    """The prompt that knows the finding's name only, as AFLoc's evaluation words it."""
    return f"Findings suggesting {name}."
