"""What allocator, kernel and API say about each address, compared: findings, evidence and age."""
