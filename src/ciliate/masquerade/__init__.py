"""Which address pods get when they leave the cluster."""
