"""Control, finite models, and exact linear or finite kernels."""
