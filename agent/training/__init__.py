"""What every training needs, whatever it learns from: a model, checkpoints, a run folder, metrics, validation."""
