"""Models: pixels become probabilities.

`architectures` names the networks `cnn_model` and `mobilenet_v2`, whose first layer is `normalise` and which
may have `class_maps`. `bundle` reads and writes trained weights, with the numbers of `preprocessing`. For
inference, `inference_graph` makes a graph of the weights, which `cpu_engine` runs; `torch_engine` runs the
network on GPUs; `precision` and `engine_identity` describe both. `predictor` calibrates their logits, and
`model` is the class for users. Does not know runs or Ray.
"""
