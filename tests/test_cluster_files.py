"""The files that start clusters are valid for Ray and for the jobs' command lines.

No cloud is needed: Ray's launcher checks its file against its schema, and the jobs' own parsers parse the
commands of the RayJob files.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray._private.runtime_env.packaging import create_package
from ray.autoscaler._private.util import prepare_config, validate_config

from flipbatch.cli import parser
from flipbatch.frames.manifest import read_manifest
from flipbatch.schema import FILM_FACTS

TOP = Path(__file__).parents[1]
CLUSTER = TOP / "cluster.yaml"
KUBERAY = sorted((TOP / "manifests" / "kuberay").glob("*.yaml"))
EXAMPLE = TOP / "manifests" / "datasets" / "example.csv"

every_rayjob = pytest.mark.parametrize("file", KUBERAY, ids=lambda file: file.stem)


def load(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text())


def parsed(script: str, arguments: list[str]) -> argparse.Namespace:
    """Parse the arguments of a script with its job's parser."""
    return parser().parse_args([Path(script).stem, *arguments])


def pods(rayjob: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = rayjob["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


# --------------------------------------------------------------------------------- the uploaded checkout


def test_ray_uploads_a_checkout_without_data_and_results(tmp_path):
    kept, left_out = ["flipbatch/frames/jpeg.py"], ["frames/1.jpg", "trained/1", "scored/1", "demo-out/1"]
    for name in [*kept, *left_out]:
        (tmp_path / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "checkout" / name).touch()
    shutil.copy(TOP / ".gitignore", tmp_path / "checkout")
    create_package(str(tmp_path / "checkout"), tmp_path / "package.zip", include_gitignore=True)
    assert {*kept, ".gitignore"} == set(zipfile.ZipFile(tmp_path / "package.zip").namelist())


# --------------------------------------------------------------------------------- cluster.yaml


@pytest.fixture
def cluster() -> dict[str, Any]:
    return load(CLUSTER)


def test_rays_launcher_accepts_the_cluster_file(cluster):
    prepared = prepare_config(cluster)
    validate_config(prepared)
    assert prepared["head_setup_commands"][: len(cluster["setup_commands"])] == cluster["setup_commands"]


def test_rays_launcher_refuses_a_misspelt_key(cluster):
    cluster["idle_timeout"] = 5
    with pytest.raises(Exception, match="idle_timeout"):
        validate_config(prepare_config(cluster))


def test_the_cluster_has_no_idle_workers(cluster):
    workers = {name: kind for name, kind in cluster["available_node_types"].items() if name != "head"}
    assert set(workers) == {"cpu_worker", "gpu_worker"}
    assert all(kind["min_workers"] == 0 < kind["max_workers"] for kind in workers.values())
    assert sum(kind["max_workers"] for kind in workers.values()) <= cluster["max_workers"]
    assert cluster["idle_timeout_minutes"] > 0


def test_the_head_has_no_cpus_for_tasks(cluster):
    assert cluster["available_node_types"][cluster["head_node_type"]]["resources"] == {"CPU": 0}


def test_each_node_starts_with_token_authentication(cluster):
    starts = [*cluster["head_start_ray_commands"], *cluster["worker_start_ray_commands"]]
    starts = [command for command in starts if "ray start" in command]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token ray start" in command for command in starts)
    assert cluster["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


def test_the_dashboard_listens_on_loopback_only(cluster):
    (start,) = [command for command in cluster["head_start_ray_commands"] if "ray start" in command]
    assert "--dashboard-host=127.0.0.1" in start


def test_nodes_install_the_pinned_set_and_then_flipbatch_without_dependencies(cluster):
    *_, pinned, package = cluster["setup_commands"]
    assert "-r pinned.txt" in pinned
    assert "--no-deps -e ." in package


def test_all_mounted_files_are_in_the_checkout(cluster):
    mounted = [local for local in cluster["file_mounts"].values() if not local.startswith("~")]
    assert [local for local in mounted if not (TOP / local).exists()] == []


# ------------------------------------------------------------------------------------- KubeRay


def test_there_is_a_rayjob_for_training_and_one_for_scoring():
    assert [file.stem for file in KUBERAY] == ["score", "train"]


@every_rayjob
def test_a_rayjob_has_what_kuberay_requires(file):
    rayjob = load(file)
    assert (rayjob["apiVersion"], rayjob["kind"]) == ("ray.io/v1", "RayJob")
    assert rayjob["metadata"]["name"] == f"flipbatch-{file.stem}"
    for group in rayjob["spec"]["rayClusterSpec"]["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert group["groupName"]


@every_rayjob
def test_a_rayjob_deletes_its_cluster_and_retries(file):
    spec = load(file)["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["backoffLimit"] > 0


@every_rayjob
def test_a_rayjobs_command_is_valid_for_its_job(file):
    program, script, *arguments = shlex.split(load(file)["spec"]["entrypoint"])
    assert (program, script) == ("python", f"jobs/{file.stem}.py")
    options = parsed(script, arguments)
    assert options.frames.startswith("s3://EDIT-BUCKET/")
    assert options.out.startswith("s3://EDIT-BUCKET/")


def test_the_training_rayjob_has_a_pod_for_each_worker():
    spec = load(TOP / "manifests" / "kuberay" / "train.yaml")["spec"]
    _, script, *arguments = shlex.split(spec["entrypoint"])
    workers = parsed(script, arguments).workers
    assert [group["replicas"] for group in spec["rayClusterSpec"]["workerGroupSpecs"]] == [workers]


def test_a_retry_of_training_resumes():
    assert "--resume" in load(TOP / "manifests" / "kuberay" / "train.yaml")["spec"]["entrypoint"].split()


@every_rayjob
def test_a_rayjobs_cluster_has_token_authentication_and_a_head_without_cpus(file):
    cluster = load(file)["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


@every_rayjob
def test_all_pods_run_one_image_with_the_installed_ray_version(file):
    rayjob = load(file)
    images = {container["image"] for pod in pods(rayjob) for container in pod["containers"]}
    assert len(images) == 1
    assert rayjob["spec"]["rayClusterSpec"]["rayVersion"] == version("ray")


def test_the_image_has_the_installed_ray_version():
    built_on = re.findall(r"FROM rayproject/ray:(\S+?)-py311", (KUBERAY[0]).read_text())
    assert built_on == [version("ray")]


@pytest.mark.parametrize("file", [CLUSTER, *KUBERAY], ids=lambda file: file.stem)
def test_no_file_contains_an_account_an_image_or_a_key(file):
    found = re.findall(r"\b\d{12}\b|\bami-[0-9a-f]{8,}\b|\bAKIA\w{16}\b|arn:aws\S*", file.read_text())
    assert found == []


# ------------------------------------------------------------------------------------ datasets


def test_the_example_manifest_has_these_rows():
    rows = read_manifest(str(EXAMPLE)).frames.drop_columns(["uri", "version", *FILM_FACTS]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("desk-1", 1, "flip", "test", "desk"),
        ("desk-1", 2, "flip", "test", "desk"),
        ("flip/0002", 12, "flip", "train", "0002"),
        ("flip/0002", 13, "flip", "train", "0002"),
        ("flip/0007", 1, "flip", "test", "atlas"),
        ("notflip/0002", 12, "notflip", "train", "0002"),
        ("notflip/0005", 40, "notflip", "val", "atlas"),
        ("unlabelled/0031", 4, None, None, "unlabelled/0031"),
    ]


def test_train_offers_all_architectures():
    from flipbatch.models.architectures import ARCHITECTURES

    required = ["--frames", "f", "--out", "o"]
    assert parsed("train.py", required).models == list(ARCHITECTURES)
    for name in ARCHITECTURES:
        assert parsed("train.py", [*required, "--models", name]).models == [name]
