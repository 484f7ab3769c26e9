"""The GPU benchmark's findings as Markdown."""

from typing import Any


def markdown(content: dict[str, Any]) -> str:
    """Write the conditions, then a table for each step."""
    told = ", ".join(f"{key} {value}" for key, value in content["conditions"].items())
    parts = [f"Measured with {told}.\n"]
    for name, step in content["steps"].items():
        parts.append(f"## {name}\n\n{step['state']} after {step['seconds']:.0f} s\n")
        if step["rows"]:
            parts.append(table(step["rows"]))
        if "words" in step:
            parts.append(f"```\n{step['words'].strip()}\n```\n")
    return "\n".join(parts)


def table(rows: list[dict[str, Any]]) -> str:
    """Write rows that need not all have the same keys."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    lines = [keys, ["---"] * len(keys), *([shown(row.get(key)) for key in keys] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def shown(value: object) -> str:
    """Write one cell."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join(str(value).replace("|", "¦").split())
