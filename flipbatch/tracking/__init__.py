"""Tracking: what a training run says of itself becomes TensorBoard files and MLflow runs.

`observers` says which there are. `tensorboard` writes event files, each an `event_file`, with
`captioned_frames` in them. `mlflow_runs` writes to a tracking server, and `mlflow_model` is the model that it
registers. Does not know Ray, networks or how a model is trained.
"""
