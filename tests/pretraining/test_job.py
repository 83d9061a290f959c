"""Pretraining as a job, with the real renderer and small numbers."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flipbatch.errors import InputError, JobError, OutputError
from flipbatch.evaluation.calibration import Calibration
from flipbatch.frames.fitting import InputSize
from flipbatch.models.architectures import EIGHTH, architecture
from flipbatch.models.bundle import WEIGHTS_FILE, Bundle, as_arrays, load_bundle, save_bundle
from flipbatch.models.network_options import CnnOptions, MobileNetOptions
from flipbatch.pretraining import job
from flipbatch.pretraining.job import PretrainOptions, pretrain, short
from flipbatch.pretraining.recipe import PretrainRecipe, StreamRecipe
from flipbatch.pretraining.step import Pretraining
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.training import rendered_places

RECIPE = PretrainRecipe(CnnOptions((4, 4, 4, 8), maps=True), frames_per_step=8, warmup_steps=1)
STREAM = StreamRecipe(
    batch_size=8,
    capacity=12,
    fewest_frames=16,
    steps_per_report=2,
    validation_frames=24,
)


@pytest.fixture(autouse=True, scope="module")
def _small_numbers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "RECIPES", {"cnn_model": RECIPE})
        patch.setattr(job, "STREAM", STREAM)
        patch.setattr(rendered_places, "_AHEAD", 2)
        yield


def options(out: Path) -> PretrainOptions:
    return PretrainOptions(out=str(out), models=("cnn_model",), weights="none", steps=4)


@pytest.fixture(scope="module")
def whole(_small_numbers: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    out = tmp_path_factory.mktemp("pretrained") / "whole"
    pretrain(options(out))
    return out


@pytest.fixture
def finished(whole: Path, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    return shutil.copytree(whole, tmp_path / "finished")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained bundle of a few blocks."""
    network = MobileNetOptions(taps=(1, 3), maps=True)
    return other_bundle(tmp_path_factory.mktemp("teacher"), EIGHTH, network)


STUDENT = replace(RECIPE, teacher="mobilenet_v2", imitation_frames=16)


def interrupt_and_resume(options: PretrainOptions, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """End a run where its last step would begin, and finish it."""
    step = getattr(Pretraining, method)

    def interrupted(self: Pretraining, *arguments: object):
        if self.done == 3:
            raise KeyboardInterrupt
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Pretraining, method, interrupted)
        with pytest.raises(KeyboardInterrupt):
            pretrain(options)
    pretrain(replace(options, resume=True))


def assert_same_bundle(whole: Path, parts: Path) -> None:
    one, other = (load_bundle(str(run / "models/cnn_model"))[0] for run in (whole, parts))
    for name, value in one.weights.items():
        assert np.array_equal(value, other.weights[name]), name
    assert one.calibration == other.calibration
    assert [entry["step"] for entry in other.provenance["history"]] == [2, 4]


def test_a_run_that_was_interrupted_gives_the_same_bundle(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    interrupt_and_resume(options(tmp_path), "step", monkeypatch)
    assert_same_bundle(whole, tmp_path)


def test_so_does_an_imitation_that_was_interrupted(
    teacher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(job, "RECIPES", {"cnn_model": STUDENT})
    pretrain(replace(options(tmp_path / "whole"), teacher=teacher))
    interrupt_and_resume(replace(options(tmp_path / "parts"), teacher=teacher), "imitate", monkeypatch)
    assert_same_bundle(tmp_path / "whole", tmp_path / "parts")


def test_without_a_teacher_the_shipped_one_is_imitated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(job, "RECIPES", {"cnn_model": STUDENT})
    identity = options(tmp_path).identity()
    assert identity["teacher"] == "pretrained:mobilenet_v2"
    shipped, digest = load_bundle(identity["teacher"])
    assert identity["teacher_digest"] == digest
    assert shipped.input_size == EIGHTH
    assert isinstance(shipped.options, MobileNetOptions)
    assert shipped.options.maps


def test_a_finished_run_takes_another_threshold_without_training(
    finished: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(Pretraining, "step")
    pretrain(replace(options(finished), thresholds={"cnn_model": 0.75}, resume=True))
    bundle, _ = load_bundle(str(finished / "models/cnn_model"))
    assert bundle.calibration.threshold == 0.75
    assert bundle.options == RECIPE.network
    assert RunDirectory.at(str(finished)).is_finished


def test_a_run_is_not_overwritten(tmp_path: Path):
    RunDirectory.at(str(tmp_path)).start(options(tmp_path).identity())
    with pytest.raises(OutputError, match="add --resume"):
        pretrain(options(tmp_path))
    with pytest.raises(OutputError, match=r"steps\.cnn_model was 4 and is now 5"):
        pretrain(replace(options(tmp_path), steps=5, resume=True))


def test_weights_that_have_seen_rendered_frames_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="use imagenet, none"):
        pretrain(replace(options(tmp_path), weights="pretrained:cnn_model"))


def test_a_model_gets_the_weights_of_the_step_that_is_chosen(tmp_path: Path):
    stopped = replace(options(tmp_path), stops={"cnn_model": 2})
    pretrain(stopped)
    chosen, last = (load_bundle(str(tmp_path / one))[0] for one in ("models/cnn_model", "stops/4/cnn_model"))
    at_stop, _ = load_bundle(str(tmp_path / "stops/2/cnn_model"))
    assert all(np.array_equal(value, at_stop.weights[name]) for name, value in chosen.weights.items())
    assert not all(np.array_equal(value, last.weights[name]) for name, value in chosen.weights.items())
    assert chosen.provenance["training"]["stop"] == 2
    sizes = {
        (tmp_path / one / WEIGHTS_FILE).stat().st_size for one in ("models/cnn_model", "stops/2/cnn_model")
    }
    assert len(sizes) == 1
    assert [entry["step"] for entry in chosen.provenance["history"]] == [2]


def test_a_stop_without_a_report_is_refused(tmp_path: Path):
    with pytest.raises(
        InputError, match="No report of cnn_model is written at step 3: stop at a multiple of 2"
    ):
        pretrain(replace(options(tmp_path), stops={"cnn_model": 3}))
    assert not any(tmp_path.iterdir())


def test_a_student_imitates_the_teacher_of_its_run_or_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    small = PretrainRecipe(MobileNetOptions(taps=(1, 3), maps=True))
    monkeypatch.setattr(job, "RECIPES", {"mobilenet_v2": small, "cnn_model": STUDENT})
    both = replace(options(tmp_path / "both"), models=("cnn_model", "mobilenet_v2"), steps=2)
    pretrain(both)
    teacher = str(tmp_path / "both/models/mobilenet_v2")
    pretrain(replace(both, out=str(tmp_path / "alone"), models=("cnn_model",), teacher=teacher))
    first, second = (load_bundle(str(tmp_path / run / "models/cnn_model"))[0] for run in ("both", "alone"))
    assert all(np.array_equal(value, second.weights[name]) for name, value in first.weights.items())
    for bundle in (first, second):
        assert bundle.provenance["history"][0]["train"]["feature_loss"] > 0
        assert bundle.provenance["training"]["teacher"] == "mobilenet_v2"
        assert bundle.provenance["training"]["weights"] == "none"


def other_bundle(folder: Path, size: InputSize, network: CnnOptions | MobileNetOptions) -> str:
    """Write an untrained bundle of another size or network, and return where it is."""
    name = "cnn_model" if isinstance(network, CnnOptions) else "mobilenet_v2"
    weights = as_arrays(architecture(name).build(network).state_dict())
    save_bundle(Bundle("m", name, size, Calibration(), weights, {}, network), str(folder))
    return str(folder)


@pytest.mark.parametrize(
    ("size", "network", "message"),
    [
        (EIGHTH, CnnOptions(), "has no class maps: use a model that"),
        (InputSize(96, 54), RECIPE.network, "takes frames of 96x54: use one that takes 240x135"),
    ],
)
def test_a_teacher_that_can_not_be_imitated_is_refused(
    size: InputSize, network: CnnOptions, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(job, "RECIPES", {"cnn_model": STUDENT})
    teacher = other_bundle(tmp_path / "teacher", size, network)
    with pytest.raises(InputError, match=message):
        pretrain(replace(options(tmp_path / "out"), teacher=teacher))
    assert not (tmp_path / "out").exists()


def test_options_of_a_network_that_is_not_trained_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="mobilenet_v2 is not trained: add it to --models"):
        replace(options(tmp_path), thresholds={"mobilenet_v2": 0.5})


def test_an_interrupted_change_of_a_finished_run_leaves_it_unfinished(
    finished: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(job, "save_bundle", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        pretrain(replace(options(finished), thresholds={"cnn_model": 0.75}, resume=True))
    assert not RunDirectory.at(str(finished)).is_finished


def test_a_network_whose_logits_are_not_numbers_has_diverged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(job, "RECIPES", {"cnn_model": replace(RECIPE, learning_rate=1e30)})
    with pytest.raises(JobError, match="Training of cnn_model diverged"):
        pretrain(options(tmp_path))


def test_random_weights_are_not_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    frozen = replace(RECIPE, frozen_blocks=4)
    monkeypatch.setattr(job, "RECIPES", {"cnn_model": frozen})
    pretrain(options(tmp_path))
    early, late = (load_bundle(str(tmp_path / f"stops/{step}/cnn_model"))[0] for step in (2, 4))
    assert not np.array_equal(early.weights["features.0.0.weight"], late.weights["features.0.0.weight"])


def test_a_model_card_names_a_weights_file_without_its_place_or_secrets():
    assert short("https://host/path/w.safetensors?X-Amz-Signature=SECRET") == "w.safetensors"
    assert short("/home/me/w.pth") == "w.pth"
    assert short("imagenet") == "imagenet"
