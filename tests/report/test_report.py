"""The HTML report: what it shows, what it warns of, and what it must never contain."""

import re
import uuid
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest

from flipbatch import storage
from flipbatch.evaluation.calibration import TEMPERATURES
from flipbatch.evaluation.videos import tally, videos_of
from flipbatch.report import views
from flipbatch.report.contents import Report, gather
from flipbatch.report.differences import differences
from flipbatch.report.page import render, write_report
from flipbatch.report.terminal import comparison_lines
from flipbatch.report.video_rows import Strip, video_table
from flipbatch.report.warnings import call_all_flip, warnings
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.schema import PREDICTIONS, Label, Status
from flipbatch.scoring.figures import FIRST_ERRORS
from flipbatch.scoring.run import read_run
from flipbatch.scoring.totals import ModelTotals, PartTotals

FLIP, NOTFLIP = str(Label.FLIP), str(Label.NOTFLIP)
EVIL = "<script>alert(1)</script>"
GOOD = {"flip/a": [(FLIP, 0.9)] * 4, "notflip/b": [(NOTFLIP, 0.2)] * 3, "notflip/c": [(NOTFLIP, 0.7)]}


def rows_of(videos, threshold, uri=None):
    """Predictions from {video_id: [(label, probability, or the error's text)]}."""
    rows = [
        {
            "video_id": video_id,
            "frame_number": number,
            "uri": uri or f"/frames/{video_id}_{number}.jpg",
            "label": label,
            "status": str(Status.CORRUPT if isinstance(p, str) else Status.OK),
            "error": p if isinstance(p, str) else None,
            "flip_probability": None if isinstance(p, str) else p,
            "prediction": None if isinstance(p, str) else FLIP if p >= threshold else NOTFLIP,
        }
        for video_id, frames in sorted(videos.items())
        for number, (label, p) in enumerate(frames)
    ]
    table = pa.Table.from_pylist(rows, schema=PREDICTIONS)
    return table.append_column("group", table["video_id"])


def metrics_of(videos, models):
    frames = [frame for frames in videos.values() for frame in frames]
    errors = Counter(str(Status.CORRUPT) for _, p in frames if isinstance(p, str))
    labelled = sum(label is not None for label, _ in frames)
    return {
        "frames": {
            "total": len(frames),
            "scored": len(frames) - errors.total(),
            "errors": dict(errors),
            "labelled": labelled,
            "misnamed": 0,
        },
        "videos": len(videos),
        "models": {
            name: {"threshold": t, **tally(videos_of(rows_of(videos, t), name, t)).to_json()}
            for name, t in models.items()
        },
        "note": None if labelled else "No frame has a label.",
    }


def make_run(out, videos, models=None, parts=1, frames="/frames", uri=None, **facts):
    """A run's directory as scoring leaves it, and its metrics."""
    models = models or {"cnn_model": 0.5}
    directory = RunDirectory.at(str(out))
    identity = {"frames": frames, "manifest": None, "limit": None}
    identity["models"] = {name: {"bundle": "b" * 64, "threshold": t} for name, t in models.items()}
    manifest = {"fingerprint": "c" * 64, "shards": 1, "first_shards": [0], "folder": "manifest/0"}
    counts = {"frames": 1, "videos": 1, "labelled": 1, "misnamed": 0}
    directory.start(identity, manifest=manifest | counts | facts)
    return read_run(directory), metrics_of(videos, models), totals_of(videos, models, parts, uri)


def totals_of(videos, models, parts, uri=None):
    """The sums of a run, merged part by part."""
    ids, totals = sorted(videos), PartTotals()
    labelled = any(label is not None for frames in videos.values() for label, _ in frames)
    for part in range(parts):
        some = {video: videos[video] for video in ids[part::parts]}
        of_models = {}
        for name, threshold in models.items():
            rows = rows_of(some, threshold, uri)
            of_models[name] = ModelTotals.of(rows, videos_of(rows, name, threshold), labelled, threshold)
        totals += PartTotals.of(rows_of(some, 0.5), of_models)
    return totals


def page_of(out, videos, model_cards=None, **options):
    run, metrics, totals = make_run(out, videos, **options)
    write_report(run, metrics, model_cards or {}, totals)
    return storage.read(run.directory.path("report.html")).decode()


class _Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.elements, self.attributes, self.texts = Counter(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements[tag] += 1
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


# ---------------------------------------------------------------------------------------- inert


def test_texts_from_outside_never_become_markup(tmp_path):
    page = page_of(
        tmp_path,
        {EVIL: [(FLIP, 0.1), (FLIP, f"cut {EVIL}")]},
        model_cards={"cnn_model": {"data": {"warnings": [EVIL]}, "architecture": EVIL}},
        frames=f'/frames"{EVIL}',
    )
    elements = _Elements(page)
    assert elements.elements["script"] == 2  # the rows of the table, and our own
    assert elements.texts.count(EVIL) == 2  # the video and the architecture; elsewhere it is part of a text
    assert page.count("&lt;script&gt;") >= 6


def test_a_model_may_be_called_anything(tmp_path):
    run, metrics, totals = make_run(tmp_path, GOOD)
    name = '"><img src=x onerror=alert(1)>'
    found = gather(run, metrics, {}, totals)
    renamed = Report(
        found.run,
        {**metrics, "models": {name: metrics["models"]["cnn_model"]}},
        {name: {"data": {"warnings": ["note"]}}},
        {name: found.histograms["cnn_model"]},
        {name: found.videos["cnn_model"]},
        {},
        (),
    )
    assert not _Elements(render(renamed)).elements["img"]


def test_the_page_runs_its_own_script_alone_and_asks_for_nothing(tmp_path):
    page = page_of(tmp_path, {**GOOD, "javascript:alert(1)": [(FLIP, 0.1)]}, frames="s3://bucket/frames")
    elements = _Elements(page)
    forbidden = {"link", "a", "iframe", "object", "embed", "form", "base", "use"}
    assert not forbidden & set(elements.elements)
    names = {name for name, _ in elements.attributes}
    assert not any(name in {"href", "style"} or name.startswith("on") for name in names)
    assert all(
        text.startswith("data:image/") for name, text in elements.attributes if name in {"src", "srcset"}
    )
    assert "url(" not in page
    assert "@import" not in page


def test_a_control_of_direction_ends_with_its_text(tmp_path):
    evil = "x\u202e"
    page = page_of(tmp_path, GOOD, {"cnn_model": {"architecture": evil, "data": {"warnings": [evil]}}})
    assert f'<span class="say">{evil}</span>' in page
    assert f'<span class="say">In training: {evil}</span>' in page
    assert re.search(r"\.say {[^}]*unicode-bidi: isolate", page)


def test_every_element_is_closed(tmp_path):
    page = page_of(tmp_path, {**GOOD, "flip/d": [(FLIP, "cut off")]})
    opened, closed = (
        Counter(re.findall(r"<([a-z0-9]+)[ >]", page)),
        Counter(re.findall(r"</([a-z0-9]+)>", page)),
    )
    assert opened - closed == Counter(meta=3, br=page.count("<br>"), input=1)


def test_the_same_run_gives_the_same_bytes(tmp_path):
    first, second = page_of(tmp_path / "a", GOOD), page_of(tmp_path / "b", GOOD)
    assert first == second


def test_a_path_that_is_not_utf_8_is_escaped(tmp_path):
    page = page_of(tmp_path, GOOD, frames="/frames/\udcff")
    assert r"/frames/\udcff" in page


# ---------------------------------------------------------------------------------------- numbers


def test_the_head_says_what_was_scored(tmp_path):
    page = page_of(tmp_path, {**GOOD, "flip/d": [(FLIP, "cut off")]})
    texts = " ".join(" ".join(_Elements(page).texts).split())
    assert "Frames of /frames" in texts
    assert "frames 9 videos 4 scored 8 errors 1 labelled 9" in texts
    assert read_run(RunDirectory.at(str(tmp_path))).run_fingerprint[:12] in texts


def test_measures_are_those_of_the_metrics(tmp_path):
    page = page_of(tmp_path, GOOD)
    measured = metrics_of(GOOD, {"cnn_model": 0.5})["models"]["cnn_model"]
    for name in ("f1", "precision", "recall", "accuracy", "balanced_accuracy"):
        assert f"{measured['frames'][name]:.3f}" in page
    low, high = measured["frames"]["f1_interval"]
    assert f"{low:.3f}–{high:.3f}" in page
    assert f"<td>{measured['per_video']['defined_for']} of 3 videos</td>" in page


def test_page_turns_are_measured_where_labels_tell(tmp_path):
    run, metrics, totals = make_run(tmp_path, GOOD)
    turns = {"page_turns": 1_234, "events": {"f1": 0.875, "precision": 1.0, "recall": 0.75}}
    metrics["models"]["cnn_model"] |= turns | {"frames_smoothed": {"f1": 0.625}}
    last = views.comparison(gather(run, metrics, {}, totals))[-1]
    shown = {row.title: row.cells[0].text for row in last.rows}
    assert shown == {
        "page turns found": "1,234",
        "F1 of turns": "0.875",
        "precision": "1.000",
        "recall": "0.750",
        "F1 of frames, smoothed": "0.625",
    }


def test_page_turns_without_labels_are_only_counted(tmp_path):
    run, metrics, totals = make_run(tmp_path, {"a": [(None, 0.9)] * 2})
    metrics["models"]["cnn_model"] |= {"page_turns": 3, "events": None, "frames_smoothed": None}
    last = views.comparison(gather(run, metrics, {}, totals))[-1]
    assert [(row.title, row.cells[0].text) for row in last.rows] == [("page turns found", "3")]


def test_the_best_model_is_marked_once(tmp_path):
    page = page_of(tmp_path, GOOD, models={"worse": 0.05, "better": 0.5})
    assert page.count(">best F1<") == 1
    assert '>better</span> <span class="badge">best F1' in page


def test_the_last_column_predicts_flip_for_everything(tmp_path):
    run, metrics, totals = make_run(tmp_path, GOOD)
    floor = call_all_flip(metrics["models"]["cnn_model"]["frames"])
    assert (floor.tp, floor.fp, floor.fn, floor.tn) == (4, 4, 0, 0)
    assert f'<td class="floor">{floor.f1:.3f}</td>' in render(gather(run, metrics, {}, totals))


def test_an_undefined_value_is_neither_0_nor_1(tmp_path):
    page = page_of(tmp_path, {"notflip/a": [(NOTFLIP, 0.1)], "notflip/b": [(NOTFLIP, 0.2)]})
    assert "<td><b>undefined</b></td>" in page
    texts = " ".join(_Elements(page.partition("<script>")[0]).texts)
    assert "None" not in texts
    assert "nan" not in texts.lower()


def test_labels_of_failed_frames_alone_measure_nothing(tmp_path):
    page = page_of(tmp_path, {"a": [(FLIP, "cut off")], "b": [(None, 0.9)]})
    assert "<td><b>undefined</b></td>" in page
    assert ">flip, predicted flip (tp)</th><td>–</td>" in page


def test_a_video_of_both_labels_has_no_decision_to_measure(tmp_path):
    assert "undefined" in page_of(tmp_path, {"a": [(FLIP, 0.9), (NOTFLIP, 0.1)]})


def test_a_run_without_a_scored_frame_has_a_page(tmp_path):
    page = page_of(tmp_path, {"a": [(None, "cut off")] * 3})
    assert "3 of 3 frames (100.00%) could not be scored" in page
    assert "No frame was scored." in page


def test_a_video_without_scored_frames_has_dashes(tmp_path):
    run, metrics, totals = make_run(tmp_path, {**GOOD, "z": [(None, "cut off")] * 2})
    last = video_table(gather(run, metrics, {}, totals), "cnn_model").rows[-1]
    assert last.cells == ["2", "–", "–", "–", "0", "0", "0", "0", "undefined"]
    assert last.strip == Strip(2, "", "", "")


def test_balanced_accuracy_over_videos_leads(tmp_path):
    page = page_of(tmp_path, GOOD)
    titles = re.findall(r'<tr class="group"><th colspan="3">(.*?)</th>', page)
    assert titles[0] == "Per video (one prediction each)"
    first_row = page[page.index(titles[0]) :]
    assert first_row.index("balanced accuracy") < first_row.index(">F1<")
    assert titles[-1] == "F1 of each video&#39;s frames"


def test_a_model_is_better_where_the_interval_of_the_difference_excludes_0():
    measured = {"f1": -0.01, "f1_interval": [-0.03, 0.006], "balanced_accuracy": None}
    level = {**measured, "balanced_accuracy_interval": None}
    better = {
        "f1": None,
        "f1_interval": None,
        "balanced_accuracy": 0.2,
        "balanced_accuracy_interval": [0.1, 0.3],
    }
    pair = {"model": "a", "minus": "b", "frames": level, "videos": better}
    results = [(one.measure, one.better) for one in differences({"differences": [pair]})]
    assert results == [("balanced accuracy, videos", "a"), ("F1, frames", None)]
    few = {**pair, "videos": {**better, "enough_groups": False}}
    (one, _) = differences({"differences": [few]})
    assert (one.better, one.undecided) == (None, "too few groups to tell")


def test_the_page_names_the_better_model_of_a_pair(tmp_path):
    run, metrics, totals = make_run(tmp_path, GOOD)
    level = {"f1": -0.2, "f1_interval": [-0.3, -0.1], "balanced_accuracy": 0.1}
    level["balanced_accuracy_interval"] = [-0.1, 0.3]
    pair = {"model": "a", "minus": "b", "frames": level, "videos": {}}
    page = render(gather(run, {**metrics, "differences": [pair]}, {}, totals))
    assert "<b>−0.200</b>" in page
    assert '<span class="say">b</span> is better' in page
    assert page.count("no significant difference") == 1


@pytest.mark.parametrize(
    ("unseen", "shown"),
    [
        (
            {"test_unseen_groups": {"frames": {"f1": 0.4}}, "test_unseen_videos": {"frames": {"f1": 0.6}}},
            "0.400",
        ),
        ({"test_unseen_videos": {"frames": {"f1": 0.6}}}, "0.600"),
        ({"test_unseen_groups": None, "test_unseen_videos": {"frames": {"f1": 0.6}}}, None),
    ],
)
def test_unseen_f1_is_that_of_groups_in_the_terminal_and_on_the_page(unseen, shown):
    none = dict.fromkeys(("frames", "videos"))
    lines = comparison_lines({"models": {"m": none | unseen}, "best": "m"})
    assert views.origin({"metrics": unseen}).get("F1 on test groups not in training") == shown
    assert lines[2].split()[-1] == (shown or "-")


def test_a_run_without_differences_has_no_section_of_them(tmp_path):
    assert "Differences between" not in page_of(tmp_path, GOOD)


def test_a_reliability_curve_is_drawn_where_the_model_card_has_one(tmp_path):
    entry = {"low": 0.4, "high": 0.5, "frames": 40, "mean_probability": 0.45, "share_of_flips": 0.5}
    empty = {**entry, "frames": 0, "mean_probability": None, "share_of_flips": None}
    card = {
        "calibration": {
            "reliability": [entry, empty],
            "expected_calibration_error": {"before": 0.2, "after": 0.01},
        }
    }
    page = page_of(tmp_path, GOOD, {"cnn_model": card})
    assert page.count('class="curve"') == 1
    assert "mean predicted probability, of 40 validation frames" in page
    text = " ".join(" ".join(_Elements(page).texts).split())
    assert "calibration error before 0.200 · after 0.010" in text


# ---------------------------------------------------------------------------------------- warnings


def said(videos, card):
    return " ".join(warnings(metrics_of(videos, {"cnn_model": 0.5}), {"cnn_model": card}))


def test_a_run_without_problems_has_no_warning(tmp_path):
    fine = {"temperature": 1.2, "architecture": "mobilenet_v2", "training": {"weights": "imagenet"}}
    assert said(GOOD, fine) == ""
    assert "<h2>Warnings</h2>" not in page_of(tmp_path, GOOD, {"cnn_model": fine})


def test_notes_about_the_manifest_are_warnings(tmp_path):
    run, metrics, totals = make_run(tmp_path, GOOD, notes=["1 folder was <passed> over: a."])
    write_report(run, metrics, {}, totals)
    page = storage.read(run.directory.path("report.html")).decode()
    assert page.index("Warnings") < page.index("1 folder was &lt;passed&gt; over: a.")
    assert run.notes == ("1 folder was <passed> over: a.",)


def test_an_unlabelled_run_says_so_and_shows_decisions_only(tmp_path):
    page = page_of(tmp_path, {"a": [(None, 0.9), (None, 0.2)], "b": [(None, 0.9)] * 3})
    assert "No frame has a label." in page
    assert "<b>no label" not in page
    assert '<b class="text-no-label">no label</b> 5 frames' in page
    assert "most frames predicted flip" in page
    assert "wrong frame" not in page
    assert "all flip" not in page


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ({"data": {"warnings": ["The test split shares 3 videos."]}}, "In training: The test split shares 3"),
        ({"architecture": "mobilenet_v2", "training": {"weights": "none"}}, "Trained from scratch"),
        ({"temperature": TEMPERATURES[1] * 0.9999999}, "at the bound of 20"),
    ],
)
def test_problems_of_a_bundle_are_warnings(tmp_path, card, sentence):
    page = page_of(tmp_path, GOOD, {"cnn_model": card})
    assert "<h2>Warnings</h2>" in page
    assert sentence in page


def test_from_scratch_is_said_once_and_only_of_architectures_that_can_be_pretrained():
    note = "No weights: mobilenet_v2 is trained from scratch."
    training = {"weights": "none"}
    sentences = said(
        GOOD, {"architecture": "mobilenet_v2", "training": training, "data": {"warnings": [note]}}
    )
    assert sentences.count("scratch") == 1
    assert said(GOOD, {"architecture": "cnn_model", "training": training}) == ""


def test_a_warning_of_two_models_is_said_once():
    card = {"data": {"warnings": ["shared"]}}
    found = warnings(metrics_of(GOOD, {"one": 0.5, "two": 0.5}), {"one": card, "two": card})
    assert found == {"In training: shared": ["one", "two"]}


def test_a_run_of_several_engines_is_a_warning():
    engines = [
        {"engine": engine, "precision": "float32", "device": device}
        for engine, device in (("openvino", "cpu"), ("torch", "cuda"))
    ]
    metrics = metrics_of(GOOD, {"cnn_model": 0.5})
    (sentence,) = warnings({**metrics, "engines": engines}, {})
    assert "openvino in float32 on cpu, torch in float32 on cuda" in sentence
    assert warnings({**metrics, "engines": engines[:1]}, {}) == {}


def test_failed_frames_are_a_share_with_their_reasons():
    assert "1 of 4 frames (25.00%)" in said(
        {"a": [(FLIP, 0.9), (NOTFLIP, 0.1), (FLIP, 0.9), (FLIP, "x")]}, {}
    )
    assert "1 corrupt" in said({"a": [(FLIP, 0.9), (NOTFLIP, 0.1), (FLIP, "x")]}, {})


def test_labels_of_one_class_or_of_some_frames_are_warnings():
    assert "All labelled frames are notflip" in said({"a": [(NOTFLIP, 0.1)]}, {})
    assert "Only 1 of 2 frames has a label: the metrics are of this frame alone" in said(
        {"a": [(FLIP, 0.9), (None, 0.9)]}, {}
    )


def test_a_model_no_better_than_predicting_flip_for_everything_is_a_warning():
    assert "No better than predicting flip for every frame" in said(
        {"a": [(FLIP, 0.9)], "b": [(NOTFLIP, 0.9)]}, {}
    )


@pytest.mark.parametrize("card", [{}, {"data": None, "training": "none"}, {"data": {"warnings": "text"}}])
def test_model_cards_may_lack_any_key(tmp_path, card):
    assert "cnn_model" in page_of(tmp_path, GOOD, {"cnn_model": card})


# ---------------------------------------------------------------------------------------- gather


def random_videos(count, frames, seed=0):
    rng = np.random.default_rng(seed)
    labels = [FLIP, NOTFLIP, None]
    probabilities = rng.random((count, frames)).astype(np.float32)
    return {
        f"v{index:05d}": [(labels[index % 3], float(p)) for p in probabilities[index]]
        for index in range(count)
    }


def test_the_first_failed_frames_are_listed(tmp_path):
    videos = {f"v{i:02d}": [(FLIP, 0.9), (FLIP, f"cut off at {i}")] for i in range(FIRST_ERRORS + 5)}
    run, metrics, totals = make_run(tmp_path, videos)
    errors = gather(run, metrics, {}, totals).errors
    assert [error.uri for error in errors] == [f"/frames/v{i:02d}_1.jpg" for i in range(FIRST_ERRORS)]
    assert "20 of 25 are shown" in render(gather(run, metrics, {}, totals))


def test_pages_of_very_large_runs_are_no_larger(tmp_path):
    full, more = (page_of(tmp_path / str(n), random_videos(n, 2), parts=3) for n in (10_000, 11_000))
    assert len(more) < 1.02 * len(full) < 5_000_000
    assert "The table has the first 10,000 of 11,000 videos" in more


def test_a_run_in_object_storage_is_read_and_written_there():
    out = f"memory://report-{uuid.uuid4().hex}"
    page = page_of(out, GOOD, parts=2)
    assert page == page_of(f"memory://report-{uuid.uuid4().hex}", GOOD, parts=2)
    assert storage.names_in(out) == ["report.html", "run.json"]
