"""Who says what about an address: allocator, kernel and API compared, evidence and age kept."""
