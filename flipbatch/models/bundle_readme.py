"""The README of a bundle: what ``model.json`` says, as text and in the form that model hubs read.

Knows the keys of ``model.json`` and the template. Does not know files, and measures nothing: what
``model.json`` does not hold is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

Json = Mapping[str, Any]

_METRICS = {"f1": "F1", "balanced_accuracy": "balanced accuracy", "auc": "AUC"}
_DATA_COLUMNS = ("frames", "flips", "videos", "groups")
_SPLITS = {
    "validation": "validation",
    "test": "test",
    "test_unseen_videos": "test, videos without training frames",
    "test_unseen_groups": "test, groups without training frames",
    "rendered": "rendered frames of other books",
}
_TRAINING = {
    "weights": "started from weights: {}",
    "teacher": "learned from the outputs of {}",
    "best_epoch": "epoch that was kept, counted from 0: {}",
    "epochs_run": "epochs that ran: {}",
    "stop": "step that was kept: {}",
    "steps": "steps: {}",
    "rendered_share": "share of rendered frames among the training frames: {}",
    "seed": "seed: {}",
}


def bundle_readme(model_card: Json, bundle_fingerprint: str, uri: str | None = None) -> str:
    """Return the content of a bundle's ``README.md``; equal arguments give equal text.

    Parameters
    ----------
    model_card : dict
        The content of ``model.json``.
    bundle_fingerprint : str
        As `bundle.load_bundle` returns it.
    uri : str, optional
        How the examples name the bundle; by default ``./NAME``.
    """
    name = str(model_card["name"])
    training = _part(model_card, "training")
    return _template().render(
        name=name,
        card=model_card,
        fingerprint=bundle_fingerprint,
        uri=uri or f"./{name}",
        front_matter=_yaml(_front_matter(model_card)),
        training=[line.format(training[key]) for key, line in _TRAINING.items() if key in training],
        data=_data(model_card),
        metrics=_metrics(model_card),
        calibration=_part(_part(model_card, "calibration"), "expected_calibration_error"),
        versions=", ".join(f"{name} {version}" for name, version in model_card["versions"].items()),
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("flipbatch.models", "."),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # Markdown
    )
    return environment.get_template("bundle_readme.md.j2")


# ---------------------------------------------------------------------------------------- front matter


def _front_matter(card: Json) -> dict[str, Any]:
    """Return what hubs read; only a bundle of rendered frames alone has the licence of flipbatch."""
    rendered_alone = _part(card, "training").get("command") == "pretrain"
    measured = _measured(card)
    results = [_result(split, values) for split, values in measured.items()]
    matter = {
        "license": "mit" if rendered_alone else "unknown",
        "library_name": "flipbatch",
        "pipeline_tag": "image-classification",
        "tags": ["page-flip-detection", "image-classification", str(card["architecture"])],
        "metrics": _names(measured),
    }
    return matter | ({"model-index": [{"name": str(card["name"]), "results": results}]} if results else {})


def _yaml(value: Json) -> str:
    import yaml

    return yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True)


def _result(split: str, values: Json) -> dict[str, Any]:
    metrics = [
        {"type": name, "name": title, "value": round(values[name], 4)}
        for name, title in _METRICS.items()
        if values.get(name) is not None
    ]
    return {
        "task": {"type": "image-classification", "name": "Page being flipped, by frame"},
        "dataset": {"type": "video-frames", "name": _SPLITS.get(split, split), "split": split},
        "metrics": metrics,
    }


# ---------------------------------------------------------------------------------------- sections


def _measured(card: Json) -> dict[str, Json]:
    """Return the metrics of single frames by split, without splits that have none."""
    measured = _part(card, "metrics")
    return {split: _of_frames(measured[split]) for split in _in_order(measured) if measured[split]}


def _of_frames(values: Json) -> Json:
    """Return metrics of frames: of `train` they are below ``frames``, which of `pretrain` is a count."""
    return values["frames"] if isinstance(values.get("frames"), Mapping) else values


def _in_order(splits: Json) -> list[str]:
    """Return splits in the order of `_SPLITS`, others last."""
    order = list(_SPLITS)
    return sorted(splits, key=lambda split: order.index(split) if split in order else len(order))


def _metrics(card: Json) -> dict[str, Any] | None:
    measured = _measured(card)
    names = _names(measured)
    rows = {_SPLITS.get(split, split): _cells(values, names) for split, values in measured.items()}
    return {"columns": [_METRICS[name] for name in names], "rows": rows} if rows else None


def _names(measured: Mapping[str, Json]) -> list[str]:
    """Return the names of metrics that some split has."""
    return [name for name in _METRICS if any(name in values for values in measured.values())]


def _cells(values: Json, names: Sequence[str]) -> list[str]:
    return [_cell(values.get(name), values.get(f"{name}_interval")) for name in names]


def _cell(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def _data(card: Json) -> dict[str, Any] | None:
    data = _part(card, "data")
    columns = [name for name in _DATA_COLUMNS if name in data]
    splits = [split for split in ("train", "val", "test") if split in _part(data, "frames")]
    rows = {split: [f"{data[name].get(split, 0):,}" for name in columns] for split in splits}
    others = {"fingerprint": data.get("fingerprint"), "warnings": data.get("warnings", [])}
    return {"columns": columns, "rows": rows, **others} if rows else None


def _part(values: Json, key: str) -> Json:
    """Return what is below a key, empty where it is missing: the provenance of a bundle is free."""
    part = values.get(key)
    return part if isinstance(part, Mapping) else {}
