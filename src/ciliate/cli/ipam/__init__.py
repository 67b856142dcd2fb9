"""`ciliate ipam`: plan, see, check, repair and change the cluster's address management."""
