"""The best weights are calibrated on validation and measured on the test split."""

import numpy as np
import pytest
import torch

from flipbatch.evaluation.calibration import Calibration
from flipbatch.schema import PREDICTIONS, VIDEOS
from flipbatch.training.assess import ScoredFrame, assess, calibrate, measure, scored_frames
from flipbatch.training.frame_cache import FrameCache


def frames(*videos):
    """Return scored frames of (video_id, positive, logits)."""
    return [
        ScoredFrame(video, number, positive, logit, video, f"/{video}_{number}.jpg")
        for video, positive, logits in videos
        for number, logit in enumerate(logits)
    ]


def measured(scored, calibration):
    metrics = measure(scored, calibration)
    assert metrics is not None
    return metrics


def counts(metrics):
    return tuple(metrics["frames"][name] for name in ("tp", "fp", "fn", "tn"))


def counted(metrics):
    return sum(counts(metrics))


VAL = frames(("v/a", True, [2.0, 1.0, 0.5]), ("v/b", False, [0.0, -1.0, -2.0]))
TEST = frames(("t/a", True, [2.0, -2.0]), ("t/b", False, [-1.0, 3.0, -1.0]), ("t/c", True, [4.0]))


def test_frames_are_sorted_whatever_order_they_are_cached_in():
    cache = FrameCache(
        pixels=torch.zeros(3, 1, 1, 3, dtype=torch.uint8),
        positive=torch.tensor([True, False, True]),
        video_id=np.array(["b", "a", "b"], dtype=object),
        group=np.array(["b", "a", "b"], dtype=object),
        frame_number=np.array([7, 3, 2]),
        uri=np.array(["b7", "a3", "b2"], dtype=object),
    )
    scored = scored_frames(cache, torch.tensor([0.5, -1.0, 2.0]))
    assert scored == [
        ("a", 3, False, -1.0, "a", "a3"),
        ("b", 2, True, 2.0, "b", "b2"),
        ("b", 7, True, 0.5, "b", "b7"),
    ]


def test_logits_must_be_as_many_as_frames():
    names = np.array(["a"])
    cache = FrameCache(torch.zeros(1, 1, 1, 3), torch.tensor([True]), names, names, np.array([1]), names)
    with pytest.raises(ValueError, match="zip"):
        scored_frames(cache, torch.zeros(2))


def test_calibration_separates_validation():
    metrics = measure(VAL, calibrate(VAL))
    assert counts(metrics) == (3, 0, 0, 3)


def test_calibration_needs_both_classes():
    with pytest.raises(ValueError, match="frames of both labels"):
        calibrate(VAL[:3])


def test_frames_and_videos_are_counted_at_the_threshold():
    metrics = measured(TEST, Calibration(1.0, 0.5))
    assert counts(metrics) == (2, 1, 1, 2)
    assert metrics["frames"]["f1"] == pytest.approx(2 / 3)
    assert sum(metrics["videos"][name] for name in ("tp", "fp", "fn", "tn")) == 3


def test_another_threshold_gives_other_counts():
    assert counts(measure(TEST, Calibration(1.0, 0.01))) == (3, 3, 0, 0)
    assert counts(measure(TEST, Calibration(1.0, 0.97))) == (1, 0, 2, 3)


def test_the_metrics_are_those_of_metrics_json():
    metrics = measured(TEST, Calibration())
    assert metrics.keys() == {"frames", "videos", "per_video"}
    assert metrics["per_video"]["defined_for"] == 3


def test_no_frames_have_no_metrics():
    assert measure([], Calibration()) is None


def assessed(test, *trained):
    return assess("m", VAL, test, trained=iter(trained))


def test_a_test_video_that_trained_is_not_among_the_unseen():
    found = assessed(TEST, ("t/b", "t/b"), ("other", "other"))
    assert counted(found.metrics["test"]) == 6
    assert counted(found.metrics["test_unseen_videos"]) == 3
    assert found.metrics["validation"] == measure(VAL, calibrate(VAL))


def test_a_test_video_of_a_group_that_trained_is_an_unseen_video_and_no_unseen_group():
    found = assessed(TEST, ("another video", "t/b"))
    assert counted(found.metrics["test_unseen_videos"]) == 6
    assert counted(found.metrics["test_unseen_groups"]) == 3


def test_where_every_test_video_trained_there_is_no_unseen_measure():
    found = assessed(TEST, *((video, video) for video in ("t/a", "t/b", "t/c")))
    assert found.metrics["test_unseen_videos"] is found.metrics["test_unseen_groups"] is None


def test_the_test_videos_are_rows_of_the_model():
    videos = assessed(TEST, ("v", "v")).test_videos
    assert videos.schema == VIDEOS
    assert videos["model"].to_pylist() == ["m"] * 3
    assert videos["video_id"].to_pylist() == videos["group"].to_pylist() == ["t/a", "t/b", "t/c"]


def test_the_test_frames_are_rows_with_their_files():
    found = assessed(TEST, ("v", "v")).test_frames
    assert found.schema == PREDICTIONS
    assert found["uri"].to_pylist()[:2] == ["/t/a_0.jpg", "/t/a_1.jpg"]
    assert set(found["prediction"].to_pylist()) == {"flip", "notflip"}
    assert assessed([], ("v", "v")).test_frames.schema == PREDICTIONS


def test_without_test_frames_there_are_no_test_videos():
    found = assessed([], ("v", "v"))
    assert found.metrics["test"] is None
    assert found.test_videos.num_rows == 0
    assert found.test_videos.schema == VIDEOS


def test_the_calibration_is_reported_on_validation():
    report = assessed(TEST, ("v", "v")).calibration_report
    assert report["share_of_flips"] == 0.5
    assert sum(one["frames"] for one in report["reliability"]) == len(VAL)


def test_a_video_of_both_labels_can_be_measured():
    mixed = sorted([*frames(("m", True, [1.0])), ScoredFrame("m", 1, False, -1.0, "m", "")])
    assert counts(measure(mixed, Calibration())) == (1, 0, 0, 1)
