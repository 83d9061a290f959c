"""Facts about `flipbatch.scoring.models`."""

from __future__ import annotations

import dataclasses

import pytest

from flipbatch.errors import BundleError, InputError
from flipbatch.evaluation.calibration import Calibration
from flipbatch.models.bundle import save_bundle
from flipbatch.scoring.models import load_models


def test_a_model_is_called_what_its_bundle_is_called(saved):
    (model,) = load_models([saved("a", name="my_model")], None)
    assert model.name == "my_model"
    assert len(model.bundle_fingerprint) == 64


def test_a_model_may_be_renamed(saved):
    (model,) = load_models([f"second-try.v2={saved('a')}"], None)
    assert model.name == model.bundle.name == "second-try.v2"


def test_renaming_changes_no_fingerprint(saved):
    uri = saved("a")
    assert len({model.bundle_fingerprint for model in load_models([uri, f"b={uri}"], None)}) == 1


def test_another_threshold_keeps_temperature_and_offset(tiny_bundle, tmp_path):
    calibration = Calibration(2.0, 0.3, offset=-1.5)
    save_bundle(dataclasses.replace(tiny_bundle, calibration=calibration), f"{tmp_path}/a")
    (model,) = load_models([f"{tmp_path}/a"], 0.75)
    assert model.bundle.calibration == Calibration(2.0, 0.75, offset=-1.5)


def test_models_have_one_order_however_they_are_given(saved):
    one, other = saved("a", name="one"), saved("b", name="other")
    assert [model.name for model in load_models([other, one], None)] == ["one", "other"]


def test_each_model_keeps_its_uri_however_they_are_given(saved):
    one, other = saved("a", name="one"), saved("b")
    models = load_models([f"other={other}", one], None)
    assert {model.name: model.uri for model in models} == {"one": one, "other": other}


def test_an_equals_sign_in_a_folder_is_not_a_name(saved):
    (model,) = load_models([saved("run=3/cnn")], None)
    assert model.name == "cnn_model"


def test_two_models_of_one_name_are_refused_with_an_example(saved):
    first, second, third = saved("a"), saved("b"), saved("c", name="other")
    with pytest.raises(InputError) as refused:
        load_models([first, second, third], None)
    assert str(refused.value) == (
        "Two models are called cnn_model: rename one with --model NAME=URI, for example --model "
        f"cnn_model_2={second}."
    )


def test_a_name_that_is_given_twice_is_refused_with_its_uri(saved):
    with pytest.raises(InputError, match=r"--model x_2=/.*/a\."):
        load_models([f"x={saved('a')}", f"x={saved('a')}"], None)


@pytest.mark.parametrize(
    "name",
    [
        "status",
        "label",
        "uri",
        "group",
        "seconds",
        "sharpness",
        "thumbnail",
        "a/b",
        "two words",
        "line\nbreak",
        "",
    ],
)
def test_a_name_that_no_column_or_folder_can_have_is_refused(saved, name):
    with pytest.raises(InputError, match=r"A model can't be called .*: rename it with --model NAME=/.*/a,"):
        load_models([saved("a", name=name)], None)


def test_a_model_can_not_be_renamed_to_a_column(saved):
    with pytest.raises(InputError, match="A model can't be called 'error'"):
        load_models([f"error={saved('a')}"], None)


@pytest.mark.parametrize("name", ["1", "02", "1e5", "2026-11-26", "true", "null", "None", "nan", "epoch"])
def test_a_name_that_readers_take_for_a_value_is_refused_with_an_example(saved, name):
    given, own = saved("a"), saved("b", name=name)
    for argument, uri in ((f"{name}={given}", given), (own, own)):
        with pytest.raises(InputError) as refused:
            load_models([argument], None)
        assert str(refused.value) == (
            f"A model can't be called '{name}', because programs that read the tables take it for a number, "
            f"a date, a truth value or null: rename it with --model NAME={uri}, for example --model "
            f"model_{name}={uri}."
        )


@pytest.mark.parametrize("name", ["", "a%20b", "two words", "ü"])
def test_what_is_before_an_equals_sign_is_a_name_even_if_it_is_a_bad_one(saved, name):
    with pytest.raises(InputError, match=f"A model can't be called '{name}', because its name is a folder"):
        load_models([f"{name}={saved('a')}"], None)


def test_a_name_that_no_file_system_takes_is_refused(saved):
    load_models([f"{'x' * 128}={saved('a')}"], None)
    with pytest.raises(InputError, match="A model's name of 129 characters is too long for a folder"):
        load_models([f"{'x' * 129}={saved('b')}"], None)


def test_names_that_differ_in_case_only_are_refused(saved):
    with pytest.raises(InputError, match="Two models are called A and a, which differ in case only: rename"):
        load_models([f"A={saved('a')}", f"a={saved('b')}"], None)


def test_names_of_a_run_that_is_resumed_stay(saved):
    arguments = [f"{name}={saved('a')}" for name in ("1", "A", "a")]
    assert [model.name for model in load_models(arguments, None, {"1", "A", "a"})] == ["1", "A", "a"]


def test_a_folder_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError, match="is not a model bundle"):
        load_models([str(tmp_path)], None)


def test_a_threshold_replaces_the_bundles_own(saved, tiny_bundle):
    uri = saved("a")
    assert load_models([uri], 0.25)[0].bundle.calibration.threshold == 0.25
    assert load_models([uri], 0.0)[0].bundle.calibration.threshold == 0
    assert load_models([uri], None)[0].bundle.calibration == tiny_bundle.calibration
