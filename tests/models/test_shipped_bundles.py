"""The bundles that come with the package."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from flipbatch.models.architectures import EIGHTH
from flipbatch.models.bundle import load_bundle
from flipbatch.models.predictor import Predictor
from flipbatch.models.pretrained import FOLDER, PREFIX, pretrained_names
from flipbatch.training.rendered_places import render_place

LARGEST = {"cnn_model": 1_000_000, "mobilenet_v2": 6_000_000}
"""Bytes."""


def test_there_is_one_bundle_of_each_architecture():
    assert pretrained_names() == sorted(LARGEST)


@pytest.mark.parametrize("name", sorted(LARGEST))
def test_a_shipped_bundle_is_small(name: str):
    assert sum(file.stat().st_size for file in (FOLDER / name).iterdir()) <= LARGEST[name]


@pytest.mark.parametrize("name", sorted(LARGEST))
def test_a_shipped_bundle_says_that_it_has_seen_rendered_frames_alone(name: str):
    training = load_bundle(PREFIX + name)[0].provenance["training"]
    assert training["command"] == "pretrain"
    assert "/" not in json.dumps(training["weights"])


def test_shipped_bundles_rank_rendered_frames_of_places_that_they_have_not_seen():
    places = [render_place(77_777, place, EIGHTH) for place in range(12)]
    pixels = np.concatenate([place.pixels for place in places])
    truth = np.concatenate([place.positive for place in places])
    for name, least in (("cnn_model", 0.6), ("mobilenet_v2", 0.75)):
        predictor = Predictor(load_bundle(PREFIX + name)[0])
        assert roc_auc_score(truth, predictor.probabilities(pixels)) > least
