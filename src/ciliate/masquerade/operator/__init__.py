"""What the operator does for masquerading: it says of each MasqueradePolicy whether it is accepted."""
