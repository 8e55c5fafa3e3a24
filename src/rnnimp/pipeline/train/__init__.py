"""Stage `train`: train regions on one device, several devices or a cluster, and export the model."""
